using System.Text;
using Xunit;

namespace Lotse.LabTests;

/// <summary>The other machine loses its power before any one command of a change by plain commands: the next contact puts right.</summary>
public sealed class RemoteKillTests
{
    /// <summary>The commands that change something there. Between two of them nothing changes but lines of the log, each followed by a sync.</summary>
    private static readonly string[] Changing = ["ln", "rm", "mv", "cp", "cat", "chmod", "chown", "mkdir", "rmdir", "touch", "sync"];

    [Fact]
    public void Killed_before_any_command_the_next_contact_finds_all_as_before_or_all_done()
    {
        using var there = Machine();
        var plan = Plan(there);
        var before = RemoteMachine.Tree(there.Root);
        Count(there, 0);
        Assert.Equal(0, there.Lotse("apply", plan, "--host", "lab", "--plain").ExitCode);
        var (commands, after) = (Counted(there), Contents(there));
        Assert.Equal(0, there.Lotse("undo", "--host", "lab").ExitCode);
        Assert.Equal(before, RemoteMachine.Tree(there.Root));
        Assert.True(commands > 30, $"{commands}");

        var (old, done) = (0, 0);
        for (var at = 1; at <= commands; at++)
        {
            Count(there, at);
            var said = StopAt(there, "apply", plan, "--host", "lab", "--plain");
            Count(there, 0);
            var log = there.Lotse("log", "--host", "lab");
            Assert.True(log.ExitCode == 0, log.ErrorText);
            Assert.False(Path.Exists(there.StateHere + "/plain/pending"), $"at {at}");
            if (Contents(there) == after)
            {
                done++;
                var undone = there.Lotse("undo", "--host", "lab");
                Assert.True(undone.ExitCode == 0, $"at {at}: {undone.ErrorText}");
            }
            else
            {
                Assert.False(said, $"at {at}");
                old++;
            }

            // Whole, with every time and owner, and nothing left over: neither beside the files nor a second name of one.
            Assert.Equal((at, before), (at, RemoteMachine.Tree(there.Root)));
        }

        Assert.True(old > 0 && done > 0, $"{old} old, {done} done");
    }

    [Fact]
    public void Killed_before_any_command_of_an_undo_the_next_contact_finishes_it()
    {
        using var there = Machine();
        var plan = Plan(there);
        var before = RemoteMachine.Tree(there.Root);
        Count(there, 0);
        Assert.Equal(0, there.Lotse("apply", plan, "--host", "lab", "--plain").ExitCode);
        Count(there, 0);
        Assert.Equal(0, there.Lotse("undo", "--host", "lab").ExitCode);
        var commands = Counted(there);
        Assert.True(commands > 15, $"{commands}");
        for (var at = 1; at <= commands; at++)
        {
            Count(there, 0);
            Assert.Equal(0, there.Lotse("apply", plan, "--host", "lab", "--plain").ExitCode);
            Count(there, at);
            var said = StopAt(there, "undo", "--host", "lab");
            Count(there, 0);
            Assert.Equal(0, there.Lotse("log", "--host", "lab").ExitCode);
            if (RemoteMachine.Tree(there.Root) is var left && left != before)
            {
                // It had not begun.
                Assert.False(said, $"at {at}");
                var again = there.Lotse("undo", "--host", "lab");
                Assert.True(again.ExitCode == 0, $"at {at}: {again.ErrorText}\n{string.Join('\n', left.Split('\n').Except(before.Split('\n')))}");
            }

            Assert.Equal((at, before), (at, RemoteMachine.Tree(there.Root)));
        }
    }

    [Fact]
    public void When_only_the_process_that_applies_dies_the_guard_puts_back_without_any_contact()
    {
        using var there = Machine();
        var plan = Plan(there);
        var before = RemoteMachine.Tree(there.Root);

        // In the last step, when the first is done.
        File.WriteAllText(plan, File.ReadAllText(plan).Replace("\n  ],\n  \"vanish\"", ", { \"do\": \"run\", \"arguments\": [\"sleep\", \"30\"], \"inverse\": [\"true\"], \"seconds\": 60 }\n  ],\n  \"vanish\"", StringComparison.Ordinal));
        using var client = there.Start("apply", plan, "--host", "lab", "--plain");
        Assert.True(RemoteMachine.Until(TimeSpan.FromSeconds(60), () => File.Exists(there.Root + "/etc/made/here")));
        var holder = File.ReadAllText(there.StateHere + "/plain/lock").Split(' ')[0];
        Assert.Equal(0, Lab.Run(TimeSpan.FromSeconds(5), "kill", "-9", holder).ExitCode);
        Assert.True(RemoteMachine.Until(TimeSpan.FromSeconds(15), () => !Path.Exists(there.StateHere + "/plain/pending")));
        Assert.Equal(before, RemoteMachine.Tree(there.Root));
        Assert.True(client.WaitForExit(60_000));
        Assert.Equal(3, client.ExitCode);
        Assert.Contains("the process that applied it has died", there.Lotse("log", "--host", "lab").Text, StringComparison.Ordinal);
    }
    [Fact]
    public void A_machine_that_is_switched_off_and_on_puts_back_before_its_network_starts()
    {
        using var there = Machine();
        var plan = Plan(there);
        var before = RemoteMachine.Tree(there.Root);
        Assert.Equal(0, there.Lotse("apply", plan, "--host", "lab", "--plain", "--confirm-within", "10m").ExitCode);
        Assert.Equal("../init.d/lotse-plain", new FileInfo(there.Root + "/etc/rc.d/S11lotse-plain").LinkTarget);
        Assert.True(File.Exists(there.Root + "/etc/made/here"));

        // Another boot, by what the kernel says of it; then what procd does with the link.
        there.KillAll();
        File.WriteAllText(there.Folder + "/boot", Guid.NewGuid() + "\n");
        Assert.Equal(0, Lab.Run(TimeSpan.FromSeconds(5), "mount", "--bind", there.Folder + "/boot", there.Root + "/proc/sys/kernel/random/boot_id").ExitCode);
        var started = Lab.Run(TimeSpan.FromSeconds(60), "chroot", there.Root, "/bin/sh", "-c", ". /etc/rc.d/S11lotse-plain; start");
        Assert.True(started.ExitCode == 0, started.ErrorText);
        Assert.Equal(before, RemoteMachine.Tree(there.Root));
        Assert.Contains("not confirmed in time", there.Lotse("log", "--host", "lab").Text, StringComparison.Ordinal);

        // Nothing of it stays behind a change that is kept.
        Assert.Equal(0, there.Lotse("apply", plan, "--host", "lab", "--plain", "--confirm-within", "10m").ExitCode);
        Assert.Equal(0, there.Lotse("confirm", "--host", "lab").ExitCode);
        Assert.Empty(Directory.GetFileSystemEntries(there.Root + "/etc/rc.d"));
        Assert.Empty(Directory.GetFileSystemEntries(there.Root + "/etc/init.d"));
        Assert.Equal(0, there.Lotse("undo", "--host", "lab").ExitCode);
        Assert.Equal(before, RemoteMachine.Tree(there.Root));
    }

    [Fact]
    public void The_script_is_one_that_shellcheck_and_three_shells_accept()
    {
        Lab.NeedsRoot();
        Lab.Needs("shellcheck", "dash", "busybox");
        using var script = new TemporaryFile();
        File.WriteAllBytes(script.Path, Lotse.Changing.Remote.PlainTarget.WholeScript.ToArray());

        // A && B || C is meant so everywhere; -nt is in every shell that is meant, and its absence only costs a folder's time.
        var ran = Lab.Run(TimeSpan.FromSeconds(60), "shellcheck", "-s", "sh", "-e", "SC2015,SC3013", script.Path);
        Assert.True(ran.ExitCode == 0, ran.Text);
        foreach (var shell in new[] { "dash", "bash", "busybox sh" })
        {
            Assert.Equal(0, Lab.Run(TimeSpan.FromSeconds(10), [.. shell.Split(' '), "-n", script.Path]).ExitCode);
        }
    }

    private static RemoteMachine Machine()
    {
        Lab.NeedsRoot();
        Lab.Needs("dash");
        var there = new RemoteMachine(Reached.AtOnce, bare: true, dash: true);
        foreach (var (name, text) in new[] { ("conf", "two\n"), ("gone", "gone\n") })
        {
            File.WriteAllText($"{there.Root}/etc/{name}", text);
            Lab.Run(TimeSpan.FromSeconds(5), "chown", "7:8", $"{there.Root}/etc/{name}");
            Lab.Run(TimeSpan.FromSeconds(5), "chmod", "640", $"{there.Root}/etc/{name}");
        }

        // What OpenWrt's start is known by.
        Directory.CreateDirectory(there.Root + "/etc/init.d");
        Directory.CreateDirectory(there.Root + "/etc/rc.d");
        File.WriteAllText(there.Root + "/etc/rc.common", "");

        // Each command first counts; the one that was named waits for its end, and says so.
        foreach (var command in Changing)
        {
            var path = $"{there.Root}/first/{command}";
            File.WriteAllText(path, $"#!/bin/sh\nread -r n </first/.count; n=$((n + 1)); echo $n >/first/.count\nread -r stop </first/.stop\n[ $n != $stop ] || {{ : >/first/.here; exec /bin/sleep 60; }}\nexec /bin/{command} \"$@\"\n");
            File.SetUnixFileMode(path, (UnixFileMode)0b111_101_101);
        }

        // Busybox's env would start busybox's own shell, which runs its own commands without looking for others.
        File.WriteAllText($"{there.Root}/first/env", "#!/bin/sh\nwhile :; do case $1 in *=*) export \"$1\"; shift ;; *) break ;; esac; done\nexec \"$@\"\n");
        File.SetUnixFileMode($"{there.Root}/first/env", (UnixFileMode)0b111_101_101);
        return there;
    }

    /// <summary>An edit, a new file in a new folder, a change of mode and owner, and a deletion, in one plan.</summary>
    private static string Plan(RemoteMachine there)
    {
        Count(there, 0);
        File.WriteAllText(there.Folder + "/new", "new\n");
        var plans = new[]
        {
            there.Plan("/etc/conf", "--replace", "two", "--with", "2"), there.Plan("/etc/made/here", "--from", there.Folder + "/new"),
            there.Plan("/etc/passwd", "--mode", "600", "--owner", "7:8"), there.Plan("/etc/gone", "--delete"),
        };
        var parts = plans.Select(p => System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllText(p))!).ToArray();
        foreach (var part in parts[1..])
        {
            foreach (var name in new[] { "read", "changes" })
            {
                foreach (var node in part[name]!.AsArray().ToArray())
                {
                    part[name]!.AsArray().Remove(node);
                    if (name == "changes" || parts[0][name]!.AsArray().All(n => n!["path"]!.ToString() != node!["path"]!.ToString()))
                    {
                        parts[0][name]!.AsArray().Add(node);
                    }
                }
            }
        }

        File.WriteAllText(plans[0], parts[0].ToJsonString(new() { WriteIndented = true }) + "\n");
        return plans[0];
    }

    private static void Count(RemoteMachine there, int stop)
    {
        File.WriteAllText(there.Root + "/first/.count", "0\n");
        File.WriteAllText(there.Root + "/first/.stop", $"{stop}\n");
        File.Delete(there.Root + "/first/.here");
    }

    private static int Counted(RemoteMachine there) => int.Parse(File.ReadAllText(there.Root + "/first/.count"), System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>Runs lotse until the command that was named is reached, and ends everything there.</summary>
    /// <returns>Whether lotse said that it was done: the last commands only tidy up.</returns>
    private static bool StopAt(RemoteMachine there, params string[] arguments)
    {
        using var client = there.Start(arguments);
        Assert.True(RemoteMachine.Until(TimeSpan.FromMinutes(2), () => File.Exists(there.Root + "/first/.here") || client.HasExited));
        there.KillAll();
        Assert.True(client.WaitForExit(60_000));
        Assert.True(client.ExitCode is 0 or 3, $"{client.ExitCode} {client.StandardOutput.ReadToEnd()} {client.StandardError.ReadToEnd()}");
        return client.ExitCode == 0;
    }

    /// <summary>What the four files say now.</summary>
    private static string Contents(RemoteMachine there)
    {
        var all = new StringBuilder();
        foreach (var name in new[] { "conf", "made/here", "gone", "passwd" })
        {
            var path = $"{there.Root}/etc/{name}";
            all.AppendLine(File.Exists(path) ? $"{Lab.Run(TimeSpan.FromSeconds(5), "stat", "-c", "%a %u:%g", path).Text}{File.ReadAllText(path)}" : "-");
        }

        return all.ToString();
    }
}
