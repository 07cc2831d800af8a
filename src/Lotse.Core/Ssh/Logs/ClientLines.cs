namespace Lotse.Ssh.Logs;

/// <summary>Who says a line of a log without -v.</summary>
internal enum Speaker
{
    /// <summary>Nobody who is known: a greeting, a program on the server.</summary>
    Stranger,

    /// <summary>ssh, when no key was taken.</summary>
    Denied,

    /// <summary>ssh, when it ends before any key was tried.</summary>
    End,

    /// <summary>ssh, on its way.</summary>
    Said,

    /// <summary>ssh, while it tries keys.</summary>
    Keys,

    /// <summary>ssh, in a session.</summary>
    Session,

    /// <summary>A server that lets nobody in.</summary>
    Server,

    /// <summary>A program that stands in for the connection.</summary>
    Between,

    /// <summary>What has called ssh.</summary>
    Around,
}

/// <summary>Who is ssh itself.</summary>
internal static class Speakers
{
    /// <summary>Whether ssh says it.</summary>
    public static bool IsSsh(this Speaker speaker) => speaker is Speaker.Denied or Speaker.End || speaker.IsOnItsWay();

    /// <summary>Whether ssh says it, and it is not its last word.</summary>
    public static bool IsOnItsWay(this Speaker speaker) => speaker is Speaker.Said or Speaker.Keys or Speaker.Session;
}

/// <summary>Who says a line of a log without -v, by its words alone (Data/client-lines.tsv).</summary>
internal static class ClientLines
{
    /// <summary>No sentence of ssh's is longer than its lists of names.</summary>
    private const int Longest = 2048;

    private const int Ascii = 128;

    private static readonly Lazy<(Speaker Speaker, string[] Pieces)[]> Table = new(() => [.. SshTable.Rows("client-lines").Select(r => (Enum.Parse<Speaker>(r[0], ignoreCase: true), r[1].Split('*')))]);

    /// <summary>The rows that a line can fit which begins so, in their order; the last is for what is not ASCII. A log of strange lines would else be held against all of them, line by line.</summary>
    private static readonly Lazy<int[][]> ByFirst = new(() =>
    [
        .. Enumerable.Range(0, Ascii + 1).Select(first => Enumerable.Range(0, Table.Value.Length).Where(row => Table.Value[row].Pieces[0] is var start && (start.Length == 0 || start[0] == first || (first == Ascii && start[0] >= Ascii))).ToArray()),
    ]);

    /// <summary>The first row that fits; nobody who is known where none does.</summary>
    public static Speaker Of(string text)
    {
        if (text.Length == 0)
        {
            return Speaker.Stranger;
        }

        var line = text.AsSpan(0, Math.Min(text.Length, Longest));
        foreach (var row in ByFirst.Value[Math.Min((int)line[0], Ascii)])
        {
            var (speaker, pieces) = Table.Value[row];
            if (Fits(line, pieces))
            {
                return speaker;
            }
        }

        return Speaker.Stranger;
    }

    /// <summary>Whether a line holds the pieces between the <c>*</c> of a pattern, in their order, the first at its start and the last at its end.</summary>
    private static bool Fits(ReadOnlySpan<char> line, string[] pieces)
    {
        if (pieces.Length == 1)
        {
            return line.SequenceEqual(pieces[0]);
        }

        if (!line.StartsWith(pieces[0], StringComparison.Ordinal))
        {
            return false;
        }

        line = line[pieces[0].Length..];
        foreach (var piece in pieces.AsSpan(1, pieces.Length - 2))
        {
            var at = line.IndexOf(piece, StringComparison.Ordinal);
            if (at < 0)
            {
                return false;
            }

            line = line[(at + piece.Length)..];
        }

        return line.EndsWith(pieces[^1], StringComparison.Ordinal);
    }
}
