using System.Globalization;
using System.Text.Json;

namespace Lotse.Postgres.Containers;

/// <summary>
/// What containers add to the steps of an upgrade: images are unpacked, the old container stopped and put aside under
/// another name, a new one made like it. Each looks at what is true first, and may be repeated.
/// </summary>
internal static class ContainerSteps
{
    private const string Volume = "volume-made";
    private static readonly TimeSpan Moment = TimeSpan.FromMinutes(2), Long = TimeSpan.FromHours(2);

    /// <summary>Both images, unpacked, and a container made like the old one, if that can be; before anything stops.</summary>
    public static void Fetch(ClusterPrograms programs, UpgradeJob job)
    {
        var container = job.Container!;
        foreach (var (id, place) in new[] { (container.OldImageId, container.OldRoot), (container.NewImageId, container.NewRoot) })
        {
            var root = ImageRoots.Unpack(programs.Host, container.Engine, id);
            if (!root.Ok || root.Value != place)
            {
                throw new StepFailedException(root.Error?.Message ?? $"{ByteText.Escape(root.Value)} is not {ByteText.Escape(place)}");
            }
        }

        NewContainer.Try(programs, job);
    }

    /// <summary>They are not needed to go back.</summary>
    public static void Forget(ClusterPrograms programs, UpgradeJob job)
    {
        NewContainer.RemoveTrial(programs, job);
        ImageRoots.Remove(programs.Host, job.Container!.OldRoot, job.Container.NewRoot);
        _ = programs.Host.Run(["rm", "-rf", "--one-file-system", job.Stage], Moment);
    }

    /// <summary>Stops the old container.</summary>
    public static void Stop(ClusterPrograms programs, UpgradeJob job)
    {
        var container = job.Container!;
        if (Id(programs.Host, container, container.Name) != container.Id)
        {
            throw new StepFailedException($"{ByteText.Escape(container.Name)} is another container than the one that the plan is about");
        }

        if (Runs(programs.Host, container, container.Name))
        {
            programs.Mark(UpgradeSteps.WasRunning);
            StopContainer(programs, container);
        }
        else if (UpgradeSteps.HasDied(programs, job))
        {
            programs.Mark(UpgradeSteps.WasRunning);
        }
    }

    /// <summary>Starts the old container where it ran.</summary>
    public static void StartAgain(ClusterPrograms programs, UpgradeJob job)
    {
        var container = job.Container!;
        programs.Stop(job.Unfinished, atOnce: true);
        GiveNameBack(programs, container);
        if (Runs(programs.Host, container, container.Name))
        {
            if (!programs.IsMarked(UpgradeSteps.WasRunning))
            {
                return;
            }

            // Told to stop, perhaps, by a step that was cut short; engines finish what they were asked: it would be gone in a moment.
            StopContainer(programs, container);
        }

        // A server that we started on the old data is not the container's.
        programs.Stop(job.Old);
        if (programs.IsMarked(UpgradeSteps.WasRunning) || UpgradeSteps.HasDied(programs, job))
        {
            StartContainer(programs, container);
            WaitUntilReady(programs, container, job.Old, container.Name);
        }
    }

    /// <summary>Gives the whole new cluster its name: in a new volume, or in a folder.</summary>
    public static void Place(ClusterPrograms programs, UpgradeJob job)
    {
        var (host, container) = (programs.Host, job.Container!);
        if (!programs.IsMarked(UpgradeSteps.Complete))
        {
            throw new StepFailedException($"{ByteText.Escape(job.Unfinished)} is not complete");
        }

        if (container is { IsVolume: true, IsNewSource: true })
        {
            if (!ContainerReader.Inspect(host, container.Engine, "volume", container.NewSource).Ok)
            {
                programs.Mark(Volume);
                Engine(programs, container, Moment, ["volume", "create", .. container.VolumeLabels.SelectMany(l => new[] { "--label", l }), container.NewSource]);
            }

            var made = ContainerReader.Inspect(host, container.Engine, "volume", container.NewSource);
            if (!made.Ok || Json.Text(made.Value, "Mountpoint") != container.NewFolder)
            {
                throw new StepFailedException($"the volume {ByteText.Escape(container.NewSource)} lies in {ByteText.Escape(made.Ok ? Json.Text(made.Value, "Mountpoint") : "?")}, not in {ByteText.Escape(container.NewFolder)}");
            }
        }

        if (host.Status(job.New) is { Ok: true, Value.Kind: not FileKind.Directory } || (host.List(job.New) is { Ok: true, Value.Length: > 0 }))
        {
            throw new StepFailedException($"{ByteText.Escape(job.New)} is there already");
        }

        // The mount of the new container and what is in between belong to who owns the data, as images have it.
        if (job.New != container.NewFolder)
        {
            foreach (var folder in Between(container.NewFolder, job.New))
            {
                programs.Owners(folder, "0755");
            }
        }
        else
        {
            Do(host, "install", "-d", job.New[..Math.Max(1, job.New.LastIndexOf('/'))]);
        }

        if (host.Status(job.New).Ok)
        {
            Do(host, "rmdir", job.New);
        }

        Do(host, "mv", "-T", "-n", job.Unfinished, job.New);
        if (host.Status(job.Unfinished).Ok)
        {
            throw new StepFailedException($"cannot rename {ByteText.Escape(job.Unfinished)} to {ByteText.Escape(job.New)}");
        }

        _ = host.Run(["sync", job.New[..job.New.LastIndexOf('/')], job.Work], Long);
    }

    /// <summary>Takes the name away again; the volume goes where the upgrade made it, and is empty.</summary>
    public static void Displace(ClusterPrograms programs, UpgradeJob job)
    {
        var (host, container) = (programs.Host, job.Container!);
        if (host.Status($"{job.New}/PG_VERSION").Ok && !host.Status(job.Unfinished).Ok && programs.IsMarked(UpgradeSteps.Complete))
        {
            programs.Stop(job.New);
            Do(host, "mv", "-T", "-n", job.New, job.Unfinished);
            _ = host.Run(["sync", job.Work], Long);
        }

        if (container.IsNewSource && !host.Status($"{job.New}/PG_VERSION").Ok)
        {
            foreach (var folder in Between(container.NewFolder, job.New).Reverse().Prepend(job.New).Where(f => !container.IsVolume || f != container.NewFolder))
            {
                _ = host.Run(["rmdir", folder], Moment);
            }

            if (programs.IsMarked(Volume) && (host.List(container.NewFolder) is not { Ok: true, Value.Length: > 0 }))
            {
                var made = ContainerReader.Inspect(host, container.Engine, "volume", container.NewSource);
                if (made.Ok)
                {
                    // An engine wants the folder that it made, to take it away.
                    _ = host.Run(["install", "-d", container.NewFolder], Moment);
                    Engine(programs, container, Moment, "volume", "rm", container.NewSource);
                }
                else if (made.Error!.Kind != HostErrorKind.NotFound)
                {
                    throw new StepFailedException(made.Error.Message);
                }

                programs.Unmark(Volume);
            }
        }
    }

    /// <summary>Puts the old container aside, makes the new one like it, and starts it where the old one ran.</summary>
    public static void Start(ClusterPrograms programs, UpgradeJob job)
    {
        var (host, container) = (programs.Host, job.Container!);
        if (programs.ServerOf(job.Old) is not null)
        {
            throw new StepFailedException($"a server works in {ByteText.Escape(job.Old)} again: somebody started it meanwhile");
        }

        if (Id(host, container, container.Name) == container.Id)
        {
            Engine(programs, container, Moment, "rename", container.Name, container.Aside);
        }

        if (container is { Engine: "docker", Restart: not ("" or "no") })
        {
            Engine(programs, container, Moment, "update", "--restart=no", container.Aside);
        }

        // One that was left half made when lotse died is made anew; one that runs was whole.
        var there = Id(host, container, container.Name);
        if (there is not null && !Runs(host, container, container.Name))
        {
            Engine(programs, container, Moment, "rm", "-f", "-v", container.Name);
            there = null;
        }

        if (there is null)
        {
            NewContainer.Make(programs, job, container);
        }

        if (programs.IsMarked(UpgradeSteps.WasRunning))
        {
            StartContainer(programs, container);
            WaitUntilReady(programs, container, job.New, container.Name);
        }
    }

    /// <summary>Takes the new container away and gives the old one its name.</summary>
    public static void Swap(ClusterPrograms programs, UpgradeJob job)
    {
        var (host, container) = (programs.Host, job.Container!);
        GiveNameBack(programs, container);
        if (container is { Engine: "docker", Restart: not ("" or "no") } && Id(host, container, container.Name) == container.Id)
        {
            Engine(programs, container, Moment, "update", $"--restart={container.Restart}", container.Name);
        }

        programs.Stop(job.New);
    }

    /// <summary>What an engine was asked by a step that was cut short, it may do a moment later: a container may be there, or renamed, that was not.</summary>
    private static void GiveNameBack(ClusterPrograms programs, ContainerJob container)
    {
        var host = programs.Host;
        for (var tries = 0; Id(host, container, container.Aside) == container.Id; tries++)
        {
            try
            {
                // The name is ours then, and so is who has it.
                if (Id(host, container, container.Name) is not null)
                {
                    if (Runs(host, container, container.Name))
                    {
                        StopContainer(programs, container);
                    }

                    Engine(programs, container, Moment, "rm", "-f", "-v", container.Name);
                }

                Engine(programs, container, Moment, "rename", container.Aside, container.Name);
                return;
            }
            catch (StepFailedException) when (tries < 5)
            {
                host.Wait(TimeSpan.FromSeconds(1));
            }
        }
    }

    /// <summary>Statistics, asked of the new container where its local lines let the superuser in.</summary>
    public static void Statistics(ClusterPrograms programs, UpgradeJob job)
    {
        var container = job.Container!;
        if (programs.IsMarked(UpgradeSteps.WasRunning))
        {
            string[] missing = job.To >= 18 ? ["--missing-stats-only"] : [];
            var ran = programs.Host.Run([container.Engine, "exec", "--user", $"{job.Uid.ToString(CultureInfo.InvariantCulture)}:{job.Gid.ToString(CultureInfo.InvariantCulture)}", container.Name, $"{job.NewPrograms[$"{job.Stage}/new".Length..]}/vacuumdb",
                "--all", "--analyze-in-stages", .. missing, "--no-password", "-U", job.Superuser], TimeSpan.FromDays(1));
            if (ran is not { Ok: true, Value.ExitCode: 0 })
            {
                programs.Write($"{job.Work}/log/vacuumdb.log", ran.Ok ? ran.Value.Errors : ByteText.Encode(ran.Error!.Message));
                programs.Mark("statistics-missing");
            }
        }

        Forget(programs, job);
    }

    /// <summary>In order; an engine kills what takes longer than it was told.</summary>
    private static void StopContainer(ClusterPrograms programs, ContainerJob container) => Engine(programs, container, Long, "stop", "-t", "600", container.Name);

    /// <summary>What the other container has just given back, its published port above all, an engine may not have free for a moment.</summary>
    private static void StartContainer(ClusterPrograms programs, ContainerJob container)
    {
        for (var tries = 0; ; tries++)
        {
            try
            {
                Engine(programs, container, Moment, "start", container.Name);
                return;
            }
            catch (StepFailedException) when (tries < 5)
            {
                programs.Host.Wait(TimeSpan.FromSeconds(1));
            }
        }
    }

    /// <summary>postmaster.pid says when a server takes connections (src/include/utils/pidfile.h, line 8).</summary>
    private static void WaitUntilReady(ClusterPrograms programs, ContainerJob container, string directory, string name)
    {
        for (var tries = 0; ; tries++)
        {
            var lines = programs.Host.ReadFile($"{directory}/postmaster.pid", 4096) is { Ok: true } read ? ByteText.Decode(read.Value).Split('\n') : [];
            if (lines.Length > 7 && lines[7].StartsWith("ready", StringComparison.Ordinal) && programs.ServerOf(directory) is not null)
            {
                return;
            }

            if (tries > 36_000 || (tries % 10 == 9 && !Runs(programs.Host, container, name)))
            {
                var said = programs.Host.Run([container.Engine, "logs", "--tail", "40", name], Moment) is { Ok: true } ran ? ByteText.Decode([.. ran.Value.Output, .. ran.Value.Errors]) : "";
                var why = LogDiagnosis.Explain([new($"{container.Engine} logs {name}", said)]);
                throw new StepFailedException($"the container {ByteText.Escape(name)} does not serve: {(why.Findings is [var first, ..] ? $"{first.Title} [{first.Id}]" : ByteText.Escape(said.Trim().Split('\n')[^1]))}");
            }

            programs.Host.Wait(TimeSpan.FromMilliseconds(100));
        }
    }

    private static IEnumerable<string> Between(string top, string directory)
    {
        yield return top;
        for (var at = directory.IndexOf('/', Math.Min(directory.Length, top.Length + 1)); at > 0; at = directory.IndexOf('/', at + 1))
        {
            yield return directory[..at];
        }
    }

    private static bool Runs(Host host, ContainerJob container, string name) => ContainerReader.Inspect(host, container.Engine, "container", name) is { Ok: true } read && Json.Is(Json.At(read.Value, "State"), "Running");

    internal static string? Id(Host host, ContainerJob container, string name)
    {
        var read = ContainerReader.Inspect(host, container.Engine, "container", name);
        return read.Ok ? Json.Text(read.Value, "Id") : read.Error!.Kind == HostErrorKind.NotFound ? null : throw new StepFailedException(read.Error.Message);
    }

    internal static void Engine(ClusterPrograms programs, ContainerJob container, TimeSpan time, params string[] arguments)
    {
        var ran = programs.Host.Run([container.Engine, .. arguments], time);
        if (ran is not { Ok: true, Value.ExitCode: 0 })
        {
            // docker tells the reason first, and then that it could not.
            var said = ran.Ok ? ByteText.Decode(ran.Value.Errors).Trim().Split('\n') : [];
            throw new StepFailedException($"{container.Engine} {ByteText.Escape(arguments[0])}: {(ran.Ok ? ByteText.Escape(said.FirstOrDefault(l => l.StartsWith("Error response", StringComparison.Ordinal)) ?? said[^1]) : ran.Error!.Message)}");
        }
    }

    internal static void Do(Host host, params string[] arguments)
    {
        var ran = host.Run(arguments, Moment);
        if (ran is not { Ok: true, Value.ExitCode: 0 })
        {
            throw new StepFailedException($"{string.Join(' ', arguments.Select(ByteText.Escape))}: {(ran.Ok ? ByteText.Escape(ByteText.Decode(ran.Value.Errors).Trim()) : ran.Error!.Message)}");
        }
    }
}
