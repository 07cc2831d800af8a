using System.Net;
using System.Net.Sockets;
using System.Text;
using Lotse.Formats;

namespace Lotse.Mail;

/// <summary>
/// check_host() of RFC 7208 section 4, complete: limits, voids, macros, explanations. Pure: answers come from
/// <see cref="DnsLookups"/>; while one is missing the result is temperror and the lookups want it.
/// </summary>
public sealed class SpfEvaluation
{
    /// <summary>Terms that ask DNS (section 4.6.4).</summary>
    public const int LookupLimit = 10;

    /// <summary>Lookups without an answer (section 4.6.4).</summary>
    public const int VoidLimit = 2;

    /// <summary>Mail exchanges of one term, and names of one address (section 4.6.4).</summary>
    public const int HostLimit = 10;

    private readonly SpfQuery query;
    private readonly DnsLookups dns;
    private readonly List<SpfStep> steps = [];
    private int lookups;
    private int voids;
    private string? problem;
    private string? explanation;

    private SpfEvaluation(SpfQuery query, DnsLookups dns) => (this.query, this.dns) = (query, dns);

    private enum Match
    {
        No,
        Yes,
        TempError,
        PermError,
    }

    /// <summary>Evaluates.</summary>
    public static SpfOutcome Check(SpfQuery query, DnsLookups dns)
    {
        var evaluation = new SpfEvaluation(query, dns);
        var name = Domain(query.SenderDomain);
        var result = name is null ? evaluation.NoDomain(query.SenderDomain) : evaluation.CheckHost(name, query.SenderDomain, 0);
        return new(result, name ?? query.SenderDomain, evaluation.problem, result == SpfResult.Fail ? evaluation.explanation : null, evaluation.lookups, evaluation.voids, [.. evaluation.steps]);
    }

    /// <summary>A domain that can have a record: a name of two labels or more, no address (section 4.3). Letters beyond ASCII become A-labels.</summary>
    public static string? Domain(string text)
    {
        if (text.EndsWith('.'))
        {
            text = text[..^1];
        }

        return text.Length > 0 && text[0] != '[' && !IPAddress.TryParse(text, out _) && (text.All(char.IsAscii) ? DnsName.FromRaw(text) : DnsName.Parse(text)) is { } name && DnsName.Count(name) > 1 ? name : null;
    }

    private SpfResult NoDomain(string text)
    {
        problem = $"\"{ByteText.Escape(text)}\" is no domain that could have a record (RFC 7208 section 4.3)";
        return SpfResult.None;
    }

    private SpfResult CheckHost(string name, string shown, int depth)
    {
        var answer = Ask(name, DnsType.TXT);
        if (!answer.Known)
        {
            return Temporary(name, DnsType.TXT, answer);
        }

        var texts = answer.Of(DnsType.TXT).Select(r => r.Joined).Where(SpfRecord.IsOne).ToArray();
        if (texts.Length != 1)
        {
            problem = texts.Length == 0 ? $"{name} has no SPF record ({(answer.Missing ? answer.Words : "none of its TXT records begins v=spf1")})" : $"{name} has {texts.Length} SPF records";
            steps.Add(new(depth, name, "", lookups, voids, texts.Length == 0 ? "none" : "permerror", problem));
            return texts.Length == 0 ? SpfResult.None : SpfResult.PermError;
        }

        var record = SpfRecord.Parse(texts[0]);
        if (record.Broken is not null)
        {
            problem = $"{name}: \"{ByteText.Escape(record.Broken)}\" is no term: {record.Fault}";
            steps.Add(new(depth, name, record.Broken, lookups, voids, "permerror", record.Fault!));
            return SpfResult.PermError;
        }

        foreach (var term in record.Terms.Where(t => t.IsMechanism))
        {
            if (term.AsksDns && ++lookups > LookupLimit)
            {
                return TooMany(depth, name, term, $"the limit of {LookupLimit} lookups is passed");
            }

            var at = steps.Count;
            var (match, detail) = Matches(term, name, shown, depth);
            if (match is Match.No or Match.Yes && voids > VoidLimit)
            {
                return TooMany(depth, name, term, $"more than {VoidLimit} lookups gave no answer");
            }

            steps.Insert(at, new(depth, name, term.Text, lookups, voids, match switch { Match.Yes => "match", Match.No => "no match", Match.TempError => "temperror", _ => "permerror" }, detail));
            switch (match)
            {
                case Match.TempError:
                    return SpfResult.TempError;
                case Match.PermError:
                    return SpfResult.PermError;
                case Match.Yes:
                    var result = term.Qualifier switch { SpfQualifier.Pass => SpfResult.Pass, SpfQualifier.Fail => SpfResult.Fail, SpfQualifier.SoftFail => SpfResult.SoftFail, _ => SpfResult.Neutral };
                    if (result == SpfResult.Fail && record.Explanation is { } exp && depth == redirects)
                    {
                        explanation = Explain(exp.Domain!, name, shown);
                    }

                    return result;
            }
        }

        return record.Redirect is { } redirect ? Redirected(redirect, name, shown, depth) : Default(depth, name);
    }

    /// <summary>How deep redirects have led: only there an explanation counts, never inside an include (section 6.2).</summary>
    private int redirects;

    private SpfResult Default(int depth, string name)
    {
        steps.Add(new(depth, name, "", lookups, voids, "neutral", "nothing matched, and there is neither all nor redirect (section 4.7)"));
        return SpfResult.Neutral;
    }

    private SpfResult Redirected(SpfTerm redirect, string name, string shown, int depth)
    {
        if (++lookups > LookupLimit)
        {
            return TooMany(depth, name, redirect, $"the limit of {LookupLimit} lookups is passed");
        }

        if (Expand(redirect.Domain!, name, shown) is not { } expanded)
        {
            return SpfResult.TempError;
        }

        var target = SpfMacro.ToName(expanded);
        steps.Add(new(depth, name, redirect.Text, lookups, voids, "redirect", $"nothing matched: {ByteText.Escape(expanded)} decides"));
        redirects = depth == redirects ? depth + 1 : redirects;
        var result = target is null ? SpfResult.None : CheckHost(target, expanded, depth + 1);
        if (result == SpfResult.None)
        {
            problem ??= $"{ByteText.Escape(expanded)} is no domain";
            problem = $"redirect leads to nothing: {problem}";
            return SpfResult.PermError;
        }

        return result;
    }

    private (Match, string) Matches(SpfTerm term, string name, string shown, int depth)
    {
        switch (term.Kind)
        {
            case SpfKind.All:
                return (Match.Yes, "everybody");
            case SpfKind.Ip4:
            case SpfKind.Ip6:
                var bits = term.Kind == SpfKind.Ip4 ? term.Bits4 : term.Bits6;
                return InNetwork(query.Ip, term.Network!, bits) ? (Match.Yes, $"{query.Ip} is in {term.Network}/{bits}") : (Match.No, $"{query.Ip} is not in {term.Network}/{bits}");
        }

        var spec = term.Domain;
        if ((spec is null ? shown : Expand(spec, name, shown)) is not { } expanded)
        {
            return (Match.TempError, "an answer for a macro is missing");
        }

        var target = spec is null ? name : SpfMacro.ToName(expanded);
        if (term.Kind == SpfKind.Include)
        {
            return Included(target, expanded, depth);
        }

        if (target is null)
        {
            return (Match.No, $"\"{ByteText.Escape(expanded)}\" is no name");
        }

        return term.Kind switch
        {
            SpfKind.A => Address(term, target),
            SpfKind.Mx => Exchanges(term, target),
            SpfKind.Ptr => Reverse(target),
            _ => Exists(target),
        };
    }

    private (Match, string) Included(string? target, string expanded, int depth)
    {
        var outer = redirects;
        redirects = -1;
        var result = target is null ? NoDomain(expanded) : CheckHost(target, expanded, depth + 1);
        redirects = outer;
        switch (result)
        {
            case SpfResult.Pass:
                return (Match.Yes, $"{ByteText.Escape(expanded)} passes it");
            case SpfResult.TempError:
                return (Match.TempError, $"{ByteText.Escape(expanded)} could not be evaluated");
            case SpfResult.None or SpfResult.PermError:
                problem = result == SpfResult.None ? $"the include names a domain without a record: {problem}" : problem;
                return (Match.PermError, $"{ByteText.Escape(expanded)} gives {result.ToString().ToLowerInvariant()}, which in an include is a permanent error (section 5.2)");
            default:
                return (Match.No, $"{ByteText.Escape(expanded)} says {result.ToString().ToLowerInvariant()}");
        }
    }

    private (Match, string) Address(SpfTerm term, string target)
    {
        var answer = AskAddress(target);
        if (!answer.Known)
        {
            return Fail(target, AddressType, answer);
        }

        CountVoid(answer);
        var hit = Hit(answer, term);
        return hit is null ? (Match.No, $"{target} is {Addresses(answer)}") : (Match.Yes, $"{target} is {hit}");
    }

    private (Match, string) Exchanges(SpfTerm term, string target)
    {
        var answer = Ask(target, DnsType.MX);
        if (!answer.Known)
        {
            return Fail(target, DnsType.MX, answer);
        }

        CountVoid(answer);
        var hosts = answer.Of(DnsType.MX).Select(r => r.Exchange).OrderBy(e => e.Preference).Select(e => e.Host).Where(h => h != ".").ToArray();
        if (hosts.Length > HostLimit)
        {
            problem = $"{target} has {hosts.Length} mail exchanges; an mx term may have {HostLimit} (section 4.6.4)";
            return (Match.PermError, problem);
        }

        // All are wanted at once, then looked at in order.
        foreach (var host in hosts)
        {
            _ = AskAddress(host);
        }

        foreach (var host in hosts)
        {
            var addresses = AskAddress(host);
            if (!addresses.Known)
            {
                return Fail(host, AddressType, addresses);
            }

            CountVoid(addresses);
            if (Hit(addresses, term) is { } hit)
            {
                return (Match.Yes, $"{host} is {hit}");
            }

            if (voids > VoidLimit)
            {
                break;
            }
        }

        return (Match.No, hosts.Length == 0 ? $"{target} has no mail exchange" : $"none of {string.Join(", ", hosts)} is {query.Ip}");
    }

    private (Match, string) Reverse(string target)
    {
        var (names, pending) = ValidatedNames(countVoid: true);
        if (pending)
        {
            return (Match.TempError, "an answer is missing");
        }

        var hit = names.FirstOrDefault(n => DnsName.IsAtOrBelow(n, target));
        return hit is null ? (Match.No, names.Length == 0 ? $"{query.Ip} has no name that leads back to it" : $"{query.Ip} is {string.Join(", ", names)}") : (Match.Yes, $"{query.Ip} is {hit}");
    }

    private (Match, string) Exists(string target)
    {
        var answer = Ask(target, DnsType.A);
        if (!answer.Known)
        {
            return Fail(target, DnsType.A, answer);
        }

        CountVoid(answer);
        return answer.Missing ? (Match.No, $"{target}: {answer.Words}") : (Match.Yes, $"{target} has an address");
    }

    /// <summary>The names of the client's address that lead back to it (section 5.5). Errors only skip a name.</summary>
    private (string[] Names, bool Pending) ValidatedNames(bool countVoid)
    {
        var reverse = ReverseName(query.Ip);
        var answer = Ask(reverse, DnsType.PTR);
        if (DnsLookups.IsPending(answer))
        {
            return ([], true);
        }

        if (countVoid && answer.Known)
        {
            CountVoid(answer);
        }

        var candidates = answer.Of(DnsType.PTR).Select(r => r.Target).Take(HostLimit).ToArray();
        var addresses = candidates.Select(AskAddress).ToArray();
        return ([.. candidates.Where((_, i) => addresses[i].Of(AddressType).Any(r => query.Ip.Equals(r.Address)))], addresses.Any(DnsLookups.IsPending));
    }

    private string? ValidatedName(string name)
    {
        var (names, pending) = ValidatedNames(countVoid: false);

        // Section 7.3: the domain itself, then one below it, then any.
        return pending ? null : names.FirstOrDefault(n => n == name) ?? names.FirstOrDefault(n => DnsName.IsAtOrBelow(n, name)) ?? names.FirstOrDefault() ?? "unknown";
    }

    /// <summary>Section 6.2: whatever is wrong with an explanation, there is none.</summary>
    private string? Explain(string spec, string name, string shown)
    {
        if (Expand(spec, name, shown) is not { } expanded || SpfMacro.ToName(expanded) is not { } target)
        {
            return null;
        }

        var texts = Ask(target, DnsType.TXT).Of(DnsType.TXT).ToArray();
        return texts is [var only] && only.Joined.All(char.IsAscii) && SpfMacro.Fault(only.Joined, explanation: true) is null
            ? SpfMacro.Expand(only.Joined, Values(name, shown), explanation: true) : null;
    }

    private string? Expand(string spec, string name, string shown) => SpfMacro.Expand(spec, Values(name, shown), explanation: false);

    private SpfMacro.Values Values(string name, string shown) => new(query, shown, () => ValidatedName(name));

    private DnsType AddressType => query.Ip.AddressFamily == AddressFamily.InterNetwork ? DnsType.A : DnsType.AAAA;

    private DnsAnswer AskAddress(string name) => Ask(name, AddressType);

    private DnsAnswer Ask(string name, DnsType type) => dns[name, type];

    private string? Hit(DnsAnswer answer, SpfTerm term) =>
        answer.Of(AddressType).Select(r => r.Address).OfType<IPAddress>().FirstOrDefault(a => InNetwork(query.Ip, a, AddressType == DnsType.A ? term.Bits4 : term.Bits6))?.ToString();

    private string Addresses(DnsAnswer answer) => answer.Missing ? answer.Words : string.Join(", ", answer.Of(AddressType).Select(r => r.Address).Take(4));

    /// <summary>Each lookup counts, also one that was made before: so the reference implementations have it.</summary>
    private void CountVoid(DnsAnswer answer) => voids += answer.Missing ? 1 : 0;

    private (Match, string) Fail(string name, DnsType type, DnsAnswer answer)
    {
        _ = Temporary(name, type, answer);
        return (Match.TempError, $"{name} {DnsTypes.Name(type)}: {answer.Words}");
    }

    private SpfResult Temporary(string name, DnsType type, DnsAnswer answer)
    {
        problem = $"{name} {DnsTypes.Name(type)}: {answer.Words}";
        return SpfResult.TempError;
    }

    private SpfResult TooMany(int depth, string name, SpfTerm term, string why)
    {
        problem = $"{name}: {why} at {ByteText.Escape(term.Text)} (RFC 7208 section 4.6.4)";
        steps.Add(new(depth, name, term.Text, lookups, voids, "permerror", why));
        return SpfResult.PermError;
    }

    /// <summary>Whether the first bits agree; never between families.</summary>
    internal static bool InNetwork(IPAddress address, IPAddress network, int bits)
    {
        if (address.AddressFamily != network.AddressFamily)
        {
            return false;
        }

        var (a, b) = (address.GetAddressBytes(), network.GetAddressBytes());
        for (var i = 0; i < a.Length && bits > 0; i++, bits -= 8)
        {
            var mask = bits >= 8 ? 0xff : 0xff << (8 - bits);
            if ((a[i] & mask) != (b[i] & mask))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The name under in-addr.arpa or ip6.arpa (RFC 1035 section 3.5, RFC 3596 section 2.5).</summary>
    internal static string ReverseName(IPAddress address)
    {
        var bytes = address.GetAddressBytes();
        if (bytes.Length == 4)
        {
            return $"{bytes[3]}.{bytes[2]}.{bytes[1]}.{bytes[0]}.in-addr.arpa";
        }

        var name = new StringBuilder();
        foreach (var b in bytes.Reverse())
        {
            name.Append((b & 15).ToString("x")).Append('.').Append((b >> 4).ToString("x")).Append('.');
        }

        return name.Append("ip6.arpa").ToString();
    }
}
