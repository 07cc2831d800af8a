namespace Lotse.Exits;

/// <summary>How a home network's IPv6 leaves through a tunnel, and why not.</summary>
public static class ExitsArea
{
    /// <summary>This area's line in the table of areas.</summary>
    public static Area Area { get; } = new("exits", "IPv6 of the network at home leaves through a tunnel, or does not", Check, ExitsMessages.Explain) { Prove = ExitsProof.Applied };

    /// <summary>On a machine that is neither a router nor the far end of a tunnel there is nothing to say.</summary>
    private static Report Check(Host host)
    {
        var facts = ExitsFacts.Read(host);
        if (!facts.IsRouter && facts.Far is null)
        {
            return new("nothing found", [], [], []);
        }

        return ExitsDiagnosis.Whole(facts) with { Unknowns = [] };
    }
}
