using System.Text.Json;
using Xunit;

namespace Lotse.LabTests;

/// <summary>The journey in containers: one plan, one apply, everybody logs in as before; and back.</summary>
[Trait("lane", "waiting")]
public class PostgresContainerTests
{
    [Theory]
    [InlineData("podman", 18)]
    [InlineData("docker", 17)]
    public void A_container_is_upgraded_and_undone(string engine, int to)
    {
        using var lab = new ContainerLab(engine);
        var image = lab.Image(to);
        var port = Lab.FreePort();
        var compose = $"{lab.Folder}/compose.yaml";
        File.WriteAllText(compose, "services:\n  db:\n    image: localhost/postgres:13 # the shop\n    volumes:\n      - data:/var/lib/postgresql/data\nvolumes:\n  data:\n");
        foreach (var (network, third) in new[] { ("zfront", 71), ("back", 72) })
        {
            lab.Engine("network", "create", "--subnet", $"10.131.{third}.0/24", network);
        }

        lab.Engine(["run", "-d", "--name", "db", .. Options(lab, engine), "-e", "POSTGRES_USER=app", "-e", "POSTGRES_PASSWORD=se kret", "-e", "POSTGRES_DB=shop", "-e", "POSTGRES_INITDB_ARGS=--locale=C -E UTF8 --wal-segsize=32", "-p", $"127.0.0.1:{port}:5432", "-v", "shop_data:/var/lib/postgresql/data",
            "--label", "com.docker.compose.project=shop", "--label", "com.docker.compose.service=db", "--label", $"com.docker.compose.project.config_files={compose}", "--restart", "unless-stopped", "--shm-size", "80m", "--stop-signal", "SIGINT", lab.Image(13)]);
        lab.Engine("network", "connect", "--alias", "second", "back", "db");
        lab.Await("db");
        var made = Made(lab, "db");
        lab.Ask("db", "app", "shop", """
            CREATE TABLE t AS SELECT g AS id, md5(g::text) AS v FROM generate_series(1, 3000) g; CREATE INDEX ON t (v);
            SET password_encryption = 'md5'; CREATE ROLE web LOGIN PASSWORD 'webpw'; SET password_encryption = 'scram-sha-256'; CREATE ROLE api LOGIN PASSWORD 'apipw';
            GRANT SELECT ON t TO web, api; CREATE SEQUENCE s START 10; SELECT nextval('s'); SELECT lo_create(0);
            """);
        lab.Ask("db", "app", "shop", "ALTER SYSTEM SET work_mem = '8MB'");
        var before = lab.Engine("inspect", "--format", "{{.Id}} {{json .HostConfig.PortBindings}} {{.HostConfig.RestartPolicy.Name}}", "db");
        var text = File.ReadAllText(compose);

        // It is in the list, with what the next versions would do to it.
        var listed = lab.Lotse("pg").Text;
        Assert.Matches(@"(?m)^ *13 .*2025-11-13.*db", listed);
        Assert.Contains("to 18: ", listed, StringComparison.Ordinal);

        // Images that plans which were never applied have unpacked go after a day, and no earlier.
        var (left, young) = (Unpacked(lab, DateTimeOffset.UtcNow.AddHours(-25)), Unpacked(lab, DateTimeOffset.UtcNow.AddHours(-23)));
        var plan = $"{lab.Folder}/plan";
        var planned = lab.Lotse("pg", "plan", "db", "--to", image, "-o", plan);
        Assert.True(planned.ExitCode == 0, planned.Text + planned.ErrorText);
        Assert.False(Directory.Exists(left) || File.Exists(left + ".used"));
        Assert.True(Directory.Exists(young) && File.Exists(young + ".used"));
        Directory.Delete(young, recursive: true);
        File.Delete(young + ".used");
        Assert.Contains("the running server was asked", planned.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("se kret", File.ReadAllText(plan), StringComparison.Ordinal);
        var applied = lab.Lotse("apply", plan);
        Assert.True(applied.ExitCode == 0, applied.Text + applied.ErrorText);
        foreach (var (user, password) in new[] { ("web", "webpw"), ("api", "apipw"), ("app", "se kret") })
        {
            Assert.StartsWith($"{user}|{to}.", lab.LogIn("db", user, password, "shop", "SELECT current_user, current_setting('server_version')"), StringComparison.Ordinal);
            Assert.Equal("8MB|3000|4501500", lab.LogIn("db", user, password, "shop", "SELECT current_setting('work_mem'), count(*), sum(id) FROM t"));
        }

        Assert.Equal("refused", lab.LogIn("db", "web", "another", "shop", "SELECT 1"));
        Assert.Equal("11|1|33554432", lab.Ask("db", "app", "shop", "SELECT nextval('s'), (SELECT count(*) FROM pg_largeobject_metadata), (SELECT setting FROM pg_settings WHERE name = 'wal_segment_size')"));
        Assert.Equal(before.Split(' ', 2)[1], lab.Engine("inspect", "--format", "{{json .HostConfig.PortBindings}} {{.HostConfig.RestartPolicy.Name}}", "db"));
        Assert.Equal(made, Made(lab, "db"));
        Assert.Equal(text.Replace("postgres:13", $"postgres:{to}", StringComparison.Ordinal).Replace("- data:/var/lib/postgresql/data", to >= 18 ? $"- data-{to}:/var/lib/postgresql" : $"- data-{to}:/var/lib/postgresql/data", StringComparison.Ordinal).Replace("  data:\n", $"  data:\n  data-{to}:\n", StringComparison.Ordinal), File.ReadAllText(compose));

        var undone = lab.Lotse("undo");
        Assert.True(undone.ExitCode == 0, undone.Text + undone.ErrorText);
        Assert.Equal(before, lab.Engine("inspect", "--format", "{{.Id}} {{json .HostConfig.PortBindings}} {{.HostConfig.RestartPolicy.Name}}", "db"));
        Assert.StartsWith("web|13.", lab.LogIn("db", "web", "webpw", "shop", "SELECT current_user, current_setting('server_version'), count(*) FROM t"), StringComparison.Ordinal);
        Assert.Equal(text, File.ReadAllText(compose));
        Assert.Equal("shop_data", lab.Engine("volume", "ls", "-q"));
        Assert.Equal("db", lab.Engine("ps", "-a", "--format", "{{.Names}}"));
    }

    /// <summary>What people give a container beside its data; the networks not in the order of their names.</summary>
    private static string[] Options(ContainerLab lab, string engine)
    {
        // Podman gives checks to systemd, which tests have not; its limits are set for the engine.
        var folder = Directory.CreateDirectory($"{lab.Folder}/shared").FullName;
        string[] own = engine == "podman" ? ["--health-interval", "disable"] : ["--health-interval", "7s", "--ulimit", "core=0:0"];
        return
        [
            "--network", "zfront", "--ip", "10.131.71.9", "--network-alias", "pg", "--device", "/dev/null:/dev/other", "--health-cmd", "pg_isready -q -d 'shop'", "--tmpfs", "/scratch:size=1m", "--mount", "type=tmpfs,target=/scratch2",
            "--mount", $"type=bind,src={folder},dst=/shared,bind-propagation=private,readonly", "--pids-limit", "199", "--add-host", "cache:10.131.71.77", "--oom-score-adj", "17", .. own,
        ];
    }

    /// <summary>What the engine says of it, as far as it may not change.</summary>
    private static string Made(ContainerLab lab, string name)
    {
        using var read = JsonDocument.Parse(lab.Engine("inspect", name));
        var said = read.RootElement[0];
        JsonElement At(params string[] path) => path.Aggregate(said, (e, p) => e.GetProperty(p));
        string[] host = ["Devices", "PidsLimit", "ExtraHosts", "Ulimits", "OomScoreAdj", "ShmSize", "IpcMode", "UTSMode", "PidMode", "CapAdd", "CapDrop", "SecurityOpt", "Memory", "Tmpfs"];
        var mounts = At("Mounts").EnumerateArray().Where(m => m.GetProperty("Type").GetString() != "volume").Select(m => string.Join(' ', new[] { "Type", "Source", "Destination", "RW", "Propagation" }.Select(p => m.GetProperty(p)))).Order(StringComparer.Ordinal);
        var id = At("Id").GetString()!;
        var networks = At("NetworkSettings", "Networks").EnumerateObject().Select(n => $"{n.Name}: {string.Join(' ', n.Value.GetProperty("Aliases").EnumerateArray().Select(a => a.GetString()!).Where(a => !id.StartsWith(a, StringComparison.Ordinal)))} {(n.Name == "zfront" ? n.Value.GetProperty("IPAddress") : "")}");
        return string.Join('\n', [.. host.Select(h => $"{h} {At("HostConfig", h).GetRawText()}"), At("Config", "Healthcheck").GetRawText(), .. mounts, .. networks]);
    }

    private static string Unpacked(ContainerLab lab, DateTimeOffset used)
    {
        var root = $"{lab.Environment["LOTSE_STATE"]}/images/{Guid.NewGuid():n}";
        File.WriteAllText(Directory.CreateDirectory(root + "/usr").Parent!.FullName + ".used", $"{used:yyyy-MM-ddTHH:mm:ssZ}\n");
        return root;
    }

    /// <summary>Every major version on the way, and all the way back. Minutes: ./test slow.</summary>
    [Theory(Explicit = true)]
    [InlineData("podman")]
    [InlineData("docker")]
    public void A_container_goes_from_13_over_15_and_17_to_18_and_each_step_is_undone(string engine)
    {
        using var lab = new ContainerLab(engine);
        var images = new[] { 13, 15, 17, 18 }.ToDictionary(v => v, lab.Image);
        var port = Lab.FreePort();
        lab.Engine("run", "-d", "--name", "db", "-e", "POSTGRES_USER=app", "-e", "POSTGRES_PASSWORD=se kret", "-e", "POSTGRES_DB=shop", "-e", "POSTGRES_INITDB_ARGS=--locale=C -E UTF8", "-p", $"127.0.0.1:{port}:5432", "-v", "shop:/var/lib/postgresql/data", images[13]);
        lab.Await("db");
        lab.Ask("db", "app", "shop", """
            CREATE TABLE t AS SELECT g AS id, md5(g::text) AS v FROM generate_series(1, 3000) g; CREATE INDEX ON t (v); CREATE SEQUENCE s START 10; SELECT nextval('s'); SELECT lo_from_bytea(4711, '\x010203');
            SET password_encryption = 'md5'; CREATE ROLE web LOGIN PASSWORD 'webpw'; SET password_encryption = 'scram-sha-256'; CREATE ROLE api LOGIN PASSWORD 'apipw'; GRANT SELECT ON t, s TO web, api
            """);
        lab.Ask("db", "app", "shop", "ALTER SYSTEM SET work_mem = '8MB'");
        lab.Ask("db", "app", "shop", "SELECT pg_reload_conf()");
        lab.Ask("db", "app", "shop", "CHECKPOINT");
        const string Asked = "SELECT current_setting('server_version_num')::int / 10000, current_setting('work_mem'), count(*), sum(id), md5(string_agg(v, ',' ORDER BY id)), (SELECT last_value FROM s), md5(lo_get(4711)) FROM t";
        string Serves(string user, string password)
        {
            var inside = lab.LogIn("db", user, password, "shop", Asked.Replace(", md5(lo_get(4711))", "", StringComparison.Ordinal));

            // The other engine's network is its own.
            Assert.True(engine != "podman" || inside == PostgresLab.LogIn(port, user, password, "shop", Asked.Replace(", md5(lo_get(4711))", "", StringComparison.Ordinal)));
            return inside;
        }

        string Said() => string.Join('\n', lab.Engine("inspect", "--format", "{{json .HostConfig.PortBindings}}", "db"), Serves("web", "webpw"), Serves("api", "apipw"), Serves("app", "se kret"), lab.Ask("db", "app", "shop", Asked));
        var before = Said();
        Assert.Equal(4, before.Split("\n13|8MB|3000|4501500|").Length - 1);
        string At(int version) => before.Replace("\n13|", $"\n{version}|", StringComparison.Ordinal);
        foreach (var to in new[] { 15, 17, 18 })
        {
            var planned = lab.Lotse("pg", "plan", "db", "--to", images[to], "-o", lab.Folder + $"/plan-{to}");
            Assert.True(planned.ExitCode == 0, planned.Text + planned.ErrorText);
            var applied = lab.Lotse("apply", lab.Folder + $"/plan-{to}");
            Assert.True(applied.ExitCode == 0, applied.Text + applied.ErrorText);
            Assert.Equal(At(to), Said());
        }

        foreach (var to in new[] { 17, 15, 13 })
        {
            var undone = lab.Lotse("undo");
            Assert.True(undone.ExitCode == 0, undone.Text + undone.ErrorText);
            lab.Await("db");
            Assert.Equal(At(to), Said());
        }

        Assert.Equal("shop", lab.Engine("volume", "ls", "-q"));
        Assert.Equal("db", lab.Engine("ps", "-a", "--format", "{{.Names}}"));
    }
}
