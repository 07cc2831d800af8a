using System.Globalization;

namespace Lotse.LabTests;

/// <summary>
/// Objects of users, at random: what stands in the way of an upgrade, and what only looks so. What the two versions differ in is asked of their
/// own servers, never of Lotse's tables.
/// </summary>
/// <param name="random">Where chance comes from.</param>
/// <param name="old">The old version.</param>
/// <param name="to">The new one.</param>
/// <param name="gone">Columns and functions of the system that the new one has no more.</param>
/// <param name="kept">Columns of the system that both have.</param>
internal sealed class PostgresRandomObjects(Random random, int old, int to, (string Relation, string Name)[] gone, (string Relation, string Name)[] kept)
{
    private static readonly string[] RegTypes = ["regproc", "regprocedure", "regoper", "regoperator", "regconfig", "regdictionary", "regnamespace", "regcollation"];
    private static readonly string[] SteadyTypes = ["regclass", "regtype", "regrole", "int", "text", "jsonb", "oid", "name", "inet"];
    private static readonly string[] Names = ["t", "\"T x\"", "\"ü\"", "\"a\"\"b\"", "\"select\"", "\"a.b\"", "\"very long name of a thing that people made with a tool of theirs\""];
    private int count;

    /// <summary>One that blocks; the statements work in a schema of their own, which is first in search_path.</summary>
    public (string Id, string Sql) Blocker()
    {
        for (; ; )
        {
            var made = random.Next(9) switch
            {
                0 or 1 => ("reg-columns", Stored(Wrapped(Pick(RegTypes), true))),
                2 => ("composite", Stored(Wrapped(Pick("pg_class", "pg_namespace", "pg_stat_activity", "information_schema.tables", "pg_database", "pg_am", "information_schema.columns"), false))),
                3 when old < 16 && to >= 16 => ("aclitem", Stored(Wrapped("aclitem", false))),
                4 when old < 14 && to >= 14 => Of14(),
                5 when old < 18 => ("not-null-inherit", Nullable(Pick("int", "text", "date"))),
                6 when gone.Length > 0 => ("view-removed-col", Uses(gone[random.Next(gone.Length)])),
                7 => ("function-search-path", Unqualified()),
                8 when old < 17 && to >= 17 => ("ext-missing", "CREATE EXTENSION IF NOT EXISTS adminpack"),
                _ => (null, ""),
            };
            if (made.Item1 is not null && (made.Item1 != "ext-missing" || old is 13 or 15))
            {
                return made!;
            }
        }
    }

    /// <summary>One that is fine.</summary>
    public string Harmless()
    {
        var stored = Wrapped(Pick(RegTypes), false);
        return random.Next(16) switch
        {
            0 => Stored(Wrapped(Pick(SteadyTypes), false)),
            1 => $"{stored.Before} CREATE VIEW {Name()} AS SELECT NULL::{stored.Type} AS a",
            2 => $"{stored.Before} CREATE TABLE t (a int, b {stored.Type}); ALTER TABLE t DROP COLUMN b",
            3 => $"{stored.Before} CREATE TABLE {Name()} (a int, b {stored.Type}) PARTITION BY RANGE (a)",
            4 => $"{stored.Before} CREATE FUNCTION f({stored.Type}) RETURNS {stored.Type} LANGUAGE sql AS 'SELECT $1'",
            5 => "CREATE VIEW v AS SELECT c, c.relacl FROM pg_class c",
            6 => $"{stored.Before} CREATE FOREIGN TABLE ft (a {stored.Type}) SERVER {Server()}",
            7 => "CREATE OPERATOR @#@ (rightarg = bigint, procedure = int8um); CREATE AGGREGATE a (int) (sfunc = array_append, stype = int[], initcond = '{}')",
            8 => "CREATE TABLE p (a int NOT NULL, b int); CREATE TABLE k (b int NOT NULL) INHERITS (p); CREATE TABLE g () INHERITS (k)",
            9 when kept.Length > 0 => Uses(kept[random.Next(kept.Length)]),
            10 => "CREATE TABLE l (v int); CREATE FUNCTION f(int) RETURNS int LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS 'SELECT $1 + 1'; CREATE TABLE t (a int); CREATE INDEX ON t (f(a)); CREATE INDEX ON t (a) WHERE f(a) > 2",
            11 => "CREATE FUNCTION f(t text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT upper(t) || 'FROM l' -- FROM l\n$$; CREATE TABLE t (a text); CREATE INDEX ON t (f(a))",
            12 => $"CREATE TABLE l (k int, v text); CREATE FUNCTION f(int) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT v FROM l WHERE k = $1'; CREATE TABLE t (a int, CHECK (f(a) IS NULL)); CREATE VIEW v AS SELECT f(a) FROM t",
            13 => "CREATE TEXT SEARCH DICTIONARY d (template = snowball, language = english, stopwords = english); CREATE TEXT SEARCH CONFIGURATION c (COPY = english)",
            14 => "CREATE DOMAIN d AS text CHECK (VALUE <> 'regproc'); CREATE TABLE regproc (aclitem d, pg_class text)",
            _ => $"CREATE TYPE regconfig AS ENUM ('a'); CREATE TABLE t (a {Schema}.regconfig); CREATE TYPE pg_class AS (a int); CREATE TABLE u (a {Schema}.pg_class)",
        };
    }

    /// <summary>The schema that objects are made in, as the caller names it.</summary>
    public string Schema { get; set; } = "public";

    private (string Before, string Type) Wrapped(string type, bool ranges)
    {
        var before = "";
        var isArray = false;
        for (var left = random.Next(4); left > 0; left--)
        {
            var name = $"w{count++}";
            (before, type, isArray) = random.Next(ranges && before.Length == 0 && !isArray ? 4 : 3) switch
            {
                0 => ($"{before} CREATE DOMAIN {name} AS {type};", name, false),
                1 when !isArray => (before, type + "[]", true),
                3 => ($"{before} CREATE TYPE {name} AS RANGE (subtype = {type});", name, false),
                _ => ($"{before} CREATE TYPE {name} AS (x int, y {type});", name, false),
            };
        }

        return (before, type);
    }

    private string Stored((string Before, string Type) wrapped)
    {
        var (before, type) = wrapped;
        var (name, column) = (Name(), Pick("a", "\"C c\"", "\"ä\""));
        return before + random.Next(8) switch
        {
            0 => $" CREATE UNLOGGED TABLE {name} ({column} {type})",
            1 => $" CREATE TABLE p (k int, {column} {type}) PARTITION BY RANGE (k); CREATE TABLE {name} PARTITION OF p FOR VALUES FROM (0) TO (9)",
            2 => $" CREATE MATERIALIZED VIEW {name} AS SELECT NULL::{type} AS {column}{Pick("", " WITH NO DATA")}",
            3 => $" CREATE TABLE {name} (k int); ALTER TABLE {name} ADD COLUMN gone text; ALTER TABLE {name} DROP COLUMN gone; ALTER TABLE {name} ADD COLUMN {column} {type}",
            4 => $" CREATE TYPE whole AS (k int, {column} {type}); CREATE TABLE {name} OF whole",
            5 => $" CREATE TABLE base ({column} {type}); CREATE TABLE {name} (more int) INHERITS (base)",
            _ => $" CREATE TABLE {name} (k int PRIMARY KEY, {column} {type})",
        };
    }

    private (string, string) Of14() => random.Next(4) switch
    {
        0 => ("postfix-op", "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT $1'; CREATE OPERATOR " + Pick("!!", "!@", "%%") + " (leftarg = int, procedure = f)"),
        1 => ("poly-agg", $"CREATE AGGREGATE {Name()} ({Pick("anyelement) (sfunc = array_append", "anyarray) (sfunc = array_cat", "anyelement) (sfunc = array_remove")}, stype = anyarray, initcond = '{{}}')"),
        2 => ("poly-agg", $"CREATE OPERATOR {Pick("+@", "<+", "@-")} ({Pick("leftarg = anyarray, rightarg = anyelement, procedure = array_append", "leftarg = anyelement, rightarg = anyarray, procedure = array_prepend", "leftarg = anyarray, rightarg = anyarray, procedure = array_cat", "leftarg = anyarray, rightarg = anyelement, procedure = array_remove", "leftarg = anyarray, rightarg = anyelement, procedure = array_positions")})"),
        _ => ("user-conversion", $"CREATE CONVERSION {Name()} FOR '{Pick("UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1", "LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8")}"),
    };

    private string Nullable(string type) => random.Next(3) switch
    {
        0 => $"CREATE TABLE p (a {type} NOT NULL); CREATE TABLE {Name()} () INHERITS (p); {LastTable("p")}",
        1 => $"CREATE TABLE p (a {type}, b int); CREATE TABLE m () INHERITS (p); CREATE TABLE k (c int) INHERITS (m); ALTER TABLE m ALTER a SET NOT NULL; ALTER TABLE k ALTER a DROP NOT NULL",
        _ => $"CREATE TABLE p (a {type} PRIMARY KEY, b text); CREATE TABLE k (a {type} NOT NULL, b text); ALTER TABLE k INHERIT p; ALTER TABLE k ALTER a DROP NOT NULL",
    };

    private static string LastTable(string parent) =>
        $"DO $$ DECLARE r regclass; BEGIN SELECT inhrelid INTO r FROM pg_inherits WHERE inhparent = '{parent}'::regclass; EXECUTE 'ALTER TABLE ' || r || ' ALTER a DROP NOT NULL'; END $$";

    /// <summary>Something whose definition the catalogs keep as a tree, and which names a column of the system or calls a function of it.</summary>
    private string Uses((string Relation, string Name) what)
    {
        var (relation, name) = what;
        var isFunction = relation.Length == 0;
        var select = isFunction ? $"SELECT {name} AS x" : $"SELECT {name} AS x FROM {relation}";
        return random.Next(isFunction ? 10 : 8) switch
        {
            0 => $"CREATE VIEW {Name()} AS WITH q AS ({select}) SELECT count(*) FROM q WHERE x IS NULL",
            1 => $"CREATE MATERIALIZED VIEW {Name()} AS {select} WITH NO DATA",
            2 => $"CREATE VIEW {Name()} AS SELECT 1 AS one WHERE EXISTS ({(isFunction ? $"SELECT 1 WHERE {name} IS NULL" : $"SELECT 1 FROM {relation} WHERE {name} IS NULL")})",
            3 => $"CREATE TABLE {Name()} (a int); CREATE TABLE r (a int); CREATE RULE l AS ON INSERT TO r DO ALSO {select}",
            4 => $"CREATE TABLE r (a int); CREATE POLICY l ON r USING (EXISTS ({select}))",
            5 when old >= 14 => $"CREATE FUNCTION f() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM ({select}) q; END",
            6 => $"CREATE VIEW {Name()} AS SELECT a.x, b.x AS y FROM ({select}) a LEFT JOIN ({select}) b ON a.x IS NULL",
            8 => $"CREATE TABLE {Name()} (a boolean DEFAULT ({name}) IS NULL)",
            9 => $"CREATE TABLE {Name()} (a int, CHECK (a > 1 OR {name} IS NULL))",
            _ => $"CREATE VIEW {Name()} AS {select}",
        };
    }

    private string Unqualified() => random.Next(6) switch
    {
        0 => "CREATE TABLE l (k int, v text); CREATE FUNCTION f(int) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT v FROM l WHERE k = $1'; CREATE TABLE t (a int); CREATE INDEX ON t (f(a))",
        1 => "CREATE FUNCTION g(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1'; CREATE FUNCTION f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT g($1)'; CREATE TABLE t (a int); CREATE INDEX ON t (a) WHERE f(a) > 1",
        2 => $"CREATE TABLE l (v int); CREATE FUNCTION f(x int) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT (SELECT count(*) FROM l WHERE v = x)'; CREATE TABLE {Name()} (k int); CREATE TABLE t (a int); CREATE INDEX ON t (f(a), a)",
        3 => "CREATE DOMAIN dm AS text; CREATE FUNCTION f(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1::dm::text'; CREATE TABLE t (a text); CREATE UNIQUE INDEX ON t (f(a))",
        4 => "CREATE FUNCTION o(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 - $2'; CREATE OPERATOR <-+-> (leftarg = int, rightarg = int, procedure = o); CREATE FUNCTION f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 <-+-> 3'; CREATE TABLE t (a int); CREATE INDEX ON t (f(a))",
        _ => "CREATE TYPE e AS ENUM ('x', 'y'); CREATE FUNCTION f(int) RETURNS text LANGUAGE sql IMMUTABLE AS $f$ SELECT (CASE WHEN $1 > 0 THEN e 'x' ELSE 'y'::e END)::text $f$; CREATE TABLE t (a int); CREATE INDEX ON t ((f(a) || 'z'))",
    };

    private string Server()
    {
        var name = $"srv_{Schema}_{(count++).ToString(CultureInfo.InvariantCulture)}";
        Preludes.Add($"CREATE FOREIGN DATA WRAPPER w_{name}; CREATE SERVER {name} FOREIGN DATA WRAPPER w_{name}");
        return name;
    }

    /// <summary>Statements that have to come before those of an object.</summary>
    public List<string> Preludes { get; } = [];

    private string Name() => Pick(Names);

    private string Pick(params string[] all) => all[random.Next(all.Length)];
}
