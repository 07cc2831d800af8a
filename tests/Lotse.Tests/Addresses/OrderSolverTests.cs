using System.Text;
using System.Text.Json;
using Lotse.Addresses;
using Lotse.Formats;
using Lotse.Formats.AddressSelection;
using Xunit;

namespace Lotse.Tests.Addresses;

/// <summary>The inverse problem on the recorded hosts: each IPv6 destination that can be reached and is not first, first.</summary>
public class OrderSolverTests
{
    [Fact]
    public void Every_goal_is_solved_or_refused_with_a_rule_that_looks_at_no_table()
    {
        int solved = 0, refused = 0;
        var shares = new List<double>();
        foreach (var line in File.ReadLines(LotseProgram.Data("addr", "cases.jsonl")))
        {
            var @case = AddressCase.Parse(Encoding.UTF8.GetBytes(line));
            var answer = AddressCaseAnswer.Of(@case, GlibcVersion.Default);
            var selection = new SourceSelection(@case.Network);
            if (answer.Glibc is null || Array.FindLastIndex(answer.Glibc, i => @case.Destinations[i].IsV6 && answer.Choices[i].Source is not null) is not (> 0 and var place))
            {
                continue;
            }

            var wanted = @case.Destinations[answer.Glibc[place]];
            var goal = new OrderGoal("goal", wanted, [.. @case.Destinations.Where(d => d != wanted)]);
            var ways = AddressPlan.Find(@case.Network, @case.GaiConf, GlibcVersion.Default, goal, d => selection.Select(d).Source);
            if (ways.Solutions.Length == 0)
            {
                refused++;
                Assert.InRange(ways.Against!.Value.Result.Rule, 1, 4);
                continue;
            }

            solved++;
            shares.Add(ways.Solutions[0].Changed);
            foreach (var solution in ways.Solutions)
            {
                // Judged by the whole sort, not by the comparison that the solver used.
                var after = AddressCaseAnswer.Of(@case with { GaiConf = solution.Text }, GlibcVersion.Default);
                Assert.Equal(wanted, @case.Destinations[after.Glibc![0]]);
                Assert.InRange(solution.Rows.Length, 1, 2);
                Assert.DoesNotContain(GaiConf.Parse(solution.Text, GlibcVersion.Default).Lines, l => l.Fault == GaiFault.NoLength);
            }
        }

        Assert.True(solved > 20 && refused > 0, $"{solved} solved, {refused} refused");
        Assert.True(shares.Order().ElementAt(shares.Count / 2) <= 0.034, $"median {shares.Order().ElementAt(shares.Count / 2)}");
    }

    [Fact]
    public void A_site_wide_goal_is_said_of_the_own_prefix_first()
    {
        var envelope = LotseProgram.Json("addr", "plan", "--want", "ipv6 before ipv4", "--facts", LotseProgram.Data("demo", "ula.host"));
        var alternatives = envelope.GetProperty("answer").GetProperty("alternatives");
        Assert.Equal(["own-prefix", "narrow", "all-ula"], alternatives.EnumerateArray().Select(a => a.GetProperty("scope").GetString()));
        Assert.Equal("label fd00:11:22::/48 1", alternatives[0].GetProperty("lines")[0].GetString());
        Assert.Equal("label fc00::/7 1", alternatives[2].GetProperty("lines")[0].GetString());
        Assert.All(alternatives.EnumerateArray(), a => Assert.False(a.GetProperty("proved").GetBoolean()));
        Assert.Equal(JsonValueKind.Object, envelope.GetProperty("plan").ValueKind);
    }

    [Theory]
    [InlineData("ipv6 before")]
    [InlineData("ipv6 before ipv6")]
    [InlineData("ipv9 before ipv4")]
    [InlineData("before before before")]
    public void What_is_no_order_is_refused(string order)
    {
        var (code, _, errors) = LotseProgram.Run("addr", "plan", "--want", order, "--facts", LotseProgram.Data("demo", "ula.host"));
        Assert.Equal(2, code);
        Assert.Contains("is no order", errors, StringComparison.Ordinal);
    }
}
