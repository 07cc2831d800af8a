using Lotse.Formats;
using Lotse.Formats.AddressSelection;

namespace Lotse.Addresses;

/// <summary>Why a name's addresses come in the order they do. Pure: facts in, report out.</summary>
public static class AddressDiagnosis
{
    /// <summary>The host as a whole: which family goes first to the Internet, and by which tables.</summary>
    public static Report Host(AddressFacts facts)
    {
        if (facts.Network is not { } network)
        {
            return new("the addresses of the host are not known", [], AddressFindings.Of(facts), Unknowns(facts)) { Facts = AddressJson.Part(facts) };
        }

        var order = new GlibcOrder(network, facts.Conf);
        var pair = AddressFindings.Internet(facts);
        var first = pair is not { } p || (p.Six.Source is null && p.Four.Source is null) ? "none" : p.Result.Rule == 10 ? "arrival" : p.Result.Sign < 0 ? "ipv6" : "ipv4";
        Text verdict = first switch
        {
            "ipv6" => $"IPv6 first: rule {pair!.Value.Result.Rule}, {RuleWords.Of(pair.Value.Result.Rule)}",
            "ipv4" => $"IPv4 first: rule {pair!.Value.Result.Rule}, {RuleWords.Of(pair.Value.Result.Rule)}",
            "arrival" => "whichever DNS answer arrives first: no rule decides between IPv6 and IPv4",
            _ => "neither IPv6 nor IPv4 reaches the Internet from here",
        };
        var reasons = pair is not { } decided || first == "none" ? [] : new[] { Between(decided.Result, decided.Result.Sign < 0 ? decided.Six : decided.Four, decided.Result.Sign < 0 ? decided.Four : decided.Six, order) };
        return new(verdict, reasons, AddressFindings.Of(facts), Unknowns(facts))
        {
            Facts = AddressJson.Part(facts),
            Answer = AddressJson.Part(new ShowAnswer(first, OwnAddresses(network, order), Rows(facts.Conf.Labels), Rows(facts.Conf.Precedences), Rows(facts.Conf.ScopesV4))),
        };
    }

    /// <summary>Some destinations: the source of each, the rule between each neighbouring pair, and what other programs do.</summary>
    public static Report Why(AddressFacts facts, string[] asked)
    {
        if (facts.Network is not { } network)
        {
            return Host(facts);
        }

        var order = new GlibcOrder(network, facts.Conf);
        var destinations = Array.ConvertAll(facts.Destinations, d => d.Address);
        var sources = Array.ConvertAll(facts.Destinations, d => d.Source);
        var candidates = order.Candidates(destinations, sources);
        var sorted = order.Sort(candidates, facts.Observed is null ? 1 : 3);
        var selection = new SourceSelection(network);
        var reasons = facts.Destinations.Select(d => Source(d, selection)).ToList();
        if (facts.Library.Name == "musl")
        {
            reasons.Insert(0, new("the C library of this host is musl, which reads no gai.conf; glibc's order holds for what brings a glibc of its own", Verdict.Yes, "musl src/network/lookup_name.c", new Seen("musl", facts.Library.Origin)));
        }

        var pairs = sorted.Zip(sorted.Skip(1), (a, b) => (First: candidates[a], Second: candidates[b], Result: order.Compare(candidates[a], candidates[b], a < b))).ToArray();
        reasons.AddRange(pairs.Select(p => Between(p.Result, p.First, p.Second, order)));
        IpAddress[] Named(IEnumerable<int> indices) => [.. indices.Select(i => destinations[i])];
        var glibc = Named(sorted);
        if (facts.Observed is { } observed)
        {
            var same = observed.AsSpan().SequenceEqual(glibc);
            reasons.Add(new(same ? "the real getaddrinfo gives this order" : (Text)$"the real getaddrinfo gives another order: {List(observed)}", same ? Verdict.Yes : Verdict.No, "getaddrinfo(3) in a new process", new Seen(List(observed), $"getent ahosts {facts.Name}")));
        }

        var musl = MuslOrder.Sort(destinations, sources);
        var go = Go(facts, destinations, sources);
        var tables = Policy.Rfc6724Update(network.Addresses.Select(a => a.Address.Address));
        var updated = order.With(facts.Conf.With(tables.Labels, tables.Precedences));
        var update = updated.Sort(candidates);
        if (destinations.Length > 1)
        {
            reasons.Add(Engine("musl, static programs on Alpine among them, reads no gai.conf", musl, destinations, glibc, "musl src/network/lookup_name.c", i => MuslOrder.Rule(destinations, sources, musl[i], musl[i + 1])));
            reasons.Add(Engine("Go's own resolver reads no gai.conf", go, destinations, glibc, "Go net/addrselect.go", i => GoOrder.Compare(destinations[go[i]], sources[go[i]], destinations[go[i + 1]], sources[go[i + 1]]).Rule));
            reasons.Add(Engine("if glibc took over the tables of the RFC 6724 update", update, destinations, glibc, "draft-ietf-6man-rfc6724-update", i => updated.Compare(candidates[update[i]], candidates[update[i + 1]], update[i] < update[i + 1]).Rule));
            reasons.Add(new($"browsers, curl and Node.js 20 and later race both families (Happy Eyeballs) and may not keep any order", Verdict.Yes, "RFC 8305"));
        }

        Text verdict = facts.Library.Name == "musl" && musl.Length > 1
            ? $"{Value.Address(destinations[musl[0]])} first, by musl's own tables; rule {MuslOrder.Rule(destinations, sources, musl[0], musl[1])} decides, {RuleWords.Of(MuslOrder.Rule(destinations, sources, musl[0], musl[1]))}" : Headline(facts, glibc, pairs, order);
        return new(verdict, [.. reasons], AddressFindings.Of(facts), Disagreement(facts, glibc))
        {
            Facts = AddressJson.Part(facts),
            Answer = AddressJson.Part(new WhyAnswer(asked, facts.Destinations, facts.Observed, glibc, [.. pairs.Select(p => new DecidedPair(p.First.Destination, p.Second.Destination, p.Result.Rule))], Named(musl), Named(go), Named(update))),
        };
    }

    /// <summary>Go puts the AAAA answers of a name before the A answers; addresses that were given keep their order.</summary>
    private static int[] Go(AddressFacts facts, IpAddress[] destinations, IpAddress?[] sources)
    {
        int[] arrival = [.. Enumerable.Range(0, destinations.Length).OrderBy(i => facts.Name is not null && destinations[i].IsV4)];
        return Array.ConvertAll(GoOrder.Sort([.. arrival.Select(i => destinations[i])], [.. arrival.Select(i => sources[i])]), i => arrival[i]);
    }

    private static Text Headline(AddressFacts facts, IpAddress[] glibc, (Candidate First, Candidate Second, RuleResult Result)[] pairs, GlibcOrder order)
    {
        Text name = facts.Name is { } n ? (Text)$"{Value.Host(n)}: " : "";
        if (glibc.Length == 0)
        {
            return $"{name}no address";
        }

        if (pairs.Length == 0)
        {
            return facts.Destinations[0].Source is { } only ? $"{name}{Value.Address(glibc[0])} is the only address; its source is {Value.Address(only)}" : (Text)$"{name}{Value.Address(glibc[0])} is the only address, and it cannot be reached ({facts.Destinations[0].Error})";
        }

        // What decides for the first is the pair where the family changes, or else the first pair.
        var change = Array.FindIndex(pairs, p => p.First.Destination.IsV4 != p.Second.Destination.IsV4);
        var (first, second, result) = pairs[Math.Max(change, 0)];
        var family = glibc[0].IsV4 ? "IPv4" : "IPv6";
        Text values = result.Rule switch
        {
            5 when first.Source is { } s1 && second.Source is { } s2 => $": label {order.Label(first.Destination)} of {Value.Address(first.Destination)} is that of its source ({order.Label(s1)}), label {order.Label(second.Destination)} of {Value.Address(second.Destination)} is not that of its source {Value.Address(s2)} ({order.Label(s2)})",
            6 => $": {order.Precedence(first.Destination)} of {Value.Address(first.Destination)} against {order.Precedence(second.Destination)} of {Value.Address(second.Destination)}",
            1 => $": {Value.Address(second.Destination)} cannot be reached",
            3 => $": the source for {Value.Address(second.Destination)} is deprecated",
            10 => (Text)": no rule decides, the order of arrival stays",
            _ => "",
        };
        return $"{name}{family} first, {Value.Address(glibc[0])}; rule {result.Rule} decides, {RuleWords.Of(result.Rule)}{values}";
    }

    private static Reason Source(DestinationSource d, SourceSelection selection)
    {
        var choice = selection.Select(d.Address);
        if (d.Source is not { } source)
        {
            return new($"{Value.Address(d.Address)} cannot be reached: the kernel gives no source ({d.Error})", Verdict.Yes, "RFC 6724 section 6 rule 1; connect(2) of a UDP socket",
                choice.Route is { } refusing ? [new Seen(refusing.ToString(), "RTM_GETROUTE, main table")] : [new Seen("no route", "RTM_GETROUTE, main table")]);
        }

        var seen = new List<Seen> { choice.Route is { } route ? new(route.ToString(), "RTM_GETROUTE, main table") : new("own address or loopback", "local table") };
        if (choice.Source == source && choice.RunnerUp is { } second)
        {
            seen.Add(new($"chosen before {Value.Address(second)}: {Words(choice.Rule)}", "kernel net/ipv6/addrconf.c"));
        }
        else if (choice.Source != source)
        {
            seen.Add(new("another than the main table and the addresses explain: a policy rule, a VRF or another table decides", "connect(2)"));
        }

        return new($"the source for {Value.Address(d.Address)} is {Value.Address(source)}", Verdict.Yes, "RFC 6724 section 5; connect(2) of a UDP socket", [.. seen]);
    }

    private static string Words(SourceRule rule) => rule switch
    {
        SourceRule.SameAddress => "it is the destination itself (rule 1)",
        SourceRule.Scope => "its scope fits better (rule 2)",
        SourceRule.NotDeprecated => "the other is deprecated (rule 3)",
        SourceRule.Home => "it is a home address (rule 4)",
        SourceRule.OutgoingInterface => "it is on the outgoing interface (rule 5)",
        SourceRule.Label => "it has the destination's label in the kernel's table, ip addrlabel (rule 6)",
        SourceRule.Temporary => "use_tempaddr of its interface prefers it (rule 7)",
        SourceRule.Orchid => "both are ORCHIDs, or neither is",
        SourceRule.CommonPrefix => "it shares more bits with the destination (rule 8)",
        SourceRule.ListOrder => "it comes first in the kernel's list, where the newest of an interface stand first",
        SourceRule.RouteSource => "the route prescribes it",
        _ => "the kernel's order of IPv4 addresses",
    };

    /// <summary>One pair of neighbours.</summary>
    private static Reason Between(RuleResult result, Candidate first, Candidate second, GlibcOrder order) => new(
        $"{Value.Address(first.Destination)} before {Value.Address(second.Destination)} by rule {result.Rule}, {RuleWords.Of(result.Rule)}", Verdict.Yes, $"RFC 6724 section 6 rule {result.Rule}; glibc nss/getaddrinfo.c",
        [.. RuleWords.Seen(result.Rule, first, second, order)]);

    private static Reason Engine(string who, int[] order, IpAddress[] destinations, IpAddress[] glibc, string source, Func<int, int> rule)
    {
        var mine = order.Select(i => destinations[i]).ToArray();
        var same = mine.AsSpan().SequenceEqual(glibc);
        return new(same ? (Text)$"{who}: the same order" : $"{who}: {Value.Address(mine[0])} first, by rule {rule(0)}", Verdict.Yes, source, same ? [] : [new Seen(List(mine), "its built-in tables")]);
    }

    private static Text List(IpAddress[] addresses)
    {
        Text all = "";
        for (var i = 0; i < addresses.Length; i++)
        {
            all = i == 0 ? (Text)$"{Value.Address(addresses[0])}" : $"{all}, {Value.Address(addresses[i])}";
        }

        return all;
    }

    private static Unknown[] Disagreement(AddressFacts facts, IpAddress[] glibc) =>
        facts.Observed is { } observed && !observed.AsSpan().SequenceEqual(glibc)
            ? [new("why the real getaddrinfo gives another order", "the rules do not explain it: addresses or routes changed meanwhile, or the name service sorts itself", "lotse addr why again; getent ahosts")]
            : Unknowns(facts);

    private static Unknown[] Unknowns(AddressFacts facts) =>
    [
        .. facts.Network is null ? [new Unknown("which addresses and routes the host has", facts.NetworkError ?? "not recorded", "run lotse on the host itself")] : Array.Empty<Unknown>(),
        .. facts.GaiError is { } error ? [new Unknown("what gai.conf says", error, "run with the rights to read it")] : Array.Empty<Unknown>(),
    ];

    private static OwnAddress[] OwnAddresses(HostNetwork network, GlibcOrder order)
    {
        var kernel = new SourceSelection(network);
        return
        [
            .. network.Addresses.Select(x => new OwnAddress(
                x.Address.Address, x.Address.Length, x.Interface.Name, order.Scope(x.Address.Address), order.Label(x.Address.Address), x.Address.Address.IsV6 ? kernel.Label(x.Address.Address) : null,
                [.. Notes(x.Interface, x.Address)])),
        ];
    }

    private static IEnumerable<string> Notes(NetworkInterface i, InterfaceAddress a) => new[]
    {
        (a.Deprecated, "deprecated"), (a.Optimistic, "optimistic"), (a.Tentative, "tentative"), (a.Temporary, "temporary"), (a.Secondary, "secondary"), (a.Home, "home"),
        (!i.Up, "interface down"), (a.Peer is not null, $"peer {a.Peer}"),
    }.Where(n => n.Item1).Select(n => n.Item2);

    private static TableRow[] Rows(PolicyTable table) => [.. table.Rows.Select(r => new TableRow(GaiRow.Write(r.Prefix), r.Value, RuleWords.Origin(r)))];
}
