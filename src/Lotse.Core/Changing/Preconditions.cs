using Lotse.Formats;

namespace Lotse.Changing;

/// <summary>What was read for a plan: noted when it is made, compared when it is applied.</summary>
public static class Preconditions
{
    /// <summary>The machine that a host is. Without machine-id(5) its host name has to do.</summary>
    public static HostIdentity Identify(Host host, string? root)
    {
        var name = Line(host, "/proc/sys/kernel/hostname") ?? Line(host, "/etc/hostname") ?? "localhost";
        return new(name, Sha256.Hex(ByteText.Encode("lotse " + (Line(host, "/etc/machine-id") ?? name))), root);
    }

    /// <summary>Notes what stands at each path: the file or folder itself, and the links that lead there.</summary>
    public static Precondition[] Note(Host host, IEnumerable<string> paths)
    {
        var all = new SortedDictionary<string, Precondition>(StringComparer.Ordinal);
        foreach (var start in paths.Distinct())
        {
            var path = start;
            for (var links = 0; links <= 40 && !all.ContainsKey(path); links++)
            {
                var note = Note(host, path);
                all[path] = note.Precondition;
                if (note.Target is null)
                {
                    break;
                }

                path = note.Target.StartsWith('/') ? note.Target : path[..(path.LastIndexOf('/') + 1)] + note.Target;
            }
        }

        return [.. all.Values];
    }

    /// <summary>What is no longer as it was; empty when the plan still holds.</summary>
    public static Text[] Moved(Host host, IEnumerable<Precondition> preconditions)
    {
        var moved = new List<Text>();
        foreach (var then in preconditions)
        {
            var now = Note(host, then.Path).Precondition;
            if (now != then)
            {
                moved.Add(Difference(then, now));
            }
        }

        return [.. moved];
    }

    private static Text Difference(Precondition then, Precondition now)
    {
        var path = Value.Path(then.Path);
        return (then, now) switch
        {
            ({ State: PathState.Absent }, _) => $"{path} was not there when the plan was made",
            (_, { State: PathState.Absent }) => $"{path} is not there any more",
            _ when then.State != now.State => $"{path} was a {Word(then.State)} and is a {Word(now.State)}",
            _ when then.Sha256 != now.Sha256 => then.State switch { PathState.Directory => $"{path} holds other files", PathState.Link => $"{path} leads elsewhere", _ => (Text)$"{path} has other content" },
            _ when (then.Mode, then.Uid, then.Gid) != (now.Mode, now.Uid, now.Gid) => $"{path} has another owner or mode",
            _ => $"{path} was replaced by another file of the same content",
        };
    }

    private static string Word(PathState state) => state switch { PathState.File => "regular file", PathState.Directory => "directory", PathState.Link => "symbolic link", _ => "device, socket or FIFO" };

    private static (Precondition Precondition, string? Target) Note(Host host, string path)
    {
        var status = host.Status(path);
        if (!status.Ok)
        {
            return (new(path, PathState.Absent), null);
        }

        var s = status.Value;
        switch (s.Kind)
        {
            case FileKind.Link:
                var target = host.ReadLink(path);
                return (new(path, PathState.Link, Sha256.Hex(ByteText.Encode(target.Ok ? target.Value : "")), null, null, s.Uid, s.Gid), target.Ok ? target.Value : null);
            case FileKind.Directory:
                var names = host.List(path);
                return (new(path, PathState.Directory, names.Ok ? Sha256.Hex(ByteText.Encode(string.Concat(names.Value.Select(n => n + "\0")))) : null, s.Inode, s.Mode, s.Uid, s.Gid), null);
            case FileKind.File:
                var bytes = host.ReadFile(path);
                return (new(path, PathState.File, bytes.Ok ? Sha256.Hex(bytes.Value) : null, s.Inode, s.Mode, s.Uid, s.Gid), null);
            default:
                return (new(path, PathState.Special), null);
        }
    }

    private static string? Line(Host host, string path) => host.ReadFile(path, 4096) is { Ok: true } read && ByteText.Decode(read.Value).Trim() is { Length: > 0 } line ? line : null;
}
