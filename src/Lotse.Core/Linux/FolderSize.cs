namespace Lotse.Linux;

/// <summary>How much lies below a folder: one pass, each file looked at by its name in the folder held open.</summary>
internal static unsafe class FolderSize
{
    private const int MostDepth = 16;
    private const byte TypeUnknown = 0, TypeDirectory = 4, TypeFile = 8;
    private const int NoFollowLink = 0x100, DontSync = 0x4000;
    private const uint TypeAndSize = 0x1 | 0x200;

    /// <summary>Bytes and number of the regular files below a folder; links are not followed, and what cannot be looked at counts 0.</summary>
    /// <param name="path">The folder; a link at its end is followed where it ends with a slash.</param>
    public static (long Bytes, int Files) Of(string path)
    {
        var fd = new Files().Open(path, Libc.ReadOnly | Libc.Directory | (path.EndsWith('/') ? 0 : Libc.NoFollow));
        return fd < 0 ? default : Below(fd, 0);
    }

    private static (long Bytes, int Files) Below(int fd, int depth)
    {
        var (bytes, files) = (0L, 0);
        var status = stackalloc byte[256];
        var buffer = new byte[65536];
        fixed (byte* start = buffer)
        {
            nint count;
            while ((count = Libc.GetDirectoryEntries(fd, start, buffer.Length)) > 0)
            {
                // struct linux_dirent64: ino 8, off 8, reclen 2, type 1, name; struct statx: mode 28, size 40.
                for (var at = start; at < start + count; at += *(ushort*)(at + 16))
                {
                    var type = at[18];
                    var name = at + 19;
                    if (name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0)))
                    {
                        continue;
                    }

                    if (type is TypeFile or TypeUnknown && Libc.Statx(fd, name, NoFollowLink | DontSync, TypeAndSize, status) == 0)
                    {
                        var kind = *(ushort*)(status + 28) & 0xf000;
                        type = kind == 0x4000 ? TypeDirectory : type;
                        if (kind == 0x8000)
                        {
                            bytes += *(long*)(status + 40);
                            files++;
                        }
                    }

                    if (type == TypeDirectory && depth < MostDepth && Libc.OpenAt(fd, name, Libc.ReadOnly | Libc.Directory | Libc.NoFollow | Libc.CloseOnExec, 0) is >= 0 and var inner)
                    {
                        var below = Below(inner, depth + 1);
                        (bytes, files) = (bytes + below.Bytes, files + below.Files);
                    }
                }
            }
        }

        _ = Libc.Close(fd);
        return (bytes, files);
    }
}
