using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>Sends packets through a twin of the router and compares what a server sees with what was foretold. Its reasons are the claims.</summary>
public static class ExitsProof
{
    /// <summary>Proves a configuration before it is used: nothing of the router is asked or changed.</summary>
    /// <param name="host">Where the twin runs: this machine.</param>
    /// <param name="facts">The router.</param>
    public static Report Twin(Host host, ExitsFacts facts)
    {
        var model = RouterModel.Of(facts);
        var claims = Refused(model).ToList();
        if (TwinPlan.Of(model) is not { } spec)
        {
            return claims.Count > 0 ? Report(model, claims, 0) : new("nothing to prove", [], [], [new("whether IPv6 gets out", model.Network is null ? $"{facts.Network.Path} is not known" : "no inner network with IPv6 is forwarded anywhere", "lotse exits why says what is there")]);
        }

        var seen = Exits.Twin.Run(host, spec);
        if (!seen.Ok)
        {
            return NoTwin(seen.Error!, [.. claims]);
        }

        claims.AddRange(Judge(model, spec, seen.Value));
        return Report(model, claims, seen.Value.Milliseconds);
    }

    /// <summary>Whether a plan has worked: the files of a folder in the twin; a router by its own files, routes and rules.</summary>
    public static Report Applied(Host host, Plan plan)
    {
        var facts = Settled(host);
        if (facts is { IsRouter: false, Linux: { } linux })
        {
            return LinuxApplied(host, linux, plan);
        }

        if (facts.Routes is null)
        {
            using var here = new Hosts.LocalHost();
            return Twin(here, facts);
        }

        var model = RouterModel.Of(facts);
        var claims = Refused(model).ToList();
        var findings = ExitsFindings.Of(model);
        foreach (var id in plan.Vanish)
        {
            claims.Add(new($"{id} is gone", Yes(findings.All(f => f.Id != id)), "the same check as before", new Seen(findings.FirstOrDefault(f => f.Id == id)?.Title ?? "not found again", "lotse exits why")));
        }

        if (model.Network is not null)
        {
            var routes = LiveRoutes.Parse(facts.Routes.Text ?? "").ToArray();
            var exit = model.Exits.FirstOrDefault();
            claims.Add(new($"the router has a default route of IPv6 by {exit?.Device ?? "its exit"}", facts.Routes.Text is null ? Verdict.Unknown : Yes(routes.Any(r => r.IsDefault && r.Device == exit?.Device)), "ip -6 route", new Seen(routes.FirstOrDefault(r => r.IsDefault)?.Line is { } line ? $"{line}" : (Text)"none", facts.Routes.Command)));
            claims.AddRange(ExitsDiagnosis.Paths(model, PacketPath.SomeServer).Where(p => TwinPlan.Wanted(model).Contains(p.Lan)).Select(p => new Reason($"{p.Lan.Name} has a way out", p.Works, "lotse exits why", new Seen(p.Seen is { } seen ? $"seen as {seen}" : (Text)"no way", "the configuration"))));
        }

        claims.AddRange(LiveProof.Of(host, model, Named(plan, "probe"), Named(plan, "here")));
        return new(claims.Any(c => c.Verdict == Verdict.No) ? $"not proven: {claims.First(c => c.Verdict == Verdict.No).Text}" : "the router answers as planned", [.. claims], [], []);
    }

    /// <summary>Reads the router; while its services still start, again.</summary>
    private static ExitsFacts Settled(Host host)
    {
        for (var tries = 0; ; tries++)
        {
            var facts = ExitsFacts.Read(host);
            var model = RouterModel.Of(facts);
            var exits = model.Exits.Select(e => e.Device).ToHashSet();
            if (tries == 8 || facts.Routes?.Text is not { } text || exits.Count == 0 || LiveRoutes.Parse(text).Any(r => r.IsDefault && exits.Contains(r.Device))
                || host.Run(["sleep", "1"], TimeSpan.FromSeconds(5)) is not { Ok: true })
            {
                return facts;
            }
        }
    }

    /// <summary>The addresses behind a word of a plan's proof: <c>probe A here B</c>.</summary>
    private static IpAddress[] Named(Plan plan, string word) =>
        [.. plan.Proof.Zip(plan.Proof.Skip(1)).Where(p => p.First == word).Select(p => IpAddress.TryParse(p.Second, out var ip) ? ip : (IpAddress?)null).OfType<IpAddress>()];

    /// <summary>A plain Linux router by its own rules, routes and packets; a folder of its files by its files.</summary>
    private static Report LinuxApplied(Host host, LinuxRouter router, Plan plan)
    {
        var claims = new List<Reason> { new($"{LinuxPlan.Rules} is there", Yes(router.Written.Any(w => w.Path == LinuxPlan.Rules && w.Text is not null)), "nftables.conf includes it", new Seen(LinuxPlan.Rules, LinuxPlan.Rules)) };
        if (ExitsFacts.Print(host, "nft", "list", "table", "ip6", "lotse_exits") is { } table)
        {
            claims.Add(new("the kernel has the table lotse_exits", Yes(table.Text is not null), "nft", new Seen(table.Text is null ? $"{table.Error!.Message}" : (Text)"listed", table.Command)));
            var routes = ExitsFacts.Print(host, "ip", "-6", "route", "get", PacketPath.SomeServer.ToString());
            claims.Add(new($"packets for the Internet leave by {router.Tunnel.Device}", Yes(routes?.Text?.Contains($" dev {router.Tunnel.Device} ", StringComparison.Ordinal) is true), "ip-route(8)", new Seen($"{new Value(routes?.Text?.Trim() ?? "no route", ValueKind.Plain)}", "ip -6 route get")));
            claims.AddRange(LiveProof.Of(host, null, Named(plan, "probe"), Named(plan, "here")));
        }

        return new(claims.Any(c => c.Verdict == Verdict.No) ? $"not proven: {claims.First(c => c.Verdict == Verdict.No).Text}" : "the router answers as planned", [.. claims], [], []);
    }

    /// <summary>The report where the twin could not be built.</summary>
    internal static Report NoTwin(HostError error, Reason[] claims) =>
        new("not proven: the twin could not run", claims, [], [new("what packets do in the router's twin", error.Message, "it needs unshare, ip and nft, and unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns); as root it needs none")]);

    private static Report Report(RouterModel model, List<Reason> claims, long milliseconds) =>
        Judged(claims, [.. ExitsFindings.Of(model).Where(f => f.Severity == Severity.Error)], milliseconds);

    /// <summary>The report of claims that packets have been asked for.</summary>
    internal static Report Judged(List<Reason> claims, Finding[] errors, long milliseconds)
    {
        var failed = claims.FirstOrDefault(c => c.Verdict == Verdict.No);
        return new(
            failed is not null ? $"does not hold: {failed.Text}"
            : errors.Length > 0 ? $"packets get through the twin of the router, but {errors[0].Title}"
            : $"proven in {milliseconds / 1000.0:0.0} s with real packets through a twin of the router: {claims.Count} claims",
            [.. claims], errors, [.. claims.Where(c => c.Verdict == Verdict.Unknown).Select(c => new Unknown(c.Text, "the prediction does not know it", "read the rule"))]);
    }

    private static IEnumerable<Reason> Refused(RouterModel model) =>
        model.Refused.Select(r => new Reason($"{Value.Path(r.Path)} is read by the router", Verdict.No, "libuci file.c: one error refuses the file", new Seen($"{r.Error.AsUciSays}", $"{r.Path}:{r.Error.Line}")));

    private static IEnumerable<Reason> Judge(RouterModel model, TwinSpec spec, TwinSight sight)
    {
        yield return new("the firewall loads while the tunnel is not there, as at boot", Yes(sight.LoadError is null), "nft -f: one rule that fails refuses all", new Seen(sight.LoadError is null ? "loaded" : (Text)$"{FirstLine(sight.LoadError)}", "nft -f"));
        foreach (var network in spec.Networks)
        {
            var lan = model.Network!.Lans.First(l => l.Device == network.Device);
            foreach (var claim in OfNetwork(model, lan, network, [.. sight.Sources.Where(s => network.Sources.Contains(s.Source))]))
            {
                yield return claim;
            }
        }

        var own = model.Exits.FirstOrDefault();
        if (own is not null && own.V6.Any(a => a.Class.Length == 0) && sight.Sources.Any(s => s.Tcp is not null))
        {
            var addresses = model.Network!.Interfaces.SelectMany(i => i.V6).Select(a => a.Prefix.Address.ToString()).ToArray();
            yield return new("the router's own connections leave with its own address", Yes(sight.Router is not null && addresses.Contains(sight.Router)), "a rule without a source takes them too", new Seen(sight.Router ?? "no connection", "the server"));
        }

        yield return NoLoop(spec, sight);
    }

    internal static Reason NoLoop(TwinSpec spec, TwinSight sight) =>
        new($"a packet to an address that nobody has ({spec.Unused}) does not come back to the far end", Yes(sight.Looped == 0), "RFC 7084 WPD-5", new Seen($"{sight.Looped} packets came back", "the far end"));

    /// <summary>What any way out has to give beside an answer.</summary>
    internal static IEnumerable<Reason> Ways(string network, TwinSeen one) =>
    [
        new($"a large upload of {network} gets through a link of 1280 bytes behind the far end", Yes(one.Uploaded >= Exits.Twin.UploadBytes), "RFC 8201: \"packet too big\" finds its way back", new Seen($"{one.Uploaded} of {Exits.Twin.UploadBytes} bytes", "the server")),
        new($"traceroute from {network} shows the far end", Yes(one.SecondHop is not null), "RFC 4443 section 3.3", new Seen(one.SecondHop ?? "nobody answered", "hop limit 2")),
        new($"{network} still works after both sides forgot their neighbours", Yes(one.AfterFlush), "RFC 4861", new Seen(one.AfterFlush ? "yes" : "no answer", "ip neigh flush")),
    ];

    private static IEnumerable<Reason> OfNetwork(RouterModel model, NetworkInterface lan, TwinNetwork network, TwinSeen[] seen)
    {
        if (seen.Length == 0)
        {
            yield return new($"hosts of {lan.Name} have an address of IPv6", Verdict.No, "netifd interface-ip.c", new Seen("none", model.NetworkPackage!.Where(lan.Section)));
            yield break;
        }

        foreach (var one in seen)
        {
            var path = PacketPath.Of(model, lan, IpAddress.Parse(one.Source), PacketPath.SomeServer);
            var wanted = path.Works == Verdict.No ? null : path.Seen?.ToString();
            var right = one.Tcp is not null && one.Udp == one.Tcp && (wanted is null || one.Tcp == wanted);
            yield return new(
                wanted is null ? $"the server is reached from {one.Source} of {lan.Name}" : (Text)$"the server sees {one.Source} of {lan.Name} as {wanted}, by TCP and UDP",
                one.Tcp is not null && wanted is null && path.Works == Verdict.Unknown ? Verdict.Unknown : Yes(right && wanted is not null), path.Rule is null ? "ip-route(8)" : "nf_nat_core.c",
                new Seen($"TCP: {one.Tcp ?? one.TcpError ?? "no answer"}", "the server"), new Seen($"UDP: {one.Udp ?? "no answer"}", "the server"));
        }

        if (seen[0] is { Tcp: not null } first)
        {
            foreach (var claim in Ways(lan.Name, first))
            {
                yield return claim;
            }

            yield return Unsolicited(model, lan, first);
            foreach (var merged in Merged(model, lan, seen))
            {
                yield return merged;
            }
        }

        if (network.HasDefault && RouterModel.HostOn(lan, PacketPath.SomeHost) is { } host)
        {
            yield return new($"hosts of {lan.Name} prefer IPv6", Yes(!RouterModel.IPv4First(host)), "RFC 6724 section 6", new Seen($"source {host}", "the network's prefix"));
        }
    }

    private static Reason Unsolicited(RouterModel model, NetworkInterface lan, TwinSeen one)
    {
        // Only where the outer address leads to this host without a known connection.
        var exit = model.RouteFor(IpAddress.Parse(one.Source))?.Interface;
        var translated = one.Tcp != one.Source;
        var passage = exit is null ? null : model.Loaded!.Ask("forward", new Packet(exit.Device, lan.Device, PacketPath.SomeServer, IpAddress.Parse(one.Source), "tcp") { DestinationPort = 7001 });
        var open = !translated && passage?.Verdict == "accept";
        var unknown = translated && model.Loaded!.Own.Concat(model.Loaded.Chains).SelectMany(c => c.Rules).Any(r => r.Verb is Verb.DnatAddress or Verb.DnatPrefix or Verb.Opaque);
        return new($"what comes unasked for {one.Tcp} is {(unknown ? "as its rules say" : open ? "let in" : "kept out")}", unknown ? Yes(true) : Yes(one.Inbound == open), "the forward chain", new Seen(one.Inbound ? "a connection from outside was accepted" : "a connection from outside was not accepted", $"port 7001 of {one.Source}"));
    }

    /// <summary>Two hosts of a network that is not masqueraded are two addresses outside.</summary>
    private static IEnumerable<Reason> Merged(RouterModel model, NetworkInterface lan, TwinSeen[] seen)
    {
        var route = model.RouteFor(IpAddress.Parse(seen[0].Source));
        var rule = route is null ? null : model.Translates(new(lan.Device, route.Interface.Device, IpAddress.Parse(seen[0].Source), PacketPath.SomeServer, "tcp"));
        // One address for all is what such a rule says, unless a prefix was written that became one.
        var one = rule is { Verb: Verb.SnatAddress } && rule.To!.Low == rule.To.High && !model.FirewallPackage!.OfType("nat").Any(n => n.Text("snat_ip") is { } to && IpPrefix.TryParse(to, out var p) && p.Length < p.Address.Size);
        var meant = (rule?.Verb is not Verb.Masquerade && !one) || model.FirewallPackage!.OfType("zone").Any(z => FirewallOptions.Bool(z.Text("masq6_privacy")) is true) || model.SourceTranslations.Any(r => r.Verb == Verb.SnatPrefix || (r.To is not null && r.To.Low != r.To.High));
        if (meant && seen.Length > 1 && seen[1].Tcp is not null)
        {
            yield return new($"two hosts of {lan.Name} are two addresses outside", Yes(seen[0].Tcp != seen[1].Tcp), "the method's promise", new Seen($"{seen[0].Tcp} and {seen[1].Tcp}", "the server"));
        }
    }

    private static Verdict Yes(bool holds) => holds ? Verdict.Yes : Verdict.No;

    private static string FirstLine(string text) => text.Split('\n').FirstOrDefault(l => l.Contains("rror", StringComparison.Ordinal)) ?? text.Split('\n')[0];
}
