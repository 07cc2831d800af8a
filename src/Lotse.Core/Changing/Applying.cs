using System.Globalization;
using Lotse.Hosts;
using Lotse.Linux;

namespace Lotse.Changing;

/// <summary>How a plan is to be applied.</summary>
/// <param name="By">Who applies it, for the journal.</param>
/// <param name="Prove">Asks the area whether it worked; null: there is no proof beyond the files themselves.</param>
/// <param name="ConfirmWithin">After this time it is undone unless somebody confirms; null: it stays.</param>
/// <param name="StartGuard">Starts the process that undoes it; handed the entry's id.</param>
/// <param name="Stop">Whether somebody asked the program to end.</param>
/// <param name="Tell">Told of each phase when it begins and when it has ended; null: nobody wants to know.</param>
public sealed record ApplyOptions(string By, Func<Host, Plan, Report>? Prove, TimeSpan? ConfirmWithin, Func<string, HostError?> StartGuard, Func<bool> Stop, Action<PhaseProgress>? Tell = null);

/// <summary>How far a plan with phases has come.</summary>
/// <param name="Phase">The phase: see <see cref="RunProgram.Phase"/>.</param>
/// <param name="Number">Its place, from 1.</param>
/// <param name="Of">How many there are.</param>
/// <param name="IsDone">Whether it has ended; else it begins.</param>
/// <param name="Seconds">How long it took; 0 when it begins.</param>
/// <param name="Estimate">How long it took in the rehearsal, seconds; null: there was none.</param>
/// <param name="NoReturn">Why there is no way back from here on; null: there is one.</param>
public sealed record PhaseProgress(string Phase, int Number, int Of, bool IsDone, double Seconds, double? Estimate, string? NoReturn);

/// <summary>
/// The one place that changes anything. Order: lock, preconditions, a look at every step, the journal on disk, the steps,
/// a second look at what they left, the proof. Whatever fails after the first step, everything is put back.
/// </summary>
public static class Applying
{
    private static readonly TimeSpan LockWait = TimeSpan.FromSeconds(2);

    /// <summary>Applies a plan to this machine, or to the folder that it names.</summary>
    public static Receipt Apply(Plan plan, ApplyOptions options)
    {
        using var here = new LocalHost();
        Host? folder = null;
        try
        {
            if (plan.Host.Root is { } root && FolderHost.Open(root) is var opened)
            {
                if (!opened.Ok)
                {
                    return new(null, Outcome.Refused, "nothing was changed", [opened.Error!.Message]);
                }

                folder = opened.Value;
            }

            using var journal = Journal.Open();
            if (!journal.TryLock(LockWait))
            {
                return new(null, Outcome.Stale, "another lotse is changing this machine; nothing was changed", ["wait for it, then apply again"]);
            }

            if (Journal.PendingId is { } pending)
            {
                return new(null, Outcome.Stale, $"the change {pending} is not settled; nothing was changed", ["lotse confirm keeps it, lotse undo takes it back"]);
            }

            return Check(plan, here, folder ?? here) is { } refusal ? refusal : Locked(plan, options, journal, folder ?? here);
        }
        catch (ChangeFailedException e)
        {
            return new(null, Outcome.Refused, "nothing was changed", [e.Message]);
        }
        finally
        {
            folder?.Dispose();
        }
    }

    /// <summary>What stands against a plan, without taking the lock: for <c>--dry-run</c>.</summary>
    public static Receipt DryRun(Plan plan)
    {
        using var here = new LocalHost();
        var opened = plan.Host.Root is { } root ? FolderHost.Open(root) : new Reading<Host>(here, null);
        if (!opened.Ok)
        {
            return new(null, Outcome.Refused, "nothing was changed", [opened.Error!.Message]);
        }

        try
        {
            if (Check(plan, here, opened.Value) is { } refusal)
            {
                return refusal;
            }

            foreach (var step in Step.Of(plan, opened.Value, FilesOf(opened.Value)))
            {
                _ = step.Look();
            }

            return new(null, Outcome.Done, "the plan still holds; nothing was changed", []);
        }
        catch (ChangeFailedException e)
        {
            return new(null, Outcome.Refused, "nothing was changed", [e.Message]);
        }
        finally
        {
            opened.Value.Dispose();
        }
    }

    /// <summary>The files of a host that can be changed.</summary>
    internal static Files FilesOf(Host host) => host is FolderHost folder ? folder.Files : new Files();

    private static Receipt? Check(Plan plan, Host here, Host host)
    {
        var identity = Preconditions.Identify(plan.Host.Root is null ? here : host, plan.Host.Root);
        if (identity.Machine != plan.Host.Machine)
        {
            return new(null, Outcome.Stale, $"the plan is for {Value.Host(plan.Host.Name)}, not for {Value.Host(identity.Name)}; nothing was changed", []);
        }

        if (plan.Host.Root is not null && plan.Changes.FirstOrDefault(c => c is SetKernelValue or RunProgram or TellUnit or BringPagesIn or CycleSwap or UpdateZone) is { } live)
        {
            return new(null, Outcome.Refused, "nothing was changed", [$"a folder runs nothing: {live.Sentence}"]);
        }

        var moved = Preconditions.Moved(host, plan.Read);
        return moved.Length > 0 ? new(null, Outcome.Stale, "the plan is stale; nothing was changed", [.. moved, "make the plan again"]) : null;
    }

    private static Receipt Locked(Plan plan, ApplyOptions options, Journal journal, Host host)
    {
        var steps = Step.Of(plan, host, FilesOf(host));
        var seen = steps.Select(s => s.Look()).ToArray();
        if (seen.Where(s => s.Before.Name is not null).GroupBy(s => (s.Before.Folder, s.Before.Name)).Any(g => g.Count() > 1))
        {
            return new(null, Outcome.Refused, "nothing was changed", ["the plan changes one file in two steps"]);
        }

        var entry = journal.Begin(Clock.Now, id => (new(id, Clock.Now, options.By, plan, [.. seen.Select(s => s.Before)]), [.. seen.Select(s => s.Bytes)]));
        try
        {
            var wait = options.ConfirmWithin is { } time ? time.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture) : "-";
            entry.Log($"begin {Environment.ProcessId} {wait} {Clock.Moment()}");
        }
        catch (ChangeFailedException)
        {
            journal.Forget(entry.Id);
            throw;
        }

        if (options.ConfirmWithin is not null && options.StartGuard(entry.Id) is { } error)
        {
            entry.TryLog("put-back");
            journal.Settle();
            return new(entry.Id, Outcome.Refused, "nothing was changed", [error.Message]);
        }

        entry.Refresh();
        Report? proof = null;
        try
        {
            foreach (var step in steps)
            {
                if (options.Stop())
                {
                    throw new ChangeFailedException("go on", "somebody asked lotse to end");
                }

                entry.Log($"doing {step.Number}");
                var phase = Tell(plan, step.Number, options.Tell, null);
                var begun = Clock.SinceBoot().Seconds;
                step.Do(entry);
                if (phase)
                {
                    _ = Tell(plan, step.Number, options.Tell, Clock.SinceBoot().Seconds - begun);
                }

                var (seconds, nanoseconds) = step is FileStep file ? file.FolderTime(entry) : default;
                entry.Log($"done {step.Number} {seconds} {nanoseconds}");
            }

            foreach (var step in steps.Where(s => s.Stands(entry) != Standing.After))
            {
                throw new ChangeFailedException("find what was written", $"after the step \"{plan.Changes[step.Number].Sentence}\" something else stands there");
            }

            proof = options.Prove?.Invoke(host, plan);
            if (proof is not null)
            {
                entry.Log($"proof {ByteText.Escape(proof.Verdict.ToString())}");
                if (ExitCode.OfProof(proof) is not ExitCode.Fine)
                {
                    throw new ChangeFailedException("prove the change", proof.Verdict.ToString());
                }
            }

            entry.Log(options.ConfirmWithin is null ? "finished" : $"unconfirmed {Clock.Moment()}");
        }
        catch (ChangeFailedException e)
        {
            return PuttingBack.Run(journal, entry, host, e.Message) with { Proof = proof };
        }

        if (options.ConfirmWithin is { } within)
        {
            return new(entry.Id, Outcome.Unconfirmed, $"applied; undone in {within.TotalSeconds} seconds unless you run: lotse confirm", [], proof);
        }

        Text applied = proof is null ? "applied" : $"applied and proved: {proof.Verdict}";
        try
        {
            journal.Settle();
        }
        catch (ChangeFailedException e)
        {
            // The log says that it is finished, so the next start only takes the mark away. But a disk that refuses that is failing.
            return new(entry.Id, Outcome.NotPutBack, $"{applied}; but the journal could not be closed", [e.Message, "the change stands; look at the disk, then run lotse log"], proof);
        }

        Journal.Prune(Clock.Now);
        return new(entry.Id, Outcome.Done, applied, [], proof);
    }

    private static bool Tell(Plan plan, int number, Action<PhaseProgress>? tell, double? seconds)
    {
        if (tell is null || plan.Changes[number] is not RunProgram { Phase: { } phase } run)
        {
            return false;
        }

        static bool IsPhase(Change change) => change is RunProgram { Phase: not null };
        tell(new(phase, plan.Changes.Take(number + 1).Count(IsPhase), plan.Changes.Count(IsPhase), seconds is not null, Math.Round(seconds ?? 0, 2), run.Estimate, run.NoReturn));
        return true;
    }
}
