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
        if (Page(text) is not { } page)
        {
            return null;
        }

        return new(page.Title, [new($"the text says \"{Symptom(page, text)}\"", Verdict.Yes, page.Sources.FirstOrDefault())],
            [new(page.Id, page.Severity, Certainty.Inferred, new("message", ValueKind.Plain), page.Title, [], [new("what it means and what helps", "lotse", "explain", page.Id), new("ask about the domain itself", "lotse", "mail", "why", "DOMAIN")])], []);
    }

    /// <summary>The page of this area whose longest symptom stands in a text; null: none.</summary>
    internal static FindingPage? Page(string text) =>
        FindingPage.All.Where(p => p.Id.StartsWith("mail/", StringComparison.Ordinal)).Select(p => (Page: p, Length: Symptom(p, text)?.Length ?? 0)).Where(p => p.Length > 0).OrderByDescending(p => p.Length).FirstOrDefault().Page;

    /// <summary>A shorter string stands in too many texts.</summary>
    private const int Shortest = 12;

    private static string? Symptom(FindingPage page, string text) => page.Symptoms.Where(s => s.Length >= Shortest && text.Contains(s, StringComparison.OrdinalIgnoreCase)).MaxBy(s => s.Length);
}
