using Lotse.Mail;
using Xunit;

namespace Lotse.Tests.Mail;

/// <summary>Reports that may be shown to others: no local part of anybody's address is left, in text or in JSON.</summary>
public sealed class ShareTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("v=DMARC1; p=none; rua=mailto:me.private@x.example,mailto:other@y.example", "v=DMARC1; p=none; rua=mailto:user1@x.example,mailto:user2@y.example")]
    [InlineData("forward-email=shop:me.private+shop@posteo.de,me.private@posteo.de", "forward-email=shop:user1@posteo.de,user2@posteo.de")]
    [InlineData("forward-email=me.private@posteo.de", "forward-email=user1@posteo.de")]
    [InlineData("Me.Private@posteo.de and me.private@posteo.de", "user1@posteo.de and user1@posteo.de")]
    [InlineData("@ TXT x, good.test MX @192.0.2.1", "@ TXT x, good.test MX @192.0.2.1")]
    [InlineData("550 <me@posteo.de>... User unknown", "550 <user1@posteo.de>... User unknown")]
    public void Local_parts_are_masked(string text, string masked) => Assert.Equal(masked, new MailShare().Mask(text));

    [Theory]
    [InlineData("why", "x.example")]
    [InlineData("why", "x.example", "--json")]
    [InlineData("route", "shop+tag@x.example")]
    [InlineData("route", "shop+tag@x.example", "--json")]
    [InlineData("simulate", "x.example", "--json")]
    [InlineData("prove", "x.example")]
    [InlineData("spf", "--ip", "192.0.2.1", "--from", "secret.person@x.example", "--json")]
    public void Nothing_that_is_printed_names_anybody(params string[] words)
    {
        folder.Write("zone", """
            $ORIGIN x.example.
            $TTL 300
            @ SOA ns1 hostmaster 1 3600 600 604800 300
            @ MX 10 mx1.forwardemail.net.
            @ MX 10 mx2.forwardemail.net.
            @ TXT "v=spf1 include:posteo.de ~all"
            @ TXT "forward-email=shop:secret.person+shop@posteo.de,secret.person@posteo.de,broken:secret.person@posteo"
            _dmarc TXT "v=DMARC1; p=none; rua=mailto:secret.person@x.example,mailto:secret.person@reports.example"
            $ORIGIN forwardemail.net.
            @ SOA ns1 hostmaster 1 3600 600 604800 300
            mx1 A 192.0.2.121
            mx2 A 192.0.2.122
            $ORIGIN posteo.de.
            @ SOA ns1 hostmaster 1 3600 600 604800 300
            @ MX 10 mx01
            mx01 A 185.67.36.61
            @ TXT "v=spf1 ip4:185.67.36.0/23 ip6:2a05:bc0:1000::/48 -all"
            """);
        string[] all = ["mail", .. words, "--zone", folder.Path + "/zone"];
        Assert.Contains(words[0] is "simulate" ? "x.example" : "secret.person", LotseProgram.Run(all).Output, StringComparison.Ordinal);
        var shared = LotseProgram.Run([.. all, "--share"]);
        Assert.DoesNotContain("secret", shared.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("person", shared.Output, StringComparison.Ordinal);
        Assert.Contains("x.example", shared.Output, StringComparison.Ordinal);
    }
}
