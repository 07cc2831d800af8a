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

    /// <summary>The script for the iptables firewall (fw3 runs it at every reload) leaves one rule, whoever reads it.</summary>
    [Fact]
    public void The_script_for_the_old_firewall_may_run_at_every_reload()
    {
        var root = Path.Combine(folder, "old");
        CopyTree(Path.Combine(Lab.Checkout(), "tests", "data", "exits", "routers", "00b-clean-nat6"), root);
        File.WriteAllText(root + "/etc/openwrt_release", "DISTRIB_RELEASE='21.02.7'\n");
        var plan = Path.Combine(folder, "old.json");
        Assert.Equal(0, Lab.RunLotse("exits", "plan", "--root", root, "--method", "npt6", "-o", plan).ExitCode);
        var lines = JsonDocument.Parse(File.ReadAllBytes(plan)).RootElement.GetProperty("changes").EnumerateArray().Single(c => c.GetProperty("path").GetString() == "/etc/firewall.lotse-exits").GetProperty("lines").EnumerateArray().Select(l => l.GetString());
        var script = Path.Combine(folder, "script");
        File.WriteAllText(script, string.Join('\n', lines) + "\n");
        var ran = Lab.Run(TimeSpan.FromSeconds(20), "unshare", "-n", "sh", "-c", "ip link add wg0 type veth peer name x; sh \"$1\" && sh \"$1\" && sh \"$1\" && ip6tables -t nat -S POSTROUTING", "sh", script);
        Assert.True(ran.ExitCode == 0, ran.ErrorText);
        Assert.Equal("-P POSTROUTING ACCEPT\n-A POSTROUTING -s dd00:11:22::/48 -o wg0 -j NETMAP --to 2000:30:40:50::/64\n", ran.Text);
    }

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
