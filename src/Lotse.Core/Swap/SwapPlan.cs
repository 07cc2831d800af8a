using System.Globalization;
using Lotse.Changing;
using Lotse.Formats;

namespace Lotse.Swap;

/// <summary>The smallest change that reaches a goal of this area. Pure: facts and a goal in, a decision out.</summary>
public static class SwapPlan
{
    private const string DropInRule = "systemd.unit(5): drop-ins are read by file name, the last line that sets a key wins";
    private const string SysctlRule = "sysctl.d(5): files are read by name, the last line that sets a key wins";

    /// <summary>Plans.</summary>
    public static Decision Of(SwapPlanFacts facts, SwapGoal goal) => goal switch
    {
        LimitUnit limit => Limit(facts, limit),
        SetSwappiness set => Swappiness(facts, set.Value),
        BringIn bring => Bring(facts, bring.Asked),
        EmptyDevice empty => Empty(facts, empty.Device),
        _ => throw new ArgumentOutOfRangeException(nameof(goal)),
    };

    /// <summary>The drop-in that is ours: last among those that set what we set.</summary>
    internal static string DropIn(string unit, SwapPlanFacts facts) =>
        $"/etc/systemd/system/{unit}.d/{Last("50-lotse.conf", facts.High.Concat(facts.SwapMax).Select(s => s.File))}";

    /// <summary>The file of sysctl.d that is ours.</summary>
    internal static string SysctlFile(SwapPlanFacts facts) => $"/etc/sysctl.d/{Last("90-lotse.conf", facts.Swappiness.Select(s => s.File))}";

    /// <summary>A name that is read after all these files, or one of them that is ours already.</summary>
    private static string Last(string name, IEnumerable<string> files)
    {
        var names = files.Select(f => f[(f.LastIndexOf('/') + 1)..]).ToArray();
        return names.All(n => string.CompareOrdinal(n, name) <= 0) ? name : "zz-lotse.conf";
    }

    private static Decision Limit(SwapPlanFacts facts, LimitUnit goal)
    {
        var unit = Value.Process(goal.Unit);
        Text wanted = $"limit {unit} to {Wanted(goal)}";
        if (UnitFiles.SectionOf(goal.Unit) is not { } section)
        {
            return Impossible(wanted, [new($"{unit} can have a limit", Verdict.No, "systemd.resource-control(5): services, slices, scopes, sockets, mounts and swaps have a control group")]);
        }

        var reasons = new List<Reason>();
        if (facts.GroupVersion == 1)
        {
            return Impossible(wanted, [new("the memory controller is in the unified hierarchy (version 2)", Verdict.No, "systemd.resource-control(5): MemoryHigh= and MemorySwapMax= need it; boot with systemd.unified_cgroup_hierarchy=1", new Seen("memory.stat", "/sys/fs/cgroup/memory"))]);
        }

        var changes = new List<Change>();
        var files = new Dictionary<string, byte[]>(facts.Files);
        foreach (var (key, bytes, lines) in new[] { ("MemoryHigh", goal.High, facts.High), ("MemorySwapMax", goal.SwapMax, facts.SwapMax) })
        {
            if (bytes is not { } limit)
            {
                continue;
            }

            var words = LimitUnit.Words(limit);
            if (lines is [.., var winner])
            {
                var holds = LimitUnit.Bytes(winner.Value) == limit;
                reasons.Add(new($"{key} of {unit} is {words}", holds ? Verdict.Yes : Verdict.No, DropInRule, [.. lines.Select(l => new Seen($"{key}={l.Value}", $"{l.File}:{l.Line}"))]));
                if (holds)
                {
                    continue;
                }

                // A line of the administrator is changed where it stands; one that systemd or a package wrote is overruled.
                if (winner.File.StartsWith("/etc/systemd/system/", StringComparison.Ordinal) && files.TryGetValue(winner.File, out var before))
                {
                    files[winner.File] = WithLine(before, winner.Line, $"{key}={words}");
                    continue;
                }
            }
            else
            {
                reasons.Add(new($"no drop-in sets {key} of {unit}", Verdict.Yes, DropInRule));
            }

            var ours = DropIn(goal.Unit, facts);
            files[ours] = FileLines.Split(files.GetValueOrDefault(ours) ?? [.. System.Text.Encoding.UTF8.GetBytes($"[{section}]\n")]) is var file ? WithSetting(file, section, $"{key}={words}") : [];
        }

        foreach (var (path, after) in files)
        {
            if (!facts.Files.TryGetValue(path, out var before))
            {
                changes.Add(new CreateFile(path, FileLines.Split(after).Lines, 0x1a4, 0, 0));
            }
            else if (!before.AsSpan().SequenceEqual(after))
            {
                changes.Add(EditFile.Between(path, before, after));
            }
        }

        if (changes.Count == 0)
        {
            return new(new($"{unit} has that limit already", [.. reasons], [], []), "", [], [], []);
        }

        if (facts.Group is { } group)
        {
            reasons.Add(new($"{unit} runs and holds {Amount.OfKib(group.CurrentKib)} of memory and {Amount.OfKib(group.SwapKib)} of swap", Verdict.Yes, "cgroup-v2.rst memory.current, memory.swap.current", new Seen($"{group.CurrentKib} KiB", group.Folder + "/memory.current"), new Seen($"{group.SwapKib} KiB", group.Folder + "/memory.swap.current")));
            if (goal.High is { } high and not LimitUnit.NoLimit && high / 1024 < group.CurrentKib)
            {
                reasons.Add(new($"{Amount.OfKib(group.CurrentKib - (high / 1024))} of it have to leave memory at once: into swap, or dropped where files hold them", Verdict.Yes, "cgroup-v2.rst memory.high: processes are throttled and put under heavy reclaim pressure"));
            }
        }

        if (facts.HasSystemd)
        {
            changes.Add(new TellUnit("", UnitAction.DaemonReload));
        }

        string[] proof = ["limit", goal.Unit, goal.High?.ToString(CultureInfo.InvariantCulture) ?? "-", goal.SwapMax?.ToString(CultureInfo.InvariantCulture) ?? "-"];
        return new(new(wanted, [.. reasons], [], []), wanted.ToString(), [.. changes], [], proof);
    }

    private static Decision Swappiness(SwapPlanFacts facts, int value)
    {
        Text wanted = $"set vm.swappiness to {value}, now and at each boot";
        var most = facts.Kernel is { } kernel && kernel.CompareTo((5, 8)) < 0 ? 100 : 200;
        if (value < 0 || value > most)
        {
            return Impossible(wanted, [new($"vm.swappiness goes from 0 to {most}", Verdict.No, "Documentation/admin-guide/sysctl/vm.rst swappiness: up to 200 from kernel 5.8 on, 100 before", new Seen(facts.Kernel is var (major, minor) ? $"{major}.{minor}" : (Text)"unknown", "/proc/sys/kernel/osrelease"))]);
        }

        var words = value.ToString(CultureInfo.InvariantCulture);
        var changes = new List<Change>();
        var reasons = new List<Reason>();
        var winner = facts.Swappiness is [.., var last] ? last : null;
        reasons.Add(new(winner is null ? "nothing sets vm.swappiness at boot" : (Text)$"vm.swappiness is set to {winner.Value} at boot", winner is null || winner.Value != words ? Verdict.No : Verdict.Yes, SysctlRule, [.. facts.Swappiness.Select(s => new Seen($"vm.swappiness = {s.Value}", $"{s.File}:{s.Line}"))]));
        var line = $"vm.swappiness = {words}";
        if (winner?.Value != words)
        {
            var ours = SysctlFile(facts);
            var path = winner is not null && winner.File.StartsWith("/etc/", StringComparison.Ordinal) ? winner.File : ours;
            changes.Add(facts.Files.TryGetValue(path, out var before)
                ? EditFile.Between(path, before, path == winner?.File ? WithLine(before, winner.Line, line) : new FileLines([.. FileLines.Split(before).Lines, line], false).Join())
                : new CreateFile(path, [line], 0x1a4, 0, 0));
        }

        if (facts.Machine.Swappiness is { } now)
        {
            reasons.Add(new($"vm.swappiness is {value} now", now == value ? Verdict.Yes : Verdict.No, "Documentation/admin-guide/sysctl/vm.rst swappiness", new Seen($"{now}", "/proc/sys/vm/swappiness")));
            if (now != value)
            {
                changes.Add(new SetKernelValue("/proc/sys/vm/swappiness", now.ToString(CultureInfo.InvariantCulture), words));
            }
        }

        return changes.Count == 0 ? new(new($"vm.swappiness is {value} already, now and at each boot", [.. reasons], [], []), "", [], [], [])
            : new(new(wanted, [.. reasons], [], []), wanted.ToString(), [.. changes], [], ["swappiness", words]);
    }

    private static Decision Bring(SwapPlanFacts facts, string asked)
    {
        var processes = facts.Processes;
        var need = processes.Sum(p => p.SwapKib);
        var name = Value.Process(asked);
        if (need == 0)
        {
            return new(new($"{name} has nothing in swap", [], [], []), "", [], [], []);
        }

        Text wanted = $"bring {Amount.OfKib(need)} of {name} back into memory";
        var fits = Fits(facts.Machine, need, "come back");
        return fits.Verdict == Verdict.No
            ? Impossible(wanted, [fits])
            : new(new(wanted, [fits], [], []), wanted.ToString(), [.. processes.Select(p => new BringPagesIn(p.Pid, p.Start, p.Name))], ["swap/left-from-past-squeeze"],
                ["brought-in", .. processes.SelectMany(p => new[] { p.Pid.ToString(CultureInfo.InvariantCulture), p.SwapKib.ToString(CultureInfo.InvariantCulture) })]);
    }

    private static Decision Empty(SwapPlanFacts facts, string? asked)
    {
        var devices = facts.Machine.Devices;
        var device = asked is null ? (devices is [var only] ? only : null) : devices.FirstOrDefault(d => d.Path == asked);
        if (device is null)
        {
            return Impossible(asked is null ? "empty a swap area" : (Text)$"empty {Value.Path(asked)}", [new(asked is not null ? $"{Value.Path(asked)} is in use as swap" : devices.Length == 0 ? (Text)"a swap area is in use" : "there is one swap area, and it need not be named", Verdict.No, "proc_swaps(5)", [.. devices.Select(d => new Seen($"{Value.Path(d.Path)}", "/proc/swaps"))])]);
        }

        var path = Value.Path(device.Path);
        if (device.UsedKib == 0)
        {
            return new(new($"{path} is empty already", [], [], []), "", [], [], []);
        }

        // What other areas can take meanwhile is not counted: it would only move the trouble there.
        Text wanted = $"empty {path}: bring {Amount.OfKib(device.UsedKib)} back into memory";
        var fits = Fits(facts.Machine, Math.Max(0, device.UsedKib - facts.Machine.Memory.Or0("SwapCached")), "would come back");
        return fits.Verdict == Verdict.No
            ? Impossible(wanted, [fits])
            : new(new(wanted, [fits], [], []), wanted.ToString(), [new CycleSwap(device.Path, device.Priority, Math.Max(0, device.UsedKib - facts.Machine.Memory.Or0("SwapCached")))], ["swap/left-from-past-squeeze"],
                ["emptied", ByteText.Escape(device.Path), device.UsedKib.ToString(CultureInfo.InvariantCulture)]);
    }

    private static Reason Fits(SwapFacts machine, long need, string come) => new(
        need <= machine.AvailableKib * 9 / 10 ? (Text)$"it fits: {Amount.OfKib(need)} {come}, {Amount.OfKib(machine.AvailableKib)} are available" : $"it does not fit: {Amount.OfKib(need)} {come}, only {Amount.OfKib(machine.AvailableKib)} are available",
        need <= machine.AvailableKib * 9 / 10 ? Verdict.Yes : Verdict.No, "against nine tenths of MemAvailable; kernel mm/swapfile.c try_to_unuse ends in the out-of-memory killer otherwise", machine.Memory.Seen("MemAvailable", " kB"));

    private static Decision Impossible(Text wanted, Reason[] reasons) => new(new($"cannot {wanted}", reasons, [], []), "", [], [], []) { Impossible = true };

    private static string Wanted(LimitUnit goal) =>
        string.Join(" and ", new[] { goal.High is { } high ? $"MemoryHigh={LimitUnit.Words(high)}" : null, goal.SwapMax is { } swap ? $"MemorySwapMax={LimitUnit.Words(swap)}" : null }.OfType<string>());

    /// <summary>A file with one line replaced; what ends the line stays.</summary>
    private static byte[] WithLine(ReadOnlySpan<byte> before, int line, string text)
    {
        var file = FileLines.Split(before);
        string[] lines = [.. file.Lines];
        lines[line - 1] = text + (lines[line - 1].EndsWith('\r') ? "\r" : "");
        return (file with { Lines = lines }).Join();
    }

    /// <summary>A unit file with a line at the end of a section; the section is made where there is none.</summary>
    private static byte[] WithSetting(FileLines file, string section, string text)
    {
        var start = Array.FindLastIndex(file.Lines, l => l.Trim() == $"[{section}]");
        if (start < 0)
        {
            return new FileLines([.. file.Lines, $"[{section}]", text], false).Join();
        }

        var end = Array.FindIndex(file.Lines, start + 1, l => l.TrimStart().StartsWith('['));
        end = end < 0 ? file.Lines.Length : end;
        return new FileLines([.. file.Lines[..end], text, .. file.Lines[end..]], false).Join();
    }
}
