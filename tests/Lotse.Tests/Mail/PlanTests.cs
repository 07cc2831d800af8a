using System.Text;
using Lotse.Formats;
using Lotse.Mail;
using Xunit;

namespace Lotse.Tests.Mail;

/// <summary>A move from an old provider as a dated sequence: TTL lowered and waited out, the cool-down of the sender, then the move.</summary>
public class PlanTests
{
    private static readonly DateTimeOffset Now = new(2026, 6, 1, 8, 0, 0, TimeSpan.Zero);

    [Theory]

    // The TTL is lowered at once; the move waits for the sender's seven days, or for the old TTL, whichever is later.
    [InlineData(86400, null, "MX 86400 -> MX 300", "2026-06-08 2026-06-09")]
    [InlineData(604800, "2026-05-20", "MX 604800 -> MX 300", "2026-06-08 2026-06-09")]
    [InlineData(3600, "2026-05-20", "MX 3600 -> MX 300", "2026-06-02 2026-06-03")]
    [InlineData(300, null, "", "2026-06-08 2026-06-09")]
    [InlineData(300, "2026-05-28", "", "2026-06-04 2026-06-05")]

    // Everything is waited out: now it moves, with the low TTL.
    [InlineData(300, "2026-05-20", "MX 300 -> MX 300, MX 300", "")]
    public void A_move_has_days(int ttl, string? since, string now, string days)
    {
        var plan = Plan($"@ {ttl} MX 10 mail.old.example.", since);
        Assert.Equal(days, string.Join(' ', plan.Later.Select(l => l.Day.ToString("yyyy-MM-dd"))));
        var (remove, add) = (plan.Now.Remove.Where(r => r.Type == DnsType.MX).ToArray(), plan.Now.Add.Where(r => r.Type == DnsType.MX).ToArray());
        Assert.Equal(now, remove.Length + add.Length == 0 ? "" : $"{string.Join(", ", remove.Select(r => $"MX {r.Ttl}"))} -> {string.Join(", ", add.Select(r => $"MX {r.Ttl}"))}");
        if (days.Length > 0)
        {
            // The old exchange receives until then: the sender's confirmation has to arrive.
            Assert.DoesNotContain(add, r => r.Exchange.Host.EndsWith("forwardemail.net", StringComparison.Ordinal));
            Assert.All(remove, r => Assert.Contains(add, a => a.SameData(r)));
        }
        else
        {
            Assert.Equal(["mx1.forwardemail.net", "mx2.forwardemail.net"], add.Select(r => r.Exchange.Host).Order());
        }
    }

    [Fact]
    public void A_domain_without_exchange_needs_no_waiting() => Assert.Equal(2, Plan("", "2026-05-20").Now.Add.Count(r => r.Type == DnsType.MX));

    private static MailPlan Plan(string mx, string? since)
    {
        var zone = ZoneFile.Parse("/z", Encoding.UTF8.GetBytes($"""
            $ORIGIN x.example.
            $TTL 3600
            @ SOA ns1 hostmaster 1 3600 600 604800 300
            @ A 192.0.2.80
            {mx}
            @ TXT "v=spf1 include:posteo.de ~all"
            @ TXT "forward-email=me@posteo.de"
            _dmarc TXT "v=DMARC1; p=none"
            $ORIGIN old.example.
            @ SOA ns1 hostmaster 1 3600 600 604800 300
            mail A 192.0.2.9
            """)).Value;
        var facts = new MailFacts("x.example", new() { Send = "posteo" }, Now, "zone", true, []);
        var goal = new MailGoal(Provider.Find("forwardemail"), Provider.Find("posteo"), null, null, since is null ? null : DateOnly.ParseExact(since, "yyyy-MM-dd"));
        return new DnsLookups().Complete(dns => MailPlan.Of(new(facts, dns), goal), questions => [.. questions.Select(q => zone.Answer(q) ?? new(DnsOutcome.NoName, [], "z"))]);
    }
}
