namespace Lotse.Postgres.Containers;

/// <summary>A folder of this machine that a container sees.</summary>
/// <param name="Source">Here.</param>
/// <param name="Place">In the container.</param>
public sealed record SharedFolder(string Source, string Place);

/// <summary>What an upgrade of a container needs to know beside the clusters. Holds no value of its environment.</summary>
public sealed record ContainerJob
{
    /// <summary>podman or docker.</summary>
    public required string Engine { get; init; }

    /// <summary>The container's name, before and afterwards.</summary>
    public required string Name { get; init; }

    /// <summary>Id of the old container.</summary>
    public required string Id { get; init; }

    /// <summary>The name that the old container has while the new one has its name.</summary>
    public required string Aside { get; init; }

    /// <summary>The new image, as it is named.</summary>
    public required string Image { get; init; }

    /// <summary>Id of the old image.</summary>
    public required string OldImageId { get; init; }

    /// <summary>Id of the new image.</summary>
    public required string NewImageId { get; init; }

    /// <summary>The old image, unpacked.</summary>
    public required string OldRoot { get; init; }

    /// <summary>The new image, unpacked.</summary>
    public required string NewRoot { get; init; }

    /// <summary>Where the old container has the mount with the data.</summary>
    public required string OldTarget { get; init; }

    /// <summary>Where the new one has it.</summary>
    public required string NewTarget { get; init; }

    /// <summary>What the new one has there: a volume's name or a folder.</summary>
    public required string NewSource { get; init; }

    /// <summary>The same as a folder of this machine.</summary>
    public required string NewFolder { get; init; }

    /// <summary>Whether that mount is made by the upgrade.</summary>
    public bool IsNewSource { get; init; }

    /// <summary>Whether it is a volume.</summary>
    public bool IsVolume { get; init; }

    /// <summary>Labels of a new volume, NAME=VALUE.</summary>
    public string[] VolumeLabels { get; init; } = [];

    /// <summary>What the old container has mounted.</summary>
    public SharedFolder[] Shared { get; init; } = [];

    /// <summary>The folder that holds both clusters, where one mount does; null: each has its own.</summary>
    public string? SharedFolder { get; init; }

    /// <summary>The configuration file as the container sees it, where its command line names one; null: it is in the data directory.</summary>
    public string? ConfigFile { get; init; }

    /// <summary>Restart policy of the old container.</summary>
    public string Restart { get; init; } = "";
}
