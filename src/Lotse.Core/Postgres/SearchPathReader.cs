namespace Lotse.Postgres;

/// <summary>
/// Indexes over functions that find what they name only by search_path, which is empty while a dump is restored, and since 17
/// in maintenance too. Functions in SQL are taken apart; of other languages only a suspicion is possible.
/// </summary>
internal sealed class SearchPathReader
{
    private const uint LanguageInternal = 12, LanguageC = 13, LanguageSql = 14, Record = 2249;

    // Keywords after which a name is that of a table, when no parenthesis follows it.
    private static readonly HashSet<string> BeforeTables = ["from", "join", "into", "update", "table", "only"];

    private readonly CatalogObjects objects;
    private readonly Dictionary<uint, Function> functions = [];
    private readonly Names relations = new(), types = new(), calls = new(), operators = new();

    private sealed record Function(string Name, uint Language, string? Body, bool IsExpanded);

    /// <summary>Names of a kind: the users' own, and the system's, which are found without a search_path.</summary>
    private sealed class Names
    {
        private readonly HashSet<string> own = new(StringComparer.Ordinal), system = new(StringComparer.Ordinal);

        public IReadOnlySet<string> Own => own;

        public void Add(string name, bool isSystem) => (isSystem ? system : own).Add(name);

        public bool IsLost(string name) => own.Contains(name) && !system.Contains(name);
    }

    private SearchPathReader(CatalogObjects objects) => this.objects = objects;

    /// <summary>All indexes that may be affected, and of these the ones that certainly are: index and function.</summary>
    public static (string[] All, string[] Broken) Read(CatalogObjects objects) => new SearchPathReader(objects).Find();

    private (string[] All, string[] Broken) Find()
    {
        var catalogs = objects.Catalogs;
        foreach (var row in catalogs.Of(objects.Folder, Catalogs.Procedure))
        {
            var ns = row.UInt("pronamespace") ?? 0;
            calls.Add(row.Text("proname") ?? "?", CatalogObjects.IsCatalog(ns));
            if (row.Oid >= CatalogObjects.FirstNormal && row.UInt("prolang") is { } language && language is not (LanguageC or LanguageInternal)
                && !(row.Text("proconfig")?.Contains("search_path=", StringComparison.Ordinal) ?? false) && row.Pointer("prosqlbody") is null && row.Bytes("prosqlbody") is null)
            {
                // inline_function (src/backend/optimizer/util/clauses.c): what keeps a function from being expanded.
                var isExpanded = language == LanguageSql && row.Bytes("proconfig") is null && row.Bool("prosecdef") == false && row.Bool("proretset") == false && row.UInt("prorettype") != Record;
                functions[row.Oid] = new(objects.Qualified(ns, row.Text("proname")), language, catalogs.Whole(objects.Folder, row, "prosrc"), isExpanded);
            }
        }

        if (functions.Count == 0)
        {
            return ([], []);
        }

        var used = new List<(CatalogRelation Index, Function Function)>();
        foreach (var row in catalogs.Of(objects.Folder, Catalogs.Depend))
        {
            if (row.UInt("classid") == Catalogs.Class && row.UInt("refclassid") == Catalogs.Procedure && functions.TryGetValue(row.UInt("refobjid") ?? 0, out var function)
                && objects.Relations.TryGetValue(row.UInt("objid") ?? 0, out var index) && index.Kind is 'i' or 'I')
            {
                used.Add((index, function));
            }
        }

        if (used.Count == 0)
        {
            return ([], []);
        }

        foreach (var relation in objects.Relations.Values.Where(r => r.Kind is not ('i' or 'I' or 't')))
        {
            relations.Add(relation.Name, CatalogObjects.IsCatalog(relation.Namespace));
        }

        foreach (var type in objects.Types.Values)
        {
            types.Add(type.Name, CatalogObjects.IsCatalog(type.Namespace));
        }

        foreach (var row in catalogs.Of(objects.Folder, Catalogs.Operator))
        {
            operators.Add(row.Text("oprname") ?? "?", CatalogObjects.IsCatalog(row.UInt("oprnamespace") ?? 0));
        }

        var (all, broken) = (new SortedSet<string>(StringComparer.Ordinal), new SortedSet<string>(StringComparer.Ordinal));
        foreach (var (index, function) in used)
        {
            if (MayFail(function))
            {
                all.Add($"{objects.Name(index)} uses {function.Name}");
                if (function.IsExpanded && function.Body is not null)
                {
                    broken.Add($"{objects.Name(index)} uses {function.Name}");
                }
            }
        }

        return ([.. all], [.. broken]);
    }

    private bool MayFail(Function function)
    {
        if (function.Language != LanguageSql || function.Body is null)
        {
            return FunctionBody.NamesOneOf(function.Body, relations.Own) || FunctionBody.NamesOneOf(function.Body, types.Own) || FunctionBody.NamesOneOf(function.Body, calls.Own);
        }

        var words = SqlWords.Of(function.Body);
        SqlWord At(int i) => i >= 0 && i < words.Count ? words[i] : default;
        var defined = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < words.Count; i++)
        {
            // WITH name AS ( … ): a name of its own.
            if (words[i].Kind is 'n' or 'q' && At(i + 1) is { Kind: 'n', Text: "as" } && (At(i + 2).Text is "(" or "materialized" or "not") && At(i - 1).Text is "with" or "," or "recursive")
            {
                defined.Add(words[i].Text);
            }
        }

        for (var i = 0; i < words.Count; i++)
        {
            var (word, before, after) = (words[i], At(i - 1), At(i + 1));
            if (word.Kind == 'o')
            {
                if (operators.IsLost(word.Text))
                {
                    return true;
                }

                continue;
            }

            if (word.Kind is not ('n' or 'q') || before.Text == "." || after.Text == ".")
            {
                continue;
            }

            var isTable = before.Kind == 'n' && BeforeTables.Contains(before.Text) && after.Text != "(" && !defined.Contains(word.Text);
            if ((isTable && relations.IsLost(word.Text)) || (after.Text == "(" && before.Text is not ("as" or "into") && calls.IsLost(word.Text)) || (before.Text == "::" && types.IsLost(word.Text)))
            {
                return true;
            }
        }

        return false;
    }
}
