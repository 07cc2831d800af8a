using Lotse.Changing;

namespace Lotse.Postgres;

/// <summary>
/// Rehearses an upgrade: copies the cluster beside it, recovers the copy and takes it through the steps of the plan, with
/// the same programs and arguments, while the cluster itself goes on. Afterwards the copy is removed; logs of a failure are kept in the answer.
/// </summary>
internal static class Rehearsing
{
    private static readonly TimeSpan Long = TimeSpan.FromHours(24);

    /// <summary>Up to here the room of the new files is used once before; beyond, another copy would cost more than a better figure is worth.</summary>
    private const long UsedBefore = 32L << 30;

    /// <summary>Settings of servers that work on the copy: they must tell nobody anything, nor write where the live one does.</summary>
    public static string Quiet { get; } = string.Concat(new[]
    {
        "archive_mode=off", "archive_command=", "max_worker_processes=0", "max_logical_replication_workers=0", "external_pid_file=", "ssl=off", "synchronous_standby_names=", "logging_collector=off", "log_destination=stderr",
    }.Select(s => $" -c {s}"));

    /// <summary>Rehearses on this machine.</summary>
    /// <param name="host">This machine.</param>
    /// <param name="facts">What the plan is made of.</param>
    /// <param name="plan">The plan's job.</param>
    /// <param name="lotse">This program.</param>
    /// <param name="mayCopy">Whether a plain copy is made where blocks cannot be shared.</param>
    /// <param name="tell">Told what is being done.</param>
    public static Rehearsal Run(Host host, PlanFacts facts, UpgradeJob plan, string lotse, bool mayCopy, Action<string> tell)
    {
        var place = $"{plan.Work}-rehearsal";
        var job = Job(plan, place);
        var steps = new List<RehearsedPhase>();
        Rehearsal None(string why) => new(RehearsalKind.Schema, [.. steps]) { NotDone = why };
        if (Journal.PendingId is not null)
        {
            return None("a change of this machine is not settled: lotse log");
        }

        Clear(host, plan, job, place);
        try
        {
            if (Must(host, "install", "-d", "-m", "0711", place) is { } fault)
            {
                return None(fault);
            }

            // What can share its blocks is known by trying it on one small file.
            var shares = Must(host, "cp", "--reflink=always", $"{plan.Old}/PG_VERSION", $"{place}/reflink") is null;
            var kind = shares ? RehearsalKind.Reflink : mayCopy ? RehearsalKind.Copy : RehearsalKind.Schema;
            if (kind == RehearsalKind.Copy && facts is { Old.Sizes: { } sizes, Around.New.FreeBytes: { } free } && free < (sizes.TotalBytes * (facts.SharesFiles ? 1 : 2)) + (256L << 20))
            {
                return None("a plain copy does not fit; without --rehearse-copy the schema alone is rehearsed");
            }

            var room = $"{place}/room";
            if (kind == RehearsalKind.Copy && !facts.SharesFiles && facts.Old.Sizes?.TotalBytes <= UsedBefore)
            {
                Use(host, facts.Old.Directory, room);
            }

            tell($"rehearsal: copying {(kind == RehearsalKind.Schema ? "the catalogs" : "the cluster")}");
            var begun = Linux.Clock.SinceBoot().Seconds;
            job = job with { CompareContents = job.CompareContents && kind != RehearsalKind.Schema };
            if (Must(host, "install", "-d", "-m", ClusterFindings.Octal(facts.Old.Mode), "-o", $"{job.Uid}", "-g", $"{job.Gid}", job.Old) is { } odd)
            {
                return None(odd);
            }

            if (ClusterCopy.Make(host, facts.Old, job.Old, kind) is { } copying)
            {
                return None($"the copy could not be made: {copying}");
            }

            // What the copy left to be written would be waited for by pg_upgrade, which brings its own files to the disk.
            _ = host.Run(["sync", "-f", place], Long);
            var took = Linux.Clock.SinceBoot().Seconds - begun;
            GiveBack(host, room, place);
            steps.Add(new("copy", Math.Round(took, 2)));
            if (Prepare(host, facts, job) is { } preparing)
            {
                return None(preparing);
            }

            return Perform(host, facts, job, lotse, kind, steps, tell);
        }
        finally
        {
            Clear(host, plan, job, place);
        }
    }

    /// <summary>
    /// Writes as many bytes as the files of the new cluster will be, to be given back before pg_upgrade writes those. Many a disk takes blocks that it
    /// has held before several times as fast as others (thin volumes, virtual machines); the upgrade in earnest finds the blocks that the
    /// rehearsal gave back, so the rehearsal must find such blocks too, or what it says is too long.
    /// </summary>
    private static void Use(Host host, string data, string room)
    {
        if (Must(host, "install", "-d", "-m", "0700", room) is null)
        {
            // Files that a working server removes meanwhile do not matter here.
            _ = host.Run(["cp", "-R", "--", $"{data}/base", room], Long);
        }
    }

    private static void GiveBack(Host host, string room, string place)
    {
        if (host.Status(room).Ok)
        {
            _ = host.Run(["rm", "-rf", "--one-file-system", "--", room], Long);
            _ = host.Run(["sync", "-f", place], Long);
        }
    }

    private static Rehearsal Perform(Host host, PlanFacts facts, UpgradeJob job, string lotse, RehearsalKind kind, List<RehearsedPhase> steps, Action<string> tell)
    {
        // The step, and the phase of the plan whose time it tells.
        (string Step, string Phase)[] all =
        [
            ("recover", "recover"), ("init", "init"), ("note", "stop"), ("upgrade", "upgrade"), ("check", "check"), ("configure", "configure"), ("finish", job.SharesFiles ? "open" : ""), ("try", "start"), ("analyze", kind == RehearsalKind.Schema ? "" : "analyze"),
        ];
        foreach (var (step, phase) in all.Where(s => s.Phase.Length > 0))
        {
            tell($"rehearsal: {phase}");
            var begun = Linux.Clock.SinceBoot().Seconds;
            var ran = host.Run([.. job.Container is null ? [] : UpgradePlan.Apart, lotse, "pg", "step", step, job.File], Long);
            steps.Add(new(phase, Math.Round(Linux.Clock.SinceBoot().Seconds - begun, 2)));
            if (ran is not { Ok: true, Value.ExitCode: 0 })
            {
                var failed = step == "analyze" ? null : phase;
                return new(kind, [.. steps]) { Failed = failed, Logs = Logs(host, job, step, ran.Ok ? ByteText.Decode(ran.Value.Errors) : ran.Error!.Message) };
            }

            if (step == "note" && facts.Old.IsRunning)
            {
                // From here on as in earnest: what can wait until users are served is not done before.
                new ClusterPrograms(host, job).Mark(UpgradeSteps.WasRunning);
            }
        }

        return new(kind, [.. steps]);
    }

    /// <summary>The same upgrade of the copy. What the live container has mounted with its data is not even seen.</summary>
    private static UpgradeJob Job(UpgradeJob plan, string place)
    {
        var job = plan with { Old = $"{place}/old", New = $"{place}/new", Work = $"{place}/new.lotse", ConfigFile = $"{place}/old/postgresql.conf", IsRehearsal = true, Debian = null };
        return plan.Container is not { } container ? job : job with
        {
            OldPrograms = job.Stage + plan.OldPrograms[plan.Stage.Length..],
            NewPrograms = job.Stage + plan.NewPrograms[plan.Stage.Length..],
            Container = container with { SharedFolder = job.SharesFiles ? place : null, ConfigFile = null, Shared = [.. container.Shared.Where(s => s.Place != container.OldTarget)] },
        };
    }

    /// <summary>The configuration of the copy: the old one, but for what names the live directory.</summary>
    private static string? Prepare(Host host, PlanFacts facts, UpgradeJob job)
    {
        if (facts.Container is { Container.ConfigFile: { } inside } && Containers.ContainerFacts.IsBelow(inside, job.Container!.OldTarget))
        {
            return $"{ByteText.Escape(inside)} lies on the volume of the data";
        }

        var outside = facts.Container?.Container.ConfigFile ?? (facts.Old.ConfigFile is { } file && !file.StartsWith(facts.Old.Directory + "/", StringComparison.Ordinal) ? file : null);
        var programs = new ClusterPrograms(host, job);
        try
        {
            programs.MakeFolders();
            var own = outside is not null ? $"include '{outside.Replace("'", "''", StringComparison.Ordinal)}'\n" : host.ReadFile($"{job.Old}/postgresql.conf") is { Ok: true } read ? ByteText.Decode(read.Value) : "";
            programs.Write($"{job.Old}/postgresql.conf", ByteText.Encode($"{own}\ndata_directory = '{job.Old.Replace("'", "''", StringComparison.Ordinal)}'\nexternal_pid_file = ''\n"));

            // The steps read their job from a file that nobody else may write.
            var made = host.Run(["install", "-m", "0600", "/dev/null", job.File], Long);
            var written = host.Run(["dd", $"of={job.File}", "status=none"], Long, ByteText.Encode(string.Join('\n', job.Lines())));
            return made is { Ok: true, Value.ExitCode: 0 } && written is { Ok: true, Value.ExitCode: 0 } ? null : $"cannot write {ByteText.Escape(job.File)}";
        }
        catch (StepFailedException e)
        {
            return e.Message;
        }
    }

    private static RehearsalLog[] Logs(Host host, UpgradeJob job, string step, string said)
    {
        var logs = new List<RehearsalLog>();
        foreach (var name in host.List($"{job.Work}/log") is { Ok: true } list ? list.Value : [])
        {
            if (host.ReadFile($"{job.Work}/log/{name}") is { Ok: true } read)
            {
                logs.AddRange(LogFiles.Of(host, $"{job.Work}/log/{name}", ByteText.Decode(read.Value)).Select(l => new RehearsalLog(l.Name, l.Text)));
            }
        }

        return logs.Count > 0 ? [.. logs] : [new($"lotse pg step {step}", said)];
    }

    /// <summary>Ends and removes what an earlier rehearsal, cut short, or this one has left.</summary>
    private static void Clear(Host host, UpgradeJob plan, UpgradeJob job, string place)
    {
        if (host.Status(place).Ok)
        {
            using (StepProcess.Turn(job))
            {
                StepProcess.EndOthers(host, job);
            }

            var programs = new ClusterPrograms(host, job);
            try
            {
                programs.Stop(job.Unfinished, atOnce: true);
                programs.Stop(job.Old, atOnce: true);
            }
            catch (StepFailedException)
            {
                // Then its files are in use, and the folder stays: the next rehearsal tries again.
                return;
            }
        }

        string[] all = [place, .. job.Sockets.StartsWith(place, StringComparison.Ordinal) ? Array.Empty<string>() : [job.Sockets], .. plan.Container is null ? Array.Empty<string>() : [job.Stage]];
        _ = host.Run(["rm", "-rf", "--one-file-system", "--", .. all], Long);
    }

    private static string? Must(Host host, params string[] arguments)
    {
        var ran = host.Run(arguments, Long);
        return ran is { Ok: true, Value.ExitCode: 0 } ? null : ran.Ok ? ByteText.Escape(ByteText.Decode(ran.Value.Errors).Trim()) : ran.Error!.Message;
    }
}
