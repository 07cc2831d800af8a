using Lotse.Formats;
using static Lotse.Mail.MailFindings;

namespace Lotse.Mail;

/// <summary>What is wrong with DMARC, and what it does to the user's mail.</summary>
internal static class DmarcFindings
{
    private const string RecordRule = "RFC 9989 section 4.7";

    /// <summary>Whether there is a record, then what it says.</summary>
    public static IEnumerable<Finding> Of(DomainView view)
    {
        if (!view.Text.Known || view.IsAlias)
        {
            return [];
        }

        Finding?[] all = [AtRoot(view), .. Existence(view), .. Record(view)];
        return all.OfType<Finding>();
    }

    private static string Name(DomainView view) => $"_dmarc.{view.Domain}";

    private static Seen[] Records(DomainView view) => DomainView.Seen(view.Dmarc.Levels[0].Answer, Name(view), DnsType.TXT);

    private static Finding? AtRoot(DomainView view) => Array.Find(view.Texts, t => DmarcRecord.Parse(t) is not null || t.TrimStart('"', ' ').StartsWith("v=DMARC1", StringComparison.OrdinalIgnoreCase)) is { } text
        ? Make("mail/dmarc-at-root", Severity.Warning, view.Domain, $"a DMARC record stands at {Value.Domain(view.Domain)} itself: receivers look at _dmarc.{Value.Domain(view.Domain)}", [Because("the record belongs below _dmarc", "RFC 9989 section 4.7", new Seen(text, $"{view.Domain} TXT"))], new Remedy($"move it to _dmarc.{Value.Domain(view.Domain)}")) : null;

    private static IEnumerable<Finding?> Existence(DomainView view)
    {
        var own = view.Dmarc.Levels[0];
        if (!own.Answer.Known)
        {
            yield break;
        }

        var texts = own.Answer.Of(DnsType.TXT).Select(r => r.Joined).ToArray();
        var broken = own.Records.Length > 0 || IsWildcard(view) ? [] : texts.Where(DmarcRecord.LooksLikeOne).ToArray();
        if (broken.Length > 0)
        {
            yield return Make("mail/dmarc-syntax", Severity.Error, view.Domain, $"the record at {Value.Domain(Name(view))} is no DMARC record: receivers ignore it", [Because("it has to begin v=DMARC1, in this case, and a semicolon", RecordRule, Records(view))], new Remedy("write v=DMARC1; first"));
        }
        else if (own.Records.Length > 1)
        {
            yield return Make("mail/dmarc-multiple", Severity.Error, view.Domain, $"{own.Records.Length} DMARC records stand at {Value.Domain(Name(view))}: none counts", [Because("more than one record is none", "RFC 9989 section 4.10", Records(view))], new Remedy("keep one"));
        }
        else if (view.Dmarc.Covering is null && view.Dmarc.Unknown is null)
        {
            yield return Make("mail/dmarc-missing", Severity.Warning, view.Domain, $"{Value.Domain(view.Domain)} has no DMARC record: large receivers ask for one, and nobody tells you about forgeries",
                [new($"a record stands at _dmarc of {Value.Domain(string.Join(", ", view.Dmarc.Levels.Select(l => l.Domain)))}", Verdict.No, "RFC 9989 section 4.10", [.. view.Dmarc.Levels.Select(l => new Seen(l.Answer.Words, $"_dmarc.{l.Domain} TXT"))])],
                new Remedy($"publish v=DMARC1; p=none; rua=mailto:YOU at {Value.Domain(Name(view))}", "lotse", "mail", "plan", view.Domain));
        }

        // Only a record that covers the domain can be read differently.
        if (view.Dmarc.Unknown is null && view.Dmarc.Organization is var walk && DmarcDiscovery.OldOrganization(view.Domain) is var old && walk != old && view.Dmarc.Covering is not null)
        {
            yield return Make("mail/dmarc-tree-walk", Severity.Info, view.Domain, $"receivers disagree about the organizational domain: {Value.Domain(walk)} by the tree walk, {Value.Domain(old)} by the public suffix list",
                [Because("the tree walk replaced the public suffix list in 2026", "RFC 9989 section 4.10, RFC 7489 section 3.2", [.. view.Dmarc.Levels.Where(l => l.Record is not null).Select(l => new Seen(l.Record!.Text, $"_dmarc.{l.Domain} TXT"))])]);
        }
    }

    /// <summary>Whether what stands at _dmarc is only what a wildcard says everywhere.</summary>
    private static bool IsWildcard(DomainView view) => view.Wildcard.Outcome == DnsOutcome.Records && view.Dmarc.Levels[0].Answer.Of(DnsType.TXT).Select(r => r.Joined).Order().SequenceEqual(view.Wildcard.Of(DnsType.TXT).Select(r => r.Joined).Order());

    private static IEnumerable<Finding?> Record(DomainView view)
    {
        if (view.OwnDmarc is not { } record)
        {
            yield break;
        }

        var seen = Records(view);
        if (record.Faults is [var fault, ..])
        {
            yield return Make("mail/dmarc-p-invalid", Severity.Error, view.Domain, $"{fault} is no policy: {(fault.StartsWith("p=", StringComparison.Ordinal) ? "it" : "the whole record")} counts as {(record.Reports.Length > 0 ? "p=none" : "no record at all")}", [Because("a policy is none, quarantine or reject", "RFC 9989 sections 4.7, 4.10.1", seen)], new Remedy($"write {fault.Split('=')[0]}=none, quarantine or reject"));
        }

        if (record is { Applied: DmarcPolicy.None, Faults: [] })
        {
            yield return Make("mail/dmarc-p-none", Severity.Info, view.Domain, view.NeverSigned ? "p=none: receivers only watch; the right choice while only SPF can align" : "p=none: receivers only watch", [Because("p=none asks for nothing", RecordRule, seen)]);
        }

        if (view.NeverSigned && !view.SendsNothing && record.Applied is DmarcPolicy.Quarantine or DmarcPolicy.Reject)
        {
            var sender = view.Senders.FirstOrDefault()?.Provider.Name;
            yield return Make("mail/dmarc-reject-spf-only", Severity.Error, view.Domain, $"p={record.PolicyText}, and no message is signed for {Value.Domain(view.Domain)}: every message that a recipient forwards fails and is {(record.Policy == DmarcPolicy.Reject ? "refused" : "put into spam")}",
                [
                    Because(sender is null ? "there is no key for DKIM" : $"{sender} sends, without a signature for {view.Domain}", "RFC 7960 section 2.1", DomainView.Seen(view.DomainKeys, $"_domainkey.{view.Domain}", DnsType.TXT)),
                    Because("forwarding breaks SPF, and there is no second leg", "RFC 9989 sections 4.4, 7.4, RFC 7960 section 3", seen),
                ],
                new Remedy("write p=none until somebody signs", "lotse", "mail", "plan", view.Domain));
        }

        if (record.StrictSpf || record.StrictDkim)
        {
            yield return Make("mail/dmarc-strict", Severity.Info, view.Domain, $"{(record.StrictSpf ? "aspf=s" : "adkim=s")}: what is sent or signed for a subdomain no longer aligns", [Because("strict alignment wants the same domain", "RFC 9989 section 4.4", seen)]);
        }

        if (record.Policy is { } p && record.Subdomains is { } sp && sp < p)
        {
            yield return Make("mail/dmarc-sp-weaker", Severity.Warning, view.Domain, $"sp={record.Tags["sp"]} is weaker than p={record.PolicyText}: subdomains can be forged", [Because("sp counts for subdomains", RecordRule, seen)], new Remedy("remove sp="));
        }

        if (record.Reports.Length == 0)
        {
            yield return Make("mail/dmarc-rua-missing", Severity.Info, view.Domain, "no rua=: you will not learn what fails", [Because("aggregate reports go where rua says", RecordRule, seen)], new Remedy("add rua=mailto:YOU"));
        }

        foreach (var finding in record.Reports.Select(r => r[(r.LastIndexOf('@') + 1)..]).Select(DnsName.Parse).OfType<string>().Distinct().SelectMany(d => Reports(view, d, seen)))
        {
            yield return finding;
        }

        if (record.Tags.Keys.Where(k => k is "pct" or "rf" or "ri").ToArray() is { Length: > 0 } removed)
        {
            yield return Make("mail/dmarc-pct-removed", Severity.Info, view.Domain, $"{string.Join(", ", removed.Select(r => $"{r}={record.Tags[r]}"))} was removed in 2026: new receivers ignore it, old ones apply it", [Because("pct, rf and ri are gone; t=y replaces pct=0", "RFC 9989 appendices A.6, C.5.2", seen)], new Remedy("remove it"));
        }

        if (record.Testing)
        {
            yield return Make("mail/dmarc-test-mode", Severity.Info, view.Domain, "t=y: new receivers apply the next weaker policy, old ones the full one", [Because("t=y is a test", RecordRule, seen)], new Remedy("remove t=y when the reports are clean"));
        }
    }

    private static IEnumerable<Finding?> Reports(DomainView view, string domain, Seen[] seen)
    {
        if (domain == view.Domain)
        {
            if (view.Receiver is { Role: "forwarder" } forwarder)
            {
                yield return Make("mail/dmarc-rua-forwarded", Severity.Info, view.Domain, $"reports go through {forwarder.Name} to your mailbox: attachments of strangers every day", [Because("rua is an address of the forwarded domain", "RFC 9990 section 3", seen)], new Remedy("send them to an address of their own"));
            }

            yield break;
        }

        var authorisation = DnsName.Under($"{view.Domain}._report._dmarc", domain);
        var foreign = DmarcDiscovery.Of(domain, view.Dns).Organization != view.Dmarc.Organization;
        if (foreign && authorisation is not null && view.Dns[authorisation, DnsType.TXT] is { Known: true } answer && !answer.Of(DnsType.TXT).Any(r => r.Joined.TrimStart().StartsWith("v=DMARC1", StringComparison.Ordinal)))
        {
            yield return Make("mail/dmarc-rua-unauthorised", Severity.Error, domain, $"reports to {Value.Domain(domain)} are not sent: it has not agreed to take them for {Value.Domain(view.Domain)}", [Because($"{Value.Domain(authorisation)} has to say v=DMARC1", "RFC 9990 section 3", [.. seen, .. DomainView.Seen(answer, authorisation, DnsType.TXT)])], new Remedy("use an address of your own domain, or ask them to publish it"));
        }

        var exchanges = Exchanges.Of(domain, view.Dns);
        if (!exchanges.TakesMail)
        {
            yield return Make("mail/dmarc-rua-dead", Severity.Warning, domain, $"reports go to {Value.Domain(domain)}, which takes no mail", [exchanges.Reason, Because("rua names it", "RFC 9990 section 3", seen)], new Remedy("name an address that exists"));
        }
    }
}
