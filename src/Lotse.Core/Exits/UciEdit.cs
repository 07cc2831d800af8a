using System.Text;

namespace Lotse.Exits;

/// <summary>An edit that would have to touch what it was not asked to; the message says what stands in the way.</summary>
internal sealed class UciEditException(string message) : Exception(message);

/// <summary>
/// Changes to a UCI file's text: comments, order, indents, line ends and every byte outside the lines that are meant
/// stay. After each change the text is parsed again, and the change is refused unless exactly what was asked has changed.
/// </summary>
/// <param name="path">The file, for messages.</param>
/// <param name="bytes">Its content now.</param>
internal sealed class UciEdit(string path, byte[] bytes)
{
    private UciFile file = Parse(path, bytes);

    /// <summary>The content as it stands.</summary>
    public byte[] Bytes { get; private set; } = bytes;

    /// <summary>What it says.</summary>
    public UciPackage Package => file.Package!;

    /// <summary>Gives an option of a section (by its name, made-up ones included) one value.</summary>
    public void Set(string section, string option, string value)
    {
        var all = Statements(section, option);
        if (Package.Named(section)![option] is { IsList: false, Values: [var now] } && now.Text == value)
        {
            return;
        }

        if (all is [.., { IsList: false } last] && all.All(s => !s.IsList))
        {
            Alone(last);
            Replace(last.ValueStart, last.ValueEnd, UciPackage.Quote(value), section, option, [value], list: false);
            return;
        }

        if (all.Length > 0)
        {
            Remove(section, option);
        }

        Insert(section, option, [value], list: false);
    }

    /// <summary>Gives an option a list of values.</summary>
    public void SetList(string section, string option, params IReadOnlyList<string> values)
    {
        if (Package.Named(section)![option] is { IsList: true } now && now.Values.Select(v => v.Text).SequenceEqual(values))
        {
            return;
        }

        Remove(section, option);
        if (values.Count > 0)
        {
            Insert(section, option, values, list: true);
        }
    }

    /// <summary>Appends an entry to a list, unless it is there. An option written as words grows by a word.</summary>
    public void AddToList(string section, string option, string value)
    {
        var now = Package.Named(section)![option];
        if (Package.Named(section)!.Words(option).Any(w => w.Text == value))
        {
            return;
        }

        if (now is { IsList: false })
        {
            Set(section, option, $"{now.Values[0].Text} {value}");
            return;
        }

        var last = Statements(section, option).LastOrDefault();
        var values = (now?.Values.Select(v => v.Text) ?? []).Append(value).ToArray();
        if (last is null)
        {
            Insert(section, option, [value], list: true);
            return;
        }

        Alone(last);
        Replace(last.End, last.End, Terminated(last.End) + Line(Indent(last), "list", option, value), section, option, values, list: true);
    }

    /// <summary>Takes an entry out of a list, or a word out of an option.</summary>
    public void RemoveFromList(string section, string option, string value)
    {
        var now = Package.Named(section)![option];
        if (now is { IsList: false })
        {
            var words = Package.Named(section)!.Words(option).Select(w => w.Text).Where(w => w != value).ToArray();
            if (words.Length == 0)
            {
                Remove(section, option);
            }
            else
            {
                Set(section, option, string.Join(' ', words));
            }

            return;
        }

        foreach (var statement in Statements(section, option).Reverse().Where(s => s.Value == value))
        {
            Alone(statement);
            var left = Package.Named(section)![option]!.Values.Select(v => v.Text).ToList();
            left.RemoveAt(left.LastIndexOf(value));
            Replace(statement.Start, statement.End, "", section, option, [.. left], list: true);
        }
    }

    /// <summary>Takes an option away, every statement that gives it.</summary>
    public void Remove(string section, string option)
    {
        var all = Statements(section, option);
        foreach (var statement in all.Reverse())
        {
            Alone(statement);
            Splice(statement.Start, statement.End, "");
        }

        if (Package.Named(section)?[option] is not null)
        {
            throw new UciEditException($"cannot take {option} out of {path} without touching other lines");
        }
    }

    /// <summary>Appends a section with options, name and value each; a name that comes twice is a list.</summary>
    public void AddSection(string type, string? name, params IReadOnlyList<(string Option, string Value)> options)
    {
        var text = new StringBuilder(Terminated(Bytes.Length));
        var end = NewLine;
        text.Append(Bytes.Length > 0 ? end : "").Append("config ").Append(type).Append(name is null ? "" : $" '{name}'").Append(end);
        foreach (var (option, value) in options)
        {
            text.Append(Line("\t", options.Count(o => o.Option == option) > 1 ? "list" : "option", option, value));
        }

        var sections = Package.Sections.Length;
        Splice(Bytes.Length, Bytes.Length, text.ToString());
        if (Package.Sections.Length != sections + 1)
        {
            throw new UciEditException($"cannot append the section {name ?? type} to {path}: it is there");
        }
    }

    /// <summary>Takes a section away: its lines and those of its options. Comments between them stay.</summary>
    public void RemoveSection(string section)
    {
        var at = At(section);
        foreach (var statement in file.Statements.Where(s => s.Section == at).Reverse().ToArray())
        {
            Alone(statement);
            Cut(statement.Start, statement.End);
        }

        Reparse(Package.Sections.Length - 1);
    }

    private void Reparse(int sections)
    {
        file = Parse(path, Bytes);
        if (file.Package is null || file.Package.Sections.Length != sections)
        {
            throw new UciEditException($"cannot take a section out of {path} without touching others");
        }
    }

    /// <summary>Inserts statements behind the last one of the section, written as its neighbours are.</summary>
    private void Insert(string section, string option, IReadOnlyList<string> values, bool list)
    {
        var at = At(section);
        var last = file.Statements.Last(s => s.Section == at);
        Alone(last);
        var indent = last.Option is null ? file.Statements.Where(s => s.Option is not null && s.Alone).Select(Indent).FirstOrDefault("\t") : Indent(last);
        Replace(last.End, last.End, Terminated(last.End) + string.Concat(values.Select(v => Line(indent, list ? "list" : "option", option, v))), section, option, values, list);
    }

    /// <summary>Changes the text, and checks that the option and nothing else is different.</summary>
    private void Replace(int start, int end, string text, string section, string option, IReadOnlyList<string> values, bool list)
    {
        var before = Package;
        Splice(start, end, text);
        var after = Package;
        var same = after.Sections.Length == before.Sections.Length && before.Sections.Zip(after.Sections).All(p =>
            p.First.Name == p.Second.Name && p.First.Type == p.Second.Type
            && Others(p.First, section, option).SequenceEqual(Others(p.Second, section, option)));
        var now = after.Named(section)?[option];
        if (!same || (values.Count == 0 ? now is not null : now is null || now.IsList != list || !now.Values.Select(v => v.Text).SequenceEqual(values)))
        {
            throw new UciEditException($"cannot change {option} in {path} without touching other lines");
        }
    }

    private static IEnumerable<string> Others(UciSection of, string section, string option) =>
        of.Options.Where(o => of.Name != section || o.Name != option).Select(o => $"{o.Name}\0{o.IsList}\0{string.Join('\0', o.Values.Select(v => v.Text))}");

    private void Splice(int start, int end, string text)
    {
        Bytes = [.. Bytes[..start], .. ByteText.Encode(text), .. Bytes[end..]];
        file = Parse(path, Bytes);
    }

    private void Cut(int start, int end) => Bytes = [.. Bytes[..start], .. Bytes[end..]];

    private static UciFile Parse(string path, byte[] bytes)
    {
        var parsed = UciFile.Parse(path, bytes);
        return parsed.Error is { } error ? throw new UciEditException($"{path}:{error.Line}:{error.Column}: {error.Reason}") : parsed;
    }

    private void Alone(UciStatement statement)
    {
        if (!statement.Alone)
        {
            throw new UciEditException($"{path}:{statement.Line}: several commands on one line: put each on its own first");
        }
    }

    private int At(string section) => Array.FindIndex(Package.Sections, s => s.Name == section) is var at and >= 0 ? at : throw new UciEditException($"{path} has no section {section}");

    private UciStatement[] Statements(string section, string option)
    {
        var at = At(section);
        return [.. file.Statements.Where(s => s.Section == at && s.Option == option)];
    }

    private string Indent(UciStatement statement)
    {
        var end = statement.Start;
        while (Bytes[end] is (byte)' ' or (byte)'\t')
        {
            end++;
        }

        return ByteText.Decode(Bytes.AsSpan(statement.Start, end - statement.Start));
    }

    private string Line(string indent, string keyword, string option, string value) => $"{indent}{keyword} {option} {UciPackage.Quote(value)}{NewLine}";

    /// <summary>A newline where the text before a place lacks one.</summary>
    private string Terminated(int end) => end == 0 || Bytes[end - 1] == '\n' ? "" : NewLine;

    /// <summary>The file's line end: that of its first line.</summary>
    private string NewLine => Bytes.AsSpan().IndexOf((byte)'\n') is > 0 and var at && Bytes[at - 1] == '\r' ? "\r\n" : "\n";
}
