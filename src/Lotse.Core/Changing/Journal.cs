using System.Globalization;
using Lotse.Linux;

namespace Lotse.Changing;

/// <summary>
/// What was changed on this machine: <c>/var/lib/lotse</c> for root, <c>$XDG_STATE_HOME/lotse</c> or
/// <c>~/.local/state/lotse</c> for another user, <c>$LOTSE_STATE</c> where that is set. It holds <c>lock</c>, which the one process
/// that changes something holds; <c>pending</c>, a symbolic link that names the entry that is not settled; and <c>journal</c>.
/// </summary>
internal sealed class Journal : IDisposable
{
    /// <summary>Settled entries are kept so long, and no more than so many bytes of them.</summary>
    private static readonly TimeSpan KeptFor = TimeSpan.FromDays(365);
    private const long KeptBytes = 256 << 20;

    private static readonly Files Here = new();
    private readonly OpenFolder folder;
    private int held = -1;

    private Journal(OpenFolder folder) => this.folder = folder;

    /// <summary>Where the journal of this user is.</summary>
    public static string Place =>
        Environment.GetEnvironmentVariable("LOTSE_STATE") is ['/', ..] set ? set.TrimEnd('/')
        : Libc.GetEffectiveUserId() == 0 ? "/var/lib/lotse"
        : Environment.GetEnvironmentVariable("XDG_STATE_HOME") is ['/', ..] state ? $"{state.TrimEnd('/')}/lotse"
        : $"{Environment.GetEnvironmentVariable("HOME") ?? "/nonexistent"}/.local/state/lotse";

    private static string Entries => Place + "/journal";

    /// <summary>The entry that is not settled, without opening anything: one system call, at each start of the program.</summary>
    public static string? PendingId => Here.ReadLink(Place + "/pending") is { Ok: true, Value: var id } && !id.Contains('/', StringComparison.Ordinal) ? id : null;

    /// <summary>Opens the journal; makes it where there is none.</summary>
    /// <exception cref="ChangeFailedException">It cannot be written, or is not this user's alone.</exception>
    public static Journal Open()
    {
        MakeFolders(Place, 0x1c0);
        var folder = OpenFolder.Open(Here, Place);
        if (folder.Self() is var self && (self.Uid != Libc.GetEffectiveUserId() || (self.Mode & 0x12) != 0))
        {
            folder.Dispose();
            throw new ChangeFailedException($"trust the journal in {ByteText.Escape(Place)}", "another user owns it or may write to it");
        }

        MakeFolders(Entries, 0x1c0);
        return new(folder);
    }

    /// <summary>Takes the lock that lets one process at a time change this machine.</summary>
    /// <param name="wait">How long it may take.</param>
    /// <returns>False: another one has it.</returns>
    public bool TryLock(TimeSpan wait)
    {
        held = held < 0 ? OpenLock("lock") : held;
        return FileLock.Take(held, wait);
    }

    /// <summary>Whether the process that guards an unconfirmed change is alive.</summary>
    public bool IsGuarded()
    {
        var file = OpenLock("guard");
        try
        {
            return !FileLock.Take(file, TimeSpan.Zero);
        }
        finally
        {
            _ = Libc.Close(file);
        }
    }

    /// <summary>Becomes the guard; the lock is held until the process ends.</summary>
    public bool BecomeGuard(TimeSpan wait) => FileLock.Take(OpenLock("guard"), wait);

    /// <summary>Makes an entry that is not settled. Before anything else the mark is on disk, so that whatever follows is found again.</summary>
    public JournalEntry Begin(DateTimeOffset now, Func<string, (EntryHead Head, byte[]?[] Before)> make)
    {
        var day = now.ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture);
        var id = Enumerable.Range(1, 10_000).Select(n => n == 1 ? day : $"{day}-{n}").First(n => !Here.Status($"{Entries}/{n}").Ok);
        var (head, before) = make(id);
        if (folder.Link("pending", id) is var errno and not 0)
        {
            throw ChangeFailedException.Of("write the journal", Place + "/pending", errno);
        }

        try
        {
            folder.Synchronize();
            return JournalEntry.Create(Entries, head, before);
        }
        catch (ChangeFailedException)
        {
            Forget(id);
            throw;
        }
    }

    /// <summary>Marks an entry as not settled again, to undo it.</summary>
    public void Reopen(JournalEntry entry)
    {
        if (folder.Link("pending", entry.Id) is var errno and not 0)
        {
            throw ChangeFailedException.Of("write the journal", Place + "/pending", errno);
        }

        folder.Synchronize();
    }

    /// <summary>Takes the mark of the unsettled entry away.</summary>
    public void Settle() => folder.Remove("pending");

    /// <summary>An entry by id, or null.</summary>
    public static JournalEntry? Find(string id) => id.Contains('/', StringComparison.Ordinal) || id is "" or "." or ".." ? null : JournalEntry.Open(Entries, id);

    /// <summary>All entries, the newest first. An entry that somebody else owns is not shown.</summary>
    public static Reading<JournalEntry[]> All()
    {
        var names = Here.List(Entries);
        return names.Ok ? new([.. names.Value.Select(n => JournalEntry.Open(Entries, n)).OfType<JournalEntry>().OrderByDescending(e => e.Head.At).ThenByDescending(e => e.Id, StringComparer.Ordinal)], null)
            : names.Error!.Kind == HostErrorKind.NotFound ? new([], null)
            : new(default!, names.Error);
    }

    /// <summary>Removes an entry that changed nothing, with the mark.</summary>
    public void Forget(string id)
    {
        Delete(id);
        Settle();
    }

    /// <summary>Removes settled entries that are too old, and the oldest while all take too much room; the newest stays.</summary>
    public static void Prune(DateTimeOffset now)
    {
        if (Here.List(Entries) is not { Ok: true, Value: var names })
        {
            return;
        }

        long sum = 0;
        foreach (var id in names.OrderDescending(StringComparer.Ordinal))
        {
            var kept = Here.List($"{Entries}/{id}");
            sum += kept.Ok ? kept.Value.Sum(n => Here.Status($"{Entries}/{id}/{n}") is { Ok: true, Value.Size: var size } ? size : 0) : 0;
            var old = id.Length >= 15 && DateTimeOffset.TryParseExact(id[..15], "yyyyMMdd-HHmmss", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) && now - at > KeptFor;
            if ((old || sum > KeptBytes) && id != names[^1] && id != PendingId
                && JournalEntry.Open(Entries, id)?.State is EntryState.Applied or EntryState.Undone or EntryState.PutBack)
            {
                try
                {
                    Delete(id);
                }
                catch (ChangeFailedException)
                {
                    // It takes room and nothing else; the next change tries again.
                }
            }
        }
    }

    public void Dispose()
    {
        if (held >= 0)
        {
            _ = Libc.Close(held);
        }

        folder.Dispose();
    }

    private static void Delete(string id)
    {
        if (Here.List($"{Entries}/{id}") is not { Ok: true, Value: var names })
        {
            return;
        }

        using (var own = OpenFolder.Open(Here, $"{Entries}/{id}"))
        {
            // The log goes first: without it the entry counts as one that changed nothing.
            foreach (var name in names.OrderBy(n => n != "log"))
            {
                own.Remove(name);
            }
        }

        using var all = OpenFolder.Open(Here, Entries);
        all.RemoveEmptyFolder(id);
    }

    private static void MakeFolders(string path, uint mode)
    {
        if (Here.Status(path).Ok)
        {
            return;
        }

        var parent = path[..Math.Max(1, path.LastIndexOf('/'))];
        if (parent != path)
        {
            MakeFolders(parent, 0x1ed);
        }

        using var above = OpenFolder.Open(Here, parent);
        var name = path[(path.LastIndexOf('/') + 1)..];
        if (above.Find(name) is null)
        {
            // Another lotse may make it at this moment.
            above.MakeFolder(name, mode, mayExist: true);
        }
    }

    private int OpenLock(string name)
    {
        var file = folder.OpenAt(name, Libc.WriteOnly | Libc.Create | Libc.NoFollow, 0x180);
        return file >= 0 ? file : throw ChangeFailedException.Of("open", folder.Path + name, -file);
    }
}
