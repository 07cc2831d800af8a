using Lotse.Formats;
using static Lotse.Mail.MailFindings;

namespace Lotse.Mail;

/// <summary>MTA-STS, TLS-RPT, DANE, BIMI.</summary>
internal static class TransportFindings
{
    /// <summary>In this order.</summary>
    public static IEnumerable<Finding> Of(DomainView view)
    {
        if (!view.Readable || view.IsAlias)
        {
            return [];
        }

        Finding?[] all = [.. Sts(view), .. TlsReports(view), .. Dane(view), Bimi(view)];
        return all.OfType<Finding>();
    }

    private static bool Wildcard(DomainView view, DnsAnswer answer) => view.Wildcard.Outcome == DnsOutcome.Records && answer.Of(DnsType.TXT).Any(r => view.Wildcard.Of(DnsType.TXT).Any(w => w.Joined == r.Joined));

    private static IEnumerable<Finding?> Sts(DomainView view)
    {
        var answer = view.Under("_mta-sts", DnsType.TXT);
        var announced = answer.Of(DnsType.TXT).Where(r => r.Joined.StartsWith("v=STSv1", StringComparison.Ordinal)).ToArray();
        var seen = DomainView.Seen(answer, $"_mta-sts.{view.Domain}", DnsType.TXT);
        if (announced.Length > 1)
        {
            yield return Make("mail/mtasts-multiple", Severity.Error, view.Domain, $"{announced.Length} records stand at _mta-sts.{Value.Domain(view.Domain)}: none counts", [Because("exactly one may begin v=STSv1", "RFC 8461 section 3.1", seen)], new Remedy("keep one"));
        }

        var host = DnsName.Under("mta-sts", view.Domain);
        if (announced.Length != 1)
        {
            // None, or several: senders take both as none.
            yield break;
        }

        if (view.Receiver is { Role: "forwarder" } forwarder)
        {
            yield return Make("mail/mtasts-forwarder", Severity.Info, view.Domain, $"the MX is {forwarder.Name}'s: its own MTA-STS does not cover you, you have to host the policy", [Because("a policy is the domain's, not the host's", "RFC 8461 section 3", seen)]);
        }

        if (host is not null && view.Dns[host, DnsType.A] is { Missing: true } four && view.Dns[host, DnsType.AAAA].Missing)
        {
            yield return Make("mail/mtasts-policy-host", Severity.Error, view.Domain, $"MTA-STS is announced, but {Value.Host(host)} has no address: nobody can fetch the policy", [Because("the policy stands at https://mta-sts.DOMAIN/.well-known/mta-sts.txt", "RFC 8461 section 3.3", [.. seen, .. DomainView.Seen(four, host, DnsType.A)])], new Remedy("publish the policy host, or remove _mta-sts"));
        }
        else if (view.Facts.Sts is { Problem: { } problem, Proven: true })
        {
            yield return Make("mail/mtasts-policy-host", Severity.Error, view.Domain, $"MTA-STS is announced, but the policy cannot be fetched: {problem}", [Because("the policy stands at https://mta-sts.DOMAIN/.well-known/mta-sts.txt", "RFC 8461 section 3.3", seen)], new Remedy("repair the policy host, or remove _mta-sts"));
        }

        if (view.Facts.Sts is { Problem: null, Mode: "enforce" } policy && view.Exchanges.All.Where(e => e.Host != "." && !policy.Covers(e.Host)).Select(e => e.Host).ToArray() is { Length: > 0 } missing)
        {
            yield return Make("mail/mtasts-mx-mismatch", Severity.Error, view.Domain, $"the MTA-STS policy does not list {Value.Host(string.Join(", ", missing))}: senders refuse to deliver there", [Because("mode: enforce", "RFC 8461 section 4.1", [.. seen, new Seen(string.Join(", ", policy.Mx), $"https://mta-sts.{view.Domain}/.well-known/mta-sts.txt")])], new Remedy("list the MX hosts in the policy, then change the id of _mta-sts"));
        }
    }

    private static IEnumerable<Finding?> TlsReports(DomainView view)
    {
        var answer = view.Under("_smtp._tls", DnsType.TXT);
        if (Wildcard(view, answer))
        {
            yield break;
        }

        var seen = DomainView.Seen(answer, $"_smtp._tls.{view.Domain}", DnsType.TXT);
        var texts = answer.Of(DnsType.TXT).Select(r => r.Joined).ToArray();
        var good = texts.Where(t => t.StartsWith("v=TLSRPTv1;", StringComparison.Ordinal) || t == "v=TLSRPTv1").ToArray();
        if (good.Length > 1)
        {
            yield return Make("mail/tlsrpt-multiple", Severity.Warning, view.Domain, $"{good.Length} records stand at _smtp._tls.{Value.Domain(view.Domain)}: none counts", [Because("exactly one may begin v=TLSRPTv1", "RFC 8460 section 3", seen)], new Remedy("keep one"));
        }
        else if (texts.Length > 0 && (good.Length == 0 || !Complete(good[0])))
        {
            yield return Make("mail/tlsrpt-syntax", Severity.Warning, view.Domain, $"the record at _smtp._tls.{Value.Domain(view.Domain)} is broken: no reports come", [Because("v=TLSRPTv1; rua=mailto:… or https:…", "RFC 8460 section 3", seen)], new Remedy("write v=TLSRPTv1; rua=mailto:YOU"));
        }

        static bool Complete(string text) => text.Split(';').Skip(1).Select(t => t.Trim()).FirstOrDefault(t => t.StartsWith("rua=", StringComparison.Ordinal)) is { } rua
            && rua[4..].Split(',').All(u => u.Trim() is var uri && (uri.StartsWith("https://", StringComparison.Ordinal) || (uri.StartsWith("mailto:", StringComparison.Ordinal) && uri.Contains('@', StringComparison.Ordinal))));
    }

    private static IEnumerable<Finding?> Dane(DomainView view)
    {
        foreach (var host in view.Exchanges.All.Select(e => e.Host).Where(h => h != "." && DnsName.IsAtOrBelow(h, view.Domain)).Append(view.Domain).Distinct())
        {
            if (DnsName.Under("_25._tcp", host) is { } name && view.Dns[name, DnsType.TLSA] is { Outcome: DnsOutcome.Records, Authentic: false } answer && view.Dns[view.Domain, DnsType.DNSKEY].Missing)
            {
                yield return Make("mail/dane-unsigned", Severity.Warning, host, $"the TLSA record of {Value.Host(host)} does nothing: the zone is not signed", [Because("DANE needs DNSSEC", "RFC 7672 section 2.1.3", [.. DomainView.Seen(answer, name, DnsType.TLSA), new Seen(view.Dns[view.Domain, DnsType.DNSKEY].Words, $"{view.Domain} DNSKEY")])], new Remedy("sign the zone, or remove the record"));
            }
        }
    }

    private static Finding? Bimi(DomainView view)
    {
        var answer = view.Under("default._bimi", DnsType.TXT);
        var covering = view.Dmarc.Covering?.Record;
        return answer.Of(DnsType.TXT).Any(r => r.Joined.StartsWith("v=BIMI1", StringComparison.OrdinalIgnoreCase)) && view.Dmarc.Unknown is null && (covering is null || covering.Applied is null or DmarcPolicy.None || covering.Percent is < 100)
            ? Make("mail/bimi-needs-dmarc", Severity.Info, view.Domain, "a logo (BIMI) without an enforced DMARC policy is not shown", [Because("BIMI wants p=quarantine or p=reject for all mail", "draft-brand-indicators-for-message-identification", DomainView.Seen(answer, $"default._bimi.{view.Domain}", DnsType.TXT))]) : null;
    }
}
