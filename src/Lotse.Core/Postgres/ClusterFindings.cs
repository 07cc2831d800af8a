namespace Lotse.Postgres;

/// <summary>What is wrong with one cluster by itself, whatever comes next. Pure.</summary>
internal static class ClusterFindings
{
    /// <summary>Every finding, worst first.</summary>
    public static Finding[] Of(ClusterFacts facts) => [.. new[] { Corrupt(facts) }.OfType<Finding>().OrderByDescending(f => f.Severity)];

    private static Finding? Corrupt(ClusterFacts facts) => facts.Damages is not [var first, ..] || facts.IsRunning ? null : new("pg/corrupt-page", Severity.Error, Certainty.Proven, Value.Path(facts.Directory),
        $"{Value.Path(facts.Directory + "/" + first.File)} is not whole: {first.What}{(facts.Damages.Length > 1 ? $", and {facts.Damages.Length - 1} more" : "")}",
        [.. facts.Damages.Take(8).Select(d => new Reason($"page {d.Block} of {Value.Path(d.File)}: {d.What}", Verdict.Yes, "src/backend/storage/page/bufpage.c PageIsVerified", new Seen(d.What, $"{facts.Directory}/{d.File}")))],
        [new("do not upgrade: copy the directory away first, then look at disk and memory, and restore from a backup"), new("check all pages of the stopped cluster", "pg_checksums", "--check", "-D", facts.Directory)]);
}
