using System.Globalization;
using System.Text.RegularExpressions;
using Lotse.Formats;

namespace Lotse.Swap;

/// <summary>
/// Explains what the kernel, swapon(8) and swapoff(8) say about swap. The text may be any log around it; only lines
/// of a known form count. Sources: mm/oom_kill.c, mm/page_io.c and mm/swapfile.c of the kernel, sys-utils/swapon.c of
/// util-linux.
/// </summary>
internal static partial class SwapMessages
{
    /// <summary>The report on a pasted text, or null when no line of it is about swap.</summary>
    public static Report? Explain(string text)
    {
        var lines = text.Split('\n');
        var findings = new List<Finding>();
        Text? verdict = null;
        var reasons = new List<Reason>();
        for (var i = 0; i < lines.Length; i++)
        {
            if (FindingOf(lines[i], i + 1) is { } finding && !findings.Any(f => f.Id == finding.Id && f.Subject == finding.Subject))
            {
                findings.Add(finding);
            }
        }

        if (OutOfMemory.Read(lines) is { } oom)
        {
            reasons.AddRange(oom.Reasons());
            verdict = oom.Verdict();
            if (oom.Finding() is { } finding)
            {
                findings.Add(finding);
            }
        }

        return verdict is null && findings.Count == 0 ? null : new(verdict ?? findings[0].Title, [.. reasons], [.. findings.OrderByDescending(f => f.Severity)], []);
    }

    private static Finding? FindingOf(string line, int number)
    {
        var seen = new Seen($"{new Value(line.Trim('\r'), ValueKind.Plain)}", $"line {number}");
        if (Holes().Match(line) is { Success: true } holes)
        {
            return new("swap/file-has-holes", Severity.Error, Certainty.Proven, Value.Path(holes.Groups["file"].Value),
                $"{Value.Path(holes.Groups["file"].Value)} cannot be used as swap: parts of it were never written",
                [new("the kernel needs every block of a swap file at a fixed place on the disk", Verdict.Yes, "swapon(8), files with holes", seen)],
                [new("write the file whole, then mkswap and swapon again", "dd", "if=/dev/zero", $"of={holes.Groups["file"].Value}", "bs=1M", "count=2048", "conv=fsync")]);
        }

        if (Permissions().Match(line) is { Success: true } open)
        {
            return new("swap/file-permissions", Severity.Warning, Certainty.Proven, Value.Path(open.Groups["file"].Value),
                $"{Value.Path(open.Groups["file"].Value)} may be read by others (mode {open.Groups["mode"].Value}): it will hold the memory of every process",
                [new("the memory of all users is written to it, keys and passwords included", Verdict.Yes, "swapon(8), insecure permissions", seen)],
                [new("let only root read it", "chmod", "0600", open.Groups["file"].Value)]);
        }

        if (OffFailed().Match(line) is { Success: true } off)
        {
            return new("swap/off-does-not-fit", Severity.Error, Certainty.Proven, Value.Path(off.Groups["file"].Value),
                $"swapoff of {Value.Path(off.Groups["file"].Value)} gave up: what is in it does not fit into memory",
                [new("the pages have to come back to memory first, and there is no room for them", Verdict.Yes, "swapoff(2) ENOMEM", seen)],
                [new("see what fits, and who holds most", "lotse", "swap", "why")]);
        }

        if (ReadError().Match(line) is { Success: true } broken)
        {
            return new("swap/device-read-error", Severity.Error, Certainty.Proven, new(broken.Groups["device"].Value, ValueKind.Plain),
                $"the disk of a swap area cannot be read (device {broken.Groups["device"].Value}): processes whose pages lie there are killed",
                [new("a page could not be read back; its process gets SIGBUS", Verdict.Yes, "kernel mm/page_io.c", seen)],
                [new("find the device by its numbers", "lsblk"), new("take the area out of use and look at the disk", "smartctl", "-a", "/dev/DISK")]);
        }

        return null;
    }

    [GeneratedRegex(@"swapon: (?<file>\S+): (skipping - it appears to have holes|.*has holes)|swapon: swapfile has holes(?<file>)")]
    private static partial Regex Holes();

    [GeneratedRegex(@"swapon: (?<file>\S+): insecure permissions (?<mode>[0-7]{4})")]
    private static partial Regex Permissions();

    [GeneratedRegex(@"swapoff: (?<file>\S+): swapoff failed: Cannot allocate memory")]
    private static partial Regex OffFailed();

    [GeneratedRegex(@"Read-error on swap-device \((?<device>[0-9]+:[0-9]+):[0-9]+\)")]
    private static partial Regex ReadError();

    /// <summary>The kernel's report when it killed a process for want of memory.</summary>
    /// <param name="Victim">Whom it killed; null where the line is cut off.</param>
    /// <param name="InGroup">Whether a control group's limit, not the machine's memory, was at its end.</param>
    /// <param name="FreeKib">Free swap.</param>
    /// <param name="TotalKib">All swap.</param>
    /// <param name="Holders">Processes by the swap they held, largest first, KiB.</param>
    /// <param name="Line">Where it starts.</param>
    private sealed partial record OutOfMemory(string? Victim, bool InGroup, long? FreeKib, long? TotalKib, (string Name, int Pid, long Kib)[] Holders, int Line)
    {
        /// <summary>The last report in a log; earlier ones had the same cause or are over.</summary>
        public static OutOfMemory? Read(string[] lines)
        {
            var start = Array.FindLastIndex(lines, l => l.Contains("invoked oom-killer", StringComparison.Ordinal));
            var kill = Array.FindLastIndex(lines, l => Killed().IsMatch(l));
            start = start < 0 ? kill : start;
            if (start < 0)
            {
                return null;
            }

            string? victim = null;
            var inGroup = false;
            long? free = null, total = null;
            var holders = new List<(string, int, long)>();
            var column = -1;
            for (var i = start; i < lines.Length; i++)
            {
                if (Killed().Match(lines[i]) is { Success: true } killed)
                {
                    victim ??= killed.Groups["name"].Value;
                    inGroup |= lines[i].Contains("Memory cgroup", StringComparison.Ordinal);
                }

                free ??= FreeSwap().Match(lines[i]) is { Success: true } f ? long.Parse(f.Groups[1].Value, CultureInfo.InvariantCulture) : null;
                total ??= TotalSwap().Match(lines[i]) is { Success: true } t ? long.Parse(t.Groups[1].Value, CultureInfo.InvariantCulture) : null;

                // [  pid  ]   uid  tgid total_vm rss … pgtables_bytes swapents oom_score_adj name: columns differ by kernel.
                if (lines[i].IndexOf("[  pid  ]", StringComparison.Ordinal) is var at and >= 0)
                {
                    column = Array.IndexOf(lines[i][(at + 9)..].Split(' ', StringSplitOptions.RemoveEmptyEntries), "swapents");
                }
                else if (column >= 0 && Task().Match(lines[i]) is { Success: true } task
                    && task.Groups["rest"].Value.Split(' ', StringSplitOptions.RemoveEmptyEntries) is var f2 && f2.Length > column + 2 && long.TryParse(f2[column], out var pages) && pages > 0)
                {
                    holders.Add((string.Join(' ', f2[(column + 2)..]).TrimEnd('\r'), int.Parse(task.Groups["pid"].Value, CultureInfo.InvariantCulture), pages * 4));
                }
            }

            return new(victim, inGroup, free, total, [.. holders.OrderByDescending(h => h.Item3)], start + 1);
        }

        private bool SwapWasFull => TotalKib > 0 && FreeKib is { } free && free * 20 < TotalKib;

        public Text Verdict() => this switch
        {
            { InGroup: true } => $"the kernel killed {Value.Process(Victim ?? "a process")} because its control group reached its limit; the machine's swap did not decide",
            { TotalKib: 0 } => $"the kernel killed {Value.Process(Victim ?? "a process")}: memory was used up and there is no swap",
            { SwapWasFull: true } => $"the kernel killed {Value.Process(Victim ?? "a process")}: memory and swap were both used up",
            { FreeKib: null } => $"the kernel killed {Value.Process(Victim ?? "a process")} for want of memory; whether swap was full stands in the lines before, which are not here",
            _ => $"the kernel killed {Value.Process(Victim ?? "a process")} although {Amount.OfKib(FreeKib ?? 0)} of swap were free: what filled memory cannot be swapped (kernel, locked or shared huge pages), or it grew faster than pages go out",
        };

        public IEnumerable<Reason> Reasons()
        {
            if (FreeKib is { } free && TotalKib is { } total)
            {
                yield return new(SwapWasFull ? "swap was full" : "swap was not full", SwapWasFull ? Lotse.Verdict.Yes : Lotse.Verdict.No, "mm/oom_kill.c dump_header",
                    new Seen($"Free swap {free} kB, Total swap {total} kB", $"report at line {Line}"));
            }

            if (Holders.Length > 0)
            {
                yield return new($"{Value.Process(Holders[0].Name)} held most of it: {Amount.OfKib(Holders[0].Kib)} (pages of 4 KiB)", Lotse.Verdict.Yes, "column swapents of the task list",
                    [.. Holders.Take(5).Select(h => new Seen($"{Value.Process(h.Name)} ({h.Pid}): {Amount.OfKib(h.Kib)}", $"report at line {Line}"))]);
            }
        }

        public Finding? Finding() => InGroup || !SwapWasFull ? null : new("swap/oom-with-full-swap", Severity.Error, Certainty.Proven, Value.Process(Victim ?? "?"),
            $"the kernel killed {Value.Process(Victim ?? "a process")} when memory and swap were both used up",
            [.. Reasons()],
            [new("limit what grew, so that it is killed or pushed out instead of others", "lotse", "swap", "--by", "unit"), new("more swap only delays this when something leaks")]);

        [GeneratedRegex(@"[Oo]ut of memory: Kill(ed)? process (?<pid>[0-9]+) \((?<name>.*)\)")]
        private static partial Regex Killed();

        [GeneratedRegex(@"Free swap\s*=\s*([0-9]{1,15})\s*kB")]
        private static partial Regex FreeSwap();

        [GeneratedRegex(@"Total swap\s*=\s*([0-9]{1,15})\s*kB")]
        private static partial Regex TotalSwap();

        [GeneratedRegex(@"\[\s*(?<pid>[0-9]{1,9})\](?<rest>\s+[0-9]+\s+[0-9]+\s.*)$")]
        private static partial Regex Task();
    }
}
