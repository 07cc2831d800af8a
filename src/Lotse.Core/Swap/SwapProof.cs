using System.Globalization;
using System.Text;
using Lotse.Formats;

namespace Lotse.Swap;

/// <summary>Asks the kernel, and systemd, whether a plan of this area has worked. Its reasons are the claims.</summary>
public static class SwapProof
{
    /// <summary>Proves what <see cref="Plan.Proof"/> says.</summary>
    public static Report Prove(Host host, Plan plan) => plan.Proof switch
    {
        ["limit", var unit, var high, var swapMax] => Limit(host, unit, high, swapMax),
        ["swappiness", var value] => Swappiness(host, value),
        ["brought-in", .. var pairs] when pairs.Length % 2 == 0 => BroughtIn(host, pairs),
        ["emptied", var device, var kib] => Emptied(host, ByteText.Unescape(device), long.TryParse(kib, NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : 0),
        _ => new("nothing to prove", [], [], [new("whether the plan worked", "it does not say what to prove", "make the plan again")]),
    };

    private static Report Limit(Host host, string unit, string high, string swapMax)
    {
        var claims = new List<Reason>();
        var isFolder = host is Hosts.FolderHost;
        var group = isFolder ? null : SwapTarget.Read(host, unit, TimeSpan.Zero).Value?.Groups is [.., var last] ? last : null;
        foreach (var (key, wanted, now, file) in new[] { ("MemoryHigh", high, group?.HighKib, "memory.high"), ("MemorySwapMax", swapMax, group?.SwapMaxKib, "memory.swap.max") })
        {
            if (!long.TryParse(wanted, NumberStyles.None, CultureInfo.InvariantCulture, out var bytes))
            {
                continue;
            }

            var name = Value.Process(unit);
            if (isFolder)
            {
                var lines = UnitFiles.Setting(host, unit, key);
                claims.Add(new($"at the next start {key} of {name} is {LimitUnit.Words(bytes)}", lines is [.., var l] && LimitUnit.Bytes(l.Value) == bytes ? Verdict.Yes : Verdict.No, "systemd.unit(5)", [.. lines.Select(s => new Seen($"{key}={s.Value}", $"{s.File}:{s.Line}"))]));
                continue;
            }

            var said = host.Run(["systemctl", "show", $"--property={key}", "--value", "--", unit], TimeSpan.FromSeconds(20));
            var words = said.Ok ? Encoding.ASCII.GetString(said.Value.Output).Trim() : said.Error!.Message;
            claims.Add(new($"systemd has {key} of {name} as {LimitUnit.Words(bytes)}", !said.Ok || said.Value.ExitCode != 0 ? Verdict.Unknown : LimitUnit.Bytes(words) == bytes ? Verdict.Yes : Verdict.No, "systemctl(1) show", new Seen(words, $"systemctl show --property={key} {unit}")));
            if (group is not null)
            {
                // The kernel keeps whole pages.
                var kept = now is null ? bytes == LimitUnit.NoLimit : bytes != LimitUnit.NoLimit && Math.Abs((now.Value * 1024) - bytes) < 65536;
                claims.Add(new($"the kernel has {file} of {Value.Process(group.Path)} as {LimitUnit.Words(bytes)}", kept ? Verdict.Yes : Verdict.No, $"cgroup-v2.rst {file}", new Seen(now is null ? "max" : $"{now} KiB", $"{group.Folder}/{file}")));
            }
        }

        return Of(claims, $"the limit of {Value.Process(unit)} holds{(group is null && !isFolder ? "; it is not running" : "")}", $"the limit of {Value.Process(unit)} does not hold");
    }

    private static Report Swappiness(Host host, string value)
    {
        var claims = new List<Reason>();
        if (host is not Hosts.FolderHost)
        {
            var now = SwapFacts.Number(host, "/proc/sys/vm/swappiness");
            claims.Add(new($"vm.swappiness is {value} now", now is null ? Verdict.Unknown : now.Value.ToString(CultureInfo.InvariantCulture) == value ? Verdict.Yes : Verdict.No, "Documentation/admin-guide/sysctl/vm.rst swappiness", new Seen(now is { } seen ? $"{seen}" : (Text)"not readable", "/proc/sys/vm/swappiness")));
        }

        var lines = SysctlFiles.Setting(host, "vm.swappiness");
        claims.Add(new($"vm.swappiness is {value} after the next boot", lines is [.., var last] && last.Value == value ? Verdict.Yes : Verdict.No, "sysctl.d(5)", [.. lines.Select(l => new Seen($"vm.swappiness = {l.Value}", $"{l.File}:{l.Line}"))]));
        return Of(claims, $"vm.swappiness is {value}", $"vm.swappiness is not {value}");
    }

    private static Report BroughtIn(Host host, string[] pairs)
    {
        var claims = new List<Reason>();
        for (var i = 0; i < pairs.Length; i += 2)
        {
            var before = long.Parse(pairs[i + 1], CultureInfo.InvariantCulture);
            var status = host.ReadFile($"/proc/{pairs[i]}/status");
            var now = status.Ok ? ProcessStatus.Parse(status.Value).SwapKib : (long?)null;

            // The kernel may push a page out again meanwhile; nine tenths tell that it worked.
            claims.Add(new($"nine tenths of {Amount.OfKib(before)} of process {pairs[i]} are in memory", now is null ? Verdict.Unknown : now * 10 <= before ? Verdict.Yes : Verdict.No, "proc_pid_status(5) VmSwap", new Seen(now is null ? "gone" : $"VmSwap {now} kB, before {before} kB", $"/proc/{pairs[i]}/status")));
        }

        return Of(claims, "its pages are in memory", "its pages did not stay in memory");
    }

    private static Report Emptied(Host host, string device, long before)
    {
        var swaps = host.ReadFile("/proc/swaps");
        var now = swaps.Ok ? SwapTable.Parse(swaps.Value).FirstOrDefault(d => d.Path == device) : null;
        return Of(
            [
                new($"{Value.Path(device)} is in use as swap", swaps.Ok ? now is null ? Verdict.No : Verdict.Yes : Verdict.Unknown, "proc_swaps(5)", new Seen(now is null ? "not there" : $"priority {now.Priority}", "/proc/swaps")),
                new($"nine tenths of {Amount.OfKib(before)} are in memory", now is null ? Verdict.Unknown : now.UsedKib * 10 <= before ? Verdict.Yes : Verdict.No, "proc_swaps(5)", new Seen($"used {now?.UsedKib ?? 0} kB, before {before} kB", "/proc/swaps")),
            ],
            $"{Value.Path(device)} is empty and in use", $"{Value.Path(device)} is not empty, or not in use");
    }

    private static Report Of(IReadOnlyList<Reason> claims, Text proved, Text failed)
    {
        var report = new Report(proved, [.. claims], [], []);
        return ExitCode.OfProof(report) switch
        {
            ExitCode.Fine => report,
            ExitCode.Finding => report with { Verdict = failed },
            _ => report with { Verdict = $"could not tell whether {proved}" },
        };
    }
}
