using Xunit;

namespace Lotse.Tests;

/// <summary>
/// Every finding against three recordings, tests/data/findings/AREA/SLUG/: <c>triggers.host</c> raises it,
/// <c>near-miss.host</c> nearly does and must not, <c>cured.host</c> is the first after its remedy. What is run stands
/// in the recording before the first answer, as <c>command: swap why</c>; without such a line it is <c>doctor</c>.
/// </summary>
public class FindingTests
{
    public static TheoryData<string> Ids() => [.. FindingPage.All.Select(p => p.Id)];

    [Theory]
    [MemberData(nameof(Ids))]
    public void Is_raised_where_it_holds_and_only_there(string id)
    {
        Assert.Contains(id, Found(id, "triggers"));
        Assert.DoesNotContain(id, Found(id, "near-miss"));
        Assert.DoesNotContain(id, Found(id, "cured"));
    }

    [Theory]
    [MemberData(nameof(Ids))]
    public void Has_a_page_that_teaches(string id)
    {
        var page = FindingPage.Find(id)!;
        Assert.Matches("^[a-z]+/[a-z0-9]+(-[a-z0-9]+)*$", page.Id);
        Assert.False(page.Title.EndsWith('.'));
        Assert.NotEmpty(page.Sources);
        foreach (var heading in new[] { "## Why", "## Example", "## Remedy" })
        {
            Assert.Contains(heading, page.Body, StringComparison.Ordinal);
        }
    }

    private static List<string> Found(string id, string recording)
    {
        var path = LotseProgram.Data(["findings", .. id.Split('/'), recording + ".host"]);
        var envelope = LotseProgram.Json([.. LotseProgram.CommandOf(path), "--facts", path]);
        return [.. envelope.GetProperty("findings").EnumerateArray().Select(f => f.GetProperty("id").GetString()!)];
    }
}
