using System.Text.Json;
using Xunit;

namespace Lotse.LabTests;

/// <summary>
/// A router's exit planned and applied over ssh (dropbear) where only busybox is: in a network namespace of its own, with a
/// tunnel's stand-in to a far end. What the router's services would do is done by hand; its files, routes and connections
/// are looked at by independent programs.
/// </summary>
[Trait("lane", "waiting")]
public sealed class ExitsRemoteTests : IDisposable
{
    private const string Server = "2001:db8:ffff::10";
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);
    private readonly RemoteMachine there = new(Reached.Dropbear, bare: true, separate: true);
    private readonly string far;
    private readonly string before;

    public ExitsRemoteTests()
    {
        Lab.Needs("nft", "ip");
        far = there.Space + "-far";
        var from = Path.Combine(Lab.Checkout(), "tests", "data", "exits", "routers", "00b-clean-nat6", "etc", "config");
        Directory.CreateDirectory(there.Root + "/etc/config");
        Directory.CreateDirectory(there.Root + "/etc/init.d");
        Directory.CreateDirectory(there.Root + "/etc/nftables.d");
        foreach (var file in Directory.GetFiles(from))
        {
            File.WriteAllText($"{there.Root}/etc/config/{Path.GetFileName(file)}", File.ReadAllText(file).Replace("\toption ip6hint '1'\n", "\toption ip6hint '1'\n\toption ip6ifaceid '::77'\n", StringComparison.Ordinal));
        }

        foreach (var service in new[] { "network", "firewall", "odhcpd" })
        {
            var path = $"{there.Root}/etc/init.d/{service}";
            File.WriteAllText(path, $"#!/bin/sh\necho {service} \"$1\" >>/var/lib/services\n[ ! -e /var/lib/slow ] || {{ rm /var/lib/slow; : >/var/lib/here; sleep 5; }}\n");
            File.SetUnixFileMode(path, (UnixFileMode)0b111_101_101);
        }

        before = RemoteMachine.Tree(there.Root);
        Connect();
    }

    public void Dispose()
    {
        there.Dispose();
        Lab.Run(Soon, "ip", "netns", "del", far);
    }

    [Fact]
    public void Applied_and_proven_by_packets_of_the_live_router_and_undone()
    {
        var plan = Plan();
        var applied = there.Lotse("apply", plan, "--host", "lab", "--plain");
        Assert.True(applied.ExitCode == 0, applied.Text + applied.ErrorText);
        Assert.Equal("network reload\nfirewall reload\nodhcpd reload\n", File.ReadAllText(there.Root + "/var/lib/services"));
        Assert.Contains("snat ip6 prefix to 2000:30:40:50::/64", File.ReadAllText(there.Root + "/etc/nftables.d/20-lotse-npt6.nft"), StringComparison.Ordinal);
        Assert.DoesNotContain("masq6", File.ReadAllText(there.Root + "/etc/config/firewall"), StringComparison.Ordinal);

        var proof = JsonDocument.Parse(there.Lotse("exits", "prove", plan, "--host", "lab", "--json").Output).RootElement.GetProperty("reasons").EnumerateArray().ToDictionary(r => r.GetProperty("text").GetString()!, r => r.GetProperty("verdict").GetString());
        Assert.Equal("yes", proof["packets from dd00:11:22:1::77 leave as 2000:30:40:50::77"]);
        Assert.Equal("yes", proof[$"{Server} answers the router's address in lan, dd00:11:22:1::77"]);
        Assert.Equal("yes", proof["10.213.77.2 answers this computer"]);

        // The router is ::1 there, and so is the far end: a host's place is taken, and given back.
        Assert.Equal("yes", proof["packets from dd00:11:22:2:6c6f:7473:6500:1 leave as 2000:30:40:50:6c6f:7473:6500:1"]);
        Assert.DoesNotContain("6c6f", Lab.Run(Soon, "ip", "-n", there.Space, "-6", "addr", "show").Text, StringComparison.Ordinal);

        var undone = there.Lotse("undo", "--host", "lab");
        Assert.True(undone.ExitCode == 0, undone.Text + undone.ErrorText);
        Assert.Equal(before, RemoteMachine.Tree(there.Root));
    }

    [Theory]
    [InlineData("far")]
    [InlineData("here")]
    public void A_change_whose_probe_fails_leaves_every_file_as_it_was(string silent)
    {
        var plan = Plan(silent == "here" ? "10.213.77.1,10.213.77.3" : "10.213.77.2");
        if (silent == "far")
        {
            Ip(far, "link set x0 down");
        }

        var applied = there.Lotse("apply", plan, "--host", "lab", "--plain");
        Assert.True(applied.ExitCode == 5, applied.Text + applied.ErrorText);
        Assert.Contains(silent == "far" ? $"{Server} answers the router" : "10.213.77.3 answers this computer", applied.Text + applied.ErrorText, StringComparison.Ordinal);
        Assert.Equal(before, RemoteMachine.Tree(there.Root));

        // The services have read the old files again.
        Assert.EndsWith("network reload\n", File.ReadAllText(there.Root + "/var/lib/services"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("this side")]
    [InlineData("the router's side")]
    [InlineData("the router's power")]
    public void Killed_in_the_middle_it_is_put_right(string killed)
    {
        var plan = Plan();
        File.WriteAllText(there.Root + "/var/lib/slow", "");
        using var client = there.Start("apply", plan, "--host", "lab", "--plain");
        Assert.True(RemoteMachine.Until(TimeSpan.FromSeconds(60), () => File.Exists(there.Root + "/var/lib/here")));
        Assert.NotEqual(before, RemoteMachine.Tree(there.Root));
        switch (killed)
        {
            case "this side":
                client.Kill(entireProcessTree: true);
                break;
            case "the router's side":
                var holder = File.ReadAllText(there.StateHere + "/plain/lock").Split(' ')[0];
                Assert.Equal(0, Lab.Run(Soon, "kill", "-9", holder).ExitCode);
                break;
            default:
                there.KillAll();
                Assert.Equal(0, there.Lotse("log", "--host", "lab").ExitCode);
                break;
        }

        Assert.True(RemoteMachine.Until(TimeSpan.FromSeconds(30), () => !Path.Exists(there.StateHere + "/plain/pending")));
        Assert.True(client.WaitForExit(60_000));
        Assert.Equal(before, RemoteMachine.Tree(there.Root));
    }

    private string Plan(string here = "10.213.77.2")
    {
        var plan = Path.Combine(there.Folder, $"{Guid.NewGuid():N}.json");
        var made = there.Lotse("exits", "plan", "--host", "lab", "--method", "npt6", "--prefix", "2000:30:40:50::/64", "--probe", Server, "--probe-here", here, "-o", plan);
        Assert.True(made.ExitCode == 0 && File.Exists(plan), made.Text + made.ErrorText);
        return plan;
    }

    /// <summary>The router's networks and rules as its services make them of the planned files, and the far end.</summary>
    private void Connect()
    {
        Assert.Equal(0, Lab.Run(Soon, "ip", "netns", "add", far).ExitCode);
        Ip(there.Space, $"link add wg0 address 02:00:00:00:00:01 type veth peer name x0 address 02:00:00:00:00:01 netns {far}");
        foreach (var (space, line) in new[]
        {
            (there.Space, "link set wg0 arp off up"), (far, "link set x0 arp off up"), (far, "link set lo up"),
            (far, "addr add 2000:30:40:50::1/128 dev x0 nodad"), (far, $"addr add {Server}/128 dev lo nodad"), (far, "-6 route add 2000:30:40:50::/64 dev x0"),
            (there.Space, "addr add 2000:30:40:50::2/128 dev wg0 nodad"), (there.Space, "-6 route add default dev wg0 metric 1024"), (there.Space, "-6 route add 2000:30:40:50::1/128 dev wg0"),
            (there.Space, "link add br-lan type bridge"), (there.Space, "link set br-lan up"), (there.Space, "addr add dd00:11:22:1::77/64 dev br-lan nodad"), (there.Space, "link add br-guest type bridge"), (there.Space, "link set br-guest up"), (there.Space, "addr add dd00:11:22:2::1/64 dev br-guest nodad"), (there.Space, "-6 route add unreachable 2000:30:40:50::/64 metric 2147483647"),
        })
        {
            Ip(space, line);
        }

        var rules = Path.Combine(there.Folder, "rules.nft");
        File.WriteAllText(rules, "table inet t { chain npt { type nat hook postrouting priority 99; oifname \"wg0\" ip6 saddr dd00:11:22::/48 snat ip6 prefix to 2000:30:40:50::/64; }; }\n");
        var loaded = Lab.Run(Soon, "ip", "netns", "exec", there.Space, "nft", "-f", rules);
        Assert.True(loaded.ExitCode == 0, loaded.ErrorText);
    }

    private static void Ip(string space, string line)
    {
        var ran = Lab.Run(Soon, ["ip", "-n", space, .. line.Split(' ')]);
        Assert.True(ran.ExitCode == 0, $"{line}: {ran.ErrorText}");
    }
}
