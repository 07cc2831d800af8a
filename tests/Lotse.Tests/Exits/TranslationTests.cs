using Lotse.Exits;
using Lotse.Formats;
using Xunit;

namespace Lotse.Tests.Exits;

/// <summary>Translations against what the kernel did with real packets: tests/data/exits/npt.tsv and range.tsv.</summary>
public class TranslationTests
{
    public static TheoryData<string> Neutral() => [.. File.ReadAllLines(LotseProgram.Data("exits", "npt.tsv"))];

    public static TheoryData<string> Prefixes() => [.. File.ReadAllLines(LotseProgram.Data("exits", "plain.tsv"))];

    public static TheoryData<string> Ranges() => [.. File.ReadAllLines(LotseProgram.Data("exits", "range.tsv"))];

    [Theory]
    [MemberData(nameof(Neutral))]
    public void Is_neutral_as_the_kernel_is(string line)
    {
        var columns = line.Split('\t');
        Assert.Equal((0, columns[3] + "\n", ""), LotseProgram.Run("exits", "map", columns[0], columns[1], columns[2]));
        if (columns[3] != "dropped" && IpPrefix.Parse(columns[0]).Length == IpPrefix.Parse(columns[1]).Length && !columns[2].Contains("ffff", StringComparison.Ordinal))
        {
            // The way back gives the address again: RFC 6296 is one to one, but for 0 and ffff in the word that is changed.
            Assert.Equal((0, columns[2] + "\n", ""), LotseProgram.Run("exits", "map", columns[0], columns[1], columns[3]));
        }
    }

    /// <summary>What the kernel made of nft's <c>snat ip6 prefix to</c>.</summary>
    [Theory]
    [MemberData(nameof(Prefixes))]
    public void Replaces_a_prefix_as_the_kernel_does(string line)
    {
        var columns = line.Split('\t');
        Assert.Equal((0, columns[3] + "\n", ""), LotseProgram.Run("exits", "map", "--plain", columns[0], columns[1], columns[2]));
    }

    [Theory]
    [MemberData(nameof(Ranges))]
    public void Picks_as_the_kernel_does(string line)
    {
        var c = line.Split('\t');
        string[] flags = c[4] == "persistent" ? ["--persistent"] : [];
        Assert.Equal((0, c[5] + "\n", ""), LotseProgram.Run(["exits", "range", c[2], c[3], c[0], c[1], .. flags]));
    }

    [Fact]
    public void A_plain_prefix_keeps_the_host_and_forgets_the_network()
    {
        Assert.Equal("2001:db8:1:2::a1\n", LotseProgram.Run("exits", "map", "--plain", "fd00:11:22::/48", "2001:db8:1:2::/64", "fd00:11:22:7::a1").Output);
        Assert.Equal("2001:db8:1:7::a1\n", LotseProgram.Run("exits", "map", "--plain", "fd00:11:22::/48", "2001:db8:1::/48", "fd00:11:22:7::a1").Output);
    }

    [Theory]
    [InlineData("fd00::/48", "2001:db8::/48", "fe80::1")]
    [InlineData("fd00::/96", "2001:db8::/96", "fd00::1")]
    [InlineData("10.0.0.0/8", "2001:db8::/48", "fd00::1")]
    public void What_cannot_be_translated_is_a_usage_error(string inner, string outer, string address) =>
        Assert.Equal(2, LotseProgram.Run("exits", "map", inner, outer, address).Code);

    [Fact]
    public void The_planned_range_reaches_all_of_the_prefix()
    {
        var range = FindingsOfTranslations.RangeOf(IpPrefix.Parse("2001:db8:1:2::/64")).Split('-');
        var snat = new SnatRange(IpAddress.Parse(range[0]), IpAddress.Parse(range[1]));
        Assert.False(snat.Collapses);
        var picks = Enumerable.Range(1, 200).Select(i => snat.Pick(IpAddress.Parse($"dd00:11:22:1::{i:x}"), IpAddress.Parse("2001:db8:ffff::10"))).ToArray();
        Assert.Equal(200, picks.Distinct().Count());
        Assert.All(picks, p => Assert.True(p >= snat.Low && p <= snat.High));
        Assert.True(new SnatRange(IpAddress.Parse("2001:db8:1:2::"), IpAddress.Parse("2001:db8:1:2:ffff:ffff:ffff:ffff")).Collapses);
    }
}
