using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Lotse.Linux;

/// <summary>The clocks of this machine, for what keeps its own records of it.</summary>
internal static class Clock
{
    /// <summary>The wall clock, UTC.</summary>
    public static DateTimeOffset Now => DateTimeOffset.UtcNow;

    /// <summary>Lets time pass.</summary>
    public static void Wait(TimeSpan time) => Thread.Sleep(time);

    /// <summary>This boot's id and the seconds since it, suspended time included: no change of the wall clock moves it.</summary>
    public static (string Boot, double Seconds) SinceBoot()
    {
        var files = new Files();
        var boot = files.Read("/proc/sys/kernel/random/boot_id", 4096);
        var uptime = files.Read("/proc/uptime", 4096);
        return (
            boot.Ok ? Encoding.ASCII.GetString(boot.Value).Trim() : "unknown",
            uptime.Ok && double.TryParse(Encoding.ASCII.GetString(uptime.Value).Split(' ')[0], NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) ? seconds : Stopwatch.GetElapsedTime(0).TotalSeconds);
    }

    /// <summary>The same in the form of the journal.</summary>
    public static string Moment() => SinceBoot() is var (boot, seconds) ? $"{boot} {seconds.ToString("0.00", CultureInfo.InvariantCulture)}" : "";
}
