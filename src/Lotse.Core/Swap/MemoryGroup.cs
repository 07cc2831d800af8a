using System.Globalization;
using System.Text;
using Lotse.Formats;

namespace Lotse.Swap;

/// <summary>
/// A control group as the memory controller sees it: how much swap is charged to it and its descendants, and the
/// limits that push pages out. Both hierarchies: version 2 (memory.high, memory.max, memory.swap.max) and version 1
/// (memory.limit_in_bytes, memory.soft_limit_in_bytes). Source: Documentation/admin-guide/cgroup-v2.rst and
/// cgroup-v1/memory.rst of the kernel. Amounts in KiB, descendants included.
/// </summary>
/// <param name="Path">Path in the hierarchy; <c>/</c> is the root.</param>
/// <param name="Folder">Where its files are.</param>
/// <param name="Version">1 or 2.</param>
/// <param name="SwapKib">Swap charged: processes, tmpfs, shared memory and swap cache, each slot once.</param>
/// <param name="CurrentKib">Memory charged.</param>
/// <param name="HighKib">memory.high (version 2) or the soft limit (version 1); null: no limit.</param>
/// <param name="MaxKib">memory.max or memory.limit_in_bytes; null: no limit.</param>
/// <param name="SwapMaxKib">memory.swap.max; null: no limit.</param>
/// <param name="HighEvents">How often memory.high was exceeded and reclaim began here.</param>
/// <param name="MaxEvents">How often memory.max (version 1: the limit) was hit here.</param>
/// <param name="Swappiness">memory.swappiness of version 1; null: the machine's holds.</param>
public sealed record MemoryGroup(
    string Path, string Folder, int Version, long SwapKib, long CurrentKib, long? HighKib, long? MaxKib, long? SwapMaxKib, long HighEvents, long MaxEvents, long? Swappiness)
{
    /// <summary>At most so many groups are looked at; a machine with more says so by an unknown.</summary>
    public const int Most = 10000;

    /// <summary>Whether a limit of this very group has pushed pages out.</summary>
    public bool WasSqueezed => HighEvents > 0 || MaxEvents > 0;

    /// <summary>The last part of the path.</summary>
    public string Name => Path == "/" ? "/" : Path[(Path.LastIndexOf('/') + 1)..];

    /// <summary>The mounted hierarchy with the memory controller: its folder and version, or null.</summary>
    public static (string Folder, int Version)? Hierarchy(Host host)
    {
        foreach (var folder in new[] { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" })
        {
            if (host.ReadFile(folder + "/cgroup.controllers") is { Ok: true } read && Encoding.ASCII.GetString(read.Value).Split().Contains("memory"))
            {
                return (folder, 2);
            }
        }

        return host.ReadFile("/sys/fs/cgroup/memory/memory.stat").Ok ? ("/sys/fs/cgroup/memory", 1) : null;
    }

    /// <summary>Every group that holds swap or was squeezed, in the order of their paths. The root is not among them.</summary>
    public static MemoryGroup[] ReadAll(Host host)
    {
        var found = new List<MemoryGroup>();
        if (Hierarchy(host) is not var (root, version))
        {
            return [];
        }

        var folders = new Stack<string>([root]);
        for (var looked = 0; folders.TryPop(out var folder) && looked < Most; looked++)
        {
            if (folder != root && ReadFolder(host, folder, folder[root.Length..], version) is { } group && (group.SwapKib > 0 || group.WasSqueezed))
            {
                found.Add(group);
            }

            if (host.List(folder) is { Ok: true } names)
            {
                // Files of a controller have a dot in their name; so have units. Only folders list themselves.
                foreach (var name in names.Value.Where(n => !IsControllerFile(n)))
                {
                    folders.Push($"{folder}/{name}");
                }
            }
        }

        found.Sort((a, b) => string.CompareOrdinal(a.Path, b.Path));
        return [.. found];
    }

    /// <summary>The groups from the root's child down to <paramref name="path"/>, outermost first.</summary>
    public static MemoryGroup[] ReadChain(Host host, string path)
    {
        if (Hierarchy(host) is not var (root, version))
        {
            return [];
        }

        var chain = new List<MemoryGroup>();
        for (var end = path.IndexOf('/', 1); path.Length > 1; end = path.IndexOf('/', end + 1))
        {
            var part = end < 0 ? path : path[..end];
            if (ReadFolder(host, root + part, part, version) is { } group)
            {
                chain.Add(group);
            }

            if (end < 0)
            {
                break;
            }
        }

        return [.. chain];
    }

    private static MemoryGroup? ReadFolder(Host host, string folder, string path, int version)
    {
        if (version == 2)
        {
            if (Bytes(host, folder + "/memory.swap.current") is not { } swap)
            {
                return null;
            }

            var events = Counters.Read(host, folder + "/memory.events.local", "high", "max") ?? Counters.Read(host, folder + "/memory.events", "high", "max");
            return new(path, folder, 2, swap, Bytes(host, folder + "/memory.current") ?? 0,
                Bytes(host, folder + "/memory.high"), Bytes(host, folder + "/memory.max"), Bytes(host, folder + "/memory.swap.max"),
                events?.Or0("high") ?? 0, events?.Or0("max") ?? 0, null);
        }

        if (Counters.Read(host, folder + "/memory.stat", "total_swap", "total_swapcached", "hierarchical_memory_limit") is not { } stat)
        {
            return null;
        }

        // A page in the swap cache keeps its slot but is counted as memory, so both make the swap that is charged.
        return new(path, folder, 1, (stat.Or0("total_swap") + stat.Or0("total_swapcached")) / 1024, Bytes(host, folder + "/memory.usage_in_bytes") ?? 0,
            Bytes(host, folder + "/memory.soft_limit_in_bytes"), Bytes(host, folder + "/memory.limit_in_bytes"), null,
            0, SwapFacts.Number(host, folder + "/memory.failcnt") ?? 0, SwapFacts.Number(host, folder + "/memory.swappiness"));
    }

    /// <summary>A limit or amount in bytes as KiB; null for <c>max</c>, for version 1's "no limit" (about 2^63) and where there is no such file.</summary>
    private static long? Bytes(Host host, string path) =>
        host.ReadFile(path) is { Ok: true } read && long.TryParse(Encoding.ASCII.GetString(read.Value).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var bytes) && bytes < long.MaxValue / 2
            ? bytes / 1024
            : null;

    private static bool IsControllerFile(string name) =>
        name is "tasks" or "notify_on_release" or "release_agent"
        || name.IndexOf('.', StringComparison.Ordinal) is var dot and > 0 && name.AsSpan(0, dot) is "cgroup" or "memory" or "cpu" or "cpuset" or "io" or "pids" or "rdma" or "hugetlb" or "misc" or "irq" or "dmem";
}
