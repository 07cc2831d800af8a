using System.Globalization;

namespace Lotse.Cli;

/// <summary>The command line was not understood.</summary>
/// <param name="message">What is wrong, naming the word.</param>
/// <param name="hint">What to write instead.</param>
internal sealed class UsageException(string message, string? hint = null) : Exception(message)
{
    public string? Hint => hint;
}

/// <summary>Something that a command needs could not be had; ends it with exit code 3.</summary>
/// <param name="message">What could not be known, and why.</param>
/// <param name="hint">How to find out.</param>
internal sealed class NotKnownException(string message, string? hint = null) : Exception(message)
{
    public string? Hint => hint;
}

/// <summary>A parsed command line with the two outputs: all that a command sees of its caller.</summary>
internal sealed class Invocation(Command command, Dictionary<string, string> options, string[] arguments, Output output, Output errors)
{
    public Command Command => command;

    /// <summary>Positional arguments.</summary>
    public string[] Arguments => arguments;

    /// <summary>Data.</summary>
    public Output Output => output;

    /// <summary>Words about the run.</summary>
    public Output Errors => errors;

    /// <summary>Whether an option was given.</summary>
    public bool Has(string option) => options.ContainsKey(option);

    /// <summary>An option's value, or null.</summary>
    public string? this[string option] => options.GetValueOrDefault(option);

    /// <summary>Every value of an option that may be given more than once, in order.</summary>
    public string[] All(string option) => options.TryGetValue(option, out var values) ? values.Split('\0') : [];

    /// <summary>A number that the parser has checked.</summary>
    public int? Number(string option) => options.TryGetValue(option, out var value) ? int.Parse(value, CultureInfo.InvariantCulture) : null;

    /// <summary>The first of <paramref name="names"/> that was given, checking that no other was.</summary>
    public string? OnlyOneOf(params ReadOnlySpan<string> names)
    {
        string? given = null;
        foreach (var name in names)
        {
            if (Has(name))
            {
                given = given is null ? name : throw new UsageException($"{given} and {name} exclude each other");
            }
        }

        return given;
    }

    /// <summary>The severity from which on the exit code is 1.</summary>
    public Severity FailOn => this["--fail-on"] switch { "info" => Severity.Info, "error" => Severity.Error, _ => Severity.Warning };
}
