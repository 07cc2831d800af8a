namespace Lotse.Linux;

/// <summary>Looking for a few bytes in a large file of this machine without holding it in memory.</summary>
internal static unsafe class FileSearch
{
    private const int Chunk = 32 << 10;

    /// <summary>What follows the last occurrence of a pattern. From the end: a library's words stand behind its code.</summary>
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
            var buffer = GC.AllocateUninitializedArray<byte>(Chunk);
            fixed (byte* b = buffer)
            {
                var end = Libc.Seek(fd, 0, 2);
                while (end > 0)
                {
                    var at = Math.Max(0, end - Chunk);
                    var got = Libc.ReadAt(fd, b, end - at, at);
                    if (got <= 0)
                    {
                        return [];
                    }

                    var chunk = buffer.AsSpan(0, (int)got);
                    if (chunk.LastIndexOf(pattern) is var found and >= 0)
                    {
                        var rest = chunk[(found + pattern.Length)..];
                        return rest[..Math.Min(length, rest.Length)].ToArray();
                    }

                    // The next chunk holds all that a match across the border needs.
                    end = at == 0 ? 0 : at + pattern.Length + length;
                }
            }

            return [];
        }
        finally
        {
            _ = Libc.Close(fd);
        }
    }
}
