using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>What is planned: the files as they will be, and why.</summary>
/// <param name="Report">The decision, as reasons.</param>
/// <param name="Goal">One line.</param>
/// <param name="Changes">The steps.</param>
/// <param name="Vanish">Findings that go away.</param>
/// <param name="After">The router as it will be, for the twin.</param>
/// <param name="Impossible">Whether what was asked cannot be.</param>
public sealed record ExitsDecision(Report Report, string Goal, Change[] Changes, string[] Vanish, ExitsFacts? After, bool Impossible = false)
{
    /// <summary>A plain Linux router as it will be, for its twin; null: it is no plain Linux router.</summary>
    public LinuxDesign? Design { get; init; }
}

/// <summary>Plans the smallest change of a router's files that gives its networks an exit. Pure.</summary>
public static class ExitsPlan
{
    /// <summary>Where the prefix rule stands: kept by sysupgrade, loaded by fw4 into its own table.</summary>
    internal const string DropIn = "/etc/nftables.d/20-lotse-npt6.nft";

    /// <summary>The same for the iptables firewall.</summary>
    internal const string Script = "/etc/firewall.lotse-exits";

    /// <summary>Makes the plan.</summary>
    public static ExitsDecision Make(ExitsFacts facts, ExitsGoal goal)
    {
        var model = RouterModel.Of(facts);
        var before = ExitsFindings.Of(model);
        ExitsDecision Impossible(Text why, params Unknown[] unknowns) => new(new(why, [], [.. before.Where(f => f.Severity == Severity.Error)], unknowns), "", [], [], null, true);
        if (model.Refused.Count > 0)
        {
            return Impossible("nothing is planned on a file that the router refuses: put it right first");
        }

        if (model.Network is null || model.FirewallPackage is null || model.DhcpPackage is null)
        {
            return Impossible("not planned: a file of /etc/config is missing", new Unknown("the router's configuration", "network, firewall and dhcp are needed", "lotse exits plan --host root@ROUTER, or --root with a copy of its /etc"));
        }

        if (model.ExitTunnels.Concat(model.Network.Tunnels).FirstOrDefault(t => t.Protocol == "wireguard") is not { } tunnel || tunnel.Peers.Length == 0)
        {
            return Impossible("not planned: there is no WireGuard interface with a peer in /etc/config/network");
        }

        var (outer, old) = Outer(model, goal);
        if (outer is not { } prefix)
        {
            return Impossible("not planned: the outer prefix is not known", new Unknown("the prefix that the far end sends into the tunnel", "no ip6prefix, no translation and no tunnel address of IPv6 tells it", "name it: --prefix 2001:db8:1:2::/64"));
        }

        var lans = Candidates(model, tunnel).ToArray();
        if (lans.Length == 0 || (goal.Inbound is { } wanted && lans.All(l => l.Name != wanted)))
        {
            return Impossible(lans.Length == 0 ? "not planned: there is no inner network" : (Text)$"not planned: there is no inner network {goal.Inbound}; there are {string.Join(", ", lans.Select(l => l.Name))}");
        }

        var (method, reasons) = MethodChoice.Choose(goal, prefix, lans.Length, model.IsFw4, plain: false);
        if (reasons[0].Verdict == Verdict.No)
        {
            return new(new($"{MethodChoice.Name(method)} does not fit", reasons, [], []), "", [], [], null, true);
        }

        RouterEdit edit;
        try
        {
            edit = new RouterEdit(model, tunnel, lans, prefix, goal, method);
            edit.Apply();
        }
        catch (UciEditException e)
        {
            return Impossible($"not planned: {new Value(e.Message, ValueKind.Plain)}");
        }

        var after = edit.After();
        var left = ExitsFindings.Of(RouterModel.Of(after));
        var changes = edit.Changes(facts).ToArray();
        var vanish = before.Select(f => f.Id).Distinct().Except(left.Select(f => f.Id)).ToArray();
        var verdict = changes.Length == 0 ? $"nothing to do: the networks leave by {MethodChoice.Name(method)} already" : (Text)$"{MethodChoice.Name(method)} into {prefix} for {string.Join(", ", lans.Select(l => l.Name))}";
        return new(
            new(verdict, [.. reasons, .. edit.Reasons, .. old], [.. left.Where(f => f.Severity > Severity.Info)], []), $"IPv6 of {string.Join(", ", lans.Select(l => l.Name))} leaves by {tunnel.Name}: {MethodChoice.Name(method)} into {prefix}",
            changes, vanish, after);
    }

    /// <summary>The outer prefix and how it is known. Sections of the old npt6 script name devices, not prefixes: their output too.</summary>
    private static (IpPrefix? Prefix, Reason[] Old) Outer(RouterModel model, ExitsGoal goal)
    {
        var old = model.FirewallPackage!.OfType("npt6").ToArray();
        var said = old.Select(s => IpPrefix.TryParse(s.Text("output"), out var p) && p.Address.IsV6 ? p.Network : (IpPrefix?)null).FirstOrDefault(p => p is not null);
        Reason[] migrated = old.Length == 0 ? [] : [new($"{old.Length} npt6 section{(old.Length == 1 ? "" : "s")} of the old script: {string.Join(", ", old.Select(s => $"{s.Text("src_interface") ?? "all"} to {s.Text("dest_interface") ?? "the uplink"}"))}", Verdict.Yes, "src_interface and dest_interface become one rule by the inner prefix; the router's own traffic stays as it is", [.. old.Select(s => new Seen($"npt6 {s.Reference}", model.FirewallPackage!.Where(s)))])];
        return (goal.Prefix?.Network ?? said ?? model.OuterPrefixes.OrderBy(p => p.Length).Select(p => (IpPrefix?)p).FirstOrDefault(), migrated);
    }

    /// <summary>The networks that shall leave: static ones that are no uplink, in a zone of their own.</summary>
    private static IEnumerable<NetworkInterface> Candidates(RouterModel model, NetworkInterface tunnel)
    {
        var uplinks = model.Firewall!.Zones.Where(z => z.Masq || z.Masq6 || z.Networks.Contains(tunnel.Name)).SelectMany(z => z.Networks).ToHashSet();
        return model.Network!.Interfaces.Where(i => i.Protocol == "static" && i.Device is not ("lo" or "") && i.Device != tunnel.Device && !uplinks.Contains(i.Name) && !i.Section["device"]!.Values[0].Text.StartsWith('@') && model.Firewall.ZoneOfDevice(i.Device) is not null);
    }
}
