using System.Text;

namespace Lotse.Exits;

/// <summary>One value of an option or one entry of a list, and the statement that gave it.</summary>
/// <param name="Text">The value, any bytes but NUL, in the form of <see cref="ByteText"/>.</param>
/// <param name="Line">Line of the statement in the file, from 1.</param>
public sealed record UciValue(string Text, int Line);

/// <summary>An option: one value, or a list of them.</summary>
/// <param name="Name">Letters, digits and underscores.</param>
/// <param name="IsList">Whether it was given by <c>list</c>. A list may have one entry; an option never has several.</param>
/// <param name="Values">One, or the list's entries in order.</param>
public sealed record UciOption(string Name, bool IsList, UciValue[] Values);

/// <summary>A section.</summary>
/// <param name="Type">Its type, for example <c>interface</c>.</param>
/// <param name="Name">Its name; of an anonymous section the one that libuci makes up (<c>cfg</c>, a count, a hash).</param>
/// <param name="Anonymous">Whether the name is made up.</param>
/// <param name="Index">Its position among the sections of its type, named ones included: the N of <c>@type[N]</c>.</param>
/// <param name="Line">Line of <c>config</c>, from 1.</param>
/// <param name="Options">In the order of their first appearance.</param>
public sealed record UciSection(string Type, string Name, bool Anonymous, int Index, int Line, UciOption[] Options)
{
    /// <summary>As <c>uci show</c> names it: the name, or <c>@type[N]</c>.</summary>
    public string Reference => Anonymous ? $"@{Type}[{Index}]" : Name;

    /// <summary>The option, or null.</summary>
    public UciOption? this[string option] => Options.FirstOrDefault(o => o.Name == option);

    /// <summary>The only value; of a list its first; null where there is none.</summary>
    public string? Text(string option) => this[option]?.Values[0].Text;

    /// <summary>
    /// The words of an option or list: a list's entries, or an option's value split at blanks, which is how OpenWrt's
    /// programs read lists that somebody wrote as an option.
    /// </summary>
    public IEnumerable<UciValue> Words(string option) => this[option] is not { } found ? []
        : found.Values.SelectMany(v => v.Text.Split([' ', '\t', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries).Select(w => v with { Text = w }));
}

/// <summary>A file of /etc/config, as libuci understands it.</summary>
/// <param name="Path">The file, for messages.</param>
/// <param name="Sections">In order.</param>
public sealed record UciPackage(string Path, UciSection[] Sections)
{
    /// <summary>The sections of a type.</summary>
    public IEnumerable<UciSection> OfType(string type) => Sections.Where(s => s.Type == type);

    /// <summary>The section of that name, or null.</summary>
    public UciSection? Named(string name) => Sections.FirstOrDefault(s => s.Name == name);

    /// <summary>Where a section stands.</summary>
    public string Where(UciSection section) => $"{Path}:{section.Line}";

    /// <summary>Where an option stands; its section where it has none.</summary>
    public string Where(UciSection section, string option) => $"{Path}:{section[option]?.Values[0].Line ?? section.Line}";

    /// <summary>What <c>uci show</c> prints of it (uci cli.c, uci_show_package): every value in single quotes.</summary>
    /// <param name="name">What the package is called.</param>
    public string Show(string name)
    {
        var text = new StringBuilder();
        foreach (var section in Sections)
        {
            text.Append(name).Append('.').Append(section.Reference).Append('=').Append(section.Type).Append('\n');
            foreach (var option in section.Options)
            {
                text.Append(name).Append('.').Append(section.Reference).Append('.').Append(option.Name).Append('=').AppendJoin(' ', option.Values.Select(v => Quote(v.Text))).Append('\n');
            }
        }

        return text.ToString();
    }

    /// <summary>What <c>uci export</c> prints of it without naming anonymous sections (uci file.c, uci_export_package).</summary>
    /// <param name="name">What the package is called.</param>
    public string Export(string name)
    {
        var text = new StringBuilder($"package {name}\n");
        foreach (var section in Sections)
        {
            text.Append("\nconfig ").Append(Escape(section.Type)).Append(section.Anonymous ? "" : $" '{section.Name}'").Append('\n');
            foreach (var option in section.Options)
            {
                foreach (var value in option.Values)
                {
                    text.Append('\t').Append(option.IsList ? "list " : "option ").Append(option.Name).Append(' ').Append(Quote(value.Text)).Append('\n');
                }
            }
        }

        return text.Append('\n').ToString();
    }

    /// <summary>A value as a file may hold it: in single quotes, a quote inside as <c>'\''</c>.</summary>
    public static string Quote(string value) => $"'{Escape(value)}'";

    /// <summary>uci file.c, uci_escape: also where no quotes are around it, as around a section's type.</summary>
    private static string Escape(string value) => value.Replace("'", "'\\''", StringComparison.Ordinal);
}

/// <summary>Why a file is refused: then nothing of it holds, for libuci takes all or nothing.</summary>
/// <param name="Reason">In libuci's words.</param>
/// <param name="Line">Line in the file, from 1.</param>
/// <param name="Column">Byte in that line, from 1.</param>
/// <param name="UciLine">The line that libuci would name: it counts line ends, and stands still in an unterminated string.</param>
/// <param name="UciByte">The byte that libuci would name, from 0, from the start of the command's first line.</param>
public sealed record UciError(string Reason, int Line, int Column, int UciLine, int UciByte)
{
    /// <summary>The message of the real tool.</summary>
    public string AsUciSays => $"Parse error ({Reason}) at line {UciLine}, byte {UciByte}";
}
