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
        new("swap plan", "plan the smallest change: a unit's limit, swappiness, or pages back into memory", Plan)
        {
            Description = "Writes a plan and changes nothing. swapoff -a is never needed: one process or one swap area comes back, and only where it fits.",
            Options =
            [
                new("--unit", Takes.Text, "UNIT", "limit this systemd unit (with --high, --swap-max)"),
                new("--high", Takes.Text, "SIZE", "above this its pages are pushed out and it is slowed down: 600M, 2G, infinity"),
                new("--swap-max", Takes.Text, "SIZE", "no more than this of it goes to swap; 0: nothing"),
                new("--swappiness", Takes.Number, "N", "set vm.swappiness, now and at each boot"),
                new("--bring-in", Takes.Text, "PID|NAME|UNIT", "bring its pages back into memory"),
                new("--empty", Takes.Text, "DEVICE", "bring all of a swap area back: swapoff and swapon, where it fits") { ValueIsOptional = true },
                Planning.Output,
            ],
            Examples =
            [
                new("raise the limit that squeezes a unit", "swap plan --unit clamav-daemon.service --high 900M -o plan.json"),
                new("one process back in memory, now", "swap plan --bring-in 1234 -o plan.json; lotse apply plan.json"),
                new("files' pages go before programs' pages", "swap plan --swappiness 10 -o plan.json"),
            ],
        },
        new("swap prove", "ask the kernel whether a plan has worked", call => Planning.Prove(call, "swap"))
        {
            Arguments = [Planning.Proved],
            Examples = [new("the newest change", "swap prove"), new("a plan's goal, applied or not", "swap prove plan.json")],
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

    private static int Plan(Invocation call)
    {
        var what = call.OnlyOneOf("--unit", "--swappiness", "--bring-in", "--empty") ?? throw new UsageException("what is to be changed?", "--unit, --swappiness, --bring-in or --empty; lotse swap plan --help shows examples");
        if ((call.Has("--high") || call.Has("--swap-max")) != (what == "--unit"))
        {
            throw new UsageException("--unit needs --high or --swap-max, and they need --unit", "for example: lotse swap plan --unit postgresql.service --swap-max 0");
        }

        SwapGoal goal = what switch
        {
            "--unit" => new LimitUnit(Unit(call["--unit"]!), Size(call, "--high"), Size(call, "--swap-max")),
            "--swappiness" => new SetSwappiness(call.Number("--swappiness")!.Value),
            "--bring-in" => new BringIn(call["--bring-in"]!),
            _ => new EmptyDevice(call["--empty"] is { Length: > 0 } device ? device : null),
        };
        return Planning.Make(call, "swap", host =>
        {
            var facts = SwapPlanFacts.Read(host, goal);
            return facts.Ok ? SwapPlan.Of(facts.Value, goal) : throw new NotKnownException(facts.Error!.Message, "lotse swap lists the processes");
        });
    }

    /// <summary>A unit by its name, a service where no type is given. It becomes part of a path.</summary>
    private static string Unit(string word)
    {
        var unit = word.Contains('.', StringComparison.Ordinal) ? word : word + ".service";
        return unit.Contains('/', StringComparison.Ordinal) || unit[0] is '-' or '.' ? throw new UsageException($"\"{ByteText.Escape(word)}\" is not the name of a unit") : unit;
    }

    private static long? Size(Invocation call, string option) =>
        call[option] is not { } text ? null : LimitUnit.Bytes(text) ?? throw new UsageException($"{option} takes an amount of memory, not \"{ByteText.Escape(text)}\"", $"for example: {option} 600M, {option} 2G, {option} infinity");

    private static SwapFacts Read(Host host, TimeSpan interval)
    {
        var facts = SwapFacts.Read(host, interval, h => SwapScan.Once(h));
        return facts.Ok ? facts.Value : throw new NotKnownException(facts.Error!.Message);
    }
}
