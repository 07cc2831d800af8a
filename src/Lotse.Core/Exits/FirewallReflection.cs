using Lotse.Formats;

namespace Lotse.Exits;

/// <content>Port forwards for those inside who ask for the outer address (fw4.uc, parse_redirect, "reflection rules").</content>
internal sealed partial class FirewallBuild
{
    /// <summary>Two rules for each family that the outer zone masquerades: to the inner host, and back by the router.</summary>
    /// <param name="section">The redirect.</param>
    /// <param name="source">The outer zone.</param>
    /// <param name="destination">The inner zone, unless reflection_zone names others.</param>
    /// <param name="protocol">As nft spells it; null for all.</param>
    /// <param name="port">The inner port as written; null: none.</param>
    /// <param name="origin">Where the redirect stands.</param>
    private void Reflect(UciSection section, FirewallZone source, FirewallZone destination, string? protocol, string? port, RuleOrigin origin)
    {
        var outside = section.Words("src_dip").Select(w => FirewallOptions.Inverted(w.Text)).Select(s => (s.Not, Set: Addresses(s.Text))).ToArray();
        var inside = section.Words("dest_ip").SelectMany(w => Addresses(w.Text)).ToArray();
        var zones = section["reflection_zone"] is null ? [destination] : section.Words("reflection_zone").Select(w => Zone(w.Text)).OfType<FirewallZone>();
        var external = section.Text("reflection_src") is { Length: > 0 } how && "external".StartsWith(how, StringComparison.OrdinalIgnoreCase);
        foreach (var zone in zones)
        {
            foreach (var family in Families.Where(f => f == 4 ? source.Masq : source.Masq6))
            {
                bool Fits(IpPrefix prefix) => prefix.Address.IsV6 == (family == 6);
                var target = inside.Where(a => a.V6 == (family == 6)).ToArray();
                var own = Related(zone).Where(Fits).ToArray();
                var asked = outside.Length > 0 ? Sets(outside, false, family) : [.. Related(source).Where(Fits).Select(p => Set(new IpPrefix(p.Address, p.Address.Size)))];
                var not = Sets(outside, true, family);
                if (target.Length == 0 || own.Length == 0 || asked.Length + not.Length == 0)
                {
                    continue;
                }

                var router = external ? asked.Concat(not).First().Low : own.FirstOrDefault(p => p.Contains(target[0].Low), own[0]).Address;
                var ports = protocol is "tcp" or "udp";
                var number = ports && port is not null ? FirewallOptions.Port(port) : null;
                var one = new NftRule { Family = family, Protocol = protocol == "all" ? null : protocol, Source = [.. own.Select(Set)], Also = Limit(section), Conditional = Timed(section), Origin = origin with { What = $"{origin.What} (reflection)" } };
                zone.Needs.UnionWith(["dnat", "snat"]);
                Rules($"dstnat_{zone.Name}").Add(one with
                {
                    Destination = asked,
                    DestinationNot = not,
                    SourcePorts = ports ? Ports(section, "src_port") : [],
                    DestinationPorts = ports ? Ports(section, "src_dport") : [],
                    Verb = Verb.DnatAddress,
                    To = target[0] with { High = target[0].Low, Length = target[0].Low.Size },
                    ToPort = number?.Low ?? 0,
                });
                Rules($"srcnat_{zone.Name}").Add(one with
                {
                    Destination = target,
                    DestinationPorts = number is { } range ? [range] : [],
                    Verb = Verb.SnatAddress,
                    To = new(router, router, router.Size),
                });
            }
        }
    }

    /// <summary>The zone that holds an address, for a redirect that names none.</summary>
    private FirewallZone? Holder(AddressSet? to) => to is null ? null : made.Zones.FirstOrDefault(z => Related(z).Any(p => p.Address.IsV6 == to.V6 && p.Contains(to.Low)));

    /// <summary>A zone's addresses and subnets (fw4.uc, related_subnets).</summary>
    private IEnumerable<IpPrefix> Related(FirewallZone zone) =>
        zone.Networks.SelectMany(n => network(n)?.Addresses ?? [])
            .Concat(zone.Section.Words("subnet").Select(w => FirewallOptions.Inverted(w.Text).Text).SelectMany(t => IpPrefix.TryParse(t, out var prefix) ? [prefix] : network(t)?.Addresses ?? []));
}
