using System.Runtime.InteropServices;

namespace Lotse.Linux;

/// <summary>
/// Reading files by system calls: no exception for what is normal (a process that has gone), and paths of any bytes.
/// With a root, every path and every link on the way stays inside it (openat2(2), RESOLVE_IN_ROOT).
/// </summary>
/// <param name="root">Descriptor of the folder that confines; without it paths are this machine's.</param>
/// <param name="prefix">That folder's path, for messages.</param>
internal sealed unsafe class Files(int root = Libc.AtFdCwd, string prefix = "")
{
    private const int OpenAt2Number = 437, ResolveInRoot = 0x10, ResolveNoMagicLinks = 0x02;
    private const int SymlinkNoFollow = 0x100, EmptyPath = 0x1000;
    private const uint BasicStats = 0x7ff;

    /// <summary>Whether paths are confined to a folder.</summary>
    private bool Confined => root != Libc.AtFdCwd;

    /// <summary>Opens, retrying when a signal interrupted; negative is the error number.</summary>
    public int Open(string path, int flags)
    {
        var bytes = Zero(path);
        while (true)
        {
            int fd;
            fixed (byte* p = bytes)
            {
                fd = Confined ? OpenInRoot(p, flags | Libc.CloseOnExec) : Libc.OpenAt(root, p, flags | Libc.CloseOnExec, 0);
            }

            if (fd >= 0)
            {
                return fd;
            }

            if (Errno.Last != Errno.Interrupted)
            {
                return -Errno.Last;
            }
        }
    }

    public Reading<byte[]> Read(string path, int limit)
    {
        var fd = Open(path, Libc.ReadOnly | Libc.NonBlock);
        if (fd < 0)
        {
            return Refused<byte[]>("read", prefix + path, -fd);
        }

        try
        {
            return ReadAll(fd, prefix + path, limit);
        }
        finally
        {
            _ = Libc.Close(fd);
        }
    }

    public Reading<string[]> List(string path)
    {
        var fd = Open(path, Libc.ReadOnly | Libc.Directory);
        if (fd < 0)
        {
            return Refused<string[]>("list", prefix + path, -fd);
        }

        var names = new List<string>();
        var buffer = new byte[32768];
        try
        {
            fixed (byte* start = buffer)
            {
                nint count;
                while ((count = Libc.GetDirectoryEntries(fd, start, buffer.Length)) > 0)
                {
                    // struct linux_dirent64: ino 8, off 8, reclen 2, type 1, name.
                    for (var at = 0; at < count; at += *(ushort*)(start + at + 16))
                    {
                        var name = MemoryMarshal.CreateReadOnlySpanFromNullTerminated(start + at + 19);
                        if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
                        {
                            names.Add(ByteText.Decode(name));
                        }
                    }
                }

                if (count < 0)
                {
                    return Refused<string[]>("list", prefix + path, Errno.Last);
                }
            }
        }
        finally
        {
            _ = Libc.Close(fd);
        }

        names.Sort(StringComparer.Ordinal);
        return new([.. names], null);
    }

    public Reading<string> ReadLink(string path)
    {
        // Through a descriptor of the link itself, so that a root confines the folders on the way.
        var fd = Open(path, Libc.Path | Libc.NoFollow);
        if (fd < 0)
        {
            return Refused<string>("read the link", prefix + path, -fd);
        }

        try
        {
            var target = stackalloc byte[4096];
            byte empty = 0;
            var length = Libc.ReadLinkAt(fd, &empty, target, 4096);
            return length < 0
                ? Refused<string>("read the link", prefix + path, Errno.Last == Errno.NoEntry ? Errno.Invalid : Errno.Last)
                : new(ByteText.Decode(new(target, (int)length)), null);
        }
        finally
        {
            _ = Libc.Close(fd);
        }
    }

    public Reading<FileStatus> Status(string path)
    {
        var s = stackalloc byte[256];
        byte empty = 0;
        int errno;
        if (!Confined)
        {
            fixed (byte* p = Zero(path))
            {
                errno = Libc.Statx(root, p, SymlinkNoFollow, BasicStats, s) == 0 ? 0 : Errno.Last;
            }
        }
        else
        {
            // Through a descriptor, for only opening confines the folders on the way.
            var fd = Open(path, Libc.Path | Libc.NoFollow);
            if (fd < 0)
            {
                return Refused<FileStatus>("look at", prefix + path, -fd);
            }

            errno = Libc.Statx(fd, &empty, EmptyPath | SymlinkNoFollow, BasicStats, s) == 0 ? 0 : Errno.Last;
            _ = Libc.Close(fd);
        }

        if (errno != 0)
        {
            return Refused<FileStatus>("look at", prefix + path, errno);
        }

        // struct statx (linux/stat.h): nlink 16, uid 20, gid 24, mode 28, ino 32, size 40, dev 136 and 140.
        var mode = *(ushort*)(s + 28);
        var kind = (mode & 0xf000) switch
        {
            0x8000 => FileKind.File,
            0x4000 => FileKind.Directory,
            0xa000 => FileKind.Link,
            _ => FileKind.Other,
        };
        return new(
            new(kind, mode & 0xfff, *(uint*)(s + 20), *(uint*)(s + 24), *(long*)(s + 40), *(ulong*)(s + 32), $"{*(uint*)(s + 136)}:{*(uint*)(s + 140)}", *(uint*)(s + 16)),
            null);
    }

    /// <summary>A refusal: <c>cannot read /etc/shadow: permission denied</c>.</summary>
    public static Reading<T> Refused<T>(string verb, string path, int errno) =>
        new(default!, new(Errno.Kind(errno), $"cannot {verb} {ByteText.Escape(path)}: {Errno.Words(errno)}"));

    /// <summary>Whether a path, followed through links, is a regular file that this process may execute.</summary>
    public static bool MayRun(string path)
    {
        // struct statx: stx_mode is at 28.
        var status = stackalloc byte[256];
        fixed (byte* p = System.Text.Encoding.UTF8.GetBytes(path + "\0"))
        {
            return Libc.Access(Libc.AtFdCwd, p, 1, 0) == 0 && Libc.Statx(Libc.AtFdCwd, p, 0, 1, status) == 0 && (*(ushort*)(status + 28) & 0xf000) == 0x8000;
        }
    }

    /// <summary>A path as the kernel takes it.</summary>
    public static byte[] Zero(string path) => [.. ByteText.Encode(path), 0];

    private static Reading<byte[]> ReadAll(int fd, string path, int limit)
    {
        // /proc and /sys report size 0, so the size is asked only of what is longer than a first piece, and is no more than a hint.
        var buffer = new byte[Math.Min(limit + 1, 4096)];
        var used = 0;
        while (true)
        {
            if (used == buffer.Length)
            {
                if (used > limit)
                {
                    return new(default!, new(HostErrorKind.TooLarge, $"cannot read {ByteText.Escape(path)}: larger than {limit} bytes"));
                }

                Array.Resize(ref buffer, (int)Math.Min(limit + 1L, Math.Max(buffer.Length * 4L, used == 4096 ? SizeOf(fd) + 1 : 0)));
            }

            nint got;
            fixed (byte* at = &buffer[used])
            {
                got = Libc.Read(fd, at, buffer.Length - used);
            }

            if (got == 0)
            {
                return used > limit
                    ? new(default!, new(HostErrorKind.TooLarge, $"cannot read {ByteText.Escape(path)}: larger than {limit} bytes"))
                    : new(used == buffer.Length ? buffer : buffer[..used], null);
            }

            if (got > 0)
            {
                used += (int)got;
            }
            else if (Errno.Last != Errno.Interrupted)
            {
                return Refused<byte[]>("read", path, Errno.Last);
            }
        }
    }

    private static long SizeOf(int fd)
    {
        // struct statx: stx_size is at 40.
        const uint SizeMask = 0x200;
        var status = stackalloc byte[256];
        byte empty = 0;
        return Libc.Statx(fd, &empty, EmptyPath, SizeMask, status) == 0 ? *(long*)(status + 40) : 0;
    }

    private int OpenInRoot(byte* path, int flags)
    {
        // struct open_how: flags, mode, resolve.
        var how = stackalloc ulong[3] { (ulong)flags, 0, ResolveInRoot | ResolveNoMagicLinks };
        return (int)Libc.SystemCall(OpenAt2Number, root, (nint)path, (nint)how, 24);
    }
}
