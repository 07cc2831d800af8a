namespace Lotse.Linux;

/// <summary>
/// Pages that are in memory and keep their swap slot (Documentation/admin-guide/mm/pagemap.rst: /proc/kpageflags bit 13,
/// /proc/kpagecount). Root.
/// </summary>
internal static unsafe class SwapCachePages
{
    private const ulong InSwapCache = 1ul << 13;

    /// <summary>Counts them.</summary>
    /// <returns>Pages that some page table maps, and pages that none does.</returns>
    public static Reading<(long Mapped, long Unmapped)> Count()
    {
        var files = new Files();
        var flags = files.Open("/proc/kpageflags", Libc.ReadOnly);
        if (flags < 0)
        {
            return Files.Refused<(long, long)>("read", "/proc/kpageflags", -flags);
        }

        var counts = files.Open("/proc/kpagecount", Libc.ReadOnly);
        try
        {
            if (counts < 0)
            {
                return Files.Refused<(long, long)>("read", "/proc/kpagecount", -counts);
            }

            const int Pages = 65536;
            var words = new ulong[Pages];
            var mapcounts = new ulong[Pages];
            long mapped = 0, unmapped = 0;
            fixed (ulong* at = words, mapcount = mapcounts)
            {
                nint got;
                for (nint position = 0; (got = Libc.ReadAt(flags, at, Pages * 8, position)) > 0; position += got)
                {
                    var block = new ReadOnlySpan<ulong>(at, (int)got / 8);
                    if (!AnyHas(block))
                    {
                        continue;
                    }

                    if (Libc.ReadAt(counts, mapcount, got, position) < got)
                    {
                        return Files.Refused<(long, long)>("read", "/proc/kpagecount", Errno.Last);
                    }

                    for (var i = 0; i < block.Length; i++)
                    {
                        if ((block[i] & InSwapCache) != 0)
                        {
                            _ = mapcount[i] > 0 ? mapped++ : unmapped++;
                        }
                    }
                }

                return got < 0 ? Files.Refused<(long, long)>("read", "/proc/kpageflags", Errno.Last) : new((mapped, unmapped), null);
            }
        }
        finally
        {
            _ = Libc.Close(flags);
            _ = counts >= 0 ? Libc.Close(counts) : 0;
        }
    }

    private static bool AnyHas(ReadOnlySpan<ulong> words)
    {
        var all = 0ul;
        foreach (var word in words)
        {
            all |= word;
        }

        return (all & InSwapCache) != 0;
    }
}
