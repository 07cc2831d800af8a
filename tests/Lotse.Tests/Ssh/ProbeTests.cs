using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using CsCheck;
using Lotse.Ssh;
using Lotse.Ssh.Transport;
using Xunit;

namespace Lotse.Tests.Ssh;

/// <summary>The probe against servers that mean no good: it ends in time, and says what was wrong.</summary>
public class ProbeTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    public static TheoryData<string, string> Hostile() => new()
    {
        { "silence", "no " },
        { "hangs up", "closed" },
        { "endless line", "no end" },
        { "endless lines", "no ssh server" },
        { "web server", "no ssh server" },
        { "protocol 1", "protocol 1" },
        { "huge packet", "a packet of" },
        { "tiny packet", "a packet of" },
        { "noise", "" },
        { "endless ignore", "without end" },
        { "no common method", "no key exchange method in common" },
        { "endless list", "…" },
        { "slow drip", "no " },
        { "ignored before a strict exchange", "strict" },
        { "ignored within a strict exchange", "strict" },
        { "zero point", "no point of curve25519" },
        { "signature of nothing", "does not fit" },
    };

    [Theory]
    [MemberData(nameof(Hostile))]
    public void Ends_in_time_and_says_why(string what, string words)
    {
        var start = Stopwatch.GetTimestamp();
        var facts = Against(stream => Play(stream, what));
        Assert.NotNull(facts.Trouble);
        Assert.Contains(words, facts.Trouble, StringComparison.Ordinal);
        Assert.True(Stopwatch.GetElapsedTime(start) < Patience * 4, $"{Stopwatch.GetElapsedTime(start)}");
        Assert.NotEmpty(ProbeReport.Of(facts).Unknowns);
        Assert.DoesNotContain(facts.Cause, (string[])["hung-up", .. what is "hangs up" or "huge packet" ? [] : (string[])["closed-during-handshake"]]);
        Assert.InRange(facts.Trouble.Length, 1, 3000);
    }

    /// <summary>RFC 4252 section 7: a yes names the key that was asked about; one that names another is no answer.</summary>
    [Theory]
    [InlineData(true, true, null)]
    [InlineData(false, null, "not asked about")]
    public void A_yes_has_to_be_about_the_key(bool same, bool? accepted, string? words)
    {
        var key = PublicKey.Parse("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHVJ2J8vB0hVQ8w0cU5kq1b8yHAgfBdlU6bqvYqzT7dW")!;
        var other = key.Blob.ToArray();
        other[^1] ^= 1;
        var facts = Answered(key, [new SshWriter().Byte(6).String("ssh-userauth").ToArray(), new SshWriter().Byte(60).String("ssh-ed25519").String(same ? key.Blob : other).ToArray()]);
        Assert.Equal(accepted, facts.Keys[0].Accepted);
        Assert.True(words is null ? facts.Trouble is null : facts.Trouble!.Contains(words, StringComparison.Ordinal), facts.Trouble);
        Assert.Equal(1, facts.Queries);
    }

    [Theory]
    [InlineData(7)]
    [InlineData(53)]
    [InlineData(4)]
    public void A_flood_before_the_answer_ends(byte number)
    {
        var key = PublicKey.Parse("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHVJ2J8vB0hVQ8w0cU5kq1b8yHAgfBdlU6bqvYqzT7dW")!;
        var facts = Answered(key, [new SshWriter().Byte(6).String("ssh-userauth").ToArray(), .. Enumerable.Repeat(new SshWriter().Byte(number).UInt32(1).String("server-sig-algs").String("ssh-ed25519").ToArray(), 1000)]);
        Assert.Contains("without end", facts.Trouble, StringComparison.Ordinal);
        Assert.Null(facts.Keys[0].Accepted);
    }

    /// <summary>The questions of a connection whose keys are exchanged, to a server that says what it has to say whatever it hears.</summary>
    private static ProbeFacts Answered(PublicKey key, byte[][] messages)
    {
        var plain = PacketCipher.Of("", null, (_, _) => [], encrypt: true);
        var said = new Script([.. messages.SelectMany(m => plain.Pack(0, m))]);
        return ServerProbe.AskKeys(new ProbeFacts { Address = "box:22", User = "me", Banner = "SSH-2.0-x", Keys = [new("key.pub", key.Type, null, null, [])] }, new SshConnection(said, TimeSpan.FromSeconds(60)), [("key.pub", key)], 4);
    }

    private sealed class Script(byte[] said) : MemoryStream(said)
    {
        public override int ReadTimeout { get; set; }

        public override int WriteTimeout { get; set; }

        public override void Write(byte[] buffer, int offset, int count)
        {
        }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
        }
    }

    [Fact]
    public void Any_bytes_after_the_banner_are_survived() => Gen.Byte.Array[0, 300].Sample(
        bytes => Assert.NotNull(Against(stream => stream.Write([.. "SSH-2.0-x\r\n"u8, .. bytes])).Trouble), iter: 200, threads: 1);

    [Fact]
    public void A_port_where_nobody_listens_is_not_known()
    {
        var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        var port = ((IPEndPoint)free.LocalEndpoint).Port;
        free.Stop();
        var facts = ServerProbe.Ask("127.0.0.1", port, "alice", [], 4, Patience);
        Assert.Equal("connection refused", facts.Trouble);
        Assert.Equal(0, facts.Connections);
    }

    [Theory]
    [InlineData("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHVJ2J8vB0hVQ8w0cU5kq1b8yHAgfBdlU6bqvYqzT7dW me@laptop", "ssh-ed25519")]
    [InlineData("ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIHVJ2J8vB0hVQ8w0cU5kq1b8yHAgfBdlU6bqvYqzT7dW", null)]
    [InlineData("ssh-ed25519 %%%", null)]
    [InlineData("-----BEGIN OPENSSH PRIVATE KEY-----", null)]
    [InlineData("", null)]
    public void A_public_key_is_what_it_says_inside(string line, string? type) => Assert.Equal(type, PublicKey.Parse(line)?.Type);

    [Fact]
    public void Any_line_is_a_key_or_none() => Gen.String.Sample(line =>
    {
        _ = PublicKey.Parse(line);
        _ = AuthorizedKeys.Read(line).Count();
        _ = SshConfigFile.Parse(line.Split('\n')).Ignored("host").Count();
    });

    private static ProbeFacts Against(Action<NetworkStream> serve)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var served = Task.Run(() =>
        {
            using var client = listener.AcceptTcpClient();
            client.SendTimeout = client.ReceiveTimeout = 3000;
            try
            {
                serve(client.GetStream());
            }
            catch (IOException)
            {
                // The probe had enough.
            }
        }, TestContext.Current.CancellationToken);
        var facts = ServerProbe.Ask("127.0.0.1", ((IPEndPoint)listener.LocalEndpoint).Port, "alice", [], 4, Patience);
        served.Wait(TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken);
        return facts;
    }

    private static void Play(NetworkStream stream, string what)
    {
        void Say(string text) => stream.Write(Encoding.ASCII.GetBytes(text));
        void Drain() => _ = stream.Read(new byte[65536]);
        void Repeat(byte[] bytes, int times)
        {
            for (var i = 0; i < times; i++)
            {
                stream.Write(bytes);
            }

            // A connection closed over unread bytes is reset, and what was sent may be lost: the client has to hang up first.
            while (stream.Read(new byte[65536]) > 0)
            {
            }
        }

        byte[] Packet(byte[] payload)
        {
            var padding = 16 - ((payload.Length + 5) % 8);
            byte[] length = [0, 0, (byte)((payload.Length + 1 + padding) >> 8), (byte)(payload.Length + 1 + padding)];
            return [.. length, (byte)padding, .. payload, .. new byte[padding]];
        }

        byte[] Offer() => Packet(new SshWriter().Byte(20).Raw(new byte[16]).Names(["curve25519-sha256", "kex-strict-s-v00@openssh.com"]).Names(["ssh-ed25519"]).Names(["aes128-ctr"]).Names(["aes128-ctr"]).Names(["hmac-sha2-256"]).Names(["hmac-sha2-256"])
            .Names(["none"]).Names(["none"]).Names([]).Names([]).Byte(0).UInt32(0).ToArray());

        switch (what)
        {
            case "silence":
                Thread.Sleep(1500);
                break;
            case "endless line":
                Repeat(Encoding.ASCII.GetBytes(new string('x', 1000)), 2000);
                break;
            case "endless lines":
                Repeat("hello\r\n"u8.ToArray(), 100_000);
                break;
            case "web server":
                Say("HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n" + string.Concat(Enumerable.Repeat("<p>no</p>\r\n", 60)));
                Drain();
                break;
            case "protocol 1":
                Say("SSH-1.5-OpenSSH_2.9\r\n");
                Drain();
                break;
            case "huge packet":
                Say("SSH-2.0-x\r\n");
                stream.Write([0x7f, 0xff, 0xff, 0xff, 1, 2, 3, 4]);
                Drain();
                Drain();
                break;
            case "tiny packet":
                Say("SSH-2.0-x\r\n");
                stream.Write([0, 0, 0, 1, 0, 0, 0, 0]);
                Drain();
                Drain();
                break;
            case "noise":
                Say("SSH-2.0-x\r\n");
                stream.Write([0, 0, 0, 12, 4, 20, .. Enumerable.Repeat((byte)0xff, 10)]);
                Drain();
                Drain();
                break;
            case "endless ignore":
                Say("SSH-2.0-x\r\n");
                Repeat(Packet([2, 0, 0, 0, 0]), 100_000);
                break;
            case "endless list":
                Say("SSH-2.0-x\r\n");
                stream.Write(Packet(new SshWriter().Byte(20).Raw(new byte[16]).Names([new string('x', 30_000)]).Names([]).Names([]).Names([]).Names([]).Names([]).Names([]).Names([]).Names([]).Names([]).Byte(0).UInt32(0).ToArray()));
                Drain();
                Drain();
                break;
            case "slow drip":
                for (var i = 0; i < 30; i++)
                {
                    Say("x");
                    Thread.Sleep(100);
                }

                break;
            case "ignored before a strict exchange":
                Say("SSH-2.0-x\r\n");
                stream.Write([.. Packet([2, 0, 0, 0, 0]), .. Offer()]);
                Drain();
                Drain();
                break;
            case "ignored within a strict exchange":
                Say("SSH-2.0-x\r\n");
                stream.Write([.. Offer(), .. Packet([2, 0, 0, 0, 0])]);
                Drain();
                Drain();
                break;
            case "zero point" or "signature of nothing":
                Say("SSH-2.0-x\r\n");
                var hostKey = new SshWriter().String("ssh-ed25519").String(Enumerable.Repeat((byte)7, 32).ToArray()).ToArray();
                byte[] point = [(byte)(what == "zero point" ? 0 : 9), .. new byte[31]];
                stream.Write([.. Offer(), .. Packet(new SshWriter().Byte(31).String(hostKey).String(point).String(new SshWriter().String("ssh-ed25519").String(new byte[64]).ToArray()).ToArray())]);
                Drain();
                Drain();
                break;
            case "no common method":
                Say("SSH-2.0-x\r\n");
                var names = new SshWriter().Byte(20).Raw(new byte[16]);
                for (var i = 0; i < 10; i++)
                {
                    names.Names(["made-up"]);
                }

                stream.Write(Packet(names.Byte(0).UInt32(0).ToArray()));
                Drain();
                Drain();
                break;
        }
    }
}
