namespace Lotse.Swap;

/// <summary>
/// Swap by unit or container from the kernel's own account of control groups: each page counted once, tmpfs files,
/// shared memory and swap cache with whoever first touched them.
/// </summary>
public static class UnitSums
{
    /// <summary>
    /// The rows, adding up to used swap on version 2. A unit is the first group below the slices (a user's manager
    /// counts as a slice); what a slice holds beyond its groups belongs to groups that have ended.
    /// </summary>
    public static SumRow[] Of(SwapFacts facts, bool byContainer)
    {
        var sums = new Dictionary<string, long>();
        var top = 0L;
        foreach (var group in facts.Groups)
        {
            var depth = group.Path.Count(c => c == '/');
            top += depth == 1 ? group.SwapKib : 0;
            if (byContainer)
            {
                // The outermost group of a container holds the sum of those inside.
                if (ControlGroups.ContainerOf(group.Path) is { } container && ControlGroups.ContainerOf(Parent(group.Path)) != container)
                {
                    sums[container] = sums.GetValueOrDefault(container) + group.SwapKib;
                }
            }
            else if (IsInsideUnit(Parent(group.Path)))
            {
                continue;
            }
            else if (IsSliceLike(group.Name))
            {
                var children = facts.Groups.Where(g => Parent(g.Path) == group.Path).Sum(g => g.SwapKib);
                Add(sums, $"{group.Name} (ended)", group.SwapKib - children);
            }
            else
            {
                Add(sums, ControlGroups.UnitOf(group.Path) ?? group.Path, group.SwapKib);
            }
        }

        Add(sums, byContainer ? "(no container)" : "(no unit)", facts.UsedKib - (byContainer ? sums.Values.Sum() : top));
        return [.. sums.Select(s => new SumRow(s.Key, s.Value, null))];
    }

    private static void Add(Dictionary<string, long> sums, string name, long kib)
    {
        if (kib > 0)
        {
            sums[name] = sums.GetValueOrDefault(name) + kib;
        }
    }

    private static string Parent(string path) => path.LastIndexOf('/') is > 0 and var at ? path[..at] : "/";

    private static bool IsSliceLike(string name) => name.EndsWith(".slice", StringComparison.Ordinal) || (name.StartsWith("user@", StringComparison.Ordinal) && name.EndsWith(".service", StringComparison.Ordinal));

    /// <summary>Whether some group of the path, from the root down, is a unit already.</summary>
    private static bool IsInsideUnit(string path) => path != "/" && path.Split('/', StringSplitOptions.RemoveEmptyEntries).Any(p => !IsSliceLike(p));
}
