namespace Lotse.Postgres;

/// <summary>Findings about the order of text, and about the collations that say it.</summary>
internal static partial class UpgradeFindings
{
    /// <summary>Made with a library that has versions, and now served with one that has none: entries may be in either order.</summary>
    private const string ThenMusl = ", then musl";

    private static IEnumerable<Finding?> Order(PlanFacts facts)
    {
        if (facts.To <= facts.Old.Version)
        {
            yield break;
        }

        foreach (var database in facts.Old.Databases.Where(d => d.Objects is not null))
        {
            var moved = MovedIndexes(facts, database);
            var kept = Moved(facts, database, database.Objects!.OrderedRelations);
            if (moved.Indexes.Length > 0 || kept.Indexes.Length > 0)
            {
                var one = moved.Indexes.Length > 0 ? moved : kept;
                Text indexes = moved.Indexes.Length == 0 ? "" : (Text)$": {ClusterFindings.Plural(moved.Indexes.Length, "index is", "indexes are")} to be rebuilt, {new Value(Names(moved.Indexes), ValueKind.Plain)}";
                Text relations = kept.Indexes.Length == 0 ? "" : (Text)$"{(moved.Indexes.Length == 0 ? ": " : "; ")}{ClusterFindings.Plural(kept.Indexes.Length, "relation keeps", "relations keep")} rows by the old order, {new Value(Names(kept.Indexes), ValueKind.Plain)}";
                yield return new("pg/collation-order", Severity.Warning, one.Proven ? Certainty.Proven : Certainty.Inferred, new(database.Name, ValueKind.Plain),
                    $"in database {new Value(database.Name, ValueKind.Plain)} the order of text may change with the library{indexes}{relations}",
                    [new("the old and the new server order text by the same library", Verdict.No, "strcoll(3); PostgreSQL manual, collation versions", new Seen(one.Was, "the old server or pg_database.datcollversion"), new Seen(one.Now, facts.NewInstallation?.Programs ?? "the new server")),
                     new(database.CollationVersion is null ? "the old version recorded no collation version: pg_upgrade would say nothing" : "pg_upgrade goes on with a warning", Verdict.Yes, "src/backend/utils/init/postinit.c"),
                     .. kept.Indexes.Length == 0 ? Array.Empty<Reason>() : [new("a partition by range, a constraint or a materialized view compares text as less or greater", Verdict.Yes, "pg_partitioned_table.partcollation; pg_constraint.conbin; pg_rewrite.ev_action", [.. kept.Indexes.Take(50).Select(r => new Seen($"{new Value(r, ValueKind.Plain)}", $"catalogs of {ByteText.Escape(database.Name)}"))])]],
                    [.. moved.Indexes.Length == 0 ? Array.Empty<Remedy>() : [new("after the upgrade: REINDEX of these indexes, then ALTER DATABASE … REFRESH COLLATION VERSION, in this order; the plan does both"), new("look for doubles in unique keys before: REINDEX refuses them")],
                     .. kept.Indexes.Length == 0 ? Array.Empty<Remedy>() : [new("partitions: a rehearsal shows whether their bounds still hold; afterwards look in each for rows that do not fit (pg_get_partition_constraintdef), and move them by DELETE and INSERT"), new("constraints: look for rows that no longer fit; materialized views: REFRESH MATERIALIZED VIEW")]]);
            }
        }
    }

    /// <summary>check_for_unicode_update: what follows from the Unicode that is built into the server.</summary>
    private static IEnumerable<Finding?> UnicodeVersions(PlanFacts facts)
    {
        if (facts.To <= facts.Old.Version || VersionTables.Unicode(facts.Old.Version) is not { } was || VersionTables.Unicode(facts.To) is not { } now || was == now)
        {
            yield break;
        }

        foreach (var database in facts.Old.Databases.Where(d => d.Encoding == "UTF8" && d.Objects is not null))
        {
            var uses = database.Objects!.UnicodeUses.Where(u => !u.OnlyByDefault || UnicodeReader.IsOfUnicode(database.Provider, database.Locale ?? database.Collate)).Select(u => u.Relation).ToArray();
            if (uses.Length > 0)
            {
                yield return new("pg/unicode-version", Severity.Warning, Certainty.Inferred, new(database.Name, ValueKind.Plain),
                    $"in database {new Value(database.Name, ValueKind.Plain)} {ClusterFindings.Plural(uses.Length, "relation stores", "relations store")} what Unicode {was} said, and {facts.To} has {now}: {new Value(Names(uses), ValueKind.Plain)}",
                    [new("both servers have the same Unicode", Verdict.No, "src/common/unicode; " + Check + " check_for_unicode_update", [.. uses.Take(50).Select(u => new Seen($"{new Value(u, ValueKind.Plain)}", $"catalogs of {ByteText.Escape(database.Name)}"))])],
                    [new("after the upgrade: REINDEX what are indexes, REFRESH MATERIALIZED VIEW what are views"), new("constraints and partitions: SELECT the rows that no longer fit; only characters that are new or whose case changed can be among them")]);
            }
        }
    }

    /// <summary>The indexes of a database whose order may be another under the new libraries.</summary>
    internal static (string[] Indexes, string Was, string Now, bool Proven) MovedIndexes(PlanFacts facts, Database database) => Moved(facts, database, database.Objects?.OrderedIndexes ?? []);

    private static (string[] Indexes, string Was, string Now, bool Proven) Moved(PlanFacts facts, Database database, OrderedIndex[] ordered)
    {
        var moved = ordered.Select(i => (i.Index, Library: LibraryOf(facts, database, i)))
            .Where(m => m.Library is { } library && library.Now is not null && library.Was != library.Now).ToArray();
        var (was, now) = moved.Length > 0 ? (moved[0].Library!.Value.Was ?? "a library that is not known", moved[0].Library!.Value.Now!) : ("", "");
        return ([.. moved.Select(m => m.Index)], was, now, moved.Length > 0 && !was.EndsWith(ThenMusl, StringComparison.Ordinal) && was == "musl" != (now == "musl"));
    }

    /// <summary>Whether the new server would warn of the version that a database recorded, whatever is in it.</summary>
    internal static bool IsOfAnotherVersion(PlanFacts facts, Database database) =>
        database.CollationVersion is not null && LibraryOf(facts, database, new("", "", "default", "d", null, null)) is { Now: not null } library && library.Was != library.Now;

    /// <summary>The libraries that order an index in the old and in the new server; null: it follows none. A version that the catalog recorded goes before what is installed now.</summary>
    private static (string? Was, string? Now)? LibraryOf(PlanFacts facts, Database database, OrderedIndex index)
    {
        var (provider, locale, recorded) = index.Provider == "d" ? (database.Provider, database.Collate, database.CollationVersion) : (index.Provider, index.Locale, index.Version ?? (database.Provider == "c" ? database.CollationVersion : null));
        var (old, now) = (facts.OldInstallation, facts.NewInstallation);
        return provider switch
        {
            "i" => (old?.Icu is { } icu ? $"ICU {icu}" : null, now?.Icu is { } other ? $"ICU {other}" : null),
            "c" when HasOrder(locale) => (old?.LibC == "musl" ? (recorded is null ? "musl" : $"glibc {recorded}{ThenMusl}") : recorded is not null ? $"glibc {recorded}" : old?.LibC, now?.LibC),
            _ => null,
        };
    }

    /// <summary>C, POSIX and C.UTF-8 order by code points everywhere (pg_locale.c get_collation_actual_version).</summary>
    private static bool HasOrder(string? locale) => locale is not (null or "C" or "POSIX") && !locale.StartsWith("C.", StringComparison.OrdinalIgnoreCase);

    /// <summary>Collations that the new cluster will not have, or will refuse.</summary>
    private static IEnumerable<Finding?> Collations(PlanFacts facts)
    {
        if (facts.To <= facts.Old.Version || facts.NewInstallation is not { Version: > 0 } now)
        {
            yield break;
        }

        foreach (var database in facts.Old.Databases)
        {
            var name = new Value(database.Name, ValueKind.Plain);
            if (now.LacksIcu && database.Provider == "i")
            {
                yield return Note("pg/icu-missing", Severity.Error, name, $"database {name} is ordered by ICU, and {now.Words} was built without it", "a server without ICU opens no such database", "src/backend/utils/adt/pg_locale.c", database.Locale ?? "icu", "pg_database of the old cluster", "take a build with ICU (packages and images have it)");
            }

            var collations = database.Objects?.Collations ?? [];
            if (now.LacksIcu && collations.Where(c => c.Provider == "i").Select(c => c.Name).ToArray() is [_, ..] ofIcu)
            {
                yield return Lost("pg/icu-missing", ofIcu, $"collations are of ICU, and {now.Words} was built without it", "pg_upgrade --check does not look at them, and the restore of the schema fails", "src/backend/commands/collationcmds.c DefineCollation", "take a build with ICU (packages and images have it)");
            }

            if (now.Locales is { } locales && collations.Where(c => c is { Provider: "c", IsOwn: false } && !Installations.MakesCollation(locales, c.Name)).Select(c => c.Name).ToArray() is [_, ..] absent)
            {
                yield return Lost("pg/locale-missing", absent, "something names collations that initdb makes from the locales of the system, and the new one has not these", "pg_upgrade --check does not look at them, and the restore of the schema fails; the new system was asked: locale -a", "src/backend/commands/collationcmds.c pg_import_system_collations", "generate the locales for the new server, or take an image that has them", "or ALTER TABLE … ALTER COLUMN … TYPE … COLLATE another one before the upgrade");
            }

            if (now.LibC == "musl" && collations.Where(c => c is { Provider: "c", IsOwn: true, Version: not null }).Select(c => c.Name).ToArray() is [_, ..] versioned)
            {
                yield return Lost("pg/collation-unversioned", versioned, "collations have the version of a library recorded, and musl has no versions: the new server refuses to use them", "pg_upgrade --check does not look at them; whatever orders by such a collation fails, the restore of its indexes first", "src/backend/utils/adt/pg_locale.c: collation has no actual version, but a version was recorded", "before the upgrade, as superuser: UPDATE pg_collation SET collversion = NULL WHERE oid >= 16384 AND collprovider = 'c'", "or drop them, or take an image that is not of Alpine");
            }

            Finding Lost(string id, string[] what, string sentence, string why, string rule, params string[] remedies) => new(id, Severity.Error, Certainty.Proven, name, $"in database {name} {sentence}: {new Value(Names(what), ValueKind.Plain)}",
                [new(why, Verdict.Yes, rule, [.. what.Take(50).Select(w => new Seen($"{new Value(w, ValueKind.Plain)}", $"pg_collation of {ByteText.Escape(database.Name)}"))])], [.. remedies.Select(r => new Remedy(r))]);
        }
    }
}
