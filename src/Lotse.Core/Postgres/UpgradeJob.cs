using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Lotse.Postgres;

/// <summary>
/// An upgrade, as its steps need it. It lies in the working folder beside the new cluster, so that every step, and every
/// step back, knows all from the disk, whoever runs it.
/// </summary>
public sealed record UpgradeJob
{
    /// <summary>The old data directory.</summary>
    public required string Old { get; init; }

    /// <summary>Where the new one will lie when it is complete; until then nothing carries this name.</summary>
    public required string New { get; init; }

    /// <summary>Folder of the upgrade: the unfinished cluster, sockets, logs, marks.</summary>
    public required string Work { get; init; }

    /// <summary>Programs of the old version.</summary>
    public required string OldPrograms { get; init; }

    /// <summary>Programs of the new version.</summary>
    public required string NewPrograms { get; init; }

    /// <summary>Major version before.</summary>
    public int From { get; init; }

    /// <summary>Major version afterwards.</summary>
    public int To { get; init; }

    /// <summary>Who owns the data and runs the servers.</summary>
    public uint Uid { get; init; }

    /// <summary>Its group.</summary>
    public uint Gid { get; init; }

    /// <summary>The role with oid 10.</summary>
    public required string Superuser { get; init; }

    /// <summary>How files are brought over.</summary>
    public TransferMode Mode { get; init; }

    /// <summary>Whether both clusters share their files afterwards.</summary>
    public bool SharesFiles => Mode is TransferMode.Link or TransferMode.Swap;

    /// <summary>Whether it is done on a copy, to see how it goes: its servers must not be heard of outside.</summary>
    public bool IsRehearsal { get; init; }

    /// <summary>Arguments of initdb.</summary>
    public required string[] InitArguments { get; init; }

    /// <summary>Whether a server worked in the old directory when the plan was made.</summary>
    public bool IsServing { get; init; }

    /// <summary>Port of the old server when it is started for others.</summary>
    public int Port { get; init; } = 5432;

    /// <summary>name=value, as the old server was started with on its command line; without its port and the places of its files.</summary>
    public string[] StartedWith { get; init => field = value ?? []; } = [];

    /// <summary>Of these, what the new version still knows.</summary>
    public string[] StartNewWith { get; init => field = value ?? []; } = [];

    /// <summary>The old configuration file; null: none.</summary>
    public string? ConfigFile { get; init; }

    /// <summary>The old pg_hba.conf, carried over as it is; null: none.</summary>
    public string? HbaFile { get; init; }

    /// <summary>The setting ident_file; null: pg_ident.conf lies beside pg_hba.conf.</summary>
    public string? IdentFile { get; init; }

    /// <summary>Files of the data directory that settings name: certificates and keys.</summary>
    public string[] NamedFiles { get; init => field = value ?? []; } = [];

    /// <summary>Lines for the new postgresql.conf, from the old files.</summary>
    public required string[] Settings { get; init; }

    /// <summary>Lines for the new postgresql.auto.conf: what ALTER SYSTEM set.</summary>
    public required string[] SystemSettings { get; init; }

    /// <summary>Names of settings whose values are not kept here, for they may hold secrets: they are read again when they are carried over.</summary>
    public string[] Unkept { get; init => field = value ?? []; } = [];

    /// <summary>Settings of the old server's command line without which it may not start, or not be dumped: kinds of its log, slots, preloaded libraries.</summary>
    public string[] OldServerSettings { get; init => field = value ?? []; } = [];

    /// <summary>Settings that the new server needs while it works for us alone: logical slots, preloaded libraries.</summary>
    public required string[] NewServerSettings { get; init; }

    /// <summary>Indexes to rebuild, before anybody may use them: database and qualified name.</summary>
    public required MovedIndexes[] Moved { get; init; }

    /// <summary>Whether contents are compared, and not only what tables there are.</summary>
    public bool CompareContents { get; init; }

    /// <summary>The container that serves the old cluster; null: a server of this machine does.</summary>
    public Containers.ContainerJob? Container { get; init; }

    /// <summary>What is Debian's about the cluster; null: nothing.</summary>
    public DebianCluster? Debian { get; init; }

    /// <summary>The new pg_hba.conf, where it lies in the end.</summary>
    public string NewHba => Debian is { } debian ? $"{debian.Folder(To)}/pg_hba.conf" : $"{New}/pg_hba.conf";

    /// <summary>The configuration file as the old server sees it, where it is not in the data directory; null: it is.</summary>
    public string? OutsideConfig => Container is not null ? Container.ConfigFile : ConfigFile is not null && !ConfigFile.StartsWith(Old + "/", StringComparison.Ordinal) ? ConfigFile : null;

    /// <summary>Where unpacked images work together, for one that runs in containers.</summary>
    public string Stage => $"/run/lotse-stage-{Convert.ToHexStringLower(BitConverter.GetBytes(PgControl.Crc32C(0, Encoding.UTF8.GetBytes(Work))))}";

    /// <summary>The unfinished cluster.</summary>
    public string Unfinished => $"{Work}/new";

    /// <summary>Where sockets are: short, for a socket's path has 107 bytes. /run is nobody's but root's.</summary>
    public string Sockets => ClusterFindings.FitsSocket($"{Work}/run", 50432) ? $"{Work}/run" : $"{(Linux.Libc.GetEffectiveUserId() == 0 ? "/run" : "/tmp")}/lotse-pg-{Convert.ToHexStringLower(BitConverter.GetBytes(PgControl.Crc32C(0, Encoding.UTF8.GetBytes(Work))))}";

    /// <summary>Where facts are noted that the next start must know.</summary>
    public string Marks => $"{Work}/marks";

    /// <summary>The file that holds it.</summary>
    public string File => $"{Work}/job.json";

    /// <summary>Its copy, which stays until the old cluster serves again: the file itself is the plan's, and goes when that is taken back.</summary>
    public string Kept => $"{Work}/job.kept";

    /// <summary>Reads it, or its copy where it is gone.</summary>
    public static Reading<UpgradeJob> Read(Host host, string file)
    {
        var read = host.ReadFile(file);
        var kept = file[..(file.LastIndexOf('/') + 1)] + "job.kept";
        return read.Ok || read.Error!.Kind != HostErrorKind.NotFound || !host.Status(kept).Ok ? Parse(host, file, file, read) : Parse(host, kept, file, host.ReadFile(kept));
    }

    private static Reading<UpgradeJob> Parse(Host host, string place, string file, Reading<byte[]> read)
    {
        if (!read.Ok)
        {
            return new(null!, read.Error);
        }

        // It says what is run: nobody but who runs it may have written it, or be able to put another in its place.
        foreach (var path in new[] { place, file[..Math.Max(1, file.LastIndexOf('/'))] })
        {
            if (host.Status(path) is not { Ok: true, Value: { Kind: not FileKind.Link } status } || (status.Uid != 0 && status.Uid != Linux.Libc.GetEffectiveUserId()) || (status.Mode & 0x12) != 0)
            {
                return new(null!, new(HostErrorKind.Denied, $"{ByteText.Escape(path)} may be changed by others"));
            }
        }

        try
        {
            var job = JsonSerializer.Deserialize(read.Value, PgJson.Default.UpgradeJob);
            return job is { Old: ['/', ..], New: ['/', ..], Work: ['/', ..] } && (job.Work == job.New + ".lotse" || job.Container is not null) && file == job.File
                ? new(job, null) : new(null!, new(HostErrorKind.Failed, $"{ByteText.Escape(place)} is no job of lotse"));
        }
        catch (JsonException)
        {
            return new(null!, new(HostErrorKind.Failed, $"{ByteText.Escape(place)} is no job of lotse"));
        }
    }

    /// <summary>Its lines, for the file.</summary>
    public string[] Lines() => ByteText.Decode(JsonSerializer.SerializeToUtf8Bytes(this, PgJson.Default.UpgradeJob)).Split('\n');
}

/// <summary>Indexes of a database whose order may be another with the new libraries.</summary>
/// <param name="Database">Name.</param>
/// <param name="Indexes">schema.name.</param>
public sealed record MovedIndexes(string Database, string[] Indexes)
{
    /// <summary>Whether the database recorded another version of the library that orders it: right again once these are rebuilt.</summary>
    public bool IsOfAnotherVersion { get; init; }
}
