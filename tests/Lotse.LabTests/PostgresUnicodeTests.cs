using System.Text.RegularExpressions;
using Xunit;

namespace Lotse.LabTests;

/// <summary>What follows from the Unicode in the server, from ICU, and from neither.</summary>
public partial class PostgresUnicodeTests
{
    private const string Objects = """
        CREATE TABLE t (k text, n int PRIMARY KEY);
        CREATE INDEX lowered ON t (lower(k)); CREATE INDEX plain ON t (k); CREATE INDEX matched ON t (n) WHERE k ~ 'x'; CREATE INDEX liked ON t (n) WHERE k LIKE 'x%'; CREATE INDEX matched_any ON t (n) WHERE k ILIKE 'X';
        CREATE INDEX replaced ON t (regexp_replace(k, 'a', 'b')); CREATE INDEX part ON t (substring(k from 'a.c')); CREATE INDEX measured ON t (length(k)); CREATE INDEX digest ON t (md5(k));
        CREATE TABLE upper (k text CHECK (upper(k) = k)); CREATE TABLE filled (k text CHECK (k <> '')); CREATE TABLE parts (k text) PARTITION BY RANGE (initcap(k)); CREATE TABLE plain_parts (k text) PARTITION BY RANGE (k);
        CREATE MATERIALIZED VIEW lower_view AS SELECT lower(k) FROM t; CREATE MATERIALIZED VIEW plain_view AS SELECT k FROM t; CREATE VIEW no_store AS SELECT upper(k) FROM t;
        CREATE TABLE generated (k text, l text GENERATED ALWAYS AS (lower(k)) STORED);
        CREATE INDEX c_lower ON t (lower(k COLLATE "C"));
        """;

    private const string OfUtf8 = """
        CREATE INDEX builtin_lower ON t (lower(k COLLATE pg_c_utf8)); CREATE INDEX builtin_order ON t (k COLLATE pg_c_utf8);
        CREATE TABLE normal (k text CHECK (k IS NORMALIZED)); CREATE INDEX normalized ON t (normalize(k)); CREATE INDEX deep ON t ((coalesce(n::text, normalize(k) || 'x'))); CREATE INDEX assigned ON t (n) WHERE unicode_assigned(k);
        CREATE INDEX icu ON t (k COLLATE "de-x-icu"); CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false); CREATE INDEX icu_own ON t (k COLLATE ci); CREATE INDEX icu_own_hash ON t USING hash (k COLLATE ci); CREATE INDEX icu_hash ON t USING hash (k COLLATE "de-x-icu");
        """;

    /// <summary>In databases of the providers builtin, ICU and C, and one that is not in UTF-8.</summary>
    [Fact(Explicit = true)]
    public void Relations_that_follow_Unicode_are_those_that_pg_upgrade_lists()
    {
        Lab.NeedsRoot();
        using var lab = new PostgresUpgradeLab(17, 18);
        lab.Start();
        foreach (var (name, kind) in new[] { ("b", "locale_provider builtin builtin_locale 'C.UTF-8'"), ("bytes", "locale_provider builtin builtin_locale 'C'"), ("i", "locale_provider icu icu_locale 'en'"), ("latin", "encoding 'LATIN1'") })
        {
            lab.Ask($"CREATE DATABASE {name} TEMPLATE template0 LOCALE 'C' {kind}");
        }

        foreach (var database in new[] { "postgres", "b", "bytes", "i", "latin" })
        {
            lab.Ask(database == "latin" ? Objects : Objects + OfUtf8, database);
        }

        lab.Stop();
        var planned = lab.PlanFull();
        string[] Foreseen(string id) => [.. planned.Where(f => f.Id == id).SelectMany(f => Named().Matches(f.Json).Select(m => $"{f.Subject} {m.Groups[1].Value}")).Distinct().Order(StringComparer.Ordinal)];
        lab.MakeNew(lab.Alike());
        lab.UpgradeArguments.AddRange(["--check", "--retain"]);
        var (code, log) = lab.Upgrade();
        Assert.True(code == 0, log);
        var list = log[log.IndexOf("## unicode_dependent_rels.txt", StringComparison.Ordinal)..];
        var at = "";
        var listed = new List<string>();
        foreach (var line in list.Split("\n## ")[0].Split('\n'))
        {
            at = line.StartsWith("In database: ", StringComparison.Ordinal) ? line[13..].Trim() : at;
            listed.AddRange(Listed().Matches(line).Select(m => $"{at} {m.Groups[1].Value}"));
        }

        Assert.Equal(listed.Order(StringComparer.Ordinal), Foreseen("unicode-version"));
        Assert.True(listed.Count > 20, list);
        Assert.Contains("unicode-version", lab.Why(log));

        // ICU of the one suite is another than that of the other: what it orders, and nothing that the builtin provider or C does.
        string[] icu = ["public.icu", "public.icu_own", "public.icu_own_hash"];
        var ordered = Foreseen("collation-order");
        Assert.Equal(icu.SelectMany(i => new[] { $"b {i}", $"bytes {i}", $"postgres {i}" }).Order(StringComparer.Ordinal), ordered.Where(o => !o.StartsWith("i ", StringComparison.Ordinal)));
    }

    [GeneratedRegex(@"(?<![\w.])(public\.\w+)(?=["",])")]
    private static partial Regex Named();

    [GeneratedRegex(@"(public\.\w+)")]
    private static partial Regex Listed();
}
