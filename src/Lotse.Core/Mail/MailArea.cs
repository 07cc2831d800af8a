using Lotse.Formats;

namespace Lotse.Mail;

/// <summary>Whether mail of a domain arrives, and why not.</summary>
public static class MailArea
{
    /// <summary>This area's line in the table of areas.</summary>
    public static Area Area { get; } = new("mail", "mail of your own domain bounces, is lost or lands in spam", Check, Recognise) { Prove = MailProof.Prove };

    /// <summary>Nothing of a domain stands on this machine: the doctor asks no network.</summary>
    private static Report Check(Host host) => new("no domain is named", [], [], []);

    /// <summary>A pasted line that a receiver or a checker prints: the page that has it among its symptoms.</summary>
    private static Report? Recognise(string text)
    {
        var pages = FindingPage.All.Where(p => p.Id.StartsWith("mail/", StringComparison.Ordinal));
        var hit = pages.SelectMany(p => p.Symptoms.Where(s => s.Length >= Shortest && text.Contains(s, StringComparison.OrdinalIgnoreCase)).Select(s => (Page: p, Symptom: s))).OrderByDescending(h => h.Symptom.Length).FirstOrDefault();
        return hit.Page is null ? null
            : new(hit.Page.Title, [new($"the text says \"{hit.Symptom}\"", Verdict.Yes, hit.Page.Sources.FirstOrDefault())],
                [new(hit.Page.Id, hit.Page.Severity, Certainty.Inferred, new("message", ValueKind.Plain), hit.Page.Title, [], [new("what it means and what helps", "lotse", "explain", hit.Page.Id), new("ask about the domain itself", "lotse", "mail", "why", "DOMAIN")])], []);
    }

    /// <summary>A shorter string stands in too many texts.</summary>
    private const int Shortest = 12;
}
