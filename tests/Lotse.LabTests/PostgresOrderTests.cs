using System.Text.Json;
using Xunit;

namespace Lotse.LabTests;

/// <summary>A library that orders text otherwise: which indexes are listed, and whether their rows are found afterwards.</summary>
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
        """;

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
        var port = PostgresLab.FreePort();
        File.AppendAllText(data + "/postgresql.conf", $"\nlisten_addresses = ''\nunix_socket_directories = '{lab.Folder}'\nfsync = off\nport = {port}\n");
        lab.AsOwner(TimeSpan.FromMinutes(2), [.. under, $"{PostgresLab.Programs(15)}/pg_ctl", "-D", data, "-w", "-l", data + ".log", "start"]);
        lab.Ask(port, "boss", "postgres", Indexes);
        PostgresLab.Stop(data);
        var plan = lab.Folder + "/plan";
        var planned = lab.Lotse("pg", "plan", data, "--to", "18", "--old-bin", PostgresLab.Programs(15), "--new-bin", PostgresLab.Programs(18), "--json", "-o", plan);
        var old = JsonDocument.Parse(planned.Output).RootElement.GetProperty("facts").GetProperty("old");
        var listed = old.GetProperty("databases").EnumerateArray().Single(d => d.GetProperty("name").GetString() == "postgres").GetProperty("objects").GetProperty("ordered_indexes").EnumerateArray().Select(i => i.GetProperty("index").GetString()).Order(StringComparer.Ordinal);
        Assert.Equal(["public.moves_array", "public.moves_brin", "public.moves_domain", "public.moves_expression", "public.moves_gin", "public.moves_gist", "public.moves_jsonb", "public.moves_own", "public.moves_part_k_idx", "public.moves_range", "public.moves_row", "public.moves_text"], listed);
        Assert.Contains("pg/collation-order", planned.Text, StringComparison.Ordinal);
        var applied = lab.Lotse("apply", plan);
        Assert.True(applied.ExitCode == 0, applied.Text + applied.ErrorText);
        lab.Start(18, data + "-18", port);
        lab.Ask(port, "boss", "postgres", "CREATE EXTENSION amcheck; SELECT bt_index_check(i.indexrelid, true) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relam = 403 AND i.indrelid >= 16384 AND c.relkind = 'i'");

        // Nothing is left to warn of, neither in databases without an index nor of collations of their own.
        Assert.Equal("0|0", lab.Ask(port, "boss", "postgres", "SELECT (SELECT count(*) FROM pg_collation WHERE collversion <> pg_collation_actual_version(oid)), (SELECT count(*) FROM pg_database WHERE datallowconn AND datcollversion <> pg_database_collation_actual_version(oid))"));
        Assert.Equal("1000", lab.Ask(port, "boss", "postgres", $"SET enable_seqscan = off; SET enable_bitmapscan = off; SELECT count(*) FROM generate_series(1, 1000) g (i), LATERAL (SELECT 1 FROM w WHERE k = {Key} OFFSET 0) x"));
    }
}
