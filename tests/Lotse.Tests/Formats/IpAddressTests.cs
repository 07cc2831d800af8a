using System.Net;
using CsCheck;
using Lotse.Formats;
using Xunit;

namespace Lotse.Tests.Formats;

public class IpAddressTests
{
    /// <summary>Text, and what glibc's inet_ntop prints of it; null: inet_pton refuses it.</summary>
    [Theory]
    [InlineData("::", "::")]
    [InlineData("::1", "::1")]
    [InlineData("1::", "1::")]
    [InlineData("::192.0.2.1", "::192.0.2.1")]
    [InlineData("::c000:201", "::192.0.2.1")]
    [InlineData("::1:0", "::0.1.0.0")]
    [InlineData("::ffff:c000:201", "::ffff:192.0.2.1")]
    [InlineData("64:ff9b::192.0.2.1", "64:ff9b::c000:201")]
    [InlineData("FD00:0:0:0:0:0:0:0", "fd00::")]
    [InlineData("1:0:0:2:0:0:0:3", "1:0:0:2::3")]
    [InlineData("1:0:0:2:3:0:0:4", "1::2:3:0:0:4")]
    [InlineData("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7")]
    [InlineData("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0")]
    [InlineData("10.0.0.1", "10.0.0.1")]
    [InlineData("1:2:3:4:5:6:7:8::", null)]
    [InlineData("fd00:11::22::", null)]
    [InlineData(":::", null)]
    [InlineData(":1", null)]
    [InlineData("1:", null)]
    [InlineData("::1:", null)]
    [InlineData("12345::", null)]
    [InlineData("::00001", null)]
    [InlineData("::g", null)]
    [InlineData("::1.2.3", null)]
    [InlineData("::1.2.3.4:5", null)]
    [InlineData("1:2:3:4:5:6:7:1.2.3.4", null)]
    [InlineData("fe80::1%eth0", null)]
    [InlineData("[::1]", null)]
    [InlineData("01.2.3.4", null)]
    [InlineData("1.2.3.256", null)]
    [InlineData("1.2.3", null)]
    [InlineData("1.2.3.4.5", null)]
    [InlineData("1.2.3.", null)]
    [InlineData("", null)]
    public void Reads_and_prints_as_the_C_library(string text, string? printed)
    {
        Assert.Equal(printed is not null, IpAddress.TryParse(text, out var address));
        if (printed is not null)
        {
            Assert.Equal(printed, address.ToString());
        }
    }

    [Fact]
    public void Reads_back_what_it_prints() =>
        Gen.ULong[0, 0xffff].Array[8].Where(g => g.Length == 8).Sample(groups =>
        {
            // Half of the groups zero, so that runs of zeros come.
            UInt128 bits = 0;
            foreach (var group in groups)
            {
                bits = (bits << 16) | (group % 2 == 0 ? 0 : (UInt128)group);
            }

            var address = IpAddress.V6(bits);
            return IpAddress.TryParse(address.ToString(), out var back) && back == address
                && IPAddress.Parse(address.ToString()).GetAddressBytes().AsSpan().SequenceEqual(address.ToBytes());
        });

    [Theory]
    [InlineData("fd00:11:22::/48", "fd00:11:22:1::20", true)]
    [InlineData("fd00:11:22::/48", "fd00:11:23::", false)]
    [InlineData("::/0", "ffff::", true)]
    [InlineData("::/0", "1.2.3.4", false)]
    [InlineData("0.0.0.0/0", "1.2.3.4", true)]
    [InlineData("10.1.2.3/8", "10.255.0.1", true)]
    [InlineData("10.1.2.3/32", "10.1.2.3", true)]
    [InlineData("10.1.2.3/32", "10.1.2.2", false)]
    public void A_prefix_holds_addresses_of_its_family(string prefix, string address, bool holds) =>
        Assert.Equal(holds, IpPrefix.Parse(prefix).Contains(IpAddress.Parse(address)));

    [Fact]
    public void The_last_address_of_a_subnet_is_its_broadcast_address()
    {
        Assert.Equal("192.168.3.255", IpPrefix.Parse("192.168.1.20/22").Last.ToString());
        Assert.Equal("192.168.0.0/22", IpPrefix.Parse("192.168.1.20/22").Network.ToString());
        Assert.Equal("fd00::ffff:ffff:ffff:ffff", IpPrefix.Parse("fd00::/64").Last.ToString());
    }
}
