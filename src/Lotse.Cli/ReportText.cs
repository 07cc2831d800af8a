namespace Lotse.Cli;

/// <summary>Writes a report for people: the verdict first, then the rules that decided, then what to do.</summary>
internal static class ReportText
{
    /// <summary>The whole report.</summary>
    public static void Write(Output output, Report report)
    {
        output.Bold(report.Verdict.ToString());
        output.Line();
        foreach (var reason in report.Reasons)
        {
            output.Line();
            Reason(output, reason, "  ");
        }

        Findings(output, report);
    }

    /// <summary>Findings and unknowns, each after an empty line.</summary>
    public static void Findings(Output output, Report report)
    {
        foreach (var finding in report.Findings)
        {
            output.Line();
            output.Bold($"{Envelope.Name(finding.Severity)}: {finding.Title}");
            output.Line($" [{finding.Id}]{(finding.Certainty == Certainty.Inferred ? " (inferred)" : "")}");
            foreach (var reason in finding.Reasons)
            {
                Reason(output, reason, "  ");
            }

            foreach (var remedy in finding.Remedies)
            {
                output.Line($"  remedy: {remedy.Text}");
                if (remedy.Command.Length > 0)
                {
                    output.Line($"          {string.Join(' ', remedy.Command.Select(ShellWord))}");
                }
            }
        }

        foreach (var unknown in report.Unknowns)
        {
            output.Line();
            output.Line($"not known: {unknown.What}");
            output.Line($"  because {unknown.Why}");
            output.Line($"  to find out: {unknown.HowToFindOut}");
        }
    }

    private static void Reason(Output output, Reason reason, string indent)
    {
        output.Write(indent);
        output.Write(reason.Verdict switch { Verdict.Yes => "yes  ", Verdict.No => "no   ", _ => "?    " });
        output.Write(reason.Text.ToString());
        output.Line(reason.Rule is null ? "" : $" ({reason.Rule})");
        foreach (var seen in reason.Seen)
        {
            output.Line($"{indent}       {seen.What}  [{ByteText.Escape(seen.Where)}]");
        }
    }

    /// <summary>A word as one would type it; for reading, never executed.</summary>
    private static string ShellWord(string word) =>
        word.Length > 0 && word.All(c => char.IsAsciiLetterOrDigit(c) || "-_./:=@%+,".Contains(c, StringComparison.Ordinal)) ? word : "'" + ByteText.Escape(word).Replace("'", "'\\''", StringComparison.Ordinal) + "'";
}
