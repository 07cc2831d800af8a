namespace Lotse.Postgres.Containers;

/// <summary>Reads what a plan for a container is made of: the container, both images, and the cluster in its mount. Starts no server.</summary>
internal static class ContainerPlanReader
{
    /// <summary>Reads it.</summary>
    /// <param name="host">Where.</param>
    /// <param name="name">The container.</param>
    /// <param name="to">The version; 0: the image says it.</param>
    /// <param name="image">The image to go to; null: the same of that version.</param>
    /// <param name="mode">How files are brought over; null: the best that keeps a way back.</param>
    public static Reading<PlanFacts> Read(Host host, string name, int to, string? image, TransferMode? mode)
    {
        var asked = ContainerReader.Container(host, name);
        if (!asked.Ok)
        {
            return new(null!, asked.Error);
        }

        var container = asked.Value;
        var oldImage = ContainerReader.Image(host, container.Engine, container.ImageId);
        if (!oldImage.Ok)
        {
            return new(null!, oldImage.Error);
        }

        if (container.Directory is not { } directory)
        {
            return new(null!, new(HostErrorKind.Unsupported, $"{ByteText.Escape(container.Data)} of the container {ByteText.Escape(container.Name)} lies on no mount: its data goes with the container; move it to a volume first ({container.Engine} cp)"));
        }

        var configFile = container.ConfigFile is { } inside ? container.OnThisMachine(inside) : null;
        var old = ClusterReader.Read(host, directory, deep: true, sizes: true, configFile is null ? null : configFile[..configFile.LastIndexOf('/')], ask: true);
        if (!old.Ok)
        {
            return new(null!, old.Error);
        }

        var newName = image ?? ContainerLayout.Retag(container.Image, to);
        var newImage = ContainerReader.Image(host, container.Engine, newName) is { Ok: true } there ? there.Value : null;
        var plan = new ContainerPlan(container, oldImage.Value, newName, newImage);
        to = newImage is { Major: > 0 } ? newImage.Major : to;
        var layout = newImage is null ? null : ContainerLayout.Of(container, newImage, to);
        Installation? before = null, after = null;
        if (newImage is not null)
        {
            before = Look(host, container.Engine, oldImage.Value, old.Value, isNew: false);
            after = Look(host, container.Engine, newImage, old.Value, isNew: true);
            plan = plan with { OldRoot = ImageRoots.Of(oldImage.Value.Id), NewRoot = ImageRoots.Of(newImage.Id) };
        }

        if (container.Compose?.File is { } file && host.ReadFile(file) is { Ok: true } text)
        {
            plan = plan with { ComposeText = ByteText.Decode(text.Value) };
        }

        if (layout is not null)
        {
            plan = plan with { CommonFolder = CommonFolder(host, old.Value, layout) };
        }

        var place = layout?.Directory ?? PlanReader.Beside(directory, old.Value.Version, to);
        var existing = ClusterReader.Read(host, place, deep: true, sizes: false);
        _ = host.Status($"{directory}/PG_VERSION");
        return new(new()
        {
            Old = old.Value,
            To = to,
            OldInstallation = before,
            NewInstallation = after,
            NewDirectory = place,
            Existing = existing.Ok && place != directory ? existing.Value : null,
            IsTaken = !existing.Ok && host.List(place) is { Ok: true, Value.Length: > 0 },
            Mode = mode,
            Container = plan,
            Around = Circumstances.Read(host, old.Value, (layout?.Work ?? place)[..Math.Max(1, (layout?.Work ?? place).LastIndexOf('/'))]) with { MissingSocketFolders = [], LibpqVariables = [], WorkingFolderStatus = null, PostgresUid = null },
        }, null);
    }

    /// <summary>
    /// The folder above both data directories that can be shown to both versions as one mount, so that files can be linked
    /// and moved. Its path must hide nothing of an image, and the owner of the data must reach everything below it.
    /// </summary>
    private static string? CommonFolder(Host host, ClusterFacts old, ContainerLayout layout)
    {
        string[] wanted = [old.Directory, layout.Folder, layout.Work];
        var parts = wanted.Select(p => p.Split('/')).ToArray();
        var same = Enumerable.Range(0, parts.Min(p => p.Length)).TakeWhile(i => parts.All(p => p[i] == parts[0][i])).Count();
        var common = string.Join('/', parts[0].Take(same));
        string[] ofImages = ["/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc", "/proc", "/sys", "/dev"], crowded = ["", "/var", "/var/lib", "/opt", "/run", "/tmp", "/home", "/root"];
        if (crowded.Contains(common) || ofImages.Any(f => ContainerFacts.IsBelow(common, f)))
        {
            return null;
        }

        foreach (var path in wanted)
        {
            for (var at = common; ; at = path[..(path.IndexOf('/', at.Length + 1) is > 0 and var next ? next : path.Length)])
            {
                if (host.Status(at) is { Ok: true, Value: var status } && !(status.Kind == FileKind.Directory && (status.Mode & (status.Uid == old.Uid ? 0x40 : status.Gid == old.Gid ? 8 : 1)) != 0))
                {
                    return null;
                }

                if (at == path)
                {
                    break;
                }
            }
        }

        return common;
    }

    /// <summary>What an image has; null: it could not be unpacked, or has no server.</summary>
    private static Installation? Look(Host host, string engine, ImageFacts image, ClusterFacts old, bool isNew)
    {
        var asked = host.Ask($"pg/installed {ImageRoots.Plain(image.Id)} {(isNew ? "new" : "old")}", static () => PgJson.Default.Installation, () =>
        {
            using var here = new Hosts.LocalHost();
            ImageRoots.Prune(here);
            var unpacked = ImageRoots.Unpack(here, engine, image.Id);
            if (!unpacked.Ok || ImageRoots.Programs(here, unpacked.Value, image) is not { } programs)
            {
                return new(null!, unpacked.Error ?? new(HostErrorKind.NotFound, $"{ByteText.Escape(image.Name)} has no server of PostgreSQL"));
            }

            var root = new ImageRoot(unpacked.Value, old.Uid, old.Gid);
            var installation = Installations.Read(here, programs, isNew, root);
            return new(isNew && installation.Version > 0 ? Installations.Ask(here, installation, old, root) : installation, null);
        });
        return asked.Ok ? asked.Value : null;
    }
}
