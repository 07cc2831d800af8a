using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Lotse.Linux;

/// <summary>A file whose pages live in memory and swap (tmpfs, memfd, shared anonymous memory), found by name or by a holder.</summary>
/// <param name="Kind">tmpfs, memfd, shared-anonymous, sysv or deleted-file.</param>
/// <param name="Path">Path or name.</param>
/// <param name="Inode">Inode; of a System V segment its id.</param>
/// <param name="Uid">Owner of the file.</param>
/// <param name="SwapKib">In swap.</param>
/// <param name="Holders">Processes that have it open or mapped.</param>
internal sealed record SharedFile(string Kind, string Path, ulong Inode, uint Uid, long SwapKib, List<int> Holders);

/// <summary>
/// Finds every file of shared memory and how much of it is in swap, by cachestat(2) (kernel 6.5 and later; before, by
/// mapping the file untouched and reading the own smaps). Files with a name are found by walking the tmpfs mounts of
/// every mount namespace, the others by the descriptors and mappings of the processes. Only regular files on tmpfs are
/// opened, never a FIFO or device, and no other file system is walked.
/// </summary>
internal sealed unsafe partial class SharedFiles
{
    private const nint CacheStat = 451;
    private const long TmpfsMagic = 0x01021994;
    private const int NoAccessTime = 0x40000, Most = 2_000_000;

    private readonly Files files = new();
    // A segment's id is its inode, on the same hidden mount where memfds count theirs: the two may be equal.
    private readonly Dictionary<(string Device, ulong Inode, bool IsSegment), SharedFile?> known = [];
    private readonly HashSet<string> walked = [];

    /// <summary>Those that hold swap.</summary>
    public IEnumerable<SharedFile> Found => known.Values.OfType<SharedFile>().Where(f => f.SwapKib > 0);

    /// <summary>Looks at the mounts of one process's mount namespace.</summary>
    public void AddMounts(int pid)
    {
        var self = $"/proc/{pid.ToString(CultureInfo.InvariantCulture)}";
        if (files.Read(self + "/mountinfo", 64 << 20) is not { Ok: true } mounts)
        {
            return;
        }

        foreach (var line in ByteText.Decode(mounts.Value).Split('\n'))
        {
            // 36 35 98:0 /root /mount/point options [optional fields] - type source options (proc_pid_mountinfo(5))
            var f = line.Split(' ');
            var dash = Array.IndexOf(f, "-");
            if (dash > 5 && dash + 1 < f.Length && f[dash + 1] is "tmpfs" or "devtmpfs" && walked.Add(f[2] + f[3]))
            {
                Walk(self + "/root" + Unescape(f[4]), Unescape(f[4]), f[2]);
            }
        }
    }

    /// <summary>Looks at what a process has open or mapped that has no name.</summary>
    public void AddHeld(int pid)
    {
        var self = $"/proc/{pid.ToString(CultureInfo.InvariantCulture)}";
        if (files.List(self + "/fd") is { Ok: true } descriptors)
        {
            foreach (var number in descriptors.Value)
            {
                if (files.ReadLink($"{self}/fd/{number}") is { Ok: true } link && HasNoName(link.Value))
                {
                    Add($"{self}/fd/{number}", link.Value, pid);
                }
            }
        }

        if (files.Read(self + "/maps", 256 << 20) is not { Ok: true } maps)
        {
            return;
        }

        foreach (var range in maps.Value.AsSpan().Split((byte)'\n'))
        {
            // start-end perms offset dev inode path; only nameless ones, told apart by their path.
            var line = maps.Value.AsSpan()[range];
            var path = line.IndexOf((byte)'/');
            if (path > 0 && line[^1] is (byte)')' or (byte)'d' && (line.EndsWith(" (deleted)"u8) || line[path..].StartsWith("/memfd:"u8) || line[path..].StartsWith("/SYSV"u8)))
            {
                Add($"{self}/map_files/{Canonical(Encoding.ASCII.GetString(line[..line.IndexOf((byte)' ')]))}", ByteText.Decode(line[path..]), pid);
            }
        }
    }

    private static bool HasNoName(string link) => link.StartsWith('/') && (link.StartsWith("/memfd:", StringComparison.Ordinal) || link.EndsWith(" (deleted)", StringComparison.Ordinal));

    /// <summary>maps pads addresses with zeros, map_files does not.</summary>
    private static string Canonical(string range) =>
        string.Join('-', range.Split('-').Select(a => a.TrimStart('0') is { Length: > 0 } trimmed ? trimmed : "0"));

    /// <summary>Walks one file system, known by its device: another one may be mounted above it.</summary>
    private void Walk(string real, string shown, string device)
    {
        if (files.Status(real) is not { Ok: true } top || top.Value.Device != device)
        {
            return;
        }

        var folders = new Stack<(string Real, string Shown)>([(real, shown.TrimEnd('/'))]);
        while (folders.TryPop(out var folder) && known.Count < Most)
        {
            if (files.List(folder.Real) is not { Ok: true } names)
            {
                continue;
            }

            foreach (var name in names.Value)
            {
                var path = $"{folder.Real}/{name}";
                if (files.Status(path) is not { Ok: true } status || status.Value.Device != device)
                {
                    continue;
                }

                if (status.Value.Kind == FileKind.Directory)
                {
                    folders.Push((path, $"{folder.Shown}/{name}"));
                }
                else if (status.Value.Kind == FileKind.File)
                {
                    Measure(path, $"{folder.Shown}/{name}", "tmpfs", NoAccessTime | Libc.NoFollow, null);
                }
            }
        }
    }

    private void Add(string path, string link, int pid)
    {
        var kind = link.StartsWith("/memfd:", StringComparison.Ordinal) ? "memfd"
            : link.StartsWith("/SYSV", StringComparison.Ordinal) ? "sysv"
            : link.StartsWith("/dev/zero (deleted)", StringComparison.Ordinal) ? "shared-anonymous"
            : "deleted-file";
        Measure(path, link.EndsWith(" (deleted)", StringComparison.Ordinal) ? link[..^10] : link, kind, 0, pid);
    }

    private void Measure(string path, string shown, string kind, int flags, int? holder)
    {
        // Looked at before it is opened: opening a FIFO or a device may block or do something.
        var fd = files.Open(path, Libc.Path);
        if (fd < 0)
        {
            return;
        }

        var s = stackalloc byte[256];
        byte empty = 0;
        var looked = Libc.Statx(fd, &empty, 0x1000, 0x7ff, s);
        _ = Libc.Close(fd);
        if (looked != 0 || (*(ushort*)(s + 28) & 0xf000) != 0x8000)
        {
            return;
        }

        var key = ($"{*(uint*)(s + 136)}:{*(uint*)(s + 140)}", *(ulong*)(s + 32), kind == "sysv");
        if (known.TryGetValue(key, out var file))
        {
            if (holder is { } another && file is not null && !file.Holders.Contains(another))
            {
                file.Holders.Add(another);
            }

            return;
        }

        fd = files.Open(path, Libc.ReadOnly | Libc.NonBlock | flags);
        if (fd < 0)
        {
            return;
        }

        try
        {
            var size = *(long*)(s + 40);
            known[key] = !IsTmpfs(fd) || Swapped(fd, size) is not { } kib ? null : new(kind, shown, *(ulong*)(s + 32), *(uint*)(s + 20), kib, holder is { } one ? [one] : []);
        }
        finally
        {
            _ = Libc.Close(fd);
        }
    }

    private static bool IsTmpfs(int fd)
    {
        var s = stackalloc long[64];
        return FileSystemStatus(fd, s) == 0 && s[0] == TmpfsMagic;
    }

    private static long? Swapped(int fd, long size)
    {
        // struct cachestat_range: offset, length (0: to the end); struct cachestat: cache, dirty, writeback, evicted, recently.
        var range = stackalloc ulong[2] { 0, 0 };
        var stat = stackalloc ulong[5];
        var kibPerPage = Environment.SystemPageSize / 1024;
        return Libc.SystemCall(CacheStat, fd, (nint)range, (nint)stat) == 0 ? (long)stat[3] * kibPerPage
            : Errno.Last == Errno.NoSystemCall ? BySmaps(fd, size)
            : null;
    }

    /// <summary>Older kernels: a mapping that is never touched shows in smaps what of the file is in swap.</summary>
    private static long? BySmaps(int fd, long size)
    {
        if (size == 0)
        {
            return 0;
        }

        var address = Map(null, (nint)size, 1, 1, fd, 0);
        if ((nint)address == -1)
        {
            return null;
        }

        try
        {
            if (new Files().Read("/proc/self/smaps", 256 << 20) is not { Ok: true } smaps)
            {
                return null;
            }

            var start = ((ulong)address).ToString("x", CultureInfo.InvariantCulture) + "-";
            var inside = false;
            foreach (var line in Encoding.Latin1.GetString(smaps.Value).Split('\n'))
            {
                inside = line.StartsWith(start, StringComparison.Ordinal) || (inside && !(line.Contains('-', StringComparison.Ordinal) && char.IsAsciiHexDigitLower(line[0])));
                if (inside && line.StartsWith("Swap:", StringComparison.Ordinal) && long.TryParse(line[5..^2], NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out var kib))
                {
                    return kib;
                }
            }

            return null;
        }
        finally
        {
            _ = Unmap(address, (nint)size);
        }
    }

    /// <summary>Blanks and backslashes in mountinfo are octal: <c>\040</c>.</summary>
    private static string Unescape(string path)
    {
        if (!path.Contains('\\', StringComparison.Ordinal))
        {
            return path;
        }

        var bytes = new List<byte>();
        var raw = ByteText.Encode(path);
        for (var i = 0; i < raw.Length; i++)
        {
            var isOctal = raw[i] == '\\' && i + 3 < raw.Length && raw.AsSpan(i + 1, 3).IndexOfAnyExceptInRange((byte)'0', (byte)'7') < 0;
            bytes.Add(isOctal ? (byte)(((raw[i + 1] - '0') << 6) | ((raw[i + 2] - '0') << 3) | (raw[i + 3] - '0')) : raw[i]);
            i += isOctal ? 3 : 0;
        }

        return ByteText.Decode([.. bytes]);
    }

    [LibraryImport("libc", EntryPoint = "fstatfs", SetLastError = true)]
    private static partial int FileSystemStatus(int fd, long* status);

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial void* Map(void* address, nint length, int protection, int flags, int fd, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    private static partial int Unmap(void* address, nint length);
}
