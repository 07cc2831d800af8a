using System.Globalization;
using Lotse.Changing;
using Lotse.Formats;

namespace Lotse.Cli;

/// <summary><c>lotse edit FILE</c>: a plan for one file, of no area. The safe edit for whoever knows what should stand there.</summary>
internal static class EditCommand
{
    public static readonly Command Edit = new("edit", "plan a change of one file: lines, a marked block, its content, mode or owner", Run)
    {
        Description = "Writes a plan and changes nothing. The file keeps its owner, mode, ACL, attributes, links, encoding and line ends.",
        Arguments = [new("FILE", "the file", Required: true, Takes: Takes.File)],
        Options =
        [
            new("--replace", Takes.Text, "TEXT", "replace TEXT wherever it stands (with --with)"),
            new("--with", Takes.Text, "TEXT", "what stands there instead"),
            new("--append", Takes.Text, "LINE", "add LINE at the end unless it stands there"),
            new("--block", Takes.Text, "NAME", "put the lines of --from between two marks with this name; no lines take it out"),
            new("--from", Takes.File, "FILE", "the new content, or the block's; - is standard input"),
            new("--delete", Takes.Nothing, "", "delete the file"),
            new("--mode", Takes.Text, "OCTAL", "set the mode"),
            new("--owner", Takes.Text, "UID:GID", "set the owner, by number"),
            Planning.Output,
        ],
        Examples =
        [
            new("one word", "edit /etc/ssh/sshd_config --replace 'PermitRootLogin yes' --with 'PermitRootLogin no' --output plan.json"),
            new("a whole file", "edit /etc/motd --from new.txt --output plan.json; lotse apply plan.json"),
            new("a block of your own", "edit /etc/hosts --block printers --from printers.txt --output plan.json"),
        ],
    };

    private static int Run(Invocation call)
    {
        var what = call.OnlyOneOf("--replace", "--append", "--delete", "--block", "--mode")
            ?? (call.Has("--from") ? "--from" : call.Has("--owner") ? "--owner" : throw new UsageException("nothing to change", "lotse edit --help shows what can be"));
        if (call.Has("--replace") != call.Has("--with"))
        {
            throw new UsageException("--replace and --with belong together");
        }

        if (call.Has("--from") && what is not ("--from" or "--block"))
        {
            throw new UsageException($"{what} and --from exclude each other");
        }

        var input = call["--from"] is { } from ? Hosting.ReadInput(from) : null;
        return Planning.Make(call, "edit", host =>
        {
            var path = call.Has("--root") || !host.IsThisMachine ? call.Arguments[0] : Path.GetFullPath(call.Arguments[0]);
            if (!path.StartsWith('/'))
            {
                throw new UsageException($"\"{ByteText.Escape(path)}\" is not an absolute path", "on another machine or in a folder, name the file from its root");
            }

            var status = host.Status(path);
            var read = Read(host, path);
            if (!read.Ok && !(read.Error!.Kind == HostErrorKind.NotFound && !status.Ok && what == "--from"))
            {
                throw new NotKnownException(read.Error!.Message);
            }

            var name = ByteText.Escape(path);
            Change? change = what switch
            {
                "--from" when !read.Ok => Create(host, path, FileLines.Split(input)) with { Check = FileCheck.For(path) },
                "--delete" => new DeleteFile(path, Sha256.Hex(read.Value)),
                "--mode" or "--owner" => Attributes(call, path, read.Value),
                _ => After(call, what, path, read.Value, input) is var after && after.AsSpan().SequenceEqual(read.Value) ? null : EditFile.Between(path, read.Value, after, FileCheck.For(path)),
            };
            return change is null
                ? new(new($"{name} is so already", [], [], []), "", [], [], [])
                : new(new(change.Sentence, [], [], []), change.Sentence.ToString(), [change], [], []);
        });
    }

    /// <summary>A new file belongs to whom its folder belongs.</summary>
    private static CreateFile Create(Host host, string path, FileLines content)
    {
        var folder = host.Status(path[..Math.Max(1, path.LastIndexOf('/'))]);
        return new(path, content.Lines, 0x1a4, folder.Ok ? folder.Value.Uid : 0, folder.Ok ? folder.Value.Gid : 0, content.Unterminated);
    }

    /// <summary>Reads through links; never a device, socket or FIFO.</summary>
    private static Reading<byte[]> Read(Host host, string path)
    {
        var at = path;
        for (var links = 0; links < 40 && host.Status(at) is { Ok: true, Value.Kind: var kind }; links++)
        {
            if (kind == FileKind.Other || kind == FileKind.Directory)
            {
                return new(default!, new(HostErrorKind.Failed, $"cannot change {ByteText.Escape(at)}: it is {(kind == FileKind.Directory ? "a directory" : "a device, socket or FIFO")}"));
            }

            if (kind == FileKind.File || host.ReadLink(at) is not { Ok: true, Value: var target })
            {
                break;
            }

            at = target.StartsWith('/') ? target : at[..(at.LastIndexOf('/') + 1)] + target;
        }

        return host.ReadFile(path);
    }

    private static byte[] After(Invocation call, string what, string path, byte[] before, byte[]? input)
    {
        switch (what)
        {
            case "--from":
                return input!;
            case "--replace":
                var old = ByteText.Encode(call["--replace"]!);
                return old.Length > 0 && before.AsSpan().IndexOf(old) >= 0
                    ? Replace(before, old, ByteText.Encode(call["--with"]!))
                    : throw new NotKnownException($"\"{ByteText.Escape(call["--replace"]!)}\" does not stand in {ByteText.Escape(path)}");
            case "--append":
                var file = FileLines.Split(before);
                var line = call["--append"]! + file.LineEnd;
                return file.Lines.Contains(line) ? before : new FileLines([.. file.Lines, line], false).Join();
            default:
                var block = FileLines.Split(input ?? throw new UsageException("--block needs --from FILE with its lines", "an empty file, or --from /dev/null, takes the block out")).Lines;
                return FileLines.Split(before).WithBlock(call["--block"]!, block)?.Join()
                    ?? throw new NotKnownException($"the marks of the block \"{ByteText.Escape(call["--block"]!)}\" in {ByteText.Escape(path)} are not one pair", "take the spare mark out by hand");
        }
    }

    private static byte[] Replace(byte[] before, byte[] old, byte[] now)
    {
        var all = new MemoryStream();
        ReadOnlySpan<byte> rest = before;
        for (var at = rest.IndexOf(old); at >= 0; at = rest.IndexOf(old))
        {
            all.Write(rest[..at]);
            all.Write(now);
            rest = rest[(at + old.Length)..];
        }

        all.Write(rest);
        return all.ToArray();
    }

    private static SetAttributes Attributes(Invocation call, string path, byte[] bytes)
    {
        int? mode = null;
        uint? uid = null, gid = null;
        if (call["--mode"] is { } octal)
        {
            mode = octal.Length is > 0 and <= 4 && octal.All(c => c is >= '0' and <= '7') ? Convert.ToInt32(octal, 8) : throw new UsageException($"--mode takes up to four octal digits, not \"{ByteText.Escape(octal)}\"", "for example: --mode 0640");
        }

        if (call["--owner"] is { } owner)
        {
            (uid, gid) = owner.Split(':') is [var u, var g] && uint.TryParse(u, NumberStyles.None, CultureInfo.InvariantCulture, out var user) && uint.TryParse(g, NumberStyles.None, CultureInfo.InvariantCulture, out var group)
                ? (user, group) : throw new UsageException($"--owner takes two numbers, not \"{ByteText.Escape(owner)}\"", "for example: --owner 0:4");
        }

        return new(path, Sha256.Hex(bytes), mode, uid, gid);
    }
}
