using System.Globalization;
using Lotse.Formats;
using Lotse.Linux;

namespace Lotse.Swap;

/// <summary>Scans the processes of a host by the way that suits it.</summary>
public static class SwapScan
{
    /// <summary>All processes; those without swap only when <paramref name="zeros"/> is set. Largest swap first.</summary>
    /// <param name="host">Where. System calls are used on this machine, files elsewhere.</param>
    /// <param name="backend">auto, proc or bpf.</param>
    /// <param name="zeros">Also processes that hold none.</param>
    public static ProcessScan Read(Host host, string backend, bool zeros)
    {
        if (!host.IsThisMachine)
        {
            var asked = host.Ask(Question(zeros), static () => SwapJson.Default.ProcessScan, () => default);
            return asked.Ok ? asked.Value : OfFiles(host, zeros);
        }

        var scan = host.Ask(Question(zeros), static () => SwapJson.Default.ProcessScan, () => OfProc(zeros));
        return scan.Ok ? scan.Value : new([], 0, "proc");
    }

    private static string Question(bool zeros) => zeros ? "all processes" : "processes with swap";

    private static Reading<ProcessScan> OfProc(bool zeros)
    {
        var rows = ProcessTable.Scan(zeros, out var unreadable);
        return rows.Ok ? new(Sorted(rows.Value, unreadable, "proc"), null) : new(default!, rows.Error);
    }

    private static ProcessScan Sorted(ScannedProcess[] rows, int unreadable, string backend)
    {
        Array.Sort(rows, static (a, b) => a.SwapKib != b.SwapKib ? b.SwapKib.CompareTo(a.SwapKib) : a.Pid.CompareTo(b.Pid));
        var processes = new ProcessSwap[rows.Length];
        for (var i = 0; i < rows.Length; i++)
        {
            ReadOnlySpan<byte> name = rows[i].Name;
            processes[i] = new(rows[i].Pid, ByteText.Decode(name[..rows[i].NameLength]), rows[i].SwapKib, rows[i].Uid);
        }

        return new(processes, unreadable, backend);
    }

    /// <summary>File by file, for a folder, a recording or another machine.</summary>
    private static ProcessScan OfFiles(Host host, bool zeros)
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
            var swap = status.IsEndedLeader ? OfAnyThread(host, pids[i]) : status.SwapKib;
            if (swap > 0 || (swap == 0 && zeros))
            {
                processes.Add(new(int.Parse(pids[i], CultureInfo.InvariantCulture), ByteText.Decode(ProcessStatus.Unescape(status.EscapedName)), swap, status.Uid));
            }
        }

        return new([.. processes.OrderByDescending(p => p.SwapKib).ThenBy(p => p.Pid)], unreadable, "proc");
    }

    private static long OfAnyThread(Host host, string pid) =>
        host.List($"/proc/{pid}/task") is not { Ok: true } threads ? -1
        : threads.Value.Select(t => host.ReadFile($"/proc/{pid}/task/{t}/status")).Where(r => r.Ok).Select(r => ProcessStatus.Parse(r.Value).SwapKib).FirstOrDefault(s => s >= 0, -1);
}
