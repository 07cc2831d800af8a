using Lotse.Linux;
using Xunit;

namespace Lotse.LabTests;

/// <summary>Files written in a folder of somebody else, who puts things in the way.</summary>
public sealed class OwnersFolderTests : IDisposable
{
    private const uint Nobody = 65534;
    private readonly string top = Directory.CreateTempSubdirectory("lotse-owner-").FullName;

    public OwnersFolderTests()
    {
        Lab.NeedsRoot();
        Directory.CreateDirectory(top + "/theirs");
        Run("chown", "65534:65534", top + "/theirs");
        File.WriteAllText(top + "/ours", "ours");
        File.SetUnixFileMode(top + "/ours", UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
    }

    public void Dispose() => Directory.Delete(top, true);

    [Fact]
    public void A_file_is_the_owners_and_nobody_elses()
    {
        using var folder = OwnersFolder.Open(top + "/theirs", Nobody, Nobody);
        folder.Write("a", "longer than what follows"u8, durable: true);
        folder.Write("a", "text"u8, durable: false);
        Assert.Equal("text", File.ReadAllText(top + "/theirs/a"));
        Assert.Equal("65534 65534 600", Run("stat", "-c", "%u %g %a", top + "/theirs/a"));
        folder.Rename("a", "b");
        folder.Remove("a");
        Assert.True(File.Exists(top + "/theirs/b"));
        folder.Remove("b");
        Assert.Empty(Directory.GetFileSystemEntries(top + "/theirs"));
    }

    [Fact]
    public void What_the_owner_puts_in_the_way_leads_nowhere()
    {
        Run("ln", "-s", top + "/ours", top + "/theirs/link");
        Run("ln", top + "/ours", top + "/theirs/hard");
        Run("mkfifo", top + "/theirs/pipe");
        Run("chown", "65534", top + "/theirs/pipe");
        using (var folder = OwnersFolder.Open(top + "/theirs", Nobody, Nobody))
        {
            foreach (var name in new[] { "link", "hard", "pipe" })
            {
                Assert.Throws<ChangeFailedException>(() => folder.Write(name, "theirs"u8, durable: false));
            }
        }

        // A folder that is not theirs is none where we write for them.
        using (var folder = OwnersFolder.Open(top, Nobody, Nobody))
        {
            Assert.Throws<ChangeFailedException>(() => folder.Write("new", "theirs"u8, durable: false));
            Assert.Throws<ChangeFailedException>(() => folder.Remove("ours"));
            Assert.Throws<ChangeFailedException>(() => folder.Rename("ours", "gone"));
        }

        Assert.Equal("ours", File.ReadAllText(top + "/ours"));
        Assert.Equal("0 0 644", Run("stat", "-c", "%u %g %a", top + "/ours"));

        // And afterwards this thread may again what it may.
        File.WriteAllText(top + "/new", "");
        Assert.Equal("0", Run("stat", "-c", "%u", top + "/new"));
    }

    private static string Run(params string[] command) => Lab.Run(TimeSpan.FromMinutes(1), command).Text.Trim();
}
