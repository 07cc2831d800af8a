using Xunit;

namespace Lotse.LabTests;

/// <summary>Logical slots, which every server that is started on the way must be able to hold, on both sides.</summary>
public class PostgresSlotTests
{
    [Theory]
    [InlineData("copy")]
    [InlineData("link", Explicit = true)]
    public void A_server_whose_log_is_logical_by_its_command_line_is_upgraded_with_its_slots(string mode)
    {
        using var lab = new PostgresLab();
        var data = lab.Initialise(17, "data", "-U", "boss", "-E", "UTF8", "--locale=C");
        var port = PostgresLab.FreePort();
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
}
