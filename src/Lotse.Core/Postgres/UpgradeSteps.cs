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
            if (back)
            {
                EndOthers(host, job);
            }

            programs.MakeFolders();
            if (back && job.Mode == TransferMode.Link && programs.IsMarked(Opened))
            {
                GoOn(programs, job);
            }

            if (!back)
            {
                programs.Keep();
                programs.Write($"{job.Marks}/step.pid", Encoding.ASCII.GetBytes($"{Environment.ProcessId}\n"));
                if (job.Container is not null && name is "note" or "init" or "upgrade" or "check" or "configure")
                {
                    Containers.Stage.Set(host, job);
                }
            }

            (name switch
            {
                "fetch" => back ? Containers.ContainerSteps.Forget : (Action<ClusterPrograms, UpgradeJob>)Containers.ContainerSteps.Fetch,
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
                "start" => back ? StopNew : StartNew,
                "statistics" => back ? Nothing : Statistics,
                _ => throw new StepFailedException($"there is no step {ByteText.Escape(name)}"),
            })(programs, job);
            programs.Unmark("step.pid");
            return null;
        }
        catch (StepFailedException e)
        {
            return e.Message;
        }
    }

    /// <summary>A step that was left at work when lotse died, with all that it started but servers.</summary>
    private static void EndOthers(Host host, UpgradeJob job)
    {
        if (host.ReadFile($"{job.Marks}/step.pid", 64) is { Ok: true } read && int.TryParse(ByteText.Decode(read.Value).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) && pid > 1 && pid != Environment.ProcessId
            && host.ReadFile($"/proc/{pid}/cmdline", 65536) is { Ok: true } line && ByteText.Decode(line.Value).Contains(job.File, StringComparison.Ordinal))
        {
            // It leads a process group of its own: pg_upgrade and its helpers end with it.
            _ = Linux.Libc.Kill(-pid, 9);
            _ = Linux.Libc.Kill(pid, 9);
            for (var tries = 0; tries < 100 && host.Status($"/proc/{pid}").Ok; tries++)
            {
                host.Wait(TimeSpan.FromMilliseconds(50));
            }
        }
    }

    private static void StopOld(ClusterPrograms programs, UpgradeJob job)
    {
        if (programs.ServerOf(job.Old) is not null)
        {
            programs.Mark(WasRunning);
            programs.Stop(job.Old, job.OldPrograms);
        }

        Note(programs, job);
    }

    private static void StartContainerAgain(ClusterPrograms programs, UpgradeJob job)
    {
        Containers.ContainerSteps.StartAgain(programs, job);
        programs.Unmark(WasRunning);
        Clean(programs, job);
    }

    private static void StopOwnOld(ClusterPrograms programs, UpgradeJob job) => programs.StopOwn(job.Old, job.OldPrograms);

    /// <summary>The old cluster was stopped in order: the questions once more, and what it holds.</summary>
    private static void Note(ClusterPrograms programs, UpgradeJob job)
    {
        var control = PgControl.Parse(job.Old, programs.Host.ReadFile($"{job.Old}/global/pg_control") is { Ok: true } read ? read.Value : []);
        if (control is not { Ok: true, Value: { State: "shut down", CrcFits: true } })
        {
            throw new StepFailedException($"{ByteText.Escape(job.Old)} is not shut down: {(control.Ok ? control.Value.State : control.Error!.Message)}");
        }

        LookAgain(programs, job);
        UpgradeProof.NoteBefore(programs, job);
    }

    /// <summary>A server that ran while the plan was made knew more than its files: now that they hold everything, the same questions once more.</summary>
    private static void LookAgain(ClusterPrograms programs, UpgradeJob job)
    {
        Reading<PlanFacts> Read() => job.Container is { } container
            ? Containers.ContainerPlanReader.Read(programs.Host, container.Name, job.To, container.Image, job.Mode)
            : PlanReader.Read(programs.Host, new(job.Old, job.To) { OldPrograms = job.OldPrograms, NewPrograms = job.NewPrograms, NewDirectory = job.New, Mode = job.Mode });
        if (programs.IsMarked(WasRunning) && Read() is { Ok: true, Value: var facts } && UpgradeFindings.Of(facts).FirstOrDefault(f => f.Severity == Severity.Error) is { } error)
        {
            throw new StepFailedException($"{error.Title} [{error.Id}]");
        }
    }

    private static void StartOldAgain(ClusterPrograms programs, UpgradeJob job)
    {
        programs.Stop(job.Unfinished, job.NewPrograms, "immediate");
        programs.StopOwn(job.Old, job.OldPrograms);
        if (programs.IsMarked(WasRunning) && programs.ServerOf(job.Old) is null)
        {
            programs.StartForOthers(job.Old, job.OldPrograms, job.ConfigFile, $"{job.Work}/log/old-server.log");
        }

        programs.Unmark(WasRunning);
        Clean(programs, job);
    }

    private static void Init(ClusterPrograms programs, UpgradeJob job)
    {
        if (programs.Host.Status(job.New).Ok || programs.Host.Status(job.Unfinished).Ok)
        {
            throw new StepFailedException($"{ByteText.Escape(programs.Host.Status(job.New).Ok ? job.New : job.Unfinished)} is there already");
        }

        programs.Owners(job.Unfinished);
        programs.Run("initdb", [$"{job.NewPrograms}/initdb", "-D", job.Unfinished, "--auth=trust", "--no-sync", .. job.InitArguments]);
    }

    /// <summary>A cluster that was never whole goes; one that was, and may have been written to since, is set aside.</summary>
    private static void SetAside(ClusterPrograms programs, UpgradeJob job)
    {
        programs.Stop(job.Unfinished, job.NewPrograms, "immediate");
        if (!programs.Host.Status(job.Unfinished).Ok)
        {
            return;
        }

        if (programs.IsMarked(Complete))
        {
            var aside = $"{job.Work}/undone-{programs.Host.Now:yyyyMMdd-HHmmss}";
            Rename(programs, job.Unfinished, aside, job);
            programs.Unmark(Complete);
        }
        else
        {
            var removed = programs.Host.Run(["rm", "-rf", "--one-file-system", job.Unfinished], TimeSpan.FromHours(1));
            if (removed is not { Ok: true, Value.ExitCode: 0 })
            {
                throw new StepFailedException($"cannot remove the unfinished {ByteText.Escape(job.Unfinished)}");
            }
        }
    }

    private static void Upgrade(ClusterPrograms programs, UpgradeJob job)
    {
        programs.WriteOwnHba();
        var oldOptions = $"-c hba_file='{job.Sockets}/hba.conf'" + (job.OutsideConfig is { } outside ? $" -c config_file='{outside}'" : "");
        var newOptions = string.Join(' ', job.NewServerSettings.Select(s => $"-c {s[..s.IndexOf('=', StringComparison.Ordinal)]}='{s[(s.IndexOf('=', StringComparison.Ordinal) + 1)..]}'").Prepend("-c max_locks_per_transaction=1024"));
        string[] mode = job.Mode switch { TransferMode.Clone => ["--clone"], TransferMode.Link => ["--link"], _ => [] };
        string[] sockets = ["--socketdir", job.Sockets];
        programs.Run("pg_upgrade", [$"{job.NewPrograms}/pg_upgrade", "-b", job.Container is null ? job.OldPrograms : Containers.Stage.OldPrograms, "-B", job.NewPrograms, "-d", job.Old, "-D", job.Unfinished, "-U", job.Superuser, "-j", "2", "-o", oldOptions, "-O", newOptions, .. mode, .. sockets]);
    }

    /// <summary>
    /// Copies and clones never touch the old cluster. Links do not either until the new server writes; only the control file
    /// is given another name first, and gets its own again as long as nobody has opened the new cluster.
    /// </summary>
    private static void GiveFilesBack(ClusterPrograms programs, UpgradeJob job)
    {
        programs.Stop(job.Unfinished, job.NewPrograms, "immediate");
        programs.StopOwn(job.Old, job.OldPrograms);
        var (control, disabled) = ($"{job.Old}/global/pg_control", $"{job.Old}/global/pg_control.old");
        if (programs.Host.Status(disabled).Ok && !programs.Host.Status(control).Ok)
        {
            programs.Rename(disabled, "pg_control");
        }
    }

    /// <summary>The new server alone with us: extensions, indexes whose order moved, and what the proof compares.</summary>
    private static void Check(ClusterPrograms programs, UpgradeJob job)
    {
        if (job.Mode == TransferMode.Link)
        {
            // Even a start changes pages that both clusters share: only the files are compared, and the way back stays.
            UpgradeProof.NoteAfter(programs, job);
            UpgradeProof.MustHold(programs, job);
            return;
        }

        programs.StartPrivately(job.Unfinished, job.NewPrograms, null);
        foreach (var moved in job.Moved)
        {
            Rebuild(programs, job, moved);
        }

        UpgradeProof.NoteAfter(programs, job);
        programs.Stop(job.Unfinished, job.NewPrograms);
        UpgradeProof.MustHold(programs, job);
        Finish(programs, job, job.Unfinished, false);
    }

    /// <summary>With the new server alone with us: what changes what was compared, or need not wait for users.</summary>
    private static void Finish(ClusterPrograms programs, UpgradeJob job, string directory, bool rebuild)
    {
        var extensions = programs.Host.Status($"{job.Sockets}/update_extensions.sql").Ok;
        if (!extensions && programs.IsMarked(WasRunning) && !(rebuild && job.Moved.Length > 0))
        {
            return;
        }

        programs.StartPrivately(directory, job.NewPrograms, null);
        foreach (var moved in rebuild ? job.Moved : [])
        {
            Rebuild(programs, job, moved);
        }

        if (extensions)
        {
            programs.Run("update extensions", $"{job.NewPrograms}/psql", "-X", "-q", "-h", job.Sockets, "-p", "50432", "-U", job.Superuser, "-d", "template1", "-f", $"{job.Sockets}/update_extensions.sql");
        }

        if (!programs.IsMarked(WasRunning))
        {
            Analyze(programs, job, job.Sockets, 50432);
        }

        programs.Stop(directory, job.NewPrograms);
    }

    /// <summary>
    /// Past the point of no return of mode link: the old cluster is no longer what it was and the new one is whole, so the
    /// only way is on. The new server is brought up where one ran before, and who wanted to go back is told.
    /// </summary>
    private static void GoOn(ClusterPrograms programs, UpgradeJob job)
    {
        if (programs.IsMarked(WasRunning) && programs.Host.Status(job.New).Ok && programs.ServerOf(job.New) is null)
        {
            programs.StartForOthers(job.New, job.NewPrograms, null, $"{job.Work}/log/new-server.log");
        }

        throw new StepFailedException($"there is no way back: {ByteText.Escape(job.Old)} shares its files with {ByteText.Escape(job.New)}, which has been in use and is whole; lotse confirm keeps it");
    }

    private static void Rebuild(ClusterPrograms programs, UpgradeJob job, MovedIndexes moved)
    {
        var sql = new StringBuilder();
        foreach (var index in moved.Indexes)
        {
            var dot = index.IndexOf('.', StringComparison.Ordinal);
            sql.Append(CultureInfo.InvariantCulture, $"REINDEX INDEX \"{index[..dot].Replace("\"", "\"\"", StringComparison.Ordinal)}\".\"{index[(dot + 1)..].Replace("\"", "\"\"", StringComparison.Ordinal)}\";\n");
        }

        if (job.To >= 15)
        {
            sql.Append(CultureInfo.InvariantCulture, $"SELECT format('ALTER DATABASE %I REFRESH COLLATION VERSION', current_database()) \\gexec\n");
        }

        _ = programs.Query(moved.Database, sql.ToString(), job.Sockets, 50432);
    }

    private static void StopUnfinished(ClusterPrograms programs, UpgradeJob job) => programs.Stop(job.Unfinished, job.NewPrograms, "immediate");

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

        if (job.HbaFile is { } hba)
        {
            programs.Write($"{job.Unfinished}/pg_hba.conf", Read(hba));
            var ident = hba[..(hba.LastIndexOf('/') + 1)] + "pg_ident.conf";
            if (host.ReadFile(ident) is { Ok: true } map)
            {
                programs.Write($"{job.Unfinished}/pg_ident.conf", map.Value);
            }
        }

        // Certificates lie in the data directory unless named by a full path.
        foreach (var name in new[] { "server.crt", "server.key", "root.crt", "root.crl" })
        {
            if (host.ReadFile($"{job.Old}/{name}") is { Ok: true } file && !host.Status($"{job.Unfinished}/{name}").Ok)
            {
                programs.Write($"{job.Unfinished}/{name}", file.Value);
            }
        }

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
            programs.Stop(job.New, job.NewPrograms);
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

    private static void StartNew(ClusterPrograms programs, UpgradeJob job)
    {
        if (programs.ServerOf(job.Old) is not null)
        {
            throw new StepFailedException($"a server works in {ByteText.Escape(job.Old)} again: somebody started it meanwhile");
        }

        if (job.Mode == TransferMode.Link)
        {
            programs.Mark(Opened);
            Finish(programs, job, job.New, true);
        }

        if (!programs.IsMarked(WasRunning))
        {
            return;
        }

        programs.Mark(Opened);
        programs.StartForOthers(job.New, job.NewPrograms, null, $"{job.Work}/log/new-server.log");
    }

    private static void StopNew(ClusterPrograms programs, UpgradeJob job) => programs.Stop(job.New, job.NewPrograms);

    private static void Statistics(ClusterPrograms programs, UpgradeJob job)
    {
        if (programs.IsMarked(WasRunning) && ServerProcess.Read(programs.Host, job.New) is { SocketFolder: { } folder, Port: { } port })
        {
            Analyze(programs, job, folder, port);
        }
    }

    /// <summary>Statistics in stages; since 18 only what was not carried over. Where the local lines ask for a password, it is left to its owner.</summary>
    private static void Analyze(ClusterPrograms programs, UpgradeJob job, string folder, int port)
    {
        string[] missing = job.To >= 18 ? ["--missing-stats-only"] : [];
        var ran = programs.Try([$"{job.NewPrograms}/vacuumdb", "--all", "--analyze-in-stages", .. missing, "--no-password", "-h", folder, "-p", port.ToString(CultureInfo.InvariantCulture), "-U", job.Superuser]);
        if (ran is not { Ok: true, Value.ExitCode: 0 })
        {
            programs.Write($"{job.Work}/log/vacuumdb.log", ran.Ok ? ran.Value.Errors : ByteText.Encode(ran.Error!.Message));
            programs.Mark("statistics-missing");
        }
    }

    /// <summary>What nobody needs once the old cluster serves again. Logs stay.</summary>
    private static void Clean(ClusterPrograms programs, UpgradeJob job)
    {
        _ = programs.Host.Run(["rm", "-rf", "--one-file-system", job.Sockets, job.Marks, job.Kept], TimeSpan.FromMinutes(1));
    }

    private static void Nothing(ClusterPrograms programs, UpgradeJob job)
    {
    }
}
