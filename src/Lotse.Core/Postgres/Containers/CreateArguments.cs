using System.Globalization;
using System.Text.Json;
using Lotse.Hosts;

namespace Lotse.Postgres.Containers;

/// <summary>
/// The command that makes a container like another one, from what the engine says of that. What it cannot say is found
/// by <see cref="Differences"/>, which compares what the engine then says of both.
/// </summary>
internal static class CreateArguments
{
    /// <summary>What an engine makes up for each container, or what an upgrade changes.</summary>
    private static readonly HashSet<string> Own = ["ContainerIDFile", "Binds", "Mounts", "LogConfig.Path", "Annotations", "ConsoleSize", "Tmpfs", "PidsLimit", "RestartPolicy", "MaskedPaths", "ReadonlyPaths", "NetworkMode", "VolumesFrom"];

    /// <summary>The arguments after ENGINE create, and the lines for --env-file, which are no secret's business on a command line.</summary>
    /// <param name="old">What the engine says of the old container.</param>
    /// <param name="oldImage">What it says of its image.</param>
    /// <param name="job">The upgrade.</param>
    /// <param name="environmentFile">The file for the environment.</param>
    public static (string[] Arguments, string[] Environment) Of(JsonElement old, JsonElement oldImage, ContainerJob job, string environmentFile)
    {
        var (config, own, from) = (Json.At(old, "Config"), Json.At(old, "HostConfig"), Json.At(oldImage, "Config"));
        var all = new List<string> { "--name", job.Name };
        void Option(string name, string value)
        {
            if (value.Length > 0)
            {
                all.AddRange([name, value]);
            }
        }

        void Each(string name, IEnumerable<string> values)
        {
            foreach (var value in values)
            {
                all.AddRange([name, value]);
            }
        }

        void Flag(bool set, string name)
        {
            if (set)
            {
                all.Add(name);
            }
        }

        var id = Json.Text(old, "Id");
        if (Json.Text(config, "Hostname") is var host && !id.StartsWith(host, StringComparison.Ordinal) && Json.Text(own, "UTSMode") != "host")
        {
            Option("--hostname", host);
        }

        Option("--user", Json.Text(config, "User") is var user && user != Json.Text(from, "User") && user != Json.Text(oldImage, "User") ? user : "");
        Option("--workdir", Json.Text(config, "WorkingDir") is var folder && folder != "/" && folder != Json.Text(from, "WorkingDir") ? folder : "");
        Flag(Json.Is(config, "Tty"), "--tty");
        Flag(Json.Is(config, "OpenStdin"), "--interactive");
        var given = Json.Map(from, "Labels");
        Each("--label", Json.Map(config, "Labels").Where(l => !given.TryGetValue(l.Key, out var image) || image != l.Value).Select(l => $"{l.Key}={l.Value}"));
        Each("--expose", Json.Map(config, "ExposedPorts").Keys.Except(Json.Map(from, "ExposedPorts").Keys));
        Option("--stop-timeout", Json.Number(config, "StopTimeout") is var seconds and not (0 or 10) ? seconds.ToString(CultureInfo.InvariantCulture) : "");
        Option("--stop-signal", Json.Text(config, "StopSignal") is var signal && signal != Json.Text(from, "StopSignal") && signal is not ("15" or "SIGTERM") ? signal : "");
        Health(Json.At(config, "Healthcheck"), Json.At(from, "Healthcheck"), job.Engine, Option, Flag);

        // The old one was told not to start by itself any more; what it had is in the job.
        Option("--restart", job.Restart is "no" ? "" : job.Restart);
        foreach (var port in Json.At(own, "PortBindings") is { ValueKind: JsonValueKind.Object } ports ? [.. ports.EnumerateObject()] : Array.Empty<JsonProperty>())
        {
            Each("--publish", (port.Value.ValueKind == JsonValueKind.Array ? [.. port.Value.EnumerateArray()] : Array.Empty<JsonElement>()).Select(p => $"{(Json.Text(p, "HostIp") is { Length: > 0 } address ? (address.Contains(':', StringComparison.Ordinal) ? $"[{address}]" : address) + ":" : "")}{Json.Text(p, "HostPort")}:{port.Name}"));
        }

        Flag(Json.Is(own, "PublishAllPorts"), "--publish-all");
        Networks(old, own, Option, all);

        // Docker keeps an address of this kind with the container.
        Option("--mac-address", all.Contains("--mac-address") ? "" : Json.Text(config, "MacAddress"));
        Each("--link", Json.Texts(own, "Links").Select(l => l.Split(':') is [var other, var alias] ? $"{other.TrimStart('/')}:{alias[(alias.LastIndexOf('/') + 1)..]}" : l));
        foreach (var mount in Json.Items(old, "Mounts"))
        {
            Mount(mount, job, all);
        }

        foreach (var mount in Json.Items(own, "Mounts").Where(m => Json.Text(m, "Type") == "tmpfs"))
        {
            var options = Json.At(mount, "TmpfsOptions");
            var mode = Json.Number(options, "Mode");
            Option("--mount", $"type=tmpfs,target={Json.Text(mount, "Target")}{(Json.Number(options, "SizeBytes") is > 0 and var size ? $",tmpfs-size={size}" : "")}{(mode > 0 ? $",tmpfs-mode={Convert.ToString(mode, 8)}" : "")}");
        }

        Each("--tmpfs", Json.Map(own, "Tmpfs").Select(t => t.Value.Length > 0 ? $"{t.Key}:{t.Value}" : t.Key));
        Amount("--shm-size", Json.Number(own, "ShmSize"));
        Amount("--memory", Json.Number(own, "Memory"));
        Amount("--memory-reservation", Json.Number(own, "MemoryReservation"));
        Amount("--memory-swap", Json.Number(own, "Memory") > 0 ? Json.Number(own, "MemorySwap") : 0);
        Option("--cpus", Json.Number(own, "NanoCpus") is > 0 and var nano ? (nano / 1e9).ToString(CultureInfo.InvariantCulture) : "");
        if (Json.Number(own, "NanoCpus") == 0)
        {
            Amount("--cpu-quota", Json.Number(own, "CpuQuota"));
            Amount("--cpu-period", Json.Number(own, "CpuPeriod"));
        }

        Amount("--cpu-shares", Json.Number(own, "CpuShares"));
        Option("--cpuset-cpus", Json.Text(own, "CpusetCpus"));
        Option("--cpuset-mems", Json.Text(own, "CpusetMems"));
        Option("--cgroup-parent", Json.Text(own, "CgroupParent"));
        Amount("--pids-limit", Json.Number(own, "PidsLimit"));
        Option("--memory-swappiness", Json.Number(own, "MemorySwappiness") is > 0 and var swappiness ? swappiness.ToString(CultureInfo.InvariantCulture) : "");
        Amount("--blkio-weight", Json.Number(own, "BlkioWeight"));
        Each("--device", Json.Items(own, "Devices").Select(d => $"{Json.Text(d, "PathOnHost")}:{Json.Text(d, "PathInContainer")}{(Json.Text(d, "CgroupPermissions") is { Length: > 0 } may ? ":" + may : "")}"));
        Each("--cap-add", Json.Texts(own, "CapAdd"));
        Each("--cap-drop", Json.Texts(own, "CapDrop"));
        Each("--security-opt", Json.Texts(own, "SecurityOpt"));
        Flag(Json.Is(own, "Privileged"), "--privileged");
        Flag(Json.Is(own, "ReadonlyRootfs"), "--read-only");
        Flag(Json.Is(own, "Init"), "--init");
        Flag(Json.Is(own, "OomKillDisable"), "--oom-kill-disable");
        Amount("--oom-score-adj", Json.Number(own, "OomScoreAdj"));
        Each("--ulimit", Json.Items(own, "Ulimits").Select(u => $"{Limit(Json.Text(u, "Name"))}={Json.Number(u, "Soft")}:{Json.Number(u, "Hard")}"));
        Each("--dns", Json.Texts(own, "Dns"));
        Each("--dns-search", Json.Texts(own, "DnsSearch"));
        Each("--dns-option", Json.Texts(own, "DnsOptions"));
        Each("--add-host", Json.Texts(own, "ExtraHosts"));
        Each("--group-add", Json.Texts(own, "GroupAdd"));
        Each("--sysctl", Json.Map(own, "Sysctls").Select(s => $"{s.Key}={s.Value}"));
        Option("--pid", Json.Text(own, "PidMode") is "private" or "" ? "" : Json.Text(own, "PidMode"));
        Option("--ipc", Json.Text(own, "IpcMode"));
        Option("--uts", Json.Text(own, "UTSMode") is "private" ? "" : Json.Text(own, "UTSMode"));
        Option("--userns", Json.Text(own, "UsernsMode"));
        var log = Json.At(own, "LogConfig");
        Option("--log-driver", Json.Text(log, "Type"));
        Each("--log-opt", Json.Map(log, "Config").Select(o => $"{o.Key}={o.Value}"));

        var variables = Json.Texts(config, "Env").Except(Json.Texts(from, "Env")).Where(e => !Belongs(e, id)).ToArray();
        Each("--env", variables.Where(e => e.Contains('\n', StringComparison.Ordinal)));
        var lines = variables.Where(e => !e.Contains('\n', StringComparison.Ordinal)).ToArray();
        Option("--env-file", lines.Length > 0 ? environmentFile : "");
        var (entry, usual) = (Json.Texts(config, "Entrypoint"), Json.Texts(from, "Entrypoint"));
        var command = Json.Texts(config, "Cmd");
        var changed = string.Join(' ', entry) != string.Join(' ', usual);
        Option("--entrypoint", changed && entry.Length > 0 ? entry[0] : "");
        all.Add(job.Image);
        all.AddRange(changed ? [.. entry.Skip(1), .. command] : command.SequenceEqual(Json.Texts(from, "Cmd")) ? [] : command);
        return ([.. all], lines);

        void Amount(string option, long value) => Option(option, value != 0 ? value.ToString(CultureInfo.InvariantCulture) : "");
    }

    /// <summary>What the engine says differently of two containers beside what has to differ: paths in its answer.</summary>
    /// <param name="old">What the engine says of the old container.</param>
    /// <param name="now">What it says of the new one.</param>
    /// <param name="oldImage">What it says of the old one's image.</param>
    /// <param name="newImage">What it says of the new one's.</param>
    /// <param name="job">The upgrade.</param>
    public static string[] Differences(JsonElement old, JsonElement now, JsonElement oldImage, JsonElement newImage, ContainerJob job)
    {
        var all = new List<string>();
        Compare(Json.At(old, "HostConfig"), Json.At(now, "HostConfig"), "", all);
        foreach (var name in new[] { "User", "Tty", "OpenStdin", "StopTimeout", "StopSignal" })
        {
            if (Json.Text(Json.At(old, "Config"), name) != Json.Text(Json.At(now, "Config"), name))
            {
                all.Add("Config." + name);
            }
        }

        foreach (var (name, image) in new[] { ("Env", "Env"), ("Cmd", "Cmd"), ("Entrypoint", "Entrypoint") })
        {
            string[] Chosen(JsonElement container, JsonElement from) => [.. Json.Texts(Json.At(container, "Config"), name).Except(Json.Texts(Json.At(from, "Config"), image)).Where(e => !Belongs(e, Json.Text(container, "Id"))).Order(StringComparer.Ordinal)];
            if (!Chosen(old, oldImage).SequenceEqual(Chosen(now, newImage)))
            {
                all.Add("Config." + name);
            }
        }

        IEnumerable<string> Networks(JsonElement of) => Json.Map(Json.At(of, "NetworkSettings"), "Networks").Keys;
        string[] Joined(JsonElement of) => [.. JoinedNetwork.Of(of).SelectMany(n => n.Addresses.Where(a => a.Option != "--mac-address").Select(a => $"{n.Name} {a.Value}").Concat(n.Aliases.Select(a => $"{n.Name} {a}"))).Order(StringComparer.Ordinal)];
        if (!Networks(old).SequenceEqual(Networks(now)) || Joined(old).Except(Joined(now)).Any())
        {
            all.Add("NetworkSettings.Networks");
        }

        // The mount with the data is another one, and the new image may have more of them.
        IEnumerable<string> Mounts(JsonElement of) => Json.Items(of, "Mounts").Where(m => Json.Text(m, "Destination") != job.OldTarget).Select(m => $"{Json.Text(m, "Destination")} {Json.Text(m, "Type")} {Json.Text(m, "Source")} {Json.Text(m, "RW")} {Json.Text(m, "Propagation")}");
        all.AddRange(Mounts(old).Except(Mounts(now)).Select(m => "Mounts." + m.Split(' ')[0]));

        return [.. all];
    }

    private static void Compare(JsonElement one, JsonElement other, string path, List<string> all)
    {
        if (Own.Contains(path))
        {
            return;
        }

        if (one.ValueKind == JsonValueKind.Object && other.ValueKind == JsonValueKind.Object)
        {
            foreach (var name in one.EnumerateObject().Concat(other.EnumerateObject()).Select(p => p.Name).Distinct())
            {
                Compare(Json.At(one, name), Json.At(other, name), path.Length == 0 ? name : $"{path}.{name}", all);
            }
        }
        else if (!Empty(one) || !Empty(other))
        {
            // Lists of capabilities and the like have no order.
            string[] Parts(JsonElement of) => of.ValueKind == JsonValueKind.Array ? [.. of.EnumerateArray().Select(e => e.GetRawText()).Order(StringComparer.Ordinal)] : [of.ValueKind == JsonValueKind.Undefined ? "" : of.GetRawText()];
            if (!Parts(one).SequenceEqual(Parts(other)))
            {
                all.Add("HostConfig." + path);
            }
        }
    }

    /// <summary>null, 0, false, "", [] and {} are one to an engine.</summary>
    private static bool Empty(JsonElement of) => of.ValueKind switch
    {
        JsonValueKind.Undefined or JsonValueKind.Null or JsonValueKind.False => true,
        JsonValueKind.String => of.GetString()!.Length == 0,
        JsonValueKind.Number => of.TryGetInt64(out var value) && value == 0,
        JsonValueKind.Array => of.GetArrayLength() == 0,
        JsonValueKind.Object => !of.EnumerateObject().Any(),
        _ => false,
    };

    /// <summary>Variables that an engine sets by itself; and PGDATA where it was the image's.</summary>
    private static bool Belongs(string variable, string id) => variable.Split('=')[0] is "HOSTNAME" or "HOME" or "TERM" or "container" || (variable.StartsWith("HOSTNAME=", StringComparison.Ordinal) && id.StartsWith(variable[9..], StringComparison.Ordinal));

    private static void Networks(JsonElement old, JsonElement own, Action<string, string> option, List<string> all)
    {
        var mode = Json.Text(own, "NetworkMode");
        if (JoinedNetwork.Of(old) is [var first, ..])
        {
            option("--network", first.Name);
            all.AddRange(first.Options("--network-alias"));
        }
        else if (mode is not ("bridge" or "default" or ""))
        {
            option("--network", mode);
        }
    }

    private static void Mount(JsonElement mount, ContainerJob job, List<string> all)
    {
        var (type, destination) = (Json.Text(mount, "Type"), Json.Text(mount, "Destination"));
        if (type is not ("volume" or "bind"))
        {
            return;
        }

        var isData = destination == job.OldTarget;
        var source = isData ? job.NewSource : type == "volume" ? Json.Text(mount, "Name") : Json.Text(mount, "Source");
        var options = Json.Is(mount, "RW") ? new List<string>() : ["ro"];
        options.AddRange(Json.Text(mount, "Mode").Split(',').Where(o => o is "z" or "Z" or "U"));
        options.AddRange(isData || Json.Text(mount, "Propagation") is not ("shared" or "rshared" or "slave" or "rslave" or "private") ? [] : [Json.Text(mount, "Propagation")]);
        all.AddRange(["--volume", $"{source}:{(isData ? job.NewTarget : destination)}{(options.Count > 0 ? ":" + string.Join(',', options) : "")}"]);
    }

    private static void Health(JsonElement check, JsonElement image, string engine, Action<string, string> option, Action<bool, string> flag)
    {
        var test = Json.Texts(check, "Test");
        if (test.Length == 0 || test.SequenceEqual(Json.Texts(image, "Test")))
        {
            return;
        }

        flag(test is ["NONE"], "--no-healthcheck");
        if (test is ["CMD-SHELL", var shell])
        {
            option("--health-cmd", shell);
        }
        else if (test is ["CMD", ..])
        {
            // No engine takes a list of words here; a shell makes one of them again.
            option("--health-cmd", string.Join(' ', test.Skip(1).Select(w => w.Length > 0 && w.All(c => char.IsAsciiLetterOrDigit(c) || "-_./=:@%+,".Contains(c, StringComparison.Ordinal)) ? w : SshHost.Quote(w))));
        }

        foreach (var (name, key) in new[] { ("--health-interval", "Interval"), ("--health-timeout", "Timeout"), ("--health-start-period", "StartPeriod"), ("--health-start-interval", "StartInterval") })
        {
            option(name, Json.Number(check, key) is > 0 and var nanoseconds ? $"{nanoseconds / 1_000_000}ms" : "");
        }

        // Podman keeps a check that nothing runs by itself as one without an interval (podman-create(1)).
        option("--health-interval", engine == "podman" && test is not ["NONE"] && Json.Number(check, "Interval") == 0 ? "disable" : "");
        option("--health-retries", Json.Number(check, "Retries") is > 0 and var retries ? retries.ToString(CultureInfo.InvariantCulture) : "");
    }

    private static string Limit(string name) => name.StartsWith("RLIMIT_", StringComparison.Ordinal) ? name[7..].ToLowerInvariant() : name;
}
