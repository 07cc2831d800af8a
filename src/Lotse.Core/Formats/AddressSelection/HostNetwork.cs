using System.Text.Json.Serialization;

namespace Lotse.Formats.AddressSelection;

/// <summary>An address of an interface (RTM_NEWADDR of rtnetlink(7)).</summary>
/// <param name="Address">The local address (IFA_LOCAL, else IFA_ADDRESS).</param>
/// <param name="Length">Prefix length; with a peer, that of the peer.</param>
/// <param name="Peer">The other end of a point-to-point link (IFA_ADDRESS where it differs).</param>
public sealed record InterfaceAddress(IpAddress Address, int Length, IpAddress? Peer = null)
{
    /// <summary>rtnetlink's scope: 0 global, 200 site, 253 link, 254 host.</summary>
    public int Scope { get; init; }

    /// <summary>The preferred lifetime is over: rule 3 avoids it as a source.</summary>
    public bool Deprecated { get; init; }

    /// <summary>In use while duplicate address detection still runs (RFC 4429).</summary>
    public bool Optimistic { get; init; }

    /// <summary>Duplicate address detection has not finished: it is no source yet.</summary>
    public bool Tentative { get; init; }

    /// <summary>A temporary address (RFC 8981).</summary>
    public bool Temporary { get; init; }

    /// <summary>A secondary IPv4 address of its subnet.</summary>
    public bool Secondary { get; init; }

    /// <summary>A mobile node's home address (RFC 6275).</summary>
    public bool Home { get; init; }

    /// <summary>Seconds for which it is preferred; null: without end.</summary>
    public uint? PreferredSeconds { get; init; }

    /// <summary>Seconds for which it is valid; null: without end.</summary>
    public uint? ValidSeconds { get; init; }

    /// <summary>The address by which glibc finds it again: it keys its table by IFA_ADDRESS, which is the peer where there is one.</summary>
    [JsonIgnore]
    public IpAddress GlibcKey => Peer ?? Address;
}

/// <summary>A network interface.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Index">Its index; the kernel walks interfaces in this order.</param>
/// <param name="HardwareType">ARPHRD_*: 1 Ethernet, 772 loopback, 65534 none, 512 ppp, 768 tunnel, 769 tunnel6, 776 sit.</param>
/// <param name="Up">IFF_UP.</param>
/// <param name="Addresses">In the kernel's own order: it decides ties in source selection.</param>
public sealed record NetworkInterface(string Name, int Index, int HardwareType, bool Up, InterfaceAddress[] Addresses)
{
    /// <summary>sysctl use_tempaddr: 2 and more prefers temporary addresses as source.</summary>
    public int UseTemporary { get; init; }

    /// <summary>sysctl use_oif_addrs_only: only addresses of the outgoing interface may be the source.</summary>
    public bool OnlyOwnAddresses { get; init; }

    /// <summary>Whether glibc's rule 7 takes it for native transport: everything but ipip, ip6tnl and sit (sysdeps/unix/sysv/linux/check_native.c).</summary>
    [JsonIgnore]
    public bool IsNative => HardwareType is not (768 or 769 or 776);
}

/// <summary>What a route does with a packet.</summary>
public enum RouteKind
{
    /// <summary>Sends it on.</summary>
    Unicast,

    /// <summary>ICMP unreachable, EHOSTUNREACH.</summary>
    Unreachable,

    /// <summary>Drops it, EINVAL.</summary>
    Blackhole,

    /// <summary>ICMP administratively prohibited, EACCES.</summary>
    Prohibit,

    /// <summary>Ends the search in this table.</summary>
    Throw,
}

/// <summary>A route of the main table.</summary>
/// <param name="Destination">Where to.</param>
/// <param name="Device">The interface it leaves by; null for a route that rejects.</param>
/// <param name="Gateway">The next hop; null: the destination is on the link.</param>
/// <param name="PreferredSource">The source that the route prescribes.</param>
/// <param name="Metric">Lower is better among equal destinations.</param>
/// <param name="Kind">What it does.</param>
public sealed record NetworkRoute(IpPrefix Destination, string? Device, IpAddress? Gateway = null, IpAddress? PreferredSource = null, long Metric = 0, RouteKind Kind = RouteKind.Unicast)
{
    /// <summary>The route as ip-route(8) writes it.</summary>
    public override string ToString() =>
        (Kind == RouteKind.Unicast ? "" : Kind.ToString().ToLowerInvariant() + " ")
        + (Destination.Length == 0 ? "default" : Destination.ToString())
        + (Gateway is { } via ? $" via {via}" : "") + (Device is { } dev ? $" dev {dev}" : "")
        + (PreferredSource is { } src ? $" src {src}" : "") + (Metric != 0 ? $" metric {Metric}" : "");
}

/// <summary>The words of iproute2 for what rtnetlink(7) has as numbers.</summary>
internal static class RouteWords
{
    /// <summary>What a type of route does (ip-route(8)); null for one that no packet takes from here, local and multicast among them.</summary>
    public static RouteKind? Kind(string? type) => type switch
    {
        null or "unicast" => RouteKind.Unicast,
        "unreachable" => RouteKind.Unreachable,
        "blackhole" => RouteKind.Blackhole,
        "prohibit" => RouteKind.Prohibit,
        "throw" => RouteKind.Throw,
        _ => null,
    };

    /// <summary>The number of an address's scope (ip-address(8)); null for another word.</summary>
    public static int? Scope(string? scope) => scope switch { null or "global" => 0, "site" => 200, "link" => 253, "host" => 254, "nowhere" => 255, _ => null };
}

/// <summary>What address selection depends on: the interfaces with their addresses, the routes of the main table, the kernel's labels.</summary>
/// <param name="Interfaces">By index.</param>
/// <param name="Routes">Of both families, in the kernel's order.</param>
/// <param name="Labels">The kernel's address labels (ip-addrlabel(8)).</param>
public sealed record HostNetwork(NetworkInterface[] Interfaces, NetworkRoute[] Routes, PolicyRow[] Labels)
{
    /// <summary>Whether the kernel prefers home addresses as source (rule 4): it does when built with CONFIG_IPV6_MIP6.</summary>
    public bool PrefersHome { get; init; }

    /// <summary>All addresses with their interface, in the kernel's order.</summary>
    [JsonIgnore]
    public IEnumerable<(NetworkInterface Interface, InterfaceAddress Address)> Addresses => Interfaces.SelectMany(i => i.Addresses.Select(a => (i, a)));
}
