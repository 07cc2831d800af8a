using Lotse.Formats;

namespace Lotse.Mail;

/// <summary>
/// One SPF record out of what is there: terms in their order, what is broken or dead left out, one all at the end. A
/// provider's include is never replaced by its addresses: they change.
/// </summary>
internal static class SpfMerge
{
    /// <summary>What the domain should publish.</summary>
    /// <param name="view">The domain.</param>
    /// <param name="sender">Who has to be authorised; null: nobody new.</param>
    /// <param name="notes">Says what was left out or put in, and why.</param>
    /// <returns>The text; null when there is nothing to publish.</returns>
    public static string? Of(DomainView view, Provider? sender, List<Reason> notes)
    {
        var terms = new List<SpfTerm>();
        foreach (var term in Sources(view).SelectMany(t => t))
        {
            if (Repaired(view, term, notes) is { } kept && !terms.Any(t => t.Text.Equals(kept.Text, StringComparison.OrdinalIgnoreCase)))
            {
                terms.Add(kept);
            }
        }

        if (sender is not null && !Passes(view, sender, terms) && !terms.Any(t => t.Kind == SpfKind.Include && t.Domain!.Equals(sender.Spf, StringComparison.OrdinalIgnoreCase) && t.Qualifier == SpfQualifier.Pass))
        {
            terms.Add(Include(sender.Spf));
            notes.Add(new($"include:{sender.Spf} authorises {sender.Name}", Verdict.Yes, sender.Sources[0]));
        }

        if (terms.Count == 0)
        {
            return null;
        }

        // The weakest of several: a stricter one could be wrong for what the other guide had in mind.
        var all = terms.Where(t => t.Kind == SpfKind.All).Select(t => t.Qualifier).ToArray();
        var redirect = terms.FirstOrDefault(t => t.Kind == SpfKind.Redirect);
        var mechanisms = terms.Where(t => t.IsMechanism && t.Kind != SpfKind.All).Select(t => t.Text).ToList();
        if (redirect is not null && (all.Length > 0 || sender is not null))
        {
            mechanisms.AddRange(all.Length > 0 ? [] : [$"include:{redirect.Domain}"]);
            redirect = null;
        }

        var end = redirect is not null ? redirect.Text
            : all.Contains(SpfQualifier.SoftFail) || all.Length == 0 || all.Contains(SpfQualifier.Pass) || all.Contains(SpfQualifier.Neutral) ? "~all" : "-all";
        return string.Join(' ', ["v=spf1", .. mechanisms, .. terms.Where(t => t.Kind is SpfKind.Explanation or SpfKind.Unknown).Select(t => t.Text), end]);
    }

    /// <summary>The records' terms as far as they can be read; of broken records, every word that is a term.</summary>
    private static IEnumerable<SpfTerm[]> Sources(DomainView view)
    {
        foreach (var record in view.Text.Of(DnsType.TXT).Where(r => SpfFindings.Resembles(r.Joined)))
        {
            // Strings that run into each other are read with the space that was meant.
            var text = SpfFindings.IsGlued(record, view.Dns) ? string.Join(' ', record.Strings.Select(s => ByteText.Decode(s).Trim())) : record.Joined;
            var words = text.Split([' ', ';', '"', '\''], StringSplitOptions.RemoveEmptyEntries);
            yield return [.. words.Where(w => !w.StartsWith("v=spf", StringComparison.OrdinalIgnoreCase) && !w.Equals("spf1", StringComparison.OrdinalIgnoreCase)).SelectMany(w => SpfRecord.Parse("v=spf1 " + w) is { Broken: null } good ? good.Terms : [])];
        }
    }

    private static SpfTerm? Repaired(DomainView view, SpfTerm term, List<Reason> notes)
    {
        var target = term.HasMacro || term.Domain is null ? null : SpfMacro.ToName(term.Domain);
        SpfTerm? Dropped(Text why, string rule)
        {
            notes.Add(new($"{term.Text} is left out: {why}", Verdict.Yes, rule));
            return null;
        }

        switch (term.Kind)
        {
            case SpfKind.Ptr:
                return Dropped("ptr must not be published", "RFC 7208 section 5.5");
            case SpfKind.Include or SpfKind.Redirect when target is not null && view.Dns[target, DnsType.TXT] is { Known: true } answer && !answer.Of(DnsType.TXT).Any(r => SpfRecord.IsOne(r.Joined)):
                if (SpfFindings.NearProvider(target) is not { } near)
                {
                    return Dropped($"{Value.Domain(target)} has no SPF record", "RFC 7208 section 5.2");
                }

                notes.Add(new($"{term.Text} was meant for include:{near}", Verdict.Yes, "the catalogue of providers"));
                return Include(near);
            case SpfKind.Include or SpfKind.Redirect when target == view.Domain || (target is not null && view.Spf.All.Any(t => t.Domain == view.Domain && t.Loop) && SpfTree.Of(target, view.Dns).All.Any(t => t.Domain == view.Domain)):
                return Dropped("it comes back to itself", "RFC 7208 section 4.6.4");
            case SpfKind.A when target is not null && Exchanges.HasAddress(target, view.Dns) == false:
            case SpfKind.Mx when target is not null && view.Dns[target, DnsType.MX].Missing:
                return Dropped($"{Value.Domain(target!)} gives no answer", "RFC 7208 section 4.6.4");
            default:
                return term;
        }
    }

    /// <summary>Whether the terms as they are pass the sender's addresses already.</summary>
    private static bool Passes(DomainView view, Provider sender, List<SpfTerm> terms)
    {
        var addresses = view.SendingAddresses(sender);
        return view.Spf.Record is { Broken: null } && addresses.Length > 0 && terms.Count > 0
            && addresses.All(ip => SpfEvaluation.Check(new(ip, sender.Spf, $"postmaster@{view.Domain}", view.Facts.Now), view.Dns).Result == SpfResult.Pass);
    }

    private static SpfTerm Include(string name) => new($"include:{name}", SpfKind.Include, SpfQualifier.Pass) { Domain = name };
}
