using Lotse.Formats;

namespace Lotse.Swap;

/// <summary>What is wrong, or will be. One method a finding; its page beside it says the rest.</summary>
internal static class SwapFindings
{
    /// <summary>Swap that no process shows must be at least this much to be worth a word.</summary>
    private const long NotableKib = 64 << 10;

    /// <summary>Every finding that the facts support, worst first.</summary>
    public static Finding[] Of(SwapFacts facts, SwapTarget? target = null)
    {
        if (facts.TotalKib == 0 || facts.UsedKib == 0)
        {
            return [];
        }

        Finding?[] all =
        [
            Thrashing(facts), NearlyFull(facts), FullSoon(facts), SqueezedByLimit(facts, target), HiddenInTmpfs(facts), .. LeakedSegments(facts), ZeroPages(facts), LeftFromPastSqueeze(facts),
        ];
        return [.. all.OfType<Finding>().OrderByDescending(f => f.Severity)];
    }

    private static Finding? Thrashing(SwapFacts facts)
    {
        // Both: tasks wait, and pages really come back. Either alone has other causes.
        if (facts.Activity is not { Seconds: >= SwapPressure.LeastSeconds } a || facts.Pressure is not { } p
            || a.PerSecond("pswpin") < SwapPressure.PagesInThreshold || (p.Some10 < SwapPressure.SomeThreshold && p.Full10 < SwapPressure.FullThreshold))
        {
            return null;
        }

        return new("swap/thrashing", Severity.Error, Certainty.Proven, new("memory", ValueKind.Plain),
            $"the machine waits for pages to come back from swap: {a.PerSecond("pswpin"):0} a second, tasks waited {p.Some10:0} % of the last 10 seconds",
            [
                new($"tasks waited for memory: some {p.Some10:0.00} %, full {p.Full10:0.00} %", Verdict.Yes, "Documentation/accounting/psi.rst", new Seen($"avg10={p.Some10:0.00}", "/proc/pressure/memory")),
                new($"{a.PerSecond("pswpin"):0} pages a second came back from swap over {a.Seconds:0.#} s", Verdict.Yes, "pswpin of /proc/vmstat", a.After.Seen("pswpin")),
            ],
            [new("find who waits, and give it memory or a smaller cache; ending what only holds swap does not help", "lotse", "swap", "--watch"), new("limit what grows, so that it is pushed out instead of everybody else", "lotse", "swap", "--by", "unit")]);
    }

    private static Finding? NearlyFull(SwapFacts facts)
    {
        var free = facts.TotalKib - facts.UsedKib;
        var memory = facts.Memory.Or0("MemTotal");
        if (free * 10 >= facts.TotalKib || facts.AvailableKib * 10 >= memory)
        {
            return null;
        }

        return new("swap/nearly-full", Severity.Error, Certainty.Proven, new("swap", ValueKind.Plain),
            $"swap and memory are both nearly used up: {Amount.OfKib(free)} of swap and {Amount.OfKib(facts.AvailableKib)} of memory are left",
            [
                new($"less than a tenth of swap is free", Verdict.Yes, "proc_meminfo(5) SwapFree", facts.Memory.Seen("SwapFree", " kB"), facts.Memory.Seen("SwapTotal", " kB")),
                new($"less than a tenth of memory is available", Verdict.Yes, "proc_meminfo(5) MemAvailable", facts.Memory.Seen("MemAvailable", " kB"), facts.Memory.Seen("MemTotal", " kB")),
            ],
            [new("end or limit the largest before the kernel chooses for you", "lotse", "swap", "--by", "unit")]);
    }

    private static Finding? FullSoon(SwapFacts facts)
    {
        if (facts.Activity is not { Seconds: >= SwapPressure.LeastSeconds, UsedChangeKib: > 0 } a)
        {
            return null;
        }

        // One short spurt is no trend: it has to be 1 MiB at least, and pages have to have gone out for it.
        var perSecond = a.UsedChangeKib / a.Seconds;
        var left = TimeSpan.FromSeconds(Math.Min((facts.TotalKib - facts.UsedKib) / perSecond, 1e9));
        if (a.UsedChangeKib < 1024 || left > TimeSpan.FromHours(1) || a.PerSecond("pswpout") <= 0)
        {
            return null;
        }

        return new("swap/full-soon", Severity.Warning, Certainty.Inferred, new("swap", ValueKind.Plain),
            $"swap is full in {Amount.Duration(left)} at the present rate of {Amount.OfKib((long)perSecond)} a second",
            [new($"used swap grew by {Amount.OfKib(a.UsedChangeKib)} in {a.Seconds:0.#} s, {Amount.OfKib(facts.TotalKib - facts.UsedKib)} are free", Verdict.Yes, "SwapTotal - SwapFree at both ends of the interval", facts.Memory.Seen("SwapFree", " kB"), a.After.Seen("pswpout"))],
            [new("see who grows", "lotse", "swap", "--watch")]);
    }

    private static Finding? SqueezedByLimit(SwapFacts facts, SwapTarget? target)
    {
        // A limit that pushes a group out while the machine has room: the memory is there, the group may not have it.
        var memory = facts.Memory.Or0("MemTotal");
        var group = (target is null ? facts.Groups : target.Groups).Where(g => g.SwapKib >= NotableKib && g.WasSqueezed && (g.HighKib ?? g.MaxKib) is not null).MaxBy(g => g.SwapKib);
        if (group is null || facts.AvailableKib < memory / 4 || facts.AvailableKib < group.SwapKib * 2)
        {
            return null;
        }

        var (limit, name, events) = group.HighEvents > 0 && group.HighKib is { } high ? (high, "memory.high", group.HighEvents) : (group.MaxKib ?? group.HighKib ?? 0, group.Version == 2 ? "memory.max" : "memory.limit_in_bytes", group.MaxEvents);
        return new("swap/squeezed-by-limit", Severity.Warning, Certainty.Proven, Value.Process(group.Path),
            $"{Value.Process(group.Path)} has {Amount.OfKib(group.SwapKib)} in swap because of its own limit, while {Amount.OfKib(facts.AvailableKib)} of memory are available",
            [
                new($"{name} {Amount.OfKib(limit)} was reached {events} times", Verdict.Yes, "Documentation/admin-guide/cgroup-v2.rst memory.events", new Seen($"{events}", $"{group.Folder}/{(group.Version == 2 ? "memory.events.local" : "memory.failcnt")}"), new Seen(Amount.OfKib(limit), $"{group.Folder}/{name}")),
                new("the machine has memory to spare", Verdict.Yes, "proc_meminfo(5) MemAvailable, at least a quarter and twice what is in swap", facts.Memory.Seen("MemAvailable", " kB")),
            ],
            [new($"raise the limit if it was not meant to bite; leave it if it was", Raise(group, name))]);
    }

    /// <summary>The plan that gives a unit all it has now with a quarter more; for what is no unit, the reasons.</summary>
    private static string[] Raise(MemoryGroup group, string limit)
    {
        if (limit != "memory.high" || group.Version != 2 || ControlGroups.UnitOf(group.Path) is not { } unit || group.Name != unit || UnitFiles.SectionOf(unit) is null)
        {
            return ["lotse", "swap", "why", group.Path];
        }

        const long step = 64 << 10;
        var wanted = (group.CurrentKib + group.SwapKib) * 5 / 4;
        return ["lotse", "swap", "plan", "--unit", unit, "--high", LimitUnit.Words((wanted + step - 1) / step * step * 1024)];
    }

    private static Finding? HiddenInTmpfs(SwapFacts facts)
    {
        // The sum over processes counts shared slots more than once, so the difference is what is surely in none.
        if (facts.Scan is not { Unreadable: 0 } scan)
        {
            return null;
        }

        var inProcesses = scan.Processes.Sum(p => p.SwapKib);
        var hidden = facts.UsedKib - inProcesses - facts.Memory.Or0("SwapCached");
        if (hidden < 4 * NotableKib || hidden * 2 < facts.UsedKib)
        {
            return null;
        }

        return new("swap/hidden-in-tmpfs", Severity.Warning, Certainty.Inferred, new("tmpfs", ValueKind.Plain),
            $"at least {Amount.OfKib(hidden)} of {Amount.OfKib(facts.UsedKib)} used swap are in no process: files in tmpfs, memfd or shared memory",
            [new($"used {Amount.OfKib(facts.UsedKib)}, all processes together {Amount.OfKib(inProcesses)}, swap cache {Amount.OfKib(facts.Memory.Or0("SwapCached"))}", Verdict.Yes, "tmpfs(5): its pages go to swap and belong to no process; VmSwap does not show them", facts.Memory.Seen("SwapFree", " kB"), facts.Memory.Seen("SwapCached", " kB"))],
            [new("have every file and segment named, with its owner", "lotse", "swap", "--full")]);
    }

    private static IEnumerable<Finding> LeakedSegments(SwapFacts facts)
    {
        foreach (var segment in facts.Segments.Where(s => s is { Attached: 0, SwapKib: >= 1024 }))
        {
            // A tenth of all that is used is worth a warning, a smaller one a note.
            yield return new("swap/leaked-segment", segment.SwapKib * 10 >= facts.UsedKib ? Severity.Warning : Severity.Info, Certainty.Inferred, new($"shmid {segment.Id}", ValueKind.Plain),
                $"the System V segment {segment.Id} holds {Amount.OfKib(segment.SwapKib)} of swap and nobody is attached to it",
                [new($"attached mappings: {segment.Attached}; made by process {segment.CreatorPid}, owner uid {segment.Uid}", Verdict.Yes, "shmctl(2): a segment lives until IPC_RMID, whether anybody uses it or not", new Seen($"nattch {segment.Attached}, swap {segment.SwapKib} kB", $"/proc/sysvipc/shm:{segment.Line}"))],
                [new("remove it, if no program attaches to it later (PostgreSQL, Oracle and X servers do while they run)", "ipcrm", "-m", $"{segment.Id}")]);
        }
    }

    private static Finding? ZeroPages(SwapFacts facts)
    {
        var kib = facts.Zram.Sum(z => z.SamePages) * facts.PageBytes / 1024;
        var stored = facts.Zram.Sum(z => z.OriginalKib);
        if (kib < NotableKib || kib * 4 < stored)
        {
            return null;
        }

        return new("swap/zero-pages", Severity.Info, Certainty.Proven, new(facts.Zram[0].Device, ValueKind.Plain),
            $"{Amount.OfKib(kib)} of the {Amount.OfKib(stored)} in zram are pages of one repeated value: they take slots but no memory",
            [new($"same_pages {facts.Zram.Sum(z => z.SamePages)} of {Amount.OfKib(stored)} stored", Verdict.Yes, "Documentation/admin-guide/blockdev/zram.rst mm_stat", [.. facts.Zram.Select(z => new Seen($"same_pages {z.SamePages}, mem_used {z.UsedKib} KiB", $"/sys/block/{z.Device}/mm_stat"))])],
            [new("nothing has to be done: used swap overstates the cost here")]);
    }

    private static Finding? LeftFromPastSqueeze(SwapFacts facts)
    {
        if (facts.UsedKib < NotableKib || facts.Activity is not { Seconds: >= SwapPressure.LeastSeconds } a || facts.AvailableKib < facts.UsedKib * 2 || facts.AvailableKib < facts.Memory.Or0("MemTotal") / 4
            || a.PerSecond("pswpin") >= 1 || a.PerSecond("pswpout") >= 1 || SwapPressure.Hurts(facts.Pressure, a) != Verdict.No)
        {
            return null;
        }

        return new("swap/left-from-past-squeeze", Severity.Info, Certainty.Proven, new("swap", ValueKind.Plain),
            $"{Amount.OfKib(facts.UsedKib)} are in swap without need: memory is not short now, and no page moves",
            [
                new("twice as much memory is available", Verdict.Yes, "proc_meminfo(5) MemAvailable", facts.Memory.Seen("MemAvailable", " kB")),
                new($"no page moved in {a.Seconds:0.#} s", Verdict.Yes, "pswpin, pswpout of /proc/vmstat", a.After.Seen("pswpin"), a.After.Seen("pswpout")),
            ],
            [new("leave it: these pages come back when they are wanted"), new("or bring a swap area back at once, where it fits", "lotse", "swap", "plan", "--empty")]);
    }
}
