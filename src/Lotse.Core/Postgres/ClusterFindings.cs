using System.Globalization;

namespace Lotse.Postgres;

/// <summary>What is wrong with one cluster by itself, whatever comes next. Pure.</summary>
internal static class ClusterFindings
{
    private const int LongestSocket = 107;

    /// <summary>Every finding, worst first.</summary>
    public static Finding[] Of(ClusterFacts facts) =>
        [.. new[] { Corrupt(facts), NoControlFile(facts), NotClean(facts), Standby(facts), StalePid(facts), WrongMode(facts), WrongOwner(facts) }
            .Concat(ScramLines(facts)).Concat(RunningReasons.Drifts(facts)).OfType<Finding>().OrderByDescending(f => f.Severity)];

    private static Finding? Corrupt(ClusterFacts facts) => facts.Damages is not [var first, ..] || facts.IsRunning ? null : new("pg/corrupt-page", Severity.Error, Certainty.Proven, Value.Path(facts.Directory),
        $"{Value.Path(facts.Directory + "/" + first.File)} is not whole: {first.What}{(facts.Damages.Length > 1 ? $", and {facts.Damages.Length - 1} more" : "")}",
        [.. facts.Damages.Take(8).Select(d => new Reason($"page {d.Block} of {Value.Path(d.File)}: {d.What}", Verdict.Yes, "src/backend/storage/page/bufpage.c PageIsVerified", new Seen(d.What, $"{facts.Directory}/{d.File}")))],
        [new("do not upgrade: copy the directory away first, then look at disk and memory, and restore from a backup"), new("check all pages of the stopped cluster", "pg_checksums", "--check", "-D", facts.Directory)]);

    private static Finding? NoControlFile(ClusterFacts facts) => facts.Control is not null || !facts.Remains.Contains("global/pg_control.old") ? null : new("pg/old-after-link", Severity.Error, Certainty.Proven, Value.Path(facts.Directory),
        $"{Value.Path(facts.Directory)} was disabled by an upgrade in mode link or swap",
        [new("global/pg_control was renamed before files were linked or moved", Verdict.Yes, "src/bin/pg_upgrade/controldata.c disable_old_cluster", new Seen("global/pg_control.old", $"{facts.Directory}/global"))],
        [new("if the new server was never started, and the mode was link: rename global/pg_control.old back to pg_control"), new("otherwise this directory is no longer what it was: the new cluster or a backup is")]);

    /// <summary>Write-ahead log is left to replay.</summary>
    internal static Finding? NotClean(ClusterFacts facts) => facts.Control is not { IsShutDown: false, CrcFits: true } control || facts.IsRunning ? null : new("pg/not-clean", Severity.Error, Certainty.Proven, Value.Path(facts.Directory),
        $"{Value.Path(facts.Directory)} was not stopped in order: pg_control says \"{control.State}\" and no server works there",
        [new("a cluster that ended in order says shut down", Verdict.No, "src/include/catalog/pg_control.h DBState", new Seen(control.State, $"{facts.Directory}/global/pg_control"))],
        [new("start a server of its own version once, let it recover, and stop it: pg_ctl -m fast stop"), new("in a container: docker stop kills after 10 seconds; give it time with -t 120")]);

    /// <summary>A cluster that follows another.</summary>
    internal static Finding? Standby(ClusterFacts facts)
    {
        var why = facts.RecoveryFiles is [var file, ..] ? new Seen(file, facts.Directory)
            : facts.Control is { State: "shut down in recovery" or "in archive recovery" } control ? new Seen(control.State, $"{facts.Directory}/global/pg_control") : null;
        return why is null || facts.Control is { State: "in production" } ? null : new("pg/standby", Severity.Warning, Certainty.Proven, Value.Path(facts.Directory), $"{Value.Path(facts.Directory)} is a standby: it cannot be upgraded by itself",
            [new("pg_upgrade takes a primary that ended in order", Verdict.No, "src/bin/pg_upgrade/controldata.c get_control_data", why)],
            [new("upgrade the primary, then make this one anew (pg_basebackup) or by rsync as the manual of pg_upgrade says"), new("or promote it first: pg_ctl promote, then stop it in order")]);
    }

    /// <summary>postmaster.pid without its server.</summary>
    internal static Finding? StalePid(ClusterFacts facts) => facts.Postmaster is not { ServerPid: null } left ? null : new("pg/stale-pid", Severity.Warning, Certainty.Proven, Value.Path(facts.Directory),
        $"{Value.Path(facts.Directory + "/postmaster.pid")} is left over: no server works in the directory",
        [left.PidIsAlive
            ? new($"process {left.Pid} is alive, and is no server of this directory", Verdict.Yes, "proc_pid_cwd(5)", new Seen($"{left.Pid}", $"{facts.Directory}/postmaster.pid:1"))
            : new($"process {left.Pid} is not there", Verdict.Yes, "src/include/utils/pidfile.h", new Seen($"{left.Pid}", $"{facts.Directory}/postmaster.pid:1")),
         new("pg_upgrade --check takes it for a live server and connects to the port in it", Verdict.Yes, "src/bin/pg_upgrade/option.c get_sock_dir", new Seen($"port {left.Port ?? 0}", $"{facts.Directory}/postmaster.pid:4"))],
        [new("start a server of its own version once and stop it in order: that removes the file"), new("where containers of other machines may use the directory, look there first")]);

    /// <summary>A server starts only in 0700 or 0750.</summary>
    internal static Finding? WrongMode(ClusterFacts facts) => (facts.Mode & 0x17) == 0 ? null : new("pg/wrong-mode", Severity.Error, Certainty.Proven, Value.Path(facts.Directory),
        $"{Value.Path(facts.Directory)} has mode {Octal(facts.Mode)}: no server starts in it",
        [new("the mode is 0700 or 0750", Verdict.No, "src/backend/utils/init/miscinit.c checkDataDir", new Seen($"mode {Octal(facts.Mode)}", facts.Directory))],
        [new("close it for others", "chmod", (facts.Mode & 0x28) == 0x28 && (facts.Mode & 0x10) == 0 ? "0750" : "0700", facts.Directory)]);

    private static Finding? WrongOwner(ClusterFacts facts) => facts.OtherOwners.Length == 0 && facts.Uid != 0 ? null : new("pg/wrong-owner", Severity.Error, Certainty.Proven, Value.Path(facts.Directory),
        facts.Uid == 0 ? (Text)$"{Value.Path(facts.Directory)} belongs to root, and no server runs as root" : $"{Value.Path(facts.Directory)} belongs to {facts.Uid}, files in it to {facts.OtherOwners[0]}",
        [new("the directory and all in it belong to the one user who runs the server", Verdict.No, "src/backend/utils/init/miscinit.c checkDataDir", new Seen($"uid {string.Join(", ", facts.OtherOwners.Prepend(facts.Uid))}", facts.Directory))],
        [new("give it to the user who runs the server; images differ: Debian 999, Alpine 70, Bitnami 1001", "chown", "-R", "postgres:postgres", facts.Directory)]);

    /// <summary>Roles with an md5 hash whom a line for scram-sha-256 keeps out, by the first line that fits each.</summary>
    internal static IEnumerable<Finding> ScramLines(ClusterFacts facts)
    {
        foreach (var role in facts.Roles.Where(r => r is { CanLogin: true, PasswordKind: "md5" }))
        {
            if (facts.Hba.FirstOrDefault(l => l.Type != "local" && l.IsAbout(role.Name)) is { Method: "scram-sha-256" } line)
            {
                yield return new("pg/md5-scram-line", Severity.Warning, Certainty.Proven, Value.User(role.Name),
                    $"{Value.User(role.Name)} cannot log in by {Value.Path(line.File)}:{line.Line}: its password is stored as md5, and the line asks for scram-sha-256",
                    [new("a line scram-sha-256 takes SCRAM secrets only", Verdict.Yes, "src/backend/libpq/auth.c; md5 takes both kinds", new Seen(line.Words, $"{line.File}:{line.Line}"), new Seen($"{role.Name}: md5", "pg_authid.rolpassword"))],
                    [new("write md5 into that line: it accepts both kinds"), new("or set the same password again while password_encryption is scram-sha-256")]);
            }
        }
    }

    /// <summary>A version that gets no more fixes.</summary>
    internal static Finding? EndOfLife(ClusterFacts facts, DateOnly today) => VersionTables.Lifetimes.FirstOrDefault(l => l.Major == facts.Version) is not { } life || today <= life.Until ? null
        : new("pg/end-of-life", Severity.Warning, Certainty.Proven, Value.Path(facts.Directory), $"{Value.Path(facts.Directory)} is of PostgreSQL {facts.Version}, which had its last release on {life.Until:yyyy-MM-dd}",
            [new("the version still gets fixes", Verdict.No, "versioning policy of PostgreSQL: five years", new Seen($"{facts.Version}", $"{facts.Directory}/PG_VERSION"))],
            [new("see what an upgrade would meet", "lotse", "pg", "plan", facts.Directory, "--to", $"{VersionTables.Lifetimes[^1].Major}")]);

    /// <summary>Whether a folder can hold a socket of a port.</summary>
    internal static bool FitsSocket(string folder, int port) => ByteText.Encode(folder).Length + $"/.s.PGSQL.{port}".Length <= LongestSocket;

    internal static string Octal(int mode) => Convert.ToString(mode, 8).PadLeft(4, '0');

    internal static string Plural(int count, string one, string many) => count == 1 ? $"1 {one}" : $"{count.ToString(CultureInfo.InvariantCulture)} {many}";
}
