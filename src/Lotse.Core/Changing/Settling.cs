using Lotse.Formats;
using Lotse.Linux;

namespace Lotse.Changing;

/// <summary>A line of the journal, for <c>lotse log</c>.</summary>
/// <param name="Id">The entry.</param>
/// <param name="At">When it was applied, UTC.</param>
/// <param name="By">Who applied it.</param>
/// <param name="Area">The plan's area.</param>
/// <param name="Goal">What it was for.</param>
/// <param name="State">How far it has come.</param>
/// <param name="Proof">What the proof said.</param>
/// <param name="Because">Why it was put back or could not be.</param>
/// <param name="Changes">Its steps, a sentence each.</param>
public sealed record LoggedChange(string Id, DateTimeOffset At, string By, string Area, string Goal, EntryState State, string? Proof, string? Because, string[] Changes);

/// <summary>What comes after applying: the log, confirm, undo, and putting right what was interrupted.</summary>
public static class Settling
{
    private static readonly TimeSpan LockWait = TimeSpan.FromSeconds(10);

    /// <summary>Everything in the journal, the newest first.</summary>
    public static Reading<LoggedChange[]> Log()
    {
        var all = Journal.All();
        return all.Ok
            ? new([.. all.Value.Select(e => new LoggedChange(e.Id, e.Head.At, e.Head.By, e.Head.Plan.Area, e.Head.Plan.Goal, e.State, e.Proof, e.Because, [.. e.Head.Plan.Changes.Select(c => c.Sentence.ToString())]))], null)
            : new(default!, all.Error);
    }

    /// <summary>The plan of an entry; without an id of the newest one of an area that stands. Null when there is none.</summary>
    public static Plan? PlanOf(string? id, string? area) =>
        (id is not null ? Journal.Find(id) : Journal.All() is { Ok: true, Value: var all } ? all.FirstOrDefault(e => e.Head.Plan.Area == area && e.State is EntryState.Applied or EntryState.Unconfirmed) : null)?.Head.Plan;

    /// <summary>Keeps the change that waits for it. With an id, also one that could not be put back.</summary>
    public static Receipt Confirm(string? id)
    {
        try
        {
            using var journal = Journal.Open();
            if (!journal.TryLock(LockWait))
            {
                return new(null, Outcome.Stale, "another lotse is changing this machine", []);
            }

            if (Journal.PendingId is not { } pending || Journal.Find(pending) is not { } entry || (id is not null && id != pending))
            {
                return new(id, Outcome.Refused, id is null ? "nothing waits to be confirmed" : $"the change {id} does not wait to be confirmed", []);
            }

            if (entry.State == EntryState.Unconfirmed && SecondsLeft(entry) <= 0)
            {
                return PutBack(journal, entry, "not confirmed in time");
            }

            if (entry.State is not (EntryState.Unconfirmed or EntryState.Stuck))
            {
                return new(pending, Outcome.Refused, $"the change {pending} was interrupted; it is put back, not kept", []);
            }

            entry.Log("confirmed");
            journal.Settle();
            return new(pending, Outcome.Done, $"confirmed: {entry.Head.Plan.Goal}", []);
        }
        catch (ChangeFailedException e)
        {
            return new(id, Outcome.Refused, "not confirmed", [e.Message]);
        }
    }

    /// <summary>Takes a change back: the newest that stands, or the one named.</summary>
    public static Receipt Undo(string? id, bool force)
    {
        try
        {
            using var journal = Journal.Open();
            if (!journal.TryLock(LockWait))
            {
                return new(null, Outcome.Stale, "another lotse is changing this machine; nothing was undone", []);
            }

            var pending = Journal.PendingId;
            var entry = id is not null ? Journal.Find(id) : pending is not null ? Journal.Find(pending)
                : Journal.All() is { Ok: true, Value: var all } ? all.FirstOrDefault(e => e.State == EntryState.Applied) : null;
            if (entry is null)
            {
                return new(id, Outcome.Refused, id is null ? "there is nothing to undo" : $"there is no change {id} in the journal", ["lotse log lists them"]);
            }

            if (pending is not null && pending != entry.Id)
            {
                return new(id, Outcome.Stale, $"the change {pending} is not settled; nothing was undone", ["lotse confirm keeps it, lotse undo takes it back"]);
            }

            if (entry.State is EntryState.Undone or EntryState.PutBack)
            {
                return new(entry.Id, Outcome.Refused, $"the change {entry.Id} was taken back already", []);
            }

            return Undo(journal, entry, force, pending is null);
        }
        catch (ChangeFailedException e)
        {
            return new(id, Outcome.Refused, "nothing was undone", [e.Message]);
        }
    }

    /// <summary>What somebody changed since an entry, as lines of a diff: what would be lost by <c>--force</c>.</summary>
    public static (string Path, Hunk[] Hunks)[] Since(string id)
    {
        if (Journal.Find(id) is not { } entry || PuttingBack.HostOf(entry) is not { Ok: true, Value: var host })
        {
            return [];
        }

        using (host)
        {
            var all = new List<(string, Hunk[])>();
            foreach (var step in Step.Of(entry.Head.Plan, host, Applying.FilesOf(host)).OfType<FileStep>())
            {
                var change = entry.Head.Plan.Changes[step.Number];
                var path = change.File!;
                var left = change switch { CreateFile c => c.Content(), EditFile e => e.Apply(entry.BytesBefore(step.Number)), DeleteFile => [], _ => entry.BytesBefore(step.Number) };
                var now = host.ReadFile(path);
                all.Add((path, LineDiff.Between(FileLines.Split(left).Lines, FileLines.Split(now.Ok ? now.Value : []).Lines)));
            }

            return [.. all.Where(d => d.Item2.Length > 0)];
        }
    }

    /// <summary>
    /// Puts right what was interrupted: called at every start of the program, and one system call where nothing was.
    /// A change that still waits for its confirmation gets a new guard if its own has died.
    /// </summary>
    /// <param name="startGuard">Starts a guard for an entry.</param>
    /// <returns>What was done, or null.</returns>
    public static Receipt? PutRight(Func<string, HostError?> startGuard)
    {
        if (Journal.PendingId is null)
        {
            return null;
        }

        try
        {
            using var journal = Journal.Open();
            if (!journal.TryLock(TimeSpan.Zero) || Journal.PendingId is not { } id)
            {
                return null;
            }

            if (Journal.Find(id) is not { State: not EntryState.Empty } entry)
            {
                journal.Forget(id);
                return new(id, Outcome.PutBack, $"the change {id} had been interrupted before it began: nothing was changed", []);
            }

            switch (entry.State)
            {
                case EntryState.Applied or EntryState.Undone or EntryState.PutBack:
                    journal.Settle();
                    return null;
                case EntryState.Unconfirmed when SecondsLeft(entry) > 0:
                    return journal.IsGuarded() ? null : startGuard(id) is { } error ? new(id, Outcome.Refused, $"the change {id} waits for lotse confirm, and nobody guards it", [error.Message]) : null;
                case EntryState.Undoing:
                    return Undo(journal, entry, false, false) with { Verdict = $"the undoing of {id} had been interrupted: finished" };
                case EntryState.Stuck:
                    var again = Finished(PutBack(journal, entry, entry.Because ?? "interrupted"));
                    return again.Outcome == Outcome.PutBack ? again with { Verdict = $"the change {id} could be put back now: {entry.Head.Plan.Goal}", Details = [] } : again;
                default:
                    var late = entry.State == EntryState.Unconfirmed;
                    var done = Finished(PutBack(journal, entry, late ? "not confirmed in time" : "interrupted"));
                    return done.Outcome == Outcome.PutBack
                        ? done with { Verdict = late ? $"the change {id} was not confirmed in time: put back" : $"the change {id} had been interrupted: put back", Details = [] } : done;
            }
        }
        catch (ChangeFailedException e)
        {
            return new(Journal.PendingId, Outcome.NotPutBack, "an interrupted change could not be put right", [e.Message]);
        }
    }

    /// <summary>
    /// What the guard does: waits until the change is confirmed or undone; puts it back when nobody confirms in time, or
    /// when the process that applies it has died.
    /// </summary>
    /// <returns>Whether it became the guard at all.</returns>
    public static bool Guard(string id)
    {
        using var journal = Journal.Open();
        // The guard of the change before may need a moment to see that it is not needed any more.
        if (!journal.BecomeGuard(LockWait) || Journal.Find(id) is not { } guarded)
        {
            return false;
        }

        guarded.Log("guarded");

        while (Journal.PendingId == id && Journal.Find(id) is { } entry && entry.State is EntryState.Applying or EntryState.Unconfirmed)
        {
            var left = SecondsLeft(entry);
            if (left <= 0 && entry.State == EntryState.Applying && entry.Applier is > 1 and var applier)
            {
                // It hangs, perhaps because the change itself cut something off. Who holds the lock is the applier.
                using var other = Journal.Open();
                if (!other.TryLock(TimeSpan.Zero))
                {
                    _ = Libc.Kill(applier, 9);
                }
            }

            if ((left <= 0 || entry.State == EntryState.Applying) && journal.TryLock(TimeSpan.Zero))
            {
                entry.Refresh();
                if (Journal.PendingId == id && entry.State == EntryState.Applying)
                {
                    _ = PutBack(journal, entry, "the process that applied it has died");
                }
                else if (Journal.PendingId == id && entry.State == EntryState.Unconfirmed && SecondsLeft(entry) <= 0)
                {
                    _ = PutBack(journal, entry, "not confirmed in time");
                }

                return true;
            }

            Clock.Wait(TimeSpan.FromMilliseconds(left is > 0 and < 0.2 ? left * 1000 : 200));
        }

        return true;
    }

    /// <summary>Whether the guard of this entry is at work.</summary>
    public static bool IsGuarded(string id)
    {
        using var journal = Journal.Open();
        return Journal.Find(id) is { } entry && entry.Lines.Any(l => l[1] == "guarded") && journal.IsGuarded();
    }

    private static Receipt Undo(Journal journal, JournalEntry entry, bool force, bool reopen)
    {
        var opened = PuttingBack.HostOf(entry);
        if (!opened.Ok)
        {
            return new(entry.Id, Outcome.Refused, "nothing was undone", [opened.Error!.Message]);
        }

        using var host = opened.Value;

        // Before the first step back, everything is looked at: an undo by half helps nobody.
        var steps = Step.Of(entry.Head.Plan, host, Applying.FilesOf(host));
        var changed = force ? [] : entry.Begun.Distinct().Where(i => steps[i].Stands(entry) == Standing.Other).ToArray();
        if (changed.Length > 0)
        {
            return new(entry.Id, Outcome.Stale, "somebody changed it since; nothing was undone",
                [.. changed.Select(i => (Text)$"not as the change left it: {entry.Head.Plan.Changes[i].Sentence}"), $"lotse undo {entry.Id} --force undoes it all the same"]);
        }

        if (reopen)
        {
            journal.Reopen(entry);
        }

        entry.Log("undoing");
        return PuttingBack.Run(journal, entry, host, null, force);
    }

    private static Receipt PutBack(Journal journal, JournalEntry entry, string because)
    {
        var opened = PuttingBack.HostOf(entry);
        if (!opened.Ok)
        {
            return new(entry.Id, Outcome.NotPutBack, $"the change {entry.Id} could not be put back", [opened.Error!.Message]);
        }

        using var host = opened.Value;
        return PuttingBack.Run(journal, entry, host, because);
    }

    /// <summary>What had no way back and was finished instead is no half change: nobody has to look at it.</summary>
    private static Receipt Finished(Receipt receipt) => receipt.Outcome == Outcome.NotPutBack && Journal.PendingId is null ? receipt with { Outcome = Outcome.Done } : receipt;

    /// <summary>How long an entry may still wait. Of an earlier boot: not at all.</summary>
    private static double SecondsLeft(JournalEntry entry)
    {
        var (boot, now) = Clock.SinceBoot();
        return entry.ConfirmSeconds is { } allowed && (entry.MomentOf("unconfirmed") ?? entry.MomentOf("begin")) is { } moment && moment.Boot == boot
            ? moment.Seconds + allowed - now : 0;
    }
}
