using System.Buffers.Binary;
using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>
/// Which address of a range source NAT gives: the kernel hashes source and destination without a secret, so it can be
/// told before (net/netfilter/nf_nat_core.c, find_best_ips_proto; include/linux/jhash.h). Another connection that has
/// the same tuple already only moves the port.
/// </summary>
/// <param name="Low">First address of the range.</param>
/// <param name="High">Last address.</param>
/// <param name="Persistent">The flag of that name: the destination does not count, a host keeps its address.</param>
/// <param name="BigEndian">The router's byte order (many MIPS routers): the hash is of words as the machine loads them.</param>
public sealed record SnatRange(IpAddress Low, IpAddress High, bool Persistent = false, bool BigEndian = false)
{
    /// <summary>The source that the destination sees.</summary>
    /// <param name="source">The host.</param>
    /// <param name="destination">Where it connects to.</param>
    public IpAddress Pick(IpAddress source, IpAddress destination)
    {
        if (Low == High)
        {
            return Low;
        }

        var words = Low.IsV6 ? 4 : 1;
        uint[] from = Words(source), to = Words(destination), low = Words(Low, native: false), high = Words(High, native: false);
        var j = Hash(from, Persistent ? 0 : to[words - 1]);
        UInt128 picked = 0;
        var full = false;
        for (var i = 0; i < words; i++)
        {
            // The distance is of 32 bits: a word that runs from 0 to ffffffff has none, and always gives 0.
            var (least, distance) = full ? (0u, uint.MaxValue) : (low[i], unchecked(high[i] - low[i] + 1));
            var word = unchecked(least + (uint)(((ulong)j * distance) >> 32));
            picked = (picked << 32) | word;
            full |= word != high[i];
            j ^= Persistent ? 0 : to[i];
        }

        return Low.IsV6 ? IpAddress.V6(picked) : IpAddress.V4((uint)picked);
    }

    /// <summary>Whether the range reaches less than it says: a whole 32-bit word from 0 to ffffffff behind equal ones is lost.</summary>
    public bool Collapses
    {
        get
        {
            uint[] low = Words(Low, native: false), high = Words(High, native: false);
            var first = Enumerable.Range(0, Low.IsV6 ? 4 : 1).FirstOrDefault(i => low[i] != high[i], -1);
            return first >= 0 && unchecked(high[first] - low[first] + 1) == 0;
        }
    }

    private uint[] Words(IpAddress ip, bool native = true)
    {
        // An IPv4 address stands in the first of the four words that are hashed.
        var bytes = new byte[16];
        ip.ToBytes().CopyTo(bytes, 0);
        var words = new uint[4];
        for (var i = 0; i < 4; i++)
        {
            words[i] = native && !BigEndian ? BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(4 * i)) : BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(4 * i));
        }

        return words;
    }

    /// <summary>jhash2 of four words (Bob Jenkins, lookup3).</summary>
    private static uint Hash(uint[] k, uint initial)
    {
        unchecked
        {
            uint a, b, c;
            a = b = c = 0xdeadbeef + 16 + initial;
            (a, b, c) = (a + k[0], b + k[1], c + k[2]);
            (a, b, c) = Mix(a, b, c);
            a += k[3];
            c = (c ^ b) - uint.RotateLeft(b, 14);
            a = (a ^ c) - uint.RotateLeft(c, 11);
            b = (b ^ a) - uint.RotateLeft(a, 25);
            c = (c ^ b) - uint.RotateLeft(b, 16);
            a = (a ^ c) - uint.RotateLeft(c, 4);
            b = (b ^ a) - uint.RotateLeft(a, 14);
            return (c ^ b) - uint.RotateLeft(b, 24);
        }
    }

    private static (uint A, uint B, uint C) Mix(uint a, uint b, uint c)
    {
        unchecked
        {
            a = (a - c) ^ uint.RotateLeft(c, 4);
            c += b;
            b = (b - a) ^ uint.RotateLeft(a, 6);
            a += c;
            c = (c - b) ^ uint.RotateLeft(b, 8);
            b += a;
            a = (a - c) ^ uint.RotateLeft(c, 16);
            c += b;
            b = (b - a) ^ uint.RotateLeft(a, 19);
            a += c;
            c = (c - b) ^ uint.RotateLeft(b, 4);
            b += a;
            return (a, b, c);
        }
    }
}
