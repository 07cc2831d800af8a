using System.Buffers.Binary;
using Org.BouncyCastle.Crypto;
using Org.BouncyCastle.Crypto.Digests;
using Org.BouncyCastle.Crypto.Engines;
using Org.BouncyCastle.Crypto.Macs;
using Org.BouncyCastle.Crypto.Modes;
using Org.BouncyCastle.Crypto.Parameters;

namespace Lotse.Ssh.Transport;

/// <summary>
/// One direction of an encrypted connection: aes-ctr with an HMAC (RFC 4344, RFC 6668, encrypt-then-MAC of OpenSSH's PROTOCOL),
/// aes-gcm (RFC 5647), chacha20-poly1305 (PROTOCOL.chacha20poly1305), and none before the first key exchange.
/// </summary>
internal abstract class PacketCipher
{
    /// <summary>Every cipher that is spoken.</summary>
    public static readonly string[] Names = ["aes128-ctr", "aes256-ctr", "aes192-ctr", "aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"];

    /// <summary>Every MAC that is spoken.</summary>
    public static readonly string[] MacNames = ["hmac-sha2-256", "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512", "hmac-sha2-512-etm@openssh.com", "hmac-sha1", "hmac-sha1-etm@openssh.com"];

    /// <summary>The most that one packet may hold, as OpenSSH has it (packet.c PACKET_MAX_SIZE).</summary>
    public const int LongestPacket = 256 << 10;

    /// <summary>Bytes that have to be there before the length is known.</summary>
    public abstract int HeadSize { get; }

    /// <summary>Bytes after the packet that prove it.</summary>
    public abstract int TagSize { get; }

    /// <summary>What a packet's length has to be a multiple of.</summary>
    protected abstract int BlockSize { get; }

    /// <summary>Whether the four bytes of the length count for the padding.</summary>
    protected virtual bool LengthIsPadded => true;

    /// <summary>How long the packet is, without its length field and tag.</summary>
    public abstract int Length(uint sequence, byte[] head);

    /// <summary>Checks and decrypts.</summary>
    /// <param name="sequence">The packet's number.</param>
    /// <param name="packet">Length field, content and tag; decrypted in place.</param>
    /// <returns>Whether the tag is right.</returns>
    public abstract bool Open(uint sequence, byte[] packet);

    /// <summary>Encrypts and proves a packet that has been padded.</summary>
    protected abstract byte[] Seal(uint sequence, byte[] packet);

    /// <summary>A packet with this payload (RFC 4253 section 6).</summary>
    public byte[] Pack(uint sequence, byte[] payload)
    {
        var size = payload.Length + 1 + (LengthIsPadded ? 4 : 0);
        var padding = BlockSize - (size % BlockSize);
        padding += padding < 4 ? BlockSize : 0;
        var packet = new byte[4 + 1 + payload.Length + padding];
        BinaryPrimitives.WriteUInt32BigEndian(packet, (uint)(packet.Length - 4));
        packet[4] = (byte)padding;
        payload.CopyTo(packet, 5);
        return Seal(sequence, packet);
    }

    /// <summary>The cipher of a direction.</summary>
    /// <param name="name">One of <see cref="Names"/>, or empty for none.</param>
    /// <param name="mac">One of <see cref="MacNames"/>; not used by ciphers that prove themselves.</param>
    /// <param name="derive">Derives so many bytes: 0 the initial vector, 1 the key, 2 the key of the MAC (RFC 4253 section 7.2).</param>
    /// <param name="encrypt">Which direction.</param>
    public static PacketCipher Of(string name, string? mac, Func<int, int, byte[]> derive, bool encrypt) => name switch
    {
        "aes128-ctr" or "aes192-ctr" or "aes256-ctr" => new Counter(derive(1, int.Parse(name.AsSpan(3, 3), provider: null) / 8), derive(0, 16), mac!, derive),
        "aes128-gcm@openssh.com" or "aes256-gcm@openssh.com" => new Gcm(derive(1, int.Parse(name.AsSpan(3, 3), provider: null) / 8), derive(0, 12), encrypt),
        "chacha20-poly1305@openssh.com" => new ChaCha(derive(1, 64)),
        _ => new None(),
    };

    private sealed class None : PacketCipher
    {
        public override int HeadSize => 4;

        public override int TagSize => 0;

        protected override int BlockSize => 8;

        public override int Length(uint sequence, byte[] head) => (int)Math.Min(BinaryPrimitives.ReadUInt32BigEndian(head), int.MaxValue);

        public override bool Open(uint sequence, byte[] packet) => true;

        protected override byte[] Seal(uint sequence, byte[] packet) => packet;
    }

    private sealed class Counter : PacketCipher
    {
        private readonly SicBlockCipher cipher = new(AesUtilities.CreateEngine());
        private readonly HMac hmac;
        private readonly bool encryptFirst;

        public Counter(byte[] key, byte[] vector, string mac, Func<int, int, byte[]> derive)
        {
            cipher.Init(forEncryption: true, new ParametersWithIV(new KeyParameter(key), vector));
            encryptFirst = mac.Contains("-etm", StringComparison.Ordinal);
            IDigest digest = mac.StartsWith("hmac-sha2-256", StringComparison.Ordinal) ? new Sha256Digest() : mac.StartsWith("hmac-sha2-512", StringComparison.Ordinal) ? new Sha512Digest() : new Sha1Digest();
            hmac = new(digest);
            hmac.Init(new KeyParameter(derive(2, digest.GetDigestSize())));
        }

        public override int HeadSize => encryptFirst ? 4 : 16;

        public override int TagSize => hmac.GetMacSize();

        protected override int BlockSize => 16;

        protected override bool LengthIsPadded => !encryptFirst;

        public override int Length(uint sequence, byte[] head)
        {
            if (!encryptFirst)
            {
                Crypt(head, 0, 16);
            }

            return (int)Math.Min(BinaryPrimitives.ReadUInt32BigEndian(head), int.MaxValue);
        }

        public override bool Open(uint sequence, byte[] packet)
        {
            // The head was decrypted when the length was asked for.
            var end = packet.Length - TagSize;
            if (!encryptFirst)
            {
                Crypt(packet, 16, end - 16);
            }

            var right = Org.BouncyCastle.Utilities.Arrays.FixedTimeEquals(Mac(sequence, packet.AsSpan(0, end)), packet.AsSpan(end));
            if (encryptFirst)
            {
                Crypt(packet, 4, end - 4);
            }

            return right;
        }

        protected override byte[] Seal(uint sequence, byte[] packet)
        {
            if (encryptFirst)
            {
                Crypt(packet, 4, packet.Length - 4);
                return [.. packet, .. Mac(sequence, packet)];
            }

            var tag = Mac(sequence, packet);
            Crypt(packet, 0, packet.Length);
            return [.. packet, .. tag];
        }

        private byte[] Mac(uint sequence, ReadOnlySpan<byte> packet)
        {
            Span<byte> number = stackalloc byte[4];
            BinaryPrimitives.WriteUInt32BigEndian(number, sequence);
            hmac.BlockUpdate(number);
            hmac.BlockUpdate(packet);
            var tag = new byte[TagSize];
            hmac.DoFinal(tag, 0);
            return tag;
        }

        private void Crypt(byte[] bytes, int from, int count)
        {
            for (var at = from; at + 16 <= from + count; at += 16)
            {
                cipher.ProcessBlock(bytes, at, bytes, at);
            }
        }
    }

    private sealed class Gcm(byte[] key, byte[] vector, bool encrypt) : PacketCipher
    {
        private readonly GcmBlockCipher cipher = new(AesUtilities.CreateEngine());

        public override int HeadSize => 4;

        public override int TagSize => 16;

        protected override int BlockSize => 16;

        protected override bool LengthIsPadded => false;

        public override int Length(uint sequence, byte[] head) => (int)Math.Min(BinaryPrimitives.ReadUInt32BigEndian(head), int.MaxValue);

        public override bool Open(uint sequence, byte[] packet)
        {
            try
            {
                Run(packet[4..], packet.AsSpan(0, 4)).CopyTo(packet, 4);
                return true;
            }
            catch (InvalidCipherTextException)
            {
                return false;
            }
        }

        protected override byte[] Seal(uint sequence, byte[] packet) => [.. packet[..4], .. Run(packet[4..], packet.AsSpan(0, 4))];

        private byte[] Run(byte[] input, ReadOnlySpan<byte> length)
        {
            cipher.Init(encrypt, new AeadParameters(new KeyParameter(key), 128, vector.ToArray(), length.ToArray()));
            var output = new byte[cipher.GetOutputSize(input.Length)];
            var done = cipher.ProcessBytes(input, 0, input.Length, output, 0);
            cipher.DoFinal(output, done);

            // The last eight bytes count the packets (RFC 5647 section 7.1).
            BinaryPrimitives.WriteUInt64BigEndian(vector.AsSpan(4), BinaryPrimitives.ReadUInt64BigEndian(vector.AsSpan(4)) + 1);
            return output;
        }
    }

    private sealed class ChaCha(byte[] keys) : PacketCipher
    {
        private readonly KeyParameter content = new(keys, 0, 32);
        private readonly KeyParameter header = new(keys, 32, 32);

        public override int HeadSize => 4;

        public override int TagSize => 16;

        protected override int BlockSize => 8;

        protected override bool LengthIsPadded => false;

        public override int Length(uint sequence, byte[] head)
        {
            var plain = new byte[4];
            Stream(header, sequence).ProcessBytes(head, 0, 4, plain, 0);
            return (int)Math.Min(BinaryPrimitives.ReadUInt32BigEndian(plain), int.MaxValue);
        }

        public override bool Open(uint sequence, byte[] packet)
        {
            var end = packet.Length - TagSize;
            var stream = Stream(content, sequence);
            var right = Org.BouncyCastle.Utilities.Arrays.FixedTimeEquals(Tag(stream, packet.AsSpan(0, end)), packet.AsSpan(end));
            stream.ProcessBytes(packet, 4, end - 4, packet, 4);
            return right;
        }

        protected override byte[] Seal(uint sequence, byte[] packet)
        {
            Stream(header, sequence).ProcessBytes(packet, 0, 4, packet, 0);
            var stream = Stream(content, sequence);

            // The first block of the key stream is the key of Poly1305; the packet begins with the second.
            var poly = new byte[64];
            stream.ProcessBytes(poly, 0, 64, poly, 0);
            stream.ProcessBytes(packet, 4, packet.Length - 4, packet, 4);
            return [.. packet, .. Poly(poly, packet)];
        }

        private static byte[] Tag(ChaChaEngine stream, ReadOnlySpan<byte> packet)
        {
            var poly = new byte[64];
            stream.ProcessBytes(poly, 0, 64, poly, 0);
            return Poly(poly, packet);
        }

        private static byte[] Poly(byte[] key, ReadOnlySpan<byte> packet)
        {
            var mac = new Poly1305();
            mac.Init(new KeyParameter(key, 0, 32));
            mac.BlockUpdate(packet);
            var tag = new byte[16];
            mac.DoFinal(tag, 0);
            return tag;
        }

        private static ChaChaEngine Stream(KeyParameter key, uint sequence)
        {
            var nonce = new byte[8];
            BinaryPrimitives.WriteUInt64BigEndian(nonce, sequence);
            var stream = new ChaChaEngine(20);
            stream.Init(forEncryption: true, new ParametersWithIV(key, nonce));
            return stream;
        }
    }
}
