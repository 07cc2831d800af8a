using System.Buffers.Binary;

namespace Lotse.Postgres;

/// <summary>Values that are stored compressed: PostgreSQL's own method (src/common/pg_lzcompress.c), and blocks of LZ4 since 14.</summary>
internal static class Compressed
{
    private const uint Most = 1 << 24;

    /// <summary>The plain bytes; nothing where they do not come out whole, or where another method was used.</summary>
    /// <param name="value">With its two words before: the length of all, and the plain length with the method.</param>
    public static ReadOnlySpan<byte> Expand(ReadOnlySpan<byte> value)
    {
        // va_tcinfo: 30 bits of length, two of method (0 pglz, 1 lz4).
        if (value.Length < 8 || BinaryPrimitives.ReadUInt32LittleEndian(value[4..]) is var info && (info & 0x3fffffff) > Most)
        {
            return default;
        }

        var plain = new byte[info & 0x3fffffff];
        return (info >> 30) switch
        {
            0 => Own(value[8..], plain),
            1 => Lz4(value[8..], plain),
            _ => false,
        } ? plain : default;
    }

    private static bool Own(ReadOnlySpan<byte> value, byte[] plain)
    {
        var (from, to) = (0, 0);
        while (from < value.Length && to < plain.Length)
        {
            var control = value[from++];
            for (var bit = 0; bit < 8 && from < value.Length && to < plain.Length; bit++, control >>= 1)
            {
                if ((control & 1) == 0)
                {
                    plain[to++] = value[from++];
                    continue;
                }

                if (from + 2 > value.Length)
                {
                    return false;
                }

                var length = (value[from] & 0x0f) + 3;
                var back = (value[from] & 0xf0) << 4 | value[from + 1];
                from += 2;
                if (length == 18)
                {
                    if (from == value.Length)
                    {
                        return false;
                    }

                    length += value[from++];
                }

                if (!Repeat(plain, ref to, back, length))
                {
                    return false;
                }
            }
        }

        return to == plain.Length;
    }

    /// <summary>LZ4's block format: a byte of two lengths, bytes as they are, and how far back to repeat from.</summary>
    private static bool Lz4(ReadOnlySpan<byte> value, byte[] plain)
    {
        var (from, to) = (0, 0);
        while (from < value.Length)
        {
            var token = value[from++];
            var literals = token >> 4;
            if (!More(value, ref from, ref literals) || literals > value.Length - from || literals > plain.Length - to)
            {
                return false;
            }

            value.Slice(from, literals).CopyTo(plain.AsSpan(to));
            (from, to) = (from + literals, to + literals);
            if (from == value.Length)
            {
                break;
            }

            if (from + 2 > value.Length)
            {
                return false;
            }

            var back = BinaryPrimitives.ReadUInt16LittleEndian(value[from..]);
            from += 2;
            var length = token & 15;
            if (!More(value, ref from, ref length) || !Repeat(plain, ref to, back, length + 4))
            {
                return false;
            }
        }

        return to == plain.Length;
    }

    private static bool More(ReadOnlySpan<byte> value, ref int from, ref int length)
    {
        if (length != 15)
        {
            return true;
        }

        for (var next = 255; next == 255; length += next)
        {
            if (from == value.Length || length > (int)Most)
            {
                return false;
            }

            next = value[from++];
        }

        return true;
    }

    private static bool Repeat(byte[] plain, ref int to, int back, int length)
    {
        if (back == 0 || back > to)
        {
            return false;
        }

        for (; length > 0 && to < plain.Length; length--, to++)
        {
            plain[to] = plain[to - back];
        }

        return true;
    }
}
