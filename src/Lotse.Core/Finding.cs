namespace Lotse;

/// <summary>How much a finding matters to the person who runs the machine.</summary>
public enum Severity
{
    /// <summary>Worth knowing; nothing is wrong yet.</summary>
    Info,

    /// <summary>Will cost time or money when nothing is done.</summary>
    Warning,

    /// <summary>Is broken now, or breaks at the next step.</summary>
    Error,
}

/// <summary>How sure a finding is.</summary>
public enum Certainty
{
    /// <summary>The facts leave no other explanation.</summary>
    Proven,

    /// <summary>The likeliest explanation of the facts.</summary>
    Inferred,
}

/// <summary>What can be done about a finding.</summary>
/// <param name="Text">One sentence.</param>
/// <param name="Command">The argument vector that does it, where one command does; never shell text.</param>
public sealed record Remedy(Text Text, params string[] Command);

/// <summary>Something that is wrong, or will be.</summary>
/// <param name="Id">Readable slug, <c>area/what-is-wrong</c>; never reused or renamed. Its page is Findings/what-is-wrong.md.</param>
/// <param name="Severity">How much it matters.</param>
/// <param name="Certainty">How sure it is.</param>
/// <param name="Subject">What it is about (a file, a process, a host): together with the id, the identity of the finding.</param>
/// <param name="Title">One sentence without a full stop, values included.</param>
/// <param name="Reasons">Why, in order.</param>
/// <param name="Remedies">What can be done, best first.</param>
public sealed record Finding(
    string Id, Severity Severity, Certainty Certainty, Value Subject, Text Title, Reason[] Reasons, Remedy[] Remedies);
