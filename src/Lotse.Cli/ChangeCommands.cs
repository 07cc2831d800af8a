using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json.Serialization;
using Lotse.Changing;
using Lotse.Formats;
using Lotse.Hosts;

namespace Lotse.Cli;

/// <summary>The commands that change something, and the log of what was changed.</summary>
internal static class ChangeCommands
{
    public static readonly Command[] All =
    [
        new("apply", "apply a plan; whatever fails, everything is put back", Apply)
        {
            Description = "Takes a lock, checks that nothing moved since the plan was made, writes the journal, changes, looks again, proves.",
            Arguments = [new("PLAN", "a file that a plan command wrote; - is standard input", Required: true, Takes: Takes.File)],
            Options =
            [
                new("--confirm-within", Takes.Text, "TIME", "undo it after TIME (30s, 2m) unless lotse confirm is run"),
                new("--dry-run", Takes.Nothing, "", "only check whether the plan still holds"),
                .. RemoteCommands.Options,
            ],
            Examples =
            [
                new("apply", "apply plan.json"),
                new("over a connection that the change may cut", "apply plan.json --confirm-within 2m"),
                new("does it still hold", "apply plan.json --dry-run"),
                new("on a router", "apply plan.json --host root@router --confirm-within 2m; lotse confirm --host root@router"),
            ],
            LooksAtHost = false,
        },
        new("confirm", "keep a change that was applied with --confirm-within", call => call.Has("--host") ? RemoteCommands.Confirm(call, Id(call)) : Settle(call, Settling.Confirm(Id(call)), "confirm"))
        {
            Arguments = [new("ID", "the change; without it, the one that waits")],
            Options = RemoteCommands.Options,
            Examples = [new("it works, keep it", "confirm")],
            LooksAtHost = false,
        },
        new("undo", "take a change back: bytes, owner, mode, attributes, services", Undo)
        {
            Arguments = [new("ID", "the change; without it, the newest that stands")],
            Options =
            [
                new("--force", Takes.Nothing, "", "also where somebody changed it since"),
                .. RemoteCommands.Options,
            ],
            Examples = [new("the newest", "undo"), new("one of the log", "undo 20261124-160102")],
            LooksAtHost = false,
        },
        new("log", "what was changed, when, by whom, and what the proof said", Log)
        {
            Options = RemoteCommands.Options,
            Examples = [new("everything", "log"), new("for a program", "log --json")],
            LooksAtHost = false,
        },
    ];

    /// <summary>Starts the process that takes an unconfirmed change back, and waits until it is at work.</summary>
    public static HostError? StartGuard(string id)
    {
        if (DetachedProgram.Start($"lotse-guard-{id}", "guard", id) is { } error)
        {
            return error;
        }

        using var here = new LocalHost();
        for (var tries = 0; tries < 400; tries++)
        {
            if (Settling.IsGuarded(id))
            {
                return null;
            }

            here.Wait(TimeSpan.FromMilliseconds(25));
        }

        return new(HostErrorKind.TimedOut, "the process that would undo the change does not start");
    }

    /// <summary>The other side of <see cref="StartGuard"/>: <c>lotse guard ID</c>.</summary>
    public static int Guard(string id)
    {
        DetachedProgram.Detach();
        using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, c => c.Cancel = true);
        return Settling.Guard(id) ? ExitCode.Fine : ExitCode.NotKnown;
    }

    private static int Apply(Invocation call)
    {
        var bytes = Hosting.ReadInput(call.Arguments[0], Plan.Limit);
        var parsed = Plan.Parse(call.Arguments[0] == "-" ? "standard input" : Path.GetFullPath(call.Arguments[0]), bytes);
        if (!parsed.Ok)
        {
            throw new NotKnownException(parsed.Error!.Message);
        }

        var plan = parsed.Value;
        var within = call["--confirm-within"] is { } time ? Time(time) : (TimeSpan?)null;
        if (call.Has("--host"))
        {
            return RemoteCommands.Apply(call, plan, bytes, within);
        }

        Show(call, plan);
        if (call.Has("--dry-run"))
        {
            return Print(call, Applying.DryRun(plan), plan);
        }

        if (!Agreed(call, plan))
        {
            return Print(call, new(null, Outcome.Refused, "nothing was changed", []), plan);
        }

        var stop = false;
        using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, c => c.Cancel = true);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, c => c.Cancel = stop = true);
        using var end = PosixSignalRegistration.Create(PosixSignal.SIGTERM, c => c.Cancel = stop = true);
        using var here = new LocalHost();
        var prove = Area.All.FirstOrDefault(a => a.Name == plan.Area)?.Prove;
        return Print(call, Applying.Apply(plan, new(DetachedProgram.Who(here), prove, within, StartGuard, () => stop, phase => Phases.Tell(call, phase))), plan);
    }

    /// <summary>A plan with a point of no return is agreed to at a terminal; elsewhere who made it has agreed by its mode.</summary>
    private static bool Agreed(Invocation call, Plan plan)
    {
        if (plan.Changes.OfType<RunProgram>().FirstOrDefault(r => r.NoReturn is not null) is not { } last || !Lotse.Linux.Descriptor.IsTerminal(0) || !call.Errors.IsTerminal)
        {
            return true;
        }

        call.Errors.Write($"lotse: from \"{last.Phase}\" on there is no way back: {ByteText.Escape(last.NoReturn!)}\nGo on? yes or no: ");
        call.Errors.Flush();
        return Lotse.Linux.Descriptor.ReadLine(0)?.Trim() is "yes" or "y";
    }

    /// <summary>What a plan does, before it is applied.</summary>
    public static void Show(Invocation call, Plan plan)
    {
        if (!call.Has("--json"))
        {
            call.Output.Line($"{ByteText.Escape(plan.Goal)}");
            Planning.Write(call.Output, plan);
            call.Output.Line();
            call.Output.Flush();
        }
    }

    /// <summary>What would be lost by undoing.</summary>
    public static void ShowSince(Invocation call, (string Path, Hunk[] Hunks)[] since)
    {
        if (!call.Has("--json"))
        {
            call.Output.Line("what somebody changed since:");
            foreach (var (path, hunks) in since)
            {
                Planning.Write(call.Output, path, hunks);
            }
        }
    }

    /// <summary>What was put right before a command, as words about the run.</summary>
    public static void Tell(Output errors, Receipt righted)
    {
        errors.Line($"lotse: {righted.Verdict}");
        foreach (var detail in righted.Details)
        {
            errors.Line($"  {detail}");
        }

        errors.Flush();
    }

    private static int Undo(Invocation call)
    {
        if (call.Has("--host"))
        {
            return RemoteCommands.Undo(call, Id(call));
        }

        var receipt = Settling.Undo(Id(call), call.Has("--force"));
        if (receipt is { Outcome: Outcome.Stale, Id: { } id })
        {
            ShowSince(call, Settling.Since(id));
        }

        return Settle(call, receipt, "undo");
    }

    private static int Log(Invocation call) => call.Has("--host") ? RemoteCommands.Log(call) : Print(call, Settling.Log());

    /// <summary>Prints a log.</summary>
    public static int Print(Invocation call, Reading<LoggedChange[]> log)
    {
        if (!log.Ok)
        {
            throw new NotKnownException(log.Error!.Message);
        }

        if (call.Has("--json"))
        {
            Envelope.Write(call, new("log", [], [], []) { Answer = new(new LogAnswer(log.Value), () => ChangeJson.Default.LogAnswer) }, ExitCode.Fine);
            return ExitCode.Fine;
        }

        foreach (var entry in log.Value)
        {
            call.Output.Bold(entry.Id);
            call.Output.Line($"  {Word(entry.State)}  {ByteText.Escape(entry.Goal)}");
            call.Output.Line($"  {entry.At:yyyy-MM-dd HH:mm:ss} UTC by {ByteText.Escape(entry.By)}{(entry.Proof is null ? "" : "; proof: " + ByteText.Escape(entry.Proof))}{(entry.Because is null ? "" : "; because: " + ByteText.Escape(entry.Because))}");
            foreach (var change in entry.Changes)
            {
                call.Output.Line($"    {change}");
            }
        }

        if (log.Value.Length == 0)
        {
            call.Output.Line("nothing was changed by lotse");
        }

        return ExitCode.Fine;
    }

    private static int Settle(Invocation call, Receipt receipt, string verb) => Print(call, receipt, null, verb);

    /// <summary>Prints how a change ended.</summary>
    public static int Print(Invocation call, Receipt receipt, Plan? plan, string? verb = null)
    {
        if (call.Has("--json"))
        {
            var reasons = receipt.Details.Select(d => new Reason(d, receipt.Exit == 0 ? Verdict.Yes : Verdict.No)).ToArray();
            Envelope.Write(call, new(receipt.Verdict, reasons, [], []) { Answer = new(new ReceiptAnswer(receipt.Id, receipt.Outcome), () => ChangeJson.Default.ReceiptAnswer), Plan = plan?.Part, Proof = receipt.Proof }, receipt.Exit, indented: plan is null || !Phases.Has(plan));
            return receipt.Exit;
        }

        if (receipt.Proof is { } proof)
        {
            call.Output.Line("proof:");
            ReportText.Write(call.Output, proof);
            call.Output.Line();
        }

        // What went wrong is a word about the run.
        var to = receipt.Exit == 0 ? call.Output : call.Errors;
        to.Line(receipt.Exit == 0 ? $"{receipt.Verdict}{(receipt.Id is null ? "" : $" [{receipt.Id}]")}" : $"lotse: {(verb is null || receipt.Outcome != Outcome.Refused ? "" : $"{verb}: ")}{receipt.Verdict}");
        foreach (var detail in receipt.Details)
        {
            to.Line($"  {detail}");
        }

        return receipt.Exit;
    }

    private static string? Id(Invocation call) => call.Arguments is [var id] ? id : null;

    private static string Word(EntryState state) => state switch
    {
        EntryState.Applied => "applied",
        EntryState.Unconfirmed => "waits for lotse confirm",
        EntryState.Undone => "undone",
        EntryState.PutBack => "put back",
        EntryState.Stuck => "NOT PUT BACK",
        EntryState.Empty => "not begun",
        _ => "in progress",
    };

    private static TimeSpan Time(string text)
    {
        var unit = text.Length > 1 ? text[^1] switch { 's' => 1, 'm' => 60, 'h' => 3600, _ => 0 } : 0;
        return unit > 0 && double.TryParse(text[..^1], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) && number * unit is >= 1 and <= 86400
            ? TimeSpan.FromSeconds(number * unit)
            : throw new UsageException($"--confirm-within takes a time from 1s to 24h, not \"{ByteText.Escape(text)}\"", "for example: --confirm-within 2m");
    }
}

/// <summary>The answer of <c>lotse log</c>.</summary>
/// <param name="Entries">The newest first.</param>
internal sealed record LogAnswer(LoggedChange[] Entries);

/// <summary>The answer of apply, confirm and undo.</summary>
/// <param name="Id">The journal's entry, or null.</param>
/// <param name="Outcome">How it ended.</param>
internal sealed record ReceiptAnswer(string? Id, Outcome Outcome);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true)]
[JsonSerializable(typeof(LogAnswer))]
[JsonSerializable(typeof(ReceiptAnswer))]
[JsonSerializable(typeof(PhaseProgress))]
internal sealed partial class ChangeJson : JsonSerializerContext;
