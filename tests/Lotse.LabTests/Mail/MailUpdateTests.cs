using System.Text.Json;
using Xunit;

namespace Lotse.LabTests.Mail;

/// <summary>Plans applied to a real name server (Knot) by signed updates, proved, and taken back.</summary>
public sealed class MailUpdateTests : IDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);
    private KnotServer? server;

    private static readonly Dictionary<string, string> Zones = new()
    {
        ["posteo.de"] = "@ MX 10 mx01\nmx01 A 185.67.36.61\n@ TXT \"v=spf1 ip4:185.67.36.0/23 ip6:2a05:bc0:1000::/48 -all\"",
        ["forwardemail.net"] = "mx1 A 192.0.2.121\nmx1 AAAA 2001:db8:fe::1\nmx2 A 192.0.2.122\nmx2 AAAA 2001:db8:fe::2\nspf TXT \"v=spf1 ip4:192.0.2.121 ip4:192.0.2.122 -all\"",
        ["example"] = "mx.parking A 192.0.2.97\nold MX 10 mx.old\nmx.old A 192.0.2.98",
        ["good.example"] = Domain("v=spf1 include:posteo.de ~all"),
        ["twospf.example"] = Domain("v=spf1 include:posteo.de ~all") + "\n@ TXT \"v=spf1 a include:spf.forwardemail.net -all\"\n@ A 192.0.2.80",
        ["noposteo.example"] = Domain("v=spf1 a include:spf.forwardemail.net -all") + "\n@ A 192.0.2.80",
        ["includegone.example"] = Domain("v=spf1 include:_spf.posteo.de ~all"),
        ["parkedmx.example"] = Domain("v=spf1 include:posteo.de ~all") + "\n@ MX 10 mx.parking.example.",
        ["reject.example"] = Domain("v=spf1 include:posteo.de -all", dmarc: "v=DMARC1; p=reject; rua=mailto:me@reject.example"),
        ["fetypo.example"] = Domain("v=spf1 include:posteo.de ~all", forward: "info:me@posteo.de,shop:me@posteo"),
        ["nospf.example"] = Domain(null),
        ["glue.example"] = Domain("v=spf1 include:posteo.de\" \"ip4:192.0.2.9 ~all"),
        ["nodmarc.example"] = Domain("v=spf1 include:posteo.de ~all", dmarc: null),
        ["onemx.example"] = Domain("v=spf1 include:posteo.de ~all").Replace("@ MX 10 mx2.forwardemail.net.\n", "", StringComparison.Ordinal),
        ["moving.example"] = Domain("v=spf1 include:posteo.de ~all").Replace("mx1.forwardemail.net.", "mx.old.example.", StringComparison.Ordinal).Replace("@ MX 10 mx2.forwardemail.net.\n", "", StringComparison.Ordinal),
    };

    public void Dispose() => server?.Dispose();

    [Theory]
    [InlineData("twospf.example", 2, 1)]
    [InlineData("noposteo.example", 1, 1)]
    [InlineData("includegone.example", 1, 1)]
    [InlineData("parkedmx.example", 1, 0)]
    [InlineData("reject.example", 1, 1)]
    [InlineData("fetypo.example", 1, 1)]
    [InlineData("nospf.example", 0, 1)]
    [InlineData("glue.example", 1, 1)]
    [InlineData("nodmarc.example", 0, 1)]
    [InlineData("onemx.example", 0, 1)]
    public void A_broken_domain_is_repaired_proved_and_put_back(string domain, int removed, int added)
    {
        var knot = Start();
        var plan = Path.Combine(knot.Folder, domain + ".plan");
        var before = knot.Transfer(domain);
        Assert.Equal(1, knot.Lotse("mail", "why", domain).ExitCode);

        var planned = knot.Lotse("mail", "plan", domain, "--receive", "forwardemail", "--send", "posteo", "--update", knot.Server, "--key", knot.KeyFile, "--output", plan);
        Assert.True(planned.ExitCode == 0, planned.Text + planned.ErrorText);
        using (var json = JsonDocument.Parse(File.ReadAllBytes(plan)))
        {
            var change = json.RootElement.GetProperty("changes")[0];
            Assert.Equal((removed, added), (change.GetProperty("remove").GetArrayLength(), change.GetProperty("add").GetArrayLength()));
            Assert.DoesNotContain(KnotServer.Secret, File.ReadAllText(plan), StringComparison.Ordinal);
        }

        var applied = Lab.RunLotse("apply", plan);
        Assert.True(applied.ExitCode == 0, applied.Text + applied.ErrorText);
        Assert.NotEqual(before, knot.Transfer(domain));
        var clean = knot.Lotse("mail", "why", domain, "--json");
        using (var json = JsonDocument.Parse(clean.Output))
        {
            Assert.DoesNotContain(json.RootElement.GetProperty("findings").EnumerateArray(), f => f.GetProperty("severity").GetString() != "info");
        }

        Assert.Contains("nothing to change", knot.Lotse("mail", "plan", domain, "--receive", "forwardemail", "--send", "posteo").Text, StringComparison.Ordinal);
        var undone = Lab.RunLotse("undo");
        Assert.True(undone.ExitCode == 0, undone.Text + undone.ErrorText);
        Assert.Equal(before, knot.Transfer(domain));
    }

    [Fact]
    public void The_right_domain_needs_nothing()
    {
        var knot = Start();
        var planned = knot.Lotse("mail", "plan", "good.example", "--receive", "forwardemail", "--send", "posteo");
        Assert.Equal(0, planned.ExitCode);
        Assert.Contains("nothing to change", planned.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_move_keeps_the_old_exchange_until_the_sender_may_be_used()
    {
        var knot = Start();
        var planned = knot.Lotse("mail", "plan", "moving.example", "--receive", "forwardemail", "--send", "posteo", "--update", knot.Server, "--key", knot.KeyFile);
        Assert.Contains("the old MX stay for now", planned.Text, StringComparison.Ordinal);
        Assert.Contains($"not before {DateTime.UtcNow.AddDays(7):yyyy-MM-dd}: move the MX to Forward Email", planned.Text, StringComparison.Ordinal);
        var moved = knot.Lotse("mail", "plan", "moving.example", "--receive", "forwardemail", "--send", "posteo", "--sender-since", DateTime.UtcNow.AddDays(-8).ToString("yyyy-MM-dd"));
        Assert.Contains("the old MX stay for now", moved.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("lets a new sender address be used only after", moved.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void What_moved_since_is_refused_and_a_wrong_key_changes_nothing()
    {
        var knot = Start();
        var plan = Path.Combine(knot.Folder, "stale.plan");
        Assert.Equal(0, knot.Lotse("mail", "plan", "twospf.example", "--send", "posteo", "--update", knot.Server, "--key", knot.KeyFile, "--output", plan).ExitCode);
        var before = knot.Transfer("twospf.example");
        File.Move(knot.KeyFile, Path.Combine(knot.Folder, "kept"));
        File.WriteAllText(knot.KeyFile, KnotServer.Key("AAAAd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmc="));
        var refused = Lab.RunLotse("apply", plan);
        Assert.NotEqual(0, refused.ExitCode);
        File.Move(Path.Combine(knot.Folder, "kept"), knot.KeyFile, overwrite: true);
        Assert.Equal(before, knot.Transfer("twospf.example"));

        var update = Lab.Run(Soon, "sh", "-c", $"printf 'server 127.0.0.1 {knot.Port}\nzone twospf.example.\nkey hmac-sha256:lotse {KnotServer.Secret}\nupdate delete twospf.example. TXT \"v=spf1 include:posteo.de ~all\"\nsend\n' | nsupdate");
        Assert.Equal(0, update.ExitCode);
        var stale = Lab.RunLotse("apply", plan);
        Assert.NotEqual(0, stale.ExitCode);
        Assert.Contains("nothing was changed", stale.Text + stale.ErrorText, StringComparison.Ordinal);
    }

    private static string Domain(string? spf, string? dmarc = "v=DMARC1; p=none", string forward = "me@posteo.de") =>
        $"@ MX 10 mx1.forwardemail.net.\n@ MX 10 mx2.forwardemail.net.\n@ TXT \"forward-email={forward}\"\n"
        + (spf is null ? "" : $"@ TXT \"{spf}\"\n") + (dmarc is null ? "" : $"_dmarc TXT \"{dmarc}\"\n") + "@ CAA 0 issue \"ca.example\"";

    private KnotServer Start() => server = new(Zones);
}
