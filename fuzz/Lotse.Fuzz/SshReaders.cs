using System.Text;
using Lotse.Ssh;
using Lotse.Ssh.Logs;
using Lotse.Ssh.Transport;

namespace Lotse.Fuzz;

/// <summary>The readers of the area of ssh: logs, packets of a server, files of keys and configuration.</summary>
internal static class SshReaders
{
    private const string PublicKeyLine = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHVJ2J8vB0hVQ8w0cU5kq1b8yHAgfBdlU6bqvYqzT7dW me@laptop";

    private static readonly PublicKey Key = PublicKey.Parse(PublicKeyLine)!;

    /// <summary>A log as the client's and as the server's.</summary>
    public static string Log(byte[] bytes)
    {
        var text = ByteText.Decode(bytes);
        var log = ClientLog.Read(text);
        var report = LogReport.Of(log, "log", text, "server");
        var alone = LogDiagnosis.Of(log);
        return $"{report.Findings.Length} {string.Join(',', report.Findings.Select(f => f.Id))} {alone.Cause} {alone.Certainty} {alone.Others.Length} {log.Stage} {log.Keys.Length} {ServerLog.Read(text, log)?.Cause}";
    }

    /// <summary>What a server sends: up to the host key's signature, and, as if that had been right, the answers to questions about keys.</summary>
    public static string Packets(byte[] bytes)
    {
        var connection = new SshConnection(new Script(bytes), TimeSpan.FromSeconds(60));
        string transport;
        try
        {
            connection.Identify();
            connection.ExchangeKeys([]);
            transport = "agreed";
        }
        catch (SshProtocolException e)
        {
            transport = Kind(e);
        }

        var facts = ServerProbe.AskKeys(new ProbeFacts { Address = "box:22", User = "me", Banner = connection.Banner, Keys = [new("key.pub", Key.Type, null, null, [])] }, new SshConnection(new Script(bytes), TimeSpan.FromSeconds(60)), [("key.pub", Key)], 4);
        var report = ProbeReport.Of(facts);
        return $"{transport} {connection.Offer.Length} {facts.Queries} {facts.Keys[0].Accepted} {facts.ServerSigAlgs?.Length} {facts.Methods?.Length} {(facts.Trouble is null ? "" : Kind(new(facts.Trouble)))} {report.Unknowns.Length}";
    }

    /// <summary>An encrypted packet: the first byte chooses the cipher.</summary>
    public static string Cipher(byte[] bytes)
    {
        if (bytes.Length < 2)
        {
            return "nothing";
        }

        var name = PacketCipher.Names[bytes[0] % PacketCipher.Names.Length];
        var mac = name.EndsWith("-ctr", StringComparison.Ordinal) ? PacketCipher.MacNames[bytes[1] % PacketCipher.MacNames.Length] : null;
        var cipher = PacketCipher.Of(name, mac, Derive, encrypt: false);
        var rest = bytes.AsSpan(2);
        if (rest.Length < cipher.HeadSize)
        {
            return "short";
        }

        byte[] head = [.. rest[..cipher.HeadSize]];
        var length = cipher.Length(0, head);
        if (length is < 2 or > PacketCipher.LongestPacket || 4 + length < head.Length || rest.Length < 4 + length + cipher.TagSize)
        {
            return $"{name} length {length < 0} {length > PacketCipher.LongestPacket}";
        }

        byte[] packet = [.. head, .. rest[head.Length..(4 + length + cipher.TagSize)]];
        return $"{name} {mac} {cipher.Open(0, packet)}";
    }

    /// <summary>ssh_config, known_hosts, authorized_keys, public keys.</summary>
    public static string Files(byte[] bytes)
    {
        var text = ByteText.Decode(bytes);
        var config = SshConfigFile.Parse(text.Split('\n'));
        var known = KnownHost.Read(text).Take(100).ToArray();
        var keys = AuthorizedKeys.Read(text).ToArray();
        return $"{config.Lines.Length / 4} {config.Ignored("box.example").Take(3).Count()} {known.Length} {known.Count(k => k.IsFor("box.example"))} {keys.Length / 4} {keys.Count(k => k.Key is not null)} {keys.Sum(k => k.Options.Length)} {PublicKey.Parse(text.Split('\n')[0])?.Type}";
    }

    /// <summary>A server's identification and KEXINIT, and, without those, its answers.</summary>
    public static IEnumerable<byte[]> Conversations()
    {
        var plain = PacketCipher.Of("", null, (_, _) => [], encrypt: true);
        uint number = 0;
        byte[] Packet(SshWriter payload) => plain.Pack(number++, payload.ToArray());
        var banner = Encoding.ASCII.GetBytes("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10\r\n");
        SshWriter Offer(params string[] kex) => new SshWriter().Byte(20).Raw(new byte[16]).Names(kex).Names(["ssh-ed25519", "rsa-sha2-512"]).Names(PacketCipher.Names).Names(PacketCipher.Names).Names(PacketCipher.MacNames).Names(PacketCipher.MacNames).Names(["none"]).Names(["none"]).Names([]).Names([]).Byte(0).UInt32(0);
        var signature = new SshWriter().String("ssh-ed25519").String(new byte[64]).ToArray();
        foreach (var kex in KeyExchange.Names)
        {
            // Values of the length of a key of curve25519, and points of the other curves that are none: an unknown form, not on the curve.
            byte[][] values = kex.StartsWith("diffie-", StringComparison.Ordinal) ? [new byte[32]] : [new byte[32], [97, 1], [4, .. new byte[64]], [4, .. new byte[96]], [4, .. new byte[132]], [2, .. new byte[32]], new byte[1120]];
            foreach (var value in values)
            {
                number = 0;
                yield return [.. banner, .. Packet(Offer(kex, "ext-info-s", "kex-strict-s-v00@openssh.com")), .. Packet(new SshWriter().Byte(31).String(Key.Blob).String(value).String(signature))];
            }
        }

        var extensions = new SshWriter().Byte(7).UInt32(1).String("server-sig-algs").String("ssh-ed25519,rsa-sha2-512,rsa-sha2-256");
        var refused = new SshWriter().Byte(51).Names(["publickey", "password"]).Byte(0);
        yield return [.. Packet(extensions), .. Packet(new SshWriter().Byte(6).String("ssh-userauth")), .. Packet(refused), .. Packet(new SshWriter().Byte(60).String(Key.Type).String(Key.Blob))];
        yield return [.. Packet(new SshWriter().Byte(6).String("ssh-userauth")), .. Packet(new SshWriter().Byte(53).String("hello\n").String("")), .. Packet(refused), .. Packet(extensions), .. Packet(refused)];
        yield return [.. Packet(new SshWriter().Byte(1).UInt32(2).String("Too many authentication failures").String(""))];
    }

    /// <summary>A right packet for every cipher and MAC.</summary>
    public static IEnumerable<byte[]> Ciphertexts()
    {
        for (var cipher = 0; cipher < PacketCipher.Names.Length; cipher++)
        {
            for (var mac = 0; mac < PacketCipher.MacNames.Length; mac++)
            {
                var name = PacketCipher.Names[cipher];
                yield return [(byte)cipher, (byte)mac, .. PacketCipher.Of(name, name.EndsWith("-ctr", StringComparison.Ordinal) ? PacketCipher.MacNames[mac] : null, Derive, encrypt: true).Pack(0, [6, 0, 0, 0, 1, 65])];
            }
        }
    }

    /// <summary>A file of each form.</summary>
    public static IEnumerable<byte[]> KeyFiles() => new[]
    {
        PublicKeyLine + "\n",
        $"# mine\nfrom=\"192.0.2.0/24\",command=\"echo \\\"hi\\\"\" {PublicKeyLine}\nrestrict,pty {PublicKeyLine}\nssh-rsa broken\n",
        $"box.example,192.0.2.7 {PublicKeyLine}\n@revoked * {PublicKeyLine}\n|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= {PublicKeyLine}\n[box]:2222 {PublicKeyLine}\n",
        "Include ~/.ssh/conf.d/*\r\nHost *\r\n  User \"bob\"\r\nHost box.example !box\n\tUser=alice\n  IdentityFile ~/.ssh/id\nMatch host box exec \"true\"\n  Port 22",
    }.Select(Encoding.UTF8.GetBytes);

    private static byte[] Derive(int what, int length) => [.. Enumerable.Range(0, length).Select(i => (byte)(i + what))];

    private static string Kind(SshProtocolException e) => new([.. e.Message.Where(char.IsLetter).Take(24)]);

    /// <summary>A server that says what it has to say, whatever it hears.</summary>
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
}
