using Lotse.Formats;

namespace Lotse.Mail;

/// <summary>A question with its answer.</summary>
/// <param name="Name">Canonical name.</param>
/// <param name="Type">Name of the type.</param>
/// <param name="Server">The authoritative server that was asked; null: the resolver.</param>
/// <param name="Answer">The answer.</param>
public sealed record AskedAnswer(string Name, string Type, string? Server, DnsAnswer Answer);

/// <summary>What only the user knows.</summary>
public sealed record MailOptions
{
    /// <summary>Id of the provider that sends; null: it is found out.</summary>
    public string? Send { get; init; }

    /// <summary>Id of the provider that receives; null: the MX says it.</summary>
    public string? Receive { get; init; }

    /// <summary>Whether every server of the zone is asked and compared; not where the user chose one server to ask.</summary>
    public bool Authorities { get; init; }

    /// <summary>DKIM selectors that the user names.</summary>
    public string[] Selectors { get; init; } = [];

    /// <summary>The day on which the registration ends.</summary>
    public DateOnly? Expires { get; init; }
}

/// <summary>All that was read about a domain.</summary>
/// <param name="Domain">Canonical name.</param>
/// <param name="Options">What the user said.</param>
/// <param name="Now">When, UTC.</param>
/// <param name="Source">Who answered, in words.</param>
/// <param name="Trusted">Whether the resolver's word about DNSSEC counts.</param>
/// <param name="Answers">Every question and its answer.</param>
public sealed record MailFacts(string Domain, MailOptions Options, DateTimeOffset Now, string Source, bool Trusted, AskedAnswer[] Answers)
{
    /// <summary>The MTA-STS policy that was fetched; null: none was.</summary>
    public StsPolicy? Sts { get; init; }

    /// <summary>The answers as rules look them up.</summary>
    public DnsLookups Lookups()
    {
        var dns = new DnsLookups();
        foreach (var asked in Answers)
        {
            dns.Add(new(asked.Name, DnsTypes.Parse(asked.Type) ?? default, asked.Server), asked.Answer);
        }

        return dns;
    }

    /// <summary>Reads all that the diagnosis of domains needs; questions of all of them are asked together.</summary>
    /// <param name="host">Where.</param>
    /// <param name="source">Whom.</param>
    /// <param name="domains">Canonical names.</param>
    /// <param name="options">What the user said.</param>
    /// <param name="journeys">Whether the journeys are wanted too.</param>
    public static MailFacts[] Read(Host host, Hosts.DnsSource source, IReadOnlyList<string> domains, MailOptions options, bool journeys = false)
    {
        var now = host.Now;
        MailFacts Bare(string domain) => new(domain, options, now, source.Name, source.Trusted, []);
        var lookups = domains.Select(_ => new DnsLookups()).ToArray();
        _ = DnsLookups.CompleteAll([.. domains.Select((d, i) => (lookups[i], (Func<DnsLookups, Report>)(dns =>
        {
            _ = journeys ? MailSimulation.Journeys(Bare(d), dns) : null;
            return MailDiagnosis.Of(Bare(d), dns);
        })))], source.Ask);
        return [.. domains.Select((d, i) => Bare(d) with
        {
            Answers = [.. lookups[i].All.Select(a => new AskedAnswer(a.Question.Name, DnsTypes.Name(a.Question.Type), a.Question.Server, a.Answer))],
            Sts = StsPolicy.Read(host, source, d, lookups[i]),
        })];
    }
}
