namespace Lotse.Postgres;

/// <summary>
/// What is stored and follows from the version of Unicode that is built into the server: constraints, indexes, partitions and materialized
/// views that normalise text, or that fold its case or match patterns by the provider builtin (src/bin/pg_upgrade/check.c check_for_unicode_update).
/// </summary>
internal static class UnicodeReader
{
    private const uint Text = 25;
    private static readonly HashSet<string> Always = ["normalize", "is_normalized", "unicode_assigned", "unicode_version"], Folding = ["lower", "upper", "initcap", "casefold"], Matching = ["~", "~*", "!~", "!~*", "~~*", "!~~*"];

    /// <summary>Locales of the provider builtin that know more than bytes.</summary>
    public static bool IsOfUnicode(string? provider, string? locale) => provider == "b" && locale is "C.UTF-8" or "PG_UNICODE_FAST";

    /// <summary>Reads them, by name.</summary>
    public static UnicodeUse[] Read(CatalogObjects objects, IEnumerable<StoredTree> trees)
    {
        var stored = trees.Where(t => t.Relation != 0).ToArray();
        if (stored.Length == 0)
        {
            return [];
        }

        var (catalogs, folder) = (objects.Catalogs, objects.Folder);
        var collations = catalogs.Of(folder, Catalogs.Collation).Where(r => IsOfUnicode(r.Char("collprovider")?.ToString(), r.Text("colllocale"))).Select(r => r.Oid).Append(CatalogObjects.DefaultCollation).ToHashSet();
        var (always, folding, matching) = (new HashSet<uint>(), new HashSet<uint>(), new HashSet<uint>());
        foreach (var row in catalogs.Of(folder, Catalogs.Procedure))
        {
            if (!CatalogObjects.IsCatalog(row.UInt("pronamespace") ?? 0) || row.Text("proname") is not { } name)
            {
                continue;
            }

            if (Always.Contains(name))
            {
                always.Add(row.Oid);
            }
            else if (Folding.Contains(name) || name == "substring" || name.StartsWith("regexp_", StringComparison.Ordinal))
            {
                folding.Add(row.Oid);
            }
        }

        foreach (var row in catalogs.Of(folder, Catalogs.Operator))
        {
            if (CatalogObjects.IsCatalog(row.UInt("oprnamespace") ?? 0) && Matching.Contains(row.Text("oprname") ?? "") && row.UInt("oprright") == Text)
            {
                matching.Add(row.Oid);
                folding.Add(row.UInt("oprcode") ?? 0);
            }
        }

        var all = new Dictionary<string, bool>(StringComparer.Ordinal);
        foreach (var (_, relation, tree) in stored)
        {
            var name = objects.Name(objects.Relations[relation]);
            foreach (var (node, oid, collation) in StoredTrees.Calls(tree))
            {
                var isAlways = node == 'F' && always.Contains(oid);
                if (isAlways || (node is 'F' or 'O' && collations.Contains(collation) && (node == 'F' ? folding : matching).Contains(oid)))
                {
                    all[name] = (!all.TryGetValue(name, out var only) || only) && !isAlways && collation == CatalogObjects.DefaultCollation;
                }
            }
        }

        return [.. all.Select(u => new UnicodeUse(u.Key, u.Value)).OrderBy(u => u.Relation, StringComparer.Ordinal)];
    }
}
