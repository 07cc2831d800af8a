using Lotse.Formats;

namespace Lotse.Mail;

/// <summary>A DKIM result that DMARC looks at.</summary>
/// <param name="Domain">d= of the signature, canonical.</param>
/// <param name="Result">pass, fail, none, temperror …</param>
public sealed record DkimLeg(string Domain, string Result);

/// <summary>What DMARC says of one message.</summary>
/// <param name="Result">pass, fail, none (no record), temperror or permerror.</param>
/// <param name="Disposition">What the domain asks for: none, quarantine or reject.</param>
/// <param name="Record">Whose record counted; null: none.</param>
/// <param name="Policy">Which tag gave the policy.</param>
/// <param name="Organization">The author's organizational domain.</param>
/// <param name="Aligned">The legs that pass and align.</param>
/// <param name="Reasons">Why.</param>
public sealed record DmarcOutcome(string Result, string Disposition, string? Record, string? Policy, string Organization, string[] Aligned, Reason[] Reasons);

/// <summary>DMARC for one message: RFC 9989, and RFC 7489 as older receivers have it. Pure.</summary>
public static class DmarcEvaluation
{
    /// <summary>By RFC 9989.</summary>
    /// <param name="author">Domain of the header From.</param>
    /// <param name="spfDomain">Domain that SPF checked.</param>
    /// <param name="spf">SPF's result.</param>
    /// <param name="dkim">DKIM's results.</param>
    /// <param name="dns">Answers.</param>
    public static DmarcOutcome Check(string author, string spfDomain, SpfResult spf, DkimLeg[] dkim, DnsLookups dns)
    {
        const string Rule = "RFC 9989 section 4.10";
        var discovery = DmarcDiscovery.Of(author, dns);
        var organization = discovery.Organization;
        var reasons = new List<Reason>();
        if (discovery.Unknown is { } unknown && discovery.Levels[0].Record is null)
        {
            reasons.Add(new($"the policy of {Value.Domain(author)} could not be asked: _dmarc.{Value.Domain(unknown.Domain)}: {unknown.Answer.Words}", Verdict.Unknown, Rule));
            return new("temperror", "none", null, null, organization, [], [.. reasons]);
        }

        if (discovery.Covering is not { Record: { } record } covering)
        {
            reasons.Add(new($"{Value.Domain(author)} has a DMARC record, or a domain above it has", Verdict.No, Rule));
            return new("none", "none", null, null, organization, [], [.. reasons]);
        }

        reasons.Add(new($"the record at _dmarc.{Value.Domain(covering.Domain)} covers {Value.Domain(author)}", Verdict.Yes, Rule, new Seen(record.Text, $"_dmarc.{covering.Domain} TXT")));
        if (record.Applied is not { } policy)
        {
            reasons.Add(new($"its policy can be used: {string.Join(", ", record.Faults)}, and without rua= the record counts as none", Verdict.No, "RFC 9989 section 4.10.1"));
            return new("none", "none", null, null, organization, [], [.. reasons]);
        }

        var (aligned, open) = Aligned(record, author, spfDomain, spf, dkim, d => DmarcDiscovery.Of(d, dns).Organization, reasons, "RFC 9989 section 4.10.2");
        var (tag, applied) = Tag(record, policy, covering.Domain == author, () => Exists(author, dns));

        // Where np= and sp= differ, it has to be known whether the name exists.
        open |= covering.Domain != author && record is { Faults: [], NonExistent: { } np } && np != (record.Subdomains ?? policy) && Exists(author, dns) is null;
        if (record.Testing && applied != DmarcPolicy.None)
        {
            applied--;
            reasons.Add(new("t=y: the next weaker policy is applied; older receivers apply the full one", Verdict.Yes, "RFC 9989 section 4.7"));
        }

        return Outcome(aligned, open, tag, applied, covering.Domain, organization, reasons);
    }

    /// <summary>By RFC 7489: the public suffix list, no np, no psd, no t.</summary>
    public static DmarcOutcome CheckOld(string author, string spfDomain, SpfResult spf, DkimLeg[] dkim, DnsLookups dns)
    {
        const string Rule = "RFC 7489 section 6.6.3";
        var organization = DmarcDiscovery.OldOrganization(author);
        var reasons = new List<Reason>();
        var covering = DmarcDiscovery.OldCovering(author, dns);
        if (!covering.Answer.Known)
        {
            reasons.Add(new($"the policy of {Value.Domain(author)} could not be asked: _dmarc.{Value.Domain(covering.Domain)}: {covering.Answer.Words}", Verdict.Unknown, Rule));
            return new("temperror", "none", null, null, organization, [], [.. reasons]);
        }

        // Section 6.6.3: without a usable p and sp the record watches only where reports are wanted, and is none elsewhere.
        var usable = covering.Record is { Policy: not null } found && (found.Subdomains is not null || !found.Tags.ContainsKey("sp"));
        if (covering.Record is not { } record || (!usable && record.Reports.Length == 0))
        {
            reasons.Add(new($"{Value.Domain(author)} or {Value.Domain(organization)} has a DMARC record", Verdict.No, Rule));
            return new("none", "none", null, null, organization, [], [.. reasons]);
        }

        reasons.Add(new($"the record at _dmarc.{Value.Domain(covering.Domain)} covers {Value.Domain(author)}", Verdict.Yes, Rule, new Seen(record.Text, $"_dmarc.{covering.Domain} TXT")));
        var (aligned, open) = Aligned(record, author, spfDomain, spf, dkim, DmarcDiscovery.OldOrganization, reasons, "RFC 7489 section 3.1");
        var (tag, applied) = !usable ? ("p", DmarcPolicy.None) : covering.Domain != author && record.Subdomains is { } sub ? ("sp", sub) : ("p", record.Policy!.Value);
        return Outcome(aligned, open, tag, applied, covering.Domain, organization, reasons);
    }

    /// <summary>Whether two domains align (RFC 9989 sections 3.2.10, 4.4).</summary>
    public static bool Aligns(string author, string other, bool strict, Func<string, string> organization) =>
        author == other || (!strict && organization(author) == organization(other));

    /// <summary>The legs that pass and align, and whether one that would align could not be asked.</summary>
    private static (string[] Legs, bool Open) Aligned(DmarcRecord record, string author, string spfDomain, SpfResult spf, DkimLeg[] dkim, Func<string, string> organization, List<Reason> reasons, string rule)
    {
        var aligned = new List<string>();
        var spfAligns = Aligns(author, spfDomain, record.StrictSpf, organization);
        reasons.Add(new($"SPF gives {spf.ToString().ToLowerInvariant()} for {Value.Domain(spfDomain)}, which {(spfAligns ? "aligns" : "does not align")} with {Value.Domain(author)}",
            spf == SpfResult.TempError ? Verdict.Unknown : spf == SpfResult.Pass && spfAligns ? Verdict.Yes : Verdict.No, rule));
        if (spf == SpfResult.Pass && spfAligns)
        {
            aligned.Add("spf");
        }

        if (dkim.Length == 0)
        {
            reasons.Add(new("the message has a DKIM signature", Verdict.No, rule));
        }

        foreach (var leg in dkim)
        {
            var dkimAligns = Aligns(author, leg.Domain, record.StrictDkim, organization);
            reasons.Add(new($"DKIM gives {leg.Result} for {Value.Domain(leg.Domain)}, which {(dkimAligns ? "aligns" : "does not align")} with {Value.Domain(author)}",
                leg.Result == "temperror" ? Verdict.Unknown : leg.Result == "pass" && dkimAligns ? Verdict.Yes : Verdict.No, rule));
            if (leg.Result == "pass" && dkimAligns)
            {
                aligned.Add($"dkim {leg.Domain}");
            }
        }

        var open = (spf == SpfResult.TempError && spfAligns) || dkim.Any(l => l.Result == "temperror" && Aligns(author, l.Domain, record.StrictDkim, organization));
        return ([.. aligned], open);
    }

    private static (string Tag, DmarcPolicy Policy) Tag(DmarcRecord record, DmarcPolicy policy, bool own, Func<bool?> exists) =>
        own || record.Faults.Length > 0 ? ("p", policy)
        : record.NonExistent is { } np && exists() == false ? ("np", np)
        : record.Subdomains is { } sp ? ("sp", sp)
        : ("p", policy);

    /// <summary>Whether a domain exists in the sense of np: anything but NXDOMAIN (RFC 9989 section 3.2.13, RFC 8020). Null: could not be asked.</summary>
    internal static bool? Exists(string domain, DnsLookups dns)
    {
        // An alias exists, wherever it leads: then NXDOMAIN speaks of its target.
        var answer = dns[domain, DnsType.A];
        return answer.Known ? answer.Outcome != DnsOutcome.NoName || answer.Records.Any(r => r.Name == domain) : null;
    }

    private static DmarcOutcome Outcome(string[] aligned, bool open, string tag, DmarcPolicy applied, string record, string organization, List<Reason> reasons)
    {
        var passes = aligned.Length > 0;
        if (!passes && open)
        {
            reasons.Add(new("a leg that would align could not be asked: the message neither passes nor fails, and the policy is not applied", Verdict.Unknown, "RFC 9989 section 5.3.6, RFC 7489 section 6.6.2"));
            return new("temperror", "none", record, null, organization, [], [.. reasons]);
        }

        var word = applied.ToString().ToLowerInvariant();
        reasons.Add(new(passes ? $"one leg passes and aligns: {string.Join(", ", aligned)}" : $"no leg passes and aligns: {tag}= asks for {word}", passes ? Verdict.Yes : Verdict.No, "RFC 9989 section 5.3.5"));
        return new(passes ? "pass" : "fail", passes ? "none" : word, record, tag, organization, aligned, [.. reasons]);
    }
}
