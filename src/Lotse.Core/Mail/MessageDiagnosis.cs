using System.Net;
using Lotse.Formats;

namespace Lotse.Mail;

/// <summary>The answer of <c>mail why MESSAGE</c>.</summary>
/// <param name="Author">Domain of the header From.</param>
/// <param name="Client">Address from which the receiver took it.</param>
/// <param name="Spf">SPF's result now, for that address.</param>
/// <param name="Dkim">Each signature: domain, selector, result.</param>
/// <param name="Arc">none, pass, fail, temperror.</param>
/// <param name="Dmarc">DMARC's result now.</param>
/// <param name="Disposition">What the domain asks for.</param>
/// <param name="Failures">Of a bounce: who was not reached and why.</param>
public sealed record MessageAnswer(string Author, string? Client, string? Spf, string[] Dkim, string Arc, string? Dmarc, string? Disposition, MessageFailure[] Failures);

/// <summary>What became of one message: hop by hop, who checked what, who refused it and why. Pure.</summary>
public static class MessageDiagnosis
{
    /// <summary>Most hops that are shown.</summary>
    private const int Shown = 20;

    /// <summary>The report.</summary>
    public static Report Of(MessageHeaders message, DateTimeOffset now, DnsLookups dns)
    {
        var reasons = new List<Reason>();
        foreach (var failure in message.Failures)
        {
            reasons.Add(new($"{Value.Mailbox(failure.Recipient)} got it", Verdict.No, "RFC 3464 section 2.3",
                new Seen($"{failure.Action} {failure.Status}", "Action, Status"), new Seen(failure.Words, failure.Host.Length > 0 ? $"said by {failure.Host}" : "Diagnostic-Code")));
        }

        // A bounce speaks of the message that it returns.
        var subject = message is { Failures.Length: > 0, Returned: { } returned } ? returned : message;
        reasons.AddRange(Hops(subject));
        foreach (var result in subject.Results)
        {
            reasons.Add(new($"{Value.Host(result.AuthenticationServiceIdentifier ?? "somebody")} has checked it: {string.Join(", ", result.Results.Select(r => $"{r.Method}={r.Result}"))}", Verdict.Yes, "RFC 8601: only the receiver's own line counts"));
        }

        var dkim = subject.Bytes.Length == 0 ? [] : subject.Verify(dns);
        reasons.AddRange(dkim.Select(d => new Reason($"the signature of {Value.Domain(d.Domain)}, selector {d.Selector}: {d.Words}", d.Result == "pass" ? Verdict.Yes : d.Result == "temperror" ? Verdict.Unknown : Verdict.No, "RFC 6376 section 6.1")));
        var arc = subject.HasArc && subject.Bytes.Length > 0 ? subject.VerifyArc(dns) : "none";
        if (subject.HasArc)
        {
            reasons.Add(new($"the chain of seals (ARC) is {arc}", arc == "pass" ? Verdict.Yes : arc == "temperror" ? Verdict.Unknown : Verdict.No, "RFC 8617 section 5.2"));
        }

        var author = DnsName.Parse(subject.Author[(subject.Author.LastIndexOf('@') + 1)..]);
        var client = subject.Hops.FirstOrDefault(h => h.Address is { } a && !IsInside(a));
        SpfOutcome? spf = null;
        DmarcOutcome? dmarc = null;
        if (client?.Address is { } address && subject.ReturnPath is not null)
        {
            spf = SpfEvaluation.Check(new(address, client.From, subject.ReturnPath, now), dns);
            reasons.Add(new($"SPF today: {spf.Word} for {Value.Domain(spf.Domain)} from {Value.Ip(address)}{(spf.Problem is null ? "" : $": {spf.Problem}")}", spf.Result == SpfResult.Pass ? Verdict.Yes : spf.Result == SpfResult.TempError ? Verdict.Unknown : Verdict.No, "RFC 7208 section 4", new Seen(client.Text, "Received")));
        }

        if (author is not null && DnsName.Count(author) > 1 && (spf is not null || dkim.Length > 0))
        {
            dmarc = DmarcEvaluation.Check(author, spf?.Domain ?? author, spf?.Result ?? SpfResult.None, [.. dkim.Select(d => new DkimLeg(DnsName.Parse(d.Domain) ?? d.Domain, d.Result))], dns);
            reasons.AddRange(dmarc.Reasons);
        }

        var known = message.Failures.Select(f => Known(f.Words + " " + f.Status)).OfType<Finding>().DistinctBy(f => f.Id).ToArray();
        Text verdict = message.Failures is [var first, ..] ? (Text)$"{Value.Host(first.Host.Length > 0 ? first.Host : message.Hops.FirstOrDefault()?.By ?? "somebody")} refused it for {Value.Mailbox(first.Recipient)}: {first.Words}"
            : dmarc is not null ? $"from {Value.Domain(author!)}: SPF {spf?.Word ?? "not known"}, DKIM {(dkim.Length == 0 ? "none" : string.Join(", ", dkim.Select(d => d.Result)))}, DMARC {dmarc.Result}{(dmarc.Result == "fail" ? $", disposition {dmarc.Disposition}" : "")}"
            : author is not null ? (Text)$"from {Value.Domain(author)}: no header says from which address it came, so SPF cannot be asked"
            : "no author that could be checked";
        Unknown[] unknowns =
        [
            .. spf?.Result == SpfResult.TempError ? new[] { new Unknown("what SPF says", spf.Problem ?? "DNS did not answer", "ask again, or another resolver: --server ADDRESS") } : [],
            .. dkim.Where(d => d.Result == "temperror").Select(d => new Unknown($"whether the signature of {Value.Domain(d.Domain)} is good", d.Words, "ask again, or another resolver: --server ADDRESS")),
        ];
        return new(verdict, [.. reasons], known, unknowns)
        {
            Answer = MailJson.Part(new MessageAnswer(author ?? "", client?.Address?.ToString(), spf?.Word, [.. dkim.Select(d => $"{d.Domain} {d.Selector} {d.Result}")], arc, dmarc?.Result, dmarc?.Disposition, message.Failures)),
        };
    }

    /// <summary>The finding whose page has what a receiver said among its symptoms.</summary>
    private static Finding? Known(string words) => MailArea.Page(words) is { } page
        ? new(page.Id, page.Severity, Certainty.Inferred, new("message", ValueKind.Plain), page.Title, [], [new("what it means and what helps", "lotse", "explain", page.Id)]) : null;

    private static IEnumerable<Reason> Hops(MessageHeaders message)
    {
        DateTimeOffset? before = null;
        foreach (var hop in message.Hops.Take(Shown).Reverse())
        {
            var waited = before is { } b && hop.When is { } w && w - b > TimeSpan.FromMinutes(1) ? $", {Amount.Duration(w - b)} after the last" : "";
            yield return new($"{Value.Host(hop.From.Length > 0 ? hop.From : "somebody")} handed it to {Value.Host(hop.By.Length > 0 ? hop.By : "somebody")}{(hop.When is { } when ? $" at {when.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC" : "")}{waited}", Verdict.Yes, "RFC 5321 section 4.4: lines below the receiver's own can be forged",
                [.. hop.Address is { } address ? new[] { new Seen(Value.Ip(address), "Received") } : []]);
            before = hop.When ?? before;
        }
    }

    /// <summary>Addresses inside somebody's network: such a hop is no delivery between domains.</summary>
    private static bool IsInside(IPAddress address) => IPAddress.IsLoopback(address) || address.IsIPv6LinkLocal || address.IsIPv6UniqueLocal
        || (address.GetAddressBytes() is [10, ..] or [192, 168, ..] or [169, 254, ..] && address.GetAddressBytes().Length == 4) || (address.GetAddressBytes() is [172, var second, _, _] && second is >= 16 and < 32);
}
