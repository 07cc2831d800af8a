namespace Lotse.Postgres;

/// <summary>
/// What in one database bears on an upgrade: the questions that pg_upgrade asks a running server
/// (src/bin/pg_upgrade/check.c, version.c, function.c), answered from the catalogs' files, and those that it does not ask.
/// </summary>
internal sealed class ObjectReader
{
    private const uint FirstNormal = CatalogObjects.FirstNormal, LanguageC = 13;

    // array_append, array_prepend, array_cat, array_remove, array_replace, array_position (2), array_positions, width_bucket: anyarray became anycompatiblearray in 14.
    private static readonly HashSet<uint> ChangedFunctions = [378, 379, 383, 3167, 3168, 3277, 3278, 3279, 3218];
    private static readonly HashSet<uint> PolymorphicTypes = [2277, 2283];

    // Of the reg* types those whose oids pg_upgrade does not keep; regclass, regrole and regtype survive.
    private static readonly string[] LostReg = ["regcollation", "regconfig", "regdictionary", "regnamespace", "regoper", "regoperator", "regproc", "regprocedure"];
    private static readonly string[] GoneIn12 = ["abstime", "reltime", "tinterval"];

    private readonly CatalogObjects objects;

    private ObjectReader(CatalogObjects objects) => this.objects = objects;

    private Catalogs Catalogs => objects.Catalogs;

    private string Folder => objects.Folder;

    /// <summary>Reads one database.</summary>
    public static DatabaseObjects Read(Catalogs catalogs, string folder, int major) => new ObjectReader(CatalogObjects.Read(catalogs, folder, major)).All(major);

    private DatabaseObjects All(int major)
    {
        var procedures = new Dictionary<uint, string>();
        var libraries = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var row in Catalogs.Of(Folder, Catalogs.Procedure).Where(r => r.Oid >= FirstNormal))
        {
            var name = procedures[row.Oid] = Qualified(row, "pronamespace", "proname");
            if (row.UInt("prolang") == LanguageC && row.Text("probin") is { } library)
            {
                libraries.TryAdd(library, name);
            }
        }

        var tables = objects.Relations.Values.Where(r => r.Oid >= FirstNormal && (r.Kind is 'r' or 'm' or 'p') && !objects.IsSystem(r.Namespace)).ToArray();
        StoredTree[] trees = [.. StoredTrees.Read(objects)];
        var order = new OrderReader(objects);
        var (columns, functions) = ViewReader.Read(objects, trees);
        var (risky, broken) = SearchPathReader.Read(objects);
        return new()
        {
            RegColumns = Uses(t => t.Namespace == 11 && LostReg.Contains(t.Name)),
            SystemComposites = Uses(t => t.Kind == 'c' && (t.Oid < FirstNormal || objects.NamespaceOf(t.Namespace) == "information_schema")),
            AclItems = major < 16 ? Uses(t => t.Oid == 1033) : [],
            RemovedTypes = major < 12 ? Uses(t => (t.Namespace == 11 && GoneIn12.Contains(t.Name)) || (t.Name == "sql_identifier" && objects.NamespaceOf(t.Namespace) == "information_schema")) : [],
            WithOids = [.. objects.Relations.Values.Where(r => r.WithOids && r.Oid >= FirstNormal && r.Kind == 'r').Select(objects.Name).Order(StringComparer.Ordinal)],
            Libraries = [.. libraries.Select(l => new LibraryUse(l.Key, l.Value))],
            PostfixOperators = major < 14 ? Named(Catalogs.Operator, "oprnamespace", "oprname", r => r.UInt("oprright") == 0) : [],
            Polymorphic = major < 14 ? Polymorphic(procedures) : [],
            Conversions = major < 14 ? Named(Catalogs.Conversion, "connamespace", "conname", _ => true) : [],
            NullableChildren = NullableChildren(),
            Dictionaries = Dictionaries(),
            SystemColumns = columns,
            SystemFunctions = functions,
            OrderedIndexes = IndexReader.Read(objects, order, trees),
            OrderedRelations = order.Read(trees),
            Collations = CollationReader.Read(objects, trees),
            InvalidIndexes = [.. Catalogs.Of(Folder, Catalogs.Index).Where(CatalogObjects.IsUnfinished)
                .Select(r => objects.Relations.GetValueOrDefault(r.UInt("indexrelid") ?? 0)).OfType<CatalogRelation>().Where(i => i.Kind == 'i' && i.Oid >= FirstNormal && !objects.IsSystem(i.Namespace)).Select(objects.Name).Order(StringComparer.Ordinal)],
            UnicodeUses = major >= 17 ? UnicodeReader.Read(objects, trees) : [],
            GistInetIndexes = GistInet(),
            FunctionIndexes = risky,
            BrokenIndexes = broken,
            ColumnOptions = [.. objects.ColumnOptions.Select(o => new ColumnOption(o.Key, o.Value))],
            Tables = tables.Length,
            OneTable = tables.MinBy(t => t.Oid) is { } first ? objects.Name(first) : null,
        };
    }

    private string Qualified(CatalogRow row, string ns, string name) => objects.Qualified(row.UInt(ns) ?? 0, row.Text(name));

    private string[] Named(uint catalog, string ns, string name, Func<CatalogRow, bool> isMeant) =>
        [.. Catalogs.Of(Folder, catalog).Where(r => r.Oid >= FirstNormal && isMeant(r)).Select(r => Qualified(r, ns, name)).Order(StringComparer.Ordinal)];

    /// <summary>check_for_data_types_usage: columns of tables, materialized views and indexes that hold a type, also inside domains, arrays, rows and ranges.</summary>
    private TypeUse[] Uses(Func<CatalogType, bool> isMeant)
    {
        var meant = objects.Types.Values.Where(isMeant).ToDictionary(t => t.Oid, t => t.Name);
        for (var grown = -1; grown != meant.Count && meant.Count > 0;)
        {
            grown = meant.Count;
            foreach (var (inner, outer) in Plain)
            {
                if (meant.TryGetValue(inner, out var name))
                {
                    meant.TryAdd(outer, name);
                }
            }

            foreach (var type in objects.Types.Values.Where(t => t.Kind == 'c' && !meant.ContainsKey(t.Oid)))
            {
                if (objects.Columns.TryGetValue(type.Relation, out var inside) && inside.Find(c => meant.ContainsKey(c.Type) && !c.Dropped) is { } holder)
                {
                    meant[type.Oid] = meant[holder.Type];
                }
            }
        }

        return [.. objects.Relations.Values
            .Where(r => r.Oid >= FirstNormal && (r.Kind is 'r' or 'm' or 'i') && !objects.IsSystem(r.Namespace) && objects.Columns.ContainsKey(r.Oid))
            .SelectMany(r => objects.Columns[r.Oid].Where(c => meant.ContainsKey(c.Type) && !c.Dropped).Select(c => new TypeUse($"{objects.Name(r)}.{c.Name}", meant[c.Type])))
            .OrderBy(u => u.Column, StringComparer.Ordinal)];
    }

    /// <summary>Types and those that are made of them: domains, arrays, ranges. Rows are looked at by their columns.</summary>
    private (uint Inner, uint Outer)[] Plain => field ??= [.. objects.Types.Values.Where(t => t.Kind == 'd').Select(t => (t.Base, t.Oid)),
        .. objects.Types.Values.Where(t => t is { Kind: 'b', Element: not 0 }).Select(t => (t.Element, t.Oid)),
        .. Catalogs.Of(Folder, Catalogs.Range).Select(r => (r.UInt("rngsubtype") ?? 0, r.UInt("rngtypid") ?? 0))];

    /// <summary>check_for_incompatible_polymorphics.</summary>
    private string[] Polymorphic(Dictionary<uint, string> procedures)
    {
        var all = new List<string>();
        foreach (var row in Catalogs.Of(Folder, Catalogs.Aggregate))
        {
            if (row.UInt("aggfnoid") is >= FirstNormal and var function
                && (ChangedFunctions.Contains(row.UInt("aggfinalfn") ?? 0) || ChangedFunctions.Contains(row.UInt("aggtransfn") ?? 0)) && PolymorphicTypes.Contains(row.UInt("aggtranstype") ?? 0))
            {
                all.Add($"aggregate {procedures.GetValueOrDefault(function, "?")}");
            }
        }

        foreach (var row in Catalogs.Of(Folder, Catalogs.Operator))
        {
            if (row.Oid >= FirstNormal && ChangedFunctions.Contains(row.UInt("oprcode") ?? 0) && PolymorphicTypes.Contains(row.UInt("oprleft") ?? 0))
            {
                all.Add($"operator {Qualified(row, "oprnamespace", "oprname")}");
            }
        }

        return [.. all.Order(StringComparer.Ordinal)];
    }

    /// <summary>check_for_not_null_inheritance.</summary>
    private string[] NullableChildren()
    {
        var all = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var row in Catalogs.Of(Folder, Catalogs.Inherits))
        {
            if (row.UInt("inhrelid") is not { } child || row.UInt("inhparent") is not { } parent || !objects.Columns.TryGetValue(child, out var below) || !objects.Columns.TryGetValue(parent, out var above) || !objects.Relations.TryGetValue(child, out var relation) || relation.Kind is 'i' or 'I')
            {
                continue;
            }

            all.UnionWith(above.Where(a => a.NotNull && !a.Dropped && below.Any(b => b.Name == a.Name && !b.NotNull && !b.Dropped)).Select(a => $"{objects.Name(relation)}.{a.Name}"));
        }

        return [.. all];
    }

    /// <summary>check_for_gist_inet_ops.</summary>
    private string[] GistInet()
    {
        const uint Gist = 783;
        var classes = Catalogs.Of(Folder, Catalogs.OperatorClass).Where(r => r.UInt("opcmethod") == Gist && r.Text("opcname") is "gist_inet_ops" or "gist_cidr_ops" && r.Bool("opcdefault") == true).Select(r => r.Oid).ToHashSet();
        return classes.Count == 0 ? [] : [.. Catalogs.Of(Folder, Catalogs.Index).Where(r => r.Oids("indclass").Any(classes.Contains)).Select(r => objects.Relations.GetValueOrDefault(r.UInt("indexrelid") ?? 0)).OfType<CatalogRelation>().Select(objects.Name).Order(StringComparer.Ordinal)];
    }

    private DictionaryUse[] Dictionaries()
    {
        var templates = Catalogs.By(Catalogs.Of(Folder, Catalogs.Template), r => r.Oid, r => r.Text("tmplname") ?? "");
        var all = new List<DictionaryUse>();
        foreach (var row in Catalogs.Of(Folder, Catalogs.Dictionary).Where(r => r.Oid >= FirstNormal))
        {
            // dictinitoption: name = 'value', name = 'value'; suffixes as the templates add them (ts_utils.c get_tsearch_config_filename).
            var template = templates.GetValueOrDefault(row.UInt("dicttemplate") ?? 0, "");
            var files = Options(Catalogs.Whole(Folder, row, "dictinitoption") ?? "")
                .Select(o => (o.Value, Suffix: o.Name switch { "dictfile" => template == "thesaurus" ? ".ths" : ".dict", "afffile" => ".affix", "stopwords" => ".stop", "synonyms" => ".syn", "rules" => ".rules", _ => null }))
                .Where(o => o.Suffix is not null).Select(o => o.Value + o.Suffix).ToArray();
            if (files.Length > 0)
            {
                all.Add(new(Qualified(row, "dictnamespace", "dictname"), files));
            }
        }

        return [.. all.OrderBy(d => d.Name, StringComparer.Ordinal)];
    }

    internal static IEnumerable<(string Name, string Value)> Options(string text)
    {
        foreach (System.Text.RegularExpressions.Match match in System.Text.RegularExpressions.Regex.Matches(text, @"""?([A-Za-z_][A-Za-z0-9_]*)""?\s*=\s*E?'((?:[^']|'')*)'"))
        {
            yield return (match.Groups[1].Value.ToLowerInvariant(), match.Groups[2].Value.Replace("''", "'", StringComparison.Ordinal));
        }
    }
}
