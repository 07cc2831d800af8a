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
public sealed record ProcessScan(ProcessSwap[] Processes, int Unreadable, string Backend);

/// <summary>A line of /proc/swaps.</summary>
/// <param name="Path">Device or file.</param>
/// <param name="Type">partition or file.</param>
/// <param name="SizeKib">Size, KiB.</param>
/// <param name="UsedKib">Slots in use, KiB.</param>
/// <param name="Priority">Higher is filled first.</param>
public sealed record SwapDevice(string Path, string Type, long SizeKib, long UsedKib, int Priority);

/// <summary>The lines of /proc/meminfo that swap depends on, KiB.</summary>
public sealed record MemoryInfo(long MemTotalKib, long MemAvailableKib, long SwapTotalKib, long SwapFreeKib, long SwapCachedKib)
{
    /// <summary>Slots in use, KiB.</summary>
    public long SwapUsedKib => SwapTotalKib - SwapFreeKib;
}

/// <summary>Pressure stall information: the share of time that tasks waited for memory, percent.</summary>
/// <param name="Some10">At least one task waited, over 10 seconds.</param>
/// <param name="Some60">Over 60 seconds.</param>
/// <param name="Full10">All tasks waited, over 10 seconds.</param>
/// <param name="Full60">Over 60 seconds.</param>
public sealed record MemoryPressure(double Some10, double Some60, double Full10, double Full60);
