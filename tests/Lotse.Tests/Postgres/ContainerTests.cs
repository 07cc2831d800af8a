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
        var job = new ContainerJob { Engine = "docker", Name = "db", Id = "c5", Aside = "db-13", Image = "postgres:18", OldImageId = "a", NewImageId = "b", OldRoot = "/o", NewRoot = "/n", OldTarget = "/data", NewTarget = "/var/lib/postgresql", NewSource = "v-18", NewFolder = "/f", Restart = "on-failure:3" };
        var (arguments, environment) = CreateArguments.Of(old.RootElement, image.RootElement, job, "/env");
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
        Assert.Equal(["HostConfig.Memory", "HostConfig.Sysctls"], CreateArguments.Differences(one.RootElement, other.RootElement, image.RootElement, image.RootElement));
    }

    private static ContainerFacts Container(string type, string name, string source, string destination) => new()
    {
        Engine = "docker",
        Name = "db",
        Id = "c",
        Data = Old.Data,
        Mounts = [new(type, name, source, destination, true, type == "volume" ? "local" : "")],
    };
}
