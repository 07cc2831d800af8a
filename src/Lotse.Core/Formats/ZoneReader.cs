using System.Text;

namespace Lotse.Formats;

/// <summary>Reads the entries of a zone file and of those that it includes.</summary>
/// <param name="include">Reads an included file; null: none is followed.</param>
internal sealed class ZoneReader(Func<string, Reading<byte[]>>? include)
{
    /// <summary>Files within files, at most.</summary>
    private const int Deepest = 8;

    private int depth;

    /// <summary>All entries so far, in order.</summary>
    public List<ZoneEntry> Entries { get; } = [];

    /// <summary>The origin at the end of the outermost file.</summary>
    public string Origin { get; private set; } = ".";

    /// <summary>Reads a file.</summary>
    /// <param name="name">The file, for messages, and the folder against which $INCLUDE is resolved.</param>
    /// <param name="file">What its entries say of where they stand.</param>
    /// <param name="bytes">Its content.</param>
    /// <param name="origin">What relative names are below at its beginning.</param>
    /// <returns>What is wrong, with file and line; null: nothing.</returns>
    public HostError? Read(string name, string? file, ReadOnlySpan<byte> bytes, string origin)
    {
        var (owner, ttl, last) = ((string?)null, (uint?)null, (uint?)null);
        var number = 0;
        var lines = ByteText.Decode(bytes).Split('\n');
        while (number < lines.Length)
        {
            var first = ++number;
            var text = Entry(lines, ref number);
            if (text is null)
            {
                return Fault(first, "a parenthesis or a quote is not closed");
            }

            if (ZoneText.Tokens(text) is not { } tokens)
            {
                return Fault(first, "a quote is not closed");
            }

            if (tokens.Length == 0)
            {
                continue;
            }

            if (tokens[0] is { Quoted: false } directive && directive.Text.StartsWith('$'))
            {
                switch (directive.Text.ToUpperInvariant())
                {
                    case "$ORIGIN" when tokens.Length == 2 && DnsData.NameFrom(tokens[1].Text, origin) is { } changed:
                        origin = changed;
                        continue;
                    case "$TTL" when tokens.Length == 2 && ZoneText.Seconds(tokens[1].Text) is { } seconds:
                        ttl = seconds;
                        continue;
                    case "$INCLUDE" when tokens.Length is 2 or 3 && (tokens.Length == 2 ? origin : DnsData.NameFrom(tokens[2].Text, origin)) is { } below:
                        if (Include(name, tokens[1].Text, below, first) is { } fault)
                        {
                            return fault;
                        }

                        continue;
                    default:
                        return Fault(first, $"{ByteText.Escape(directive.Text)} is not understood");
                }
            }

            var words = tokens.AsSpan();
            if (text[0] is not (' ' or '\t'))
            {
                owner = DnsData.NameFrom(words[0].Text, origin);
                words = words[1..];
            }

            if (owner is null)
            {
                return Fault(first, "the owner is no name");
            }

            // TTL and class may stand in either order (RFC 1035 section 5.1).
            uint? own = null;
            while (words.Length > 1 && !words[0].Quoted)
            {
                if (words[0].Text.Equals("IN", StringComparison.OrdinalIgnoreCase))
                {
                    words = words[1..];
                }
                else if (char.IsAsciiDigit(words[0].Text[0]) && ZoneText.Seconds(words[0].Text) is { } seconds)
                {
                    own = seconds;
                    words = words[1..];
                }
                else
                {
                    break;
                }
            }

            if (words.IsEmpty || DnsTypes.Parse(words[0].Text) is not { } type)
            {
                return Fault(first, words.IsEmpty ? "there is no type" : $"there is no type {ByteText.Escape(words[0].Text)}");
            }

            if (DnsData.FromTokens(type, words[1..], origin) is not { } data)
            {
                return Fault(first, $"the data does not fit the type {DnsTypes.Name(type)}");
            }

            last = own ?? ttl ?? last ?? 3600;
            Entries.Add(new(new(owner, type, last.Value, data), first, number, file));
        }

        Origin = origin;
        return null;

        HostError Fault(int line, string why) => new(HostErrorKind.Failed, $"{ByteText.Escape(name)}:{line}: {why}");
    }

    /// <summary>RFC 1035 section 5.1: what the included file does to the origin does not reach the file that includes it.</summary>
    private HostError? Include(string name, string written, string origin, int line)
    {
        HostError Fault(string why) => new(HostErrorKind.Failed, $"{ByteText.Escape(name)}:{line}: {why}");
        if (include is null)
        {
            return Fault("$INCLUDE is not followed: hand the whole zone");
        }

        if (depth == Deepest)
        {
            return Fault($"files include each other more than {Deepest} deep");
        }

        var path = ZoneText.Octets(written) is { } octets ? ByteText.Decode(octets) : written;
        path = path.StartsWith('/') ? path : Path.Combine(Path.GetDirectoryName(name) ?? "/", path);
        var read = include(path);
        if (!read.Ok)
        {
            return Fault($"$INCLUDE: {read.Error!.Message}");
        }

        depth++;
        var error = Read(path, path, read.Value, origin);
        depth--;
        return error;
    }

    /// <summary>One entry: lines are joined inside parentheses, comments and the parentheses dropped.</summary>
    private static string? Entry(string[] lines, ref int number)
    {
        var text = new StringBuilder();
        var (depth, quoted) = (0, false);
        for (var line = lines[number - 1]; ; line = lines[number++])
        {
            for (var i = 0; i < line.Length; i++)
            {
                var c = line[i];
                if (c == '\\' && i + 1 < line.Length)
                {
                    text.Append(c).Append(line[++i]);
                }
                else if (c == ';' && !quoted)
                {
                    break;
                }
                else if (c is '(' or ')' && !quoted)
                {
                    depth += c == '(' ? 1 : -1;
                    text.Append(' ');
                }
                else
                {
                    quoted ^= c == '"';
                    text.Append(c == '\r' ? ' ' : c);
                }
            }

            if (depth < 0 || quoted)
            {
                return null;
            }

            if (depth == 0)
            {
                return text.ToString();
            }

            if (number >= lines.Length)
            {
                return null;
            }

            text.Append(' ');
        }
    }
}
