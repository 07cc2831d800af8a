using System.Globalization;
using Lotse.Formats;

namespace Lotse.Swap;

/// <summary>All processes of any host, file by file.</summary>
internal static class HostScan
{
    /// <summary>Reads every /proc/PID/status that the host lists.</summary>
    public static ProcessScan Read(Host host)
    {
        var pids = host.List("/proc") is { Ok: true } names
            ? names.Value.Where(n => int.TryParse(n, NumberStyles.None, CultureInfo.InvariantCulture, out _)).Select(n => int.Parse(n, CultureInfo.InvariantCulture)).ToArray()
            : [];
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

            var status = Counters.Parse("", files[i].Value, "VmSwap", "Uid");
            if (status["VmSwap"] is { } swap)
            {
                var name = ByteText.Decode(files[i].Value.AsSpan(0, files[i].Value.AsSpan().IndexOf((byte)'\n')));
                processes.Add(new(pids[i], name.Split('\t', 2)[^1], swap, (uint)status.Or0("Uid")));
            }
        }

        return new([.. processes.OrderByDescending(p => p.SwapKib).ThenBy(p => p.Pid)], unreadable, "proc");
    }
}
