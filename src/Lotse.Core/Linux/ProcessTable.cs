using System.Globalization;
using System.Runtime.CompilerServices;
using Lotse.Formats;

namespace Lotse.Linux;

/// <summary>A process as a scan finds it; no part of it is on the managed heap.</summary>
internal struct ScannedProcess
{
    /// <summary>Process id.</summary>
    public int Pid;

    /// <summary>Effective user id.</summary>
    public uint Uid;

    /// <summary>VmSwap, KiB.</summary>
    public long SwapKib;

    /// <summary>Bytes of the name in use.</summary>
    public int NameLength;

    /// <summary>comm: 16 bytes with its end (TASK_COMM_LEN); workers of the kernel have up to 64, but no memory.</summary>
    public Bytes16 Name;

    /// <summary>Sixteen bytes in place.</summary>
    [InlineArray(16)]
    public struct Bytes16
    {
        private byte first;
    }
}

/// <summary>
/// All processes of this machine from /proc, by raw system calls: list, open, read, close, and nothing else. Two
/// thirds of the time is the kernel printing the status files, so several threads share them from a size on.
/// </summary>
internal sealed unsafe class ProcessTable
{
    /// <summary>From so many processes on a second thread costs less than it saves (bench/swap).</summary>
    private const int ProcessesPerThread = 40;

    /// <summary>More threads than this only wait for each other inside the kernel.</summary>
    private const int MostThreads = 4;

    /// <summary>Read at once; a status file has 1.4 kB and more only with many groups.</summary>
    private const int StatusBytes = 4096;

    /// <summary>Listed at once: a few dozen processes, so that the last portion is not one thread's alone.</summary>
    private const int ListBytes = 512;

    private readonly int proc;
    private readonly bool zeros;
    private int unreadable;
    private int errno;
    private int[] kernelThreads = [];

    private ProcessTable(int proc, bool zeros) => (this.proc, this.zeros) = (proc, zeros);

    /// <summary>Scans.</summary>
    /// <param name="zeros">Also processes that hold no swap.</param>
    /// <param name="unreadable">Processes that may not be looked at.</param>
    /// <returns>Processes with a memory of their own, in no order.</returns>
    public static Reading<ScannedProcess[]> Scan(bool zeros, out int unreadable)
    {
        unreadable = 0;
        var proc = new Files().Open("/proc", Libc.ReadOnly | Libc.Directory);
        if (proc < 0)
        {
            return Files.Refused<ScannedProcess[]>("list", "/proc", -proc);
        }

        var table = new ProcessTable(proc, zeros);
        try
        {
            var rows = table.ReadAll();
            unreadable = table.unreadable;
            return table.errno == 0 ? new(rows, null) : Files.Refused<ScannedProcess[]>("list", "/proc", table.errno);
        }
        finally
        {
            _ = Libc.Close(proc);
        }
    }

    /// <summary>Reads one process; null when it has no row.</summary>
    public static ScannedProcess? One(int pid, bool zeros)
    {
        var proc = new Files().Open("/proc", Libc.ReadOnly | Libc.Directory);
        if (proc < 0)
        {
            return null;
        }

        var buffer = stackalloc byte[StatusBytes];
        var row = default(ScannedProcess);
        var found = new ProcessTable(proc, zeros).Read(pid, buffer, ref row);
        _ = Libc.Close(proc);
        return found > 0 ? row : null;
    }

    /// <summary>About how many processes there are, without listing them: each is a folder in /proc (fs/proc/root.c proc_root_getattr).</summary>
    public static int Count()
    {
        var status = stackalloc byte[256];
        fixed (byte* path = "/proc\0"u8)
        {
            return Libc.Statx(Libc.AtFdCwd, path, 0, Libc.StatxLinks, status) == 0 ? *(int*)(status + 16) : 0;
        }
    }

    private ScannedProcess[] ReadAll()
    {
        kernelThreads = KernelThreads();
        var threads = Math.Clamp(Math.Min(Environment.ProcessorCount, Count() / ProcessesPerThread), 1, MostThreads);
        var parts = new ScannedProcess[threads][];
        var others = new Thread[threads - 1];
        for (var i = 0; i < others.Length; i++)
        {
            var part = i + 1;
            others[i] = new Thread(() => parts[part] = Work(), 256 << 10);
            others[i].Start();
        }

        parts[0] = Work();
        var total = parts[0].Length;
        for (var i = 0; i < others.Length; i++)
        {
            others[i].Join();
            total += parts[i + 1].Length;
        }

        var all = new ScannedProcess[total];
        total = 0;
        foreach (var part in parts)
        {
            part.CopyTo(all, total);
            total += part.Length;
        }

        return all;
    }

    /// <summary>
    /// Lists a few and reads them, until there are no more. All threads list through one descriptor: the kernel hands
    /// out each entry once, so nobody waits for the whole list.
    /// </summary>
    private ScannedProcess[] Work()
    {
        var entries = stackalloc byte[ListBytes];
        var buffer = stackalloc byte[StatusBytes];
        var rows = new ScannedProcess[64];
        var used = 0;
        var denied = 0;
        nint got;
        while ((got = Libc.GetDirectoryEntries(proc, entries, ListBytes)) > 0)
        {
            for (nint at = 0; at < got; at += *(ushort*)(entries + at + 16))
            {
                var pid = 0;
                var name = entries + at + 19;
                while (*name is >= (byte)'0' and <= (byte)'9')
                {
                    pid = (pid * 10) + *name++ - '0';
                }

                if (*name != 0 || pid == 0)
                {
                    continue;
                }

                if (used == rows.Length)
                {
                    Array.Resize(ref rows, used * 4);
                }

                switch (Read(pid, buffer, ref rows[used]))
                {
                    case > 0:
                        used++;
                        break;
                    case < 0:
                        denied++;
                        break;
                    default:
                        break;
                }
            }
        }

        if (got < 0)
        {
            errno = Errno.Last;
        }

        Interlocked.Add(ref unreadable, denied);
        Array.Resize(ref rows, used);
        return rows;
    }

    /// <summary>Reads one process.</summary>
    /// <returns>1: a row; 0: none (gone, no memory, no swap); -1: may not be looked at.</returns>
    private int Read(int pid, byte* buffer, ref ScannedProcess row)
    {
        var path = stackalloc byte[32];
        var end = Number(path, pid);
        if (Array.BinarySearch(kernelThreads, pid) >= 0 && HasNoMemory(path, end))
        {
            return 0;
        }

        "/status\0"u8.CopyTo(new Span<byte>(end, 8));
        var length = ReadStatus(path, buffer, out var large);
        if (length < 0)
        {
            return length is -Errno.AccessDenied or -Errno.NotPermitted ? -1 : 0;
        }

        var text = large is null ? new ReadOnlySpan<byte>(buffer, length) : large;
        var status = ProcessStatus.Parse(text);
        var swap = status.IsEndedLeader ? OfAnyThread(pid) : status.SwapKib;
        if (swap < 0 || (swap == 0 && !zeros))
        {
            return 0;
        }

        (row.Pid, row.Uid, row.SwapKib) = (pid, status.Uid, swap);
        var name = status.EscapedName;
        var unescaped = name.Contains((byte)'\\') ? ProcessStatus.Unescape(name) : name;
        row.NameLength = Math.Min(unescaped.Length, 16);
        unescaped[..row.NameLength].CopyTo(row.Name);
        return 1;
    }

    /// <summary>
    /// Children of kthreadd, in order: kernel threads, and the few programs that the kernel itself has started. To ask
    /// each of them whether it has a memory takes a third of the time of printing its status.
    /// </summary>
    private static int[] KernelThreads()
    {
        var files = new Files();
        if (files.Read("/proc/2/comm", 64) is not { Ok: true } comm || !comm.Value.AsSpan().SequenceEqual("kthreadd\n"u8)
            || files.Read("/proc/2/task/2/children", 1 << 20) is not { Ok: true } children)
        {
            return [];
        }

        var found = new int[128];
        var used = 0;
        var text = children.Value.AsSpan();
        while (System.Buffers.Text.Utf8Parser.TryParse(text, out int pid, out var length))
        {
            if (used == found.Length)
            {
                Array.Resize(ref found, used * 2);
            }

            found[used++] = pid;
            text = text[length..].TrimStart((byte)' ');
        }

        Array.Resize(ref found, used);
        Array.Sort(found);
        return found;
    }

    /// <summary>Whether a task has no program and no second thread: /proc/PID/exe is not there, /proc/PID/task has one folder.</summary>
    private bool HasNoMemory(byte* path, byte* end)
    {
        "/exe\0"u8.CopyTo(new Span<byte>(end, 5));
        byte target;
        if (Libc.ReadLinkAt(proc, path, &target, 1) >= 0 || Errno.Last != Errno.NoEntry)
        {
            return false;
        }

        "/task\0"u8.CopyTo(new Span<byte>(end, 6));
        var status = stackalloc byte[256];
        return Libc.Statx(proc, path, 0, Libc.StatxLinks, status) == 0 && *(uint*)(status + 16) == 3;
    }

    /// <summary>The swap of a process whose first thread has ended: any living thread has the same memory.</summary>
    private static long OfAnyThread(int pid)
    {
        var folder = $"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/task";
        var files = new Files();
        var threads = files.List(folder);
        foreach (var thread in threads.Ok ? threads.Value : [])
        {
            if (files.Read($"{folder}/{thread}/status", 1 << 20) is { Ok: true } read && ProcessStatus.Parse(read.Value) is { SwapKib: >= 0 } status)
            {
                return status.SwapKib;
            }
        }

        return -1;
    }

    /// <summary>The length of the text, or the negative error. A text that the buffer cannot hold comes in <paramref name="large"/>.</summary>
    private int ReadStatus(byte* path, byte* buffer, out byte[]? large)
    {
        large = null;
        var fd = Libc.OpenAt(proc, path, Libc.ReadOnly | Libc.CloseOnExec, 0);
        if (fd < 0)
        {
            return -Errno.Last;
        }

        var got = (int)Libc.Read(fd, buffer, StatusBytes);
        var errno = got < 0 ? Errno.Last : 0;
        if (got == StatusBytes)
        {
            var all = new byte[1 << 20];
            new ReadOnlySpan<byte>(buffer, got).CopyTo(all);
            fixed (byte* rest = all)
            {
                for (nint more; got < all.Length && (more = Libc.Read(fd, rest + got, all.Length - got)) > 0;)
                {
                    got += (int)more;
                }
            }

            large = all[..got];
        }

        _ = Libc.Close(fd);
        return errno != 0 ? -errno : got;
    }

    /// <summary>Writes a number and returns where it ends.</summary>
    private static byte* Number(byte* at, int number)
    {
        var digits = stackalloc byte[12];
        var used = 0;
        do
        {
            digits[used++] = (byte)('0' + (number % 10));
            number /= 10;
        }
        while (number > 0);

        while (used > 0)
        {
            *at++ = digits[--used];
        }

        return at;
    }
}
