namespace Lotse.Ssh.Logs;

/// <summary>The lines of a server's log that may be about one user's login: what other processes say of other users alone is left out.</summary>
internal static class LoginLines
{
    private static readonly string[] Names = [" for invalid user ", "Invalid user ", "authenticating user ", "invalid user ", " for user ", " for ", "User ", "user "];

    /// <summary>All lines but those of processes that name another user and never this one. Without process ids every line counts.</summary>
    /// <param name="log">The log.</param>
    /// <param name="user">The user; null: nobody is told apart.</param>
    public static IEnumerable<LogLine> Of(string log, string? user)
    {
        var lines = LogLines.Of(log, withSender: true);
        if (user is null)
        {
            return lines;
        }

        Dictionary<string, bool> ours = [];
        foreach (var line in lines)
        {
            if (Process(line.Text) is { } process && User(line.Text) is { } named)
            {
                ours[process] = named == user || (ours.TryGetValue(process, out var before) && before);
            }
        }

        return lines.Where(l => Process(l.Text) is not { } process || !ours.TryGetValue(process, out var mine) || mine);
    }

    /// <summary>The process id before a line: <c>sshd[17]: </c>, <c>sshd-session[17]: </c>, <c>dropbear[17]: </c> of syslog, <c>[17] Nov 26 </c> of Dropbear's -E.</summary>
    private static string? Process(string line)
    {
        var open = line.AsSpan(0, Math.Min(line.Length, 120)).IndexOf('[');
        var close = open < 0 ? -1 : line.IndexOf(']', open);
        return close > open + 1 && close + 1 < line.Length && line[close + 1] is ':' or ' ' && line.AsSpan(open + 1, close - open - 1).ContainsOnlyDigits() ? line[(open + 1)..close] : null;
    }

    /// <summary>The user whom a line names; null: none.</summary>
    private static string? User(string line)
    {
        foreach (var before in Names)
        {
            if (line.IndexOf(before, StringComparison.Ordinal) is >= 0 and var at && line[(at + before.Length)..].Split(' ') is [var word, "from" or "not" or "service" or "" or [>= '0' and <= '9', ..], ..])
            {
                return word.Trim('\'', '"', ',');
            }
        }

        return null;
    }
}
