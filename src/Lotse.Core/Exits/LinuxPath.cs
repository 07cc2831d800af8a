using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>
/// The way of a packet through a plain Linux router, by its own files and, where it could be asked, its routes, addresses
/// and ruleset: the same hops as <see cref="PacketPath"/> has for OpenWrt. Pure.
/// </summary>
internal sealed class LinuxPath
{
    private const string Conntrack = "nf_conntrack: answers to a connection that went out are let in as such, and turned back before they are routed";
    private readonly LinuxRouter router;
    private readonly FarFacts? state;
    private readonly LiveRoute[]? live;
    private readonly Firewall[] tables;
    private readonly List<Reason> hops = [];

    private LinuxPath(ExitsFacts facts)
    {
        (router, state) = (facts.Linux!, facts.Far);
        live = state?.Routes is { } routes ? [.. LiveRoutes.Parse(routes)] : null;
        tables = [.. Tables(router)];
    }

    /// <summary>A packet of a host of each network.</summary>
    public static IEnumerable<PacketPath> All(ExitsFacts facts, IpAddress to)
    {
        var path = new LinuxPath(facts);
        return facts.Linux!.Lans.Select(l => path.Of(l, null, to));
    }

    /// <summary>One packet; null where no network has the source.</summary>
    public static PacketPath? One(ExitsFacts facts, IpAddress from, IpAddress to)
    {
        var path = new LinuxPath(facts);
        return facts.Linux!.Lans.FirstOrDefault(l => path.Own(l.Device).Any(a => a.Prefix.Length < 128 && a.Prefix.Contains(from))) is { } lan ? path.Of(lan, from, to) : null;
    }

    private PacketPath Of(LinuxNetwork lan, IpAddress? from, IpAddress to)
    {
        hops.Clear();
        var inside = Named(lan.Device, "static", [.. Own(lan.Device)]);
        var source = from ?? RouterModel.HostOn(inside, PacketPath.SomeHost);
        PacketPath End(IpAddress? seen = null, NftRule? rule = null, NetworkInterface? exit = null) => new(inside, source, to, seen, rule, exit, [.. hops]);
        if (source is null)
        {
            var delegated = Set(lan, "DHCPPrefixDelegation", "Network") is { Line.IsYes: true } asked ? asked.Where : null;
            hops.Add(new($"hosts of {lan.Device} get an address of IPv6", delegated is null ? Verdict.No : Verdict.Unknown, "systemd.network(5): Address= and [IPv6Prefix], or DHCPPrefixDelegation=", new Seen(delegated is null ? "no address of IPv6" : "a part of a delegated prefix, which is not known here", delegated ?? lan.Path)));
            return End();
        }

        hops.Add(new($"a host of {lan.Device} sends from {source.Value}", Verdict.Yes, "RFC 4862; RFC 6724 chooses among several", [.. inside.V6.Where(a => a.Prefix.Contains(source.Value)).Select(a => new Seen($"{a.Prefix}", a.Where)).Take(2)]));
        hops.Add(Announced(lan));
        hops.Add(Forwarding());
        if (Route(source.Value, to) is not { } route)
        {
            hops.Add(NoRoute(to));
            return End();
        }

        hops.Add(new($"the route to {to} leads to {route.Device}", Verdict.Yes, "ip-route(8)", route.Seen));
        var packet = new Packet(lan.Device, route.Device, source.Value, to, "tcp");
        Forwarded(packet);
        var exit = Named(route.Device, route.Device == router.Tunnel.Device ? "wireguard" : "", [.. Own(route.Device)]);
        var (rule, seen) = Rewritten(packet, exit);
        if (route.Device == router.Tunnel.Device)
        {
            Tunnel(to, seen);
        }

        Back(lan, exit, source.Value, rule);
        return End(hops.Any(h => h.Verdict == Verdict.No) ? null : seen, rule, exit);
    }

    /// <summary>What the router is for hosts: announced by systemd-networkd, radvd or dnsmasq.</summary>
    private Reason Announced(LinuxNetwork lan)
    {
        var sends = Set(lan, "IPv6SendRA", "Network") ?? Set(lan, "IPv6PrefixDelegation", "Network");
        var lifetime = Set(lan, "RouterLifetimeSec", "IPv6SendRA", "IPv6PrefixDelegation");
        var other = router.Units.Where(u => u.Path == "/etc/radvd.conf").SelectMany(u => Lines(u, $"interface {lan.Device}")).Concat(router.Units.Where(u => u.Path == "/etc/dnsmasq.conf").SelectMany(u => Lines(u, "enable-ra"))).FirstOrDefault();
        var holds = (sends is { } on && on.Line.IsYes && lifetime?.Line.Value is not ("0" or "0s")) || other is not null;
        return new($"hosts of {lan.Device} are told that this router leads to the Internet", holds ? Verdict.Yes : Verdict.No, "systemd.network(5): IPv6SendRA= is off unless it is set, RouterLifetimeSec=0 is no default router; radvd.conf(5); dnsmasq(8)",
            other ?? (sends is { } set ? new Seen($"IPv6SendRA={set.Line.Value}{(lifetime is { } time ? $", RouterLifetimeSec={time.Line.Value}" : "")}", set.Where) : new Seen("IPv6SendRA= is not set", lan.Path)));
    }

    private Reason Forwarding()
    {
        var byNetworkd = router.Networks.Select(n => Set(n, "IPv6Forwarding", "Network") ?? Set(n, "IPForward", "Network")).FirstOrDefault(f => f is { } set && (set.Line.IsYes || set.Line.Value == "ipv6"));
        var known = state?.Forwarding;
        return known is null && byNetworkd is { } set
            ? new("the router forwards IPv6", Verdict.Yes, "systemd.network(5): IPForward= sets it for all", new Seen($"{set.Line.Key}={set.Line.Value}", set.Where))
            : new("the router forwards IPv6", known switch { true => Verdict.Yes, false => Verdict.No, _ => Verdict.Unknown }, "net.ipv6.conf.all.forwarding is 0 unless something sets it", new Seen(known is { } value ? $"forwarding {(value ? 1 : 0)}" : (Text)"nothing sets it", state?.ForwardingWhere ?? "/etc/sysctl.d"));
    }

    /// <summary>The route that a packet takes: the longest that holds its destination; where the kernel was not asked, of the files.</summary>
    private (string Device, Seen Seen)? Route(IpAddress source, IpAddress to)
    {
        if (live is not null)
        {
            var best = live.Where(r => r.Destination.Contains(to) && (r.Source is null || (IpPrefix.TryParse(r.Source, out var only) && only.Contains(source))))
                .OrderByDescending(r => r.Destination.Length).ThenBy(r => r.Source is null ? 1 : 0).FirstOrDefault();
            return best is { Kind: "unicast", Device.Length: > 0 } ? (best.Device, new Seen($"{new Value(best.Line, ValueKind.Plain)}", "ip -6 route show")) : null;
        }

        return Written().Where(r => r.To.Contains(to)).OrderByDescending(r => r.To.Length).Select(r => ((string, Seen)?)(r.Device, r.Seen)).FirstOrDefault();
    }

    private IEnumerable<(IpPrefix To, string Device, Seen Seen)> Written()
    {
        foreach (var network in router.Networks)
        {
            foreach (var part in Lines(network.Path).Where(l => l.Line.Section == "Route").GroupBy(l => (l.Where[..l.Where.LastIndexOf(':')], l.Line.Part)))
            {
                string? Value(string key) => part.LastOrDefault(l => l.Line.Is(key, "Route")).Line?.Value;
                var gateway = Value("Gateway");
                var to = Value("Destination") ?? (gateway is not null && IpAddress.TryParse(gateway, out var next) && next.IsV6 ? "::/0" : null);
                if (IpPrefix.TryParse(to, out var prefix) && prefix.Address.IsV6 && Value("Type") is null or "unicast")
                {
                    yield return (prefix, network.Device, new Seen($"Destination={prefix}", part.First().Where));
                }
            }

            if (Lines(network.Path).LastOrDefault(l => l.Line.Is("Gateway", "Network") && IpAddress.TryParse(l.Line.Value, out var next) && next.IsV6) is { Line: not null } direct)
            {
                yield return (IpPrefix.Parse("::/0"), network.Device, new Seen($"Gateway={direct.Line.Value}", direct.Where));
            }
        }

        // wg-quick(8) makes a route of each of AllowedIPs unless Table=off; systemd.netdev(5) with RouteTable= alone.
        var tunnel = Lines(router.Tunnel.Path).ToArray();
        var table = tunnel.LastOrDefault(l => l.Line.Is("Table", "Interface") || l.Line.Is("RouteTable", "WireGuard", "WireGuardPeer")).Line?.Value;
        var makes = router.Tunnel.IsQuick ? table is null or "auto" or "main" : table is "main" or "default";
        foreach (var allowed in makes ? router.Tunnel.Allowed : [])
        {
            if (IpPrefix.TryParse(allowed, out var prefix) && prefix.Address.IsV6)
            {
                yield return (prefix, router.Tunnel.Device, new Seen($"AllowedIPs {prefix}", router.Tunnel.AllowedWhere));
            }
        }
    }

    private Reason NoRoute(IpAddress to)
    {
        var asks = router.Networks.FirstOrDefault(n => n.IsUplink && live is null && (Set(n, "IPv6AcceptRA", "Network") is { Line.IsYes: true } || Set(n, "DHCP", "Network") is { Line.Value: "yes" or "ipv6" or "true" }));
        return asks is null
            ? new($"the router has a route to {to}", Verdict.No, "ip-route(8); systemd.netdev(5) makes no routes of AllowedIPs without RouteTable=, wg-quick(8) does", new Seen(live is null ? "no [Route] and no Gateway= holds it" : "none holds it", live is null ? LinuxRouter.Folder : "ip -6 route show"))
            : new($"the router has a route to {to}", Verdict.Unknown, "systemd.network(5): the uplink may announce one", new Seen($"{asks.Device} asks for it", asks.Path));
    }

    /// <summary>Every base chain at the hook is asked: one that drops is enough.</summary>
    private void Forwarded(Packet packet)
    {
        var seen = new List<Seen>();
        var verdict = Verdict.Yes;
        foreach (var (table, chain) in At("filter", "forward"))
        {
            var passage = table.Ask(chain.Name, packet);
            var by = passage.By is { } rule ? new Seen($"{new Value(rule.Text(), ValueKind.Plain)}", rule.Origin.Where) : new Seen($"policy {chain.Policy} of chain {chain.Name}", Source);
            if (passage.Verdict is null or "drop" or "reject")
            {
                (verdict, seen) = (passage.Verdict is null ? Verdict.Unknown : Verdict.No, [by]);
                if (verdict == Verdict.No)
                {
                    break;
                }
            }
            else if (verdict == Verdict.Yes)
            {
                seen.Add(by);
            }
        }

        hops.Add(new($"the firewall forwards from {packet.In} to {packet.Out}", verdict, "nft(8): a packet passes every base chain of a hook, and one that drops it is enough", seen.Count > 0 ? [.. seen] : [new Seen("no chain at the hook forward", Source)]));
    }

    private (NftRule? Rule, IpAddress? Seen) Rewritten(Packet packet, NetworkInterface exit)
    {
        if (router.Written.FirstOrDefault(w => w.Path == LinuxPlan.Unit)?.Text is { } unit && Stateless(unit) is { } pair && pair.Inner.Contains(packet.Source))
        {
            var outer = pair.Neutral(packet.Source);
            hops.Add(new($"the source becomes {outer?.ToString() ?? "nothing"} (RFC 6296: {pair.Inner} for {pair.Outer}, checksum-neutral)", outer is null ? Verdict.No : Verdict.Yes, "net/ipv6/netfilter/ip6t_NPT.c", new Seen($"SNPT --src-pfx {pair.Inner} --dst-pfx {pair.Outer}", LinuxPlan.Unit)));
            return (null, outer);
        }

        foreach (var (table, chain) in At("nat", "postrouting"))
        {
            if (table.Ask(chain.Name, packet) is { By: { Verb: Verb.Masquerade or Verb.SnatAddress or Verb.SnatPrefix or Verb.Opaque } rule })
            {
                var seen = RouterModel.Seen(rule, packet, exit);
                hops.Add(new(seen is { } outer ? $"the source becomes {outer}" : (Text)"the source becomes something that cannot be foretold", seen is null ? Verdict.Unknown : Verdict.Yes, "net/netfilter/nf_nat_core.c", new Seen($"{new Value(rule.Text(), ValueKind.Plain)}", rule.Origin.Where)));
                return (rule, seen);
            }
        }

        hops.Add(new($"the source stays {packet.Source}", Verdict.Yes, "no rule of a postrouting chain matches", new Seen("nat chains", Source)));
        return (null, packet.Source);
    }

    private void Tunnel(IpAddress to, IpAddress? seen)
    {
        var allowed = router.Tunnel.Allowed.Select(a => IpPrefix.TryParse(a, out var p) ? p : (IpPrefix?)null).OfType<IpPrefix>().ToArray();
        var takes = allowed.Any(a => a.Contains(to));
        hops.Add(new(takes ? $"the peer takes packets for {to}" : (Text)$"a peer of {router.Tunnel.Device} may have packets for {to}", takes ? Verdict.Yes : Verdict.No, "wireguard drivers/net/wireguard/allowedips.c: a packet goes to the peer whose allowed IPs hold its destination, else nowhere", new Seen($"AllowedIPs {string.Join(", ", router.Tunnel.Allowed)}", router.Tunnel.AllowedWhere)));
        if (seen is not { } outer)
        {
            return;
        }

        // What the files show of the outer prefix: around the tunnel's address, what rules translate into, what ends in an unreachable route.
        var known = Own(router.Tunnel.Device).Where(a => a.Prefix.Address is { IsV6: true, IsLinkLocal: false, IsUniqueLocal: false }).Select(a => new IpPrefix(a.Prefix.Address, Math.Min(64, a.Prefix.Length)).Network)
            .Concat(At("nat", "postrouting").SelectMany(c => c.Chain.Rules).Where(r => r.To is { V6: true }).Select(r => new IpPrefix(r.To!.Low, 64).Network))
            .Concat(router.Networks.SelectMany(n => Lines(n.Path)).Where(l => l.Line.Is("Destination", "Route")).Select(l => IpPrefix.TryParse(l.Line.Value, out var p) ? p : (IpPrefix?)null).OfType<IpPrefix>().Where(p => p.Address.IsV6 && p.Length is >= 16 and <= 64))
            .Distinct().ToArray();
        var inside = known.Any(p => p.Contains(outer));
        hops.Add(new(inside ? $"{outer} is an address that the far end sends into the tunnel" : (Text)$"{outer} is an address of the far end's prefix", inside ? Verdict.Yes : RouterModel.IPv4First(outer) || outer.Bits >> 120 == 0xdd ? Verdict.No : Verdict.Unknown, "the far end's allowed IPs and its routes hold the outer prefix only; other sources are dropped there, silently", [.. known.Select(p => new Seen($"outer prefix {p}", router.Tunnel.Path)).DefaultIfEmpty(new Seen("no outer prefix is known", router.Tunnel.Path))]));
    }

    private void Back(LinuxNetwork lan, NetworkInterface exit, IpAddress source, NftRule? rule)
    {
        var shadow = rule is null ? exit.V6.FirstOrDefault(a => a.Prefix.Length < 128 && a.Prefix.Contains(source)) : null;
        hops.Add(shadow is null
            ? new($"the answer returns{(rule is null ? "" : ", turned back to " + source)} and is routed to {lan.Device}", Verdict.Yes, rule is null ? "ip-route(8)" : Conntrack)
            : new($"the answer is routed to {lan.Device}", Verdict.No, "net/ipv6/route.c: of two equal routes the one on the device that the packet came in by wins: it goes back into the tunnel", new Seen($"{shadow.Prefix} on {exit.Name}", shadow.Where)));
    }

    private string Source => router.Ruleset?.Text is null ? "/etc/nftables.conf" : router.Ruleset.Command;

    /// <summary>Base chains of IPv6 at a hook, by priority.</summary>
    private IEnumerable<(Firewall Table, NftChain Chain)> At(string type, string hook) =>
        tables.SelectMany(t => t.Chains.Where(c => c.Hook is { } h && h.StartsWith($"type {type} hook {hook} ", StringComparison.Ordinal)).Select(c => (t, c))).OrderBy(c => RouterModel.Priority(c.c));

    private static IEnumerable<Firewall> Tables(LinuxRouter router)
    {
        var sources = router.Ruleset?.Text is { } live ? [(router.Ruleset.Command, live)] : router.Included.Where(i => i.Text is not null).Select(i => (i.Path, i.Text!)).Prepend(("/etc/nftables.conf", router.Nftables ?? ""));
        foreach (var (path, text) in sources)
        {
            foreach (var (family, chains) in NftText.Tables(path, text).Where(t => t.Family is "ip6" or "inet"))
            {
                var table = new Firewall();
                foreach (var chain in chains)
                {
                    table.Add(chain.Name, chain.Hook, chain.Policy).Rules.AddRange(chain.Rules);
                }

                yield return table;
            }
        }
    }

    /// <summary>Addresses by the files, drop-ins included, and by the kernel.</summary>
    private IEnumerable<InterfaceAddress> Own(string device) =>
        router.Networks.Where(n => n.Device == device).SelectMany(n => Lines(n.Path)).Where(l => l.Line.Is("Address", "Network", "Address")).Concat(router.Tunnel.Device == device ? Lines(router.Tunnel.Path).Where(l => l.Line.Is("Address", "Interface")) : [])
            .SelectMany(l => l.Line.Words.Select(w => (Word: w, l.Where)))
            .Concat((state?.Addresses ?? []).Where(a => a.Device == device && a.Where.StartsWith("ip ", StringComparison.Ordinal)).Select(a => (a.Prefix, a.Where)))
            .Select(a => IpPrefix.TryParse(a.Item1, out var prefix) && prefix.Address is { IsV6: true, IsLinkLocal: false } ? new InterfaceAddress(prefix, "", a.Item2) : null)
            .OfType<InterfaceAddress>().DistinctBy(a => a.Prefix);

    private static NetworkInterface Named(string device, string protocol, List<InterfaceAddress> addresses)
    {
        var made = new NetworkInterface(new UciSection("network", device, false, 0, 1, []), device, protocol, device);
        made.Addresses.AddRange(addresses);
        return made;
    }

    /// <summary>A setting of a network: the last that is given, drop-ins behind the file (systemd.unit(5)).</summary>
    private (IniLine Line, string Where)? Set(LinuxNetwork network, string key, params string[] sections) =>
        Lines(network.Path).Where(l => sections.Any(s => l.Line.Is(key, s))).Select(l => ((IniLine, string)?)l).LastOrDefault();

    private IEnumerable<(IniLine Line, string Where)> Lines(string path) =>
        router.Units.Where(u => u.Path == path || u.Path.StartsWith(path + ".d/", StringComparison.Ordinal)).Where(u => u.Text is not null).SelectMany(u => IniLine.Read(u.Text!).Select(l => (l, $"{u.Path}:{l.Number}")));

    private static IEnumerable<Seen> Lines(ReadText file, string start) =>
        (file.Text ?? "").Split('\n').Select((l, i) => (Line: l.Trim(), Number: i + 1)).Where(l => l.Line == start || l.Line.StartsWith(start + " ", StringComparison.Ordinal) || l.Line.StartsWith(start + "{", StringComparison.Ordinal)).Select(l => new Seen($"{new Value(l.Line.TrimEnd('{', ' '), ValueKind.Plain)}", $"{file.Path}:{l.Number}"));

    private static PrefixTranslation? Stateless(string unit)
    {
        var words = unit.Split('\n').FirstOrDefault(l => l.StartsWith("ExecStart=", StringComparison.Ordinal) && l.Contains("SNPT", StringComparison.Ordinal))?.Split(' ') ?? [];
        string? After(string word) => Array.IndexOf(words, word) is > 0 and var at && at + 1 < words.Length ? words[at + 1] : null;
        return IpPrefix.TryParse(After("--src-pfx"), out var inner) && IpPrefix.TryParse(After("--dst-pfx"), out var outer) ? new(inner, outer) : null;
    }
}
