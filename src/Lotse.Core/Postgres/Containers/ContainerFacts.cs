namespace Lotse.Postgres.Containers;

/// <summary>A mount of a container.</summary>
/// <param name="Type">volume, bind or tmpfs.</param>
/// <param name="Name">Name of a volume; empty for others.</param>
/// <param name="Source">Folder of this machine.</param>
/// <param name="Destination">Folder in the container.</param>
/// <param name="IsWritable">Whether it may be written.</param>
/// <param name="Driver">Driver of a volume.</param>
public sealed record ContainerMount(string Type, string Name, string Source, string Destination, bool IsWritable, string Driver)
{
    /// <summary>Whether the engine gave the name, because nobody did: a volume that nobody finds again.</summary>
    public bool IsAnonymous => Type == "volume" && Name.Length == 64 && Name.All(char.IsAsciiHexDigitLower);
}

/// <summary>Where a container comes from when Compose made it.</summary>
/// <param name="Project">Its project.</param>
/// <param name="Service">Its service.</param>
/// <param name="File">The file of the project that has the service; null: more than one, or none is known.</param>
public sealed record ComposeUse(string Project, string Service, string? File);

/// <summary>A container that serves PostgreSQL, as its engine knows it. Values of its environment are never kept.</summary>
public sealed record ContainerFacts
{
    /// <summary>The engine's program: podman or docker.</summary>
    public required string Engine { get; init; }

    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>Its id, 64 digits.</summary>
    public required string Id { get; init; }

    /// <summary>The image as it was named.</summary>
    public string Image { get; init; } = "";

    /// <summary>Id of the image.</summary>
    public string ImageId { get; init; } = "";

    /// <summary>Whether it runs.</summary>
    public bool IsRunning { get; init; }

    /// <summary>PGDATA in it.</summary>
    public string Data { get; init; } = "";

    /// <summary>Whether PGDATA is another one than the image's.</summary>
    public bool ChoseData { get; init; }

    /// <summary>Its mounts.</summary>
    public ContainerMount[] Mounts { get; init; } = [];

    /// <summary>What it runs: entry point aside.</summary>
    public string[] Arguments { get; init; } = [];

    /// <summary>Restart policy; empty or no: none.</summary>
    public string Restart { get; init; } = "";

    /// <summary>Compose's; null: it was not made by Compose.</summary>
    public ComposeUse? Compose { get; init; }

    /// <summary>What else made it and will make it anew: a unit of systemd, a pod, an orchestrator; null: nothing.</summary>
    public string? Manager { get; init; }

    /// <summary>Whether it is removed as soon as it stops.</summary>
    public bool IsRemovedAtStop { get; init; }

    /// <summary>The mount in which the data lies; null: it lies in the container itself and goes with it.</summary>
    public ContainerMount? DataMount => Mounts.Where(m => m.Type is "volume" or "bind" && IsBelow(Data, m.Destination)).MaxBy(m => m.Destination.Length);

    /// <summary>The data directory on this machine; null: there is none.</summary>
    public string? Directory => OnThisMachine(Data);

    /// <summary>A path of the container on this machine; null: it is in the container itself.</summary>
    public string? OnThisMachine(string path) =>
        Mounts.Where(m => m.Type is "volume" or "bind" && IsBelow(path, m.Destination)).MaxBy(m => m.Destination.Length) is { } mount
            ? mount.Source.TrimEnd('/') + path[mount.Destination.TrimEnd('/').Length..] : null;

    /// <summary>Where its command line puts the configuration file, in the container; null: in the data directory.</summary>
    public string? ConfigFile => Arguments.Select(a => a.StartsWith("--config-file=", StringComparison.Ordinal) ? a[14..] : a.StartsWith("config_file=", StringComparison.Ordinal) || a.StartsWith("--config_file=", StringComparison.Ordinal) ? a[(a.IndexOf('=', StringComparison.Ordinal) + 1)..] : a.StartsWith("-cconfig_file=", StringComparison.Ordinal) ? a[14..] : null).LastOrDefault(a => a is not null);

    internal static bool IsBelow(string path, string folder) => path == folder.TrimEnd('/') || path.StartsWith(folder.TrimEnd('/') + "/", StringComparison.Ordinal);
}

/// <summary>An image of PostgreSQL.</summary>
/// <param name="Name">As it was asked for.</param>
/// <param name="Id">Its id.</param>
/// <param name="Major">PG_MAJOR of its environment; 0: it has none.</param>
/// <param name="Data">PGDATA of its environment; empty: none.</param>
/// <param name="Volumes">Folders that get a volume.</param>
/// <param name="Path">Folders of PATH, in order.</param>
public sealed record ImageFacts(string Name, string Id, int Major, string Data, string[] Volumes, string[] Path);

/// <summary>The containers' side of a plan.</summary>
/// <param name="Container">The container that serves the old cluster.</param>
/// <param name="OldImage">Its image.</param>
/// <param name="NewName">The image to go to, as it is named.</param>
/// <param name="NewImage">What it is; null: this machine has it not.</param>
public sealed record ContainerPlan(ContainerFacts Container, ImageFacts OldImage, string NewName, ImageFacts? NewImage)
{
    /// <summary>The old image unpacked; null: it could not be.</summary>
    public string? OldRoot { get; init; }

    /// <summary>The new image unpacked; null: it could not be.</summary>
    public string? NewRoot { get; init; }

    /// <summary>The folder that holds the data of both, below one mount and open to the owner of the data; null: there is none, so files cannot be linked or moved.</summary>
    public string? CommonFolder { get; init; }

    /// <summary>The compose file's bytes; null: there is none, or it cannot be read.</summary>
    public string? ComposeText { get; init; }
}
