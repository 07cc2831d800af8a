using System.Net;
using Lotse.Formats;
using Lotse.Mail;
using Xunit;

namespace Lotse.Tests.Mail;

/// <summary>openspf's suite for RFC 7208, all of it: results and explanations.</summary>
public class SpfSuiteTests
{
    private static readonly IReadOnlyList<SpfCase> Suite = SpfSuite.All(LotseProgram.Data("mail", "spf", "rfc7208-tests.yml"));

    public static TheoryData<string> Names() => [.. Suite.Select(c => $"{c.Scenario}: {c.Name}")];

    [Fact]
    public void The_suite_is_whole() => Assert.Equal((203, 22), (Suite.Count, Suite.Count(c => c.Explanation is not null && c.Results.Contains("fail"))));

    [Theory]
    [MemberData(nameof(Names))]
    public void Gives_the_result_and_the_explanation(string name)
    {
        var test = Suite.First(c => $"{c.Scenario}: {c.Name}" == name);
        var query = new SpfQuery(IPAddress.Parse(test.Ip), test.Helo, test.From, DateTimeOffset.UnixEpoch);
        var outcome = new DnsLookups().Complete(dns => SpfEvaluation.Check(query, dns), questions => [.. questions.Select(q => test.Zone.Answer(q) ?? new(DnsOutcome.ServerFailure, [], "suite"))]);
        Assert.Contains(outcome.Word, test.Results);
        if (test.Explanation is not (null or "DEFAULT") && outcome.Word == "fail")
        {
            Assert.Equal(test.Explanation, outcome.Explanation);
        }
    }
}
