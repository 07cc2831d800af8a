namespace Lotse.Ssh.Logs;

/// <summary>
/// What a log without -v means. ssh prints its sentences where the server's greeting and the programs there print theirs, and
/// those may hold the very same words. So what ssh is to have said must stand where ssh says it: its last word last, and what
/// ends a connection before any key is tried with no word of the server's before it (RFC 4252 section 5.4).
/// </summary>
internal static class QuietLog
{
    /// <summary>What a log without debug lines means, which does not say of itself whether the login worked.</summary>
    public static Conclusion Of(ClientLog log)
    {
        var lines = Spoken(log);
        var last = Array.FindLastIndex(lines, l => l.Speaker is Speaker.Denied or Speaker.End);
        var isDenied = last >= 0 && lines[last].Speaker == Speaker.Denied;

        // A connection that ended before its keys had no keys: of the two it is the greeting that has those words. And after what
        // a server says that lets nobody in, it says nothing more.
        var own = lines.Where((l, i) => l.Speaker != Speaker.Stranger && !(isDenied && i < last && l.Speaker == Speaker.End) && !(i < last && l.Speaker == Speaker.Server && lines[i + 1].Speaker == Speaker.Stranger)).Select(l => l.Line).ToHashSet();
        var view = log with { Authenticated = null, Notable = [.. log.Notable.Where(own.Contains)], Troubles = [.. log.Troubles.Where(t => own.Contains(t.Line))] };
        var session = Array.FindLastIndex(lines, l => l.Line == log.Authenticated || (l.Speaker == Speaker.Said && IsEndOfTerminal(l.Line.Text)));
        var found = last > session ? LogDiagnosis.ByRules(view) : SessionRules.Of(view) ?? (session < 0 ? LogDiagnosis.Nothing(log) : LogDiagnosis.Works(lines[session].Line));
        if (found.Cause is null or Conclusion.Worked)
        {
            return found;
        }

        var at = last > session ? last : Array.FindLastIndex(lines, l => found.Lines.Contains(l.Line));
        return at >= 0 && Stands(lines, at) ? found
            : new(null, Certainty.Inferred, $"\"{found.Lines.OfType<LogLine>().LastOrDefault()?.Text}\" may be what ssh says of this login, or words of the server's greeting or of a program there: without -v both look the same", null, found.Lines) { Others = found.Alternatives };
    }

    /// <summary>A log without the lines that only look like ssh's: it ends its own with CR LF (log.c do_log), the server's arrive as they are, and after its last word it says nothing.</summary>
    public static ClientLog Own(ClientLog log)
    {
        bool IsOwn(LogLine line) => !IsImitated(log, line) && !(line.Number > log.Over?.Number && ClientLines.Of(line.Text).IsSsh()) && !(line.Number < log.Asked?.Number && ClientLines.Of(line.Text) == Speaker.Keys);
        return log is { HasReturns: false, Over: null, Asked: null } ? log : log with { Notable = Array.FindAll(log.Notable, IsOwn), Troubles = Array.FindAll(log.Troubles, t => IsOwn(t.Line)) };
    }

    private static bool IsImitated(ClientLog log, LogLine line) => log.HasReturns && !line.HasReturn && !line.Text.StartsWith(ClientLogReader.HoldsForeign, StringComparison.Ordinal) && ClientLines.Of(line.Text).IsSsh();

    /// <summary>Who says each line. A greeting is in one piece: what stands in the middle of strange lines is strange too, whatever its words.</summary>
    private static (LogLine Line, Speaker Speaker)[] Spoken(ClientLog log)
    {
        // Where a log has lines with CR LF and without, they tell who spoke.
        var lines = Array.ConvertAll(log.Notable, l => (Line: l, Speaker: IsImitated(log, l) ? Speaker.Stranger : ClientLines.Of(l.Text)));

        // Where strange lines have it as well, all have been given it on their way.
        var tells = log.HasReturns && !Array.Exists(lines, l => l.Speaker == Speaker.Stranger && l.Line.HasReturn);
        bool IsTold(int i) => tells && lines[i].Line.HasReturn;

        // The greeting has come before keys are tried, and a session only where they were good.
        int last = Array.FindLastIndex(lines, l => l.Speaker is Speaker.Denied or Speaker.End), strange = Array.FindLastIndex(lines, l => l.Speaker == Speaker.Stranger);
        for (var i = 0; i < lines.Length; i++)
        {
            if (((lines[i].Speaker == Speaker.Keys && i < strange) || (lines[i].Speaker == Speaker.Session && i < last)) && !IsTold(i))
            {
                lines[i].Speaker = Speaker.Stranger;
            }
        }

        int first = Array.FindIndex(lines, l => l.Speaker == Speaker.Stranger), end = Array.FindLastIndex(lines, l => l.Speaker == Speaker.Stranger);
        for (var i = first; i >= 0 && i <= end; i++)
        {
            if (lines[i].Speaker.IsSsh() && !IsTold(i))
            {
                lines[i].Speaker = Speaker.Stranger;
            }
        }

        return lines;
    }

    /// <summary>Whether the line that decides stands where ssh would have said it.</summary>
    private static bool Stands((LogLine Line, Speaker Speaker)[] lines, int at)
    {
        var (line, speaker) = lines[at];
        bool IsStranger((LogLine Line, Speaker Speaker) said) => said.Speaker == Speaker.Stranger;

        // Where its carriage return tells that ssh has said it and nobody else's line has one, the order says nothing: what
        // ssh -E wrote may stand before the greeting or after it.
        var isItsOwn = line.HasReturn && !Array.Exists(lines, l => IsStranger(l) && l.Line.HasReturn);
        if (!speaker.IsOnItsWay() && Array.FindIndex(lines, at + 1, l => isItsOwn ? l.Speaker.IsOnItsWay() && l.Line.HasReturn : l.Speaker == Speaker.Stranger || l.Speaker.IsOnItsWay()) >= 0)
        {
            return false;
        }

        var stranger = Array.FindLastIndex(lines, at, IsStranger);

        // One ssh has one last word (or two: what the server's farewell was, and that it is over). Of more, one is the stranger's.
        var isSecond = Array.FindLastIndex(lines, Math.Max(at - 1, 0), at, l => l.Speaker is Speaker.Denied or Speaker.End) is var other && other > stranger && !line.Text.StartsWith("Disconnected from ", StringComparison.Ordinal);
        return stranger < 0
            || isItsOwn
            || (speaker == Speaker.End && line.Text.Contains(" UNKNOWN port ", StringComparison.Ordinal) && IsOfJump(lines, at))
            || (speaker == Speaker.Denied && NamesTheLogin(line.Text) && !isSecond);
    }

    /// <summary>Whether the last word about the host in between, which names it and the user there, is followed by those about the connection through it.</summary>
    private static bool IsOfJump((LogLine Line, Speaker Speaker)[] lines, int at)
    {
        var denied = Array.FindLastIndex(lines, at, l => l.Speaker != Speaker.End);
        return denied >= 0 && denied < at && lines[denied].Speaker == Speaker.Denied && NamesTheLogin(lines[denied].Line.Text);
    }

    /// <summary>Whether nobody but ssh would print it so: with user and host (7.6 and later), or what follows the server's farewell.</summary>
    private static bool NamesTheLogin(string text) => text.StartsWith("Disconnected from ", StringComparison.Ordinal) || (text.IndexOf(": Permission denied (", StringComparison.Ordinal) is > 0 and var at && text.AsSpan(0, at).Contains('@'));

    /// <summary><c>Connection to HOST closed.</c>: only a session with a terminal ends so (clientloop.c).</summary>
    private static bool IsEndOfTerminal(string text) => text.StartsWith("Connection to ", StringComparison.Ordinal) && text.EndsWith(" closed.", StringComparison.Ordinal);
}
