using Lotse.Formats;

namespace Lotse.Ssh.Logs;

/// <summary>A line of a log that decided something, and where it stands.</summary>
/// <param name="Number">From 1.</param>
/// <param name="Text">Without the debug prefix and without what a terminal or a mail added around it.</param>
public sealed record LogLine(int Number, string Text)
{
    /// <summary>Whether a carriage return ended it: so ssh ends what it says itself (log.c do_log).</summary>
    public bool HasReturn { get; init; }
}

/// <summary>The lines of a pasted log, and words in them.</summary>
internal static class LogLines
{
    /// <summary>Each line without indentation and without what has carried it here (<see cref="PastedLog"/>).</summary>
    /// <param name="log">The pasted text.</param>
    /// <param name="withSender">Whether <c>sshd[10]: </c> stays, as in a server's log.</param>
    public static IEnumerable<LogLine> Of(string log, bool withSender = false)
    {
        var (number, start, end) = (0, 0, -1);
        foreach (var line in PastedLog.Lines(log, withSender))
        {
            while (number < line.Number && start <= log.Length)
            {
                (number, start) = (number + 1, end + 1);
                end = start >= log.Length ? log.Length : log.IndexOf('\n', start) is >= 0 and var found ? found : log.Length;
            }

            // A last line without its end is as the one before it.
            var last = end == log.Length && start > 0 ? start - 1 : end;
            yield return new(line.Number, line.Text.Trim([' ', '\t', '\r', '\0'])) { HasReturn = last > 0 && log[last - 1] == '\r' };
        }
    }

    /// <summary>What stands between two marks, or null.</summary>
    public static string? Between(string text, string from, string to)
    {
        var start = text.IndexOf(from, StringComparison.Ordinal);
        if (start < 0)
        {
            return null;
        }

        start += from.Length;
        var end = to.Length == 0 ? text.Length : text.IndexOf(to, start, StringComparison.Ordinal);
        return end < 0 ? null : text[start..end];
    }
}
