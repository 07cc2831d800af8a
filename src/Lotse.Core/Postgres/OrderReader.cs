namespace Lotse.Postgres;

/// <summary>
/// What is stored because one text was before another: rows in partitions by range, what constraints let in, the rows of
/// partial indexes and of materialized views. No REINDEX of keys mends these.
/// </summary>
internal sealed class OrderReader
{
    private static readonly string[] Comparing = ["<", "<=", ">", ">="];

    private readonly CatalogObjects objects;
    private readonly HashSet<uint> operators;

    public OrderReader(CatalogObjects objects)
    {
        this.objects = objects;
        operators = objects.Catalogs.Of(objects.Folder, Catalogs.Operator).Where(r => Comparing.Contains(r.Text("oprname"))).Select(r => r.Oid).ToHashSet();
    }

    /// <summary>Reads them, by name: partitioned tables, tables with such a constraint, materialized views.</summary>
    public OrderedIndex[] Read(IEnumerable<StoredTree> trees)
    {
        var found = new SortedDictionary<string, OrderedIndex>(StringComparer.Ordinal);
        void Add(CatalogRelation relation, CatalogCollation? collation)
        {
            if (collation is not null && !objects.IsSystem(relation.Namespace))
            {
                found.TryAdd(objects.Name(relation), OrderedIndex.Of(objects.Name(relation), objects.Name(relation), collation));
            }
        }

        foreach (var row in objects.Catalogs.Of(objects.Folder, Catalogs.PartitionedTable))
        {
            if (row.Char("partstrat") == 'r' && objects.Relations.TryGetValue(row.UInt("partrelid") ?? 0, out var table))
            {
                Add(table, row.Oids("partcollation").Where(c => c != 0).Select(objects.CollationOf).FirstOrDefault(c => c.IsOfLibrary));
            }
        }

        foreach (var tree in trees)
        {
            if (objects.Relations.TryGetValue(tree.Relation, out var relation) && relation.Kind is not ('i' or 'I'))
            {
                Add(relation, CollationIn([tree.Tree]));
            }
        }

        return [.. found.Values];
    }

    /// <summary>The first collation of a library by which something in trees is compared as less or greater; null: nothing is.</summary>
    public CatalogCollation? CollationIn(IEnumerable<string> trees) =>
        trees.SelectMany(Comparisons).Where(c => c != 0).Select(objects.CollationOf).FirstOrDefault(c => c.IsOfLibrary);

    /// <summary>Operators that order, of one value or of any in a list, and GREATEST and LEAST (src/include/nodes/primnodes.h).</summary>
    private IEnumerable<uint> Comparisons(string tree)
    {
        foreach (var (node, oid, collation) in StoredTrees.Calls(tree))
        {
            if (node is 'M' || (node is 'O' or 'A' && operators.Contains(oid)))
            {
                yield return collation;
            }
        }
    }
}
