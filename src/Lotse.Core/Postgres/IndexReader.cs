namespace Lotse.Postgres;

/// <summary>
/// Indexes whose order follows a collation, from what their operator classes really compare: text by its pattern classes
/// goes by bytes, trigrams are numbers, a range goes by the collation that it was made with, and jsonb by the database's.
/// </summary>
internal static class IndexReader
{
    private const uint BTree = 403, Hash = 405, Gist = 783, Gin = 2742, Brin = 3580, SpGist = 4000;
    private const uint CollationC = 950, CollationPosix = 951;

    private const uint JsonbType = 3802, RecordType = 2249;

    private sealed record OperatorClass(string Name, uint Key);

    private static readonly OperatorClass Unnamed = new("", 0);

    /// <summary>Reads them, by name.</summary>
    public static OrderedIndex[] Read(CatalogObjects objects, OrderReader order, IEnumerable<StoredTree> trees)
    {
        var (catalogs, folder) = (objects.Catalogs, objects.Folder);
        var stored = trees.ToLookup(t => t.Relation, t => t.Tree);
        var classes = Catalogs.By(catalogs.Of(folder, Catalogs.OperatorClass), r => r.Oid, r => new OperatorClass(r.Text("opcname") ?? "", r.UInt("opckeytype") ?? 0));
        var ranges = Catalogs.By(catalogs.Of(folder, Catalogs.Range).Where(r => r.UInt("rngcollation") is > 0), r => r.UInt("rngtypid") ?? 0, r => r.UInt("rngcollation") ?? 0);
        foreach (var (multi, range) in catalogs.Of(folder, Catalogs.Range).Where(r => r.UInt("rngmultitypid") is > 0).Select(r => (r.UInt("rngmultitypid") ?? 0, r.UInt("rngtypid") ?? 0)).ToArray())
        {
            if (ranges.TryGetValue(range, out var collation))
            {
                ranges[multi] = collation;
            }
        }

        var all = new List<OrderedIndex>();
        foreach (var row in catalogs.Of(folder, Catalogs.Index))
        {
            if (!objects.Relations.TryGetValue(row.UInt("indexrelid") ?? 0, out var index) || index.Kind != 'i' || !objects.Relations.TryGetValue(row.UInt("indrelid") ?? 0, out var table) || objects.IsSystem(table.Namespace) || index.Oid < CatalogObjects.FirstNormal)
            {
                continue;
            }

            if (CatalogObjects.IsUnfinished(row))
            {
                continue;
            }

            var own = row.Oids("indcollation");
            var operators = row.Oids("indclass");
            var moving = false;
            for (var i = 0; i < operators.Length; i++)
            {
                var kind = classes.GetValueOrDefault(operators[i]) ?? Unnamed;
                var column = objects.Columns.GetValueOrDefault(index.Oid)?.FirstOrDefault(c => c.Number == i + 1);
                var found = Compared(objects, ranges, index.Method, kind, i < own.Length ? own[i] : 0, column?.Type ?? 0, 0)
                    .Select(objects.CollationOf)
                    .FirstOrDefault(c => c.IsOfLibrary && (index.Method != Hash || !c.IsDeterministic));
                if (found is not null)
                {
                    all.Add(OrderedIndex.Of(objects.Name(index), objects.Name(table), found));
                    moving = true;
                    break;
                }
            }

            // Which rows it holds, or what of them, may follow an order although its keys do not.
            if (!moving && order.CollationIn(stored[index.Oid]) is { } inside)
            {
                all.Add(OrderedIndex.Of(objects.Name(index), objects.Name(table), inside));
            }
        }

        return [.. all.OrderBy(i => i.Index, StringComparer.Ordinal)];
    }

    /// <summary>The collations that a key of an index is compared by, without C and POSIX.</summary>
    private static IEnumerable<uint> Compared(CatalogObjects objects, Dictionary<uint, uint> ranges, uint method, OperatorClass kind, uint collation, uint type, int depth)
    {
        const int MostDepth = 8;

        // text_pattern_ops, bpchar_pattern_ops, citext_pattern_ops compare bytes.
        if (depth > MostDepth || kind.Name.EndsWith("_pattern_ops", StringComparison.Ordinal))
        {
            return [];
        }

        if (collation != 0)
        {
            return collation is CollationC or CollationPosix || !IsByOrder(objects, method, kind) ? [] : [collation];
        }

        // The type of a column of an index is that of its key; below domains lies what is compared.
        while (objects.Types.TryGetValue(type, out var domain) && domain is { Kind: 'd', Base: not 0 } && depth++ < MostDepth)
        {
            type = domain.Base;
        }

        if (ranges.TryGetValue(type, out var ofRange))
        {
            return ofRange is CollationC or CollationPosix || method is not (BTree or Hash or Gist or SpGist or Brin) ? [] : [ofRange];
        }

        if (method is not (BTree or Brin))
        {
            return [];
        }

        if (type == JsonbType)
        {
            // Strings in jsonb are compared by the database's collation (src/backend/utils/adt/jsonb_util.c compareJsonbScalarValue).
            return [CatalogObjects.DefaultCollation];
        }

        if (type == RecordType || !objects.Types.TryGetValue(type, out var known))
        {
            return [];
        }

        return known switch
        {
            { Kind: 'c' } => (objects.Columns.GetValueOrDefault(known.Relation) ?? []).Where(c => !c.Dropped).SelectMany(c => Compared(objects, ranges, method, Unnamed, c.Collation, c.Type, depth + 1)),
            { Element: not 0, Kind: 'b' } => Compared(objects, ranges, method, Unnamed, 0, known.Element, depth + 1),
            _ => [],
        };
    }

    /// <summary>
    /// Whether a method keeps keys in the order of their type. SP-GiST splits text by bytes; GIN and GiST do where their keys
    /// are of a type with an order of its own, and not for trigrams, words or signatures.
    /// </summary>
    private static bool IsByOrder(CatalogObjects objects, uint method, OperatorClass kind) => method switch
    {
        BTree or Hash or Brin => true,
        Gin => kind.Key == 0 || objects.Types.GetValueOrDefault(kind.Key) is { Collation: not 0 } or { Kind: 'p' },
        Gist => kind.Key == 0 || (objects.Types.GetValueOrDefault(kind.Key)?.Name.StartsWith("gbtreekey", StringComparison.Ordinal) ?? false),
        _ => false,
    };
}
