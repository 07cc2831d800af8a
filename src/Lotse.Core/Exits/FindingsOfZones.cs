namespace Lotse.Exits;

/// <summary>Findings about zones: which one the tunnel is in, and what they let through.</summary>
internal static class FindingsOfZones
{
    /// <summary>Neighbour solicitation and advertisement.</summary>
    private static readonly int[] Neighbours = [135, 136];

    public static IEnumerable<Finding> All(RouterModel model) => [.. Tunnel(model), .. Guests(model), .. Loops(model), .. Ipv4Only(model)];

    private static IEnumerable<Finding> Tunnel(RouterModel model)
    {
        var dropped = model.Firewall!.Dropped.Where(d => d.Section.Type == "zone").SelectMany(d => d.Section.Words("network").Select(w => w.Text)).ToHashSet();
        foreach (var exit in model.Network!.Tunnels)
        {
            var names = NamesOf(model, exit);
            var zones = ZonesOf(model, exit);
            if (zones.Length == 0 && model.Firewall.ZoneOfDevice(exit.Device) is null && !names.Any(dropped.Contains))
            {
                var near = model.Firewall.Zones.SelectMany(z => z.Section.Words("network").Select(w => (Zone: z, Word: w))).FirstOrDefault(w => w.Word.Text.Equals(exit.Name, StringComparison.OrdinalIgnoreCase));
                yield return ExitsFindings.Make("exits/tunnel-in-no-zone", Severity.Error, Certainty.Proven, exit.Name,
                    $"{exit.Name} is in no zone of the firewall{(near.Zone is null ? "" : $": zone {near.Zone.Name} names {near.Word.Text}, and case counts")}", "what no zone matches meets the default policy: nothing is forwarded into the tunnel, and nothing is translated", "firewall4 fw4.uc, parse_zone: a network of that name is looked up, a missing one is passed over",
                    near.Zone is null ? [new Seen($"zones: {string.Join(", ", model.Firewall.Zones.Select(z => z.Name))}", model.Facts.Firewall.Path)] : [new Seen($"list network {near.Word.Text}", $"{model.Facts.Firewall.Path}:{near.Word.Line}")],
                    new Remedy($"add list network '{exit.Name}' to the zone of the uplinks"));
            }
            else if (zones.Length > 1)
            {
                yield return ExitsFindings.Make("exits/tunnel-in-two-zones", Severity.Error, Certainty.Proven, exit.Name,
                    $"{exit.Name} is in the zones {string.Join(" and ", zones.Select(z => z.Name))}: {zones[0].Name} wins", "the first zone whose device matches takes the packet; rules and translation of the others never see it", "firewall4 templates/ruleset.uc: zones are asked in the order of the file",
                    [.. zones.Select(z => new Seen($"zone {z.Name}", model.FirewallPackage!.Where(z.Section, "network")))],
                    new Remedy("leave it in one zone"));
            }
        }
    }

    private static string[] NamesOf(RouterModel model, NetworkInterface exit) => [.. model.Network!.Interfaces.Where(i => i.Device == exit.Device).Select(i => i.Name)];

    private static FirewallZone[] ZonesOf(RouterModel model, NetworkInterface exit)
    {
        var names = NamesOf(model, exit);
        return [.. model.Firewall!.Zones.Where(z => z.Networks.Any(names.Contains) || z.Matches.Any(m => m.Devices.Contains(exit.Device)))];
    }

    private static IEnumerable<Finding> Guests(RouterModel model)
    {
        foreach (var lan in model.Network!.Lans)
        {
            var zone = model.Firewall!.ZoneOfDevice(lan.Device);
            if (zone is null || zone.Input == "accept")
            {
                continue;
            }

            var source = RouterModel.HostOn(lan, PacketPath.SomeHost) ?? Formats.IpAddress.Parse("fe80::a1");
            var refused = Neighbours.Select(type => model.Firewall.Ask("input", new Packet(lan.Device, null, source, Formats.IpAddress.Parse("fe80::1"), "ipv6-icmp") { Icmp = type })).FirstOrDefault(p => p.Verdict is "drop" or "reject");
            if (refused is not null)
            {
                yield return ExitsFindings.Make("exits/guest-without-nd", Severity.Error, Certainty.Proven, zone.Name,
                    $"zone {zone.Name} refuses neighbour discovery: IPv6 of {lan.Name} works for some seconds, then stops", "neighbour solicitations and advertisements are no known connection for conntrack; with input refused they need a rule", "RFC 4861; RFC 4890 section 4.4.1; conntrack does not track them",
                    [new Seen($"input {zone.Input.ToUpperInvariant()}", model.FirewallPackage!.Where(zone.Section, "input"))],
                    new Remedy("add a rule: src " + zone.Name + ", proto icmp, family ipv6, icmp_type neighbour-solicitation, neighbour-advertisement, router-solicitation, target ACCEPT"));
            }
        }
    }

    private static IEnumerable<Finding> Loops(RouterModel model)
    {
        foreach (var exit in model.Exits.Where(e => ZonesOf(model, e).Length < 2))
        {
            var outside = model.OuterPrefixes.Select(p => p.At(0xdead_beef)).FirstOrDefault();
            if (model.Firewall!.ZoneOfDevice(exit.Device) is not { } zone || outside == default)
            {
                continue;
            }

            var passage = model.Firewall.Ask("forward", new Packet(exit.Device, exit.Device, PacketPath.SomeServer, outside, "tcp"));
            if (passage.Verdict == "accept")
            {
                yield return ExitsFindings.Make("exits/wan-forward-accept", Severity.Error, Certainty.Proven, zone.Name,
                    $"zone {zone.Name} forwards to itself: packets to unused addresses go round between both ends of {exit.Name}", "the far end sends the outer prefix into the tunnel, the default route sends it back, until the hop limit is used up: one packet from outside becomes many", "firewall4: forward ACCEPT of a zone is between its own devices",
                    [new Seen($"{new Value(passage.By?.Text() ?? "policy accept", ValueKind.Plain)}", passage.By?.Origin.Where is { Length: > 0 } where ? where : model.FirewallPackage!.Where(zone.Section, "forward"))],
                    new Remedy($"set option forward 'REJECT' in zone {zone.Name}"));
            }
        }
    }

    private static IEnumerable<Finding> Ipv4Only(RouterModel model)
    {
        foreach (var zone in model.Firewall!.Zones.Where(z => z.Family == 4))
        {
            var exit = model.Exits.FirstOrDefault(e => zone.Networks.Any(n => model.Network![n]?.Device == e.Device));
            if (zone.Masq6 || exit is not null)
            {
                yield return ExitsFindings.Make("exits/zone-ipv4-only-masq6", Severity.Error, Certainty.Proven, zone.Name,
                    zone.Masq6 ? $"zone {zone.Name} is for IPv4 only, so its masq6 never happens" : $"zone {zone.Name} is for IPv4 only, and {exit!.Name} in it is the exit of IPv6", "its rules match IPv4 alone; IPv6 on its devices is in no zone and meets the default policy", "firewall4 fw4.uc, parse_zone: family restricts every rule of the zone",
                    [new Seen($"family {zone.Section.Text("family")}", model.FirewallPackage!.Where(zone.Section, "family"))],
                    new Remedy("remove option family from the zone"));
            }
        }
    }
}
