using System.Globalization;

namespace Lotse.Postgres;

/// <summary>
/// The system catalogs of a running server by queries: the columns that the readers of this area ask for, under the names
/// that the files have them by. What a running server holds in memory is in them; what its files lack is not missed.
/// </summary>
internal sealed class CatalogQueries
{
    /// <summary>Ends an answer; no row of COPY can look like it (COPY, text format).</summary>
    private const string End = @"\.";

    private sealed record Query(uint Catalog, string Name, string Columns, string Condition = "");

    private static readonly Query[] OfAll =
    [
        new(Catalogs.AuthId, "pg_authid", "oid rolname rolcanlogin rolsuper rolpassword"),
        new(Catalogs.Tablespace, "pg_tablespace", "oid spcname"),
        new(Catalogs.Subscription, "pg_subscription", "oid subname subdbid"),
        new(Catalogs.Origin, "pg_replication_origin", "roident roname"),
        new(Catalogs.Database, "pg_database", "oid datname encoding datcollate datctype datlocprovider datlocale daticulocale datcollversion datallowconn datistemplate datconnlimit dattablespace datfrozenxid datminmxid"),
    ];

    private static readonly Query[] OfOne =
    [
        new(Catalogs.Extension, "pg_extension", "oid extname extversion"),
        new(Catalogs.SubscriptionRelation, "pg_subscription_rel", "srsubid srrelid srsubstate"),
        new(Catalogs.Namespace, "pg_namespace", "oid nspname"),
        new(Catalogs.Class, "pg_class", "oid relname relnamespace relkind relam reltype relhasoids"),
        new(Catalogs.Type, "pg_type", "oid typname typnamespace typtype typrelid typelem typbasetype typcollation typdefaultbin"),
        new(Catalogs.Attribute, "pg_attribute", "attrelid attname attnum atttypid attnotnull attisdropped attcollation attoptions", "attnum > 0"),
        new(Catalogs.Procedure, "pg_proc", "oid proname pronamespace prolang probin proconfig prosecdef proretset prorettype prosrc prosqlbody proargdefaults"),
        new(Catalogs.Aggregate, "pg_aggregate", "aggfnoid aggfinalfn aggtransfn aggtranstype", "aggfnoid::oid >= 16384"),
        new(Catalogs.Operator, "pg_operator", "oid oprname oprnamespace oprleft oprright oprcode"),
        new(Catalogs.Conversion, "pg_conversion", "oid conname connamespace", "oid >= 16384"),
        new(Catalogs.Depend, "pg_depend", "classid objid refclassid refobjid", "classid = 1259 AND refclassid = 1255"),
        new(Catalogs.Index, "pg_index", "indexrelid indrelid indisvalid indisready indcollation indclass indexprs indpred"),
        new(Catalogs.Inherits, "pg_inherits", "inhrelid inhparent"),
        new(Catalogs.Rewrite, "pg_rewrite", "ev_class ev_action ev_qual", "ev_class >= 16384"),
        new(Catalogs.Policy, "pg_policy", "polrelid polqual polwithcheck"),
        new(Catalogs.ColumnDefault, "pg_attrdef", "adrelid adbin", "adrelid >= 16384"),
        new(Catalogs.Constraint, "pg_constraint", "oid conrelid contypid conbin", "oid >= 16384 AND conbin IS NOT NULL"),
        new(Catalogs.Trigger, "pg_trigger", "tgrelid tgqual", "tgqual IS NOT NULL"),
        new(Catalogs.Statistics, "pg_statistic_ext", "stxrelid stxexprs"),
        new(Catalogs.PublicationRelation, "pg_publication_rel", "prrelid prqual"),
        new(Catalogs.PartitionedTable, "pg_partitioned_table", "partrelid partstrat partcollation partexprs"),
        new(Catalogs.Dictionary, "pg_ts_dict", "oid dictname dictnamespace dicttemplate dictinitoption", "oid >= 16384"),
        new(Catalogs.Template, "pg_ts_template", "oid tmplname"),
        new(Catalogs.Collation, "pg_collation", "oid collname collnamespace collprovider colllocale colliculocale collcollate collversion collisdeterministic"),
        new(Catalogs.OperatorClass, "pg_opclass", "oid opcname opckeytype opcmethod opcdefault"),
        new(Catalogs.Range, "pg_range", "rngtypid rngsubtype rngcollation rngmultitypid"),
    ];

    /// <summary>Columns that not every version has: the first that does, and the first that no longer does.</summary>
    private static readonly Dictionary<string, (int From, int Below)> Versions = new()
    {
        ["datlocprovider"] = (15, 99),
        ["daticulocale"] = (15, 17),
        ["datlocale"] = (17, 99),
        ["datcollversion"] = (15, 99),
        ["relhasoids"] = (0, 12),
        ["prosqlbody"] = (14, 99),
        ["stxexprs"] = (14, 99),
        ["prqual"] = (15, 99),
        ["colllocale"] = (17, 99),
        ["colliculocale"] = (15, 17),
        ["collisdeterministic"] = (12, 99),
        ["rngmultitypid"] = (14, 99),
    };

    /// <summary>What is asked for instead of a column: oids instead of names, the kind of a verifier instead of itself, no texts of the system's own functions.</summary>
    private static readonly Dictionary<string, string> Instead = new()
    {
        ["rolpassword"] = "CASE WHEN rolpassword LIKE 'SCRAM-SHA-256$%' THEN 'SCRAM-SHA-256$' WHEN rolpassword ~ '^md5[0-9a-f]{32}$' THEN 'md5' || repeat('0', 32) ELSE left(rolpassword, 0) END",
        ["aggfnoid"] = "aggfnoid::oid",
        ["aggfinalfn"] = "aggfinalfn::oid",
        ["aggtransfn"] = "aggtransfn::oid",
        ["oprcode"] = "oprcode::oid",
        ["prosrc"] = "CASE WHEN oid >= 16384 THEN prosrc END",
        ["prosqlbody"] = "CASE WHEN oid >= 16384 THEN prosqlbody END",
        ["proargdefaults"] = "CASE WHEN oid >= 16384 THEN proargdefaults END",
    };

    private readonly ServerConnection server;
    private readonly int major;
    private readonly bool deep;
    private readonly uint[] closed;
    private readonly Dictionary<string, string> names = [];
    private readonly Dictionary<string, Dictionary<uint, CatalogRow[]>?> answers = [];
    private readonly Dictionary<uint, CatalogRow[]> shared;

    private CatalogQueries(ServerConnection server, int major, bool deep, uint[] closed, Dictionary<uint, CatalogRow[]> shared) =>
        (this.server, this.major, this.deep, this.closed, this.shared) = (server, major, deep, closed, shared);

    /// <summary>Databases that could not be asked, with the reason.</summary>
    public List<string> Faults { get; } = [];

    /// <summary>Asks for what all databases share.</summary>
    /// <param name="server">Whom.</param>
    /// <param name="major">Its major version.</param>
    /// <param name="deep">Whether more than the extensions of each database will be asked for.</param>
    /// <param name="closed">Oids of databases that allowed no connections when the files were written: nobody has changed these since.</param>
    public static Reading<CatalogQueries> Open(ServerConnection server, int major, bool deep, uint[] closed)
    {
        var asked = Ask(server, "template1", OfAll, major);
        return asked.Ok ? new(new(server, major, deep, closed, asked.Value), null) : new(null!, asked.Error);
    }

    /// <summary>Says which database a folder is, so that it is asked and not read.</summary>
    public void Name(string folder, Database database)
    {
        if (database.AllowConnections)
        {
            names[folder] = database.Name;
        }
        else if (!closed.Contains(database.Oid))
        {
            Faults.Add($"{ByteText.Escape(database.Name)}: closed since the last checkpoint");
        }
    }

    /// <summary>Rows of a catalog that all databases share; null: not asked for.</summary>
    public CatalogRow[]? Shared(uint catalog) => shared.GetValueOrDefault(catalog);

    /// <summary>Rows of a catalog of one database; null: it was not, or could not be, asked.</summary>
    public CatalogRow[]? Of(string folder, uint catalog)
    {
        if (!answers.TryGetValue(folder, out var answer))
        {
            if (!names.TryGetValue(folder, out var database))
            {
                return null;
            }

            var asked = Ask(server, database, deep ? OfOne : OfOne[..1], major);
            answers[folder] = answer = asked.Ok ? asked.Value : null;
            if (!asked.Ok)
            {
                Faults.Add($"{ByteText.Escape(database)}: {asked.Error!.Message}");
            }
        }

        return answer?.GetValueOrDefault(catalog);
    }

    /// <summary>Asks queries of psql; the fields of each row, null where there is none.</summary>
    /// <param name="server">Whom.</param>
    /// <param name="database">In which database.</param>
    /// <param name="queries">Selects.</param>
    public static Reading<List<string?[]>[]> Rows(ServerConnection server, string database, IReadOnlyList<string> queries)
    {
        var script = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;\n" + string.Concat(queries.Select(q => $"COPY ({q}) TO STDOUT;\n\\qecho '\\\\.'\n"));
        var asked = server.Ask(database, script);
        return !asked.Ok ? new(null!, asked.Error)
            : Parse(ByteText.Decode(asked.Value), queries.Count) is { } rows ? new(rows, null)
            : new(null!, new(HostErrorKind.Failed, "psql answered fewer questions than it was asked"));
    }

    /// <summary>Takes answers apart; null where there are not <paramref name="count"/>.</summary>
    internal static List<string?[]>[]? Parse(string text, int count)
    {
        var all = new List<List<string?[]>> { new() };
        foreach (var line in text.Split('\n'))
        {
            if (line == End)
            {
                all.Add([]);
            }
            else
            {
                all[^1].Add([.. line.Split('\t').Select(Plain)]);
            }
        }

        return all.Count == count + 1 ? [.. all.Take(count)] : null;
    }

    private static Reading<Dictionary<uint, CatalogRow[]>> Ask(ServerConnection server, string database, Query[] queries, int major)
    {
        var columns = queries.Select(q => q.Columns.Split(' ').Where(c => !Versions.TryGetValue(c, out var span) || (major >= span.From && major < span.Below)).ToArray()).ToArray();
        var read = Rows(server, database, [.. queries.Select((q, i) => $"SELECT {string.Join(", ", columns[i].Select(c => Instead.GetValueOrDefault(c, c)))} FROM pg_catalog.{q.Name}{(q.Condition.Length > 0 ? " WHERE " + q.Condition : "")}")]);
        if (!read.Ok)
        {
            return new(null!, read.Error);
        }

        var all = new Dictionary<uint, CatalogRow[]>();
        for (var i = 0; i < queries.Length; i++)
        {
            var shape = new CatalogShape([.. columns[i].Select((c, n) => new CatalogColumn(c, n + 1, -1, 1))]);
            all[queries[i].Catalog] = [.. read.Value[i].Where(r => r.Length == columns[i].Length).Select(r => new CatalogRow(r, shape))];
        }

        return new(all, null);
    }

    /// <summary>A field of COPY's text format, where a backslash stands before what would be taken for a sign of the format.</summary>
    private static string? Plain(string field)
    {
        if (field == @"\N")
        {
            return null;
        }

        if (!field.Contains('\\', StringComparison.Ordinal))
        {
            return field;
        }

        var plain = new System.Text.StringBuilder(field.Length);
        for (var i = 0; i < field.Length; i++)
        {
            plain.Append(field[i] != '\\' || ++i >= field.Length ? field[Math.Min(i, field.Length - 1)] : field[i] switch { 'b' => '\b', 'f' => '\f', 'n' => '\n', 'r' => '\r', 't' => '\t', 'v' => '\v', var other => other });
        }

        return plain.ToString();
    }
}
