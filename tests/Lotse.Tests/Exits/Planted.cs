using System.Text;

namespace Lotse.Tests.Exits;

/// <summary>The faults of tests/data/exits/planted.tsv and the routers they are planted in.</summary>
internal static class Planted
{
    /// <summary>The rows: ids, router, whether the twin tells it (<c>fails</c>), edits.</summary>
    /// <param name="data">tests/data/exits.</param>
    public static string[][] Read(string data) =>
        [.. File.ReadLines(Path.Combine(data, "planted.tsv")).Where(l => l[0] != '#').Select(l => l.Split('\t'))];

    /// <summary>Copies a router and edits it.</summary>
    /// <param name="data">tests/data/exits.</param>
    /// <param name="row">A row.</param>
    /// <param name="to">Where the copy goes.</param>
    /// <exception cref="InvalidDataException">An edit's text is not there.</exception>
    public static void Plant(string data, string[] row, string to)
    {
        var from = Path.Combine(data, "routers", row[1], "etc");
        foreach (var file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(to, "etc", Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }

        foreach (var parts in row[3].Split(" ;; ").Select(e => e.Split('|')))
        {
            var path = Path.Combine(to, "etc", "config", parts[0]);
            File.WriteAllText(path, Edited(File.ReadAllText(path, Encoding.Latin1), parts), Encoding.Latin1);
        }
    }

    private static string Edited(string text, string[] parts)
    {
        if (parts[1][0] == '+')
        {
            return text + Unescaped(parts[1][1..]);
        }

        var (what, instead) = (Unescaped(parts[1].TrimStart('*')), Unescaped(parts[2]));
        var at = text.IndexOf(what, StringComparison.Ordinal);
        return at < 0 ? throw new InvalidDataException($"{parts[0]} has no {parts[1]}")
            : parts[1][0] == '*' ? text.Replace(what, instead, StringComparison.Ordinal)
            : text[..at] + instead + text[(at + what.Length)..];
    }

    private static string Unescaped(string text) =>
        text.Replace("\\n", "\n", StringComparison.Ordinal).Replace("\\t", "\t", StringComparison.Ordinal).Replace("\\xef\\xbb\\xbf", "\u00ef\u00bb\u00bf", StringComparison.Ordinal);
}
