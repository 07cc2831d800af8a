using System.Text;

namespace Lotse.Cli;

/// <summary>The man page lotse(1), made from the table of commands and the pages of the findings; see man(7).</summary>
internal static class ManPageText
{
    public static string Roff(IReadOnlyList<Command> table)
    {
        var page = new StringBuilder();
        page.Append($".TH LOTSE 1 \"{Program.Date}\" \"lotse {Program.Version}\" \"User Commands\"\n");
        page.Append($".SH NAME\nlotse \\- {Escape(table[0].Summary)}\n");
        page.Append(".SH SYNOPSIS\n");
        foreach (var command in table.Skip(1))
        {
            page.Append($".B {Escape(HelpText.Usage(command).Replace(" [OPTION…]", "", StringComparison.Ordinal))}\n.RI [ OPTION ...]\n{(command == table[^1] ? "" : ".br\n")}");
        }

        page.Append(".SH DESCRIPTION\nOne binary, no daemon, no account. It reads the facts, explains why rule by rule, plans the smallest change, applies it with a way back, and proves that it worked.\n");
        page.Append(".SH COMMANDS\n");
        foreach (var command in table.Skip(1))
        {
            page.Append($".SS {Escape("lotse " + command.Name)}\n{Escape(HelpText.Sentence(command.Summary))}\n");
            if (command.Description.Length > 0)
            {
                page.Append($".PP\n{Escape(command.Description)}\n");
            }

            foreach (var argument in command.Arguments)
            {
                page.Append($".TP\n.I {Escape(argument.Metavar)}\n{Escape(argument.Help)}\n");
            }

            foreach (var option in command.Options)
            {
                Option(page, option);
            }

            foreach (var example in command.Examples)
            {
                page.Append($".PP\n{Escape(HelpText.Sentence(example.What))}\n.PP\n.EX\n    lotse {Escape(example.Line)}\n.EE\n");
            }
        }

        page.Append(".SH OPTIONS\nEvery command that looks at a machine takes these.\n");
        foreach (var option in table[0].Options.Concat(CommonOptions.Json).Concat(CommonOptions.Host).Concat(CommonOptions.Always))
        {
            Option(page, option);
        }

        page.Append(".SH EXIT STATUS\n");
        foreach (var (code, meaning) in HelpText.ExitCodes)
        {
            page.Append($".TP\n{code}\n{Escape(meaning)}\n");
        }

        page.Append(".SH FINDINGS\n");
        foreach (var finding in FindingPage.All)
        {
            page.Append($".TP\n.B {Escape(finding.Id)}\n{Escape(HelpText.Sentence(finding.Title))}\n");
        }

        page.Append(".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nif set and not empty, no bold and no colours\n");
        return page.ToString();
    }

    private static void Option(StringBuilder page, Option option) =>
        page.Append($".TP\n.B {Escape(HelpText.Spelling(option))}\n{Escape(HelpText.Description(option))}\n");

    /// <summary>Text for roff: backslash, hyphen, and a dot or quote at the start of a line are not to be taken as commands.</summary>
    private static string Escape(string text)
    {
        var safe = text.Replace("\\", "\\e", StringComparison.Ordinal).Replace("-", "\\-", StringComparison.Ordinal).Replace("…", "...", StringComparison.Ordinal);
        return string.Join('\n', safe.Split('\n').Select(l => l.StartsWith('.') || l.StartsWith('\'') ? "\\&" + l : l));
    }
}
