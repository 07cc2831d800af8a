using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>The way of a packet from an inner network to the Internet and of its answer back.</summary>
/// <param name="Lan">The network it starts in.</param>
/// <param name="Source">The host's address; null: it has none.</param>
/// <param name="Destination">Where it goes.</param>
/// <param name="Seen">The source that the server sees; null: it cannot be foretold, or nothing arrives.</param>
/// <param name="Rule">The rule that rewrote it.</param>
/// <param name="Exit">The exit that it takes.</param>
/// <param name="Hops">What decided at each hop.</param>
internal sealed record PacketPath(NetworkInterface Lan, IpAddress? Source, IpAddress Destination, IpAddress? Seen, NftRule? Rule, NetworkInterface? Exit, Reason[] Hops)
{
    /// <summary>Whether the server is reached and its answer returns.</summary>
    public Verdict Works => Hops.Any(h => h.Verdict == Verdict.No) ? Verdict.No : Hops.Any(h => h.Verdict == Verdict.Unknown) ? Verdict.Unknown : Verdict.Yes;

    /// <summary>A destination that stands for the Internet (RFC 3849: nobody has it).</summary>
    public static IpAddress SomeServer { get; } = IpAddress.Parse("2001:db8:ffff::10");

    /// <summary>The same of IPv4 (RFC 5737).</summary>
    public static IpAddress SomeServer4 { get; } = IpAddress.Parse("198.51.100.10");

    /// <summary>The number of a host that stands for all of a network.</summary>
    public static UInt128 SomeHost => 0xa1;

    /// <summary>Follows a packet.</summary>
    /// <param name="model">The router.</param>
    /// <param name="lan">The network.</param>
    /// <param name="from">The host; null: one that stands for all.</param>
    /// <param name="to">The server.</param>
    public static PacketPath Of(RouterModel model, NetworkInterface lan, IpAddress? from, IpAddress to)
    {
        var hops = new List<Reason>();
        var source = from ?? RouterModel.HostOn(lan, SomeHost);
        PacketPath End(IpAddress? seen = null, NftRule? rule = null, NetworkInterface? exit = null) => new(lan, source, to, seen, rule, exit, [.. hops]);
        if (!Host(model, lan, source, hops))
        {
            return End();
        }

        Neighbours(model, lan, source!.Value, hops);
        var route = model.RouteFor(source.Value);
        if (route is null)
        {
            hops.Add(new($"the router has a default route for packets from {source.Value}", Verdict.No, "ip-route(8); netifd makes routes of allowed_ips only with route_allowed_ips, and of a DHCPv6 uplink only for the uplink's own prefix", NoRoute(model)));
            return End();
        }

        var exit = route.Interface;
        hops.Add(new($"the default route leads to {exit.Device}", Verdict.Yes, "ip-route(8)", new Seen($"default dev {exit.Device}", route.Where)));
        var packet = new Packet(lan.Device, exit.Device, source.Value, to, "tcp");
        Forwarded(model, packet, exit, hops);
        var rule = model.Firewall is null ? null : model.Translates(packet);
        var seen = model.Firewall is null ? null : RouterModel.Seen(rule, packet, exit);
        hops.Add(Rewritten(model, source.Value, rule, seen, exit));
        Tunnel(model, exit, to, hops);
        Far(model, exit, seen, hops);
        Back(model, lan, exit, source.Value, rule, hops);
        return End(hops.Any(h => h.Verdict == Verdict.No) ? null : seen, rule, exit);
    }

    private static bool Host(RouterModel model, NetworkInterface lan, IpAddress? source, List<Reason> hops)
    {
        if (source is null)
        {
            hops.Add(new($"hosts of {lan.Name} get an address of IPv6", Verdict.No, "netifd interface-ip.c: ip6assign takes a part of each delegated prefix and of ula_prefix", new Seen("no prefix is left for it, or ip6class keeps it off", model.NetworkPackage!.Where(lan.Section))));
            return false;
        }

        hops.Add(new($"a host of {lan.Name} sends from {source.Value}", Verdict.Yes, "RFC 4862; RFC 6724 chooses among several", [.. lan.V6.Where(a => a.Prefix.Contains(source.Value)).Select(a => new Seen($"{a.Prefix} of {(a.Class.Length == 0 ? "the file" : a.Class)}", a.Where))]));
        if (model.DhcpPackage is null)
        {
            hops.Add(new($"hosts of {lan.Name} have a default router", Verdict.Unknown, "odhcpd", new Seen("could not be read or is refused", model.Facts.Dhcp.Path)));
            return true;
        }

        var told = model.AnnouncementOn(lan);
        hops.Add(new(
            told.Announced ? $"hosts of {lan.Name} are told that this router leads to the Internet" : $"hosts of {lan.Name} have a default router",
            told.Announced ? Verdict.Yes : Verdict.No,
            told.Sends || told.Announced ? "odhcpd router.c: a lifetime above 0 needs a default route and a prefix outside fc00::/7, or ra_default" : "odhcpd sends announcements with ra server only",
            new Seen($"ra_default {told.RaDefault}", told.Where)));
        return told.Announced;
    }

    private static void Neighbours(RouterModel model, NetworkInterface lan, IpAddress source, List<Reason> hops)
    {
        if (model.Firewall is null)
        {
            return;
        }

        foreach (var (type, what) in new[] { (135, "a neighbour solicitation for the router"), (136, "the host's answer to the router's own") })
        {
            var passage = model.Firewall.Ask("input", new Packet(lan.Device, null, source, IpAddress.Parse("fe80::1"), "ipv6-icmp") { Icmp = type });
            if (passage.Verdict != "accept")
            {
                hops.Add(new($"{what} from {lan.Name} is let in", passage.Verdict is null ? Verdict.Unknown : Verdict.No, "neighbour discovery is never a known connection for conntrack (RFC 4861): without a rule it is refused when the neighbour cache is empty", By(passage)));
            }
        }
    }

    private static void Forwarded(RouterModel model, Packet packet, NetworkInterface exit, List<Reason> hops)
    {
        if (model.Firewall is null && model.Loaded is not null)
        {
            hops.Add(new("the firewall lets it through", Verdict.No, "firewall4: of a file that is refused it makes no zones, and drops", new Seen("refused", model.Facts.Firewall.Path)));
            return;
        }

        if (model.Firewall is null)
        {
            hops.Add(new("the firewall lets it through", Verdict.Unknown, "/etc/config/firewall could not be read or is refused"));
            return;
        }

        var zone = model.Firewall.ZoneOfDevice(packet.In!)?.Name ?? "no zone";
        var passage = model.Firewall.Ask("forward", packet);
        hops.Add(new(
            $"the firewall forwards from {packet.In} ({zone}) to {exit.Device} ({model.Firewall.ZoneOfDevice(exit.Device)?.Name ?? "no zone"})",
            passage.Verdict switch { "accept" => Verdict.Yes, null => Verdict.Unknown, _ => Verdict.No },
            "firewall4 templates/ruleset.uc, chain forward",
            By(passage)));
    }

    private static Reason Rewritten(RouterModel model, IpAddress source, NftRule? rule, IpAddress? seen, NetworkInterface exit)
    {
        if (rule is null)
        {
            return new($"the source stays {source}", Verdict.Yes, "no rule of a postrouting chain matches", new Seen("chain srcnat", model.Facts.Firewall.Path));
        }

        var how = rule.Verb switch
        {
            Verb.Masquerade => $"masquerade: the address of {exit.Device}",
            Verb.SnatPrefix => $"prefix replaced by {rule.To}, host bits kept",
            Verb.SnatAddress when rule.To!.Low == rule.To.High => "one address for all",
            Verb.SnatAddress => rule.Persistent ? "an address of the range by a hash of the host" : "an address of the range by a hash of host and destination",
            _ => "a rule that is not understood",
        };
        return new(seen is null ? $"the source becomes something that cannot be foretold ({how})" : (Text)$"the source becomes {seen.Value} ({how})", seen is null ? Verdict.Unknown : Verdict.Yes, "net/netfilter/nf_nat_core.c", new Seen($"{new Value(rule.Text(), ValueKind.Plain)}", rule.Origin.Where.Length > 0 ? rule.Origin.Where : "fw4"));
    }

    private static void Tunnel(RouterModel model, NetworkInterface exit, IpAddress to, List<Reason> hops)
    {
        if (exit.Protocol != "wireguard")
        {
            return;
        }

        var peer = exit.Peers.FirstOrDefault(p => p.Allowed.Any(a => a.Contains(to)));
        hops.Add(new(
            peer is null ? $"a peer of {exit.Name} may have packets for {to}" : (Text)$"the peer takes packets for {to}",
            peer is null ? Verdict.No : Verdict.Yes,
            "wireguard drivers/net/wireguard/allowedips.c: a packet goes to the peer whose allowed IPs hold its destination, else nowhere",
            [.. exit.Peers.SelectMany(p => p.Section["allowed_ips"]?.Values.Select(v => new Seen($"allowed_ips {v.Text}", $"{model.Facts.Network.Path}:{v.Line}")) ?? [])]));
        if (!WireGuardKey.IsKey(exit.Section.Text("private_key")))
        {
            hops.Add(new($"{exit.Name} has a private key", Verdict.No, "wg(8): 32 bytes in base64", new Seen("private_key is no key", model.NetworkPackage!.Where(exit.Section, "private_key"))));
        }

        if (exit.Peers.FirstOrDefault(p => !WireGuardKey.IsKey(p.Section.Text("public_key"))) is { } keyless)
        {
            hops.Add(new($"each peer of {exit.Name} has a public key", Verdict.No, "wg(8): 32 bytes in base64; one that is none refuses the whole configuration", new Seen("public_key is no key", model.NetworkPackage!.Where(keyless.Section, "public_key"))));
        }

        if (TunnelChecks.SwallowsItself(model, exit) is { } swallowed)
        {
            hops.Add(new($"the tunnel's own packets stay outside of it", Verdict.No, "OpenWrt wireguard.sh: nohostroute leaves out the route to the endpoint", new Seen($"endpoint_host {swallowed.Endpoint}, allowed_ips hold it, nohostroute", model.NetworkPackage!.Where(swallowed.Section, "endpoint_host"))));
        }
    }

    private static void Far(RouterModel model, NetworkInterface exit, IpAddress? seen, List<Reason> hops)
    {
        if (seen is null)
        {
            return;
        }

        if (model.Facts.Far is { } far)
        {
            var allowed = far.Peers.SelectMany(p => p.Allowed).Select(a => IpPrefix.TryParse(a, out var p) ? p : (IpPrefix?)null).OfType<IpPrefix>().Where(p => p.Address.IsV6).ToArray();
            var takes = allowed.Any(a => a.Contains(seen.Value));
            hops.Add(new($"the far end takes packets from {seen.Value}", takes ? Verdict.Yes : Verdict.No, "wireguard receive.c: a source outside the peer's allowed IPs is dropped, silently", [.. far.Peers.Select(p => new Seen($"AllowedIPs {string.Join(", ", p.Allowed)}", p.Where))]));
            return;
        }

        var outer = model.OuterPrefixes.ToArray();
        var inside = outer.Any(p => p.Contains(seen.Value));
        var routed = exit.Protocol == "dhcpv6" || inside;
        hops.Add(new(
            routed ? (Text)$"{seen.Value} is an address that the far end sends into the tunnel" : $"{seen.Value} is an address of the far end's prefix",
            routed ? Verdict.Yes : Verdict.No,
            "the far end's allowed IPs and its routes hold the outer prefix only; other sources are dropped there, silently",
            [.. outer.Select(p => new Seen($"outer prefix {p}", model.Facts.Network.Path))]));
    }

    private static void Back(RouterModel model, NetworkInterface lan, NetworkInterface exit, IpAddress source, NftRule? rule, List<Reason> hops)
    {
        // An answer to a rewritten source is turned back by conntrack before it is routed.
        var shadow = exit.V6.FirstOrDefault(a => a.Class.Length == 0 && a.Prefix.Length < 128 && a.Prefix.Contains(source));
        hops.Add(shadow is null
            ? new($"the answer returns{(rule is null ? "" : ", turned back to " + source)} and is routed to {lan.Device}", Verdict.Yes, rule is null ? "ip-route(8)" : "nf_nat_core.c: a known connection's answers are turned back before routing")
            : new($"the answer is routed to {lan.Device}", Verdict.No, "net/ipv6/route.c: of two equal routes the one on the device that the packet came in by wins: it goes back into the tunnel", new Seen($"{shadow.Prefix} on {exit.Name}", shadow.Where)));
    }

    private static Seen[] By(Passage passage) => passage.By is { } rule
        ? [new Seen($"{new Value(rule.Text(), ValueKind.Plain)}", rule.Origin.Where.Length > 0 ? rule.Origin.Where : rule.Origin.What)]
        : [new Seen($"policy {passage.Verdict}", "the chain's policy")];

    private static Seen[] NoRoute(RouterModel model) =>
        [.. model.Network!.Defaults.Select(d => new Seen($"default of {d.Interface.Name}{(d.OnlyOwn ? ", for its own prefix only" : "")}", d.Where)), .. model.Network.Tunnels.SelectMany(t => t.Peers.Select(p => new Seen($"route_allowed_ips {p.Section.Text("route_allowed_ips") ?? "not set"}", model.NetworkPackage!.Where(p.Section, "route_allowed_ips"))))];
}
