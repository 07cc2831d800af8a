using System.Text.Json.Serialization;

namespace Lotse.Linux;

/// <summary>An extended attribute: ACL, security label, capability, or a user's own (xattr(7)).</summary>
/// <param name="Name">With its namespace: <c>system.posix_acl_access</c>.</param>
/// <param name="Value">Its bytes.</param>
public sealed record Xattr([property: JsonConverter(typeof(ForeignText))] string Name, byte[] Value);

/// <summary>All that a file carries beside its bytes.</summary>
/// <param name="Mode">Permission bits, 07777.</param>
/// <param name="Uid">Owner.</param>
/// <param name="Gid">Group.</param>
/// <param name="Seconds">Time of the last change of the content, since 1970.</param>
/// <param name="Nanoseconds">Its fraction.</param>
/// <param name="Flags">Inode flags that a user may set (ioctl_iflags(2), chattr(1)); 0 where the file system keeps none.</param>
/// <param name="Attributes">Extended attributes, in ordinal order of their names.</param>
public sealed record FileImage([property: JsonConverter(typeof(OctalMode))] int Mode, uint Uid, uint Gid, long Seconds, uint Nanoseconds, int Flags, Xattr[] Attributes)
{
    /// <summary>Whether everything but the time is the same.</summary>
    public bool Same(FileImage other) =>
        (Mode, Uid, Gid, Flags) == (other.Mode, other.Uid, other.Gid, other.Flags)
        && Attributes.Length == other.Attributes.Length
        && Attributes.Zip(other.Attributes).All(p => p.First.Name == p.Second.Name && p.First.Value.AsSpan().SequenceEqual(p.Second.Value));
}

/// <summary>What statx(2) says of an open file or a name in an open folder.</summary>
internal readonly record struct Inode(FileKind Kind, ulong Number, string Device, long Size, long Links, int Mode, uint Uid, uint Gid, long Seconds, uint Nanoseconds, ulong Attributes)
{
    private const int SymlinkNoFollow = 0x100, EmptyPath = 0x1000;
    private const uint BasicStats = 0x7ff;

    /// <summary>STATX_ATTR_IMMUTABLE, _APPEND, _MOUNT_ROOT, _VERITY.</summary>
    public const ulong Immutable = 0x10, AppendOnly = 0x20, MountRoot = 0x2000, Verity = 0x100000;

    /// <summary>Looks at a name in a folder, or at the descriptor itself for an empty name; a link is not followed.</summary>
    /// <returns>0 or the error number.</returns>
    public static unsafe int Read(int directory, string name, out Inode inode)
    {
        // struct statx (linux/stat.h).
        var s = stackalloc byte[256];
        fixed (byte* p = Files.Zero(name))
        {
            if (Libc.Statx(directory, p, EmptyPath | SymlinkNoFollow, BasicStats, s) != 0)
            {
                inode = default;
                return Errno.Last;
            }
        }

        var mode = *(ushort*)(s + 28);
        inode = new(
            (mode & 0xf000) switch { 0x8000 => FileKind.File, 0x4000 => FileKind.Directory, 0xa000 => FileKind.Link, _ => FileKind.Other },
            *(ulong*)(s + 32), $"{*(uint*)(s + 136)}:{*(uint*)(s + 140)}", *(long*)(s + 40), *(uint*)(s + 16), mode & 0xfff, *(uint*)(s + 20), *(uint*)(s + 24),
            *(long*)(s + 112), *(uint*)(s + 120), *(ulong*)(s + 8));
        return 0;
    }

    /// <summary>Whether it is the same file, unchanged as far as its inode tells.</summary>
    public bool SameAs(Inode other) =>
        (Number, Device, Size, Seconds, Nanoseconds, Mode, Uid, Gid) == (other.Number, other.Device, other.Size, other.Seconds, other.Nanoseconds, other.Mode, other.Uid, other.Gid);
}
