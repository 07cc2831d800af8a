using System.Globalization;
using System.Text;

namespace Lotse.Postgres;

/// <summary>
/// The steps of an upgrade, and the steps back. Each looks at the disk for what is true and may be repeated: one that was
/// cut short is finished or taken back by its inverse, whoever calls it. Order and journal are the plan's.
/// </summary>
public static class UpgradeSteps
{
    /// <summary>Set before the old server is stopped: it has to run again when the upgrade is taken back.</summary>
    internal const string WasRunning = "was-running";

    /// <summary>Set when the unfinished cluster is whole: checked and configured. Without it, it is not.</summary>
    internal const string Complete = "complete";

    /// <summary>Set before the new server is started for others: from then on files that both clusters share may change.</summary>
    internal const string Opened = "opened";

    /// <summary>Set when what has to be done before users come is done: from then on the new server may be started at any time.</summary>
    internal const string Ready = "ready";

    /// <summary>Does or takes back one step.</summary>
    /// <param name="host">This machine.</param>
    /// <param name="name">Its name in the plan.</param>
    /// <param name="file">The job.</param>
    /// <param name="back">Whether it is taken back.</param>
    /// <returns>What went wrong, in one line; null: nothing did.</returns>
    public static string? Run(Host host, string name, string file, bool back)
    {
        var read = UpgradeJob.Read(host, file);
        if (!read.Ok)
        {
            // What never began needs no way back.
            return back && read.Error!.Kind == HostErrorKind.NotFound ? null : read.Error!.Message;
        }

        var job = read.Value;
        var programs = new ClusterPrograms(host, job);
        try
        {
            bool isPast;
            using (StepProcess.Turn(job))
            {
                StepProcess.MustBeWanted(host);
                StepProcess.EndOthers(host, job);
                programs.MakeFolders();
                isPast = back && PointOfNoReturn.IsPast(programs, job);
                if (!isPast)
                {
                    // Going on may run another step, which claims for itself.
                    StepProcess.Claim(programs, job, back);
                }
            }

            if (isPast)
            {
                PointOfNoReturn.GoOn(programs, job);
            }

            if (!back)
            {
                programs.Keep();
            }

            if (!back && job.Container is not null && name is not ("fetch" or "stop" or "place" or "start" or "statistics"))
            {
                Containers.Stage.Set(host, job);
            }

            (name switch
            {
                "fetch" => back ? ForgetImages : (Action<ClusterPrograms, UpgradeJob>)Containers.ContainerSteps.Fetch,
                "note" => back ? StopOwnOld : Note,
                "stop" when job.Container is not null => back ? StartContainerAgain : Containers.ContainerSteps.Stop,
                "place" when job.Container is not null => back ? Containers.ContainerSteps.Displace : Containers.ContainerSteps.Place,
                "start" when job.Container is not null => back ? Containers.ContainerSteps.Swap : Containers.ContainerSteps.Start,
                "statistics" when job.Container is not null => back ? Nothing : Containers.ContainerSteps.Statistics,
                "stop" => back ? StartOldAgain : (Action<ClusterPrograms, UpgradeJob>)StopOld,
                "init" => back ? SetAside : Init,
                "upgrade" => back ? GiveFilesBack : Upgrade,
                "check" => back ? StopUnfinished : Check,
                "configure" => back ? StopUnfinished : Configure,
                "place" => back ? Displace : Place,
                "open" => back ? StopNew : PointOfNoReturn.Pass,
                "recover" when job.IsRehearsal => Recover,
                "finish" when job.IsRehearsal => static (programs, job) => PointOfNoReturn.Finish(programs, job, job.Unfinished, rebuild: true),
                "try" when job.IsRehearsal => static (programs, job) => Attempt(programs, job, static (_, _) => { }),
                "analyze" when job.IsRehearsal => static (programs, job) => Attempt(programs, job, static (programs, job) =>
                    programs.Run("vacuumdb", $"{job.NewPrograms}/vacuumdb", "--all", "--analyze-only", "--no-password", "-h", job.Sockets, "-p", "50432", "-U", job.Superuser)),
                "start" => back ? StopNew : StartNew,
                "statistics" => back ? Nothing : Statistics,
                _ => throw new StepFailedException($"there is no step {ByteText.Escape(name)}"),
            })(programs, job);
            StepProcess.Release(programs);
            return null;
        }
        catch (StepFailedException e)
        {
            return e.Message;
        }
    }

    /// <summary>A copy of a running cluster comes to rest: recovery and an orderly stop, without any worker beside (postgres(1), single-user mode).</summary>
    private static void Recover(ClusterPrograms programs, UpgradeJob job) =>
        programs.Run("postgres --single", [], [$"{job.OldPrograms}/postgres", "--single", "-D", job.Old, .. job.OldServerSettings.SelectMany(s => new[] { "-c", s }), .. Rehearsing.Quiet.Split(' ', StringSplitOptions.RemoveEmptyEntries), "template1"]);

    /// <summary>The new server with its own configuration, for us alone.</summary>
    private static void Attempt(ClusterPrograms programs, UpgradeJob job, Action<ClusterPrograms, UpgradeJob> use)
    {
        programs.StartPrivately(job.Unfinished, job.NewPrograms, null);
        use(programs, job);
        programs.Stop(job.Unfinished);
    }

    private static void StopOld(ClusterPrograms programs, UpgradeJob job)
    {
        if (programs.ServerOf(job.Old) is not null)
        {
            programs.Mark(WasRunning);
            StopCluster(programs, job);
        }
        else if (HasDied(programs, job))
        {
            programs.Mark(WasRunning);
        }

        Note(programs, job);
    }

    /// <summary>Whether a server that worked when the plan was made has gone without being stopped: it shall come back when the upgrade is taken back.</summary>
    internal static bool HasDied(ClusterPrograms programs, UpgradeJob job) =>
        job.IsServing && PgControl.Parse(job.Old, programs.Host.ReadFile($"{job.Old}/global/pg_control") is { Ok: true } read ? read.Value : []) is { Ok: true, Value.IsShutDown: false };

    private static void StartContainerAgain(ClusterPrograms programs, UpgradeJob job)
    {
        MustBeBack(programs, job);
        Containers.ContainerSteps.StartAgain(programs, job);
        programs.Unmark(WasRunning);
    }

    private static void StopOwnOld(ClusterPrograms programs, UpgradeJob job) => programs.StopOwn(job.Old);

    /// <summary>The old cluster was stopped in order: the questions once more, and what it holds.</summary>
    private static void Note(ClusterPrograms programs, UpgradeJob job)
    {
        var control = PgControl.Parse(job.Old, programs.Host.ReadFile($"{job.Old}/global/pg_control") is { Ok: true } read ? read.Value : []);
        if (control is not { Ok: true, Value: { State: "shut down", CrcFits: true } })
        {
            throw new StepFailedException($"{ByteText.Escape(job.Old)} is not shut down: {(control.Ok ? control.Value.State : control.Error!.Message)}");
        }

        if (programs.IsMarked(WasRunning))
        {
            LastLook.AfterStop(programs, job);
        }

        UpgradeProof.NoteBefore(programs, job);
    }

    private static void StartOldAgain(ClusterPrograms programs, UpgradeJob job)
    {
        programs.Stop(job.Unfinished, atOnce: true);
        programs.StopOwn(job.Old);
        MustBeBack(programs, job);
        if (job.Debian is not null)
        {
            DebianCluster.Tell(programs.Host);
        }

        if (programs.IsMarked(WasRunning) && programs.ServerOf(job.Old) is not null)
        {
            // Told to stop, perhaps, by a step that was cut short: it would be gone in a moment.
            StopCluster(programs, job);
        }

        if ((programs.IsMarked(WasRunning) || HasDied(programs, job)) && programs.ServerOf(job.Old) is null)
        {
            StartCluster(programs, job, job.From, job.Old, job.OldPrograms, job.ConfigFile, $"{job.Work}/log/old-server.log");
        }

        programs.Unmark(WasRunning);
    }

    /// <summary>The empty new cluster, while the old one still serves.</summary>
    private static void Init(ClusterPrograms programs, UpgradeJob job)
    {
        if (programs.Host.Status(job.New).Ok || programs.Host.Status(job.Unfinished).Ok)
        {
            throw new StepFailedException($"{ByteText.Escape(programs.Host.Status(job.New).Ok ? job.New : job.Unfinished)} is there already");
        }

        LastLook.WhileServing(programs, job);
        programs.Owners(job.Unfinished);
        programs.Run("initdb", [$"{job.NewPrograms}/initdb", "-D", job.Unfinished, "--auth=trust", "--no-sync", .. job.InitArguments]);
    }

    /// <summary>
    /// The last step back. A cluster that was never whole goes; one that was, and may have been written to since, is set
    /// aside; and with it goes what nobody needs once the old one serves again. Logs stay.
    /// </summary>
    private static void SetAside(ClusterPrograms programs, UpgradeJob job)
    {
        programs.Stop(job.Unfinished, atOnce: true);
        MustBeBack(programs, job);
        if (programs.IsMarked(WasRunning))
        {
            // The step before could not start it: what it needs to know stays until it can.
            throw new StepFailedException($"the server of {ByteText.Escape(job.Old)} is not back yet");
        }

        StartDied(programs, job);
        if (programs.Host.Status(job.Unfinished).Ok)
        {
            // One that shares its files and was never opened holds nothing of its own, and would harm the old one if it were started.
            if (programs.IsMarked(Complete) && !job.SharesFiles)
            {
                Rename(programs, job.Unfinished, $"{job.Work}/undone-{programs.Host.Now:yyyyMMdd-HHmmss}", job);
            }
            else if (programs.Host.Run(["rm", "-rf", "--one-file-system", job.Unfinished], TimeSpan.FromHours(1)) is not { Ok: true, Value.ExitCode: 0 })
            {
                throw new StepFailedException($"cannot remove the unfinished {ByteText.Escape(job.Unfinished)}");
            }
        }

        _ = programs.Host.Run(["rm", "-rf", "--one-file-system", job.Sockets, job.Marks, job.Kept], TimeSpan.FromMinutes(1));
    }

    /// <summary>Starts the old server where it has died before anything was stopped: not of us, but a disk that takes no writes takes a server with it.</summary>
    private static void StartDied(ClusterPrograms programs, UpgradeJob job)
    {
        if (!HasDied(programs, job) || programs.ServerOf(job.Old) is not null)
        {
            return;
        }

        if (job.Container is null)
        {
            StartCluster(programs, job, job.From, job.Old, job.OldPrograms, job.ConfigFile, $"{job.Work}/log/old-server.log");
        }
        else
        {
            Containers.ContainerSteps.StartAgain(programs, job);
        }
    }

    private static void ForgetImages(ClusterPrograms programs, UpgradeJob job)
    {
        StartDied(programs, job);
        Containers.ContainerSteps.Forget(programs, job);
    }

    /// <summary>As long as files of the old cluster lie elsewhere, nothing is removed or started.</summary>
    private static void MustBeBack(ClusterPrograms programs, UpgradeJob job)
    {
        if (SwappedFiles.AreAway(programs))
        {
            throw new StepFailedException($"files of {ByteText.Escape(job.Old)} still lie in {ByteText.Escape(job.Unfinished)}: they go back first");
        }
    }

    private static void Upgrade(ClusterPrograms programs, UpgradeJob job)
    {
        programs.WriteOwnHba();
        var oldOptions = StartWords.ForPgUpgrade([.. job.OldServerSettings, $"hba_file={job.Sockets}/hba.conf", .. job.OutsideConfig is { } outside ? new[] { $"config_file={outside}" } : []]) + (job.IsRehearsal ? Rehearsing.Quiet : "");
        var newOptions = StartWords.ForPgUpgrade([.. job.NewServerSettings, "max_locks_per_transaction=1024"]) + (job.IsRehearsal ? Rehearsing.Quiet : "");
        string[] mode = job.Mode switch { TransferMode.Clone => ["--clone"], TransferMode.Link => ["--link"], TransferMode.Swap => ["--swap"], _ => [] };
        if (job.Mode == TransferMode.Swap)
        {
            SwappedFiles.Note(programs, job);
        }

        string[] sockets = ["--socketdir", job.Sockets];
        programs.Run("pg_upgrade", [$"{job.NewPrograms}/pg_upgrade", "-b", job.Container is null ? job.OldPrograms : Containers.Stage.OldPrograms, "-B", job.NewPrograms, "-d", job.Old, "-D", job.Unfinished, "-U", job.Superuser, "-j", "2", "-o", oldOptions, "-O", newOptions, .. mode, .. sockets]);
    }

    /// <summary>
    /// Copies and clones never touch the old cluster. Links and moved files are not written either until the new server is
    /// started: they go back to their places, and last the control file, without which no server starts, gets its name again.
    /// </summary>
    private static void GiveFilesBack(ClusterPrograms programs, UpgradeJob job)
    {
        programs.Stop(job.Unfinished, atOnce: true);
        programs.StopOwn(job.Old);
        SwappedFiles.GiveBack(programs, job);
        var (control, disabled) = ($"{job.Old}/global/pg_control", $"{job.Old}/global/pg_control.old");
        if (programs.Host.Status(disabled).Ok && !programs.Host.Status(control).Ok)
        {
            programs.Rename(disabled, "pg_control");
        }
    }

    /// <summary>The new server alone with us: extensions, indexes whose order moved, and what the proof compares.</summary>
    private static void Check(ClusterPrograms programs, UpgradeJob job)
    {
        if (job.SharesFiles)
        {
            // Even a start changes pages that both clusters share: only the files are compared, and the way back stays.
            UpgradeProof.NoteAfter(programs, job);
            UpgradeProof.MustHold(programs, job);
            return;
        }

        programs.StartPrivately(job.Unfinished, job.NewPrograms, null);
        foreach (var moved in job.Moved)
        {
            PointOfNoReturn.Rebuild(programs, job, moved);
        }

        UpgradeProof.NoteAfter(programs, job);
        programs.Stop(job.Unfinished);
        UpgradeProof.MustHold(programs, job);
        PointOfNoReturn.Finish(programs, job, job.Unfinished, false);
    }

    private static void StopUnfinished(ClusterPrograms programs, UpgradeJob job) => programs.Stop(job.Unfinished, atOnce: true);

    private static void Configure(ClusterPrograms programs, UpgradeJob job)
    {
        var host = programs.Host;
        byte[] Read(string path) => host.ReadFile(path) is { Ok: true } read ? read.Value : throw new StepFailedException($"cannot read {ByteText.Escape(path)}");
        var unkept = job is { Unkept.Length: > 0, ConfigFile: { } old } ? PgConf.Read(host, old, job.Old, []).Where(s => job.Unkept.Contains(s.Name)).ToLookup(s => s.File.EndsWith("/postgresql.auto.conf", StringComparison.Ordinal), UpgradePlan.Line) : null;
        string Carried(string[] lines, bool system) => string.Concat(lines.Concat(unkept?[system] ?? []).Select(l => l + "\n"));
        var conf = $"{job.Unfinished}/postgresql.conf";
        programs.Write(conf, [.. Read(conf), .. ByteText.Encode($"\n# Carried over from {job.ConfigFile ?? job.Old} of PostgreSQL {job.From}.\n{Carried(job.Settings, false)}")]);
        if (job.SystemSettings.Length > 0 || unkept?.Contains(true) == true)
        {
            programs.Write($"{job.Unfinished}/postgresql.auto.conf", ByteText.Encode($"# Do not edit this file manually!\n# It will be overwritten by the ALTER SYSTEM command.\n{Carried(job.SystemSettings, true)}"));
        }

        CarriedFiles.Carry(programs, job);
        programs.Run("postgres -C", $"{job.NewPrograms}/postgres", "-C", "data_directory", "-D", job.Unfinished);
        programs.Mark(Complete);
    }

    private static void Place(ClusterPrograms programs, UpgradeJob job)
    {
        if (!programs.IsMarked(Complete) || programs.Host.Status(job.New).Ok)
        {
            throw new StepFailedException(programs.Host.Status(job.New).Ok ? $"{ByteText.Escape(job.New)} is there already" : $"{ByteText.Escape(job.Unfinished)} is not complete");
        }

        Rename(programs, job.Unfinished, job.New, job);
    }

    private static void Displace(ClusterPrograms programs, UpgradeJob job)
    {
        if (programs.Host.Status(job.New).Ok && !programs.Host.Status(job.Unfinished).Ok && programs.IsMarked(Complete))
        {
            programs.Stop(job.New);
            Rename(programs, job.New, job.Unfinished, job);
        }
    }

    private static void Rename(ClusterPrograms programs, string from, string to, UpgradeJob job)
    {
        // The folder above may be root's; within it a rename is one step.
        var ran = programs.Host.Run(["mv", "-T", "-n", from, to], TimeSpan.FromMinutes(1));
        if (ran is not { Ok: true, Value.ExitCode: 0 } || programs.Host.Status(from).Ok)
        {
            throw new StepFailedException($"cannot rename {ByteText.Escape(from)} to {ByteText.Escape(to)}");
        }

        _ = programs.Host.Run(["sync", job.New[..Math.Max(1, job.New.LastIndexOf('/'))], job.Work], TimeSpan.FromMinutes(10));
    }

    internal static void StartNew(ClusterPrograms programs, UpgradeJob job)
    {
        if (programs.ServerOf(job.Old) is not null)
        {
            throw new StepFailedException($"a server works in {ByteText.Escape(job.Old)} again: somebody started it meanwhile");
        }

        job.Debian?.Make(programs, job);
        if (programs.IsMarked(WasRunning) && programs.ServerOf(job.New) is null)
        {
            StartCluster(programs, job, job.To, job.New, job.NewPrograms, null, $"{job.Work}/log/new-server.log");
        }
    }

    private static void StartCluster(ClusterPrograms programs, UpgradeJob job, int version, string directory, string binaries, string? configFile, string log)
    {
        if (job.Debian is { } debian)
        {
            debian.StartCluster(programs, version);
        }
        else
        {
            programs.StartForOthers(directory, binaries, configFile, directory == job.Old ? job.StartedWith : job.StartNewWith, log);
        }
    }

    private static void StopCluster(ClusterPrograms programs, UpgradeJob job)
    {
        job.Debian?.StopCluster(programs.Host, job.From);
        programs.Stop(job.Old);
    }

    private static void StopNew(ClusterPrograms programs, UpgradeJob job)
    {
        job.Debian?.StopCluster(programs.Host, job.To);
        programs.Stop(job.New);
        job.Debian?.Unmake(programs, job);
    }

    internal static void Statistics(ClusterPrograms programs, UpgradeJob job)
    {
        if (programs.IsMarked(WasRunning) && ServerProcess.Read(programs.Host, job.New) is { SocketFolder: { } folder, Port: { } port })
        {
            Analyze(programs, job, folder, port);
        }
    }

    /// <summary>Statistics in stages; since 18 only what was not carried over. Where the local lines ask for a password, it is left to its owner.</summary>
    internal static void Analyze(ClusterPrograms programs, UpgradeJob job, string folder, int port)
    {
        string[] missing = job.To >= 18 ? ["--missing-stats-only"] : [];
        var ran = programs.Try([$"{job.NewPrograms}/vacuumdb", "--all", "--analyze-in-stages", .. missing, "--no-password", "-h", folder, "-p", port.ToString(CultureInfo.InvariantCulture), "-U", job.Superuser]);
        if (ran is not { Ok: true, Value.ExitCode: 0 })
        {
            programs.Write($"{job.Work}/log/vacuumdb.log", ran.Ok ? ran.Value.Errors : ByteText.Encode(ran.Error!.Message));
            programs.Mark("statistics-missing");
        }
    }

    private static void Nothing(ClusterPrograms programs, UpgradeJob job)
    {
    }
}
