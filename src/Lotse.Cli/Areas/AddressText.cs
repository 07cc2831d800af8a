using Lotse.Addresses;

namespace Lotse.Cli.Areas;

/// <summary>Prints <c>lotse addr</c>: the verdict, the own addresses, the tables.</summary>
internal static class AddressText
{
    public static void Write(Output output, Report report)
    {
        if (report.Answer?.Value is not ShowAnswer answer)
        {
            ReportText.Write(output, report);
            return;
        }

        output.Bold(report.Verdict.ToString());
        output.Line();
        output.Line();
        output.Line($"{"ADDRESS",-43} {"INTERFACE",-12} {"SCOPE",5} {"LABEL",5} {"KERNEL",6}  NOTES");
        foreach (var a in answer.Addresses)
        {
            output.Line($"{$"{a.Address}/{a.Length}",-43} {ByteText.Escape(a.Interface),-12} {a.Scope,5} {a.Label,5} {(a.KernelLabel is { } kernel ? kernel.ToString() : "-"),6}{(a.Notes.Length > 0 ? "  " + string.Join(", ", a.Notes) : "")}");
        }

        Table(output, "LABEL", answer.Labels);
        Table(output, "PRECEDENCE", answer.Precedences);
        if (answer.ScopesV4.Any(r => r.Origin != "built in"))
        {
            Table(output, "SCOPE OF IPV4", answer.ScopesV4);
        }

        ReportText.Findings(output, report);
    }

    private static void Table(Output output, string title, TableRow[] rows)
    {
        output.Line();
        output.Line($"{title,-13}  {"PREFIX",-43}  FROM");
        foreach (var row in rows)
        {
            output.Line($"{row.Value,-13}  {row.Prefix,-43}  {ByteText.Escape(row.Origin)}");
        }
    }
}
