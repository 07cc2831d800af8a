using System.Globalization;
using System.Text;

namespace Lotse.Ssh;

/// <summary>What the boot loader will start next: the initrd image and the kernel's command line.</summary>
/// <param name="Image">The image.</param>
/// <param name="CommandLine">The words behind the kernel; null: the loader's files do not tell.</param>
/// <param name="Source">Where that is from, for people.</param>
internal sealed record BootEntry(string Image, string? CommandLine, string Source)
{
    private const string Grub = "/boot/grub/grub.cfg";

    /// <summary>What Debian's boot loaders without a menu take.</summary>
    private static readonly string[] Links = ["/initrd.img", "/boot/initrd.img"];

    /// <summary>GRUB's default entry, else the link of Debian's kernel packages, else the image of the newest version in /boot; null: there is none.</summary>
    public static BootEntry? Read(Host host)
    {
        if (host.ReadFile(Grub, 1 << 20) is { Ok: true, Value: var bytes } && Default(host, ByteText.Decode(bytes)) is { } entry)
        {
            return entry;
        }

        return Array.Find(Links, p => host.Status(p).Ok) is { } link ? new(link, null, link)
            : host.List("/boot") is { Ok: true, Value: var names } && names.Where(n => n.StartsWith("initrd.img-", StringComparison.Ordinal)).OrderBy(Padded, StringComparer.Ordinal).LastOrDefault() is { } newest ? new($"/boot/{newest}", null, "the newest in /boot") : null;
    }

    /// <summary>
    /// The entry that grub.cfg starts by itself: <c>set default="N"</c> counts the entries of the outermost level, a submenu among
    /// them; of a submenu its first entry (GRUB manual, default).
    /// </summary>
    private static BootEntry? Default(Host host, string text)
    {
        if (text.Contains("set default=\"${saved_entry}\"", StringComparison.Ordinal))
        {
            // GRUB_DEFAULT=saved: the entry's title stands in grubenv, and may be changed by the next boot itself.
            return null;
        }

        var entries = new List<(int Top, List<string[]> Lines)>();
        var (depth, top, wanted) = (0, -1, 0);
        foreach (var line in text.Split('\n'))
        {
            var words = line.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
            if (words is ["set", ['d', 'e', 'f', 'a', 'u', 'l', 't', '=', .. var value], ..] && int.TryParse(value.Trim('"', '\''), NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            {
                wanted = number;
            }
            else if (words is ["menuentry" or "submenu", ..] && line.TrimEnd().EndsWith('{'))
            {
                top += depth == 0 ? 1 : 0;
                depth++;
                if (words[0] == "menuentry")
                {
                    entries.Add((top, []));
                }
            }
            else if (words is ["}"] && depth > 0)
            {
                depth--;
            }
            else if (depth > 0 && entries.Count > 0 && words.Length > 1)
            {
                entries[^1].Lines.Add(words);
            }
        }

        var lines = entries.FirstOrDefault(e => e.Top == wanted).Lines;
        return lines?.Find(w => w[0].StartsWith("initrd", StringComparison.Ordinal)) is not [_, .., var image] || Found(host, image) is not { } path ? null
            : new(path, lines.Find(w => w[0].StartsWith("linux", StringComparison.Ordinal)) is [_, _, .. var arguments] ? string.Join(' ', arguments) : null, Grub);
    }

    /// <summary>GRUB counts from the root of the file system that /boot is on: where that is /boot's own, the paths lack it.</summary>
    private static string? Found(Host host, string path) => Array.Find([$"/boot{path}", path], p => host.Status(p).Ok);

    /// <summary>A name whose numbers have ten digits each, so that 6.1.0-9 comes before 6.1.0-41.</summary>
    private static string Padded(string name)
    {
        var padded = new StringBuilder();
        for (int at = 0, end; at < name.Length; at = end)
        {
            for (end = at; end < name.Length && char.IsAsciiDigit(name[end]); end++)
            {
            }

            padded.Append(name[at..end].PadLeft(end > at ? 10 : 0, '0'));
            end = end == at ? at + 1 : end;
            padded.Append(char.IsAsciiDigit(name[at]) ? "" : name[at..end]);
        }

        return padded.ToString();
    }
}
