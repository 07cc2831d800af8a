using System.Globalization;
using System.Text;
using Lotse.Formats;
using Lotse.Linux;

namespace Lotse.Swap;

/// <summary>Looks at every slot of this machine's swap. Root; seconds on a large machine.</summary>
internal static class AccountReader
{
    private const string FirstPidNamespace = "pid:[4026531836]";

    /// <summary>Reads the account; once more when used swap moved meanwhile and the sum does not close.</summary>
    public static Reading<AccountFacts> Read(Host host)
    {
        if (Libc.GetEffectiveUserId() != 0)
        {
            return new(default!, new(HostErrorKind.Denied, "cannot see who holds which slot: only root may"));
        }

        var first = Once(host);
        return first.Ok && first.Value.UsedBeforeKib != first.Value.UsedAfterKib && AccountSum.Of(first.Value).UnexplainedKib != 0 ? Once(host) : first;
    }

    private static Reading<AccountFacts> Once(Host host)
    {
        var before = SwapFacts.ReadBasics(host);
        if (!before.Ok)
        {
            return new(default!, before.Error);
        }

        var scan = ProcessTable.Scan(zeros: true, out var unreadable);
        if (!scan.Ok)
        {
            return new(default!, scan.Error);
        }

        var slots = new SlotSet();
        var held = new List<(ScannedProcess Process, List<SlotRun> Runs)>();
        foreach (var process in scan.Value.Where(p => p.SwapKib > 0))
        {
            var runs = SlotMap.Read(LivingThread(process.Pid));
            if (runs.Ok)
            {
                held.Add((process, runs.Value));
            }
            else if (runs.Error!.Kind != HostErrorKind.NotFound)
            {
                unreadable++;
            }
        }

        // Two processes with one memory (CLONE_VM) hold its slots together: each slot once, and none of them frees it.
        var memories = Memories(held);
        foreach (var runs in memories.Where(m => m.IsFirst).Select(m => m.Runs))
        {
            slots.Add(runs);
        }

        var processes = memories
            .Select(m => new AccountProcess(
                m.Process.Pid, NameOf(m.Process), m.Process.Uid, m.Process.SwapKib, m.IsAlone ? slots.OnlyOnce(m.Runs) * KibPerPage : 0,
                ControlGroups.OfProcess(host, m.Process.Pid).Unit, ControlGroups.OfProcess(host, m.Process.Pid).Container))
            .OrderByDescending(p => p.SwapKib).ThenBy(p => p.Pid).ToArray();
        var shared = Shared(host, scan.Value);
        var cache = before.Value.Memory.Or0("SwapCached") > 0 ? SwapCachePages.Count() : new((0, 0), null);
        var after = SwapFacts.ReadBasics(host);
        return !after.Ok ? new(default!, after.Error) : !cache.Ok ? new(default!, cache.Error) : new(
            new()
            {
                UsedBeforeKib = before.Value.UsedKib,
                UsedAfterKib = after.Value.UsedKib,
                UniqueKib = slots.Unique * KibPerPage,
                SharedSlotsKib = slots.Several * KibPerPage,
                Processes = processes,
                Shared = shared,
                CacheMappedKib = cache.Value.Mapped * KibPerPage,
                CacheUnmappedKib = cache.Value.Unmapped * KibPerPage,
                CachingCpus = HasSlotCaches(host) ? Environment.ProcessorCount : 0,
                Unreadable = unreadable,
                SeesAll = host.ReadLink("/proc/self/ns/pid") is { Ok: true, Value: FirstPidNamespace },
            },
            null);
    }

    private static int KibPerPage => Environment.SystemPageSize / 1024;

    private static string NameOf(ScannedProcess process)
    {
        ReadOnlySpan<byte> name = process.Name;
        return ByteText.Decode(name[..process.NameLength]);
    }

    /// <summary>A thread that still has the memory: the leader, or another when it has ended.</summary>
    private static int LivingThread(int pid)
    {
        var files = new Files();
        var folder = $"/proc/{pid.ToString(CultureInfo.InvariantCulture)}";
        if (files.ReadLink(folder + "/exe").Ok)
        {
            return pid;
        }

        // /proc/TID works although it is not listed.
        return files.List(folder + "/task") is { Ok: true } threads
            ? threads.Value.Select(t => int.Parse(t, CultureInfo.InvariantCulture)).FirstOrDefault(t => files.Read($"/proc/{t}/status", 1 << 20) is { Ok: true } read && ProcessStatus.Parse(read.Value).SwapKib >= 0, pid)
            : pid;
    }

    private static List<(ScannedProcess Process, List<SlotRun> Runs, bool IsFirst, bool IsAlone)> Memories(List<(ScannedProcess Process, List<SlotRun> Runs)> held)
    {
        var result = new List<(ScannedProcess, List<SlotRun>, bool, bool)>();
        foreach (var same in held.GroupBy(h => (h.Process.SwapKib, First: h.Runs.Count > 0 ? h.Runs[0] : default, h.Runs.Count)))
        {
            var firsts = new List<(int Pid, List<int> Members)>();
            var all = same.ToArray();
            foreach (var (process, _) in all)
            {
                // Only equal page tables can be one memory, so kcmp(2) is asked within such a group alone.
                var memory = all.Length == 1 ? null : firsts.Find(f => TaskCompare.IsSameMemory(f.Pid, process.Pid)).Members;
                if (memory is null)
                {
                    firsts.Add((process.Pid, [process.Pid]));
                }
                else
                {
                    memory.Add(process.Pid);
                }
            }

            foreach (var (process, runs) in all)
            {
                var (first, members) = firsts.Find(f => f.Members.Contains(process.Pid));
                result.Add((process, runs, first == process.Pid, members.Count == 1));
            }
        }

        return result;
    }

    private static AccountShared[] Shared(Host host, ScannedProcess[] processes)
    {
        var finder = new SharedFiles();
        var namespaces = new HashSet<string>();
        foreach (var process in processes.OrderBy(p => p.Pid != Environment.ProcessId))
        {
            var pid = process.Pid;
            if (host.ReadLink($"/proc/{pid}/ns/mnt") is { Ok: true } space && namespaces.Add(space.Value))
            {
                finder.AddMounts(pid);
            }
        }

        foreach (var process in processes)
        {
            finder.AddHeld(LivingThread(process.Pid));
        }

        // Attached segments are found as mappings; the table knows the others, and who made them.
        var segments = SwapFacts.ReadSegments(host).ToDictionary(s => s.Id);
        var found = finder.Found.Select(f => f.Kind == "sysv" && segments.Remove((int)f.Inode, out var segment)
            ? new AccountShared("sysv", segment.Id.ToString(CultureInfo.InvariantCulture), segment.SwapKib, segment.Uid, [.. f.Holders], segment.CreatorPid, segment.Attached)
            : new AccountShared(f.Kind, f.Kind == "sysv" ? f.Inode.ToString(CultureInfo.InvariantCulture) : f.Path, f.SwapKib, f.Uid, [.. f.Holders], null)).ToArray();
        return [.. found.Concat(segments.Values.Select(s => new AccountShared("sysv", s.Id.ToString(CultureInfo.InvariantCulture), s.SwapKib, s.Uid, [], s.CreatorPid, s.Attached)))
            .OrderByDescending(s => s.SwapKib).ThenBy(s => s.PathOrId, StringComparer.Ordinal)];
    }

    /// <summary>mm/swap_slots.c was removed in 6.13.</summary>
    private static bool HasSlotCaches(Host host)
    {
        var release = host.ReadFile("/proc/sys/kernel/osrelease") is { Ok: true } read ? Encoding.ASCII.GetString(read.Value).Split('.', '-') : [];
        return release.Length >= 2 && int.TryParse(release[0], out var major) && int.TryParse(release[1], out var minor) && (major < 6 || (major == 6 && minor <= 12));
    }
}
