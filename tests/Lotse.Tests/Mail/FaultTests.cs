using Lotse.Formats;
using Lotse.Mail;
using Xunit;

namespace Lotse.Tests.Mail;

/// <summary>
/// A right domain with one thing wrong, tests/data/mail/faults: every error and warning is that fault, and every fault is
/// found; near misses are not. Two faults of different subjects at once are both found, and nothing is added.
/// </summary>
public class FaultTests
{
    private const string Domain = "x.example";

    private static readonly string[] Right =
    [
        "@ SOA ns1 hostmaster 1 3600 600 604800 300", "@ NS ns1", "ns1 A 198.51.100.53", "@ A 198.51.100.80",
        "@ MX 10 mx1.forwardemail.net.", "@ MX 10 mx2.forwardemail.net.",
        "@ TXT \"v=spf1 include:posteo.de ~all\"", "@ TXT \"forward-email=me@posteo.de\"",
        "_dmarc TXT \"v=DMARC1; p=none; rua=mailto:me@x.example\"",
    ];

    private static readonly string World = File.ReadAllText(LotseProgram.Data("mail", "faults", "world.zone"));

    private static readonly Fault[] Faults = Read();

    public static TheoryData<string> Names() => [.. Faults.Select(f => f.Name)];

    [Fact]
    public void Every_finding_of_the_area_that_records_show_has_a_case()
    {
        // The date of a registration and a fetched policy stand in no record; servers that differ are asked in the lab.
        string[] elsewhere = ["domain-expiry", "mtasts-mx-mismatch", "dns-servers-differ"];
        var covered = Faults.SelectMany(f => f.Loud.Concat(f.Said)).ToHashSet();
        Assert.Superset(FindingPage.All.Where(p => p.Id.StartsWith("mail/", StringComparison.Ordinal)).Select(p => p.Id[5..]).Except(elsewhere).ToHashSet(), covered);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Is_found_and_nothing_else(string name)
    {
        var fault = Faults.First(f => f.Name == name);
        var findings = Diagnose(fault);
        Assert.Equal(fault.Loud.Order(), Loud(findings));
        Assert.Superset(fault.Said.ToHashSet(), Ids(findings).ToHashSet());
        Assert.Empty(Ids(findings).Intersect(fault.Unsaid));
    }

    [Fact]
    public void Two_faults_of_different_subjects_are_both_found()
    {
        // What says something about DNS as a whole, or takes the base apart, changes what else is said.
        var simple = Faults.Where(f => f.Loud.Length == 1 && f.Removes.Length <= 1 && f.Outcomes.Length == 0 && !f.Name.StartsWith("dns-", StringComparison.Ordinal)).ToArray();
        var random = new Random();
        for (var i = 0; i < 300; i++)
        {
            var (a, b) = (simple[random.Next(simple.Length)], simple[random.Next(simple.Length)]);
            if (Subject(a) == Subject(b) || (a.Removes.Length > 0 && a.Removes.SequenceEqual(b.Removes)))
            {
                continue;
            }

            var both = new Fault($"{a.Name} and {b.Name}", [.. a.Adds, .. b.Adds], [.. a.Removes, .. b.Removes], [], [], [], []);
            var loud = Loud(Diagnose(both, "posteo"));
            Assert.True(a.Loud.Concat(b.Loud).Distinct().Order().SequenceEqual(loud.Where(l => l != "spf-too-long" || a.Loud.Concat(b.Loud).Contains(l))), $"{both.Name}: {string.Join(' ', loud)}");
        }

        static string Subject(Fault fault) => fault.Loud[0].Split('-')[0] is var word && word is "dkim" or "dmarc" ? "legs" : word is "mx" or "fe" or "dane" ? "receiver" : word;
    }

    private static string[] Ids(Finding[] findings) => [.. findings.Select(f => f.Id["mail/".Length..]).Distinct()];

    private static string[] Loud(Finding[] findings) => [.. Ids([.. findings.Where(f => f.Severity >= Severity.Warning)]).Order()];

    private static Finding[] Diagnose(Fault fault, string? send = null)
    {
        var lines = Right.Where(l => l.Contains(" SOA ", StringComparison.Ordinal) || !fault.Removes.Any(r => l.StartsWith(r, StringComparison.Ordinal)));
        var text = $"{World}\n$ORIGIN {Domain}.\n{string.Join('\n', lines.Concat(fault.Adds.Where(a => !a.StartsWith("_dmarc.example ", StringComparison.Ordinal))))}\n"
            + string.Concat(fault.Adds.Where(a => a.StartsWith("_dmarc.example ", StringComparison.Ordinal)).Select(a => $"$ORIGIN .\n{a}\n"));
        var read = ZoneFile.Parse("/zone", System.Text.Encoding.UTF8.GetBytes(text));
        Assert.True(read.Ok, read.Error?.Message);
        var facts = new MailFacts(Domain, new() { Send = send }, DateTimeOffset.UnixEpoch, "the zone", true, []);
        DnsAnswer Ask(DnsQuestion question) => fault.Outcomes.FirstOrDefault(o => o.Name == question.Name && o.Type == question.Type) is { Name: not null } failed ? new(failed.Outcome, [], "the zone")
            : read.Value.Answer(question) is not { } answer ? new(DnsOutcome.NoName, [], "the zone")
            : answer.Outcome == DnsOutcome.NotAsked ? answer with { Outcome = DnsOutcome.NoName, Note = null } : answer;
        return new DnsLookups().Complete(dns => MailDiagnosis.Of(facts, dns), questions => [.. questions.Select(Ask)]).Findings;
    }

    private static Fault[] Read()
    {
        var faults = new List<Fault>();
        foreach (var block in File.ReadAllText(LotseProgram.Data("mail", "faults", "faults.txt")).Split("\n\n"))
        {
            var lines = block.Split('\n').Where(l => l.Length > 0 && !l.StartsWith('#')).ToArray();
            if (lines.Length == 0)
            {
                continue;
            }

            string[] Of(char mark) => [.. lines.Skip(1).Where(l => l[0] == mark).Select(l => l[1..].Trim())];
            string[] Words(char mark) => [.. Of(mark).SelectMany(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries))];
            Assert.True(lines.Any(l => l[0] == '='), lines[0]);
            faults.Add(new(
                lines[0], Of('+'), Of('-'), [.. Of('?').Select(l => l.Split(' ')).Select(w => (w[0], DnsTypes.Parse(w[1])!.Value, Enum.Parse<DnsOutcome>(w[2])))], Words('='), Words('i'), Words('x')));
        }

        return [.. faults];
    }

    /// <summary>A case: records that come and go, answers that are none, what is said loudly, also, and not.</summary>
    private sealed record Fault(string Name, string[] Adds, string[] Removes, (string Name, DnsType Type, DnsOutcome Outcome)[] Outcomes, string[] Loud, string[] Said, string[] Unsaid);
}
