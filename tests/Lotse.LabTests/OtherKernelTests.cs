using System.Text.Json;
using Xunit;

namespace Lotse.LabTests;

/// <summary>lotse swap on Debian's kernels, with version 2 control groups: 6.1 has neither PAGEMAP_SCAN nor cachestat nor the counters that the BPF program knows, 6.12 has all three.</summary>
public class OtherKernelTests
{
    // Each load in a group of its own: what it was told to hold is the truth, and so is the kernel's memory.swap.current.
    private const string Script = """
        put() { g=$1; shift; mkdir -p /sys/fs/cgroup/$g; ( echo 0 >/sys/fs/cgroup/$g/cgroup.procs; exec load "$@" ) >/tmp/$g.$1 2>&1 & }
        put a private 16384 aaa
        put a threads 1280 threads
        put a ended 1792 ended
        put b tmpfs 8192 tmpfs /tm/file
        put b segment 6144 segment
        put c fork 8192 forked 3
        put d memfd 3072 memfd lab
        mkdir /sys/fs/cgroup/e; echo 8M >/sys/fs/cgroup/e/memory.high; put e private 24576 squeezed
        for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do [ $(cat /tmp/?.* | grep -c '^ready') = 8 ] && break; sleep 1; done
        echo; echo === release; uname -r
        echo === loads; cat /tmp/?.*
        echo === groups; for g in a b c d e; do echo $g $(cat /sys/fs/cgroup/$g/memory.swap.current); done
        echo === proc; lotse swap --tsv --backend proc
        echo === bpf; lotse swap --tsv --backend bpf 2>/tmp/errors
        echo === errors; cat /tmp/errors
        echo === units; lotse swap --by unit --json
        echo === full; lotse swap --full --json
        echo === why; lotse swap why /a --interval 0.5
        echo === limit; lotse swap why /e --interval 0.5
        echo === events; cat /sys/fs/cgroup/e/memory.events
        echo === doctor; lotse doctor; echo code $?
        """;

    [Theory]
    [InlineData("6.1", false)]
    [InlineData("6.12", true)]
    public void Rows_units_and_account_are_right(string series, bool hasCounters)
    {
        Lab.NeedsRoot();
        Lab.Needs("gcc", "qemu-system-x86_64");
        var folder = Directory.CreateTempSubdirectory("lotse-load-").FullName;
        Dictionary<string, string> said;
        try
        {
            said = VirtualMachine.Run(series, Script, ("load", Lab.Compile(folder, "load", "-static")), ("lotse", Lab.Lotse));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        Assert.True(said.ContainsKey("release"), string.Join('\n', said.Select(s => $"{s.Key}: {s.Value}")));
        Assert.StartsWith(series + ".", said["release"], StringComparison.Ordinal);
        Assert.Equal(8, said["loads"].Split('\n').Count(l => l.StartsWith("ready ", StringComparison.Ordinal)));

        // Rows, on both backends; where the counters are others, it says so and reads /proc.
        var rows = said["proc"].Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split('\t')).ToArray();
        foreach (var (name, kib, count) in new[] { ("aaa", "16384", 1), ("threads", "1280", 1), ("ended", "1792", 1), ("forked", "8192", 4) })
        {
            Assert.Equal(count, rows.Count(r => r[2] == name && r[0] == kib));
        }

        // The limit pushed out the program's own few pages too. They counted when it said "ready" and come back as it runs,
        // so as many of its load may still be in memory.
        var squeezed = long.Parse(rows.Single(r => r[2] == "squeezed")[0]);
        Assert.InRange(squeezed, 24576 - 256, 24576 + 1024);
        Assert.Equal(said["proc"], said["bpf"]);
        Assert.Equal(hasCounters ? "" : "another layout", said["errors"].Contains("another layout", StringComparison.Ordinal) ? "another layout" : said["errors"]);

        // By unit: the kernel's account.
        var units = JsonDocument.Parse(said["units"]).RootElement.GetProperty("answer").GetProperty("sums").EnumerateArray().ToDictionary(s => s.GetProperty("name").GetString()!, s => s.GetProperty("swap_kib").GetInt64());
        foreach (var group in said["groups"].Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split(' ')))
        {
            Assert.Equal(long.Parse(group[1]) / 1024, units["/" + group[0]]);
        }

        // The account: what the loads hold, what CPUs may hold in advance, nothing else.
        var full = JsonDocument.Parse(said["full"]).RootElement.GetProperty("answer");
        long Kib(string part) => full.GetProperty(part + "_kib").GetInt64();
        Assert.Equal((8192 + 6144 + 3072, 0), (Kib("shared_memory"), Kib("unexplained")));
        Assert.Equal(Kib("used"), Kib("private") + Kib("shared_memory") + Kib("swap_cache") + Kib("reserved"));

        // The squeezed program's own pages come and go, and VmSwap of 6.1 lags up to 64 pages behind the page tables.
        Assert.InRange(Kib("private") - (16384 + 1280 + 1792 + 8192), 24576 - 256, 24576 + 1024);
        Assert.InRange(Kib("reserved"), 0, 2 * 2 * 64 * 4);
        Assert.Contains(full.GetProperty("shared").EnumerateArray(), s => s.GetProperty("path_or_id").GetString() == "/tm/file" && s.GetProperty("swap_kib").GetInt64() == 8192);
        Assert.Contains("/a: 19.0 MiB in swap", said["why"], StringComparison.Ordinal);

        // The limit that pushed a group out is named, as often as the kernel counted it; a group without one has none.
        var high = said["events"].Split('\n').Single(l => l.StartsWith("high ", StringComparison.Ordinal))[5..];
        Assert.Contains($"memory.high 8.0 MiB of /e was exceeded {high} times", said["limit"], StringComparison.Ordinal);
        Assert.Contains("no   /a has a limit", said["why"], StringComparison.Ordinal);
        Assert.Equal("code 0\n", said["doctor"]);
    }
}
