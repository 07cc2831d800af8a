using System.Globalization;
using Lotse.Formats;
using Lotse.Linux;

namespace Lotse.Swap;

/// <summary>
/// Scans the processes of a host by the way that suits it. Kept for as long as a view lives, so that what a backend
/// has loaded is loaded once.
/// </summary>
/// <param name="host">Where. System calls are used on this machine, files elsewhere.</param>
/// <param name="backend">auto, proc or bpf.</param>
/// <param name="zeros">Also processes that hold no swap.</param>
public sealed class SwapScan(Host host, string backend = "auto", bool zeros = false) : IDisposable
{
    /// <summary>
    /// From so many processes on, loading the BPF program (1.5 ms) costs less than what it saves (bench/swap).
    /// </summary>
    private const int BpfPays = 260;

    private TaskIterator? iterator;
    private string? refused;

    /// <summary>Scans once and lets everything go.</summary>
    public static ProcessScan Once(Host host, string backend = "auto", bool zeros = false)
    {
        using var scan = new SwapScan(host, backend, zeros);
        return scan.Read();
    }

    /// <summary>All processes with swap, and with <c>zeros</c> the others; largest swap first, then by pid.</summary>
    public ProcessScan Read()
    {
        var question = zeros ? "all processes" : "processes with swap";
        var scan = host.Ask(question, static () => SwapJson.Default.ProcessScan, Here);
        return scan.Ok ? scan.Value : host.IsThisMachine ? new([], 0, "proc", scan.Error!.Message) : OfFiles();
    }

    /// <summary>Unloads what was loaded.</summary>
    public void Dispose() => iterator?.Dispose();

    /// <summary>This machine.</summary>
    private Reading<ProcessScan> Here()
    {
        if (backend == "bpf" || (backend == "auto" && (iterator is not null || (refused is null && Libc.GetEffectiveUserId() == 0 && ProcessTable.Count() >= BpfPays))))
        {
            if (iterator is null && refused is null)
            {
                var loaded = TaskIterator.Load(zeros);
                (iterator, refused) = (loaded.Value, loaded.Error?.Message);
            }

            if (iterator?.Scan() is { } found)
            {
                if (found.Ok)
                {
                    return new(Sorted(WithFirst(Distinct(found.Value)), 0, "bpf", null), null);
                }

                refused = found.Error!.Message;
            }
        }

        var rows = ProcessTable.Scan(zeros, out var unreadable);
        return rows.Ok ? new(Sorted(rows.Value, unreadable, "proc", backend == "bpf" ? refused : null) with { Hidden = Hidden() }, null) : new(default!, rows.Error);
    }

    /// <summary>proc(5): with hidepid=2 (invisible) or 4 (ptraceable) the processes of other users are not even listed.</summary>
    private string? Hidden()
    {
        if (Libc.GetEffectiveUserId() == 0 || host.ReadFile("/proc/self/mountinfo") is not { Ok: true } mounts)
        {
            return null;
        }

        foreach (var line in ByteText.Decode(mounts.Value).Split('\n'))
        {
            var f = line.Split(' ');
            if (f.Length > 6 && f[4] == "/proc" && f[^1].Split(',').FirstOrDefault(o => o is "hidepid=2" or "hidepid=4" or "hidepid=invisible" or "hidepid=ptraceable") is { } option)
            {
                return $"/proc is mounted with {option}";
            }
        }

        return null;
    }

    /// <summary>Some virtual machines hide the first process from every BPF iterator; /proc still shows it.</summary>
    private ScannedProcess[] WithFirst(ScannedProcess[] rows) =>
        (rows.Length == 0 || rows[0].Pid != 1) && ProcessTable.One(1, zeros) is { } first ? [first, .. rows] : rows;

    /// <summary>Every living thread of a process whose leader has ended reports it; one row of them stays.</summary>
    private static ScannedProcess[] Distinct(ScannedProcess[] rows)
    {
        Array.Sort(rows, static (a, b) => a.Pid.CompareTo(b.Pid));
        var used = 0;
        for (var i = 0; i < rows.Length; i++)
        {
            if (i == 0 || rows[i].Pid != rows[i - 1].Pid)
            {
                rows[used++] = rows[i];
            }
        }

        Array.Resize(ref rows, used);
        return rows;
    }

    private static ProcessScan Sorted(ScannedProcess[] rows, int unreadable, string backend, string? fallback)
    {
        Array.Sort(rows, static (a, b) => a.SwapKib != b.SwapKib ? b.SwapKib.CompareTo(a.SwapKib) : a.Pid.CompareTo(b.Pid));
        var processes = new ProcessSwap[rows.Length];
        for (var i = 0; i < rows.Length; i++)
        {
            ReadOnlySpan<byte> name = rows[i].Name;
            processes[i] = new(rows[i].Pid, ByteText.Decode(name[..rows[i].NameLength]), rows[i].SwapKib, rows[i].Uid);
        }

        return new(processes, unreadable, backend, fallback);
    }

    /// <summary>File by file, for a folder, a recording or another machine.</summary>
    private ProcessScan OfFiles()
    {
        var pids = host.List("/proc") is { Ok: true } names ? names.Value.Where(n => int.TryParse(n, NumberStyles.None, CultureInfo.InvariantCulture, out _)).ToArray() : [];
        var files = host.ReadFiles([.. pids.Select(p => $"/proc/{p}/status")]);
        var processes = new List<ProcessSwap>();
        var unreadable = 0;
        for (var i = 0; i < pids.Length; i++)
        {
            if (!files[i].Ok)
            {
                unreadable += files[i].Error!.Kind == HostErrorKind.Denied ? 1 : 0;
                continue;
            }

            var status = ProcessStatus.Parse(files[i].Value);
            var swap = status.IsEndedLeader ? OfAnyThread(pids[i]) : status.SwapKib;
            if (swap > 0 || (swap == 0 && zeros))
            {
                processes.Add(new(int.Parse(pids[i], CultureInfo.InvariantCulture), ByteText.Decode(ProcessStatus.Unescape(status.EscapedName)), swap, status.Uid));
            }
        }

        return new([.. processes.OrderByDescending(p => p.SwapKib).ThenBy(p => p.Pid)], unreadable, "proc", backend == "bpf" ? $"cannot ask the kernel of {host.Name}" : null);
    }

    private long OfAnyThread(string pid) =>
        host.List($"/proc/{pid}/task") is not { Ok: true } threads ? -1
        : threads.Value.Select(t => host.ReadFile($"/proc/{pid}/task/{t}/status")).Where(r => r.Ok).Select(r => ProcessStatus.Parse(r.Value).SwapKib).FirstOrDefault(s => s >= 0, -1);
}
