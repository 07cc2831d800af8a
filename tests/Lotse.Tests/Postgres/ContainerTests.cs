using System.Text.Json;
using Lotse.Postgres.Containers;
using Xunit;

namespace Lotse.Tests.Postgres;

public class ContainerTests
{
    private static readonly ImageFacts Old = new("postgres:13", "a", 13, "/var/lib/postgresql/data", ["/var/lib/postgresql/data"], ["/bin"]);
    private static readonly ImageFacts Next = new("postgres:17", "b", 17, "/var/lib/postgresql/data", ["/var/lib/postgresql/data"], ["/bin"]);
    private static readonly ImageFacts Moved = new("postgres:18", "c", 18, "/var/lib/postgresql/18/docker", ["/var/lib/postgresql"], ["/bin"]);

    [Theory]
    [InlineData("postgres:13", "postgres:18")]
    [InlineData("postgres:13.23-bookworm", "postgres:18-bookworm")]
    [InlineData("docker.io/library/postgres:13-alpine", "docker.io/library/postgres:18-alpine")]
    [InlineData("postgis/postgis:13-3.4", "postgis/postgis:18-3.4")]
    [InlineData("registry.example:5000/postgres", "registry.example:5000/postgres:18")]
    [InlineData("postgres:13@sha256:0123", "postgres:18")]
    [InlineData("postgres:latest", "postgres:18")]
    public void An_image_of_another_version(string image, string other) => Assert.Equal(other, ContainerLayout.Retag(image, 18));

    [Fact]
    public void Before_18_a_new_volume_has_the_place_of_the_old_one()
    {
        var layout = ContainerLayout.Of(Container("volume", "shop_data", "/v/volumes/shop_data/_data", "/var/lib/postgresql/data"), Next, 17);
        Assert.Equal(new("/var/lib/postgresql/data", "/var/lib/postgresql/data", "shop_data-17", "/v/volumes/shop_data-17/_data", "/v/volumes/shop_data-17/_data", "/v/lotse/shop_data-17", true), layout);
    }

    [Fact]
    public void Since_18_the_mount_moves_up()
    {
        var layout = ContainerLayout.Of(Container("bind", "", "/srv/db-13/", "/var/lib/postgresql/data"), Moved, 18);
        Assert.Equal(new("/var/lib/postgresql/18/docker", "/var/lib/postgresql", "/srv/db-18", "/srv/db-18", "/srv/db-18/18/docker", "/srv/db-18/18/docker.lotse", true) { Work = "/srv/db-18.lotse" }, layout);
    }

    [Fact]
    public void From_18_on_one_mount_serves_both()
    {
        var container = Container("volume", "db", "/v/volumes/db/_data", "/var/lib/postgresql") with { Data = "/var/lib/postgresql/18/docker" };
        var layout = ContainerLayout.Of(container, Moved with { Major = 19, Data = "/var/lib/postgresql/19/docker" }, 19);
        Assert.Equal(("/v/volumes/db/_data/19/docker", false), (layout!.Directory, layout.IsNewSource));
    }

    [Fact]
    public void A_chosen_folder_stays_chosen()
    {
        var container = Container("volume", "db", "/v/volumes/db/_data", "/var/lib/postgresql/data") with { Data = "/var/lib/postgresql/data/pgdata", ChoseData = true };
        Assert.Equal("/v/volumes/db/_data/pgdata", container.Directory);
        Assert.Equal(("/v/volumes/db-18/_data/pgdata", "/var/lib/postgresql/data"), (ContainerLayout.Of(container, Moved, 18)!.Directory, ContainerLayout.Of(container, Moved, 18)!.Target));
    }

    [Fact]
    public void Data_in_the_container_itself_has_no_place() => Assert.Null(Container("volume", "x", "/v/volumes/x/_data", "/elsewhere").Directory);

    [Theory]
    [InlineData("services:\n  web:\n    image: nginx\n  db:\n    image: 'postgres:13'\n    volumes:\n    - data:/var/lib/postgresql/data:z\n  app:\n    image: postgres:13\nvolumes:\n  data:\n",
        "services:\n  web:\n    image: nginx\n  db:\n    image: 'postgres:18'\n    volumes:\n    - data-18:/var/lib/postgresql:z\n  app:\n    image: postgres:13\nvolumes:\n  data:\n  data-18:\n")]
    [InlineData("volumes:\r\n  data:\r\nservices:\r\n  db:\r\n    volumes:\r\n      - \"data:/var/lib/postgresql/data\"\r\n    image: postgres:13 # old\r\n",
        "volumes:\r\n  data:\r\n  data-18:\r\nservices:\r\n  db:\r\n    volumes:\r\n      - \"data-18:/var/lib/postgresql\"\r\n    image: postgres:18 # old\r\n")]
    [InlineData("services:\n  db:\n    image: postgres:${PG}\n    volumes:\n      - data:/var/lib/postgresql/data\nvolumes:\n  data:\n", null)]
    [InlineData("services:\n  db:\n    image: postgres:13\n    volumes:\n      - type: volume\n        source: data\n        target: /var/lib/postgresql/data\nvolumes:\n  data:\n", null)]
    [InlineData("services:\n  db:\n    image: postgres:13\n    volumes:\n      - data:/var/lib/postgresql/data\nvolumes:\n  data:\n    external: true\n", null)]
    [InlineData("services:\n  other:\n    image: postgres:13\n", null)]
    public void Only_the_plain_lines_of_a_compose_file_are_changed(string before, string? after)
    {
        var mount = Container("volume", "shop_data", "/v/volumes/shop_data/_data", "/var/lib/postgresql/data").DataMount!;
        var layout = new ContainerLayout("/var/lib/postgresql/18/docker", "/var/lib/postgresql", "shop_data-18", "/x", "/x", "/x", true);
        Assert.Equal(after, ComposeFile.Edit(before, new("shop", "db", "/c"), mount, "postgres:18", layout, out var unclear));
        Assert.Equal(after is null, unclear is not null);
    }

    [Fact]
    public void A_container_is_made_like_the_old_one_and_no_secret_is_an_argument()
    {
        using var old = JsonDocument.Parse("""
            {"Id":"c5f93766f00f01","Name":"/db","Config":{"Hostname":"pg.example","User":"","Env":["PGDATA=/d","POSTGRES_PASSWORD=se kret","A=1\n2"],"Cmd":["postgres","-c","fsync=off"],"Entrypoint":["e"],"Labels":{"a":"b","of":"image"}},
             "HostConfig":{"PortBindings":{"5432/tcp":[{"HostIp":"::1","HostPort":"15432"},{"HostIp":"","HostPort":"15433"}]},"NetworkMode":"shop_default","ShmSize":83886080,"CapDrop":["NET_RAW"],"NanoCpus":1500000000},
             "Mounts":[{"Type":"volume","Name":"v","Source":"/v","Destination":"/data","RW":true},{"Type":"bind","Source":"/etc/pg","Destination":"/conf","RW":false,"Mode":"Z"}],
             "NetworkSettings":{"Networks":{"shop_default":{"Aliases":["db","c5f93766f00f"],"IPAMConfig":null}}}}
            """);
        using var image = JsonDocument.Parse("""{"Config":{"Env":["PGDATA=/d"],"Cmd":["postgres"],"Entrypoint":["e"],"Labels":{"of":"image"}}}""");
        var (arguments, environment) = CreateArguments.Of(old.RootElement, image.RootElement, Job, "/env");
        Assert.Equal("--name db --hostname pg.example --label a=b --restart on-failure:3 --publish [::1]:15432:5432/tcp --publish 15433:5432/tcp --network shop_default --volume v-18:/var/lib/postgresql --volume /etc/pg:/conf:ro,Z --shm-size 83886080 --cpus 1.5 --cap-drop NET_RAW --env A=1\n2 --env-file /env postgres:18 postgres -c fsync=off",
            string.Join(' ', arguments).Replace("--network-alias db ", "", StringComparison.Ordinal));
        Assert.Equal(["POSTGRES_PASSWORD=se kret"], environment);
        Assert.DoesNotContain(arguments, a => a.Contains("kret", StringComparison.Ordinal));
    }

    [Fact]
    public void What_an_engine_says_differently_of_two_containers_is_found()
    {
        using var image = JsonDocument.Parse("{}");
        using var one = JsonDocument.Parse("""{"Id":"1","HostConfig":{"Memory":5,"CapAdd":["B","A"],"Devices":null,"Sysctls":{"a":"1"}},"Config":{"User":"x"}}""");
        using var other = JsonDocument.Parse("""{"Id":"2","HostConfig":{"Memory":6,"CapAdd":["A","B"],"Devices":[]},"Config":{"User":"x"}}""");
        Assert.Equal(["HostConfig.Memory", "HostConfig.Sysctls"], CreateArguments.Differences(one.RootElement, other.RootElement, image.RootElement, image.RootElement, Job));
    }

    [Theory]
    [InlineData("""{"Networks":{"back":{"IPAMConfig":{"IPv4Address":"10.0.1.8","IPv6Address":"fd00::8"},"Aliases":["two","c5f9"]},"front":{"Aliases":["pg","db"]}}}""", "front", "", "front --alias pg;back --alias two --ip 10.0.1.8 --ip6 fd00::8")]
    [InlineData("""{"Networks":{"back":{"NetworkID":"ab"},"front":{"NetworkID":"cd"}}}""", "cd", "", "front ;back ")]
    [InlineData("""{"Networks":{"app":{},"bridge":{}}}""", "default", "", "bridge ;app ")]
    [InlineData("""{"Networks":{"bridge":{"Aliases":null}}}""", "default", "", "")]
    [InlineData("""{"Networks":{"host":{}}}""", "host", "", "")]
    [InlineData("""{"Networks":{"front":{"IPAMConfig":null}}}""", "bridge", "podman run --ip=10.0.2.9 --mac-address 02:00:00:00:00:01 --network front image -c ip=4", "front --ip 10.0.2.9 --mac-address 02:00:00:00:00:01")]
    [InlineData("""{"Networks":{"front":{}}}""", "bridge", "podman run --network front:ip=10.0.2.9,mac=02:00:00:00:00:01,alias=x image", "front --ip 10.0.2.9 --mac-address 02:00:00:00:00:01")]
    [InlineData("""{"Networks":{"back":{},"front":{}}}""", "bridge", "podman create --net=front --ip 10.0.2.9 image", "front --ip 10.0.2.9;back ")]
    [InlineData("""{"Networks":{"podman":{}}}""", "bridge", "podman run --ip", "")]
    public void Networks_come_in_the_order_in_which_they_are_joined(string settings, string mode, string command, string expected)
    {
        using var container = JsonDocument.Parse($$"""{"Id":"c5f9aa","Name":"/db","HostConfig":{"NetworkMode":"{{mode}}"},"Config":{"CreateCommand":{{JsonSerializer.Serialize(command.Split(' '))}}},"NetworkSettings":{{settings}}}""");
        Assert.Equal(expected, string.Join(';', JoinedNetwork.Of(container.RootElement).Select(n => $"{n.Name} {string.Join(' ', n.Options("--alias"))}")));
    }

    [Fact]
    public void Health_devices_mounts_and_limits_are_asked_for_again()
    {
        using var old = JsonDocument.Parse("""
            {"Id":"c5","Config":{"Healthcheck":{"Test":["CMD","pg_isready","-d","a b"],"StartInterval":2000000000}},
             "HostConfig":{"Devices":[{"PathOnHost":"/dev/null","PathInContainer":"/dev/x","CgroupPermissions":"rwm"}],"PidsLimit":99,"CgroupParent":"/db","UTSMode":"host","IpcMode":"shareable","Links":["/cache:/db/c"],"Mounts":[{"Type":"tmpfs","Target":"/t","TmpfsOptions":{"SizeBytes":4096,"Mode":448}}]},
             "Mounts":[{"Type":"bind","Source":"/s","Destination":"/d","RW":true,"Propagation":"rslave"},{"Type":"tmpfs","Destination":"/t"}]}
            """);
        using var image = JsonDocument.Parse("{}");
        Assert.Equal("--name db --health-cmd pg_isready -d 'a b' --health-start-interval 2000ms --restart on-failure:3 --link cache:c --volume /s:/d:rslave --mount type=tmpfs,target=/t,tmpfs-size=4096,tmpfs-mode=700 --cgroup-parent /db --pids-limit 99 --device /dev/null:/dev/x:rwm --ipc shareable --uts host postgres:18",
            string.Join(' ', CreateArguments.Of(old.RootElement, image.RootElement, Job, "/env").Arguments));
        Assert.Equal(["Mounts./d", "Mounts./t"], CreateArguments.Differences(old.RootElement, JsonDocument.Parse(old.RootElement.GetRawText().Replace("rslave", "rprivate", StringComparison.Ordinal).Replace("\"Type\":\"tmpfs\",\"Destination\":\"/t\"", "\"Type\":\"tmpfs\",\"Destination\":\"/u\"", StringComparison.Ordinal)).RootElement, image.RootElement, image.RootElement, Job));
    }

    private static ContainerJob Job { get; } = new() { Engine = "docker", Name = "db", Id = "c5", Aside = "db-13", Image = "postgres:18", OldImageId = "a", NewImageId = "b", OldRoot = "/o", NewRoot = "/n", OldTarget = "/data", NewTarget = "/var/lib/postgresql", NewSource = "v-18", NewFolder = "/f", Restart = "on-failure:3" };

    private static ContainerFacts Container(string type, string name, string source, string destination) => new()
    {
        Engine = "docker",
        Name = "db",
        Id = "c",
        Data = Old.Data,
        Mounts = [new(type, name, source, destination, true, type == "volume" ? "local" : "")],
    };
}
