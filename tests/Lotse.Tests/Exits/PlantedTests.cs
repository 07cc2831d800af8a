using System.Text;
using Xunit;

namespace Lotse.Tests.Exits;

/// <summary>
/// Faults planted in clean routers, in several spellings, and edits that are none: tests/data/exits/planted.tsv. Each is
/// named, and nothing else is raised.
/// </summary>
public class PlantedTests
{
    public static TheoryData<int, string, string> Rows() => [.. Read().Select((r, i) => (i, r[0], r[1]))];

    [Theory]
    [MemberData(nameof(Rows))]
    public void Names_what_is_planted_and_nothing_else(int row, string ids, string router)
    {
        using var folder = new TemporaryFolder();
        Plant(Read()[row], folder.Path);
        var found = LotseProgram.Json("exits", "why", "--root", folder.Path).GetProperty("findings").EnumerateArray().Select(f => f.GetProperty("id").GetString()!["exits/".Length..]).Distinct().Order(StringComparer.Ordinal);
        Assert.Equal((router, ids), (router, string.Join(' ', found.DefaultIfEmpty("none"))));
    }

    /// <summary>The rows: ids, router, what the twin says, edits.</summary>
    internal static string[][] Read() =>
        [.. File.ReadLines(LotseProgram.Data("exits", "planted.tsv")).Where(l => l[0] != '#').Select(l => l.Split('\t'))];

    /// <summary>Copies a router and edits it.</summary>
    internal static void Plant(string[] row, string to)
    {
        var from = LotseProgram.Data("exits", "routers", row[1], "etc");
        foreach (var file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(to, "etc", Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }

        foreach (var edit in row[3].Split(" ;; "))
        {
            var parts = edit.Split('|');
            var path = Path.Combine(to, "etc", "config", parts[0]);
            var text = File.ReadAllText(path, Encoding.Latin1);
            if (parts[1][0] == '+')
            {
                text += Unescaped(parts[1][1..]);
            }
            else
            {
                var (what, all) = (Unescaped(parts[1].TrimStart('*')), parts[1][0] == '*');
                var at = text.IndexOf(what, StringComparison.Ordinal);
                Assert.True(at >= 0, $"{row[1]} {parts[0]} has no {parts[1]}");
                text = all ? text.Replace(what, Unescaped(parts[2]), StringComparison.Ordinal) : text[..at] + Unescaped(parts[2]) + text[(at + what.Length)..];
            }

            File.WriteAllText(path, text, Encoding.Latin1);
        }
    }

    private static string Unescaped(string text) =>
        text.Replace("\\n", "\n", StringComparison.Ordinal).Replace("\\t", "\t", StringComparison.Ordinal).Replace("\\xef\\xbb\\xbf", "\u00ef\u00bb\u00bf", StringComparison.Ordinal);
}
