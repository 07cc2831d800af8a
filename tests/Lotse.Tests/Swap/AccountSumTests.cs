using Lotse.Swap;
using Xunit;

namespace Lotse.Tests.Swap;

public class AccountSumTests
{
    // used, unique, shared slots, shared memory, cache mapped, cache unmapped, caching CPUs, sees all
    [Theory]
    [InlineData(332_800, 262_144, 6_144, 61_440, 9_216, 262_144, 0, true, 9_216, 0, 0)]     // the sum closes
    [InlineData(332_932, 262_144, 6_144, 61_440, 9_216, 262_144, 0, true, 9_348, 0, 0)]     // 132 KiB of ended processes
    [InlineData(432_800, 262_144, 6_144, 61_440, 9_216, 262_144, 0, true, 9_216, 0, 100_000)] // an owner was not found
    [InlineData(333_356, 262_144, 0, 61_440, 9_216, 0, 2, true, 9_216, 556, 0)]             // slots handed to two CPUs
    [InlineData(335_000, 262_144, 0, 61_440, 9_216, 0, 2, true, 9_216, 1_024, 1_176)]       // more than two CPUs can hold
    [InlineData(328_000, 262_144, 8_000, 61_440, 9_216, 0, 0, true, 4_416, 0, 0)]           // read back by one of two that share it
    [InlineData(323_000, 262_144, 0, 61_440, 0, 0, 0, true, 0, 0, -584)]                    // pages came back meanwhile
    [InlineData(48_128, 0, 0, 9_000, 0, 40_000, 0, false, 0, 0, 39_128)]                    // a namespace that sees only itself
    public void Parts_add_up(long used, long unique, long severalHold, long sharedMemory, long mapped, long unmapped, int cpus, bool seesAll, long cache, long reserved, long unexplained)
    {
        var sum = AccountSum.Of(new()
        {
            UsedBeforeKib = used,
            UsedAfterKib = used,
            UniqueKib = unique,
            SharedSlotsKib = severalHold,
            Processes = [],
            Shared = [new("tmpfs", "/tmp/x", sharedMemory, 0, [], null)],
            CacheMappedKib = mapped,
            CacheUnmappedKib = unmapped,
            CachingCpus = cpus,
            Unreadable = 0,
            SeesAll = seesAll,
        });
        Assert.Equal((cache, reserved, unexplained), (sum.SwapCacheKib, sum.ReservedKib, sum.UnexplainedKib));
        Assert.Equal(sum.UsedKib, sum.PrivateKib + sum.SharedMemoryKib + sum.SwapCacheKib + sum.ReservedKib + sum.UnexplainedKib);
    }
}
