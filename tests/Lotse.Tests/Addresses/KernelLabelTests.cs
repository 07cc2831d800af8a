using Lotse.Addresses;
using Lotse.Formats;
using Lotse.Formats.AddressSelection;
using Xunit;

namespace Lotse.Tests.Addresses;

public class KernelLabelTests
{
    private static readonly PolicyRow[] Odd = [.. Policy.KernelLabels.Rows.Where(r => r.Prefix.Length > 0), new(IpPrefix.Parse("::/0"), 5)];

    /// <summary>Two global and unique local addresses on one link; the kernel's table says that the Internet is unique local.</summary>
    private static HostNetwork Host(PolicyRow[] labels) => new(
        [
            new("lo", 1, 772, true, [new(IpAddress.Parse("127.0.0.1"), 8) { Scope = 254 }, new(IpAddress.Parse("::1"), 128) { Scope = 254 }]),
            new("eth0", 2, 1, true, [new(IpAddress.Parse("192.168.1.20"), 24), new(IpAddress.Parse("fd00:11:22:1::20"), 64), new(IpAddress.Parse("2001:db8:1:1::20"), 64), new(IpAddress.Parse("fe80::20"), 64) { Scope = 253 }]),
        ],
        [new(IpPrefix.Parse("0.0.0.0/0"), "eth0", IpAddress.Parse("192.168.1.1")), new(IpPrefix.Parse("::/0"), "eth0", IpAddress.Parse("fe80::1"), null, 1024)],
        labels);

    [Fact]
    public void A_row_of_the_kernel_is_found_where_the_source_stands_in_the_way()
    {
        var network = Host([.. Odd, new(IpPrefix.Parse("2001:db8::/32"), 1)]);
        Assert.Equal("fd00:11:22:1::20", new SourceSelection(network).Select(DestinationClass.Internet6).Source.ToString());
        var goal = OrderGoal.Parse("2001:503:ba3e::2:30 before ipv4", network)!;
        var row = KernelLabel.Find(network, GaiConf.Parse(null, GlibcVersion.Default), goal)!;
        Assert.Equal(("2001:503:ba3e::2:30/128", 1, "2001:db8:1:1::20", "fd00:11:22:1::20"), (row.Prefix.ToString(), row.Label, row.Source.ToString(), row.Instead.ToString()));
        var then = new SourceSelection(network with { Labels = [.. network.Labels, new(row.Prefix, row.Label)] });
        Assert.Equal(row.Source, then.Select(DestinationClass.Internet6).Source);
        Assert.Equal(["ip", "addrlabel", "del", "prefix", "2001:503:ba3e::2:30/128", "label", "1"], Assert.IsType<RunProgram>(row.Changes(null)[0]).Inverse);
        Assert.IsType<ByHand>(row.Changes(null)[1]);
        var dropIn = Assert.IsType<CreateFile>(row.Changes("/run/systemd/network/10-eth.network")[1]);
        Assert.Equal(("/etc/systemd/network/10-eth.network.d/50-lotse-2001-503-ba3e--2-30-128.conf", "[IPv6AddressLabel]\nPrefix=2001:503:ba3e::2:30/128\nLabel=1\n"), (dropIn.Path, string.Concat(dropIn.Lines)));
    }

    [Fact]
    public void None_where_the_host_has_no_better_source()
    {
        var network = Host([.. Policy.KernelLabels.Rows]);
        network = network with { Interfaces = [network.Interfaces[0], network.Interfaces[1] with { Addresses = [.. network.Interfaces[1].Addresses.Where(a => a.Address.ToString() != "2001:db8:1:1::20")] }] };
        Assert.Null(KernelLabel.Find(network, GaiConf.Parse(null, GlibcVersion.Default), OrderGoal.Parse("ipv6 before ipv4", network)!));
    }
}
