using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>What an inner network's hosts are told (odhcpd router.c, send_router_advert, revision 68f3826).</summary>
/// <param name="Sends">Whether router announcements are sent at all.</param>
/// <param name="Announced">Whether a default router is announced while there is a default route.</param>
/// <param name="Withdrawn">Whether the announcement goes when the default route does.</param>
/// <param name="Where">The setting that decides.</param>
/// <param name="RaDefault">ra_default, 0 where it is not set.</param>
internal sealed record Announcement(bool Sends, bool Announced, bool Withdrawn, string Where, int RaDefault);

/// <summary>A router as its configuration makes it: packages, network, firewall and announcements, together.</summary>
internal sealed class RouterModel
{
    private RouterModel(ExitsFacts facts) => Facts = facts;

    public ExitsFacts Facts { get; }

    /// <summary>Files that libuci refuses.</summary>
    public List<(string Path, UciError Error)> Refused { get; } = [];

    public UciPackage? NetworkPackage { get; private init; }

    public UciPackage? FirewallPackage { get; private init; }

    public UciPackage? DhcpPackage { get; private init; }

    public RouterNetwork? Network { get; private init; }

    public Firewall? Firewall { get; private init; }

    /// <summary>What is really loaded: of a refused file fw4 makes the ruleset of an empty one, and without networks zones have no devices.</summary>
    public Firewall? Loaded => Firewall ?? (Refused.Count > 0 && Facts.Firewall.Text is not null ? FirewallBuild.Of(FirewallPackage ?? new(Facts.Firewall.Path, []), _ => null, Facts.IncludedText, Facts.DropIns) : null);

    /// <summary>DISTRIB_RELEASE, for example 23.05.3; null where it is not known.</summary>
    public string? Release { get; private init; }

    /// <summary>Whether the firewall is firewall4 (22.03 and later); so it is taken to be where nothing says otherwise.</summary>
    public bool IsFw4 { get; private init; }

    /// <summary>Makes the model.</summary>
    public static RouterModel Of(ExitsFacts facts)
    {
        var refused = new List<(string, UciError)>();
        UciPackage? Parse(ReadText file)
        {
            if (file.Text is null)
            {
                return null;
            }

            var parsed = UciFile.Parse(file.Path, ByteText.Encode(file.Text));
            if (parsed.Error is { } error)
            {
                refused.Add((file.Path, error));
            }

            return parsed.Package;
        }

        var (network, firewall, dhcp) = (Parse(facts.Network), Parse(facts.Firewall), Parse(facts.Dhcp));
        var release = ReleaseOf(facts.Release.Text);
        var net = network is null ? null : RouterNetwork.Of(network, facts.Addresses?.Text is { } printed ? [.. LiveRoutes.Addresses(printed)] : null);
        var model = new RouterModel(facts)
        {
            NetworkPackage = network,
            FirewallPackage = firewall,
            DhcpPackage = dhcp,
            Network = net,
            Release = release,
            IsFw4 = facts.Fw4 ?? (release is null || !int.TryParse(release.Split('.')[0], out var year) || year >= 22),
            Firewall = firewall is null || net is null ? null : FirewallBuild.Of(
                firewall,
                name => net[name] is { Device.Length: > 0 } i ? (i.Device, [.. i.Addresses.Select(a => a.Prefix)]) : null,
                facts.IncludedText, facts.DropIns),
        };
        model.Refused.AddRange(refused);
        return model;
    }

    /// <summary>Where IPv6 leaves for the Internet: tunnels, then uplinks.</summary>
    public IEnumerable<NetworkInterface> Exits => Network is null ? [] : ExitTunnels.Concat(Network.Dynamic).Concat(Network.Defaults.Select(d => d.Interface)).Distinct();

    /// <summary>
    /// The tunnels that lead to the Internet, not only to another house or to machines on the road: a peer may have all
    /// packets, a default route or a translation leads there, it brings a prefix, or it calls somebody and is all there is.
    /// </summary>
    public IEnumerable<NetworkInterface> ExitTunnels => Network is null ? [] : Network.Tunnels.Where(t =>
        t.Protocol != "wireguard" || t.Peers.Any(p => p.TakesInternet)
        || Network.Defaults.Any(d => d.Interface.Device == t.Device) || Network.Brought.Any(b => Network[b.Interface]?.Device == t.Device)
        || SourceTranslations.Any(r => r.Out.Contains(t.Device))
        || (t.Peers.Length == 0 || t.Peers.Any(p => p.Endpoint is not null)) && Network.Tunnels.Concat(Network.Dynamic).Concat(Network.Defaults.Select(d => d.Interface)).All(o => o.Device == t.Device));

    /// <summary>The exit that packets of a source take, by the default routes; null where there is no route. One that is for the source's prefix alone comes first (net/ipv6/ip6_fib.c, subtrees).</summary>
    public DefaultRoute? RouteFor(IpAddress source) =>
        Network!.Defaults.Where(d => d.OnlyOwn && Network.Brought.Any(b => b.Interface == d.Interface.Name && b.Prefix.Contains(source))).Concat(Network.Defaults.Where(d => !d.OnlyOwn)).FirstOrDefault();

    /// <summary>
    /// The prefixes that the far end sends into the tunnel, as far as the router's files tell: delegated ones, those that
    /// sources are translated to, and the 64 bits around the tunnel's own address.
    /// </summary>
    public IEnumerable<IpPrefix> OuterPrefixes
    {
        get
        {
            var exits = Exits.Select(e => e.Device).ToHashSet();
            var all = Network!.Brought.Where(b => b.Known && Network[b.Interface] is { } i && exits.Contains(i.Device)).Select(b => b.Prefix)
                .Concat(SourceTranslations.Where(r => r.To is not null && r.To.V6).Select(r => Around(r.To!)))
                .Concat(Exits.SelectMany(e => e.V6).Where(a => a.Class.Length == 0).Select(a => new IpPrefix(a.Prefix.Address, Math.Min(a.Prefix.Length, 64)).Network))
                .ToList();
            return all.Where((p, i) => !all.Where((q, j) => j != i && q.Contains(p) && (q != p || j < i)).Any());
        }
    }

    /// <summary>Every rule that changes sources of IPv6, in the order in which they are asked.</summary>
    public IEnumerable<NftRule> SourceTranslations => Firewall is null ? []
        : PostroutingChains().SelectMany(c => c.Rules).Concat(Firewall.Zones.SelectMany(z => Firewall[$"srcnat_{z.Name}"]?.Rules ?? []))
            .Where(r => r.Verb is Verb.Masquerade or Verb.SnatAddress or Verb.SnatPrefix && r.Family != 4);

    /// <summary>What becomes of a source on its way out: the rule that rewrites it, or null.</summary>
    public NftRule? Translates(Packet packet)
    {
        foreach (var chain in PostroutingChains())
        {
            var passage = chain.Name == "srcnat" && Firewall!["srcnat"] == chain ? Firewall.Ask("srcnat", packet) : AskOwn(chain, packet);
            if (passage.By is { Verb: Verb.Masquerade or Verb.SnatAddress or Verb.SnatPrefix or Verb.Opaque } rule)
            {
                return rule;
            }
        }

        return null;
    }

    /// <summary>The source that the far side sees; null where a rule does something that cannot be foretold.</summary>
    public static IpAddress? Seen(NftRule? rule, Packet packet, NetworkInterface exit) => rule?.Verb switch
    {
        null => packet.Source,
        Verb.Masquerade => exit.V6.Select(a => (IpAddress?)a.Prefix.Address).FirstOrDefault(),
        Verb.SnatPrefix => IpAddress.V6((packet.Source.Bits & ~IpPrefix.Mask(rule.To!.Length)) | rule.To.Low.Bits),
        Verb.SnatAddress => rule.To!.Low == rule.To.High ? rule.To.Low : new SnatRange(rule.To.Low, rule.To.High, rule.Persistent).Pick(packet.Source, packet.Destination),
        _ => null,
    };

    /// <summary>What the hosts of an inner network are told.</summary>
    public Announcement AnnouncementOn(NetworkInterface lan)
    {
        var section = DhcpPackage?.OfType("dhcp").FirstOrDefault(s => s.Text("interface") == lan.Name);
        if (section is null || section.Text("ra") is null or "disabled")
        {
            return new(false, false, true, section is null ? "/etc/config/dhcp" : DhcpPackage!.Where(section), 0);
        }

        if (section.Text("ra") is "relay" or "hybrid")
        {
            // The uplink's own announcements are passed on.
            return new(false, true, true, DhcpPackage!.Where(section, "ra"), 0);
        }

        // odhcpd takes ra_default as a number: 1 counts a default route as there, 2 a public prefix as well.
        var given = int.TryParse(section.Text("ra_default"), out var value) ? value : 0;
        var route = given > 0 || Network!.Defaults.Count > 0;
        var prefix = given > 0 || lan.V6.Any(a => !a.Prefix.Address.IsUniqueLocal);
        return new(true, route && prefix && section.Text("ra_lifetime") != "0", given == 0, DhcpPackage!.Where(section, "ra_default"), given);
    }

    /// <summary>The address of a host that chooses by RFC 6724 among what its network offers: not a unique local one where there is another.</summary>
    /// <remarks>What is known goes before what stands for a provider's prefix: it is the one that the files have to find a way for.</remarks>
    /// <param name="lan">The network.</param>
    /// <param name="host">The host's number in the prefix.</param>
    public static IpAddress? HostOn(NetworkInterface lan, UInt128 host) =>
        lan.V6.Where(a => a.Prefix.Length <= 64).OrderBy(a => IPv4First(a.Prefix.Address) ? 1 : 0).ThenBy(a => a.Known ? 0 : 1).Select(a => (IpAddress?)a.Prefix.At(host)).FirstOrDefault();

    /// <summary>
    /// Whether a host with this source prefers IPv4 for a destination that has both (RFC 6724 section 6, rule 5 for most:
    /// the labels of source and destination differ).
    /// </summary>
    public static bool IPv4First(IpAddress source) =>
        Formats.AddressSelection.GoOrder.Compare(PacketPath.SomeServer, source, PacketPath.SomeServer4, SomeHost4).Sign > 0;

    private static readonly IpAddress SomeHost4 = IpAddress.Parse("192.168.1.161");

    /// <summary>Base chains that may rewrite sources, by priority.</summary>
    private IEnumerable<NftChain> PostroutingChains() => Firewall is null ? []
        : Firewall.Own.Where(c => c.Hook is { } h && h.Contains("nat", StringComparison.Ordinal) && h.Contains("postrouting", StringComparison.Ordinal)).Append(Firewall["srcnat"]!).OrderBy(Priority);

    /// <summary>A base chain's priority as a number.</summary>
    internal static int Priority(NftChain chain)
    {
        // nft(8), priority names.
        var text = chain.Hook!.Split("priority").Last().Replace("srcnat", "100", StringComparison.Ordinal).Replace("filter", "0", StringComparison.Ordinal).Replace("mangle", "-150", StringComparison.Ordinal).Trim();
        var parts = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var value = parts.Length > 0 && int.TryParse(parts[0], out var first) ? first : 100;
        return parts.Length == 3 && int.TryParse(parts[2], out var more) ? (parts[1] == "-" ? value - more : value + more) : value;
    }

    private static Passage AskOwn(NftChain chain, Packet packet)
    {
        foreach (var rule in chain.Rules)
        {
            switch (rule.Matches(packet))
            {
                case null:
                    return new(null, rule, []);
                case true when rule.Verb is not (Verb.Other or Verb.NoTrack):
                    return new("accept", rule, [rule]);
            }
        }

        return new(chain.Policy, null, []);
    }

    private static IpPrefix Around(AddressSet to) => to.Length is >= 0 and < 128 ? new(to.Low, to.Length) : new IpPrefix(to.Low, 64).Network;

    private static string? ReleaseOf(string? text) => text?.Split('\n').FirstOrDefault(l => l.StartsWith("DISTRIB_RELEASE=", StringComparison.Ordinal))?[16..].Trim().Trim('\'', '"');
}
