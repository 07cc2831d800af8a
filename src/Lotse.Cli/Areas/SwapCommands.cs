using System.Globalization;
using Lotse.Swap;

namespace Lotse.Cli.Areas;

/// <summary>The verbs of <c>lotse swap</c>.</summary>
internal static class SwapCommands
{
    public static readonly Command[] All =
    [
        new("swap", "list all processes and how much swap they use", Show)
        {
            Description = "Processes with swap, largest first, under one line that says how much is used and whether it hurts now.",
            Options =
            [
                new("--top", Takes.Number, "N", "only the first N rows"),
                new("--all", Takes.Nothing, "", "also processes that use none"),
                new("--by", Takes.Choice, "WHAT", "add up") { Choices = ["process", "unit", "container", "user", "name"], Default = "process" },
                new("--sort", Takes.Choice, "COLUMN", "order of the rows") { Choices = ["swap", "pid", "name", "user"], Default = "swap" },
                new("--tsv", Takes.Nothing, "", "KIB, PID and NAME between tabs, no header"),
                new("--full", Takes.Nothing, "", "account for every used slot: shared memory, tmpfs, swap cache (root)"),
                new("--backend", Takes.Choice, "BACKEND", "where to read the numbers") { Choices = ["auto", "proc", "bpf"], Default = "auto" },
                new("--watch", Takes.Seconds, "S", "live view, every S seconds") { ValueIsOptional = true, Default = "2" },
                new("--save", Takes.File, "FILE", "save a snapshot for --since"),
                new("--since", Takes.File, "FILE", "what changed since a snapshot"),
            ],
            Examples =
            [
                new("who uses swap", "swap"),
                new("by systemd unit, the kernel's own account", "swap --by unit"),
                new("why does the sum not match", "swap --full"),
                new("live, with rates", "swap --watch"),
                new("what grew over lunch", "swap --save /tmp/before.json; lotse swap --since /tmp/before.json"),
            ],
        },
        new("swap why", "why something is in swap, rule by rule", Why)
        {
            Description = "Which limit pushed it out, whether it suffers or only holds swap, what ending it would free, whether swapoff fits.",
            Arguments = [new("PID|NAME|UNIT", "a process, a name or a unit; without it, the machine")],
            Options = [new("--interval", Takes.Seconds, "S", "how long to watch the counters") { Default = "2" }],
            Examples = [new("the machine", "swap why"), new("a unit", "swap why postgresql.service"), new("a process", "swap why 1234")],
        },
    ];

    private static int Show(Invocation call)
    {
        call.OnlyOneOf("--tsv", "--json");
        call.OnlyOneOf("--tsv", "--watch", "--full");
        call.OnlyOneOf("--tsv", "--by", "--full");
        call.OnlyOneOf("--since", "--save", "--watch");
        return call.Has("--watch") ? SwapWatch.Run(call) : Hosting.With(call, host => SwapList.Print(call, host));
    }

    private static int Why(Invocation call) => Hosting.With(call, host =>
    {
        var interval = TimeSpan.FromSeconds(double.Parse(call["--interval"] ?? "2", CultureInfo.InvariantCulture));
        if (call.Arguments is not [var asked])
        {
            return General.Print(call, SwapDiagnosis.Machine(Read(host, interval)));
        }

        // The target is watched for the whole interval, the machine between its two ends.
        var basics = SwapFacts.ReadBasics(host);
        var target = SwapTarget.Read(host, asked, basics is { Ok: true, Value.UsedKib: > 0 } ? interval : TimeSpan.Zero).Value
            ?? throw new NotKnownException($"there is no process, name or unit \"{ByteText.Escape(asked)}\" on {host.Name}", "lotse swap --all lists the processes, lotse swap --by unit the units");
        return General.Print(call, SwapDiagnosis.Target(Read(host, TimeSpan.FromSeconds(SwapPressure.LeastSeconds)), target));
    });

    private static SwapFacts Read(Host host, TimeSpan interval)
    {
        var facts = SwapFacts.Read(host, interval, h => SwapScan.Once(h));
        return facts.Ok ? facts.Value : throw new NotKnownException(facts.Error!.Message);
    }
}
