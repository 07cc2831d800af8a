using Lotse.Formats;
using Lotse.Formats.AddressSelection;

namespace Lotse.Addresses;

/// <summary>A change of gai.conf that gives the wanted order.</summary>
/// <param name="Rows">The rows that make the difference.</param>
/// <param name="Text">The whole file afterwards.</param>
/// <param name="Scope">narrow, own-prefix, all-ula or other.</param>
/// <param name="Changed">The share of pairs of classes whose order changes, 0 to 1, those of the goal left out.</param>
/// <param name="Pairs">Those pairs, the one that goes first afterwards before the other.</param>
public sealed record Solution(GaiRow[] Rows, string Text, string Scope, double Changed, (DestinationClass First, DestinationClass Second)[] Pairs);

/// <summary>
/// The inverse problem: which rows of gai.conf put one destination before others. Rules 1 to 4 look at no table, so where
/// one of them decides against the goal there is none. Otherwise one row for a label or a precedence is tried, then one of
/// each: a destination whose label is its source's and whose precedence is the highest wins against all that rules 1 to 4
/// do not prefer, so two always suffice.
/// </summary>
public sealed class OrderSolver
{
    private static readonly int[] Lengths4 = [128, 120, 96], Lengths6 = [128, 64, 48];
    private readonly string? text;
    private readonly GlibcVersion version;
    private readonly OrderGoal goal;
    private readonly Func<IpAddress, IpAddress?> sourceOf;
    private readonly GaiConf conf;
    private readonly DestinationClass[] classes;
    private readonly GlibcOrder now;
    private readonly Candidate[] wanted, representatives;

    /// <summary>For a host and a goal.</summary>
    /// <param name="network">The host.</param>
    /// <param name="text">Its gai.conf.</param>
    /// <param name="version">The glibc that reads it.</param>
    /// <param name="goal">What is wanted.</param>
    /// <param name="sourceOf">The kernel's source for any destination.</param>
    public OrderSolver(HostNetwork network, string? text, GlibcVersion version, OrderGoal goal, Func<IpAddress, IpAddress?> sourceOf)
    {
        (this.text, this.version, this.goal, this.sourceOf) = (text, version, goal, sourceOf);
        conf = GaiConf.Parse(text, version);
        classes = ClassesOf(network, conf, goal);
        now = new(network, conf);
        wanted = Candidates(goal.All);
        representatives = Candidates(Array.ConvertAll(classes, c => c.Representative));
    }

    /// <summary>The classes of destinations that are looked at for side effects.</summary>
    public static DestinationClass[] ClassesOf(HostNetwork network, GaiConf conf, OrderGoal goal) => DestinationClass.All(network, conf, goal.SiteWide ? [] : goal.All);

    /// <summary>The rule that decides against the goal, and by whom it is beaten; null: the goal holds.</summary>
    public (RuleResult Result, Candidate First, Candidate Other)? Against()
    {
        (RuleResult, Candidate, Candidate)? worst = null;
        foreach (var other in wanted[1..])
        {
            // A tie is no order: whichever answer arrives first goes first.
            var result = now.Compare(wanted[0], other, firstFirst: false);
            if (result.Sign > 0 && (worst is null || result.Rule < worst.Value.Item1.Rule))
            {
                worst = (result, wanted[0], other);
            }
        }

        return worst;
    }

    /// <summary>
    /// Changes that give the wanted order: fewest rows, then fewest other pairs that change, then the longest prefix; of each
    /// reach the best, the best of all first.
    /// </summary>
    public Solution[] Solve()
    {
        var before = Outcomes(now);
        var label = Rows(GaiKind.Label).Distinct().ToArray();
        var precedence = Rows(GaiKind.Precedence).Distinct().ToArray();
        var found = label.Concat(precedence).Select(r => Try([r], before)).OfType<Solution>().ToList();
        if (found.Count == 0)
        {
            found = [.. label.SelectMany(l => precedence.Select(p => Try([l, p], before))).OfType<Solution>()];
        }

        return
        [
            .. found.OrderBy(s => s.Changed).ThenByDescending(s => s.Rows.Sum(r => r.Prefix.MappedLength)).GroupBy(s => s.Scope)
                .Select(reach => reach.Select(Written).FirstOrDefault(s => s is not null)).OfType<Solution>(),
        ];
    }

    /// <summary>A solution with its file; null where the file as glibc would read it does not give the order.</summary>
    private Solution? Written(Solution solution) =>
        GaiEdit.With(text, solution.Rows, version) is { } changed && GaiConf.Parse(changed, version) is { Crashes: false } after && Holds(now.With(after)) ? solution with { Text = changed } : null;

    private bool Holds(GlibcOrder order) => Array.TrueForAll(wanted[1..], other => order.Compare(wanted[0], other, firstFirst: false).Sign < 0);

    private Solution? Try(GaiRow[] rows, int[] before)
    {
        var order = now.With(conf.With(Added(conf.Labels, GaiKind.Label, rows), Added(conf.Precedences, GaiKind.Precedence, rows)));
        if (!Holds(order))
        {
            return null;
        }

        var outcomes = Outcomes(order);
        var pairs = new List<(DestinationClass, DestinationClass)>();
        int k = 0, counted = 0;
        for (var i = 0; i < classes.Length; i++)
        {
            for (var j = i + 1; j < classes.Length; j++, k++)
            {
                if (!IsGoal(classes[i].Representative, classes[j].Representative))
                {
                    counted++;
                    if (before[k] != outcomes[k])
                    {
                        pairs.Add(outcomes[k] > 0 ? (classes[j], classes[i]) : (classes[i], classes[j]));
                    }
                }
            }
        }

        return new(rows, "", ScopeOf(rows), counted == 0 ? 0 : (double)pairs.Count / counted, [.. pairs]);
    }

    /// <summary>A table with the rows of its kind; one of the same prefix makes way.</summary>
    private static PolicyTable Added(PolicyTable table, GaiKind kind, GaiRow[] rows)
    {
        var mine = Array.FindAll(rows, r => r.Kind == kind);
        return mine.Length == 0 ? table : new(table.InOrder.Where(r => !Array.Exists(mine, m => m.Prefix.MappedLength == r.Prefix.MappedLength && m.Prefix.Network.Address.Bits == r.Prefix.Network.Address.Bits)).Concat(mine.Select(m => new PolicyRow(m.Prefix, m.Value))));
    }

    private bool IsGoal(IpAddress a, IpAddress b) => (a == goal.First && goal.Others.Contains(b)) || (b == goal.First && goal.Others.Contains(a));

    private string ScopeOf(GaiRow[] rows)
    {
        var source = sourceOf(goal.First);
        return rows.All(r => goal.All.Any(a => r.Prefix.Contains(IpAddress.V6(a.Bits)) && r.Prefix.MappedLength >= (goal.Classes.TryGetValue(a, out var meant) ? meant.MappedLength : 128))) ? "narrow"
            : rows is [{ Kind: GaiKind.Label } row] ? row.Prefix == new IpPrefix(IpAddress.Parse("fc00::"), 7) ? "all-ula" : source is { IsV6: true } s && row.Prefix.Contains(s) && row.Prefix.Length >= 48 ? "own-prefix" : "other"
            : "other";
    }

    private Candidate[] Candidates(IpAddress[] destinations) => now.Candidates(destinations, Array.ConvertAll(destinations, d => sourceOf(d)));

    /// <summary>Every pair of classes: -1 the first goes first, 1 the second, 0 whichever arrives first.</summary>
    private int[] Outcomes(GlibcOrder order)
    {
        var outcomes = new int[representatives.Length * (representatives.Length - 1) / 2];
        var k = 0;
        for (var i = 0; i < representatives.Length; i++)
        {
            for (var j = i + 1; j < representatives.Length; j++)
            {
                var result = order.Compare(representatives[i], representatives[j], firstFirst: true);
                outcomes[k++] = result.Rule == 10 ? 0 : result.Sign;
            }
        }

        return outcomes;
    }

    /// <summary>Rows that are worth a try: prefixes of the addresses that take part, with every value that could make a difference.</summary>
    private IEnumerable<GaiRow> Rows(GaiKind kind)
    {
        var table = kind == GaiKind.Label ? conf.Labels : conf.Precedences;
        var highest = table.Rows.Max(r => r.Value);
        var destinations = goal.All.Where(a => a != default).ToArray();
        var sources = destinations.Select(sourceOf).OfType<IpAddress>().ToArray();
        foreach (var address in destinations.Concat(kind == GaiKind.Label ? sources : []).Distinct())
        {
            var values = new SortedSet<int>();
            if (kind == GaiKind.Label)
            {
                foreach (var other in destinations.Concat(sources))
                {
                    values.Add(table[other]);
                }

                values.Add(Math.Min(highest, int.MaxValue - 1) + 1);
            }
            else
            {
                foreach (var other in destinations)
                {
                    values.Add(Math.Min(table[other], int.MaxValue - 1) + 1);
                    values.Add(Math.Max(table[other], 1) - 1);
                }

                values.Add(Math.Min(highest, int.MaxValue - 1) + 1);
            }

            foreach (var prefix in Prefixes(address))
            {
                foreach (var value in values)
                {
                    yield return new(kind, prefix, value);
                }
            }
        }
    }

    private IEnumerable<IpPrefix> Prefixes(IpAddress address)
    {
        var bits = IpAddress.V6(address.Bits);
        if (goal.Classes.TryGetValue(address, out var meant))
        {
            yield return new IpPrefix(bits, meant.MappedLength).Network;
            yield break;
        }

        foreach (var length in address.IsV4 ? Lengths4 : Lengths6)
        {
            yield return new IpPrefix(bits, length).Network;
        }

        foreach (var row in conf.Labels.Rows.Concat(conf.Precedences.Rows).Concat(Policy.Glibc.Labels.Rows).Where(r => r.Prefix.Length is > 0 and not (48 or 64 or 96 or 120 or 128) && r.Prefix.Contains(bits)).Select(r => r.Prefix.Network).Distinct())
        {
            yield return row;
        }
    }
}
