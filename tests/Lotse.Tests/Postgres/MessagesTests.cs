using Lotse.Postgres;
using Xunit;

namespace Lotse.Tests.Postgres;

/// <summary>Each pattern of a message meets a line in the words of PostgreSQL's sources, of an image or of a driver.</summary>
public class MessagesTests
{
    private static readonly (string Id, string Line)[] Lines =
        [.. File.ReadLines(LotseProgram.Data("pg", "messages", "lines.tsv")).Select(l => l.Split('\t')).Select(f => (f[0], f[1]))];

    public static IEnumerable<TheoryDataRow<string, string>> All => Lines.Select(l => new TheoryDataRow<string, string>(l.Id, l.Line));

    [Theory]
    [MemberData(nameof(All))]
    public void A_line_is_known(string id, string line)
    {
        Assert.True(LogDiagnosis.MayBeOne(line));
        var upgrade = LogDiagnosis.Messages.Any(m => m.OnlyInUpgrade && m.Id == id);
        var report = LogDiagnosis.Explain([new("log", $"{(upgrade ? "Performing Upgrade\n" : "")}{line}\n")]);
        Assert.Contains(id, report.Findings.Select(f => f.Id));
        Assert.DoesNotContain("?", report.Findings.First(f => f.Id == id).Title.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void No_pattern_is_without_a_line() =>
        Assert.Empty(LogDiagnosis.Messages.Where(m => !Lines.Any(l => l.Id == m.Id && m.Of(l.Line).Success)).Select(m => $"{m.Id} {m.Pattern}"));
}
