using Lotse.Changing;
using Lotse.Changing.Remote;
using Lotse.Hosts;

namespace Lotse.Cli;

/// <summary>apply, confirm, undo and log on another machine (<c>--host</c>).</summary>
internal static class RemoteCommands
{
    /// <summary>The options of these commands.</summary>
    public static readonly Option[] Options =
    [
        new("--host", Takes.Text, "[USER@]HOST", "on another machine, through the system's ssh"),
        new("--plain", Takes.Nothing, "", "with --host: by plain commands there, without copying lotse to it"),
        new("--program", Takes.File, "FILE", "with --host: the static lotse for that machine's architecture"),
    ];

    /// <summary>So long may the program there be silent, beyond the time of the programs that it runs.</summary>
    private const int SilentSeconds = 900;

    /// <summary>Applies a plan there.</summary>
    public static int Apply(Invocation call, Plan plan, byte[] bytes, TimeSpan? within) => With(call, there =>
    {
        if (Program(call, there, tellWhy: true) is { } program)
        {
            string[] options = [.. within is { } time ? ["--confirm-within", $"{Math.Ceiling(time.TotalSeconds):0}s"] : Array.Empty<string>(), .. call.Has("--dry-run") ? ["--dry-run"] : Array.Empty<string>()];
            var programs = plan.Changes.Sum(c => c switch { RunProgram run => run.Seconds, TellUnit => 120, _ => 0 });
            return Relay(call, there, program, ["apply", "-", .. options], bytes, TimeSpan.FromSeconds(SilentSeconds + programs));
        }

        ChangeCommands.Show(call, plan);
        using var here = new LocalHost();
        var by = $"{DetachedProgram.Who(here)} from {Preconditions.Identify(here, null).Name}";
        var receipt = call.Has("--dry-run") ? there.DryRun(plan) : there.Apply(plan, within, by, Area.All.FirstOrDefault(a => a.Name == plan.Area)?.Prove);
        return ChangeCommands.Print(call, receipt, plan);
    });

    /// <summary>Keeps a change there.</summary>
    public static int Confirm(Invocation call, string? id) => With(call, there =>
        there.IsUntouched ? Nothing(call, "nothing waits to be confirmed", "confirm")
        : there.IsPlain(id) ? ChangeCommands.Print(call, there.Confirm(id), null, "confirm")
        : ByProgram(call, there, ["confirm", .. Ids(id)]));

    /// <summary>Takes a change back there.</summary>
    public static int Undo(Invocation call, string? id) => With(call, there =>
    {
        if (there.IsUntouched)
        {
            return Nothing(call, "there is nothing to undo", "undo");
        }

        if (!there.IsPlain(id))
        {
            return ByProgram(call, there, ["undo", .. call.Has("--force") ? ["--force"] : Array.Empty<string>(), .. Ids(id)]);
        }

        var receipt = there.Undo(id, call.Has("--force"));
        if (receipt is { Outcome: Outcome.Stale, Id: { } changed })
        {
            ChangeCommands.ShowSince(call, there.Since(changed));
        }

        return ChangeCommands.Print(call, receipt, null, "undo");
    });

    /// <summary>What was changed there.</summary>
    public static int Log(Invocation call) => With(call, there =>
    {
        var log = there.IsUntouched ? new([], null) : there.Log();
        if (call.Has("--plain") || !there.HasProgramJournal)
        {
            return ChangeCommands.Print(call, log);
        }

        // One journal each; JSON is one envelope, so there --plain asks for the other.
        var code = ByProgram(call, there, ["log"]);
        if (log is { Ok: true, Value.Length: > 0 })
        {
            call.Errors.Line("lotse: there are also changes by plain commands: lotse log --plain");
        }

        return code;
    });

    private static string[] Ids(string? id) => id is null ? [] : ["--", id];

    private static int Nothing(Invocation call, string verdict, string verb) => ChangeCommands.Print(call, new(null, Outcome.Refused, verdict, []), null, verb);

    private static int ByProgram(Invocation call, RemoteChanging there, string[] arguments) =>
        Relay(call, there, Program(call, there, tellWhy: false) ?? throw new NotKnownException($"the change was made by lotse itself on {call["--host"]}, and it cannot be run there now"), arguments, [], TimeSpan.FromSeconds(SilentSeconds));

    /// <summary>The program there, or null where plain commands have to do.</summary>
    private static string? Program(Invocation call, RemoteChanging there, bool tellWhy)
    {
        var program = there.Install();
        if (!program.Ok && call.Has("--program"))
        {
            throw new NotKnownException(program.Error!.Message);
        }

        if (!program.Ok && tellWhy && !call.Has("--plain"))
        {
            call.Errors.Line($"lotse: by plain commands: {program.Error!.Message}");
            call.Errors.Flush();
        }

        return program.Ok ? program.Value : null;
    }

    private static int Relay(Invocation call, RemoteChanging there, string program, string[] arguments, byte[] input, TimeSpan time)
    {
        // What the other side prints is foreign: its own escapes stay, anything else that a terminal would obey becomes visible.
        void To(Output output, string line)
        {
            output.Line(Planning.Shown(line));
            output.Flush();
        }

        string[] passed = [.. arguments.TakeWhile(a => a != "--"), .. call.Has("--json") ? ["--json"] : Array.Empty<string>(), .. call["--fail-on"] is { } severity ? ["--fail-on", severity] : Array.Empty<string>(), .. arguments.SkipWhile(a => a != "--")];
        return there.Run(program, passed, input, time, line => To(call.Output, line), line => To(call.Errors, line))
            ?? throw new NotKnownException($"the connection to {ByteText.Escape(call["--host"]!)} was lost: how it ended is not known here", $"lotse log --host {ByteText.Escape(call["--host"]!)}");
    }

    private static int With(Invocation call, Func<RemoteChanging, int> work)
    {
        var opened = SshHost.Open(call["--host"]!);
        if (!opened.Ok)
        {
            throw new NotKnownException(opened.Error!.Message);
        }

        using var host = (SshHost)opened.Value;
        var program = call["--program"] is { } file ? Path.GetFullPath(file) : null;
        var there = RemoteChanging.Of(host, new(call.Has("--plain"), program, Cli.Program.Version), out var righted);
        if (righted is not null)
        {
            ChangeCommands.Tell(call.Errors, righted);
        }

        return there.Ok ? work(there.Value) : throw new NotKnownException(there.Error!.Message);
    }
}
