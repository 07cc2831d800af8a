using System.Text.Json.Serialization;

namespace Lotse.Formats;

/// <summary>A run of lines that is replaced by another.</summary>
/// <param name="Line">The first line that goes, counted from 1 in the old file; where none goes, the line before which the new ones stand.</param>
/// <param name="Remove">The lines that go.</param>
/// <param name="Add">The lines that come.</param>
public sealed record Hunk(
    int Line,
    [property: JsonConverter(typeof(ForeignTexts))] string[] Remove,
    [property: JsonConverter(typeof(ForeignTexts))] string[] Add);

/// <summary>The difference of two lists of lines (E. Myers, "An O(ND) difference algorithm", 1986).</summary>
public static class LineDiff
{
    /// <summary>Beyond this many differing lines, one hunk holds all between the first and the last difference.</summary>
    private const int Most = 1000;

    /// <summary>The fewest runs that turn one into the other, in order.</summary>
    public static Hunk[] Between(string[] before, string[] after)
    {
        var start = 0;
        while (start < before.Length && start < after.Length && before[start] == after[start])
        {
            start++;
        }

        var end = 0;
        while (end < before.Length - start && end < after.Length - start && before[^(end + 1)] == after[^(end + 1)])
        {
            end++;
        }

        var old = before[start..(before.Length - end)];
        var now = after[start..(after.Length - end)];
        return old.Length + now.Length == 0 ? []
            : Path(old, now) is { } kept ? [.. Hunks(old, now, kept, start)]
            : [new(start + 1, old, now)];
    }

    /// <summary>Applies hunks to the lines they were made for.</summary>
    /// <returns>Null when a line that should go is not there.</returns>
    public static string[]? Apply(string[] lines, IReadOnlyList<Hunk> hunks)
    {
        var all = new List<string>();
        var at = 0;
        foreach (var hunk in hunks)
        {
            var from = hunk.Line - 1;
            if (from < at || from + hunk.Remove.Length > lines.Length || !lines.AsSpan(from, hunk.Remove.Length).SequenceEqual(hunk.Remove))
            {
                return null;
            }

            all.AddRange(lines[at..from]);
            all.AddRange(hunk.Add);
            at = from + hunk.Remove.Length;
        }

        all.AddRange(lines[at..]);
        return [.. all];
    }

    /// <summary>The pairs of lines that stay, in order; null beyond <see cref="Most"/> differences.</summary>
    private static List<(int Old, int New)>? Path(string[] a, string[] b)
    {
        var reach = new Dictionary<int, int> { [1] = 0 };
        var trace = new List<Dictionary<int, int>>();
        for (var d = 0; d <= Math.Min(a.Length + b.Length, Most); d++)
        {
            trace.Add(new(reach));
            for (var k = -d; k <= d; k += 2)
            {
                var x = k == -d || (k != d && reach[k - 1] < reach[k + 1]) ? reach[k + 1] : reach[k - 1] + 1;
                var y = x - k;
                while (x < a.Length && y < b.Length && a[x] == b[y])
                {
                    (x, y) = (x + 1, y + 1);
                }

                reach[k] = x;
                if (x >= a.Length && y >= b.Length)
                {
                    return Back(trace, a.Length, b.Length);
                }
            }
        }

        return null;
    }

    private static List<(int Old, int New)> Back(List<Dictionary<int, int>> trace, int x, int y)
    {
        var kept = new List<(int, int)>();
        for (var d = trace.Count - 1; d >= 0; d--)
        {
            var k = x - y;
            var from = k == -d || (k != d && trace[d][k - 1] < trace[d][k + 1]) ? k + 1 : k - 1;
            var oldX = d == 0 ? 0 : trace[d][from];
            var oldY = d == 0 ? 0 : oldX - from;
            while (x > oldX && y > oldY)
            {
                (x, y) = (x - 1, y - 1);
                kept.Add((x, y));
            }

            (x, y) = (oldX, oldY);
        }

        kept.Reverse();
        return kept;
    }

    private static IEnumerable<Hunk> Hunks(string[] old, string[] now, List<(int Old, int New)> kept, int start)
    {
        int a = 0, b = 0;
        foreach (var (x, y) in kept.Append((old.Length, now.Length)))
        {
            if (x > a || y > b)
            {
                yield return new(start + a + 1, old[a..x], now[b..y]);
            }

            (a, b) = (x + 1, y + 1);
        }
    }
}
