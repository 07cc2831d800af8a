namespace Lotse.Linux;

/// <summary>What the command line needs of its own descriptors.</summary>
public static unsafe class Descriptor
{
    private const nuint TerminalGet = 0x5401, WindowSize = 0x5413;

    /// <summary>Writes all bytes.</summary>
    /// <returns>0, or the error number of the first write that failed.</returns>
    public static int WriteAll(int descriptor, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* start = bytes)
        {
            for (nint done = 0; done < bytes.Length;)
            {
                var wrote = Libc.Write(descriptor, start + done, bytes.Length - done);
                if (wrote >= 0)
                {
                    done += wrote;
                }
                else if (Errno.Last != Errno.Interrupted)
                {
                    return Errno.Last;
                }
            }
        }

        return 0;
    }

    /// <summary>Reads up to the end, at most <paramref name="limit"/> bytes and one more, which tells that there were more.</summary>
    public static byte[] ReadAll(int descriptor, int limit)
    {
        var all = new MemoryStream();
        var buffer = stackalloc byte[16384];
        while (all.Length <= limit)
        {
            var got = Libc.Read(descriptor, buffer, Math.Min(16384, limit + 1 - all.Length is var left and < 16384 ? (nint)left : 16384));
            if (got > 0)
            {
                all.Write(new ReadOnlySpan<byte>(buffer, (int)got));
            }
            else if (got == 0 || Errno.Last != Errno.Interrupted)
            {
                break;
            }
        }

        return all.ToArray();
    }

    /// <summary>What a terminal hands over in one piece: a line, as typed.</summary>
    public static string? ReadLine(int descriptor)
    {
        var buffer = stackalloc byte[1024];
        nint got;
        while ((got = Libc.Read(descriptor, buffer, 1024)) < 0 && Errno.Last == Errno.Interrupted)
        {
        }

        return got > 0 ? ByteText.Decode(new ReadOnlySpan<byte>(buffer, (int)got)) : null;
    }

    /// <summary>Whether a descriptor is a terminal.</summary>
    public static bool IsTerminal(int descriptor)
    {
        var settings = stackalloc byte[256];
        return Libc.Ioctl(descriptor, TerminalGet, settings) == 0;
    }

    /// <summary>Rows and columns of a terminal, or null when it does not say.</summary>
    public static (int Rows, int Columns)? TerminalSize(int descriptor)
    {
        var size = stackalloc ushort[4];
        return Libc.Ioctl(descriptor, WindowSize, size) == 0 && size[0] > 0 && size[1] > 0 ? (size[0], size[1]) : null;
    }

    /// <summary>What an error number means, for a message.</summary>
    public static string Words(int errno) => Errno.Words(errno);

    /// <summary>EPIPE: the reader has gone.</summary>
    public static bool IsBrokenPipe(int errno) => errno == Errno.BrokenPipe;
}
