using System.Globalization;
using System.Text;
using Lotse.Formats;

namespace Lotse.Swap;

/// <summary>What a person asked about: one process, all of a name, or a unit.</summary>
public enum TargetKind
{
    /// <summary>A process id.</summary>
    Pid,

    /// <summary>All processes of one name.</summary>
    Name,

    /// <summary>A systemd unit or another control group.</summary>
    Unit,
}

/// <summary>A process of the target, sampled twice.</summary>
/// <param name="Pid">Process id.</param>
/// <param name="Name">comm.</param>
/// <param name="SwapKib">VmSwap.</param>
/// <param name="ProportionalKib">SwapPss of smaps_rollup: each shared slot divided by the number of its holders; null: may not be read.</param>
/// <param name="MajorFaults">Major faults in the interval (proc_pid_stat(5) majflt, threads included).</param>
public sealed record TargetProcess(int Pid, string Name, long SwapKib, long? ProportionalKib, long MajorFaults);

/// <summary>What holds the target's swap, and what happened to it during an interval.</summary>
/// <param name="Asked">The words on the command line.</param>
/// <param name="Kind">What they turned out to name.</param>
/// <param name="Processes">Its processes, largest swap first.</param>
/// <param name="Seconds">The interval.</param>
/// <param name="GroupPath">Its control group, when all its processes are in one; else null.</param>
/// <param name="Groups">The groups from the outermost down to it.</param>
/// <param name="Refaults">Anonymous pages that the group had to fetch back in the interval (memory.stat workingset_refault_anon); null: not kept.</param>
/// <param name="Pressure">memory.pressure of its group; null: not kept.</param>
public sealed record SwapTarget(
    string Asked, TargetKind Kind, TargetProcess[] Processes, double Seconds, string? GroupPath, MemoryGroup[] Groups, long? Refaults, MemoryPressure? Pressure)
{
    /// <summary>The most processes that are sampled.</summary>
    public const int Most = 4096;

    /// <summary>
    /// Finds the target and samples it over an interval. Numbers name a process; a word that is the name of a control
    /// group (<c>postgresql</c> for <c>postgresql.service</c> too) names that; everything else is the name of processes.
    /// </summary>
    /// <returns>Null when there is nothing of that name.</returns>
    public static Reading<SwapTarget?> Read(Host host, string asked, TimeSpan interval)
    {
        var (kind, group, pids) = Find(host, asked);
        if (pids.Count == 0 && group is null)
        {
            return new(null, null);
        }

        group ??= CommonGroup(host, pids);
        var start = host.Uptime;
        var before = pids.Take(Most).ToDictionary(p => p, p => MajorFaults(host, p));
        var refaultsBefore = Refaulted(host, group);
        host.Wait(interval);
        var processes = new List<TargetProcess>();
        foreach (var pid in pids.Take(Most))
        {
            if (Status(host, pid) is var (name, swap))
            {
                processes.Add(new(pid, name, swap, Proportional(host, pid), Math.Max(0, (MajorFaults(host, pid) ?? 0) - (before[pid] ?? 0))));
            }
        }

        processes.Sort((a, b) => b.SwapKib != a.SwapKib ? b.SwapKib.CompareTo(a.SwapKib) : a.Pid.CompareTo(b.Pid));
        var chain = group is null ? [] : MemoryGroup.ReadChain(host, group);
        return new(
            new(asked, kind, [.. processes], Math.Max((host.Uptime - start).TotalSeconds, 0), group, chain,
                Refaulted(host, group) - refaultsBefore, chain is [.., { Version: 2 } last] ? SwapFacts.ReadPressure(host, last.Folder + "/memory.pressure") : null),
            null);
    }

    private static (TargetKind Kind, string? Group, List<int> Pids) Find(Host host, string asked)
    {
        if (int.TryParse(asked, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            return (TargetKind.Pid, null, host.ReadFile($"/proc/{number}/stat").Ok ? [number] : []);
        }

        if (FindGroup(host, asked) is var (folder, path))
        {
            return (TargetKind.Unit, path, Members(host, folder));
        }

        var pids = new List<int>();
        if (host.List("/proc") is { Ok: true } names)
        {
            foreach (var name in names.Value)
            {
                // comm holds 15 bytes, so a longer word means a name cut there.
                if (int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var pid) && host.ReadFile($"/proc/{pid}/comm") is { Ok: true } comm
                    && comm.Value.AsSpan().TrimEnd((byte)'\n') is var bytes && ByteText.Encode(asked) is var wanted
                    && (bytes.SequenceEqual(wanted) || (wanted.Length > 15 && bytes.Length == 15 && wanted.AsSpan().StartsWith(bytes))))
                {
                    pids.Add(pid);
                }
            }
        }

        return (TargetKind.Name, null, pids);
    }

    private static (string Folder, string Path)? FindGroup(Host host, string asked)
    {
        if (MemoryGroup.Hierarchy(host) is not var (root, _))
        {
            return null;
        }

        if (asked.StartsWith('/'))
        {
            return host.List(root + asked).Ok ? (root + asked.TrimEnd('/'), asked.TrimEnd('/')) : null;
        }

        var folders = new Queue<string>([root]);
        for (var looked = 0; folders.TryDequeue(out var folder) && looked < MemoryGroup.Most; looked++)
        {
            if (host.List(folder) is not { Ok: true } names)
            {
                continue;
            }

            foreach (var name in names.Value)
            {
                var inner = $"{folder}/{name}";
                if ((name == asked || name == asked + ".service" || name == asked + ".scope") && host.List(inner).Ok)
                {
                    return (inner, inner[root.Length..]);
                }

                // A unit may live in any slice, and in a unit that delegates.
                if (name.EndsWith(".slice", StringComparison.Ordinal) || name.EndsWith(".service", StringComparison.Ordinal) || name.EndsWith(".scope", StringComparison.Ordinal))
                {
                    folders.Enqueue(inner);
                }
            }
        }

        return null;
    }

    private static List<int> Members(Host host, string folder)
    {
        var pids = new List<int>();
        var folders = new Stack<string>([folder]);
        for (var looked = 0; folders.TryPop(out var next) && looked < MemoryGroup.Most; looked++)
        {
            if (host.ReadFile(next + "/cgroup.procs") is { Ok: true } read)
            {
                pids.AddRange(Encoding.ASCII.GetString(read.Value).Split('\n').Select(l => int.TryParse(l, out var pid) ? pid : 0).Where(p => p > 0));
            }

            if (host.List(next) is { Ok: true } names)
            {
                foreach (var inner in names.Value.Where(n => !n.Contains('.', StringComparison.Ordinal) || n.EndsWith(".service", StringComparison.Ordinal) || n.EndsWith(".scope", StringComparison.Ordinal) || n.EndsWith(".slice", StringComparison.Ordinal)).Where(n => n is not ("tasks" or "notify_on_release" or "release_agent")))
                {
                    folders.Push($"{next}/{inner}");
                }
            }
        }

        return [.. pids.Distinct()];
    }

    /// <summary>The group of the memory controller that all of them are in.</summary>
    private static string? CommonGroup(Host host, List<int> pids)
    {
        string? common = null;
        foreach (var pid in pids)
        {
            if (host.ReadFile($"/proc/{pid}/cgroup") is not { Ok: true } read)
            {
                continue;
            }

            // hierarchy-ID:controller-list:path; the unified one has an empty list.
            string? own = null;
            foreach (var f in ByteText.Decode(read.Value).Split('\n').Select(l => l.Split(':', 3)).Where(f => f.Length == 3))
            {
                if (f[1].Split(',').Contains("memory") || (f[1].Length == 0 && own is null))
                {
                    own = f[2];
                }
            }

            if (own is null || (common is not null && own != common))
            {
                return null;
            }

            common = own;
        }

        return common is null or "/" ? null : common;
    }

    private static (string Name, long SwapKib)? Status(Host host, int pid)
    {
        if (host.ReadFile($"/proc/{pid}/status") is not { Ok: true } read)
        {
            return null;
        }

        var name = host.ReadFile($"/proc/{pid}/comm") is { Ok: true } comm ? ByteText.Decode(comm.Value.AsSpan().TrimEnd((byte)'\n')) : "?";
        return (name, Counters.Parse("", read.Value.AsSpan(read.Value.AsSpan().IndexOf((byte)'\n') + 1), "VmSwap").Or0("VmSwap"));
    }

    private static long? Proportional(Host host, int pid) => Counters.Read(host, $"/proc/{pid}/smaps_rollup", "SwapPss")?["SwapPss"];

    private static long? MajorFaults(Host host, int pid) => ProcessStat.Read(host, pid, ProcessStat.MajorFaults);

    private static long? Refaulted(Host host, string? group) =>
        group is not null && MemoryGroup.Hierarchy(host) is (var root, 2) ? Counters.Read(host, root + group + "/memory.stat", "workingset_refault_anon")?["workingset_refault_anon"] : null;
}
