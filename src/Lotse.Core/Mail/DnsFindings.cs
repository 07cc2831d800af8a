using System.Net;
using Lotse.Formats;
using static Lotse.Mail.MailFindings;

namespace Lotse.Mail;

/// <summary>What is wrong with the zone itself and its servers.</summary>
internal static class DnsFindings
{
    private const uint LongTtl = 86400;
    private const int SoonDays = 60;

    /// <summary>Failures first: what could not be asked is never missing.</summary>
    public static IEnumerable<Finding> Of(DomainView view)
    {
        Finding?[] failures = [.. Failures(view)];
        if (!view.Readable)
        {
            return failures.OfType<Finding>();
        }

        Finding?[] all = [.. failures, ApexAlias(view), WildcardText(view), .. Differ(view), TcpNeeded(view), LongTtls(view), Parking(view), CaaMissing(view), Unsigned(view), Expiry(view)];
        return all.OfType<Finding>();
    }

    private static IEnumerable<Finding?> Failures(DomainView view)
    {
        // Of the domain itself, and of what decides about its mail: SPF's tree and the exchanges.
        var names = view.Spf.All.SelectMany(t => t.Terms.Select(x => x.Target).Append(t.Domain)).OfType<string>().Concat(view.Exchanges.All.Select(e => e.Host)).ToHashSet();
        names.Add($"_dmarc.{view.Domain}");
        var bad = view.Dns.All.Where(a => a.Question.Server is null && names.Contains(a.Question.Name) && (a.Question.Type is DnsType.TXT or DnsType.MX or DnsType.A or DnsType.AAAA) && (a.Question.Name != view.Domain || a.Question.Type is DnsType.TXT or DnsType.MX)).ToArray();
        foreach (var (outcome, id, title) in new (DnsOutcome, string, string)[]
        {
            (DnsOutcome.Bogus, "mail/dns-bogus", "DNSSEC's signatures are wrong: receivers that check them see no MX, no SPF, nothing; others see all"),
            (DnsOutcome.ServerFailure, "mail/dns-servfail", "the name servers fail: receivers put mail off, for as long as it lasts"),
            (DnsOutcome.Refused, "mail/dns-servfail", "the name servers refuse to answer: receivers put mail off, for as long as it lasts"),
            (DnsOutcome.Timeout, "mail/dns-timeout", "no answer came in time: receivers put mail off, for as long as it lasts"),
        })
        {
            foreach (var failed in bad.Where(a => a.Answer.Outcome == outcome).GroupBy(a => DnsName.IsAtOrBelow(a.Question.Name, view.Domain) ? view.Domain : a.Question.Name))
            {
                yield return Make(id, Severity.Error, failed.Key, $"{Value.Domain(failed.Key)}: {title}",
                    [Because("this is an error of DNS, not a missing record", outcome == DnsOutcome.Bogus ? "RFC 4035 section 5.5" : "RFC 7208 section 2.6.6", [.. failed.Take(5).Select(f => new Seen(f.Answer.Words, $"{f.Question}, {f.Answer.Server}"))])],
                    new Remedy(outcome == DnsOutcome.Bogus ? "sign the zone again, or have the DS record removed at the registrar" : "ask another resolver to see whether it is the zone or the resolver: --server ADDRESS"));
            }
        }
    }

    private static Finding? ApexAlias(DomainView view) => !view.IsAlias ? null
        : Make("mail/dns-apex-cname", Severity.Error, view.Domain, $"{Value.Domain(view.Domain)} is an alias (CNAME): its own MX and TXT are not seen", [Because("beside a CNAME nothing else may stand", "RFC 1034 section 3.6.2", [.. view.Apex.Records.Concat(view.Text.Records).Concat(view.Exchanges.Answer.Records).Where(r => r.Type == DnsType.CNAME).DistinctBy(r => r.Line).Select(r => new Seen(r.Line, view.Text.Server))])], new Remedy("replace the CNAME by the address records of its target"));

    private static Finding? WildcardText(DomainView view) => view.Wildcard.Outcome != DnsOutcome.Records ? null
        : Make("mail/dns-wildcard-txt", Severity.Warning, view.Domain, $"a wildcard TXT answers for every name below {Value.Domain(view.Domain)}, also for _dmarc and for selectors", [Because("a name that nobody made has a TXT record", "RFC 4592", DomainView.Seen(view.Wildcard, $"*.{view.Domain}", DnsType.TXT))], new Remedy("remove the wildcard, or publish each name"));

    /// <summary>The zone's servers side by side: the records of mail, then the serial numbers; and who does not know the zone at all.</summary>
    private static IEnumerable<Finding?> Differ(DomainView view)
    {
        var servers = Authorities(view);
        var differs = false;
        foreach (var (name, type) in new[] { (view.Domain, DnsType.MX), (view.Domain, DnsType.TXT), ($"_dmarc.{view.Domain}", DnsType.TXT) })
        {
            var answers = servers.Select(s => (Server: s, Answer: view.Dns[new DnsQuestion(name, type, s.Address)])).Where(a => a.Answer.Known).ToArray();
            if (!differs && answers.Select(a => string.Join('\n', a.Answer.Of(type).Select(r => r.Text).Order(StringComparer.Ordinal))).Distinct().Count() > 1)
            {
                differs = true;
                yield return Make("mail/dns-servers-differ", Severity.Warning, view.Domain, $"the name servers of {Value.Domain(view.Domain)} give different {DnsTypes.Name(type)} records{(name == view.Domain ? "" : $" at {name}")}: a change is still spreading, or one is stale",
                    [Because("all of them should say the same", "RFC 1034 section 4.2", [.. answers.Select(a => new Seen(a.Answer.Outcome == DnsOutcome.Records ? string.Join(", ", a.Answer.Of(type).Select(r => r.Text)) : a.Answer.Words, $"{a.Server.Name} ({a.Server.Address})"))])],
                    new Remedy("wait for the zone's refresh time, then ask again; if it stays, tell who runs the stale one"));
            }
        }

        foreach (var lame in servers.Select(s => (Server: s, Answer: view.Dns[new DnsQuestion(view.Domain, DnsType.MX, s.Address)])).Where(a => a.Answer.Outcome is DnsOutcome.Refused or DnsOutcome.ServerFailure))
        {
            yield return Make("mail/dns-servers-differ", Severity.Warning, lame.Server.Name, $"{Value.Host(lame.Server.Name)} is named as a server of {Value.Domain(view.Domain)} and does not answer for it: a share of the questions is lost or takes longer",
                [Because("every server that NS records name has to know the zone", "RFC 1034 section 4.2.2", new Seen(lame.Answer.Words, $"{view.Domain} MX, {lame.Server.Name} ({lame.Server.Address})"))],
                new Remedy("remove it from the NS records at the registrar and in the zone, or have the zone served there"));
        }

        var serials = servers.Select(s => (Server: s, Answer: view.Dns[new DnsQuestion(Zone(view), DnsType.SOA, s.Address)])).Where(a => a.Answer.Outcome == DnsOutcome.Records).Select(a => (a.Server, Serial: a.Answer.Of(DnsType.SOA).First().Text.Split(' ')[2])).ToArray();
        if (!differs && serials.Select(s => s.Serial).Distinct().Count() > 1)
        {
            yield return Make("mail/dns-servers-differ", Severity.Info, view.Domain, $"the name servers of {Value.Domain(view.Domain)} have different versions of the zone, with the same records of mail: a change is still spreading",
                [Because("the serial number of a zone is the same on all of its servers when they have caught up", "RFC 1034 section 4.3.5", [.. serials.Select(s => new Seen($"serial {s.Serial}", $"{s.Server.Name} ({s.Server.Address})"))])]);
        }
    }

    /// <summary>The zone that the domain is in: the closest name that has name servers, never a top-level domain.</summary>
    private static string Zone(DomainView view)
    {
        for (var name = view.Domain; name is not null && DnsName.Count(name) > 1; name = DnsName.Parent(name))
        {
            if (!view.Dns[name, DnsType.NS].Missing)
            {
                return name;
            }
        }

        return view.Domain;
    }

    /// <summary>The zone's own servers; those on loopback are nobody else's.</summary>
    internal static (string Name, string Address)[] Authorities(DomainView view)
    {
        var names = !view.Facts.Options.Authorities ? [] : view.Dns[Zone(view), DnsType.NS].Of(DnsType.NS).Select(r => r.Target).Order(StringComparer.Ordinal).ToArray();
        return [.. names.SelectMany(n => view.Dns[n, DnsType.A].Of(DnsType.A).Concat(view.Dns[n, DnsType.AAAA].Of(DnsType.AAAA)).Select(r => r.Address).OfType<IPAddress>().Where(a => !IPAddress.IsLoopback(a)).Select(a => (n, a.ToString()))).DistinctBy(s => s.Item2).Take(16)];
    }

    private static Finding? TcpNeeded(DomainView view)
    {
        var big = new[] { (view.Domain, DnsType.TXT, view.Text), (view.Domain, DnsType.MX, view.Exchanges.Answer) }.FirstOrDefault(a => a.Item3.OverTcp);
        return big.Item3 is null ? null
            : Make("mail/dns-tcp-needed", Severity.Info, view.Domain, $"the {DnsTypes.Name(big.Item2)} answer of {Value.Domain(view.Domain)} does not fit UDP: receivers whose DNS has no TCP see nothing", [Because($"{big.Item3.Size} octets", "RFC 7766", new Seen($"{big.Item3.Size} octets", $"{big.Item1} {DnsTypes.Name(big.Item2)}, {big.Item3.Server}"))], new Remedy("remove TXT records that nobody needs any more"));
    }

    private static Finding? LongTtls(DomainView view)
    {
        // Resolvers keep nothing for longer than they want to, mostly a day: only the zone's own servers say the whole time.
        var asked = Authorities(view).Select(s => s.Address).Prepend(null).SelectMany(s => new[] { view.Dns[new DnsQuestion(view.Domain, DnsType.TXT, s)], view.Dns[new DnsQuestion(view.Domain, DnsType.MX, s)], view.Dns[new DnsQuestion($"_dmarc.{view.Domain}", DnsType.TXT, s)] });
        var records = asked.SelectMany(a => a.Records).Where(r => r.Ttl > LongTtl && (r.Type == DnsType.MX || (r.Type == DnsType.TXT && (r.Name != view.Domain || SpfRecord.IsOne(r.Joined) || r.Joined.StartsWith("forward-email", StringComparison.Ordinal))))).DistinctBy(r => (r.Name, r.Type)).ToArray();
        return records.Length == 0 ? null
            : Make("mail/dns-ttl-long", Severity.Warning, view.Domain, $"a TTL of {Amount.Duration(TimeSpan.FromSeconds(records.Max(r => r.Ttl)))}: after a change, the old record is used for that long", [Because($"over a day", "RFC 1035 section 3.2.1", [.. records.Take(4).Select(r => new Seen($"{r.Ttl}", $"{r.Name} {DnsTypes.Name(r.Type)}"))])], new Remedy("lower it to an hour before you change anything, and wait for the old time"));
    }

    private static Finding? Parking(DomainView view)
    {
        var nobody = view.Under("lotse-asks-for-no-such-name", DnsType.A);
        var names = view.Exchanges.All.Select(e => (e.Host, "MX")).Concat(view.Text.Records.Concat(nobody.Records).Concat(view.Under("www", DnsType.A).Records).Where(r => r.Type == DnsType.CNAME).Select(r => (r.Target, "CNAME")));
        var hit = names.FirstOrDefault(n => DnsName.Labels(n.Item1).Any(l => l.StartsWith("park", StringComparison.Ordinal) || l.EndsWith("parking", StringComparison.Ordinal) || l is "sedoparking" or "bodis" or "above"));
        var text = Array.Find(view.Texts, t => t.Contains("parked", StringComparison.OrdinalIgnoreCase) || t.Contains("parking", StringComparison.OrdinalIgnoreCase));
        return hit.Item1 is null && text is null ? null
            : Make("mail/dns-parking", Severity.Warning, view.Domain, $"parking records of the registrar are left over: {(hit.Item1 is null ? text! : $"{hit.Item2} {hit.Item1}")}", [Because("registrars put them on new domains", "the name itself", new Seen(hit.Item1 ?? text!, $"{view.Domain} {(hit.Item1 is null ? "TXT" : hit.Item2)}"))], new Remedy("remove them")) with { Certainty = Certainty.Inferred };
    }

    private static Finding? CaaMissing(DomainView view)
    {
        // RFC 8659 section 3: the closest domain that has any counts.
        for (var name = view.Domain; name is not null and not "."; name = DnsName.Parent(name))
        {
            if (!view.Dns[name, DnsType.CAA].Missing)
            {
                return null;
            }
        }

        return Make("mail/dns-caa-missing", Severity.Info, view.Domain, "no CAA record: any authority may issue certificates for the domain", [new("a CAA record stands at the domain or above", Verdict.No, "RFC 8659", DomainView.Seen(view.Dns[view.Domain, DnsType.CAA], view.Domain, DnsType.CAA))]);
    }

    private static Finding? Unsigned(DomainView view) => view.Dns[view.Domain, DnsType.DNSKEY] is { Missing: true } answer && !view.Text.Authentic
        ? Make("mail/dnssec-unsigned", Severity.Info, view.Domain, "the zone is not signed: no DANE, and its records can be forged on the way", [new("the zone has keys", Verdict.No, "RFC 4033", DomainView.Seen(answer, view.Domain, DnsType.DNSKEY))]) : null;

    private static Finding? Expiry(DomainView view)
    {
        if (view.Facts.Options.Expires is not { } day)
        {
            return null;
        }

        var left = day.DayNumber - DateOnly.FromDateTime(view.Facts.Now.UtcDateTime).DayNumber;
        return left > SoonDays ? null
            : Make("mail/domain-expiry", Severity.Info, view.Domain, left < 0 ? (Text)$"the registration of {Value.Domain(view.Domain)} ended {-left} days ago: whoever takes it gets your mail" : $"the registration of {Value.Domain(view.Domain)} ends in {left} days: whoever owns the domain owns the mail", [Because($"it ends on {day:yyyy-MM-dd}", "--expires")], new Remedy("renew it, and have it renewed automatically"));
    }
}
