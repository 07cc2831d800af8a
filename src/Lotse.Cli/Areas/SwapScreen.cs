using System.Text;
using Lotse.Formats;
using Lotse.Swap;

namespace Lotse.Cli.Areas;

/// <summary>A column that the live view sorts by.</summary>
internal enum WatchOrder
{
    /// <summary>Largest first.</summary>
    Swap,

    /// <summary>What moves most, in either direction, first.</summary>
    Change,

    /// <summary>Smallest pid first.</summary>
    Pid,

    /// <summary>By name.</summary>
    Name,

    /// <summary>By user, then largest.</summary>
    User,
}

/// <summary>A moment of the live view.</summary>
/// <param name="UsedKib">Used swap.</param>
/// <param name="TotalKib">All swap.</param>
/// <param name="InPerSecond">Pages in.</param>
/// <param name="OutPerSecond">Pages out.</param>
/// <param name="Waited">Share of time that tasks waited for memory, percent; null: not kept.</param>
internal readonly record struct WatchSample(long UsedKib, long TotalKib, double InPerSecond, double OutPerSecond, double? Waited);

/// <summary>A row of the live view.</summary>
/// <param name="KibPerSecond">By how much its swap changed: positive went out, negative came back or was freed.</param>
internal sealed record WatchRow(int Pid, string Name, string User, long SwapKib, double KibPerSecond);

/// <summary>Draws the live view of <c>lotse swap --watch</c>. Pure: a state and a size in, lines out.</summary>
internal static class SwapScreen
{
    private static readonly string[] Bars = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

    /// <summary>The lines of the screen, none wider than <paramref name="columns"/>, no more than <paramref name="rows"/>.</summary>
    public static List<string> Draw(int rows, int columns, Text headline, IReadOnlyList<WatchSample> history, IReadOnlyList<WatchRow> processes, WatchOrder order, bool paused, int first)
    {
        var lines = new List<string> { headline.ToString() };
        if (history.Count > 0)
        {
            var now = history[^1];
            lines.Add($"in {now.InPerSecond:0} pages/s, out {now.OutPerSecond:0} pages/s{(now.Waited is { } waited ? $", waited {waited:0.0} %" : "")}");
            lines.Add("used " + Line(history, columns - 6, s => s.TotalKib == 0 ? 0 : s.UsedKib / (double)s.TotalKib, 1));
            lines.Add("in   " + Line(history, columns - 6, s => s.InPerSecond, Math.Max(1, history.Max(s => s.InPerSecond))));
        }

        lines.Add("");
        lines.Add($"{"SWAP",10} {"CHANGE/S",11} {"PID",8}  {"USER",-12}  NAME");
        var room = Math.Max(0, rows - lines.Count - 1);
        foreach (var row in Sorted(processes, order).Skip(first).Take(room))
        {
            lines.Add($"{Amount.OfKib(row.SwapKib),10} {Change(row.KibPerSecond),11} {row.Pid,8}  {Cut(ByteText.Escape(row.User), 12),-12}  {ByteText.Escape(row.Name)}");
        }

        while (lines.Count < rows - 1)
        {
            lines.Add("");
        }

        lines.Add($"{(paused ? "PAUSED  " : "")}sort: [s]wap [c]hange [p]id [n]ame [u]ser   [space] pause   [j]/[k] scroll   [q]uit   {processes.Count} processes hold swap");
        return [.. lines.Take(rows).Select(l => Cut(l, columns))];
    }

    /// <summary>The rows in an order; equal ones by pid.</summary>
    public static IEnumerable<WatchRow> Sorted(IEnumerable<WatchRow> rows, WatchOrder order) => order switch
    {
        WatchOrder.Change => rows.OrderByDescending(r => Math.Abs(r.KibPerSecond)).ThenByDescending(r => r.SwapKib).ThenBy(r => r.Pid),
        WatchOrder.Pid => rows.OrderBy(r => r.Pid),
        WatchOrder.Name => rows.OrderBy(r => r.Name, StringComparer.Ordinal).ThenBy(r => r.Pid),
        WatchOrder.User => rows.OrderBy(r => r.User, StringComparer.Ordinal).ThenByDescending(r => r.SwapKib).ThenBy(r => r.Pid),
        _ => rows.OrderByDescending(r => r.SwapKib).ThenBy(r => r.Pid),
    };

    /// <summary>The newest samples as bars, newest at the right, <paramref name="width"/> of them at most.</summary>
    private static string Line(IReadOnlyList<WatchSample> history, int width, Func<WatchSample, double> value, double most)
    {
        var line = new StringBuilder();
        for (var i = Math.Max(0, history.Count - Math.Max(0, width)); i < history.Count; i++)
        {
            var share = Math.Clamp(value(history[i]) / most, 0, 1);
            line.Append(Bars[share > 0 ? Math.Max(1, (int)Math.Round(share * 8)) : 0]);
        }

        return line.ToString();
    }

    private static string Change(double kibPerSecond) => kibPerSecond switch
    {
        > 0 => "+" + Amount.OfKib((long)Math.Ceiling(kibPerSecond)),
        < 0 => "-" + Amount.OfKib((long)Math.Ceiling(-kibPerSecond)),
        _ => "",
    };

    /// <summary>The start of a line that fits; wide characters count two columns.</summary>
    private static string Cut(string line, int columns)
    {
        var width = 0;
        for (var i = 0; i < line.Length; i++)
        {
            width += line[i] switch
            {
                >= '\u0300' and <= '\u036f' => 0,
                >= '\u1100' and <= '\u115f' or >= '\u2e80' and <= '\ua4cf' or >= '\uac00' and <= '\ud7a3' or >= '\uf900' and <= '\ufaff' or >= '\ufe30' and <= '\ufe6f' or >= '\uff00' and <= '\uff60' => 2,
                _ => 1,
            };
            if (width > columns)
            {
                return line[..(char.IsLowSurrogate(line[i]) ? i - 1 : i)];
            }
        }

        return line;
    }
}
