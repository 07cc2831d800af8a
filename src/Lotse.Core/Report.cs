using System.Text.Json.Serialization.Metadata;

namespace Lotse;

/// <summary>Something that could not be known.</summary>
/// <param name="What">What is not known.</param>
/// <param name="Why">What stood in the way.</param>
/// <param name="HowToFindOut">What to do to learn it.</param>
public sealed record Unknown(Text What, Text Why, Text HowToFindOut);

/// <summary>A value with the description of its JSON form, so that it can be written without reflection.</summary>
/// <param name="Value">An immutable record.</param>
/// <param name="Shape">Its source-generated description; asked for only when JSON is written, for it costs a millisecond.</param>
public sealed record JsonPart(object Value, Func<JsonTypeInfo> Shape);

/// <summary>
/// What an area says about a machine: the answer, the reasons in order, the findings, and what could not be known.
/// A proof is a second report, read after the change by asking the real program.
/// </summary>
/// <param name="Verdict">The answer in one line, without a full stop.</param>
/// <param name="Reasons">The derivation, in the order of the rules.</param>
/// <param name="Findings">What is wrong, worst first.</param>
/// <param name="Unknowns">What could not be known.</param>
public sealed record Report(Text Verdict, Reason[] Reasons, Finding[] Findings, Unknown[] Unknowns)
{
    /// <summary>The area's own answer, for programs.</summary>
    public JsonPart? Answer { get; init; }

    /// <summary>What was read, for programs.</summary>
    public JsonPart? Facts { get; init; }

    /// <summary>What would be changed.</summary>
    public JsonPart? Plan { get; init; }

    /// <summary>What the real program said after the change.</summary>
    public Report? Proof { get; init; }
}

/// <summary>The exit codes of every command.</summary>
public static class ExitCode
{
    /// <summary>Nothing to do, or proved.</summary>
    public const int Fine = 0;

    /// <summary>A finding at or above the threshold, or a failed proof.</summary>
    public const int Finding = 1;

    /// <summary>The command line was not understood.</summary>
    public const int Usage = 2;

    /// <summary>Could not be known: rights, a file, the network.</summary>
    public const int NotKnown = 3;

    /// <summary>The plan is stale; nothing was changed.</summary>
    public const int Stale = 4;

    /// <summary>Failed and put back.</summary>
    public const int PutBack = 5;

    /// <summary>Failed and not put back.</summary>
    public const int NotPutBack = 6;

    /// <summary>
    /// The code of a report: a finding at or above <paramref name="threshold"/> is 1, else an undecided unknown is 3,
    /// else 0. Never 0 while something is not known.
    /// </summary>
    public static int Of(Report report, Severity threshold) =>
        report.Findings.Any(f => f.Severity >= threshold) ? Finding
        : report.Unknowns.Length > 0 ? NotKnown
        : Fine;

    /// <summary>
    /// The code of a proof, whose reasons are the claims that were put to the real program: one that does not hold, or a
    /// finding at or above a warning, is 1, else one that could not be told is 3, else 0.
    /// </summary>
    public static int OfProof(Report proof) =>
        proof.Reasons.Any(r => r.Verdict == Verdict.No) || proof.Findings.Any(f => f.Severity >= Severity.Warning) ? Finding
        : proof.Unknowns.Length > 0 || proof.Reasons.Any(r => r.Verdict == Verdict.Unknown) ? NotKnown
        : Fine;
}
