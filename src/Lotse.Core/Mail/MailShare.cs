using System.Text;
using System.Text.Json;

namespace Lotse.Mail;

/// <summary>
/// A report that may be shown to others: the local part of every mailbox is replaced, the same one by the same word
/// everywhere, in texts, in what was seen, and in what programs get. Domains stay: without them nothing could be said.
/// </summary>
public sealed class MailShare
{
    /// <summary>What may stand in a local part without quotes (RFC 5321 section 4.1.2), and the escapes of JSON.</summary>
    private static readonly System.Buffers.SearchValues<char> LocalPart = System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.!#$%&*+-/=?^_`{|}~\\");

    /// <summary>Words that stand before an address in records, and what ends them.</summary>
    private static readonly string[] Before = ["forward-email=", "rua=", "ruf="];

    private readonly Dictionary<string, string> names = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>The report with its mailboxes masked; the facts, which hold every answer of DNS, are left out.</summary>
    public static Report Mask(Report report)
    {
        var share = new MailShare();
        return report with
        {
            Verdict = share.Mask(report.Verdict),
            Reasons = share.Mask(report.Reasons),
            Findings = [.. report.Findings.Select(f => f with { Subject = f.Subject with { Content = share.Mask(f.Subject.Content) }, Title = share.Mask(f.Title), Reasons = share.Mask(f.Reasons), Remedies = [.. f.Remedies.Select(r => new Remedy(share.Mask(r.Text), [.. r.Command.Select(share.Mask)]))] })],
            Unknowns = [.. report.Unknowns.Select(u => new Unknown(share.Mask(u.What), share.Mask(u.Why), share.Mask(u.HowToFindOut)))],
            Answer = report.Answer is null ? null : share.Mask(report.Answer),
            Facts = null,
        };
    }

    /// <summary>A text with its mailboxes masked.</summary>
    public string Mask(string text)
    {
        if (!text.Contains('@', StringComparison.Ordinal))
        {
            return text;
        }

        var masked = new StringBuilder();
        var from = 0;
        for (var at = text.IndexOf('@', StringComparison.Ordinal); at >= 0; at = text.IndexOf('@', at + 1))
        {
            // What follows has to be the beginning of a domain: "TXT @192.0.2.1" and "@ TXT" are none.
            var start = at;
            while (start > from && LocalPart.Contains(text[start - 1]))
            {
                start--;
            }

            start += Before.Where(b => text.AsSpan(start, at - start).StartsWith(b, StringComparison.Ordinal)).Select(b => b.Length).FirstOrDefault();
            if (start == at || at + 1 >= text.Length || !(char.IsLetterOrDigit(text[at + 1]) || text[at + 1] == '['))
            {
                continue;
            }

            masked.Append(text, from, start - from).Append(Name(text[start..at]));
            from = at;
        }

        return masked.Append(text, from, text.Length - from).ToString();
    }

    private string Name(string local)
    {
        if (!names.TryGetValue(local, out var name))
        {
            names[local] = name = $"user{names.Count + 1}";
        }

        return name;
    }

    private Text Mask(Text text)
    {
        var masked = new Text(0, text.Parts.Count);
        foreach (var part in text.Parts)
        {
            masked.AppendFormatted(part with { Content = Mask(part.Content) });
        }

        return masked;
    }

    private Reason[] Mask(Reason[] reasons) => [.. reasons.Select(r => r with { Text = Mask(r.Text), Seen = [.. r.Seen.Select(s => new Seen(Mask(s.What), Mask(s.Where)))] })];

    private JsonPart Mask(JsonPart part)
    {
        var text = Encoding.UTF8.GetString(JsonSerializer.SerializeToUtf8Bytes(part.Value, part.Shape()));
        using var masked = JsonDocument.Parse(Mask(text));
        return MailJson.Part(masked.RootElement.Clone());
    }
}
