namespace Lotse.Exits;

/// <summary>A statement of a UCI file and the bytes it stands in.</summary>
/// <param name="Section">The section it opened or belongs to, as a position in <see cref="UciPackage.Sections"/>; -1 for <c>package</c>.</param>
/// <param name="IsList">Whether it is <c>list</c>.</param>
/// <param name="Option">The option that it sets; null for <c>config</c> and <c>package</c>.</param>
/// <param name="Value">The value as it counts.</param>
/// <param name="Start">First byte of its first line.</param>
/// <param name="End">The byte behind its last line, the newline included.</param>
/// <param name="ValueStart">First byte of the value as written, quotes included.</param>
/// <param name="ValueEnd">The byte behind it.</param>
/// <param name="Line">Its first line, from 1.</param>
/// <param name="Alone">Whether no other statement shares its lines.</param>
internal sealed record UciStatement(int Section, bool IsList, string? Option, string Value, int Start, int End, int ValueStart, int ValueEnd, int Line, bool Alone);

/// <summary>
/// A UCI file read as libuci reads it (uci file.c and list.c, revision 66127cd), oddities included: commands may be
/// cut to one letter, <c>;</c> separates commands but is lost behind an unquoted word, <c>#</c> ends an unquoted word,
/// quoted and unquoted pieces join, a backslash takes the next character as it is, an empty <c>option</c> is ignored.
/// </summary>
/// <param name="Package">What it says; null when it is refused.</param>
/// <param name="Error">Why it is refused; null when it is not.</param>
public sealed record UciFile(UciPackage? Package, UciError? Error)
{
    /// <summary>Its statements, for editing.</summary>
    internal IReadOnlyList<UciStatement> Statements { get; private init; } = [];

    /// <summary>Reads a file.</summary>
    /// <param name="path">Its name, for messages.</param>
    /// <param name="bytes">Its content.</param>
    public static UciFile Parse(string path, ReadOnlySpan<byte> bytes)
    {
        var lines = new UciLines(bytes);
        var build = new Builder();
        try
        {
            while (lines.Next())
            {
                ParseLine(lines, build);
            }
        }
        catch (UciFault fault)
        {
            return new(null, lines.Error(fault.Message));
        }

        return new(new(path, build.Sections()), null) { Statements = build.Statements };
    }

    private static void ParseLine(UciLines lines, Builder build)
    {
        lines.SkipSpace();
        var first = build.Statements.Count;
        while (lines.Command() is { } word)
        {
            switch (word)
            {
                case "p" or "package":
                    lines.PassCommand("package without name");
                    var package = lines.Word(required: true);
                    CheckName(package.Text, dash: true);
                    lines.EndOfCommand();
                    build.Add(-1, false, null, package, lines);
                    break;
                case "c" or "config":
                    lines.PassCommand("config without name");
                    var type = lines.Word(required: true);
                    if (type.Text.Any(c => c is < '!' or > '~'))
                    {
                        throw new UciFault("invalid character in type field");
                    }

                    var name = lines.Word(required: false);
                    if (name.Text.Length > 0)
                    {
                        CheckName(name.Text);
                    }

                    lines.EndOfCommand();
                    build.Open(type.Text, name.Text, lines.FirstLine);
                    build.Add(build.Current, false, null, name, lines);
                    break;
                case "o" or "option" or "l" or "list":
                    if (build.Current < 0)
                    {
                        throw new UciFault("option/list command found before the first section");
                    }

                    lines.PassCommand("option without name");
                    var option = lines.Word(required: true);
                    CheckName(option.Text);
                    var value = lines.Word(required: false);
                    lines.EndOfCommand();
                    build.Set(option.Text, value.Text, word[0] == 'l', lines.FirstLine);
                    build.Add(build.Current, word[0] == 'l', option.Text, value, lines);
                    break;
                default:
                    throw new UciFault("invalid command");
            }
        }

        if (build.Statements.Count > first + 1)
        {
            build.ShareLine(first);
        }
    }

    /// <summary>uci util.c, uci_validate_str: names are letters, digits and underscores, of packages also dashes.</summary>
    private static void CheckName(string name, bool dash = false)
    {
        if (!name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_' || (dash && c == '-')))
        {
            throw new UciFault("invalid character in name field");
        }
    }

    /// <summary>The package while it grows.</summary>
    private sealed class Builder
    {
        private readonly List<(string Type, string Name, bool Anonymous, int Line, List<UciOption> Options)> sections = [];

        public List<UciStatement> Statements { get; } = [];

        public int Current { get; private set; } = -1;

        public void Open(string type, string name, int line)
        {
            var known = name.Length == 0 ? -1 : sections.FindIndex(s => s.Name == name);
            if (known >= 0 && sections[known].Type != type)
            {
                throw new UciFault("section of different type overwrites prior section with same name");
            }

            if (known >= 0)
            {
                Current = known;
                return;
            }

            sections.Add((type, name.Length == 0 ? MadeUpName(type) : name, name.Length == 0, line, []));
            Current = sections.Count - 1;
        }

        public void Set(string option, string value, bool list, int line)
        {
            var options = sections[Current].Options;
            var at = options.FindIndex(o => o.Name == option);
            if (list)
            {
                var grown = new UciOption(option, true, [.. at < 0 ? [] : options[at].Values, new(value, line)]);
                Put(options, at, grown);
            }
            else if (value.Length > 0)
            {
                // An empty option neither sets nor deletes anything (list.c, uci_set: the lookup is not complete).
                Put(options, at, new(option, false, [new(value, line)]));
            }
        }

        public void Add(int section, bool list, string? option, UciWord value, UciLines lines) =>
            Statements.Add(new(section, list, option, value.Text, lines.Start, lines.End, value.Start, value.End, lines.FirstLine, Alone: true));

        public void ShareLine(int from)
        {
            for (var i = from; i < Statements.Count; i++)
            {
                Statements[i] = Statements[i] with { Alone = false };
            }
        }

        public UciSection[] Sections()
        {
            var counts = new Dictionary<string, int>();
            return [.. sections.Select(s => new UciSection(s.Type, s.Name, s.Anonymous, (counts[s.Type] = counts.GetValueOrDefault(s.Type, -1) + 1), s.Line, [.. s.Options]))];
        }

        private static void Put(List<UciOption> options, int at, UciOption option)
        {
            if (at < 0)
            {
                options.Add(option);
            }
            else
            {
                options[at] = option;
            }
        }

        /// <summary>list.c, uci_fixup_section: Bernstein's hash of the type, for the section has no options yet.</summary>
        private string MadeUpName(string type)
        {
            var hash = type.Aggregate(5381u, (h, c) => unchecked((h * 33) + c)) & 0x7fffffff;
            return $"cfg{sections.Count + 1:x2}{hash % 65536:x4}";
        }
    }
}
