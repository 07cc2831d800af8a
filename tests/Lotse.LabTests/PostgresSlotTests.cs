using Xunit;

namespace Lotse.LabTests;

/// <summary>Logical slots, which every server that is started on the way must be able to hold, on both sides.</summary>
[Trait("lane", "waiting")]
public class PostgresSlotTests
{
    [Theory]
    [InlineData("copy")]
    [InlineData("link", Explicit = true)]
    public void A_server_whose_log_is_logical_by_its_command_line_is_upgraded_with_its_slots(string mode)
    {
        using var lab = new PostgresLab();
        var data = lab.Initialise(17, "data", "-U", "boss", "-E", "UTF8", "--locale=C");
        var port = Lab.FreePort();
        lab.Start(17, data, port, "-c wal_level=logical");
        foreach (var sql in new[] { "CREATE PUBLICATION p FOR ALL TABLES", "SELECT pg_create_logical_replication_slot('s', 'pgoutput')", "SELECT pg_replication_slot_advance('s', pg_current_wal_lsn())" })
        {
            lab.Ask(port, "boss", "postgres", sql);
        }

        var plan = lab.Folder + "/plan";
        var planned = lab.Lotse("pg", "plan", data, "--to", "18", "--mode", mode, "--old-bin", PostgresLab.Programs(17), "--new-bin", PostgresLab.Programs(18), "-o", plan);
        Assert.True(planned.ExitCode == 0, planned.Text + planned.ErrorText);
        var applied = lab.Lotse("apply", plan);
        Assert.True(applied.ExitCode == 0, applied.Text + applied.ErrorText);
        Assert.Equal("s|logical", lab.Ask(port, "boss", "postgres", "SELECT slot_name, current_setting('wal_level') FROM pg_replication_slots"));
    }

    [Fact(Explicit = true)]
    public void So_is_a_container_that_its_command_makes_logical()
    {
        using var lab = new ContainerLab("podman");
        var (old, now) = (lab.Image(17), lab.Image(18));
        lab.Engine("run", "-d", "--name", "db", "-e", "POSTGRES_USER=app", "-e", "POSTGRES_PASSWORD=secret", "-e", "POSTGRES_INITDB_ARGS=--locale=C -E UTF8", "-v", "data:/var/lib/postgresql/data", old, "postgres", "-c", "wal_level=logical", "-c", "max_replication_slots=12");
        lab.Await("db");
        foreach (var sql in new[] { "CREATE PUBLICATION p FOR ALL TABLES", "SELECT pg_create_logical_replication_slot('s', 'pgoutput')", "SELECT pg_replication_slot_advance('s', pg_current_wal_lsn())" })
        {
            lab.Ask("db", "app", "app", sql);
        }

        var plan = lab.Folder + "/plan";
        var planned = lab.Lotse("pg", "plan", "db", "--to", now, "-o", plan);
        Assert.True(planned.ExitCode == 0, planned.Text + planned.ErrorText);
        var applied = lab.Lotse("apply", plan);
        Assert.True(applied.ExitCode == 0, applied.Text + applied.ErrorText);
        Assert.Equal("s|logical|12", lab.Ask("db", "app", "app", "SELECT slot_name, current_setting('wal_level'), current_setting('max_replication_slots') FROM pg_replication_slots").Trim());
        Assert.Equal(0, lab.Lotse("undo").ExitCode);
        lab.Await("db");
        Assert.Equal("s", lab.Ask("db", "app", "app", "SELECT slot_name FROM pg_replication_slots").Trim());
    }
}
