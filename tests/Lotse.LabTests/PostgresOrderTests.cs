using System.Text.Json;
using Xunit;

namespace Lotse.LabTests;

/// <summary>A library that orders text otherwise: which indexes are listed, and whether their rows are found afterwards.</summary>
[Trait("lane", "waiting")]
public class PostgresOrderTests
{
    private const string Key = "(ARRAY['a-b', 'ab', 'B', 'A', 'a', 'Z_x', 'z x', 'Zx', 'ä', 'é'])[1 + i % 10] || i";

    private const string Indexes = $"""
        CREATE DOMAIN dom AS text; CREATE TYPE rt AS RANGE (subtype = text); CREATE TYPE rc AS RANGE (subtype = text, collation = "C"); CREATE TYPE pair AS (a int, b text);
        CREATE TABLE w (k text, d dom, n int, r rt, rc rc, ar text[], co pair, j jsonb, kc text COLLATE "C", ts tsvector);
        INSERT INTO w SELECT k, k, i, rt(k, k, '[]'), rc(k, k, '[]'), ARRAY[k], row(i % 5, k)::pair, to_jsonb(k), k, to_tsvector('simple', k) FROM (SELECT i, {Key} AS k FROM generate_series(1, 1000) i) q;
        CREATE UNIQUE INDEX moves_text ON w (k); CREATE INDEX moves_domain ON w (d); CREATE INDEX moves_range ON w (r); CREATE INDEX moves_array ON w (ar); CREATE INDEX moves_row ON w (co);
        CREATE INDEX moves_jsonb ON w (j); CREATE INDEX moves_expression ON w (n, lower(k)); CREATE INDEX moves_brin ON w USING brin (k); CREATE INDEX moves_gin ON w USING gin (ar); CREATE INDEX moves_gist ON w USING gist (r);
        CREATE INDEX stays_int ON w (n) INCLUDE (k); CREATE INDEX stays_c ON w (kc); CREATE INDEX stays_explicit ON w (k COLLATE "POSIX"); CREATE INDEX stays_pattern ON w (k text_pattern_ops); CREATE INDEX stays_hash ON w USING hash (k);
        CREATE INDEX stays_range_c ON w (rc); CREATE INDEX stays_jsonb ON w USING gin (j); CREATE INDEX stays_words ON w USING gin (ts); CREATE INDEX stays_spgist ON w USING spgist (k); CREATE INDEX stays_length ON w ((length(k)));
        CREATE TABLE parts (k text) PARTITION BY HASH (k); CREATE TABLE moves_part PARTITION OF parts FOR VALUES WITH (MODULUS 1, REMAINDER 0); CREATE INDEX on_all ON parts (k); INSERT INTO parts SELECT k FROM w;
        CREATE COLLATION own (provider = libc, locale = 'en_US.utf8'); CREATE INDEX moves_own ON w (k COLLATE own);
        CREATE INDEX moves_icu ON w (k COLLATE "de-x-icu");
        CREATE EXTENSION btree_gin; CREATE EXTENSION btree_gist; CREATE EXTENSION citext; CREATE EXTENSION pg_trgm;
        CREATE TABLE x (n int, k text, v varchar(20), b bpchar(20), ci citext, na name);
        INSERT INTO x SELECT n, k, left(k, 20), left(k, 20), k, left(k, 60) FROM w;
        CREATE INDEX moves_btree_gin ON x USING gin (k); CREATE INDEX moves_btree_gist ON x USING gist (k); ALTER TABLE x ADD CONSTRAINT moves_excluded EXCLUDE USING gist (k WITH =, n WITH =);
        CREATE INDEX moves_varchar ON x (v); CREATE INDEX moves_bpchar ON x (b); CREATE INDEX moves_citext ON x (ci); CREATE INDEX stays_trigrams ON x USING gin (k gin_trgm_ops);
        CREATE INDEX stays_name ON x (na); CREATE INDEX stays_varchar_pattern ON x (v varchar_pattern_ops); CREATE INDEX stays_bpchar_pattern ON x (b bpchar_pattern_ops);
        CREATE INDEX moves_partial ON x (n) WHERE k < 'b'; CREATE INDEX moves_partial_any ON x (n) WHERE k > ANY (ARRAY['a', 'b']); CREATE INDEX moves_between ON x (n) WHERE v BETWEEN 'a' AND 'c';
        CREATE INDEX moves_greatest ON x (length(greatest(k, v))); CREATE INDEX moves_boolean ON x ((k < 'm')); CREATE INDEX stays_partial_equal ON x (n) WHERE k = 'b'; CREATE INDEX stays_partial_c ON x (n) WHERE k COLLATE "C" < 'b';
        CREATE UNLOGGED TABLE un (k text); INSERT INTO un SELECT k FROM w; CREATE INDEX moves_unlogged ON un (k);
        CREATE TABLE hashed (a int, k text) PARTITION BY HASH (a); CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        CREATE INDEX unfinished ON ONLY hashed (k); CREATE INDEX moves_hashed ON hashed_0 (k); ALTER INDEX unfinished ATTACH PARTITION moves_hashed;
        CREATE TABLE keeps_check (k text CHECK (k >= 'A')); CREATE TABLE no_check (k text CHECK (k <> ''));
        CREATE TABLE keeps_range (k text) PARTITION BY RANGE (k); CREATE TABLE range_1 PARTITION OF keeps_range FOR VALUES FROM ('a') TO ('m'); CREATE TABLE range_2 PARTITION OF keeps_range DEFAULT; INSERT INTO keeps_range SELECT k FROM w;
        CREATE TABLE keeps_range_of_lower (n int, k text) PARTITION BY RANGE (n, lower(k)); CREATE TABLE no_range (k text COLLATE "C") PARTITION BY RANGE (k); CREATE TABLE no_list (k text) PARTITION BY LIST (k);
        CREATE MATERIALIZED VIEW keeps_view AS SELECT k FROM w WHERE k < 'b'; CREATE MATERIALIZED VIEW no_view AS SELECT k FROM w; CREATE VIEW plain_view AS SELECT k FROM w WHERE k < 'b';
        CREATE FUNCTION silent() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER silent ON ddl_command_start EXECUTE FUNCTION silent();
        """;

    /// <summary>A letter that is older in the newer ICU: unassigned ones come after all others, those of Garay (Unicode 16) before Han.</summary>
    private const string Younger = @"U&'\+010D50' < U&'\4E00'";

    private const string OfIcu = @"
        CREATE TABLE t AS SELECT n, (ARRAY[U&'\+010D50', U&'\4E00', 'b', U&'\+010D51'])[1 + n % 4] || n AS k FROM generate_series(1, 400) n;
        CREATE UNIQUE INDEX moves_text ON t (k); CREATE INDEX stays_c ON t (k COLLATE ""C""); CREATE INDEX stays_int ON t (n); CREATE INDEX stays_pattern ON t (k text_pattern_ops); CREATE INDEX stays_hash ON t USING hash (k);";

    [Fact]
    public void Exactly_the_indexes_that_follow_the_library_are_rebuilt_and_every_key_is_found()
    {
        const string Locale = "en_US.utf8";
        if (!File.Exists("/usr/lib/locale/en_US.utf8/LC_COLLATE") || !File.Exists("/usr/lib/locale/C.utf8/LC_COLLATE"))
        {
            Assert.Skip("needs the locale en_US.utf8 as a folder (locales-all)");
        }

        using var lab = new PostgresLab();

        // The same name, another order: as of another C library.
        var locales = lab.Folder + "/locales";
        Lab.Run(TimeSpan.FromMinutes(1), "cp", "-r", "/usr/lib/locale/en_US.utf8", "/usr/lib/locale/C.utf8/LC_COLLATE", Directory.CreateDirectory(locales).FullName);
        File.Move(locales + "/LC_COLLATE", locales + "/en_US.utf8/LC_COLLATE", overwrite: true);
        var data = lab.Folder + "/data";
        string[] under = ["env", $"LOCPATH={locales}"];
        lab.AsOwner(TimeSpan.FromMinutes(2), [.. under, $"{PostgresLab.Programs(15)}/initdb", "-D", data, "--no-sync", "-A", "trust", "-U", "boss", "-E", "UTF8", $"--locale={Locale}"]);
        var port = Lab.FreePort();
        File.AppendAllText(data + "/postgresql.conf", $"\nlisten_addresses = ''\nunix_socket_directories = '{lab.Folder}'\nfsync = off\nport = {port}\n");
        lab.AsOwner(TimeSpan.FromMinutes(2), [.. under, $"{PostgresLab.Programs(15)}/pg_ctl", "-D", data, "-w", "-l", data + ".log", "start"]);
        lab.Ask(port, "boss", "postgres", Indexes);
        lab.Ask(port, "boss", "postgres", "CREATE DATABASE icu TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en'");
        lab.Ask(port, "boss", "icu", OfIcu);
        Assert.Equal("f", lab.Ask(port, "boss", "icu", "SELECT " + Younger));

        // A build that fails leaves its index behind.
        lab.Ask(port, "boss", "postgres", "CREATE TABLE doubles AS SELECT 1 AS a FROM generate_series(1, 2)");
        Assert.Throws<Xunit.Sdk.TrueException>(() => lab.Ask(port, "boss", "postgres", "CREATE UNIQUE INDEX CONCURRENTLY failed ON doubles (a)"));
        PostgresLab.Stop(data);
        var plan = lab.Folder + "/plan";
        var planned = lab.Lotse("pg", "plan", data, "--to", "18", "--old-bin", PostgresLab.Programs(15), "--new-bin", PostgresLab.Programs(18), "--json", "-o", plan);
        var old = JsonDocument.Parse(planned.Output).RootElement.GetProperty("facts").GetProperty("old");
        string[] Of(string database, string kind, string? field) => [.. old.GetProperty("databases").EnumerateArray().Single(d => d.GetProperty("name").GetString() == database).GetProperty("objects").GetProperty(kind).EnumerateArray().Select(i => (field is null ? i : i.GetProperty(field)).GetString()!["public.".Length..]).Order(StringComparer.Ordinal)];
        Assert.Equal(
            ["moves_array", "moves_between", "moves_boolean", "moves_bpchar", "moves_brin", "moves_btree_gin", "moves_btree_gist", "moves_citext", "moves_domain", "moves_excluded", "moves_expression", "moves_gin", "moves_gist", "moves_greatest", "moves_hashed", "moves_icu", "moves_jsonb", "moves_own", "moves_part_k_idx", "moves_partial", "moves_partial_any", "moves_range", "moves_row", "moves_text", "moves_unlogged", "moves_varchar"],
            Of("postgres", "ordered_indexes", "index"));
        Assert.Equal(["keeps_check", "keeps_range", "keeps_range_of_lower", "keeps_view"], Of("postgres", "ordered_relations", "index"));
        Assert.Equal(["failed"], Of("postgres", "invalid_indexes", null));
        Assert.Equal(["moves_text"], Of("icu", "ordered_indexes", "index"));
        Assert.Contains("pg/index-invalid", planned.Text, StringComparison.Ordinal);
        Assert.Contains("pg/collation-order", planned.Text, StringComparison.Ordinal);
        var applied = lab.Lotse("apply", plan);
        Assert.True(applied.ExitCode == 0, applied.Text + applied.ErrorText);
        lab.Start(18, data + "-18", port);
        foreach (var database in new[] { "postgres", "icu" })
        {
            lab.Ask(port, "boss", database, "CREATE EXTENSION amcheck; SELECT bt_index_check(i.indexrelid, true) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relam = 403 AND i.indrelid >= 16384 AND c.relkind = 'i'");
        }

        Assert.Equal("t", lab.Ask(port, "boss", "icu", "SELECT " + Younger));
        Assert.Equal("400", lab.Ask(port, "boss", "icu", @"SET enable_seqscan = off; SET enable_bitmapscan = off; SELECT count(*) FROM generate_series(1, 400) g (n), LATERAL (SELECT 1 FROM t WHERE k = (ARRAY[U&'\+010D50', U&'\4E00', 'b', U&'\+010D51'])[1 + g.n % 4] || g.n OFFSET 0) x"));

        // Nothing is left to warn of, neither in databases without an index nor of collations of their own.
        Assert.Equal("0|0", lab.Ask(port, "boss", "postgres", "SELECT (SELECT count(*) FROM pg_collation WHERE collversion <> pg_collation_actual_version(oid)), (SELECT count(*) FROM pg_database WHERE datallowconn AND datcollversion <> pg_database_collation_actual_version(oid))"));
        Assert.Equal("1000", lab.Ask(port, "boss", "postgres", $"SET enable_seqscan = off; SET enable_bitmapscan = off; SELECT count(*) FROM generate_series(1, 1000) g (i), LATERAL (SELECT 1 FROM w WHERE k = {Key} OFFSET 0) x"));
    }
}
