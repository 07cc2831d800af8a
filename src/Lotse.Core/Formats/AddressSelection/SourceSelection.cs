namespace Lotse.Formats.AddressSelection;

/// <summary>The rules by which the kernel chooses an IPv6 source (net/ipv6/addrconf.c ipv6_dev_get_saddr).</summary>
public enum SourceRule
{
    /// <summary>There was no choice.</summary>
    Only,

    /// <summary>RFC 6724 section 5 rule 1: the destination itself.</summary>
    SameAddress,

    /// <summary>Rule 2: the smallest scope that reaches, else the largest.</summary>
    Scope,

    /// <summary>Rule 3: not deprecated.</summary>
    NotDeprecated,

    /// <summary>Rule 4: a home address.</summary>
    Home,

    /// <summary>Rule 5: an address of the outgoing interface.</summary>
    OutgoingInterface,

    /// <summary>Rule 6: the destination's label.</summary>
    Label,

    /// <summary>Rule 7: a public address, or a temporary one where use_tempaddr says so.</summary>
    Temporary,

    /// <summary>Not in the RFC: ORCHID (2001:10::/28) with ORCHID.</summary>
    Orchid,

    /// <summary>Rule 8: the longest common prefix, no longer than the address's own.</summary>
    CommonPrefix,

    /// <summary>None of them: the first in the kernel's list, the newest of an interface.</summary>
    ListOrder,

    /// <summary>The route prescribes it (src).</summary>
    RouteSource,

    /// <summary>IPv4: the first primary address in the gateway's subnet.</summary>
    GatewaySubnet,

    /// <summary>IPv4: the first address of the outgoing interface that reaches far enough.</summary>
    FirstOfInterface,

    /// <summary>IPv4: no address of the outgoing interface reaches; one of another interface.</summary>
    OtherInterface,
}

/// <summary>The source that connect() would give a UDP socket.</summary>
/// <param name="Source">The address; null: connect() fails. 0.0.0.0 is a source.</param>
/// <param name="Error">The name of the error.</param>
/// <param name="Route">The route of the main table that was taken; null: the local table, or none.</param>
/// <param name="Rule">What decided.</param>
/// <param name="RunnerUp">The address that was second.</param>
public readonly record struct SourceChoice(IpAddress? Source, string? Error, NetworkRoute? Route = null, SourceRule Rule = SourceRule.Only, IpAddress? RunnerUp = null);

/// <summary>
/// The kernel's choice of source address. It looks at routes and at the kernel's labels, never at gai.conf.
/// IPv6: net/ipv6/{datagram,route,addrconf}.c; IPv4: net/ipv4/{route,fib_semantics,devinet}.c.
/// </summary>
public sealed class SourceSelection
{
    private const int GlobalScope = 14, LinkRouteScope = 253;
    private readonly HostNetwork network;
    private readonly PolicyTable labels;
    private readonly HashSet<IpAddress> local = [];

    /// <summary>For one host.</summary>
    public SourceSelection(HostNetwork network)
    {
        this.network = network;
        labels = new(network.Labels);
        foreach (var (_, a) in network.Addresses)
        {
            // The local table knows own addresses also while their interface is down, IPv6 ones once they are no longer tentative.
            if (!a.Tentative || a.Optimistic)
            {
                local.Add(a.Address);
            }
        }
    }

    /// <summary>The source for a destination without zone.</summary>
    /// <param name="destination">Where to.</param>
    /// <param name="mayBroadcast">Whether the socket has SO_BROADCAST, as Go's have.</param>
    public SourceChoice Select(IpAddress destination, bool mayBroadcast = false) =>
        destination.IsV4 ? Select4(destination, mayBroadcast)
        : destination.IsMappedV6 ? Select4(IpAddress.V4(destination.Bits4), mayBroadcast) is { Source: { } source } mapped ? mapped with { Source = IpAddress.V6(source.Bits) } : Select4(IpAddress.V4(destination.Bits4), mayBroadcast)
        : Select6(destination);

    /// <summary>The kernel's label of an address; -1 where no row matches.</summary>
    public int Label(IpAddress address) => labels[address, -1];

    private SourceChoice Select6(IpAddress destination)
    {
        // A destination of link scope needs to name its interface: net/ipv6/datagram.c.
        var scope = Scope6(destination);
        if (destination.IsLinkLocal || (destination.IsMulticast && scope is 1 or 2))
        {
            return new(null, "EINVAL");
        }

        // connect() to :: is to ::1.
        destination = destination.Bits == 0 ? IpAddress.Loopback6 : destination;
        NetworkRoute? route = null;
        NetworkInterface? device;
        if (local.Contains(destination))
        {
            device = network.Interfaces.First(i => i.Addresses.Any(a => a.Address == destination));
        }
        else if (destination.IsMulticast)
        {
            // ff00::/8 of every interface that is up stands in the local table, the oldest first.
            device = network.Interfaces.FirstOrDefault(i => i.Up && i.HardwareType != 772);
            if (device is null)
            {
                return new(null, "ENETUNREACH");
            }
        }
        else if (Route(destination) is not { } found)
        {
            return new(null, "ENETUNREACH");
        }
        else if (Refusal(found) is { } error)
        {
            return new(null, error, found);
        }
        else if (found.PreferredSource is { } prescribed)
        {
            return new(prescribed, null, found, SourceRule.RouteSource);
        }
        else
        {
            route = found;
            device = network.Interfaces.FirstOrDefault(i => i.Name == found.Device);
        }

        return Best(destination, scope, device, route);
    }

    private SourceChoice Best(IpAddress destination, int scope, NetworkInterface? device, NetworkRoute? route)
    {
        var only = device is not null && (destination.IsMulticast || scope <= 2 || device.OnlyOwnAddresses);
        var label = Label(destination);
        Score? best = null, second = null;
        foreach (var (i, a) in network.Addresses)
        {
            if (a.Address.IsV4 || (only && i != device) || (a.Tentative && !a.Optimistic))
            {
                continue;
            }

            var score = new Score(
                a.Address, a.Address == destination, ScopeDistance(Scope6(a.Address), scope), IsExempt(a.Address) || !(a.Deprecated || a.Optimistic), network.PrefersHome && a.Home,
                device is null || i == device, Label(a.Address) == label, a.Temporary == i.UseTemporary >= 2, IsOrchid(a.Address) == IsOrchid(destination),
                Math.Min(IpAddress.CommonBits(a.Address, destination), a.Length));
            if (best is null || Compare(score, best).Sign > 0)
            {
                (second, best) = (best, score);
            }
            else if (second is null || Compare(score, second).Sign > 0)
            {
                second = score;
            }
        }

        return best is null ? new(null, "EADDRNOTAVAIL", route)
            : new(best.Address, null, route, second is null ? SourceRule.Only : Compare(best, second).Rule, second?.Address);
    }

    private sealed record Score(IpAddress Address, bool Same, int ScopeDistance, bool NotDeprecated, bool Home, bool Outgoing, bool Label, bool Temporary, bool Orchid, int CommonPrefix);

    private static (int Sign, SourceRule Rule) Compare(Score a, Score b)
    {
        static int Bit(bool x, bool y) => (x ? 1 : 0) - (y ? 1 : 0);
        return Bit(a.Same, b.Same) is var same and not 0 ? (same, SourceRule.SameAddress)
            : a.ScopeDistance != b.ScopeDistance ? (a.ScopeDistance - b.ScopeDistance, SourceRule.Scope)
            : Bit(a.NotDeprecated, b.NotDeprecated) is var deprecated and not 0 ? (deprecated, SourceRule.NotDeprecated)
            : Bit(a.Home, b.Home) is var home and not 0 ? (home, SourceRule.Home)
            : Bit(a.Outgoing, b.Outgoing) is var outgoing and not 0 ? (outgoing, SourceRule.OutgoingInterface)
            : Bit(a.Label, b.Label) is var label and not 0 ? (label, SourceRule.Label)
            : Bit(a.Temporary, b.Temporary) is var temporary and not 0 ? (temporary, SourceRule.Temporary)
            : Bit(a.Orchid, b.Orchid) is var orchid and not 0 ? (orchid, SourceRule.Orchid)
            : a.CommonPrefix != b.CommonPrefix ? (a.CommonPrefix - b.CommonPrefix, SourceRule.CommonPrefix)
            : (0, SourceRule.ListOrder);
    }

    /// <summary>Higher is better: the smallest scope that is enough, else the largest that is not.</summary>
    private static int ScopeDistance(int scope, int wanted) => scope >= wanted ? -scope : scope - 128;

    /// <summary>The kernel's scope of an IPv6 address (net/ipv6/addrconf_core.c __ipv6_addr_type).</summary>
    private static int Scope6(IpAddress a) => a.IsMulticast ? (int)(a.Bits >> 112) & 15 : a.IsLinkLocal || a.IsLoopback ? 2 : a.IsSiteLocal ? 5 : GlobalScope;

    /// <summary>::1, IPv4-mapped and IPv4-compatible addresses never count as deprecated.</summary>
    private static bool IsExempt(IpAddress a) => a.Bits >> 32 == 0 || a.IsMappedV6;

    private static bool IsOrchid(IpAddress a) => a.Bits >> 100 == 0x2001001;

    private SourceChoice Select4(IpAddress destination, bool mayBroadcast)
    {
        if (destination.Bits4 == 0)
        {
            // connect() to 0.0.0.0 is to 127.0.0.1, from there.
            return new(IpAddress.V4(0x7f000001), null);
        }

        if (local.Contains(destination))
        {
            return new(LocalSource(destination), null, null, SourceRule.SameAddress);
        }

        if (BroadcastSource(destination) is { } owner)
        {
            return mayBroadcast ? new(owner, null) : new(null, "EACCES");
        }

        if (destination.IsLoopback && network.Interfaces.Any(i => i is { Up: true, HardwareType: 772 }))
        {
            return new(LocalSource(destination), null, null, SourceRule.SameAddress);
        }

        if (Route(destination) is not { } route)
        {
            return new(null, "ENETUNREACH");
        }

        if (Refusal(route) is { } error)
        {
            return new(null, error, route);
        }

        if (destination.Bits4 == uint.MaxValue && !mayBroadcast)
        {
            return new(null, "EACCES", route);
        }

        return route.PreferredSource is { } prescribed ? new(prescribed, null, route, SourceRule.RouteSource) : OfInterface(route);
    }

    /// <summary>inet_select_addr: a route over a gateway wants an address of global scope, one on the link takes those of link scope too.</summary>
    private SourceChoice OfInterface(NetworkRoute route)
    {
        var scope = route.Gateway is { IsV4: true } ? 0 : LinkRouteScope;
        InterfaceAddress? first = null;
        foreach (var a in network.Interfaces.FirstOrDefault(i => i.Name == route.Device)?.Addresses ?? [])
        {
            if (!a.Address.IsV4 || a.Secondary || a.Scope > scope)
            {
                continue;
            }

            if (route.Gateway is { IsV4: true } gateway && new IpPrefix(a.Peer ?? a.Address, a.Length).Contains(gateway))
            {
                return new(a.Address, null, route, SourceRule.GatewaySubnet);
            }

            first ??= a;
        }

        if (first is not null)
        {
            return new(first.Address, null, route, SourceRule.FirstOfInterface);
        }

        var other = network.Addresses.Select(x => x.Address).FirstOrDefault(a => a.Address.IsV4 && !a.Secondary && a.Scope != LinkRouteScope && a.Scope <= scope);
        return new(other?.Address ?? IpAddress.V4(0), null, route, SourceRule.OtherInterface);
    }

    /// <summary>The local table's route to an own address prescribes the primary address of its subnet; 127.0.0.0/8 prescribes 127.0.0.1.</summary>
    private IpAddress LocalSource(IpAddress destination)
    {
        var own = network.Addresses.Where(x => x.Address.Address == destination).Select(x => x.Interface).FirstOrDefault();
        if (own is null)
        {
            var loopback = network.Addresses.FirstOrDefault(x => x.Interface.HardwareType == 772 && x.Address.Address.IsV4 && new IpPrefix(x.Address.Address, x.Address.Length).Contains(destination)).Address;
            return loopback?.Address ?? destination;
        }

        var mine = Array.Find(own.Addresses, a => a.Address == destination)!;
        return mine.Secondary
            ? Array.Find(own.Addresses, a => a.Address.IsV4 && !a.Secondary && a.Length == mine.Length && new IpPrefix(a.Address, a.Length).Contains(destination))?.Address ?? destination
            : destination;
    }

    /// <summary>The address whose subnet has this broadcast address; null: it is none.</summary>
    private IpAddress? BroadcastSource(IpAddress destination)
    {
        foreach (var (i, a) in network.Addresses)
        {
            if (i.Up && a is { Peer: null, Length: > 0 and < 31 } && a.Address.IsV4 && new IpPrefix(a.Address, a.Length).Last == destination)
            {
                return a.Address;
            }
        }

        return null;
    }

    private static string? Refusal(NetworkRoute route) => route.Kind switch
    {
        RouteKind.Unicast => null,
        RouteKind.Unreachable => "EHOSTUNREACH",
        RouteKind.Prohibit => "EACCES",
        RouteKind.Blackhole => "EINVAL",
        _ => "ENETUNREACH",
    };

    /// <summary>The longest prefix, then the lowest metric, then the first.</summary>
    private NetworkRoute? Route(IpAddress destination)
    {
        NetworkRoute? best = null;
        foreach (var route in network.Routes)
        {
            if (route.Destination.Contains(destination)
                && (best is null || route.Destination.Length > best.Destination.Length || (route.Destination.Length == best.Destination.Length && route.Metric < best.Metric)))
            {
                best = route;
            }
        }

        return best;
    }
}
