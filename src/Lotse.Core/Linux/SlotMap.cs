using System.Globalization;
using System.Text;

namespace Lotse.Linux;

/// <summary>A run of neighbouring swap slots.</summary>
/// <param name="First">Swap type in the low five bits, offset above, as /proc/PID/pagemap has them.</param>
/// <param name="Count">Number of slots; the offsets follow each other.</param>
internal readonly record struct SlotRun(ulong First, int Count);

/// <summary>
/// The swap slots that a process's page tables hold (Documentation/admin-guide/mm/pagemap.rst). The kernel is asked for
/// the swapped ranges where it can tell them (PAGEMAP_SCAN, 6.7 and later), else the mappings that smaps shows with
/// swap are read whole. Needs CAP_SYS_ADMIN: others see every offset as 0.
/// </summary>
internal static unsafe class SlotMap
{
    private const nuint Scan = 0xc0606610;
    private const ulong Swapped = 1 << 4, SwapBit = 1ul << 62, SlotBits = (1ul << 55) - 1;
    private const int Ranges = 1024, Entries = 4096;

    /// <summary>Where the address space of programs may end (x86-64 with five and four levels, arm64 with 52, 48, 42 and 39 bits); a range beyond it is refused.</summary>
    private static readonly ulong[] UserSpace = [(1ul << 56) - 4096, 1ul << 52, 1ul << 48, (1ul << 47) - 4096, 1ul << 42, 1ul << 39];

    /// <summary>All slots of the memory of a process or thread.</summary>
    public static Reading<List<SlotRun>> Read(int pid)
    {
        var path = $"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/pagemap";
        var fd = new Files().Open(path, Libc.ReadOnly);
        if (fd < 0)
        {
            return Files.Refused<List<SlotRun>>("read", path, -fd);
        }

        try
        {
            var runs = new List<SlotRun>();
            var errno = ByScan(fd, runs);
            if (errno is Errno.NotTerminal or Errno.Invalid)
            {
                runs.Clear();
                errno = ByMappings(fd, pid, runs);
            }

            return errno == 0 ? new(runs, null) : Files.Refused<List<SlotRun>>("read", path, errno);
        }
        finally
        {
            _ = Libc.Close(fd);
        }
    }

    private static int ByScan(int fd, List<SlotRun> runs)
    {
        // struct pm_scan_arg: size, flags, start, end, walk_end, vec, vec_len, max_pages, inverted, mask, any, return.
        var argument = stackalloc ulong[12];
        var ranges = stackalloc ulong[3 * Ranges];
        var last = UserSpace[0];
        for (var (start, next) = (0ul, 1); start < last;)
        {
            new Span<ulong>(argument, 12).Clear();
            (argument[0], argument[2], argument[3], argument[5], argument[6], argument[9], argument[11]) = (96, start, last, (ulong)ranges, Ranges, Swapped, Swapped);
            var found = Libc.Ioctl(fd, Scan, argument);
            if (found < 0 && Errno.Last == Errno.Fault && start == 0 && next < UserSpace.Length)
            {
                last = UserSpace[next++];
                continue;
            }

            if (found < 0)
            {
                return Errno.Last;
            }

            for (var i = 0; i < found; i++)
            {
                // start, end, categories
                if (ReadEntries(fd, ranges[3 * i], ranges[(3 * i) + 1], runs) is var errno and not 0)
                {
                    return errno;
                }
            }

            if (argument[4] <= start)
            {
                break;
            }

            start = argument[4];
        }

        return 0;
    }

    private static int ByMappings(int fd, int pid, List<SlotRun> runs)
    {
        if (new Files().Read($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/smaps", 256 << 20) is not { Ok: true } smaps)
        {
            return Errno.AccessDenied;
        }

        ulong start = 0, end = 0;
        foreach (var line in Encoding.Latin1.GetString(smaps.Value).Split('\n'))
        {
            var space = line.IndexOf(' ', StringComparison.Ordinal);
            if (space > 0 && line.IndexOf('-', StringComparison.Ordinal) is var dash and > 0 && dash < space
                && ulong.TryParse(line.AsSpan(0, dash), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var from)
                && ulong.TryParse(line.AsSpan(dash + 1, space - dash - 1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var to))
            {
                (start, end) = (from, to);
            }
            else if (line.StartsWith("Swap:", StringComparison.Ordinal) && !line.EndsWith(" 0 kB", StringComparison.Ordinal) && ReadEntries(fd, start, end, runs) is var errno and not 0)
            {
                return errno;
            }
        }

        return 0;
    }

    private static int ReadEntries(int fd, ulong start, ulong end, List<SlotRun> runs)
    {
        var page = (ulong)Environment.SystemPageSize;
        var buffer = stackalloc ulong[Entries];
        for (var at = start / page; at < end / page;)
        {
            var wanted = (nint)Math.Min(Entries, (end / page) - at) * 8;
            var got = Libc.ReadAt(fd, buffer, wanted, (nint)(at * 8));
            if (got <= 0)
            {
                return got < 0 ? Errno.Last : 0;
            }

            for (var i = 0; i < got / 8; i++)
            {
                if ((buffer[i] & SwapBit) != 0)
                {
                    Add(runs, buffer[i] & SlotBits);
                }
            }

            at += (ulong)got / 8;
        }

        return 0;
    }

    private static void Add(List<SlotRun> runs, ulong slot)
    {
        // Neighbouring pages mostly went to neighbouring slots: the offset grows by one, which is 32 here.
        if (runs.Count > 0 && runs[^1] is var run && run.First + ((ulong)run.Count << 5) == slot)
        {
            runs[^1] = run with { Count = run.Count + 1 };
        }
        else
        {
            runs.Add(new(slot, 1));
        }
    }
}
