using System.Globalization;
using Lotse.Formats;
using Lotse.Postgres;

namespace Lotse.Cli.Areas;

/// <summary>The verbs of <c>lotse pg</c>.</summary>
internal static class PgCommands
{
    private static readonly Option ConfigFolder = new("--config-dir", Takes.File, "DIR", "where postgresql.conf lies when it is not in the data directory");

    public static readonly Command[] All =
    [
        new("pg facts", "what a data directory says, without starting a server", Facts)
        {
            Description = "Reads pg_control, the configuration and the system catalogs straight from the files. Nothing is started and no byte is written, so a stopped cluster, a mounted volume or a snapshot will do.",
            Arguments = [new("DATADIR", "the data directory", Required: true, Takes: Takes.File)],
            Options = [ConfigFolder],
            Examples = [new("a stopped cluster", "pg facts /var/lib/postgresql/15/main"), new("a container's volume, for a program", "pg facts /var/lib/docker/volumes/db/_data --json")],
        },
    ];

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

    internal static ClusterFacts Read(Invocation call, Host host, string directory, bool deep)
    {
        var path = host.IsThisMachine ? Path.GetFullPath(directory) : directory;
        var read = ClusterReader.Read(host, path, deep, true, call["--config-dir"] is { } folder && host.IsThisMachine ? Path.GetFullPath(folder) : call["--config-dir"]);
        return read.Ok ? read.Value : throw new NotKnownException(read.Error!.Message);
    }

    private static string Provider(Database d) => d.Provider switch { "i" => "icu", "b" => "builtin", _ => "libc" };
}
