using System.Globalization;
using System.Text;
using Lotse.Formats;

namespace Lotse.Mail;

/// <summary>How a test message is sent and looked for.</summary>
/// <param name="Smtp">HOST or HOST:PORT that takes it: 465 TLS from the first octet, other ports STARTTLS, which is required but on loopback.</param>
/// <param name="Imap">HOST or HOST:PORT where it arrives; null: nobody looks.</param>
/// <param name="Credentials">A file as netrc(5) has it: <c>machine HOST login USER password WORD</c>. It is only named to curl(1), never read here.</param>
/// <param name="From">Envelope sender and author.</param>
/// <param name="To">Recipient.</param>
public sealed record ProbeSettings(string Smtp, string? Imap, string Credentials, string From, string To);

/// <summary>
/// A real message, sent through the user's provider and read back where it arrives, by curl(1): TLS needs certificates and
/// their authorities, and the password stays in its file.
/// </summary>
public static class MailProbe
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(5);

    /// <summary>Sends, waits for the arrival, and says what the receiver made of it.</summary>
    /// <param name="host">Where curl runs.</param>
    /// <param name="settings">How.</param>
    /// <param name="patience">How long the arrival is waited for.</param>
    /// <param name="diagnose">Reads a message that arrived.</param>
    public static Report Run(Host host, ProbeSettings settings, TimeSpan patience, Func<MessageHeaders, Report> diagnose)
    {
        var id = string.Create(CultureInfo.InvariantCulture, $"lotse.{host.Now.UtcDateTime:yyyyMMddHHmmss}.{host.Uptime.Ticks:x}@{settings.From[(settings.From.LastIndexOf('@') + 1)..]}");
        var start = host.Uptime;
        var sent = Curl(host, settings, ["--mail-from", settings.From, "--mail-rcpt", settings.To, "--upload-file", "-", "--url", Url("smtp", settings.Smtp, 465)], Message(settings, id, host.Now), TimeSpan.FromSeconds(60));
        var took = new Reason(sent.Problem is null ? (Text)$"{Value.Host(settings.Smtp)} takes a message from {Value.Mailbox(settings.From)} to {Value.Mailbox(settings.To)}" : $"{Value.Host(settings.Smtp)} takes a message from {Value.Mailbox(settings.From)}", sent.Problem is null ? Verdict.Yes : Verdict.No, "RFC 6409", [.. sent.Problem is { } words ? new[] { new Seen(words, "curl") } : []]);
        if (sent.Problem is { } problem)
        {
            return new((Text)$"{Value.Host(settings.Smtp)} does not take the message: {problem}", [took], [], [new("whether mail that you send arrives", problem, "check the credentials file and the sender identity at your provider")]);
        }

        if (settings.Imap is null)
        {
            return new($"sent; when it arrives, save its source and ask: lotse mail why FILE (Message-Id {id})", [took], [], []);
        }

        for (var looks = 0; ; looks++)
        {
            var found = Curl(host, settings, ["--request", $"SEARCH HEADER Message-ID {id}", "--url", Url("imap", settings.Imap, 993) + "/INBOX"], [], TimeSpan.FromSeconds(30));
            if (found.Problem is { } refused)
            {
                return new((Text)$"sent, but {Value.Host(settings.Imap)} cannot be asked: {refused}", [took], [], [new("whether it arrived", refused, "save its source when it arrives, and ask: lotse mail why FILE")]);
            }

            if (Numbers(found.Output) is [.., var number])
            {
                var read = Curl(host, settings, ["--url", $"{Url("imap", settings.Imap, 993)}/INBOX;MAILINDEX={number}"], [], TimeSpan.FromSeconds(30));
                if (read.Problem is null && MessageHeaders.Read(read.Output) is { } message)
                {
                    var report = diagnose(message);
                    var seconds = (host.Uptime - start).TotalSeconds;
                    return report with { Verdict = $"arrived after {seconds:F0} s; {report.Verdict}", Reasons = [took, new($"it arrived at {Value.Host(settings.Imap)}", Verdict.Yes, "RFC 9051 section 6.4.4"), .. report.Reasons] };
                }
            }

            if (host.Uptime - start > patience)
            {
                return new($"sent, and not there after {patience.TotalSeconds:F0} s", [took, new($"it arrived at {Value.Host(settings.Imap)}", Verdict.Unknown, "RFC 9051 section 6.4.4")], [], [new("whether it arrived", $"it is not in INBOX after {patience.TotalSeconds:F0} s", "look into the folder for spam, and at bounces in the sender's mailbox: lotse mail why FILE")]);
            }

            host.Wait(Every);
        }
    }

    /// <summary>The numbers of an answer to SEARCH: <c>* SEARCH 4 9</c>.</summary>
    internal static int[] Numbers(byte[] output) => [.. ByteText.Decode(output).Split('\n').Where(l => l.StartsWith("* SEARCH", StringComparison.OrdinalIgnoreCase)).SelectMany(l => l[8..].Split([' ', '\r'], StringSplitOptions.RemoveEmptyEntries)).Select(w => int.TryParse(w, NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : 0).Where(n => n > 0)];

    private static byte[] Message(ProbeSettings settings, string id, DateTimeOffset now) => Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture,
        $"From: <{settings.From}>\r\nTo: <{settings.To}>\r\nSubject: lotse mail prove\r\nDate: {now:ddd, dd MMM yyyy HH:mm:ss} +0000\r\nMessage-ID: <{id}>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\nAuto-Submitted: auto-generated\r\n\r\nA test of the way that mail of this domain takes. It can be deleted.\r\n"));

    private static string Url(string protocol, string server, int secure)
    {
        var colon = server.LastIndexOf(':');
        var named = colon > 0 && ushort.TryParse(server.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out _);
        var (name, port) = named ? (server[..colon], server[(colon + 1)..]) : (server, secure.ToString(CultureInfo.InvariantCulture));
        return $"{protocol}{(port == secure.ToString(CultureInfo.InvariantCulture) ? "s" : "")}://{name}:{port}";
    }

    private static (byte[] Output, string? Problem) Curl(Host host, ProbeSettings settings, string[] what, byte[] input, TimeSpan time)
    {
        // Without TLS a password would travel in the clear: only this machine itself may do without.
        var url = what[^1];
        string[] secure = url.Contains("://127.0.0.1:", StringComparison.Ordinal) || url.Contains("://[::1]:", StringComparison.Ordinal) ? [] : ["--ssl-reqd"];
        var seconds = time.TotalSeconds.ToString("F0", CultureInfo.InvariantCulture);
        var ran = host.Run(["curl", "--silent", "--show-error", "--max-time", seconds, "--noproxy", "*", "--proto", "=smtp,smtps,imap,imaps", "--netrc-file", settings.Credentials, .. secure, .. what], time + TimeSpan.FromSeconds(5), input);
        return !ran.Ok ? ([], ran.Error!.Message) : ran.Value.ExitCode == 0 ? (ran.Value.Output, null) : ([], ByteText.Decode(ran.Value.Errors).Trim().Split('\n')[^1]);
    }
}
