using System.Xml.Linq;
using Lotse.Exits;
using Lotse.Formats;
using Lotse.Hosts;
using Xunit;

namespace Lotse.Tests.Exits;

/// <summary>The drawings of docs/exits.md are what <c>lotse exits draw</c> draws of the routers of the tests.</summary>
public class DrawingTests
{
    [Theory]
    [InlineData("00a-clean-pd", "pd")]
    [InlineData("00b-clean-nat6", "nat6")]
    [InlineData("00c-clean-npt6", "npt6")]
    [InlineData("00d-clean-range", "range")]
    [InlineData("45-clean-hybrid", "hybrid")]
    public void The_documents_show_what_is_drawn(string router, string name)
    {
        var path = Path.Combine(LotseProgram.Checkout, "docs", "exits", name + ".svg");
        var drawn = LotseProgram.Run("exits", "draw", "--root", LotseProgram.Data("exits", "routers", router)).Output;
        if (Transcript.Rewrites)
        {
            File.WriteAllText(path, drawn);
        }

        Assert.Equal(File.ReadAllText(path), drawn);
        Assert.Equal("svg", XDocument.Parse(drawn).Root!.Name.LocalName);
    }

    [Fact]
    public void A_hostile_name_stays_text()
    {
        using var folder = new TemporaryFolder();
        folder.Write("etc/config/network", "config interface 'lan'\n\toption proto 'static'\n\toption device '<script>&\e'\n\toption ip6addr 'fd00::1/64'\n");
        var (code, output, _) = LotseProgram.Run("exits", "draw", "--root", folder.Path);
        Assert.Equal(0, code);
        Assert.DoesNotContain("<script>", output, StringComparison.Ordinal);
        Assert.Contains("&lt;script&gt;&amp;", output, StringComparison.Ordinal);
        XDocument.Parse(output);
    }
}

/// <summary>The far end's plan makes its findings go.</summary>
public class FarPlanTests
{
    [Theory]
    [InlineData("forwarding-drops-ra-route", "net.ipv6.conf.eth0.accept_ra = 2")]
    [InlineData("far-allowed-ips-too-narrow", "2001:db8:40:50::/64")]
    [InlineData("on-link-prefix-needs-proxy", "rule 2001:db8:40:50::/64 {")]
    public void A_finding_has_a_plan(string id, string line)
    {
        var recording = LotseProgram.Data("findings", "exits", id, "triggers.host");
        using var host = RecordedHost.Open("recording", File.ReadAllBytes(recording)).Value;
        var far = FarFacts.Read(host)!;
        var decision = FarPlan.Make(far, path => host.ReadFile(path) is { Ok: true } read ? ByteText.Decode(read.Value) : null, IpPrefix.Parse("2001:db8:40:50::/64"));
        Assert.Contains(decision.Changes, c => c switch
        {
            CreateFile made => made.Lines.Any(l => l.Contains(line, StringComparison.Ordinal)),
            EditFile edit => edit.Hunks.SelectMany(h => h.Add).Any(l => l.Contains(line, StringComparison.Ordinal)),
            _ => false,
        });
        Assert.Contains($"exits/{id}", decision.Vanish);
    }

    [Fact]
    public void A_far_end_that_is_right_is_left_alone()
    {
        using var host = RecordedHost.Open("recording", File.ReadAllBytes(LotseProgram.Data("findings", "exits", "forwarding-drops-ra-route", "cured.host"))).Value;
        Assert.Empty(FarPlan.Make(FarFacts.Read(host)!, _ => null, null).Changes);
    }
}
