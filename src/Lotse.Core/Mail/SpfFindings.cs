using System.Net;
using System.Text.RegularExpressions;
using Lotse.Formats;
using static Lotse.Mail.MailFindings;

namespace Lotse.Mail;

/// <summary>What is wrong with SPF, and what it does to the user's mail.</summary>
internal static partial class SpfFindings
{
    private const string LimitRule = "RFC 7208 section 4.6.4";

    /// <summary>An answer that any receiver gets over UDP (RFC 7208 section 3.4).</summary>
    private const int SafeSize = 512;

    /// <summary>Octets of one string of a TXT record; what is longer has to be divided somewhere.</summary>
    private const int StringLimit = 255;

    /// <summary>In the order of the record.</summary>
    public static IEnumerable<Finding> Of(DomainView view)
    {
        if (!view.Text.Known || view.IsAlias)
        {
            return [];
        }

        Finding?[] all =
        [
            .. Records(view), .. Tree(view), Lookups(view), Voids(view), .. Own(view), TooLong(view), Type99(view), NotAuthorised(view), .. Unused(view),
        ];
        return all.OfType<Finding>();
    }

    private static Seen[] Record(DomainView view) => [.. view.Spf.Records.Select(r => new Seen(r.Text, $"{view.Domain} TXT, {view.Text.Server}"))];

    private static IEnumerable<Finding?> Records(DomainView view)
    {
        var broken = view.Texts.Where(t => !SpfRecord.IsOne(t) && Nearly().IsMatch(t)).ToArray();
        if (broken.Length > 0)
        {
            yield return Make("mail/spf-sentinel-typo", Severity.Error, view.Domain,
                $"a TXT record of {Value.Domain(view.Domain)} looks like SPF and is none: receivers pass it over{(view.Spf.Records.Length == 0 ? ", so no server may send for you" : "")}",
                [Because($"it does not begin with \"v=spf1\" and a space", "RFC 7208 section 4.5", [.. broken.Select(t => new Seen(ZoneText.Quote(ByteText.Encode(t)), $"{view.Domain} TXT"))])],
                new Remedy("write it so that it begins exactly v=spf1, a space, no quotes inside"));
        }
        else if (view.Spf.Records.Length == 0)
        {
            yield return Make("mail/spf-missing", Severity.Warning, view.Domain, $"{Value.Domain(view.Domain)} has no SPF record: receivers cannot tell your provider's servers from a forger's",
                [new($"one of its TXT records begins v=spf1", Verdict.No, "RFC 7208 section 4.5", DomainView.Seen(view.Text, view.Domain, DnsType.TXT))],
                new Remedy(view.Senders is [var sender, ..] ? (Text)$"publish a TXT record: v=spf1 include:{sender.Provider.Spf} ~all" : "publish one that names the servers that send for you", "lotse", "mail", "plan", view.Domain));
        }

        if (view.Spf.Records.Length > 1)
        {
            yield return Make("mail/spf-multiple", Severity.Error, view.Domain, $"{Value.Domain(view.Domain)} has {view.Spf.Records.Length} SPF records: a permanent error for every message, whoever sends it",
                [Because("exactly one record may begin v=spf1", "RFC 7208 sections 3.2, 4.5", Record(view))],
                new Remedy("merge them into one", "lotse", "mail", "plan", view.Domain));
        }
    }

    /// <summary>What stops the evaluation anywhere in the tree: the domain's own record, or one that it includes.</summary>
    private static IEnumerable<Finding?> Tree(DomainView view)
    {
        var glued = Glue(view);
        if (glued is not null)
        {
            yield return glued;
        }

        foreach (var tree in view.Spf.All)
        {
            if (tree.Record is { Broken: { } broken } record && (glued is null || tree.Domain != view.Domain))
            {
                yield return Make("mail/spf-syntax", Severity.Error, tree.Domain, $"\"{broken}\" in the SPF record of {Value.Domain(tree.Domain)} is no term: a permanent error for every message",
                    [Because(record.Fault!, "RFC 7208 sections 4.6, 12", new Seen(record.Text, $"{tree.Domain} TXT"))], new Remedy("correct or remove the term"));
            }

            if (tree.Records.Length > 1 && tree.Domain != view.Domain)
            {
                yield return Make("mail/spf-multiple", Severity.Error, tree.Domain, $"{Value.Domain(tree.Domain)}, which your record includes, has {tree.Records.Length} SPF records: a permanent error for every sender that gets that far",
                    [Because("exactly one record may begin v=spf1", "RFC 7208 sections 3.2, 4.5, 5.2", [.. tree.Records.Select(r => new Seen(r.Text, $"{tree.Domain} TXT"))])]);
            }

            foreach (var term in tree.Terms)
            {
                if (term.Below is { Loop: true })
                {
                    yield return Make("mail/spf-loop", Severity.Error, tree.Domain, $"{term.Term.Text} in the record of {Value.Domain(tree.Domain)} comes back to itself: a permanent error for every sender that gets that far",
                        [Because($"{Value.Domain(term.Target!)} stands above it already", LimitRule, new Seen(tree.Record!.Text, $"{tree.Domain} TXT"))], new Remedy("remove the term"));
                }
                else if (term.Below is { Records.Length: 0, Answer.Known: true } below && (glued is null || tree.Domain != view.Domain))
                {
                    var redirect = term.Term.Kind == SpfKind.Redirect;
                    yield return Make(redirect ? "mail/spf-redirect-none" : "mail/spf-include-none", Severity.Error, tree.Domain,
                        $"{term.Term.Text} in the record of {Value.Domain(tree.Domain)} names a domain without an SPF record: a permanent error for all senders that get that far",
                        [Because($"{Value.Domain(below.Domain)} has no SPF record", redirect ? "RFC 7208 section 6.1" : "RFC 7208 section 5.2", DomainView.Seen(below.Answer, below.Domain, DnsType.TXT))],
                        new Remedy(NearProvider(below.Domain) is { } near ? (Text)$"write include:{near}" : "remove it, or correct the name"));
                }

                if (term is { Target: null, Term: { Kind: SpfKind.Include or SpfKind.Redirect, HasMacro: false } })
                {
                    yield return Make(term.Term.Kind == SpfKind.Redirect ? "mail/spf-redirect-none" : "mail/spf-include-none", Severity.Error, tree.Domain, $"{term.Term.Text} in the record of {Value.Domain(tree.Domain)} names no domain: a permanent error for all senders that get that far",
                        [Because("it is no name that DNS could have", "RFC 7208 sections 4.3, 5.2, 6.1", new Seen(tree.Record!.Text, $"{tree.Domain} TXT"))], new Remedy("remove it, or correct the name"));
                }

                if (term.Term.Kind == SpfKind.Mx && term.Target is { } target && view.Dns[target, DnsType.MX].Of(DnsType.MX).Count() is > SpfEvaluation.HostLimit and var hosts)
                {
                    yield return Make("mail/spf-mx-limit", Severity.Error, tree.Domain, $"{term.Term.Text} stands for {hosts} exchanges of {Value.Domain(target)}, more than {SpfEvaluation.HostLimit}: a permanent error",
                        [Because($"an mx term may have {SpfEvaluation.HostLimit} hosts", LimitRule, new Seen(tree.Record!.Text, $"{tree.Domain} TXT"))], new Remedy("name the addresses instead"));
                }
            }
        }

        foreach (var twice in view.Spf.All.SelectMany(t => t.Terms).Where(t => t.Term.Kind == SpfKind.Include && t.Target is not null && t.Below is { Loop: false }).GroupBy(t => t.Target!).Where(g => g.Count() > 1))
        {
            yield return Make("mail/spf-duplicate-include", Severity.Info, view.Domain, $"{Value.Domain(twice.Key)} is included {twice.Count()} times: lookups wasted",
                [Because($"each include counts", LimitRule, Record(view))], new Remedy("remove one of them"));
        }
    }

    private static Finding? Lookups(DomainView view)
    {
        var count = view.Spf.Lookups;
        Reason[] reasons = [Because($"{count} terms ask DNS, {SpfEvaluation.LookupLimit} may", LimitRule, [.. Record(view), .. view.Spf.Terms.Where(t => t.Term.AsksDns).Select(t => new Seen($"{t.Term.Text}: {t.Lookups} so far", $"{view.Domain} TXT"))])];
        return view.Spf.All.Any(t => t.Loop) ? null
            : count > SpfEvaluation.LookupLimit ? Make("mail/spf-lookups", Severity.Error, view.Domain, $"the SPF record of {Value.Domain(view.Domain)} needs {count} lookups of {SpfEvaluation.LookupLimit}: a permanent error for senders that reach the {SpfEvaluation.LookupLimit + 1}th", reasons, new Remedy("remove includes that nobody sends through"))
            : count >= SpfEvaluation.LookupLimit - 1 ? Make("mail/spf-lookups-near", Severity.Info, view.Domain, $"the SPF record of {Value.Domain(view.Domain)} needs {count} lookups of {SpfEvaluation.LookupLimit}: the next change at any included provider breaks it", reasons, new Remedy("remove includes that nobody sends through"))
            : null;
    }

    private static Finding? Voids(DomainView view)
    {
        // A name with addresses of one family alone is a lookup without an answer for senders of the other.
        var hit = view.Senders.SelectMany(s => view.SendingAddresses(s.Provider).Select(ip => (s.Provider, Ip: ip, Outcome: OwnMail(view, s.Provider, ip)))).FirstOrDefault(s => s.Outcome.Voids > SpfEvaluation.VoidLimit);
        return view.Spf.Voids <= SpfEvaluation.VoidLimit && hit.Outcome is null ? null
            : Make("mail/spf-void", Severity.Error, view.Domain, hit.Outcome is null || view.Spf.Voids > SpfEvaluation.VoidLimit
                ? (Text)$"{view.Spf.Voids} lookups of the SPF record of {Value.Domain(view.Domain)} give no answer, {SpfEvaluation.VoidLimit} may: a permanent error at strict receivers"
                : $"more than {SpfEvaluation.VoidLimit} lookups of the SPF record of {Value.Domain(view.Domain)} give no answer for {Value.Ip(hit.Ip)}, from which {hit.Provider.Name} sends: a permanent error at strict receivers",
            [Because("names without an address or record", LimitRule, [.. view.Spf.All.SelectMany(t => t.Terms).Where(t => t.Target is not null && t.Below is null && (t.Term.Kind is SpfKind.A ? Exchanges.HasAddress(t.Target, view.Dns) == false : view.Dns[t.Target, t.Term.Kind == SpfKind.Mx ? DnsType.MX : DnsType.A].Missing)).Select(t => new Seen($"{t.Term.Text}", $"{t.Target}"))])],
            new Remedy("remove the terms that name nothing"));
    }

    /// <summary>SPF for what the user sends through a provider.</summary>
    private static SpfOutcome OwnMail(DomainView view, Provider provider, IPAddress ip) => SpfEvaluation.Check(new(ip, provider.Spf, $"postmaster@{view.Domain}", view.Facts.Now), view.Dns);

    /// <summary>The record whose end counts: where nothing matches, redirect= hands over.</summary>
    private static SpfTree End(SpfTree tree)
    {
        while (tree.Record is { Broken: null, All: null } && tree.Terms.FirstOrDefault(t => t.Term.Kind == SpfKind.Redirect)?.Below is { Loop: false } below)
        {
            tree = below;
        }

        return tree;
    }

    /// <summary>The record below an include, which passes everybody; null: there is none.</summary>
    private static SpfTree? OpenToAll(SpfTree tree) => tree.Terms.Where(t => t.Term is { Kind: SpfKind.Include, Qualifier: SpfQualifier.Pass }).Select(t => t.Below).OfType<SpfTree>()
        .Select(below => End(below) is { Record.All.Qualifier: SpfQualifier.Pass } end ? end : OpenToAll(below)).FirstOrDefault(t => t is not null);

    /// <summary>What the domain's own record says, term by term.</summary>
    private static IEnumerable<Finding?> Own(DomainView view)
    {
        if (view.Spf.Record is not { Broken: null } record)
        {
            yield break;
        }

        foreach (var term in record.Terms)
        {
            if (term.Kind == SpfKind.Ptr)
            {
                yield return Make("mail/spf-ptr", Severity.Warning, view.Domain, $"{term.Text}: reverse names are slow and unreliable, and some receivers skip them", [Because("ptr should not be published", "RFC 7208 section 5.5", Record(view))], new Remedy("name the addresses or an include instead"));
            }

            if (term.Qualifier == SpfQualifier.Pass && Wide(term))
            {
                yield return Make("mail/spf-wide-range", Severity.Warning, view.Domain, $"{term.Text} authorises strangers: {Size(term)}", [Because("wider than a /16 of IPv4 or a /32 of IPv6", "RFC 7208 section 11.4", Record(view))], new Remedy("narrow it to the servers that send for you"));
            }

            if (term.Kind is SpfKind.A or SpfKind.Mx && term.Qualifier == SpfQualifier.Pass)
            {
                yield return Make("mail/spf-a-web", Severity.Info, view.Domain, $"{term.Text} lets {(term.Kind == SpfKind.A ? "the web server" : "the hosts that receive")} send as you: usually copied from a guide", [Because("it authorises the addresses of a name that does not send for you", "RFC 7208 sections 5.3, 5.4", Record(view))], new Remedy("remove it unless that host sends your mail"));
            }
        }

        foreach (var finding in Ending(view))
        {
            yield return finding;
        }

        if (record.All is { } last && record.Terms.SkipWhile(t => t != last).Skip(1).FirstOrDefault(t => t.IsMechanism) is { } dead)
        {
            yield return Make("mail/spf-after-all", Severity.Warning, view.Domain, $"{dead.Text} stands after {last.Text} and is never used", [Because("evaluation ends at all", "RFC 7208 section 5.1", Record(view))], new Remedy("move all to the end"));
        }

        if (record is { All: not null, Redirect: { } redirect })
        {
            yield return Make("mail/spf-redirect-ignored", Severity.Warning, view.Domain, $"{redirect.Text} beside {record.All.Text} is ignored", [Because("redirect counts only where nothing matched", "RFC 7208 section 6.1", Record(view))], new Remedy("remove one of the two"));
        }
    }

    /// <summary>How the record ends, its own all or that of the record that redirect= names.</summary>
    private static IEnumerable<Finding?> Ending(DomainView view)
    {
        var end = End(view.Spf);
        Seen[] seen = [.. Record(view), .. end.Domain == view.Domain ? [] : end.Records.Select(r => new Seen(r.Text, $"{end.Domain} TXT"))];
        switch (end.Record?.All)
        {
            case { Qualifier: SpfQualifier.Pass } all:
                yield return Make("mail/spf-plus-all", Severity.Error, view.Domain, $"{all.Text}: everyone may send as {Value.Domain(view.Domain)}, and DMARC passes for forgers", [Because("all matches every address", "RFC 7208 section 5.1", seen)], new Remedy("write ~all"));
                yield break;
            case { Qualifier: SpfQualifier.Neutral }:
                yield return Make("mail/spf-neutral-all", Severity.Warning, view.Domain, $"?all: the record says nothing about strangers, and some receivers treat it like none", [Because("neutral is to be treated like none", "RFC 7208 sections 5.1, 8.2", seen)], new Remedy("write ~all"));
                break;
            case { Qualifier: SpfQualifier.Fail } when !view.SendsNothing:
                yield return Make("mail/spf-hardfail-forwarding", Severity.Info, view.Domain, "-all: some receivers refuse forwarded mail before they look at DKIM or DMARC; ~all is enough once DMARC exists", [Because("a fail may be refused at once", "RFC 7208 section 8.4", seen)], new Remedy("write ~all"));
                break;
            case null when end.Record is { Broken: null, Redirect: null }:
                yield return Make("mail/spf-no-all", Severity.Warning, view.Domain, "the SPF record ends without all or redirect: strangers get neutral", [Because("the default is neutral", "RFC 7208 section 4.7", seen)], new Remedy("end it with ~all"));
                break;
        }

        if (OpenToAll(view.Spf) is { } open)
        {
            yield return Make("mail/spf-plus-all", Severity.Error, open.Domain, $"{Value.Domain(open.Domain)}, which the record includes, passes everybody: everyone may send as {Value.Domain(view.Domain)}, and DMARC passes for forgers", [Because("all matches every address, and an include passes whom it passes", "RFC 7208 sections 5.1, 5.2", [.. Record(view), new Seen(open.Record!.Text, $"{open.Domain} TXT")])], new Remedy("remove the include"));
        }
    }

    private static Finding? TooLong(DomainView view) => view.Spf.Records.Length == 0 || view.Text.Size <= SafeSize ? null
        : Make("mail/spf-too-long", Severity.Warning, view.Domain, $"the TXT answer of {Value.Domain(view.Domain)} has {view.Text.Size} octets: lost at receivers with poor DNS", [Because($"an answer of more than {SafeSize} octets may need EDNS or TCP", "RFC 7208 section 3.4", new Seen($"{view.Text.Size} octets, {view.Text.Of(DnsType.TXT).Count()} records", $"{view.Domain} TXT, {view.Text.Server}"))], new Remedy("remove TXT records that nobody needs any more"));

    private static Finding? Type99(DomainView view) => view.Dns[view.Domain, DnsType.SPF] is { Outcome: DnsOutcome.Records } answer
        ? Make("mail/spf-type99", Severity.Info, view.Domain, $"{Value.Domain(view.Domain)} has a record of type SPF, which nobody reads", [Because("only TXT counts", "RFC 7208 section 3.1", DomainView.Seen(answer, view.Domain, DnsType.SPF))], new Remedy("remove it")) : null;

    private static Finding? NotAuthorised(DomainView view)
    {
        if (view.Spf.Record is not { Broken: null })
        {
            return null;
        }

        foreach (var sender in view.Senders)
        {
            var bad = new List<(IPAddress Ip, SpfOutcome Outcome)>();
            foreach (var ip in view.SendingAddresses(sender.Provider))
            {
                var outcome = OwnMail(view, sender.Provider, ip);
                if (outcome.Result is SpfResult.Fail or SpfResult.SoftFail or SpfResult.Neutral)
                {
                    bad.Add((ip, outcome));
                }
            }

            if (bad.Count > 0)
            {
                return Make("mail/spf-sender-not-authorised", Severity.Error, view.Domain, $"what you send through {sender.Provider.Name} fails SPF: {bad[0].Outcome.Word} for {Value.Ip(bad[0].Ip)}{(bad.Count > 1 ? $" and {bad.Count - 1} more of its addresses" : "")}",
                    [
                        Because($"{sender.Provider.Name} sends for you: {sender.How}", "the catalogue of providers", [.. sender.Provider.Sources.Take(1).Select(s => new Seen(sender.Provider.Id, s))]),
                        new($"the record of {Value.Domain(view.Domain)} passes its addresses", Verdict.No, "RFC 7208 section 4", [.. Record(view), .. bad.Take(4).Select(b => new Seen($"{b.Outcome.Word}", $"{b.Ip}"))]),
                    ],
                    new Remedy($"include it: include:{sender.Provider.Spf}", "lotse", "mail", "plan", view.Domain, "--send", sender.Provider.Id)) with
                { Certainty = sender.Certain ? Certainty.Proven : Certainty.Inferred };
            }
        }

        return null;
    }

    private static IEnumerable<Finding?> Unused(DomainView view) => view.Senders.Length == 0 ? [] : view.Spf.Terms
        .Where(t => t.Term.Kind == SpfKind.Include && t.Target is not null && Provider.OfInclude(t.Target) is { SpfNeeded: false } p && view.Senders.All(s => s.Provider != p) && view.Rules.Verifications.Length == 0)
        .Select(t => Make("mail/spf-unused-include", Severity.Info, view.Domain, $"{t.Term.Text} is for a provider that does not send for you: one more place from which others can send as you",
            [Because($"{Provider.OfInclude(t.Target!)!.Name} forwards under its own name (SRS) and needs no include", LimitRule, Record(view))], new Remedy("remove it")));

    /// <summary>Two strings of one record that run into each other: receivers join them with nothing between.</summary>
    private static Finding? Glue(DomainView view)
    {
        foreach (var record in view.Text.Of(DnsType.TXT).Where(r => Resembles(r.Joined)))
        {
            if (Glued(record, view.Dns) is { } word)
            {
                return Make("mail/spf-string-glue", Severity.Error, view.Domain, $"the strings of the SPF record are joined without a space: \"{word}\" is one word",
                    [Because("receivers join the strings of a TXT record with nothing between", "RFC 7208 section 3.3", new Seen(record.Text, $"{view.Domain} TXT"))], new Remedy("put a space at the end of the first string"));
            }
        }

        return null;
    }

    /// <summary>Whether two strings of a record run into each other.</summary>
    internal static bool IsGlued(DnsRecord record, DnsLookups dns) => Glued(record, dns) is not null;

    /// <summary>The word that two strings make; null: each ends where a word ends, or inside one that was divided on purpose.</summary>
    private static string? Glued(DnsRecord record, DnsLookups dns)
    {
        var strings = record.Strings.Select(s => ByteText.Decode(s)).ToArray();
        for (var i = 1; i < strings.Length; i++)
        {
            var (left, right) = (strings[i - 1].Split(' ')[^1], strings[i].Split(' ')[0]);
            if (left.Length > 0 && (left.Equals("v=spf1", StringComparison.OrdinalIgnoreCase) || IsTerm(left)) && IsTerm(right) && (Starts().IsMatch(right) || (Bare().IsMatch(right) && strings[i - 1].Length < StringLimit && LeadsNowhere(left + right, dns))))
            {
                return left + right;
            }
        }

        return null;

        static bool IsTerm(string word) => SpfRecord.Parse("v=spf1 " + word).Broken is null;
    }

    /// <summary>Whether a word is no term, or names a domain without a record: one that was divided inside on purpose leads somewhere.</summary>
    private static bool LeadsNowhere(string word, DnsLookups dns) => SpfRecord.Parse("v=spf1 " + word) is not { Broken: null, Terms: [var term] }
        || (term.Domain is not null && SpfMacro.ToName(term.Domain) is { } name && !term.HasMacro && (term.Kind is SpfKind.Include or SpfKind.Redirect ? dns[name, DnsType.TXT] is { Known: true } answer && !answer.Of(DnsType.TXT).Any(r => SpfRecord.IsOne(r.Joined)) : dns[name, term.Kind == SpfKind.Mx ? DnsType.MX : DnsType.A].Missing));

    /// <summary>Whether a text is an SPF record, or was meant to be one.</summary>
    internal static bool Resembles(string text) => SpfRecord.IsOne(text) || Nearly().IsMatch(text);

    /// <summary>The include of a provider that a name is nearly, or below.</summary>
    internal static string? NearProvider(string name) => Provider.All.Select(p => p.Spf).FirstOrDefault(s => s != name && (DnsName.IsAtOrBelow(name, s) || WordDistance.Between(name, s) <= 2));

    private static bool Wide(SpfTerm term) => term.Kind switch
    {
        SpfKind.Ip4 => term.Bits4 < 16,
        SpfKind.Ip6 => term.Bits6 < 32,
        SpfKind.A or SpfKind.Mx => term.Bits4 < 16 || term.Bits6 < 32,
        _ => false,
    };

    private static string Size(SpfTerm term) => term.Kind == SpfKind.Ip6 ? $"2^{128 - term.Bits6} addresses" : $"{1L << (32 - term.Bits4):N0} addresses".Replace(',', ' ');

    [GeneratedRegex("""^[\s"'“”„\\]*(v\s*[=:.-]?\s*(spf|sfp|fsp)(?!\s*2\.0|1\d)|spf[-=]?1\b)|^(?!\s*["']?spf2)[^;=]*\b(include:|ip4:|ip6:)\S.*\s[-~?+]all\s*["']?$""", RegexOptions.IgnoreCase)]
    private static partial Regex Nearly();

    [GeneratedRegex("^[-+~?]?(a|mx|ptr)(/.*)?$", RegexOptions.IgnoreCase)]
    private static partial Regex Bare();

    [GeneratedRegex("^([-+~?]?(include:|ip4:|ip6:|a:|mx:|exists:|ptr:)|[-+~?]all$|redirect=|exp=)", RegexOptions.IgnoreCase)]
    private static partial Regex Starts();
}
