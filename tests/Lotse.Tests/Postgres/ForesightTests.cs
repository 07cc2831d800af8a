using Lotse.Hosts;
using Lotse.Postgres;
using Xunit;

namespace Lotse.Tests.Postgres;

/// <summary>What packages that change break of a cluster that was recorded.</summary>
public class ForesightTests
{
    private const string Directory = "/var/lib/postgresql/15/main";

    private const string Recorded = """
        lotse recording 1
        -- otherwise missing
        -- list /var/lib/postgresql
        15
        -- list /var/lib/postgresql/15
        main
        -- stat /var/lib/postgresql/15/main/PG_VERSION
        File 0600 1 1 3 8 8:1 1
        -- stat /var/lib/postgresql/15/main/global
        Directory 0700 1 1 3 8 8:1 1
        -- ask pg libraries /usr/lib/postgresql/15/bin/postgres
        {"lib_c": "glibc 2.36", "icu": "72"}
        -- read /var/lib/dpkg/info/postgresql-15-cron.list
        /usr/lib/postgresql/15/lib/pg_cron.so
        /usr/lib/postgresql/15/lib/bitcode/pg_cron/src.so
        -- read /var/lib/dpkg/info/postgresql-15-hll.list
        /usr/lib/postgresql/15/lib/hll.so
        -- ask pg/cluster /var/lib/postgresql/15/main
        {"directory": "/var/lib/postgresql/15/main", "version": 15, "mode": 448, "uid": 1, "gid": 1,
         "settings": [{"name": "shared_preload_libraries", "value": "pg_stat_statements, pg_cron", "file": "/etc/x", "line": 3}],
         "databases": [{"oid": 5, "name": "shop", "encoding": "UTF8", "collate": "de_DE", "ctype": "de_DE", "provider": "c", "collation_version": RECORDED, "allow_connections": true, "extensions": [],
          "objects": {"libraries": [{"name": "$libdir/hll", "function": "public.f"}], "ordered_indexes": [{"index": "public.i", "table": "public.t", "collation": "default", "provider": "d"}, {"index": "public.u", "table": "public.t", "collation": "en-x-icu", "provider": "i", "locale": "en"}]}}]}

        """;

    [Theory]
    [InlineData("null", "")]
    [InlineData("null", "", "libc6 2.36-9+deb12u9 2.36-9+deb12u13")]
    [InlineData("null", "pg/collation-order public.i", "libc6 2.36-9+deb12u9 2.41-12")]
    [InlineData("\"2.36\"", "pg/collation-order public.i", "libc6 2.36-9+deb12u9 2.41-12")]
    [InlineData("\"2.41\"", "", "libc6 2.36-9+deb12u9 2.41-12")]
    [InlineData("null", "", "libicu76 - 76.1-4")]
    [InlineData("null", "", "libicu72 - 72.1-4", "postgresql-15 15.1-1 15.2-1")]
    [InlineData("null", "pg/collation-order public.u", "libicu76 - 76.1-4", "postgresql-15 15.1-1 15.2-1")]
    [InlineData("null", "", "postgresql-15 15.1-1 15.2-1")]
    [InlineData("null", "", "postgresql-13 13.1-1 -")]
    [InlineData("null", "", "postgresql-client-15 15.1-1 -")]
    [InlineData("null", "pg/old-programs-missing postgresql-15", "postgresql-15 15.1-1 -", "postgresql-18 - 18.1-1")]
    [InlineData("null", "pg/preload-missing pg_cron", "postgresql-15-cron 1.6-1 -")]
    [InlineData("null", "", "postgresql-15-cron 1.6-1 1.7-1")]
    [InlineData("null", "pg/ext-missing hll", "postgresql-15-hll 2.1-1 -")]
    public void Says_what_breaks_and_nothing_else(string recorded, string expected, params string[] packages)
    {
        using var host = RecordedHost.Open("test", System.Text.Encoding.UTF8.GetBytes(Recorded.Replace("\r", "", StringComparison.Ordinal).Replace("RECORDED", recorded, StringComparison.Ordinal))).Value;
        var changes = packages.Select(p => p.Split(' ')).Select(p => new PackageChange(p[0], p[1] == "-" ? null : p[1], p[2] == "-" ? null : p[2])).ToArray();
        var findings = PgArea.Area.Foresee!(host, new(changes, null)).Findings;
        Assert.Equal(expected.Length > 0 ? [expected.Split(' ')[0]] : [], findings.Select(f => f.Id));
        Assert.All(findings, f => Assert.Contains(expected.Split(' ')[1], f.Title.ToString(), StringComparison.Ordinal));
        Assert.All(findings, f => Assert.Contains(Directory, f.Title.ToString(), StringComparison.Ordinal));
    }
}
