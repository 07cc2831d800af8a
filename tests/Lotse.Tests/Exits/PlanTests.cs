using System.Text.Json;
using Lotse.Exits;
using Lotse.Formats;
using Lotse.Hosts;
using Xunit;

namespace Lotse.Tests.Exits;

/// <summary>Plans: each row of the decision table from each of the clean routers, and what an edit leaves alone.</summary>
public class PlanTests
{
    [Theory]
    [InlineData("2000:30:40:50::/60", 2, null, false, false, ExitsMethod.Pd)]
    [InlineData("2000:30:40:50::/64", 1, null, false, false, ExitsMethod.Pd)]
    [InlineData("2000:30:40:50::/64", 2, "lan", false, false, ExitsMethod.Hybrid)]
    [InlineData("2000:30:40:50::/64", 2, null, false, false, ExitsMethod.Npt6)]
    [InlineData("2000:30:40:50::/64", 2, null, true, false, ExitsMethod.Range)]
    [InlineData("2000:30:40:50::/64", 2, null, false, true, ExitsMethod.Nat6)]
    [InlineData("2000:30:40:50::2/128", 2, null, false, false, ExitsMethod.Nat6)]
    public void Chooses_by_the_table(string prefix, int networks, string? inbound, bool unlinkable, bool onLink, ExitsMethod method) =>
        Assert.Equal(method, MethodChoice.Choose(new(ExitsMethod.Auto, inbound, unlinkable, null, onLink, false), IpPrefix.Parse(prefix), networks, true, false).Method);

    public static TheoryData<string, string> Pairs() =>
        [.. from router in new[] { "00a-clean-pd", "00b-clean-nat6", "00c-clean-npt6", "00d-clean-range", "06-ula-only-prefers-ipv4", "13-range-without-source", "26-wan-forward-accept", "01-masq6-privacy" }
            from method in new[] { "pd", "nat6", "npt6", "range", "hybrid" }
            select (router, method)];

    [Theory]
    [MemberData(nameof(Pairs))]
    public void From_every_router_to_every_method(string router, string method)
    {
        var facts = Facts(router);
        var prefix = method == "pd" ? "2000:30:40:50::/60" : "2000:30:40:50::/64";
        var goal = new ExitsGoal(Enum.Parse<ExitsMethod>(method, ignoreCase: true), method == "hybrid" ? "lan" : null, false, IpPrefix.Parse(prefix), false, false);
        if (router == "00a-clean-pd" && method == "hybrid")
        {
            // The delegated /60 is there already: a /64 beside it would be two.
            goal = goal with { Prefix = IpPrefix.Parse("2000:30:40:50::/60") };
        }

        var decision = ExitsPlan.Make(facts, goal);
        if (decision.Impossible)
        {
            Assert.Fail(decision.Report.Verdict.ToString());
        }

        var model = RouterModel.Of(decision.After!);
        Assert.Empty(ExitsFindings.Of(model).Where(f => f.Severity == Severity.Error).Select(f => f.Title.ToString()));
        var paths = ExitsDiagnosis.Paths(model, PacketPath.SomeServer).ToArray();
        Assert.All(paths, p => Assert.Equal(Verdict.Yes, p.Works));
        Assert.Equal(
            method switch { "pd" => [null, null], "nat6" => [Verb.Masquerade, Verb.Masquerade], "npt6" => [Verb.SnatPrefix, Verb.SnatPrefix], "range" => [Verb.SnatAddress, Verb.SnatAddress], _ => new Verb?[] { null, Verb.SnatPrefix } },
            paths.OrderByDescending(p => p.Lan.Name).Select(p => p.Rule?.Verb));

        // The same again changes nothing.
        Assert.Empty(ExitsPlan.Make(decision.After!, goal).Changes);
    }

    [Fact]
    public void Only_planned_lines_change()
    {
        var facts = Facts("00b-clean-nat6");
        var commented = facts with { Firewall = facts.Firewall with { Text = "# mine\n" + facts.Firewall.Text!.Replace("config forwarding", "# a forwarding\nconfig forwarding", StringComparison.Ordinal) } };
        var decision = ExitsPlan.Make(commented, new(ExitsMethod.Npt6, null, false, null, false, false));
        var edit = decision.Changes.OfType<EditFile>().Single(e => e.Path == "/etc/config/firewall");
        Assert.Equal(["\toption masq6 '1'", "\tlist masq_src 'dd00:11:22::/48'"], edit.Hunks.SelectMany(h => h.Remove));
        Assert.Empty(edit.Hunks.SelectMany(h => h.Add));
        Assert.Equal(2, decision.After!.Firewall.Text!.Split('\n').Count(l => l == "# a forwarding"));
    }

    [Fact]
    public void Sections_of_the_old_script_are_taken_over()
    {
        var facts = Facts("00c-clean-npt6");
        var text = facts.Firewall.Text![..facts.Firewall.Text!.IndexOf("config include", StringComparison.Ordinal)] + "config npt6\n\toption src_interface 'lan'\n\toption dest_interface 'wg0'\n\toption output '2000:30:40:50::/64'\n";
        var decision = ExitsPlan.Make(facts with { Firewall = facts.Firewall with { Text = text } }, new(ExitsMethod.Npt6, null, false, null, false, false));
        Assert.Contains("exits/npt6-sections-fw3", decision.Vanish);
        Assert.DoesNotContain("npt6'", decision.After!.Firewall.Text, StringComparison.Ordinal);
        Assert.Contains(decision.Changes, c => c is CreateFile { Path: ExitsPlan.DropIn } made && made.Lines.Any(l => l.Contains("snat ip6 prefix to 2000:30:40:50::/64", StringComparison.Ordinal)));
    }

    [Fact]
    public void The_old_firewall_gets_a_script_that_may_run_twice()
    {
        var facts = Facts("00b-clean-nat6") with { Fw4 = false };
        var made = Assert.Single(ExitsPlan.Make(facts, new(ExitsMethod.Npt6, null, false, null, false, false)).Changes.OfType<CreateFile>());
        Assert.Equal(ExitsPlan.Script, made.Path);
        Assert.Contains(made.Lines, l => l.StartsWith("ip6tables -t nat -A lotse_exits -s ", StringComparison.Ordinal) && l.EndsWith(" -j NETMAP --to 2000:30:40:50::/64", StringComparison.Ordinal));
    }

    [Fact]
    public void What_does_not_fit_is_refused_with_the_reason()
    {
        var envelope = LotseProgram.Json("exits", "plan", "--root", LotseProgram.Data("exits", "routers", "00c-clean-npt6"), "--method", "pd");
        Assert.Equal(1, envelope.GetProperty("exit").GetInt32());
        Assert.Contains("SLAAC needs one each", envelope.GetProperty("reasons")[0].GetProperty("text").GetString(), StringComparison.Ordinal);
        Assert.Equal(JsonValueKind.Null, envelope.GetProperty("plan").ValueKind);
    }

    [Fact]
    public void A_guard_does_not_probe_the_router_itself() =>
        Assert.Equal(1, LotseProgram.Run("exits", "guard", "--root", LotseProgram.Data("exits", "routers", "00c-clean-npt6"), "--probe", "2000:30:40:50::2").Code);

    private static ExitsFacts Facts(string router)
    {
        using var host = FolderHost.Open(LotseProgram.Data("exits", "routers", router)).Value;
        return ExitsFacts.Read(host);
    }
}
