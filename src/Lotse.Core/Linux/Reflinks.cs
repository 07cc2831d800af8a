namespace Lotse.Linux;

/// <summary>Whether a filesystem lets files share their blocks, where only it can say so: asked, not tried out.</summary>
internal static unsafe class Reflinks
{
    /// <summary>XFS_IOC_FSGEOMETRY_V1, _IOR('X', 100, struct xfs_fsop_geom_v1): 112 bytes, flags at 92 (fs/xfs/libxfs/xfs_fs.h).</summary>
    private const nuint Geometry = 0x80705864;
    private const int Flags = 92;

    /// <summary>XFS_FSOP_GEOM_FLAGS_REFLINK.</summary>
    private const uint Reflink = 1 << 20;

    /// <summary>Asks the xfs that a folder lies on; null: it is none, or the folder cannot be opened.</summary>
    public static bool? OfXfs(string folder)
    {
        var fd = new Files().Open(folder, Libc.ReadOnly | Libc.Directory);
        if (fd < 0)
        {
            return null;
        }

        // Room to spare: another filesystem may take the number for something else.
        var answer = stackalloc byte[256];
        var failed = Libc.Ioctl(fd, Geometry, answer);
        _ = Libc.Close(fd);
        return failed == 0 ? (*(uint*)(answer + Flags) & Reflink) != 0 : null;
    }
}
