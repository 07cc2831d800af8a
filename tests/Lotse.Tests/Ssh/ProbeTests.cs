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
