using System.Buffers.Binary;

namespace Lotse.Postgres;

/// <summary>
/// The system catalogs of a cluster from its files. What columns a catalog has stands in pg_attribute; only that one's own
/// layout is written down here, and is checked against what it says of itself.
/// </summary>
internal sealed class Catalogs
{
    /// <summary>Oids of catalogs that never change (src/include/catalog/pg_*.h).</summary>
    public const uint Type = 1247, Attribute = 1249, Procedure = 1255, Class = 1259, AuthId = 1260, Tablespace = 1213, Database = 1262,
        Aggregate = 2600, Conversion = 2607, Depend = 2608, Index = 2610, Inherits = 2611, Namespace = 2615, Operator = 2617, Rewrite = 2618,
        Extension = 3079, Dictionary = 3600, Template = 3764, Collation = 3456, Subscription = 6100, Language = 2612, OperatorClass = 2616, Range = 3541, SubscriptionRelation = 6102, Origin = 6000,
        Policy = 3256, ColumnDefault = 2604, Constraint = 2606, Trigger = 2620, Statistics = 3381, PublicationRelation = 6106, PartitionedTable = 3350;

    private readonly Host host;
    private readonly string folder;
    private readonly PgControl control;
    private readonly int major;
    private readonly CommitLog log;
    private readonly Dictionary<uint, CatalogShape> shapes = [];
    private readonly Dictionary<string, Dictionary<uint, uint>> maps = [];
    private readonly Dictionary<string, Dictionary<uint, uint>> filenodes = [];
    private readonly Dictionary<(string Folder, uint Table), ILookup<uint, CatalogRow>> pieces = [];

    private Catalogs(Host host, string folder, PgControl control, int major)
    {
        (this.host, this.folder, this.control, this.major) = (host, folder, control, major);
        log = new(host, folder, control);
    }

    /// <summary>Asks the running server instead of reading its files; null: nobody is asked.</summary>
    public CatalogQueries? Server { get; set; }

    /// <summary>What was not whole.</summary>
    public List<Damage> Damages { get; } = [];

    /// <summary>What was not whole, with what the commit log lacks.</summary>
    public IEnumerable<Damage> AllDamages => Damages.Concat(log.Damages).Distinct();

    /// <summary>Opens the catalogs; <paramref name="anyDatabase"/> is the oid of a database that says what the catalogs look like.</summary>
    public static Reading<Catalogs> Open(Host host, string folder, PgControl control, int major, uint anyDatabase)
    {
        var catalogs = new Catalogs(host, folder, control, major);
        return catalogs.ReadShapes(anyDatabase) is { } fault ? new(null!, new(HostErrorKind.Failed, fault)) : new(catalogs, null);
    }

    /// <summary>The folder of a database, relative to the data directory.</summary>
    /// <param name="database">Its oid.</param>
    /// <param name="tablespace">Its default tablespace; 1663 is pg_default.</param>
    public string DatabaseFolder(uint database, uint tablespace = 1663) =>
        tablespace is 1663 or 0 ? $"base/{database}" : $"pg_tblspc/{tablespace}/PG_{major}_{control.CatalogVersion}/{database}";

    /// <summary>The rows of a catalog that all databases share.</summary>
    public IEnumerable<CatalogRow> Shared(uint catalog)
    {
        if (Server?.Shared(catalog) is { } answered)
        {
            return answered;
        }

        if (!shapes.TryGetValue(catalog, out var shape))
        {
            return [];
        }

        if (!Map("global").TryGetValue(catalog, out var file))
        {
            Damages.Add(new("global/pg_filenode.map", 0, $"it does not name catalog {catalog}"));
            return [];
        }

        return Rows($"global/{file}", shape);
    }

    /// <summary>The rows of a catalog of one database; none where this version has no such catalog.</summary>
    public IEnumerable<CatalogRow> Of(string databaseFolder, uint catalog)
    {
        if (Server?.Of(databaseFolder, catalog) is { } answered)
        {
            return answered;
        }

        if (!shapes.TryGetValue(catalog, out var shape))
        {
            return [];
        }

        if (Map(databaseFolder).TryGetValue(catalog, out var mapped))
        {
            return Rows($"{databaseFolder}/{mapped}", shape);
        }

        if (!filenodes.TryGetValue(databaseFolder, out var nodes))
        {
            filenodes[databaseFolder] = nodes = [];
            foreach (var row in Of(databaseFolder, Class))
            {
                // Below 16384 all objects are the system's own.
                if (row.Oid < 16384 && row.UInt("relfilenode") is { } node && node != 0)
                {
                    nodes[row.Oid] = node;
                }
            }
        }

        return nodes.TryGetValue(catalog, out var found) ? Rows($"{databaseFolder}/{found}", shape) : [];
    }

    /// <summary>Rows by a key. While a server moves a row it may be read twice, and in a damaged file anything is there twice: the last one counts.</summary>
    public static Dictionary<uint, T> By<T>(IEnumerable<CatalogRow> rows, Func<CatalogRow, uint> key, Func<CatalogRow, T> value)
    {
        var all = new Dictionary<uint, T>();
        foreach (var row in rows)
        {
            all[key(row)] = value(row);
        }

        return all;
    }

    /// <summary>A text of a row, also where it is stored out of line; null where there is none or its pieces are not there.</summary>
    public string? Whole(string databaseFolder, CatalogRow row, string column)
    {
        if (row.Pointer(column) is not { } pointer)
        {
            return row.Text(column);
        }

        const int MostBytes = 1 << 24;
        if (pointer.StoredBytes is <= 0 or > MostBytes)
        {
            return null;
        }

        if (!pieces.TryGetValue((databaseFolder, pointer.Table), out var all))
        {
            pieces[(databaseFolder, pointer.Table)] = all = Of(databaseFolder, pointer.Table).ToLookup(r => r.UInt("chunk_id") ?? 0);
        }

        var stored = new MemoryStream();
        stored.Write(new byte[4]);
        foreach (var piece in all[pointer.Id].OrderBy(r => r.Int("chunk_seq")))
        {
            stored.Write(piece.Bytes("chunk_data") ?? []);
        }

        var bytes = stored.ToArray();
        return bytes.Length - 4 != pointer.StoredBytes ? null
            : pointer.StoredBytes == pointer.PlainBytes - 4 ? ByteText.Decode(bytes.AsSpan(4))
            : Compressed.Expand(bytes) is { Length: > 0 } plain ? ByteText.Decode(plain) : null;
    }

    private IEnumerable<CatalogRow> Rows(string file, CatalogShape shape)
    {
        foreach (var row in HeapFile.Rows(host, folder, file, control, log, Damages))
        {
            var taken = new CatalogRow(row, shape);
            if (taken.IsBroken)
            {
                Damages.Add(new(file, row.From / control.BlockBytes, "a row ends before its columns do"));
            }
            else
            {
                yield return taken;
            }
        }
    }

    /// <summary>pg_filenode.map: catalogs whose file is not named in pg_class (src/backend/utils/cache/relmapper.c).</summary>
    private Dictionary<uint, uint> Map(string place)
    {
        if (maps.TryGetValue(place, out var map))
        {
            return map;
        }

        maps[place] = map = [];
        var name = $"{place}/pg_filenode.map";
        var read = host.ReadFile($"{folder}/{name}", 65536);
        if (!read.Ok)
        {
            Damages.Add(new(name, 0, read.Error!.Message));
            return map;
        }

        // 62 places up to 15, 64 since 16; then the checksum.
        const int Magic = 0x592717;
        var bytes = read.Value.AsSpan();
        var end = bytes.Length >= 524 && major >= 16 ? 520 : 504;
        if (bytes.Length < end + 4 || BinaryPrimitives.ReadInt32LittleEndian(bytes) != Magic || BinaryPrimitives.ReadInt32LittleEndian(bytes[4..]) is var count && (count < 0 || 8 + count * 8 > end))
        {
            Damages.Add(new(name, 0, "it is no map of files"));
            return map;
        }

        if (~PgControl.Crc32C(uint.MaxValue, bytes[..end]) != BinaryPrimitives.ReadUInt32LittleEndian(bytes[end..]))
        {
            Damages.Add(new(name, 0, "the checksum does not fit"));
            return map;
        }

        for (var i = 0; i < count; i++)
        {
            map[BinaryPrimitives.ReadUInt32LittleEndian(bytes[(8 + i * 8)..])] = BinaryPrimitives.ReadUInt32LittleEndian(bytes[(12 + i * 8)..]);
        }

        return map;
    }

    /// <summary>Reads what columns every catalog has. The error in words, or null.</summary>
    private string? ReadShapes(uint database)
    {
        if (!Map(DatabaseFolder(database)).TryGetValue(Attribute, out var file))
        {
            return $"{ByteText.Escape(folder)}/{DatabaseFolder(database)} does not say where pg_attribute is";
        }

        var own = AttributeShape(major);
        var all = new Dictionary<uint, List<CatalogColumn>>();
        foreach (var row in Rows($"{DatabaseFolder(database)}/{file}", own))
        {
            if (row.UInt("attrelid") is { } relation && relation < 16384 && row.Int("attnum") is > 0 and var number)
            {
                if (!all.TryGetValue(relation, out var columns))
                {
                    all[relation] = columns = [];
                }

                columns.Add(new(row.Text("attname")!, number, row.Int("attlen") ?? 0, row.Char("attalign") switch { 'c' => 1, 's' => 2, 'd' => 8, _ => 4 }));
            }
        }

        foreach (var (relation, columns) in all)
        {
            columns.Sort((a, b) => a.Number.CompareTo(b.Number));
            if (columns.Select((c, i) => c.Number == i + 1).All(same => same) && columns.Select(c => c.Name).Distinct().Count() == columns.Count)
            {
                shapes[relation] = new(columns);
            }
        }

        // What pg_attribute says of itself must be what it was read by.
        var itself = shapes.GetValueOrDefault(Attribute)?.Columns;
        return itself is not null && own.Columns.Zip(itself).All(p => p.First.Name == p.Second.Name && p.First.Length == p.Second.Length && p.First.Align == p.Second.Align)
            ? null : $"{ByteText.Escape(folder)}/{DatabaseFolder(database)}/{file}: pg_attribute does not look like that of PostgreSQL {major}";
    }

    /// <summary>The first columns of pg_attribute (src/include/catalog/pg_attribute.h), as far as they are needed.</summary>
    private static CatalogShape AttributeShape(int major)
    {
        (string Name, int Bytes)[] columns = major switch
        {
            >= 18 => [("attrelid", 4), ("attname", 64), ("atttypid", 4), ("attlen", 2), ("attnum", 2), ("atttypmod", 4), ("attndims", 2), ("attbyval", 1), ("attalign", 1)],
            >= 16 => [("attrelid", 4), ("attname", 64), ("atttypid", 4), ("attlen", 2), ("attnum", 2), ("attcacheoff", 4), ("atttypmod", 4), ("attndims", 2), ("attbyval", 1), ("attalign", 1)],
            >= 14 => [("attrelid", 4), ("attname", 64), ("atttypid", 4), ("attstattarget", 4), ("attlen", 2), ("attnum", 2), ("attndims", 4), ("attcacheoff", 4), ("atttypmod", 4), ("attbyval", 1), ("attalign", 1)],
            _ => [("attrelid", 4), ("attname", 64), ("atttypid", 4), ("attstattarget", 4), ("attlen", 2), ("attnum", 2), ("attndims", 4), ("attcacheoff", 4), ("atttypmod", 4), ("attbyval", 1), ("attstorage", 1), ("attalign", 1)],
        };
        return new([.. columns.Select((c, i) => new CatalogColumn(c.Name, i + 1, c.Bytes, c.Bytes switch { 64 or 1 => 1, var other => other }))]);
    }
}
