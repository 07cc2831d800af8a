using System.Text.Json;
using Xunit;

namespace Lotse.LabTests.Mail;

/// <summary>
/// Every server of a zone asked and compared, in a network namespace of the test's own: two real servers on addresses of
/// the benchmarking network (RFC 2544), which say the same, or different records, or different versions; and one that does
/// not know the zone.
/// </summary>
public sealed class MailServersTests : IDisposable
{
    private const string First = "198.18.7.1";
    private const string Second = "198.18.7.2";
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);
    private readonly string space = $"lotse-mail-{Environment.ProcessId}-{Random.Shared.Next(10000)}";
    private readonly List<KnotServer> servers = [];

    public void Dispose()
    {
        servers.ForEach(s => s.Dispose());
        Lab.Run(Soon, "ip", "netns", "del", space);
    }

    [Fact]
    public void Servers_that_say_the_same_are_no_finding() => Assert.Empty(Differences("", "", 1, 1));

    [Fact]
    public void Different_records_are_a_warning()
    {
        var finding = Assert.Single(Differences("@ MX 10 mail.old.example.", "@ MX 10 mail.new.example.", 1, 2));
        Assert.Equal("warning", finding.GetProperty("severity").GetString());
        Assert.Contains("different MX records", finding.GetProperty("title").GetString(), StringComparison.Ordinal);
        var seen = finding.GetProperty("reasons")[0].GetProperty("seen").EnumerateArray().Select(s => s.ToString()).ToArray();
        Assert.Contains(seen, s => s.Contains("mail.old.example", StringComparison.Ordinal) && s.Contains(First, StringComparison.Ordinal));
        Assert.Contains(seen, s => s.Contains("mail.new.example", StringComparison.Ordinal) && s.Contains(Second, StringComparison.Ordinal));
    }

    [Fact]
    public void A_different_policy_is_a_warning() =>
        Assert.Contains("different TXT records at _dmarc.x.example", Assert.Single(Differences("_dmarc TXT \"v=DMARC1; p=none\"", "_dmarc TXT \"v=DMARC1; p=reject\"", 1, 2)).GetProperty("title").GetString(), StringComparison.Ordinal);

    [Fact]
    public void Another_serial_number_alone_is_worth_a_word()
    {
        var finding = Assert.Single(Differences("www A 192.0.2.1", "www A 192.0.2.2", 7, 8));
        Assert.Equal("info", finding.GetProperty("severity").GetString());
        Assert.Contains("serial 7", finding.GetProperty("reasons").ToString(), StringComparison.Ordinal);
        Assert.Contains("serial 8", finding.GetProperty("reasons").ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_server_that_does_not_know_the_zone_is_named()
    {
        var finding = Assert.Single(Differences("", null, 1, 1));
        Assert.Equal(("warning", "ns2.x.example"), (finding.GetProperty("severity").GetString(), finding.GetProperty("subject").GetString()));
        Assert.Contains("does not answer for it", finding.GetProperty("title").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_whole_TTL_is_what_the_zone_says()
    {
        _ = Differences("@ 604800 MX 10 mail.x.example.", "@ 604800 MX 10 mail.x.example.", 1, 1, out var ids);
        Assert.Contains("mail/dns-ttl-long", ids);
    }

    private JsonElement[] Differences(string first, string? second, int serial1, int serial2) => Differences(first, second, serial1, serial2, out _);

    private JsonElement[] Differences(string first, string? second, int serial1, int serial2, out string[] ids)
    {
        Lab.NeedsRoot();
        Lab.Needs("knotd", "dig", "ip");
        string[][] steps = [["ip", "netns", "add", space], ["ip", "-n", space, "link", "set", "lo", "up"], ["ip", "-n", space, "addr", "add", First, "dev", "lo"], ["ip", "-n", space, "addr", "add", Second, "dev", "lo"]];
        foreach (var step in steps)
        {
            Assert.Equal(0, Lab.Run(Soon, step).ExitCode);
        }

        var common = "@ NS ns1\n@ NS ns2\nns1 A 198.18.7.1\nns2 A 198.18.7.2\n@ TXT \"v=spf1 -all\"\n";
        servers.Add(new(new Dictionary<string, string> { ["example"] = "old MX 0 .", ["x.example"] = common + first }, First, 53, ["ip", "netns", "exec", space], serial1));
        servers.Add(new(second is null ? new Dictionary<string, string> { ["other.example"] = "@ A 192.0.2.1" } : new Dictionary<string, string> { ["x.example"] = common + second }, Second, 53, ["ip", "netns", "exec", space], serial2));
        var ran = Lab.Run(Soon, "ip", "netns", "exec", space, Lab.Lotse, "mail", "why", "x.example", "--server", First, "--authorities", "--json");
        using var json = JsonDocument.Parse(ran.Output);
        var findings = json.RootElement.GetProperty("findings").Clone().EnumerateArray().ToArray();
        ids = [.. findings.Select(f => f.GetProperty("id").GetString()!)];
        return [.. findings.Where(f => f.GetProperty("id").GetString() == "mail/dns-servers-differ")];
    }
}
