namespace Lotse.Postgres;

/// <summary>Findings about what the databases hold.</summary>
internal static partial class UpgradeFindings
{
    private const int MostNames = 6;

    private static IEnumerable<Finding?> Objects(PlanFacts facts)
    {
        var old = facts.Old;
        if (facts.To <= old.Version)
        {
            yield break;
        }

        // Names go to other programs as arguments, which take no line breaks; 19 looks at roles and tablespaces too.
        foreach (var (kind, named) in old.Databases.Select(d => ("database", d.Name)).Concat(facts.To < 19 ? [] : old.Roles.Select(r => ("role", r.Name)).Concat(old.Tablespaces.Select(t => ("tablespace", t.Name)))))
        {
            if (named.AsSpan().ContainsAny('\n', '\r'))
            {
                yield return Note("pg/name-newline", Severity.Error, new(named, ValueKind.Plain), $"the name of the {kind} {new Value(named, ValueKind.Plain)} has a line break in it", "pg_upgrade hands names to pg_dump and psql, which refuse it", "src/fe_utils/string_utils.c appendShellStringNoError", named, $"pg_{kind}", $"ALTER {kind.ToUpperInvariant()} … RENAME TO a name without line breaks");
            }
        }

        foreach (var (database, what) in facts.To < 19 || old.Control is not { } control ? [] : old.Databases.Select(d => (d, What: LiesBehind(d.FrozenXid, control.OldestXid, "datfrozenxid", "oldestXID") ?? LiesBehind(d.MinMulti, control.OldestMulti, "datminmxid", "oldestMultiXid"))))
        {
            if (what is not null)
            {
                yield return Note("pg/oldest-xid", Severity.Error, new(database.Name, ValueKind.Plain), $"in database {new Value(database.Name, ValueKind.Plain)} transactions count that are older than the oldest one that the control file knows", "19 compares both and refuses a cluster where they differ; pg_resetwal or an old upgrade may have left it so", Check + ", version 19", what, $"pg_database; {old.Directory}/global/pg_control", $"in the old server: VACUUM (FREEZE) as superuser in \"{database.Name}\", then CHECKPOINT, and look at pg_database again");
            }
        }

        foreach (var database in old.Databases)
        {
            if (facts.To >= 19 && database.Encoding == "MULE_INTERNAL")
            {
                yield return Note("pg/encoding-removed", Severity.Error, new(database.Name, ValueKind.Plain), $"database {new Value(database.Name, ValueKind.Plain)} is in the encoding MULE_INTERNAL, gone in 19", "pg_upgrade does not convert text", Check + ", version 19", database.Encoding, "pg_database", "pg_dump it with --encoding=UTF8, restore it into a database in UTF8, and drop it before the upgrade");
            }

            var name = new Value(database.Name, ValueKind.Plain);
            if (database.Name == "template0" && database.AllowConnections)
            {
                yield return Note("pg/template0-conn", Severity.Error, name, "template0 allows connections", "pg_upgrade wants it closed, as initdb made it", Check + " check_proper_datallowconn", "datallowconn = true", "pg_database", "UPDATE pg_database SET datallowconn = false WHERE datname = 'template0'");
            }
            else if (database.ConnectionLimit == -2)
            {
                yield return Note("pg/invalid-db", Severity.Error, name, $"database {name} is half dropped: nobody can connect to it", "DROP DATABASE was cut short", "pg_database.datconnlimit = -2", "datconnlimit = -2", "pg_database", $"DROP DATABASE \"{database.Name}\": nothing in it can be had any more");
            }
            else if (database.Name != "template0" && !database.AllowConnections)
            {
                yield return Note("pg/db-noconn", Severity.Error, name, $"database {name} does not allow connections", "pg_upgrade has to dump it", Check + " check_proper_datallowconn", "datallowconn = false", "pg_database", $"ALTER DATABASE \"{database.Name}\" ALLOW_CONNECTIONS true, or drop it");
            }

            if (database.Objects is { } objects)
            {
                foreach (var finding in InDatabase(facts, database, objects))
                {
                    yield return finding;
                }
            }
        }
    }

    /// <summary>Whether one counter lies before another; they go round (src/backend/access/transam/transam.c TransactionIdPrecedes).</summary>
    private static string? LiesBehind(uint one, uint oldest, string name, string nameOfOldest) =>
        one != 0 && oldest != 0 && (one < 3 || oldest < 3 ? one < oldest : (int)(one - oldest) < 0) ? $"{name} {one}, {nameOfOldest} {oldest}" : null;

    private static IEnumerable<Finding?> InDatabase(PlanFacts facts, Database database, DatabaseObjects objects)
    {
        var (from, to) = (facts.Old.Version, facts.To);
        var name = new Value(database.Name, ValueKind.Plain);
        Finding? Blocks(string id, IReadOnlyCollection<string> what, string sentence, string why, string rule, params string[] remedies) => what.Count == 0 ? null
            : new(id, Severity.Error, Certainty.Proven, name, $"in database {name} {sentence}: {new Value(Names(what), ValueKind.Plain)}",
                [new(why, Verdict.Yes, rule, [.. what.Take(50).Select(w => new Seen($"{new Value(w, ValueKind.Plain)}", $"catalogs of {ByteText.Escape(database.Name)}"))])], [.. remedies.Select(r => new Remedy(r))]);

        yield return Blocks("pg/reg-columns", Columns(objects.RegColumns), "columns hold reg* types, whose oids change", "regproc, regoper, regconfig and the like store oids that the new cluster gives anew", Check + " check_for_reg_data_type_usage", "ALTER TABLE … ALTER COLUMN … TYPE text before the upgrade, and back afterwards");
        yield return Blocks("pg/composite", Columns(objects.SystemComposites), "columns hold row types of the system's own tables", "the oids of those types differ between versions", Check + " check_for_composite_data_type_usage", "drop or convert the columns");
        yield return from < 16 && to >= 16 ? Blocks("pg/aclitem", Columns(objects.AclItems), "columns hold type aclitem, whose form changed in 16", "aclitem grew from 12 to 16 bytes", Check + " check_for_aclitem_data_type_usage", "ALTER TABLE … ALTER COLUMN … TYPE text before the upgrade") : null;
        yield return from < 12 && to >= 12 ? Blocks("pg/removed-type", Columns(objects.RemovedTypes), "columns hold types that are gone since 12", "abstime, reltime, tinterval were removed, sql_identifier changed", "src/bin/pg_upgrade/version.c", "ALTER TABLE … ALTER COLUMN … TYPE timestamptz, interval or text") : null;
        yield return from < 12 && to >= 12 ? Blocks("pg/with-oids", objects.WithOids, "tables have oids, gone since 12", "WITH OIDS was removed", Check + " check_for_tables_with_oids", "ALTER TABLE … SET WITHOUT OIDS") : null;
        yield return from < 14 && to >= 14 ? Blocks("pg/postfix-op", objects.PostfixOperators, "there are postfix operators, gone in 14", "the grammar no longer knows them", Check + " check_for_user_defined_postfix_ops", "drop them and use functions or prefix operators") : null;
        yield return from < 14 && to >= 14 ? Blocks("pg/poly-agg", objects.Polymorphic, "aggregates or operators rest on array functions whose arguments changed in 14", "array_append and its kin take anycompatiblearray since 14", Check + " check_for_incompatible_polymorphics", "drop them before the upgrade and make them anew afterwards with anycompatiblearray") : null;
        yield return from < 14 && to >= 14 ? Blocks("pg/user-conversion", objects.Conversions, "there are encoding conversions of your own", "the arguments of their functions changed in 14", Check + " check_for_user_defined_encoding_conversions", "drop them; make them anew afterwards with a function of the new form") : null;
        yield return to >= 19 ? Blocks("pg/gist-inet", objects.GistInetIndexes, "indexes use the operator classes of btree_gist for inet and cidr", "they could miss rows, and 19 takes none of them over", Check + ", version 19", "DROP INDEX before the upgrade; afterwards CREATE INDEX … USING gist (column inet_ops)") : null;
        yield return from < 18 ? Blocks("pg/not-null-inherit", objects.NullableChildren, "columns of child tables may be null although the parent's may not", "pg_dump would write a schema that the new version refuses", Check + " check_for_not_null_inheritance", "ALTER TABLE child ALTER COLUMN … SET NOT NULL") : null;

        if (objects.InvalidIndexes.Length > 0)
        {
            yield return new("pg/index-invalid", Severity.Info, Certainty.Proven, name, $"in database {name} {ClusterFindings.Plural(objects.InvalidIndexes.Length, "index is", "indexes are")} invalid and left out by the upgrade: {new Value(Names(objects.InvalidIndexes), ValueKind.Plain)}",
                [new("an index whose build failed is read by no query, though a unique one still refuses doubles", Verdict.Yes, "src/bin/pg_upgrade/info.c get_rel_infos; pg_dump", [.. objects.InvalidIndexes.Take(50).Select(i => new Seen($"{new Value(i, ValueKind.Plain)}", $"pg_index of {ByteText.Escape(database.Name)}"))])],
                [new("where it is wanted: REINDEX INDEX CONCURRENTLY before the upgrade, or CREATE INDEX afterwards"), new("else nothing has to be done")]);
        }

        if (facts.NewInstallation is { LibraryFolder: { } folder } installed && installed.Version == to)
        {
            var missing = objects.Libraries.Where(l => Base(l.Name) is { } library && !installed.Libraries.Contains(library)).Select(l => $"{Base(l.Name)} ({Owner(database, l)})").ToArray();
            yield return Blocks("pg/ext-missing", missing, "functions need libraries that the new version has not", $"looked for in {ByteText.Escape(folder)}", "src/bin/pg_upgrade/function.c check_loadable_libraries", "install the extension's package for the new version", "or DROP EXTENSION before the upgrade where it is not needed");
            yield return Blocks("pg/attribute-option", [.. objects.ColumnOptions.Where(o => installed.UnknownOptions.Contains(o.Name)).Select(o => $"{o.Name} ({o.Column})")], $"columns carry an option that {installed.Words} does not know", "newer minor releases of the old version write it by themselves; pg_upgrade --check does not look at it, and the restore of the schema fails", "src/backend/access/common/reloptions.c", "install the newest minor release of the new version first: both must be of the same day");
            var files = installed.Dictionaries is { } there ? objects.Dictionaries.Select(d => (d.Name, Lacks: d.Files.FirstOrDefault(f => !there.Contains(f)))).Where(d => d.Lacks is not null).Select(d => $"{d.Name} needs {d.Lacks}").ToArray() : [];
            yield return Blocks("pg/tsearch-dict", files, "text search dictionaries need files that the new version has not", "they lie in the installation, not in the data; pg_upgrade --check does not look at them", "src/backend/tsearch/ts_utils.c get_tsearch_config_filename", "copy the files into tsearch_data of the new version");
        }

        var gone = objects.SystemColumns.Where(u => VersionTables.Columns.Any(c => c.View == u.System && c.Column == u.Column && c.GoneIn > from && c.GoneIn <= to)).Select(u => $"{u.View} names {u.System}.{u.Column}")
            .Concat(objects.SystemFunctions.Where(u => VersionTables.Functions.TryGetValue(u.Function, out var f) && f.GoneIn > from && f.GoneIn <= to).Select(u => $"{u.View} calls {VersionTables.Functions[u.Function].Name}")).ToArray();
        yield return Blocks("pg/view-removed-col", gone, "definitions name what the system's catalogs and views no longer have", "a view, rule, policy, function or default like that cannot be made in the new version; pg_upgrade --check does not see it", "src/backend/catalog and src/include/catalog of both versions", "drop them before the upgrade and make them anew afterwards");
        yield return Blocks("pg/function-search-path", objects.BrokenIndexes, "indexes rest on functions in SQL that name things without their schema", "search_path is empty while the dump is restored, and the server expands such a function when it makes the index; pg_upgrade --check does not see it", "src/backend/optimizer/util/clauses.c inline_function; CVE-2018-1058", "ALTER FUNCTION … SET search_path = its schemas; or write schemas into its body");
        if (objects.FunctionIndexes.Except(objects.BrokenIndexes).ToArray() is [_, ..] risky && objects.BrokenIndexes.Length == 0)
        {
            yield return new("pg/function-search-path", Severity.Warning, Certainty.Inferred, name, $"in database {name} indexes rest on functions without a search_path of their own: {new Value(Names(risky), ValueKind.Plain)}",
                [new(to >= 17 ? "search_path is empty while the dump is restored, and since 17 in ANALYZE, REINDEX and REFRESH too" : "search_path is empty while the dump is restored", Verdict.Yes, "CVE-2018-1058; release notes of 17", [.. risky.Take(50).Select(w => new Seen($"{new Value(w, ValueKind.Plain)}", $"pg_depend of {ByteText.Escape(database.Name)}"))])],
                [new("ALTER FUNCTION … SET search_path = its schemas; or write schemas into its body"), new("a rehearsal shows whether it matters")]);
        }
    }

    private static string[] Columns(TypeUse[] uses) => [.. uses.Select(u => $"{u.Column} ({u.Type})")];

    internal static string Names(IReadOnlyCollection<string> names) => string.Join(", ", names.Take(MostNames)) + (names.Count > MostNames ? $" and {names.Count - MostNames} more" : "");

    /// <summary>The file's name of a library in $libdir; null for one elsewhere.</summary>
    internal static string? Base(string library)
    {
        var name = library.StartsWith("$libdir/", StringComparison.Ordinal) ? library[8..] : library;
        return name.Contains('/', StringComparison.Ordinal) ? null : name.EndsWith(".so", StringComparison.Ordinal) ? name[..^3] : name;
    }

    private static string Owner(Database database, LibraryUse library) =>
        database.Extensions.FirstOrDefault(e => Base(library.Name) is { } file && (file == e.Name || file.StartsWith(e.Name + "-", StringComparison.Ordinal))) is { } extension ? $"extension {extension.Name}" : $"function {library.Function}";
}
