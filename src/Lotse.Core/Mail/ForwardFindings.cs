using Lotse.Formats;
using static Lotse.Mail.MailFindings;

namespace Lotse.Mail;

/// <summary>What is wrong with the forwarder's records.</summary>
internal static class ForwardFindings
{
    private const string Source = "forwardemail.net getForwardingAddresses, FAQ";

    /// <summary>Most strings that a registrar's form takes.</summary>
    private const int FormLimit = 255;

    private static readonly System.Buffers.SearchValues<char> Quotation = System.Buffers.SearchValues.Create("\"“”„‟");

    /// <summary>In the order in which they bite.</summary>
    public static IEnumerable<Finding> Of(DomainView view)
    {
        if (!view.Readable || view.IsAlias || !(view.Rules.Any || view.Receiver?.Id == "forwardemail"))
        {
            return [];
        }

        Finding?[] all = [Missing(view), .. Entries(view), MixedPlan(view), Multiple(view), Loop(view), .. Dead(view), .. Aliases(view), TooLong(view), Port(view), Exposes(view), Quotes(view)];
        return all.OfType<Finding>();
    }

    private static Seen[] Records(DomainView view) => [.. view.Text.Of(DnsType.TXT).Where(r => r.Joined.Contains("forward-email", StringComparison.Ordinal)).Select(r => new Seen(DomainView.Shown(r), $"{view.Domain} TXT, {view.Text.Server}"))];

    private static Text Entry(ForwardEntry entry) => $"\"{Value.Mailbox(entry.Text)}\"";

    private static Finding? Missing(DomainView view) => view.Rules.Any ? null
        : Make("mail/fe-missing", Severity.Error, view.Domain, "the MX points at Forward Email, but no record says where to: every address bounces",
            [new($"a TXT record begins {ForwardRules.Prefix} or {ForwardRules.Verification}", Verdict.No, Source, DomainView.Seen(view.Text, view.Domain, DnsType.TXT))],
            new Remedy("publish a TXT record: forward-email=YOUR-MAILBOX, or the verification record of the paid plan"));

    private static IEnumerable<Finding?> Entries(DomainView view)
    {
        var cut = view.Rules.Records.FirstOrDefault(r => r.Split(',') is { Length: > 1 } parts && parts.Any(p => p.Trim().TrimStart('!') is ['/', ..] start && start.LastIndexOf('/') == 0));
        if (cut is not null)
        {
            yield return Make("mail/fe-regex-comma", Severity.Error, view.Domain, "a regular expression holds a comma and is cut in two: entries are split at commas",
                [Because($"the expression ends before its closing slash", Source, Records(view))], new Remedy("write it without a comma: {2,3} as two entries, for example"));
        }

        foreach (var entry in view.Rules.Entries.Where(e => e.Kind == ForwardKind.Invalid || (e.Kind == ForwardKind.Ignored && cut is null)))
        {
            var invalid = entry.Kind == ForwardKind.Invalid;
            yield return Make("mail/fe-invalid", Severity.Error, view.Domain,
                invalid ? (Text)$"the recipient of {Entry(entry)} is no address, host name or URL: the forwarder refuses mail for EVERY alias of the domain" : $"{Entry(entry)} is no address, host name or URL: the forwarder passes it over, and nobody gets that mail",
                [Because("one entry that it cannot use is enough", Source, Records(view))], new Remedy($"correct it{(entry.Text.Contains('@', StringComparison.Ordinal) ? ": the domain needs a top-level domain, such as .com" : "")}"));
        }
    }

    private static Finding? MixedPlan(DomainView view) => view.Rules is { Verifications.Length: > 0, Records.Length: > 0 }
        ? Make("mail/fe-mixed-plan", Severity.Error, view.Domain, "the paid plan's verification record stands beside forward-email records: verification fails, and which aliases count depends on the plan", [Because("the paid plan keeps aliases with the forwarder", Source, Records(view))], new Remedy("remove the forward-email records (paid plan), or the verification record (free plan)")) : null;

    private static Finding? Multiple(DomainView view) => view.Rules.Verifications.Length > 1
        ? Make("mail/fe-verification-multiple", Severity.Error, view.Domain, $"{view.Rules.Verifications.Length} verification records: the forwarder refuses mail for the domain", [Because("it allows one", Source, Records(view))], new Remedy("keep the one that your account shows")) : null;

    private static Finding? Loop(DomainView view)
    {
        foreach (var entry in view.Rules.Entries.Where(e => e.Kind is ForwardKind.Alias or ForwardKind.CatchAll && ForwardRules.IsMailbox(e.Target)))
        {
            var local = entry.Kind == ForwardKind.Alias ? entry.Alias : entry.Target[..entry.Target.LastIndexOf('@')];
            if (entry.TargetDomain is { } domain && (domain == view.Domain || view.Dns[domain, DnsType.TXT].Of(DnsType.TXT).Any(r => r.Joined.StartsWith(ForwardRules.Prefix, StringComparison.Ordinal)))
                && ForwardRoute.Of(entry.TargetDomain == view.Domain ? entry.Target[..entry.Target.LastIndexOf('@')] : local, view.Domain, view.Dns).To.Contains("LOOP"))
            {
                return Make("mail/fe-loop", Severity.Error, view.Domain, $"{Entry(entry)} leads back to itself: that mail is never delivered", [Because("the target is forwarded to where it came from", Source, Records(view))], new Remedy("let it lead to a mailbox"));
            }
        }

        return null;
    }

    private static IEnumerable<Finding?> Dead(DomainView view)
    {
        foreach (var domain in view.Rules.Entries.Where(e => e.Kind is ForwardKind.Alias or ForwardKind.CatchAll or ForwardKind.Expression && !e.Target.Contains('$', StringComparison.Ordinal)).Select(e => e.TargetDomain).OfType<string>().Distinct().Where(d => d != view.Domain))
        {
            var exchanges = Exchanges.Of(domain, view.Dns);
            if (!exchanges.TakesMail)
            {
                yield return Make("mail/fe-target-dead", Severity.Error, domain, $"mail is forwarded to {Value.Domain(domain)}, which takes no mail", [exchanges.Reason, Because("the forwarder cannot deliver it", "RFC 5321 section 5.1", Records(view))], new Remedy("forward to a mailbox that exists"));
            }
        }
    }

    private static IEnumerable<Finding?> Aliases(DomainView view)
    {
        var aliases = view.Rules.Entries.Where(e => e.Kind == ForwardKind.Alias).ToArray();
        foreach (var twice in aliases.GroupBy(e => e.Alias).Where(g => g.Count() > 1))
        {
            yield return Make("mail/fe-alias-duplicate", Severity.Info, view.Domain, $"{Value.User(twice.Key)} stands {twice.Count()} times: its mail goes to all of the recipients", [Because("all entries of an alias count, in no order", Source, Records(view))], new Remedy("remove what is not meant"));
        }

        var catchAll = view.Rules.Entries.Where(e => e.Kind == ForwardKind.CatchAll).ToArray();
        if (catchAll.Length > 0 && aliases.FirstOrDefault(a => catchAll.All(c => c.Target != a.Target)) is { } shadow)
        {
            yield return Make("mail/fe-catchall-shadow", Severity.Info, view.Domain, $"{Entry(shadow)} switches the catch-all off for {Value.User(shadow.Alias)}: it gets no copy", [Because("the catch-all counts only where no alias matches", Source, Records(view))], new Remedy("add the catch-all's recipient to the alias if it is to get a copy"));
        }

        foreach (var entry in view.Rules.Entries.Where(e => e.Kind == ForwardKind.Refuse))
        {
            yield return Make("mail/fe-ignored-alias", Severity.Info, view.Domain, $"{Entry(entry)} {entry.Marks switch { 1 => "takes mail and drops it: the sender is told that it arrived", 2 => "puts mail off until the sender gives up (421)", _ => "refuses mail (550)" }}", [Because("!, !! and !!! refuse an alias", Source, Records(view))]);
        }
    }

    private static Finding? TooLong(DomainView view) => view.Text.Of(DnsType.TXT).FirstOrDefault(r => r.Joined.StartsWith("forward-email", StringComparison.Ordinal) && r.Joined.Length > FormLimit) is { } record
        ? Make("mail/fe-too-long", Severity.Warning, view.Domain, $"a forward-email record has {record.Joined.Length} characters: a registrar's form may cut it at {FormLimit}", [Because($"a string of a TXT record holds {FormLimit} octets", "RFC 1035 section 3.3", Records(view))], new Remedy("divide it into several records")) : null;

    private static Finding? Port(DomainView view) => view.Rules.Ports.Length > 0
        ? Make("mail/fe-port", Severity.Info, view.Domain, view.Rules.Ports is [var port] && ushort.TryParse(port, out var number) && number > 0 ? (Text)$"the forwarder delivers to port {port} of your target" : "forward-email-port is not one number: the forwarder falls back to port 25", [Because("forward-email-port names the port", Source, Records(view))]) : null;

    private static Finding? Exposes(DomainView view) => view.Rules.Entries.FirstOrDefault(e => ForwardRules.IsMailbox(e.Target)) is { } entry
        ? Make("mail/fe-exposes-address", Severity.Info, view.Domain, $"everyone can read your mailbox in DNS: {Value.Mailbox(entry.Target)}", [Because("the free plan keeps its aliases in public TXT records", Source, Records(view))], new Remedy("the paid plan keeps them with the forwarder; or forward to an address that may be known")) : null;

    private static Finding? Quotes(DomainView view)
    {
        var bad = view.Text.Of(DnsType.TXT).FirstOrDefault(r => r.Joined is var t && t.Contains("forward-email", StringComparison.OrdinalIgnoreCase)
            && (t.AsSpan().ContainsAny(Quotation) || t.StartsWith('\'') || t.StartsWith('‘') || t.StartsWith('’') || t.IndexOf("forward-email", StringComparison.OrdinalIgnoreCase) != t.LastIndexOf("forward-email", StringComparison.OrdinalIgnoreCase)));
        return bad is null ? null
            : Make("mail/fe-quotes", Severity.Warning, view.Domain, "a forward-email record holds stray quotes, or its name twice: the forwarder does not understand it", [Because("quotes belong to the form, not to the value", "RFC 1035 section 5.1", new Seen(DomainView.Shown(bad), $"{view.Domain} TXT"))], new Remedy("enter the value without quotes and without its name"));
    }
}
