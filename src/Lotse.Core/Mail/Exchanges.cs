using Lotse.Formats;

namespace Lotse.Mail;

/// <summary>Who takes mail for a domain, as a sender finds it (RFC 5321 section 5.1, RFC 7505).</summary>
/// <param name="Answer">The MX answer.</param>
/// <param name="All">The exchanges, most preferred first.</param>
/// <param name="First">Hosts that a sender tries first and that exist; the domain itself where there is no MX.</param>
/// <param name="Null">Whether the domain says that it takes no mail.</param>
/// <param name="Unknown">Whether it could not be asked.</param>
/// <param name="Reason">In words.</param>
public sealed record Exchanges(DnsAnswer Answer, MailExchange[] All, string[] First, bool Null, bool Unknown, Reason Reason)
{
    private const string Rule = "RFC 5321 section 5.1";

    /// <summary>Whether mail can be delivered anywhere at all.</summary>
    public bool TakesMail => Unknown || First.Length > 0;

    /// <summary>Reads them.</summary>
    public static Exchanges Of(string domain, DnsLookups dns)
    {
        var answer = dns[domain, DnsType.MX];
        if (!answer.Known)
        {
            return new(answer, [], [], false, true, new($"who takes mail for {Value.Domain(domain)}: {answer.Words}", Verdict.Unknown, Rule));
        }

        var all = answer.Of(DnsType.MX).Select(r => r.Exchange).OrderBy(e => e.Preference).ThenBy(e => e.Host, StringComparer.Ordinal).ToArray();
        Seen[] seen = [.. answer.Of(DnsType.MX).Select(r => new Seen(r.Text, $"{domain} MX"))];
        if (all.Length > 0 && all.All(e => e.Host == "."))
        {
            return new(answer, all, [], true, false, new($"{Value.Domain(domain)} says that it takes no mail", Verdict.Yes, "RFC 7505 section 3", seen));
        }

        if (all.Length == 0)
        {
            // Without MX the domain's own addresses count.
            var addresses = HasAddress(domain, dns);
            return addresses is null
                ? new(answer, all, [], false, true, new($"{Value.Domain(domain)} has no MX, and its addresses could not be asked", Verdict.Unknown, Rule))
                : new(answer, all, addresses.Value ? [domain] : [], false, false, new(addresses.Value ? (Text)$"{Value.Domain(domain)} has no MX: its own address is tried" : $"{Value.Domain(domain)} has an MX or an address", addresses.Value ? Verdict.Yes : Verdict.No, Rule));
        }

        var living = all.Where(e => e.Host != "." && HasAddress(e.Host, dns) != false).ToArray();
        var first = living.Where(e => e.Preference == living[0].Preference).Select(e => e.Host).ToArray();
        return new(answer, all, first, false, false, new(
            first.Length > 0 ? (Text)$"a sender hands mail for {Value.Domain(domain)} to {Value.Host(string.Join(" or ", first))}" : $"an exchange of {Value.Domain(domain)} has an address",
            first.Length > 0 ? Verdict.Yes : Verdict.No, Rule, seen));
    }

    /// <summary>Whether a host has an address; null: could not be asked.</summary>
    public static bool? HasAddress(string host, DnsLookups dns)
    {
        DnsAnswer four = dns[host, DnsType.A], six = dns[host, DnsType.AAAA];
        return four.Outcome == DnsOutcome.Records || six.Outcome == DnsOutcome.Records ? true : four.Known && six.Known ? false : null;
    }
}
