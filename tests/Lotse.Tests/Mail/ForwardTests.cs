using Lotse.Formats;
using Lotse.Mail;
using Xunit;

namespace Lotse.Tests.Mail;

/// <summary>The forwarder's rules, as its own service reads them.</summary>
public class ForwardTests
{
    [Theory]
    [InlineData("me@posteo.de", "any", "me@posteo.de")]
    [InlineData("me@posteo.de", "any+tag", "me+tag@posteo.de")]
    [InlineData("info:a@posteo.de,info:b@posteo.de", "info", "a@posteo.de b@posteo.de")]
    [InlineData("info:a@posteo.de,me@posteo.de", "INFO", "a@posteo.de")]
    [InlineData("info:a@posteo.de,me@posteo.de", "other", "me@posteo.de")]
    [InlineData("info:a@posteo.de", "other", "BOUNCE")]
    [InlineData("!spam,me@posteo.de", "spam", "DROP")]
    [InlineData("!!spam,me@posteo.de", "spam", "BOUNCE")]
    [InlineData("!!!spam,me@posteo.de", "spam", "BOUNCE")]
    [InlineData("!/^ad/,me@posteo.de", "adverts", "DROP")]
    [InlineData("!spam,me@posteo.de", "other", "me@posteo.de")]
    [InlineData("/^(support|info)$/:me+$1@posteo.de", "support", "me+support@posteo.de")]
    [InlineData("/^SALES/gi:me@posteo.de", "sales-eu", "me@posteo.de")]
    [InlineData("/^sales$/:me@posteo.de", "marketing", "BOUNCE")]
    [InlineData("/^(((a+)+)+)+$/:me@posteo.de", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "BOUNCE")]
    [InlineData("posteo.de", "me", "me@posteo.de")]
    [InlineData("hook:https://example.net/hook", "hook", "https://example.net/hook")]
    [InlineData("info:me@posteo.de,shop:me@posteo", "info", "BOUNCE")]
    [InlineData("a:b@example.org,b:a@example.org", "a", "LOOP")]
    [InlineData("me@example.org", "x", "LOOP")]
    [InlineData("a:b@example.org,b:me@posteo.de", "a", "me@posteo.de")]
    public void Leads_where_the_service_leads(string record, string alias, string to)
    {
        var zone = ZoneFile.Parse("/zone", System.Text.Encoding.UTF8.GetBytes($"""
            $ORIGIN example.org.
            $TTL 300
            @ SOA ns1 hostmaster 1 3600 600 604800 300
            @ MX 10 mx1.forwardemail.net.
            @ TXT "forward-email={record}"
            $ORIGIN forwardemail.net.
            @ SOA ns1 hostmaster 1 3600 600 604800 300
            mx1 A 192.0.2.1
            """)).Value;
        var outcome = new DnsLookups().Complete(dns => ForwardRoute.Of(alias, "example.org", dns), questions => [.. questions.Select(q => zone.Answer(q) ?? DnsAnswer.NotAsked("elsewhere"))]);
        Assert.Equal(to.Split(' ').Order(), outcome.To.Order());
    }

    [Fact]
    public void Other_hosts_of_the_same_preference_get_a_share()
    {
        var zone = ZoneFile.Parse("/zone", System.Text.Encoding.UTF8.GetBytes("""
            $ORIGIN example.org.
            $TTL 300
            @ SOA ns1 hostmaster 1 3600 600 604800 300
            @ MX 10 mx1.forwardemail.net.
            @ MX 10 old
            @ MX 20 late
            old A 192.0.2.2
            late A 192.0.2.3
            @ TXT "forward-email=me@posteo.de"
            $ORIGIN forwardemail.net.
            @ SOA ns1 hostmaster 1 3600 600 604800 300
            mx1 A 192.0.2.1
            """)).Value;
        var outcome = new DnsLookups().Complete(dns => ForwardRoute.Of("me", "example.org", dns), questions => [.. questions.Select(q => zone.Answer(q) ?? DnsAnswer.NotAsked("elsewhere"))]);
        Assert.Equal(["me@posteo.de", "UNSURE:old.example.org"], outcome.To);
    }
}
