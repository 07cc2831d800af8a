using System.Globalization;
using System.Text.RegularExpressions;

namespace Lotse.Postgres;

/// <summary>
/// Collations that a dump names: users' own, which it makes anew with the version that was recorded, and those that initdb
/// made from the locales of the system (src/backend/commands/collationcmds.c pg_import_system_collations), which it expects to be there.
/// </summary>
internal static partial class CollationReader
{
    /// <summary>Below it the system's own objects are the same everywhere (src/include/access/transam.h FirstUnpinnedObjectId).</summary>
    private const uint FirstUnpinned = 12000;

    /// <summary>Reads them, by name.</summary>
    public static CollationUse[] Read(CatalogObjects objects, IEnumerable<StoredTree> trees)
    {
        var used = objects.Columns.Where(c => c.Key >= CatalogObjects.FirstNormal).SelectMany(c => c.Value).Where(c => !c.Dropped).Select(c => c.Collation)
            .Concat(objects.Types.Values.Where(t => t.Oid >= CatalogObjects.FirstNormal).Select(t => t.Collation))
            .Concat(objects.Catalogs.Of(objects.Folder, Catalogs.Range).Where(r => r.UInt("rngtypid") is >= CatalogObjects.FirstNormal).Select(r => r.UInt("rngcollation") ?? 0))
            .Concat(objects.Catalogs.Of(objects.Folder, Catalogs.PartitionedTable).SelectMany(r => r.Oids("partcollation")))
            .Where(c => c >= FirstUnpinned).ToHashSet();
        foreach (var tree in trees)
        {
            foreach (var named in Named().EnumerateMatches(tree.Tree))
            {
                var text = tree.Tree.AsSpan(named.Index, named.Length);
                if (uint.TryParse(text[(text.LastIndexOf(' ') + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var oid) && oid >= FirstUnpinned)
                {
                    used.Add(oid);
                }
            }
        }

        return [.. objects.Collations.Where(c => c.Value.Provider is 'c' or 'i').Select(c => (Collation: c.Value, IsOwn: c.Key >= CatalogObjects.FirstNormal && !objects.IsSystem(c.Value.Namespace), Oid: c.Key))
            .Where(c => c.IsOwn || used.Contains(c.Oid))
            .Select(c => new CollationUse(c.IsOwn ? objects.Qualified(c.Collation.Namespace, c.Collation.Name) : c.Collation.Name, c.Collation.Provider.ToString(), c.Collation.Locale, c.Collation.Version, c.IsOwn))
            .OrderBy(c => c.Name, StringComparer.Ordinal)];
    }

    [GeneratedRegex(@":collOid \d+")]
    private static partial Regex Named();
}
