using System.Text.RegularExpressions;
using Lotse.Formats;

namespace Lotse.Mail;

/// <summary>Where mail for one address goes.</summary>
/// <param name="To">Addresses, host names and URLs; or DROP, BOUNCE, LOOP, UNSURE:host, UNKNOWN.</param>
/// <param name="Reasons">Why.</param>
public sealed record ForwardOutcome(string[] To, Reason[] Reasons);

/// <summary>The answer of <c>mail route</c>.</summary>
/// <param name="Address">The address.</param>
/// <param name="To">Addresses, host names and URLs; or DROP, BOUNCE, LOOP, UNSURE:host, UNKNOWN.</param>
public sealed record RouteAnswer(string Address, string[] To);

/// <summary>
/// Where mail for an address goes: first the MX, as a sender chooses (RFC 5321 section 5.1), then the forwarder's rules,
/// again for a target whose domain forwards in the same way.
/// </summary>
public sealed class ForwardRoute
{
    private const string Source = "forwardemail.net getForwardingAddresses";
    private const int Deepest = 10;

    private readonly DnsLookups dns;
    private readonly List<Reason> reasons = [];

    private ForwardRoute(DnsLookups dns) => this.dns = dns;

    /// <summary>Follows an address.</summary>
    /// <param name="local">Local part.</param>
    /// <param name="domain">Canonical domain.</param>
    /// <param name="dns">Answers.</param>
    public static ForwardOutcome Of(string local, string domain, DnsLookups dns)
    {
        var route = new ForwardRoute(dns);
        var to = route.Hosts(local, domain);
        return new([.. to.Distinct()], [.. route.reasons]);
    }

    /// <summary>The report about an address.</summary>
    public static Report Report(string local, string domain, DnsLookups dns)
    {
        var outcome = Of(local, domain, dns);
        var address = $"{local}@{domain}";
        Text verdict = outcome.To switch
        {
            ["DROP"] => (Text)$"mail for {Value.Mailbox(address)} is taken and dropped",
            ["BOUNCE"] => $"mail for {Value.Mailbox(address)} bounces",
            ["LOOP"] => $"mail for {Value.Mailbox(address)} goes in a circle and bounces",
            ["UNKNOWN"] => $"where mail for {Value.Mailbox(address)} goes could not be asked",
            [var only] when only.StartsWith("UNSURE:", StringComparison.Ordinal) => $"mail for {Value.Mailbox(address)} goes to {Value.Host(only[7..])}; what that does with it is not in DNS",
            _ => $"mail for {Value.Mailbox(address)} goes to {Value.Mailbox(string.Join(", ", outcome.To))}",
        };
        Unknown[] unknowns = [.. outcome.To.Where(t => t == "UNKNOWN").Select(_ => new Unknown($"where mail for {Value.Mailbox(address)} goes", outcome.Reasons.FirstOrDefault(r => r.Verdict == Verdict.Unknown)?.Text ?? "DNS did not answer", "ask again, or another resolver: --server ADDRESS"))];
        return new(verdict, outcome.Reasons, [], unknowns) { Answer = MailJson.Part(new RouteAnswer(address, outcome.To)) };
    }

    private List<string> Hosts(string local, string domain)
    {
        var view = Exchanges.Of(domain, dns);
        reasons.Add(view.Reason);
        if (view.Unknown)
        {
            return ["UNKNOWN"];
        }

        var to = new List<string>();
        var forwarders = view.First.Where(h => Provider.OfExchange(h)?.Id == "forwardemail").ToArray();
        if (forwarders.Length > 0)
        {
            to.AddRange(Forwarded(local, domain, []));
        }

        foreach (var host in view.First.Except(forwarders))
        {
            to.Add($"UNSURE:{host}");
        }

        return to.Count > 0 ? to : ["BOUNCE"];
    }

    /// <summary>The forwarder's rules for one address; <paramref name="above"/> are those that led here.</summary>
    private List<string> Forwarded(string local, string domain, string[] above)
    {
        var (user, tag) = local.IndexOf('+', StringComparison.Ordinal) is > 0 and var plus ? (local[..plus].ToLowerInvariant(), local[(plus + 1)..].Split('+')[0]) : (local.ToLowerInvariant(), "");
        var address = $"{user}@{domain}";
        if (above.Contains(address) || above.Length > Deepest)
        {
            reasons.Add(new($"{Value.Mailbox(address)} leads back to itself", Verdict.No, Source));
            return ["LOOP"];
        }

        var answer = dns[domain, DnsType.TXT];
        if (!answer.Known)
        {
            reasons.Add(new($"the forwarder's records of {Value.Domain(domain)}: {answer.Words}", Verdict.Unknown, Source));
            return ["UNKNOWN"];
        }

        var rules = ForwardRules.Of(answer.Of(DnsType.TXT).Select(r => r.Joined));
        if (rules.Verifications.Length > 1)
        {
            reasons.Add(new($"{Value.Domain(domain)} has {rules.Verifications.Length} verification records: the forwarder refuses them all", Verdict.No, Source));
            return ["BOUNCE"];
        }

        var (targets, why) = Match(rules, user);
        reasons.Add(why);
        if (rules.Verifications.Length == 1 && targets is ["BOUNCE"] && rules.Records.Length == 0)
        {
            reasons.Add(new("the aliases of the paid plan stand with the forwarder, not in DNS", Verdict.Unknown, Source));
            return ["UNSURE:mx1.forwardemail.net"];
        }

        var to = new List<string>();
        foreach (var target in targets)
        {
            to.AddRange(Followed(target, tag, [.. above, address]));
        }

        if (to.Count > ForwardRules.MostTargets)
        {
            reasons.Add(new($"{to.Count} recipients are more than the {ForwardRules.MostTargets} that the forwarder allows: it refuses the message", Verdict.No, Source));
            return ["BOUNCE"];
        }

        return to;
    }

    /// <summary>A target whose domain has records of the forwarder too is followed, whoever its MX is.</summary>
    private List<string> Followed(string target, string tag, string[] above)
    {
        if (!ForwardRules.IsMailbox(target) || ForwardRules.DomainOf(target) is not { } domain)
        {
            return [target];
        }

        var at = target.LastIndexOf('@');
        var tagged = tag.Length == 0 ? target : $"{target[..at].Split('+')[0]}+{tag}{target[at..]}";
        if (Provider.OfMailDomain(domain) is not null || !ForwardRules.Of(dns[domain, DnsType.TXT].Of(DnsType.TXT).Select(r => r.Joined)).Any)
        {
            return [tagged];
        }

        var below = Forwarded(target[..at], domain, above);
        return below is ["BOUNCE"] ? [tagged] : [.. below.Select(b => tag.Length > 0 && ForwardRules.IsMailbox(b) && !b[..b.LastIndexOf('@')].Contains('+', StringComparison.Ordinal) ? $"{b[..b.LastIndexOf('@')]}+{tag}{b[b.LastIndexOf('@')..]}" : b)];
    }

    private static (string[] Targets, Reason Why) Match(ForwardRules rules, string user)
    {
        // One entry that it cannot use makes the forwarder refuse every alias; records have no order, so any one does.
        if (rules.Entries.FirstOrDefault(e => e.Kind == ForwardKind.Invalid) is { } invalid)
        {
            return (["BOUNCE"], new($"the recipient of \"{Value.Mailbox(invalid.Text)}\" is no address, host name or URL: the forwarder refuses mail for every alias", Verdict.No, Source));
        }

        var targets = new List<string>();
        foreach (var entry in rules.Entries)
        {
            switch (entry.Kind)
            {
                case ForwardKind.Refuse when entry.Alias.StartsWith('/') ? Matches(entry.Alias, user) is not null : entry.Alias == user:
                    return ([entry.Marks == 1 ? "DROP" : "BOUNCE"], new($"\"{Value.Mailbox(entry.Text)}\" {entry.Marks switch { 1 => "takes the mail and drops it (250)", 2 => "puts the mail off until the sender gives up (421)", _ => "refuses the mail (550)" }}", Verdict.Yes, Source));
                case ForwardKind.Alias when entry.Alias == user:
                    targets.Add(entry.Target);
                    break;
                case ForwardKind.Expression when Matches(entry.Alias, user) is { } match:
                    var target = entry.Target.Contains('$', StringComparison.Ordinal) ? Replace(match, user, entry.Target) : entry.Target;
                    if (target.StartsWith('!'))
                    {
                        return ([target.StartsWith("!!", StringComparison.Ordinal) ? "BOUNCE" : "DROP"], new($"\"{Value.Mailbox(entry.Text)}\" refuses or drops it", Verdict.Yes, Source));
                    }

                    if (!ForwardRules.IsTarget(target))
                    {
                        return (["BOUNCE"], new($"\"{Value.Mailbox(entry.Text)}\" gives \"{Value.Mailbox(target)}\", which is no recipient", Verdict.No, Source));
                    }

                    targets.Add(target.Contains("://", StringComparison.Ordinal) ? target : target.ToLowerInvariant());
                    break;
            }
        }

        if (targets.Count > 0)
        {
            return ([.. targets], new($"entries for {Value.User(user)} lead to {Value.Mailbox(string.Join(", ", targets))}", Verdict.Yes, Source));
        }

        // A catch-all that is a host name means the same local part there.
        targets.AddRange(rules.Entries.Where(e => e.Kind == ForwardKind.CatchAll).Select(e => ForwardRules.IsHost(e.Target) ? $"{user}@{e.Target}" : e.Target));
        return targets.Count > 0 ? ([.. targets], new($"no entry is for {Value.User(user)}; the catch-all leads to {Value.Mailbox(string.Join(", ", targets))}", Verdict.Yes, Source))
            : (["BOUNCE"], new($"an entry is for {Value.User(user)}, or a catch-all is there", Verdict.No, Source));
    }

    private static Match? Matches(string expression, string user)
    {
        try
        {
            return ForwardRules.Expression(expression)?.Match(user) is { Success: true } match ? match : null;
        }
        catch (RegexMatchTimeoutException)
        {
            return null;
        }
    }

    /// <summary>The alias with what matched replaced, <c>$1</c> as in JavaScript's replace().</summary>
    private static string Replace(Match match, string user, string target) => user[..match.Index] + match.Result(target) + user[(match.Index + match.Length)..];
}
