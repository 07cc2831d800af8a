using Xunit;

namespace Lotse.Tests.Exits;

/// <summary>
/// Faults planted in clean routers, in several spellings, and edits that are none: tests/data/exits/planted.tsv. Each is
/// named, and nothing else is raised.
/// </summary>
public class PlantedTests
{
    private static readonly string Data = LotseProgram.Data("exits");

    public static TheoryData<int, string, string> Rows() => [.. Planted.Read(Data).Select((r, i) => (i, r[0], r[1]))];

    [Theory]
    [MemberData(nameof(Rows))]
    public void Names_what_is_planted_and_nothing_else(int row, string ids, string router)
    {
        using var folder = new TemporaryFolder();
        Planted.Plant(Data, Planted.Read(Data)[row], folder.Path);
        var found = LotseProgram.Json("exits", "why", "--root", folder.Path).GetProperty("findings").EnumerateArray().Select(f => f.GetProperty("id").GetString()!["exits/".Length..]).Distinct().Order(StringComparer.Ordinal);
        Assert.Equal((router, ids), (router, string.Join(' ', found.DefaultIfEmpty("none"))));
    }
}
