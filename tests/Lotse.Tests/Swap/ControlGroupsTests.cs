using CsCheck;
using Lotse.Swap;
using Xunit;

namespace Lotse.Tests.Swap;

public class ControlGroupsTests
{
    private const string Id = "3f1c9a2b4d5e6f708192a3b4c5d6e7f83f1c9a2b4d5e6f708192a3b4c5d6e7f8";

    [Theory]
    [InlineData("/system.slice/ssh.service", "ssh.service", null)]
    [InlineData("/system.slice/system-postgresql.slice/postgresql@15-main.service", "postgresql@15-main.service", null)]
    [InlineData("/user.slice/user-1000.slice/session-3.scope", "session-3.scope", null)]
    [InlineData("/user.slice/user-1000.slice/user@1000.service/app.slice/app-foo.scope", "app-foo.scope", null)]
    [InlineData("/user.slice/user-1000.slice/user@1000.service/init.scope", "init.scope", null)]
    [InlineData("/user.slice/user-1000.slice/user@1000.service", "user@1000.service", null)]
    [InlineData("/system.slice/docker-" + Id + ".scope", "docker-" + Id + ".scope", "3f1c9a2b4d5e")]
    [InlineData("/machine.slice/libpod-" + Id + ".scope/container", "libpod-" + Id + ".scope", "3f1c9a2b4d5e")]
    [InlineData("/docker/" + Id, null, "3f1c9a2b4d5e")]
    [InlineData("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podx.slice/cri-containerd-" + Id + ".scope", "cri-containerd-" + Id + ".scope", "3f1c9a2b4d5e")]
    [InlineData("/lxc.payload.web/system.slice/nginx.service", "nginx.service", "web")]
    [InlineData("/lxc/web", null, "web")]
    [InlineData(@"/machine.slice/machine-my\x2dbox.scope", @"machine-my\x2dbox.scope", "my-box")]
    [InlineData("/", null, null)]
    [InlineData("/a", null, null)]
    public void A_path_names_unit_and_container(string path, string? unit, string? container)
    {
        Assert.Equal(unit, ControlGroups.UnitOf(path));
        Assert.Equal(container, ControlGroups.ContainerOf(path));
    }

    [Theory]
    [InlineData("0::/system.slice/ssh.service\n", "/system.slice/ssh.service")]
    [InlineData("9:name=systemd:/system.slice/ssh.service\n4:memory:/\n0::/\n", "/system.slice/ssh.service")]
    [InlineData("9:name=systemd:/\n4:memory:/docker/x\n3:cpu:/other\n0::/\n", "/docker/x")]
    [InlineData("0::/odd:name\n", "/odd:name")]
    [InlineData("", null)]
    public void The_path_that_says_most_is_taken(string file, string? path) => Assert.Equal(path, ControlGroups.PathOf(file));

    [Fact]
    public void No_text_breaks_it() => Gen.String.Sample(text =>
    {
        var path = ControlGroups.PathOf(text) ?? text;
        _ = ControlGroups.UnitOf(path);
        _ = ControlGroups.ContainerOf(path);
    });
}
