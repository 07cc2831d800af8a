using System.Globalization;

namespace Lotse.Postgres;

/// <summary>
/// What is stored and follows from the version of Unicode that is built into the server: constraints, indexes, partitions and materialized
/// views that normalise text, or that fold its case or match patterns by the provider builtin (src/bin/pg_upgrade/check.c check_for_unicode_update).
/// </summary>
internal static class UnicodeReader
{
    private const uint DefaultCollation = 100, Text = 25;
    private static readonly (char Node, string Begin)[] Starts = [('F', "{FUNCEXPR :funcid "), ('O', "{OPEXPR :opno "), ('A', "{SCALARARRAYOPEXPR :opno "), ('M', "{MINMAXEXPR :minmaxtype ")];
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
        var collations = catalogs.Of(folder, Catalogs.Collation).Where(r => IsOfUnicode(r.Char("collprovider")?.ToString(), r.Text("colllocale"))).Select(r => r.Oid).Append(DefaultCollation).ToHashSet();
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
            foreach (var (node, oid, collation) in Calls(tree))
            {
                var isAlways = node == 'F' && always.Contains(oid);
                if (isAlways || (node is 'F' or 'O' && collations.Contains(collation) && (node == 'F' ? folding : matching).Contains(oid)))
                {
                    all[name] = (!all.TryGetValue(name, out var only) || only) && !isAlways && collation == DefaultCollation;
                }
            }
        }

        return [.. all.Select(u => new UnicodeUse(u.Key, u.Value)).OrderBy(u => u.Relation, StringComparer.Ordinal)];
    }

    /// <summary>Calls of functions (F), of operators (O), of operators with any or all of an array (A) and GREATEST or LEAST (M, without an oid) in a tree, with the collation that each is given.</summary>
    internal static IEnumerable<(char Node, uint Oid, uint Collation)> Calls(string tree)
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
