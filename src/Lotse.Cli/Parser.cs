using System.Globalization;
using Lotse.Formats;

namespace Lotse.Cli;

/// <summary>
/// Reads a command line by the table of commands. Options may stand anywhere; <c>--name value</c> and
/// <c>--name=value</c> mean the same; <c>--</c> ends the options. Nothing is abbreviated: a script must not change
/// its meaning when an option is added.
/// </summary>
internal static class Parser
{
    /// <summary>Finds the longest command name at the start of <paramref name="words"/>, options skipped.</summary>
    /// <exception cref="UsageException">There is no such command or option, or a value does not fit.</exception>
    public static Invocation Parse(IReadOnlyList<Command> table, ReadOnlySpan<string> words, Output output, Output errors)
    {
        var (command, rest) = FindCommand(table, words);
        var options = new Dictionary<string, string>();
        var arguments = new List<string>();
        var onlyArguments = false;
        for (var i = 0; i < rest.Count; i++)
        {
            var word = rest[i];
            if (onlyArguments || word.Length < 2 || word[0] != '-')
            {
                arguments.Add(word);
                continue;
            }

            if (word == "--")
            {
                onlyArguments = true;
                continue;
            }

            if (word == "-h")
            {
                word = "--help";
            }

            if (word.Length == 2 && command.AllOptions.FirstOrDefault(o => o.Letter == word[1]) is { } known)
            {
                word = known.Name;
            }

            var equals = word.IndexOf('=', StringComparison.Ordinal);
            var name = equals < 0 ? word : word[..equals];
            var option = command.AllOptions.FirstOrDefault(o => o.Name == name) ?? throw UnknownOption(command, name);
            var value = ValueOf(option, equals < 0 ? null : word[(equals + 1)..], rest, ref i);

            // No argument of a program can hold NUL, so it can stand between values.
            options[name] = option.Repeats && options.TryGetValue(name, out var before) ? $"{before}\0{value}" : value;
        }

        if (!options.ContainsKey("--help"))
        {
            CheckArguments(table, command, arguments);
        }

        return new(command, options, [.. arguments], output, errors);
    }

    private static (Command Command, List<string> Others) FindCommand(IReadOnlyList<Command> table, ReadOnlySpan<string> words)
    {
        // The command's words come first; an option before them may only be one without a value.
        var rest = new List<string>(words.Length);
        var at = 0;
        while (at < words.Length && words[at].StartsWith('-') && words[at].Length > 1)
        {
            rest.Add(words[at++]);
        }

        if (at == words.Length)
        {
            return (table[0], rest);
        }

        Command? found = null;
        var used = 0;
        foreach (var command in table)
        {
            var name = command.Name.Split(' ');
            if (name[0].Length > 0 && name.Length > used && name.Length <= words.Length - at && words.Slice(at, name.Length).SequenceEqual(name))
            {
                (found, used) = (command, name.Length);
            }
        }

        if (found is null)
        {
            throw UnknownCommand(table, words[at]);
        }

        rest.AddRange(words[(at + used)..]);
        return (found, rest);
    }

    private static string ValueOf(Option option, string? attached, List<string> rest, ref int i)
    {
        if (option.Takes == Takes.Nothing)
        {
            return attached is null ? "" : throw new UsageException($"{option.Name} takes no value");
        }

        if (attached is null && option.ValueIsOptional && (i + 1 == rest.Count || rest[i + 1].StartsWith('-') || !Fits(option, rest[i + 1])))
        {
            return option.Default ?? "";
        }

        if (attached is null && i + 1 == rest.Count)
        {
            throw new UsageException($"{option.Name} needs a value", $"lotse … {option.Name} {option.Metavar}");
        }

        var value = attached ?? rest[++i];
        if (Fits(option, value))
        {
            return value;
        }

        var shown = ByteText.Escape(value);
        throw option.Takes == Takes.Choice
            ? new UsageException($"{option.Name} does not know \"{shown}\"", $"one of: {string.Join(", ", option.Choices)}")
            : new UsageException($"{option.Name} \"{shown}\" is not {(option.Takes == Takes.Number ? "a whole number from 0" : option.Takes == Takes.Seconds ? "a number of seconds above 0" : "a value")}");
    }

    private static bool Fits(Option option, string value) => option.Takes switch
    {
        Takes.Number => int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out _),
        Takes.Seconds => double.TryParse(value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds) && seconds is > 0 and <= 86400,
        Takes.Choice => option.Choices.Contains(value),
        Takes.TextOrEmpty => true,
        _ => value.Length > 0,
    };

    private static void CheckArguments(IReadOnlyList<Command> table, Command command, List<string> arguments)
    {
        var required = command.Arguments.Count(a => a.Required);
        if (arguments.Count < required)
        {
            throw new UsageException($"lotse {command.Name} needs {command.Arguments[arguments.Count].Metavar}", $"lotse {command.Name} --help");
        }

        if (!command.Arguments.Any(a => a.Many) && arguments.Count > command.Arguments.Length)
        {
            var extra = arguments[command.Arguments.Length];
            var verbs = table.Where(c => c.Name.StartsWith(command.Name + " ", StringComparison.Ordinal)).Select(c => c.Name[(command.Name.Length + 1)..]).ToArray();
            throw new UsageException(
                $"lotse {command.Name} does not take \"{ByteText.Escape(extra)}\"",
                Nearest(extra, verbs) is { } verb ? $"did you mean: lotse {command.Name} {verb}" : $"lotse {command.Name} --help");
        }
    }

    private static UsageException UnknownCommand(IReadOnlyList<Command> table, string word) =>
        new($"there is no command \"{ByteText.Escape(word)}\"",
            Nearest(word, [.. table.Select(c => c.Name.Split(' ')[0]).Where(n => n.Length > 0).Distinct()]) is { } near ? $"did you mean: lotse {near}" : "lotse --help lists the commands");

    private static UsageException UnknownOption(Command command, string name)
    {
        var shown = ByteText.Escape(name);
        var full = $"lotse {command.Name}".TrimEnd();
        return new($"{full} has no option \"{shown}\"",
            Nearest(name, [.. command.AllOptions.Select(o => o.Name)]) is { } near ? $"did you mean: {near}" : $"{full} --help lists the options");
    }

    /// <summary>The word that is fewest edits away, if it is near enough to be meant.</summary>
    internal static string? Nearest(string word, IReadOnlyList<string> words)
    {
        var best = words.Select(w => (Word: w, Edits: WordDistance.Between(word, w))).OrderBy(w => w.Edits).FirstOrDefault();
        return best.Word is not null && best.Edits <= Math.Max(1, word.Length / 3) ? best.Word : null;
    }
}
