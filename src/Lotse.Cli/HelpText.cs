namespace Lotse.Cli;

/// <summary>The help of a command, made from the table.</summary>
internal static class HelpText
{
    /// <summary>Example first, then what it takes.</summary>
    public static void Write(Output output, Command command)
    {
        if (command == Table.Commands[0])
        {
            Overview(output);
            return;
        }

        output.Line(Sentence(command.Summary));
        if (command.Description.Length > 0)
        {
            output.Line();
            output.Line(command.Description);
        }

        if (command.Examples.Length > 0)
        {
            Heading(output, "Examples");
            foreach (var example in command.Examples)
            {
                output.Line($"  # {example.What}");
                output.Line($"  lotse {example.Line}");
            }
        }

        Heading(output, "Usage");
        output.Line($"  {Usage(command)}");
        if (command.Arguments.Length > 0)
        {
            Heading(output, "Arguments");
            Columns(output, command.Arguments.Select(a => (a.Metavar, a.Help)));
        }

        var verbs = Table.Commands.Where(c => c.Name.StartsWith(command.Name + " ", StringComparison.Ordinal)).ToArray();
        if (verbs.Length > 0)
        {
            Heading(output, "Verbs");
            Columns(output, verbs.Select(v => (v.Name, v.Summary)));
        }

        Heading(output, "Options");
        Columns(output, command.AllOptions.Select(o => (Spelling(o), Description(o))));
    }

    /// <summary>How to call it, in one line.</summary>
    public static string Usage(Command command) =>
        $"lotse {command.Name}".TrimEnd() + string.Concat(command.Arguments.Select(a => a switch
        {
            { Many: true } => $" [{a.Metavar}…]",
            { Required: true } => $" {a.Metavar}",
            _ => $" [{a.Metavar}]",
        })) + " [OPTION…]";

    /// <summary>An option as it is typed.</summary>
    public static string Spelling(Option option) => (option.Letter == 0 ? "" : $"-{option.Letter}, ") + option switch
    {
        { Takes: Takes.Nothing } => option.Name,
        { ValueIsOptional: true } => $"{option.Name}[={option.Metavar}]",
        _ => $"{option.Name} {option.Metavar}",
    };

    /// <summary>What the exit codes mean.</summary>
    public static readonly (string Code, string Meaning)[] ExitCodes =
    [
        ("0", "nothing to do, or proved"),
        ("1", "a finding at or above --fail-on, or a failed proof"),
        ("2", "the command line was not understood"),
        ("3", "could not be known or done: rights, a file, the network"),
        ("4", "the plan is stale, or another change is under way; nothing was changed"),
        ("5", "a change or its proof failed; everything was put back"),
        ("6", "a change failed and could not be put back; the message says what to do"),
    ];

    /// <summary>What an option does, with its choices and default.</summary>
    public static string Description(Option option) =>
        option.Help
        + (option.Choices.Length > 0 ? $": {string.Join(", ", option.Choices)}" : "")
        + (option.Default is { } value ? $" (default: {value})" : "");

    /// <summary>A summary as a sentence.</summary>
    public static string Sentence(string summary) => char.ToUpperInvariant(summary[0]) + summary[1..] + ".";

    private static void Overview(Output output)
    {
        output.Line("lotse says why a server, router or mail domain behaves as it does, and proves it.");
        Heading(output, "What do you see?");
        Columns(output, Area.All.Select(a => ($"lotse {a.Name}", a.Symptom)));
        Heading(output, "Across areas");
        Columns(output, Table.Commands.Where(c => c.Name.Length > 0 && !Area.All.Any(a => c.Name.Split(' ')[0] == a.Name)).Select(c => ("lotse " + c.Name, c.Summary)));
        Heading(output, "Everywhere");
        Columns(output, Table.Commands[0].Options.Concat(CommonOptions.Json).Concat(CommonOptions.Host).Concat(CommonOptions.Always).Select(o => (Spelling(o), Description(o))));
        Heading(output, "Exit codes");
        Columns(output, ExitCodes);
        output.Line();
        output.Line("lotse COMMAND --help has examples.");
    }

    private static void Heading(Output output, string heading)
    {
        output.Line();
        output.Bold(heading + ":");
        output.Line();
    }

    private static void Columns(Output output, IEnumerable<(string Left, string Right)> rows)
    {
        var all = rows.ToArray();
        var width = all.Length == 0 ? 0 : Math.Min(26, all.Max(r => r.Left.Length));
        foreach (var (left, right) in all)
        {
            output.Line($"  {left.PadRight(width)}  {right}");
        }
    }
}
