using Lotse.Formats;
using Lotse.Linux;

namespace Lotse.Changing;

/// <summary>
/// A step on one regular file: from what stands there to what should, either of which may be nothing. Mode and owner
/// are changed the same way, by a new file of the same bytes, so that no moment shows half of it.
/// </summary>
internal sealed class FileStep(int number, Change change, Host host, Files files) : Step(number)
{
    private const int MostLinks = 40;
    private Inode? seen;
    private byte[] after = [];
    private StepBefore before = new();

    /// <summary>Where a path leads when the links at its end are followed: the folder, the name, and the links on the way.</summary>
    public static (string Folder, string Name, string[] Links) Resolve(Files files, string path)
    {
        var links = new List<string>();
        while (files.Status(path) is { Ok: true, Value.Kind: FileKind.Link })
        {
            if (links.Count == MostLinks || files.ReadLink(path) is not { Ok: true, Value: var target })
            {
                throw new ChangeFailedException($"follow the link {ByteText.Escape(path)}", "too many levels of symbolic links");
            }

            links.Add(path);
            path = target.StartsWith('/') ? target : path[..(path.LastIndexOf('/') + 1)] + target;
        }

        path = path.TrimEnd('/');
        var slash = path.LastIndexOf('/');
        return slash < 0 || path[(slash + 1)..] is "" or "." or ".." ? throw new ChangeFailedException($"change {ByteText.Escape(path)}", "it is a directory") : (path[..Math.Max(slash, 1)], path[(slash + 1)..], [.. links]);
    }

    public override (StepBefore Before, byte[]? Bytes) Look()
    {
        var path = change.File!;
        var (folderName, name, links) = Resolve(files, path);
        if (change is DeleteFile && links.Length > 0)
        {
            throw new ChangeFailedException($"delete {ByteText.Escape(path)}", $"it is a symbolic link to {ByteText.Escape(folderName + "/" + name)}: name that file");
        }

        if (change is CreateFile create)
        {
            after = create.Content();
            var missing = Missing(folderName);
            var above = missing.Length == 0 ? folderName : missing[0][..Math.Max(1, missing[0].LastIndexOf('/'))];
            using var folder = OpenFolder.Open(files, above);
            if (missing.Length == 0 && folder.Find(name) is not null)
            {
                throw new ChangeFailedException($"create {ByteText.Escape(path)}", "it is there already");
            }

            var now = folder.Self();
            before = new(folderName, name, null, Sha256.Hex(after), new(create.Mode, create.Uid, create.Gid, 0, 0, 0, []), now.Seconds, now.Nanoseconds, missing);
            return (before, null);
        }

        using (var folder = OpenFolder.Open(files, folderName))
        {
            if (folder.Find(name) is null)
            {
                throw ChangeFailedException.Of("change", path, Errno.NoEntry);
            }

            var (bytes, image, inode) = folder.Read(name);
            if (folder.Obstacle(name) is { } obstacle)
            {
                throw new ChangeFailedException($"change {ByteText.Escape(path)}", obstacle);
            }

            (after, var wanted) = change switch
            {
                EditFile edit => (edit.Apply(bytes) ?? throw new ChangeFailedException($"change {ByteText.Escape(path)}", "it is not the file that the plan was made for"), image),
                SetAttributes set => (bytes, image with { Mode = set.Mode ?? image.Mode, Uid = set.Uid ?? image.Uid, Gid = set.Gid ?? image.Gid }),
                _ => ([], (FileImage?)null),
            };
            seen = inode;
            var now = folder.Self();
            before = new(folderName, name, image, wanted is null ? null : Sha256.Hex(after), wanted, now.Seconds, now.Nanoseconds, []);
            return (before, bytes);
        }
    }

    public override void Do(JournalEntry entry)
    {
        foreach (var missing in before.MissingFolders ?? [])
        {
            using var above = OpenFolder.Open(files, missing[..Math.Max(1, missing.LastIndexOf('/'))]);
            above.MakeFolder(missing[(missing.LastIndexOf('/') + 1)..], 0x1ed);
        }

        using var folder = OpenFolder.Open(files, before.Folder!);
        if (before.AfterImage is not { } image)
        {
            folder.Remove(before.Name!);
            return;
        }

        folder.Prepare(entry.Temporary(Number), after, image with { Attributes = before.Image is null ? Inherited(folder, entry) : image.Attributes }, keepTime: change is SetAttributes);
        Validate(folder.Path, entry.Temporary(Number));
        folder.Place(entry.Temporary(Number), before.Name!, seen);
    }

    /// <summary>
    /// Has the program that reads such files look at the new one before anybody else does. One that refuses the old file
    /// as well (sshd without its folder in /run) says nothing about the change.
    /// </summary>
    private void Validate(string folder, string candidate)
    {
        if (change.Checked is not { } check || !host.IsThisMachine)
        {
            return;
        }

        var ran = Ask(folder + candidate);
        if (ran is { Ok: false, Error: { Kind: not HostErrorKind.NotFound } error })
        {
            throw new ChangeFailedException($"check the new {ByteText.Escape(change.File!)}", error.Message);
        }

        if (ran is { Ok: true, Value: { ExitCode: not 0 } refused } && (before.Image is null || Ask(folder + before.Name) is { Ok: true, Value.ExitCode: 0 }))
        {
            throw new ChangeFailedException($"change {ByteText.Escape(change.File!)}", $"{ByteText.Escape(check[0])} refuses it: {ProgramStep.LastWords(refused)}");
        }

        Reading<Ran> Ask(string file) => host.Run([.. check.Select(w => w.Replace(Change.Candidate, file, StringComparison.Ordinal))], TimeSpan.FromSeconds(60));
    }

    public override Standing Stands(JournalEntry entry)
    {
        var was = entry.Head.Steps[Number];
        if (!files.Status(was.Folder!).Ok)
        {
            return was.Image is null ? Standing.Before : Standing.Other;
        }

        using var folder = OpenFolder.Open(files, was.Folder!);
        if (folder.Find(was.Name!) is not { } there)
        {
            return was.Image is null ? Standing.Before : was.AfterSha256 is null ? Standing.After : Standing.Other;
        }

        if (there.Kind != FileKind.File || there.Size > OpenFolder.Limit)
        {
            return Standing.Other;
        }

        var (bytes, image, _) = folder.Read(was.Name!);
        var sha = Sha256.Hex(bytes);

        // First whether it is done: a change to what stood there before is both, and the time of the file is still to be given back.
        return was.AfterSha256 == sha && was.AfterImage is { } now && (was.Image is null ? (image.Mode, image.Uid, image.Gid) == (now.Mode, now.Uid, now.Gid) : image.Same(now)) ? Standing.After
            : was.Image is { } old && image.Same(old) && bytes.AsSpan().SequenceEqual(entry.BytesBefore(Number)) ? Standing.Before
            : Standing.Other;
    }

    public override void PutBack(JournalEntry entry, bool force)
    {
        var was = entry.Head.Steps[Number];
        if (!files.Status(was.Folder!).Ok)
        {
            RemoveMadeFolders(was);
            return;
        }

        using (var folder = OpenFolder.Open(files, was.Folder!))
        {
            if (folder.Find(entry.Temporary(Number)) is not null)
            {
                folder.Remove(entry.Temporary(Number));
            }

            var stands = Stands(entry);
            if (stands == Standing.Other && !force)
            {
                throw new ChangeFailedException($"put back {ByteText.Escape(folder.Path + was.Name)}", "somebody changed it since");
            }

            if (stands != Standing.Before && was.Image is null)
            {
                folder.Remove(was.Name!);
            }
            else if (stands != Standing.Before)
            {
                if (folder.Obstacle(was.Name!) is { } obstacle)
                {
                    throw new ChangeFailedException($"put back {ByteText.Escape(folder.Path + was.Name)}", obstacle);
                }

                folder.Prepare(entry.Temporary(Number), entry.BytesBefore(Number), was.Image!, keepTime: true);
                folder.Place(entry.Temporary(Number), was.Name!, folder.Find(was.Name!));
            }
        }

        RemoveMadeFolders(was);
    }

    /// <summary>Gives the folder the time it had, where nobody else changed it meanwhile.</summary>
    public void RestoreFolderTime(JournalEntry entry)
    {
        var was = entry.Head.Steps[Number];
        var path = was.MissingFolders is [var first, ..] ? first[..Math.Max(1, first.LastIndexOf('/'))] : was.Folder!;
        if (files.Status(path).Ok)
        {
            using var folder = OpenFolder.Open(files, path);
            folder.SetOwnTime(was.FolderSeconds, was.FolderNanoseconds);
        }
    }

    /// <summary>The time of the folder now, for the journal.</summary>
    public (long Seconds, uint Nanoseconds) FolderTime(JournalEntry entry)
    {
        var was = entry.Head.Steps[Number];
        var path = was.MissingFolders is [var first, ..] ? first[..Math.Max(1, first.LastIndexOf('/'))] : was.Folder!;
        using var folder = OpenFolder.Open(files, path);
        var self = folder.Self();
        return (self.Seconds, self.Nanoseconds);
    }

    /// <summary>What the folder gives a new file of its own accord (a default ACL, a label): that is kept, not taken away.</summary>
    private Xattr[] Inherited(OpenFolder folder, JournalEntry entry)
    {
        var file = folder.OpenAt(entry.Temporary(Number), Libc.WriteOnly | Libc.Create | Libc.Exclusive | Libc.NoFollow, 0x180);
        if (file < 0)
        {
            throw ChangeFailedException.Of("create", folder.Path + entry.Temporary(Number), -file);
        }

        _ = Libc.Close(file);
        var attributes = folder.Read(entry.Temporary(Number)).Image.Attributes;
        folder.Remove(entry.Temporary(Number));

        // Its mode says who may; an inherited ACL would say otherwise.
        return [.. attributes.Where(a => a.Name != "system.posix_acl_access")];
    }

    private string[] Missing(string folder)
    {
        var missing = new List<string>();
        while (folder.Length > 1 && files.Status(folder) is { Ok: false, Error.Kind: HostErrorKind.NotFound })
        {
            missing.Insert(0, folder);
            folder = folder[..Math.Max(1, folder.LastIndexOf('/'))];
        }

        return [.. missing];
    }

    private void RemoveMadeFolders(StepBefore was)
    {
        foreach (var made in (was.MissingFolders ?? []).Reverse())
        {
            var above = made[..Math.Max(1, made.LastIndexOf('/'))];
            if (files.Status(above).Ok)
            {
                using var folder = OpenFolder.Open(files, above);
                folder.RemoveEmptyFolder(made[(made.LastIndexOf('/') + 1)..]);
            }
        }
    }
}
