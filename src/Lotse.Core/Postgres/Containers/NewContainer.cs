using System.Text.Json;

namespace Lotse.Postgres.Containers;

/// <summary>
/// Makes the container that takes the place of the old one. Not every option of an engine can be told from what it says of a
/// container; so it is made once on trial while the old one still serves, without its data, and never started.
/// </summary>
internal static class NewContainer
{
    private static readonly TimeSpan Moment = TimeSpan.FromMinutes(2);

    /// <summary>Makes it, and takes it away again.</summary>
    /// <exception cref="StepFailedException">The engine refuses it, or it is not like the old one.</exception>
    public static void Try(ClusterPrograms programs, UpgradeJob job)
    {
        RemoveTrial(programs, job);
        var container = job.Container!;
        if (ContainerSteps.Id(programs.Host, container, NameOf(container)) is not null)
        {
            throw new StepFailedException($"there is a container {ByteText.Escape(NameOf(container))}, which is not ours: remove or rename it");
        }

        // An empty folder stands for the data: engines copy files of the image into volumes, and owners with them.
        var folder = Folder(job);
        ContainerSteps.Do(programs.Host, "install", "-d", folder);
        try
        {
            Make(programs, job, container with { Name = NameOf(container), NewSource = folder, Restart = "no" });
        }
        finally
        {
            RemoveTrial(programs, job);
        }
    }

    /// <summary>Takes a trial away that was cut short.</summary>
    public static void RemoveTrial(ClusterPrograms programs, UpgradeJob job)
    {
        var container = job.Container!;
        if (programs.Host.Status(Folder(job)).Ok && ContainerReader.Inspect(programs.Host, container.Engine, "container", NameOf(container)) is { Ok: true } found && Json.Items(found.Value, "Mounts").Any(m => Json.Text(m, "Source") == Folder(job)))
        {
            // Without -v: nothing but the container goes.
            ContainerSteps.Engine(programs, container, Moment, "rm", NameOf(container));
        }

        _ = programs.Host.Run(["rmdir", Folder(job)], Moment);
    }

    /// <summary>Makes it: from the job, whose name and mount it gets, and from what the engine says of the old one.</summary>
    /// <exception cref="StepFailedException">The engine refuses it, or it is not like the old one.</exception>
    public static void Make(ClusterPrograms programs, UpgradeJob job, ContainerJob container)
    {
        var host = programs.Host;
        JsonElement Said(string kind, string name)
        {
            var read = ContainerReader.Inspect(host, container.Engine, kind, name);
            return read.Ok ? read.Value : throw new StepFailedException(read.Error!.Message);
        }

        var (old, oldImage, newImage) = (Said("container", container.Id), Said("image", container.OldImageId), Said("image", container.NewImageId));
        var file = $"{job.Work}/environment";
        var (arguments, environment) = CreateArguments.Of(old, oldImage, container, file);
        if (environment.Length > 0)
        {
            ContainerSteps.Do(host, "install", "-m", "0600", "/dev/null", file);
            var written = host.Run(["dd", $"of={file}", "status=none"], Moment, ByteText.Encode(string.Concat(environment.Select(e => e + "\n"))));
            if (written is not { Ok: true, Value.ExitCode: 0 })
            {
                throw new StepFailedException($"cannot write {ByteText.Escape(file)}");
            }
        }

        try
        {
            ContainerSteps.Engine(programs, container, Moment, ["create", .. arguments]);
        }
        finally
        {
            _ = host.Run(["rm", "-f", file], Moment);
        }

        // Further networks are joined one by one.
        foreach (var network in JoinedNetwork.Of(old).Skip(1))
        {
            ContainerSteps.Engine(programs, container, Moment, ["network", "connect", .. network.Options("--alias"), network.Name, container.Name]);
        }

        if (CreateArguments.Differences(old, Said("container", container.Name), oldImage, newImage, container) is [_, ..] differences)
        {
            throw new StepFailedException($"the new container is not made like the old one: {ByteText.Escape(string.Join(", ", differences.Take(6)))}; take what differs out of the old container, or make the new one by hand with the image {ByteText.Escape(container.Image)}");
        }
    }

    private static string NameOf(ContainerJob container) => container.Name + "-lotse-trial";

    private static string Folder(UpgradeJob job) => $"{job.Work}/trial";
}
