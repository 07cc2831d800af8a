using System.Globalization;

namespace Lotse.Postgres;

/// <summary>A filesystem as a path reaches it.</summary>
/// <param name="Mount">Mount id (proc_pid_mountinfo(5)): hard links never cross it.</param>
/// <param name="Point">Where it is mounted.</param>
/// <param name="Type">ext4, xfs, btrfs …</param>
/// <param name="Device">st_dev of the folder: differs between subvolumes of one btrfs.</param>
/// <param name="FreeBytes">For ordinary users; null: not known.</param>
public sealed record Filesystem(int Mount, string Point, string Type, string Device, long? FreeBytes)
{
    /// <summary>Whether files can share their blocks; null: only a try would tell.</summary>
    public bool? Clones { get; init => field = value ?? ByType(Type); } = ByType(Type);

    private static bool? ByType(string type) => type switch
    {
        "btrfs" or "bcachefs" => true,
        "xfs" or "overlay" or "zfs" or "ocfs2" or "nfs4" or "cifs" or "?" => null,
        _ => false,
    };
}

/// <summary>What around the two clusters bears on an upgrade.</summary>
public sealed record Circumstances
{
    /// <summary>Effective user of this program.</summary>
    public uint Uid { get; init; }

    /// <summary>Working directory.</summary>
    public string WorkingFolder { get; init; } = "/";

    /// <summary>Its owner, group and mode; null: not known.</summary>
    public FileStatus? WorkingFolderStatus { get; init; }

    /// <summary>Variables of libpq that are set and that pg_upgrade refuses, with their values.</summary>
    public string[] LibpqVariables { get; init; } = [];

    /// <summary>Whether a password for local logins is at hand (PGPASSWORD or PGPASSFILE).</summary>
    public bool HasPassword { get; init; }

    /// <summary>Name of the owner of the old directory; the number where it has none.</summary>
    public string Owner { get; init; } = "";

    /// <summary>Uid of the user postgres; null: there is none.</summary>
    public uint? PostgresUid { get; init; }

    /// <summary>Where the old data lies.</summary>
    public Filesystem? Old { get; init; }

    /// <summary>Where the new data will lie.</summary>
    public Filesystem? New { get; init; }

    /// <summary>Where tablespaces lie that are elsewhere.</summary>
    public Filesystem[] Tablespaces { get; init => field = value ?? []; } = [];

    /// <summary>Socket folders of the old configuration that are not there.</summary>
    public string[] MissingSocketFolders { get; init; } = [];

    /// <summary>Asks the host; this machine in one question, for folders around clusters change all the time and no plan hangs on that.</summary>
    public static Circumstances Read(Host host, ClusterFacts old, string newDirectory, string? sockets = null)
    {
        var asked = host.Ask($"pg around {old.Directory} {newDirectory}", static () => PgJson.Default.Circumstances, () =>
        {
            using var here = new Hosts.LocalHost();
            return new(Look(here, old, newDirectory, sockets, Caller()), null);
        });
        return asked.Ok ? asked.Value : Look(host, old, newDirectory, sockets, new());
    }

    private static Circumstances Look(Host host, ClusterFacts old, string newDirectory, string? sockets, Circumstances circumstances)
    {
        var users = new Formats.UserNames(host);
        var mounts = host.ReadFile("/proc/self/mountinfo") is { Ok: true } read ? ByteText.Decode(read.Value) : "";
        var folders = (old.Setting("unix_socket_directories")?.Value ?? "").Split(',').Select(f => f.Trim()).Where(f => f.StartsWith('/')).Concat(sockets is null ? [] : [sockets]);
        var passwd = host.ReadFile("/etc/passwd") is { Ok: true } file ? ByteText.Decode(file.Value).Split('\n').Select(l => l.Split(':')).FirstOrDefault(f => f.Length > 2 && f[0] == "postgres") : null;
        return circumstances with
        {
            WorkingFolderStatus = host.Status(circumstances.WorkingFolder + "/.") is { Ok: true } there ? there.Value : null,
            Owner = users[old.Uid],
            PostgresUid = passwd is not null && uint.TryParse(passwd[2], NumberStyles.None, CultureInfo.InvariantCulture, out var uid) ? uid : null,
            Old = FilesystemOf(host, mounts, old.Directory),
            New = FilesystemOf(host, mounts, Existing(host, newDirectory)),
            Tablespaces = [.. old.Tablespaces.Select(t => t.Location).OfType<string>().Where(l => l.StartsWith('/')).Select(l => FilesystemOf(host, mounts, l)).OfType<Filesystem>().DistinctBy(f => f.Device)],
            MissingSocketFolders = [.. folders.Where(f => host.Status(f + "/.") is { Ok: false, Error.Kind: HostErrorKind.NotFound })],
        };
    }

    private static Circumstances Caller()
    {
        var variables = new List<string>();
        foreach (var name in new[] { "PGHOST", "PGHOSTADDR" })
        {
            // A folder of sockets is local, as is loopback (server.c check_pghost_envvar).
            if (Environment.GetEnvironmentVariable(name) is { Length: > 0 } value && value is not ("localhost" or "127.0.0.1" or "::1") && value[0] != '/')
            {
                variables.Add($"{name}={value}");
            }
        }

        return new()
        {
            Uid = Linux.Libc.GetEffectiveUserId(),
            WorkingFolder = Environment.CurrentDirectory,
            LibpqVariables = [.. variables],
            HasPassword = Environment.GetEnvironmentVariable("PGPASSWORD") is { Length: > 0 } || Environment.GetEnvironmentVariable("PGPASSFILE") is { Length: > 0 },
        };
    }

    private static string Existing(Host host, string path)
    {
        while (path.Length > 1 && !host.Status(path).Ok)
        {
            path = path[..Math.Max(1, path.LastIndexOf('/'))];
        }

        return path;
    }

    private static Filesystem? FilesystemOf(Host host, string mounts, string path)
    {
        if (host.Status(path + "/.") is not { Ok: true } status)
        {
            return null;
        }

        // id parent major:minor root point options … - type source options
        var best = (Id: 0, Point: "", Type: "?");
        foreach (var line in mounts.Split('\n'))
        {
            var f = line.Split(' ');
            var dash = Array.IndexOf(f, "-");
            if (dash < 5 || dash + 1 >= f.Length || !int.TryParse(f[0], out var id))
            {
                continue;
            }

            var point = f[4].Replace(@"\040", " ", StringComparison.Ordinal);
            if ((path == point || point == "/" || path.StartsWith(point + "/", StringComparison.Ordinal)) && point.Length >= best.Point.Length)
            {
                best = (id, point, f[dash + 1]);
            }
        }

        long? free = null;
        if (host.Run(["df", "-Pk", "--", path], TimeSpan.FromSeconds(10)) is { Ok: true, Value.ExitCode: 0 } ran
            && ByteText.Decode(ran.Value.Output).Trim().Split('\n')[^1].Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries) is { Length: >= 6 } fields
            && long.TryParse(fields[3], NumberStyles.None, CultureInfo.InvariantCulture, out var kib))
        {
            free = kib * 1024;
        }

        return new(best.Id, best.Point, best.Type, status.Value.Device, free) { Clones = best.Type == "xfs" && host.IsThisMachine ? Linux.Reflinks.OfXfs(path) : null };
    }
}
