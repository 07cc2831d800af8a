using System.Globalization;

namespace Lotse.Formats;

/// <summary>Amounts of memory as people read them; 1 MiB is 1,024 KiB.</summary>
public static class Amount
{
    /// <summary><c>812 KiB</c>, <c>12.5 MiB</c>, <c>1.2 GiB</c>: exact below 1 MiB, one decimal above.</summary>
    public static string OfKib(long kib) => Math.Abs(kib) switch
    {
        >= 1L << 30 => OneDecimal(kib, 30) + " TiB",
        >= 1L << 20 => OneDecimal(kib, 20) + " GiB",
        >= 1L << 10 => OneDecimal(kib, 10) + " MiB",
        _ => kib.ToString(CultureInfo.InvariantCulture) + " KiB",
    };

    private static string OneDecimal(long kib, int bits) => (kib / (double)(1L << bits)).ToString("0.0", CultureInfo.InvariantCulture);

    /// <summary>A share, as a whole percent; 0 only when it is 0, 100 only when it is all.</summary>
    public static string Percent(long part, long whole) =>
        whole <= 0 ? "0 %" : part > 0 && part * 100 < whole ? "under 1 %" : part < whole && part * 200 > whole * 199 ? "99 %" : $"{Math.Round(part * 100.0 / whole):0} %";

    /// <summary>A duration: <c>45 seconds</c>, <c>12 minutes</c>, <c>3 hours</c>, <c>5 days</c>.</summary>
    public static string Duration(TimeSpan time) => time switch
    {
        { TotalSeconds: < 100 } => $"{time.TotalSeconds:0.#} seconds",
        { TotalMinutes: < 100 } => $"{time.TotalMinutes:0} minutes",
        { TotalHours: < 48 } => $"{time.TotalHours:0} hours",
        _ => $"{time.TotalDays:0} days",
    };
}
