using System.Globalization;
using System.Text.Json;
using Xunit;

namespace Lotse.LabTests;

/// <summary>Reading clusters against their own servers, and upgrading them for real.</summary>
[Trait("lane", "waiting")]
public class PostgresTests
{
    private const string AllRoles = "SELECT rolname, rolcanlogin, CASE WHEN rolpassword IS NULL THEN 'none' WHEN rolpassword LIKE 'SCRAM-SHA-256$%' THEN 'scram-sha-256' ELSE left(rolpassword, 3) END FROM pg_authid ORDER BY oid";

    private const string Workload = """
        SET password_encryption = 'md5'; CREATE ROLE web LOGIN PASSWORD 'web''s'; CREATE ROLE gone LOGIN; DROP ROLE gone;
        SET password_encryption = 'scram-sha-256'; CREATE ROLE api LOGIN PASSWORD 'apipw' CREATEDB; CREATE ROLE "Big Boss" SUPERUSER; CREATE ROLE staff;
        ALTER ROLE web CONNECTION LIMIT 7; ALTER ROLE staff RENAME TO crew;
        """;

    [Theory]
    [InlineData(13)]
    [InlineData(15)]
    [InlineData(18)]
    public void A_stopped_cluster_reads_as_its_server_said_and_no_byte_changes(int version)
    {
        using var lab = new PostgresLab();
        var data = lab.Initialise(version, "data", "-U", "boss", "-E", "UTF8", "--locale=C", "-k");
        var port = Lab.FreePort();
        lab.Start(version, data, port);
        lab.Ask(port, "boss", "postgres", Workload);
        lab.Ask(port, "boss", "postgres", "BEGIN; CREATE ROLE never LOGIN; ALTER ROLE web CONNECTION LIMIT 9; ROLLBACK");
        lab.Ask(port, "boss", "postgres", "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
        lab.Ask(port, "boss", "postgres", "CREATE DATABASE closed ALLOW_CONNECTIONS false CONNECTION LIMIT 3");
        lab.Ask(port, "boss", "latin", "CREATE EXTENSION hstore");
        var databases = Rows(lab.Ask(port, "boss", "postgres", "SELECT datname, pg_encoding_to_char(encoding), datcollate, datctype, datallowconn, coalesce(to_jsonb(d)->>'datcollversion', '') FROM pg_database d ORDER BY oid"));
        Assert.Equal(3, lab.Lotse("pg", "facts", data).ExitCode);
        lab.Ask(port, "boss", "postgres", "CHECKPOINT");
        lab.Ask(port, "boss", "postgres", "CREATE ROLE late LOGIN; ALTER DATABASE latin CONNECTION LIMIT 5");
        var roles = Rows(lab.Ask(port, "boss", "postgres", AllRoles));
        var running = JsonDocument.Parse(lab.Lotse("pg", "facts", data, "--json").Output).RootElement;
        Assert.Equal(0, lab.Lotse("pg", "why", data).ExitCode);
        PostgresLab.Stop(data);
        var before = Sums(data);
        var ran = lab.Lotse("pg", "facts", data, "--json");
        Assert.True(ran.ExitCode == 0, ran.Text + ran.ErrorText);

        // What the server answered while it ran, its files say once it is stopped; it was asked, for it had not written all of it yet. A database that
        // was made and closed at once can neither be read nor asked, and that is said.
        foreach (var name in new[] { "roles", "databases", "tablespaces" })
        {
            Assert.Equal(running.GetProperty("answer").GetProperty(name).ToString(), JsonDocument.Parse(ran.Output).RootElement.GetProperty("answer").GetProperty(name).ToString());
        }

        Assert.Equal("boss", running.GetProperty("facts").GetProperty("server").GetProperty("user").GetString());
        Assert.Empty(running.GetProperty("unknowns").EnumerateArray());
        var answer = JsonDocument.Parse(ran.Output).RootElement.GetProperty("answer");
        string Text(JsonElement e, string name) => e.GetProperty(name) switch { { ValueKind: JsonValueKind.True } => "t", { ValueKind: JsonValueKind.False } => "f", { ValueKind: JsonValueKind.Null } => "", var other => other.ToString() };
        Assert.Equal(roles, answer.GetProperty("roles").EnumerateArray().Select(r => string.Join('|', new[] { "name", "can_login", "password_kind" }.Select(n => Text(r, n)))));
        Assert.Equal(databases, answer.GetProperty("databases").EnumerateArray().Select(d => string.Join('|', new[] { "name", "encoding", "collate", "ctype", "allow_connections", "collation_version" }.Select(n => Text(d, n)))));
        Assert.Equal("boss", answer.GetProperty("bootstrap_superuser").GetString());
        Assert.Equal("shut down", answer.GetProperty("state").GetString());
        Assert.Equal("hstore", answer.GetProperty("databases").EnumerateArray().Single(d => d.GetProperty("name").GetString() == "latin").GetProperty("extensions")[0].GetProperty("name").GetString());
        Assert.Equal(before, Sums(data));
        Assert.DoesNotContain("SCRAM-SHA-256$", ran.Text, StringComparison.Ordinal);
        if (version == 15)
        {
            A_page_that_is_not_whole_is_reported(lab, data);
        }
    }

    private static void A_page_that_is_not_whole_is_reported(PostgresLab lab, string data)
    {
        var map = File.ReadAllBytes(data + "/global/pg_filenode.map");
        var place = Enumerable.Range(1, BitConverter.ToInt32(map, 4)).First(i => BitConverter.ToUInt32(map, i * 8) == 1260) * 8;
        var file = $"{data}/global/{BitConverter.ToUInt32(map, place + 4)}";
        var page = File.ReadAllBytes(file);
        page[5000] ^= 4;
        File.WriteAllBytes(file, page);
        var ran = lab.Lotse("pg", "facts", data, "--json");
        Assert.Equal(1, ran.ExitCode);
        Assert.Contains("pg/corrupt-page", ran.Text, StringComparison.Ordinal);
        Assert.Contains("pg/corrupt-page", lab.Lotse("pg", "plan", data, "--to", "18", "--json").Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("copy")]
    [InlineData("link")]
    public void A_running_cluster_is_upgraded_and_everybody_logs_in_as_before(string mode)
    {
        using var lab = new PostgresLab();
        var (data, port) = Running(lab, 13, "-S 5000 -c \"cluster_name=what's it\" --operator-precedence-warning=on");

        // What the configuration names has to come with it.
        File.WriteAllText(data + "/pg_hba.conf", "local all all trust\nhost all @people 127.0.0.1/32 md5\n");
        File.WriteAllText(data + "/people", "web\napi\n");
        File.WriteAllText(lab.Folder + "/map", "own root boss\n");
        lab.AsOwner(TimeSpan.FromMinutes(1), "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=lab", "-keyout", data + "/own.key", "-out", data + "/own.crt");
        File.AppendAllText(data + "/postgresql.conf", $"ident_file = '{lab.Folder}/map'\nssl = on\nssl_cert_file = 'own.crt'\nssl_key_file = 'own.key'\n");
        var plan = lab.Folder + "/plan";
        var planned = lab.Lotse("pg", "plan", data, "--to", "15", "--mode", mode, "--old-bin", PostgresLab.Programs(13), "--new-bin", PostgresLab.Programs(15), "-o", plan);
        Assert.True(planned.ExitCode == 0, planned.Text + planned.ErrorText);
        var applied = lab.Lotse("apply", plan);
        Assert.True(applied.ExitCode == 0, applied.Text + applied.ErrorText);
        foreach (var (user, password) in new[] { ("web", "web's"), ("api", "apipw") })
        {
            Assert.StartsWith($"{user}|15.", PostgresLab.LogIn(port, user, password, "shop", "SELECT current_user, current_setting('server_version'), current_setting('work_mem'), count(*) FROM t"), StringComparison.Ordinal);
        }

        Assert.Equal("on|own.crt|what's it", lab.Ask(port, "boss", "shop", "SELECT current_setting('ssl'), current_setting('ssl_cert_file'), current_setting('cluster_name')"));
        Assert.Equal("own root boss\n", File.ReadAllText(data + "-15/pg_ident.conf"));
        Assert.Contains("archive_command = 'cp ''%p'' /nowhere'", File.ReadAllText(data + "-15/postgresql.auto.conf"), StringComparison.Ordinal);
        Assert.DoesNotContain("nowhere", File.ReadAllText(plan), StringComparison.Ordinal);
        Assert.Equal("5000kB|3000|11|1", lab.Ask(port, "boss", "shop", "SELECT current_setting('work_mem'), (SELECT count(*) FROM t), nextval('s'), (SELECT count(*) FROM pg_largeobject_metadata)"));
        var undone = lab.Lotse("undo");
        if (mode == "copy")
        {
            Assert.True(undone.ExitCode == 0, undone.Text + undone.ErrorText);
            Assert.StartsWith("web|13.", PostgresLab.LogIn(port, "web", "web's", "shop", "SELECT current_user, current_setting('server_version')"), StringComparison.Ordinal);
            Assert.Equal("what's it|5000kB|on", lab.Ask(port, "boss", "shop", "SELECT current_setting('cluster_name'), current_setting('work_mem'), current_setting('operator_precedence_warning')"));
            Assert.False(Directory.Exists(data + "-15"));
        }
        else
        {
            // Past the point of no return: told, and the new server still serves.
            Assert.NotEqual(0, undone.ExitCode);
            Assert.Contains("no way back", undone.Text + undone.ErrorText, StringComparison.Ordinal);
            Assert.StartsWith("web|15.", PostgresLab.LogIn(port, "web", "web's", "shop", "SELECT current_user, current_setting('server_version')"), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void What_stands_in_the_way_is_told_before_anything_stops()
    {
        using var lab = new PostgresLab();
        var (data, port) = Running(lab, 13);
        lab.Ask(port, "boss", "shop", """
            CREATE TABLE r (a regproc); CREATE VIEW v AS SELECT compression FROM pg_stat_ssl; CREATE TABLE c (a pg_class);
            CREATE AGGREGATE mine (anyelement) (sfunc = array_append, stype = anyarray, initcond = '{}');
            CREATE OPERATOR !@ (leftarg = bigint, procedure = numeric_fac);
            CREATE TABLE p (a int NOT NULL); CREATE TABLE k () INHERITS (p); ALTER TABLE k ALTER a DROP NOT NULL;
            CREATE TABLE fine (a regclass, b regtype, c regrole); CREATE TYPE procs AS RANGE (subtype = regprocedure); CREATE TABLE ranges (a procs);
            CREATE TABLE pt (a int); CREATE POLICY seen ON pt USING (EXISTS (SELECT datlastsysoid FROM pg_database)); CREATE TABLE df (a boolean DEFAULT pg_is_in_backup());
            CREATE VIEW gone AS SELECT datname, datlastsysoid, pg_is_in_backup() FROM pg_database;
            CREATE FUNCTION lost(int) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT count(*) FROM k WHERE a = $1'; CREATE INDEX ON fine (lost(1));
            CREATE FUNCTION found(int) RETURNS int LANGUAGE sql IMMUTABLE AS $f$ SELECT length('FROM k') -- k $f$; CREATE INDEX ON fine (found(1));
            """);
        lab.Ask(port, "boss", "postgres", "CREATE DATABASE closed ALLOW_CONNECTIONS false");
        var ran = lab.Lotse("pg", "plan", data, "--to", "15", "--old-bin", PostgresLab.Programs(13), "--new-bin", PostgresLab.Programs(15), "--json");
        Assert.Equal(1, ran.ExitCode);
        var findings = JsonDocument.Parse(ran.Output).RootElement.GetProperty("findings").EnumerateArray().Where(f => f.GetProperty("severity").GetString() == "error").Select(f => f.GetProperty("id").GetString()).Order();
        Assert.Equal(["pg/composite", "pg/db-noconn", "pg/function-search-path", "pg/not-null-inherit", "pg/poly-agg", "pg/postfix-op", "pg/reg-columns", "pg/view-removed-col"], findings);
        foreach (var named in new[] { "public.ranges.a", "pg_database.datlastsysoid", "pg_is_in_backup()", "uses public.lost", "public.pt names pg_database.datlastsysoid", "public.df calls pg_is_in_backup()" })
        {
            Assert.Contains(named, ran.Text, StringComparison.Ordinal);
        }

        Assert.DoesNotContain("uses public.found", ran.Text, StringComparison.Ordinal);
        Assert.StartsWith("web|13.", PostgresLab.LogIn(port, "web", "web's", "shop", "SELECT current_user, current_setting('server_version')"), StringComparison.Ordinal);
    }

    [Fact]
    public void What_the_server_had_not_written_yet_is_found_once_it_is_stopped_and_it_serves_again()
    {
        using var lab = new PostgresLab();
        var (data, port) = Running(lab, 13);
        var plan = lab.Folder + "/plan";
        Assert.Equal(0, lab.Lotse("pg", "plan", data, "--to", "15", "--old-bin", PostgresLab.Programs(13), "--new-bin", PostgresLab.Programs(15), "-o", plan).ExitCode);
        lab.Ask(port, "boss", "shop", "CREATE TABLE late (a regproc)");
        var applied = lab.Lotse("apply", plan);
        Assert.Equal(5, applied.ExitCode);
        Assert.Contains("pg/reg-columns", applied.Text + applied.ErrorText, StringComparison.Ordinal);
        Assert.StartsWith("web|13.", PostgresLab.LogIn(port, "web", "web's", "shop", "SELECT current_user, current_setting('server_version')"), StringComparison.Ordinal);
        Assert.False(Directory.Exists(data + "-15"));
    }

    [Fact]
    public void A_rehearsal_finds_what_nothing_else_does_and_says_how_long_each_phase_takes()
    {
        using var lab = new PostgresLab();
        var (data, port) = Running(lab, 13);
        string[] wish = ["pg", "plan", data, "--to", "15", "--mode", "copy", "--old-bin", PostgresLab.Programs(13), "--new-bin", PostgresLab.Programs(15)];

        // A setting that is gone, in a function: pg_upgrade --check is content, and the schema cannot be made.
        lab.Ask(port, "boss", "shop", "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET operator_precedence_warning = on AS 'SELECT 1'");
        lab.Ask(port, "boss", "shop", "INSERT INTO t SELECT g, 'late' FROM generate_series(3001, 3100) g");
        var failed = lab.Lotse([.. wish, "--rehearse", "--json"]);
        Assert.True(failed.ExitCode == 1, failed.Text + failed.ErrorText);
        Assert.Contains("operator_precedence_warning", failed.Text, StringComparison.Ordinal);
        Assert.False(Directory.Exists(data + "-15.lotse-rehearsal"));
        lab.Ask(port, "boss", "shop", "DROP FUNCTION f()");

        var plan = lab.Folder + "/plan";
        var planned = lab.Lotse([.. wish, "--rehearse-copy", "-o", plan]);
        Assert.True(planned.ExitCode == 0, planned.Text + planned.ErrorText);
        Assert.Contains("rehearsed on a copy", planned.Text, StringComparison.Ordinal);
        Assert.StartsWith("web|13.", PostgresLab.LogIn(port, "web", "web's", "shop", "SELECT current_user, current_setting('server_version')"), StringComparison.Ordinal);
        Assert.Equal(["data", "data.log", "plan", "state"], Directory.GetFileSystemEntries(lab.Folder).Select(Path.GetFileName).Where(n => !n!.StartsWith('.')).Order());
        var estimates = JsonDocument.Parse(File.ReadAllText(plan)).RootElement.GetProperty("changes").EnumerateArray().Where(c => c.TryGetProperty("estimate", out _)).Select(c => c.GetProperty("phase").GetString());
        Assert.Equal(["init", "stop", "upgrade", "check", "configure", "start"], estimates);
    }

    [Theory]
    [InlineData(true, "Clone")]
    [InlineData(false, "Copy")]
    public void Files_are_cloned_on_an_xfs_that_can_and_nothing_is_tried_out_to_know_it(bool reflinks, string mode)
    {
        Lab.NeedsRoot();
        using var disk = new SmallDisk("xfs", reflinks);
        using var lab = new PostgresLab(disk.Folder);
        var data = lab.Initialise(13, "data", "-U", "boss", "-E", "UTF8", "--locale=C");
        var before = Sums(disk.Folder);
        var planned = lab.Lotse("pg", "plan", data, "--to", "18", "--old-bin", PostgresLab.Programs(13), "--new-bin", PostgresLab.Programs(18));
        Assert.Contains($"brought over by {mode.ToLowerInvariant()}:", planned.Text, StringComparison.Ordinal);
        Assert.Equal(before, Sums(disk.Folder));
        var asked = lab.Lotse("pg", "plan", data, "--to", "18", "--mode", "clone", "--old-bin", PostgresLab.Programs(13), "--new-bin", PostgresLab.Programs(18));
        Assert.Equal(!reflinks, asked.Text.Contains("pg/clone-unsupported", StringComparison.Ordinal));
    }

    [Fact]
    public void A_way_back_that_failed_for_a_full_disk_is_found_again_when_there_is_room()
    {
        using var lab = new PostgresLab();
        var (data, port) = Running(lab, 13);
        var plan = lab.Folder + "/plan";
        Assert.Equal(0, lab.Lotse("pg", "plan", data, "--to", "15", "--mode", "copy", "--old-bin", PostgresLab.Programs(13), "--new-bin", PostgresLab.Programs(15), "-o", plan).ExitCode);

        // A folder where a log would be stops the upgrade and its way back alike, as a full disk does; the server must not be forgotten.
        var work = data + "-15.lotse";
        Directory.CreateDirectory(work + "/log/old-server.log");
        Directory.CreateDirectory(work + "/marks/before.tsv");
        Lab.Run(TimeSpan.FromMinutes(1), "chown", "-R", "postgres", work + "/log", work + "/marks");
        var applied = lab.Lotse("apply", plan);
        Assert.Equal(6, applied.ExitCode);
        Directory.Delete(work + "/log/old-server.log");
        lab.Lotse("log");
        Assert.StartsWith("web|13|3000", PostgresLab.LogIn(port, "web", "web's", "shop", "SELECT current_user, current_setting('server_version_num')::int / 10000, count(*) FROM t"), StringComparison.Ordinal);
    }

    /// <summary>A cluster with two kinds of logins, a setting of ALTER SYSTEM, and something in it; its server runs.</summary>
    private static (string Data, int Port) Running(PostgresLab lab, int version, string words = "")
    {
        var data = lab.Initialise(version, "data", "-U", "boss", "-E", "UTF8", "--locale=C");
        var port = Lab.FreePort();
        File.AppendAllText(data + "/postgresql.conf", $"port = {port}\n");
        File.WriteAllText(data + "/pg_hba.conf", "local all all trust\nhost all all 127.0.0.1/32 md5\n");
        lab.Start(version, data, port, words);
        lab.Ask(port, "boss", "postgres", Workload);
        lab.Ask(port, "boss", "postgres", "ALTER SYSTEM SET work_mem = '8MB'");
        lab.Ask(port, "boss", "postgres", "ALTER SYSTEM SET archive_command = 'cp ''%p'' /nowhere'");
        lab.Ask(port, "boss", "postgres", "CREATE DATABASE shop");
        lab.Ask(port, "boss", "shop", "CREATE TABLE t AS SELECT g AS id, md5(g::text) AS v FROM generate_series(1, 3000) g; CREATE INDEX ON t (v); GRANT SELECT ON t TO web, api; CREATE SEQUENCE s START 10; SELECT nextval('s'); SELECT lo_create(0)");
        return (data, port);
    }

    private static string[] Rows(string text) => [.. text.Split('\n').Select(l => l.TrimEnd())];

    private static string Sums(string folder) => Lab.Run(TimeSpan.FromMinutes(1), "sh", "-c", "cd \"$1\" && find . -type f -exec sha256sum {} + | sort && find . -printf '%p %m %u %T@ %C@\\n' | sort", "sh", folder).Text;
}
