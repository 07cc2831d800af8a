using Lotse.Formats;

namespace Lotse.Mail;

/// <summary>A term with its share of the limits.</summary>
/// <param name="Term">The term.</param>
/// <param name="Lookups">Terms that ask DNS up to here, those of the records it leads to included.</param>
/// <param name="Voids">Names up to here that have neither address family, or no such record.</param>
/// <param name="Target">The name it asks about; null: it depends on the message, or it asks nothing.</param>
/// <param name="Below">The record it leads to; null: none.</param>
public sealed record SpfTreeTerm(SpfTerm Term, int Lookups, int Voids, string? Target, SpfTree? Below);

/// <summary>
/// A domain's SPF record as published, with all that it includes: what any message can come across. Static: no sender is
/// given, so every term counts, and names with macros stay unknown.
/// </summary>
/// <param name="Domain">Whose.</param>
/// <param name="Answer">The TXT answer.</param>
/// <param name="Records">Its SPF records; one, unless something is wrong.</param>
/// <param name="Terms">The terms of the one record.</param>
/// <param name="Loop">Whether this domain stands above itself.</param>
public sealed record SpfTree(string Domain, DnsAnswer Answer, SpfRecord[] Records, SpfTreeTerm[] Terms, bool Loop)
{
    /// <summary>A record that leads further than this is broken whatever follows.</summary>
    private const int Enough = 60;

    /// <summary>The one record; null: none, or several.</summary>
    public SpfRecord? Record => Records is [var only] ? only : null;

    /// <summary>Terms that ask DNS, of ten.</summary>
    public int Lookups => Terms.Length == 0 ? 0 : Terms.Max(t => t.Lookups);

    /// <summary>Names without an answer, of two.</summary>
    public int Voids => Terms.Length == 0 ? 0 : Terms.Max(t => t.Voids);

    /// <summary>This tree and all below.</summary>
    public IEnumerable<SpfTree> All => Terms.Select(t => t.Below).OfType<SpfTree>().SelectMany(t => t.All).Prepend(this);

    /// <summary>Reads the tree of a domain.</summary>
    public static SpfTree Of(string domain, DnsLookups dns)
    {
        var (lookups, voids) = (0, 0);
        return Read(domain, dns, [], ref lookups, ref voids);
    }

    private static SpfTree Read(string domain, DnsLookups dns, string[] above, ref int lookups, ref int voids)
    {
        var answer = dns[domain, DnsType.TXT];
        var texts = answer.Of(DnsType.TXT).Select(r => r.Joined).Where(SpfRecord.IsOne).Select(SpfRecord.Parse).ToArray();
        if (above.Contains(domain) || lookups > Enough || texts is not [{ Broken: null } record])
        {
            return new(domain, answer, texts, [], above.Contains(domain));
        }

        var terms = new List<SpfTreeTerm>();
        string[] path = [.. above, domain];
        foreach (var term in record.Terms)
        {
            // What stands after all is never asked for; redirect neither where there is an all.
            if ((term.IsMechanism && terms.Any(t => t.Term.Kind == SpfKind.All)) || (term.Kind == SpfKind.Redirect && record.All is not null))
            {
                continue;
            }

            lookups += term.AsksDns ? 1 : 0;
            var target = term.HasMacro || !term.AsksDns ? null : term.Domain is null ? domain : SpfMacro.ToName(term.Domain);
            SpfTree? below = null;
            if (target is not null && term.Kind is SpfKind.Include or SpfKind.Redirect)
            {
                below = Read(target!, dns, path, ref lookups, ref voids);
            }
            else if (target is not null)
            {
                voids += Void(term.Kind, target, dns) ? 1 : 0;
            }

            terms.Add(new(term, lookups, voids, target, below));
        }

        return new(domain, answer, texts, [.. terms], false);
    }

    private static bool Void(SpfKind kind, string target, DnsLookups dns) => kind switch
    {
        SpfKind.A => dns[target, DnsType.A].Missing & dns[target, DnsType.AAAA].Missing,
        SpfKind.Mx => dns[target, DnsType.MX].Missing,
        SpfKind.Exists => dns[target, DnsType.A].Missing,
        _ => false,
    };
}
