using System.Text.Json;
using Xunit;

namespace Lotse.LabTests;

/// <summary>Changes on another machine, over real ssh servers: by the program copied there, and by plain commands where only busybox is.</summary>
public sealed class RemoteChangeTests
{
    private const string Conf = "one\ntwo \t\r\nä\xff three";

    [Theory]
    [InlineData(Reached.Sshd)]
    [InlineData(Reached.Dropbear)]
    public void Every_plan_is_applied_and_taken_back_where_only_busybox_is(Reached reached)
    {
        using var there = new RemoteMachine(reached, bare: true);
        Furnish(there.Root);
        var before = RemoteMachine.Tree(there.Root);
        File.WriteAllText(Path.Combine(there.Folder, "new"), "new\nlast line without end");
        foreach (var (edit, holds) in Edits(there.Root, there.Folder, ""))
        {
            var plan = there.Plan(edit);
            var applied = there.Lotse("apply", plan, "--host", "lab", "--plain");
            Assert.True(applied.ExitCode == 0, string.Join(' ', edit) + applied.Text + applied.ErrorText);
            Assert.True(holds(), string.Join(' ', edit));
            Assert.NotEqual(before, RemoteMachine.Tree(there.Root));

            var undone = there.Lotse("undo", "--host", "lab");
            Assert.True(undone.ExitCode == 0, string.Join(' ', edit) + undone.Text + undone.ErrorText);
            Assert.Equal(before, RemoteMachine.Tree(there.Root));
        }

        Assert.Empty(Directory.GetFiles(there.Root, "*x", SearchOption.TopDirectoryOnly));
        Assert.False(File.Exists("x"));
        using var log = JsonDocument.Parse(there.Lotse("log", "--host", "lab", "--json").Output);
        Assert.All(log.RootElement.GetProperty("answer").GetProperty("entries").EnumerateArray(), e => Assert.Equal("Undone", e.GetProperty("state").GetString()));
        Assert.Equal("journal\nlotse-", string.Join('\n', Directory.GetFileSystemEntries(there.StateHere + "/plain").Select(p => Path.GetFileName(p)!.Split('-') is [var name, _] ? name + "-" : Path.GetFileName(p)).Order(StringComparer.Ordinal)));
    }

    [Fact]
    public void The_program_itself_is_copied_where_it_runs_and_found_there_again()
    {
        using var there = new RemoteMachine(Reached.Sshd, bare: false);
        var target = Path.Combine(there.Folder, "target");
        Furnish(target);
        var before = RemoteMachine.Tree(target);
        File.WriteAllText(Path.Combine(there.Folder, "new"), "new\nlast line without end");
        foreach (var (edit, holds) in Edits(target, there.Folder, target))
        {
            var plan = there.Plan(edit);
            var applied = there.Lotse("apply", plan, "--host", "lab", "--json");
            Assert.True(applied.ExitCode == 0, string.Join(' ', edit) + applied.Text + applied.ErrorText);
            using var envelope = JsonDocument.Parse(applied.Output);
            Assert.Equal("Done", envelope.RootElement.GetProperty("answer").GetProperty("outcome").GetString());
            Assert.True(holds(), string.Join(' ', edit));
            Assert.Equal(0, there.Lotse("undo", "--host", "lab").ExitCode);
            Assert.Equal(before, RemoteMachine.Tree(target));
        }

        // One program, this user's alone, and nothing half copied.
        var program = Assert.Single(Directory.GetFileSystemEntries(there.StateHere + "/bin"));
        Assert.Equal((UnixFileMode)0b111_000_000, File.GetUnixFileMode(program));
        Assert.Equal(File.ReadAllBytes(Lab.Lotse), File.ReadAllBytes(program));
        Assert.False(Directory.Exists(there.StateHere + "/plain"));
        Assert.Contains("Undone", there.Lotse("log", "--host", "lab", "--json").Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_machine_of_another_architecture_gets_its_own_program()
    {
        var arm64 = Path.Combine(Path.GetDirectoryName(Lab.Lotse)!, "..", "arm64", "lotse");
        Assert.SkipUnless(File.Exists(arm64), "needs the arm64 program (./lotse build --arch arm64)");
        using var runs = new ForeignPrograms();
        using var there = new RemoteMachine(Reached.Sshd, bare: true, dash: true);
        Furnish(there.Root);
        // busybox's own env would run its own sh, and that its own uname.
        foreach (var (name, text) in new[] { ("first/uname", "/bin/busybox uname \"$@\" | sed s/x86_64/aarch64/"), ("bin/env", "while case $1 in *=*) ;; *) false ;; esac do export \"$1\"; shift; done; exec \"$@\"") })
        {
            var program = Path.Combine(there.Root, name);
            File.Delete(program);
            File.WriteAllText(program, $"#!/bin/sh\n{text}\n");
            File.SetUnixFileMode(program, (UnixFileMode)0b111_101_101);
        }

        var before = RemoteMachine.Tree(there.Root);

        var plan = there.Plan("/etc/conf", "--replace", "two", "--with", "2");
        var applied = there.Lotse("apply", plan, "--host", "lab", "--confirm-within", "1m");
        Assert.True(applied.ExitCode == 0, applied.Text + applied.ErrorText);
        Assert.Contains("2 \t", File.ReadAllText(there.Root + "/etc/conf"), StringComparison.Ordinal);
        Assert.Equal(File.ReadAllBytes(arm64), File.ReadAllBytes(Assert.Single(Directory.GetFileSystemEntries(there.StateHere + "/bin"))));
        Assert.Equal(0, there.Lotse("confirm", "--host", "lab").ExitCode);
        Assert.Equal(0, there.Lotse("undo", "--host", "lab").ExitCode);
        Assert.Equal(before, RemoteMachine.Tree(there.Root));
    }

    /// <summary>Has the kernel run arm64 programs by qemu's, as binfmt_misc.rst says; as long as this lives, unless it did before.</summary>
    private sealed class ForeignPrograms : IDisposable
    {
        private const string Folder = "/proc/sys/fs/binfmt_misc";
        private const string Own = Folder + "/lotse-lab-aarch64";
        private readonly bool mounted;

        public ForeignPrograms()
        {
            Lab.NeedsRoot();
            Lab.Needs("qemu-aarch64-static");
            mounted = !File.Exists(Folder + "/register") && Lab.Run(TimeSpan.FromSeconds(5), "mount", "-t", "binfmt_misc", "binfmt_misc", Folder).ExitCode == 0;
            Assert.SkipUnless(File.Exists(Folder + "/register"), "needs a kernel with binfmt_misc");
            if (!Directory.GetFiles(Folder).Any(f => f.EndsWith("aarch64", StringComparison.Ordinal)))
            {
                // The first bytes of an arm64 ELF file (elf(5)); F: the interpreter is opened now, whatever root the program has.
                File.WriteAllText(Folder + "/register", @":lotse-lab-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/qemu-aarch64-static:F");
            }
        }

        public void Dispose()
        {
            if (File.Exists(Own))
            {
                File.WriteAllText(Own, "-1");
            }

            if (mounted)
            {
                Lab.Run(TimeSpan.FromSeconds(5), "umount", Folder);
            }
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_plan_that_does_not_hold_any_more_changes_nothing(bool bare)
    {
        using var there = new RemoteMachine(Reached.Sshd, bare);
        var target = bare ? there.Root : Path.Combine(there.Folder, "target");
        var seen = bare ? "" : target;
        Furnish(target);
        var file = target + "/etc/conf";
        string[] way = bare ? ["--plain"] : [];

        var plan = there.Plan(seen + "/etc/conf", "--replace", "two", "--with", "2");
        File.AppendAllText(file, "somebody");
        var tree = RemoteMachine.Tree(target);
        var stale = there.Lotse(["apply", plan, "--host", "lab", .. way]);
        Assert.Equal(4, stale.ExitCode);
        Assert.Contains("has other content", stale.ErrorText, StringComparison.Ordinal);
        Assert.Equal(tree, RemoteMachine.Tree(target));

        plan = there.Plan(seen + "/etc/conf", "--replace", "two", "--with", "2");
        foreach (var spoil in new Action[] { () => File.CreateSymbolicLink(file, "elsewhere"), () => Directory.CreateDirectory(file), () => Lab.Run(TimeSpan.FromSeconds(5), "mkfifo", file) })
        {
            Lab.Run(TimeSpan.FromSeconds(5), "rm", "-rf", file);
            spoil();
            var ran = there.Lotse(["apply", plan, "--host", "lab", .. way]);
            Assert.True(ran.ExitCode == 4, ran.ErrorText);
        }

        // Another machine's plan.
        var text = File.ReadAllText(plan).Replace("\"machine\": \"", "\"machine\": \"0", StringComparison.Ordinal);
        File.WriteAllText(plan, text);
        var foreign = there.Lotse(["apply", plan, "--host", "lab", .. way]);
        Assert.Equal(4, foreign.ExitCode);
        Assert.Contains("the plan is for ", foreign.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void What_plain_commands_cannot_do_safely_is_refused_with_the_reason()
    {
        using var there = new RemoteMachine(Reached.Sshd, bare: true);
        Furnish(there.Root);
        void Refused(string[] edit, Action spoil, int code, string why)
        {
            var plan = there.Plan(edit);
            spoil();
            var tree = RemoteMachine.Tree(there.Root);
            var ran = there.Lotse("apply", plan, "--host", "lab", "--plain");
            Assert.True(ran.ExitCode == code && ran.ErrorText.Contains(why, StringComparison.Ordinal), $"{ran.ExitCode} {ran.Text} {ran.ErrorText}");
            Assert.Equal(tree, RemoteMachine.Tree(there.Root));
        }

        Refused(["/etc/conf", "--replace", "two", "--with", "2"], () => Lab.Run(TimeSpan.FromSeconds(5), "ln", there.Root + "/etc/conf", there.Root + "/etc/other"), 3, "it has 2 hard links");
        File.Delete(there.Root + "/etc/other");
        Directory.CreateDirectory(there.Root + "/open");
        File.WriteAllText(there.Root + "/open/conf", "two\n");
        Lab.Run(TimeSpan.FromSeconds(5), "chmod", "1777", there.Root + "/open");
        Refused(["/open/conf", "--replace", "two", "--with", "2"], () => { }, 3, "others may write to /open");

        // A file system that is full.
        Directory.CreateDirectory(there.Root + "/small");
        Lab.Run(TimeSpan.FromSeconds(5), "mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", there.Root + "/small");
        File.WriteAllText(there.Root + "/small/conf", "two\n");
        File.WriteAllText(there.Folder + "/large", new string('x', 100_000));
        Refused(["/small/conf", "--from", there.Folder + "/large"], () => { }, 5, "No space left on device");
        Assert.Equal("two\n", File.ReadAllText(there.Root + "/small/conf"));
        Assert.Single(Directory.GetFileSystemEntries(there.Root + "/small"));

        // On another file system the way back is a copy, and it comes back as it was.
        var before = RemoteMachine.Tree(there.Root + "/small");
        Assert.Equal(0, there.Lotse("apply", there.Plan("/small/conf", "--replace", "two", "--with", "2"), "--host", "lab", "--plain").ExitCode);
        Assert.Equal("2\n", File.ReadAllText(there.Root + "/small/conf"));
        Assert.Equal(0, there.Lotse("undo", "--host", "lab").ExitCode);
        Assert.Equal(before, RemoteMachine.Tree(there.Root + "/small"));
    }

    [Fact]
    public void What_somebody_changed_since_is_not_undone_without_force()
    {
        using var there = new RemoteMachine(Reached.Sshd, bare: true);
        Furnish(there.Root);
        Assert.Equal(0, there.Lotse("apply", there.Plan("/etc/conf", "--replace", "two", "--with", "2"), "--host", "lab", "--plain").ExitCode);
        File.AppendAllText(there.Root + "/etc/conf", "\nsomebody\n");
        var refused = there.Lotse("undo", "--host", "lab");
        Assert.Equal(4, refused.ExitCode);
        Assert.Contains("+ somebody", refused.Text, StringComparison.Ordinal);
        Assert.Equal(0, there.Lotse("undo", "--force", "--host", "lab").ExitCode);
        Assert.Equal(Conf, File.ReadAllText(there.Root + "/etc/conf", System.Text.Encoding.Latin1));
        Assert.Equal(3, there.Lotse("undo", "--host", "lab").ExitCode);
    }

    [Fact]
    public void Programs_run_there_with_their_words_as_they_are_and_are_taken_back()
    {
        using var there = new RemoteMachine(Reached.Sshd, bare: true);
        Furnish(there.Root);
        var plan = there.Plan("/etc/conf", "--append", "four");
        string Run(params string[] words) => $"{{ \"do\": \"run\", \"arguments\": {JsonSerializer.Serialize(words)}, \"inverse\": [\"rm\", \"-f\", \"/root/made it's $(touch x)\"], \"seconds\": 2 }}";
        var text = File.ReadAllText(plan);
        File.WriteAllText(plan, text.Replace("\"changes\": [", "\"changes\": [" + Run("touch", "/root/made it's $(touch x)") + ",", StringComparison.Ordinal));
        var ran = there.Lotse("apply", plan, "--host", "lab", "--plain");
        Assert.True(ran.ExitCode == 0, ran.Text + ran.ErrorText);
        Assert.Equal(["made it's $(touch x)"], Directory.GetFiles(there.Root + "/root").Select(Path.GetFileName));
        Assert.Equal(0, there.Lotse("undo", "--host", "lab").ExitCode);
        Assert.Empty(Directory.GetFiles(there.Root + "/root"));

        // One that fails, and one that does not end: everything before it is put back.
        foreach (var (words, why) in new[] { (new[] { "ls", "/nonexistent" }, "No such file or directory"), (["sleep", "60"], "sleep ended with") })
        {
            var tree = RemoteMachine.Tree(there.Root);
            File.WriteAllText(plan, File.ReadAllText(there.Plan("/etc/conf", "--append", "four")).Replace("\n  ],\n  \"vanish\"", ", " + Run(words) + "\n  ],\n  \"vanish\"", StringComparison.Ordinal));
            ran = there.Lotse("apply", plan, "--host", "lab", "--plain");
            Assert.True(ran.ExitCode == 5 && ran.ErrorText.Contains(why, StringComparison.Ordinal), $"{ran.ExitCode} {ran.Text} {ran.ErrorText}");
            Assert.Equal(tree, RemoteMachine.Tree(there.Root));
        }
    }

    [Theory]
    [InlineData("-oProxyCommand=touch x")]
    [InlineData("root@-oProxyCommand=touch")]
    [InlineData("$(touch x)")]
    [InlineData("lab;touch x")]
    [InlineData("lab\ntouch x")]
    [InlineData("`touch`")]
    public void A_host_name_is_only_a_host_name(string name)
    {
        Lab.NeedsRoot();
        foreach (var command in new[] { "log", "undo", "confirm" })
        {
            var ran = Lab.RunLotse(command, "--host=" + name);
            Assert.Equal(3, ran.ExitCode);
            Assert.Contains("not a host name", ran.ErrorText, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_machine_that_was_never_changed_stays_untouched_by_questions()
    {
        using var there = new RemoteMachine(Reached.Sshd, bare: true);
        var tree = RemoteMachine.Tree(there.Root);
        Assert.Contains("nothing was changed by lotse", there.Lotse("log", "--host", "lab").Text, StringComparison.Ordinal);
        Assert.Equal(3, there.Lotse("undo", "--host", "lab").ExitCode);
        Assert.Equal(3, there.Lotse("confirm", "--host", "lab").ExitCode);
        Assert.Equal(0, there.Lotse("apply", there.Plan("/etc/passwd", "--append", "x"), "--host", "lab", "--plain", "--dry-run").ExitCode);
        Assert.Equal(tree, RemoteMachine.Tree(there.Root));
        Assert.False(Directory.Exists(there.StateHere));
    }

    /// <summary>Files as a machine has them, with names that a shell would trip over.</summary>
    private static void Furnish(string root)
    {
        foreach (var folder in new[] { "etc", "etc/conf.d", "srv" })
        {
            Directory.CreateDirectory(Path.Combine(root, folder));
        }

        foreach (var (name, mode) in new[] { ("etc/conf", "4640"), ("etc/conf.d/-rf", "600"), ("srv/it's $(touch x) `touch x`;*", "644"), ("srv/new\nline\\n%s", "751") })
        {
            var path = Path.Combine(root, name);
            File.WriteAllText(path, Conf, System.Text.Encoding.Latin1);
            Lab.Run(TimeSpan.FromSeconds(5), "chown", "7:8", path);
            Lab.Run(TimeSpan.FromSeconds(5), "chmod", mode, path);
            Lab.Run(TimeSpan.FromSeconds(5), "touch", "-d", "2020-02-03 04:05:06.789012345", path);
        }

        if (!File.Exists(root + "/etc/link"))
        {
            File.CreateSymbolicLink(root + "/etc/link", "../srv/../etc/./conf");
            File.CreateSymbolicLink(root + "/srv/folder", "../etc/conf.d");
        }
    }

    /// <summary>Arguments of <c>lotse edit</c>, and whether what they want has come true.</summary>
    private static (string[] Edit, Func<bool> Holds)[] Edits(string here, string folder, string there)
    {
        string Text(string path) => File.ReadAllText(here + path, System.Text.Encoding.Latin1);
        bool Replaced(string path) => Text(path) == Conf.Replace("two", "TWO", StringComparison.Ordinal);
        string Mode(string path) => Lab.Run(TimeSpan.FromSeconds(5), "stat", "-c", "%a %u:%g", "--", here + path).Text.Trim();
        string[] Replace(string path) => [there + path, "--replace", "two", "--with", "TWO"];
        return
        [
            (Replace("/etc/conf"), () => Replaced("/etc/conf") && Mode("/etc/conf") == "4640 7:8"),
            (Replace("/etc/link"), () => Replaced("/etc/conf") && File.ResolveLinkTarget(here + "/etc/link", false) is not null),
            (Replace("/srv/folder/-rf"), () => Replaced("/etc/conf.d/-rf") && Mode("/etc/conf.d/-rf") == "600 7:8"),
            (Replace("/srv/it's $(touch x) `touch x`;*"), () => Replaced("/srv/it's $(touch x) `touch x`;*")),
            (Replace("/srv/new\nline\\n%s"), () => Replaced("/srv/new\nline\\n%s")),
            ([there + "/etc/conf", "--from", folder + "/new"], () => Text("/etc/conf") == File.ReadAllText(folder + "/new")),
            ([there + "/srv/made \n'one'", "--from", folder + "/new"], () => Text("/srv/made \n'one'") == File.ReadAllText(folder + "/new") && Mode("/srv/made \n'one'") == "644 0:0"),
            ([there + "/srv/a b/$(touch x)/c/file", "--from", folder + "/new"], () => Text("/srv/a b/$(touch x)/c/file") == File.ReadAllText(folder + "/new")),
            ([there + "/etc/conf", "--mode", "0604", "--owner", "0:3"], () => Mode("/etc/conf") == "604 0:3" && Text("/etc/conf") == Conf),
            ([there + "/etc/conf", "--mode", "2755"], () => Mode("/etc/conf") == "2755 7:8"),
            ([there + "/srv/new\nline\\n%s", "--delete"], () => !File.Exists(here + "/srv/new\nline\\n%s")),
        ];
    }
}
