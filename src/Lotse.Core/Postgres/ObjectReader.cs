namespace Lotse.Postgres;

/// <summary>
/// What in one database bears on an upgrade: the questions that pg_upgrade asks a running server
/// (src/bin/pg_upgrade/check.c, version.c, function.c), answered from the catalogs' files, and those that it does not ask.
/// </summary>
internal sealed class ObjectReader
{
    private const uint FirstNormal = 16384, LanguageC = 13, LanguageSql = 14, Hash = 405;
    private const uint DefaultCollation = 100, CollationC = 950, CollationPosix = 951;

    // array_append, array_prepend, array_cat, array_remove, array_replace, array_position (2), array_positions, width_bucket: anyarray became anycompatiblearray in 14.
    private static readonly HashSet<uint> ChangedFunctions = [378, 379, 383, 3167, 3168, 3277, 3278, 3279, 3218];
    private static readonly HashSet<uint> PolymorphicTypes = [2277, 2283];

    // Of the reg* types those whose oids pg_upgrade does not keep; regclass, regrole and regtype survive.
    private static readonly string[] LostReg = ["regcollation", "regconfig", "regdictionary", "regnamespace", "regoper", "regoperator", "regproc", "regprocedure"];
    private static readonly string[] GoneIn12 = ["abstime", "reltime", "tinterval"];

    private readonly Catalogs catalogs;
    private readonly string folder;
    private readonly int major;
    private readonly Dictionary<uint, string> namespaces = [];
    private readonly Dictionary<uint, Relation> relations = [];
    private readonly Dictionary<uint, TypeRow> types = [];
    private readonly Dictionary<uint, List<Column>> columns = [];
    private readonly SortedDictionary<string, string> attributeOptions = new(StringComparer.Ordinal);

    private ObjectReader(Catalogs catalogs, string folder, int major) => (this.catalogs, this.folder, this.major) = (catalogs, folder, major);

    private sealed record Relation(uint Oid, string Name, uint Namespace, char Kind, bool WithOids);

    private sealed record TypeRow(uint Oid, string Name, uint Namespace, char Kind, uint Relation, uint Element, uint Base);

    private sealed record Column(string Name, int Number, uint Type, bool NotNull, bool Dropped);

    /// <summary>Reads one database.</summary>
    public static DatabaseObjects Read(Catalogs catalogs, string folder, int major) => new ObjectReader(catalogs, folder, major).All();

    private DatabaseObjects All()
    {
        foreach (var row in catalogs.Of(folder, Catalogs.Namespace))
        {
            namespaces[row.Oid] = row.Text("nspname") ?? "?";
        }

        foreach (var row in catalogs.Of(folder, Catalogs.Class))
        {
            relations[row.Oid] = new(row.Oid, row.Text("relname") ?? "?", row.UInt("relnamespace") ?? 0, row.Char("relkind") ?? '?', row.Bool("relhasoids") ?? false);
        }

        foreach (var row in catalogs.Of(folder, Catalogs.Type))
        {
            types[row.Oid] = new(row.Oid, row.Text("typname") ?? "?", row.UInt("typnamespace") ?? 0, row.Char("typtype") ?? '?', row.UInt("typrelid") ?? 0, row.UInt("typelem") ?? 0, row.UInt("typbasetype") ?? 0);
        }

        foreach (var row in catalogs.Of(folder, Catalogs.Attribute))
        {
            if (row.UInt("attrelid") is { } relation && row.Int("attnum") is > 0 and var number && (relation >= FirstNormal || IsView(relation)))
            {
                if (!columns.TryGetValue(relation, out var list))
                {
                    columns[relation] = list = [];
                }

                if (relation >= FirstNormal && row.Text("attoptions") is { } options && relations.TryGetValue(relation, out var owner))
                {
                    foreach (var option in FunctionBody.Assigned(options))
                    {
                        attributeOptions.TryAdd(option, $"{Name(owner)}.{row.Text("attname")}");
                    }
                }

                list.Add(new(row.Text("attname") ?? "?", number, row.UInt("atttypid") ?? 0, row.Bool("attnotnull") ?? false, row.Bool("attisdropped") ?? false));
            }
        }

        var procedures = catalogs.Of(folder, Catalogs.Procedure)
            .Where(r => r.Oid >= FirstNormal)
            .ToDictionary(r => r.Oid, r => (Name: Qualified(r.UInt("pronamespace") ?? 0, r.Text("proname")), Language: r.UInt("prolang") ?? 0, Library: r.Text("probin"), Body: r.Text("prosrc"), HasPath: r.Text("proconfig")?.Contains("search_path=", StringComparison.Ordinal) ?? false));
        var tables = relations.Values.Where(r => r.Oid >= FirstNormal && (r.Kind is 'r' or 'm' or 'p') && !IsSystem(r.Namespace)).ToArray();
        return new()
        {
            RegColumns = Uses(t => t.Namespace == 11 && LostReg.Contains(t.Name)),
            SystemComposites = Uses(t => t.Kind == 'c' && (t.Oid < FirstNormal || NamespaceOf(t.Namespace) == "information_schema")),
            AclItems = Uses(t => t.Oid == 1033),
            RemovedTypes = major < 12 ? Uses(t => (t.Namespace == 11 && GoneIn12.Contains(t.Name)) || (t.Name == "sql_identifier" && NamespaceOf(t.Namespace) == "information_schema")) : [],
            WithOids = [.. relations.Values.Where(r => r.WithOids && r.Oid >= FirstNormal && r.Kind == 'r').Select(Name).Order(StringComparer.Ordinal)],
            Libraries = [.. procedures.Values.Where(p => p.Language == LanguageC && p.Library is not null).GroupBy(p => p.Library!).Select(g => new LibraryUse(g.Key, g.First().Name)).OrderBy(l => l.Name, StringComparer.Ordinal)],
            PostfixOperators = [.. catalogs.Of(folder, Catalogs.Operator).Where(r => r.Oid >= FirstNormal && r.UInt("oprright") == 0).Select(r => Qualified(r.UInt("oprnamespace") ?? 0, r.Text("oprname"))).Order(StringComparer.Ordinal)],
            Polymorphic = Polymorphic(procedures.ToDictionary(p => p.Key, p => p.Value.Name)),
            Conversions = [.. catalogs.Of(folder, Catalogs.Conversion).Where(r => r.Oid >= FirstNormal).Select(r => Qualified(r.UInt("connamespace") ?? 0, r.Text("conname"))).Order(StringComparer.Ordinal)],
            NullableChildren = NullableChildren(),
            Dictionaries = Dictionaries(),
            SystemColumns = SystemColumns(),
            OrderedIndexes = OrderedIndexes(),
            FunctionIndexes = FunctionIndexes(procedures.Where(p => p.Value.Language is not (LanguageC or 12) && !p.Value.HasPath).ToDictionary(p => p.Key, p => (p.Value.Name, p.Value.Body))),
            ColumnOptions = [.. attributeOptions.Select(o => new ColumnOption(o.Key, o.Value))],
            Tables = tables.Length,
            OneTable = tables.OrderBy(t => t.Oid).FirstOrDefault() is { } first ? Name(first) : null,
        };
    }

    private bool IsView(uint relation) => relations.TryGetValue(relation, out var found) && found.Kind == 'v';

    private bool IsSystem(uint ns) => NamespaceOf(ns) is var name && (name is "pg_catalog" or "information_schema" or "pg_toast" || name.StartsWith("pg_temp_", StringComparison.Ordinal) || name.StartsWith("pg_toast_temp_", StringComparison.Ordinal));

    private string NamespaceOf(uint ns) => namespaces.GetValueOrDefault(ns, "?");

    private string Name(Relation relation) => Qualified(relation.Namespace, relation.Name);

    private string Qualified(uint ns, string? name) => $"{NamespaceOf(ns)}.{name ?? "?"}";

    /// <summary>check_for_data_types_usage: columns of tables, materialized views and indexes that hold a type, also inside domains, arrays, rows and ranges.</summary>
    private TypeUse[] Uses(Func<TypeRow, bool> isMeant)
    {
        var meant = types.Values.Where(isMeant).ToDictionary(t => t.Oid, t => t.Name);
        for (var grown = -1; grown != meant.Count && meant.Count > 0;)
        {
            grown = meant.Count;
            foreach (var type in types.Values.Where(t => !meant.ContainsKey(t.Oid)))
            {
                if (type.Kind == 'd' && meant.TryGetValue(type.Base, out var based))
                {
                    meant[type.Oid] = based;
                }
                else if (type.Kind == 'b' && type.Element != 0 && meant.TryGetValue(type.Element, out var element))
                {
                    meant[type.Oid] = element;
                }
                else if (type.Kind == 'c' && columns.TryGetValue(type.Relation, out var inside) && type.Relation >= FirstNormal
                    && inside.FirstOrDefault(c => !c.Dropped && meant.ContainsKey(c.Type)) is { } holder)
                {
                    meant[type.Oid] = meant[holder.Type];
                }
            }
        }

        return meant.Count == 0 ? [] : [.. relations.Values
            .Where(r => r.Oid >= FirstNormal && (r.Kind is 'r' or 'm' or 'i') && !IsSystem(r.Namespace) && columns.ContainsKey(r.Oid))
            .SelectMany(r => columns[r.Oid].Where(c => !c.Dropped && meant.ContainsKey(c.Type)).Select(c => new TypeUse($"{Name(r)}.{c.Name}", meant[c.Type])))
            .OrderBy(u => u.Column, StringComparer.Ordinal)];
    }

    /// <summary>check_for_incompatible_polymorphics.</summary>
    private string[] Polymorphic(Dictionary<uint, string> procedures)
    {
        var all = new List<string>();
        foreach (var row in catalogs.Of(folder, Catalogs.Aggregate))
        {
            if (row.UInt("aggfnoid") is >= FirstNormal and var function
                && (ChangedFunctions.Contains(row.UInt("aggfinalfn") ?? 0) || ChangedFunctions.Contains(row.UInt("aggtransfn") ?? 0)) && PolymorphicTypes.Contains(row.UInt("aggtranstype") ?? 0))
            {
                all.Add($"aggregate {procedures.GetValueOrDefault(function, "?")}");
            }
        }

        foreach (var row in catalogs.Of(folder, Catalogs.Operator))
        {
            if (row.Oid >= FirstNormal && ChangedFunctions.Contains(row.UInt("oprcode") ?? 0) && PolymorphicTypes.Contains(row.UInt("oprleft") ?? 0))
            {
                all.Add($"operator {Qualified(row.UInt("oprnamespace") ?? 0, row.Text("oprname"))}");
            }
        }

        return [.. all.Order(StringComparer.Ordinal)];
    }

    /// <summary>check_for_not_null_inheritance.</summary>
    private string[] NullableChildren()
    {
        var all = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var row in catalogs.Of(folder, Catalogs.Inherits))
        {
            if (row.UInt("inhrelid") is not { } child || row.UInt("inhparent") is not { } parent || !columns.TryGetValue(child, out var below) || !columns.TryGetValue(parent, out var above) || !relations.TryGetValue(child, out var relation) || relation.Kind is 'i' or 'I')
            {
                continue;
            }

            all.UnionWith(above.Where(a => a.NotNull && !a.Dropped && below.Any(b => b.Name == a.Name && !b.NotNull && !b.Dropped)).Select(a => $"{Name(relation)}.{a.Name}"));
        }

        return [.. all];
    }

    private DictionaryUse[] Dictionaries()
    {
        var all = new List<DictionaryUse>();
        foreach (var row in catalogs.Of(folder, Catalogs.Dictionary))
        {
            // dictinitoption: name = 'value', name = 'value'; suffixes as the templates add them (ts_utils.c get_tsearch_config_filename).
            var files = new List<string>();
            foreach (var (name, value) in row.Oid < FirstNormal ? [] : Options(row.Text("dictinitoption") ?? ""))
            {
                if (name switch { "dictfile" => ".dict", "afffile" => ".affix", "stopwords" => ".stop", "thesaurus" => "", "synonyms" => ".syn", "rules" => ".rules", _ => null } is { } suffix)
                {
                    // A thesaurus names its file dictfile too, with a suffix of its own.
                    files.Add(value.ToLowerInvariant() + (suffix.Length > 0 ? suffix : ".ths"));
                }
            }

            if (files.Count > 0)
            {
                all.Add(new(Qualified(row.UInt("dictnamespace") ?? 0, row.Text("dictname")), [.. files]));
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

    /// <summary>From pg_depend: a rule of a user's view names a column of a view of the system.</summary>
    private SystemColumnUse[] SystemColumns()
    {
        var owners = catalogs.Of(folder, Catalogs.Rewrite).Where(r => r.UInt("ev_class") >= FirstNormal).ToDictionary(r => r.Oid, r => r.UInt("ev_class")!.Value);
        var all = new HashSet<SystemColumnUse>();
        foreach (var row in owners.Count == 0 ? [] : catalogs.Of(folder, Catalogs.Depend))
        {
            if (row.UInt("classid") == Catalogs.Rewrite && row.UInt("refclassid") == Catalogs.Class && row.Int("refobjsubid") is > 0 and var number
                && row.UInt("refobjid") is < FirstNormal and var system && owners.TryGetValue(row.UInt("objid") ?? 0, out var owner) && relations.TryGetValue(owner, out var view)
                && IsView(system) && columns.GetValueOrDefault(system)?.FirstOrDefault(c => c.Number == number) is { } column)
            {
                all.Add(new(Name(view), relations[system].Name, column.Name));
            }
        }

        return [.. all.OrderBy(u => u.View, StringComparer.Ordinal).ThenBy(u => u.Column, StringComparer.Ordinal)];
    }

    private OrderedIndex[] OrderedIndexes()
    {
        var collations = catalogs.Of(folder, Catalogs.Collation).ToDictionary(r => r.Oid, r => (Name: r.Text("collname") ?? "?", Provider: r.Char("collprovider") ?? 'c',
            Locale: r.Text("colllocale") ?? r.Text("colliculocale") ?? r.Text("collcollate"), Version: r.Text("collversion")));
        var methods = new Dictionary<uint, uint>();
        foreach (var row in catalogs.Of(folder, Catalogs.Class))
        {
            if (row.Char("relkind") == 'i' && row.Oid >= FirstNormal)
            {
                methods[row.Oid] = row.UInt("relam") ?? 0;
            }
        }

        var all = new List<OrderedIndex>();
        foreach (var row in catalogs.Of(folder, Catalogs.Index))
        {
            var oid = row.UInt("indexrelid") ?? 0;
            if (!methods.TryGetValue(oid, out var method) || method == Hash || !relations.TryGetValue(oid, out var index) || !relations.TryGetValue(row.UInt("indrelid") ?? 0, out var table) || IsSystem(table.Namespace))
            {
                continue;
            }

            foreach (var collation in row.Oids("indcollation").Where(c => c is not (0 or CollationC or CollationPosix)).Distinct())
            {
                var known = collations.GetValueOrDefault(collation, ("default", 'd', null, null));
                if (collation == DefaultCollation)
                {
                    all.Add(new(Name(index), Name(table), "default", "d", null, null));
                    break;
                }

                if (known.Provider != 'b' && known.Locale is not ("C" or "POSIX"))
                {
                    all.Add(new(Name(index), Name(table), known.Name, known.Provider.ToString(), known.Locale, known.Version));
                    break;
                }
            }
        }

        return [.. all.OrderBy(i => i.Index, StringComparer.Ordinal)];
    }

    private string[] FunctionIndexes(Dictionary<uint, (string Name, string? Body)> functions)
    {
        // A body that names nothing of the users' own needs no search_path: those of pg_catalog are found without.
        var names = functions.Count == 0 ? [] : relations.Values.Where(r => r.Oid >= FirstNormal && !IsSystem(r.Namespace)).Select(r => r.Name)
            .Concat(types.Values.Where(t => t.Oid >= FirstNormal && !IsSystem(t.Namespace)).Select(t => t.Name))
            .Concat(catalogs.Of(folder, Catalogs.Procedure).Where(r => r.Oid >= FirstNormal && !IsSystem(r.UInt("pronamespace") ?? 0)).Select(r => r.Text("proname") ?? "")).ToHashSet(StringComparer.OrdinalIgnoreCase);
        functions = functions.Where(f => FunctionBody.NamesOneOf(f.Value.Body, names)).ToDictionary();
        var all = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var row in functions.Count == 0 ? [] : catalogs.Of(folder, Catalogs.Depend))
        {
            if (row.UInt("classid") == Catalogs.Class && row.UInt("refclassid") == Catalogs.Procedure && functions.TryGetValue(row.UInt("refobjid") ?? 0, out var function)
                && relations.TryGetValue(row.UInt("objid") ?? 0, out var index) && index.Kind == 'i')
            {
                all.Add($"{Name(index)} uses {function.Name}");
            }
        }

        return [.. all];
    }
}
