namespace Lotse.Linux;

/// <summary>Writing a whole file: one that must not exist yet, or in the place of another.</summary>
public static unsafe class NewFile
{
    /// <summary>Creates a file (mode 0600, O_EXCL) with these bytes; nothing is left behind when it fails.</summary>
    /// <returns>Null, or why there is no such file.</returns>
    public static HostError? Write(string path, ReadOnlySpan<byte> bytes) => Create(path, bytes, 0x180, synchronize: false);

    /// <summary>Puts a file in the place of another in one step (rename(2)): who reads it finds the old bytes or the new ones, also after a power cut.</summary>
    /// <param name="path">Absolute.</param>
    /// <param name="bytes">All of it.</param>
    /// <param name="mode">Permission bits, less the umask.</param>
    /// <param name="durable">Whether it is on the disk when this returns; a cache may do without.</param>
    /// <returns>Null, or why the old file is still there.</returns>
    public static HostError? Replace(string path, ReadOnlySpan<byte> bytes, uint mode, bool durable = true)
    {
        var temporary = Path.Combine(Path.GetDirectoryName(path) ?? "/", $".{Path.GetFileName(path)}.{Environment.ProcessId}.lotse");
        if (Create(temporary, bytes, mode, durable) is { } error)
        {
            return error;
        }

        fixed (byte* from = Files.Zero(temporary), to = Files.Zero(path))
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

    private static HostError? Create(string path, ReadOnlySpan<byte> bytes, uint mode, bool synchronize)
    {
        int fd;
        var name = Files.Zero(path);
        fixed (byte* p = name)
        {
            fd = Libc.OpenAt(Libc.AtFdCwd, p, Libc.WriteOnly | Libc.Create | Libc.Exclusive | Libc.NoFollow | Libc.CloseOnExec, mode);
            if (fd < 0)
            {
                return Files.Refused<bool>("write", path, Errno.Last).Error;
            }

            var errno = Descriptor.WriteAll(fd, bytes);
            if (errno == 0 && synchronize && Libc.Synchronize(fd) != 0)
            {
                errno = Errno.Last;
            }

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
}
