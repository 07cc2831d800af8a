using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>A network of a plain Linux router: a file of systemd.network(5).</summary>
/// <param name="Path">The file.</param>
/// <param name="Device">Name= of its [Match].</param>
/// <param name="Addresses">Address=, with lengths.</param>
/// <param name="IsUplink">Whether it asks for addresses or has a gateway.</param>
public sealed record LinuxNetwork(string Path, string Device, string[] Addresses, bool IsUplink);

/// <summary>A WireGuard device of wg-quick(8) or systemd.netdev(5) that calls a far end.</summary>
/// <param name="Path">The file.</param>
/// <param name="Device">The device.</param>
/// <param name="Addresses">Its addresses.</param>
/// <param name="Allowed">AllowedIPs of its peers.</param>
/// <param name="AllowedWhere">file:line of the first of them.</param>
/// <param name="IsQuick">Whether wg-quick makes it, which makes routes of AllowedIPs by itself.</param>
public sealed record LinuxTunnel(string Path, string Device, string[] Addresses, string[] Allowed, string AllowedWhere, bool IsQuick);

/// <summary>A router that is no OpenWrt: systemd-networkd, nftables and WireGuard.</summary>
/// <param name="Tunnel">The tunnel.</param>
/// <param name="Networks">What systemd-networkd is told.</param>
/// <param name="Nftables">/etc/nftables.conf; null: it is not there.</param>
/// <param name="Forwarding">net.ipv6.conf.all.forwarding; null: not known.</param>
/// <param name="Written">Files that an earlier plan has made.</param>
public sealed record LinuxRouter(LinuxTunnel Tunnel, LinuxNetwork[] Networks, string? Nftables, bool? Forwarding, ReadText[] Written)
{
    /// <summary>Files of systemd-networkd with their drop-ins, of wg-quick, and of daemons that announce: what says which hop how.</summary>
    public ReadText[] Units { get; init; } = [];

    /// <summary>What /etc/nftables.conf includes, by its whole path.</summary>
    public ReadText[] Included { get; init; } = [];

    /// <summary><c>nft list ruleset</c>; null where nothing was run.</summary>
    public PrintedText? Ruleset { get; init; }

    /// <summary>Where systemd-networkd reads.</summary>
    internal const string Folder = "/etc/systemd/network";

    /// <summary>The networks inside: static ones that are neither uplink nor tunnel.</summary>
    internal IEnumerable<LinuxNetwork> Lans => Networks.Where(n => !n.IsUplink && n.Device != Tunnel.Device && n.Device.Length > 0 && !n.Device.Contains('*') && n.Device != "lo" && n.Addresses.Length > 0);

    /// <summary>Reads it; null where there is no tunnel that calls a far end, or no network of systemd-networkd.</summary>
    public static LinuxRouter? Read(Host host)
    {
        var tunnels = new List<LinuxTunnel>();
        var networks = new List<LinuxNetwork>();
        var units = new List<ReadText>();
        foreach (var (folder, ending) in new[] { ("/etc/wireguard", ".conf"), (Folder, ".netdev"), (Folder, ".network") })
        {
            foreach (var name in (host.List(folder) is { Ok: true } list ? list.Value : []).Where(n => n.EndsWith(ending, StringComparison.Ordinal)))
            {
                var path = $"{folder}/{name}";
                if (host.ReadFile(path, 1 << 20) is not { Ok: true } read)
                {
                    continue;
                }

                units.Add(new(path, ByteText.Decode(read.Value), null));
                units.AddRange(DropIns(host, path + ".d"));
                var lines = IniLine.Read(ByteText.Decode(read.Value)).ToArray();
                if (ending == ".network")
                {
                    networks.Add(Network(path, lines));
                }
                else if (lines.Any(l => l.Is("Endpoint", "Peer", "WireGuardPeer")))
                {
                    tunnels.Add(Tunneled(path, ending == ".conf" ? name[..^5] : lines.FirstOrDefault(l => l.Is("Name", "NetDev"))?.Value ?? "", lines));
                }
            }
        }

        // The tunnel that may carry the Internet, else the first.
        if (networks.Count == 0 || tunnels.OrderBy(t => t.Allowed.Contains("::/0") ? 0 : 1).FirstOrDefault(t => t.Device.Length > 0) is not { } tunnel)
        {
            return null;
        }

        tunnel = tunnel with { Addresses = [.. tunnel.Addresses.Concat(networks.Where(n => n.Device == tunnel.Device).SelectMany(n => n.Addresses)).Distinct()] };
        var written = networks.Select(n => DropIn(n.Path)).Concat([LinuxPlan.Rules, LinuxPlan.Settings, LinuxPlan.Unit]).ToArray();
        var texts = host.ReadFiles(written, 1 << 20);
        string[] daemons = ["/etc/radvd.conf", "/etc/dnsmasq.conf"];
        var announcing = host.ReadFiles(daemons, 1 << 20);
        var rules = host.ReadFile("/etc/nftables.conf", 1 << 20) is { Ok: true } file ? ByteText.Decode(file.Value) : null;
        var included = NftIncludes(rules).ToArray();
        var more = host.ReadFiles(included, 1 << 20);
        return new(
            tunnel, [.. networks], rules,
            host.ReadFile("/proc/sys/net/ipv6/conf/all/forwarding", 64) is { Ok: true } forwarding ? forwarding.Value is [(byte)'1', ..] : null,
            [.. written.Select((p, i) => ExitsFacts.Text(p, texts[i]))])
        {
            Units = [.. units, .. daemons.Select((p, i) => ExitsFacts.Text(p, announcing[i])).Where(d => d.Text is not null)],
            Included = [.. included.Select((p, i) => ExitsFacts.Text(p, more[i]))],
            Ruleset = ExitsFacts.Print(host, "nft", "list", "ruleset"),
        };
    }

    private static IEnumerable<ReadText> DropIns(Host host, string folder)
    {
        string[] paths = [.. (host.List(folder) is { Ok: true } list ? list.Value : []).Where(n => n.EndsWith(".conf", StringComparison.Ordinal)).Order(StringComparer.Ordinal).Select(n => $"{folder}/{n}")];
        var texts = host.ReadFiles(paths, 1 << 20);
        return paths.Select((p, i) => ExitsFacts.Text(p, texts[i]));
    }

    /// <summary>Files that are included by name; with a pattern nobody knows which.</summary>
    private static IEnumerable<string> NftIncludes(string? text) =>
        (text ?? "").Split('\n').Select(l => l.Split('#')[0].Trim()).Where(l => l.StartsWith("include ", StringComparison.Ordinal)).Select(l => l[8..].Trim().TrimEnd(';').Trim('"', '\'')).Where(p => p.StartsWith('/') && !p.Contains('*'));

    /// <summary>Our drop-in for a .network or .netdev file.</summary>
    internal static string DropIn(string path) => $"{path}.d/50-lotse-exits.conf";

    private static LinuxNetwork Network(string path, IniLine[] lines) => new(
        path, lines.FirstOrDefault(l => l.Is("Name", "Match"))?.Value ?? "",
        [.. lines.Where(l => l.Is("Address", "Network", "Address")).Select(l => l.Value).Where(a => IpPrefix.TryParse(a, out _))],
        lines.Any(l => l.Is("Gateway", "Network", "Route") || (l.Is("DHCP", "Network") && l.Value is not ("no" or "false" or "0"))));

    private static LinuxTunnel Tunneled(string path, string device, IniLine[] lines)
    {
        var allowed = lines.Where(l => l.Is("AllowedIPs", "Peer", "WireGuardPeer")).ToArray();
        return new(
            path, device, [.. lines.Where(l => l.Is("Address", "Interface")).SelectMany(l => l.Words)], [.. allowed.SelectMany(l => l.Words)],
            $"{path}:{allowed.FirstOrDefault()?.Number ?? 1}", path.EndsWith(".conf", StringComparison.Ordinal));
    }
}

/// <summary>A line <c>key=value</c> of a file with sections, as wg-quick(8) and systemd.syntax(7) write them.</summary>
/// <param name="Section">The section's name without brackets.</param>
/// <param name="Key">Before the equals sign.</param>
/// <param name="Value">Behind it.</param>
/// <param name="Number">The line, from 1.</param>
/// <param name="Part">Which of the file's sections, from 1: those of one name are several.</param>
internal sealed record IniLine(string Section, string Key, string Value, int Number, int Part)
{
    /// <summary>systemd.syntax(7): yes, true, on, 1.</summary>
    public bool IsYes => Value.ToLowerInvariant() is "yes" or "true" or "on" or "1" or "y" or "t";

    /// <summary>The value's parts between commas.</summary>
    public string[] Words => Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Whether it is this key in one of these sections; case does not count for wg(8).</summary>
    public bool Is(string key, params ReadOnlySpan<string> sections) => Key.Equals(key, StringComparison.OrdinalIgnoreCase) && sections.Contains(Section);

    /// <summary>Every line of a file that sets something.</summary>
    public static IEnumerable<IniLine> Read(string text)
    {
        var section = "";
        var part = 0;
        foreach (var (raw, number) in text.Split('\n').Select((l, i) => (l, i + 1)))
        {
            var line = raw.Split('#')[0].Trim();
            if (line is ['[', .. var name, ']'])
            {
                section = name;
                part++;
            }
            else if (!line.StartsWith(';') && line.Split('=', 2) is [var key, var value])
            {
                yield return new(section, key.Trim(), value.Trim(), number, part);
            }
        }
    }
}
