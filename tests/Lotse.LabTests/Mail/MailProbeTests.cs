using System.Net;
using System.Net.Sockets;
using System.Text;
using Xunit;

namespace Lotse.LabTests.Mail;

/// <summary>A real message through curl(1): a server on loopback takes it and shows it in a mailbox, as receivers do.</summary>
public sealed class MailProbeTests : IDisposable
{
    private const string Zone = """
        $ORIGIN x.example.
        $TTL 300
        @ SOA ns1 hostmaster 1 3600 600 604800 300
        @ MX 10 mx1.forwardemail.net.
        @ MX 10 mx2.forwardemail.net.
        @ TXT "v=spf1 include:posteo.de ~all"
        @ TXT "forward-email=me@posteo.de"
        @ CAA 0 issue "ca.example"
        _dmarc TXT "v=DMARC1; p=none; rua=mailto:me@x.example"
        $ORIGIN forwardemail.net.
        @ SOA ns1 hostmaster 1 3600 600 604800 300
        mx1 A 192.0.2.121
        mx2 A 192.0.2.122
        $ORIGIN posteo.de.
        @ SOA ns1 hostmaster 1 3600 600 604800 300
        @ MX 10 mx01
        mx01 A 185.67.36.61
        @ TXT "v=spf1 ip4:185.67.36.0/23 ip6:2a05:bc0:1000::/48 -all"
        $ORIGIN example.
        @ SOA ns1 hostmaster 1 3600 600 604800 300
        $ORIGIN de.
        @ SOA ns1 hostmaster 1 3600 600 604800 300
        $ORIGIN net.
        @ SOA ns1 hostmaster 1 3600 600 604800 300
        """;

    private readonly string folder = Directory.CreateTempSubdirectory("lotse-probe-").FullName;
    private readonly List<TcpListener> listeners = [];
    private string? delivered;

    public void Dispose()
    {
        listeners.ForEach(l => l.Stop());
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void A_message_is_sent_found_and_read()
    {
        var (smtp, imap) = (Serve("220 here\r\n", Smtp), Serve("* OK here\r\n", Imap));
        var ran = Prove($"127.0.0.1:{smtp}", "--imap", $"127.0.0.1:{imap}", "--patience", "20");
        Assert.Contains("a real message: arrived after", ran.Text, StringComparison.Ordinal);
        Assert.Contains("SPF today: pass for x.example from 185.67.36.65", ran.Text, StringComparison.Ordinal);
        Assert.Contains("mx.x.example has checked it: spf=pass", ran.Text, StringComparison.Ordinal);
        Assert.StartsWith("Return-Path: <me@x.example>", delivered, StringComparison.Ordinal);
        Assert.True(ran.ExitCode == 0, ran.Text);
        Assert.DoesNotContain("geheim", ran.Text + ran.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void A_refusal_is_said_in_the_words_of_the_server()
    {
        var smtp = Serve("220 here\r\n", (line, _) => line.StartsWith("MAIL", StringComparison.OrdinalIgnoreCase) ? "553 5.7.1 sender address is not yours\r\n" : Smtp(line, null));
        var ran = Prove($"127.0.0.1:{smtp}");
        Assert.Contains("does not take the message", ran.Text, StringComparison.Ordinal);
        Assert.Contains("553", ran.Text, StringComparison.Ordinal);
        Assert.Equal(3, ran.ExitCode);
    }

    [Fact]
    public void A_password_that_others_can_read_is_not_used()
    {
        var smtp = Serve("220 here\r\n", Smtp);
        File.WriteAllText(Path.Combine(folder, "netrc"), "");
        File.SetUnixFileMode(Path.Combine(folder, "netrc"), UnixFileMode.UserRead | UnixFileMode.GroupRead);
        var ran = Lab.RunLotse("mail", "prove", "x.example", "--zone", Written(), "--smtp", $"127.0.0.1:{smtp}", "--credentials", Path.Combine(folder, "netrc"), "--from", "me@x.example");
        Assert.Equal(3, ran.ExitCode);
        Assert.Contains("can be read by others", ran.ErrorText, StringComparison.Ordinal);
        Assert.Null(delivered);
    }

    private Lab.Ran Prove(string smtp, params string[] more)
    {
        Lab.NeedsRoot();
        Lab.Needs("curl");
        var netrc = Path.Combine(folder, "netrc");
        File.WriteAllText(netrc, "machine 127.0.0.1 login me@x.example password geheim\n");
        File.SetUnixFileMode(netrc, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return Lab.RunLotse(["mail", "prove", "x.example", "--zone", Written(), "--smtp", smtp, "--credentials", netrc, "--from", "me@x.example", .. more]);
    }

    private string Written()
    {
        File.WriteAllText(Path.Combine(folder, "zone"), Zone);
        return Path.Combine(folder, "zone");
    }

    /// <summary>What a submission server says; a message that it takes arrives as a receiver would have written it.</summary>
    private string Smtp(string line, string? data)
    {
        if (data is not null)
        {
            delivered = "Return-Path: <me@x.example>\r\nReceived: from mout01.posteo.de (mout01.posteo.de [185.67.36.65])\r\n\tby mx.x.example with ESMTPS id 1; Mon, 01 Jun 2026 08:00:00 +0000\r\nAuthentication-Results: mx.x.example; spf=pass smtp.mailfrom=x.example\r\n" + data;
            return "250 2.0.0 taken\r\n";
        }

        return line.Split(' ')[0].ToUpperInvariant() switch
        {
            "EHLO" => "250-here\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME\r\n",
            "AUTH" => line.Contains(Convert.ToBase64String("\0me@x.example\0geheim"u8), StringComparison.Ordinal) ? "235 2.7.0 welcome\r\n" : line.EndsWith("PLAIN", StringComparison.OrdinalIgnoreCase) ? "334 \r\n" : "535 5.7.8 no\r\n",
            "DATA" => "354 go on\r\n",
            "QUIT" => "221 bye\r\n",
            "MAIL" or "RCPT" or "RSET" => "250 2.1.0 fine\r\n",
            _ => line == Convert.ToBase64String("\0me@x.example\0geheim"u8) ? "235 2.7.0 welcome\r\n" : "500 5.5.1 what\r\n",
        };
    }

    private string Imap(string line, string? data)
    {
        var words = line.Split(' ');
        var (tag, verb) = (words[0], words.Length > 1 ? words[1].ToUpperInvariant() : "");
        var message = Encoding.UTF8.GetBytes(delivered ?? "");
        return verb switch
        {
            "CAPABILITY" => $"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n{tag} OK\r\n",
            "SELECT" => $"* 1 EXISTS\r\n* OK [UIDVALIDITY 1] here\r\n{tag} OK [READ-WRITE] done\r\n",
            "SEARCH" => $"* SEARCH{(delivered?.Contains(words[^1], StringComparison.Ordinal) == true ? " 1" : "")}\r\n{tag} OK\r\n",
            "FETCH" => $"* 1 FETCH (BODY[] {{{message.Length}}}\r\n{delivered})\r\n{tag} OK\r\n",
            "LOGOUT" => $"* BYE\r\n{tag} OK\r\n",
            "AUTHENTICATE" when words.Length == 3 => "+ \r\n",
            _ => verb is "LOGIN" or "AUTHENTICATE" ? $"{tag} OK\r\n" : words.Length == 1 ? $"{Waiting} OK\r\n" : $"{tag} BAD\r\n",
        };
    }

    /// <summary>The tag of the command that waits for a line without one.</summary>
    private string Waiting { get; set; } = "A002";

    private int Serve(string greeting, Func<string, string?, string> answer)
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        listeners.Add(listener);
        _ = Task.Run(async () =>
        {
            while (true)
            {
                try
                {
                    using var client = await listener.AcceptTcpClientAsync();
                    using var stream = client.GetStream();
                    using var reader = new StreamReader(stream, Encoding.Latin1);
                    await stream.WriteAsync(Encoding.UTF8.GetBytes(greeting));
                    StringBuilder? data = null;
                    while (await reader.ReadLineAsync() is { } line)
                    {
                        if (data is not null)
                        {
                            if (line != ".")
                            {
                                data.Append(line).Append("\r\n");
                                continue;
                            }

                            await stream.WriteAsync(Encoding.UTF8.GetBytes(answer("", data.ToString())));
                            data = null;
                            continue;
                        }

                        if (line.Contains(" AUTHENTICATE ", StringComparison.OrdinalIgnoreCase))
                        {
                            Waiting = line.Split(' ')[0];
                        }

                        var reply = answer(line, null);
                        data = reply.StartsWith("354", StringComparison.Ordinal) ? new() : null;
                        await stream.WriteAsync(Encoding.UTF8.GetBytes(reply));
                    }
                }
                catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
                {
                    if (e is ObjectDisposedException)
                    {
                        return;
                    }
                }
            }
        });
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
