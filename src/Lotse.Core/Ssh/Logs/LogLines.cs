using Lotse.Formats;

namespace Lotse.Ssh.Logs;

/// <summary>A line of a log that decided something, and where it stands.</summary>
/// <param name="Number">From 1.</param>
/// <param name="Text">Without the debug prefix and without what a terminal or a mail added around it.</param>
public sealed record LogLine(int Number, string Text);

/// <summary>The lines of a pasted log, and words in them.</summary>
internal static class LogLines
{
    /// <summary>Each line without indentation and without what has carried it here (<see cref="PastedLog"/>).</summary>
    /// <param name="log">The pasted text.</param>
    /// <param name="withSender">Whether <c>sshd[10]: </c> stays, as in a server's log.</param>
    public static IEnumerable<LogLine> Of(string log, bool withSender = false) => PastedLog.Lines(log, withSender).Select(l => new LogLine(l.Number, l.Text.Trim([' ', '\t', '\r', '\0'])));

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
