using Lotse.Postgres.Containers;

namespace Lotse.Postgres;

/// <summary>Findings about the container that serves a cluster, and the image to go to.</summary>
internal static partial class UpgradeFindings
{
    private static IEnumerable<Finding?> InContainers(PlanFacts facts)
    {
        if (facts.Container is not { Container: var container } plan)
        {
            yield break;
        }

        var name = new Value(container.Name, ValueKind.Plain);
        if (plan.NewImage is not { } image)
        {
            yield return Note("pg/image-missing", Severity.Error, new(plan.NewName, ValueKind.Plain), $"the image {new Value(plan.NewName, ValueKind.Plain)} is not on this machine", "images are not fetched by a plan", $"{container.Engine} image inspect", "no such image", container.Engine, $"{container.Engine} pull {plan.NewName}, or name another image: --to IMAGE");
            yield break;
        }

        if (container.Manager is not null || container.IsRemovedAtStop)
        {
            yield return Note("pg/container-managed", Severity.Error, name, container.Manager is { } manager ? (Text)$"the container {name} belongs to {new Value(manager, ValueKind.Plain)}, which would make it anew" : $"the container {name} is removed as soon as it stops", "a container can be put aside only where nothing else makes or removes it", "container inspect: labels, pod, AutoRemove", container.Manager ?? "AutoRemove", container.Engine, "stop it there, upgrade its data directory as such (lotse pg plan DATADIR with the programs of both versions), and change image and volume there");
        }

        if (facts.Old.Tablespaces is [var tablespace, ..])
        {
            yield return Note("pg/container-tablespace", Severity.Error, new(tablespace.Name, ValueKind.Plain), $"the tablespace {new Value(tablespace.Name, ValueKind.Plain)} is at a path of the container", "what a link in pg_tblspc names is there, not here", "src/backend/commands/tablespace.c", tablespace.Location ?? "?", $"{facts.Old.Directory}/pg_tblspc", "move its tables to pg_default before (ALTER TABLE ALL IN TABLESPACE … SET TABLESPACE pg_default) and drop it");
        }

        if (ContainerLayout.Of(container, image, facts.To) is not { } layout)
        {
            yield return Note("pg/container-volume", Severity.Error, name, $"where the volume of {name} lies is its driver's business, {new Value(container.DataMount?.Driver ?? "?", ValueKind.Plain)}", "a second volume like it has to be made by hand", "volume inspect", container.DataMount?.Driver ?? "?", container.DataMount?.Name ?? "?", "make a volume for the new version, and upgrade the data directory as such");
            yield break;
        }

        if (facts.To > facts.Old.Version && layout.Target != container.DataMount!.Destination)
        {
            yield return Note("pg/image-volume-layout", Severity.Info, name, $"the new image keeps its data in {Value.Path(layout.Data)}: {new Value(layout.Source, ValueKind.Plain)} is mounted at {Value.Path(layout.Target)}, not at {Value.Path(container.DataMount.Destination)}", "since 18 the volume belongs at /var/lib/postgresql, and each version has a folder in it", "official image of PostgreSQL 18: PGDATA, VOLUME", image.Data, plan.NewName, "nothing has to be done: the new container is made so");
        }
        else if (container.DataMount!.IsAnonymous)
        {
            yield return Note("pg/image-volume-layout", Severity.Warning, name, $"the data of {name} lies in a volume without a name, at {Value.Path(container.DataMount.Destination)}: who removes the container loses it", "images before 18 have their volume at /var/lib/postgresql/data; a mount above it stays empty", "official image of PostgreSQL: VOLUME", container.DataMount.Name, container.DataMount.Source, "the upgrade puts it into a volume with a name");
        }

        if (facts.Mode is TransferMode.Link or TransferMode.Swap && layout.IsNewSource && plan.CommonFolder is null)
        {
            yield return Note("pg/link-xdev", Severity.Error, Value.Path(facts.NewDirectory), $"hard links from {Value.Path(container.DataMount!.Source)} to {new Value(layout.Source, ValueKind.Plain)} are not possible: two mounts, and no folder above both that the owner of the data may pass", "a hard link never crosses a mount", "link(2) EXDEV", $"{container.DataMount.Destination}, {layout.Target}", container.Name, "mode clone or copy");
        }

        if (ComposeFile.Edit(facts) is { Unclear: { } why })
        {
            yield return Note("pg/compose-unclear", Severity.Warning, new(container.Compose!.Service, ValueKind.Plain), $"the compose file of {new Value(container.Compose.Project, ValueKind.Plain)} is not changed: {new Value(why, ValueKind.Plain)}", "what it says would bring the old image back with the next up", "docs.docker.com/compose: services.image, services.volumes", container.Compose.File ?? container.Compose.Project, "the compose file", $"write it by hand, before the next up: image {plan.NewName}, and {layout.Source} mounted at {layout.Target}");
        }
    }
}
