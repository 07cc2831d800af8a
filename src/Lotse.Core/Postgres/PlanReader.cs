namespace Lotse.Postgres;

/// <summary>What somebody asked for.</summary>
/// <param name="Old">The data directory, absolute.</param>
/// <param name="To">The major version.</param>
public sealed record UpgradeWish(string Old, int To)
{
    /// <summary>Programs of the old version; null: looked for.</summary>
    public string? OldPrograms { get; init; }

    /// <summary>Programs of the new version; null: looked for.</summary>
    public string? NewPrograms { get; init; }

    /// <summary>Where the new cluster shall lie; null: beside the old one.</summary>
    public string? NewDirectory { get; init; }

    /// <summary>Where the old configuration lies; null: looked for.</summary>
    public string? ConfigFolder { get; init; }

    /// <summary>How files are brought over; null: the best that keeps a way back.</summary>
    public TransferMode? Mode { get; init; }

    /// <summary>Where the sockets of the upgrade go.</summary>
    public string? SocketFolder { get; init; }
}

/// <summary>Reads all that a plan is made of. Starts no server.</summary>
internal static class PlanReader
{
    /// <summary>Reads both sides and what is around them.</summary>
    public static Reading<PlanFacts> Read(Host host, UpgradeWish wish)
    {
        // The new version is looked at while the cluster is read.
        var begun = host.IsThisMachine ? ClusterReader.Begin(wish.Old, deep: true, sizes: true, wish.ConfigFolder, ask: true) : null;
        var early = wish.NewPrograms ?? Installations.Find(host, wish.To, wish.OldPrograms);
        var installation = early is null ? null : Installations.Read(host, early, isNew: true);
        var old = ClusterReader.Read(host, wish.Old, deep: true, sizes: true, wish.ConfigFolder, ask: true, begun);
        if (!old.Ok)
        {
            return new(null!, old.Error);
        }

        var oldPrograms = wish.OldPrograms ?? Installations.Find(host, old.Value.Version, wish.NewPrograms);
        var newPrograms = early ?? Installations.Find(host, wish.To, oldPrograms);
        var place = wish.NewDirectory ?? Beside(wish.Old, old.Value.Version, wish.To);
        var existing = ClusterReader.Read(host, place, deep: true, sizes: false);
        installation ??= newPrograms is null ? null : Installations.Read(host, newPrograms, isNew: true);

        // What the plan is made of, so that it does not hold once these have changed.
        foreach (var file in old.Value.Settings.Select(s => s.File).Append(old.Value.ConfigFile).Append(old.Value.HbaFile).Append($"{wish.Old}/PG_VERSION").OfType<string>().Distinct())
        {
            _ = host.Status(file);
        }

        return new(new()
        {
            IsTaken = !existing.Ok && host.Status(place).Ok,
            Old = old.Value,
            To = wish.To,
            OldInstallation = oldPrograms is null ? null : Installations.Read(host, oldPrograms, isNew: false),
            NewInstallation = installation is { Version: > 0 } && installation.Version == wish.To ? Installations.Ask(host, installation, old.Value) : installation,
            NewDirectory = place,
            Debian = DebianCluster.Read(host, old.Value, newPrograms, wish.To),
            Existing = existing.Ok && place != wish.Old ? existing.Value : null,
            Mode = wish.Mode,
            SocketFolder = wish.SocketFolder,
            Around = Circumstances.Read(host, old.Value, place[..Math.Max(1, place.LastIndexOf('/'))], wish.SocketFolder),
        }, null);
    }

    /// <summary>Debian's /var/lib/postgresql/13/main becomes /var/lib/postgresql/15/main, an image's 13/docker 18/docker; anything else gets the version behind its name.</summary>
    internal static string Beside(string old, int from, int to)
    {
        var part = $"/{from}/";
        var whole = old.TrimEnd('/') + "/";
        var at = whole.LastIndexOf(part, StringComparison.Ordinal);
        return at >= 0 ? $"{whole[..at]}/{to}/{whole[(at + part.Length)..]}".TrimEnd('/') : $"{old.TrimEnd('/')}-{to}";
    }
}
