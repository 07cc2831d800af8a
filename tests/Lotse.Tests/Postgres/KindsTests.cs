using Lotse.Postgres;
using Xunit;

namespace Lotse.Tests.Postgres;

/// <summary>Every kind of trouble that upgrades run into is named from what pg_upgrade and its servers really wrote, and from nothing else.</summary>
public class KindsTests
{
    private static readonly (string Id, string Also, string Silent)[] Kinds =
        [.. File.ReadLines(LotseProgram.Data("pg", "kinds.tsv")).Where(l => !l.StartsWith('#')).Select(l => l.Split('\t')).Select(f => (f[0], f[3], f[4]))];

    public static TheoryData<string> All => [.. Kinds.Select(k => k.Id)];

    [Theory]
    [MemberData(nameof(All))]
    public void It_is_named_from_its_log_alone(string id)
    {
        var (_, also, silent) = Kinds.Single(k => k.Id == id);
        var log = LotseProgram.Data("pg", "logs", id + ".log");

        // What pg_upgrade does not mention cannot be read from its output; what is harmless has no page.
        Assert.Equal(silent.Length == 0, File.Exists(log));
        Assert.Equal(!silent.StartsWith("harmless", StringComparison.Ordinal), FindingPage.All.Any(p => p.Id == "pg/" + id));
        if (silent.Length == 0)
        {
            Assert.Equal(new[] { id, also }.Where(i => i.Length > 0).Order(StringComparer.Ordinal), LogDiagnosis.Explain([new("log", File.ReadAllText(log))]).Findings.Select(f => f.Id[3..]).Distinct().Order(StringComparer.Ordinal));
        }
    }
}
