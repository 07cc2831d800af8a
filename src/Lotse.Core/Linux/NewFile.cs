namespace Lotse.Linux;

/// <summary>Writing a file that must not exist yet.</summary>
public static unsafe class NewFile
{
    /// <summary>Creates a file (mode 0600, O_EXCL) with these bytes; nothing is left behind when it fails.</summary>
    /// <returns>Null, or why there is no such file.</returns>
    public static HostError? Write(string path, ReadOnlySpan<byte> bytes)
    {
        int fd;
        var name = Files.Zero(path);
        fixed (byte* p = name)
        {
            fd = Libc.OpenAt(Libc.AtFdCwd, p, Libc.WriteOnly | Libc.Create | Libc.Exclusive | Libc.NoFollow | Libc.CloseOnExec, 0x180);
            if (fd < 0)
            {
                return Files.Refused<bool>("write", path, Errno.Last).Error;
            }

            var errno = Descriptor.WriteAll(fd, bytes);
            if (Libc.Close(fd) != 0 && errno == 0)
            {
                errno = Errno.Last;
            }

            if (errno == 0)
            {
                return null;
            }

            _ = Libc.UnlinkAt(Libc.AtFdCwd, p, 0);
            return Files.Refused<bool>("write", path, errno).Error;
        }
    }

    /// <summary>Puts a file (mode 0600) with these bytes in the place of one of our own: the old one or the new one stands there, never half.</summary>
    /// <returns>Null, or why the old one still stands.</returns>
    public static HostError? Replace(string path, ReadOnlySpan<byte> bytes)
    {
        Span<byte> random = stackalloc byte[8];
        KernelRandom.Fill(random);
        var beside = $"{path}.{Convert.ToHexStringLower(random)}";
        if (Write(beside, bytes) is { } error)
        {
            return error;
        }

        fixed (byte* from = Files.Zero(beside), to = Files.Zero(path))
        {
            if (Libc.RenameAt(Libc.AtFdCwd, from, Libc.AtFdCwd, to) == 0)
            {
                return null;
            }

            var errno = Errno.Last;
            _ = Libc.UnlinkAt(Libc.AtFdCwd, from, 0);
            return Files.Refused<bool>("write", path, errno).Error;
        }
    }
}
