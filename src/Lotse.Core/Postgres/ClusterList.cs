namespace Lotse.Postgres;

/// <summary>Finds data directories where packages and containers put them.</summary>
internal static class ClusterList
{
    private const int Most = 200;

    /// <summary>Places whose subfolders are data directories: Debian, Red Hat, and the volumes of container engines.</summary>
    private static readonly (string Folder, string[] Below)[] Usual =
    [
        ("/var/lib/postgresql", ["", "main", "*", "docker", "data"]),
        ("/var/lib/pgsql", ["", "data"]),
        ("/var/lib/docker/volumes", ["_data", "_data/data", "_data/pgdata", "_data/*/docker"]),
        ("/var/lib/containers/storage/volumes", ["_data", "_data/data", "_data/pgdata", "_data/*/docker"]),
    ];

    /// <summary>The data directories that this user can see, in order.</summary>
    public static string[] Places(Host host)
    {
        var all = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var (folder, below) in Usual)
        {
            foreach (var name in host.List(folder) is { Ok: true } names ? names.Value.Take(Most) : [])
            {
                foreach (var rest in below)
                {
                    foreach (var place in Expand(host, $"{folder}/{name}", rest))
                    {
                        if (host.Status($"{place}/PG_VERSION") is { Ok: true, Value.Kind: FileKind.File } && host.Status($"{place}/global").Ok)
                        {
                            all.Add(place);
                        }
                    }
                }
            }
        }

        return [.. all];
    }

    private static IEnumerable<string> Expand(Host host, string folder, string rest)
    {
        var star = rest.IndexOf('*', StringComparison.Ordinal);
        if (star < 0)
        {
            return [rest.Length == 0 ? folder : $"{folder}/{rest}"];
        }

        var before = star == 0 ? folder : $"{folder}/{rest[..(star - 1)]}";
        return host.List(before) is { Ok: true } names ? names.Value.Take(Most).Select(n => $"{before}/{n}{rest[(star + 1)..]}") : [];
    }
}
