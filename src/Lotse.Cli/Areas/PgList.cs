using System.Globalization;
using Lotse.Formats;
using Lotse.Postgres;
using Lotse.Postgres.Containers;

namespace Lotse.Cli.Areas;

/// <summary><c>lotse pg</c>: the clusters of a machine, those of its containers among them.</summary>
internal static class PgList
{
    public static int Print(Invocation call) => Hosting.With(call, host =>
    {
        var (clusters, unknowns) = Read(host);
        var report = ClusterDiagnosis.Machine([.. clusters.Select(c => c.Facts)], DateOnly.FromDateTime(host.Now.UtcDateTime));
        var answers = clusters.Select(c => FactsAnswer.Of(c.Facts) with { Container = c.Container, Later = Outlook.Of(c.Facts) }).ToArray();
        report = report with { Answer = PgJson.Part(new ListAnswer(answers)), Unknowns = [.. report.Unknowns, .. unknowns] };
        if (clusters.Length == 0 && unknowns.Length > 0)
        {
            report = report with { Verdict = "whether there is a PostgreSQL cluster is not known" };
        }

        if (call.Has("--json"))
        {
            return General.Print(call, report);
        }

        call.Output.Bold(report.Verdict.ToString());
        call.Output.Line();
        if (answers.Length > 0)
        {
            call.Output.Line();
            call.Output.Line($"{"VERSION",7} {"STATE",-14} {"SIZE",10} {"KEPT UNTIL",-10}  DIRECTORY");
        }

        foreach (var answer in answers)
        {
            var until = answer.KeptUntil?.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture) ?? "?";
            call.Output.Line($"{answer.Version,7} {(answer.Running ? "running" : answer.State ?? "?"),-14} {(answer.Sizes is { } sizes ? Amount.OfKib(sizes.TotalBytes / 1024) : "?"),10} {until,-10}  {ByteText.Escape(answer.Directory)}{(answer.Container is { } container ? $" ({ByteText.Escape(container)})" : "")}");
            foreach (var later in Ends(answer.Later ?? []))
            {
                call.Output.Line($"{"",7} to {later.Version}: {(later.Breaks.Length == 0 ? "nothing in it stands in the way" : string.Join(", ", later.Breaks))}");
            }
        }

        ReportText.Findings(call.Output, report);
        return ExitCode.Of(report, call.FailOn);
    });

    /// <summary>The next version and the newest.</summary>
    private static LaterVersion[] Ends(LaterVersion[] later) => later.Length > 1 ? [later[0], later[^1]] : later;

    private static ((ClusterFacts Facts, string? Container)[] Clusters, Unknown[] Unknowns) Read(Host host)
    {
        var containers = new SortedDictionary<string, string>(StringComparer.Ordinal);
        var (closed, refused) = (new List<string>(), new List<string>());
        foreach (var (engine, name) in ContainerReader.Names(host, refused))
        {
            if (ContainerReader.Container(host, name) is { Ok: true, Value: { Directory: { } folder } container } && container.Engine == engine && host.Status($"{folder}/PG_VERSION").Ok)
            {
                containers[folder] = $"{engine} container {name}";
            }
        }

        var clusters = new List<(ClusterFacts, string?)>();
        var unknowns = new List<Unknown>();
        foreach (var place in ClusterList.Places(host, closed).Union(containers.Keys).Order(StringComparer.Ordinal))
        {
            var read = ClusterReader.Read(host, place, deep: true);
            if (read.Ok)
            {
                clusters.Add((read.Value, containers.GetValueOrDefault(place)));
            }
            else
            {
                unknowns.Add(new($"the cluster in {Value.Path(place)}", read.Error!.Message, "as root: the same command"));
            }
        }

        unknowns.AddRange(closed.Select(ClusterList.Closed));
        unknowns.AddRange(refused.Select(r => new Unknown($"which containers {r} has", "this user may not ask it", "as root: the same command")));
        return ([.. clusters], [.. unknowns]);
    }
}
