using System.Text;
using System.Text.RegularExpressions;
using CsCheck;
using Lotse.Hosts;
using Xunit;

namespace Lotse.LabTests.Changing;

/// <summary>After plan, apply and undo a tree is what it was, in bytes and in all that its files carry, as an independent program sees it.</summary>
public sealed class UndoTests : IDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);
    private readonly ChangeWorld? world = Environment.IsPrivilegedProcess ? new() : null;

    public void Dispose() => world?.Dispose();

    [Fact]
    public void Every_kind_of_file_change_together()
    {
        Lab.NeedsRoot();
        Lab.Needs("setfacl", "setfattr", "python3");
        var before = world!.Snapshot();
        Assert.Equal(3, world.Lotse("apply", world.PlanFile + ".missing").ExitCode);
        world.MakePlan(new RunProgram(["chmod", "0711", world.Etc + "/sub"], ["chmod", "0755", world.Etc + "/sub"], 5));
        var applied = world.Lotse("apply", world.PlanFile);
        Assert.Equal((0, "nnnnn"), (applied.ExitCode, world.Look()));
        var after = world.Snapshot();
        Assert.NotEqual(before, after);

        // What a file carries stays through the edit.
        Assert.Equal(Carries(before, "edited.conf"), Carries(after, "edited.conf"));
        Assert.Equal("sub/linked.conf", File.ResolveLinkTarget(world.Etc + "/link.conf", false)!.FullName[(world.Etc.Length + 1)..]);
        var undone = world.Lotse("undo");
        Assert.Equal((0, ""), (undone.ExitCode, undone.ErrorText));
        Assert.Equal(before, world.Snapshot());
        Assert.Equal(3, world.Lotse("undo").ExitCode);
    }

    /// <summary>A plan may say of a file that it is to be as it is.</summary>
    [Fact]
    public void A_change_to_what_is_there_already_is_applied_and_taken_back()
    {
        Lab.NeedsRoot();
        Lab.Needs("setfacl", "setfattr", "python3");
        world!.Fresh();
        var before = world.Snapshot();
        var bytes = File.ReadAllBytes(world.Etc + "/edited.conf");
        using (var here = new LocalHost())
        {
            world.Write(here, [EditFile.Between(world.Etc + "/edited.conf", bytes, bytes), new SetAttributes(world.Etc + "/sub/mode.conf", Formats.Sha256.Hex(File.ReadAllBytes(world.Etc + "/sub/mode.conf")), 0x1a4, null, null)]);
        }

        var applied = world.Lotse("apply", world.PlanFile);
        Assert.True(applied.ExitCode == 0, applied.ErrorText);
        Assert.Equal("ooooo", world.Look());
        Assert.Equal(0, world.Lotse("undo").ExitCode);
        Assert.Equal(before, world.Snapshot());
    }

    [Fact]
    public void A_hundred_random_edits_of_the_configuration_of_this_machine()
    {
        Lab.NeedsRoot();
        Lab.Needs("setfacl", "setfattr", "python3");
        var files = Directory.EnumerateFiles("/etc", "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint, IgnoreInaccessible = true })
            .Where(f => new FileInfo(f).Length is > 0 and < 200_000).Order(StringComparer.Ordinal).ToArray();
        var count = 0;
        var random = new Random(20261125);
        using var here = new LocalHost();
        for (var round = 0; round < 25; round++)
        {
            // Four files at once, each with something that is easily lost.
            world!.Fresh();
            var copies = new List<string>();
            for (var i = 0; i < 4; i++)
            {
                var source = files[random.Next(files.Length)];
                var copy = $"{world.Etc}/{i}{Path.GetFileName(source)}";
                ChangeWorld.Must("cp", "-a", source, copy);
                var bytes = File.ReadAllBytes(copy);
                switch (random.Next(6))
                {
                    case 0: File.WriteAllBytes(copy, Encoding.Latin1.GetBytes(Encoding.Latin1.GetString(bytes).Replace("\n", "\r\n", StringComparison.Ordinal))); break;
                    case 1: File.WriteAllBytes(copy, [0xef, 0xbb, 0xbf, .. bytes]); break;
                    case 2: File.WriteAllBytes(copy, bytes.AsSpan().TrimEnd((byte)'\n').ToArray()); break;
                    case 3: File.WriteAllBytes(copy, [.. bytes, 0xff, 0, 0xfe, (byte)'x']); break;
                    case 4: ChangeWorld.Must("setfacl", "-m", "u:4321:rw,g:99:-", copy); break;
                    default: ChangeWorld.Must("setfattr", "-n", "user.x", "-v", "y\0z".Replace('\0', 'q'), copy); break;
                }

                ChangeWorld.Must("chown", $"{random.Next(3000)}:{random.Next(3000)}", copy);
                ChangeWorld.Must("chmod", Convert.ToString(random.Next(0x200) | 0x100, 8), copy);
                copies.Add(copy);
            }

            var before = world.Snapshot();
            var changes = copies.Select(path => (Change)EditFile.Between(path, File.ReadAllBytes(path), Edited(random, File.ReadAllBytes(path)))).ToArray();
            var wanted = copies.Select(path => ((EditFile)changes[copies.IndexOf(path)]).Apply(File.ReadAllBytes(path))!).ToArray();
            world.Write(here, changes);
            var applied = world.Lotse("apply", world.PlanFile);
            Assert.True(applied.ExitCode == 0, applied.ErrorText);
            for (var i = 0; i < copies.Count; i++)
            {
                Assert.Equal(wanted[i], File.ReadAllBytes(copies[i]));
                Assert.Equal(Carries(before, Path.GetFileName(copies[i])), Carries(world.Snapshot(), Path.GetFileName(copies[i])));
                count++;
            }

            var undone = world.Lotse("undo");
            Assert.True(undone.ExitCode == 0, undone.ErrorText);
            Assert.Equal(before, world.Snapshot());
        }

        Assert.Equal(100, count);
    }

    [Fact]
    public void What_somebody_changed_since_is_shown_and_kept_unless_forced()
    {
        Lab.NeedsRoot();
        Lab.Needs("setfacl", "setfattr");
        var before = world!.Snapshot();
        world.MakePlan();
        Assert.Equal(0, world.Lotse("apply", world.PlanFile).ExitCode);
        File.AppendAllText(world.Etc + "/edited.conf", "mine\n");
        var applied = world.Snapshot();
        var refused = world.Lotse("undo");
        Assert.Equal(4, refused.ExitCode);
        Assert.Contains("+ mine", refused.Text, StringComparison.Ordinal);
        Assert.Contains("somebody changed it since", refused.ErrorText, StringComparison.Ordinal);
        Assert.Equal(applied, world.Snapshot());
        Assert.Equal(0, world.Lotse("undo", "--force").ExitCode);
        Assert.Equal(before, world.Snapshot());
    }

    [Fact]
    public void A_unit_is_told_again_and_is_as_active_as_it_was()
    {
        Lab.NeedsRoot();
        Lab.Needs("setfacl", "setfattr");

        // A stand-in for systemd that notes what it is told: no service manager runs where tests run.
        var bin = world!.Top + "/bin";
        Directory.CreateDirectory(bin);
        File.WriteAllText(bin + "/systemctl", $"#!/bin/sh\necho \"$*\" >>{world.Top}/told\ncase $1 in is-active) cat {world.Top}/active ;; try-restart) [ ! -e {world.Top}/broken ] || {{ echo failed >{world.Top}/active; exit 1; }} ;; restart) echo active >{world.Top}/active ;; esac\n");
        File.SetUnixFileMode(bin + "/systemctl", (UnixFileMode)0b111_101_101);
        var environment = new Dictionary<string, string?>(world.Environment) { ["PATH"] = bin + ":" + Environment.GetEnvironmentVariable("PATH") };
        Lab.Ran Run(params string[] arguments) => Lab.RunWith(Soon, environment, [Lab.Lotse, .. arguments]);
        string[] Told()
        {
            var told = File.Exists(world.Top + "/told") ? File.ReadAllLines(world.Top + "/told") : [];
            File.Delete(world.Top + "/told");
            return told;
        }

        File.WriteAllText(world.Top + "/active", "active\n");
        var before = world.Snapshot();
        world.MakePlan(new TellUnit("", UnitAction.DaemonReload), new TellUnit("x.service", UnitAction.Restart));
        Assert.Equal(0, Run("apply", world.PlanFile).ExitCode);
        Assert.Equal(["is-active -- x.service", "daemon-reload", "try-restart -- x.service"], Told());
        Assert.Equal(0, Run("undo").ExitCode);
        Assert.Equal(["daemon-reload", "restart -- x.service"], Told());
        Assert.Equal(before, world.Snapshot());

        // A service that the change kills: everything is put back, and it runs again.
        File.WriteAllText(world.Top + "/broken", "");
        world.MakePlan(new TellUnit("x.service", UnitAction.Restart));
        Assert.Equal(5, Run("apply", world.PlanFile).ExitCode);
        Assert.Equal(before, world.Snapshot());
        Assert.Equal("active\n", File.ReadAllText(world.Top + "/active"));
    }

    [Fact]
    public void A_program_that_fails_has_everything_put_back_and_one_whose_inverse_fails_is_told()
    {
        Lab.NeedsRoot();
        Lab.Needs("setfacl", "setfattr");
        var before = world!.Snapshot();
        world.MakePlan(new RunProgram(["false"], ["true"], 5));
        Assert.Equal(5, world.Lotse("apply", world.PlanFile).ExitCode);
        Assert.Equal(before, world.Snapshot());
        world.MakePlan(new RunProgram(["sleep", "30"], ["true"], 1));
        Assert.Equal(5, world.Lotse("apply", world.PlanFile).ExitCode);
        Assert.Equal(before, world.Snapshot());
        world.MakePlan(new RunProgram(["true"], ["test", "-e", world.Top + "/allow"], 5), new RunProgram(["false"], ["true"], 5));
        var stuck = world.Lotse("apply", world.PlanFile);
        Assert.Equal(6, stuck.ExitCode);
        Assert.Contains("lotse undo", stuck.ErrorText, StringComparison.Ordinal);

        // Until it can be put back nothing else is changed; then the next start does it.
        world.MakePlan();
        Assert.Equal(4, world.Lotse("apply", world.PlanFile).ExitCode);
        File.WriteAllText(world.Top + "/allow", "");
        Assert.Equal(0, world.Lotse("log").ExitCode);
        Assert.False(Path.Exists(world.State + "/pending"));
        Assert.Equal(before, world.Snapshot());
    }

    [Fact]
    public void Only_the_planned_programs_are_run()
    {
        Lab.NeedsRoot();
        Lab.Needs("strace", "setfacl", "setfattr");
        world!.MakePlan(new RunProgram(["ln", "-s", "$(touch x);`id`", world.Etc + "/ran"], ["rm", "-f", world.Etc + "/ran"], 5));
        foreach (var (arguments, programs) in new[] { (new[] { "apply", world.PlanFile, "--dry-run" }, Array.Empty<string>()), (["apply", world.PlanFile], ["ln"]), (["undo"], ["rm"]), (["log"], []) })
        {
            var ran = world.Traced(["-o", world.Top + "/trace", "-e", "trace=execve,execveat"], arguments);
            Assert.Equal(0, ran.ExitCode);
            var run = Regex.Matches(File.ReadAllText(world.Top + "/trace"), "execve(?:at)?\\(\"([^\"]+)\".* = 0").Skip(1).Select(m => Path.GetFileName(m.Groups[1].Value));
            Assert.Equal(programs, run);
        }
    }

    /// <summary>Some lines changed, taken out or added, anywhere.</summary>
    private static byte[] Edited(Random random, byte[] before)
    {
        var file = Formats.FileLines.Split(before);
        var lines = file.Lines.ToList();
        for (var edits = random.Next(1, 6); edits > 0; edits--)
        {
            var at = random.Next(lines.Count + 1);
            switch (random.Next(3))
            {
                case 0 when at < lines.Count: lines[at] += " # changed"; break;
                case 1 when at < lines.Count && lines.Count > 1: lines.RemoveAt(at); break;
                default: lines.Insert(at, $"a new line {edits}{file.LineEnd}"); break;
            }
        }

        return (file with { Lines = [.. lines], Unterminated = file.Unterminated && lines.Count > 0 && lines[^1].Length > 0 }).Join();
    }

    /// <summary>Mode, owner, links and attributes of a file in a snapshot.</summary>
    private static string Carries(string snapshot, string name)
    {
        var words = snapshot.Split('\n').Single(l => l.StartsWith($"'{name}' ", StringComparison.Ordinal) || l.StartsWith($"\"{name}\" ", StringComparison.Ordinal))[(name.Length + 3)..].Split(' ');
        return string.Join(' ', [words[0], words[1], words[2], words[4], .. words[6..^1]]);
    }
}
