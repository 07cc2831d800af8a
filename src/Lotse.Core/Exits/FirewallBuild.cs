using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>
/// Makes the ruleset of /etc/config/firewall as firewall4 does (fw4.uc and templates/ruleset.uc, revision b6e5157).
/// Left out, and said so: sets, helpers, time limits and marks, which no exit needs.
/// </summary>
internal sealed partial class FirewallBuild
{
    private static readonly int[] Families = [4, 6];
    private static readonly string[] Verdicts = ["accept", "reject", "drop"];

    private readonly UciPackage package;
    private readonly Func<string, (string Device, IpPrefix[] Addresses)?> network;
    private readonly Firewall made = new();
    private readonly Dictionary<string, List<NftRule>> rules = [];
    private readonly bool dropInvalid;
    private readonly (string Input, string Output, string Forward) policy;
    private readonly bool synFlood;

    private FirewallBuild(UciPackage package, Func<string, (string Device, IpPrefix[] Addresses)?> network)
    {
        (this.package, this.network) = (package, network);
        var defaults = package.OfType("defaults").FirstOrDefault();
        var holds = defaults is not null && FirewallOptions.Fault(defaults, null) is null ? defaults : null;
        policy = (FirewallOptions.Policy(holds?.Text("input")) ?? "drop", FirewallOptions.Policy(holds?.Text("output")) ?? "drop", FirewallOptions.Policy(holds?.Text("forward")) ?? "drop");
        dropInvalid = FirewallOptions.Bool(holds?.Text("drop_invalid")) ?? false;
        synFlood = FirewallOptions.Bool(holds?.Text("synflood_protect") ?? holds?.Text("syn_flood")) ?? false;
    }

    /// <summary>Makes the ruleset.</summary>
    /// <param name="package">/etc/config/firewall.</param>
    /// <param name="network">The device of a network and the addresses on it; null: there is none of that name.</param>
    /// <param name="file">The text of a file; null: it is not there.</param>
    /// <param name="dropIns">Paths of /etc/nftables.d and /usr/share/nftables.d.</param>
    public static Firewall Of(UciPackage package, Func<string, (string Device, IpPrefix[] Addresses)?> network, Func<string, string?> file, IReadOnlyList<string> dropIns)
    {
        var build = new FirewallBuild(package, network);
        foreach (var section in package.OfType("zone"))
        {
            build.AddZone(section);
        }

        var names = build.made.Zones.Select(z => z.Name).ToArray();
        foreach (var section in package.OfType("rule").Where(s => build.Counts(s, names)))
        {
            build.AddRule(section);
        }

        foreach (var section in package.OfType("forwarding").Where(s => build.Counts(s, names)))
        {
            build.AddForwarding(section);
        }

        foreach (var section in package.OfType("redirect").Where(s => build.Counts(s, names)))
        {
            build.AddRedirect(section);
        }

        foreach (var section in package.OfType("nat").Where(s => build.Counts(s, names)))
        {
            build.AddNat(section);
        }

        build.Assemble();
        build.Includes(file, dropIns);
        return build.made;
    }

    private bool Counts(UciSection section, string[] zones)
    {
        if (FirewallOptions.Fault(section, zones) is { } fault)
        {
            made.Dropped.Add((section, fault));
            return false;
        }

        return FirewallOptions.Bool(section.Text("enabled")) ?? true;
    }

    private string Where(UciSection section, string? option = null) => option is null ? package.Where(section) : package.Where(section, option);

    private void AddZone(UciSection section)
    {
        if (!Counts(section, null!))
        {
            return;
        }

        var networks = section.Words("network").Select(w => FirewallOptions.Inverted(w.Text)).ToArray();
        var devices = networks.Where(n => network(n.Text) is not null).Select(n => (n.Not, network(n.Text)!.Value.Device))
            .Concat(section.Words("device").Select(w => FirewallOptions.Inverted(w.Text)))
            .Where(d => d.Not || d.Item2 != "+").Select(d => (d.Item1, Device: d.Item2.EndsWith('+') ? d.Item2[..^1] + "*" : d.Item2)).ToArray();
        var subnets = section.Words("subnet").Select(w => FirewallOptions.Inverted(w.Text)).Select(s => (s.Not, Set: Addresses(s.Text))).ToArray();
        var family = FirewallOptions.Family(section.Text("family")) ?? 0;
        var families = subnets.SelectMany(s => s.Set).Select(a => a.V6 ? 6 : 4).Distinct().ToArray();
        if (family == 0 && families.Length == 1)
        {
            family = families[0];
        }
        else if (family != 0 && families.Length == 1 && families[0] != family)
        {
            made.Dropped.Add((section, new("family", section["family"]?.Values[0], "does not fit the zone's subnets")));
            return;
        }

        string[] not = [.. devices.Where(d => d.Item1).Select(d => d.Device)];
        var groups = devices.Where(d => !d.Item1 && d.Device.EndsWith('*')).Select(d => new[] { d.Device }).ToList();
        string[] plain = [.. devices.Where(d => !d.Item1 && !d.Device.EndsWith('*')).Select(d => d.Device)];
        if (plain.Length > 0 || groups.Count == 0)
        {
            groups.Add(plain);
        }

        var matches = new List<ZoneMatch>();
        if (devices.Length > 0 || families.Length > 0)
        {
            foreach (var group in groups)
            {
                if (family == 0 && families.Length == 0)
                {
                    matches.Add(new(0, group, not, [], []));
                    continue;
                }

                foreach (var f in Families.Where(f => family == 0 || family == f))
                {
                    matches.Add(new(f, group, not, Sets(subnets, false, f), Sets(subnets, true, f)));
                }
            }
        }

        var zone = new FirewallZone(
            section, section.Text("name")!, [.. networks.Where(n => !n.Not).Select(n => n.Text)], family,
            FirewallOptions.Policy(section.Text("input")) ?? policy.Input, FirewallOptions.Policy(section.Text("output")) ?? policy.Output, FirewallOptions.Policy(section.Text("forward")) ?? policy.Forward,
            FirewallOptions.Bool(section.Text("masq")) ?? false, FirewallOptions.Bool(section.Text("masq6")) ?? false, [.. matches]);
        zone.Needs.UnionWith([zone.Output, zone.Forward, $"from {zone.Input}"]);
        if (zone.Masq || zone.Masq6)
        {
            zone.Needs.Add("snat");
        }

        made.Zones.Add(zone);
    }

    private void AddForwarding(UciSection section)
    {
        var (source, destination) = (Zone(section.Text("src")), Zone(section.Text("dest")));
        if (Agree(FirewallOptions.Family(section.Text("family")), [source?.Family, destination?.Family]) is not { } family)
        {
            made.Dropped.Add((section, new("family", null, "zones of different families")));
            return;
        }

        destination?.Needs.Add("accept");
        Rules(source is null ? "forward" : $"forward_{source.Name}").Add(new()
        {
            Family = family,
            Verb = destination is null ? Verb.Accept : Verb.Jump,
            Target = destination is null ? "" : $"accept_to_{destination.Name}",
            Origin = new(Where(section), $"forwarding {section.Text("src")} to {section.Text("dest")}"),
        });
    }

    /// <summary>The family that all agree on; null where they do not.</summary>
    private static int? Agree(int? wanted, IEnumerable<int?> others)
    {
        var result = wanted ?? 0;
        foreach (var other in others.Where(o => o is > 0))
        {
            if (result != 0 && other != result)
            {
                return null;
            }

            result = other!.Value;
        }

        return result;
    }

    private FirewallZone? Zone(string? name) => made.Zones.FirstOrDefault(z => z.Name == name);

    private List<NftRule> Rules(string chain) => rules.TryGetValue(chain, out var list) ? list : rules[chain] = [];

    /// <summary>Addresses as written, or those of a network by its name.</summary>
    private AddressSet[] Addresses(string text) => FirewallOptions.Network(text) is { } set ? [set] : [.. (network(text)?.Addresses ?? []).Select(Set)];

    private static AddressSet Set(IpPrefix prefix) => new(prefix.First, prefix.Last, prefix.Length);

    private static AddressSet[] Sets(IEnumerable<(bool Not, AddressSet[] Set)> all, bool not, int family) =>
        [.. all.Where(s => s.Not == not).SelectMany(s => s.Set).Where(a => a.V6 == (family == 6))];
}
