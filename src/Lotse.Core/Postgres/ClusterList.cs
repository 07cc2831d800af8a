namespace Lotse.Postgres;

/// <summary>Finds data directories where packages and containers put them.</summary>
internal static class ClusterList
{
    private const int Most = 200;

    /// <summary>Places whose subfolders are data directories: Debian and Red Hat.</summary>
    private static readonly (string Folder, string[] Below)[] Packages =
    [
        ("/var/lib/postgresql", ["", "main", "*", "docker", "data"]),
        ("/var/lib/pgsql", ["", "data"]),
    ];

    /// <summary>The volumes of container engines, which bring their own programs and libraries.</summary>
    private static readonly (string Folder, string[] Below)[] Volumes =
    [
        ("/var/lib/docker/volumes", ["_data", "_data/data", "_data/pgdata", "_data/*/docker"]),
        ("/var/lib/containers/storage/volumes", ["_data", "_data/data", "_data/pgdata", "_data/*/docker"]),
    ];

    /// <summary>The data directories that this user can see, in order.</summary>
    /// <param name="host">Where.</param>
    /// <param name="closed">Gets folders in which clusters may be that this user cannot see.</param>
    public static string[] Places(Host host, ICollection<string>? closed = null) => Found(host, [.. Packages, .. Volumes], closed);

    /// <summary>Of these the ones that servers of this machine's packages work on.</summary>
    public static string[] OfPackages(Host host) => Found(host, Packages, null);

    /// <summary>Whether a folder belongs to the volumes of a container engine.</summary>
    public static bool IsOfEngines(string folder) => Volumes.Any(v => folder == v.Folder || folder.StartsWith(v.Folder + "/", StringComparison.Ordinal));

    /// <summary>What is not known because this user may not look into a folder.</summary>
    public static Unknown Closed(string folder) => new($"which clusters are in {Value.Path(folder)}", "this user may not look into it", "as root: the same command");

    private static string[] Found(Host host, (string Folder, string[] Below)[] usual, ICollection<string>? closed)
    {
        var all = new SortedSet<string>(Configured(host).Where(p => IsCluster(host, p, closed)), StringComparer.Ordinal);
        foreach (var (folder, below) in usual)
        {
            var names = host.List(folder);
            if (names.Error?.Kind == HostErrorKind.Denied)
            {
                closed?.Add(folder);
            }

            foreach (var name in names.Ok ? names.Value.Take(Most) : [])
            {
                all.UnionWith(below.SelectMany(rest => Expand(host, $"{folder}/{name}", rest)).Where(p => IsCluster(host, p, closed)));
            }
        }

        return [.. all];
    }

    private static bool IsCluster(Host host, string place, ICollection<string>? closed)
    {
        var version = host.Status($"{place}/PG_VERSION");
        if (version.Error?.Kind == HostErrorKind.Denied)
        {
            // The folder that is closed, and not every name that might be in it.
            while (place.Length > 1 && host.Status(place) is { Ok: false, Error.Kind: HostErrorKind.Denied })
            {
                place = place[..Math.Max(1, place.LastIndexOf('/'))];
            }

            if (closed?.Contains(place) == false)
            {
                closed.Add(place);
            }
        }

        return version is { Ok: true, Value.Kind: FileKind.File } && host.Status($"{place}/global").Ok;
    }

    /// <summary>What clusters of postgresql-common say their data directory is (pg_createcluster(1) puts it anywhere).</summary>
    private static IEnumerable<string> Configured(Host host)
    {
        const string Root = "/etc/postgresql";
        foreach (var version in host.List(Root) is { Ok: true } versions ? versions.Value.Take(Most) : [])
        {
            foreach (var name in host.List($"{Root}/{version}") is { Ok: true } names ? names.Value.Take(Most) : [])
            {
                foreach (var line in host.ReadFile($"{Root}/{version}/{name}/postgresql.conf") is { Ok: true } read ? ByteText.Decode(read.Value).Split('\n') : [])
                {
                    if (PgConf.Split(line, out _) is ("data_directory", ['/', ..] directory))
                    {
                        yield return directory.TrimEnd('/');
                    }
                }
            }
        }
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
