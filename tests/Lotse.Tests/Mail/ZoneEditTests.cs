using System.Text;
using Lotse.Formats;
using Lotse.Mail;
using Xunit;

namespace Lotse.Tests.Mail;

/// <summary>Records changed in zone files: only their lines move, the serial number grows, what was read is read back.</summary>
public class ZoneEditTests
{
    private static readonly DateTimeOffset Now = new(2026, 6, 1, 8, 0, 0, TimeSpan.Zero);
    private static readonly DnsRecord Old = DnsRecord.Txt("x.example", 3600, "v=spf1 a -all");
    private static readonly DnsRecord New = DnsRecord.Txt("x.example", 3600, "v=spf1 include:posteo.de ~all");

    [Theory]
    [InlineData("@ 3600 IN SOA ns1 hostmaster 2026053107 3600 600 604800 300", "2026060100")]
    [InlineData("@ 3600 IN SOA ns1 hostmaster 2026060104 3600 600 604800 300", "2026060105")]
    [InlineData("@ 3600 IN SOA ns1 hostmaster 41 3600 600 604800 300", "42")]
    [InlineData("@ 3600 IN SOA ns1 hostmaster (\n  3600 ; serial, as large as the refresh time\n  3600 600 604800 300 )", "3601")]
    [InlineData("@ 3600 IN SOA ns1 hostmaster 4294967295 3600 600 604800 300", "0")]
    public void The_serial_number_grows(string soa, string serial)
    {
        var after = Edit($"$ORIGIN x.example.\n{soa}\n@ 3600 TXT \"v=spf1 a -all\"\n");
        Assert.Equal(serial, ZoneFile.Parse("/z", Encoding.UTF8.GetBytes(after)).Value.Entries.First(e => e.Record.Type == DnsType.SOA).Record.Text.Split(' ')[2]);
    }

    [Fact]
    public void Nothing_else_moves()
    {
        const string Before = "; my zone, do not touch\r\n$ORIGIN x.example.\r\n$TTL 1h\r\n@\tIN SOA ns1 hostmaster 7 3600 600 604800 300 ; grows\r\n\tIN NS ns1 ; a comment\r\n\tIN TXT \"v=spf1 a -all\"\r\n\tIN TXT ( \"keep\"\r\n\t\t\"this\" )\r\nns1 A 192.0.2.1";
        var after = Edit(Before);
        Assert.Equal("; my zone, do not touch\r\n$ORIGIN x.example.\r\n$TTL 1h\r\n@\tIN SOA ns1 hostmaster 8 3600 600 604800 300 ; grows\r\nx.example.\tIN NS ns1 ; a comment\r\nx.example.\tIN TXT ( \"keep\"\r\n\t\t\"this\" )\r\nx.example. 3600 IN TXT \"v=spf1 include:posteo.de ~all\"\r\nns1 A 192.0.2.1", after);
    }

    [Fact]
    public void A_file_without_origin_is_named_as_its_zone()
    {
        var after = Edit("@ 3600 SOA ns1 hostmaster 1 3600 600 604800 300\n@ 3600 TXT \"v=spf1 a -all\"\nwww 3600 A 192.0.2.1\n", "/zones/x.example.zone");
        Assert.Contains(ZoneFile.Parse("/z", Encoding.UTF8.GetBytes(after), "x.example").Value.Entries, e => e.Record.SameData(New));
    }

    [Fact]
    public void Included_files_are_read_and_named_but_not_changed()
    {
        const string Main = "$ORIGIN x.example.\n@ 3600 SOA ns1 hostmaster 1 3600 600 604800 300\n$INCLUDE mail.inc\n$INCLUDE /abs/hosts.inc sub.x.example.\nwww 3600 A 192.0.2.1\n";
        Reading<byte[]> Include(string path) => path switch
        {
            "/zones/mail.inc" => new("@ 3600 TXT \"v=spf1 a -all\"\n$ORIGIN other.example.\n"u8.ToArray(), null),
            "/abs/hosts.inc" => new("a 3600 A 192.0.2.2\n"u8.ToArray(), null),
            _ => new(default!, new(HostErrorKind.NotFound, $"cannot read {path}: no such file")),
        };
        var zone = ZoneFile.Parse("/zones/x", Encoding.UTF8.GetBytes(Main), ".", Include).Value;
        Assert.Equal(["x.example SOA 2 -", "x.example TXT 1 /zones/mail.inc", "a.sub.x.example A 1 /abs/hosts.inc", "www.x.example A 5 -"], zone.Entries.Select(e => $"{e.Record.Name} {e.Record.Type} {e.Line} {e.File ?? "-"}"));
        var (edit, problem) = ZoneEdit.Of(zone, Encoding.UTF8.GetBytes(Main), new([Old], [New], []), Now, ".", Include);
        Assert.Null(edit);
        Assert.Contains("stands in /zones/mail.inc:1", problem, StringComparison.Ordinal);
        Assert.Contains("cannot read", ZoneFile.Parse("/zones/x", "$INCLUDE gone\n"u8, ".", Include).Error!.Message, StringComparison.Ordinal);
        Assert.Contains("deep", ZoneFile.Parse("/zones/x", "$INCLUDE x\n"u8, ".", _ => new("$INCLUDE x\n"u8.ToArray(), null)).Error!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_record_that_is_not_there_is_no_edit()
    {
        var (edit, problem) = ZoneEdit.Of(ZoneFile.Parse("/z", "$ORIGIN x.example.\n@ 3600 SOA ns1 h 1 2 3 4 5\n"u8).Value, "$ORIGIN x.example.\n@ 3600 SOA ns1 h 1 2 3 4 5\n"u8.ToArray(), new([Old], [New], []), Now);
        Assert.Null(edit);
        Assert.Contains("is not in /z", problem, StringComparison.Ordinal);
    }

    private static string Edit(string text, string path = "/zones/z")
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        var zone = ZoneFile.Parse(path, bytes, ZoneFile.OriginOf(path));
        Assert.True(zone.Ok, zone.Error?.Message);
        var (edit, problem) = ZoneEdit.Of(zone.Value, bytes, new([Old], [New], []), Now, ZoneFile.OriginOf(path));
        Assert.True(edit is not null, problem);
        return Encoding.UTF8.GetString(edit.Apply(bytes)!);
    }
}
