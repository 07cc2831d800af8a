using System.Globalization;

namespace Lotse.Ssh;

/// <summary>An entry of GRUB's menu, or a submenu with its entries.</summary>
/// <param name="Title">What people read.</param>
/// <param name="Id">Its <c>--id</c>; null: it has none.</param>
internal sealed record GrubEntry(string Title, string? Id)
{
    /// <summary>The entries of a submenu.</summary>
    public List<GrubEntry> Entries { get; } = [];

    /// <summary>The commands of an entry, in words.</summary>
    public List<string[]> Commands { get; } = [];

    /// <summary>The first command that begins so: linux and linux16, initrd and initrdefi.</summary>
    public string[]? Find(string command) => Commands.Find(c => c[0].StartsWith(command, StringComparison.Ordinal));
}

/// <summary>GRUB's menu as grub-mkconfig(8) writes it: read, never run.</summary>
/// <param name="Entries">The entries of the outermost level.</param>
/// <param name="Default">The value that <c>default</c> is set to; null: nothing sets it.</param>
/// <param name="TakesNext">Whether <c>next_entry</c> goes before it, once (grub-reboot(8)).</param>
internal sealed record GrubMenu(GrubEntry[] Entries, string? Default, bool TakesNext)
{
    private const string Saved = "${saved_entry}", Next = "${next_entry}";

    /// <summary>Reads grub.cfg.</summary>
    public static GrubMenu Read(string text)
    {
        var root = new GrubEntry("", null);
        var open = new Stack<GrubEntry>([root]);
        string? wanted = null;
        var takesNext = false;
        foreach (var line in text.Split('\n'))
        {
            var words = line.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
            if (words is ["set", ['d', 'e', 'f', 'a', 'u', 'l', 't', '=', ..], ..])
            {
                var value = line[(line.IndexOf('=', StringComparison.Ordinal) + 1)..].Trim().Trim('"', '\'');
                takesNext |= value == Next;
                wanted = value == Next ? wanted : value;
            }
            else if (words is ["menuentry" or "submenu", ..] && line.TrimEnd().EndsWith('{'))
            {
                var entry = new GrubEntry(Quoted(line, 0) ?? words[1], line.IndexOf("--id ", StringComparison.Ordinal) is >= 0 and var id ? Quoted(line, id) ?? line[(id + 5)..].Split(' ')[0]
                    : line.IndexOf("$menuentry_id_option ", StringComparison.Ordinal) is >= 0 and var option ? Quoted(line, option) : null);
                open.Peek().Entries.Add(entry);
                open.Push(entry);
            }
            else if (words is ["}"] && open.Count > 1)
            {
                open.Pop();
            }
            else if (open.Count > 1 && words.Length > 1)
            {
                open.Peek().Commands.Add(words);
            }
        }

        return new([.. root.Entries], wanted, takesNext);
    }

    /// <summary>
    /// The entry that starts by itself, and what chose it. A choice is a number, an id or a title, with <c>&gt;</c> before the same of
    /// a submenu; where it names nothing, and in a submenu where it names no more, the first one is it (GRUB manual, default;
    /// grub-core/normal/menu.c get_entry_number).
    /// </summary>
    /// <param name="saved">The variables of the environment block.</param>
    public (GrubEntry? Entry, string Wanted) Chosen(IReadOnlyDictionary<string, string> saved)
    {
        var next = TakesNext ? saved.GetValueOrDefault("next_entry", "") : "";
        var wanted = next.Length > 0 ? next : Default == Saved ? saved.GetValueOrDefault("saved_entry", "") : "";
        var path = wanted.Length > 0 ? wanted : Default == Saved ? "" : Default ?? "";
        IReadOnlyList<GrubEntry> level = Entries;
        GrubEntry? entry = null;
        while (level.Count > 0)
        {
            var cut = path.IndexOf('>', StringComparison.Ordinal);
            var name = cut < 0 ? path : path[..cut];
            path = cut < 0 ? "" : path[(cut + 1)..];
            entry = level.FirstOrDefault(e => e.Id == name || e.Title == name) ?? (int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number < level.Count ? level[number] : level[0]);
            level = entry.Entries;
        }

        return (entry, wanted);
    }

    /// <summary>The first quoted word from a place on.</summary>
    private static string? Quoted(string line, int from)
    {
        var start = line.AsSpan(from).IndexOfAny('\'', '"') is >= 0 and var at ? from + at : -1;
        var end = start < 0 ? -1 : line.IndexOf(line[start], start + 1);
        return end < 0 ? null : line[(start + 1)..end];
    }
}
