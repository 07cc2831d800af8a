using System.Globalization;
using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>Keys of WireGuard as wg(8) takes them.</summary>
internal static class WireGuardKey
{
    /// <summary>32 bytes in canonical base64, not all zero.</summary>
    public static bool IsKey(string? text)
    {
        Span<byte> bytes = stackalloc byte[33];
        return text is { Length: 44 } && Convert.TryFromBase64String(text, bytes, out var length) && length == 32 && Convert.ToBase64String(bytes[..32]) == text && bytes[..32].ContainsAnyExcept((byte)0);
    }
}

/// <summary>Arithmetic about the outside of a tunnel.</summary>
internal static class TunnelChecks
{
    /// <summary>Bytes that WireGuard adds: IPv4 20, IPv6 40; UDP 8; its header and tag 32.</summary>
    private const int OverV4 = 60;
    private const int OverV6 = 80;

    /// <summary>The peer whose packets the tunnel would carry itself.</summary>
    public static (string Endpoint, UciSection Section)? SwallowsItself(RouterModel model, NetworkInterface tunnel)
    {
        // In a table of its own the tunnel's routes do not concern its own packets.
        if (FirewallOptions.Bool(tunnel.Section.Text("nohostroute")) is not true || tunnel.Section["ip6table"] is not null)
        {
            return null;
        }

        foreach (var peer in tunnel.Peers.Where(p => FirewallOptions.Bool(p.Section.Text("route_allowed_ips")) is true))
        {
            if (IpAddress.TryParse(peer.Endpoint, out var endpoint) && peer.Allowed.Any(a => a.Contains(endpoint)) && !HasOwnRoute(model, tunnel, endpoint))
            {
                return (peer.Endpoint!, peer.Section);
            }
        }

        return null;
    }

    /// <summary>The interface that carries the tunnel's packets: tunlink, else the one named wan, else an uplink.</summary>
    public static NetworkInterface? Carrier(RouterModel model, NetworkInterface tunnel) =>
        (tunnel.Section.Text("tunlink") is { } link ? model.Network![link] : null)
        ?? model.Network!["wan"] ?? model.Network.Interfaces.FirstOrDefault(i => i.Protocol is "pppoe" or "dhcp");

    /// <summary>What may at most go through the tunnel in one packet; null where that cannot be told.</summary>
    public static (int Most, int CarrierMtu, bool V6, string Where)? Room(RouterModel model, NetworkInterface tunnel)
    {
        if (tunnel.Protocol != "wireguard" || Carrier(model, tunnel) is not { } carrier || tunnel.Peers.Select(p => p.Endpoint).OfType<string>().FirstOrDefault() is not { } endpoint)
        {
            return null;
        }

        var v6 = IpAddress.TryParse(endpoint, out var ip) && ip.IsV6;
        var (mtu, where) = Mtu(model, carrier);
        return (mtu - (v6 ? OverV6 : OverV4), mtu, v6, where);
    }

    /// <summary>The MTU of an interface: its own option, its device's, else 1492 for PPPoE (RFC 2516) and 1500.</summary>
    private static (int Mtu, string Where) Mtu(RouterModel model, NetworkInterface carrier)
    {
        var package = model.NetworkPackage!;
        if (int.TryParse(carrier.Section.Text("mtu"), NumberStyles.None, CultureInfo.InvariantCulture, out var own))
        {
            return (own, package.Where(carrier.Section, "mtu"));
        }

        var device = package.OfType("device").FirstOrDefault(d => d.Text("name") == carrier.Section.Text("device"));
        var below = int.TryParse(device?.Text("mtu"), NumberStyles.None, CultureInfo.InvariantCulture, out var set) ? set : 1500;
        return carrier.Protocol == "pppoe" ? (Math.Min(1492, below - 8), package.Where(carrier.Section, "proto")) : (below, device is null ? package.Where(carrier.Section, "proto") : package.Where(device, "mtu"));
    }

    private static bool HasOwnRoute(RouterModel model, NetworkInterface tunnel, IpAddress endpoint) =>
        model.NetworkPackage!.Sections.Where(s => s.Type is "route" or "route6" && s.Text("interface") != tunnel.Name)
            .Any(r => IpPrefix.TryParse(r.Text("target"), out var target) && target.Contains(endpoint) && target.Length > 1);
}
