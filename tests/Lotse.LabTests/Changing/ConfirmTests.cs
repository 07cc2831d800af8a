using System.Diagnostics;
using Xunit;

namespace Lotse.LabTests.Changing;

/// <summary>A change that nobody confirms is taken back: by its guard, or by the next start of any command.</summary>
public sealed class ConfirmTests : IDisposable
{
    private readonly ChangeWorld? world = Environment.IsPrivilegedProcess ? new() : null;
    private string before = "";

    public void Dispose()
    {
        if (world is not null)
        {
            world.Lotse("undo");
            world.Dispose();
        }
    }

    [Fact]
    public void Unconfirmed_it_is_put_back_in_time_and_confirmed_it_stays()
    {
        Apply("2s");
        Assert.Equal("nnnnn", world!.Look());
        Assert.Contains("waits for lotse confirm", world.Lotse("log").Text, StringComparison.Ordinal);
        Until("ooooo", TimeSpan.FromSeconds(10));
        Assert.Equal(before, world.Snapshot());
        Assert.Contains("not confirmed in time", world.Lotse("log").Text, StringComparison.Ordinal);
        Assert.Equal(3, world.Lotse("confirm").ExitCode);

        Apply("3s");
        Assert.Equal(0, world.Lotse("confirm").ExitCode);
        Thread.Sleep(4000);
        Assert.Equal("nnnnn", world.Look());
        Assert.Equal(0, world.Lotse("undo").ExitCode);
        Assert.Equal(before, world.Snapshot());
    }

    [Fact]
    public void It_survives_the_end_of_the_session_and_its_signals()
    {
        Lab.NeedsRoot();
        Lab.Needs("setsid", "script", "setfacl", "setfattr");
        before = world!.Snapshot();
        world.MakePlan();

        // A terminal of its own, whose end sends SIGHUP to everybody in it.
        var ran = Lab.RunWith(TimeSpan.FromSeconds(30), world.Environment, "script", "-qec", $"{Lab.Lotse} apply {world.PlanFile} --confirm-within 3s; kill -HUP -$$ 0", "/dev/null");
        Assert.Contains("undone in 3 seconds unless", ran.Text, StringComparison.Ordinal);
        Assert.Equal("nnnnn", world.Look());
        Until("ooooo", TimeSpan.FromSeconds(12));
        Assert.Equal(before, world.Snapshot());
    }

    [Fact]
    public void Its_guard_killed_the_next_start_has_a_new_one_and_after_the_time_puts_it_back_itself()
    {
        Apply("60s");
        KillGuard();
        Assert.Equal(0, world!.Lotse("log").ExitCode);
        Assert.NotEmpty(Guards());
        Assert.Equal("nnnnn", world.Look());
        Assert.Equal(0, world.Lotse("undo").ExitCode);
        Assert.Equal(before, world.Snapshot());

        Apply("2s");
        KillGuard();
        Thread.Sleep(3000);
        Assert.Equal("nnnnn", world.Look());
        var next = world.Lotse("--version");
        Assert.Equal("nnnnn", world.Look());
        next = world.Lotse("log");
        Assert.Contains("was not confirmed in time: put back", next.ErrorText, StringComparison.Ordinal);
        Assert.Equal(before, world.Snapshot());
    }

    [Fact]
    public void A_new_boot_puts_it_back_whatever_the_clock_says()
    {
        Lab.NeedsRoot();
        Lab.Needs("unshare", "setfacl", "setfattr");
        Apply("600s");
        KillGuard();
        var boot = world!.Top + "/boot";
        File.WriteAllText(boot, "11111111-2222-3333-4444-555555555555\n");
        var next = Lab.RunWith(TimeSpan.FromSeconds(30), world.Environment, "unshare", "-m", "sh", "-c", "mount --bind \"$1\" /proc/sys/kernel/random/boot_id && exec \"$0\" log", Lab.Lotse, boot);
        Assert.Contains("was not confirmed in time: put back", next.ErrorText, StringComparison.Ordinal);
        Assert.Equal(before, world.Snapshot());
    }

    [Fact]
    public void While_it_waits_nothing_else_is_changed_and_undo_takes_it_back_at_once()
    {
        Apply("60s");
        world!.Write(new Hosts.LocalHost(), [new CreateFile(world.Etc + "/other", ["x"], 0x1a4, 0, 0)]);
        var second = world.Lotse("apply", world.PlanFile);
        Assert.Equal(4, second.ExitCode);
        Assert.Contains("lotse confirm keeps it", second.ErrorText, StringComparison.Ordinal);
        Assert.Equal(0, world.Lotse("undo").ExitCode);
        Assert.Equal(before, world.Snapshot());
    }

    [Fact]
    public void An_applier_that_is_killed_in_the_middle_has_its_guard_put_back_at_once()
    {
        Lab.NeedsRoot();
        Lab.Needs("strace", "setfacl", "setfattr");
        before = world!.Snapshot();
        world.MakePlan();
        world.Traced(["-o", "/dev/null", "-e", "inject=renameat:signal=KILL:when=2"], "apply", world.PlanFile, "--confirm-within", "60s");
        Until("ooooo", TimeSpan.FromSeconds(10));
        Assert.Equal(before, world.Snapshot());
    }

    [Fact]
    public void An_applier_that_hangs_is_ended_when_the_time_is_over()
    {
        Lab.NeedsRoot();
        Lab.Needs("setfacl", "setfattr");
        before = world!.Snapshot();
        world.MakePlan(new RunProgram(["sleep", "120"], ["true"], 300));
        var watch = Stopwatch.StartNew();
        var ran = world.Lotse("apply", world.PlanFile, "--confirm-within", "2s");
        Assert.NotEqual(0, ran.ExitCode);
        Until("ooooo", TimeSpan.FromSeconds(10));
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(20));
        Assert.Equal(before, world.Snapshot());
    }

    private void Apply(string within)
    {
        Lab.NeedsRoot();
        Lab.Needs("setfacl", "setfattr");
        before = world!.Snapshot();
        world.MakePlan();
        var ran = world.Lotse("apply", world.PlanFile, "--confirm-within", within);
        Assert.True(ran.ExitCode == 0, ran.ErrorText);
    }

    /// <summary>The guards of this world: by the journal that they hold, never by name.</summary>
    private int[] Guards() =>
        [.. Directory.GetDirectories("/proc").Select(p => int.TryParse(Path.GetFileName(p), out var pid) ? pid : 0).Where(pid => pid > 0 && pid != Environment.ProcessId && IsGuard(pid))];

    private bool IsGuard(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/environ").Contains("LOTSE_STATE=" + world!.State + "\0", StringComparison.Ordinal) && File.ReadAllText($"/proc/{pid}/cmdline").Contains("\0guard\0", StringComparison.Ordinal);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private void KillGuard()
    {
        var guards = Guards();
        Assert.Single(guards);
        using var guard = Process.GetProcessById(guards[0]);
        guard.Kill();
        guard.WaitForExit(5000);
    }

    private void Until(string wanted, TimeSpan time)
    {
        var watch = Stopwatch.StartNew();
        while (world!.Look() != wanted && watch.Elapsed < time)
        {
            Thread.Sleep(100);
        }

        // The guard gives the folder its time back after the last file.
        for (var i = 0; i < 50 && Path.Exists(world.State + "/pending"); i++)
        {
            Thread.Sleep(100);
        }

        Assert.Equal(wanted, world.Look());
    }
}
