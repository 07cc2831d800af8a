using System.Diagnostics;
using Xunit;

namespace Lotse.LabTests;

/// <summary>The connection to the other machine is lost: the link cut in a network of its own, or the client ended.</summary>
[Trait("lane", "waiting")]
public sealed class RemoteLinkTests
{
    private const string Before = "two\n", After = "2\n";

    [Theory]
    [InlineData(true, false)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    [InlineData(false, true)]
    public void A_change_is_put_back_in_time_when_the_link_is_cut_and_kept_when_it_is_confirmed(bool bare, bool confirmed)
    {
        using var there = new RemoteMachine(Reached.Sshd, bare, separate: true);
        var (file, plan) = Prepare(there, bare);
        const int Seconds = 12;
        var watch = Stopwatch.StartNew();
        var applied = there.Lotse(["apply", plan, "--host", "lab", "--confirm-within", $"{Seconds}s", .. bare ? ["--plain"] : Array.Empty<string>()]);
        Assert.True(applied.ExitCode == 0, applied.Text + applied.ErrorText);
        Assert.Contains("undone in 12 seconds unless you run: lotse confirm", applied.Text, StringComparison.Ordinal);
        Assert.Equal(After, File.ReadAllText(file));
        if (confirmed)
        {
            var ran = there.Lotse("confirm", "--host", "lab");
            Assert.True(ran.ExitCode == 0, ran.Text + ran.ErrorText);
            there.Cut();
            Thread.Sleep(TimeSpan.FromSeconds(Seconds + 3) - (watch.Elapsed < TimeSpan.FromSeconds(Seconds) ? watch.Elapsed : TimeSpan.Zero));
            Assert.Equal(After, File.ReadAllText(file));
            return;
        }

        there.Cut();
        Assert.Equal(After, File.ReadAllText(file));
        Assert.True(RemoteMachine.Until(TimeSpan.FromSeconds(Seconds + 3), () => File.ReadAllText(file) == Before));
        there.Join();
        Assert.Contains("not confirmed in time", there.Lotse("log", "--host", "lab").Text, StringComparison.Ordinal);
        Assert.Equal(3, there.Lotse("confirm", "--host", "lab").ExitCode);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_client_that_is_killed_in_the_middle_leaves_nothing_half_done(bool bare)
    {
        using var there = new RemoteMachine(Reached.Sshd, bare);
        var (file, plan) = Prepare(there, bare);

        // The second step takes long: the file is changed, and the client dies.
        var slow = "{ \"do\": \"run\", \"arguments\": [\"sleep\", \"4\"], \"inverse\": [\"true\"], \"seconds\": 20 }";
        File.WriteAllText(plan, File.ReadAllText(plan).Replace("\n  ],\n  \"vanish\"", ", " + slow + "\n  ],\n  \"vanish\"", StringComparison.Ordinal));
        using var client = there.Start(["apply", plan, "--host", "lab", .. bare ? ["--plain"] : Array.Empty<string>()]);
        Assert.True(RemoteMachine.Until(TimeSpan.FromSeconds(60), () => File.ReadAllText(file) == After));
        client.Kill(entireProcessTree: true);

        // By plain commands the proof is asked from here, so it is put back; the program there goes on by itself.
        var wanted = bare ? Before : After;
        Assert.True(RemoteMachine.Until(TimeSpan.FromSeconds(30), () => there.Lotse("log", "--host", "lab").Text is var log && (log.Contains("  put back  ", StringComparison.Ordinal) || log.Contains("  applied  ", StringComparison.Ordinal))));
        Assert.Equal(wanted, File.ReadAllText(file));
        Assert.False(File.Exists(there.StateHere + (bare ? "/plain/pending" : "/pending")));
    }

    [Fact]
    public void Two_at_once_exclude_each_other()
    {
        using var there = new RemoteMachine(Reached.Sshd, bare: true);
        var (file, plan) = Prepare(there, bare: true);
        var slow = "{ \"do\": \"run\", \"arguments\": [\"sleep\", \"8\"], \"inverse\": [\"true\"], \"seconds\": 20 }";
        var second = Path.Combine(there.Folder, "second.json");
        File.Copy(plan, second);
        File.WriteAllText(plan, File.ReadAllText(plan).Replace("\n  ],\n  \"vanish\"", ", " + slow + "\n  ],\n  \"vanish\"", StringComparison.Ordinal));
        using var first = there.Start("apply", plan, "--host", "lab", "--plain");
        Assert.True(RemoteMachine.Until(TimeSpan.FromSeconds(60), () => File.ReadAllText(file) == After));
        var ran = there.Lotse("apply", second, "--host", "lab", "--plain");
        Assert.Equal(4, ran.ExitCode);
        Assert.Contains("another lotse is changing lab", ran.ErrorText, StringComparison.Ordinal);
        Assert.True(first.WaitForExit(30_000));
        Assert.Equal(0, first.ExitCode);
    }

    private static (string File, string Plan) Prepare(RemoteMachine there, bool bare)
    {
        var file = Path.Combine(bare ? there.Root + "/etc" : there.Folder, "conf");
        File.WriteAllText(file, Before);
        return (file, there.Plan(bare ? "/etc/conf" : file, "--replace", "two", "--with", "2"));
    }
}
