namespace Lotse.Linux;

/// <summary>
/// A folder of somebody else, in which files are written, renamed and removed with that owner's rights and no others
/// (setfsuid(2)): what the owner may have put in our way leads nowhere but where the owner may go. The folder itself is
/// opened with ours, for the way to it may be closed to its owner. Every call is checked.
/// </summary>
internal sealed unsafe class OwnersFolder : IDisposable
{
    private const uint Self = uint.MaxValue;

    private readonly int fd;
    private readonly string path;
    private readonly uint uid, gid;

    private OwnersFolder(int fd, string path, uint uid, uint gid) => (this.fd, this.path, this.uid, this.gid) = (fd, path.TrimEnd('/') + "/", uid, gid);

    /// <summary>Opens a folder.</summary>
    /// <param name="path">Absolute.</param>
    /// <param name="uid">Whose rights are used in it.</param>
    /// <param name="gid">The group, likewise.</param>
    /// <exception cref="ChangeFailedException">It is not there, or is none.</exception>
    public static OwnersFolder Open(string path, uint uid, uint gid)
    {
        var fd = new Files().Open(path, Libc.Path | Libc.Directory);
        return fd >= 0 ? new(fd, path, uid, gid) : throw ChangeFailedException.Of("open the folder", path, -fd);
    }

    /// <summary>Writes a file, new or in the place of its content, mode 0600.</summary>
    /// <param name="name">In the folder; a link of this name is refused.</param>
    /// <param name="content">All of it.</param>
    /// <param name="durable">Whether it is on the disk when this returns.</param>
    public void Write(string name, ReadOnlySpan<byte> content, bool durable)
    {
        int file, errno;
        fixed (byte* p = Files.Zero(name))
        {
            // A FIFO that stands there must not hold us up; the mode is set by the owner, for only the owner's file may get it.
            using var rights = new Rights(this);
            file = Libc.OpenAt(fd, p, Libc.WriteOnly | Libc.Create | Libc.Truncate | Libc.NoFollow | Libc.NonBlock | Libc.CloseOnExec, 0x180);
            errno = file < 0 || Libc.ChangeMode(file, 0x180) != 0 ? Errno.Last : 0;
        }

        if (file < 0)
        {
            throw ChangeFailedException.Of("write", path + name, errno);
        }

        errno = errno == 0 ? Descriptor.WriteAll(file, content) : errno;
        if (errno == 0 && durable && Libc.Synchronize(file) != 0)
        {
            errno = Errno.Last;
        }

        if (Libc.Close(file) != 0 && errno == 0)
        {
            errno = Errno.Last;
        }

        if (errno != 0)
        {
            throw ChangeFailedException.Of("write", path + name, errno);
        }
    }

    /// <summary>Renames a file within the folder.</summary>
    public void Rename(string from, string to)
    {
        fixed (byte* a = Files.Zero(from), b = Files.Zero(to))
        {
            using var rights = new Rights(this);
            if (Libc.RenameAt(fd, a, fd, b) != 0)
            {
                throw ChangeFailedException.Of("rename", path + from, Errno.Last);
            }
        }
    }

    /// <summary>Removes a file if it is there.</summary>
    public void Remove(string name)
    {
        fixed (byte* p = Files.Zero(name))
        {
            using var rights = new Rights(this);
            if (Libc.UnlinkAt(fd, p, 0) != 0 && Errno.Last != Errno.NoEntry)
            {
                throw ChangeFailedException.Of("remove", path + name, Errno.Last);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _ = Libc.Close(fd);

    /// <summary>The rights of this thread on files are the owner's until it is disposed of; the error of the last call is kept.</summary>
    private readonly ref struct Rights : IDisposable
    {
        private readonly bool areTaken;

        public Rights(OwnersFolder folder)
        {
            if (Libc.GetEffectiveUserId() == folder.uid)
            {
                return;
            }

            // The call tells what was before, and nothing of whether it worked: asked again with a number that nobody has.
            areTaken = true;
            _ = Libc.SetFileGroup(folder.gid);
            _ = Libc.SetFileUser(folder.uid);
            if ((uint)Libc.SetFileUser(Self) != folder.uid || (uint)Libc.SetFileGroup(Self) != folder.gid)
            {
                Dispose();
                throw ChangeFailedException.Of("write as the owner of", folder.path, Errno.NotPermitted);
            }
        }

        public void Dispose()
        {
            if (areTaken)
            {
                _ = Libc.SetFileUser(Libc.GetEffectiveUserId());
                _ = Libc.SetFileGroup(Libc.GetEffectiveGroupId());
            }
        }
    }
}
