using Lotse.Formats;

namespace Lotse.Mail;

/// <summary>A level of the tree walk.</summary>
/// <param name="Domain">Whose <c>_dmarc</c> was asked.</param>
/// <param name="Answer">The TXT answer.</param>
/// <param name="Records">The DMARC records in it; only one counts.</param>
public sealed record DmarcLevel(string Domain, DnsAnswer Answer, DmarcRecord[] Records)
{
    /// <summary>The record that counts.</summary>
    public DmarcRecord? Record => Records is [var only] ? only : null;
}

/// <summary>
/// Which record covers a domain and which is its organizational domain: by the tree walk of RFC 9989 section 4.10, and
/// by the public suffix list as RFC 7489 section 3.2 had it.
/// </summary>
/// <param name="Domain">The author's domain.</param>
/// <param name="Levels">The walk, the domain itself first.</param>
public sealed record DmarcDiscovery(string Domain, DmarcLevel[] Levels)
{
    /// <summary>A walk asks at most so many names (RFC 9989 section 4.10).</summary>
    public const int WalkLimit = 8;

    /// <summary>The domain and, where it has more labels than eight, the last seven first.</summary>
    public static IEnumerable<string> Names(string domain)
    {
        yield return domain;
        var labels = DnsName.Count(domain);
        for (var left = labels > WalkLimit ? WalkLimit - 1 : labels - 1; left > 0; left--)
        {
            yield return DnsName.Last(domain, left);
        }
    }

    /// <summary>Walks the tree of a domain.</summary>
    public static DmarcDiscovery Of(string domain, DnsLookups dns)
    {
        var levels = new List<DmarcLevel>();
        foreach (var name in Names(domain))
        {
            var level = Level(name, dns);
            levels.Add(level);

            // psd=n and psd=y end the walk, also where it starts (steps 2 and 6).
            if (level.Record is { PublicSuffix: not 'u' })
            {
                break;
            }
        }

        return new(domain, [.. levels]);
    }

    /// <summary>One level.</summary>
    public static DmarcLevel Level(string name, DnsLookups dns)
    {
        var asked = DnsName.Under("_dmarc", name);
        var answer = asked is null ? DnsAnswer.NotAsked("the name is too long") : dns[asked, DnsType.TXT];
        return new(name, answer, [.. answer.Of(DnsType.TXT).Select(r => DmarcRecord.Parse(r.Joined)).OfType<DmarcRecord>()]);
    }

    /// <summary>A level that could not be asked; null: all were.</summary>
    public DmarcLevel? Unknown => Array.Find(Levels, l => !l.Answer.Known);

    /// <summary>The organizational domain by the tree walk (RFC 9989 section 4.10.2).</summary>
    public string Organization
    {
        get
        {
            foreach (var (level, i) in Levels.Select((l, i) => (l, i)))
            {
                if (level.Record?.PublicSuffix == 'n')
                {
                    return level.Domain;
                }

                // psd=y: the domain one label below it, where the walk did not start there.
                if (level.Record?.PublicSuffix == 'y' && i > 0)
                {
                    return DnsName.Last(Domain, DnsName.Count(level.Domain) + 1);
                }
            }

            return Levels.LastOrDefault(l => l.Record is not null)?.Domain ?? Domain;
        }
    }

    /// <summary>The record that covers the domain: its own, else the organizational domain's, else the public suffix's (RFC 9989 section 4.10.1).</summary>
    public DmarcLevel? Covering
    {
        get
        {
            if (Levels[0].Record is not null)
            {
                return Levels[0];
            }

            var organization = Organization;
            return Array.Find(Levels, l => l.Record is not null && l.Domain == organization) ?? Array.Find(Levels, l => l.Record?.PublicSuffix == 'y');
        }
    }

    /// <summary>The organizational domain by the public suffix list (RFC 7489 section 3.2).</summary>
    public static string OldOrganization(string domain) => PublicSuffix.Organization(domain);

    /// <summary>The record that an old receiver takes: the domain's own, else that of its organizational domain.</summary>
    public static DmarcLevel OldCovering(string domain, DnsLookups dns)
    {
        var own = Level(domain, dns);
        return own.Record is not null || OldOrganization(domain) == domain ? own : Level(OldOrganization(domain), dns);
    }
}
