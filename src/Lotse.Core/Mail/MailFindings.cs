using Lotse.Formats;

namespace Lotse.Mail;

/// <summary>Everything that is wrong with a domain's mail. One class a subject; each finding's page says the rest.</summary>
internal static class MailFindings
{
    /// <summary>Every finding that the facts support, worst first.</summary>
    public static Finding[] Of(DomainView view) =>
    [
        .. DnsFindings.Of(view).Concat(SpfFindings.Of(view)).Concat(ExchangeFindings.Of(view)).Concat(ForwardFindings.Of(view)).Concat(DkimFindings.Of(view)).Concat(DmarcFindings.Of(view)).Concat(TransportFindings.Of(view))
            .DistinctBy(f => (f.Id, f.Subject)).OrderByDescending(f => f.Severity),
    ];

    /// <summary>A finding about a domain name.</summary>
    public static Finding Make(string id, Severity severity, string subject, Text title, Reason[] reasons, params Remedy[] remedies) =>
        new(id, severity, Certainty.Proven, Value.Domain(subject), title, reasons, remedies);

    /// <summary>A reason that holds.</summary>
    public static Reason Because(Text text, string rule, params Seen[] seen) => new(text, Verdict.Yes, rule, seen);
}
