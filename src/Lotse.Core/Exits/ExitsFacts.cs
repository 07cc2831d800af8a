namespace Lotse.Exits;

/// <summary>A file as it was read.</summary>
/// <param name="Path">Absolute.</param>
/// <param name="Text">Its bytes in the form of <see cref="ByteText"/>; null where it could not be read.</param>
/// <param name="Error">Why not.</param>
public sealed record ReadText(string Path, string? Text, HostError? Error)
{
    /// <summary>Whether it is known not to be there.</summary>
    public bool Missing => Error is { Kind: HostErrorKind.NotFound };
}

/// <summary>What a program printed.</summary>
/// <param name="Command">Its argument vector, for messages.</param>
/// <param name="Text">What it printed; null where it did not run or failed.</param>
/// <param name="Error">Why not.</param>
public sealed record PrintedText(string Command, string? Text, HostError? Error);

/// <summary>
/// What an OpenWrt router says about its exits: its configuration, what is included into its firewall, its release, and
/// where programs can be run its live routes and addresses. Holds private keys as the files do; they are never printed.
/// </summary>
public sealed record ExitsFacts
{
    /// <summary>/etc/config/network.</summary>
    public required ReadText Network { get; init; }

    /// <summary>/etc/config/firewall.</summary>
    public required ReadText Firewall { get; init; }

    /// <summary>/etc/config/dhcp.</summary>
    public required ReadText Dhcp { get; init; }

    /// <summary>/etc/openwrt_release.</summary>
    public required ReadText Release { get; init; }

    /// <summary>Files that the firewall includes, and drop-ins.</summary>
    public ReadText[] Included { get; init; } = [];

    /// <summary>Drop-ins of /etc/nftables.d and /usr/share/nftables.d.</summary>
    public string[] DropIns { get; init; } = [];

    /// <summary>Whether firewall4 is there; null: it cannot be told.</summary>
    public bool? Fw4 { get; init; }

    /// <summary>/etc/config/lotse-guard, the watcher's settings.</summary>
    public ReadText? Guard { get; init; }

    /// <summary>The watcher's program and service, read where its settings are there.</summary>
    public ReadText[] GuardPrograms { get; init; } = [];

    /// <summary>/etc/config/mwan3, whose tracking is a watcher too.</summary>
    public ReadText? Mwan3 { get; init; }

    /// <summary><c>ip -6 route show table all</c>; null where nothing was run.</summary>
    public PrintedText? Routes { get; init; }

    /// <summary><c>ip -6 addr show</c>.</summary>
    public PrintedText? Addresses { get; init; }

    /// <summary>The other end of the tunnel, where it was asked or is what was read.</summary>
    public FarFacts? Far { get; init; }

    /// <summary>A router with systemd-networkd and nftables instead.</summary>
    public LinuxRouter? Linux { get; init; }

    /// <summary>Whether this is a router with /etc/config at all.</summary>
    public bool IsRouter => Network.Text is not null || Firewall.Text is not null;

    /// <summary>Reads a router, or the far end, whichever it is.</summary>
    public static ExitsFacts Read(Host host)
    {
        var files = host.ReadFiles(["/etc/config/network", "/etc/config/firewall", "/etc/config/dhcp", "/etc/openwrt_release", "/etc/config/lotse-guard", "/etc/config/mwan3"], 1 << 20);
        ReadText One(int index, string path) => Text(path, files[index]);
        var facts = new ExitsFacts
        {
            Network = One(0, "/etc/config/network"),
            Firewall = One(1, "/etc/config/firewall"),
            Dhcp = One(2, "/etc/config/dhcp"),
            Release = One(3, "/etc/openwrt_release"),
            Guard = One(4, "/etc/config/lotse-guard"),
            Mwan3 = One(5, "/etc/config/mwan3"),
        };
        if (!facts.IsRouter)
        {
            return facts with { Far = FarFacts.Read(host), Linux = LinuxRouter.Read(host) };
        }

        var dropIns = DropInsOf(host);
        var included = Includes(facts.Firewall).Concat(dropIns).Distinct().ToArray();
        var texts = host.ReadFiles(included, 1 << 20);
        string[] programs = facts.Guard.Text is null ? [] : [ExitsGuard.Program, ExitsGuard.Init];
        var installed = host.ReadFiles(programs, 1 << 20);
        return facts with
        {
            GuardPrograms = [.. programs.Select((p, i) => Text(p, installed[i]))],
            DropIns = dropIns,
            Included = [.. included.Select((p, i) => Text(p, texts[i]))],
            Fw4 = host.Status("/sbin/fw4") is { Ok: true } ? true : host.Status("/sbin/fw3") is { Ok: true } ? false : null,
            Routes = Print(host, "ip", "-6", "route", "show", "table", "all"),
            Addresses = Print(host, "ip", "-6", "addr", "show"),
        };
    }

    /// <summary>The text of an included file, or null.</summary>
    public string? IncludedText(string path) => Included.FirstOrDefault(i => i.Path == path)?.Text;

    internal static ReadText Text(string path, Reading<byte[]> read) => new(path, read.Ok ? ByteText.Decode(read.Value) : null, read.Error);

    internal static PrintedText? Print(Host host, params string[] command)
    {
        var ran = host.Run(command, TimeSpan.FromSeconds(10));
        if (ran.Error is { Kind: HostErrorKind.Unsupported })
        {
            return null;
        }

        var line = string.Join(' ', command);
        return ran is { Ok: true, Value.ExitCode: 0 } ? new(line, ByteText.Decode(ran.Value.Output), null)
            : new(line, null, ran.Error ?? new(HostErrorKind.Failed, $"{line} failed: {ByteText.Escape(ByteText.Decode(ran.Value.Errors).Trim())}"));
    }

    private static IEnumerable<string> Includes(ReadText firewall) =>
        firewall.Text is { } text && UciFile.Parse(firewall.Path, ByteText.Encode(text)).Package is { } package
            ? package.OfType("include").Select(s => s.Text("path")).OfType<string>().Where(p => p.StartsWith('/') && !p.Split('/').Contains("..")) : [];

    private static string[] DropInsOf(Host host)
    {
        var all = new List<string>();
        void Folder(string path, int depth)
        {
            if (host.List(path) is not { Ok: true } list)
            {
                return;
            }

            foreach (var name in list.Value.Where(n => n.Length > 0))
            {
                if (name.EndsWith(".nft", StringComparison.Ordinal))
                {
                    all.Add($"{path}/{name}");
                }
                else if (depth > 0)
                {
                    Folder($"{path}/{name}", depth - 1);
                }
            }
        }

        Folder("/etc/nftables.d", 0);
        Folder("/usr/share/nftables.d", 2);
        return [.. all];
    }
}
