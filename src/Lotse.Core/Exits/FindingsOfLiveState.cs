using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>Findings that need live state: the router's routes, its watcher, and the far end.</summary>
internal static class FindingsOfLiveState
{
    public static IEnumerable<Finding> Router(RouterModel model)
    {
        if (model.Facts.Routes?.Text is not { } text)
        {
            yield break;
        }

        var routes = LiveRoutes.Parse(text).ToArray();
        var exits = model.Exits.Select(e => e.Device).ToHashSet();
        foreach (var outer in model.OuterPrefixes.Where(p => p.Length <= 64))
        {
            // Delegated to networks, every used part has a route; what is left over must end here.
            var ends = routes.Any(r => r.Kind is "unreachable" or "blackhole" or "prohibit" && r.Destination.Contains(outer));
            var whole = routes.Any(r => r.Kind == "unicast" && r.Device.Length > 0 && !exits.Contains(r.Device) && r.Destination.Contains(outer) && r.Destination.Length > 0);
            var back = routes.FirstOrDefault(r => r.IsDefault && exits.Contains(r.Device));
            if (!ends && !whole && back is not null)
            {
                yield return ExitsFindings.Make("exits/no-unreachable-route", Severity.Warning, Certainty.Proven, outer.ToString(),
                    $"packets to unused addresses of {outer} go back into the tunnel", "no route ends them here, so the default route takes them: they go round until the hop limit is used up, or are refused without telling the sender why", "ip-route(8); RFC 7084 requirement WPD-5: a router must not send packets of its own prefix back",
                    [new Seen($"{new Value(back.Line, ValueKind.Plain)}", model.Facts.Routes.Command)],
                    new Remedy("add a route of type unreachable for it; more specific ones still win", "lotse", "exits", "plan"));
            }
        }

        foreach (var (target, where) in Probes(model))
        {
            var local = model.Facts.Addresses?.Text is { } addresses ? LiveRoutes.Addresses(addresses).Any(a => a.Prefix.Address == target) : model.Network!.Interfaces.SelectMany(i => i.V6).Any(a => a.Prefix.Address == target);
            var own = routes.FirstOrDefault(r => r.Kind == "unicast" && r.Destination.Length == 128 && r.Destination.Address == target && exits.Contains(r.Device));
            if (local || own is null)
            {
                yield return ExitsFindings.Make("exits/probe-has-no-own-route", Severity.Error, Certainty.Proven, target.ToString(),
                    local ? $"the tunnel's probe {target} is an address of this router: it answers itself, and the tunnel is always up" : $"the tunnel's probe {target} has no route of its own: once the default route is taken away it never answers again",
                    local ? "a local address is answered without leaving the machine" : "the probe goes by the very route that it decides about", "ip-route(8), table local",
                    [new Seen($"probe {target}", where), new Seen(own is null ? "no /128 route into the tunnel" : (Text)$"{new Value(own.Line, ValueKind.Plain)}", model.Facts.Routes.Command)],
                    new Remedy("probe the far end's tunnel address, by a /128 route into the tunnel", "lotse", "exits", "guard"));
            }
        }
    }

    public static IEnumerable<Finding> FarEnd(FarFacts far, RouterModel model)
    {
        var routes = far.Routes is null ? [] : LiveRoutes.Parse(far.Routes).ToArray();
        var tunnels = far.Peers.Select(p => p.Interface).ToHashSet();
        if (far.Forwarding is true)
        {
            // Only where the default route comes by router announcements, or has gone already.
            foreach (var (device, accept) in far.AcceptRa.Where(d => d.Key is not ("all" or "default" or "lo") && !tunnels.Contains(d.Key) && d.Value == 1))
            {
                var route = routes.FirstOrDefault(r => r.IsDefault);
                var announced = route is not null && route.Device == device && route.Line.Contains("proto ra", StringComparison.Ordinal);
                var gone = far.Routes is not null && route is null && far.Addresses.Any(a => a.Device == device && IpPrefix.TryParse(a.Prefix, out var p) && !p.Address.IsLinkLocal);
                if (announced || gone)
                {
                    yield return ExitsFindings.Make("exits/forwarding-drops-ra-route", Severity.Error, gone ? Certainty.Inferred : Certainty.Proven, device,
                        gone ? $"the far end has lost its default route: forwarding is on and accept_ra of {device} is 1" : $"the far end's default route by {device} goes with the next change: forwarding is on and accept_ra is 1", "a machine that forwards ignores router announcements unless accept_ra is 2; switching forwarding on deletes the route at once", "Documentation/networking/ip-sysctl.rst, accept_ra",
                        [new Seen("forwarding 1", far.ForwardingWhere), new Seen($"accept_ra {accept}", $"/proc/sys/net/ipv6/conf/{device}/accept_ra"), new Seen(route is null ? "no default route" : (Text)$"{new Value(route.Line, ValueKind.Plain)}", "ip -6 route show")],
                        new Remedy($"set net.ipv6.conf.{device}.accept_ra to 2", "lotse", "exits", "plan"));
                }
            }
        }

        var allowed = far.Peers.SelectMany(p => p.Allowed.Select(a => (Peer: p, Ok: IpPrefix.TryParse(a, out var x), Prefix: x))).Where(a => a.Ok && a.Prefix.Address.IsV6).ToArray();
        var expected = Expected(model).Concat(routes.Where(r => r.Kind == "unicast" && tunnels.Contains(r.Device) && r.Destination.Length is > 0 and <= 64).Select(r => r.Destination)).Distinct();
        foreach (var prefix in expected.Where(p => !allowed.Any(a => a.Prefix.Contains(p))))
        {
            yield return ExitsFindings.Make("exits/far-allowed-ips-too-narrow", Severity.Error, Certainty.Proven, prefix.ToString(),
                $"the far end drops packets from {prefix}: its allowed IPs do not hold it", "a packet whose source is not among the peer's allowed IPs is dropped after decryption, without an error to anybody", "wireguard receive.c, wg_allowedips_lookup_src",
                [.. far.Peers.Select(p => new Seen($"AllowedIPs {string.Join(", ", p.Allowed)}", p.Where))],
                new Remedy($"add {prefix} to AllowedIPs of the peer"));
        }

        foreach (var address in far.Addresses.Where(a => !tunnels.Contains(a.Device)))
        {
            if (!IpPrefix.TryParse(address.Prefix, out var onLink) || onLink.Length >= 128 || !onLink.Address.IsV6 || onLink.Address.IsLinkLocal)
            {
                continue;
            }

            var lent = allowed.FirstOrDefault(a => a.Prefix.Length > 0 && onLink.Overlaps(a.Prefix));
            if (lent.Peer is not null && !far.Proxy.Any(p => IpPrefix.TryParse(p, out var proxied) && (proxied.Contains(lent.Prefix) || lent.Prefix.Contains(proxied))))
            {
                yield return ExitsFindings.Make("exits/on-link-prefix-needs-proxy", Severity.Error, Certainty.Proven, onLink.Network.ToString(),
                    $"{onLink.Network} is on {address.Device} itself, not routed to this machine: the provider's router asks for each address and nobody answers", "neighbour solicitations for addresses behind the tunnel need an answer here: a proxy entry an address, or ndppd for a prefix", "RFC 4861 section 7.2; RFC 4389",
                    [new Seen($"{onLink} on {address.Device}", address.Where), new Seen($"AllowedIPs {lent.Prefix}", lent.Peer.Where)],
                    new Remedy("have ndppd answer for the prefix, or ask the provider to route one", "lotse", "exits", "plan"));
            }
        }
    }

    /// <summary>What the router will send, where it was read as well.</summary>
    private static IEnumerable<IpPrefix> Expected(RouterModel model)
    {
        if (model.Network is null || model.Firewall is null)
        {
            yield break;
        }

        foreach (var lan in model.Network.Lans)
        {
            if (RouterModel.HostOn(lan, PacketPath.SomeHost) is { } source && model.RouteFor(source) is { } route)
            {
                var packet = new Packet(lan.Device, route.Interface.Device, source, PacketPath.SomeServer, "tcp");
                if (RouterModel.Seen(model.Translates(packet), packet, route.Interface) is { } seen)
                {
                    yield return new(seen, 128);
                }
            }
        }
    }

    private static IEnumerable<(IpAddress Target, string Where)> Probes(RouterModel model)
    {
        foreach (var (file, type, option) in new[] { (model.Facts.Guard, "guard", "probe"), (model.Facts.Mwan3, "interface", "track_ip") })
        {
            if (file?.Text is null || UciFile.Parse(file.Path, ByteText.Encode(file.Text)).Package is not { } package)
            {
                continue;
            }

            foreach (var section in package.OfType(type).Where(s => FirewallOptions.Bool(s.Text("enabled")) ?? true).Where(s => type == "guard" || model.Exits.Any(e => e.Name == s.Name)))
            {
                foreach (var word in section.Words(option))
                {
                    if (IpAddress.TryParse6(word.Text, out var target))
                    {
                        yield return (target, $"{file.Path}:{word.Line}");
                    }
                }
            }
        }
    }
}
