using Lotse.Hosts;
using Lotse.Linux;

namespace Lotse.Changing;

/// <summary>Takes back what an entry of the journal has begun. May be cut short anywhere and repeated.</summary>
internal static class PuttingBack
{
    /// <summary>Puts everything back, files first, then units in the plan's order, and settles the entry.</summary>
    /// <param name="journal">Locked.</param>
    /// <param name="entry">What to take back.</param>
    /// <param name="host">This machine, or the folder of the plan.</param>
    /// <param name="because">Why, for the log; null: it is undone on request, and that stands in the log already.</param>
    /// <param name="force">Also where somebody changed something since.</param>
    public static Receipt Run(Journal journal, JournalEntry entry, Host host, string? because, bool force = false)
    {
        if (because is not null)
        {
            entry.TryLog($"putting-back {ByteText.Escape(because)}");
        }

        var steps = Step.Of(entry.Head.Plan, host, Applying.FilesOf(host));
        var begun = entry.Begun.Distinct().Select(i => steps[i]).ToArray();
        var own = FoldersOfOurOwn(entry, begun);
        var failed = new List<Text>();
        foreach (var step in begun.Where(s => s is not UnitStep).Reverse().Concat(begun.Where(s => s is UnitStep)))
        {
            try
            {
                step.PutBack(entry, force);
            }
            catch (ChangeFailedException e)
            {
                failed.Add(e.Message);
            }
            catch (PastReturnException e) when (failed.Count == 0)
            {
                return Finished(journal, entry, e.Message, because);
            }
            catch (PastReturnException e)
            {
                failed.Add(e.Message);
            }
        }

        foreach (var step in own)
        {
            try
            {
                step.RestoreFolderTime(entry);
            }
            catch (ChangeFailedException)
            {
                // A folder's time is no content.
            }
        }

        if (failed.Count > 0)
        {
            entry.TryLog($"stuck {ByteText.Escape(string.Join("; ", failed))}");
            return new(entry.Id, Outcome.NotPutBack, $"the change {entry.Id} could not be put back",
                [.. because is null ? Array.Empty<Text>() : [$"it failed for this: {because}"], .. failed, $"the bytes before are in {Value.Path($"{Journal.Place}/journal/{entry.Id}")}", $"lotse undo {entry.Id} tries again, with --force over what somebody changed since; lotse confirm {entry.Id} keeps everything as it is"]);
        }

        entry.TryLog(because is null ? "undone" : "put-back");
        try
        {
            journal.Settle();
        }
        catch (ChangeFailedException)
        {
            // The next start finds everything as before, and takes the mark away.
        }

        return because is null
            ? new(entry.Id, Outcome.Done, $"undone: {entry.Head.Plan.Goal}", [])
            : new(entry.Id, Outcome.PutBack, "failed, and everything was put back", [because]);
    }

    /// <summary>The last step that was begun has no way back, and has gone on: the change stands.</summary>
    private static Receipt Finished(Journal journal, JournalEntry entry, string message, string? because)
    {
        entry.TryLog("finished");
        try
        {
            journal.Settle();
        }
        catch (ChangeFailedException)
        {
            // The next start finds it finished, and takes the mark away.
        }

        return because is null
            ? new(entry.Id, Outcome.Refused, "nothing was undone", [ByteText.Escape(message)])
            : new(entry.Id, Outcome.NotPutBack, $"the change {entry.Id} had passed its point of no return: it was finished", [because, ByteText.Escape(message)]);
    }

    /// <summary>Opens the host that an entry is about.</summary>
    public static Reading<Host> HostOf(JournalEntry entry) => entry.Head.Plan.Host.Root is { } root ? FolderHost.Open(root) : new(new LocalHost(), null);

    /// <summary>The file steps whose folders nobody but us has changed since; only those get their old time back.</summary>
    private static List<FileStep> FoldersOfOurOwn(JournalEntry entry, Step[] begun)
    {
        var own = new List<FileStep>();
        foreach (var group in begun.OfType<FileStep>().GroupBy(s => entry.Head.Steps[s.Number].Folder))
        {
            try
            {
                // A step that was cut short left no time; then the folder is as we left it.
                var last = group.Max(s => entry.FolderTimeAfter(s.Number));
                if (group.Any(s => entry.FolderTimeAfter(s.Number) is null) || group.First().FolderTime(entry) == last)
                {
                    own.Add(group.First());
                }
            }
            catch (ChangeFailedException)
            {
                // The folder has gone: there is no time to give back.
            }
        }

        return own;
    }
}
