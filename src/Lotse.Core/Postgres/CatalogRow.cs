using System.Buffers.Binary;
using System.Globalization;

namespace Lotse.Postgres;

/// <summary>A column as pg_attribute describes it.</summary>
/// <param name="Name">attname.</param>
/// <param name="Number">attnum, from 1.</param>
/// <param name="Length">attlen: bytes; -1 with a length of its own, -2 a C string.</param>
/// <param name="Align">Bytes that it is aligned to.</param>
internal sealed record CatalogColumn(string Name, int Number, int Length, int Align);

/// <summary>The columns of a table, in order, and where to find each by name.</summary>
internal sealed class CatalogShape
{
    private readonly Dictionary<string, int> places;

    public CatalogShape(IReadOnlyList<CatalogColumn> columns)
    {
        Columns = [.. columns];
        places = Columns.Select((c, i) => (c.Name, i)).ToDictionary(c => c.Name, c => c.i);
        var (at, starts) = (0, new List<int>());
        foreach (var column in Columns.TakeWhile(c => c.Length > 0))
        {
            at = (at + column.Align - 1) / column.Align * column.Align;
            starts.Add(at);
            at += column.Length;
        }

        FixedStarts = [.. starts];
        FixedEnd = at;
    }

    public CatalogColumn[] Columns { get; }

    /// <summary>Where the first columns lie after the row's header, as long as their lengths are fixed and none is null.</summary>
    public int[] FixedStarts { get; }

    /// <summary>Where these columns end.</summary>
    public int FixedEnd { get; }

    public int Place(string name) => places.GetValueOrDefault(name, -1);
}

/// <summary>A value that lies in a table of its own, in pieces.</summary>
/// <param name="PlainBytes">How long it is, its header included.</param>
/// <param name="StoredBytes">How long it lies there; less where it is compressed.</param>
/// <param name="Id">chunk_id of its pieces.</param>
/// <param name="Table">Oid of that table.</param>
internal readonly record struct OutOfLine(int PlainBytes, int StoredBytes, uint Id, uint Table);

/// <summary>
/// One row taken apart by its columns (heap_deform_tuple). A column that the row is too old to have, that is null, or
/// that is stored out of line reads as null. Or a row that a server was asked for, whose fields are text.
/// </summary>
internal readonly struct CatalogRow
{
    private readonly HeapTuple row;
    private readonly CatalogShape shape;
    private readonly string?[]? fields;

    public CatalogRow(HeapTuple row, CatalogShape shape) => (this.row, this.shape) = (row, shape);

    /// <summary>A row as a server prints it: the output form of each column's type.</summary>
    public CatalogRow(string?[] fields, CatalogShape shape) => (this.fields, this.shape) = (fields, shape);

    /// <summary>The oid: a column since 12, before it in the row's header.</summary>
    public uint Oid => shape.Place("oid") is >= 0 ? UInt("oid") ?? 0 : row.HeaderOid;

    /// <summary>Whether the row ended early: its bytes do not hold what its columns say.</summary>
    public bool IsBroken => Find(shape.Columns.Length).From < 0;

    public uint? UInt(string name) => fields is not null ? uint.TryParse(Field(name), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null
        : Raw(name) is { Length: 4 } b ? BinaryPrimitives.ReadUInt32LittleEndian(b) : null;

    /// <summary>A value as it lies there, without its length; null where there is none or it is stored out of line.</summary>
    public byte[]? Bytes(string name) => fields is not null ? Field(name) is { } field ? ByteText.Encode(field) : null
        : shape.Place(name) is >= 0 and var place && Find(place).Length >= 0 ? Raw(place).ToArray() : null;

    /// <summary>Where a value that is stored out of line lies (varatt_external: src/include/varatt.h); null where it is not.</summary>
    public OutOfLine? Pointer(string name)
    {
        const int OnDisk = 18;
        var place = fields is null ? shape.Place(name) : -1;
        if (place < 0 || Find(place) is not { Length: < 0, From: > 0 and var at } || row.Bytes.Length < at + 18 || row.Bytes[at + 1] != OnDisk)
        {
            return null;
        }

        var bytes = row.Bytes[at..];

        // The two highest bits of the size are the method of compression since 14, and 0 before.
        return new(BinaryPrimitives.ReadInt32LittleEndian(bytes[2..]), (int)(BinaryPrimitives.ReadUInt32LittleEndian(bytes[6..]) & 0x3fffffff),
            BinaryPrimitives.ReadUInt32LittleEndian(bytes[10..]), BinaryPrimitives.ReadUInt32LittleEndian(bytes[14..]));
    }

    public int? Int(string name) => fields is not null ? int.TryParse(Field(name), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : null
        : Raw(name) switch { { Length: 4 } b => BinaryPrimitives.ReadInt32LittleEndian(b), { Length: 2 } b => BinaryPrimitives.ReadInt16LittleEndian(b), _ => null };

    public bool? Bool(string name) => fields is not null ? Field(name) switch { "t" => true, "f" => false, _ => null } : Raw(name) is { Length: 1 } b ? b[0] != 0 : null;

    public char? Char(string name) => fields is not null ? Field(name) switch { null => null, "" => '\0', var field => field[0] } : Raw(name) is { Length: 1 } b ? (char)b[0] : null;

    /// <summary>A name or a text, in the form of <see cref="ByteText"/>: its encoding is the database's.</summary>
    public string? Text(string name)
    {
        if (fields is not null)
        {
            return Field(name);
        }

        var place = shape.Place(name);
        if (place < 0 || Find(place).Length < 0)
        {
            return null;
        }

        var bytes = Raw(place);
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
        if (fields is not null)
        {
            return [.. (Field(name) ?? "").Split([' ', ',', '{', '}'], StringSplitOptions.RemoveEmptyEntries).Select(n => uint.TryParse(n, NumberStyles.None, CultureInfo.InvariantCulture, out var oid) ? oid : 0)];
        }

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

    private string? Field(string name) => shape.Place(name) is >= 0 and var place ? fields![place] : null;

    private ReadOnlySpan<byte> Raw(string name) => Raw(shape.Place(name));

    private ReadOnlySpan<byte> Raw(int place)
    {
        if (place < 0 || Find(place) is not { Length: >= 0 } found)
        {
            return default;
        }

        var bytes = row.Bytes.Slice(found.From, found.Length);
        if (shape.Columns[place].Length != -1)
        {
            return bytes;
        }

        // varattrib_1b: the lowest bit is set; varattrib_4b: 00 plain, 10 compressed.
        return (bytes[0] & 1) != 0 ? bytes[1..] : (bytes[0] & 2) == 0 ? bytes[4..] : Compressed.Expand(bytes);
    }

    private bool IsNull(int column) => column >= row.Attributes
        || ((row.InfoMask & 1) != 0 && (23 + column / 8 >= row.HeaderBytes || (row.Bytes[23 + column / 8] >> column % 8 & 1) == 0));

    /// <summary>Whether none of the first columns is null.</summary>
    private bool HasFirst(int count)
    {
        if (count > row.Attributes || ((row.InfoMask & 1) != 0 && 23 + (count + 7) / 8 > row.HeaderBytes))
        {
            return false;
        }

        if ((row.InfoMask & 1) == 0)
        {
            return true;
        }

        var bits = row.Bytes[23..];
        return !bits[..(count / 8)].ContainsAnyExcept((byte)0xff) && (count % 8 == 0 || (bits[count / 8] & ((1 << count % 8) - 1)) == (1 << count % 8) - 1);
    }

    /// <summary>Where a column lies; length -1: null, or out of line at that place; from -1: the row ends before.</summary>
    private (int From, int Length) Find(int wanted)
    {
        var bytes = row.Bytes;
        var columns = shape.Columns;
        var (at, first) = (row.HeaderBytes, 0);
        if (row.HeaderBytes + shape.FixedEnd <= bytes.Length && HasFirst(shape.FixedStarts.Length))
        {
            if (wanted < shape.FixedStarts.Length)
            {
                return (row.HeaderBytes + shape.FixedStarts[wanted], columns[wanted].Length);
            }

            (at, first) = (row.HeaderBytes + shape.FixedEnd, shape.FixedStarts.Length);
        }

        for (var i = first; i < columns.Length; i++)
        {
            var column = columns[i];
            if (IsNull(i))
            {
                if (i == wanted)
                {
                    return (0, -1);
                }

                continue;
            }

            // A value with its own length is aligned only where padding (a zero byte) precedes it.
            if (column.Length != -2 && !(column.Length == -1 && at < bytes.Length && bytes[at] != 0))
            {
                at = (at + column.Align - 1) / column.Align * column.Align;
            }

            if (at >= bytes.Length)
            {
                return (-1, -1);
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
                return (-1, -1);
            }

            if (i == wanted)
            {
                return (at, stored ? length : -1);
            }

            at += length;
        }

        return (0, -1);
    }
}
