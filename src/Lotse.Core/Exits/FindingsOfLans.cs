using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>Findings about the inner networks: their prefixes, and what their hosts are told.</summary>
internal static class FindingsOfLans
{
    public static IEnumerable<Finding> All(RouterModel model) =>
        [.. Announcements(model), .. Prefixes(model), .. Hints(model), .. Collisions(model)];

    private static IEnumerable<Finding> Announcements(RouterModel model)
    {
        if (model.DhcpPackage is null || !model.Exits.Any())
        {
            yield break;
        }

        foreach (var lan in model.Network!.Lans.Where(l => l.V6.Any()))
        {
            var told = model.AnnouncementOn(lan);
            // What keeps a public prefix off the network is told by the findings about prefixes.
            var ulaOnly = lan.V6.All(a => a.Prefix.Address.IsUniqueLocal) && !Without(model, lan.Name) && !Excluded(model, lan.Name);
            var first = lan.V6.First();
            if (told.Sends && told.RaDefault == 0 && ulaOnly)
            {
                yield return ExitsFindings.Make("exits/ula-only-no-default-router", Severity.Error, Certainty.Proven, lan.Name,
                    $"hosts of {lan.Name} are not told of a default router: they have only {first.Prefix.Network}", "a lifetime above 0 needs a prefix outside fc00::/7 unless ra_default is set; its log says \"no public prefix\"", "odhcpd router.c, send_router_advert",
                    [new Seen("ra_default is not set, or 0", told.Where), new Seen($"{first.Prefix.Network}", first.Where)],
                    new Remedy("take an inner prefix outside fc00::/7, which also makes hosts prefer IPv6", "lotse", "exits", "plan", "--method", "npt6"));
            }

            if (told.Sends && told.RaDefault > 0)
            {
                yield return ExitsFindings.Make("exits/ra-default-never-withdrawn", Severity.Warning, Certainty.Proven, lan.Name,
                    $"hosts of {lan.Name} are told of a default router even when the tunnel is down", $"ra_default {told.RaDefault} counts a default route as present, whatever the routes are: hosts keep trying IPv6 and wait for minutes", "odhcpd router.c: default_router",
                    [new Seen($"ra_default {told.RaDefault}", told.Where)],
                    new Remedy("take it away and give the network a prefix outside fc00::/7", "lotse", "exits", "plan"));
            }

            var hosts = lan.V6.Where(a => a.Prefix.Length <= 64).ToArray();
            if (told.Announced && hosts.Length > 0 && hosts.All(a => RouterModel.IPv4First(a.Prefix.Address)))
            {
                yield return ExitsFindings.Make("exits/ula-only-prefers-ipv4", Severity.Warning, Certainty.Proven, lan.Name,
                    $"hosts of {lan.Name} prefer IPv4 for the Internet: their only prefix is {first.Prefix.Network}", "source and destination have different labels, those of the IPv4 pair are equal: IPv4 comes first", "RFC 6724 section 6 rule 5, section 2.1: fc00::/7 has label 13, the Internet label 1",
                    [new Seen($"{first.Prefix.Network}", first.Where)],
                    new Remedy("take an inner prefix outside fc00::/7, for example dd00::/8 with random bits", "lotse", "exits", "plan", "--inner", "dd00"));
            }
        }
    }

    private static IEnumerable<Finding> Prefixes(RouterModel model)
    {
        foreach (var group in model.Network!.Unassigned.Where(u => u.Prefix.Interface != "local" && u.Prefix.Known).GroupBy(u => u.Prefix))
        {
            var without = group.Where(u => !IsTranslated(model, u.Interface)).Select(u => u.Interface).ToArray();
            var wanting = model.Network.Wishes.Where(w => w.Classes.Length == 0 || w.Classes.Contains(group.Key.Interface)).ToArray();
            if (without.Length > 0)
            {
                yield return ExitsFindings.Make("exits/more-lans-than-64s", Severity.Error, Certainty.Proven, string.Join(", ", without),
                    $"{group.Key.Prefix} is too small for {wanting.Length} networks: {string.Join(", ", without)} get{(without.Length == 1 ? "s" : "")} nothing", "each network with ip6assign takes a /64 of its own at least; what is left over goes without", "netifd interface-ip.c, interface_update_prefix_assignments; RFC 4862 section 5.5.3: SLAAC needs 64 bits",
                    [new Seen($"{group.Key.Prefix}", group.Key.Where), .. wanting.Select(w => new Seen($"ip6assign {w.Length} of {w.Name}", model.NetworkPackage!.Where(model.Network[w.Name]!.Section, "ip6assign")))],
                    new Remedy("keep the /64 for one network and translate the others into it", "lotse", "exits", "plan", "--method", "hybrid"));
            }
        }

        var public6 = Public(model);
        foreach (var wish in model.Network.Wishes.Where(w => Excluded(model, w.Name)))
        {
            var lan = model.Network[wish.Name]!;
            if (!IsTranslated(model, wish.Name))
            {
                yield return ExitsFindings.Make("exits/ip6class-excludes", Severity.Error, Certainty.Proven, wish.Name,
                    $"ip6class keeps the prefix {public6[0].Prefix} of {public6[0].Interface} off {wish.Name}", "only prefixes of the named interfaces are divided to it, and nothing translates what it has instead", "netifd interface-ip.c: the class of a prefix is the interface that brought it",
                    [new Seen($"ip6class {string.Join(' ', wish.Classes)}", model.NetworkPackage!.Where(lan.Section, "ip6class")), new Seen($"{public6[0].Prefix} of {public6[0].Interface}", public6[0].Where)],
                    new Remedy($"add list ip6class '{public6[0].Interface}', or remove ip6class"));
            }
        }
    }

    private static IEnumerable<Finding> Hints(RouterModel model)
    {
        var hinted = model.Network!.Wishes.Where(w => w.Hint >= 0 && w.Length is >= 48 and <= 64).ToArray();
        foreach (var group in hinted.Select((w, i) => hinted[i..].Where(o => Meet(w, o)).ToArray()).Where(g => g.Length > 1))
        {
            var names = group.Select(w => w.Name).ToArray();
            yield return ExitsFindings.Make("exits/same-ip6hint", Severity.Warning, Certainty.Proven, string.Join(", ", names),
                $"{string.Join(" and ", names)} want the same part {group[0].Hint:x} of the prefix", "the first by name gets it, the other another part: addresses that were meant to be fixed are not", "netifd interface-ip.c: \"Failed to assign requested subprefix\"",
                [.. group.Select(w => new Seen($"ip6hint {w.Hint:x}", model.NetworkPackage!.Where(model.Network[w.Name]!.Section, "ip6hint")))],
                new Remedy("give each network its own ip6hint"));
        }
    }

    private static IEnumerable<Finding> Collisions(RouterModel model)
    {
        foreach (var host in model.DhcpPackage?.OfType("host") ?? [])
        {
            if (!System.Numerics.BigInteger.TryParse("0" + (host.Text("hostid") ?? "z"), System.Globalization.NumberStyles.AllowHexSpecifier, null, out var id) || id <= 0 || id > ulong.MaxValue)
            {
                continue;
            }

            foreach (var lan in model.Network!.Lans)
            {
                if (RouterModel.HostOn(lan, (UInt128)id) is not { } source || model.RouteFor(source) is not { } route || model.Firewall is null)
                {
                    continue;
                }

                var packet = new Packet(lan.Device, route.Interface.Device, source, PacketPath.SomeServer, "tcp");
                var rule = model.Translates(packet);
                var seen = rule is { Verb: Verb.Masquerade } ? null : RouterModel.Seen(rule, packet, route.Interface);
                var own = route.Interface.V6.Where(a => a.Class.Length == 0).FirstOrDefault(a => a.Prefix.Address == seen) ?? lan.V6.FirstOrDefault(a => a.Prefix.Address == source);
                if (own is not null)
                {
                    yield return ExitsFindings.Make("exits/host-id-collides", Severity.Warning, Certainty.Proven, host.Text("name") ?? host.Reference,
                        $"the host {new Value(host.Text("name") ?? host.Reference, ValueKind.Host)} leaves {lan.Name} as {own.Prefix.Address}, which is the router's own address", "both share one address: what comes for it unasked goes to the router, never to the host", rule is null ? "netifd: the same address in the prefix" : "nf_nat_core.c: the host bits are kept",
                        [new Seen($"hostid {host.Text("hostid")}", model.DhcpPackage!.Where(host, "hostid")), new Seen($"{own.Prefix}", own.Where)],
                        new Remedy("give the host another hostid"));
                    break;
                }
            }
        }
    }

    /// <summary>Whether two wishes are for the same part of the same prefix.</summary>
    private static bool Meet(PrefixWish one, PrefixWish other)
    {
        static (long First, long Last) Part(PrefixWish wish) => (wish.Hint & -(1L << (64 - wish.Length)), wish.Hint | ((1L << (64 - wish.Length)) - 1));
        var (a, b) = (Part(one), Part(other));
        return a.First <= b.Last && b.First <= a.Last && (one.Classes.Length == 0 || other.Classes.Length == 0 || one.Classes.Intersect(other.Classes).Any());
    }

    /// <summary>The prefixes that exits bring.</summary>
    private static BroughtPrefix[] Public(RouterModel model) =>
        [.. model.Network!.Brought.Where(b => model.Exits.Any(e => e.Name == b.Interface || e.Device == model.Network[b.Interface]?.Device))];

    /// <summary>Whether a prefix was too small for a network.</summary>
    private static bool Without(RouterModel model, string name) =>
        model.Network!.Unassigned.Any(u => u.Interface == name && u.Prefix is { Interface: not "local", Known: true });

    /// <summary>Whether ip6class keeps every public prefix off a network.</summary>
    private static bool Excluded(RouterModel model, string name) =>
        Public(model) is { Length: > 0 } all && model.Network!.Wishes.FirstOrDefault(w => w.Name == name) is { Classes.Length: > 0 } wish
        && !all.Any(b => wish.Classes.Contains(b.Interface)) && !model.Network[name]!.V6.Any(a => a.Class.Length == 0 && !a.Prefix.Address.IsUniqueLocal);

    /// <summary>Whether what a network has is translated on its way out.</summary>
    private static bool IsTranslated(RouterModel model, string name) =>
        model.Network![name] is { } lan && RouterModel.HostOn(lan, PacketPath.SomeHost) is { } source && model.RouteFor(source) is { } route && model.Firewall is not null
        && model.Translates(new(lan.Device, route.Interface.Device, source, PacketPath.SomeServer, "tcp")) is not null;
}
