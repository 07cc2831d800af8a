namespace Lotse.Exits;

/// <summary>Findings about what a file says that is refused, ignored or not understood.</summary>
internal static class FindingsInFiles
{
    private static readonly string[] Ends = ["src", "dest"];

    public static IEnumerable<Finding> Refused(RouterModel model)
    {
        foreach (var (path, error) in model.Refused)
        {
            var outcome = path.EndsWith("firewall", StringComparison.Ordinal)
                ? "fw4 then makes no zones and drops everything that comes in or through, without a word"
                : "the router's programs then see none of it";
            yield return ExitsFindings.Make("exits/uci-parse-error", Severity.Error, Certainty.Proven, path,
                $"{Value.Path(path)} is refused whole: {error.Reason}", $"libuci refuses the file at line {error.Line}, column {error.Column}; {outcome}", "libuci file.c, uci_import: one error refuses the file",
                [new Seen($"uci: {error.AsUciSays}", $"{path}:{error.Line}")],
                new Remedy("put the line right before the next reload or restart", "lotse", "exits", "uci", path));
        }
    }

    public static IEnumerable<Finding> All(RouterModel model) =>
        [.. Privacy(model), .. OldSections(model), .. Typos(model), .. InvalidZones(model), .. DisableIpv6(model), .. Includes(model)];

    private static IEnumerable<Finding> Privacy(RouterModel model)
    {
        foreach (var zone in model.FirewallPackage!.OfType("zone").Where(z => model.IsFw4 && z["masq6_privacy"] is not null))
        {
            yield return ExitsFindings.Make("exits/masq6-privacy", Severity.Warning, Certainty.Proven, zone.Text("name") ?? zone.Reference,
                $"masq6_privacy of zone {zone.Text("name")} does nothing: fw4 does not know it", "fw4 warns of an unknown option and goes on: all hosts leave with the tunnel's own address", "firewall4 fw4.uc, parse_zone",
                [new Seen($"masq6_privacy {zone.Text("masq6_privacy")}", model.FirewallPackage.Where(zone, "masq6_privacy"))],
                new Remedy("let the addresses come out of a range, which needs no script", "lotse", "exits", "plan", "--method", "range"));
        }
    }

    private static IEnumerable<Finding> OldSections(RouterModel model)
    {
        var old = model.FirewallPackage!.OfType("npt6").Concat(model.FirewallPackage.OfType("include").Where(i => IsOldScript(model, i))).ToArray();
        if (model.IsFw4 && old.Length > 0)
        {
            yield return ExitsFindings.Make("exits/npt6-sections-fw3", Severity.Error, Certainty.Proven, "npt6",
                $"{old.Length} section{(old.Length == 1 ? "" : "s")} of the old npt6 script translate nothing", "fw4 has no such section, and the script that read them wrote iptables rules, which fw4 does not load", "firewall4 fw4.uc, load: only its own section types are read",
                [.. old.Select(s => new Seen(s.Type == "include" ? (Text)$"config include, path {Value.Path(s.Text("path")!)}" : $"config npt6, src_interface {s.Text("src_interface") ?? "-"}, dest_interface {s.Text("dest_interface") ?? "-"}", model.FirewallPackage.Where(s)))],
                new Remedy("translate them into a rule that fw4 loads", "lotse", "exits", "plan", "--method", "npt6"));
        }
    }

    /// <summary>An include of the old script, by its name or by what it does.</summary>
    private static bool IsOldScript(RouterModel model, UciSection include) =>
        FirewallOptions.Bool(include.Text("enabled")) is not false && include.Text("path") is { } path && !path.EndsWith(".nft", StringComparison.Ordinal)
        && include.Text("type") is null or "script"
        && (path.EndsWith("firewall.npt6", StringComparison.Ordinal) || (model.Facts.IncludedText(include.Text("path")!) is { } text && text.Contains("ip6tables", StringComparison.Ordinal) && text.Contains("NETMAP", StringComparison.Ordinal)));

    private static IEnumerable<Finding> Typos(RouterModel model)
    {
        var named = model.FirewallPackage!.OfType("zone").Select(z => z.Text("name")).ToHashSet();
        foreach (var forwarding in model.FirewallPackage.OfType("forwarding").Where(f => FirewallOptions.Bool(f.Text("enabled")) is not false))
        {
            foreach (var option in Ends.Where(o => forwarding.Text(o) is { } name && name != "*" && !named.Contains(name)))
            {
                var near = named.OfType<string>().OrderBy(n => Distance(n, forwarding.Text(option)!)).FirstOrDefault();
                yield return ExitsFindings.Make("exits/forwarding-zone-typo", Severity.Error, Certainty.Proven, forwarding.Reference,
                    $"a forwarding names the zone {new Value(forwarding.Text(option)!, ValueKind.Plain)}, which does not exist", "fw4 leaves the whole forwarding out: nothing of it is let through", "firewall4 fw4.uc, parse_zone_ref",
                    [new Seen($"{option} {new Value(forwarding.Text(option)!, ValueKind.Plain)}; zones: {string.Join(", ", named)}", model.FirewallPackage.Where(forwarding, option))],
                    new Remedy(near is null ? (Text)"name a zone that exists" : $"did you mean {near}"));
            }
        }
    }

    private static IEnumerable<Finding> InvalidZones(RouterModel model)
    {
        foreach (var (section, fault) in model.Firewall!.Dropped.Where(d => d.Section.Type == "zone"))
        {
            var name = section.Text("name") ?? section.Reference;
            var followers = model.FirewallPackage!.Sections.Where(s => s.Type is "forwarding" or "rule" or "redirect" or "nat" && (s.Text("src") == name || s.Text("dest") == name)).ToArray();
            yield return ExitsFindings.Make("exits/invalid-bool-kills-zone", Severity.Error, Certainty.Proven, name,
                $"zone {new Value(name, ValueKind.Plain)} does not exist for fw4: {fault.Option} {fault.Why}", $"fw4 leaves the zone out, and with it the {followers.Length} section{(followers.Length == 1 ? "" : "s")} that refer to it", "firewall4 fw4.uc, parse_options: one value that is not understood drops the section",
                [new Seen(fault.Value is { } v ? (Text)$"{fault.Option} {new Value(v.Text, ValueKind.Plain)}" : $"{fault.Option} is missing", model.FirewallPackage.Where(section, fault.Option)), .. followers.Select(f => new Seen($"{f.Type} {f.Text("name")}", model.FirewallPackage.Where(f)))],
                new Remedy($"write a value that fw4 knows: yes-or-no options take 1, on, true, yes, 0, off, false, no"));
        }
    }

    private static IEnumerable<Finding> DisableIpv6(RouterModel model)
    {
        foreach (var defaults in model.FirewallPackage!.OfType("defaults").Where(d => model.IsFw4 && FirewallOptions.Bool(d.Text("disable_ipv6")) is true))
        {
            yield return ExitsFindings.Make("exits/disable-ipv6-defaults", Severity.Warning, Certainty.Proven, "defaults",
                "disable_ipv6 in the firewall's defaults does nothing under fw4", "fw4 warns that it is not supported and goes on: IPv6 is filtered like before, and passes where rules let it", "firewall4 fw4.uc, parse_defaults",
                [new Seen($"disable_ipv6 {defaults.Text("disable_ipv6")}", model.FirewallPackage.Where(defaults, "disable_ipv6"))],
                new Remedy("remove it; who wants no IPv6 takes it off the interfaces"));
        }
    }

    private static IEnumerable<Finding> Includes(RouterModel model)
    {
        foreach (var section in model.FirewallPackage!.OfType("include").Where(s => model.IsFw4 && (FirewallOptions.Bool(s.Text("enabled")) ?? true)))
        {
            var (path, chain, where) = (section.Text("path") ?? "", section.Text("chain"), model.FirewallPackage.Where(section));
            var nftables = section.Text("type") is { Length: > 0 } type && "nftables".StartsWith(type.ToLowerInvariant(), StringComparison.Ordinal);
            if (!nftables && (section["position"] is not null || chain is not null || path.EndsWith(".nft", StringComparison.Ordinal)))
            {
                yield return ExitsFindings.Make("exits/include-without-type", Severity.Error, Certainty.Proven, path,
                    $"the include of {Value.Path(path)} is taken for a shell script", "without type nftables fw4 does not put it into the ruleset", "firewall4 fw4.uc, parse_include: type is script unless it is given",
                    [new Seen($"type {section.Text("type") ?? "not set"}", where)],
                    new Remedy("add option type 'nftables'"));
                continue;
            }

            if (nftables && model.Facts.Included.FirstOrDefault(i => i.Path == path) is null or { Missing: true })
            {
                yield return ExitsFindings.Make("exits/include-missing-file", Severity.Error, Certainty.Proven, path,
                    $"the firewall includes {Value.Path(path)}, which does not exist", "fw4 warns on standard error and goes on without it: its rules are not there", "firewall4 fw4.uc, parse_include",
                    [new Seen($"path {Value.Path(path)}", model.FirewallPackage.Where(section, "path"))],
                    new Remedy("put the file there, on a path that sysupgrade keeps, or remove the include"));
                continue;
            }

            if (nftables && chain is not null && model.Firewall![chain] is null && FirewallBuild.Position(section.Text("position")) is "chain-prepend" or "chain-append")
            {
                yield return Unmade(model, path, chain, model.FirewallPackage.Where(section, "chain"));
            }
        }

        foreach (var path in model.Facts.DropIns.Where(d => d.StartsWith("/usr/share/nftables.d/chain-", StringComparison.Ordinal) && d.Split('/') is { Length: > 6 } parts && model.Firewall![parts[5]] is null))
        {
            yield return Unmade(model, path, path.Split('/')[5], path);
        }

        foreach (var included in model.Facts.Included.Where(i => i.Text is not null && i.Path.EndsWith(".nft", StringComparison.Ordinal)))
        {
            foreach (var (line, number) in included.Text!.Split('\n').Select((l, i) => (l.Split('#')[0], i + 1)))
            {
                var words = line.Split([' ', '\t', ';', '{'], StringSplitOptions.RemoveEmptyEntries);
                var at = Array.FindIndex(words, w => w is "oif" or "iif");
                if (at >= 0 && words.Skip(at + 1).FirstOrDefault(w => w is not ("!=" or "==")) is { } device && device.Trim('"') != "lo")
                {
                    yield return ExitsFindings.Make("exits/include-oif", Severity.Error, Certainty.Proven, included.Path,
                        $"{Value.Path(included.Path)} matches {words[at]} {device}: while that device is missing, the whole firewall does not load", "iif and oif are looked up when the rule is loaded, at boot before the tunnel is there; one rule that fails fails the ruleset, and the router stands open", "nft(8): iif and oif take an index, iifname and oifname a name",
                        [new Seen($"{new Value(line.Trim(), ValueKind.Plain)}", $"{included.Path}:{number}")],
                        new Remedy($"write {words[at]}name"));
                }
            }
        }
    }

    private static Finding Unmade(RouterModel model, string path, string chain, string where) => ExitsFindings.Make(
        "exits/include-into-missing-chain", Severity.Error, Certainty.Proven, path,
        $"{Value.Path(path)} goes into the chain {new Value(chain, ValueKind.Plain)}, which fw4 does not make", "fw4 leaves it out without a word: a zone has srcnat and dstnat chains only when something in it translates", "firewall4 templates/ruleset.uc: includes are printed inside chains that are printed",
        [new Seen($"chain {new Value(chain, ValueKind.Plain)}; there are: {string.Join(", ", model.Firewall!.Chains.Where(c => c.Name.Contains("nat", StringComparison.Ordinal)).Select(c => c.Name))}", where)],
        new Remedy("use the chain srcnat, which is always there, or a base chain of its own in /etc/nftables.d"));

    /// <summary>A rough measure of how far two names are apart.</summary>
    private static int Distance(string a, string b) => Math.Abs(a.Length - b.Length) + a.Zip(b).Count(p => p.First != p.Second);
}
