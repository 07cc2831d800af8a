using CsCheck;
using Lotse.Addresses;
using Lotse.Formats;
using Lotse.Formats.AddressSelection;
using Xunit;

namespace Lotse.Tests.Addresses;

public class GaiConfTests
{
    private static readonly GlibcVersion Old = new(2, 36), New = new(2, 41);

    /// <summary>A line, why it does not count, and whether it counts before and from 2.41 on.</summary>
    [Theory]
    [InlineData("label fd00::/8 1", GaiFault.None, true, true)]
    [InlineData("  label\tfd00::/8\t1 # ULA", GaiFault.None, true, true)]
    [InlineData("label fd00::/8 1\r", GaiFault.None, true, true)]
    [InlineData("label fd00::/8 1 and more", GaiFault.None, true, true)]
    [InlineData("label FD00::/+8 +1", GaiFault.None, true, true)]
    [InlineData("label fd00::/08 01", GaiFault.None, true, true)]
    [InlineData("label fd00::/-18446744073709551608 1", GaiFault.None, true, true)]
    [InlineData("label fd00::/8 2147483647", GaiFault.None, true, true)]
    [InlineData("label ::ffff:10.0.0.0/104 1", GaiFault.None, true, true)]
    [InlineData("label fd00::/8 2147483648", GaiFault.NumberOutOfRange, false, false)]
    [InlineData("label fd00::/8 18446744073709551616", GaiFault.NumberOutOfRange, false, false)]
    [InlineData("label fd00::/8 -1", GaiFault.NumberOutOfRange, false, false)]
    [InlineData("label fd00::/8 0x1", GaiFault.BadNumber, false, false)]
    [InlineData("label fd00::/8 1;", GaiFault.BadNumber, false, false)]
    [InlineData("label fd00::/8, 1", GaiFault.BadLength, false, false)]
    [InlineData("label fd00::/129 1", GaiFault.LengthOutOfRange, false, false)]
    [InlineData("label fd00::/8", GaiFault.EmptyNumber, true, false)]
    [InlineData("label fd00::/ 1", GaiFault.EmptyNumber, true, false)]
    [InlineData("label fd00::1 1", GaiFault.NoLength, false, true)]
    [InlineData("label 10.0.0.0/8 1", GaiFault.Ipv4Prefix, false, false)]
    [InlineData("label fd00::%eth0/8 1", GaiFault.Zone, false, false)]
    [InlineData("label fd00:11::22::/48 1", GaiFault.BadAddress, false, false)]
    [InlineData("label", GaiFault.BadAddress, false, false)]
    [InlineData("LABEL fd00::/8 1", GaiFault.UnknownWord, false, false)]
    [InlineData("label: fd00::/8 1", GaiFault.UnknownWord, false, false)]
    [InlineData("scopev4 10.0.0.0/8 5", GaiFault.None, true, true)]
    [InlineData("scopev4 ::ffff:10.0.0.0/104 5", GaiFault.None, true, true)]
    [InlineData("scopev4 ::ffff:10.0.0.0/95 5", GaiFault.LengthOutOfRange, false, false)]
    [InlineData("scopev4 10.0.0.0/33 5", GaiFault.LengthOutOfRange, false, false)]
    [InlineData("scopev4 fd00::/8 5", GaiFault.NotMapped, false, false)]
    [InlineData("scopev4 192.168.1.20 2", GaiFault.NoLength, false, true)]
    public void Reads_a_line_as_glibc(string line, GaiFault fault, bool before, bool since)
    {
        var old = GaiConf.Parse("# first\n" + line, Old).Lines[1];
        Assert.Equal((fault, before), (old.Fault, old.Counts));
        Assert.Equal(since, GaiConf.Parse("# first\n" + line, New).Lines[1].Counts);
    }

    [Fact]
    public void One_line_of_a_kind_drops_its_defaults_and_no_others()
    {
        var conf = GaiConf.Parse("precedence fd00:11:22::/48 45\n", Old);
        Assert.Equal([(45, 1), (40, PolicyRow.Implied)], conf.Precedences.Rows.Select(r => (r.Value, r.Line)));
        Assert.Same(Policy.Glibc.Labels, conf.Labels);
        Assert.Equal(40, conf.Precedences[IpAddress.Parse("192.0.2.1")]);
        Assert.Equal(10, GaiConf.Parse("# precedence fd00:11:22::/48 45\n", Old).Precedences[IpAddress.Parse("192.0.2.1")]);
    }

    [Fact]
    public void The_longest_prefix_counts_and_of_equal_ones_the_first()
    {
        var conf = GaiConf.Parse("label ::/0 1\nlabel fd00::/8 2\nlabel fd12:3456::/8 3\nlabel fd00:11::/32 4\n", Old);
        Assert.Equal(4, conf.Labels[IpAddress.Parse("fd00:11::1")]);
        Assert.Equal(2, conf.Labels[IpAddress.Parse("fdff::1")]);
        Assert.Equal(1, conf.Labels[IpAddress.Parse("192.0.2.1")]);
    }

    [Fact]
    public void Only_a_scope_without_a_length_ends_programs_and_only_before_2_41()
    {
        Assert.True(GaiConf.Parse("scopev4 10.0.0.1 2\n", Old).Crashes);
        Assert.False(GaiConf.Parse("scopev4 10.0.0.1 2\n", New).Crashes);
        Assert.False(GaiConf.Parse("scopev4 10.0.0.1/32 2\nscopev4 fd00::1 2\nlabel fd00::1 2\n", Old).Crashes);
    }

    [Fact]
    public void Any_text_is_read_as_something() => Gen.String.Sample(text => GaiConf.Parse(text, Old).Labels[IpAddress.Loopback6] >= 0);

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("# comment")]
    [InlineData("# comment\r\nlabel fd00::/8 3\r\n")]
    [InlineData("label fd00:11:22::/48 9\nscopev4 10.0.0.1 2\nLABEL odd\n")]
    public void An_edit_keeps_foreign_lines_and_what_is_added_counts(string? text)
    {
        var row = new GaiRow(GaiKind.Label, IpPrefix.Parse("fd00:11:22::/48"), 1);
        var once = GaiEdit.With(text, [row], Old)!;
        var conf = GaiConf.Parse(once, Old);
        Assert.Equal(1, conf.Labels[IpAddress.Parse("fd00:11:22::1")]);
        Assert.False(conf.Crashes);

        // What the file did not touch stays: other prefixes keep their label, defaults where there was no label line.
        var before = GaiConf.Parse(text, Old);
        foreach (var address in new[] { "2001:db8::1", "192.0.2.1", "fc00::1", "::1", "2002::1" })
        {
            Assert.Equal(before.Labels[IpAddress.Parse(address)], conf.Labels[IpAddress.Parse(address)]);
        }

        // Each old line is still there, at most as a comment.
        foreach (var line in (text ?? "").Split('\n').Where(l => l.Length > 0))
        {
            Assert.Contains(line, once, StringComparison.Ordinal);
        }

        // A second edit replaces the block; it does not pile up.
        var twice = GaiEdit.With(once, [row with { Value = 6 }], Old)!;
        Assert.Equal(6, GaiConf.Parse(twice, Old).Labels[IpAddress.Parse("fd00:11:22::1")]);
        Assert.Equal(once.Split('\n').Length, twice.Split('\n').Length);
    }
}
