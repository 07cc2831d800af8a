using System.Globalization;
using System.Text;

namespace Lotse.Linux;

/// <summary>
/// Brings the pages of a process from swap into memory by reading one byte of each through /proc/PID/mem: the kernel
/// fetches the page and maps it again. process_madvise(2) with MADV_WILLNEED only fills the swap cache, so VmSwap stays.
/// </summary>
internal static unsafe class PagesOfProcess
{
    private const int PageSize = 4096, Portion = 8192;
    private const ulong Swapped = 1UL << 62;

    /// <summary>Reads every page that is in swap. A mapping that goes away meanwhile is passed over.</summary>
    /// <returns>Null, or why it could not be begun.</returns>
    public static HostError? BringIn(int pid)
    {
        var files = new Files();
        var folder = $"/proc/{pid.ToString(CultureInfo.InvariantCulture)}";
        var maps = files.Read(folder + "/maps", 256 << 20);
        if (!maps.Ok)
        {
            return maps.Error;
        }

        int pagemap = files.Open(folder + "/pagemap", Libc.ReadOnly), memory = files.Open(folder + "/mem", Libc.ReadOnly);
        try
        {
            if (pagemap < 0 || memory < 0)
            {
                return Files.Refused<bool>("read", folder + (pagemap < 0 ? "/pagemap" : "/mem"), pagemap < 0 ? -pagemap : -memory).Error;
            }

            foreach (var line in Encoding.ASCII.GetString(maps.Value).Split('\n'))
            {
                var dash = line.IndexOf('-', StringComparison.Ordinal);
                var blank = line.IndexOf(' ', StringComparison.Ordinal);
                if (dash > 0 && blank > dash
                    && ulong.TryParse(line.AsSpan(0, dash), NumberStyles.AllowHexSpecifier, null, out var from) && ulong.TryParse(line.AsSpan(dash + 1, blank - dash - 1), NumberStyles.AllowHexSpecifier, null, out var to)
                    && to <= long.MaxValue)
                {
                    Touch(pagemap, memory, from / PageSize, to / PageSize);
                }
            }

            return null;
        }
        finally
        {
            _ = pagemap < 0 ? 0 : Libc.Close(pagemap);
            _ = memory < 0 ? 0 : Libc.Close(memory);
        }
    }

    private static void Touch(int pagemap, int memory, ulong from, ulong to)
    {
        var words = new ulong[Portion];
        fixed (ulong* start = words)
        {
            while (from < to)
            {
                var wanted = (int)Math.Min(to - from, Portion);
                var got = Libc.ReadAt(pagemap, start, wanted * sizeof(ulong), (nint)(from * sizeof(ulong))) / sizeof(ulong);
                if (got <= 0)
                {
                    return;
                }

                for (var i = 0; i < got; i++)
                {
                    if ((words[i] & Swapped) != 0)
                    {
                        byte one;
                        _ = Libc.ReadAt(memory, &one, 1, (nint)((from + (ulong)i) * PageSize));
                    }
                }

                from += (ulong)got;
            }
        }
    }
}
