using Xunit;

namespace Lotse.LabTests.Changing;

/// <summary>
/// What a disk holds at the moment of a power cut: the file system is on a loop device, its backing file is copied while
/// it is mounted, and the copy is mounted in its stead. Journal and files are both on it.
/// </summary>
public class PowerCutTests
{
    private static readonly TimeSpan Soon = TimeSpan.FromMinutes(2);

    [Theory]
    [InlineData("ext4", "", 64)]
    [InlineData("ext4", "noauto_da_alloc", 64)]
    [InlineData("xfs", "", 320)]
    [InlineData("btrfs", "", 120)]
    public void After_apply_has_returned_everything_is_new_and_at_any_earlier_cut_all_or_nothing(string kind, string options, int megabytes)
    {
        Lab.NeedsRoot();
        Lab.Needs("strace", "mkfs." + kind, "setfacl", "setfattr", "losetup");
        var folder = Directory.CreateTempSubdirectory("lotse-power-").FullName;
        string mount = folder + "/mount", image = folder + "/image", cut = folder + "/cut";
        try
        {
            Directory.CreateDirectory(mount);
            var first = true;
            (string Call, int Number)[] points = [];

            // First to the end, then with the program ended at a few moments: the disk at each of them.
            for (var i = -1; i < Math.Min(points.Length, 7); i++)
            {
                using (File.Create(image))
                {
                }

                ChangeWorld.Must("truncate", "-s", $"{megabytes}M", image);
                ChangeWorld.Must(["mkfs." + kind, kind == "ext4" ? "-qF" : kind == "xfs" ? "-qf" : "-f", image]);
                if (!Mount(image, mount, options))
                {
                    Assert.Skip($"this kernel does not mount {kind} here");
                }

                try
                {
                    var world = new ChangeWorld(mount + "/world" is var top && Directory.CreateDirectory(top).Exists ? top : "");
                    world.MakePlan();
                    File.WriteAllText(mount + "/other", "x");
                    ChangeWorld.Must("sync", "-f", mount);
                    if (i < 0)
                    {
                        var ran = world.Lotse("apply", world.PlanFile);
                        Assert.Equal((0, "nnnnn"), (ran.ExitCode, world.Look()));
                    }
                    else
                    {
                        world.Traced(["-o", "/dev/null", "-e", $"inject={points[i].Call}:signal=KILL:when={points[i].Number}"], "apply", world.PlanFile);
                    }

                    // At once, and after another program's fsync has committed the file system's journal.
                    foreach (var committed in new[] { false, true })
                    {
                        if (committed)
                        {
                            ChangeWorld.Must("dd", "if=/dev/zero", $"of={mount}/other", "bs=1", "count=1", "conv=fsync", "status=none");
                        }

                        ChangeWorld.Must("cp", "--sparse=always", image, cut);
                        var moved = folder + "/moved";
                        Directory.CreateDirectory(moved);
                        ChangeWorld.Must("mount", "--move", mount, moved);
                        try
                        {
                            Assert.True(Mount(cut, mount, kind == "xfs" ? "nouuid" : options), "the copy cannot be mounted");
                            var at = world.Look();
                            Assert.DoesNotContain("X", at, StringComparison.Ordinal);
                            var next = world.Lotse("log");
                            Assert.Equal(0, next.ExitCode);
                            Assert.True(world.Look() is var after && (i < 0 ? after == "nnnnn" && at == after : after is "ooooo" or "nnnnn"), $"{kind} {options} {(i < 0 ? "end" : points[i])} {committed}: {at}, then {after}");
                            ChangeWorld.Must("umount", mount);
                        }
                        finally
                        {
                            ChangeWorld.Must("mount", "--move", moved, mount);
                        }
                    }

                    if (first)
                    {
                        world.Fresh();
                        world.MakePlan();
                        var all = world.Points(EveryCallTests.Calls).Where(p => p.Call is "fsync" or "renameat" or "linkat" or "unlinkat" or "symlinkat" or "mkdirat" or "write").ToArray();
                        points = [.. Enumerable.Range(0, 7).Select(n => all[n * (all.Length - 1) / 6])];
                        first = false;
                    }
                }
                finally
                {
                    Lab.Run(Soon, "umount", mount);
                }

                // btrfs knows its copies by their id and would mix them up: one cut is what can be had.
                if (kind == "btrfs")
                {
                    break;
                }
            }
        }
        finally
        {
            Lab.Run(Soon, "umount", mount);
            Directory.Delete(folder, recursive: true);
        }
    }

    private static bool Mount(string image, string mount, string options) =>
        Lab.Run(Soon, "mount", "-o", "loop" + (options.Length > 0 ? "," + options : ""), image, mount).ExitCode == 0;
}
