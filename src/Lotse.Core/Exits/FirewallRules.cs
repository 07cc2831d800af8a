namespace Lotse.Exits;

/// <content>Sections <c>rule</c>, <c>nat</c> and <c>redirect</c>.</content>
internal sealed partial class FirewallBuild
{
    private static readonly string[] Units = ["second", "minute", "hour", "day"];

    private void AddRule(UciSection section)
    {
        var (src, dest) = (section.Text("src"), section.Text("dest"));
        var (source, destination) = (Zone(src), Zone(dest));
        var target = FirewallOptions.Target(section.Text("target"));
        var origin = new RuleOrigin(Where(section), $"rule {section.Text("name") ?? section.Reference}");
        if (target is "mark" or "dscp" or "helper" || section["ipset"] is not null || section["set_mark"] is not null)
        {
            made.NotRendered.Add((origin.Where, $"{origin.What}: sets, marks and helpers"));
            return;
        }

        var name = target == "notrack" && source is not null ? $"notrack_{source.Name}"
            : src is not null ? (src == "*" ? (dest is null ? "input" : "forward") : $"{(dest is null ? "input" : "forward")}_{source!.Name}")
            : dest is null or "*" ? "output" : $"output_{destination!.Name}";
        if (target == "notrack")
        {
            source?.Needs.Add("notrack");
        }

        var (verb, jump) = target switch
        {
            "notrack" => (Verb.NoTrack, ""),
            null => (Verb.Other, "counter"),
            _ when destination is not null => (Verb.Jump, $"{target}_to_{destination.Name}"),
            "accept" => (Verb.Accept, ""),
            "drop" => (Verb.Drop, ""),
            _ => (Verb.Jump, "handle_reject"),
        };
        if (destination is not null && target is not null)
        {
            destination.Needs.Add(target);
        }

        var (also, conditional) = Also(section);
        foreach (var one in Variants(section, "src_ip", "dest_ip", [source?.Family, destination?.Family], defaultProtocol: "tcpudp", yesToAny: true))
        {
            Rules(name).Add(one with
            {
                Verb = verb,
                Target = jump,
                Also = also,
                Conditional = conditional,
                In = section.Text("device") is { } device && section.Text("direction") is not ("out" or "egress") ? [device] : [],
                Out = section.Text("device") is { } outward && section.Text("direction") is "out" or "egress" ? [outward] : [],
                Origin = origin,
            });
        }
    }

    private void AddNat(UciSection section)
    {
        var zone = Zone(section.Text("src"));
        var target = FirewallOptions.Target(section.Text("target")) ?? "masquerade";
        var origin = new RuleOrigin(Where(section), $"nat {section.Text("name") ?? section.Reference}");
        var to = section.Text("snat_ip") is { } text ? Addresses(text).FirstOrDefault() : null;
        var port = section.Text("snat_port") is { } given ? FirewallOptions.Port(given)?.Low ?? 0 : 0;
        target = target is "accept" or "snat" ? target : "masquerade";
        if ((target == "snat" && to is null && port == 0) || (target != "snat" && (to is not null || port > 0)))
        {
            made.Dropped.Add((section, new("snat_ip", section["snat_ip"]?.Values[0], "does not fit the target")));
            return;
        }

        zone?.Needs.Add("snat");
        var (also, conditional) = Also(section);
        foreach (var one in Variants(section, "src_ip", "dest_ip", [zone?.Family, to is null ? null : to.V6 ? 6 : 4], defaultProtocol: "all", yesToAny: false))
        {
            // snat_ip with a prefix becomes the prefix's first address alone; only a range stays one (fw4.uc, host()).
            var single = to is null || to.Length < 0 ? to : to with { High = to.Low, Length = to.Low.Size };
            Rules(zone is null ? "srcnat" : $"srcnat_{zone.Name}").Add(one with
            {
                Verb = target switch { "accept" => Verb.Accept, "snat" => Verb.SnatAddress, _ => Verb.Masquerade },
                To = target == "snat" ? single : null,
                ToPort = port,
                Also = also,
                Conditional = conditional,
                Out = section.Text("device") is { } device ? [device] : [],
                Origin = origin,
            });
        }
    }

    private void AddRedirect(UciSection section)
    {
        var (source, destination) = (Zone(section.Text("src")), Zone(section.Text("dest")));
        var snat = FirewallOptions.Target(section.Text("target")) == "snat";
        var origin = new RuleOrigin(Where(section), $"redirect {section.Text("name") ?? section.Reference}");
        var to = section.Text(snat ? "src_dip" : "dest_ip") is { } text ? Addresses(text).FirstOrDefault() : null;
        if (snat ? destination is null || to is null : source is null)
        {
            made.Dropped.Add((section, new(snat ? "dest" : "src", null, "has to name a zone")));
            return;
        }

        destination ??= section["dest"] is null && !snat ? Holder(to) : null;
        (snat ? destination! : source!).Needs.Add(snat ? "snat" : "dnat");
        var reflected = !snat && destination is not null && (FirewallOptions.Bool(section.Text("reflection")) ?? true);
        if (reflected && source!.Masq)
        {
            destination!.Needs.UnionWith(["accept", "dnat", "snat"]);
        }

        var done = new HashSet<string?>();
        var (also, conditional) = Also(section);
        var port = section.Text(snat ? "src_dport" : "dest_port") ?? (snat ? null : section.Text("src_dport"));
        foreach (var one in Variants(section, "src_ip", snat ? "dest_ip" : "src_dip", [source?.Family, destination?.Family, to is null ? null : to.V6 ? 6 : 4], "tcpudp", yesToAny: false, portOption: snat ? "dest_port" : "src_dport"))
        {
            if (reflected && done.Add(one.Protocol))
            {
                Reflect(section, source!, destination!, one.Protocol, port, origin);
            }

            Rules(snat ? $"srcnat_{destination!.Name}" : $"dstnat_{source!.Name}").Add(one with
            {
                Verb = snat ? Verb.SnatAddress : to is null ? Verb.Other : Verb.DnatAddress,
                Target = to is null && !snat ? $"redirect to :{(port is null ? 0 : FirewallOptions.Port(port)?.Low)}" : "",
                To = to is null ? null : to with { High = to.Low, Length = to.Low.Size },
                ToPort = port is not null && one.Protocol is "tcp" or "udp" ? FirewallOptions.Port(port!)?.Low ?? 0 : 0,
                Also = also,
                Conditional = conditional,
                Origin = origin,
            });
        }
    }

    /// <summary>One rule for each protocol and family that a section means (fw4.uc, the loops behind add_rule).</summary>
    private IEnumerable<NftRule> Variants(UciSection section, string sourceOption, string destinationOption, int?[] families, string defaultProtocol, bool yesToAny, string portOption = "dest_port")
    {
        var source = section.Words(sourceOption).Select(w => FirewallOptions.Inverted(w.Text)).Select(s => (s.Not, Set: Addresses(s.Text))).ToArray();
        var destination = section.Words(destinationOption).Select(w => FirewallOptions.Inverted(w.Text)).Select(s => (s.Not, Set: Addresses(s.Text))).ToArray();
        var wanted = FirewallOptions.Family(section.Text("family"));
        var words = section.Words("proto").SelectMany(w => FirewallOptions.Protocols(w.Text)).DefaultIfEmpty().SelectMany(p => p is null ? FirewallOptions.Protocols(defaultProtocol) : [p]);
        foreach (var protocol in words.Distinct())
        {
            var types = protocol is "icmp" or "ipv6-icmp" ? section.Words("icmp_type").SelectMany(w => IcmpTypes.Find(w.Text)).ToArray() : [];
            var addressed = source.Concat(destination).SelectMany(s => s.Set).Select(a => a.V6 ? 6 : 4).Distinct().ToArray();
            var only = addressed.Length == 1 ? addressed[0] : (int?)null;
            if (Agree(protocol == "ipv6-icmp" ? 6 : wanted, [.. families, only]) is not { } family)
            {
                made.Dropped.Add((section, new("family", section["family"]?.Values[0], "does not fit its zones or addresses")));
                continue;
            }

            var specific = addressed.Concat(types.Select(t => t.Family)).Distinct().ToArray();
            if (family == 0 && wanted is null && specific.Length == 1)
            {
                family = specific[0];
            }

            if (family == 0 && wanted is null && !yesToAny)
            {
                // Translations without family and addresses are for IPv4 alone, as in fw3.
                family = 4;
            }

            foreach (var one in family == 0 && specific.Length == 0 ? [0] : Families.Where(f => family == 0 || f == family))
            {
                var mine = types.Where(t => t.Family == one).ToArray();
                foreach (var codes in new[] { mine.Where(t => t.Code is null).ToArray(), mine.Where(t => t.Code is not null).ToArray() }.Where((c, i) => c.Length > 0 || (i == 0 && mine.Length == 0)))
                {
                    yield return new()
                    {
                        Family = one,
                        Protocol = protocol == "all" ? null : protocol == "icmp" && one == 6 ? "ipv6-icmp" : protocol,
                        Icmp = codes,
                        Source = Sets(source, false, one),
                        SourceNot = Sets(source, true, one),
                        Destination = Sets(destination, false, one),
                        DestinationNot = Sets(destination, true, one),
                        SourcePorts = protocol is "tcp" or "udp" ? Ports(section, "src_port") : [],
                        DestinationPorts = protocol is "tcp" or "udp" ? Ports(section, portOption) : [],
                    };
                }
            }
        }
    }

    private static (int Low, int High)[] Ports(UciSection section, string option) =>
        [.. section.Words(option).Select(w => FirewallOptions.Inverted(w.Text)).Where(p => !p.Not).Select(p => FirewallOptions.Port(p.Text)).OfType<(int Low, int High)>()];

    /// <summary>Matches that are printed but not weighed.</summary>
    private static (string Text, bool Conditional) Also(UciSection section)
    {
        var text = new List<string>();
        var conditional = false;
        if (section.Words("src_mac").Select(w => w.Text).Where(m => m.Length is > 10 and < 18 && m.All(c => char.IsAsciiHexDigit(c) || c is ':' or '-')).ToArray() is { Length: > 0 } addresses)
        {
            text.Add($"ether saddr {{ {string.Join(", ", addresses.Select(a => a.Replace('-', ':').ToLowerInvariant()))} }}");
            conditional = true;
        }

        if (Limit(section) is { Length: > 0 } limit)
        {
            text.Add(limit);
        }

        return (string.Join(' ', text), conditional || Timed(section));
    }

    private static bool Timed(UciSection section) => section["start_time"] is not null || section["start_date"] is not null || section["weekdays"] is not null || section["mark"] is not null;

    private static string Limit(UciSection section)
    {
        if (section.Text("limit") is not { } limit || limit.Split('/') is not [var rate, ..] parts || !rate.All(char.IsAsciiDigit) || rate.Length is 0 or > 9)
        {
            return "";
        }

        var unit = parts.Length > 1 ? Units.FirstOrDefault(u => u.StartsWith(parts[1], StringComparison.Ordinal)) : "second";
        return $"limit rate {rate}/{unit ?? "second"}";
    }
}
