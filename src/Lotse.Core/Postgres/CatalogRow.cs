using System.Buffers.Binary;
using System.Text;

namespace Lotse.Postgres;

/// <summary>A column as pg_attribute describes it.</summary>
/// <param name="Name">attname.</param>
/// <param name="Number">attnum, from 1.</param>
/// <param name="Length">attlen: bytes; -1 with a length of its own, -2 a C string.</param>
/// <param name="Align">Bytes that it is aligned to.</param>
internal sealed record CatalogColumn(string Name, int Number, int Length, int Align);

/// <summary>The columns of a table, in order, and where to find each by name.</summary>
internal sealed class CatalogShape(IReadOnlyList<CatalogColumn> columns)
{
    private readonly Dictionary<string, int> places = columns.Select((c, i) => (c.Name, i)).ToDictionary(c => c.Name, c => c.i);

    public IReadOnlyList<CatalogColumn> Columns => columns;

    public int Place(string name) => places.GetValueOrDefault(name, -1);
}

/// <summary>
/// One row taken apart by its columns (heap_deform_tuple). A column that the row is too old to have, that is null, or
/// that is stored out of line reads as null.
/// </summary>
internal readonly struct CatalogRow
{
    private readonly HeapTuple row;
    private readonly CatalogShape shape;
    private readonly (int From, int Length)[] values;

    public CatalogRow(HeapTuple row, CatalogShape shape)
    {
        (this.row, this.shape) = (row, shape);
        values = Split(row, shape);
    }

    /// <summary>The oid: a column since 12, before it in the row's header.</summary>
    public uint Oid => shape.Place("oid") is >= 0 ? UInt("oid") ?? 0 : row.HeaderOid;

    /// <summary>Whether the row ended early: its bytes do not hold what its columns say.</summary>
    public bool IsBroken => values.Length == 0;

    public uint? UInt(string name) => Raw(name) is { Length: 4 } b ? BinaryPrimitives.ReadUInt32LittleEndian(b) : null;

    public int? Int(string name) => Raw(name) switch { { Length: 4 } b => BinaryPrimitives.ReadInt32LittleEndian(b), { Length: 2 } b => BinaryPrimitives.ReadInt16LittleEndian(b), _ => null };

    public bool? Bool(string name) => Raw(name) is { Length: 1 } b ? b[0] != 0 : null;

    public char? Char(string name) => Raw(name) is { Length: 1 } b ? (char)b[0] : null;

    /// <summary>A name or a text, in the form of <see cref="ByteText"/>: its encoding is the database's.</summary>
    public string? Text(string name)
    {
        var place = shape.Place(name);
        if (place < 0 || values.Length <= place || values[place].Length < 0)
        {
            return null;
        }

        var bytes = Raw(name);
        if (shape.Columns[place].Length == 64)
        {
            var end = bytes.IndexOf((byte)0);
            return ByteText.Decode(end < 0 ? bytes : bytes[..end]);
        }

        return ByteText.Decode(bytes);
    }

    /// <summary>The elements of an array of oids (oidvector and oid[] lie alike: array.h).</summary>
    public uint[] Oids(string name)
    {
        // ndim, dataoffset, elemtype, then dimension and lower bound of each.
        var bytes = Raw(name);
        if (bytes.Length < 20 || BinaryPrimitives.ReadInt32LittleEndian(bytes) != 1 || BinaryPrimitives.ReadInt32LittleEndian(bytes[4..]) != 0)
        {
            return [];
        }

        var oids = new uint[Math.Clamp(BinaryPrimitives.ReadInt32LittleEndian(bytes[12..]), 0, (bytes.Length - 20) / 4)];
        for (var i = 0; i < oids.Length; i++)
        {
            oids[i] = BinaryPrimitives.ReadUInt32LittleEndian(bytes[(20 + i * 4)..]);
        }

        return oids;
    }

    private ReadOnlySpan<byte> Raw(string name)
    {
        var place = shape.Place(name);
        if (place < 0 || values.Length <= place || values[place].Length < 0)
        {
            return default;
        }

        var bytes = row.Bytes.Slice(values[place].From, values[place].Length);
        if (shape.Columns[place].Length != -1)
        {
            return bytes;
        }

        // varattrib_1b: the lowest bit is set; varattrib_4b: 00 plain, 10 compressed.
        return (bytes[0] & 1) != 0 ? bytes[1..] : (bytes[0] & 2) == 0 ? bytes[4..] : Compressed.Expand(bytes);
    }

    private static (int From, int Length)[] Split(HeapTuple row, CatalogShape shape)
    {
        var bytes = row.Bytes;
        var columns = shape.Columns;
        var all = new (int, int)[columns.Count];
        var at = row.HeaderBytes;
        for (var i = 0; i < all.Length; i++)
        {
            var column = columns[i];
            if (i >= row.Attributes || ((row.InfoMask & 1) != 0 && (23 + i / 8 >= row.HeaderBytes || (bytes[23 + i / 8] >> i % 8 & 1) == 0)))
            {
                all[i] = (0, -1);
                continue;
            }

            // A value with its own length is aligned only where padding (a zero byte) precedes it.
            if (column.Length == -2 || (column.Length == -1 && at < bytes.Length && bytes[at] != 0))
            {
            }
            else
            {
                at = (at + column.Align - 1) / column.Align * column.Align;
            }

            if (at >= bytes.Length)
            {
                return [];
            }

            var (length, stored) = column.Length switch
            {
                > 0 => (column.Length, true),
                -2 => (bytes[at..].IndexOf((byte)0) + 1, true),
                _ when bytes[at] == 1 => (18, false),
                _ when (bytes[at] & 1) != 0 => (bytes[at] >> 1, true),
                _ when at + 4 <= bytes.Length => ((int)(BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]) >> 2), true),
                _ => (0, true),
            };
            if (length <= 0 || length > bytes.Length - at || (column.Length == -1 && stored && length < ((bytes[at] & 1) != 0 ? 1 : 4)))
            {
                return [];
            }

            all[i] = (at, stored ? length : -1);
            at += length;
        }

        return all;
    }
}

/// <summary>Values compressed inside their row by PostgreSQL's own method (src/common/pg_lzcompress.c).</summary>
internal static class Compressed
{
    private const int Most = 1 << 24;

    /// <summary>The plain bytes; nothing where they do not come out whole, or where another method was used.</summary>
    public static ReadOnlySpan<byte> Expand(ReadOnlySpan<byte> value)
    {
        // va_tcinfo: 30 bits of length, two of method (0 pglz).
        if (value.Length < 8 || BinaryPrimitives.ReadUInt32LittleEndian(value[4..]) is var info && info > Most)
        {
            return default;
        }

        var plain = new byte[info];
        var (from, to) = (8, 0);
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
                    return default;
                }

                var length = (value[from] & 0x0f) + 3;
                var back = (value[from] & 0xf0) << 4 | value[from + 1];
                from += 2;
                if (length == 18)
                {
                    if (from == value.Length)
                    {
                        return default;
                    }

                    length += value[from++];
                }

                if (back == 0 || back > to)
                {
                    return default;
                }

                for (; length > 0 && to < plain.Length; length--, to++)
                {
                    plain[to] = plain[to - back];
                }
            }
        }

        return to == plain.Length ? plain : default;
    }
}
