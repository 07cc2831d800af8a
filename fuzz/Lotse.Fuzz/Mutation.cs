using System.Buffers.Binary;

namespace Lotse.Fuzz;

/// <summary>Changes bytes the way in which files break and attackers think.</summary>
/// <param name="random">Of a known seed: the same changes every time.</param>
internal sealed class Mutation(Random random)
{
    private const int Longest = 1 << 20;

    private static readonly uint[] Numbers = [0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffffb, 0xffffffff];

    /// <summary>One to six changes of an input; another one lends its parts.</summary>
    public byte[] Of(byte[] input, byte[] other)
    {
        var bytes = input;
        for (var left = random.Next(1, 7); left > 0; left--)
        {
            bytes = Once(bytes, other);
        }

        return bytes.Length > Longest ? bytes[..Longest] : bytes;
    }

    private byte[] Once(byte[] bytes, byte[] other)
    {
        if (bytes.Length == 0)
        {
            return other;
        }

        int at = random.Next(bytes.Length), length = random.Next(Math.Min(bytes.Length - at, random.Next(4) == 0 ? 4096 : 32)) + 1;
        switch (random.Next(10))
        {
            case 0:
                return Changed(bytes, at, (byte)(bytes[at] ^ (1 << random.Next(8))));
            case 1:
                return Changed(bytes, at, (byte)random.Next(256));
            case 2:
                return [.. bytes[..at], .. bytes[(at + length)..]];
            case 3:
                return [.. bytes[..at], .. bytes[at..(at + length)], .. bytes[at..]];
            case 4:
                return bytes[..at];
            case 5:
                return [.. bytes[..at], .. Part(other), .. bytes[at..]];
            case 6:
                return [.. bytes[..at], .. Part(other), .. bytes[Math.Min(bytes.Length, at + length)..]];
            case 7:
                return [.. bytes[..at], .. Enumerable.Repeat(bytes[at], random.Next(1, 2000)), .. bytes[at..]];
            case 8:
                return Lines(bytes);
            default:
                Span<byte> number = stackalloc byte[4];
                BinaryPrimitives.WriteUInt32BigEndian(number, Numbers[random.Next(Numbers.Length)]);
                var changed = (byte[])bytes.Clone();
                number[..Math.Min(4, bytes.Length - at)].CopyTo(changed.AsSpan(at));
                return changed;
        }
    }

    private static byte[] Changed(byte[] bytes, int at, byte value)
    {
        var changed = (byte[])bytes.Clone();
        changed[at] = value;
        return changed;
    }

    private byte[] Part(byte[] other)
    {
        if (other.Length == 0)
        {
            return [];
        }

        var at = random.Next(other.Length);
        return other[at..Math.Min(other.Length, at + random.Next(1, 400))];
    }

    /// <summary>Two lines change places, or one stands twice.</summary>
    private byte[] Lines(byte[] bytes)
    {
        int a = LineStart(bytes, random.Next(bytes.Length)), aEnd = LineEnd(bytes, a), b = LineStart(bytes, random.Next(bytes.Length)), bEnd = LineEnd(bytes, b);
        return aEnd <= b ? [.. bytes[..a], .. bytes[b..bEnd], .. bytes[aEnd..b], .. bytes[a..aEnd], .. bytes[bEnd..]] : [.. bytes[..b], .. bytes[a..aEnd], .. bytes[b..]];
    }

    private static int LineStart(byte[] bytes, int at) => bytes.AsSpan(0, at).LastIndexOf((byte)'\n') + 1;

    private static int LineEnd(byte[] bytes, int at) => bytes.AsSpan(at).IndexOf((byte)'\n') is >= 0 and var end ? at + end + 1 : bytes.Length;
}
