using Lotse.Formats;
using Lotse.Formats.AddressSelection;

namespace Lotse.Addresses;

/// <summary>
/// A class of destinations that address selection cannot tell apart: those in a prefix and in no longer one of those that
/// tables, routes and own addresses name. One address stands for it.
/// </summary>
/// <param name="Name">For people.</param>
/// <param name="Prefix">The prefix.</param>
/// <param name="Representative">An address in it that is in no longer prefix.</param>
public sealed record DestinationClass(string Name, IpPrefix Prefix, IpAddress Representative)
{
    /// <summary>Stands for any host of the IPv6 Internet (a.root-servers.net).</summary>
    public static readonly IpAddress Internet6 = IpAddress.Parse("2001:503:ba3e::2:30");

    /// <summary>Stands for any host of the IPv4 Internet (a.root-servers.net).</summary>
    public static readonly IpAddress Internet4 = IpAddress.Parse("198.41.0.4");

    /// <summary>The most classes: beyond, the shortest prefixes stay.</summary>
    private const int Most = 96;

    private static readonly (string Prefix, string Name)[] WellKnown =
    [
        ("2000::/3", "IPv6 Internet"), ("0.0.0.0/0", "IPv4 Internet"), ("fc00::/7", "other ULA"), ("2002::/16", "6to4"), ("2001::/32", "Teredo"), ("64:ff9b::/96", "NAT64"),
        ("fec0::/10", "site-local"), ("::1/128", "::1"), ("10.0.0.0/8", "private IPv4"), ("172.16.0.0/12", "private IPv4"), ("192.168.0.0/16", "private IPv4"),
        ("169.254.0.0/16", "link-local IPv4"), ("127.0.0.0/8", "loopback IPv4"),
    ];

    /// <summary>Every class that a host's tables, routes and addresses cut out.</summary>
    /// <param name="network">The host.</param>
    /// <param name="conf">Its tables.</param>
    /// <param name="more">Addresses that are classes of their own: the destinations in question.</param>
    public static DestinationClass[] All(HostNetwork network, GaiConf conf, IEnumerable<IpAddress> more)
    {
        var named = new Dictionary<IpPrefix, string>();
        foreach (var (prefix, name) in WellKnown)
        {
            named[IpPrefix.Parse(prefix)] = name;
        }

        foreach (var address in more)
        {
            named.TryAdd(new(address, address.Size), address.ToString());
        }

        foreach (var (_, a) in network.Addresses.Where(x => !x.Address.Address.IsLinkLocal && !x.Address.Address.IsLoopback))
        {
            // An own address has itself as source, its network has it as source: two classes.
            named.TryAdd(new(a.Address, a.Address.Size), "own address");
            named.TryAdd(new IpPrefix(a.Address, a.Length).Network, "own network");
            if (a.Address.IsUniqueLocal && a.Length > 48)
            {
                named.TryAdd(new IpPrefix(a.Address, 48).Network, "own ULA");
            }
        }

        foreach (var row in conf.Labels.Rows.Concat(conf.Precedences.Rows).Concat(conf.ScopesV4.Rows))
        {
            var prefix = row.Prefix.Address.IsMappedV6 && row.Prefix.Length >= 96 ? new IpPrefix(IpAddress.V4(row.Prefix.Address.Bits4), row.Prefix.Length - 96) : row.Prefix;
            named.TryAdd(prefix.Network, prefix.Network.ToString());
        }

        foreach (var route in network.Routes)
        {
            named.TryAdd(route.Destination.Network, route.Destination.Network.ToString());
        }

        // Nobody looks up link-local or multicast addresses by name: they need a zone.
        var prefixes = named.Keys.Where(p => p.Length > 0 || p.Address.IsV4).Where(p => !p.Address.IsLinkLocal || p.Address.IsV4).Where(p => !p.Address.IsMulticast)
            .OrderBy(p => more.Contains(p.Address) && p.Length == p.Address.Size ? 0 : 1).ThenBy(p => p.Length).Take(Most).ToArray();
        var all = new List<DestinationClass>();
        foreach (var prefix in prefixes)
        {
            if (Representing(prefix, prefixes) is { } representative)
            {
                all.Add(new(named[prefix], prefix, representative));
            }
        }

        return [.. all];
    }

    private static IpAddress? Representing(IpPrefix prefix, IpPrefix[] prefixes)
    {
        foreach (var known in (ReadOnlySpan<IpAddress>)[Internet6, Internet4])
        {
            if (Fits(known))
            {
                return known;
            }
        }

        // Spread over the prefix, so that one longer prefix in it does not take all tries.
        var size = prefix.Address.Size - prefix.Length;
        for (var i = 0; i < (size == 0 ? 1 : 12); i++)
        {
            var offset = size == 0 ? 0 : ((UInt128)(uint)((i * 11) + 5) << Math.Max(0, size - 7)) | (size > 7 ? 0x53u : 0u);
            var address = prefix.Network.Address is { IsV4: true } four ? IpAddress.V4(four.Bits4 | (uint)(offset & ((UInt128.One << size) - 1)))
                : IpAddress.V6(prefix.Network.Address.Bits | (offset & (size == 128 ? UInt128.MaxValue : (UInt128.One << size) - 1)));
            if (Fits(address))
            {
                return address;
            }
        }

        return null;

        bool Fits(IpAddress address) => prefix.Contains(address) && !address.IsMulticast && !(address.IsLinkLocal && address.IsV6) && !Array.Exists(prefixes, p => p.Length > prefix.Length && p.Contains(address));
    }
}
