using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>Describes the twin of a router, and judges what was seen of it. Pure.</summary>
internal static class TwinPlan
{
    /// <summary>Two hosts of each network: one alone does not tell whether they are told apart outside.</summary>
    private static readonly UInt128[] Hosts = [0xa1, 0xa2];

    /// <summary>The networks that are meant to have an exit: all but those whose zone no forwarding starts from.</summary>
    public static NetworkInterface[] Wanted(RouterModel model)
    {
        // A forwarding that names no zone may be the one that was meant for any of them.
        var zones = model.FirewallPackage?.OfType("zone").Select(z => z.Text("name")).ToHashSet();
        var forwardings = model.FirewallPackage?.OfType("forwarding").ToArray() ?? [];
        var broken = forwardings.Any(f => new[] { f.Text("src"), f.Text("dest") }.Any(n => n != "*" && !zones!.Contains(n)));
        return [.. model.Network!.Lans.Where(l => Fits(l.Device) && (model.Firewall is null || broken || model.Firewall.ZoneOfDevice(l.Device) is not { } z || forwardings.Any(f => f.Text("src") == z.Name || f.Text("src") == "*"))).DistinctBy(l => l.Device)];
    }

    /// <summary>The description; null where there is nothing to build.</summary>
    public static TwinSpec? Of(RouterModel model)
    {
        if (model.Network is null || model.Loaded is null)
        {
            return null;
        }

        var lans = Wanted(model);
        var exits = model.Exits.Where(e => Fits(e.Device) && lans.All(l => l.Device != e.Device)).DistinctBy(e => e.Device).ToArray();
        if (lans.Length == 0)
        {
            return null;
        }

        var outer = Reduced(model.OuterPrefixes).ToArray();
        var far = model.Facts.Far is { } told ? told.Peers.SelectMany(p => p.Allowed).Select(a => IpPrefix.TryParse(a, out var p) && p.Address.IsV6 ? p : (IpPrefix?)null).OfType<IpPrefix>() : outer;
        var devices = lans.Select(l => new TwinDevice(l.Device, Addresses(model, l.Device), false, 1500, null, 1500, false, []))
            .Concat(exits.Select(e => Exit(model, e, exits, outer)));
        return new(
            [.. devices], [.. Routes(model)], model.Loaded.Text(),
            [.. lans.Select(l => Network(model, l))],
            [.. Reduced(far).Select(p => p.ToString())],
            Unused(outer).ToString(), PacketPath.SomeServer.ToString(), []);
    }

    private static TwinNetwork Network(RouterModel model, NetworkInterface lan)
    {
        var prefixes = lan.V6.Where(a => a.Prefix.Length <= 64).Select(a => a.Prefix).ToArray();
        var told = model.DhcpPackage is null || model.AnnouncementOn(lan).Announced;
        return new(lan.Device, [.. prefixes.SelectMany(p => Hosts.Select(h => p.At(h).ToString())).Distinct()], [.. Hosts.Select(h => RouterModel.HostOn(lan, h)).OfType<IpAddress>().Select(h => h.ToString())], told);
    }

    private static TwinDevice Exit(RouterModel model, NetworkInterface exit, NetworkInterface[] exits, IpPrefix[] outer)
    {
        // What no exit brings or has an address of is translated to: the first one's.
        var given = exits.ToDictionary(e => e, e => model.Network!.Brought.Where(b => model.Network[b.Interface]?.Device == e.Device).Select(b => b.Prefix).Concat(e.V6.Select(a => new IpPrefix(a.Prefix.Address, Math.Min(a.Prefix.Length, a.Class.Length == 0 ? 64 : 128)).Network)).ToArray());
        var mine = given[exit].Concat(exit == exits[0] ? outer.Where(p => !given.Any(g => g.Key != exit && g.Value.Any(q => q.Overlaps(p)))) : []);
        var tunnel = exit.Protocol == "wireguard";
        var mtu = int.TryParse(exit.Section.Text("mtu"), out var set) && set is >= 1280 and <= 9000 ? set : tunnel ? 1420 : exit.Protocol is "6in4" or "6to4" or "6rd" ? 1480 : 1500;
        var room = TunnelChecks.Room(model, exit) is { } r ? Math.Clamp(r.Most, 1280, 65535) : 65535;
        var dead = tunnel && (!WireGuardKey.IsKey(exit.Section.Text("private_key")) || exit.Peers.Any(p => !WireGuardKey.IsKey(p.Section.Text("public_key"))) || TunnelChecks.SwallowsItself(model, exit) is not null);
        return new(exit.Device, Addresses(model, exit.Device), true, mtu, tunnel ? [.. Reduced(exit.Peers.SelectMany(p => p.Allowed).Where(a => a.Address.IsV6)).Select(a => a.ToString())] : null, room, dead, [.. Reduced(mine).Select(p => p.ToString())]);
    }

    private static string[] Addresses(RouterModel model, string device) =>
        [.. model.Network!.Interfaces.Where(i => i.Device == device).SelectMany(i => i.V6).Select(a => a.Prefix.ToString()).Distinct()];

    private static IEnumerable<string> Routes(RouterModel model)
    {
        foreach (var route in model.Network!.Defaults.Where(d => Fits(d.Interface.Device)).DistinctBy(d => (d.Interface.Device, d.OnlyOwn)))
        {
            if (!route.OnlyOwn)
            {
                yield return $"default dev {route.Interface.Device} metric 1024";
                continue;
            }

            // One for each prefix that the uplink is given, and for its own address (odhcp6c, dhcpv6.script).
            foreach (var own in model.Network.Brought.Where(b => b.Interface == route.Interface.Name).Select(b => b.Prefix).Concat(route.Interface.V6.Select(a => new IpPrefix(a.Prefix.Address, 128))))
            {
                yield return $"default from {own} dev {route.Interface.Device}";
            }
        }

        // netifd ends what is delegated and not in use.
        foreach (var brought in model.Network.Brought)
        {
            yield return $"unreachable {brought.Prefix} dev lo metric 2147483647";
        }

        foreach (var section in model.NetworkPackage!.OfType("route6").Where(s => s.Text("type") is "unreachable" or "blackhole" or "prohibit"))
        {
            if (IpPrefix.TryParse(section.Text("target"), out var target) && target.Address.IsV6)
            {
                yield return $"{section.Text("type")} {target.Network} dev lo metric 1024";
            }
        }
    }

    /// <summary>Prefixes without those that another one holds.</summary>
    private static IEnumerable<IpPrefix> Reduced(IEnumerable<IpPrefix> all)
    {
        var list = all.Select(p => p.Network).Distinct().ToArray();
        return list.Where(p => !list.Any(q => q != p && q.Contains(p)));
    }

    private static IpAddress Unused(IpPrefix[] outer) => outer.Length == 0 ? IpAddress.Parse("2001:db8:fffe::dead") : outer[0].At(((UInt128)0xbeef << 48) | 0xdead);

    /// <summary>Names that a device of Linux may have.</summary>
    private static bool Fits(string device) => device.Length is > 0 and < 16 && device.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.') && device is not ("lo" or "all" or "default" or "." or "..") && device[0] != '-';
}
