using Lotse.Postgres;
using Xunit;

namespace Lotse.Tests.Postgres;

/// <summary>Settings that the command line of a server gives, as postmaster.opts keeps it.</summary>
public class CommandLineTests
{
    private const string Options = "/usr/lib/postgresql/15/bin/postgres \"-D\" \"/d\" \"-p\" \"5433\" \"-c\" \"Old-Snapshot_Threshold=1h\" \"-cwork_mem=8MB\" \"--shared-preload-libraries=pg_cron, auto_explain\" \"-c\" \"primary_conninfo=password=x\" \"-c\"";

    [Fact]
    public void They_are_read_in_every_form_and_no_password_is_kept() => Assert.Equal(
        [("old_snapshot_threshold", "1h"), ("work_mem", "8MB"), ("shared_preload_libraries", "pg_cron, auto_explain"), ("primary_conninfo", ConfigFiles.NotKept)],
        ConfigFiles.OfCommandLine(Facts().Old).Select(s => (s.Name, s.Value)));

    [Fact]
    public void A_plan_judges_them_like_those_of_files()
    {
        var findings = UpgradeFindings.Of(Facts());
        var removed = findings.Single(f => f.Id == "pg/setting-removed");
        Assert.Equal(("-c old_snapshot_threshold", Severity.Warning), (removed.Subject.Content, removed.Severity));
        Assert.Equal(["pg_cron"], findings.Where(f => f.Id == "pg/preload-missing").Select(f => f.Subject.Content));
        Assert.DoesNotContain(UpgradeFindings.Of(Facts() with { Old = Facts().Old with { StartedWith = "postgres \"-D\" \"/d\" \"-c\" \"work_mem=8MB\"" } }), f => f.Id is "pg/setting-removed" or "pg/preload-missing");
    }

    private static PlanFacts Facts() => new()
    {
        Old = new() { Directory = "/d", Version = 15, Mode = 0x1c0, StartedWith = Options },
        To = 17,
        NewDirectory = "/d-17",
        OldInstallation = new() { Programs = "/o" },
        NewInstallation = new() { Programs = "/n", Version = 17, LibraryFolder = "/l", Libraries = ["auto_explain"] },
        Around = new(),
    };
}
