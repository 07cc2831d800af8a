namespace Lotse.Swap;

/// <summary>Whether swapping hurts now: the share of time that tasks wait, and the pages that have to be fetched back.</summary>
public static class SwapPressure
{
    /// <summary>Tasks wait this share of the time (percent, 10 seconds' average): somebody notices.</summary>
    public const double SomeThreshold = 10;

    /// <summary>All tasks wait at once this share of the time: the machine does no work meanwhile.</summary>
    public const double FullThreshold = 5;

    /// <summary>Pages fetched back a second from which on a disk of 100 operations a second is busy with them alone.</summary>
    public const double PagesInThreshold = 100;

    /// <summary>Shorter intervals than this say nothing about a rate.</summary>
    public const double LeastSeconds = 0.5;

    /// <summary>
    /// Yes: waiting time is over a threshold and pages come back from swap, or, without waiting times, many come back.
    /// No: neither. Unknown: a kernel without pressure information, and too short an interval to tell.
    /// </summary>
    public static Verdict Hurts(MemoryPressure? pressure, SwapActivity? activity)
    {
        var pagesIn = activity is { Seconds: >= LeastSeconds } ? activity.PerSecond("pswpin") : (double?)null;
        if (pressure is not null)
        {
            if (pressure.Some10 < SomeThreshold && pressure.Full10 < FullThreshold)
            {
                return Verdict.No;
            }

            // Waiting for memory without a page coming back from swap is no swapping: file pages, or reclaim itself.
            return activity is null || activity.After.Or0("pswpin") > activity.Before.Or0("pswpin") || pagesIn is null ? Verdict.Yes : Verdict.No;
        }

        return pagesIn is { } rate ? rate >= PagesInThreshold ? Verdict.Yes : Verdict.No : Verdict.Unknown;
    }

    /// <summary>The same as words behind "used of total".</summary>
    public static Text Words(MemoryPressure? pressure, SwapActivity? activity)
    {
        Text rate = activity is null or { Seconds: <= 0 } ? "" : activity.Seconds < LeastSeconds
            ? $", {activity.After.Or0("pswpin") - activity.Before.Or0("pswpin")} pages in during {activity.Seconds * 1000:0.#} ms"
            : (Text)$", {activity.PerSecond("pswpin"):0} pages in per second";
        Text waits = pressure is null ? "no pressure information in this kernel" : (Text)$"tasks waited for memory {pressure.Some10:0.0} % of the last 10 seconds";
        return Hurts(pressure, activity) switch
        {
            Verdict.Yes => $"it hurts now: {waits}{rate}",
            Verdict.No => $"it does not hurt now: {waits}{rate}",
            _ => $"whether it hurts now is not known: {waits}{rate}",
        };
    }
}
