using System.Globalization;
using System.Text.Json;
using Lotse.Hosts;

namespace Lotse.Postgres.Containers;

/// <summary>Asks the container engines of a machine, by their commands: those know sockets, contexts and rights.</summary>
internal static class ContainerReader
{
    internal static readonly TimeSpan Moment = TimeSpan.FromSeconds(60);
    private static readonly string[] Engines = ["podman", "docker"];

    /// <summary>A container by its name or id; not found where no engine knows it.</summary>
    public static Reading<ContainerFacts> Container(Host host, string name) =>
        Ask(host, $"pg/container {name}", static () => PgJson.Default.ContainerFacts, here => Look(here, name));

    /// <summary>An image by its name or id.</summary>
    public static Reading<ImageFacts> Image(Host host, string engine, string name) =>
        Ask(host, $"pg/image {engine} {name}", static () => PgJson.Default.ImageFacts, here => LookAtImage(here, engine, name));

    /// <summary>Names of all containers of the machine, by engine.</summary>
    /// <param name="host">Where.</param>
    /// <param name="refused">Gets the engines that run and do not let this user ask.</param>
    public static (string Engine, string Name)[] Names(Host host, ICollection<string>? refused = null)
    {
        var names = new List<(string, string)>();
        foreach (var engine in Engines)
        {
            if (host.Run([engine, "container", "ls", "--all", "--format", "{{.Names}}"], Moment) is not { Ok: true, Value: { } ran })
            {
                continue;
            }

            if (ran.ExitCode == 0)
            {
                names.AddRange(ByteText.Decode(ran.Output).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(n => (engine, n.Trim())));
            }
            else if (ByteText.Decode(ran.Errors).Contains("permission denied", StringComparison.OrdinalIgnoreCase))
            {
                refused?.Add(engine);
            }
        }

        return [.. names];
    }

    /// <summary>What an engine says of a thing: the first of its list. The values in it may be secrets.</summary>
    public static Reading<JsonElement> Inspect(Host host, string engine, string kind, string name)
    {
        if (name.Length == 0 || name[0] == '-')
        {
            return new(default, new(HostErrorKind.NotFound, $"{ByteText.Escape(name)} is no name of a {kind}"));
        }

        var ran = host.Run([engine, kind, "inspect", name], Moment);
        if (!ran.Ok || ran.Value.ExitCode != 0)
        {
            return new(default, ran.Error ?? new(Missing(ran.Value) ? HostErrorKind.NotFound : HostErrorKind.Failed, $"{engine} {kind} inspect {ByteText.Escape(name)}: {ByteText.Escape(ByteText.Decode(ran.Value.Errors).Trim().Split('\n')[^1])}"));
        }

        try
        {
            using var document = JsonDocument.Parse(ran.Value.Output);
            return document.RootElement is { ValueKind: JsonValueKind.Array } list && list.GetArrayLength() > 0 ? new(list[0].Clone(), null) : new(default, new(HostErrorKind.NotFound, $"{engine} knows no {kind} {ByteText.Escape(name)}"));
        }
        catch (JsonException)
        {
            return new(default, new(HostErrorKind.Failed, $"{engine} {kind} inspect {ByteText.Escape(name)} printed no JSON"));
        }
    }

    private static bool Missing(Ran ran) => ByteText.Decode(ran.Errors) is var words && (words.Contains("no such", StringComparison.OrdinalIgnoreCase) || words.Contains("not known", StringComparison.OrdinalIgnoreCase) || words.Contains("not found", StringComparison.OrdinalIgnoreCase));

    private static Reading<T> Ask<T>(Host host, string question, Func<System.Text.Json.Serialization.Metadata.JsonTypeInfo<T>> shape, Func<Host, Reading<T>> look)
    {
        if (!host.IsThisMachine)
        {
            var recorded = host.Ask(question, shape, static () => new(default!, new(HostErrorKind.Unsupported, "")));
            return recorded.Ok || host is RecordedHost ? recorded : look(host);
        }

        return host.Ask(question, shape, () =>
        {
            using var here = new LocalHost();
            return look(here);
        });
    }

    private static Reading<ContainerFacts> Look(Host host, string name)
    {
        HostError? why = null;
        foreach (var engine in Engines)
        {
            var read = Inspect(host, engine, "container", name);
            if (read.Ok)
            {
                return new(Of(host, engine, read.Value), null);
            }

            // An engine that is not there, or does not answer, is no answer; one that refuses is.
            why = why is null || why.Kind == HostErrorKind.NotFound ? read.Error : why;
        }

        return new(null!, new(HostErrorKind.NotFound, $"there is no data directory and no container {ByteText.Escape(name)} ({why!.Message})"));
    }

    private static ContainerFacts Of(Host host, string engine, JsonElement inspect)
    {
        var (config, own) = (Json.At(inspect, "Config"), Json.At(inspect, "HostConfig"));
        var environment = Json.Texts(config, "Env");
        var image = Image(host, engine, Json.Text(inspect, "Image"));
        var data = Variable(environment, "PGDATA");
        var labels = Json.Map(config, "Labels");
        labels.TryGetValue("com.docker.compose.project", out var project);
        labels.TryGetValue("com.docker.compose.service", out var service);
        labels.TryGetValue("io.podman.compose.service", out var other);
        var pod = Json.Text(inspect, "Pod");
        var manager = labels.TryGetValue("PODMAN_SYSTEMD_UNIT", out var unit) && !unit.StartsWith("podman-compose@", StringComparison.Ordinal) ? $"the systemd unit {unit}"
            : labels.TryGetValue("com.docker.swarm.service.name", out var swarm) ? $"the swarm service {swarm}"
            : labels.TryGetValue("io.kubernetes.pod.name", out var kubernetes) ? $"the pod {kubernetes}"
            : pod.Length > 0 ? $"the pod {pod[..Math.Min(12, pod.Length)]}" : null;
        return new()
        {
            Engine = engine,
            Name = Json.Text(inspect, "Name").TrimStart('/'),
            Id = Json.Text(inspect, "Id"),
            Image = Json.Text(inspect, "ImageName") is { Length: > 0 } named ? named : Json.Text(config, "Image"),
            ImageId = Json.Text(inspect, "Image"),
            IsRunning = Json.Is(Json.At(inspect, "State"), "Running"),
            Data = data ?? "/var/lib/postgresql/data",
            ChoseData = image.Ok && data is not null && data != image.Value.Data,
            Mounts = [.. Json.Items(inspect, "Mounts").Select(m => new ContainerMount(Json.Text(m, "Type"), Json.Text(m, "Name"), Json.Text(m, "Source"), Json.Text(m, "Destination"), Json.Is(m, "RW"), Json.Text(m, "Driver")))],
            Arguments = Json.Texts(inspect, "Args"),
            Restart = Json.At(own, "RestartPolicy") is var policy && Json.Number(policy, "MaximumRetryCount") is > 0 and var times ? $"{Json.Text(policy, "Name")}:{times}" : Json.Text(policy, "Name"),
            Compose = project is null || (service ?? other) is not { } used ? null : new(project, used, ComposeFile(labels)),
            Manager = manager,
            IsRemovedAtStop = Json.Is(own, "AutoRemove"),
        };
    }

    /// <summary>The one compose file; where there are several, which of them says what is not known.</summary>
    private static string? ComposeFile(IReadOnlyDictionary<string, string> labels) =>
        labels.TryGetValue("com.docker.compose.project.config_files", out var files) && files.Split(',') is [var file] && file.Length > 0
            ? file[0] == '/' ? file : labels.TryGetValue("com.docker.compose.project.working_dir", out var folder) ? $"{folder.TrimEnd('/')}/{file}" : null : null;

    private static Reading<ImageFacts> LookAtImage(Host host, string engine, string name)
    {
        var read = Inspect(host, engine, "image", name);
        if (!read.Ok)
        {
            return new(null!, read.Error);
        }

        var config = Json.At(read.Value, "Config");
        var environment = Json.Texts(config, "Env");
        return new(new(name, Json.Text(read.Value, "Id"), int.TryParse(Variable(environment, "PG_MAJOR"), NumberStyles.None, CultureInfo.InvariantCulture, out var major) ? major : 0,
            Variable(environment, "PGDATA") ?? "", [.. Json.Map(config, "Volumes").Keys], (Variable(environment, "PATH") ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").Split(':')), null);
    }

    private static string? Variable(string[] environment, string name) => environment.LastOrDefault(e => e.StartsWith(name + "=", StringComparison.Ordinal))?[(name.Length + 1)..];
}
