using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>The edits of a router's three files, and the file with the prefix rule, for one method.</summary>
internal sealed class RouterEdit
{
    private const string AliasName = "wan6";
    private readonly RouterModel model;
    private readonly NetworkInterface tunnel;
    private readonly NetworkInterface[] lans;
    private readonly IpPrefix outer;
    private readonly ExitsGoal goal;
    private readonly ExitsMethod method;
    private readonly UciEdit network;
    private readonly UciEdit firewall;
    private readonly UciEdit dhcp;
    private readonly Dictionary<string, string> created = [];
    private readonly List<string> deleted = [];
    private static readonly string[] Services = ["network", "firewall", "odhcpd"];
    private static readonly int[] Neighbours = [135, 136];

    public RouterEdit(RouterModel model, NetworkInterface tunnel, NetworkInterface[] lans, IpPrefix outer, ExitsGoal goal, ExitsMethod method)
    {
        (this.model, this.tunnel, this.lans, this.outer, this.goal, this.method) = (model, tunnel, lans, outer, goal, method);
        network = Open(model.Facts.Network);
        firewall = Open(model.Facts.Firewall);
        dhcp = Open(model.Facts.Dhcp);
    }

    /// <summary>What was done beside the method itself, and why.</summary>
    public List<Reason> Reasons { get; } = [];

    private string Delegated => goal.Inbound ?? lans[0].Name;

    /// <summary>Makes all edits.</summary>
    public void Apply()
    {
        Tunnel();
        IpPrefix? inner = method == ExitsMethod.Pd ? null : Inner();
        Networks();
        Zones(inner);
        Translation(inner);
        Announcements();
    }

    /// <summary>The router as it will be.</summary>
    public ExitsFacts After()
    {
        var facts = model.Facts;
        var included = facts.Included.Where(i => !deleted.Contains(i.Path) && !created.ContainsKey(i.Path)).Concat(created.Select(c => new ReadText(c.Key, c.Value, null))).ToArray();
        return facts with
        {
            Network = facts.Network with { Text = ByteText.Decode(network.Bytes) },
            Firewall = facts.Firewall with { Text = ByteText.Decode(firewall.Bytes) },
            Dhcp = facts.Dhcp with { Text = ByteText.Decode(dhcp.Bytes) },
            Included = included,
            DropIns = [.. facts.DropIns.Where(d => !deleted.Contains(d)).Concat(created.Keys.Where(c => c.StartsWith("/etc/nftables.d/", StringComparison.Ordinal))).Distinct()],
            Routes = null,
        };
    }

    /// <summary>The steps, files first; where programs run, the services read them again.</summary>
    public IEnumerable<Change> Changes(ExitsFacts facts)
    {
        var files = 0;
        foreach (var (old, now) in new[] { (facts.Network, network), (facts.Firewall, firewall), (facts.Dhcp, dhcp) })
        {
            var before = ByteText.Encode(old.Text!);
            if (!before.AsSpan().SequenceEqual(now.Bytes))
            {
                files++;
                yield return EditFile.Between(old.Path, before, now.Bytes);
            }
        }

        foreach (var (path, text) in created)
        {
            var old = facts.Included.FirstOrDefault(i => i.Path == path)?.Text;
            if (old != text)
            {
                files++;
                yield return old is null ? new CreateFile(path, [.. text.TrimEnd('\n').Split('\n')], path == ExitsPlan.Script ? 0x1ed : 0x1a4, 0, 0) : EditFile.Between(path, ByteText.Encode(old), ByteText.Encode(text));
            }
        }

        foreach (var path in deleted.Where(d => facts.Included.Any(i => i.Path == d && i.Text is not null)))
        {
            files++;
            yield return new DeleteFile(path, Sha256.Hex(ByteText.Encode(facts.IncludedText(path)!)));
        }

        if (files > 0 && facts.Routes is not null)
        {
            foreach (var service in Services)
            {
                // Once more does no harm, so it is its own inverse: the files have been put back by then.
                yield return new RunProgram([$"/etc/init.d/{service}", "reload"], [$"/etc/init.d/{service}", "reload"], 60);
            }
        }
    }

    private static UciEdit Open(ReadText file) => new(file.Path, ByteText.Encode(file.Text!));

    private void Tunnel()
    {
        foreach (var address in tunnel.V6.Where(a => a.Class.Length == 0 && a.Prefix.Length < 128 && (method is ExitsMethod.Pd or ExitsMethod.Hybrid || model.Network!.Lans.SelectMany(l => l.V6).Any(l => l.Prefix.Overlaps(a.Prefix)))))
        {
            var option = tunnel.Section["addresses"] is null ? "ip6addr" : "addresses";
            var values = network.Package.Named(tunnel.Name)!.Words(option).Select(w => w.Text).Select(w => IpPrefix.TryParse(w, out var p) && p == address.Prefix ? $"{address.Prefix.Address}/128" : w).ToArray();
            network.SetList(tunnel.Name, option, values);
            Reasons.Add(new($"the tunnel has {address.Prefix.Address} alone", Verdict.Yes, "a /64 on it would be a second route to the networks", new Seen($"{address.Prefix}", address.Where)));
        }

        var peer = tunnel.Peers.FirstOrDefault(p => p.Endpoint is not null) ?? tunnel.Peers[0];
        if (!tunnel.Peers.Any(p => p.TakesInternet))
        {
            network.AddToList(peer.Section.Name, "allowed_ips", "::/0");
        }

        if (!model.Network!.Defaults.Any(d => d.Interface == tunnel))
        {
            network.Set(peer.Section.Name, "route_allowed_ips", "1");
        }

        if (peer.Endpoint is not null && peer.Section.Text("persistent_keepalive") is null or "0")
        {
            network.Set(peer.Section.Name, "persistent_keepalive", "25");
        }

        if (TunnelChecks.Room(model, tunnel) is { } room && (int.TryParse(tunnel.Section.Text("mtu"), out var mtu) ? mtu : 1420) > room.Most)
        {
            network.Set(tunnel.Name, "mtu", $"{room.Most}");
        }

        if (TunnelChecks.SwallowsItself(model, tunnel) is not null)
        {
            network.Remove(tunnel.Name, "nohostroute");
        }
    }

    /// <summary>The inner prefix: kept where hosts prefer IPv6 with it, else the same bits outside fc00::/7.</summary>
    private IpPrefix Inner()
    {
        var globals = network.Package.OfType("globals").FirstOrDefault();
        var now = model.Network!.Ula?.Prefix;
        if (now is { } kept && (goal.KeepInner || !RouterModel.IPv4First(kept.Address)))
        {
            return kept;
        }

        // dd00::/8 is nobody's: not routed, not unique local, and with the Internet's label. The bits behind are kept or drawn from the tunnel's key.
        var seed = Convert.FromHexString(Sha256.Hex(ByteText.Encode(tunnel.Peers[0].Section.Text("public_key") ?? tunnel.Name)));
        var bits = now is { } ula ? ula.Address.Bits & IpPrefix.Mask(48) & ~IpPrefix.Mask(8) : ((UInt128)(BitConverter.ToUInt64(seed) & 0xff_ffff_ffff)) << 80;
        var inner = new IpPrefix(IpAddress.V6(((UInt128)0xdd << 120) | bits), 48);
        if (globals is null)
        {
            network.AddSection("globals", "globals", ("ula_prefix", inner.ToString()));
        }
        else
        {
            network.Set(globals.Name, "ula_prefix", inner.ToString());
        }

        Reasons.Add(new($"inner prefix {inner}: hosts prefer IPv6 with it, and are told of a default router only while there is one", Verdict.Yes, "RFC 6724 section 2.1: fc00::/7 has another label than the Internet; odhcpd router.c counts what is outside it as public", now is { } was ? [new Seen($"{was}", model.Network.Ula!.Where)] : []));
        return inner;
    }

    private void Networks()
    {
        var brought = model.Network!.Brought.FirstOrDefault(b => b.Prefix.Network == outer)?.Interface;
        if (method is ExitsMethod.Pd or ExitsMethod.Hybrid && brought is null)
        {
            // An alias of the tunnel that brings another prefix brings this one now.
            if (network.Package.Named(AliasName) is not { } there)
            {
                network.AddSection("interface", AliasName, ("proto", "static"), ("device", $"@{tunnel.Name}"), ("ip6prefix", outer.ToString()));
            }
            else if (there.Text("proto") == "static" && there.Text("device") == $"@{tunnel.Name}")
            {
                network.SetList(AliasName, "ip6prefix", outer.ToString());
            }
            else
            {
                throw new UciEditException($"{network.Package.Where(there)}: the interface {AliasName} is something else already");
            }

            brought = AliasName;
        }

        foreach (var (lan, i) in lans.Select((l, i) => (l, i)))
        {
            network.Set(lan.Name, "ip6assign", "64");
            var delegated = method == ExitsMethod.Pd || (method == ExitsMethod.Hybrid && lan.Name == Delegated);
            if (method == ExitsMethod.Pd)
            {
                network.Remove(lan.Name, "ip6class");
            }
            else if (method == ExitsMethod.Hybrid || model.Network.Brought.Count > 0)
            {
                network.SetList(lan.Name, "ip6class", delegated ? brought! : "local");
            }

            if (lan.Section["ip6hint"] is null && !delegated && method != ExitsMethod.Pd)
            {
                network.Set(lan.Name, "ip6hint", $"{i + 1:x}");
            }

            // The far end has ::1 of a /64 that is all there is.
            if (delegated && outer.Length == 64 && lan.Section["ip6ifaceid"] is null)
            {
                network.Set(lan.Name, "ip6ifaceid", "::fe");
            }
        }

        // netifd ends what is delegated; a prefix that is translated into needs an end of its own.
        if (method is ExitsMethod.Npt6 or ExitsMethod.Range && !network.Package.OfType("route6").Any(r => r.Text("type") == "unreachable" && IpPrefix.TryParse(r.Text("target"), out var t) && t.Network == outer))
        {
            network.AddSection("route6", "lotse_unreachable", ("interface", "loopback"), ("target", outer.ToString()), ("type", "unreachable"), ("metric", "2147483647"));
        }
    }

    private void Zones(IpPrefix? inner)
    {
        var zone = model.Firewall!.ZoneOfDevice(tunnel.Device) is { } has && !has.Networks.Intersect(lans.Select(l => l.Name)).Any() ? has
            : model.Firewall.Zones.FirstOrDefault(z => z.Masq) ?? model.Firewall.Zones.FirstOrDefault(z => z.Name == "wan") ?? throw new UciEditException("/etc/config/firewall has no zone of uplinks: none masquerades, none is called wan");
        var name = zone.Section.Name;
        Zone = zone.Name;
        foreach (var other in model.Firewall.Zones.Where(z => z != zone && z.Networks.Contains(tunnel.Name)))
        {
            firewall.RemoveFromList(other.Section.Name, "network", tunnel.Name);
        }

        foreach (var member in new[] { tunnel.Name }.Concat(method is ExitsMethod.Pd or ExitsMethod.Hybrid ? [model.Network!.Brought.FirstOrDefault(b => b.Prefix.Network == outer)?.Interface ?? AliasName] : []))
        {
            firewall.AddToList(name, "network", member);
        }

        firewall.Remove(name, "masq6_privacy");
        if (zone.Family == 4)
        {
            firewall.Remove(name, "family");
        }

        if (zone.Forward == "accept")
        {
            firewall.Set(name, "forward", "REJECT");
        }

        if (method == ExitsMethod.Nat6)
        {
            firewall.Set(name, "masq6", "1");
            if (zone.Masq && !zone.Section.Words("masq_src").Any(w => w.Text == inner.ToString()))
            {
                firewall.AddToList(name, "masq_src", inner.ToString()!);
                firewall.AddToList(name, "masq_src", "0.0.0.0/0");
            }
        }
        else
        {
            firewall.Remove(name, "masq6");
            foreach (var source in zone.Section.Words("masq_src").Where(w => IpPrefix.TryParse(w.Text, out var p) && p.Address.IsV6))
            {
                firewall.RemoveFromList(name, "masq_src", source.Text);
            }
        }

        foreach (var lan in lans.Select(l => model.Firewall.ZoneOfDevice(l.Device)!).Distinct())
        {
            var known = firewall.Package.OfType("forwarding").ToArray();
            if (!known.Any(f => f.Text("src") == lan.Name && f.Text("dest") == zone.Name))
            {
                firewall.AddSection("forwarding", null, ("src", lan.Name), ("dest", zone.Name));
            }

            if (lan.Input != "accept" && Neighbours.Any(t => model.Firewall.Ask("input", new Packet(lan.Matches.SelectMany(m => m.Devices).First(), null, IpAddress.Parse("fe80::a1"), IpAddress.Parse("fe80::1"), "ipv6-icmp") { Icmp = t }).Verdict != "accept"))
            {
                firewall.AddSection("rule", $"lotse_nd_{lan.Name}".Replace('-', '_').Replace('.', '_'), ("name", $"Allow-ND-{lan.Name}"), ("src", lan.Name), ("proto", "icmp"), ("icmp_type", "router-solicitation"), ("icmp_type", "neighbour-solicitation"), ("icmp_type", "neighbour-advertisement"), ("family", "ipv6"), ("target", "ACCEPT"));
            }
        }

        foreach (var typo in model.Firewall.Dropped.Where(d => d.Section.Type == "forwarding").Select(d => d.Section))
        {
            throw new UciEditException($"{model.FirewallPackage!.Where(typo)}: this forwarding names a zone that does not exist: put it right first");
        }
    }

    private string Zone { get; set; } = "";

    private void Translation(IpPrefix? inner)
    {
        // What an earlier plan, the old script or somebody by hand has put there for another method goes.
        Drop(s => s.Type == "npt6");
        Drop(s => s.Type == "include" && s.Text("path") is { } p && (p.Contains("npt6", StringComparison.Ordinal) || p == ExitsPlan.Script));
        var range = FindingsOfTranslations.RangeOf(outer);
        bool Kept(UciSection s) => method == ExitsMethod.Range && s.Text("src_ip") == inner.ToString() && s.Text("snat_ip") == range;
        Drop(s => s.Type == "nat" && !Kept(s) && FirewallOptions.Family(s.Text("family")) is 0 or 6 && s.Text("src") == Zone && FirewallOptions.Target(s.Text("target")) != "accept");
        if (method is ExitsMethod.Npt6 or ExitsMethod.Hybrid)
        {
            var rule = $"oifname \"{tunnel.Device}\" ip6 saddr {inner} snat ip6 prefix to {outer.Network with { Length = Math.Max(outer.Length, 64) }}";
            if (model.IsFw4)
            {
                created[ExitsPlan.DropIn] = $"# by lotse exits plan: inner hosts leave with the prefix {outer}; kept by sysupgrade\nchain lotse_npt6 {{\n\ttype nat hook postrouting priority srcnat - 1; policy accept;\n\t{rule}\n}}\n";
            }
            else
            {
                Script($"-s {inner} -o {tunnel.Device} -j NETMAP --to {outer}");
            }
        }
        else if (model.Facts.IncludedText(ExitsPlan.DropIn) is not null)
        {
            deleted.Add(ExitsPlan.DropIn);
        }

        if (method == ExitsMethod.Nat6 && !model.IsFw4)
        {
            Script($"-s {inner} -o {tunnel.Device} -j MASQUERADE");
        }

        if (method == ExitsMethod.Range && !firewall.Package.OfType("nat").Any(Kept))
        {
            firewall.AddSection("nat", "lotse_range", ("name", "lotse-nat66-range"), ("family", "ipv6"), ("src", Zone), ("src_ip", inner.ToString()!), ("proto", "all"), ("target", "SNAT"), ("snat_ip", range));
        }
    }

    /// <summary>fw3 runs an include at every reload: a chain of its own holds the rule, and what it held before is gone. It comes before the zones' masquerade.</summary>
    private void Script(string rule)
    {
        created[ExitsPlan.Script] = $"""
            #!/bin/sh
            # by lotse exits plan; run by fw3 at every reload
            ip6tables -t nat -N lotse_exits 2>/dev/null || ip6tables -t nat -F lotse_exits
            ip6tables -t nat -A lotse_exits {rule}
            ip6tables -t nat -C POSTROUTING -j lotse_exits 2>/dev/null || ip6tables -t nat -I POSTROUTING -j lotse_exits

            """;
        firewall.AddSection("include", "lotse_exits", ("path", ExitsPlan.Script), ("reload", "1"));
    }

    private void Drop(Func<UciSection, bool> which)
    {
        while (firewall.Package.Sections.FirstOrDefault(which) is { } section)
        {
            Reasons.Add(new($"the {section.Type} section {section.Text("name") ?? section.Reference} goes: it is for another method", Verdict.Yes, null, new Seen($"{section.Type} {section.Reference}", firewall.Package.Where(section))));
            firewall.RemoveSection(section.Name);
        }
    }

    private void Announcements()
    {
        foreach (var lan in lans)
        {
            var section = dhcp.Package.OfType("dhcp").FirstOrDefault(s => s.Text("interface") == lan.Name);
            if (section is null)
            {
                dhcp.AddSection("dhcp", lan.Name, ("interface", lan.Name), ("ra", "server"), ("dhcpv6", "server"));
                continue;
            }

            dhcp.Set(section.Name, "ra", "server");
            if (method == ExitsMethod.Pd || !goal.KeepInner)
            {
                dhcp.Remove(section.Name, "ra_default");
            }
        }
    }
}
