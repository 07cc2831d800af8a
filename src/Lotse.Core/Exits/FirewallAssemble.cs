namespace Lotse.Exits;

/// <content>The chains in the order of templates/ruleset.uc, and what is included into them.</content>
internal sealed partial class FirewallBuild
{
    private void Assemble()
    {
        Base("input", policy.Input, zone => Jump(zone, "input", false), "iifname \"lo\" accept");
        Base("forward", policy.Forward, zone => Jump(zone, "forward", false), null);
        Base("output", policy.Output, zone => Jump(zone, "output", true), "oifname \"lo\" accept");
        var reject = made.Add("handle_reject");
        reject.Rules.Add(new() { Protocol = "tcp", Verb = Verb.Other, Target = "reject with tcp reset" });
        reject.Rules.Add(new() { Verb = Verb.Other, Target = "reject with icmpx type port-unreachable" });
        if (synFlood)
        {
            var flood = made.Add("syn_flood");
            flood.Rules.Add(new() { Also = "limit rate 25/second burst 50 packets", Verb = Verb.Return });
            flood.Rules.Add(new() { Verb = Verb.Drop, Conditional = true });
        }

        foreach (var zone in made.Zones)
        {
            Zone(zone);
        }

        Nat("dstnat", "nat hook prerouting priority dstnat", "dnat", false);
        Nat("srcnat", "nat hook postrouting priority srcnat", "snat", true);
        foreach (var zone in made.Zones)
        {
            if (zone.Needs.Contains("dnat"))
            {
                made.Add($"dstnat_{zone.Name}").Rules.AddRange(Rules($"dstnat_{zone.Name}"));
            }

            if (zone.Needs.Contains("snat"))
            {
                var chain = made.Add($"srcnat_{zone.Name}");
                chain.Rules.AddRange(Rules($"srcnat_{zone.Name}"));
                chain.Rules.AddRange(Masquerade(zone));
            }
        }

        var raw = made.Add("raw_prerouting", "filter hook prerouting priority raw");
        foreach (var zone in made.Zones.Where(z => z.Needs.Contains("notrack")))
        {
            raw.Rules.AddRange(Jump(zone, "notrack", false));
            made.Add($"notrack_{zone.Name}").Rules.AddRange(Rules($"notrack_{zone.Name}"));
        }

        made.Add("raw_output", "filter hook output priority raw");
        made.Add("mangle_prerouting", "filter hook prerouting priority mangle");
        MssFix(made.Add("mangle_postrouting", "filter hook postrouting priority mangle"), true);
        made.Add("mangle_input", "filter hook input priority mangle");
        made.Add("mangle_output", "route hook output priority mangle");
        MssFix(made.Add("mangle_forward", "filter hook forward priority mangle"), false);
    }

    private void Base(string name, string policyOfHook, Func<FirewallZone, IEnumerable<NftRule>> jumps, string? loopback)
    {
        var chain = made.Add(name, $"filter hook {name} priority filter", policyOfHook == "accept" ? "accept" : "drop");
        if (loopback is not null)
        {
            chain.Rules.Add(name == "input" ? new() { In = ["lo"], Verb = Verb.Accept } : new() { Out = ["lo"], Verb = Verb.Accept });
        }

        chain.Rules.Add(new() { Established = true, Verb = Verb.Accept });
        if (dropInvalid)
        {
            chain.Rules.Add(new() { Also = "ct state invalid", Conditional = true, Verb = Verb.Other, Target = "drop" });
        }

        if (synFlood && name == "input")
        {
            chain.Rules.Add(new() { Also = "tcp flags & (fin | syn | rst | ack) == syn", Conditional = true, Verb = Verb.Other, Target = "jump syn_flood" });
        }

        chain.Rules.AddRange(Rules(name));
        foreach (var zone in made.Zones)
        {
            chain.Rules.AddRange(jumps(zone));
        }

        if (policyOfHook == "reject")
        {
            chain.Rules.Add(new() { Verb = Verb.Jump, Target = "handle_reject", Origin = new("", $"the default policy for {name}") });
        }
    }

    private void Zone(FirewallZone zone)
    {
        var origin = new RuleOrigin(Where(zone.Section), $"zone {zone.Name}");
        var input = made.Add($"input_{zone.Name}");
        input.Rules.AddRange(Rules(input.Name));
        Redirected(zone, input);
        input.Rules.Add(new() { Verb = Verb.Jump, Target = $"{zone.Input}_from_{zone.Name}", Origin = origin });
        var output = made.Add($"output_{zone.Name}");
        output.Rules.AddRange(Rules(output.Name));
        output.Rules.Add(new() { Verb = Verb.Jump, Target = $"{zone.Output}_to_{zone.Name}", Origin = origin });
        var forward = made.Add($"forward_{zone.Name}");
        forward.Rules.AddRange(Rules(forward.Name));
        Redirected(zone, forward);
        forward.Rules.Add(new() { Verb = Verb.Jump, Target = $"{zone.Forward}_to_{zone.Name}", Origin = origin });
        foreach (var verdict in Verdicts)
        {
            if (zone.Needs.Contains($"from {verdict}"))
            {
                made.Add($"{verdict}_from_{zone.Name}").Rules.AddRange(Verdict(zone, verdict, false, origin));
            }

            if (zone.Needs.Contains(verdict))
            {
                var chain = made.Add($"{verdict}_to_{zone.Name}");
                var strict = verdict == "accept" && !dropInvalid && (zone.Masq || zone.Masq6) && FirewallOptions.Bool(zone.Section.Text("masq_allow_invalid")) is not true;
                foreach (var rule in Verdict(zone, verdict, true, origin))
                {
                    if (strict)
                    {
                        chain.Rules.Add(rule with { Family = zone.Masq == zone.Masq6 ? (rule.Destination.Length + rule.DestinationNot.Length > 0 ? rule.Family : 0) : zone.Masq ? 4 : 6, Also = "ct state invalid", Conditional = true, Verb = Verb.Other, Target = "drop", Origin = origin });
                    }

                    chain.Rules.Add(rule);
                }
            }
        }
    }

    private static void Redirected(FirewallZone zone, NftChain chain)
    {
        if (zone.Needs.Contains("dnat"))
        {
            chain.Rules.Add(new() { Redirected = true, Verb = Verb.Accept });
        }
    }

    private void Nat(string name, string hook, string needs, bool outward)
    {
        var chain = made.Add(name, hook);
        chain.Rules.AddRange(Rules(name));
        foreach (var zone in made.Zones.Where(z => z.Needs.Contains(needs)))
        {
            chain.Rules.AddRange(Jump(zone, name, outward));
        }
    }

    private IEnumerable<NftRule> Masquerade(FirewallZone zone)
    {
        foreach (var family in Families.Where(f => f == 4 ? zone.Masq : zone.Masq6))
        {
            var source = zone.Section.Words("masq_src").Select(w => FirewallOptions.Inverted(w.Text)).Select(s => (s.Not, Set: Addresses(s.Text))).ToArray();
            var destination = zone.Section.Words("masq_dest").Select(w => FirewallOptions.Inverted(w.Text)).Select(s => (s.Not, Set: Addresses(s.Text))).ToArray();
            yield return new()
            {
                Family = family,
                Source = Sets(source, false, family),
                SourceNot = Sets(source, true, family),
                Destination = Sets(destination, false, family),
                DestinationNot = Sets(destination, true, family),
                Verb = Verb.Masquerade,
                Origin = new(Where(zone.Section, family == 4 ? "masq" : "masq6"), $"zone {zone.Name} {(family == 4 ? "masq" : "masq6")}"),
            };
        }
    }

    private void MssFix(NftChain chain, bool outward)
    {
        foreach (var zone in made.Zones.Where(z => FirewallOptions.Bool(z.Section.Text("mtu_fix")) is true))
        {
            chain.Rules.AddRange(Matching(zone, outward).Select(r => r with { Also = "tcp flags & (syn | fin | rst) == syn", Conditional = true, Verb = Verb.Other, Target = "tcp option maxseg size set rt mtu", Origin = new(Where(zone.Section, "mtu_fix"), $"zone {zone.Name} mtu_fix") }));
        }
    }

    private IEnumerable<NftRule> Jump(FirewallZone zone, string what, bool outward) =>
        Matching(zone, outward).Select(r => r with { Verb = Verb.Jump, Target = $"{what}_{zone.Name}", Origin = new(Where(zone.Section), $"zone {zone.Name}") });

    private static IEnumerable<NftRule> Verdict(FirewallZone zone, string verdict, bool outward, RuleOrigin origin) =>
        Matching(zone, outward).Select(r => r with { Verb = verdict switch { "accept" => Verb.Accept, "drop" => Verb.Drop, _ => Verb.Jump }, Target = verdict == "reject" ? "handle_reject" : "", Origin = origin with { What = $"{origin.What}: {verdict}" } });

    /// <summary>Rules that match what belongs to a zone, on the way in or out.</summary>
    private static IEnumerable<NftRule> Matching(FirewallZone zone, bool outward) => zone.Matches.Select(m => new NftRule
    {
        Family = m.Family,
        In = outward ? [] : m.Devices,
        InNot = outward ? [] : m.DevicesNot,
        Out = outward ? m.Devices : [],
        OutNot = outward ? m.DevicesNot : [],
        Source = outward ? [] : m.Subnets,
        SourceNot = outward ? [] : m.SubnetsNot,
        Destination = outward ? m.Subnets : [],
        DestinationNot = outward ? m.SubnetsNot : [],
    });

    private void Includes(Func<string, string?> file, IReadOnlyList<string> dropIns)
    {
        foreach (var path in dropIns.Where(d => d.StartsWith("/etc/nftables.d/", StringComparison.Ordinal) && d.EndsWith(".nft", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            Include("table-prepend", null, path, file(path), path);
        }

        foreach (var section in package.OfType("include").Where(s => FirewallOptions.Fault(s, []) is null && (FirewallOptions.Bool(s.Text("enabled")) ?? true) && "nftables".StartsWith(s.Text("type")?.ToLowerInvariant() ?? "script", StringComparison.Ordinal)))
        {
            if (Position(section.Text("position")) is { } position && section.Text("path") is { } path)
            {
                Include(position, section.Text("chain"), path, file(path), Where(section));
            }
        }

        if (FirewallOptions.Bool(package.OfType("defaults").FirstOrDefault()?.Text("auto_includes")) ?? true)
        {
            foreach (var path in dropIns.Where(d => d.StartsWith("/usr/share/nftables.d/", StringComparison.Ordinal) && d.EndsWith(".nft", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
            {
                var parts = path.Split('/');
                if (Position(parts[4]) is { } position)
                {
                    Include(position, parts.Length > 6 ? parts[5] : null, path, file(path), path);
                }
            }
        }
    }

    private void Include(string position, string? chain, string path, string? text, string where)
    {
        if (text is null)
        {
            return;
        }

        if (!position.StartsWith("chain-", StringComparison.Ordinal))
        {
            made.Texts.Add((position, path, text));
            foreach (var own in NftText.Chains(path, text))
            {
                // Chains of its own are part of the ruleset's text already; here they are only weighed.
                made.Own.Add(own);
            }

            return;
        }

        if (chain is not null && made[chain] is { } known)
        {
            var parsed = NftText.Rules(path, text).Select(r => r with { Origin = new(path, $"included by {where}") }).ToArray();
            var after = known.Hook is not null && known.Rules.Count > 0 && known.Rules[0].Verb == Verb.Accept && known.Rules[0] is { In: ["lo"] } or { Out: ["lo"] } ? 1 : 0;
            known.Rules.InsertRange(position == "chain-prepend" ? Math.Min(after, known.Rules.Count) : AppendAt(known), parsed);
        }
    }

    /// <summary>Where <c>chain-append</c> goes: before the closing jump of a zone's chain and of a base chain's policy.</summary>
    private static int AppendAt(NftChain chain) =>
        chain.Rules.Count > 0 && (chain.Name.StartsWith("input_", StringComparison.Ordinal) || chain.Name.StartsWith("output_", StringComparison.Ordinal) || chain.Name.StartsWith("forward_", StringComparison.Ordinal) || (chain.Name == "forward" && chain.Rules[^1].Target == "handle_reject"))
            ? chain.Rules.Count - 1 : chain.Rules.Count;

    /// <summary>fw4.uc, parse_includeposition: a beginning is enough; postpend is append; nothing is behind the table.</summary>
    internal static string? Position(string? text)
    {
        string[] all = ["ruleset-prepend", "ruleset-postpend", "ruleset-append", "table-prepend", "table-postpend", "table-append", "chain-prepend", "chain-postpend", "chain-append"];
        return text is null ? "table-append" : all.FirstOrDefault(p => p.StartsWith(text.ToLowerInvariant(), StringComparison.Ordinal))?.Replace("postpend", "append", StringComparison.Ordinal);
    }
}
