using System.Text;

namespace Lotse.Cli;

/// <summary>Completion scripts for bash, zsh and fish, made from the table of commands. They never run lotse.</summary>
internal static class CompletionScript
{
    public static string Bash(IReadOnlyList<Command> table)
    {
        var script = new StringBuilder("""
            # bash completion of lotse, made by: lotse completion bash
            _lotse() {
                local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= word words= i
                [[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD-2]}
                [[ $cur == = ]] && cur=
                for ((i = 1; i < COMP_CWORD; i++)); do
                    word=${COMP_WORDS[i]}
                    [[ $word == -* ]] && continue
                    case "${command:+$command }$word" in

            """.Replace("\r", "", StringComparison.Ordinal));
        script.Append($"            {string.Join('|', table.Where(c => c.Name.Length > 0).Select(c => $"'{c.Name}'"))}) command=\"${{command:+$command }}$word\" ;;\n");
        script.Append("            *) break ;;\n        esac\n    done\n    case \"$command:$prev\" in\n");
        foreach (var command in table)
        {
            foreach (var option in command.AllOptions.Where(o => o.Takes != Takes.Nothing && !o.ValueIsOptional))
            {
                script.Append($"        {At(command, option)}) {BashValue(option.Takes, option.Choices)}; return ;;\n");
            }
        }

        script.Append("    esac\n    case \"$command\" in\n");
        foreach (var command in table)
        {
            var words = NextWords(table, command).Concat(command.AllOptions.Select(o => o.Name));
            script.Append($"        '{command.Name}') words='{string.Join(' ', words)}'{(command.Arguments.Any(a => a.Takes == Takes.File) ? "; [[ $cur != -* ]] && { COMPREPLY=($(compgen -f -- \"$cur\")); compopt -o filenames; return; }" : "")} ;;\n");
        }

        script.Append("    esac\n    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -F _lotse lotse\n");
        return script.ToString();
    }

    public static string Zsh(IReadOnlyList<Command> table)
    {
        var script = new StringBuilder("#compdef lotse\n# zsh completion of lotse, made by: lotse completion zsh\n_lotse() {\n    local command= word i\n    for ((i = 2; i < CURRENT; i++)); do\n        word=$words[i]\n        [[ $word == -* ]] && continue\n        case \"${command:+$command }$word\" in\n");
        script.Append($"            {string.Join('|', table.Where(c => c.Name.Length > 0).Select(c => $"'{c.Name}'"))}) command=\"${{command:+$command }}$word\" ;;\n            *) break ;;\n        esac\n    done\n");
        script.Append("    local -a next options; local files=0\n    case \"$command:$words[CURRENT-1]\" in\n");
        foreach (var command in table)
        {
            foreach (var option in command.AllOptions.Where(o => o.Takes != Takes.Nothing && !o.ValueIsOptional))
            {
                script.Append($"        {At(command, option)}) {option.Takes switch
                {
                    Takes.Choice => $"compadd -- {string.Join(' ', option.Choices)}",
                    Takes.File => "_files",
                    _ => $"_message {ShellQuote(option.Help)}",
                }}; return ;;\n");
            }
        }

        script.Append("    esac\n    case \"$command\" in\n");
        foreach (var command in table)
        {
            script.Append($"        '{command.Name}')\n            next=({string.Join(' ', NextWords(table, command).Select(w => ZshWord(w, SummaryOf(table, command, w))))})\n");
            script.Append($"            options=({string.Join(' ', command.AllOptions.Select(o => ZshWord(o.Name, o.Help)))})\n            files={(command.Arguments.Any(a => a.Takes == Takes.File) ? 1 : 0)} ;;\n");
        }

        script.Append("    esac\n    if [[ $words[CURRENT] == -* ]]; then\n        _describe -o option options\n    else\n        (( $#next )) && _describe command next\n        (( files )) && _files\n    fi\n}\n_lotse \"$@\"\n");
        return script.ToString();
    }

    public static string Fish(IReadOnlyList<Command> table)
    {
        // The command at the cursor is the longest name that the words before it, options left out, begin with.
        var script = new StringBuilder("# fish completion of lotse, made by: lotse completion fish\nfunction __lotse_at\n    set -l words (string match -v -- '-*' (commandline -opc))\n    set -e words[1]\n    set -l command ''\n    for name in $__lotse_commands\n        string match -q -- \"$name *\" \"$words \"; and test (string length -- $name) -gt (string length -- \"$command\"); and set command $name\n    end\n    test \"$command\" = \"$argv\"\nend\ncomplete -c lotse -f\n");
        script.Append($"set -g __lotse_commands {string.Join(' ', table.Where(c => c.Name.Length > 0).Select(c => $"'{c.Name}'"))}\n");
        foreach (var command in table)
        {
            var at = $"complete -c lotse -n '__lotse_at{(command.Name.Length > 0 ? " " + command.Name : "")}'";
            foreach (var word in NextWords(table, command))
            {
                script.Append($"{at} -a {word} -d {ShellQuote(SummaryOf(table, command, word))}\n");
            }

            foreach (var option in command.AllOptions)
            {
                script.Append($"{at} -l {option.Name[2..]}{(option.Letter == 0 ? "" : $" -s {option.Letter}")} -d {ShellQuote(option.Help)}{option.Takes switch
                {
                    Takes.Nothing => "",
                    _ when option.ValueIsOptional => "",
                    Takes.Choice => $" -x -a {ShellQuote(string.Join(' ', option.Choices))}",
                    Takes.File => " -r -F",
                    _ => " -x",
                }}\n");
            }

            if (command.Arguments.Any(a => a.Takes == Takes.File))
            {
                script.Append($"{at} -F\n");
            }
        }

        return script.ToString();
    }

    /// <summary>The words that may follow a command's name: its verbs, or the values of its argument.</summary>
    private static IEnumerable<string> NextWords(IReadOnlyList<Command> table, Command command)
    {
        var depth = command.Name.Length == 0 ? 0 : command.Name.Split(' ').Length;
        var verbs = table
            .Where(c => c.Name.Length > 0 && (depth == 0 || c.Name.StartsWith(command.Name + " ", StringComparison.Ordinal)))
            .Select(c => c.Name.Split(' ')).Where(w => w.Length > depth).Select(w => w[depth]).Distinct();
        return command.Name switch
        {
            "explain" => FindingPage.All.Select(p => p.Id),
            "completion" => ["bash", "zsh", "fish"],
            _ => verbs,
        };
    }

    private static string SummaryOf(IReadOnlyList<Command> table, Command command, string word) =>
        table.FirstOrDefault(c => c.Name == $"{command.Name} {word}".Trim())?.Summary ?? FindingPage.Find(word)?.Title ?? word;

    private static string BashValue(Takes takes, string[] choices) => takes switch
    {
        Takes.Choice => $"COMPREPLY=($(compgen -W '{string.Join(' ', choices)}' -- \"$cur\"))",
        Takes.File => "COMPREPLY=($(compgen -f -- \"$cur\")); compopt -o filenames",
        _ => "COMPREPLY=()",
    };

    private static string ZshWord(string word, string summary) => ShellQuote($"{word.Replace(":", "\\:", StringComparison.Ordinal)}:{summary}");

    /// <summary>The shell pattern for the cursor behind an option, by its name or its letter.</summary>
    private static string At(Command command, Option option) => $"'{command.Name}:{option.Name}'" + (option.Letter == 0 ? "" : $"|'{command.Name}:-{option.Letter}'");

    private static string ShellQuote(string text) => "'" + text.Replace("'", "'\\''", StringComparison.Ordinal) + "'";
}
