using Lotse.Postgres;
using Xunit;

namespace Lotse.Tests.Postgres;

/// <summary>What a running server answers, and what it means.</summary>
public class RunningServerTests
{
    [Fact]
    public void Answers_of_psql_are_rows_with_what_was_escaped()
    {
        var answers = CatalogQueries.Parse("1\ta\\tb\\nc\\\\.\t\\N\n2\t\\\\N\t\n\\.\n\\.\n", 2)!;
        Assert.Equal([["1", "a\tb\nc\\.", null], ["2", "\\N", ""]], answers[0]);
        Assert.Empty(answers[1]);
        Assert.Null(CatalogQueries.Parse("1\n\\.\n", 2));
        Assert.Null(CatalogQueries.Parse("", 1));
    }

    [Fact]
    public void A_row_of_a_server_reads_like_one_of_a_file()
    {
        var shape = new CatalogShape([.. "oid attname attnum attnotnull attalign indclass none".Split(' ').Select((n, i) => new CatalogColumn(n, i + 1, -1, 1))]);
        var row = new CatalogRow(["4294967295", "x", "-3", "t", "", "1 23 4", null], shape);
        Assert.Equal((uint.MaxValue, "x", -3, true, '\0'), (row.Oid, row.Text("attname")!, row.Int("attnum") ?? 0, row.Bool("attnotnull") ?? false, row.Char("attalign") ?? '?'));
        Assert.Equal([1u, 23u, 4u], row.Oids("indclass"));
        Assert.Equal((null, null, null, null), (row.Text("none"), row.UInt("none"), row.Bytes("none"), row.Pointer("attname")));
        Assert.Null(row.Text("no such column"));

        // A row that a server moved while its file was read is there twice.
        Assert.Single(Catalogs.By([row, row], r => r.Oid, r => r.Text("attname")));
    }

    [Fact]
    public void What_was_asked_is_decided_and_what_was_not_is_not()
    {
        var facts = new ClusterFacts { Directory = "/data", Version = 15, Uid = 999, Mode = 448, Postmaster = new(7, "/data", 5432, "/run", true, 7) };
        Assert.Contains(ClusterDiagnosis.Facts(facts with { ServerFault = "fe_sendauth: no password supplied" }).Unknowns, u => u.Why.ToString().Contains("no password supplied", StringComparison.Ordinal));
        var asked = facts with
        {
            Server = new()
            {
                Version = "15.18",
                User = "boss",
                Settings = [new("work_mem", "8192", "command line", null, 0, false), new("max_connections", "100", "default", null, 0, true), new("port", "5433", "command line", null, 0, false)],
                Connections = [new("shop", "web", "web\u001b[2J", "192.0.2.7", 3, 1)],
                Drifts = [new("shop", null, "2.31", "2.36")],
            },
        };
        var report = ClusterDiagnosis.Facts(asked);
        Assert.Empty(report.Unknowns);
        Assert.Equal(["pg/collation-version"], report.Findings.Select(f => f.Id));
        var seen = string.Join('\n', report.Reasons.SelectMany(r => r.Seen).Select(s => s.What));
        Assert.Equal("PostgreSQL 15.18, as boss\n3 of web to shop, web\\x1b[2J, from 192.0.2.7, 1 in a transaction\nmax_connections = 100 is in force\nwork_mem = 8192", seen);
        Assert.Single(ClusterDiagnosis.Facts(asked with { Server = asked.Server with { NotAsked = ["shop: FATAL"] } }).Unknowns);
    }
}
