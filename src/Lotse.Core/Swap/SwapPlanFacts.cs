using System.Globalization;
using Lotse.Formats;

namespace Lotse.Swap;

/// <summary>What planning needs to know beside the facts of the machine, for one goal.</summary>
public sealed record SwapPlanFacts
{
    /// <summary>The machine.</summary>
    public required SwapFacts Machine { get; init; }

    /// <summary>Major and minor number of the running kernel; null: unknown.</summary>
    public (int Major, int Minor)? Kernel { get; init; }

    /// <summary>Which version the memory controller's hierarchy has; null: there is none.</summary>
    public int? GroupVersion { get; init; }

    /// <summary>Whether systemd runs the machine.</summary>
    public bool HasSystemd { get; init; }

    /// <summary>The unit's group, when it runs.</summary>
    public MemoryGroup? Group { get; init; }

    /// <summary>Drop-in lines that set MemoryHigh=, in the order of their effect.</summary>
    public UnitSetting[] High { get; init; } = [];

    /// <summary>Drop-in lines that set MemorySwapMax=.</summary>
    public UnitSetting[] SwapMax { get; init; } = [];

    /// <summary>Lines that set vm.swappiness at boot.</summary>
    public SysctlLine[] Swappiness { get; init; } = [];

    /// <summary>The files that would be changed, with their bytes; a path that is not there is not in it.</summary>
    public Dictionary<string, byte[]> Files { get; init; } = [];

    /// <summary>The processes to bring in, with their start in clock ticks.</summary>
    public (int Pid, long Start, string Name, long SwapKib)[] Processes { get; init; } = [];

    /// <summary>Reads what a goal needs.</summary>
    public static Reading<SwapPlanFacts> Read(Host host, SwapGoal goal)
    {
        var machine = SwapFacts.Read(host, TimeSpan.Zero, null);
        if (!machine.Ok)
        {
            // A folder has no kernel to ask; its files can be planned all the same.
            machine = new(new() { Memory = Counters.Parse("/proc/meminfo", [], SwapFacts.MemoryKeys), Devices = [] }, null);
        }

        var facts = new SwapPlanFacts
        {
            Machine = machine.Value,
            Kernel = KernelOf(host),
            GroupVersion = MemoryGroup.Hierarchy(host)?.Version,
            HasSystemd = host.Status("/run/systemd/system").Ok,
        };
        switch (goal)
        {
            case LimitUnit { Unit: var unit }:
                facts = facts with { High = UnitFiles.Setting(host, unit, "MemoryHigh"), SwapMax = UnitFiles.Setting(host, unit, "MemorySwapMax"), Group = SwapTarget.Read(host, unit, TimeSpan.Zero).Value?.Groups is [.., var group] ? group : null };
                return new(facts with { Files = Bytes(host, [SwapPlan.DropIn(unit, facts), .. facts.High.Select(s => s.File), .. facts.SwapMax.Select(s => s.File)]) }, null);
            case SetSwappiness:
                facts = facts with { Swappiness = SysctlFiles.Setting(host, "vm.swappiness") };
                return new(facts with { Files = Bytes(host, [.. facts.Swappiness.Select(s => s.File), SwapPlan.SysctlFile(facts)]) }, null);
            case BringIn { Asked: var asked }:
                var target = SwapTarget.Read(host, asked, TimeSpan.Zero).Value;
                return target is null ? new(default!, new(HostErrorKind.NotFound, $"there is no process, name or unit \"{ByteText.Escape(asked)}\" on {host.Name}"))
                    : new(facts with { Processes = [.. target.Processes.Where(p => p.SwapKib > 0).Select(p => (p.Pid, ProcessStat.Read(host, p.Pid, ProcessStat.StartTime) ?? -1, p.Name, p.SwapKib)).Where(p => p.Item2 >= 0)] }, null);
            default:
                return new(facts, null);
        }
    }

    private static Dictionary<string, byte[]> Bytes(Host host, IEnumerable<string> files) =>
        files.Distinct().Select(f => (f, host.ReadFile(f))).Where(p => p.Item2.Ok).ToDictionary(p => p.f, p => p.Item2.Value);

    private static (int, int)? KernelOf(Host host) =>
        host.ReadFile("/proc/sys/kernel/osrelease") is { Ok: true } read && ByteText.Decode(read.Value).Split('.') is [var major, var minor, ..]
        && int.TryParse(major, NumberStyles.None, CultureInfo.InvariantCulture, out var a) && int.TryParse(minor.TakeWhile(char.IsAsciiDigit).ToArray(), NumberStyles.None, CultureInfo.InvariantCulture, out var b) ? (a, b) : null;
}
