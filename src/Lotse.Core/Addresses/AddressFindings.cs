using Lotse.Formats;
using Lotse.Formats.AddressSelection;

namespace Lotse.Addresses;

/// <summary>What is wrong with gai.conf, or surprising about the order. One method a finding; its page beside it says the rest.</summary>
internal static class AddressFindings
{
    private const string Source = "glibc nss/getaddrinfo.c gaiconf_init; gai.conf(5)";

    /// <summary>Everything that the facts show, worst first.</summary>
    public static Finding[] Of(AddressFacts facts) =>
    [
        .. facts.Conf.Lines.SelectMany(l => Lint(l, facts)).Concat(Duplicates(facts)).Concat(DefaultsLost(facts)).Concat(MatchesNothing(facts))
            .Concat(PrecedenceCannotHelp(facts)).Concat([Ipv4Preferred(facts), StaleProcesses(facts)]).OfType<Finding>().OrderByDescending(f => f.Severity),
    ];

    /// <summary>No row of gai.conf gives the wanted order.</summary>
    public static Finding? OutOfReach(AddressPlan.Ways ways, GlibcOrder order)
    {
        if (ways is not { Against: { } against, Solutions.Length: 0 })
        {
            return null;
        }

        return new("addr/order-out-of-reach", Severity.Warning, Certainty.Proven, new(ways.Goal.Text, ValueKind.Plain),
            $"gai.conf cannot give {ways.Goal.Text}: rule {against.Result.Rule} ({RuleWords.Of(against.Result.Rule)}) decides, and it looks at neither labels nor precedences",
            [new(AddressPlan.Because(against, order), Verdict.Yes, $"RFC 6724 section 6 rule {against.Result.Rule}", [.. RuleWords.Seen(against.Result.Rule, against.Other, against.First, order)])],
            [new(against.Result.Rule switch { 1 => "give the host an address and a route of that family", 2 => "give the host an address of that scope: a router that announces a prefix", 3 => "renew the address, or add one that is not deprecated", _ => "change the flags of the address" }, against.Result.Rule == 1 ? ["lotse", "addr"] : ["lotse", "addr", "why", against.First.Destination.ToString()])]);
    }

    private static IEnumerable<Finding> Lint(GaiLine line, AddressFacts facts)
    {
        var where = $"{AddressFacts.GaiPath}:{line.Number}";
        var subject = Value.Path(where);
        var seen = new Seen($"{new Value(line.Written, ValueKind.Plain)}", where);
        var written = new Value(line.WrittenPrefix, ValueKind.Address);
        switch (line.Fault)
        {
            case GaiFault.None:
                break;
            case GaiFault.NoLength:
                var crashes = !facts.Library.Glibc.ReadsMissingLength;
                yield return new("addr/no-prefix-length", !crashes ? Severity.Info : Severity.Error, Certainty.Proven, subject,
                    !crashes ? (Text)$"line {line.Number} has a prefix without /LENGTH: {written}; glibc before 2.41 reads memory at random there, this one takes it for one address"
                    : line.Kind == GaiKind.ScopeV4 ? (Text)$"line {line.Number} ends every program that looks up a name with two addresses: {written} has no /LENGTH"
                    : $"line {line.Number} reads memory at random: {written} has no /LENGTH; observed to be ignored",
                    [new($"glibc {facts.Library.Glibc.ToString()} compares through a pointer that was never set when the slash is missing", crashes ? Verdict.Yes : Verdict.No, "glibc bug 32465, corrected in 2.41", seen, new Seen($"glibc {facts.Library.Version ?? "of an unknown version"}", facts.Library.Origin))],
                    [new($"write the length: {written}/{(line.Prefix.Address.IsV4 ? 32 : 128)}", "lotse", "edit", AddressFacts.GaiPath)]);
                break;
            case GaiFault.EmptyNumber:
                yield return new("addr/empty-number", Severity.Warning, Certainty.Proven, subject,
                    $"a number is missing in line {line.Number}: glibc before 2.41 takes it for 0, later ones pass over the line",
                    [new($"glibc {facts.Library.Glibc.ToString()} {(line.Counts ? $"reads it as {GaiRow.Write(line.Prefix)} {line.Value}" : "passes over the line")}", Verdict.Yes, Source, seen)],
                    [new("write KEYWORD PREFIX/LENGTH NUMBER")]);
                break;
            case GaiFault.Ipv4Prefix:
                var slash = line.WrittenPrefix.IndexOf('/', StringComparison.Ordinal);
                var four = slash < 0 ? line.WrittenPrefix : line.WrittenPrefix[..slash];
                var right = IpPrefix.TryParse(line.WrittenPrefix, out var prefix) ? $"::ffff:{four}/{prefix.Length + 96}" : $"::ffff:{four}/128";
                yield return new("addr/ipv4-prefix", Severity.Warning, Certainty.Proven, subject,
                    $"line {line.Number} is ignored: {line.Words[0]} takes no IPv4 prefix; IPv4 addresses are matched as {right}",
                    [new("only scopev4 takes IPv4 prefixes; label and precedence read an IPv6 one", Verdict.Yes, Source, seen)],
                    [new($"write: {line.Words[0]} {right} {(line.Words.Length > 2 ? line.Words[2] : "NUMBER")}")]);
                break;
            default:
                yield return new("addr/ignored-line", Severity.Warning, Certainty.Proven, subject,
                    $"line {line.Number} is ignored: {Fault(line)}",
                    [new("glibc passes over such a line in silence", Verdict.Yes, Source, seen)],
                    [new(Remedy(line))]);
                break;
        }
    }

    private static Text Fault(GaiLine line)
    {
        var word = new Value(line.Words[0], ValueKind.Plain);
        var prefix = new Value(line.WrittenPrefix, ValueKind.Address);
        var number = new Value(line.Words.Length > 2 ? line.Words[2] : "", ValueKind.Plain);
        return line.Fault switch
        {
            GaiFault.UnknownWord => (Text)$"\"{word}\" is no keyword; they are label, precedence, scopev4 and reload, in lower case",
            GaiFault.NotMapped => $"scopev4 takes IPv4 prefixes, {prefix} is an IPv6 one",
            GaiFault.Zone => $"{prefix} has a zone; a prefix has none",
            GaiFault.BadLength => $"the length in {prefix} is no number",
            GaiFault.LengthOutOfRange => $"the length in {prefix} is out of range",
            GaiFault.BadNumber => $"\"{number}\" is no number",
            GaiFault.NumberOutOfRange => $"{number} is above 2147483647",
            _ => $"{prefix} is no address",
        };
    }

    private static Text Remedy(GaiLine line) => line.Fault switch
    {
        GaiFault.UnknownWord when line.Words[0].ToLowerInvariant().TrimEnd(':', 's') is "label" or "precedence" or "scopev4" or "reload" => $"write {line.Words[0].ToLowerInvariant().TrimEnd(':', 's')}",
        GaiFault.UnknownWord when line.Words[0] is "multi" or "order" or "trim" => "this word belongs in /etc/host.conf",
        GaiFault.LengthOutOfRange => line.Kind == GaiKind.ScopeV4 ? "a length is 0 to 32, or 96 to 128 behind ::ffff:" : "a length is 0 to 128",
        GaiFault.BadNumber or GaiFault.NumberOutOfRange => "write a whole number from 0 to 2147483647, in decimal digits alone",
        _ => "write KEYWORD PREFIX/LENGTH NUMBER, or make the line a comment",
    };

    private static IEnumerable<Finding> Duplicates(AddressFacts facts)
    {
        var counted = facts.Conf.Lines.Where(l => l.Counts && l.Kind != GaiKind.Reload).ToArray();
        for (var i = 0; i < counted.Length; i++)
        {
            var line = counted[i];
            var first = Array.Find(counted, l => l.Kind == line.Kind && l.Prefix.Network.Address.Bits == line.Prefix.Network.Address.Bits && l.Prefix.MappedLength == line.Prefix.MappedLength)!;
            if (first.Number != line.Number)
            {
                yield return new("addr/duplicate-prefix", first.Value == line.Value ? Severity.Info : Severity.Warning, Certainty.Proven, Value.Path($"{AddressFacts.GaiPath}:{line.Number}"),
                    $"line {line.Number} has no effect: line {first.Number} has the same prefix, and the first one counts",
                    [new($"of two {line.Words[0]} lines with the prefix {GaiRow.Write(line.Prefix)} the first wins", Verdict.Yes, Source, new Seen($"{first.Written}", $"{AddressFacts.GaiPath}:{first.Number}"), new Seen($"{line.Written}", $"{AddressFacts.GaiPath}:{line.Number}"))],
                    [new("keep the one that is meant")]);
            }
        }
    }

    private static IEnumerable<Finding> DefaultsLost(AddressFacts facts)
    {
        foreach (var (kind, active, builtIn) in new[] { (GaiKind.Label, facts.Conf.Labels, Policy.Glibc.Labels), (GaiKind.Precedence, facts.Conf.Precedences, Policy.Glibc.Precedences) })
        {
            // A default row is lost where the file has none for its prefix and what holds there now has another value.
            var lost = builtIn.Rows.Where(d => !active.Rows.Any(r => r.Prefix.Network == d.Prefix.Network) && active[d.Prefix.Address] != d.Value).ToArray();
            if (lost.Length == 0)
            {
                continue;
            }

            var line = facts.Conf.Lines.First(l => l.Kind == kind && l.Counts);
            var word = kind == GaiKind.Label ? "label" : "precedence";
            var mapped = IpAddress.V4(0xc0000201);
            var tie = kind == GaiKind.Precedence && active[mapped] == active[DestinationClass.Internet6];
            yield return new("addr/defaults-lost", Severity.Warning, Certainty.Proven, Value.Path(AddressFacts.GaiPath),
                $"one {word} line drops the whole built-in table of {word}s: {lost.Length} default rows are gone{(tie ? "; IPv4 and IPv6 now have the same precedence, so whichever DNS answer arrives first goes first" : "")}",
                [
                    new($"as soon as one {word} line counts, only the file's own hold", Verdict.Yes, Source, new Seen($"{line.Written}", $"{AddressFacts.GaiPath}:{line.Number}")),
                    .. lost.Select(d => new Reason($"{GaiRow.Write(d.Prefix)} had {word} {d.Value} and now has {active[d.Prefix.Address]}", Verdict.Yes, null, active.Find(d.Prefix.Address) is { } r ? [new Seen($"{word} {GaiRow.Write(r.Prefix)} {r.Value}", RuleWords.Origin(r))] : [])),
                ],
                [new($"write the default {word} lines too; /etc/gai.conf as distributed has them as comments"), new("or take the line out")]);
        }
    }

    private static IEnumerable<Finding> MatchesNothing(AddressFacts facts)
    {
        if (facts.Network is null)
        {
            yield break;
        }

        foreach (var line in facts.Conf.Lines.Where(l => l.Counts && l.Kind is GaiKind.Label or GaiKind.Precedence && l.Counts))
        {
            if (Meant(line, facts) is { } near)
            {
                yield return new("addr/prefix-matches-nothing", Severity.Warning, near.Own ? Certainty.Proven : Certainty.Inferred, Value.Path($"{AddressFacts.GaiPath}:{line.Number}"),
                    near.Meant is { } meant ? (Text)$"line {line.Number} matches no address: {new Value(line.WrittenPrefix, ValueKind.Address)} is {new Value(Full(line.Prefix), ValueKind.Address)} in full; did you mean {Value.Address(meant)}?" : $"line {line.Number} matches no address: {Value.Address(line.Prefix.Network)} is not in use anywhere",
                    [new($"no address of this host lies in {Full(line.Prefix)}", Verdict.Yes, "RFC 4291 section 2.2: a group written fd is 00fd, leading zeros may be left out, others not", [new($"{line.Written}", $"{AddressFacts.GaiPath}:{line.Number}"), .. Own(facts)])],
                    [near.Meant is { } written ? new($"write the prefix {Value.Address(written)}") : new("correct the prefix, or take the line out")]);
            }
            else if (line.Prefix.Address.IsUniqueLocal && line.Prefix.Length > 8 && !facts.Network.Addresses.Any(x => line.Prefix.Contains(x.Address.Address)) && !facts.Network.Routes.Any(r => r.Destination.Length > 0 && r.Destination.Address.IsV6 && (r.Destination.Contains(line.Prefix) || line.Prefix.Contains(r.Destination))))
            {
                yield return new("addr/prefix-matches-nothing", Severity.Info, Certainty.Inferred, Value.Path($"{AddressFacts.GaiPath}:{line.Number}"),
                    $"line {line.Number} matches no own address and no route: {Value.Address(line.Prefix.Network)}",
                    [new($"no address of this host lies in it", Verdict.Yes, "RTM_GETADDR", [new($"{line.Written}", $"{AddressFacts.GaiPath}:{line.Number}"), .. Own(facts)])],
                    [new("leave it, where destinations are meant; else correct the prefix")]);
            }
        }
    }

    private static IEnumerable<Seen> Own(AddressFacts facts) =>
        facts.Network!.Addresses.Where(x => x.Address.Address.IsUniqueLocal).Take(3).Select(x => new Seen($"{Value.Address(x.Address.Address)}/{x.Address.Length}", $"RTM_GETADDR, {x.Interface.Name}"));

    /// <summary>The groups that count of a prefix, leading zeros too.</summary>
    private static string Full(IpPrefix prefix)
    {
        var groups = (prefix.Length + 15) / 16;
        return string.Join(':', Enumerable.Range(0, groups).Select(i => ((ushort)(prefix.Network.Address.Bits >> (112 - (16 * i)))).ToString("x4"))) + (groups < 8 ? "::" : "") + $"/{prefix.Length}";
    }

    /// <summary>A prefix in space that nobody has (0000::/3 but for what is assigned in it), and what was probably meant.</summary>
    private static (IpPrefix? Meant, bool Own)? Meant(GaiLine line, AddressFacts facts)
    {
        var address = line.Prefix.Address;
        var first = (int)(address.Bits >> 112);
        if (line.Prefix.Length < 8 || first >= 0x2000 || first is 0 or 0x64 or 0x100)
        {
            return null;
        }

        if (first is >= 0xfc and <= 0xfe)
        {
            var meant = new IpPrefix(IpAddress.V6(((UInt128)(first << 8) << 112) | (address.Bits & (UInt128.MaxValue >> 16))), line.Prefix.Length).Network;
            return (meant, facts.Network!.Addresses.Any(x => meant.Contains(x.Address.Address)));
        }

        return (null, false);
    }

    private static IEnumerable<Finding> PrecedenceCannotHelp(AddressFacts facts)
    {
        if (Internet(facts) is not { Result: { Sign: > 0, Rule: 5 } } pair || pair.Six.Source is not { } source)
        {
            yield break;
        }

        foreach (var line in facts.Conf.Lines.Where(l => l is { Kind: GaiKind.Precedence, Counts: true, Prefix.Length: > 7 } && (l.Prefix.Contains(source) || (facts.Network is not null && Meant(l, facts)?.Meant?.Contains(source) == true))))
        {
            yield return new("addr/precedence-cannot-help", Severity.Warning, Certainty.Proven, Value.Path($"{AddressFacts.GaiPath}:{line.Number}"),
                $"line {line.Number} asks the wrong table: the label decides (rule 5) before the precedence is looked at (rule 6), and precedence is asked of destinations only",
                [
                    new($"IPv4 goes before IPv6 to the Internet by rule 5, {RuleWords.Of(5)}", Verdict.Yes, "RFC 6724 section 6", [.. RuleWords.Seen(5, pair.Four, pair.Six, pair.Order)]),
                    new($"{Value.Address(source)} is a source there, not a destination", Verdict.Yes, "RFC 6724 section 6 rule 6", new Seen($"{line.Written}", $"{AddressFacts.GaiPath}:{line.Number}")),
                ],
                [new("have the label line worked out", "lotse", "addr", "plan", "--want", "ipv6 before ipv4")]);
        }
    }

    private static Finding? Ipv4Preferred(AddressFacts facts) =>
        Internet(facts) is not { Result: { Sign: > 0, Rule: 5 } } pair || pair.Six.Source is not { IsUniqueLocal: true } source ? null
        : new("addr/ipv4-preferred", Severity.Info, Certainty.Proven, Value.Address(source),
            $"IPv4 goes first to every name that has both, for the only IPv6 source is the unique local address {Value.Address(source)}",
            [new($"rule 5, {RuleWords.Of(5)}: a unique local source has another label than an Internet destination", Verdict.Yes, "RFC 6724 section 6 rule 5", [.. RuleWords.Seen(5, pair.Four, pair.Six, pair.Order)])],
            [new("right where IPv6 does not reach the Internet; where it does (NPTv6, NAT66), one label line turns it round", "lotse", "addr", "plan", "--want", "ipv6 before ipv4"), new("or have the router announce a global prefix: that helps every program, also those that do not read gai.conf")]);

    private static Finding? StaleProcesses(AddressFacts facts)
    {
        if (facts.Older.Length == 0)
        {
            return null;
        }

        return new("addr/stale-processes", Severity.Info, Certainty.Inferred, Value.Path(AddressFacts.GaiPath),
            $"{facts.Older.Length} processes were started before {Value.Path(AddressFacts.GaiPath)} was changed: those that had looked up a name by then still go by the old file",
            [new("glibc reads the file once a process, unless it said reload yes when it was first read", Verdict.Yes, "gai.conf(5) reload", [.. facts.Older.GroupBy(o => o.Name).OrderBy(g => g.Key, StringComparer.Ordinal).Take(20).Select(g => new Seen($"{Value.Process(g.Key)}{(g.Count() > 1 ? $" ({g.Count()})" : "")}", string.Join(", ", g.Take(5).Select(o => $"/proc/{o.Pid}/stat"))))])],
            [new("restart those that should follow it")]);
    }

    /// <summary>The IPv6 Internet against the IPv4 Internet; null where the sources were not read.</summary>
    internal static (RuleResult Result, Candidate Six, Candidate Four, GlibcOrder Order)? Internet(AddressFacts facts)
    {
        if (facts.Network is null || Array.Find(facts.Classes, c => c.Address == DestinationClass.Internet6) is not { } six || Array.Find(facts.Classes, c => c.Address == DestinationClass.Internet4) is not { } four)
        {
            return null;
        }

        var order = new GlibcOrder(facts.Network, facts.Conf);
        var candidates = order.Candidates([six.Address, four.Address], [six.Source, four.Source]);
        return (order.Compare(candidates[0], candidates[1], true), candidates[0], candidates[1], order);
    }
}
