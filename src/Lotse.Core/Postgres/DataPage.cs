using System.Buffers.Binary;

namespace Lotse.Postgres;

/// <summary>A page of a relation (src/include/storage/bufpage.h): what makes it whole, and its checksum.</summary>
internal static class DataPage
{
    /// <summary>Bytes of the header before the line pointers.</summary>
    public const int HeaderBytes = 24;

    // src/include/storage/checksum_impl.h
    private const int Lanes = 32;
    private const uint Prime = 16777619;

    private static ReadOnlySpan<uint> Offsets =>
    [
        0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2, 0x83E13D2C,
        0xF8D4474F, 0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C, 0xF718902A, 0x0B1C9CDB,
        0xE58F764B, 0x187636BC, 0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979, 0xCCA6C0B2, 0x304A0979, 0x85AA43D4,
        0x783125BB, 0x6CA8EAA2, 0xE407EAC6, 0x4B5CFC3E, 0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756,
    ];

    /// <summary>Place in the write-ahead log of the last change of the page.</summary>
    public static ulong Lsn(ReadOnlySpan<byte> page) => (ulong)BinaryPrimitives.ReadUInt32LittleEndian(page) << 32 | BinaryPrimitives.ReadUInt32LittleEndian(page[4..]);

    /// <summary>Whether nothing was ever written to it: such a page is valid and empty.</summary>
    public static bool IsNew(ReadOnlySpan<byte> page) => BinaryPrimitives.ReadUInt16LittleEndian(page[14..]) == 0 && !page.ContainsAnyExcept((byte)0);

    /// <summary>What is wrong with a page, or null: the tests of PageIsVerified (src/backend/storage/page/bufpage.c).</summary>
    /// <param name="page">The whole page.</param>
    /// <param name="block">Its number in the relation.</param>
    /// <param name="checksums">Whether the cluster writes checksums.</param>
    public static string? Fault(ReadOnlySpan<byte> page, uint block, bool checksums)
    {
        if (IsNew(page))
        {
            return null;
        }

        int flags = Word(page, 10), lower = Word(page, 12), upper = Word(page, 14), special = Word(page, 16), layout = Word(page, 18);
        if (checksums && Checksum(page, block) is var sum && sum != Word(page, 8))
        {
            return $"the checksum is {Word(page, 8)} and should be {sum}";
        }

        return (flags & ~7) != 0 ? $"unknown flags {flags:x}"
            : lower < HeaderBytes || lower > upper || upper > special || special > page.Length || special % 8 != 0 ? $"the header is broken: lower {lower}, upper {upper}, special {special}"
            : (layout & 0xff00) != (page.Length & 0xff00) ? $"the header says pages of {layout & 0xff00} bytes"
            : (layout & 0xff) != 4 ? $"page layout {layout & 0xff} instead of 4"
            : null;
    }

    /// <summary>The checksum that a page should carry.</summary>
    public static ushort Checksum(ReadOnlySpan<byte> page, uint block)
    {
        Span<uint> sums = stackalloc uint[Lanes];
        Offsets.CopyTo(sums);
        for (var at = 0; at < page.Length; at += Lanes * 4)
        {
            for (var lane = 0; lane < Lanes; lane++)
            {
                var value = BinaryPrimitives.ReadUInt32LittleEndian(page[(at + lane * 4)..]);
                if (at == 0 && lane == 2)
                {
                    // The field of the checksum itself counts as 0.
                    value &= 0xffff0000;
                }

                sums[lane] = Mix(sums[lane], value);
            }
        }

        var all = 0u;
        foreach (var sum in sums)
        {
            all ^= Mix(Mix(sum, 0), 0);
        }

        return (ushort)((all ^ block) % 65535 + 1);
    }

    private static uint Mix(uint sum, uint value)
    {
        var mixed = sum ^ value;
        return mixed * Prime ^ mixed >> 17;
    }

    private static int Word(ReadOnlySpan<byte> page, int at) => BinaryPrimitives.ReadUInt16LittleEndian(page[at..]);
}
