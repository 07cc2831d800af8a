using System.Diagnostics;

namespace Lotse.LabTests;

/// <summary>How each kind of tests/data/pg/kinds.tsv is brought about: before the plan is asked for, and once it is.</summary>
/// <param name="Id">Its id without <c>pg/</c>.</param>
/// <param name="Plant">Makes it, in the old cluster, which is stopped, or around it.</param>
internal sealed record Pitfall(string Id, Action<PostgresUpgradeLab> Plant)
{
    /// <summary>Arguments of the old initdb; null: those of a plain cluster.</summary>
    public string[]? OldWith { get; init; }

    /// <summary>Makes the new cluster; null: one like the old.</summary>
    public Action<PostgresUpgradeLab>? New { get; init; }

    /// <summary>Whether the new cluster is there when the plan is asked for, as somebody made it.</summary>
    public bool NewFirst { get; init; }

    /// <summary>What differs when pg_upgrade is run.</summary>
    public Action<PostgresUpgradeLab>? Then { get; init; }

    /// <summary>Where the world lies; null: anywhere.</summary>
    public string? Place { get; init; }

    public static readonly Pitfall[] All =
    [
        Sql("aclitem", "CREATE TABLE t (a aclitem)"),
        new("as-root", _ => { }) { Then = l => l.As = "root" },
        new("bad-bindir", l => l.OldPrograms = PostgresUpgradeLab.Programs(15)),
        new("checksums-off-on", _ => { }) { New = l => l.MakeNew("-U", "postgres", "--locale=C", "-E", "UTF8") },
        new("checksums-on-off", _ => { }) { OldWith = ["-U", "postgres", "--locale=C", "-E", "UTF8", "-k"], New = l => l.MakeNew(l.Alike()), NewFirst = true },
        new("clone-unsupported", l => { l.PlanArguments.AddRange(["--mode", "clone"]); l.UpgradeArguments.Add("--clone"); }) { Place = "/dev/shm" },
        Sql("composite", "CREATE TABLE t (a pg_stat_activity)"),
        new("cwd-readonly", l => Root("chown", "root", l.Work)) { Then = l => { Root("chown", "root", l.Work); Root("chmod", "755", l.Work); } },
        Sql("db-noconn", "CREATE DATABASE closed ALLOW_CONNECTIONS false"),
        new("disk-full", l =>
        {
            Started(l, "CREATE TABLE big AS SELECT repeat(md5(g::text), 12) v FROM generate_series(1, 150000) g");
            var place = l.Folder + "/small";
            Root("mkdir", place);
            Root("mount", "-t", "tmpfs", "-o", "size=100m,mode=777", "tmpfs", place);
            l.NewData = place + "/new";
            l.PlanArguments.AddRange(["--new-data", l.NewData, "--mode", "copy"]);
        }),
        new("downgrade", _ => { }),
        new("encoding", _ => { }) { New = l => l.MakeNew("-U", "postgres", "--locale=C", "-E", "SQL_ASCII"), NewFirst = true },
        Sql("ext-missing", "CREATE EXTENSION adminpack"),
        new("install-user", _ => { }) { OldWith = ["-U", "boss", "--locale=C", "-E", "UTF8"], New = l => l.MakeNew(l.Alike("boss")), Then = l => l.User = "postgres" },
        new("install-user-created", l => { l.User = "boss"; Started(l, "CREATE ROLE postgres LOGIN SUPERUSER"); l.User = "postgres"; }) { OldWith = ["-U", "boss", "--locale=C", "-E", "UTF8"], New = l => { l.MakeNew(l.Alike()); OnNew(l, "CREATE ROLE boss LOGIN SUPERUSER"); }, NewFirst = true },
        Sql("invalid-db", "CREATE DATABASE broken; UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'broken'"),
        new("lc-collate", _ => { }) { New = l => l.MakeNew("-U", "postgres", "--locale=en_US.UTF-8", "-E", "UTF8"), NewFirst = true },
        new("link-xdev", l =>
        {
            l.NewData = $"/dev/shm/lotse-{Environment.ProcessId}-new";
            l.PlanArguments.AddRange(["--mode", "link", "--new-data", l.NewData]);
            l.UpgradeArguments.Add("--link");
        }),
        new("local-md5", l => Asks(l)),
        new("local-md5-pgpassword", l => { Asks(l); l.Environment["PGPASSWORD"] = "secret"; }),
        new("locale-missing", l => Conf(l, "lc_messages = 'xx_XX.UTF-8'")),
        new("locale-spelling", _ => { }) { OldWith = ["-U", "postgres", "--locale=en_US.UTF-8", "-E", "UTF8"], New = l => l.MakeNew("-U", "postgres", "--locale=en_US.utf8", "-E", "UTF8"), NewFirst = true },
        new("logical-slot-new-wal-level", l => { Conf(l, "wal_level = logical"); Started(l, "SELECT pg_create_logical_replication_slot('s', 'pgoutput')"); }),
        new("logical-slot-old", l => { Conf(l, "wal_level = logical"); Started(l, "SELECT pg_create_logical_replication_slot('s', 'pgoutput')"); }),
        new("logical-slot-unconsumed", l => { Conf(l, "wal_level = logical"); Started(l, "SELECT pg_create_logical_replication_slot('s', 'pgoutput'); CREATE TABLE t (a int); INSERT INTO t VALUES (1)"); }) { New = l => { l.MakeNew(l.Alike()); File.AppendAllText(l.NewData + "/postgresql.conf", "wal_level = logical\n"); } },
        new("new-has-roles", _ => { }) { New = l => { l.MakeNew(l.Alike()); OnNew(l, "CREATE ROLE web LOGIN"); }, NewFirst = true },
        new("new-not-empty", _ => { }) { New = l => { l.MakeNew(l.Alike()); OnNew(l, "CREATE TABLE t (a int)"); }, NewFirst = true },
        new("not-clean", l => { l.Start(); l.Ask("CREATE TABLE t (a int)"); l.Stop("immediate"); }),
        Sql("not-null-inherit", "CREATE TABLE p (a int NOT NULL); CREATE TABLE k () INHERITS (p); ALTER TABLE k ALTER a DROP NOT NULL"),
        new("old-running", l => PidOf(l)),
        new("old-running-real", l => l.Start()),
        new("pghost-env", l => l.Environment["PGHOST"] = "db"),
        Sql("poly-agg", "CREATE AGGREGATE mine (anyelement) (sfunc = array_append, stype = anyarray, initcond = '{}')"),
        Sql("postfix-op", "CREATE OPERATOR !@ (leftarg = bigint, procedure = numeric_fac)"),
        new("preload-missing", l => Conf(l, "shared_preload_libraries = 'pg_cron'")),
        Sql("prepared", "BEGIN; CREATE TABLE t (a int); PREPARE TRANSACTION 'x'"),
        Sql("reg-columns", "CREATE TABLE t (a regproc)"),
        new("same-version", _ => { }),
        new("socket-too-long", l =>
        {
            l.SocketFolder = l.Folder + "/" + new string('s', 100);
            Root("install", "-d", "-o", "postgres", l.SocketFolder);
            l.PlanArguments.AddRange(["--socket-dir", l.SocketFolder]);
        }),
        new("socketdir-missing", l => { l.SocketFolder = "/var/run/nonexistent"; l.PlanArguments.AddRange(["--socket-dir", l.SocketFolder]); }),
        new("stale-pid", l => { PidOf(l); l.UpgradeArguments.Add("--check"); }),
        new("stale-pid-mounted-conf", l =>
        {
            var conf = l.Folder + "/conf";
            Root("install", "-d", "-o", "postgres", conf);
            foreach (var name in new[] { "postgresql.conf", "pg_hba.conf", "pg_ident.conf" })
            {
                File.Move($"{l.Data}/{name}", $"{conf}/{name}");
            }

            File.AppendAllText(conf + "/postgresql.conf", $"data_directory = '{l.Data}'\n");
            Root("chown", "-R", "postgres", conf);
            PidOf(l);
            l.PlanArguments.AddRange(["--config-dir", conf]);
            l.UpgradeArguments.AddRange(["--check", "-o", $"-c config_file={conf}/postgresql.conf"]);
        }),
        new("standby", l =>
        {
            File.WriteAllText(l.Data + "/standby.signal", "");
            Root("chown", "postgres", l.Data + "/standby.signal");
            l.Start();
            l.Stop();
        }),
        new("subscription", l => { Conf(l, "wal_level = logical"); Started(l, "CREATE SUBSCRIPTION s CONNECTION 'dbname=x' PUBLICATION p WITH (connect = false)"); }),
        new("tablespace-exists", l =>
        {
            Tablespace(l, l.Folder + "/ts");
            var version = Lab.Run(TimeSpan.FromMinutes(1), "strings", PostgresUpgradeLab.Programs(l.New) + "/postgres").Text.Split('\n').First(s => s.StartsWith($"PG_{l.New}_2", StringComparison.Ordinal));
            Root("install", "-d", "-o", "postgres", $"{l.Folder}/ts/{version}");
        }),
        new("tablespace-inside", l => Tablespace(l, l.Data + "/ts")),
        Sql("template0-conn", "ALTER DATABASE template0 ALLOW_CONNECTIONS true"),
        new("tsearch-dict", l =>
        {
            var file = Path.GetFullPath(PostgresUpgradeLab.Programs(l.Old) + $"/../../../../share/postgresql/{l.Old}/tsearch_data/lotse_lab.syn");
            File.WriteAllText(file, "postgres pgsql\n");
            try
            {
                Started(l, "CREATE TEXT SEARCH DICTIONARY d (template = synonym, synonyms = lotse_lab)");
            }
            finally
            {
                File.Delete(file);
            }
        }),
        Sql("user-conversion", "CREATE CONVERSION c FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1"),
        Sql("view-removed-col", "CREATE VIEW v AS SELECT checkpoints_timed FROM pg_stat_bgwriter"),
        new("walseg", _ => { }) { OldWith = ["-U", "postgres", "--locale=C", "-E", "UTF8", "--wal-segsize=32"] },
        new("wrong-mode", l => File.SetUnixFileMode(l.Data, (UnixFileMode)0b111_101_101)),
        new("wrong-owner", l => Root("chown", "-R", "70", l.Data)),
    ];

    private static Pitfall Sql(string id, string sql) => new(id, l => Started(l, sql));

    internal static void Started(PostgresUpgradeLab lab, string sql)
    {
        lab.Start();
        lab.Ask(sql);
        lab.Stop();
    }

    internal static void Conf(PostgresUpgradeLab lab, string line) => File.AppendAllText(lab.Data + "/postgresql.conf", line + "\n");

    internal static void Asks(PostgresUpgradeLab lab)
    {
        Started(lab, "ALTER ROLE postgres PASSWORD 'secret'");
        File.WriteAllText(lab.Data + "/pg_hba.conf", "local all all md5\n");
    }

    internal static void Tablespace(PostgresUpgradeLab lab, string place)
    {
        Root("install", "-d", "-o", "postgres", place);
        Started(lab, $"CREATE TABLESPACE ts LOCATION '{place}'");
    }

    /// <summary>A postmaster.pid that names a process of the same user which is no server.</summary>
    internal static void PidOf(PostgresUpgradeLab lab)
    {
        var sleeper = Process.Start(new ProcessStartInfo("setpriv", ["--reuid=postgres", "--regid=postgres", "--clear-groups", "sleep", "120"]))!;
        File.WriteAllText(lab.Data + "/postmaster.pid", $"{sleeper.Id}\n{lab.Data}\n1790000000\n7009\n{lab.Folder}\n\n  5432001         1\nready   \n");
        Root("chown", "postgres", lab.Data + "/postmaster.pid");
        Root("chmod", "600", lab.Data + "/postmaster.pid");
        lab.Sleeper = sleeper;
    }

    private static void OnNew(PostgresUpgradeLab lab, string sql)
    {
        var programs = PostgresUpgradeLab.Programs(lab.New);
        foreach (var command in new string[][]
        {
            [programs + "/pg_ctl", "-D", lab.NewData, "-w", "-l", lab.Folder + "/new.log", "-o", $"-p {lab.Port} -k {lab.Folder}", "start"],
            [programs + "/psql", "-X", "-q", "-h", lab.Folder, "-p", $"{lab.Port}", "-U", "postgres", "-d", "postgres", "-c", sql],
            [programs + "/pg_ctl", "-D", lab.NewData, "-w", "-m", "fast", "stop"],
        })
        {
            var ran = lab.Run(TimeSpan.FromMinutes(1), command);
            Xunit.Assert.True(ran.ExitCode == 0, ran.Text + ran.ErrorText);
        }
    }

    private static void Root(params string[] command)
    {
        var ran = Lab.Run(TimeSpan.FromMinutes(1), command);
        Xunit.Assert.True(ran.ExitCode == 0, ran.ErrorText);
    }
}
