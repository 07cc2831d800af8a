using System.Text.Json;
using Lotse.Formats;
using Lotse.Tests.Mail;
using Xunit;

namespace Lotse.LabTests.Mail;

/// <summary>openspf's suite over real DNS with the program that is shipped; failures are SERVFAIL, then silence.</summary>
[Trait("lane", "waiting")]
public class MailSuiteTests
{
    private static readonly IReadOnlyList<SpfCase> Suite = SpfSuite.All(Path.Combine(Lab.Checkout(), "tests", "data", "mail", "spf", "rfc7208-tests.yml"));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Every_case_is_right_and_in_time(bool silence)
    {
        Lab.NeedsRoot();
        var wrong = new List<string>();
        foreach (var scenario in Suite.GroupBy(c => c.Zone))
        {
            using var server = new DnsResponder((query, tcp) => scenario.Key.Answer(DnsResponder.Question(query)) is { } answer
                ? DnsResponder.Serve(query, tcp, answer.Outcome == DnsOutcome.NoName ? 3 : 0, answer.Records)
                : silence ? [] : [DnsResponder.Answer(query, 2, [])]);

            // In silence only what meets it is another case.
            foreach (var test in scenario.Where(c => !silence || c.Results.Contains("temperror")))
            {
                var ran = Lab.Run(TimeSpan.FromSeconds(20), Lab.Lotse, "mail", "spf", "--server", server.Server, "--ip", test.Ip, "--helo", test.Helo, "--from", test.From, "--json");
                using var json = JsonDocument.Parse(ran.Output);
                var answer = json.RootElement.GetProperty("answer");
                var result = answer.GetProperty("result").GetString()!;
                if (!test.Results.Contains(result) || (result == "fail" && test.Explanation is not (null or "DEFAULT") && answer.GetProperty("explanation").GetString() != test.Explanation))
                {
                    wrong.Add($"{test.Scenario}: {test.Name}: {result} {answer.GetProperty("explanation")}");
                }
            }
        }

        Assert.Empty(wrong);
    }
}
