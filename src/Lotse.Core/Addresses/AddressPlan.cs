using Lotse.Formats;
using Lotse.Formats.AddressSelection;

namespace Lotse.Addresses;

/// <summary>From facts and a goal to a change of gai.conf. Pure.</summary>
public static class AddressPlan
{
    private const string Rule = "RFC 6724 section 6 rule ";

    /// <summary>The ways to a goal, or why there is none.</summary>
    /// <param name="Goal">What is wanted.</param>
    /// <param name="Against">What decides against it now; null: it holds.</param>
    /// <param name="Solutions">Ways, the best first, at most three of different reach.</param>
    public sealed record Ways(OrderGoal Goal, (RuleResult Result, Candidate First, Candidate Other)? Against, Solution[] Solutions);

    /// <summary>Finds them.</summary>
    /// <param name="network">The host.</param>
    /// <param name="text">Its gai.conf.</param>
    /// <param name="version">The glibc that reads it.</param>
    /// <param name="goal">What is wanted.</param>
    /// <param name="sourceOf">The kernel's source for any destination.</param>
    public static Ways Find(HostNetwork network, string? text, GlibcVersion version, OrderGoal goal, Func<IpAddress, IpAddress?> sourceOf)
    {
        var solver = new OrderSolver(network, text, version, goal, sourceOf);
        var against = solver.Against();
        if (against is null && !GaiConf.Parse(text, version).Crashes)
        {
            return new(goal, null, []);
        }

        if (against is { Result.Rule: <= 4 })
        {
            return new(goal, against, []);
        }

        // One of each reach; a goal about classes is best said of the own prefix.
        var solutions = solver.Solve();
        return new(goal, against, [.. (goal.SiteWide ? [.. solutions.OrderBy(s => s.Scope switch { "own-prefix" => 0, "narrow" => 1, "all-ula" => 2, _ => 3 })] : solutions).Take(3)]);
    }

    /// <summary>The answer for programs.</summary>
    public static PlanAnswer Answer(Ways ways, GlibcOrder order, IReadOnlySet<Solution> proved) => new(
        ways.Goal.Text, ways.Against is null && ways.Solutions.Length == 0,
        [.. ways.Solutions.Select(s => new Alternative(s.Scope, s.Text, [.. s.Rows.Select(r => r.ToString())], Math.Round(s.Changed * 100, 2), [.. s.Pairs.Select(p => $"{p.First.Name} before {p.Second.Name}")], proved.Contains(s)))],
        ways is { Against: { } against, Solutions.Length: 0 } ? new(against.Result.Rule, Because(against, order).ToString()) : null);

    /// <summary>Why no row helps, and what would.</summary>
    public static Text Because((RuleResult Result, Candidate First, Candidate Other) against, GlibcOrder order)
    {
        var (result, first, other) = against;
        Text wanted = $"{Value.Address(first.Destination)}", rival = $"{Value.Address(other.Destination)}";
        Text source = first.Source is { } s ? $"{Value.Address(s)}" : (Text)"none";
        return result.Rule switch
        {
            1 => $"{wanted} cannot be reached: the kernel gives a socket to it no source, {rival} has one; a route helps, and an address of that family, as a router that announces a prefix gives them",
            2 => first.Source is { } own && order.Scope(own) != order.Scope(first.Destination)
                ? (Text)$"the source for {wanted} is {source} of scope {order.Scope(own)}, the destination has scope {order.Scope(first.Destination)}; {rival} and its source match; an own address of scope {order.Scope(first.Destination)} helps, as a router that announces a prefix gives it"
                : $"scopes decide between {wanted} and {rival}",
            3 => $"the source for {wanted}, {source}, is deprecated: its preferred lifetime is over; a renewed lifetime helps (router advertisement, DHCPv6 lease, ip addr change), or another address",
            4 => $"the source for {rival} is a home address (Mobile IPv6), that for {wanted} is not; taking the flag from it helps",
            _ => $"rule {result.Rule} decides for {rival}, and no row of gai.conf turns it round",
        };
    }

    /// <summary>The decision for a live host.</summary>
    /// <param name="facts">With destinations and classes read.</param>
    /// <param name="ways">What was found.</param>
    /// <param name="chosen">Which alternative, from 0.</param>
    /// <param name="proofs">What the real getaddrinfo said with each solution; none: it was not asked.</param>
    public static Decision Decide(AddressFacts facts, Ways ways, int chosen, IReadOnlyDictionary<Solution, Reading<IpAddress[]>> proofs)
    {
        var order = new GlibcOrder(facts.Network!, facts.Conf);
        var proved = ways.Solutions.Where(s => proofs.TryGetValue(s, out var p) && p.Ok && Holds(p.Value, ways.Goal)).ToHashSet();
        var answer = AddressJson.Part(Answer(ways, order, proved));
        if (ways.Solutions.Length == 0)
        {
            return ways.Against is not { } against
                ? new(new($"nothing to do: {ways.Goal.Text} holds already", [], [], []) { Answer = answer }, ways.Goal.Text, [], [], [])
                : new(new($"gai.conf cannot give {ways.Goal.Text}: rule {against.Result.Rule} decides", [Pair(against, order)], [AddressFindings.OutOfReach(ways, order)!], []) { Answer = answer }, ways.Goal.Text, [], [], []);
        }

        if (chosen >= ways.Solutions.Length)
        {
            chosen = ways.Solutions.Length - 1;
        }

        var solution = ways.Solutions[chosen];
        var reasons = new List<Reason>();
        if (ways.Against is { } now)
        {
            reasons.Add(Pair(now, order));
        }

        for (var i = 0; i < ways.Solutions.Length; i++)
        {
            reasons.Add(Describe(i, ways, proofs, chosen));
        }

        if (KernelLabel.Find(facts.Network!, facts.Conf, ways.Goal) is { } row)
        {
            reasons.Add(new($"alternative, --kernel: {row.Words}; the source becomes {Value.Address(row.Source)} instead of {Value.Address(row.Instead)}, also for programs that read no gai.conf", Verdict.Yes, "kernel net/ipv6/addrlabel.c"));
        }

        var change = facts.GaiConf is null
            ? new CreateFile(AddressFacts.GaiPath, FileLines.Split(ByteText.Encode(solution.Text)).Lines, 0x1a4, 0, 0)
            : (Change)EditFile.Between(AddressFacts.GaiPath, ByteText.Encode(facts.GaiConf), ByteText.Encode(solution.Text));
        string[] proof = ["order", ways.Goal.First.ToString(), .. facts.Name is { } name ? ["name", name] : Array.Empty<string>(), .. ways.Goal.Others.Select(o => o.ToString())];
        var report = new Report($"{ways.Goal.Text}: {Lines(solution)}", [.. reasons], [], []) { Answer = answer };
        return new(report, ways.Goal.Text, [change], ways.Goal.First == DestinationClass.Internet6 && AddressFindings.Of(facts).Any(f => f.Id == "addr/ipv4-preferred") ? ["addr/ipv4-preferred"] : [], proof);
    }

    /// <summary>The decision where the kernel's choice of source is to be changed instead.</summary>
    /// <returns>Null where no other source would give the order.</returns>
    public static Decision? DecideKernel(AddressFacts facts, Ways ways)
    {
        if (ways.Against is not { } against || KernelLabel.Find(facts.Network!, facts.Conf, ways.Goal) is not { } row)
        {
            return null;
        }

        var order = new GlibcOrder(facts.Network!, facts.Conf);
        var reason = new Reason($"the source for {Value.Address(ways.Goal.First)} becomes {Value.Address(row.Source)} instead of {Value.Address(row.Instead)}, for every program", Verdict.Yes, "kernel net/ipv6/addrlabel.c; RFC 6724 section 5 rule 6",
            new Seen($"label {new SourceSelection(facts.Network!).Label(row.Source)} of {Value.Address(row.Source)}", "ip addrlabel, RTM_GETADDRLABEL"));
        return new(new($"{ways.Goal.Text}: {row.Words}", [Pair(against, order), reason], [], []) { Answer = AddressJson.Part(Answer(ways, order, new HashSet<Solution>())) },
            ways.Goal.Text, row.Changes(facts.NetworkFile), [], ["order", ways.Goal.First.ToString(), .. ways.Goal.Others.Select(o => o.ToString())]);
    }

    /// <summary>Whether an observed order is the wanted one.</summary>
    public static bool Holds(IpAddress[] order, OrderGoal goal) =>
        Array.IndexOf(order, goal.First) is var at and >= 0 && goal.Others.All(o => Array.IndexOf(order, o) is var other && (other < 0 || other > at));

    private static Reason Describe(int index, Ways ways, IReadOnlyDictionary<Solution, Reading<IpAddress[]>> proofs, int chosen)
    {
        var s = ways.Solutions[index];
        var seen = new List<Seen>();
        var verdict = Verdict.Unknown;
        if (proofs.TryGetValue(s, out var proof))
        {
            verdict = !proof.Ok ? Verdict.Unknown : Holds(proof.Value, ways.Goal) ? Verdict.Yes : Verdict.No;
            seen.Add(proof.Ok ? new($"{string.Join(", ", proof.Value)}", "getent ahosts in a private /etc with this file") : new(proof.Error!.Message, "model only, the real getaddrinfo could not be asked"));
        }
        else
        {
            verdict = Verdict.Yes;
            seen.Add(new("model only: the real getaddrinfo was not asked, for this is not that machine", "nss/getaddrinfo.c"));
        }

        foreach (var (first, second) in s.Pairs.Take(4))
        {
            seen.Add(new($"also: {first.Name} ({first.Representative}) before {second.Name} ({second.Representative})", "what else changes"));
        }

        if (s.Pairs.Length > 4)
        {
            seen.Add(new($"and {s.Pairs.Length - 4} more pairs", "what else changes"));
        }

        return new($"{(index == chosen ? "chosen" : $"alternative, --choose {index + 1}")}: {Lines(s)} ({s.Scope switch { "own-prefix" => "for this site's own prefix", "all-ula" => "for all unique local addresses", "narrow" => "for these addresses alone", _ => "wider than these addresses" }}); {s.Changed * 100:0.#} % of the other pairs of classes of destinations change",
            verdict, "nss/getaddrinfo.c", [.. seen]);
    }

    private static string Lines(Solution s) => string.Join("; ", s.Rows.Select(r => r.ToString()));

    /// <summary>What decides now.</summary>
    private static Reason Pair((RuleResult Result, Candidate First, Candidate Other) against, GlibcOrder order) => new(
        $"now {Value.Address(against.Other.Destination)} goes before {Value.Address(against.First.Destination)}: rule {against.Result.Rule}, {RuleWords.Of(against.Result.Rule)}", Verdict.Yes, Rule + against.Result.Rule,
        [.. RuleWords.Seen(against.Result.Rule, against.Other, against.First, order)]);
}
