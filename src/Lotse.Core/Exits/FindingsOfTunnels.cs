using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>Findings about the tunnel and the routes into it.</summary>
internal static class FindingsOfTunnels
{
    public static IEnumerable<Finding> All(RouterModel model)
    {
        foreach (var tunnel in model.Network!.Tunnels.Where(t => t.Protocol == "wireguard" && (t.Peers.Length == 0 || t.Peers.Any(p => p.Endpoint is not null))))
        {
            foreach (var finding in OfOne(model, tunnel))
            {
                yield return finding;
            }
        }

        foreach (var finding in SourceFilter(model))
        {
            yield return finding;
        }

        if (model.Network.Defaults.Count == 0 && model.ExitTunnels.FirstOrDefault() is { } first && first.Peers.Any(p => p.TakesInternet))
        {
            yield return ExitsFindings.Make("exits/no-default-route", Severity.Error, Certainty.Proven, first.Name,
                $"no default route of IPv6 leads into {first.Name}", "netifd makes routes of allowed_ips only where route_allowed_ips is 1, and there is no route6 to ::/0", "OpenWrt wireguard.sh",
                [.. first.Peers.Select(p => new Seen($"route_allowed_ips {p.Section.Text("route_allowed_ips") ?? "not set"}", model.NetworkPackage!.Where(p.Section, "route_allowed_ips")))],
                new Remedy("add option route_allowed_ips '1' to the peer", "lotse", "exits", "plan"));
        }
    }

    private static IEnumerable<Finding> OfOne(RouterModel model, NetworkInterface tunnel)
    {
        var package = model.NetworkPackage!;
        string At(UciSection section, string option) => package.Where(section, option);
        foreach (var address in tunnel.V6.Where(a => a.Class.Length == 0 && a.Prefix.Length is > 0 and < 128))
        {
            var twin = model.Network!.Lans.SelectMany(l => l.V6.Select(a => (Lan: l, Address: a))).FirstOrDefault(l => l.Address.Prefix.Overlaps(address.Prefix));
            if (twin.Lan is not null)
            {
                yield return ExitsFindings.Make("exits/tunnel-address-64", Severity.Error, Certainty.Proven, tunnel.Name,
                    $"{tunnel.Name} has {address.Prefix}, and {twin.Lan.Name} has the same prefix", "of two equal routes the kernel takes the one on the device that a packet came in by: answers from the Internet go back into the tunnel", "net/ipv6/route.c; ip -6 route get X from S iif tells, ip -6 route get X does not",
                    [new Seen($"{address.Prefix}", address.Where), new Seen($"{twin.Address.Prefix} on {twin.Lan.Name}", twin.Address.Where)],
                    new Remedy($"give the tunnel {address.Prefix.Address}/128"));
            }
        }

        var internet = tunnel.Peers.Any(p => p.TakesInternet);
        if (!internet && tunnel.Peers.Length > 0 && model.ExitTunnels.Contains(tunnel))
        {
            yield return ExitsFindings.Make("exits/peer-without-default", Severity.Error, Certainty.Proven, tunnel.Name,
                $"no peer of {tunnel.Name} may take packets for the Internet: allowed_ips lacks ::/0", "a packet goes to the peer whose allowed IPs hold its destination; for all others WireGuard drops it", "wireguard allowedips.c",
                [.. tunnel.Peers.Select(p => new Seen($"allowed_ips {string.Join(' ', p.Section.Words("allowed_ips").Select(w => w.Text))}", At(p.Section, "allowed_ips")))],
                new Remedy("add list allowed_ips '::/0' to the peer"));
        }

        if (TunnelChecks.SwallowsItself(model, tunnel) is { } swallowed)
        {
            yield return ExitsFindings.Make("exits/endpoint-inside-tunnel", Severity.Error, Certainty.Proven, tunnel.Name,
                $"{tunnel.Name} carries the packets to its own endpoint {new Value(swallowed.Endpoint, ValueKind.Address)}", "allowed_ips hold the endpoint, route_allowed_ips makes a route of them, and nohostroute keeps the endpoint's own route away", "OpenWrt wireguard.sh",
                [new Seen($"nohostroute {tunnel.Section.Text("nohostroute")}", At(tunnel.Section, "nohostroute")), new Seen($"endpoint_host {new Value(swallowed.Endpoint, ValueKind.Address)}", At(swallowed.Section, "endpoint_host"))],
                new Remedy("remove nohostroute, or add a route to the endpoint by the uplink"));
        }

        if (!WireGuardKey.IsKey(tunnel.Section.Text("private_key")))
        {
            yield return ExitsFindings.Make("exits/private-key-placeholder", Severity.Error, Certainty.Proven, tunnel.Name,
                $"the private key of {tunnel.Name} is no key", "wg refuses it and the interface does not come up", "wg(8): 32 bytes in base64, 44 characters",
                [new Seen($"{tunnel.Section.Text("private_key")?.Length ?? 0} characters", At(tunnel.Section, "private_key"))],
                new Remedy("make one with wg genkey, and give the far end its public key"));
        }

        foreach (var peer in tunnel.Peers.Where(p => p.Endpoint is not null && p.Section.Text("persistent_keepalive") is null or "0" or "off"))
        {
            yield return ExitsFindings.Make("exits/no-keepalive", Severity.Warning, Certainty.Inferred, tunnel.Name,
                $"the peer {new Value(peer.Endpoint!, ValueKind.Host)} of {tunnel.Name} has no persistent_keepalive", "where the uplink is behind address translation, its mapping expires within minutes without traffic, and nothing from outside gets in until the router sends again", "wg(8) persistent-keepalive; RFC 4787 REQ-5: mappings of UDP may live two minutes",
                [new Seen("persistent_keepalive is not set", At(peer.Section, "persistent_keepalive"))],
                new Remedy("add option persistent_keepalive '25'"));
        }

        var mtu = int.TryParse(tunnel.Section.Text("mtu"), out var set) ? set : 1420;
        if (TunnelChecks.Room(model, tunnel) is { } room && mtu > room.Most)
        {
            yield return ExitsFindings.Make("exits/tunnel-mtu-too-big", Severity.Error, Certainty.Proven, tunnel.Name,
                $"the MTU {mtu} of {tunnel.Name} does not fit into {room.CarrierMtu}: {room.Most} does", $"WireGuard adds {(room.V6 ? 80 : 60)} bytes over {(room.V6 ? "IPv6" : "IPv4")}; larger packets are fragmented or lost, and large downloads hang", "wireguard messages.h: 32 bytes, UDP 8, IPv6 40 or IPv4 20",
                [new Seen($"mtu {mtu}{(tunnel.Section["mtu"] is null ? " (the kernel's own)" : "")}", At(tunnel.Section, "mtu")), new Seen($"{room.CarrierMtu} outside", room.Where)],
                new Remedy($"set option mtu '{room.Most}'"));
        }
    }

    private static IEnumerable<Finding> SourceFilter(RouterModel model)
    {
        foreach (var route in model.Network!.Defaults.Where(d => d.OnlyOwn && d.Interface.Protocol == "dhcpv6"))
        {
            var zone = model.Firewall?.ZoneOfDevice(route.Interface.Device);
            var translated = zone is { Masq6: true } || model.SourceTranslations.Any(r => r.Out.Contains(route.Interface.Device) || (zone is not null && model.Firewall![$"srcnat_{zone.Name}"]?.Rules.Contains(r) is true));
            var other = model.Network.Defaults.Any(d => !d.OnlyOwn);

            // A unique local prefix beside the one that is given is for the house, unless somebody meant to translate it.
            var foreign = model.Network.Lans.SelectMany(l => l.V6.Where(a => a.Class is "" or "local" && (translated || !a.Prefix.Address.IsUniqueLocal || l.V6.All(o => o.Prefix.Address.IsUniqueLocal)))).Select(a => a.Prefix.Network).Distinct().ToArray();
            if (foreign.Length > 0)
            {
                yield return ExitsFindings.Make("exits/wan6-sourcefilter", !other ? Severity.Error : translated ? Severity.Warning : Severity.Info, Certainty.Proven, route.Interface.Name,
                    $"the default route of {route.Interface.Name} is only for the prefix that it was given: packets from {foreign[0]} do not take it", "a route with a source matches before any translation; other sources get \"Network is unreachable\"", "netifd and odhcp6c: sourcefilter is on unless it is set to 0",
                    [new Seen($"sourcefilter {route.Interface.Section.Text("sourcefilter") ?? "not set"}", route.Where), .. foreign.Select(f => new Seen($"{f}", model.Facts.Network.Path))],
                    new Remedy("add option sourcefilter '0' to the interface"));
            }
        }
    }
}
