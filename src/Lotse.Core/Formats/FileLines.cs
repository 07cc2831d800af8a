namespace Lotse.Formats;

/// <summary>
/// A text file as lines, without losing a byte: a line ends with LF; a CR before it, a byte order mark and bytes of any
/// encoding belong to the line; whether the last line ends is kept.
/// </summary>
/// <param name="Lines">The lines without their LF, in the form of <see cref="ByteText"/>.</param>
/// <param name="Unterminated">Whether the last line has no LF.</param>
public sealed record FileLines(string[] Lines, bool Unterminated)
{
    /// <summary>Splits; an empty file has no lines.</summary>
    public static FileLines Split(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
        {
            return new([], false);
        }

        var lines = new List<string>();
        var rest = bytes;
        for (var end = rest.IndexOf((byte)'\n'); end >= 0; end = rest.IndexOf((byte)'\n'))
        {
            lines.Add(ByteText.Decode(rest[..end]));
            rest = rest[(end + 1)..];
        }

        if (!rest.IsEmpty)
        {
            lines.Add(ByteText.Decode(rest));
        }

        return new([.. lines], !rest.IsEmpty);
    }

    /// <summary>The bytes that <see cref="Split"/> was given.</summary>
    public byte[] Join()
    {
        var all = new MemoryStream();
        for (var i = 0; i < Lines.Length; i++)
        {
            all.Write(ByteText.Encode(Lines[i]));
            if (i < Lines.Length - 1 || !Unterminated)
            {
                all.WriteByte((byte)'\n');
            }
        }

        return all.ToArray();
    }

    /// <summary>What ends the lines of this file beside LF: CR where the first line has one, else nothing.</summary>
    public string LineEnd => Lines is [var first, ..] && first.EndsWith('\r') ? "\r" : "";

    /// <summary>
    /// The file with a block marked as ours between two comment lines. A block of that name is replaced where it
    /// stands; a new one goes to the end. No lines: the block is taken out.
    /// </summary>
    /// <param name="name">Names the block in its two marks.</param>
    /// <param name="lines">Its content.</param>
    /// <param name="comment">What starts a comment in this file.</param>
    /// <returns>Null when a mark of that name stands alone or twice: then nobody knows what is ours.</returns>
    public FileLines? WithBlock(string name, IReadOnlyList<string> lines, string comment = "#")
    {
        var end = LineEnd;
        string begin = $"{comment} begin lotse: {name}{end}", last = $"{comment} end lotse: {name}{end}";
        int from = Array.IndexOf(Lines, begin), to = Array.IndexOf(Lines, last);
        if (from < 0 != to < 0 || from > to || Lines.Count(l => l == begin) > 1 || Lines.Count(l => l == last) > 1)
        {
            return null;
        }

        string[] block = lines.Count == 0 ? [] : [begin, .. lines.Select(l => l + end), last];
        string[] all = from < 0 ? [.. Lines, .. block] : [.. Lines[..from], .. block, .. Lines[(to + 1)..]];

        // What follows the old last line needs that line to end.
        return new(all, Unterminated && all.Length > 0 && all[^1] == Lines[^1] && from < 0 && block.Length == 0);
    }
}
