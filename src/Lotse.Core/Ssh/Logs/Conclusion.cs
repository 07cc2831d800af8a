namespace Lotse.Ssh.Logs;

/// <summary>What a log means.</summary>
/// <param name="Cause">A cause or class of the catalogue; <c>ok</c>: the login worked; null: the log does not say.</param>
/// <param name="Certainty">Proven: these lines leave no other explanation.</param>
/// <param name="Because">Why, in one sentence.</param>
/// <param name="Rule">Where the rule is from.</param>
/// <param name="Lines">The lines that decided.</param>
public sealed record Conclusion(string? Cause, Certainty Certainty, Text Because, string? Rule, params LogLine?[] Lines)
{
    /// <summary>The worked login.</summary>
    public const string Worked = "ok";

    /// <summary>Other causes that fit as well; empty for the catalogue's own.</summary>
    public string[] Others { get; init; } = [];

    /// <summary>Fixes that the lines single out; empty for all of the cause's.</summary>
    public string[] Fixes { get; init; } = [];

    /// <summary>Whether the server's log is what decided.</summary>
    public bool ByServer { get; init; }

    /// <summary>What it is about: a file, a host; null for the login itself.</summary>
    public Value? Subject { get; init; }

    /// <summary>Every cause that fits, likeliest first.</summary>
    public string[] Alternatives => Cause is null or Worked ? Others
        : Others.Length > 0 ? Others
        : CauseCatalogue.IsClass(Cause) ? CauseCatalogue.Alternatives(Cause)
        : [Cause];

    /// <summary>A conclusion that leaves no other explanation.</summary>
    public static Conclusion Proven(string cause, Text because, string? rule, params LogLine?[] lines) => new(cause, Certainty.Proven, because, rule, lines);

    /// <summary>The likeliest explanation.</summary>
    public static Conclusion Likely(string cause, Text because, string? rule, params LogLine?[] lines) => new(cause, Certainty.Inferred, because, rule, lines);
}
