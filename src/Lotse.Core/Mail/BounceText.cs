using System.Text;
using System.Text.RegularExpressions;
using Lotse.Formats;
using MimeKit;

namespace Lotse.Mail;

/// <summary>
/// Bounces that say in words what others say in fields (RFC 3464): Exim, qmail, sendmail's older releases, Gmail, Yahoo,
/// Exchange and many more. What they share is read, not each one's form: addresses that failed, then the words of the host
/// that refused, up to where the returned message begins.
/// </summary>
internal static partial class BounceText
{
    /// <summary>The words about the failure stand at the beginning; what is longer is the returned message.</summary>
    private const int Limit = 32 << 10;

    private const int MostLines = 400;

    /// <summary>Lines of reason that belong to one recipient.</summary>
    private const int MostReason = 8;

    /// <summary>Reads the failures of a message that looks like a bounce; none when it is none.</summary>
    public static MessageFailure[] Read(MimeMessage message)
    {
        var announced = message.Headers["X-Failed-Recipients"];
        if (announced is null && !LooksLikeOne(message))
        {
            return [];
        }

        var own = message.To.Mailboxes.Concat(message.From.Mailboxes).Select(m => m.Address).ToHashSet(StringComparer.OrdinalIgnoreCase);
        var lines = Lines(message);
        var failed = (announced ?? "").Split([',', ' ', '\t', '\r', '\n'], StringSplitOptions.RemoveEmptyEntries).Where(a => a.Contains('@', StringComparison.Ordinal)).Distinct(StringComparer.OrdinalIgnoreCase).ToArray();
        if (failed.Length == 0)
        {
            failed = [.. Named(lines, own)];
        }

        if (failed.Length == 0)
        {
            // Who got none of it stands in the returned message alone.
            failed = [.. message.BodyParts.OfType<MessagePart>().Select(p => p.Message).OfType<MimeMessage>().SelectMany(m => m.To.Mailboxes).Select(m => m.Address).Take(1)];
        }

        return [.. failed.Take(20).Select(r => Failure(r, lines))];
    }

    private static bool LooksLikeOne(MimeMessage message)
    {
        var from = message.From.Mailboxes.Select(m => m.Address).FirstOrDefault() ?? message.From.ToString();
        var empty = message.Headers[HeaderId.ReturnPath]?.Trim() is "<>";
        return Daemon().IsMatch(from) || Daemon().IsMatch(message.From.ToString()) || Subjects().IsMatch(message.Subject ?? "") || (empty && message.Headers["Auto-Submitted"]?.Contains("auto-replied", StringComparison.OrdinalIgnoreCase) == true);
    }

    /// <summary>The text for people, up to the returned message.</summary>
    private static string[] Lines(MimeMessage message)
    {
        var parts = message.BodyParts.OfType<TextPart>().ToArray();
        var text = string.Join('\n', parts.Where(p => p.IsPlain).Take(2).Select(Text));
        if (string.IsNullOrWhiteSpace(text) && parts.FirstOrDefault(p => p.IsHtml) is { } html)
        {
            text = System.Net.WebUtility.HtmlDecode(Tags().Replace(Breaks().Replace(Text(html), "\n"), " "));
        }

        if (string.IsNullOrWhiteSpace(text) && message.Body is MimePart { Content: not null } only)
        {
            text = Decoded(only);
        }

        var lines = text.Split('\n').Select(l => PastedLog.Squeezed(l.TrimEnd('\r'))).Take(MostLines).ToArray();
        var end = Array.FindIndex(lines, l => Returned().IsMatch(l));
        return end < 0 ? lines : lines[..end];
    }

    private static string Text(TextPart part)
    {
        try
        {
            return part.Text is { } text ? text.Length > Limit ? text[..Limit] : text : "";
        }
        catch (Exception e) when (e is NotSupportedException or ArgumentException)
        {
            // A charset that this program does not have: the words of servers are ASCII.
            return Decoded(part);
        }
    }

    private static string Decoded(MimePart part)
    {
        using var stream = new MemoryStream();
        part.Content?.DecodeTo(stream);
        return ByteText.Decode(stream.GetBuffer().AsSpan(0, (int)Math.Min(stream.Length, Limit)));
    }

    /// <summary>Addresses that failed: on a line of their own, before a colon, or in a sentence of failure; never the one to whom the bounce goes.</summary>
    private static IEnumerable<string> Named(string[] lines, HashSet<string> own)
    {
        var alone = lines.Select(l => Alone().Match(l)).Where(m => m.Success).Select(m => m.Groups["address"].Value);
        var found = alone.Where(a => !own.Contains(a) && !Daemon().IsMatch(a)).Distinct(StringComparer.OrdinalIgnoreCase).ToArray();
        return found.Length > 0 ? found
            : lines.OrderByDescending(l => Reply().IsMatch(l) || Failing().IsMatch(l)).SelectMany(l => Addresses().Matches(l).Select(m => m.Value)).Where(a => !own.Contains(a) && !Daemon().IsMatch(a)).Distinct(StringComparer.OrdinalIgnoreCase).Take(1);
    }

    private static MessageFailure Failure(string recipient, string[] lines)
    {
        var at = Array.FindIndex(lines, l => l.Contains(recipient, StringComparison.OrdinalIgnoreCase));
        var from = at < 0 ? 0 : at;

        // The first reply after the recipient, else the first anywhere: some put the transcript before the address.
        var reply = Array.FindIndex(lines, from, l => Reply().IsMatch(l));
        reply = reply >= 0 ? reply : Array.FindIndex(lines, l => Reply().IsMatch(l));
        string words;
        if (reply >= 0)
        {
            words = Joined(lines, reply);
            words = Reply().Match(words) is { Success: true, Index: var begin } ? words[begin..] : words;
        }
        else
        {
            // No server was reached, or its words are not there: what the bounce itself says.
            var reason = Array.FindIndex(lines, from, l => Failing().IsMatch(l) && !Alone().IsMatch(l));
            reason = reason >= 0 ? reason : Array.FindIndex(lines, Math.Min(from + (at < 0 ? 0 : 1), lines.Length), l => l.Trim().Length > 0);
            words = reason < 0 ? "" : Joined(lines, reason);
        }

        var around = string.Join(' ', lines.Skip(Math.Max(0, Math.Min(from, reply < 0 ? from : reply) - 1)).Take(MostReason + 4));
        var status = Status().Match(words) is { Success: true } enhanced ? enhanced.Value : Status().Match(around).Value;
        var delayed = status.StartsWith('4') || (status.Length == 0 && words.StartsWith('4'));
        return new(recipient, delayed ? "delayed" : "failed", status, Host().Match(around).Groups["name"].Value.TrimEnd('.'), words.Trim());
    }

    /// <summary>A line with those that go on with it: up to an empty line or the next address.</summary>
    private static string Joined(string[] lines, int at)
    {
        var text = new StringBuilder(lines[at].Trim());
        for (var i = at + 1; i < lines.Length && i < at + MostReason && lines[i].Trim().Length > 0 && !Alone().IsMatch(lines[i]); i++)
        {
            text.Append(' ').Append(lines[i].Trim());
        }

        return text.Length > 600 ? text.ToString(0, 600) : text.ToString();
    }

    [GeneratedRegex(@"mailer-?daemon|post[-_]?master|mail delivery (system|subsystem)|mail-?delivery|mdaemon|double-bounce", RegexOptions.IgnoreCase)]
    private static partial Regex Daemon();

    [GeneratedRegex(@"^(undeliver|returned mail|mail delivery (failed|failure)|delivery (status notification|failure|has failed|notification)|failure notice|mail system error|message delivery (failed|has failed)|warning: (could not|message)|non ?delivery|could not send|delivery error|nondeliverable|mail could not be delivered|unzustellbar|retour|échec|mail failure)", RegexOptions.IgnoreCase)]
    private static partial Regex Subjects();

    [GeneratedRegex(@"^\s*(-{2,}\s*(this is a copy|original message|below this line|unsent message|message header|returned message|the body of|end of|forwarded message|begin)|-{4,} ?original|below (this line|is) |(the )?(headers of the )?original message (follows|headers|header)|included is a copy|a copy of (the|your)|return-path:\s*<|received: from|message headers? follow|your message reads|\*+ *original message|={3,} *original)", RegexOptions.IgnoreCase)]
    private static partial Regex Returned();

    [GeneratedRegex(@"(?<![\d.:])(?<code>[245]\d\d)(?:[- ]+(\(?#?[245]\.\d{1,3}\.\d{1,3}\)?)?[: ]*[A-Za-z<(\[""'*]|[- ]\(?#?[245]\.\d{1,3}\.\d{1,3})")]
    private static partial Regex Reply();

    [GeneratedRegex(@"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.])")]
    private static partial Regex Status();

    [GeneratedRegex(@"unknown|not (be )?(found|deliver|exist|valid|recogni|accept|allowed|authori)|does ?n.t (exist|have)|doesn't|no such|invalid|unrou?table|reject|refus|denied|block|full|quota|exceed|too (large|big|many|old)|timed? ?out|fail|undeliverable|unable to|could not|couldn't|disabled|inactive|suspended|loop|policy|spam", RegexOptions.IgnoreCase)]
    private static partial Regex Failing();

    [GeneratedRegex(@"^\s*(?:(?:final-)?recipient(?: address)?s?|to|address|user|failed addresses follow|email address|smtp:|rfc822;|\*|-|>|\d+[.)])?\s*:?\s*[""']?<?(?:mailto:|smtp:)?(?<address>[^\s<>@;:,""'()]+@[A-Za-z0-9_.-]+\.[A-Za-z0-9-]+)>?[""']?\.?\s*(?::|$|\(|\.\.\.| on | - |;|\s{2,})", RegexOptions.IgnoreCase)]
    private static partial Regex Alone();

    [GeneratedRegex(@"[^\s<>@;:,""'()\[\]]+@[A-Za-z0-9_.-]+\.[A-Za-z0-9-]+")]
    private static partial Regex Addresses();

    [GeneratedRegex(@"(?:\bhost |rejected by (?:the server for the recipient domain \S+ by )?|remote host |while talking to |remote mta |connected to |connecting to |remote server |\bmta |response from |server )(?<name>(?:[A-Za-z0-9-]+\.)+[A-Za-z][A-Za-z0-9-]+\.?)", RegexOptions.IgnoreCase)]
    private static partial Regex Host();

    [GeneratedRegex("<[^<>]{0,1000}>")]
    private static partial Regex Tags();

    [GeneratedRegex("<(?:br|p|div|tr|li|h\\d)\\b[^<>]{0,1000}>", RegexOptions.IgnoreCase)]
    private static partial Regex Breaks();
}
