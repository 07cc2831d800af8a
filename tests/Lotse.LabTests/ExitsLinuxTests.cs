using System.Text.Json;
using Xunit;

namespace Lotse.LabTests;

/// <summary>A router with systemd-networkd and nftables: each method planned and proven in its twin as nobody, applied to its files and taken back.</summary>
public sealed class ExitsLinuxTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("lotse-linux-").FullName;

    public ExitsLinuxTests()
    {
        Lab.NeedsRoot();
        Lab.Needs("nft", "ip", "unshare", "setpriv", "ip6tables");
        File.SetUnixFileMode(folder, (UnixFileMode)0x1ed);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("pd", "--prefix", "2000:30:40:50::/60")]
    [InlineData("nat6")]
    [InlineData("npt6")]
    [InlineData("range")]
    [InlineData("hybrid", "--inbound", "br-lan")]
    [InlineData("stateless")]
    public void Each_method_is_proven_before_it_is_written(string method, params string[] options)
    {
        var root = Copy(method == "stateless");
        string[] plan = ["exits", "plan", "--root", root, "--method", method, .. options];
        var proven = Lab.Run(TimeSpan.FromSeconds(60), ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", Lab.Lotse, .. plan, "--prove", "--json"]);
        Assert.True(proven.ExitCode == 0, proven.Text + proven.ErrorText);
        var proof = JsonDocument.Parse(proven.Output).RootElement.GetProperty("proof");
        Assert.All(proof.GetProperty("reasons").EnumerateArray(), r => Assert.Equal("yes", r.GetProperty("verdict").GetString()));
        Assert.True(proof.GetProperty("reasons").GetArrayLength() >= 9);
        TestContext.Current.SendDiagnosticMessage($"{method}: {proof.GetProperty("verdict")}");

        var before = Files(root);
        var state = new Dictionary<string, string?> { ["LOTSE_STATE"] = Path.Combine(folder, "state") };
        var file = Path.Combine(folder, "plan.json");
        Assert.Equal(0, Lab.RunWith(TimeSpan.FromSeconds(60), state, [Lab.Lotse, .. plan, "-o", file]).ExitCode);
        var applied = Lab.RunWith(TimeSpan.FromSeconds(60), state, Lab.Lotse, "apply", file);
        Assert.True(applied.ExitCode == 0, applied.Text + applied.ErrorText);
        Assert.Contains("IPv6SendRA=yes", File.ReadAllText(root + "/etc/systemd/network/20-lan.network.d/50-lotse-exits.conf"), StringComparison.Ordinal);
        Assert.Equal(1, File.ReadAllText(root + "/etc/nftables.conf").Split("include \"/etc/lotse/exits.nft\"").Length - 1);

        // The same again has nothing to do; taken back, every byte is as before.
        Assert.Contains("nothing to do", Lab.RunWith(TimeSpan.FromSeconds(60), state, [Lab.Lotse, .. plan]).Text, StringComparison.Ordinal);
        var undone = Lab.RunWith(TimeSpan.FromSeconds(60), state, Lab.Lotse, "undo");
        Assert.True(undone.ExitCode == 0, undone.Text + undone.ErrorText);
        Assert.Equal(before, Files(root));
    }

    /// <summary>
    /// The script for the iptables firewall, which fw3 runs at every reload, with both of iptables' backends: one rule, whatever an
    /// earlier plan has left, and packets that leave as foretold.
    /// </summary>
    [Theory]
    [InlineData("npt6", "nft", "2000:30:40:50::a1")]
    [InlineData("npt6", "legacy", "2000:30:40:50::a1")]
    [InlineData("nat6", "nft", "2000:30:40:50::2")]
    [InlineData("nat6", "legacy", "2000:30:40:50::2")]
    public void The_script_for_the_old_firewall_may_run_at_every_reload(string method, string backend, string seen)
    {
        Lab.Needs($"ip6tables-{backend}", "python3");
        var root = Path.Combine(folder, "old");
        CopyTree(Path.Combine(Lab.Checkout(), "tests", "data", "exits", "routers", "00b-clean-nat6"), root);
        File.WriteAllText(root + "/etc/openwrt_release", "DISTRIB_RELEASE='21.02.7'\n");
        File.WriteAllText(root + "/etc/config/firewall", File.ReadAllText(root + "/etc/config/firewall").Replace("\toption masq6 '1'\n", "", StringComparison.Ordinal));
        var plan = Path.Combine(folder, "old.json");
        var made = Lab.RunLotse("exits", "plan", "--root", root, "--method", method, "-o", plan);
        Assert.True(made.ExitCode == 0 && File.Exists(plan), made.Text + made.ErrorText);
        var lines = JsonDocument.Parse(File.ReadAllBytes(plan)).RootElement.GetProperty("changes").EnumerateArray().Single(c => c.GetProperty("path").GetString() == "/etc/firewall.lotse-exits").GetProperty("lines").EnumerateArray().Select(l => l.GetString());
        var script = Path.Combine(folder, "script");
        File.WriteAllText(script, string.Join('\n', lines) + "\n");
        File.CreateSymbolicLink(Path.Combine(folder, "ip6tables"), $"/usr/sbin/ip6tables-{backend}");
        var ran = Lab.RunWith(TimeSpan.FromSeconds(60), new() { ["PATH"] = $"{folder}:{Environment.GetEnvironmentVariable("PATH")}" }, "unshare", "-n", "--kill-child", "sh", "-c", OldRouter, "sh", script);
        Assert.True(ran.ExitCode == 0, ran.ErrorText);
        Assert.Equal($"-P POSTROUTING ACCEPT\n-A POSTROUTING -j lotse_exits\n1 rule\n{seen}\n2000:30:40:50::2\n", ran.Text);
    }

    /// <summary>
    /// The script three times upon an older rule; then a datagram of a host and one of the router to a server that tells its
    /// sender. Tunnel and network are wires without neighbour discovery.
    /// </summary>
    private const string OldRouter = """
        set -e
        exec 3>&1 >&2
        unshare -n sleep 50 & host=$!
        unshare -n sleep 50 & far=$!
        trap 'kill $host $far' EXIT
        sleep 0.3
        ip link add br-lan address 02:00:00:00:00:01 type veth peer name e0 address 02:00:00:00:00:01 netns $host
        ip link add wg0 address 02:00:00:00:00:01 type veth peer name e0 address 02:00:00:00:00:01 netns $far
        sysctl -qw net.ipv6.conf.all.forwarding=1
        ip link set br-lan arp off up; ip link set wg0 arp off up
        ip addr add dd00:11:22:1::1/64 dev br-lan nodad; ip addr add 2000:30:40:50::2/128 dev wg0 nodad; ip -6 route add default dev wg0
        nsenter -t $host -n sh -c 'ip link set e0 arp off up; ip addr add dd00:11:22:1::a1/64 dev e0 nodad; ip -6 route add default dev e0'
        nsenter -t $far -n sh -c 'ip link set lo up; ip link set e0 arp off up; ip addr add 2001:db8:ffff::10/128 dev lo nodad; ip -6 route add default dev e0'
        ip6tables -t nat -N lotse_exits; ip6tables -t nat -A lotse_exits -o wg0 -s dd00:11:22:1::/64 -j NETMAP --to 2000:30:40:99::/64; ip6tables -t nat -A POSTROUTING -j lotse_exits
        sh "$1"; sh "$1"; sh "$1"
        ip6tables -t nat -S POSTROUTING >&3
        echo "$(ip6tables -t nat -S lotse_exits | grep -c '^-A') rule" >&3
        nsenter -t $far -n python3 -c 'import socket
        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind(("::", 7000)); s.settimeout(40)
        while True:
            d, a = s.recvfrom(9); s.sendto(a[0].encode(), a)' & server=$!
        trap 'kill $host $far $server' EXIT
        ask='import socket
        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.settimeout(1)
        for _ in range(20):
            s.sendto(b"x", ("2001:db8:ffff::10", 7000))
            try: print(s.recv(99).decode()); break
            except OSError: pass'
        nsenter -t $host -n python3 -c "$ask" >&3
        python3 -c "$ask" >&3
        """;

    private string Copy(bool single)
    {
        var root = Path.Combine(folder, "router");
        CopyTree(Path.Combine(Lab.Checkout(), "tests", "data", "exits", "linux"), root);
        if (single)
        {
            File.Delete(root + "/etc/systemd/network/30-guest.network");
        }

        return root;
    }

    private static void CopyTree(string from, string to)
    {
        foreach (var file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
    }

    private static Dictionary<string, string> Files(string root) =>
        Directory.GetFiles(root, "*", SearchOption.AllDirectories).ToDictionary(f => f, f => Convert.ToHexString(File.ReadAllBytes(f)));
}
