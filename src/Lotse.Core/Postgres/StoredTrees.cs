using System.Globalization;

namespace Lotse.Postgres;

/// <summary>An expression or query that the catalogs keep as a tree (pg_node_tree), and that a dump writes out again.</summary>
/// <param name="Owner">schema.name of what it belongs to.</param>
/// <param name="Relation">The oid of the relation that stores what follows from it: of a constraint, an index, a partitioned table or a materialized view; 0: nothing is stored.</param>
/// <param name="Tree">The tree (src/backend/nodes/outfuncs.c).</param>
internal sealed record StoredTree(string Owner, uint Relation, string Tree);

/// <summary>
/// All trees of users: of views and rules, policies, column defaults, constraints, triggers, functions whose body is kept as a tree,
/// defaults of arguments and of domains, indexes, partitions, statistics and publications.
/// </summary>
internal static class StoredTrees
{
    private const uint FirstNormal = CatalogObjects.FirstNormal;

    private static readonly (uint Catalog, string Relation, string[] Trees, bool IsStored)[] OfRelations =
    [
        (Catalogs.Rewrite, "ev_class", ["ev_action", "ev_qual"], false),
        (Catalogs.Policy, "polrelid", ["polqual", "polwithcheck"], false),
        (Catalogs.ColumnDefault, "adrelid", ["adbin"], false),
        (Catalogs.Constraint, "conrelid", ["conbin"], true),
        (Catalogs.Trigger, "tgrelid", ["tgqual"], false),
        (Catalogs.Index, "indexrelid", ["indexprs", "indpred"], true),
        (Catalogs.PartitionedTable, "partrelid", ["partexprs"], true),
        (Catalogs.Statistics, "stxrelid", ["stxexprs"], false),
        (Catalogs.PublicationRelation, "prrelid", ["prqual"], false),
    ];

    private static readonly string[] OfFunctions = ["prosqlbody", "proargdefaults"];

    private static readonly (char Node, string Begin)[] Starts = [('F', "{FUNCEXPR :funcid "), ('O', "{OPEXPR :opno "), ('A', "{SCALARARRAYOPEXPR :opno "), ('M', "{MINMAXEXPR :minmaxtype ")];

    /// <summary>Reads them.</summary>
    public static IEnumerable<StoredTree> Read(CatalogObjects objects)
    {
        foreach (var (catalog, relation, trees, isStored) in OfRelations)
        {
            foreach (var row in objects.Catalogs.Of(objects.Folder, catalog))
            {
                if (row.UInt(relation) is not (>= FirstNormal and var oid) || !objects.Relations.TryGetValue(oid, out var owner))
                {
                    continue;
                }

                foreach (var tree in trees.Select(t => objects.Catalogs.Whole(objects.Folder, row, t)).OfType<string>())
                {
                    yield return new(objects.Name(owner), isStored || owner.Kind == 'm' ? oid : 0, tree);
                }
            }
        }

        foreach (var row in objects.Catalogs.Of(objects.Folder, Catalogs.Procedure).Where(r => r.Oid >= FirstNormal))
        {
            foreach (var tree in OfFunctions.Select(t => objects.Catalogs.Whole(objects.Folder, row, t)).OfType<string>())
            {
                yield return new(objects.Qualified(row.UInt("pronamespace") ?? 0, row.Text("proname")), 0, tree);
            }
        }

        foreach (var row in objects.Catalogs.Of(objects.Folder, Catalogs.Type).Where(r => r.Oid >= FirstNormal))
        {
            if (objects.Catalogs.Whole(objects.Folder, row, "typdefaultbin") is { } tree)
            {
                yield return new(objects.Qualified(row.UInt("typnamespace") ?? 0, row.Text("typname")), 0, tree);
            }
        }

        foreach (var row in objects.Catalogs.Of(objects.Folder, Catalogs.Constraint).Where(r => r.Oid >= FirstNormal && r.UInt("conrelid") is null or 0))
        {
            if (objects.Types.TryGetValue(row.UInt("contypid") ?? 0, out var domain) && objects.Catalogs.Whole(objects.Folder, row, "conbin") is { } tree)
            {
                yield return new(objects.Qualified(domain.Namespace, domain.Name), 0, tree);
            }
        }
    }

    /// <summary>Calls of functions (F), of operators (O), of operators with any or all of an array (A) and GREATEST or LEAST (M, without an oid) in a tree, with the collation that each is given.</summary>
    public static IEnumerable<(char Node, uint Oid, uint Collation)> Calls(string tree)
    {
        const string Collation = ":inputcollid ";
        foreach (var (node, begin) in Starts)
        {
            for (int from = 0, at; (at = tree.IndexOf(begin, from, StringComparison.Ordinal)) >= 0;)
            {
                from = at + begin.Length;
                var end = tree.IndexOf('{', from) is >= 0 and var next ? next : tree.Length;
                var given = tree.IndexOf(Collation, from, end - from, StringComparison.Ordinal);
                yield return (node, Number(tree, from), given < 0 ? 0 : Number(tree, given + Collation.Length));
            }
        }
    }

    private static uint Number(string tree, int at)
    {
        var end = at;
        while (end < tree.Length && char.IsAsciiDigit(tree[end]))
        {
            end++;
        }

        return uint.TryParse(tree.AsSpan(at, end - at), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;
    }
}
