namespace Lotse;

/// <summary>The three outcomes of a comparison. What could not be asked is never "no".</summary>
public enum Verdict
{
    /// <summary>The statement holds.</summary>
    Yes,

    /// <summary>The statement does not hold.</summary>
    No,

    /// <summary>Could not tell: the value was not to be had.</summary>
    Unknown,
}

/// <summary>A value and where it stands.</summary>
/// <param name="What">The value as the source prints it, for example <c>SwapTotal: 2097148 kB</c>.</param>
/// <param name="Where">file:line, command line, system call or DNS answer.</param>
public sealed record Seen(Text What, string Where);

/// <summary>One step of a derivation: what was compared, by which rule, where each value was seen, and the outcome.</summary>
/// <param name="Text">What was compared, in one sentence without a full stop.</param>
/// <param name="Verdict">Whether the statement holds.</param>
/// <param name="Rule">The source of the rule: RFC section, kernel or glibc file, man page.</param>
/// <param name="Seen">The values that decided.</param>
public sealed record Reason(Text Text, Verdict Verdict, string? Rule = null, params Seen[] Seen);
