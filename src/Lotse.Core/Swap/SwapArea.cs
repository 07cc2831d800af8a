namespace Lotse.Swap;

/// <summary>Who holds swap, who suffers from it, and why.</summary>
public static class SwapArea
{
    /// <summary>This area's line in the table of areas.</summary>
    public static Area Area { get; } = new("swap", "the machine is slow, \"used swap\" grows, no monitor says who", Check, Recognise);

    private static Report Check(Host host) => new("nothing found", [], [], []);

    private static Report? Recognise(string text) => null;
}
