namespace Lotse.Swap;

/// <summary>Who holds swap, who suffers from it, and why.</summary>
public static class SwapArea
{
    /// <summary>How long <c>doctor</c> watches the kernel's counters: the shortest interval that tells a rate.</summary>
    private static readonly TimeSpan DoctorInterval = TimeSpan.FromSeconds(SwapPressure.LeastSeconds);

    /// <summary>This area's line in the table of areas.</summary>
    public static Area Area { get; } = new("swap", "the machine is slow, \"used swap\" grows, no monitor says who", Check, SwapMessages.Explain) { Prove = SwapProof.Prove };

    private static Report Check(Host host)
    {
        var basics = SwapFacts.ReadBasics(host);
        if (!basics.Ok)
        {
            return new("not known", [], [], [new("how much swap is used", basics.Error!.Message, "lotse swap, on a host with /proc")]);
        }

        // Nothing in swap, nothing to measure: no interval, no scan.
        var facts = basics.Value.UsedKib == 0 ? basics : SwapFacts.Read(host, DoctorInterval, h => SwapScan.Once(h));
        return SwapDiagnosis.Machine(facts.Value) with { Unknowns = [] };
    }
}
