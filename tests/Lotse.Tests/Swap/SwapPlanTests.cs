using System.Text;
using Lotse.Formats;
using Lotse.Hosts;
using Lotse.Swap;
using Xunit;

namespace Lotse.Tests.Swap;

/// <summary>Which line of which file is changed, and what is refused.</summary>
public sealed class SwapPlanTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("lotse-swapplan-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("", "create /etc/sysctl.d/90-lotse.conf: 1 line, mode 0644")]
    [InlineData("/etc/sysctl.d/10-a.conf=vm.swappiness=30", "change /etc/sysctl.d/10-a.conf: 1 line out, 1 line in")]
    [InlineData("/etc/sysctl.d/10-a.conf=vm.swappiness=30;/etc/sysctl.d/20-b.conf=-vm/swappiness = 40", "change /etc/sysctl.d/20-b.conf: 1 line out, 1 line in")]
    [InlineData("/usr/lib/sysctl.d/50-a.conf=vm.swappiness=30", "create /etc/sysctl.d/90-lotse.conf: 1 line, mode 0644")]
    [InlineData("/usr/lib/sysctl.d/99-a.conf=vm.swappiness=30", "create /etc/sysctl.d/zz-lotse.conf: 1 line, mode 0644")]
    [InlineData("/etc/sysctl.d/90-lotse.conf=# mine", "change /etc/sysctl.d/90-lotse.conf: 0 lines out, 1 line in")]
    [InlineData("/etc/sysctl.conf=vm.swappiness=30", "change /etc/sysctl.conf: 1 line out, 1 line in")]
    [InlineData("/etc/sysctl.d/10-a.conf=vm.swappiness=10", "")]
    [InlineData("/etc/sysctl.d/10-a.conf=#vm.swappiness=10", "create /etc/sysctl.d/90-lotse.conf: 1 line, mode 0644")]
    [InlineData("/etc/sysctl.d/10-a.conf=vm.swappiness=10;/usr/lib/sysctl.d/10-a.conf=vm.swappiness=99", "")]
    public void Swappiness_at_boot_is_set_where_it_wins(string files, string wanted) =>
        Assert.Equal(wanted, string.Join('\n', Decide(files, new SetSwappiness(10)).Changes.Select(c => c.Sentence)));

    [Theory]
    [InlineData("", "create /etc/systemd/system/x.service.d/50-lotse.conf: 2 lines, mode 0644")]
    [InlineData("/etc/systemd/system/x.service.d/a.conf=[Service]|MemoryHigh=1G", "change /etc/systemd/system/x.service.d/a.conf: 1 line out, 1 line in")]
    [InlineData("/etc/systemd/system/x.service.d/a.conf=[Service]|MemoryHigh=600M", "")]
    [InlineData("/usr/lib/systemd/system/service.d/a.conf=[Service]|MemoryHigh=1G", "create /etc/systemd/system/x.service.d/zz-lotse.conf: 2 lines, mode 0644")]
    [InlineData("/usr/lib/systemd/system/service.d/10-a.conf=[Service]|MemoryHigh=1G", "create /etc/systemd/system/x.service.d/50-lotse.conf: 2 lines, mode 0644")]
    [InlineData("/etc/systemd/system.control/x.service.d/50-MemoryHigh.conf=[Service]|MemoryHigh=1G", "create /etc/systemd/system/x.service.d/50-lotse.conf: 2 lines, mode 0644")]
    [InlineData("/etc/systemd/system/x.service.d/50-lotse.conf=[Service]|MemorySwapMax=0", "change /etc/systemd/system/x.service.d/50-lotse.conf: 0 lines out, 1 line in")]
    public void A_unit_s_limit_is_set_where_it_wins(string files, string wanted) =>
        Assert.Equal(wanted, string.Join('\n', Decide(files, new LimitUnit("x.service", 600L << 20, null)).Changes.Select(c => c.Sentence)));

    [Fact]
    public void A_line_joins_its_section()
    {
        var change = Assert.IsType<EditFile>(Decide("/etc/systemd/system/x.service.d/50-lotse.conf=[Service]|MemorySwapMax=0|[Install]|WantedBy=y", new LimitUnit("x.service", 1L << 30, null)).Changes.Single());
        Assert.Equal("[Service]\nMemorySwapMax=0\nMemoryHigh=1G\n[Install]\nWantedBy=y\n", Encoding.UTF8.GetString(change.Apply("[Service]\nMemorySwapMax=0\n[Install]\nWantedBy=y\n"u8)!));
    }

    [Theory]
    [InlineData("0", 0L, "0")]
    [InlineData("600M", 600L << 20, "600M")]
    [InlineData("1.5G", 3L << 29, "1536M")]
    [InlineData("1024", 1024L, "1K")]
    [InlineData("1000", 1000L, "1000")]
    [InlineData("infinity", long.MaxValue, "infinity")]
    [InlineData("-1", null, null)]
    [InlineData("M", null, null)]
    [InlineData("1X", null, null)]
    [InlineData("99999999999999T", null, null)]
    public void Amounts_are_systemd_s(string text, long? bytes, string? words)
    {
        Assert.Equal(bytes, LimitUnit.Bytes(text));
        Assert.Equal(words, bytes is { } b ? LimitUnit.Words(b) : null);
    }

    [Fact]
    public void What_cannot_be_is_refused_with_the_rule()
    {
        Assert.True(Decide("", new LimitUnit("x.timer", 1, null)).Impossible);
        Assert.True(Decide("", new SetSwappiness(201)).Impossible);
        Assert.True(Decide("/proc/sys/kernel/osrelease=5.4.0-1", new SetSwappiness(150)).Impossible);
        Assert.False(Decide("/proc/sys/kernel/osrelease=5.10.0-1", new SetSwappiness(150)).Impossible);
        Assert.True(Decide("", new EmptyDevice(null)).Impossible);

        // 90 of 100 MiB do not fit into nine tenths of 50.
        const string swaps = "/proc/swaps=Filename Type Size Used Priority|/dev/vda partition 204800 102400 -2;/proc/meminfo=MemTotal: 200000 kB|MemAvailable: 51200 kB|SwapTotal: 204800 kB|SwapFree: 102400 kB|SwapCached: 10240 kB";
        Assert.True(Decide(swaps, new EmptyDevice(null)).Impossible);
        var fits = Decide(swaps.Replace("51200", "151200", StringComparison.Ordinal), new EmptyDevice("/dev/vda"));
        Assert.Equal(new CycleSwap("/dev/vda", -2, 92160), fits.Changes.Single());
        Assert.True(Decide(swaps, new EmptyDevice("/dev/vdb")).Impossible);
    }

    [Fact]
    public void Names_of_drop_in_folders_are_systemd_s()
    {
        foreach (var name in new[] { "a-b-c@1.service", "a-b-c@.service", "a-b-.service", "a-.service", "service" })
        {
            Put($"/etc/systemd/system/{name}.d/{name.Replace('@', '_')}.conf", "[Service]");
        }

        Put("/etc/systemd/system/b-.service.d/no.conf", "[Service]");
        using var host = FolderHost.Open(folder).Value;
        Assert.Equal(5, UnitFiles.DropIns(host, "a-b-c@1.service").Length);
    }

    private Decision Decide(string files, SwapGoal goal)
    {
        foreach (var name in Directory.GetFileSystemEntries(folder))
        {
            Directory.Delete(name, recursive: true);
        }

        foreach (var file in files.Split(';', StringSplitOptions.RemoveEmptyEntries))
        {
            Put(file[..file.IndexOf('=')], file[(file.IndexOf('=') + 1)..]);
        }

        using var host = FolderHost.Open(folder).Value;
        return SwapPlan.Of(SwapPlanFacts.Read(host, goal).Value, goal);
    }

    private void Put(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(folder + path)!);
        File.WriteAllText(folder + path, text.Replace('|', '\n') + "\n");
    }
}
