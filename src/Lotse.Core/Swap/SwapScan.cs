namespace Lotse.Swap;

/// <summary>Scans the processes of a host by the way that suits it.</summary>
public static class SwapScan
{
    /// <summary>All processes; those without swap only when <paramref name="zeros"/> is set.</summary>
    public static ProcessScan Read(Host host, string backend, bool zeros)
    {
        var scan = HostScan.Read(host);
        return zeros ? scan : scan with { Processes = [.. scan.Processes.Where(p => p.SwapKib > 0)] };
    }
}
