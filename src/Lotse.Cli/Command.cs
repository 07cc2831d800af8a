namespace Lotse.Cli;

/// <summary>What an option or argument takes; also what completion offers.</summary>
internal enum Takes
{
    /// <summary>Nothing: it is there or not.</summary>
    Nothing,

    /// <summary>Any text.</summary>
    Text,

    /// <summary>Any text, also an empty one: the sender of a bounce.</summary>
    TextOrEmpty,

    /// <summary>A whole number from 0.</summary>
    Number,

    /// <summary>A decimal number above 0.</summary>
    Seconds,

    /// <summary>One of <see cref="Option.Choices"/>.</summary>
    Choice,

    /// <summary>A file or folder.</summary>
    File,
}

/// <summary>An option, as parser, help, man page and completion see it.</summary>
/// <param name="Name">Long name with its dashes.</param>
/// <param name="Takes">What follows it.</param>
/// <param name="Metavar">How the value is called in the help.</param>
/// <param name="Help">One line, lower case, no full stop.</param>
internal sealed record Option(string Name, Takes Takes, string Metavar, string Help)
{
    /// <summary>One letter for it, typed after one dash; 0: none. For the few that everybody knows.</summary>
    public char Letter { get; init; }

    /// <summary>The values of a <see cref="Takes.Choice"/>.</summary>
    public string[] Choices
    {
        get => field ??= ChoicesOf?.Invoke() ?? [];
        init;
    }

    /// <summary>The same where they stand in a catalogue, which is read only when somebody asks for them.</summary>
    public Func<string[]>? ChoicesOf { get; init; }

    /// <summary>What holds when it is not given, for the help.</summary>
    public string? Default { get; init; }

    /// <summary>The value may be left out: <c>--watch</c> or <c>--watch=5</c>, <c>--watch 5</c> when a number follows.</summary>
    public bool ValueIsOptional { get; init; }

    /// <summary>May be given more than once; <see cref="Invocation.All"/> has every value.</summary>
    public bool Repeats { get; init; }
}

/// <summary>A positional argument.</summary>
internal sealed record Argument(string Metavar, string Help, bool Required = false, bool Many = false, Takes Takes = Takes.Text);

/// <summary>An example for the help: what it is good for, and the words after <c>lotse</c>.</summary>
internal sealed record Example(string What, string Line);

/// <summary>A command: the one description that feeds parser, help, man page and completion.</summary>
/// <param name="Name">The word, or words, on the command line: <c>swap why</c>.</param>
/// <param name="Summary">One line, lower case, no full stop.</param>
/// <param name="Run">Does it; the exit code.</param>
internal sealed record Command(string Name, string Summary, Func<Invocation, int> Run)
{
    public Option[] Options { get; init; } = [];

    public Argument[] Arguments { get; init; } = [];

    public Example[] Examples { get; init; } = [];

    /// <summary>More than one line about it, for help and man page.</summary>
    public string Description { get; init; } = "";

    /// <summary>Whether it takes the options of every command that looks at a host.</summary>
    public bool LooksAtHost { get; init; } = true;

    /// <summary>Whether it prints the JSON envelope.</summary>
    public bool HasJson { get; init; } = true;

    /// <summary>Its own options, then those that every such command has.</summary>
    public IEnumerable<Option> AllOptions =>
        Options.Concat(HasJson ? CommonOptions.Json : []).Concat(LooksAtHost ? CommonOptions.Host : []).Concat(CommonOptions.Always);
}

/// <summary>The options that many commands share.</summary>
internal static class CommonOptions
{
    public static readonly Option[] Json =
    [
        new("--json", Takes.Nothing, "", "print the JSON envelope (schema lotse/1)"),
        new("--fail-on", Takes.Choice, "SEVERITY", "exit with 1 from this severity on") { Choices = ["info", "warning", "error"], Default = "warning" },
    ];

    public static readonly Option[] Host =
    [
        new("--root", Takes.File, "DIR", "look at the machine whose files are in DIR"),
        new("--host", Takes.Text, "[USER@]HOST", "look at another machine, through the system's ssh"),
        new("--facts", Takes.File, "FILE", "look at a recording made by --record"),
        new("--record", Takes.File, "FILE", "write all that was read to FILE, for --facts"),
        new("--offline", Takes.Nothing, "", "open no network connection"),
    ];

    public static readonly Option[] Always =
    [
        new("--no-color", Takes.Nothing, "", "no bold and no colours (also: NO_COLOR)"),
        new("--help", Takes.Nothing, "", "print help with examples"),
    ];
}
