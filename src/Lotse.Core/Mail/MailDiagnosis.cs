using Lotse.Formats;

namespace Lotse.Mail;

/// <summary>The answer of <c>mail why DOMAIN</c>.</summary>
/// <param name="Domain">The domain, as DNS names it.</param>
/// <param name="Receives">Who takes mail: ids of the catalogue, or hosts.</param>
/// <param name="Sends">Who sends: ids of the catalogue.</param>
/// <param name="Spf">The SPF record; null: none, or several.</param>
/// <param name="SpfLookups">Lookups of ten.</param>
/// <param name="SpfVoids">Lookups without an answer, of two.</param>
/// <param name="Dmarc">The DMARC record that covers the domain.</param>
/// <param name="Legs">Which legs of DMARC can align: spf, dkim.</param>
public sealed record DomainAnswer(string Domain, string[] Receives, string[] Sends, string? Spf, int SpfLookups, int SpfVoids, string? Dmarc, string[] Legs);

/// <summary>Why mail of a domain arrives or does not. Pure: facts in, report out.</summary>
public static class MailDiagnosis
{
    /// <summary>The report about a domain.</summary>
    public static Report Diagnose(MailFacts facts) => Of(facts, facts.Lookups()) with { Facts = MailJson.Part(facts) };

    /// <summary>The same while answers are still coming in.</summary>
    internal static Report Of(MailFacts facts, DnsLookups dns)
    {
        var view = new DomainView(facts, dns);
        var findings = MailFindings.Of(view);
        var reasons = new List<Reason> { view.Exchanges.Reason };
        if (view.Receiver is { } receiver)
        {
            reasons.Add(new($"that is {receiver.Name}, a {(receiver.IsMailbox ? "mailbox provider" : "forwarder")}", Verdict.Yes, "the catalogue of providers", [.. receiver.Sources.Take(1).Select(s => new Seen(receiver.Id, s))]));
        }

        reasons.Add(view.Senders.Length == 0
            ? new("who sends for the domain is known", Verdict.Unknown, "SPF record, forwarding target, MX; --send ID says it")
            : new($"{string.Join(", ", view.Senders.Select(s => s.Provider.Name))} sends: {view.Senders[0].How}", Verdict.Yes, "the catalogue of providers"));
        reasons.Add(Spf(view));
        reasons.Add(Dkim(view));
        reasons.Add(Dmarc(view));
        return new(Headline(view, findings), [.. reasons], findings, Unknowns(view))
        {
            Answer = MailJson.Part(new DomainAnswer(
                view.Domain, [.. view.Exchanges.All.Select(e => Provider.OfExchange(e.Host)?.Id ?? e.Host).Distinct()], [.. view.Senders.Select(s => s.Provider.Id)], view.Spf.Record?.Text, view.Spf.Lookups, view.Spf.Voids,
                view.Dmarc.Covering?.Record?.Text, [.. Legs(view)])),
        };
    }

    /// <summary>The legs that can align for what the user sends.</summary>
    internal static IEnumerable<string> Legs(DomainView view)
    {
        if (view.Spf.Record is { Broken: null })
        {
            yield return "spf";
        }

        if (view.HasKey)
        {
            yield return "dkim";
        }
    }

    /// <summary>Terms that are shown; a record that leads further is broken anyway.</summary>
    private const int MostTerms = 24;

    private static Text Headline(DomainView view, Finding[] findings)
    {
        Text who = view.Receiver is { } r && view.Senders is [var s, ..] ? (Text)$"{r.Name} receives, {s.Provider.Name} sends"
            : view.Receiver is { } only ? (Text)$"{only.Name} receives"
            : view.Exchanges.All.Length > 0 ? (Text)$"{Value.Host(view.Exchanges.All[0].Host)} receives" : "nobody receives";
        int errors = findings.Count(f => f.Severity == Severity.Error), warnings = findings.Count(f => f.Severity == Severity.Warning);
        var count = errors + warnings == 0 ? "nothing is wrong"
            : string.Join(" and ", new[] { Count(errors, "error"), Count(warnings, "warning") }.OfType<string>());
        return !view.Readable ? (Text)$"{Value.Domain(DnsName.Shown(view.Domain))}: could not be read" : $"{Value.Domain(DnsName.Shown(view.Domain))}: {who}; {count}";

        static string? Count(int n, string word) => n == 0 ? null : n == 1 ? $"1 {word}" : $"{n} {word}s";
    }

    private static Reason Spf(DomainView view)
    {
        const string Rule = "RFC 7208 section 4.6";
        if (!view.Text.Known)
        {
            return new($"SPF: {view.Text.Words}", Verdict.Unknown, Rule);
        }

        var good = view.Spf.Record is { Broken: null };
        return new(good ? (Text)$"SPF can align: one record, {view.Spf.Lookups} of {SpfEvaluation.LookupLimit} lookups, {view.Spf.Voids} of {SpfEvaluation.VoidLimit} without an answer" : "SPF can align",
            good ? Verdict.Yes : Verdict.No, Rule, [.. view.Spf.Records.Select(r => new Seen(r.Text, $"{view.Domain} TXT, {view.Text.Server}")), .. Terms(view.Spf, 0).Take(MostTerms).Select(t => new Seen($"{new string('>', t.Depth)}{(t.Depth > 0 ? " " : "")}{t.Term.Term.Text}: {t.Term.Lookups} of {SpfEvaluation.LookupLimit} lookups, {t.Term.Voids} of {SpfEvaluation.VoidLimit} without an answer so far", $"{t.Domain} TXT"))]);
    }

    /// <summary>The terms that ask DNS, with what they lead to, each with the running count.</summary>
    private static IEnumerable<(int Depth, string Domain, SpfTreeTerm Term)> Terms(SpfTree tree, int depth) =>
        tree.Terms.Where(t => t.Term.AsksDns).SelectMany(t => (t.Below is null ? [] : Terms(t.Below, depth + 1)).Prepend((depth, tree.Domain, t)));

    private static Reason Dkim(DomainView view) =>
        view.HasKey ? new("DKIM can align: a key is published", Verdict.Yes, "RFC 6376 section 3.6", [.. view.Selectors.Where(s => s.Keys.Any(k => k.Fault is null && !k.Revoked)).Take(4).Select(s => new Seen(s.Selector, $"{s.Selector}._domainkey.{view.Domain} TXT"))])
        : view.NeverSigned ? new("DKIM can align", Verdict.No, view.DomainKeys.Outcome == DnsOutcome.NoName ? "RFC 8020: nothing is below _domainkey" : "the catalogue of providers: the sender does not sign", DomainView.Seen(view.DomainKeys, $"_domainkey.{view.Domain}", DnsType.TXT))
        : new("DKIM can align: keys cannot be listed; --selector NAME asks for one", Verdict.Unknown, "RFC 6376 section 3.6.2", DomainView.Seen(view.DomainKeys, $"_domainkey.{view.Domain}", DnsType.TXT));

    private static Reason Dmarc(DomainView view) =>
        view.Dmarc.Covering is { Record: { } record } level ? new($"DMARC: the record of {Value.Domain(level.Domain)} covers it, p={record.PolicyText ?? "none"}", Verdict.Yes, "RFC 9989 section 4.10", new Seen(record.Text, $"_dmarc.{level.Domain} TXT, {level.Answer.Server}"))
        : view.Dmarc.Unknown is { } unknown ? new($"DMARC: _dmarc.{Value.Domain(unknown.Domain)}: {unknown.Answer.Words}", Verdict.Unknown, "RFC 9989 section 4.10")
        : new("a DMARC record covers it", Verdict.No, "RFC 9989 section 4.10");

    /// <summary>What could not be asked, by cause.</summary>
    private static Unknown[] Unknowns(DomainView view) =>
    [
        .. view.Dns.All.Where(a => a.Question.Server is null && !a.Answer.Known && !DnsLookups.IsPending(a.Answer))
            .GroupBy(a => a.Answer.Words)
            .Select(g => new Unknown(
                (Text)$"{Value.Domain(string.Join(", ", g.Take(4).Select(a => a.Question.ToString())))}{(g.Count() > 4 ? $" and {g.Count() - 4} more" : "")}", g.Key,
                g.First().Answer.Outcome == DnsOutcome.NotAsked ? "ask DNS: without --zone and --offline, or with --server ADDRESS" : "ask again, or another resolver: --server ADDRESS")),
        .. view.Facts.Sts is { Problem: { } problem, Proven: false } ? new[] { new Unknown("the MTA-STS policy", problem, $"fetch https://mta-sts.{view.Domain}/.well-known/mta-sts.txt") } : [],
    ];
}
