using System.Text;

namespace Lotse.Ssh;

/// <summary>What the boot loader will start next: the initrd image and the kernel's command line.</summary>
/// <param name="Image">The image.</param>
/// <param name="CommandLine">The words behind the kernel; null: the loader's files do not tell.</param>
/// <param name="Source">Where that is from, for people.</param>
internal sealed record BootEntry(string Image, string? CommandLine, string Source)
{
    private const string Grub = "/boot/grub/grub.cfg";
    private const string Environment = "/boot/grub/grubenv";

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

    /// <summary>The entry that grub.cfg starts by itself, as far as its files tell.</summary>
    private static BootEntry? Default(Host host, string text)
    {
        var saved = new Dictionary<string, string>();
        if (text.Contains("load_env", StringComparison.Ordinal) && host.ReadFile(Environment, 1 << 16) is var environment)
        {
            if (!environment.Ok && environment.Error!.Kind != HostErrorKind.NotFound)
            {
                return null;
            }

            saved = environment.Ok ? Variables(ByteText.Decode(environment.Value)) : saved;
        }

        var (entry, wanted) = GrubMenu.Read(text).Chosen(saved);
        return entry?.Find("initrd") is not [_, .., var image] || Found(host, image) is not { } path ? null
            : new(path, entry.Find("linux") is [_, _, .. var arguments] ? string.Join(' ', arguments) : null, saved.Count > 0 && wanted.Length > 0 ? $"{Grub}, {Environment}" : Grub);
    }

    /// <summary>The variables of an environment block (GRUB manual, environment block): lines <c>name=value</c>, filled up with #.</summary>
    private static Dictionary<string, string> Variables(string block) =>
        block.Split('\n').Where(l => !l.StartsWith('#')).Select(l => l.Split('=', 2)).Where(p => p.Length == 2).DistinctBy(p => p[0]).ToDictionary(p => p[0], p => p[1]);

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
