using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>Says how packets leave, hop by hop, and what is wrong. Pure.</summary>
public static class ExitsDiagnosis
{
    /// <summary>The router, or the far end, as a whole.</summary>
    public static Report Whole(ExitsFacts facts)
    {
        var model = RouterModel.Of(facts);
        var findings = ExitsFindings.Of(model);
        if (!facts.IsRouter)
        {
            return facts.Linux is not null ? OfLinux(LinuxPath.All(facts, PacketPath.SomeServer).ToArray(), findings)
                : facts.Far is null
                ? new("not a router: there is no /etc/config, and no tunnel of WireGuard", [], [], [new("how packets leave", facts.Network.Error?.Message ?? "there is no /etc/config/network", "lotse exits why --host root@ROUTER, or --root with a copy of its /etc")])
                : new(findings.Length == 0 ? "the far end of a tunnel: nothing found" : (Text)$"the far end of a tunnel: {findings[0].Title}", [], findings, Undecided(facts)) { Answer = ExitsAnswer.Part([], []) };
        }

        if (model.Network is null)
        {
            return new(findings.Length > 0 ? findings[0].Title : "not known", [], findings, Unknowns(model));
        }

        var paths = Paths(model, PacketPath.SomeServer).ToArray();
        return new(Verdict(model, paths, findings), [.. paths.SelectMany(p => p.Hops)], findings, Unknowns(model)) { Answer = ExitsAnswer.Part(paths, [.. model.OuterPrefixes]) };
    }

    /// <summary>One packet.</summary>
    /// <param name="facts">The router.</param>
    /// <param name="source">A host inside.</param>
    /// <param name="destination">A server.</param>
    public static Report One(ExitsFacts facts, IpAddress source, IpAddress destination)
    {
        if (facts is { IsRouter: false, Linux: not null })
        {
            return LinuxPath.One(facts, source, destination) is { } way
                ? new(Sentence(way), way.Hops, [], []) { Answer = ExitsAnswer.Part([way], []) }
                : new("not known", [], [], [new($"the way of a packet from {source}", $"no network of {LinuxRouter.Folder} has that prefix", "lotse exits why lists the networks")]);
        }

        var model = RouterModel.Of(facts);
        var lan = model.Network?.Lans.FirstOrDefault(l => l.V6.Any(a => a.Prefix.Length < 128 && a.Prefix.Contains(source)));
        if (model.Network is null || lan is null)
        {
            return new("not known", [], ExitsFindings.Of(model), [.. Unknowns(model), new($"the way of a packet from {source}", model.Network is null ? "the network's configuration is not known" : "no inner network has that prefix", "lotse exits why lists the networks")]);
        }

        var path = PacketPath.Of(model, lan, source, destination);
        return new(Sentence(path), path.Hops, [.. ExitsFindings.Of(model).Where(f => f.Severity == Severity.Error)], Unknowns(model)) { Answer = ExitsAnswer.Part([path], [.. model.OuterPrefixes]) };
    }

    /// <summary>A plain Linux router, network by network.</summary>
    private static Report OfLinux(PacketPath[] paths, Finding[] findings)
    {
        var broken = paths.FirstOrDefault(p => p.Works == Lotse.Verdict.No);
        var verdict = broken is not null ? $"IPv6 of {string.Join(", ", paths.Where(p => p.Works == Lotse.Verdict.No).Select(p => p.Lan.Name))} does not reach the Internet: not true that {broken.Hops.First(h => h.Verdict == Lotse.Verdict.No).Text}"
            : paths.Length == 0 ? "no inner network has a fixed address" : (Text)$"IPv6 leaves by {string.Join(", ", paths.Select(p => p.Exit?.Device ?? "an unknown way").Distinct())}: {string.Join("; ", paths.Select(p => (string)$"{p.Lan.Name} {Short(p)}"))}";
        return new(verdict, [.. paths.SelectMany(p => p.Hops)], [.. findings.Where(f => f.Id is "exits/forwarding-drops-ra-route")], [.. paths.SelectMany(p => p.Hops).Where(h => h.Verdict == Lotse.Verdict.Unknown).DistinctBy(h => h.Text).Select(h => new Unknown(h.Text, h.Seen.Length > 0 ? h.Seen[0].What : "not said in the files", "run lotse exits why on the router itself, as root"))]) { Answer = ExitsAnswer.Part(paths, []) };
    }

    /// <summary>A line for each inner network of a report of <see cref="Whole"/>.</summary>
    public static IEnumerable<string> Lines(Report report)
    {
        foreach (var exit in (report.Answer?.Value as ExitsAnswer)?.Networks ?? [])
        {
            yield return $"  {exit.Network,-10} {exit.Host?.ToString() ?? "no address",-26} {exit.Works switch { "yes" => $"seen as {exit.Seen} by {exit.Exit}", "no" => "does not get out", _ => "cannot be told" }}";
        }
    }

    /// <summary>The firewall as nft reads it; null where its files are missing or refused.</summary>
    public static string? Ruleset(ExitsFacts facts) => RouterModel.Of(facts).Loaded?.Text();

    /// <summary>The way from each inner network.</summary>
    internal static IEnumerable<PacketPath> Paths(RouterModel model, IpAddress destination) => model.Network!.Lans.Select(l => PacketPath.Of(model, l, null, destination));

    private static Text Verdict(RouterModel model, PacketPath[] paths, Finding[] findings)
    {
        if (!model.Exits.Any())
        {
            return "IPv6 has no exit: no tunnel, no DHCPv6 uplink and no default route in the configuration";
        }

        var broken = paths.Where(p => p.Works == Lotse.Verdict.No).ToArray();
        if (broken.Length > 0)
        {
            var hop = broken[0].Hops.First(h => h.Verdict == Lotse.Verdict.No);
            return $"IPv6 of {string.Join(", ", broken.Select(b => b.Lan.Name))} does not reach the Internet: not true that {hop.Text}";
        }

        return findings.Length > 0 && findings[0].Severity == Severity.Error ? findings[0].Title
            : paths.Length == 0 ? "no inner network has IPv6" : $"IPv6 leaves by {string.Join(", ", paths.Select(p => p.Exit?.Device).Distinct())}: {string.Join("; ", paths.Select(p => (string)$"{p.Lan.Name} {Short(p)}"))}";
    }

    private static string Short(PacketPath path) => path.Rule switch
    {
        null when path.Seen is { } seen && seen != path.Source => $"as {seen}",
        null => "as itself",
        { Verb: Lotse.Exits.Verb.Masquerade } => "as the tunnel's address",
        { Verb: Lotse.Exits.Verb.SnatPrefix } rule => $"behind {rule.To}",
        { Verb: Lotse.Exits.Verb.SnatAddress } => $"as an address of a range",
        _ => "in a way that cannot be foretold",
    };

    private static Text Sentence(PacketPath path) => path.Works switch
    {
        Lotse.Verdict.Yes => $"{path.Destination} sees {path.Source} as {path.Seen}, and its answer returns",
        Lotse.Verdict.No => $"{path.Destination} is not reached from {path.Source}: not true that {path.Hops.First(h => h.Verdict == Lotse.Verdict.No).Text}",
        _ => $"whether {path.Source} reaches {path.Destination} cannot be told: {path.Hops.First(h => h.Verdict == Lotse.Verdict.Unknown).Text}",
    };

    private static Unknown[] Unknowns(RouterModel model)
    {
        var all = new List<Unknown>();
        foreach (var file in new[] { model.Facts.Network, model.Facts.Firewall, model.Facts.Dhcp }.Where(f => f.Text is null))
        {
            all.Add(new($"what {Value.Path(file.Path)} says", file.Error?.Message ?? "not read", "read it as root, or copy it into the folder"));
        }

        foreach (var opaque in model.Firewall?.Chains.Concat(model.Firewall.Own).SelectMany(c => c.Rules).Where(r => r.Verb == Verb.Opaque && r.Written!.Contains("nat", StringComparison.Ordinal)) ?? [])
        {
            all.Add(new($"what the rule {new Value(opaque.Written!, ValueKind.Plain)} does", $"{opaque.Origin.Where}: it is more than devices, addresses, ports and a translation to one target", "lotse exits prove sends packets through it"));
        }

        return [.. all, .. Undecided(model.Facts)];
    }

    private static Unknown[] Undecided(ExitsFacts facts) => facts.Routes is { Text: null, Error: { } error } ? [new("the live routes", error.Message, "run as root")] : [];
}
