using System.Text.Json;

namespace Lotse.Postgres.Containers;

/// <summary>
/// Makes the container that takes the place of the old one. Not every option of an engine can be told from what it says of a
/// container; so it is made once on trial while the old one still serves, without its data, and never started.
/// </summary>
internal static class NewContainer
{
    /// <summary>The label of a container that only asks whether its name is free.</summary>
    private const string Probe = "lotse.upgrade";

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
        catch (StepFailedException)
        {
            try
            {
                RemoveTrial(programs, job);
            }
            catch (StepFailedException)
            {
                // Why it cannot be made is to be told, not that it stays; the way back tries again.
            }

            throw;
        }

        RemoveTrial(programs, job);
    }

    /// <summary>Takes a trial away that was cut short.</summary>
    /// <exception cref="StepFailedException">The engine does not do it.</exception>
    public static void RemoveTrial(ClusterPrograms programs, UpgradeJob job)
    {
        var (host, container) = (programs.Host, job.Container!);
        if (!host.Status(Folder(job)).Ok && !host.Status(Ended(job)).Ok)
        {
            return;
        }

        // An engine that has not looked yet for what it is to mount refuses. A disk that takes no writes stands against nothing.
        _ = host.Run(["mv", "-T", Folder(job), Ended(job)], Moment);
        for (var tries = 0; !IsRemoved(programs, job); tries++)
        {
            if (tries > 60)
            {
                throw new StepFailedException($"{container.Engine} neither has a container {ByteText.Escape(NameOf(container))} nor gives its name free; once it is idle or started again, this goes on");
            }

            host.Wait(TimeSpan.FromSeconds(1));
        }

        _ = host.Run(["rmdir", "--", .. new[] { Folder(job), Ended(job) }.Where(f => host.Status(f).Ok)], Moment);
    }

    /// <summary>Whether the trial is not there, and does not come any more. Docker makes what it was asked for although who asked was killed, and until it is there only its name is taken.</summary>
    private static bool IsRemoved(ClusterPrograms programs, UpgradeJob job)
    {
        var (host, container) = (programs.Host, job.Container!);
        string[] remove = ["rm", "-v", NameOf(container)];
        var read = ContainerReader.Inspect(host, container.Engine, "container", NameOf(container));
        if (read.Ok)
        {
            if (Json.Map(Json.At(read.Value, "Config"), "Labels").TryGetValue(Probe, out var of) && of == job.Work)
            {
                ContainerSteps.Engine(programs, container, Moment, remove);
            }
            else if (Json.Items(read.Value, "Mounts").Any(m => Json.Text(m, "Source") == Folder(job)))
            {
                // Without -v: nothing but the container goes.
                ContainerSteps.Engine(programs, container, Moment, "rm", NameOf(container));
            }

            return true;
        }

        if (read.Error!.Kind != HostErrorKind.NotFound)
        {
            throw new StepFailedException(read.Error.Message);
        }

        if (container.Engine != "docker")
        {
            return true;
        }

        if (host.Run([container.Engine, "create", "--name", NameOf(container), "--label", $"{Probe}={job.Work}", "--network", "none", container.OldImageId, "true"], Moment) is not { Ok: true, Value.ExitCode: 0 })
        {
            return false;
        }

        ContainerSteps.Engine(programs, container, Moment, remove);
        return true;
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

    /// <summary>Its folder from the moment on that it is to go.</summary>
    private static string Ended(UpgradeJob job) => $"{job.Work}/trial-ended";
}
