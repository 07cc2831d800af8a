namespace Lotse.Exits;

/// <summary>The file is refused; the message is libuci's reason.</summary>
internal sealed class UciFault(string reason) : Exception(reason);

/// <summary>A word of a command, and where it is written.</summary>
/// <param name="Text">What it says.</param>
/// <param name="Start">First byte in the file.</param>
/// <param name="End">The byte behind its last.</param>
internal readonly record struct UciWord(string Text, int Start, int End);

/// <summary>
/// The lines of a UCI file and the words in them. A command's lines are held in a buffer that ends at a NUL, as in
/// libuci: a word is closed by a NUL written behind it, which is what makes <c>;</c> vanish behind an unquoted word.
/// Each byte of the buffer remembers where in the file it stands.
/// </summary>
internal sealed class UciLines
{
    private readonly byte[] file;
    private readonly List<byte> buffer = [];
    private readonly List<int> source = [];
    private int next;
    private int position;
    private int lineEnds;

    /// <summary>Bytes that libuci's buffer has room for (LINEBUF).</summary>
    private long size = 32;

    public UciLines(ReadOnlySpan<byte> bytes) => file = bytes.ToArray();

    /// <summary>First byte of the first line in the buffer.</summary>
    public int Start { get; private set; }

    /// <summary>The byte behind the last line in the buffer.</summary>
    public int End => next;

    /// <summary>Number of the first line in the buffer, from 1.</summary>
    public int FirstLine { get; private set; }

    private byte Current => At(position);

    /// <summary>Starts with the next line; false at the end of the file.</summary>
    public bool Next()
    {
        if (next >= file.Length)
        {
            return false;
        }

        (position, Start, FirstLine) = (0, next, lineEnds + 1);
        Read(0);
        return true;
    }

    /// <summary>Moves to something that is no white space (isspace of the C locale).</summary>
    public void SkipSpace()
    {
        while (IsSpace(Current))
        {
            position++;
        }
    }

    /// <summary>The next command's word, cut at blanks only: a newline is part of it. Null where the line is used up or a comment.</summary>
    public string? Command()
    {
        var start = position;
        while (At(start) is (byte)' ' or (byte)'\t')
        {
            start++;
        }

        var end = start;
        while (At(end) is not (0 or (byte)' ' or (byte)'\t'))
        {
            end++;
        }

        if (end == start || At(start) == '#')
        {
            return null;
        }

        var word = Text(start, end);
        Set(end, 0);
        return word;
    }

    /// <summary>Moves behind the command's word.</summary>
    public void PassCommand(string fault)
    {
        var end = position;
        while (At(end) != 0)
        {
            end++;
        }

        if (end + 1 > buffer.Count)
        {
            throw new UciFault(fault);
        }

        position = end + 1;
    }

    /// <summary>The next word; empty where there is none.</summary>
    public UciWord Word(bool required)
    {
        SkipSpace();
        var (start, from, to, end) = (position, Place(position), position, 0);
        if (Current == ';')
        {
            end = from;
            Set(position++, 0);
        }
        else
        {
            end = Pieces(ref to);
        }

        if (At(start) == 0 && required)
        {
            throw new UciFault("insufficient arguments");
        }

        // A word may be as long as it likes, but it ends at the first NUL.
        var length = 0;
        while (At(start + length) != 0)
        {
            length++;
        }

        return new(Text(start, start + length), from, end);
    }

    /// <summary>The command must be at its end.</summary>
    public void EndOfCommand()
    {
        SkipSpace();
        if (Word(required: false).Text.Length > 0)
        {
            throw new UciFault("too many arguments");
        }
    }

    /// <summary>The fault with its place.</summary>
    public UciError Error(string reason)
    {
        var place = Math.Min(Place(position), file.Length);
        var line = 1 + file.AsSpan(0, place).Count((byte)'\n');
        return new(reason, line, place - (file.AsSpan(0, place).LastIndexOf((byte)'\n') + 1) + 1, lineEnds, position);
    }

    /// <summary>Reads quoted and unquoted pieces up to white space, moving them to <paramref name="to"/>.</summary>
    /// <returns>Where in the file the word ends.</returns>
    private int Pieces(ref int to)
    {
        var skip = true;
        do
        {
            switch (Current)
            {
                case (byte)'\'' or (byte)'"':
                    Quoted(Current, ref to);
                    break;
                case (byte)'#':
                    Set(position, 0);
                    goto case 0;
                case 0:
                    goto done;
                case (byte)';':
                    skip = false;
                    goto done;
                case (byte)'\\' when !Backslash():
                    break;
                default:
                    Move(ref to);
                    break;
            }
        }
        while (Current != 0 && !IsSpace(Current));
    done:
        var end = Place(position);
        if (Current != 0 && skip)
        {
            position++;
        }

        Set(to, 0);
        return end;
    }

    private void Quoted(byte quote, ref int to)
    {
        position++;
        while (Current != quote)
        {
            if (Current == 0)
            {
                Read(position);
                if (Current == 0)
                {
                    throw new UciFault($"EOF with unterminated {(char)quote}");
                }
            }
            else if (quote == '\'' || Current != '\\' || Backslash())
            {
                Move(ref to);
            }
        }

        position++;
    }

    /// <summary>Passes a backslash; false where it ends the line, which then goes on with the next.</summary>
    private bool Backslash()
    {
        position++;
        if (Current is 0 or (byte)'\n' || (Current == '\r' && At(position + 1) == '\n' && At(position + 2) == 0))
        {
            Read(position);
            return false;
        }

        return true;
    }

    private void Move(ref int to)
    {
        Set(to, Current);
        to++;
        position++;
    }

    /// <summary>Puts the next line of the file at a place of the buffer; at the end of the file, a NUL.</summary>
    /// <remarks>
    /// file.c, uci_getln: the line comes in pieces of what is free in the buffer, which doubles for each further piece. Of
    /// a piece with a NUL in it what stands behind the NUL is lost, and the next piece goes there.
    /// </remarks>
    private void Read(int at)
    {
        size *= at >= size - 1 ? 2 : 1;
        while (true)
        {
            buffer.RemoveRange(at, buffer.Count - at);
            source.RemoveRange(at, source.Count - at);
            var piece = file.AsSpan(next, (int)Math.Min(size - at - 1, file.Length - next));
            piece = piece.IndexOf((byte)'\n') is var end and >= 0 ? piece[..(end + 1)] : piece;
            var length = piece.IndexOf((byte)0) is var nul and >= 0 ? nul : piece.Length;
            for (var i = 0; i < length; i++)
            {
                buffer.Add(piece[i]);
                source.Add(next + i);
            }

            next += piece.Length;
            at += length;
            if (length == 0)
            {
                return;
            }

            if (buffer[at - 1] == '\n')
            {
                lineEnds++;
                return;
            }

            size *= 2;
        }
    }

    private byte At(int index) => index < buffer.Count ? buffer[index] : (byte)0;

    private void Set(int index, byte value)
    {
        if (index < buffer.Count)
        {
            buffer[index] = value;
        }
    }

    private int Place(int index) => index < source.Count ? source[index] : next;

    private string Text(int start, int end) => ByteText.Decode([.. buffer[start..end]]);

    private static bool IsSpace(byte b) => b is (byte)' ' or (>= 9 and <= 13);
}
