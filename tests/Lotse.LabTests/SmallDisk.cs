using System.Globalization;
using Xunit;

namespace Lotse.LabTests;

/// <summary>A small filesystem in a file.</summary>
internal sealed class SmallDisk : IDisposable
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);
    private readonly string type, image;
    private bool hurt;

    public SmallDisk(string type, bool reflinks = true)
    {
        Lab.Needs("mkfs." + type, "losetup", "fallocate", type == "xfs" ? "xfs_io" : "e2fsck");
        this.type = type;
        Folder = Directory.CreateTempSubdirectory("lotse-pg-").FullName;
        image = Folder + ".img";
        Lab.Must(Minute, "truncate", "-s", "800M", image);
        Lab.Must(Minute, type == "xfs" ? ["mkfs.xfs", "-q", "-m", $"reflink={(reflinks ? 1 : 0)}", image] : ["mkfs.ext4", "-q", "-E", "lazy_itable_init=1,nodiscard", image]);
        if (Lab.Run(Minute, "mount", "-o", "loop", image, Folder).ExitCode != 0)
        {
            Dispose();
            Assert.Skip("no loop devices");
        }
    }

    public string Folder { get; }

    /// <summary>Takes all the room there is, or lets the disk take no more writes: ext4 goes read-only as after an error of its, xfs answers EIO.</summary>
    /// <returns>Whether the victim is of a disk.</returns>
    public bool Hit(string victim)
    {
        if (victim == "disk")
        {
            hurt = true;
            Lab.Must(Minute, type == "xfs" ? ["xfs_io", "-x", "-c", "shutdown", Folder] : ["mount", "-o", "remount,abort", Folder]);
        }
        else if (victim == "room")
        {
            for (var (size, number) = (1L << 29, 0); size >= 4096; number++)
            {
                if (Lab.Run(Minute, "fallocate", "-l", size.ToString(CultureInfo.InvariantCulture), $"{Folder}/full-{number}").ExitCode != 0)
                {
                    size /= 2;
                }
            }
        }

        return victim is "disk" or "room";
    }

    /// <summary>Gives the room back; a disk that takes no writes is mounted anew, once nothing works on it any more.</summary>
    public void Heal(Action end)
    {
        if (hurt)
        {
            hurt = false;
            end();

            // As long as another mount namespace still has it, the kernel gives the broken one again.
            Assert.True(RemoteMachine.Until(TimeSpan.FromMinutes(1), Again), "the disk is in use");
        }

        foreach (var file in Directory.GetFiles(Folder, "full-*"))
        {
            File.Delete(file);
        }
    }

    private bool Again()
    {
        Lab.Run(Minute, "umount", Folder);
        if (type == "ext4")
        {
            Lab.Run(Minute, "e2fsck", "-p", image);
        }

        return Lab.Run(Minute, "mount", "-o", "loop", image, Folder).ExitCode == 0 && Lab.Run(Minute, "touch", Folder).ExitCode == 0;
    }

    public void Dispose()
    {
        Lab.Run(Minute, "umount", "-l", Folder);
        Lab.Run(Minute, "rm", "-rf", "--one-file-system", Folder, image);
    }
}
