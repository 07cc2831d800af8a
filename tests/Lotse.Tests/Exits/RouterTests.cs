using Lotse.Exits;
using Lotse.Formats;
using Xunit;

namespace Lotse.Tests.Exits;

/// <summary>Whole routers, tests/data/exits/routers/NAME: a folder with /etc and the ids of what is planted in it (<c>expect</c>).</summary>
public class RouterTests
{
    public static TheoryData<string> Routers() => [.. Directory.GetDirectories(LotseProgram.Data("exits", "routers")).Select(d => Path.GetFileName(d)!).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Routers))]
    public void Names_what_is_planted_and_nothing_else(string name)
    {
        var root = LotseProgram.Data("exits", "routers", name);
        var wanted = File.ReadAllText(Path.Combine(root, "expect")).Split(' ', '\n').Where(w => w.StartsWith("exits/", StringComparison.Ordinal)).Order(StringComparer.Ordinal);
        var envelope = LotseProgram.Json("exits", "why", "--root", root);
        Assert.Equal(wanted, envelope.GetProperty("findings").EnumerateArray().Select(f => f.GetProperty("id").GetString()!).Distinct().Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("00a-clean-pd", "lan", "2000:30:40:51::a1", "none")]
    [InlineData("00b-clean-nat6", "guest", "2000:30:40:50::2", "masquerade")]
    [InlineData("00c-clean-npt6", "lan", "2000:30:40:50::a1", "prefix")]
    [InlineData("00d-clean-range", "lan", null, "range")]
    public void Foretells_what_a_server_sees(string name, string network, string? seen, string how)
    {
        var answer = LotseProgram.Json("exits", "why", "--root", LotseProgram.Data("exits", "routers", name)).GetProperty("answer");
        var exit = answer.GetProperty("networks").EnumerateArray().Single(n => n.GetProperty("network").GetString() == network);
        Assert.Equal(("yes", how), (exit.GetProperty("works").GetString(), exit.GetProperty("how").GetString()));
        Assert.Equal(seen ?? exit.GetProperty("seen").GetString(), exit.GetProperty("seen").GetString());
    }

    [Theory]
    [InlineData("08-tunnel-in-no-zone", "the firewall forwards")]
    [InlineData("23-uci-parse-error", "the firewall lets it through")]
    [InlineData("03-tunnel-address-64", "the answer is routed")]
    public void The_hop_that_fails_says_so(string name, string hop)
    {
        var reasons = LotseProgram.Json("exits", "why", "--root", LotseProgram.Data("exits", "routers", name)).GetProperty("reasons").EnumerateArray();
        Assert.Contains(reasons, r => r.GetProperty("verdict").GetString() == "no" && r.GetProperty("text").GetString()!.StartsWith(hop, StringComparison.Ordinal));
    }

    /// <summary>netifd interface-ip.c: hints first, in the order of the names; then the rest by size, weight and name.</summary>
    [Fact]
    public void A_prefix_is_divided_as_netifd_does()
    {
        PrefixWish[] wishes = [new("lan", 64, 1, 0, []), new("guest", 64, 2, 0, []), new("iot", 62, -1, 0, []), new("late", 64, 2, 0, []), new("other", 64, -1, 0, ["elsewhere"])];
        var (given, without) = PrefixAssignment.Divide(IpPrefix.Parse("2001:db8:0:10::/60"), "wan6", wishes);
        Assert.Equal("guest 2001:db8:0:12::/64, iot 2001:db8:0:14::/62, lan 2001:db8:0:11::/64, late 2001:db8:0:10::/64", string.Join(", ", given.OrderBy(g => g.Key).Select(g => $"{g.Key} {g.Value}")));
        Assert.Empty(without);
        var (one, nothing) = PrefixAssignment.Divide(IpPrefix.Parse("2001:db8:0:10::/64"), "wan6", wishes[..2]);
        Assert.Equal(("guest", "lan"), (one.Single().Key, nothing.Single()));
    }

    [Fact]
    public void Two_halves_cover_the_whole() =>
        Assert.True(Peer.Covers([IpPrefix.Parse("2000::/4"), IpPrefix.Parse("3000::/4")], IpPrefix.Parse("2000::/3")));

    /// <summary>No file of /etc may be made to run anything, and no bytes of it end in a fault.</summary>
    [Fact]
    public void Hostile_configurations_end_in_a_report()
    {
        using var folder = new TemporaryFolder();
        var files = Directory.GetFiles(LotseProgram.Data("exits", "routers", "00c-clean-npt6", "etc"), "*", SearchOption.AllDirectories);
        var random = new Random(5);
        string[] hostile = ["'", "\"", "\0", "$(touch x)", "\e[31m", "::/0", "9999999999", "-1", "{", "}", ";", "\\", "\n", "fe80::1%eth0", "@[", "config zone\n", "\u202e"];
        for (var round = 0; round < 150; round++)
        {
            foreach (var file in files)
            {
                var text = File.ReadAllText(file);
                for (var i = random.Next(4); i > 0; i--)
                {
                    text = text.Insert(random.Next(text.Length), hostile[random.Next(hostile.Length)]);
                }

                folder.Write(Path.Combine("etc", Path.GetRelativePath(LotseProgram.Data("exits", "routers", "00c-clean-npt6", "etc"), file)), text);
            }

            var (code, output, errors) = LotseProgram.Run("exits", "why", "--root", folder.Path);
            Assert.InRange(code, 0, 3);
            Assert.DoesNotContain('\e', output + errors);
            Assert.InRange(LotseProgram.Run("exits", "rules", "--root", folder.Path).Code, 0, 3);
        }
    }
}
