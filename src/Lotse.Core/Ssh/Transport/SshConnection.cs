using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using Org.BouncyCastle.Security;

namespace Lotse.Ssh.Transport;

/// <summary>
/// The client's side of an SSH transport, as far as asking needs it: identification, one key exchange, packets. Every
/// wait and every size has a bound: the other side may be anybody.
/// </summary>
internal sealed class SshConnection(Stream stream, TimeSpan patience)
{
    /// <summary>The most that a server may send in all.</summary>
    private const long MostBytes = 1 << 20;

    /// <summary>The most packets that are looked at.</summary>
    private const int MostPackets = 400;

    /// <summary>How this client calls itself; old servers look for a 2.0 and no more.</summary>
    private const string Identification = "SSH-2.0-lotse_0.1";

    private static readonly string[] Extensions = ["ext-info-c", "kex-strict-c-v00@openssh.com"];
    private readonly SecureRandom random = new(new SystemRandom());
    private readonly long start = Stopwatch.GetTimestamp();
    private PacketCipher incoming = PacketCipher.Of("", null, (_, _) => [], encrypt: false);
    private PacketCipher outgoing = PacketCipher.Of("", null, (_, _) => [], encrypt: true);
    private uint received, sent;
    private long bytes;
    private int packets;

    /// <summary>The server's identification line without its line end.</summary>
    public string Banner { get; private set; } = "";

    /// <summary>The lists of the server's KEXINIT.</summary>
    public string[][] Offer { get; private set; } = [];

    /// <summary>The server's host key.</summary>
    public byte[] HostKey { get; private set; } = [];

    /// <summary>The algorithms agreed on: key exchange, host key, cipher, MAC.</summary>
    public string[] Agreed { get; private set; } = [];

    /// <summary>Reads the identification: up to 50 lines may come before it (RFC 4253 section 4.2).</summary>
    public void Identify()
    {
        stream.Write(Encoding.ASCII.GetBytes(Identification + "\r\n"));
        for (var lines = 0; lines < 50; lines++)
        {
            var line = Line();
            if (line.StartsWith("SSH-", StringComparison.Ordinal))
            {
                Banner = line;
                if (!line.StartsWith("SSH-2.0-", StringComparison.Ordinal) && !line.StartsWith("SSH-1.99-", StringComparison.Ordinal))
                {
                    throw new SshProtocolException($"the server speaks only protocol 1: {ByteText.Escape(line)}", "protocol-1-server");
                }

                return;
            }

            Banner = lines == 0 ? line : Banner;
        }

        throw new SshProtocolException($"what answers is no ssh server; it says: {ByteText.Escape(Banner)}", "not-ssh-server");
    }

    /// <summary>Exchanges KEXINIT and keys; the host key's signature is checked.</summary>
    public void ExchangeKeys()
    {
        var ours = new SshWriter().Byte(20).Raw(Cookie()).Names(KeyExchange.Names.Concat(Extensions)).Names(HostKeySignature.Names)
            .Names(PacketCipher.Names).Names(PacketCipher.Names).Names(PacketCipher.MacNames).Names(PacketCipher.MacNames).Names(["none"]).Names(["none"]).Names([]).Names([]).Byte(0).UInt32(0).ToArray();
        Send(ours);
        var theirs = Expect(20);
        var reader = new SshReader(theirs);
        reader.Take(17);
        var lists = new string[10][];
        for (var i = 0; i < lists.Length; i++)
        {
            lists[i] = reader.Names();
        }

        Offer = lists;
        var guessed = reader.Byte() != 0;
        string Choose(string what, string[] names, string[] offered) => AlgorithmList.Agree(names, offered) ?? throw new SshProtocolException($"no {what} in common with lotse; the server offers {ByteText.Escape(string.Join(',', offered))}", SshProtocolException.BeyondLotse);
        string kex = Choose("key exchange method", KeyExchange.Names, lists[0]), hostKey = Choose("host key type", HostKeySignature.Names, lists[1]), cipher = Choose("cipher", PacketCipher.Names, lists[2]);
        _ = Choose("cipher", PacketCipher.Names, lists[3]);
        string? Mac(string name, string[] offered) => name.EndsWith("-ctr", StringComparison.Ordinal) ? Choose("MAC", PacketCipher.MacNames, offered) : null;
        string? mac = Mac(cipher, lists[4]), macIn = Mac(AlgorithmList.Agree(PacketCipher.Names, lists[3])!, lists[5]);
        Agreed = [kex, hostKey, cipher, mac ?? "implicit"];
        if (guessed && (lists[0].FirstOrDefault() != kex || lists[1].FirstOrDefault() != hostKey))
        {
            Next();
        }

        var exchange = KeyExchange.Begin(kex, random);
        Send(exchange.IsInteger ? new SshWriter().Byte(30).Mpint(exchange.Public).ToArray() : new SshWriter().Byte(30).String(exchange.Public).ToArray());
        var reply = new SshReader(Expect(31));
        reader = reply;
        reader.Byte();
        HostKey = reader.String().ToArray();
        var value = reader.String().ToArray();
        var signature = reader.String().ToArray();
        var secret = exchange.AgreeOn(value);
        var before = new SshWriter().String(Identification).String(ByteText.Encode(Banner)).String(ours).String(theirs).String(HostKey);
        before = exchange.IsInteger ? before.Mpint(exchange.Public).Mpint(value) : before.String(exchange.Public).String(value);
        var hash = KeyExchange.Hash(exchange.Digest, before.ToArray(), secret);
        if (!HostKeySignature.Verify(hostKey, HostKey, signature, hash))
        {
            throw new SshProtocolException("the server's signature does not fit its host key");
        }

        byte[] Derive(int letter, int length)
        {
            var key = KeyExchange.Hash(exchange.Digest, secret, hash, [(byte)letter], hash);
            while (key.Length < length)
            {
                key = [.. key, .. KeyExchange.Hash(exchange.Digest, secret, hash, key)];
            }

            return key[..length];
        }

        var strict = lists[0].Contains("kex-strict-s-v00@openssh.com");
        Send([21]);
        (outgoing, sent) = (PacketCipher.Of(cipher, mac, (what, length) => Derive('A' + (what * 2), length), encrypt: true), strict ? 0 : sent);
        Expect(21);
        (incoming, received) = (PacketCipher.Of(AlgorithmList.Agree(PacketCipher.Names, lists[3])!, macIn, (what, length) => Derive('B' + (what * 2), length), encrypt: false), strict ? 0 : received);
    }

    /// <summary>
    /// The random bytes of a KEXINIT. Never GenerateSeed, which passes by the generator it was given and asks the
    /// platform's: that loads OpenSSL into a static binary and breaks its memory.
    /// </summary>
    private byte[] Cookie()
    {
        var cookie = new byte[16];
        random.NextBytes(cookie);
        return cookie;
    }

    /// <summary>Sends a message.</summary>
    public void Send(byte[] payload)
    {
        Remaining();
        stream.Write(outgoing.Pack(sent++, payload));
    }

    /// <summary>The next message but for DISCONNECT, IGNORE, DEBUG and UNIMPLEMENTED (RFC 4253 section 11).</summary>
    public byte[] Next()
    {
        while (true)
        {
            var message = Packet();
            switch (message[0])
            {
                case 1:
                    var reader = new SshReader(message);
                    reader.Byte();
                    var reason = reader.UInt32();
                    throw new SshProtocolException($"the server hung up ({reason}): {ByteText.Escape(ByteText.Decode(reader.String()))}");
                case 2 or 3 or 4:
                    continue;
                default:
                    return message;
            }
        }
    }

    private byte[] Expect(byte number)
    {
        var message = Next();
        return message[0] == number ? message : throw new SshProtocolException($"message {message[0]} came where {number} was expected");
    }

    private byte[] Packet()
    {
        if (++packets > MostPackets)
        {
            throw new SshProtocolException($"the server sends without end: more than {MostPackets} packets");
        }

        var head = Read(incoming.HeadSize);
        var length = incoming.Length(received, head);
        if (length is < 2 or > PacketCipher.LongestPacket || 4 + length < head.Length)
        {
            throw new SshProtocolException($"a packet of {length} bytes");
        }

        byte[] packet = [.. head, .. Read(4 + length + incoming.TagSize - head.Length)];
        if (!incoming.Open(received++, packet))
        {
            throw new SshProtocolException("a packet is not what was sent: its check value is wrong");
        }

        var padding = packet[4];
        return padding + 2 <= length ? packet[5..(4 + length - padding)] : throw new SshProtocolException("a packet is nothing but padding");
    }

    private byte[] Read(int count)
    {
        bytes += count;
        if (bytes > MostBytes)
        {
            throw new SshProtocolException($"the server sends without end: more than {MostBytes} bytes");
        }

        var all = new byte[count];
        for (var at = 0; at < count;)
        {
            stream.ReadTimeout = Remaining();
            var got = Got(all.AsSpan(at));
            at += got;
        }

        return all;
    }

    private int Got(Span<byte> into)
    {
        try
        {
            var got = stream.Read(into);
            return got > 0 ? got : throw new SshProtocolException("the server closed the connection");
        }
        catch (IOException e) when (e.InnerException is SocketException { SocketErrorCode: SocketError.TimedOut or SocketError.WouldBlock })
        {
            throw new SshProtocolException($"no answer within {patience.TotalSeconds:0} seconds", Banner.Length == 0 ? "banner-timeout" : "mtu-blackhole");
        }
        catch (IOException e)
        {
            throw new SshProtocolException($"the connection broke: {(e.InnerException as SocketException)?.SocketErrorCode.ToString() ?? "input error"}");
        }
    }

    private string Line()
    {
        var line = new List<byte>(64);
        while (line.Count < 1024)
        {
            var one = Read(1)[0];
            if (one == '\n')
            {
                return ByteText.Decode(line is [.., (byte)'\r'] ? [.. line[..^1]] : [.. line]);
            }

            line.Add(one);
        }

        throw new SshProtocolException("what answers is no ssh server: its first line has no end", "not-ssh-server");
    }

    /// <summary>Milliseconds that are left for all.</summary>
    private int Remaining()
    {
        var left = patience - Stopwatch.GetElapsedTime(start);
        return left > TimeSpan.Zero ? (int)Math.Ceiling(left.TotalMilliseconds) : throw new SshProtocolException($"no end within {patience.TotalSeconds:0} seconds");
    }
}
