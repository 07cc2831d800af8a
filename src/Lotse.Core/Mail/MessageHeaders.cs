using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using Lotse.Formats;
using MimeKit;
using MimeKit.Cryptography;

namespace Lotse.Mail;

/// <summary>A hop of a message: who handed it to whom (RFC 5321 section 4.4).</summary>
/// <param name="From">What the client called itself; empty where the line does not say.</param>
/// <param name="Address">The client's address; null where the line does not say.</param>
/// <param name="By">Who took it.</param>
/// <param name="When">When; null where the line does not say.</param>
/// <param name="Text">The line, unfolded.</param>
public sealed partial record MessageHop(string From, IPAddress? Address, string By, DateTimeOffset? When, string Text)
{
    /// <summary>Reads a Received header.</summary>
    public static MessageHop Parse(string value)
    {
        var text = Blanks().Replace(value, " ").Trim();
        var semicolon = text.LastIndexOf(';');
        DateTimeOffset? when = semicolon >= 0 && MimeKit.Utils.DateUtils.TryParse(text[(semicolon + 1)..].Trim(), out var date) ? date : null;
        var by = By_().Match(text).Groups["name"].Value;
        var from = From_().Match(text) is { Success: true } client ? client.Groups["name"].Value : "";
        var before = by.Length > 0 && text.IndexOf(" by ", StringComparison.Ordinal) is > 0 and var at ? text[..at] : text;
        var address = Address_().Matches(before).Select(m => IPAddress.TryParse(m.Groups["ip"].Value, out var ip) ? ip : null).OfType<IPAddress>().FirstOrDefault();
        return new(from, address, by, when, text);
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blanks();

    [GeneratedRegex(@"\bby\s+(?<name>[^\s;()]+)")]
    private static partial Regex By_();

    [GeneratedRegex(@"^from\s+(?<name>[^\s;()]+)")]
    private static partial Regex From_();

    [GeneratedRegex(@"\[(?:IPv6:)?(?<ip>[0-9a-fA-F:.]+)\]|\((?<ip>\d+\.\d+\.\d+\.\d+)\)", RegexOptions.IgnoreCase)]
    private static partial Regex Address_();
}

/// <summary>A recipient of a bounce (RFC 3464).</summary>
/// <param name="Recipient">Who did not get it.</param>
/// <param name="Action">failed, delayed …</param>
/// <param name="Status">Status code, 5.7.1 for example.</param>
/// <param name="Host">Who refused it; empty where the bounce does not say.</param>
/// <param name="Words">What that host said.</param>
public sealed record MessageFailure(string Recipient, string Action, string Status, string Host, string Words);

/// <summary>A message as far as delivery is concerned, read by MimeKit.</summary>
public sealed class MessageHeaders
{
    private readonly MimeMessage message;

    private MessageHeaders(MimeMessage message, byte[] bytes)
    {
        this.message = message;
        Bytes = bytes;
        Hops = [.. message.Headers.Where(h => h.Id == HeaderId.Received).Select(h => MessageHop.Parse(h.Value ?? ""))];
        Author = message.From.Mailboxes.Select(m => m.Address).FirstOrDefault() ?? "";
        ReturnPath = message.Headers.Where(h => h.Id == HeaderId.ReturnPath).Select(h => (h.Value ?? "").Trim().Trim('<', '>')).FirstOrDefault();
        Signatures = [.. message.Headers.Where(h => h.Id == HeaderId.DkimSignature)];
        Results = [.. message.Headers.Where(h => h.Id is HeaderId.AuthenticationResults).Select(h => AuthenticationResults.TryParse(h.RawValue, out var parsed) ? parsed : null).OfType<AuthenticationResults>()];
        Failures = [.. message.BodyParts.OfType<MessageDeliveryStatus>().SelectMany(Status)];
        if (Failures.Length == 0 || Failures.All(f => f.Words.Length == 0))
        {
            // No fields, or fields without the words of the host that refused: the text has them.
            var told = BounceText.Read(message);
            Failures = Failures.Length == 0 ? told : [.. Failures.Select(f => told.FirstOrDefault(t => t.Recipient.Equals(f.Recipient, StringComparison.OrdinalIgnoreCase)) is { Words.Length: > 0 } same ? f with { Words = same.Words, Host = f.Host.Length > 0 ? f.Host : same.Host } : f)];
        }

        Returned = message.BodyParts.OfType<MessagePart>().Select(p => p.Message).Concat(Heads(message)).OfType<MimeMessage>().Select(m => new MessageHeaders(m, [])).FirstOrDefault();
    }

    /// <summary>The bytes.</summary>
    public byte[] Bytes { get; }

    /// <summary>Received headers, the newest first.</summary>
    public MessageHop[] Hops { get; }

    /// <summary>Address of the header From.</summary>
    public string Author { get; }

    /// <summary>Envelope sender as the last hop wrote it down; null where it did not.</summary>
    public string? ReturnPath { get; }

    /// <summary>What receivers wrote down of their checks (RFC 8601).</summary>
    public AuthenticationResults[] Results { get; }

    /// <summary>Of a bounce.</summary>
    public MessageFailure[] Failures { get; }

    /// <summary>The message that a bounce returns.</summary>
    public MessageHeaders? Returned { get; }

    /// <summary>Domains and selectors of its signatures.</summary>
    public (string Domain, string Selector)[] SignedBy => [.. Signatures.Select(h => (Tag(h, "d"), Tag(h, "s")))];

    /// <summary>Whether the message says that it went through somebody who seals (ARC, RFC 8617).</summary>
    public bool HasArc => message.Headers.Any(h => h.Id == HeaderId.ArcSeal);

    private Header[] Signatures { get; }

    /// <summary>Reads a message; null when it is none: a header such as From or Received is needed.</summary>
    public static MessageHeaders? Read(byte[] bytes)
    {
        try
        {
            using var stream = new MemoryStream(bytes);
            var message = MimeMessage.Load(stream);
            return message.Headers.Any(h => h.Id is HeaderId.From or HeaderId.Received or HeaderId.ReturnPath or HeaderId.DkimSignature) ? new(message, bytes) : null;
        }
        catch (FormatException)
        {
            return null;
        }
    }

    /// <summary>Verifies its signatures with keys from DNS.</summary>
    public (string Domain, string Selector, string Result, string Words)[] Verify(DnsLookups dns)
    {
        var keys = new DnsKeys(dns);
        return [.. Signatures.Select(h =>
        {
            var (domain, selector) = (Tag(h, "d"), Tag(h, "s"));
            try
            {
                var good = new DkimVerifier(keys).Verify(message, h);
                return (domain, selector, good ? "pass" : "fail", good ? "the signature is good" : "the text or a signed header was changed, or it is signed with another key");
            }
            catch (KeyNotThereException e)
            {
                return (domain, selector, e.Temporary ? "temperror" : "permerror", e.Message);
            }
            catch (Exception e) when (e is FormatException or ArgumentException or Org.BouncyCastle.Security.SecurityUtilityException or Org.BouncyCastle.Crypto.CryptoException or InvalidOperationException)
            {
                return (domain, selector, "permerror", "the signature or its key is broken");
            }
        })];
    }

    /// <summary>Verifies the chain of seals: none, pass, fail or temperror.</summary>
    public string VerifyArc(DnsLookups dns)
    {
        // RFC 8617 section 4.1.2: a seal is never signed by the signature of the message.
        if (message.Headers.Where(h => h.Id == HeaderId.ArcMessageSignature).Any(h => Tag(h, "h").Split(':').Any(n => n.Trim().Equals("ARC-Seal", StringComparison.OrdinalIgnoreCase))))
        {
            return "fail";
        }

        try
        {
            return new ArcVerifier(new DnsKeys(dns)).Verify(message).Chain.ToString().ToLowerInvariant();
        }
        catch (KeyNotThereException e)
        {
            return e.Temporary ? "temperror" : "fail";
        }
        catch (Exception e) when (e is FormatException or ArgumentException or Org.BouncyCastle.Security.SecurityUtilityException or Org.BouncyCastle.Crypto.CryptoException or InvalidOperationException)
        {
            return "fail";
        }
    }

    private static IEnumerable<MimeMessage> Heads(MimeMessage message)
    {
        foreach (var part in message.BodyParts.OfType<MimePart>().Where(p => p.ContentType.IsMimeType("text", "rfc822-headers")))
        {
            using var stream = new MemoryStream();
            part.Content?.DecodeTo(stream);
            stream.Write("\r\n"u8);
            stream.Position = 0;
            MimeMessage? head;
            try
            {
                head = MimeMessage.Load(stream);
            }
            catch (FormatException)
            {
                head = null;
            }

            if (head is not null)
            {
                yield return head;
            }
        }
    }

    private static IEnumerable<MessageFailure> Status(MessageDeliveryStatus status) => status.StatusGroups
        .Where(g => g.Contains("Final-Recipient") || g.Contains("Original-Recipient"))
        .Select(g => new MessageFailure(After(g["Final-Recipient"] ?? g["Original-Recipient"]).Trim('<', '>'), (g["Action"] ?? "").Trim().ToLowerInvariant(), (g["Status"] ?? "").Trim().Split(' ', '(')[0], After(g["Remote-MTA"]), After(g["Diagnostic-Code"])));

    /// <summary>The value after its type, folded lines joined: <c>rfc822; me@example.com</c>.</summary>
    private static string After(string? value) => value is null ? "" : string.Join(' ', value[(value.IndexOf(';', StringComparison.Ordinal) + 1)..].Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    private static string Tag(Header header, string name) =>
        (header.Value ?? "").Split(';').Select(t => t.Split('=', 2)).Where(t => t.Length == 2 && t[0].Trim() == name).Select(t => string.Concat(t[1].Where(c => !char.IsWhiteSpace(c)))).FirstOrDefault() ?? "";
}

/// <summary>There is no key where a signature says.</summary>
internal sealed class KeyNotThereException(string message, bool temporary) : Exception(message)
{
    /// <summary>Whether another time it may be there.</summary>
    public bool Temporary => temporary;
}

/// <summary>Keys as the rules look everything up.</summary>
internal sealed class DnsKeys(DnsLookups dns) : DkimPublicKeyLocatorBase
{
    // BouncyCastle asks before each RSA key whether its modulus is a prime, with random numbers of the platform: these load
    // OpenSSL, and a static binary ends where there is none. A key that somebody published wrongly signs nothing of ours.
    static DnsKeys() => Environment.SetEnvironmentVariable("Org.BouncyCastle.Rsa.MaxMRTests", "0");

    public override Org.BouncyCastle.Crypto.AsymmetricKeyParameter LocatePublicKey(string methods, string domain, string selector, CancellationToken cancellationToken = default)
    {
        if (DnsName.Parse($"{selector}._domainkey.{domain}") is not { } name)
        {
            throw new KeyNotThereException("the selector or the domain is no name", false);
        }

        var answer = dns[name, DnsType.TXT];
        return !answer.Known ? throw new KeyNotThereException($"{name}: {answer.Words}", true)
            : answer.Of(DnsType.TXT).Select(r => r.Joined).FirstOrDefault() is { } text ? DkimKey.Parse(text) is { Revoked: true } ? throw new KeyNotThereException($"the key at {name} is revoked", false) : GetPublicKey(text)
            : throw new KeyNotThereException($"there is no key at {name}", false);
    }

    public override Task<Org.BouncyCastle.Crypto.AsymmetricKeyParameter> LocatePublicKeyAsync(string methods, string domain, string selector, CancellationToken cancellationToken = default) =>
        Task.FromResult(LocatePublicKey(methods, domain, selector, cancellationToken));
}
