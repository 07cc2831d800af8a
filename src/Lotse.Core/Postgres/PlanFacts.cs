namespace Lotse.Postgres;

/// <summary>How pg_upgrade brings the files over.</summary>
public enum TransferMode
{
    /// <summary>Every file is copied; the old cluster stays as it is.</summary>
    Copy,

    /// <summary>Reflinks: as quick as links, and the old cluster stays as it is. Needs xfs, btrfs or the like.</summary>
    Clone,

    /// <summary>Hard links: both clusters share files; the old one is lost once the new one has written.</summary>
    Link,

    /// <summary>The folders change places (since 18); the old cluster is lost at once.</summary>
    Swap,
}

/// <summary>All that a plan is made of.</summary>
public sealed record PlanFacts
{
    /// <summary>The cluster that is there.</summary>
    public required ClusterFacts Old { get; init; }

    /// <summary>The major version to go to.</summary>
    public int To { get; init; }

    /// <summary>Programs of the old version; null: not found.</summary>
    public Installation? OldInstallation { get; init; }

    /// <summary>Programs of the new version; null: not found.</summary>
    public Installation? NewInstallation { get; init; }

    /// <summary>Where the new cluster will lie.</summary>
    public required string NewDirectory { get; init; }

    /// <summary>What lies there already; null: nothing.</summary>
    public ClusterFacts? Existing { get; init; }

    /// <summary>Whether something stands there that is no cluster.</summary>
    public bool IsTaken { get; init; }

    /// <summary>How files are brought over; null: the best that keeps a way back.</summary>
    public TransferMode? Mode { get; init; }

    /// <summary>Where the sockets of the upgrade go; null: a folder of its own.</summary>
    public string? SocketFolder { get; init; }

    /// <summary>The container that serves the old cluster, and the image to go to; null: no container does.</summary>
    public Containers.ContainerPlan? Container { get; init; }

    /// <summary>What is Debian's about the old cluster; null: nothing.</summary>
    public DebianCluster? Debian { get; init; }

    /// <summary>The rehearsal; null: none was asked for.</summary>
    public Rehearsal? Rehearsal { get; init; }

    /// <summary>Whether both clusters share their files afterwards.</summary>
    public bool SharesFiles => UpgradeFindings.ModeOf(this) is TransferMode.Link or TransferMode.Swap;

    /// <summary>What is around them.</summary>
    public required Circumstances Around { get; init; }
}
