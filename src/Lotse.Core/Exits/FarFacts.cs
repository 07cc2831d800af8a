using System.Text.RegularExpressions;
using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>A peer as wg-quick(8) or systemd.netdev(5) writes it.</summary>
/// <param name="Interface">The tunnel's device.</param>
/// <param name="Allowed">AllowedIPs.</param>
/// <param name="Where">file:line of AllowedIPs.</param>
public sealed record FarPeer(string Interface, string[] Allowed, string Where);

/// <summary>An address that a file gives a device, or that it has.</summary>
public sealed record FarAddress(string Device, string Prefix, string Where);

/// <summary>What the server at the other end of the tunnel says.</summary>
/// <param name="Forwarding">net.ipv6.conf.all.forwarding; null: it could not be told.</param>
/// <param name="ForwardingWhere">Where that was seen.</param>
/// <param name="AcceptRa">accept_ra by device.</param>
/// <param name="Peers">The tunnel's peers.</param>
/// <param name="Addresses">Addresses with their lengths.</param>
/// <param name="Routes"><c>ip -6 route show</c>; null where nothing was run.</param>
/// <param name="Proxy">Addresses that are answered for (<c>ip -6 neigh show proxy</c>), and rules of /etc/ndppd.conf.</param>
public sealed partial record FarFacts(bool? Forwarding, string ForwardingWhere, Dictionary<string, int> AcceptRa, FarPeer[] Peers, FarAddress[] Addresses, string? Routes, string[] Proxy)
{
    /// <summary>Reads the far end; null where there is no tunnel of WireGuard in its files.</summary>
    public static FarFacts? Read(Host host)
    {
        var peers = new List<FarPeer>();
        var addresses = new List<FarAddress>();
        foreach (var (folder, ending) in new[] { ("/etc/wireguard", ".conf"), ("/etc/systemd/network", ".netdev"), ("/etc/systemd/network", ".network"), ("/etc/network", "interfaces") })
        {
            foreach (var name in (host.List(folder) is { Ok: true } list ? list.Value : []).Where(n => n.EndsWith(ending, StringComparison.Ordinal)))
            {
                var path = $"{folder}/{name}";
                if (host.ReadFile(path, 1 << 20) is { Ok: true } read)
                {
                    if (ending == "interfaces")
                    {
                        Interfaces(path, ByteText.Decode(read.Value), addresses);
                        continue;
                    }

                    Ini(path, ending == ".conf" ? name[..^5] : "", ByteText.Decode(read.Value), peers, addresses);
                }
            }
        }

        if (peers.Count == 0)
        {
            return null;
        }

        var live = ExitsFacts.Print(host, "ip", "-6", "addr", "show")?.Text;
        if (live is not null)
        {
            addresses.AddRange(LiveRoutes.Addresses(live).Select(a => new FarAddress(a.Device, a.Prefix.ToString(), "ip -6 addr show")));
        }

        var (forwarding, where) = Forwards(host);
        return new(forwarding, where, Accepts(host), [.. peers], [.. addresses], ExitsFacts.Print(host, "ip", "-6", "route", "show")?.Text, [.. Proxies(host)]);
    }

    private static void Ini(string path, string device, string text, List<FarPeer> peers, List<FarAddress> addresses)
    {
        foreach (var line in IniLine.Read(text))
        {
            var where = $"{path}:{line.Number}";
            if (line.Is("Name", "Match", "NetDev"))
            {
                device = line.Value;
            }
            else if (line.Is("AllowedIPs", "Peer", "WireGuardPeer"))
            {
                peers.Add(new(device, line.Words, where));
            }
            else if (line.Key == "Address")
            {
                addresses.AddRange(line.Words.Where(a => IpPrefix.TryParse(a, out var p) && p.Address.IsV6).Select(a => new FarAddress(device, a, where)));
            }
        }
    }

    /// <summary>interfaces(5): words, not keys.</summary>
    private static void Interfaces(string path, string text, List<FarAddress> addresses)
    {
        var device = "";
        foreach (var (words, number) in text.Split('\n').Select((l, i) => (l.Split('#')[0].Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries), i + 1)))
        {
            if (words is ["iface", var iface, ..])
            {
                device = iface;
            }
            else if (words is ["address", var address, ..] && IpPrefix.TryParse(address, out var written) && written.Address.IsV6)
            {
                addresses.Add(new(device, written.ToString(), $"{path}:{number}"));
            }
        }
    }

    private static (bool? Forwards, string Where) Forwards(Host host)
    {
        const string live = "/proc/sys/net/ipv6/conf/all/forwarding";
        if (host.ReadFile(live, 64) is { Ok: true } read)
        {
            return (ByteText.Decode(read.Value).Trim() != "0", live);
        }

        // sysctl.d(5): by file name, the last that sets it wins; sysctl.conf is read last by procps.
        (bool? Forwards, string Where) found = (null, "/etc/sysctl.d");
        foreach (var path in (host.List("/etc/sysctl.d") is { Ok: true } list ? list.Value : []).Select(n => $"/etc/sysctl.d/{n}").Append("/etc/sysctl.conf"))
        {
            foreach (var (line, number) in (host.ReadFile(path, 1 << 20) is { Ok: true } file ? ByteText.Decode(file.Value).Split('\n') : []).Select((l, i) => (l, i + 1)))
            {
                if (Setting().Match(line) is { Success: true } m && m.Groups[1].Value.Replace('/', '.') == "net.ipv6.conf.all.forwarding")
                {
                    found = (m.Groups[2].Value != "0", $"{path}:{number}");
                }
            }
        }

        return found;
    }

    private static Dictionary<string, int> Accepts(Host host)
    {
        var all = new Dictionary<string, int>();
        foreach (var device in host.List("/proc/sys/net/ipv6/conf") is { Ok: true } list ? list.Value : [])
        {
            if (host.ReadFile($"/proc/sys/net/ipv6/conf/{device}/accept_ra", 64) is { Ok: true } read && int.TryParse(ByteText.Decode(read.Value).Trim(), out var value))
            {
                all[device] = value;
            }
        }

        return all;
    }

    private static IEnumerable<string> Proxies(Host host)
    {
        var live = ExitsFacts.Print(host, "ip", "-6", "neigh", "show", "proxy")?.Text ?? "";
        var rules = host.ReadFile("/etc/ndppd.conf", 1 << 20) is { Ok: true } read ? Rule().Matches(ByteText.Decode(read.Value)).Select(m => m.Groups[1].Value) : [];
        return live.Split('\n').Select(l => l.Split(' ')[0]).Where(a => IpAddress.TryParse(a, out _)).Concat(rules);
    }

    [GeneratedRegex(@"^\s*-?([\w./]+)\s*=\s*(\S+)")]
    private static partial Regex Setting();

    [GeneratedRegex(@"^\s*rule\s+(\S+)", RegexOptions.Multiline)]
    private static partial Regex Rule();
}

/// <summary>A route that the kernel has.</summary>
/// <param name="Destination">Where to; ::/0 for the default.</param>
/// <param name="Device">Device; empty for unreachable and its like.</param>
/// <param name="Kind">unicast, unreachable, blackhole, prohibit, local …</param>
/// <param name="Source">Only for this source; null: any.</param>
/// <param name="Line">The line of ip(8).</param>
internal sealed record LiveRoute(IpPrefix Destination, string Device, string Kind, string? Source, string Line)
{
    public bool IsDefault => Destination.Length == 0 && Kind == "unicast";
}

/// <summary>Reading what ip(8) and busybox print; their lines are the same but for spaces.</summary>
internal static class LiveRoutes
{
    public static IEnumerable<LiveRoute> Parse(string text)
    {
        foreach (var line in text.Split('\n'))
        {
            var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length < 2)
            {
                continue;
            }

            var kind = words[0] is "unreachable" or "blackhole" or "prohibit" or "local" or "multicast" or "anycast" or "throw" ? words[0] : "unicast";
            var at = kind == "unicast" ? 0 : 1;
            if (!IpPrefix.TryParse(words[at] == "default" ? "::/0" : words[at], out var prefix))
            {
                continue;
            }

            string? After(string word) => Array.IndexOf(words, word) is > 0 and var i && i + 1 < words.Length ? words[i + 1] : null;
            yield return new(prefix, After("dev") ?? "", kind, After("from"), line.Trim());
        }
    }

    /// <summary>Device and prefix of each <c>inet6</c> line of <c>ip addr show</c>.</summary>
    public static IEnumerable<(string Device, IpPrefix Prefix)> Addresses(string text)
    {
        var device = "";
        foreach (var line in text.Split('\n'))
        {
            var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (line.Length > 0 && char.IsAsciiDigit(line[0]) && words.Length > 1)
            {
                device = words[1].TrimEnd(':').Split('@')[0];
            }
            else if (words is ["inet6", var address, ..] && IpPrefix.TryParse(address, out var prefix))
            {
                yield return (device, prefix);
            }
        }
    }
}
