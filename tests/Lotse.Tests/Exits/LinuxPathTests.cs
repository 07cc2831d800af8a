using Xunit;

namespace Lotse.Tests.Exits;

/// <summary>A plain Linux router's packets, hop by hop: tests/data/exits/linux-npt6, and what one edit each breaks.</summary>
public class LinuxPathTests
{
    private const string Wg = "systemd/network/50-wg0.netdev", Rules = "nftables.conf";
    private const string Drops = "\ntable inet more { chain f { type filter hook forward priority 10; policy drop;\n";

    [Theory]
    [InlineData("hosts of br-guest are told", "systemd/network/30-guest.network.d/50-lotse-exits.conf", "IPv6SendRA=yes", "IPv6SendRA=no")]
    [InlineData("hosts of br-guest are told", "systemd/network/30-guest.network.d/50-lotse-exits.conf", "[IPv6Prefix]", "[IPv6SendRA]\nRouterLifetimeSec=0\n[IPv6Prefix]")]
    [InlineData("hosts of br-guest get an address", "systemd/network/30-guest.network.d/50-lotse-exits.conf", "Address=dd", "#Address=dd")]
    [InlineData("the router forwards IPv6", "sysctl.d/90-lotse-exits.conf", "forwarding = 1", "forwarding = 0")]
    [InlineData("the router has a route to", "systemd/network/50-wg0.network.d/50-lotse-exits.conf", "Destination=::/0", "Destination=2001:db8:1::/48")]
    [InlineData("a peer of wg0 may have packets for", Wg, "AllowedIPs=::/0", "AllowedIPs=2001:db8:1::/48")]
    [InlineData("the firewall forwards from br-lan to wg0", Rules, "", Drops + "ct state established,related accept\n} }\n")]
    [InlineData("the firewall forwards from br-guest to wg0", Rules, "", Drops + "ct state vmap { established : accept, related : accept }\niifname \"br-lan\" jump lans\n}\nchain lans { meta l4proto tcp counter accept\n} }\n")]
    [InlineData("the firewall forwards from br-lan to wg0", Rules, "", "\ntable ip6 more {\n\tchain f {\n\t\ttype filter hook forward priority filter; policy accept;\n\t\ticmpv6 type echo-request accept\n\t\toifname \"wg0\" counter packets 1 bytes 2 reject with icmpv6 admin-prohibited\n\t}\n}\n")]
    [InlineData("is an address of the far end's prefix", Rules, "include \"/etc/lotse/exits.nft\"", "")]
    public void The_hop_that_one_edit_breaks_is_named(string hop, string file, string old, string now)
    {
        using var folder = Copy(file, old, now);
        var answer = LotseProgram.Json("exits", "why", "--root", folder.Path);
        Assert.Contains(answer.GetProperty("reasons").EnumerateArray(), r => r.GetProperty("verdict").GetString() == "no" && r.GetProperty("text").GetString()!.Contains(hop, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(Rules, "", "")]
    [InlineData(Rules, "", Drops + "ct state { established, related } accept\nct state invalid drop\niifname { \"br-lan\", \"br-guest\" } oifname \"wg0\" accept\n} }\n")]
    [InlineData(Rules, "", "\ntable ip more { chain f { type filter hook forward priority 10; policy drop; } }\n")]
    [InlineData("systemd/network/50-wg0.network.d/50-lotse-exits.conf", "[Route]\nDestination=::/0", "[Network]\nGateway=fe80::1")]
    [InlineData("systemd/network/30-guest.network.d/50-lotse-exits.conf", "IPv6SendRA=yes", "IPv6SendRA=true")]
    [InlineData("sysctl.d/90-lotse-exits.conf", "net.ipv6.conf.all.forwarding = 1", "-net/ipv6/conf/all/forwarding=1")]
    public void Each_network_is_seen_as_foretold(string file, string old, string now)
    {
        using var folder = Copy(file, old, now);
        var networks = LotseProgram.Json("exits", "why", "--root", folder.Path).GetProperty("answer").GetProperty("networks").EnumerateArray();
        Assert.Equal("br-lan yes 2000:30:40:50::a1, br-guest yes 2000:30:40:50::a1", string.Join(", ", networks.Select(n => $"{n.GetProperty("network")} {n.GetProperty("works")} {n.GetProperty("seen")}")));
    }

    /// <summary>wg-quick makes the routes of AllowedIPs itself, unless Table=off.</summary>
    [Theory]
    [InlineData("", "yes")]
    [InlineData("Table = off\n", "no")]
    public void The_routes_of_wg_quick_are_its_own(string table, string works)
    {
        using var folder = Copy(Rules, "", "");
        var network = folder.Path + "/etc/systemd/network";
        File.Delete(network + "/50-wg0.netdev");
        File.Delete(network + "/50-wg0.network");
        Directory.Delete(network + "/50-wg0.network.d", recursive: true);
        Directory.CreateDirectory(folder.Path + "/etc/wireguard");
        File.WriteAllText(folder.Path + "/etc/wireguard/wg0.conf", $"[Interface]\n{table}Address = 10.9.0.2/32, 2000:30:40:50::2/128\n[Peer]\nEndpoint = 203.0.113.1:51820\nAllowedIPs = 0.0.0.0/0, ::/0\n");
        var answer = LotseProgram.Json("exits", "why", "ddfe:1aa1:21ff:2::7", "2001:db8:5::1", "--root", folder.Path).GetProperty("answer").GetProperty("networks")[0];
        Assert.Equal((works, works == "yes" ? "2000:30:40:50::7" : ""), (answer.GetProperty("works").GetString(), answer.GetProperty("seen").ToString()));
    }

    private static TemporaryFolder Copy(string file, string old, string now)
    {
        var folder = new TemporaryFolder();
        var from = LotseProgram.Data("exits", "linux-npt6");
        foreach (var path in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(folder.Path, Path.GetRelativePath(from, path));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            var text = File.ReadAllText(path);
            if (path.EndsWith("/etc/" + file, StringComparison.Ordinal))
            {
                Assert.Contains(old, text, StringComparison.Ordinal);
                text = old.Length == 0 ? text + now : text.Replace(old, now, StringComparison.Ordinal);
            }

            File.WriteAllText(copy, text);
        }

        return folder;
    }
}
