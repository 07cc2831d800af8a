namespace Lotse.Linux;

/// <summary>Looking for a few bytes in a large file of this machine without holding it in memory.</summary>
internal static unsafe class FileSearch
{
    private const int Chunk = 64 << 10;

    /// <summary>What follows the first occurrence of a pattern.</summary>
    /// <param name="path">The file.</param>
    /// <param name="pattern">Shorter than a chunk.</param>
    /// <param name="length">How many bytes to return at most.</param>
    /// <returns>Null where there is no such file; empty where the pattern is not in it.</returns>
    public static byte[]? After(string path, ReadOnlySpan<byte> pattern, int length)
    {
        var fd = new Files().Open(path, Libc.ReadOnly);
        if (fd < 0)
        {
            return null;
        }

        try
        {
            var buffer = new byte[Chunk];
            for (nint at = 0; ;)
            {
                nint got;
                fixed (byte* b = buffer)
                {
                    got = Libc.ReadAt(fd, b, buffer.Length, at);
                }

                if (got <= 0)
                {
                    return [];
                }

                var found = buffer.AsSpan(0, (int)got).IndexOf(pattern);
                if (found >= 0 && (found + pattern.Length + length <= got || got < buffer.Length))
                {
                    return buffer.AsSpan(found + pattern.Length, Math.Min(length, (int)got - found - pattern.Length)).ToArray();
                }

                // Again from the match, or with what could be the start of one.
                at += found > 0 ? found : found == 0 || got < buffer.Length ? got : got - (pattern.Length - 1);
            }
        }
        finally
        {
            _ = Libc.Close(fd);
        }
    }
}
