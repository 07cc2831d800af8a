namespace Lotse.Postgres;

/// <summary>A relation (pg_class).</summary>
/// <param name="Oid">Its oid.</param>
/// <param name="Name">relname.</param>
/// <param name="Namespace">relnamespace.</param>
/// <param name="Kind">relkind.</param>
/// <param name="WithOids">relhasoids, gone in 12.</param>
/// <param name="Method">relam: how an index is kept.</param>
/// <param name="RowType">reltype.</param>
internal sealed record CatalogRelation(uint Oid, string Name, uint Namespace, char Kind, bool WithOids, uint Method, uint RowType);

/// <summary>A type (pg_type).</summary>
/// <param name="Oid">Its oid.</param>
/// <param name="Name">typname.</param>
/// <param name="Namespace">typnamespace.</param>
/// <param name="Kind">typtype.</param>
/// <param name="Relation">typrelid.</param>
/// <param name="Element">typelem.</param>
/// <param name="Base">typbasetype.</param>
/// <param name="Collation">typcollation.</param>
internal sealed record CatalogType(uint Oid, string Name, uint Namespace, char Kind, uint Relation, uint Element, uint Base, uint Collation);

/// <summary>A column (pg_attribute). There are many, and few of their names are ever asked for: they stay in their row.</summary>
/// <param name="row">The row.</param>
/// <param name="number">attnum.</param>
internal sealed class CatalogAttribute(CatalogRow row, int number)
{
    /// <summary>attname.</summary>
    public string Name => row.Text("attname") ?? "?";

    /// <summary>attnum.</summary>
    public int Number => number;

    /// <summary>atttypid.</summary>
    public uint Type { get; } = row.UInt("atttypid") ?? 0;

    /// <summary>attnotnull.</summary>
    public bool NotNull => row.Bool("attnotnull") ?? false;

    /// <summary>attisdropped.</summary>
    public bool Dropped => row.Bool("attisdropped") ?? false;

    /// <summary>attcollation.</summary>
    public uint Collation => row.UInt("attcollation") ?? 0;
}

/// <summary>A collation (pg_collation).</summary>
/// <param name="Name">collname.</param>
/// <param name="Namespace">collnamespace.</param>
/// <param name="Provider">c: the C library, i: ICU, b: built in, d: what the database says.</param>
/// <param name="Locale">Its locale.</param>
/// <param name="Version">collversion.</param>
/// <param name="IsDeterministic">collisdeterministic.</param>
internal sealed record CatalogCollation(string Name, uint Namespace, char Provider, string? Locale, string? Version, bool IsDeterministic)
{
    /// <summary>Whether a library orders by it, and not the bytes.</summary>
    public bool IsOfLibrary => Provider != 'b' && Locale is not ("C" or "POSIX");
}

/// <summary>The relations, types and columns of one database, read once for all questions about it.</summary>
internal sealed class CatalogObjects
{
    /// <summary>Below it all objects are the system's own (src/include/access/transam.h FirstNormalObjectId).</summary>
    public const uint FirstNormal = 16384;

    /// <summary>The collation of the database (src/include/catalog/pg_collation.dat).</summary>
    public const uint DefaultCollation = 100;

    private const uint SystemNamespace = 11;
    private static readonly CatalogCollation OfDatabase = new("default", SystemNamespace, 'd', null, null, true), Unknown = new("?", 0, 'c', "?", null, true);

    private CatalogObjects(Catalogs catalogs, string folder, int major) => (Catalogs, Folder, Major) = (catalogs, folder, major);

    public Catalogs Catalogs { get; }

    public string Folder { get; }

    public int Major { get; }

    public Dictionary<uint, string> Namespaces { get; } = [];

    public Dictionary<uint, CatalogRelation> Relations { get; } = [];

    public Dictionary<uint, CatalogType> Types { get; } = [];

    public Dictionary<uint, List<CatalogAttribute>> Columns { get; } = [];

    /// <summary>Collations by oid.</summary>
    public Dictionary<uint, CatalogCollation> Collations => field ??= Postgres.Catalogs.By(Catalogs.Of(Folder, Postgres.Catalogs.Collation), r => r.Oid, r => new CatalogCollation(r.Text("collname") ?? "?", r.UInt("collnamespace") ?? 0, r.Char("collprovider") ?? 'c',
        r.Text("colllocale") ?? r.Text("colliculocale") ?? r.Text("collcollate"), r.Text("collversion"), r.Bool("collisdeterministic") ?? true));

    /// <summary>Whether an index (a row of pg_index) is what a build that failed or was cut short has left: a dump and an upgrade leave it out (src/bin/pg_upgrade/info.c get_rel_infos).</summary>
    public static bool IsUnfinished(CatalogRow index) => index.Bool("indisvalid") == false || index.Bool("indisready") == false;

    /// <summary>A collation as something is compared by it.</summary>
    public CatalogCollation CollationOf(uint oid) => oid == DefaultCollation ? OfDatabase : Collations.GetValueOrDefault(oid) ?? Unknown;

    /// <summary>Options of columns, each with one column that has it.</summary>
    public SortedDictionary<string, string> ColumnOptions { get; } = new(StringComparer.Ordinal);

    /// <summary>Reads the four catalogs.</summary>
    public static CatalogObjects Read(Catalogs catalogs, string folder, int major)
    {
        var all = new CatalogObjects(catalogs, folder, major);
        foreach (var row in catalogs.Of(folder, Catalogs.Namespace))
        {
            all.Namespaces[row.Oid] = row.Text("nspname") ?? "?";
        }

        foreach (var row in catalogs.Of(folder, Catalogs.Class))
        {
            all.Relations[row.Oid] = new(row.Oid, row.Text("relname") ?? "?", row.UInt("relnamespace") ?? 0, row.Char("relkind") ?? '?', row.Bool("relhasoids") ?? false, row.UInt("relam") ?? 0, row.UInt("reltype") ?? 0);
        }

        foreach (var row in catalogs.Of(folder, Catalogs.Type))
        {
            all.Types[row.Oid] = new(row.Oid, row.Text("typname") ?? "?", row.UInt("typnamespace") ?? 0, row.Char("typtype") ?? '?', row.UInt("typrelid") ?? 0, row.UInt("typelem") ?? 0, row.UInt("typbasetype") ?? 0, row.UInt("typcollation") ?? 0);
        }

        foreach (var row in catalogs.Of(folder, Catalogs.Attribute))
        {
            if (row.Int("attnum") is > 0 and var number && row.UInt("attrelid") is { } relation)
            {
                all.Add(row, relation, number);
            }
        }

        return all;
    }

    private void Add(CatalogRow row, uint relation, int number)
    {
        if (!Columns.TryGetValue(relation, out var list))
        {
            Columns[relation] = list = [];
        }

        if (relation >= FirstNormal && row.Text("attoptions") is { } options && Relations.TryGetValue(relation, out var owner))
        {
            foreach (var option in FunctionBody.Assigned(options))
            {
                ColumnOptions.TryAdd(option, $"{Name(owner)}.{row.Text("attname")}");
            }
        }

        list.Add(new(row, number));
    }

    /// <summary>Whether a namespace is the system's or one of temporary tables.</summary>
    public bool IsSystem(uint ns) => NamespaceOf(ns) is var name && (name is "pg_catalog" or "information_schema" or "pg_toast" || name.StartsWith("pg_temp_", StringComparison.Ordinal) || name.StartsWith("pg_toast_temp_", StringComparison.Ordinal));

    /// <summary>Whether a namespace is pg_catalog, where everything is found without a search_path.</summary>
    public static bool IsCatalog(uint ns) => ns == SystemNamespace;

    public string NamespaceOf(uint ns) => Namespaces.GetValueOrDefault(ns, "?");

    public string Name(CatalogRelation relation) => Qualified(relation.Namespace, relation.Name);

    public string Qualified(uint ns, string? name) => $"{NamespaceOf(ns)}.{name ?? "?"}";
}
