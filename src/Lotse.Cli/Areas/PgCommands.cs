using System.Globalization;
using Lotse.Formats;
using Lotse.Hosts;
using Lotse.Postgres;
using Lotse.Postgres.Containers;

namespace Lotse.Cli.Areas;

/// <summary>The verbs of <c>lotse pg</c>.</summary>
internal static class PgCommands
{
    private static readonly Option ConfigFolder = new("--config-dir", Takes.File, "DIR", "where postgresql.conf lies when it is not in the data directory");

    public static readonly Command[] All =
    [
        new("pg", "the PostgreSQL clusters of this machine", PgList.Print)
        {
            Description = "Looks where Debian, Red Hat and the volumes of Docker and Podman have their data directories, and where the containers of both have theirs, and reads them without starting anything: version, state, size, until when it is kept, and what the next and the newest major version would break.",
            Examples = [new("what is here, until when it is kept, and what an upgrade would break", "pg")],
        },
        new("pg facts", "what a data directory says, without starting a server", Facts)
        {
            Description = "Reads pg_control, the configuration and the system catalogs straight from the files. Nothing is started and no byte is written, so a stopped cluster, a mounted volume or a snapshot will do.",
            Arguments = [new("DATADIR", "the data directory", Required: true, Takes: Takes.File)],
            Options = [ConfigFolder],
            Examples = [new("a stopped cluster", "pg facts /var/lib/postgresql/15/main"), new("a container's volume, for a program", "pg facts /var/lib/docker/volumes/db/_data --json")],
        },
        new("pg plan", "everything a major upgrade would run into, and the way to make it", MakePlan)
        {
            Description = "Reads both versions and the old cluster's files; no server is started. Names at once all that would fail or hurt, and plans the upgrade: arguments of initdb, logins, settings, extensions, order of text, room on the disk.",
            Arguments = [new("OLD", "the data directory, or the container that serves it", Required: true, Takes: Takes.File)],
            Options =
            [
                new("--to", Takes.Text, "VERSION|IMAGE", "the major version to go to; for a container also the image"),
                new("--mode", Takes.Choice, "MODE", "how files are brought over; copy and clone keep the way back for ever, link and swap (since 18) until the new server is started") { Choices = ["copy", "clone", "link", "swap"], Default = "clone where the filesystem can, else copy" },
                new("--old-bin", Takes.File, "DIR", "programs of the old version, when they are not where they usually are"),
                new("--new-bin", Takes.File, "DIR", "programs of the new version"),
                new("--new-data", Takes.File, "DIR", "where the new cluster shall lie") { Default = "beside the old one" },
                new("--rehearse", Takes.Nothing, "", "try the upgrade on a copy first, while the cluster goes on: what it would run into, and how long each phase takes; where blocks cannot be shared (btrfs, xfs), on the catalogs alone"),
                new("--rehearse-copy", Takes.Nothing, "", "rehearse on a plain copy where blocks cannot be shared; needs the room"),
                new("--compare", Takes.Choice, "WHAT", "what is compared before and afterwards: every row, or tables and their sizes") { Choices = ["contents", "tables"], Default = "contents below 1 GiB" },
                new("--socket-dir", Takes.File, "DIR", "where the sockets of the upgrade go") { Default = "a folder of its own" },
                ConfigFolder,
                Planning.Output,
            ],
            Examples =
            [
                new("what would break", "pg plan /var/lib/postgresql/15/main --to 18"),
                new("a container of podman or docker", "pg plan db --to postgres:18 --output upgrade.plan"),
                new("and how long it would take", "pg plan /var/lib/postgresql/15/main --to 18 --rehearse"),
                new("write it for lotse apply", "pg plan /srv/pg/13 --to 15 --new-bin /opt/pg15/bin --output upgrade.plan"),
            ],
        },
        new("pg prove", "whether an upgrade brought everything over: the new cluster is compared with what the old one held", call => Planning.Prove(call, "pg"))
        {
            Arguments = [Planning.Proved],
            Examples = [new("the newest upgrade", "pg prove")],
        },
        new("pg hash", "which roles have md5 hashes, and the road to scram", Hash)
        {
            Arguments = [new("DATADIR", "the data directory", Required: true, Takes: Takes.File)],
            Options = [ConfigFolder],
            Examples = [new("who is left", "pg hash /var/lib/postgresql/15/main")],
        },
        new("pg why", "why an upgrade, a start or a login of PostgreSQL failed", Why)
        {
            Description = "Explains the output and the logs of pg_upgrade, the log of a server, and what psql and container images print. With a data directory: the logs in it and the state it was left in.",
            Arguments = [new("LOG|-|DATADIR", "a log, standard input, or a data directory", Required: true, Takes: Takes.File)],
            Options = [ConfigFolder],
            Examples = [new("an upgrade that stopped", "pg why upgrade.log"), new("a container that does not start", "pg why - <container.log"), new("a directory that an upgrade left", "pg why /var/lib/postgresql/18/docker")],
        },
    ];

    /// <summary>A step of an upgrade, as the plan runs it: <c>lotse pg step NAME JOB [--back]</c>.</summary>
    public static int Step(string[] arguments, Output errors)
    {
        _ = Lotse.Linux.Libc.NewSession();
        using var here = new LocalHost();
        try
        {
            if (UpgradeSteps.Run(here, arguments[0], arguments[1], arguments.Length > 2) is not { } fault)
            {
                return ExitCode.Fine;
            }

            errors.Line(fault);
            return ExitCode.NotKnown;
        }
        catch (NoWayBackException past)
        {
            errors.Line(past.Message);
            return RunProgram.PastReturn;
        }
    }

    private static int MakePlan(Invocation call) => Planning.Make(call, "pg", host =>
    {
        string? Folder(string option) => call[option] is { } named ? host.IsThisMachine ? Path.GetFullPath(named).TrimEnd('/') : named.TrimEnd('/') : null;
        var old = host.IsThisMachine ? Path.GetFullPath(call.Arguments[0]) : call.Arguments[0];
        var to = call["--to"] ?? throw new UsageException("pg plan needs --to VERSION", "for example: lotse pg plan /var/lib/postgresql/15/main --to 18");
        TransferMode? mode = call["--mode"] switch { "copy" => TransferMode.Copy, "clone" => TransferMode.Clone, "link" => TransferMode.Link, "swap" => TransferMode.Swap, _ => null };
        var isNumber = int.TryParse(to, NumberStyles.None, CultureInfo.InvariantCulture, out var number);
        if (!call.Arguments[0].Contains('/', StringComparison.Ordinal) && !host.Status(old + "/PG_VERSION").Ok)
        {
            return Decide(call, host, ContainerPlanReader.Read(host, call.Arguments[0], number, isNumber ? null : to, mode));
        }

        var wish = new UpgradeWish(old.Length > 1 ? old.TrimEnd('/') : old, isNumber ? number : throw new UsageException($"--to takes a major version here, not {ByteText.Escape(to)}", "an image is for a container: lotse pg plan CONTAINER --to IMAGE"))
        {
            OldPrograms = Folder("--old-bin"),
            NewPrograms = Folder("--new-bin"),
            NewDirectory = Folder("--new-data"),
            ConfigFolder = Folder("--config-dir"),
            SocketFolder = Folder("--socket-dir"),
            Mode = mode,
        };
        return Decide(call, host, PlanReader.Read(host, wish));
    });

    private static Decision Decide(Invocation call, Host host, Reading<PlanFacts> facts)
    {
        if (!facts.Ok)
        {
            throw new NotKnownException(facts.Error!.Message);
        }

        var lotse = Environment.ProcessPath ?? "lotse";
        bool? compare = call["--compare"] switch { "contents" => true, "tables" => false, _ => null };
        var known = facts.Value;
        var report = UpgradeDiagnosis.Report(known);
        if (call.Has("--rehearse") || call.Has("--rehearse-copy"))
        {
            known = known with { Rehearsal = StandsInTheWay(known, report) ? new(RehearsalKind.Schema, []) { NotDone = "what is known already stands in the way" } : Rehearse(call, host, known, UpgradePlan.Make(known, lotse, compare).Job, lotse) };
            report = UpgradeDiagnosis.Report(known);
        }

        // Where something stands in the way there is no plan; nor is there one for a machine that is only looked at.
        if (!host.IsThisMachine || report.Unknowns.Length > 0 || StandsInTheWay(known, report))
        {
            return new Decision(report, "", [], [], []) { Impossible = report.Findings.Any(f => f.Severity == Severity.Error) };
        }

        var (changes, job) = UpgradePlan.Make(known, lotse, compare);
        return new(report, $"upgrade PostgreSQL {job.From} in {job.Old} to {job.To} in {job.New}", changes, [], [job.File]);
    }

    private static bool StandsInTheWay(PlanFacts facts, Report report) => facts.Existing is not null || facts.To <= facts.Old.Version || report.Findings.Any(f => f.Severity == Severity.Error);

    private static Rehearsal Rehearse(Invocation call, Host host, PlanFacts facts, UpgradeJob job, string lotse)
    {
        var asked = host.Ask($"pg/rehearsal {job.Old} {job.To}", static () => PgJson.Default.Rehearsal, () =>
        {
            using var here = new LocalHost();
            return new(Rehearsing.Run(here, facts, job, lotse, call.Has("--rehearse-copy"), line =>
            {
                call.Errors.Line($"lotse: {line}");
                call.Errors.Flush();
            }), null);
        });
        return asked.Ok ? asked.Value : new(RehearsalKind.Schema, []) { NotDone = asked.Error!.Message };
    }

    private static int Hash(Invocation call) => Hosting.With(call, host => General.Print(call, ClusterDiagnosis.Hashes(Read(call, host, call.Arguments[0], deep: false))));

    private static int Why(Invocation call) => Hosting.With(call, host =>
    {
        var named = call.Arguments[0];
        var path = named != "-" && host.IsThisMachine ? Path.GetFullPath(named) : named;
        if (named != "-" && (host.Status($"{path}/PG_VERSION").Ok || host.Ask($"pg/cluster {path}", static () => PgJson.Default.ClusterFacts, static () => new(null!, new(HostErrorKind.NotFound, ""))).Ok))
        {
            var facts = Read(call, host, named, deep: false, ask: true);
            return General.Print(call, ClusterDiagnosis.Why(facts, LogFiles.OfDirectory(host, facts)));
        }

        var text = ByteText.Decode(Hosting.ReadInput(host, path));
        var report = LogDiagnosis.Explain(LogFiles.Of(host, path, text));
        return General.Print(call, report.Findings.Length + report.Reasons.Length + report.Unknowns.Length > 0 || report.Verdict.ToString().StartsWith("the upgrade", StringComparison.Ordinal) ? report
            : report with { Unknowns = [new("what the text means", "no line of it is one that lotse knows", "the server's own log holds more than clients are told: lotse pg why DATADIR")] });
    });

    private static int Facts(Invocation call) => Hosting.With(call, host =>
    {
        var facts = Read(call, host, call.Arguments[0], deep: false);
        var report = ClusterDiagnosis.Facts(facts) with { Answer = PgJson.Part(FactsAnswer.Of(facts)), Facts = PgJson.Part(facts) };
        if (call.Has("--json"))
        {
            return General.Print(call, report);
        }

        var output = call.Output;
        output.Bold(report.Verdict.ToString());
        output.Line();
        output.Line();
        foreach (var (name, value) in ClusterDiagnosis.Lines(facts))
        {
            output.Line($"{name,-22} {value}");
        }

        if (facts.Databases.Length > 0)
        {
            output.Line();
            output.Line($"{"DATABASE",-20} {"ENCODING",-10} {"COLLATE",-16} {"CTYPE",-16} {"PROVIDER",-8} EXTENSIONS");
            foreach (var d in facts.Databases)
            {
                output.Line($"{ByteText.Escape(d.Name),-20} {d.Encoding,-10} {ByteText.Escape(d.Collate ?? "-"),-16} {ByteText.Escape(d.Ctype ?? "-"),-16} {Provider(d),-8} {ByteText.Escape(string.Join(", ", d.Extensions.Select(e => $"{e.Name} {e.Version}")))}");
            }
        }

        var people = facts.Roles.Where(r => r.CanLogin).ToArray();
        if (people.Length > 0)
        {
            output.Line();
            output.Line($"{"ROLE",-20} {"PASSWORD",-14} SUPERUSER");
            foreach (var r in people)
            {
                output.Line($"{ByteText.Escape(r.Name),-20} {r.PasswordKind,-14} {(r.Oid == 10 ? "yes, made by initdb" : r.IsSuperuser ? "yes" : "no")}");
            }
        }

        ReportText.Findings(output, report);
        return ExitCode.Of(report, call.FailOn);
    });

    internal static ClusterFacts Read(Invocation call, Host host, string directory, bool deep, bool ask = true)
    {
        var path = host.IsThisMachine ? Path.GetFullPath(directory) : directory;
        var read = ClusterReader.Read(host, path, deep, true, call["--config-dir"] is { } folder && host.IsThisMachine ? Path.GetFullPath(folder) : call["--config-dir"], ask);
        return read.Ok ? read.Value : throw new NotKnownException(read.Error!.Message);
    }

    private static string Provider(Database d) => d.Provider switch { "i" => "icu", "b" => "builtin", _ => "libc" };
}
