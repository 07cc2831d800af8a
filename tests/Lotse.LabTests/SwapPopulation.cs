using System.Diagnostics;
using System.Text;
using Xunit;

namespace Lotse.LabTests;

/// <summary>A known population of swap. What each load holds is what it was told to hold, seen by nothing of Lotse's.</summary>
public sealed class SwapPopulation : IDisposable
{
    private readonly List<Process> processes = [];
    private readonly List<int> segments = [];
    private readonly string folder = Directory.CreateTempSubdirectory("lotse-lab-").FullName;
    private FileStream? exclusive;
    private string? swapFile;
    private string? load;

    public SwapPopulation()
    {
        if (!Environment.IsPrivilegedProcess || !File.Exists("/usr/bin/gcc"))
        {
            return;
        }

        try
        {
            Build();
            IsUp = true;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Names that break parsers.</summary>
    public static byte[][] Names { get; } =
    [
        "plain"u8.ToArray(), "two words"u8.ToArray(), "new\nline"u8.ToArray(), @"back\slash"u8.ToArray(), "tab\there"u8.ToArray(), "a) R 1 (b"u8.ToArray(),
        "VmSwap: 77 kB"u8.ToArray(), "x\nVmSwap:\t9 kB"u8.ToArray(), [0xc3, 0xbc, (byte)'m', 0xff, 0xfe], "\x1b]0;pwn\x07\x1b[31m"u8.ToArray(), [0xe2, 0x80, 0xae, (byte)'g', (byte)'p', (byte)'j', 0xc2, 0x9b], @"n\n\\"u8.ToArray(),
    ];

    /// <summary>Whether everything is there; not without root and a compiler.</summary>
    public bool IsUp { get; }

    /// <summary>The tmpfs that holds files of the population.</summary>
    public string Tmpfs { get; private set; } = "";

    /// <summary>Used swap before it, KiB.</summary>
    public long UsedBefore { get; private set; }

    /// <summary>VmSwap by process, KiB: only those that have some.</summary>
    public Dictionary<int, long> Expected { get; } = [];

    /// <summary>Processes by kind of load.</summary>
    public Dictionary<string, List<int>> Pids { get; } = [];

    /// <summary>Private slots, each once.</summary>
    public long PrivateKib { get; private set; }

    /// <summary>Shared memory.</summary>
    public long SharedKib { get; private set; }

    /// <summary>Swap cache that no page table shows as swap.</summary>
    public long CacheKib { get; private set; }

    /// <summary>The id of the attached and of the leaked segment.</summary>
    public IReadOnlyList<int> Segments => segments;

    /// <summary>Used swap now, KiB.</summary>
    public static long Used()
    {
        var lines = File.ReadAllLines("/proc/meminfo");
        long Field(string name) => long.Parse(lines.Single(l => l.StartsWith(name, StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]);
        return Field("SwapTotal:") - Field("SwapFree:");
    }

    /// <summary>Skips the test where there is no population.</summary>
    public void Needed()
    {
        Lab.NeedsRoot();
        if (!IsUp)
        {
            Assert.Skip("needs gcc");
        }
    }

    /// <summary>A load inside a control group, when all of it is out.</summary>
    /// <param name="procs">The group's file cgroup.procs.</param>
    /// <param name="kib">How much it holds.</param>
    public Process StartIn(string procs, long kib)
    {
        // At its limit a group is ended by the kernel where the swap device does not keep up (memory.rst, OOM): then once more.
        for (var attempt = 1; ; attempt++)
        {
            var start = new ProcessStartInfo("sh", ["-c", "echo $$ >\"$0\"; exec \"$1\" private \"$2\" limited", procs, load!, $"{kib}"]) { RedirectStandardOutput = true, RedirectStandardError = true };
            var process = Process.Start(start)!;
            var line = process.StandardOutput.ReadLine();
            if (line is null && attempt < 3)
            {
                process.WaitForExit();
                process.Dispose();
                continue;
            }

            Assert.True(line?.StartsWith("ready ", StringComparison.Ordinal), $"the load in the group: {line ?? process.StandardError.ReadToEnd()}");
            return process;
        }
    }

    public void Dispose()
    {
        foreach (var process in processes)
        {
            process.Kill(entireProcessTree: true);
            process.WaitForExit();
            process.Dispose();
        }

        foreach (var id in segments)
        {
            Lab.Run(TimeSpan.FromSeconds(10), "ipcrm", "-m", $"{id}");
        }

        if (Tmpfs.Length > 0)
        {
            Lab.Run(TimeSpan.FromSeconds(10), "umount", Tmpfs);
        }

        if (swapFile is not null)
        {
            Lab.Run(TimeSpan.FromMinutes(1), "swapoff", swapFile);
        }

        exclusive?.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    private void Build()
    {
        // One population at a time on a machine: others would push its pages about.
        exclusive = Lock();
        if (File.ReadAllLines("/proc/swaps").Length < 2)
        {
            swapFile = Path.Combine(folder, "swap");
            Lab.Must(TimeSpan.FromMinutes(1), "dd", "if=/dev/zero", $"of={swapFile}", "bs=1M", "count=512", "status=none");
            File.SetUnixFileMode(swapFile, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            Lab.Must(TimeSpan.FromMinutes(1), "mkswap", swapFile);
            Lab.Must(TimeSpan.FromMinutes(1), "swapon", swapFile);
        }

        Tmpfs = Path.Combine(folder, "tmpfs with a blank");
        Directory.CreateDirectory(Tmpfs);
        Lab.Must(TimeSpan.FromMinutes(1), "mount", "-t", "tmpfs", "-o", "size=64m", "lotse-lab", Tmpfs);
        load = Lab.Compile(folder, "load");
        UsedBefore = Used();

        var kib = 512;
        foreach (var name in Names)
        {
            Start("private", kib, name);
            kib += 256;
        }

        Start("threads", 1280, "threads"u8.ToArray());
        Start("ended", 1792, "ended"u8.ToArray());
        Start("cow", 768, "cow"u8.ToArray(), Path.Combine(Tmpfs, "cow"));
        Start("fork", 2048, "forked"u8.ToArray(), "3");
        Start("twin", 1536, "twin-a"u8.ToArray());
        Start("readback", 2304, "readback"u8.ToArray());
        Start("memfd", 2560, "memfd"u8.ToArray(), "lab-memfd");
        Start("shared", 2816, "shared"u8.ToArray());
        Start("segment", 3072, "segment"u8.ToArray());
        Start("leaked", 3328, "leaked"u8.ToArray());
        Start("tmpfs", 3584, "tmpfs"u8.ToArray(), Path.Combine(Tmpfs, "left behind"));
    }

    private static FileStream Lock()
    {
        for (var until = DateTime.UtcNow.AddMinutes(5); ; Thread.Sleep(500))
        {
            try
            {
                return new(Path.Combine(Path.GetTempPath(), "lotse-lab-swap.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (DateTime.UtcNow < until)
            {
                // Another run has its population up.
            }
        }
    }

    private void Start(string kind, long kib, byte[] name, string argument = "")
    {
        // .NET hands arguments over as UTF-8, so a name of any bytes goes through printf of a shell.
        var octal = string.Concat(name.Select(b => "\\" + Convert.ToString(b, 8).PadLeft(3, '0')));
        var start = new ProcessStartInfo("sh", ["-c", "exec \"$0\" \"$1\" \"$2\" \"$(printf \"$3\")\" \"$4\"", load!, kind, $"{kib}", octal, argument]) { RedirectStandardOutput = true, RedirectStandardError = true };
        var process = Process.Start(start)!;
        var line = process.StandardOutput.ReadLine() ?? throw new InvalidOperationException($"the load {kind}: {process.StandardError.ReadToEnd()}");
        var words = line.Split(' ');
        if (words is [.., "id", var id])
        {
            segments.Add(int.Parse(id));
            words = words[..^2];
        }

        var pids = words[1..].Select(int.Parse).ToList();
        Pids.TryAdd(kind, []);
        Pids[kind].AddRange(pids);
        if (kind is "leaked" or "tmpfs")
        {
            process.WaitForExit();
            process.Dispose();
        }
        else
        {
            processes.Add(process);
        }

        switch (kind)
        {
            case "memfd" or "shared" or "segment" or "leaked" or "tmpfs":
                SharedKib += kib;
                break;
            case "readback":
                CacheKib += kib;
                break;
            default:
                PrivateKib += kib;
                pids.ForEach(p => Expected[p] = kib);
                break;
        }
    }
}
