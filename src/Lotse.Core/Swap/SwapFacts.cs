using System.Globalization;
using System.Text;
using Lotse.Formats;

namespace Lotse.Swap;

/// <summary>One process and the swap that its page tables hold.</summary>
/// <param name="Pid">Process id (thread group id) as this PID namespace counts.</param>
/// <param name="Name">The kernel's name of the process (comm), any bytes, in the form of <see cref="ByteText"/>.</param>
/// <param name="SwapKib">Private anonymous memory in swap, KiB (proc_pid_status(5) VmSwap). Shared slots count in every process that maps them.</param>
/// <param name="Uid">Effective user id.</param>
public sealed record ProcessSwap(int Pid, string Name, long SwapKib, uint Uid);

/// <summary>All processes of a machine at about one moment.</summary>
/// <param name="Processes">Processes with a memory of their own; kernel threads and zombies have none. Largest swap first, then by pid.</param>
/// <param name="Unreadable">Processes that are there but may not be looked at. Never counted as 0.</param>
/// <param name="Backend">Where the numbers came from: <c>proc</c> or <c>bpf</c>.</param>
/// <param name="Fallback">Why it was not the backend that was asked for; null: it was.</param>
/// <param name="Hidden">Why there may be processes that this user does not even see; null: all are seen.</param>
public sealed record ProcessScan(ProcessSwap[] Processes, int Unreadable, string Backend, string? Fallback = null, string? Hidden = null);

/// <summary>Pressure stall information: the share of time that tasks waited for memory, percent; see psi(5) of the kernel's documentation.</summary>
/// <param name="Some10">At least one task waited, over 10 seconds.</param>
/// <param name="Some60">Over 60 seconds.</param>
/// <param name="Full10">All tasks waited at once, over 10 seconds.</param>
/// <param name="Full60">Over 60 seconds.</param>
public sealed record MemoryPressure(double Some10, double Some60, double Full10, double Full60);

/// <summary>A System V shared memory segment (/proc/sysvipc/shm).</summary>
/// <param name="Id">shmid.</param>
/// <param name="SwapKib">In swap, KiB.</param>
/// <param name="SizeKib">Size, KiB.</param>
/// <param name="Attached">Number of attached mappings.</param>
/// <param name="CreatorPid">Process that made it.</param>
/// <param name="Uid">Its owner.</param>
/// <param name="Line">Line in the file.</param>
public sealed record SysvSegment(int Id, long SwapKib, long SizeKib, int Attached, int CreatorPid, uint Uid, int Line);

/// <summary>A zram device's counters (Documentation/admin-guide/blockdev/zram.rst, mm_stat), KiB but for the pages.</summary>
/// <param name="Device">zram0 …</param>
/// <param name="OriginalKib">Stored, before compression.</param>
/// <param name="UsedKib">Memory that it takes.</param>
/// <param name="SamePages">Pages filled with one value: they take no memory.</param>
public sealed record ZramUse(string Device, long OriginalKib, long UsedKib, long SamePages);

/// <summary>Two samples of the kernel's counters, and the time between them.</summary>
/// <param name="Before">/proc/vmstat at the start.</param>
/// <param name="After">/proc/vmstat at the end.</param>
/// <param name="Seconds">Between the two.</param>
/// <param name="UsedChangeKib">By how much used swap grew meanwhile.</param>
public sealed record SwapActivity(Counters Before, Counters After, double Seconds, long UsedChangeKib)
{
    /// <summary>How often a counter moved per second; 0 where the kernel does not have it.</summary>
    public double PerSecond(string key) => Seconds <= 0 ? 0 : (After.Or0(key) - Before.Or0(key)) / Seconds;
}

/// <summary>What the machine as a whole says about swap. Amounts in KiB.</summary>
public sealed record SwapFacts
{
    /// <summary>/proc/meminfo.</summary>
    public required Counters Memory { get; init; }

    /// <summary>/proc/swaps.</summary>
    public required SwapDevice[] Devices { get; init; }

    /// <summary>/proc/pressure/memory; null where the kernel keeps none.</summary>
    public MemoryPressure? Pressure { get; init; }

    /// <summary>Two samples, when the caller wanted an interval.</summary>
    public SwapActivity? Activity { get; init; }

    /// <summary>vm.swappiness; null where it could not be read.</summary>
    public long? Swappiness { get; init; }

    /// <summary>Bytes of a page.</summary>
    public int PageBytes { get; init; } = 4096;

    /// <summary>SysV segments that hold swap.</summary>
    public SysvSegment[] Segments { get; init; } = [];

    /// <summary>zram devices that are in use.</summary>
    public ZramUse[] Zram { get; init; } = [];

    /// <summary>Control groups that hold swap or were squeezed by a limit of their own.</summary>
    public MemoryGroup[] Groups { get; init; } = [];

    /// <summary>The processes, when they were scanned.</summary>
    public ProcessScan? Scan { get; init; }

    /// <summary>SwapTotal.</summary>
    public long TotalKib => Memory.Or0("SwapTotal");

    /// <summary>SwapTotal - SwapFree.</summary>
    public long UsedKib => TotalKib - Memory.Or0("SwapFree");

    /// <summary>MemAvailable.</summary>
    public long AvailableKib => Memory.Or0("MemAvailable");

    internal static readonly string[] MemoryKeys = ["MemTotal", "MemAvailable", "SwapTotal", "SwapFree", "SwapCached", "Zswap", "Zswapped", "Shmem"];

    internal static readonly string[] ActivityKeys =
    [
        "pswpin", "pswpout", "pgmajfault", "pgscan_kswapd", "pgscan_direct", "pgsteal_kswapd", "pgsteal_direct", "pgsteal_proactive",
        "oom_kill", "swpin_zero", "swpout_zero", "zswpin", "zswpout", "workingset_refault_anon",
    ];

    /// <summary>Reads what every verb needs: memory, pressure. Null where the host has no /proc/meminfo.</summary>
    public static Reading<SwapFacts> ReadBasics(Host host)
    {
        var read = host.ReadFile("/proc/meminfo");
        if (!read.Ok)
        {
            return new(default!, read.Error);
        }

        return new(new() { Memory = Counters.Parse("/proc/meminfo", read.Value, MemoryKeys), Devices = [], Pressure = ReadPressure(host, "/proc/pressure/memory") }, null);
    }

    /// <summary>Reads all that the diagnosis of a machine needs.</summary>
    /// <param name="host">Where.</param>
    /// <param name="interval">How long to watch the kernel's counters; zero: not at all.</param>
    /// <param name="scan">Scans the processes; null: not wanted.</param>
    public static Reading<SwapFacts> Read(Host host, TimeSpan interval, Func<Host, ProcessScan>? scan)
    {
        var start = host.Uptime;
        var before = Counters.Read(host, "/proc/vmstat", ActivityKeys);
        var basics = ReadBasics(host);
        if (!basics.Ok)
        {
            return basics;
        }

        var facts = basics.Value with
        {
            Devices = host.ReadFile("/proc/swaps") is { Ok: true } swaps ? SwapTable.Parse(swaps.Value) : [],
            Swappiness = Number(host, "/proc/sys/vm/swappiness"),
            Segments = ReadSegments(host),
            Zram = ReadZram(host),
            Groups = basics.Value.TotalKib > 0 ? MemoryGroup.ReadAll(host) : [],
            Scan = basics.Value.UsedKib > 0 && scan is not null ? scan(host) : null,
        };
        if (interval > TimeSpan.Zero && before is not null)
        {
            var left = interval - (host.Uptime - start);
            if (left > TimeSpan.Zero)
            {
                host.Wait(left);
            }

            var memory = ReadBasics(host);
            var after = Counters.Read(host, "/proc/vmstat", ActivityKeys);
            if (memory.Ok && after is not null)
            {
                facts = facts with
                {
                    Activity = new(before, after, (host.Uptime - start).TotalSeconds, memory.Value.UsedKib - facts.UsedKib),
                    Pressure = memory.Value.Pressure,
                };
            }
        }

        return new(facts, null);
    }

    /// <summary>Reads a pressure file: <c>some avg10=0.00 avg60=0.00 avg300=0.00 total=0</c>, then the same for full.</summary>
    public static MemoryPressure? ReadPressure(Host host, string path)
    {
        if (host.ReadFile(path) is not { Ok: true } read)
        {
            return null;
        }

        double some10 = -1, some60 = 0, full10 = 0, full60 = 0;
        foreach (var line in Encoding.ASCII.GetString(read.Value).Split('\n'))
        {
            double Average(string key) =>
                line.IndexOf(key, StringComparison.Ordinal) is var at and >= 0
                && double.TryParse(line.AsSpan(at + key.Length).Slice(0, Math.Max(0, line.AsSpan(at + key.Length).IndexOf(' '))), NumberStyles.Float, CultureInfo.InvariantCulture, out var value) ? value : -1;
            if (line.StartsWith("some ", StringComparison.Ordinal))
            {
                (some10, some60) = (Average("avg10="), Average("avg60="));
            }
            else if (line.StartsWith("full ", StringComparison.Ordinal))
            {
                (full10, full60) = (Average("avg10="), Average("avg60="));
            }
        }

        return some10 < 0 ? null : new(some10, some60, full10, full60);
    }

    /// <summary>The first number of a file, or null.</summary>
    internal static long? Number(Host host, string path) =>
        host.ReadFile(path) is { Ok: true } read && System.Buffers.Text.Utf8Parser.TryParse(read.Value.AsSpan().TrimStart(" \t"u8), out long value, out _) ? value : null;

    internal static SysvSegment[] ReadSegments(Host host)
    {
        var segments = new List<SysvSegment>();
        if (host.ReadFile("/proc/sysvipc/shm") is { Ok: true } read)
        {
            var lines = Encoding.ASCII.GetString(read.Value).Split('\n');
            for (var i = 1; i < lines.Length; i++)
            {
                // key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime ctime rss swap (ipc/shm.c, bytes)
                var f = lines[i].Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
                if (f.Length >= 16 && int.TryParse(f[1], out var id) && long.TryParse(f[3], out var size) && int.TryParse(f[4], out var creator)
                    && int.TryParse(f[6], out var attached) && uint.TryParse(f[7], out var uid) && long.TryParse(f[15], out var swap) && swap > 0)
                {
                    segments.Add(new(id, swap / 1024, size / 1024, attached, creator, uid, i + 1));
                }
            }
        }

        return [.. segments];
    }

    private static ZramUse[] ReadZram(Host host)
    {
        var all = new List<ZramUse>();
        if (host.List("/sys/block") is { Ok: true } devices)
        {
            foreach (var device in devices.Value.Where(d => d.StartsWith("zram", StringComparison.Ordinal)))
            {
                // orig_data_size compr_data_size mem_used_total mem_limit mem_used_max same_pages … (bytes, pages)
                var f = host.ReadFile($"/sys/block/{device}/mm_stat") is { Ok: true } read
                    ? Encoding.ASCII.GetString(read.Value).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)
                    : [];
                if (f.Length >= 6 && long.TryParse(f[0], out var original) && long.TryParse(f[2], out var used) && long.TryParse(f[5], out var same) && original > 0)
                {
                    all.Add(new(device, original / 1024, used / 1024, same));
                }
            }
        }

        return [.. all];
    }
}
