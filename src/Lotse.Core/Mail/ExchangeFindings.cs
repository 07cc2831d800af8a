using System.Net;
using Lotse.Formats;
using static Lotse.Mail.MailFindings;

namespace Lotse.Mail;

/// <summary>What is wrong with the MX records.</summary>
internal static class ExchangeFindings
{
    private const string Rule = "RFC 5321 section 5.1";

    /// <summary>Top-level names that are no real ones (RFC 2606, RFC 6761): there, documentation addresses are at home.</summary>
    private static readonly string[] Reserved = ["test", "example", "invalid", "localhost", "example.com", "example.net", "example.org"];

    private static readonly (IPNetwork Network, string Word)[] Unreachable =
    [
        (IPNetwork.Parse("10.0.0.0/8"), "private (RFC 1918)"), (IPNetwork.Parse("172.16.0.0/12"), "private (RFC 1918)"), (IPNetwork.Parse("192.168.0.0/16"), "private (RFC 1918)"),
        (IPNetwork.Parse("127.0.0.0/8"), "loopback"), (IPNetwork.Parse("0.0.0.0/8"), "no address"), (IPNetwork.Parse("169.254.0.0/16"), "link-local"), (IPNetwork.Parse("100.64.0.0/10"), "shared by a provider's customers (RFC 6598)"),
        (IPNetwork.Parse("::/127"), "loopback"), (IPNetwork.Parse("fc00::/7"), "private (RFC 4193)"), (IPNetwork.Parse("fe80::/10"), "link-local"),
    ];

    private static readonly IPNetwork[] Documentation = [IPNetwork.Parse("192.0.2.0/24"), IPNetwork.Parse("198.51.100.0/24"), IPNetwork.Parse("203.0.113.0/24"), IPNetwork.Parse("2001:db8::/32"), IPNetwork.Parse("3fff::/20")];

    /// <summary>The set as a whole, then each host.</summary>
    public static IEnumerable<Finding> Of(DomainView view)
    {
        if (!view.Exchanges.Answer.Known || view.IsAlias)
        {
            return [];
        }

        Finding?[] all = [Missing(view), Null(view), .. view.Exchanges.All.Where(e => e.Host != ".").SelectMany(e => Host(view, e.Host)), Mixed(view), Incomplete(view), Unequal(view), NoIpv6(view)];
        return all.OfType<Finding>();
    }

    private static Seen[] Records(DomainView view) => DomainView.Seen(view.Exchanges.Answer, view.Domain, DnsType.MX);

    private static Finding? Missing(DomainView view)
    {
        if (view.Exchanges.All.Length > 0)
        {
            return null;
        }

        var gone = view.Exchanges.Answer.Outcome == DnsOutcome.NoName;
        return Make("mail/mx-missing", Severity.Error, view.Domain,
            gone ? (Text)$"{Value.Domain(view.Domain)} does not exist: mail to it bounces" : $"{Value.Domain(view.Domain)} has no MX: senders try its own address, normally the web server, and mail bounces or is lost",
            [new("an MX record says who takes mail", Verdict.No, Rule, Records(view)), view.Exchanges.Reason],
            new Remedy("publish the MX records of who receives your mail", "lotse", "mail", "plan", view.Domain));
    }

    private static Finding? Null(DomainView view)
    {
        var nulls = view.Exchanges.All.Count(e => e.Host == ".");
        return nulls == 0 ? null
            : nulls == view.Exchanges.All.Length
                ? Make("mail/mx-null", view.SendsNothing ? Severity.Info : Severity.Error, view.Domain, view.SendsNothing ? (Text)$"{Value.Domain(view.Domain)} says that it takes no mail, and that it sends none" : $"{Value.Domain(view.Domain)} says that it takes no mail: mail bounces at once, and mail from it may be refused", [Because("a single MX of \".\" is a null MX", "RFC 7505 section 3", Records(view))], new Remedy("replace it by the MX records of who receives your mail", "lotse", "mail", "plan", view.Domain))
                : Make("mail/mx-null-mixed", Severity.Error, view.Domain, "a null MX stands beside others: some senders bounce at once", [Because("a null MX must be the only one", "RFC 7505 section 3", Records(view))], new Remedy("remove the MX \".\""));
    }

    private static IEnumerable<Finding?> Host(DomainView view, string host)
    {
        // A registrar's form may have put the domain behind it.
        if (IPAddress.TryParse(host, out _) || (host.EndsWith("." + view.Domain, StringComparison.Ordinal) && IPAddress.TryParse(host[..^(view.Domain.Length + 1)], out var literal) && literal.ToString() == host[..^(view.Domain.Length + 1)]))
        {
            yield return Make("mail/mx-ip-literal", Severity.Error, host, $"the MX {Value.Host(host)} is an address written as a name: no such host, all mail to it bounces", [Because("an MX names a host", "RFC 1035 section 3.3.9", Records(view))], new Remedy("give the address a name, and write the name"));
            yield break;
        }

        DnsAnswer four = view.Dns[host, DnsType.A], six = view.Dns[host, DnsType.AAAA];
        var typo = Typo(host);
        if (typo is not null)
        {
            yield return Make("mail/mx-typo", Severity.Error, host, $"the MX {Value.Host(host)} is one edit away from {typo}", [Because("it is not the provider's host", "the catalogue of providers", Records(view))], new Remedy($"write {typo}")) with { Certainty = four.Missing && six.Missing ? Certainty.Proven : Certainty.Inferred };
        }

        if (four.Records.Concat(six.Records).FirstOrDefault(r => r.Type == DnsType.CNAME && r.Name == host) is { } alias)
        {
            yield return Make("mail/mx-cname", Severity.Error, host, $"the MX {Value.Host(host)} is an alias (CNAME): some senders refuse it", [Because("an MX must name a host with addresses of its own", "RFC 2181 section 10.3, RFC 5321 section 5.1", new Seen(alias.Line, four.Server))], new Remedy($"write the name it stands for: {Value.Host(alias.Target)}"));
        }

        if (four.Outcome == DnsOutcome.NoName || six.Outcome == DnsOutcome.NoName)
        {
            // A name without a last dot gets the zone appended by registrars' forms.
            Text hint = host.EndsWith("." + view.Domain, StringComparison.Ordinal) && Provider.OfExchange(host[..^(view.Domain.Length + 1)]) is not null ? (Text)$"the form has appended your domain: write {Value.Host(host[..^(view.Domain.Length + 1)])}. with a dot at the end" : "correct or remove it";
            yield return Make("mail/mx-dangling", Severity.Error, host, $"the MX {Value.Host(host)} does not exist: mail waits for days, then bounces; whoever registers the name gets your mail", [Because("it has no address at all", Rule, DomainView.Seen(four.Outcome == DnsOutcome.NoName ? four : six, host, DnsType.A))], new Remedy(hint));
        }
        else if (four.Missing && six.Missing)
        {
            yield return Make("mail/mx-no-address", Severity.Error, host, $"the MX {Value.Host(host)} has no address", [Because("there is neither A nor AAAA", Rule, [.. DomainView.Seen(four, host, DnsType.A), .. DomainView.Seen(six, host, DnsType.AAAA)])], new Remedy("correct or remove it"));
        }

        if (Provider.OfExchange(host) is null)
        {
            foreach (var address in four.Of(DnsType.A).Concat(six.Of(DnsType.AAAA)).Select(r => r.Address).OfType<IPAddress>())
            {
                if (Word(address, host) is { } word)
                {
                    yield return Make("mail/mx-private-address", Severity.Error, host, $"the MX {Value.Host(host)} has the address {Value.Ip(address)}, which is {word}: nobody outside reaches it", [Because("a sender on the Internet cannot connect to it", "RFC 1918, RFC 4193, RFC 5737", DomainView.Seen(address.GetAddressBytes().Length == 4 ? four : six, host, address.GetAddressBytes().Length == 4 ? DnsType.A : DnsType.AAAA))], new Remedy("publish its public address"));
                    break;
                }
            }
        }
    }

    private static string? Word(IPAddress address, string host)
    {
        foreach (var (network, word) in Unreachable)
        {
            if (network.Contains(address))
            {
                return word;
            }
        }

        return Documentation.Any(n => n.Contains(address)) && !Reserved.Any(r => DnsName.IsAtOrBelow(host, r)) ? "for documentation only" : null;
    }

    private static string? Typo(string host) =>
        Provider.OfExchange(host) is not null ? null : Provider.All.SelectMany(p => p.Mx).Select(m => m.Host).FirstOrDefault(h => WordDistance.Between(host, h) == 1);

    private static Finding? Mixed(DomainView view)
    {
        // A typo is said as one; here are hosts of somebody else.
        var others = view.Receiver is { } receiver ? view.Exchanges.All.Where(e => e.Host != "." && !receiver.HasExchange(e.Host) && Typo(e.Host) is null && !IPAddress.TryParse(e.Host, out _)).Select(e => e.Host).ToArray() : [];
        return others.Length == 0 || !view.Exchanges.All.Any(e => view.Receiver!.HasExchange(e.Host)) ? null
            : Make("mail/mx-mixed", Severity.Error, view.Domain, $"{Value.Host(string.Join(", ", others))} stands beside the hosts of {view.Receiver!.Name}: a share of your mail goes there and is lost or bounced",
                [Because($"not all exchanges are {view.Receiver.Name}'s", Rule, Records(view))], new Remedy($"remove the MX {Value.Host(string.Join(", ", others))}", "lotse", "mail", "plan", view.Domain, "--receive", view.Receiver.Id));
    }

    private static Finding? Incomplete(DomainView view)
    {
        if (view.Receiver is not { MxAll: true } receiver || !view.Exchanges.All.Any(e => receiver.HasExchange(e.Host)))
        {
            return null;
        }

        // A host that was meant and is written wrongly is said as a typo.
        var missing = receiver.Mx.Where(m => view.Exchanges.All.All(e => e.Host != m.Host && Typo(e.Host) != m.Host)).Select(m => m.Host).ToArray();
        return missing.Length == 0 || missing.Length == receiver.Mx.Length ? null
            : Make("mail/mx-incomplete", Severity.Warning, view.Domain, $"{receiver.Name} asks for all of its hosts; missing: {Value.Host(string.Join(", ", missing))}{(receiver.Id == "forwardemail" ? "; it refuses to verify the domain" : "")}",
                [Because($"its guide names {receiver.Mx.Length} hosts", receiver.Sources[0], Records(view))], new Remedy("add the missing MX", "lotse", "mail", "plan", view.Domain, "--receive", receiver.Id));
    }

    private static Finding? Unequal(DomainView view) =>
        view.Receiver is { MxEqual: true } receiver && view.Exchanges.All.Where(e => receiver.HasExchange(e.Host)).Select(e => e.Preference).Distinct().Count() > 1
            ? Make("mail/mx-priority-unequal", Severity.Info, view.Domain, $"the hosts of {receiver.Name} should have the same preference", [Because("its guide gives them equal ones", receiver.Sources[0], Records(view))], new Remedy("give both the same number")) : null;

    private static Finding? NoIpv6(DomainView view)
    {
        var hosts = view.Exchanges.All.Select(e => e.Host).Where(h => h != ".").ToArray();
        return hosts.Length > 0 && hosts.All(h => view.Dns[h, DnsType.AAAA].Missing) && hosts.Any(h => view.Dns[h, DnsType.A].Outcome == DnsOutcome.Records)
            ? Make("mail/mx-no-ipv6", Severity.Info, view.Domain, "no MX host has an IPv6 address", [Because("senders with IPv6 alone cannot reach it", "RFC 3974", [.. hosts.Select(h => new Seen("no AAAA", h))])]) : null;
    }
}
