using CsCheck;
using Lotse.Formats;
using Xunit;

namespace Lotse.Tests.Mail;

/// <summary>Names, messages and zone files: what goes in comes out, and nothing hostile breaks them.</summary>
public class DnsFormatTests
{
    private const string Zone = """
        $ORIGIN example.org.
        $TTL 1h
        @ IN SOA ns1 hostmaster ( 2026060101 ; serial
              3600 600 604800 300 )
          NS ns1
        ns1 A 192.0.2.53
        a\.b 300 TXT "one \"two\"" three ; comment
        *.wild TXT "w"
        deep.under.empty A 192.0.2.1
        alias CNAME ns1
        out CNAME far.example.net.
        sub NS ns.sub
        """;

    [Fact]
    public void Names_keep_every_octet() => Gen.Byte.Array[1, 63].Array[1, 3].Sample(labels =>
    {
        var name = DnsName.FromLabels(labels)!;
        Assert.Equal(name, DnsName.Parse(name));
        Assert.Equal(name, DnsData.NameAt(DnsName.ToWire(name), 0));
        Assert.Equal(labels.Length, DnsName.Count(name));
    }, iter: 2000);

    [Theory]
    [InlineData("Example.ORG.", "example.org")]
    [InlineData("müller.test", "xn--mller-kva.test")]
    [InlineData("MÜLLER.test", "xn--mller-kva.test")]
    [InlineData(@"a\.b.c", @"a\.b.c")]
    [InlineData("a..b", null)]
    [InlineData("", null)]
    public void Names_have_one_form(string text, string? canonical) => Assert.Equal(canonical, DnsName.Parse(text));

    [Fact]
    public void A_label_of_64_octets_is_no_label() => Assert.Null(DnsName.Parse(new string('a', 64) + ".example"));

    [Fact]
    public void Noise_is_no_message_and_does_no_harm() => Gen.Byte.Array[0, 600].Sample(bytes =>
    {
        if (DnsMessage.Parse(bytes) is { } message)
        {
            Assert.InRange(message.Answers.Length, 0, bytes.Length);
        }
    }, iter: 20000);

    [Fact]
    public void A_pointer_that_leads_to_itself_is_refused()
    {
        var query = DnsMessage.Query(1, new("a.example", DnsType.TXT), true, false, false);
        query[7] = 1;
        query[2] = 0x84;
        Assert.Null(DnsMessage.Parse([.. query, 0xc0, (byte)query.Length, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0]));
    }

    [Theory]
    [InlineData("ns1.example.org", "A", "Records")]
    [InlineData("ns1.example.org", "AAAA", "NoData")]
    [InlineData("under.empty.example.org", "A", "NoData")]
    [InlineData("no.example.org", "A", "NoName")]
    [InlineData("any.wild.example.org", "TXT", "Records")]
    [InlineData("any.wild.example.org", "A", "NoData")]
    [InlineData("alias.example.org", "A", "Records")]
    [InlineData("out.example.org", "A", "NotAsked")]
    [InlineData(@"a\.b.example.org", "TXT", "Records")]
    public void A_zone_file_answers_as_its_server_would(string name, string type, string outcome)
    {
        var zone = ZoneFile.Parse("/zone", System.Text.Encoding.UTF8.GetBytes(Zone)).Value;
        Assert.Equal(outcome, zone.Answer(new(name, DnsTypes.Parse(type)!.Value))!.Outcome.ToString());
    }

    [Fact]
    public void What_is_delegated_or_elsewhere_is_not_answered()
    {
        var zone = ZoneFile.Parse("/zone", System.Text.Encoding.UTF8.GetBytes(Zone)).Value;
        Assert.Null(zone.Answer(new("x.sub.example.org", DnsType.A)));
        Assert.Null(zone.Answer(new("example.net", DnsType.A)));
        Assert.Equal("one \"two\"three", zone.Answer(new(@"a\.b.example.org", DnsType.TXT))!.Of(DnsType.TXT).Single().Joined);
    }

    [Theory]
    [InlineData("@ IN A 192.0.2.300", "/zone:1: the data does not fit the type A")]
    [InlineData("@ IN TXT \"open", "/zone:1: a parenthesis or a quote is not closed")]
    [InlineData("$INCLUDE other", "/zone:1: $INCLUDE is not followed: hand the whole zone")]
    public void A_broken_zone_file_is_told_with_its_line(string text, string message) =>
        Assert.Equal(message, ZoneFile.Parse("/zone", System.Text.Encoding.UTF8.GetBytes(text), "example.org").Error!.Message);

    [Fact]
    public void Records_survive_their_text()
    {
        foreach (var entry in ZoneFile.Parse("/zone", System.Text.Encoding.UTF8.GetBytes(Zone)).Value.Entries)
        {
            Assert.Equal(entry.Record, DnsRecord.Parse(entry.Record.Name, entry.Record.Type, entry.Record.Ttl, entry.Record.Text));
        }
    }

    [Fact]
    public void A_signature_is_checked()
    {
        var key = new TransactionKey("lotse", [1, 2, 3]);
        var message = DnsMessage.Query(7, new("example.org", DnsType.SOA), false, false, false);
        var (_, request) = key.Sign(message, DateTimeOffset.UnixEpoch);
        var (answer, _) = key.Sign(message, DateTimeOffset.UnixEpoch, request);
        Assert.True(key.Verifies(answer, request));
        Assert.False(key.Verifies(answer, [.. request.Reverse()]));
        Assert.False(new TransactionKey("lotse", [1, 2, 4]).Verifies(answer, request));
        answer[20] ^= 1;
        Assert.False(key.Verifies(answer, request));
    }
}
