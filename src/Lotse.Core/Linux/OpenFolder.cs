namespace Lotse.Linux;

/// <summary>
/// A folder held open, in which files are replaced, made and deleted by name: what the folder's path becomes meanwhile
/// does not matter, and no link on the way can lead elsewhere. Every call is checked, fsync(2) included.
/// </summary>
internal sealed unsafe class OpenFolder : IDisposable
{
    /// <summary>The most that is read of one file: configuration files are smaller.</summary>
    public const int Limit = 16 << 20;

    private const nuint GetFlags = 0x80086601, SetFlags = 0x40086602;

    /// <summary>FS_*_FL that chattr(1) sets and that a new file can be given: SYNC NODUMP NOATIME COMPR NOCOMP JOURNAL_DATA NOTAIL DIRSYNC NOCOW PROJINHERIT.</summary>
    private const int KeptFlags = 0x8 | 0x40 | 0x80 | 0x4 | 0x400 | 0x4000 | 0x8000 | 0x10000 | 0x800000 | 0x20000000;

    private readonly int fd;

    private OpenFolder(int fd, string path) => (this.fd, Path) = (fd, path);

    /// <summary>Its path, for messages; ends with a slash.</summary>
    public string Path { get; }

    /// <summary>Opens a folder.</summary>
    /// <exception cref="ChangeFailedException">It is not there, or is none.</exception>
    public static OpenFolder Open(Files files, string path)
    {
        var fd = files.Open(path, Libc.ReadOnly | Libc.Directory);
        return fd >= 0 ? new(fd, path.EndsWith('/') ? path : path + "/") : throw ChangeFailedException.Of("open the folder", path, -fd);
    }

    public Inode? Find(string name) => Inode.Read(fd, name, out var inode) switch
    {
        0 => inode,
        Errno.NoEntry => null,
        var errno => throw ChangeFailedException.Of("look at", Path + name, errno),
    };

    /// <summary>The folder itself.</summary>
    public Inode Self() => Inode.Read(fd, "", out var inode) is var errno and not 0 ? throw ChangeFailedException.Of("look at", Path, errno) : inode;

    /// <summary>Reads a regular file with all that it carries.</summary>
    /// <exception cref="ChangeFailedException">It is none, is too large, or may not be read.</exception>
    public (byte[] Bytes, FileImage Image, Inode Inode) Read(string name)
    {
        if (Find(name) is { Kind: not FileKind.File } other)
        {
            throw new ChangeFailedException($"change {ByteText.Escape(Path + name)}", other.Kind switch { FileKind.Directory => "it is a directory", FileKind.Link => "it is a symbolic link", _ => "it is a device, socket or FIFO" });
        }

        var file = OpenAt(name, Libc.ReadOnly | Libc.NoFollow | Libc.NonBlock);
        if (file < 0)
        {
            throw ChangeFailedException.Of("read", Path + name, -file);
        }

        try
        {
            if (Inode.Read(file, "", out var inode) is var errno and not 0)
            {
                throw ChangeFailedException.Of("look at", Path + name, errno);
            }

            if (inode.Kind != FileKind.File || inode.Size > Limit)
            {
                throw new ChangeFailedException($"change {ByteText.Escape(Path + name)}", inode.Kind != FileKind.File ? "it is no regular file" : $"it has {inode.Size} bytes, and a file of over {Limit} is no configuration file");
            }

            return (ReadAll(file, name), ImageOf(file, inode, name), inode);
        }
        finally
        {
            _ = Libc.Close(file);
        }
    }

    /// <summary>Why a file cannot be replaced without losing something, or null.</summary>
    public string? Obstacle(string name)
    {
        if (Find(name) is not { } inode)
        {
            return null;
        }

        return inode switch
        {
            { Links: > 1, Kind: FileKind.File } => $"it has {inode.Links} hard links: replacing it would part it from its other names",
            _ when (inode.Attributes & Inode.Immutable) != 0 => "it is immutable (chattr +i)",
            _ when (inode.Attributes & Inode.AppendOnly) != 0 => "it is append-only (chattr +a)",
            _ when (inode.Attributes & Inode.Verity) != 0 => "it is sealed by fs-verity",
            _ when (inode.Attributes & Inode.MountRoot) != 0 => "it is a mount point, as a container's /etc/hosts is: change it where it comes from",
            _ => null,
        };
    }

    /// <summary>
    /// Writes a file beside its place: owner, then mode, then attributes, then bytes, each checked and read back; on disk
    /// when this returns.
    /// </summary>
    /// <param name="temporary">A name that is not there.</param>
    /// <param name="bytes">Its content.</param>
    /// <param name="image">What it carries.</param>
    /// <param name="keepTime">Whether it gets the image's time, or now.</param>
    public void Prepare(string temporary, ReadOnlySpan<byte> bytes, FileImage image, bool keepTime)
    {
        var file = OpenAt(temporary, Libc.ReadWrite | Libc.Create | Libc.Exclusive | Libc.NoFollow, 0x180);
        if (file < 0)
        {
            throw ChangeFailedException.Of("create", Path + temporary, -file);
        }

        var closed = false;
        try
        {
            if (image.Flags != 0)
            {
                // Before the first byte: a file with content cannot become NOCOW.
                SetInodeFlags(file, temporary, image.Flags);
            }

            Check(Libc.ChangeOwner(file, image.Uid, image.Gid), "give the owner to", temporary);
            SetAttributes(file, temporary, image);
            if (Descriptor.WriteAll(file, bytes) is var errno and not 0)
            {
                throw ChangeFailedException.Of("write", Path + temporary, errno);
            }

            // Last, for a change of owner or a write takes set-id bits away.
            Check(Libc.ChangeMode(file, (uint)image.Mode), "set the mode of", temporary);
            if (keepTime)
            {
                SetTime(file, temporary, image);
            }

            Check(Libc.Synchronize(file), "bring to the disk", temporary);
            _ = Inode.Read(file, "", out var inode);
            var got = ImageOf(file, inode, temporary);
            if (!got.Same(image))
            {
                throw new ChangeFailedException($"keep what {ByteText.Escape(Path + temporary)} should carry", Difference(image, got));
            }

            closed = true;
            Check(Libc.Close(file), "close", temporary);
        }
        finally
        {
            if (!closed)
            {
                _ = Libc.Close(file);
            }
        }
    }

    /// <summary>Gives a prepared file its name in one step, and brings the folder to the disk.</summary>
    /// <param name="temporary">The prepared file.</param>
    /// <param name="name">Its place.</param>
    /// <param name="expected">What must still stand there; null: nothing may.</param>
    public void Place(string temporary, string name, Inode? expected)
    {
        var now = Find(name);
        if (expected is null ? now is not null : now is not { } there || !there.SameAs(expected.Value))
        {
            throw new ChangeFailedException($"replace {ByteText.Escape(Path + name)}", "somebody changed it at this moment");
        }

        fixed (byte* from = Files.Zero(temporary), to = Files.Zero(name))
        {
            if (expected is null)
            {
                // A link never replaces; where there are no links, the look just now has to do.
                if (Libc.LinkAt(fd, from, fd, to, 0) == 0)
                {
                    Check(Libc.UnlinkAt(fd, from, 0), "remove", temporary);
                    Synchronize();
                    return;
                }

                if (Errno.Last is not (Errno.NotPermitted or Errno.NotSupported))
                {
                    throw ChangeFailedException.Of("create", Path + name, Errno.Last);
                }
            }

            Check(Libc.RenameAt(fd, from, fd, to), "put in place", name);
        }

        Synchronize();
    }

    /// <summary>Removes a name if it is there, and brings the folder to the disk.</summary>
    public void Remove(string name)
    {
        fixed (byte* p = Files.Zero(name))
        {
            if (Libc.UnlinkAt(fd, p, 0) != 0 && Errno.Last != Errno.NoEntry)
            {
                throw ChangeFailedException.Of("remove", Path + name, Errno.Last);
            }
        }

        Synchronize();
    }

    /// <summary>Makes a folder in this one.</summary>
    public void MakeFolder(string name, uint mode, bool mayExist = false)
    {
        fixed (byte* p = Files.Zero(name))
        {
            if (Libc.MakeDirectoryAt(fd, p, mode) != 0 && !(mayExist && Errno.Last == Errno.Exists))
            {
                throw ChangeFailedException.Of("create the folder", Path + name, Errno.Last);
            }
        }

        Synchronize();
    }

    /// <summary>Removes an empty folder; one that is not empty, or has gone, stays as it is.</summary>
    public void RemoveEmptyFolder(string name)
    {
        fixed (byte* p = Files.Zero(name))
        {
            if (Libc.UnlinkAt(fd, p, 0x200) != 0 && Errno.Last is not (Errno.NoEntry or 39 or Errno.Exists))
            {
                throw ChangeFailedException.Of("remove the folder", Path + name, Errno.Last);
            }
        }

        Synchronize();
    }

    /// <summary>Makes a symbolic link: a file whose content appears in one step.</summary>
    /// <returns>0 or the error number.</returns>
    public int Link(string name, string target)
    {
        fixed (byte* at = Files.Zero(name), to = Files.Zero(target))
        {
            return Libc.SymbolicLinkAt(to, fd, at) == 0 ? 0 : Errno.Last;
        }
    }

    /// <summary>Sets the time of the folder's last change, so that what was put back leaves no trace.</summary>
    public void SetOwnTime(long seconds, uint nanoseconds)
    {
        var times = stackalloc long[4] { 0, 0x3ffffffe, seconds, nanoseconds };
        Check(Libc.SetTimes(fd, times), "set the time of", "");
    }

    /// <summary>Brings the folder's names to the disk.</summary>
    public void Synchronize() => Check(Libc.Synchronize(fd), "bring to the disk", "");

    public void Dispose() => _ = Libc.Close(fd);

    /// <summary>Opens a file here; negative is the error number.</summary>
    public int OpenAt(string name, int flags, uint mode = 0)
    {
        fixed (byte* p = Files.Zero(name))
        {
            while (true)
            {
                var file = Libc.OpenAt(fd, p, flags | Libc.CloseOnExec, mode);
                if (file >= 0 || Errno.Last != Errno.Interrupted)
                {
                    return file >= 0 ? file : -Errno.Last;
                }
            }
        }
    }

    private byte[] ReadAll(int file, string name)
    {
        var all = new MemoryStream();
        var buffer = stackalloc byte[65536];
        while (true)
        {
            var got = Libc.Read(file, buffer, 65536);
            if (got > 0)
            {
                all.Write(new ReadOnlySpan<byte>(buffer, (int)got));
                if (all.Length > Limit)
                {
                    throw new ChangeFailedException($"change {ByteText.Escape(Path + name)}", $"a file of over {Limit} bytes is no configuration file");
                }
            }
            else if (got == 0)
            {
                return all.ToArray();
            }
            else if (Errno.Last != Errno.Interrupted)
            {
                throw ChangeFailedException.Of("read", Path + name, Errno.Last);
            }
        }
    }

    private FileImage ImageOf(int file, Inode inode, string name)
    {
        int flags = 0;
        long word = 0;
        if (Libc.Ioctl(file, GetFlags, &word) == 0)
        {
            flags = (int)word & KeptFlags;
        }

        return new(inode.Mode, inode.Uid, inode.Gid, inode.Seconds, inode.Nanoseconds, flags, Attributes(file, name));
    }

    private Xattr[] Attributes(int file, string name)
    {
        var names = new byte[65536];
        var value = new byte[65536];
        var all = new List<Xattr>();
        fixed (byte* n = names, v = value)
        {
            var length = Libc.ListAttributes(file, n, names.Length);
            if (length < 0)
            {
                return Errno.Last == Errno.NotSupported ? [] : throw ChangeFailedException.Of("read the attributes of", Path + name, Errno.Last);
            }

            foreach (var attribute in ByteText.Decode(names.AsSpan(0, (int)length)).Split('\0', StringSplitOptions.RemoveEmptyEntries))
            {
                fixed (byte* a = Files.Zero(attribute))
                {
                    var size = Libc.GetAttribute(file, a, v, value.Length);
                    all.Add(size >= 0 ? new(attribute, value[..(int)size]) : throw ChangeFailedException.Of($"read the attribute {ByteText.Escape(attribute)} of", Path + name, Errno.Last));
                }
            }
        }

        return [.. all.OrderBy(a => a.Name, StringComparer.Ordinal)];
    }

    private void SetAttributes(int file, string name, FileImage image)
    {
        // A new file may have been given an ACL or a label by its folder.
        var present = Attributes(file, name);
        foreach (var attribute in present.Where(p => image.Attributes.All(a => a.Name != p.Name)))
        {
            fixed (byte* a = Files.Zero(attribute.Name))
            {
                Check(Libc.RemoveAttribute(file, a), $"take the attribute {ByteText.Escape(attribute.Name)} from", name);
            }
        }

        foreach (var attribute in image.Attributes.Where(a => !present.Any(p => p.Name == a.Name && p.Value.AsSpan().SequenceEqual(a.Value))))
        {
            fixed (byte* a = Files.Zero(attribute.Name), value = attribute.Value)
            {
                byte nothing = 0;
                Check(Libc.SetAttribute(file, a, value == null ? &nothing : value, attribute.Value.Length, 0), $"keep the attribute {ByteText.Escape(attribute.Name)} of", name);
            }
        }
    }

    private void SetInodeFlags(int file, string name, int flags)
    {
        long word = 0;
        Check(Libc.Ioctl(file, GetFlags, &word), "read the flags of", name);
        word = (word & ~(long)KeptFlags) | (uint)flags;
        Check(Libc.Ioctl(file, SetFlags, &word), "keep the flags of", name);
    }

    private void SetTime(int file, string name, FileImage image)
    {
        // UTIME_OMIT for the time of the last read.
        var times = stackalloc long[4] { 0, 0x3ffffffe, image.Seconds, image.Nanoseconds };
        Check(Libc.SetTimes(file, times), "set the time of", name);
    }

    private void Check(int result, string verb, string name)
    {
        if (result != 0)
        {
            throw ChangeFailedException.Of(verb, Path + name, Errno.Last);
        }
    }

    private static string Difference(FileImage wanted, FileImage got) =>
        wanted.Mode != got.Mode ? $"the mode became {Convert.ToString(got.Mode, 8)}"
        : (wanted.Uid, wanted.Gid) != (got.Uid, got.Gid) ? $"the owner became {got.Uid}:{got.Gid}"
        : wanted.Flags != got.Flags ? "the inode flags became others"
        : "an extended attribute became another";
}
