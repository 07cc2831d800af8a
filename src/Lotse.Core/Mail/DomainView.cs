using System.Net;
using Lotse.Formats;

namespace Lotse.Mail;

/// <summary>Who sends for a domain, and how that is known.</summary>
/// <param name="Provider">Who.</param>
/// <param name="How">In words.</param>
/// <param name="Certain">Whether the user or the SPF record says it; otherwise it is inferred.</param>
public sealed record MailSender(Provider Provider, string How, bool Certain);

/// <summary>A DKIM selector and what stands there.</summary>
/// <param name="Selector">Its name.</param>
/// <param name="Origin">Who names it: the user, a provider's id, or empty for a common name that was tried.</param>
/// <param name="Answer">The TXT answer.</param>
/// <param name="Keys">Key records.</param>
public sealed record DkimSelector(string Selector, string Origin, DnsAnswer Answer, DkimKey[] Keys);

/// <summary>A domain as its DNS shows it: what all rules look at. Pure: it only looks answers up.</summary>
public sealed class DomainView
{
    /// <summary>A label that nobody has: what answers there is a wildcard.</summary>
    private const string Nobody = "lotse-asks-for-no-such-name";

    /// <summary>Selectors that are tried where some key exists, beside those of the catalogue.</summary>
    private static readonly string[] CommonSelectors =
        ["default", "dkim", "mail", "email", "dkim1", "dkim2", "dkim01", "mail1", "mail2", "sig1", "dk", "k1", "k2", "k3", "s1", "s2", "sel", "sel1", "sel2", "selector", "selector1", "selector2", "key1", "key2", "hse1", "hse2", "mte1", "mte2", "cm", "zendesk1", "zendesk2", "mx", "smtp", "main", "test", "lab", "2016", "2017", "2018", "2019", "2020", "2021", "2022", "2023", "2024", "2025", "2026", "20230601", "ed", "ed25519", "rsa", "old", "new", "a", "b", "x", "s", "m1", "mailjet", "mandrill", "pm", "zoho", "protonmail"];

    /// <summary>A view of the domain of the facts; answers come from <paramref name="dns"/>.</summary>
    public DomainView(MailFacts facts, DnsLookups dns)
    {
        (Facts, Dns, Domain) = (facts, dns, facts.Domain);
        Text = dns[Domain, DnsType.TXT];
        Texts = [.. Text.Of(DnsType.TXT).Select(r => r.Joined)];
        Spf = SpfTree.Of(Domain, dns);
        Exchanges = Exchanges.Of(Domain, dns);
        Rules = ForwardRules.Of(Texts);
        Dmarc = DmarcDiscovery.Of(Domain, dns);
        Apex = dns[Domain, DnsType.CNAME];
        Wildcard = Under(Nobody, DnsType.TXT);
        WildcardKey = Under($"{Nobody}._domainkey", DnsType.TXT);
        DomainKeys = Under("_domainkey", DnsType.TXT);
        Receiver = facts.Options.Receive is { } receive ? Provider.Find(receive) : Exchanges.All.Select(e => Provider.OfExchange(e.Host)).OfType<Provider>().FirstOrDefault();
        Senders = FindSenders();
        Selectors = FindSelectors();
    }

    /// <summary>What was read.</summary>
    public MailFacts Facts { get; }

    /// <summary>The answers.</summary>
    public DnsLookups Dns { get; }

    /// <summary>Canonical name.</summary>
    public string Domain { get; }

    /// <summary>TXT of the domain.</summary>
    public DnsAnswer Text { get; }

    /// <summary>Its TXT records, strings joined.</summary>
    public string[] Texts { get; }

    /// <summary>CNAME of the domain: there must be none.</summary>
    public DnsAnswer Apex { get; }

    /// <summary>TXT of a name that nobody made.</summary>
    public DnsAnswer Wildcard { get; }

    /// <summary>TXT of a selector that nobody made.</summary>
    public DnsAnswer WildcardKey { get; }

    /// <summary>SPF with all that it includes.</summary>
    public SpfTree Spf { get; }

    /// <summary>Who takes mail.</summary>
    public Exchanges Exchanges { get; }

    /// <summary>The forwarder's records.</summary>
    public ForwardRules Rules { get; }

    /// <summary>DMARC's tree walk.</summary>
    public DmarcDiscovery Dmarc { get; }

    /// <summary><c>_domainkey</c>: NXDOMAIN proves that there is no key at all (RFC 8020).</summary>
    public DnsAnswer DomainKeys { get; }

    /// <summary>Selectors that were asked for.</summary>
    public DkimSelector[] Selectors { get; }

    /// <summary>Who receives; null: nobody in the catalogue.</summary>
    public Provider? Receiver { get; }

    /// <summary>Who sends.</summary>
    public MailSender[] Senders { get; }

    /// <summary>Whether the domain's names could be asked at all.</summary>
    public bool Readable => Text.Known && Exchanges.Answer.Known;

    /// <summary>Whether a CNAME at the domain hides everything else.</summary>
    public bool IsAlias => Text.Records.Concat(Exchanges.Answer.Records).Concat(Apex.Records).Any(r => r.Type == DnsType.CNAME && r.Name == Domain);

    /// <summary>Whether the domain says that it sends no mail at all (<c>v=spf1 -all</c>).</summary>
    public bool SendsNothing => Spf.Record is { Terms: [{ Kind: SpfKind.All, Qualifier: SpfQualifier.Fail }] };

    /// <summary>Whether a key for DKIM was found.</summary>
    public bool HasKey => Selectors.Any(s => s.Keys.Any(k => k.Fault is null && !k.Revoked));

    /// <summary>Whether it is sure that no message of this domain is signed for it.</summary>
    public bool NeverSigned => !HasKey && (DomainKeys.Outcome == DnsOutcome.NoName || (Senders.Length > 0 && Senders.All(s => s.Provider.SignsCustom == false) && !Selectors.Any(s => s.Keys.Length > 0)));

    /// <summary>The DMARC record that stands at the domain itself.</summary>
    public DmarcRecord? OwnDmarc => Dmarc.Levels[0].Record;

    /// <summary>An answer below the domain.</summary>
    public DnsAnswer Under(string labels, DnsType type) => DnsName.Under(labels, Domain) is { } name ? Dns[name, type] : DnsAnswer.NotAsked("the name is too long");

    /// <summary>The records of an answer as what was seen.</summary>
    public static Seen[] Seen(DnsAnswer answer, string name, DnsType type) =>
        answer.Outcome == DnsOutcome.Records ? [.. answer.Of(type).Take(6).Select(r => new Seen(Shown(r), $"{name} {DnsTypes.Name(type)}, {answer.Server}"))] : [new Seen(answer.Words, $"{name} {DnsTypes.Name(type)}, {answer.Server}")];

    /// <summary>A record's data; what may be somebody's mailbox keeps its type.</summary>
    public static Text Shown(DnsRecord record) =>
        record.Type == DnsType.TXT && record.Joined is var text && text.StartsWith("forward-email", StringComparison.Ordinal) && text.IndexOf('=', StringComparison.Ordinal) is > 0 and var equals
            ? (Text)$"\"{text[..(equals + 1)]}{Value.Mailbox(text[(equals + 1)..])}\"" : $"{record.Text}";

    /// <summary>Addresses that a provider sends from: published ones, else the first of each family in its SPF record.</summary>
    public IPAddress[] SendingAddresses(Provider provider)
    {
        if (provider.SendIps.Length > 0)
        {
            return [.. provider.SendIps.Select(IPAddress.Parse)];
        }

        var networks = SpfTree.Of(provider.Spf, Dns).All.SelectMany(t => t.Terms).Where(t => t.Term.Network is not null && t.Term.Qualifier == SpfQualifier.Pass).Select(t => t.Term.Network!);
        return [.. networks.GroupBy(n => n.AddressFamily).Select(g => g.First())];
    }

    private MailSender[] FindSenders()
    {
        if (Facts.Options.Send is { } id && Provider.Find(id) is { } named)
        {
            return [new(named, "you named it", true)];
        }

        // Whom the record includes sends; a mere forwarder does not, unless nobody else is there.
        var included = Spf.Terms.Where(t => t.Term.Kind is SpfKind.Include or SpfKind.Redirect && t.Target is not null).Select(t => Provider.OfInclude(t.Target!)).OfType<Provider>().Where(p => p.IsMailbox || p.Role == "alias").Distinct().ToArray();
        if (included.Length > 0)
        {
            return [.. included.Select(p => new MailSender(p, $"the SPF record includes {p.Spf}", true))];
        }

        // Mail is forwarded to a mailbox: that is where the answers are written.
        // A provider that could host the domain itself is only guessed where the record authorises nobody else.
        var others = Spf.Terms.Any(t => t.Term.Qualifier == SpfQualifier.Pass && (t.Term.Kind is SpfKind.Ip4 or SpfKind.Ip6 or SpfKind.Exists or SpfKind.Ptr || (t.Term.Kind is SpfKind.Include or SpfKind.Redirect && (t.Target is null || Provider.OfInclude(t.Target) is null))));
        var targets = Rules.Entries.Where(e => e.Kind is ForwardKind.CatchAll or ForwardKind.Alias).Select(e => e.TargetDomain).OfType<string>().Select(Provider.OfMailDomain).OfType<Provider>().Where(p => !p.CustomDomain || !others).Distinct().ToArray();
        if (targets.Length > 0)
        {
            return [.. targets.Select(p => new MailSender(p, $"mail is forwarded to a mailbox there", false))];
        }

        return Receiver is { IsMailbox: true } receiver && !others ? [new(receiver, "it receives", false)] : [];
    }

    private DkimSelector[] FindSelectors()
    {
        var named = Facts.Options.Selectors.Select(s => (Selector: s, Origin: "you"))
            .Concat(Senders.SelectMany(s => s.Provider.Selectors.Select(n => (Selector: n, Origin: s.Provider.Id))));
        if (DomainKeys is { Known: true, Outcome: not DnsOutcome.NoName } && WildcardKey is { Missing: true, Records: [] })
        {
            // Keys exist somewhere: the usual names are tried.
            named = named.Concat(Provider.All.SelectMany(p => p.Selectors).Concat(CommonSelectors).Select(s => (Selector: s, Origin: "")));
        }

        return [.. named.DistinctBy(s => s.Selector.ToLowerInvariant()).Select(s =>
        {
            var answer = Under($"{s.Selector}._domainkey", DnsType.TXT);
            var texts = answer.Of(DnsType.TXT).Select(r => r.Joined).ToArray();
            var wildcard = WildcardKey.Of(DnsType.TXT).Select(r => r.Joined).ToArray();
            return new DkimSelector(s.Selector, s.Origin, answer, texts.Order().SequenceEqual(wildcard.Order()) ? [] : [.. texts.Select(DkimKey.Parse)]);
        })];
    }
}
