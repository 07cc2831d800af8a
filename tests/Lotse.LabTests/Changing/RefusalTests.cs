using System.Text;
using Lotse.Hosts;
using Xunit;

namespace Lotse.LabTests.Changing;

/// <summary>What stands in the way of a change is told in one sentence, and nothing is changed.</summary>
public sealed class RefusalTests : IDisposable
{
    private readonly ChangeWorld? world = Environment.IsPrivilegedProcess ? new() : null;

    public void Dispose() => world?.Dispose();

    [Theory]
    [InlineData("other content", "sh -c 'echo more >>edited.conf'", 4, "has other content")]
    [InlineData("same content, other file", "cp -p edited.conf x && mv x edited.conf", 4, "was replaced by another file")]
    [InlineData("mode", "chmod 600 edited.conf", 4, "has another owner or mode")]
    [InlineData("owner", "chown 7 edited.conf", 4, "has another owner or mode")]
    [InlineData("gone", "rm edited.conf", 4, "is not there any more")]
    [InlineData("link instead", "mv edited.conf x && ln -s x edited.conf", 4, "was a regular file and is a symbolic link")]
    [InlineData("FIFO instead", "rm edited.conf && mkfifo edited.conf", 4, "was a regular file and is a device, socket or FIFO")]
    [InlineData("directory instead", "rm edited.conf && mkdir edited.conf", 4, "was a regular file and is a directory")]
    [InlineData("link leads elsewhere", "echo z >sub/z && ln -sf sub/z link.conf", 4, "leads elsewhere")]
    [InlineData("what is to be made is there", "mkdir -p made/inside && echo mine >made/inside/created.conf", 4, "was not there when the plan was made")]
    [InlineData("hard link", "ln edited.conf other.name", 3, "has 2 hard links")]
    [InlineData("immutable", "chattr +i edited.conf", 3, "is immutable")]
    [InlineData("append only", "chattr +a edited.conf", 3, "is append-only")]
    [InlineData("grown to 1 GB", "truncate -s 1G edited.conf", 4, "has other content")]
    public void What_moved_since_the_plan_was_made_is_told(string what, string change, int code, string words)
    {
        Lab.NeedsRoot();
        Lab.Needs("setfacl", "setfattr", "chattr");
        world!.MakePlan();
        try
        {
            var moved = Lab.Run(TimeSpan.FromSeconds(30), "sh", "-c", $"cd \"$0\" && {change}", world.Etc);
            if (moved.ExitCode != 0 && change.StartsWith("chattr", StringComparison.Ordinal))
            {
                Assert.Skip($"this file system has no such flag: {what}");
            }

            var before = world.Snapshot();
            foreach (var arguments in new[] { new[] { "apply", world.PlanFile, "--dry-run" }, ["apply", world.PlanFile] })
            {
                var ran = world.Lotse(arguments);
                Assert.Equal(code, ran.ExitCode);
                Assert.Contains(words, ran.ErrorText, StringComparison.Ordinal);
                Assert.Contains(world.Etc, ran.ErrorText, StringComparison.Ordinal);
                Assert.Equal(before, world.Snapshot());
            }

            Assert.False(Path.Exists(world.State + "/pending"));
        }
        finally
        {
            Lab.Run(TimeSpan.FromSeconds(30), "chattr", "-i", "-a", world.Etc + "/edited.conf");
        }
    }

    /// <summary>Started together, one changes everything and the others nothing; which one does not matter.</summary>
    [Fact]
    public void Of_several_at_once_one_changes_and_the_others_say_why_not()
    {
        Lab.NeedsRoot();
        Lab.Needs("setfacl", "setfattr");
        for (var round = 0; round < 10; round++)
        {
            world!.Fresh();
            world.MakePlan();
            var before = world.Snapshot();
            var all = new Lab.Ran[4];
            Parallel.For(0, all.Length, new() { MaxDegreeOfParallelism = all.Length }, i => all[i] = world.Lotse("apply", world.PlanFile));
            var told = string.Concat(all.Select(r => r.Text + r.ErrorText));
            Assert.True(all.Count(r => r.ExitCode == 0) == 1 && all.Count(r => r.ExitCode == 4) == all.Length - 1, told);
            Assert.Equal("nnnnn", world.Look());
            Assert.False(Path.Exists(world.State + "/pending"), told);
            Assert.Equal(0, world.Lotse("undo").ExitCode);
            Assert.Equal(before, world.Snapshot());
        }
    }

    [Fact]
    public void A_file_of_a_gigabyte_a_FIFO_a_device_and_a_folder_cannot_be_planned()
    {
        Lab.NeedsRoot();
        Lab.Run(TimeSpan.FromSeconds(30), "sh", "-c", "cd \"$0\" && truncate -s 1G big && mkfifo fifo && mkdir folder && mknod device c 1 3", world!.Etc);
        foreach (var (name, words) in new[] { ("big", "bytes"), ("fifo", "FIFO"), ("folder", "a directory"), ("device", "a device"), ("missing", "no such file") })
        {
            var ran = world.Lotse("edit", $"{world.Etc}/{name}", "--append", "x", "-o", world.Top + "/p");
            Assert.Equal(3, ran.ExitCode);
            Assert.Contains(words, ran.ErrorText, StringComparison.Ordinal);
            Assert.Contains($"{world.Etc}/{name}", ran.ErrorText, StringComparison.Ordinal);
            Assert.False(File.Exists(world.Top + "/p"));
        }
    }

    [Theory]
    [InlineData("a new\nline.conf")]
    [InlineData("$(touch x).conf")]
    [InlineData("`touch x`;touch x.conf")]
    [InlineData("-oProxyCommand=touch x")]
    [InlineData("-rf")]
    [InlineData("%n%s \\n \u001b]0;x\u0007.conf")]
    [InlineData("\u202egpj.conf")]
    public void Any_name_is_only_a_name(string name)
    {
        Lab.NeedsRoot();
        var path = world!.Etc + "/" + name;
        File.WriteAllText(path, "value old\n");
        var before = world.Snapshot();
        var plan = world.Lotse("edit", "--replace", "old", "--with", "new", "-o", world.PlanFile, "--", path);
        Assert.Equal((0, ""), (plan.ExitCode, plan.ErrorText));
        Assert.Equal(-1, plan.Text.IndexOfAny(['\u001b', '\u0007', '\u202e']));
        Assert.Equal(0, world.Lotse("apply", world.PlanFile).ExitCode);
        Assert.Equal("value new\n", File.ReadAllText(path));
        Assert.Equal(0, world.Lotse("undo").ExitCode);
        Assert.Equal(before, world.Snapshot());
        Assert.False(File.Exists(world.Etc + "/x") || File.Exists("x"));
    }

    [Fact]
    public void A_full_disk_and_one_that_is_read_only_change_nothing()
    {
        Lab.NeedsRoot();
        var mount = world!.Top + "/small";
        Directory.CreateDirectory(mount);
        ChangeWorld.Must("mount", "-t", "tmpfs", "-o", "size=64k", "none", mount);
        try
        {
            File.WriteAllText(mount + "/c.conf", string.Concat(Enumerable.Repeat("value old\n", 3000)));
            Assert.Equal(0, world.Lotse("edit", mount + "/c.conf", "--replace", "old", "--with", "a longer value", "-o", world.PlanFile).ExitCode);
            File.WriteAllBytes(mount + "/filler", new byte[20000]);
            var full = world.Lotse("apply", world.PlanFile);
            Assert.Equal(5, full.ExitCode);
            Assert.Contains("no space left on device", full.ErrorText, StringComparison.Ordinal);
            Assert.Equal(["c.conf", "filler"], Directory.GetFiles(mount).Select(Path.GetFileName).Order());
            Assert.Equal(30000, new FileInfo(mount + "/c.conf").Length);

            File.Delete(mount + "/filler");
            ChangeWorld.Must("mount", "-o", "remount,ro", mount);
            var readOnly = world.Lotse("apply", world.PlanFile);
            Assert.Equal(5, readOnly.ExitCode);
            Assert.Contains("read-only file system", readOnly.ErrorText, StringComparison.Ordinal);
            Assert.Equal(30000, new FileInfo(mount + "/c.conf").Length);

            // The journal's own disk is full: then nothing is begun.
            ChangeWorld.Must("mount", "-o", "remount,rw", mount);
            File.WriteAllBytes(mount + "/filler", new byte[24000]);
            world.MakePlan();
            var noJournal = Lab.RunWith(TimeSpan.FromSeconds(30), new() { ["LOTSE_STATE"] = mount + "/state" }, Lab.Lotse, "apply", world.PlanFile);
            Assert.Equal(3, noJournal.ExitCode);
            Assert.Equal("ooooo", world.Look());
        }
        finally
        {
            Lab.Run(TimeSpan.FromSeconds(30), "umount", mount);
        }
    }

    [Fact]
    public async Task Of_two_at_once_one_waits_or_is_refused_and_the_file_is_whole()
    {
        Lab.NeedsRoot();
        for (var round = 0; round < 10; round++)
        {
            world!.Fresh();
            world.MakePlan();
            var both = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => world.Lotse("apply", world.PlanFile))));
            Assert.Equal([0, 4, 4, 4], both.Select(r => r.ExitCode).Order());
            Assert.Equal("nnnnn", world.Look());
            Assert.False(Path.Exists(world.State + "/pending"));
        }
    }

    [Fact]
    public void A_plan_of_another_machine_of_an_older_form_or_a_broken_one_is_refused()
    {
        Lab.NeedsRoot();
        world!.MakePlan();
        var good = File.ReadAllText(world.PlanFile);
        foreach (var (text, code, words) in new[]
        {
            (good.Replace("lotse-plan/1", "lotse-plan/0", StringComparison.Ordinal), 3, "its schema is lotse-plan/0"),
            (System.Text.RegularExpressions.Regex.Replace(good, "\"machine\": \"[0-9a-f]+\"", "\"machine\": \"00\""), 4, "the plan is for"),
            (good[..(good.Length / 2)], 3, "is not a plan"),
            (good.Replace("\"do\": \"edit\"", "\"do\": \"shell\"", StringComparison.Ordinal), 3, "is not a plan"),
            (good.Replace("\"goal\"", "\"gaol\"", StringComparison.Ordinal), 3, "is not a plan"),
            (good.Replace(world.Etc + "/deleted.conf", world.Etc + "/../etc/deleted.conf", StringComparison.Ordinal), 3, "is not an absolute path"),
            ("", 3, "is not a plan"),
        })
        {
            File.WriteAllText(world.PlanFile, text);
            var ran = world.Lotse("apply", world.PlanFile);
            Assert.Equal(code, ran.ExitCode);
            Assert.Contains(words, ran.ErrorText, StringComparison.Ordinal);
            Assert.DoesNotContain("Exception", ran.ErrorText, StringComparison.Ordinal);
            Assert.Equal("ooooo", world.Look());
        }
    }

    [Fact]
    public void The_file_s_own_program_refuses_a_candidate_before_it_takes_its_place()
    {
        Lab.NeedsRoot();
        File.WriteAllText(world!.Etc + "/numbers", "1\n2\n");
        var before = world.Snapshot();
        using var here = new LocalHost();
        string[] check = ["sort", "-c", "-n", Change.Candidate];
        world.Write(here, [EditFile.Between(world.Etc + "/numbers", "1\n2\n"u8, "3\n2\n"u8, check)]);
        var refused = world.Lotse("apply", world.PlanFile);
        Assert.Equal(5, refused.ExitCode);
        Assert.Contains("sort refuses it", refused.ErrorText, StringComparison.Ordinal);
        Assert.Equal(before, world.Snapshot());
        world.Write(here, [EditFile.Between(world.Etc + "/numbers", "1\n2\n"u8, "1\n3\n"u8, check)]);
        Assert.Equal(0, world.Lotse("apply", world.PlanFile).ExitCode);
        Assert.Equal("1\n3\n", File.ReadAllText(world.Etc + "/numbers"));
    }
}
