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

    /// <summary>The most characters of a server's lists in a message.</summary>
    private const int MostShown = 2000;

    /// <summary>IPPROTO_TCP and TCP_QUICKACK (tcp(7)).</summary>
    private const int Tcp = 6, QuickAck = 12;

    private static readonly string[] Extensions = ["ext-info-c", "kex-strict-c-v00@openssh.com"];
    private readonly SecureRandom random = new(new SystemRandom());
    private readonly long start = Stopwatch.GetTimestamp();
    private PacketCipher incoming = PacketCipher.Of("", null, (_, _) => [], encrypt: false);
    private PacketCipher outgoing = PacketCipher.Of("", null, (_, _) => [], encrypt: true);
    private readonly List<byte> unsent = [];
    private readonly byte[] buffer = new byte[16 << 10];
    private byte[] ours = [];
    private KeyExchange? likeliest;
    private uint received, sent;
    private long bytes;
    private int packets, taken, filled;

    /// <summary>The server's identification line without its line end.</summary>
    public string Banner { get; private set; } = "";

    /// <summary>The lists of the server's KEXINIT.</summary>
    public string[][] Offer { get; private set; } = [];

    /// <summary>The server's host key.</summary>
    public byte[] HostKey { get; private set; } = [];

    /// <summary>The algorithms agreed on: key exchange, host key, cipher, MAC.</summary>
    public string[] Agreed { get; private set; } = [];

    /// <summary>
    /// Sends the identification and the KEXINIT, which need not wait for the other side's (RFC 4253 sections 4.2 and 7.1), and
    /// reads the server's identification: up to 50 lines may come before it.
    /// </summary>
    public void Identify()
    {
        ours = new SshWriter().Byte(20).Raw(Cookie()).Names(KeyExchange.Names.Concat(Extensions)).Names(HostKeySignature.Names)
            .Names(PacketCipher.Names).Names(PacketCipher.Names).Names(PacketCipher.MacNames).Names(PacketCipher.MacNames).Names(["none"]).Names(["none"]).Names([]).Names([]).Byte(0).UInt32(0).ToArray();
        unsent.AddRange(Encoding.ASCII.GetBytes(Identification + "\r\n"));
        Send(ours);
        Flush();

        // While the server starts a process for this connection, the key that nearly every server chooses is made.
        likeliest = KeyExchange.Begin(KeyExchange.Names[0], random);
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

    /// <summary>Exchanges keys; the host key's signature is checked.</summary>
    /// <param name="first">The message that goes out in the new keys at once; empty: none.</param>
    public void ExchangeKeys(byte[] first)
    {
        var theirs = Expect(20, strict: false);
        var reader = new SshReader(theirs);
        reader.Take(17);
        var lists = new string[10][];
        for (var i = 0; i < lists.Length; i++)
        {
            lists[i] = reader.Names();
        }

        Offer = lists;
        var guessed = reader.Byte() != 0;

        // What comes between the packets of a key exchange would shift their numbers, and hide as many from its end on
        // (CVE-2023-48795; PROTOCOL section 1.10 of OpenSSH).
        var strict = lists[0].Contains("kex-strict-s-v00@openssh.com");
        if (strict && received != 1)
        {
            throw new SshProtocolException("packets came before the server's list of algorithms, which strict key exchange forbids");
        }

        string Choose(string what, string[] names, string[] offered) => AlgorithmList.Agree(names, offered) ?? throw new SshProtocolException($"no {what} in common with lotse; the server offers {Shown(string.Join(',', offered))}", SshProtocolException.BeyondLotse);
        string kex = Choose("key exchange method", KeyExchange.Names, lists[0]), hostKey = Choose("host key type", HostKeySignature.Names, lists[1]), cipher = Choose("cipher", PacketCipher.Names, lists[2]);
        _ = Choose("cipher", PacketCipher.Names, lists[3]);
        string? Mac(string name, string[] offered) => name.EndsWith("-ctr", StringComparison.Ordinal) ? Choose("MAC", PacketCipher.MacNames, offered) : null;
        string? mac = Mac(cipher, lists[4]), macIn = Mac(AlgorithmList.Agree(PacketCipher.Names, lists[3])!, lists[5]);
        Agreed = [kex, hostKey, cipher, mac ?? "implicit"];
        if (guessed && (lists[0].FirstOrDefault() != kex || lists[1].FirstOrDefault() != hostKey))
        {
            Next(strict);
        }

        var exchange = kex == KeyExchange.Names[0] && likeliest is not null ? likeliest : KeyExchange.Begin(kex, random);
        Send(exchange.IsInteger ? new SshWriter().Byte(30).Mpint(exchange.Public).ToArray() : new SshWriter().Byte(30).String(exchange.Public).ToArray());
        var reply = new SshReader(Expect(31, strict));
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

        Send([21]);
        (outgoing, sent) = (PacketCipher.Of(cipher, mac, (what, length) => Derive('A' + (what * 2), length), encrypt: true), strict ? 0 : sent);
        if (first.Length > 0)
        {
            Send(first);
        }

        Expect(21, strict);
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

    /// <summary>Sends a message; it goes out, with those sent before it, when an answer is waited for.</summary>
    public void Send(byte[] payload) => unsent.AddRange(outgoing.Pack(sent++, payload));

    private void Flush()
    {
        if (unsent.Count > 0)
        {
            stream.WriteTimeout = Remaining();
            try
            {
                stream.Write(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(unsent));
            }
            catch (IOException e)
            {
                throw new SshProtocolException($"the connection broke: {(e.InnerException as SocketException)?.SocketErrorCode.ToString() ?? "output error"}", SshProtocolException.HungUp);
            }

            unsent.Clear();
        }
    }

    /// <summary>The next message but for DISCONNECT, IGNORE, DEBUG and UNIMPLEMENTED (RFC 4253 section 11).</summary>
    /// <param name="strict">Whether none of those may come now.</param>
    public byte[] Next(bool strict = false)
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
                    throw new SshProtocolException($"the server hung up ({reason}): {Shown(ByteText.Decode(reader.String()))}", SshProtocolException.HungUp);
                case 2 or 3 or 4 when strict:
                    throw new SshProtocolException($"message {message[0]} came within the key exchange, which strict key exchange forbids");
                case 2 or 3 or 4:
                    continue;
                default:
                    return message;
            }
        }
    }

    private byte[] Expect(byte number, bool strict)
    {
        var message = Next(strict);
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
            if (taken == filled)
            {
                Fill();
            }

            var some = Math.Min(count - at, filled - taken);
            buffer.AsSpan(taken, some).CopyTo(all.AsSpan(at));
            (at, taken) = (at + some, taken + some);
        }

        return all;
    }

    /// <summary>Waits for more, once all that is to be said has been said.</summary>
    private void Fill()
    {
        Flush();
        stream.ReadTimeout = Remaining();

        // A server sends its second answer when the first is acknowledged (RFC 896), which the kernel puts off for 40 ms; this holds until the next packet only.
        (stream as NetworkStream)?.Socket.SetRawSocketOption(Tcp, QuickAck, [1, 0, 0, 0]);
        try
        {
            (taken, filled) = (0, stream.Read(buffer));
        }
        catch (IOException e) when (e.InnerException is SocketException { SocketErrorCode: SocketError.TimedOut or SocketError.WouldBlock })
        {
            throw new SshProtocolException($"no answer within {patience.TotalSeconds:0} seconds", Banner.Length == 0 ? "banner-timeout" : "mtu-blackhole");
        }
        catch (IOException e)
        {
            throw new SshProtocolException($"the connection broke: {(e.InnerException as SocketException)?.SocketErrorCode.ToString() ?? "input error"}", SshProtocolException.HungUp);
        }

        if (filled == 0)
        {
            throw new SshProtocolException("the server closed the connection", SshProtocolException.HungUp);
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

    private static string Shown(string text) => ByteText.Escape(text.Length > MostShown ? text[..MostShown] + "…" : text);

    /// <summary>Milliseconds that are left for all.</summary>
    private int Remaining()
    {
        var left = patience - Stopwatch.GetElapsedTime(start);
        return left > TimeSpan.Zero ? (int)Math.Ceiling(left.TotalMilliseconds) : throw new SshProtocolException($"no end within {patience.TotalSeconds:0} seconds");
    }
}
