namespace Lotse.Swap;

/// <summary>A process in the account.</summary>
/// <param name="Pid">Process id.</param>
/// <param name="Name">comm, in the form of <see cref="ByteText"/>.</param>
/// <param name="Uid">Effective user id.</param>
/// <param name="SwapKib">VmSwap.</param>
/// <param name="OnlyMineKib">Slots that no other process's page tables hold: what its end would free.</param>
/// <param name="Unit">systemd unit.</param>
/// <param name="Container">Container.</param>
public sealed record AccountProcess(int Pid, string Name, uint Uid, long SwapKib, long OnlyMineKib, string? Unit, string? Container);

/// <summary>A file or segment of shared memory in the account.</summary>
/// <param name="Kind">tmpfs, memfd, shared-anonymous, sysv or deleted-file.</param>
/// <param name="PathOrId">Path, name, or the id of a System V segment.</param>
/// <param name="SwapKib">In swap.</param>
/// <param name="Uid">Its owner.</param>
/// <param name="Holders">Processes that have it open or mapped.</param>
/// <param name="CreatorPid">Who made it (System V only).</param>
/// <param name="Attached">Attached mappings by the kernel's count (System V only).</param>
public sealed record AccountShared(string Kind, string PathOrId, long SwapKib, uint Uid, int[] Holders, int? CreatorPid, int Attached = 0);

/// <summary>What was found, before it is added up. KiB.</summary>
public sealed record AccountFacts
{
    /// <summary>SwapTotal - SwapFree before everything was looked at.</summary>
    public required long UsedBeforeKib { get; init; }

    /// <summary>The same afterwards.</summary>
    public required long UsedAfterKib { get; init; }

    /// <summary>Slots in page tables, each once.</summary>
    public required long UniqueKib { get; init; }

    /// <summary>Of them those that several processes hold.</summary>
    public required long SharedSlotsKib { get; init; }

    /// <summary>Processes that hold swap, largest first.</summary>
    public required AccountProcess[] Processes { get; init; }

    /// <summary>Shared memory in swap, largest first.</summary>
    public required AccountShared[] Shared { get; init; }

    /// <summary>Pages in the swap cache that some page table maps.</summary>
    public required long CacheMappedKib { get; init; }

    /// <summary>Pages in the swap cache that none does.</summary>
    public required long CacheUnmappedKib { get; init; }

    /// <summary>CPUs that may hold slots in advance: 0 on kernels from 6.13 on, which have no such caches.</summary>
    public required int CachingCpus { get; init; }

    /// <summary>Processes that could not be looked at.</summary>
    public required int Unreadable { get; init; }

    /// <summary>Whether the whole machine is visible from here: the first PID namespace.</summary>
    public required bool SeesAll { get; init; }
}

/// <summary>Used swap, accounted for.</summary>
/// <param name="UsedKib">SwapTotal - SwapFree.</param>
/// <param name="PrivateKib">Private memory of processes, each slot once.</param>
/// <param name="SharedMemoryKib">tmpfs, memfd, shared mappings, System V segments.</param>
/// <param name="SwapCacheKib">Pages that are in memory and keep their slot.</param>
/// <param name="ReservedKib">Handed to CPUs in advance.</param>
/// <param name="UnexplainedKib">The rest; negative when pages moved while it was looked at.</param>
public sealed record AccountSum(long UsedKib, long PrivateKib, long SharedMemoryKib, long SwapCacheKib, long ReservedKib, long UnexplainedKib)
{
    /// <summary>Slots that a CPU may hold in advance (SWAP_SLOTS_CACHE_SIZE and as many to give back; include/linux/swap_slots.h up to 6.12).</summary>
    private const int SlotsPerCpu = 2 * 64;

    /// <summary>Cached pages of ended processes are at most this part of all that is used (seen: 132 KiB of 325 MiB).</summary>
    private const int LeftOverShare = 100;

    /// <summary>
    /// Adds up. What page tables and shared memory do not hold is first the swap cache, as far as there are such pages:
    /// those that a page table maps hold a slot that no page table shows, unless another process still shows it. What
    /// is left belongs, on kernels that have them, to the CPUs' reserves, else to cached pages of ended processes.
    /// </summary>
    public static AccountSum Of(AccountFacts facts)
    {
        var used = facts.UsedAfterKib;
        var shared = facts.Shared.Sum(s => s.SwapKib);
        var rest = used - facts.UniqueKib - shared;

        // A slot that one process has read back and another has not is in both numbers; it belongs to the page tables.
        var mapped = Math.Min(facts.CacheMappedKib, facts.SharedSlotsKib > 0 ? Math.Max(rest, Math.Max(0, facts.CacheMappedKib - facts.SharedSlotsKib)) : facts.CacheMappedKib);
        rest -= mapped;
        var reserved = Math.Clamp(rest, 0, facts.CachingCpus * SlotsPerCpu * 4L);
        rest -= reserved;

        // Nearly all cached pages that nobody maps belong to owners found above. Only a small rest may be of ended
        // processes; a larger one has an owner that was not found, and saying so is the point of the account.
        var left = facts.SeesAll && rest * LeftOverShare <= used ? Math.Clamp(rest, 0, facts.CacheUnmappedKib) : 0;
        return new(used, facts.UniqueKib, shared, mapped + left, reserved, rest - left);
    }
}

/// <summary>A process of the account as JSON has it.</summary>
public sealed record AccountProcessRow(int Pid, string Name, string NameBytesBase64, long SwapKib, long OnlyMineKib, string? Unit, string? Container, string User);

/// <summary>A shared file or segment as JSON has it.</summary>
/// <param name="Kind">tmpfs, memfd, shared-anonymous, sysv or deleted-file.</param>
/// <param name="PathOrId">Path, name or id.</param>
/// <param name="SwapKib">In swap.</param>
/// <param name="Owners">Who holds it: processes as <c>name (pid)</c>, the user as <c>user NAME</c>, and for a segment without either who made it.</param>
public sealed record AccountSharedRow(string Kind, string PathOrId, long SwapKib, string[] Owners);

/// <summary>The answer of <c>swap --full</c>.</summary>
public sealed record AccountAnswer
{
    /// <summary>SwapTotal.</summary>
    public required long TotalKib { get; init; }

    /// <summary>SwapTotal - SwapFree.</summary>
    public required long UsedKib { get; init; }

    /// <summary>Private memory of processes, each slot once.</summary>
    public required long PrivateKib { get; init; }

    /// <summary>tmpfs, memfd, shared mappings, System V segments.</summary>
    public required long SharedMemoryKib { get; init; }

    /// <summary>Pages that are in memory and keep their slot.</summary>
    public required long SwapCacheKib { get; init; }

    /// <summary>Handed to CPUs in advance (kernels up to 6.12).</summary>
    public required long ReservedKib { get; init; }

    /// <summary>The rest.</summary>
    public required long UnexplainedKib { get; init; }

    /// <summary>Processes that hold swap, largest first.</summary>
    public required AccountProcessRow[] Processes { get; init; }

    /// <summary>Shared memory in swap, largest first.</summary>
    public required AccountSharedRow[] Shared { get; init; }

    /// <summary>Processes that could not be looked at.</summary>
    public required int Unreadable { get; init; }

    /// <summary>By how much used swap changed while it was looked at.</summary>
    public required long MovedKib { get; init; }

    /// <summary>Pages kept by zswap before compression, and the memory they take; null: zswap holds none.</summary>
    public long? ZswapKib { get; init; }

    /// <summary>Memory that zswap takes.</summary>
    public long? ZswapUsedKib { get; init; }

    /// <summary>zram devices.</summary>
    public ZramUse[] Zram { get; init; } = [];
}
