using System.Net;
using Lotse.Formats;

namespace Lotse.Mail;

/// <summary>A message that nobody has to send.</summary>
/// <param name="Name">What it stands for.</param>
/// <param name="Query">Client, HELO, envelope sender.</param>
/// <param name="Author">Domain of the header From.</param>
/// <param name="Dkim">Results of its signatures.</param>
public sealed record MailJourney(string Name, SpfQuery Query, string Author, DkimLeg[] Dkim);

/// <summary>What becomes of a message.</summary>
/// <param name="Journey">Its name.</param>
/// <param name="Spf">SPF's result.</param>
/// <param name="SpfDomain">The domain that SPF checked.</param>
/// <param name="Dmarc">pass, fail, none or temperror (RFC 9989 section 9.1).</param>
/// <param name="Disposition">What the domain asks for: none, quarantine, reject.</param>
/// <param name="Aligned">The legs that pass and align.</param>
/// <param name="OldDmarc">The same by RFC 7489.</param>
/// <param name="OldDisposition">The same by RFC 7489.</param>
/// <param name="Problem">Why SPF gives an error or none.</param>
/// <param name="Lookups">SPF's lookups of ten.</param>
public sealed record JourneyAnswer(string Journey, string Spf, string SpfDomain, string Dmarc, string Disposition, string[] Aligned, string OldDmarc, string OldDisposition, string? Problem, int Lookups);

/// <summary>The answer of <c>mail simulate</c> for one message.</summary>
/// <param name="Spf">SPF's result.</param>
/// <param name="Dmarc">DMARC's.</param>
/// <param name="Disposition">What the domain asks for.</param>
/// <param name="Details">All of it.</param>
public sealed record SimulationAnswer(string Spf, string Dmarc, string Disposition, JourneyAnswer Details);

/// <summary>The answer of <c>mail simulate DOMAIN</c>.</summary>
/// <param name="Domain">The domain.</param>
/// <param name="Journeys">The standard journeys.</param>
public sealed record JourneysAnswer(string Domain, JourneyAnswer[] Journeys);

/// <summary>What receivers do with a message, before it is sent. Pure.</summary>
public static class MailSimulation
{
    /// <summary>Documentation addresses (RFC 5737, RFC 3849) that nobody's record names.</summary>
    private static readonly IPAddress Stranger = IPAddress.Parse("203.0.113.99");

    /// <summary>One message.</summary>
    public static (JourneyAnswer Answer, SpfOutcome Spf, DmarcOutcome Dmarc) Of(MailJourney journey, DnsLookups dns)
    {
        var spf = SpfEvaluation.Check(journey.Query, dns);
        var now = DmarcEvaluation.Check(journey.Author, spf.Domain, spf.Result, journey.Dkim, dns);
        var old = DmarcEvaluation.CheckOld(journey.Author, spf.Domain, spf.Result, journey.Dkim, dns);
        return (new(journey.Name, spf.Word, spf.Domain, now.Result, now.Disposition, now.Aligned, old.Result, old.Disposition, spf.Problem, spf.Lookups), spf, now);
    }

    /// <summary>The report about one message.</summary>
    public static Report Single(MailJourney journey, DnsLookups dns)
    {
        var (answer, spf, dmarc) = Of(journey, dns);
        List<Reason> reasons = [.. SpfReport.Of(journey.Query, spf).Reasons, .. dmarc.Reasons];
        if ((answer.OldDmarc, answer.OldDisposition) != (answer.Dmarc, answer.Disposition))
        {
            reasons.Add(new($"receivers that still follow RFC 7489 say {answer.OldDmarc}, disposition {answer.OldDisposition}", Verdict.Yes, "RFC 7489 section 6.6"));
        }

        if (answer.Spf == "temperror" && answer.Dmarc == "temperror")
        {
            reasons.Add(new("SPF could not be asked: most receivers put the message off (451) instead of following the policy", Verdict.Unknown, "RFC 7208 section 2.6.6, RFC 9989 section 5.3.6"));
        }

        return new(Headline(answer), [.. reasons], [], Unknowns(answer)) { Answer = MailJson.Part(new SimulationAnswer(answer.Spf, answer.Dmarc, answer.Disposition, answer)) };
    }

    /// <summary>The report about a domain's standard journeys.</summary>
    public static Report Journeys(MailFacts facts, DnsLookups dns)
    {
        var view = new DomainView(facts, dns);
        var answers = Standard(view).Select(j => (Journey: j, Of(j, dns).Answer)).ToArray();
        Reason[] reasons =
        [
            .. answers.Select(a => new Reason(
                $"{a.Journey.Name}: SPF {a.Answer.Spf} for {Value.Domain(a.Answer.SpfDomain)}, DKIM {(a.Journey.Dkim.Length == 0 ? "none" : string.Join(", ", a.Journey.Dkim.Select(d => $"{d.Result} for {d.Domain}")))}, DMARC {a.Answer.Dmarc}, disposition {a.Answer.Disposition}{(a.Answer.OldDisposition != a.Answer.Disposition || a.Answer.OldDmarc != a.Answer.Dmarc ? $"; RFC 7489: {a.Answer.OldDmarc}, {a.Answer.OldDisposition}" : "")}",
                a.Answer.Dmarc is "temperror" || a.Answer.Spf is "temperror" ? Verdict.Unknown : a.Answer.Dmarc == "pass" ? Verdict.Yes : Verdict.No, "RFC 7208 section 4, RFC 9989 section 5.3",
                new Seen(Value.Ip(a.Journey.Query.Ip), "client"), new Seen(Value.Mailbox(a.Journey.Query.MailFrom), "MAIL FROM"))),
        ];
        var lost = answers.Where(a => a.Answer.Dmarc == "fail" && a.Answer.Disposition != "none" && a.Journey.Name != Forger).Select(a => a.Journey.Name).ToArray();
        var own = answers.Length > 0 ? answers[0].Answer : null;
        Text verdict = own is null || view.Senders.Length == 0 ? (Text)$"{Value.Domain(view.Domain)}: who sends is not known; --send ID says it"
            : lost.Length > 0 ? $"{Value.Domain(view.Domain)}: lost is {string.Join("; ", lost)}"
            : own.Dmarc is "pass" ? $"{Value.Domain(view.Domain)}: what you send passes, and nothing of it is lost"
            : own.Dmarc is "none" ? (Text)$"{Value.Domain(view.Domain)}: no DMARC policy, so nothing is lost by one; SPF {own.Spf} for what you send"
            : $"{Value.Domain(view.Domain)}: what you send gets DMARC {own.Dmarc}, SPF {own.Spf}";
        Unknown[] unknowns = [.. answers.SelectMany(a => Unknowns(a.Answer)).DistinctBy(u => u.Why.ToString())];
        return new(verdict, reasons, [], unknowns) { Answer = MailJson.Part(new JourneysAnswer(view.Domain, [.. answers.Select(a => a.Answer)])) };
    }

    /// <summary>The journey that must not succeed.</summary>
    internal const string Forger = "somebody forges your address";

    /// <summary>The journeys that mail of a domain makes.</summary>
    internal static IEnumerable<MailJourney> Standard(DomainView view)
    {
        var domain = view.Domain;
        var me = $"me@{domain}";
        if (view.Senders is [var sender, ..])
        {
            var provider = sender.Provider;
            var own = provider.MailDomains.FirstOrDefault() ?? provider.Spf;
            var ip = view.SendingAddresses(provider).FirstOrDefault() ?? Stranger;
            DkimLeg[] signed = provider.SignsCustom == true && view.HasKey ? [new(domain, "pass")] : [];
            SpfQuery Query(IPAddress client, string helo, string from) => new(client, helo, from, view.Facts.Now);
            yield return new($"you send through {provider.Name}", Query(ip, own, me), domain, signed);
            foreach (var six in view.SendingAddresses(provider).Where(a => a.AddressFamily != ip.AddressFamily).Take(1))
            {
                yield return new($"you send through {provider.Name} over IPv6", Query(six, own, me), domain, signed);
            }

            yield return new("the recipient forwards it, envelope kept", Query(Stranger, "forwarder.example", me), domain, signed);
            yield return new("the recipient forwards it, envelope rewritten (SRS)", Query(Stranger, "forwarder.example", "srs0=hash=tt=you@forwarder.example"), domain, signed);
            if (provider.MailDomains.Length > 0)
            {
                yield return new($"webmail keeps its own envelope sender", Query(ip, own, $"you@{own}"), domain, signed);
            }

            yield return new("a mailing list sends it on, text changed", Query(Stranger, "list.example", "bounces@list.example"), domain, [.. signed.Select(s => s with { Result = "fail" })]);
        }

        yield return new(Forger, new(Stranger, "forger.example", me, view.Facts.Now), domain, []);
    }

    private static Text Headline(JourneyAnswer answer) => $"SPF {answer.Spf}, DMARC {answer.Dmarc}, disposition {answer.Disposition}";

    private static Unknown[] Unknowns(JourneyAnswer answer) =>
        answer.Spf == "temperror" ? [new("what SPF says", answer.Problem ?? "DNS did not answer", "ask again, or another resolver: --server ADDRESS")]
        : answer.Dmarc == "temperror" ? [new("the DMARC policy", "DNS did not answer", "ask again, or another resolver: --server ADDRESS")]
        : [];
}
