using System.Globalization;
using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>An address on an interface and why it is there.</summary>
/// <param name="Prefix">Address and length.</param>
/// <param name="Class">The interface whose prefix it is of; <c>local</c> for the ULA prefix; empty: written in the file.</param>
/// <param name="Where">file:line.</param>
/// <param name="Known">False: of a prefix that stands for the provider's.</param>
internal sealed record InterfaceAddress(IpPrefix Prefix, string Class, string Where, bool Known = true);

/// <summary>A prefix that an interface brings, to be divided among others.</summary>
/// <param name="Interface">The interface.</param>
/// <param name="Prefix">The prefix.</param>
/// <param name="Where">file:line.</param>
/// <param name="Known">False: the provider gives it, nobody has said which, and this one stands for it.</param>
internal sealed record BroughtPrefix(string Interface, IpPrefix Prefix, string Where, bool Known = true);

/// <summary>A WireGuard peer of an interface.</summary>
/// <param name="Section">Its section.</param>
/// <param name="Allowed">allowed_ips.</param>
/// <param name="Endpoint">endpoint_host; null: it calls us.</param>
internal sealed record Peer(UciSection Section, IpPrefix[] Allowed, string? Endpoint)
{
    /// <summary>Whether packets to all of the Internet may go to it: together its prefixes cover 2000::/3.</summary>
    public bool TakesInternet => Covers(Allowed, IpPrefix.Parse("2000::/3"));

    /// <summary>Whether prefixes together cover another one.</summary>
    public static bool Covers(IReadOnlyCollection<IpPrefix> all, IpPrefix wanted) =>
        all.Any(a => a.Contains(wanted))
        || (wanted.Length < wanted.Address.Size && all.Any(a => wanted.Contains(a)) && Covers(all, wanted.Sub(wanted.Length + 1, 0)) && Covers(all, wanted.Sub(wanted.Length + 1, 1)));
}

/// <summary>An interface of /etc/config/network.</summary>
/// <param name="Section">Its section.</param>
/// <param name="Name">Its name.</param>
/// <param name="Protocol">proto.</param>
/// <param name="Device">The device that carries its packets.</param>
internal sealed record NetworkInterface(UciSection Section, string Name, string Protocol, string Device)
{
    public List<InterfaceAddress> Addresses { get; } = [];

    public Peer[] Peers { get; init; } = [];

    /// <summary>Addresses of IPv6.</summary>
    public IEnumerable<InterfaceAddress> V6 => Addresses.Where(a => a.Prefix.Address.IsV6);
}

/// <summary>A default route of IPv6.</summary>
/// <param name="Interface">Where it leads.</param>
/// <param name="OnlyOwn">Only for the prefix that the uplink gives, whichever that is (sourcefilter).</param>
/// <param name="Where">The setting that makes it.</param>
internal sealed record DefaultRoute(NetworkInterface Interface, bool OnlyOwn, string Where);

/// <summary>What netifd makes of /etc/config/network (netifd, and the protocol scripts of OpenWrt).</summary>
internal sealed class RouterNetwork
{
    private static readonly string[] AddressOptions = ["ip6addr", "addresses", "ipaddr"];
    private static readonly IpAddress SomeAddress = IpAddress.Parse("2001:db8:ffe0::2"), SomePrefix = IpAddress.Parse("2001:db8:fff0::");
    private readonly UciPackage package;

    private RouterNetwork(UciPackage package) => this.package = package;

    public List<NetworkInterface> Interfaces { get; } = [];

    public List<BroughtPrefix> Brought { get; } = [];

    /// <summary>Who wants part of a prefix.</summary>
    public List<PrefixWish> Wishes { get; } = [];

    /// <summary>Prefixes and the interfaces that got nothing of them.</summary>
    public List<(BroughtPrefix Prefix, string Interface)> Unassigned { get; } = [];

    public List<DefaultRoute> Defaults { get; } = [];

    /// <summary>globals.ula_prefix.</summary>
    public BroughtPrefix? Ula { get; private set; }

    /// <summary>The interface of a name, or null.</summary>
    public NetworkInterface? this[string name] => Interfaces.FirstOrDefault(i => i.Name == name);

    /// <summary>The tunnels: WireGuard interfaces with IPv6, and 6in4 and its like.</summary>
    public IEnumerable<NetworkInterface> Tunnels => Interfaces.Where(i =>
        (i.Protocol == "wireguard" && (i.V6.Any() || i.Peers.Any(p => p.Allowed.Any(a => a.Address.IsV6)) || Brought.Any(b => b.Interface == i.Name || this[b.Interface]?.Device == i.Device)))
        || i.Protocol is "6in4" or "6to4" or "6rd" or "gre" or "grev6");

    /// <summary>Uplinks that get IPv6 by DHCPv6 or router announcements.</summary>
    public IEnumerable<NetworkInterface> Dynamic => Interfaces.Where(i => i.Protocol == "dhcpv6");

    /// <summary>The inner networks: interfaces with an IPv6 address of their own that are no exit.</summary>
    public IEnumerable<NetworkInterface> Lans
    {
        get
        {
            var exits = Tunnels.Concat(Dynamic).Select(i => i.Device).ToHashSet();
            return Interfaces.Where(i => i.Protocol == "static" && i.Device != "lo" && !exits.Contains(i.Device) && (i.V6.Any() || i.Section["ip6assign"] is not null));
        }
    }

    /// <summary>Reads the package.</summary>
    /// <param name="package">/etc/config/network.</param>
    /// <param name="live">Device and prefix of every address that the router has; null where nobody asked it.</param>
    public static RouterNetwork Of(UciPackage package, IReadOnlyCollection<(string Device, IpPrefix Prefix)>? live)
    {
        var network = new RouterNetwork(package);
        foreach (var section in package.OfType("interface").Where(s => FirewallOptions.Bool(s.Text("disabled")) is not true && !s.Anonymous))
        {
            network.Add(section);
        }

        foreach (var section in package.OfType("globals"))
        {
            if (IpPrefix.TryParse(section.Text("ula_prefix"), out var ula) && ula.Address.IsV6)
            {
                network.Ula = new("local", ula.Network, package.Where(section, "ula_prefix"));
            }
        }

        if (live is null)
        {
            network.StandIn();
        }

        network.Assign();
        network.AddLive(live ?? []);
        network.AddDefaults();
        return network;
    }

    private void Add(UciSection section)
    {
        var protocol = section.Text("proto") ?? "none";
        var made = new NetworkInterface(section, section.Name, protocol, Device(section, protocol, 0))
        {
            Peers = protocol != "wireguard" ? [] : [.. package.OfType($"wireguard_{section.Name}").Where(p => FirewallOptions.Bool(p.Text("disabled")) is not true).Select(p => new Peer(p, [.. p.Words("allowed_ips").Select(w => IpPrefix.TryParse(w.Text, out var a) ? a : (IpPrefix?)null).OfType<IpPrefix>()], p.Text("endpoint_host")))],
        };
        foreach (var (option, value) in AddressOptions.SelectMany(o => section.Words(o).Select(w => (o, w))))
        {
            if (!IpPrefix.TryParse(value.Text, out var prefix))
            {
                continue;
            }

            var mask = option == "ipaddr" && !value.Text.Contains('/', StringComparison.Ordinal) && IpAddress.TryParse(section.Text("netmask"), out var m) ? System.Numerics.BitOperations.PopCount(m.Bits4) : prefix.Length;
            made.Addresses.Add(new(prefix with { Length = mask }, "", $"{package.Path}:{value.Line}"));
        }

        foreach (var value in section.Words("ip6prefix"))
        {
            if (IpPrefix.TryParse(value.Text, out var prefix) && prefix.Address.IsV6)
            {
                Brought.Add(new(section.Name, prefix.Network, $"{package.Path}:{value.Line}"));
            }
        }

        if (int.TryParse(section.Text("ip6assign"), NumberStyles.None, CultureInfo.InvariantCulture, out var length))
        {
            _ = int.TryParse(section.Text("ip6weight"), NumberStyles.None, CultureInfo.InvariantCulture, out var weight);
            Wishes.Add(new(section.Name, length, Hint(section.Text("ip6hint")), weight, [.. section.Words("ip6class").Select(w => w.Text)]));
        }

        Interfaces.Add(made);
    }

    /// <summary>The device that carries the packets of an interface.</summary>
    private string Device(UciSection section, string protocol, int depth)
    {
        var device = section.Text("device") ?? section.Text("ifname") ?? "";
        device = device.Split(' ')[0];
        if (device.StartsWith('@'))
        {
            return depth < 8 && package.Named(device[1..]) is { } other ? Device(other, other.Text("proto") ?? "none", depth + 1) : device[1..];
        }

        return protocol switch
        {
            "wireguard" => section.Name,
            "pppoe" or "ppp" or "pptp" or "l2tp" or "6in4" or "6to4" or "6rd" => $"{protocol}-{section.Name}",
            "gre" => $"gre4-{section.Name}",
            _ when section.Text("type") == "bridge" => $"br-{section.Name}",
            _ => device,
        };
    }

    /// <summary>ip6hint as strtoul(3) reads it in base 16; -1 without.</summary>
    private static long Hint(string? text)
    {
        var digits = text?.Trim() ?? "";
        digits = string.Concat((digits.StartsWith("0x", StringComparison.OrdinalIgnoreCase) ? digits[2..] : digits).TakeWhile(char.IsAsciiHexDigit));
        return digits.Length is > 0 and < 16 ? long.Parse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) : -1;
    }

    /// <summary>
    /// What a provider gives is not in the files. Where nobody asked the router, prefixes for documentation (RFC 3849)
    /// stand for it, so that a packet can be followed.
    /// </summary>
    private void StandIn()
    {
        foreach (var (uplink, i) in Dynamic.Select((u, i) => (u, (UInt128)i)))
        {
            if (uplink.Section.Text("reqaddress") is not "none")
            {
                uplink.Addresses.Add(new(new(IpAddress.V6(SomeAddress.Bits + (i << 64)), 128), uplink.Name, $"stands for what {uplink.Name} is given"));
            }

            if (uplink.Section.Text("reqprefix") is not "no")
            {
                Brought.Add(new(uplink.Name, new(IpAddress.V6(SomePrefix.Bits + (i << 72)), 56), $"stands for what {uplink.Name} is given", Known: false));
            }
        }
    }

    /// <summary>Addresses that the router has and its files do not explain: an uplink's own, and what it delegates.</summary>
    private void AddLive(IReadOnlyCollection<(string Device, IpPrefix Prefix)> live)
    {
        foreach (var (device, prefix) in live.Where(a => a.Prefix.Address.IsV6 && !a.Prefix.Address.IsLinkLocal && !a.Prefix.Address.IsUniqueLocal))
        {
            if (Interfaces.Where(i => i.Device == device).SelectMany(i => i.V6).Any(a => a.Prefix.Contains(prefix.Address)))
            {
                continue;
            }

            if (Dynamic.FirstOrDefault(u => u.Device == device) is { } uplink)
            {
                uplink.Addresses.Add(new(prefix, uplink.Name, "ip -6 addr show"));
            }
            else if (Wishes.FirstOrDefault(w => this[w.Name]?.Device == device) is { } wish && Dynamic.FirstOrDefault(u => wish.Classes.Length == 0 || wish.Classes.Contains(u.Name)) is { } from)
            {
                Brought.Add(new(from.Name, prefix.Network, "ip -6 addr show"));
                this[wish.Name]!.Addresses.Add(new(prefix, from.Name, "ip -6 addr show"));
            }
        }
    }

    private void Assign()
    {
        foreach (var brought in Brought.OrderBy(b => b.Known ? 0 : 1).Concat(Ula is null ? [] : [Ula]).Where(b => FirewallOptions.Bool(package.Named(b.Interface)?.Text("delegate")) is not false))
        {
            var (given, without) = PrefixAssignment.Divide(brought.Prefix, brought.Interface, Wishes);
            foreach (var (name, prefix) in given)
            {
                this[name]?.Addresses.Add(new(new(prefix.At(InterfaceId(this[name]!.Section)), prefix.Length), brought.Interface, brought.Where, brought.Known));
            }

            Unassigned.AddRange(without.Select(w => (brought, w)));
        }
    }

    /// <summary>ip6ifaceid, of which only a fixed one can be known; ::1 without.</summary>
    private static UInt128 InterfaceId(UciSection section) => IpAddress.TryParse(section.Text("ip6ifaceid"), out var id) && id.IsV6 ? id.Bits & ulong.MaxValue : 1;

    private void AddDefaults()
    {
        foreach (var tunnel in Interfaces.Where(i => i.Protocol == "wireguard"))
        {
            foreach (var peer in tunnel.Peers.Where(p => FirewallOptions.Bool(p.Section.Text("route_allowed_ips")) is true && p.TakesInternet))
            {
                Defaults.Add(new(tunnel, false, package.Where(peer.Section, "route_allowed_ips")));
            }
        }

        foreach (var route in package.OfType("route6").Where(r => FirewallOptions.Bool(r.Text("disabled")) is not true))
        {
            if (route.Text("target") is "::/0" or "default" or "::/1" or "2000::/3" && route.Text("interface") is { } name && this[name] is { } to && route.Text("type") is null or "unicast" && route["source"] is null)
            {
                Defaults.Add(new(to, false, package.Where(route)));
            }
        }

        foreach (var uplink in Dynamic.Where(i => FirewallOptions.Bool(i.Section.Text("defaultroute")) is not false))
        {
            Defaults.Add(new(uplink, FirewallOptions.Bool(uplink.Section.Text("sourcefilter")) is not false, package.Where(uplink.Section, "sourcefilter")));
        }

        foreach (var tunnel in Interfaces.Where(i => i.Protocol is "6in4" or "6to4" or "6rd" && FirewallOptions.Bool(i.Section.Text("defaultroute")) is not false))
        {
            Defaults.Add(new(tunnel, FirewallOptions.Bool(tunnel.Section.Text("sourcefilter")) is not false, package.Where(tunnel.Section)));
        }

        foreach (var gateway in Interfaces.Where(i => i.Protocol == "static" && i.Section["ip6gw"] is not null))
        {
            Defaults.Add(new(gateway, false, package.Where(gateway.Section, "ip6gw")));
        }
    }
}
