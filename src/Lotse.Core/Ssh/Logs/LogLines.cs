namespace Lotse.Ssh.Logs;

/// <summary>A line of a log that decided something, and where it stands.</summary>
/// <param name="Number">From 1.</param>
/// <param name="Text">Without the debug prefix and without what a terminal or a mail added around it.</param>
public sealed record LogLine(int Number, string Text);

/// <summary>Splits a pasted log into lines; hostile until proven otherwise, so its length is bounded and so is each line.</summary>
internal static class LogLines
{
    /// <summary>The most that is kept of one line; OpenSSH's longest are algorithm lists of about 1,500 characters.</summary>
    public const int Longest = 8192;

    /// <summary>The most lines that are looked at.</summary>
    public const int Most = 200_000;

    /// <summary>Each line without line end, quotation marks of mails (<c>&gt; </c>), indentation and terminal colours.</summary>
    public static IEnumerable<LogLine> Of(string log)
    {
        var number = 0;
        for (int at = 0, end; at < log.Length && number < Most; at = end + 1)
        {
            end = log.IndexOf('\n', at);
            end = end < 0 ? log.Length : end;
            number++;
            var line = log.AsSpan(at, Math.Min(end - at, Longest)).Trim([' ', '\t', '\r', '\0']);
            while (line.StartsWith(">") && !line.StartsWith(">>>"))
            {
                line = line[1..].TrimStart();
            }

            var text = line.ToString();
            yield return new(number, text.Contains('\x1b', StringComparison.Ordinal) ? WithoutColours(text) : text);
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

    /// <summary>Drops CSI sequences (ECMA-48 section 5.4).</summary>
    private static string WithoutColours(string text)
    {
        var kept = new System.Text.StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '\x1b')
            {
                kept.Append(text[i]);
            }
            else if (i + 1 < text.Length && text[i + 1] == '[')
            {
                for (i += 2; i < text.Length && text[i] is not (>= '@' and <= '~'); i++)
                {
                }
            }
        }

        return kept.ToString();
    }
}
