using Lotse.Formats;

namespace Lotse.Swap;

/// <summary>Why a machine, a unit or a process has pages in swap. Pure: facts in, report out.</summary>
public static class SwapDiagnosis
{
    private const string LimitRule = "Documentation/admin-guide/cgroup-v2.rst memory.high, memory.max; cgroup-v1/memory.rst";

    /// <summary>The machine as a whole.</summary>
    public static Report Machine(SwapFacts facts)
    {
        var reasons = new List<Reason> { HasSwap(facts) };
        if (facts.UsedKib > 0)
        {
            reasons.Add(Hurts(facts));
            reasons.Add(MemoryIsShort(facts));
            reasons.AddRange(facts.Groups.Where(g => g.WasSqueezed && g.SwapKib > 0).OrderByDescending(g => g.SwapKib).Take(5).Select(g => Limit(g, facts)));
            reasons.AddRange(MachineReasons(facts));
            reasons.Add(SwapoffFits(facts));
        }

        return new(Headline(facts), [.. reasons], SwapFindings.Of(facts), Unknowns(facts)) { Facts = SwapJson.Part(facts) };
    }

    /// <summary>What stands around a listing: the headline and the findings, without the derivation.</summary>
    public static Report Listing(SwapFacts facts) => new(Headline(facts), [], SwapFindings.Of(facts), Unknowns(facts)) { Facts = SwapJson.Part(facts) };

    /// <summary>What stands around the account of every slot.</summary>
    public static Report Account(SwapFacts facts, AccountFacts account, AccountSum sum)
    {
        var unknowns = new List<Unknown>();
        if (account.Unreadable > 0)
        {
            unknowns.Add(new($"which slots {account.Unreadable} processes hold", "they may not be looked at, not even by this root", "run in the machine's first namespaces with all capabilities"));
        }

        if (!account.SeesAll && sum.UnexplainedKib != 0)
        {
            unknowns.Add(new($"who holds {Amount.OfKib(sum.UnexplainedKib)}", "this PID namespace does not see the whole machine", "run lotse on the machine itself"));
        }

        Text verdict = sum.UnexplainedKib == 0
            ? (Text)$"{Amount.OfKib(sum.UsedKib)} of {Amount.OfKib(facts.TotalKib)} swap used, every slot accounted for"
            : $"{Amount.OfKib(sum.UsedKib)} of {Amount.OfKib(facts.TotalKib)} swap used, all but {Amount.OfKib(Math.Abs(sum.UnexplainedKib))} accounted for";
        return new(verdict, [], SwapFindings.Of(facts), [.. unknowns]) { Facts = SwapJson.Part(facts) };
    }

    /// <summary>One process, all of a name, or a unit.</summary>
    public static Report Target(SwapFacts facts, SwapTarget target)
    {
        var held = Held(target);
        var reasons = new List<Reason>
        {
            new($"{Subject(target)} holds {Amount.OfKib(held)} in swap", held > 0 ? Verdict.Yes : Verdict.No, "proc_pid_status(5) VmSwap; cgroup-v2.rst memory.swap.current", SeenHeld(target)),
        };
        var limits = Limits(facts, target);
        if (held > 0)
        {
            reasons.AddRange(limits);
            reasons.AddRange(MachineReasons(facts));
            reasons.Add(Suffers(target));
            reasons.Add(EndingFrees(target));
            reasons.Add(SwapoffFits(facts));
        }

        var limit = Array.Find(limits, r => r.Verdict == Verdict.Yes);
        Text because = held == 0 ? "nothing of it is in swap"
            : limit is not null ? (Text)$"{Amount.OfKib(held)} in swap; {limit.Text}"
            : WhoPushed(facts) is { } words ? (Text)$"{Amount.OfKib(held)} in swap; no limit of its own pushed it out: {words}" : $"{Amount.OfKib(held)} in swap";
        return new($"{Subject(target)}: {because}", [.. reasons], SwapFindings.Of(facts, target), Unknowns(facts))
        {
            Facts = SwapJson.Part(facts),
            Answer = SwapJson.Part(new TargetAnswer(
                target.Asked, target.Kind.ToString().ToLowerInvariant(), held, target.Processes.Sum(p => p.MajorFaults), target.Seconds,
                target.Processes.Any(p => p.ProportionalKib is null) ? null : target.Processes.Sum(p => p.ProportionalKib),
                target.GroupPath, SwapoffFits(facts).Verdict == Verdict.Yes)),
        };
    }

    /// <summary><c>used of total</c> and whether it hurts: the first line of every answer.</summary>
    public static Text Headline(SwapFacts facts) =>
        facts.TotalKib == 0 ? "no swap is configured"
        : facts.UsedKib == 0 ? (Text)$"no swap is used: 0 of {Amount.OfKib(facts.TotalKib)}"
        : $"{Amount.OfKib(facts.UsedKib)} of {Amount.OfKib(facts.TotalKib)} swap used; {SwapPressure.Words(facts.Pressure, facts.Activity)}";

    /// <summary>Whether all swap could be brought back to memory now.</summary>
    public static Reason SwapoffFits(SwapFacts facts)
    {
        // A page in the swap cache is in memory already.
        var need = Math.Max(0, facts.UsedKib - facts.Memory.Or0("SwapCached"));
        var fits = need <= facts.AvailableKib * 9 / 10;
        return new(
            fits ? (Text)$"swapoff fits: {Amount.OfKib(need)} would come back, {Amount.OfKib(facts.AvailableKib)} are available" : $"swapoff does not fit: {Amount.OfKib(need)} would come back, only {Amount.OfKib(facts.AvailableKib)} are available",
            fits ? Verdict.Yes : Verdict.No, "swapoff(8); kernel mm/swapfile.c try_to_unuse: SwapTotal - SwapFree - SwapCached against nine tenths of MemAvailable",
            facts.Memory.Seen("SwapTotal", " kB"), facts.Memory.Seen("SwapFree", " kB"), facts.Memory.Seen("SwapCached", " kB"), facts.Memory.Seen("MemAvailable", " kB"));
    }

    /// <summary>What the target's swap is: the group's charge for a unit, else the sum over its processes.</summary>
    public static long Held(SwapTarget target) =>
        target.Kind == TargetKind.Unit && target.Groups is [.., var group] ? group.SwapKib : target.Processes.Sum(p => p.SwapKib);

    private static Reason HasSwap(SwapFacts facts) => new(
        facts.TotalKib == 0 ? "swap is configured" : (Text)$"{Amount.OfKib(facts.UsedKib)} of {Amount.OfKib(facts.TotalKib)} are used ({Amount.Percent(facts.UsedKib, facts.TotalKib)})",
        facts.TotalKib > 0 ? Verdict.Yes : Verdict.No, "proc_meminfo(5) SwapTotal, SwapFree",
        [facts.Memory.Seen("SwapTotal", " kB"), facts.Memory.Seen("SwapFree", " kB"), .. facts.Devices.Select(d => new Seen($"{Value.Path(d.Path)} {d.Type} {d.SizeKib} kB, used {d.UsedKib} kB, priority {d.Priority}", "/proc/swaps"))]);

    private static Reason Hurts(SwapFacts facts)
    {
        var seen = new List<Seen>();
        if (facts.Pressure is { } p)
        {
            seen.Add(new($"some avg10={p.Some10:0.00} full avg10={p.Full10:0.00}", "/proc/pressure/memory"));
        }

        if (facts.Activity is { } a)
        {
            seen.Add(new($"pswpin {a.PerSecond("pswpin"):0.#}, pswpout {a.PerSecond("pswpout"):0.#}, pgmajfault {a.PerSecond("pgmajfault"):0.#} per second, over {a.Seconds:0.0#} s", a.After.Path));
        }

        return new(SwapPressure.Words(facts.Pressure, facts.Activity), SwapPressure.Hurts(facts.Pressure, facts.Activity), "Documentation/accounting/psi.rst; pswpin of /proc/vmstat: amount held is not pressure", [.. seen]);
    }

    private static Reason MemoryIsShort(SwapFacts facts)
    {
        var total = facts.Memory.Or0("MemTotal");
        var isShort = facts.AvailableKib * 10 < total;
        return new(
            isShort ? (Text)$"memory is short now: {Amount.OfKib(facts.AvailableKib)} of {Amount.OfKib(total)} are available" : $"memory is not short now: {Amount.OfKib(facts.AvailableKib)} of {Amount.OfKib(total)} are available; what is in swap was pushed out earlier and has not been asked for since",
            isShort ? Verdict.Yes : Verdict.No, "proc_meminfo(5) MemAvailable, under one tenth",
            facts.Memory.Seen("MemAvailable", " kB"), facts.Memory.Seen("MemTotal", " kB"));
    }

    /// <summary>What pushed pages out that no control group's limit did.</summary>
    private static IEnumerable<Reason> MachineReasons(SwapFacts facts)
    {
        if (facts.Activity?.After is { } stat)
        {
            var scanned = stat.Or0("pgscan_kswapd") + stat.Or0("pgscan_direct");
            yield return new(
                scanned > 0 ? "the machine as a whole was short of memory since its start: the kernel looked for pages to push out" : "the machine as a whole was never short of memory since its start",
                scanned > 0 ? Verdict.Yes : Verdict.No, "kernel mm/vmscan.c: pgscan_kswapd counts background reclaim, pgscan_direct reclaim by whoever wanted memory",
                stat.Seen("pgscan_kswapd"), stat.Seen("pgscan_direct"), stat.Seen("pswpout"));
            if (scanned == 0 && !facts.Groups.Any(g => g.WasSqueezed) && stat.Or0("pswpout") > 0)
            {
                yield return new("pages were pushed out on request, not for want of memory", Verdict.Yes, "madvise(2) MADV_PAGEOUT, process_madvise(2), memory.reclaim of a control group", stat.Seen("pswpout"), stat.Seen("pgsteal_proactive"));
            }
        }

        if (facts.Swappiness is { } swappiness)
        {
            yield return new(
                swappiness == 0 ? "vm.swappiness 0: anonymous pages go out only when there is nothing else" : swappiness > 100 ? (Text)$"vm.swappiness {swappiness}: anonymous pages go out rather than files' pages (right for zram and zswap)" : $"vm.swappiness {swappiness}: anonymous pages weigh {swappiness} against {200 - swappiness} for files' pages when memory is short",
                Verdict.Yes, "Documentation/admin-guide/sysctl/vm.rst swappiness", new Seen($"{swappiness}", "/proc/sys/vm/swappiness"));
        }
    }

    private static string? WhoPushed(SwapFacts facts) =>
        facts.Activity?.After is not { } stat ? null
        : stat.Or0("pgscan_kswapd") + stat.Or0("pgscan_direct") > 0 ? "the whole machine was short of memory"
        : stat.Or0("pswpout") > 0 ? "pages were pushed out on request" : null;

    /// <summary>The target's own limits, innermost first.</summary>
    private static Reason[] Limits(SwapFacts facts, SwapTarget target) =>
        target.Groups.Length > 0 ? [.. target.Groups.Reverse().Select(g => Limit(g, facts))]
        : target.GroupPath is null ? [new("its processes are in one control group with limits", Verdict.No, LimitRule)]
        : [new($"{Value.Process(target.GroupPath)} has a limit", Verdict.Unknown, LimitRule)];

    /// <summary>One level of the hierarchy: which limit is set, and whether it was reached.</summary>
    private static Reason Limit(MemoryGroup g, SwapFacts facts)
    {
        var seen = new List<Seen>();
        void See(string file, long? kib) => seen.Add(new($"{(kib is { } k ? Amount.OfKib(k) : "no limit")}", $"{g.Folder}/{file}"));
        if (g.Version == 2)
        {
            See("memory.high", g.HighKib);
            See("memory.max", g.MaxKib);
            seen.Add(new($"high {g.HighEvents}, max {g.MaxEvents}", $"{g.Folder}/memory.events.local"));
        }
        else
        {
            See("memory.limit_in_bytes", g.MaxKib);
            seen.Add(new($"{g.MaxEvents}", $"{g.Folder}/memory.failcnt"));
            if (g.Swappiness is { } own && own != facts.Swappiness)
            {
                seen.Add(new($"{own}", $"{g.Folder}/memory.swappiness"));
            }
        }

        var name = Value.Process(g.Path);
        return g switch
        {
            { HighEvents: > 0, HighKib: { } high } => new($"memory.high {Amount.OfKib(high)} of {name} was exceeded {g.HighEvents} times: its pages were pushed out to stay below", Verdict.Yes, LimitRule, [.. seen]),
            { MaxEvents: > 0, MaxKib: { } max } => new($"the limit {Amount.OfKib(max)} of {name} was hit {g.MaxEvents} times: its pages were pushed out to make room", Verdict.Yes, LimitRule, [.. seen]),
            { WasSqueezed: true } => new($"a limit of {name} that is gone now was hit {g.HighEvents + g.MaxEvents} times", Verdict.Yes, LimitRule, [.. seen]),
            { HighKib: null, MaxKib: null } => new($"{name} has a limit", Verdict.No, LimitRule, [.. seen]),
            _ => new($"{name} reached its limit {Amount.OfKib(g.HighKib ?? g.MaxKib ?? 0)}", Verdict.No, LimitRule, [.. seen]),
        };
    }

    private static Reason Suffers(SwapTarget target)
    {
        var faults = target.Processes.Sum(p => p.MajorFaults);
        var busiest = target.Processes.OrderByDescending(p => p.MajorFaults).FirstOrDefault();
        var seen = new List<Seen> { new($"majflt +{faults} in {target.Seconds:0.0#} s{(busiest is { MajorFaults: > 0 } ? $", most in {busiest.Pid}" : "")}", "/proc/PID/stat") };
        if (target.Refaults is { } refaults)
        {
            seen.Add(new($"workingset_refault_anon +{refaults}", target.Groups[^1].Folder + "/memory.stat"));
        }

        if (target.Pressure is { } p)
        {
            seen.Add(new($"some avg10={p.Some10:0.00} full avg10={p.Full10:0.00}", target.Groups[^1].Folder + "/memory.pressure"));
        }

        var suffers = (target.Seconds > 0 && faults / target.Seconds >= 10 && target.Refaults is null or > 0) || target.Pressure is { Some10: >= SwapPressure.SomeThreshold };
        return new(
            suffers ? "it suffers: it waits for pages to come back" : "it only holds swap: it does not ask for these pages now",
            suffers ? Verdict.Yes : Verdict.No, "proc_pid_stat(5) majflt: 10 a second and more; memory.stat workingset_refault_anon where the kernel keeps it", [.. seen]);
    }

    private static Reason EndingFrees(SwapTarget target)
    {
        var all = target.Processes.Sum(p => p.SwapKib);
        if (target.Processes.Length == 0 || target.Processes.Any(p => p.ProportionalKib is null))
        {
            return new($"ending or restarting it frees at most {Amount.OfKib(Held(target))}; slots that others share stay", Verdict.Unknown, "proc_pid_smaps(5) SwapPss, which could not be read");
        }

        var proportional = target.Processes.Sum(p => p.ProportionalKib ?? 0);
        var outside = target.Kind == TargetKind.Unit && target.Groups is [.., var group] ? Math.Max(0, group.SwapKib - proportional) : 0;
        Text rest = outside > 0 ? (Text)$"; {Amount.OfKib(outside)} charged to it are shared memory, tmpfs files or swap cache and may stay" : "";
        return new(
            proportional == all ? (Text)$"ending or restarting it frees {Amount.OfKib(all)}{rest}" : $"ending or restarting it frees at most {Amount.OfKib(proportional)} of the {Amount.OfKib(all)} that its processes show: slots are shared{rest}",
            Verdict.Yes, "proc_pid_smaps(5) SwapPss: each shared slot divided by its holders",
            new Seen($"VmSwap {all} kB, SwapPss {proportional} kB in {target.Processes.Length} processes", "/proc/PID/status, smaps_rollup"));
    }

    private static Text Subject(SwapTarget target) => target.Kind switch
    {
        TargetKind.Pid => target.Processes is [var one, ..] ? $"process {one.Pid} ({Value.Process(one.Name)})" : (Text)$"process {target.Asked}",
        TargetKind.Name => $"{target.Processes.Length} {(target.Processes.Length == 1 ? "process" : "processes")} named {Value.Process(target.Asked)}",
        _ => $"{Value.Process(target.GroupPath ?? target.Asked)}",
    };

    private static Seen[] SeenHeld(SwapTarget target) =>
    [
        .. target is { Kind: TargetKind.Unit, Groups: [.., var group] } ? [new Seen($"{group.SwapKib} kB", group.Folder + (group.Version == 2 ? "/memory.swap.current" : "/memory.stat"))] : Array.Empty<Seen>(),
        .. target.Processes.Where(p => p.SwapKib > 0).Take(5).Select(p => new Seen($"{Value.Process(p.Name)}: VmSwap {p.SwapKib} kB", $"/proc/{p.Pid}/status")),
    ];

    private static Unknown[] Unknowns(SwapFacts facts)
    {
        var unknowns = new List<Unknown>();
        if (facts.UsedKib > 0 && SwapPressure.Hurts(facts.Pressure, facts.Activity) == Verdict.Unknown)
        {
            unknowns.Add(new("whether swapping hurts now", "the kernel keeps no pressure information (CONFIG_PSI, psi=1) and nothing was measured", "lotse swap why measures for two seconds"));
        }

        if (facts.Scan is { Unreadable: > 0 and var unreadable })
        {
            unknowns.Add(new($"the swap of {unreadable} processes", "this user may not look at them (proc mounted with hidepid)", "run as root"));
        }

        if (facts.Scan?.Hidden is { } hidden)
        {
            unknowns.Add(new("the swap of other users' processes", $"{hidden}: they are not even listed", "run as root"));
        }

        return [.. unknowns];
    }
}
