using Lotse.Linux;

namespace Lotse.Changing.Remote;

/// <summary>Where a path leads on another host when every link on the way is followed, asked of that host one name at a time.</summary>
/// <param name="Folder">The folder, links resolved; parts of it may be missing.</param>
/// <param name="Name">The name in it.</param>
/// <param name="Status">What stands there; null: nothing.</param>
/// <param name="IsLink">Whether the path itself was a link.</param>
/// <param name="Missing">Folders that are not there, outermost first.</param>
internal sealed record RealPath(string Folder, string Name, FileStatus? Status, bool IsLink, string[] Missing)
{
    private const int MostLinks = 40;

    /// <summary>The whole path.</summary>
    public string Path => Folder.TrimEnd('/') + "/" + Name;

    /// <summary>
    /// Follows a path. Every folder on the way must be such that nobody but root and the user can move what is in it:
    /// without descriptors that are held open, a name has to mean the same from one command to the next.
    /// </summary>
    /// <param name="host">Where the path is.</param>
    /// <param name="path">Absolute.</param>
    /// <param name="user">The user who changes it.</param>
    /// <exception cref="ChangeFailedException">It is a directory, leads nowhere, or others may write on the way.</exception>
    public static RealPath Of(Host host, string path, uint user)
    {
        var shown = ByteText.Escape(path);
        var stack = new List<string>();
        var rest = new LinkedList<string>(path.Split('/', StringSplitOptions.RemoveEmptyEntries));
        var isLink = false;
        var links = 0;
        Trust(host, "/", user, shown);
        while (rest.First is { } first)
        {
            rest.RemoveFirst();
            var name = first.Value;
            if (name == ".")
            {
                continue;
            }

            if (name == "..")
            {
                stack.RemoveRange(Math.Max(0, stack.Count - 1), Math.Min(1, stack.Count));
                continue;
            }

            var folder = "/" + string.Join('/', stack);
            var at = folder.TrimEnd('/') + "/" + name;
            var found = host.Status(at);
            if (!found.Ok && found.Error!.Kind != HostErrorKind.NotFound)
            {
                throw new ChangeFailedException($"change {shown}", found.Error.Message);
            }

            if (found is { Ok: true, Value.Kind: FileKind.Link })
            {
                if (++links > MostLinks || host.ReadLink(at) is not { Ok: true, Value: var target })
                {
                    throw new ChangeFailedException($"change {shown}", "too many levels of symbolic links");
                }

                isLink |= rest.Count == 0;
                stack = target.StartsWith('/') ? [] : stack;
                foreach (var part in target.Split('/', StringSplitOptions.RemoveEmptyEntries).Reverse())
                {
                    rest.AddFirst(part);
                }
            }
            else if (rest.Count == 0)
            {
                return found is { Ok: true, Value.Kind: not FileKind.File }
                    ? throw new ChangeFailedException($"change {shown}", found.Value.Kind == FileKind.Directory ? "it is a directory" : "it is a device, socket or FIFO")
                    : new(folder, name, found.Ok ? found.Value : null, isLink, []);
            }
            else if (!found.Ok)
            {
                var missing = new List<string> { at };
                foreach (var part in rest.SkipLast(1))
                {
                    missing.Add(missing[^1] + "/" + part);
                }

                return rest.Any(p => p is "." or "..") ? throw new ChangeFailedException($"change {shown}", $"{ByteText.Escape(at)} is not there") : new(missing[^1], rest.Last!.Value, null, isLink, [.. missing]);
            }
            else
            {
                Trust(host, at, user, shown);
                stack.Add(name);
            }
        }

        throw new ChangeFailedException($"change {shown}", "it is a directory");
    }

    private static void Trust(Host host, string folder, uint user, string shown)
    {
        if (host.Status(folder) is not { Ok: true, Value: var status } || status.Kind != FileKind.Directory)
        {
            throw new ChangeFailedException($"change {shown}", $"{ByteText.Escape(folder)} is not a directory");
        }

        if ((status.Uid != 0 && status.Uid != user) || (status.Mode & 0x12) != 0)
        {
            throw new ChangeFailedException($"change {shown} by plain commands", $"others may write to {ByteText.Escape(folder)}, so its names could change between two commands");
        }
    }
}
