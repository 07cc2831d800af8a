using System.Globalization;

namespace Lotse.Postgres;

/// <summary>
/// What views, rules, policies, functions and the like of users name of the system. pg_depend does not say it of pinned
/// objects, so the stored tree is read: of each relation it holds the set of columns that are used (src/backend/nodes/outfuncs.c).
/// </summary>
internal static class ViewReader
{
    /// <summary>Columns of catalogs and system views, and functions, that some version no longer has.</summary>
    public static (SystemColumnUse[] Columns, SystemFunctionUse[] Functions) Read(CatalogObjects objects, IEnumerable<StoredTree> trees)
    {
        var columns = new HashSet<SystemColumnUse>();
        var functions = new HashSet<SystemFunctionUse>();
        var watched = VersionTables.Columns.Select(c => c.View).ToHashSet(StringComparer.Ordinal);
        foreach (var (owner, _, tree) in trees)
        {
            foreach (var (relation, numbers) in UsedColumns(tree, objects.Major))
            {
                if (relation < CatalogObjects.FirstNormal && objects.Relations.TryGetValue(relation, out var system) && watched.Contains(system.Name) && objects.Columns.TryGetValue(relation, out var there))
                {
                    columns.UnionWith(there.Where(c => numbers.Contains(c.Number)).Select(c => new SystemColumnUse(owner, system.Name, c.Name)));
                }
            }

            functions.UnionWith(UsedFunctions(tree).Where(VersionTables.Functions.ContainsKey).Select(f => new SystemFunctionUse(owner, f)));
        }

        return ([.. columns.OrderBy(u => u.View, StringComparer.Ordinal).ThenBy(u => u.Column, StringComparer.Ordinal)], [.. functions.OrderBy(u => u.View, StringComparer.Ordinal).ThenBy(u => u.Function)]);
    }

    /// <summary>Each relation of a tree with the numbers of its columns that are read.</summary>
    internal static IEnumerable<(uint Relation, int[] Columns)> UsedColumns(string tree, int major)
    {
        // Columns count from FirstLowInvalidHeapAttributeNumber; it was -8 as long as there were oids (src/include/access/sysattr.h).
        const string Selected = ":selectedCols (b", Relation = ":relid ";
        var lowest = major >= 12 ? 7 : 8;
        for (int from = 0, at; (at = tree.IndexOf(Selected, from, StringComparison.Ordinal)) >= 0;)
        {
            var end = tree.IndexOf(')', at);
            if (end < 0)
            {
                yield break;
            }

            var named = tree.LastIndexOf(Relation, at, at - from, StringComparison.Ordinal);
            if (named >= 0 && Number(tree, named + Relation.Length) is { } relation)
            {
                yield return (relation, [.. tree[(at + Selected.Length)..end].Split(' ', StringSplitOptions.RemoveEmptyEntries)
                    .Select(n => int.TryParse(n, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number - lowest : 0).Where(n => n > 0)]);
            }

            from = end;
        }
    }

    /// <summary>The functions that a tree calls, aggregates among them.</summary>
    internal static IEnumerable<uint> UsedFunctions(string tree)
    {
        foreach (var field in new[] { ":funcid ", ":aggfnoid ", ":winfnoid ", ":opfuncid " })
        {
            for (int from = 0, at; (at = tree.IndexOf(field, from, StringComparison.Ordinal)) >= 0; from = at + field.Length)
            {
                if (Number(tree, at + field.Length) is { } oid)
                {
                    yield return oid;
                }
            }
        }
    }

    private static uint? Number(string tree, int at)
    {
        var end = at;
        while (end < tree.Length && char.IsAsciiDigit(tree[end]))
        {
            end++;
        }

        return uint.TryParse(tree.AsSpan(at, end - at), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
    }
}
