using Xunit;

namespace Lotse.Tests.Mail;

/// <summary>What <c>mail watch</c> says: the first look, silence, a change, what could not be asked, metrics.</summary>
public sealed class WatchTests : IDisposable
{
    private const string Rest = """

        $ORIGIN posteo.de.
        @ SOA ns1 hostmaster 1 3600 600 604800 300
        @ MX 10 mx01
        mx01 A 185.67.36.61
        @ TXT "v=spf1 ip4:185.67.36.0/23 ip6:2a05:bc0:1000::/48 -all"
        $ORIGIN forwardemail.net.
        @ SOA ns1 hostmaster 1 3600 600 604800 300
        mx1 A 192.0.2.121
        mx2 A 192.0.2.122
        $ORIGIN example.
        @ SOA ns1 hostmaster 1 3600 600 604800 300
        """;

    private const string Good = """
        $ORIGIN x.example.
        $TTL 3600
        @ SOA ns1 hostmaster 1 3600 600 604800 300
        @ NS ns1
        @ MX 10 mx1.forwardemail.net.
        @ MX 10 mx2.forwardemail.net.
        @ TXT "v=spf1 include:posteo.de ~all"
        @ TXT "forward-email=me@posteo.de"
        _dmarc TXT "v=DMARC1; p=none; rua=mailto:me@x.example"
        """;

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Speaks_once_and_then_only_of_what_changes()
    {
        var first = Watch(Good);
        Assert.Equal(0, first.Code);
        Assert.Contains("x.example: watched from now on; 0 findings", first.Output, StringComparison.Ordinal);

        var silent = Watch(Good.Replace("$TTL 3600", "$TTL 300", StringComparison.Ordinal));
        Assert.Equal((0, ""), (silent.Code, silent.Output));

        var worse = Watch(Good + "\n@ TXT \"v=spf1 a -all\"");
        Assert.Equal(1, worse.Code);
        Assert.Contains("1 new finding, 0 gone, 1 record set changed", worse.Output, StringComparison.Ordinal);
        Assert.Contains("\"v=spf1 a -all\"  [is]", worse.Output, StringComparison.Ordinal);
        Assert.Contains("[mail/spf-multiple]", worse.Output, StringComparison.Ordinal);

        // Still wrong, and said already.
        var same = Watch(Good + "\n@ TXT \"v=spf1 a -all\"");
        Assert.Equal((0, ""), (same.Code, same.Output));

        var better = Watch(Good);
        Assert.Equal(0, better.Code);
        Assert.Contains("mail/spf-multiple is gone", better.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void What_could_not_be_asked_is_not_gone()
    {
        _ = Watch(Good + "\n@ TXT \"v=spf1 a -all\"");

        // Offline without the zone: nothing is known of x.example.
        folder.Write("other.zone", "$ORIGIN other.example.\n@ 300 SOA ns1 hostmaster 1 3600 600 604800 300\n");
        var blind = LotseProgram.Run("mail", "watch", "x.example", "--zone", folder.Path + "/other.zone", "--state", folder.Path + "/state");
        Assert.Equal(3, blind.Code);
        Assert.DoesNotContain("gone (", blind.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("have changed", blind.Output, StringComparison.Ordinal);
        var again = Watch(Good);
        Assert.Contains("mail/spf-multiple is gone", again.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Writes_metrics_and_one_line_of_JSON_a_domain()
    {
        folder.Write("zone", Good + "\n@ TXT \"v=spf1 a -all\"" + Rest);
        var ran = LotseProgram.Run("mail", "watch", "x.example", "posteo.de", "--zone", folder.Path + "/zone", "--state", folder.Path + "/state", "--prom", folder.Path + "/mail.prom", "--json");
        Assert.Equal(2, ran.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        var metrics = File.ReadAllText(folder.Path + "/mail.prom");
        Assert.Contains("lotse_mail_findings{domain=\"x.example\",severity=\"error\"} 1\n", metrics, StringComparison.Ordinal);
        Assert.Contains("# TYPE lotse_mail_checked_timestamp_seconds gauge\n", metrics, StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(folder.Path + "/state"));
        Assert.Equal(["mail.prom", "state", "zone"], Directory.GetFileSystemEntries(folder.Path).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void A_file_that_is_no_state_is_left_alone()
    {
        folder.Write("state", "my letters");
        var ran = Watch(Good);
        Assert.Equal(3, ran.Code);
        Assert.Equal("my letters", File.ReadAllText(folder.Path + "/state"));
    }

    private (int Code, string Output) Watch(string zone)
    {
        folder.Write("zone", zone + Rest);
        var ran = LotseProgram.Run("mail", "watch", "x.example", "--zone", folder.Path + "/zone", "--state", folder.Path + "/state");
        return (ran.Code, ran.Output);
    }
}
