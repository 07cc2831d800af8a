namespace Lotse.Cli.Areas;

/// <summary>The verbs of <c>lotse swap</c>.</summary>
internal static class SwapCommands
{
    public static readonly Command[] All =
    [
        new("swap", "list all processes and how much swap they use", _ => ExitCode.Fine)
        {
            Options =
            [
                new("--top", Takes.Number, "N", "only the N largest"),
                new("--all", Takes.Nothing, "", "also processes that use none"),
                new("--by", Takes.Choice, "WHAT", "add up") { Choices = ["process", "unit", "container", "user", "name"], Default = "process" },
                new("--sort", Takes.Choice, "COLUMN", "order of the rows") { Choices = ["swap", "pid", "name", "user"], Default = "swap" },
                new("--tsv", Takes.Nothing, "", "KIB, PID and NAME between tabs, no header"),
                new("--full", Takes.Nothing, "", "account for every used slot (root)"),
                new("--backend", Takes.Choice, "BACKEND", "where to read") { Choices = ["auto", "proc", "bpf"], Default = "auto" },
                new("--watch", Takes.Seconds, "S", "live view, every S seconds") { ValueIsOptional = true, Default = "2" },
                new("--save", Takes.File, "FILE", "save a snapshot"),
                new("--since", Takes.File, "FILE", "compare with a saved snapshot"),
            ],
            Examples = [new("who uses swap", "swap")],
        },
        new("swap why", "why something is in swap, rule by rule", _ => ExitCode.Fine)
        {
            Arguments = [new("PID|NAME|UNIT", "a process, a name or a unit; without it, the machine")],
        },
    ];
}
