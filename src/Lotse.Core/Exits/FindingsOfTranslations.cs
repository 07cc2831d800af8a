using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>Findings about rules that change sources.</summary>
internal static class FindingsOfTranslations
{
    private static readonly string[] AddressOptions = ["src_ip", "dest_ip", "snat_ip"];

    public static IEnumerable<Finding> All(RouterModel model) => [.. Sections(model), .. Shadowed(model)];

    private static IEnumerable<Finding> Sections(RouterModel model)
    {
        foreach (var section in model.FirewallPackage!.OfType("nat").Where(s => FirewallOptions.Bool(s.Text("enabled")) ?? true))
        {
            var name = section.Text("name") ?? section.Reference;
            string At(string option) => model.FirewallPackage.Where(section, option);
            var snat = FirewallOptions.Target(section.Text("target")) == "snat";
            var text = section.Text("snat_ip");
            if (snat && text is not null && text.Contains('/', StringComparison.Ordinal) && IpPrefix.TryParse(text, out var prefix) && prefix.Length < prefix.Address.Size)
            {
                yield return ExitsFindings.Make("exits/snat-prefix-is-one-address", Severity.Error, Certainty.Proven, name,
                    $"snat_ip {prefix} becomes the single address {prefix.First}", "fw4 masks the address and writes it alone, without a word; only a range stays a range", "firewall4 fw4.uc, host(): the length of a prefix is not printed",
                    [new Seen($"snat_ip {prefix}", At("snat_ip"))],
                    new Remedy($"write a range: {RangeOf(prefix)}", "lotse", "exits", "plan", "--method", "range"));
            }

            var range = text is null ? null : FirewallOptions.Network(text);
            var family = FirewallOptions.Family(section.Text("family"));
            if (snat && range is { V6: true, Length: < 0 } && TakesOwn(model, section) && family is null or 0 or 6)
            {
                yield return ExitsFindings.Make("exits/range-without-source", Severity.Error, Certainty.Proven, name,
                    $"the range {range.ToString()} is given to every source, the router's own too", "the router's own connections leave with addresses of the range, and strangers whose packets pass through are looped back: \"Time exceeded\"", "nf_nat_core.c: what matches is rewritten",
                    [new Seen(section.Text("src_ip") is { } source ? $"src_ip {new Value(source, ValueKind.Plain)}" : (Text)"src_ip is not set", At("src_ip"))],
                    new Remedy("let src_ip be the inner prefix"));
            }

            var addresses = AddressOptions.Any(o => section[o] is not null);
            if (family is null && !addresses && FirewallOptions.Target(section.Text("target")) != "accept" && MeansIpv6(model, section) is { } zone)
            {
                yield return ExitsFindings.Make("exits/nat-without-family", Severity.Error, Certainty.Proven, name,
                    $"the nat section {new Value(name, ValueKind.Plain)} is for IPv4 only", zone.Masq ? (Text)$"without family and addresses fw4 takes IPv4, which zone {zone.Name} masquerades already: nothing happens to IPv6" : "without family and addresses fw4 takes IPv4; nothing happens to IPv6", "firewall4 fw4.uc, parse_nat: \"default to IPv4 only for backwards compatibility\"",
                    [new Seen("family is not set, nor an address of IPv6", model.FirewallPackage.Where(section))],
                    new Remedy("add option family 'ipv6'"));
            }
        }
    }

    /// <summary>Whether a section's sources hold the router's own addresses outside: it names none, or too many.</summary>
    private static bool TakesOwn(RouterModel model, UciSection section) =>
        section.Text("src_ip") is not { } text || (FirewallOptions.Network(text) is { } set && model.Exits.SelectMany(e => e.V6).Any(a => set.Contains(a.Prefix.Address)));

    /// <summary>The zone that a nat section without family is about, where it does nothing for IPv4 that is not done already.</summary>
    private static FirewallZone? MeansIpv6(RouterModel model, UciSection section)
    {
        foreach (var exit in model.Exits.Where(e => section.Text("device") is null || section.Text("device") == e.Device))
        {
            if (model.Firewall!.ZoneOfDevice(exit.Device) is { Family: 0 } zone && (section.Text("src") is null or "*" ? section["device"] is not null : section.Text("src") == zone.Name)
                && (zone.Masq || section["device"] is not null || zone.Networks.All(n => model.Network![n] is not { } i || i.Device == exit.Device)))
            {
                return zone;
            }
        }

        return null;
    }

    private static IEnumerable<Finding> Shadowed(RouterModel model)
    {
        var prefixes = model.SourceTranslations.Where(r => r.Verb == Verb.SnatPrefix).ToArray();
        foreach (var zone in model.Firewall!.Zones.Where(z => z.Masq6 && prefixes.Length > 0))
        {
            // The same packets: what one of the networks sends would be taken by either.
            var masquerade = model.Firewall[$"srcnat_{zone.Name}"]!.Rules.First(r => r.Verb == Verb.Masquerade && r.Family == 6);
            var both = prefixes.FirstOrDefault(p => (p.Out.Length == 0 || p.Out.Any(d => model.Firewall.ZoneOfDevice(d) == zone)) && Meet(p.Source, masquerade.Source));
            if (both is null)
            {
                continue;
            }

            var winner = model.Network!.Lans.Select(l => RouterModel.HostOn(l, PacketPath.SomeHost) is { } s && model.RouteFor(s) is { } r ? model.Translates(new(l.Device, r.Interface.Device, s, PacketPath.SomeServer, "tcp")) : null).FirstOrDefault(r => r is not null);
            yield return ExitsFindings.Make("exits/masq6-shadows-npt6", winner?.Verb == Verb.Masquerade ? Severity.Error : Severity.Warning, Certainty.Proven, zone.Name,
                winner?.Verb == Verb.Masquerade ? $"masq6 of zone {zone.Name} takes the packets that the prefix rule is for: all hosts leave with one address" : $"masq6 of zone {zone.Name} and a prefix rule both want the same packets", "the first rule that translates a connection decides; the order depends on where the rule is included", "nf_nat_core.c: a connection is translated once",
                [new Seen("masq6 1", model.FirewallPackage!.Where(zone.Section, "masq6")), new Seen($"{new Value(both.Text(), ValueKind.Plain)}", both.Origin.Where)],
                new Remedy($"remove masq6 from zone {zone.Name}"));
        }
    }

    private static bool Meet(AddressSet[] a, AddressSet[] b) => a.Length == 0 || b.Length == 0 || a.Any(x => b.Any(y => x.V6 == y.V6 && x.Low <= y.High && y.Low <= x.High));

    /// <summary>A range in a prefix that the kernel's hash spreads over all of (its words are of 32 bits).</summary>
    public static string RangeOf(IpPrefix prefix) => prefix.Address.IsV4 ? $"{prefix.First}-{prefix.Last}" : $"{prefix.At((UInt128)1 << 48)}-{prefix.At(((UInt128)0xfffe << 48) | 0xffff_ffff_ffff)}";
}
