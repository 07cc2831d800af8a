namespace Lotse;

/// <summary>What a planner decides, from facts and a goal alone.</summary>
/// <param name="Report">Why: verdict, reasons, findings, unknowns.</param>
/// <param name="Goal">What the plan is for, in one line.</param>
/// <param name="Changes">The steps; none: there is nothing to do, or nothing that would do.</param>
/// <param name="Vanish">Ids of findings that are meant to go away.</param>
/// <param name="Proof">What the area's proof needs to know afterwards, in the area's own words.</param>
public sealed record Decision(Report Report, string Goal, Change[] Changes, string[] Vanish, string[] Proof)
{
    /// <summary>The goal cannot be reached; the report says which rule stands against it.</summary>
    public bool Impossible { get; init; }
}
