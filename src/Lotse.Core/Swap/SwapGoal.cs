using System.Globalization;

namespace Lotse.Swap;

/// <summary>What a plan of this area is to reach.</summary>
public abstract record SwapGoal;

/// <summary>Limits of a systemd unit; null: that one stays as it is. Bytes; <see cref="NoLimit"/>: none.</summary>
/// <param name="Unit">With its type: <c>clamav-daemon.service</c>.</param>
/// <param name="High">MemoryHigh=: above it its pages are pushed out and it is slowed down.</param>
/// <param name="SwapMax">MemorySwapMax=: no more than this of it goes to swap.</param>
public sealed record LimitUnit(string Unit, long? High, long? SwapMax) : SwapGoal
{
    /// <summary><c>infinity</c>.</summary>
    public const long NoLimit = long.MaxValue;

    /// <summary>An amount as systemd.resource-control(5) writes it: bytes, K, M, G, T of 1024, or infinity.</summary>
    /// <returns>Null when it is none.</returns>
    public static long? Bytes(string text)
    {
        if (text == "infinity")
        {
            return NoLimit;
        }

        var factor = text.Length > 1 ? text[^1] switch { 'K' => 1L << 10, 'M' => 1L << 20, 'G' => 1L << 30, 'T' => 1L << 40, _ => 1 } : 1;
        return decimal.TryParse(factor == 1 ? text : text[..^1], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) && number * factor is >= 0 and < long.MaxValue
            ? (long)(number * factor) : null;
    }

    /// <summary>The same as it stands in a unit file.</summary>
    public static string Words(long bytes) => bytes switch
    {
        NoLimit => "infinity",
        _ when bytes % (1L << 30) == 0 && bytes > 0 => $"{bytes >> 30}G",
        _ when bytes % (1L << 20) == 0 && bytes > 0 => $"{bytes >> 20}M",
        _ when bytes % (1L << 10) == 0 && bytes > 0 => $"{bytes >> 10}K",
        _ => bytes.ToString(CultureInfo.InvariantCulture),
    };
}

/// <summary>vm.swappiness, now and at each boot.</summary>
/// <param name="Value">0 to 200; up to 100 before kernel 5.8.</param>
public sealed record SetSwappiness(int Value) : SwapGoal;

/// <summary>The pages of processes back in memory.</summary>
/// <param name="Asked">A process id, a name or a unit.</param>
public sealed record BringIn(string Asked) : SwapGoal;

/// <summary>A swap area empty.</summary>
/// <param name="Device">As /proc/swaps names it; null: the only one.</param>
public sealed record EmptyDevice(string? Device) : SwapGoal;
