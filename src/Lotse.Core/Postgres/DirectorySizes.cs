using Lotse.Hosts;

namespace Lotse.Postgres;

/// <summary>How large a data directory is, tablespaces included.</summary>
internal static class DirectorySizes
{
    private const int MostDepth = 8;

    /// <summary>Adds up sizes; what cannot be looked at counts 0.</summary>
    public static ClusterSizes Of(Host host, string directory)
    {
        var total = new Sum();
        var wal = new Sum();
        var outside = new Sum();
        foreach (var name in host.List(directory) is { Ok: true } names ? names.Value : [])
        {
            switch (name)
            {
                case "pg_wal":
                    Add(host, $"{directory}/pg_wal/", wal, 0);
                    break;
                case "pg_tblspc":
                    foreach (var link in host.List($"{directory}/pg_tblspc") is { Ok: true } links ? links.Value : [])
                    {
                        Add(host, $"{directory}/pg_tblspc/{link}/", outside, 0);
                    }

                    break;
                default:
                    AddOne(host, $"{directory}/{name}", total, 0);
                    break;
            }
        }

        return new(total.Bytes + wal.Bytes + outside.Bytes, wal.Bytes, outside.Bytes, total.Files + wal.Files + outside.Files);
    }

    private static void Add(Host host, string folder, Sum sum, int depth)
    {
        if (host is LocalHost)
        {
            var (bytes, files) = Linux.FolderSize.Of(folder);
            (sum.Bytes, sum.Files) = (sum.Bytes + bytes, sum.Files + files);
            return;
        }

        foreach (var name in depth < MostDepth && host.List(folder) is { Ok: true } names ? names.Value : [])
        {
            AddOne(host, folder.TrimEnd('/') + "/" + name, sum, depth);
        }
    }

    private static void AddOne(Host host, string path, Sum sum, int depth)
    {
        if (host.Status(path) is not { Ok: true, Value: var status })
        {
            return;
        }

        if (status.Kind == FileKind.Directory)
        {
            Add(host, path, sum, depth + 1);
        }
        else if (status.Kind == FileKind.File)
        {
            sum.Bytes += status.Size;
            sum.Files++;
        }
    }

    private sealed class Sum
    {
        public long Bytes { get; set; }

        public int Files { get; set; }
    }
}
