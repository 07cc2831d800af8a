using System.Globalization;
using Lotse.Changing;

namespace Lotse.Cli;

/// <summary>Tells how far a plan with phases has come: an envelope a line for programs, a line a phase for people.</summary>
internal static class Phases
{
    /// <summary>Whether a plan is told phase by phase.</summary>
    public static bool Has(Plan plan) => plan.Changes.Any(c => c is RunProgram { Phase: not null });

    /// <summary>Tells of one.</summary>
    public static void Tell(Invocation call, PhaseProgress phase)
    {
        if (call.Has("--json"))
        {
            Envelope.Write(call, new($"{phase.Phase}: {(phase.IsDone ? "done" : "begun")}", [], [], []) { Answer = new(phase, () => ChangeJson.Default.PhaseProgress) }, ExitCode.Fine, indented: false);
            call.Output.Flush();
            return;
        }

        // Words about the run. What goes on is only of use to somebody who waits.
        if (phase.IsDone || call.Errors.IsTerminal)
        {
            var estimate = phase.Estimate is { } seconds ? $", in the rehearsal {Seconds(seconds)}" : "";
            call.Errors.Line($"lotse: {phase.Number} of {phase.Of}, {phase.Phase}: {(phase.IsDone ? Seconds(phase.Seconds) : "…")}{estimate}{(phase is { IsDone: false, NoReturn: not null } ? "; from here on there is no way back" : "")}");
            call.Errors.Flush();
        }
    }

    private static string Seconds(double seconds) => string.Create(CultureInfo.InvariantCulture, $"{seconds:0.0} s");
}
