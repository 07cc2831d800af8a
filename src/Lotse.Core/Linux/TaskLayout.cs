namespace Lotse.Linux;

/// <summary>Where the task iterator finds what it reads: offsets in the running kernel, from its own types.</summary>
internal sealed record TaskLayout
{
    /// <summary>Id of the function that the iterator attaches to.</summary>
    public required int Iterator { get; init; }

    // struct task_struct
    public required int Pid { get; init; }

    public required int Tgid { get; init; }

    public required int Flags { get; init; }

    public required int Memory { get; init; }

    public required int Leader { get; init; }

    public required int Name { get; init; }

    public required int Credentials { get; init; }

    /// <summary>euid in struct cred.</summary>
    public required int EffectiveUser { get; init; }

    /// <summary>rss_stat[MM_SWAPENTS].count in struct mm_struct.</summary>
    public required int Count { get; init; }

    /// <summary>rss_stat[MM_SWAPENTS].counters; null on a kernel for one CPU.</summary>
    public required int? PerCpu { get; init; }

    /// <summary>The pointers of a per-CPU array, in struct bpf_array.</summary>
    public required int MapElements { get; init; }

    /// <summary>Null where anything has another form than the one this program was written for.</summary>
    public static TaskLayout? Of(Btf types)
    {
        if (types.Find((Btf.Struct, "task_struct"), (Btf.Struct, "mm_struct"), (Btf.Struct, "cred"), (Btf.Struct, "bpf_array"), (Btf.Function, "bpf_iter_task"))
            is not [> 0 and var task, > 0 and var mm, > 0 and var cred, > 0 and var array, > 0 and var iterator])
        {
            return null;
        }

        // Since 6.2: struct percpu_counter rss_stat[NR_MM_COUNTERS].
        if (types.TypeOf(mm, "rss_stat") is not { } counters || types.Element(counters) is var counter && !types.IsStruct(counter, "percpu_counter") || types.Constant("MM_SWAPENTS") is not { } swap
            || types.Offset(counter, "count") is not { } count)
        {
            return null;
        }

        var at = (types.Offset(mm, "rss_stat") ?? 0) + (swap * types.SizeOf(counter));
        return (types.Offset(task, "pid"), types.Offset(task, "tgid"), types.Offset(task, "flags"), types.Offset(task, "mm"), types.Offset(task, "group_leader"), types.Offset(task, "comm"), types.Offset(task, "real_cred"),
            types.Offset(cred, "euid"), types.Offset(array, "pptrs")) is ({ } pid, { } tgid, { } flags, { } memory, { } leader, { } name, { } credentials, { } euid, { } elements)
            ? new()
            {
                Iterator = iterator,
                Pid = pid,
                Tgid = tgid,
                Flags = flags,
                Memory = memory,
                Leader = leader,
                Name = name,
                Credentials = credentials,
                EffectiveUser = euid,
                Count = at + count,
                PerCpu = types.Offset(counter, "counters") is { } parts ? at + parts : null,
                MapElements = elements,
            }
            : null;
    }
}
