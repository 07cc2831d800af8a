using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Lotse.Formats;

namespace Lotse.Linux;

/// <summary>Which processes were started before a file was changed: those that still know the old one.</summary>
internal static unsafe class ProcessAge
{
    private const int TicksPerSecond = 100;

    /// <summary>Processes with a memory of their own that are older than a file's last change. Kernel threads are left out.</summary>
    public static Reading<T[]> OlderThan<T>(string path, Func<int, string, T> make)
    {
        var files = new Files();
        var buffer = stackalloc byte[256];
        var name = Files.Zero(path);
        fixed (byte* p = name)
        {
            // STATX_MTIME; stx_mtime stands at 112.
            if (Libc.Statx(Libc.AtFdCwd, p, 0, 0x40, buffer) != 0)
            {
                return Files.Refused<T[]>("look at", path, Errno.Last);
            }
        }

        var changed = BinaryPrimitives.ReadInt64LittleEndian(new ReadOnlySpan<byte>(buffer + 112, 8));
        var stat = files.Read("/proc/stat", 1 << 22);
        var list = files.List("/proc");
        if (!stat.Ok || !list.Ok)
        {
            return new(default!, stat.Error ?? list.Error);
        }

        var line = Array.Find(Encoding.ASCII.GetString(stat.Value).Split('\n'), l => l.StartsWith("btime ", StringComparison.Ordinal));
        var boot = line is null ? 0 : long.Parse(line.AsSpan(6), CultureInfo.InvariantCulture);
        var all = new List<T>();
        foreach (var entry in list.Value)
        {
            if (int.TryParse(entry, NumberStyles.None, CultureInfo.InvariantCulture, out var pid) && files.Read($"/proc/{pid}/stat", 4096) is { Ok: true } read
                && ProcessStat.Field(read.Value, ProcessStat.StartTime) is { } ticks && boot + (ticks / TicksPerSecond) < changed
                && ProcessStat.Field(read.Value, 23) is > 0)
            {
                var open = read.Value.AsSpan().IndexOf((byte)'(');
                var close = read.Value.AsSpan().LastIndexOf((byte)')');
                all.Add(make(pid, open >= 0 && close > open ? ByteText.Decode(read.Value.AsSpan(open + 1, close - open - 1)) : "?"));
            }
        }

        return new([.. all], null);
    }
}
