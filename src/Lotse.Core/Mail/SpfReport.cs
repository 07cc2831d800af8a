using Lotse.Formats;

namespace Lotse.Mail;

/// <summary>What is said about one evaluation of SPF. Pure.</summary>
public static class SpfReport
{
    private const string Rule = "RFC 7208 section 4.6";

    /// <summary>The report of <c>mail spf</c>.</summary>
    public static Report Of(SpfQuery query, SpfOutcome outcome)
    {
        var reasons = new List<Reason>
        {
            new($"the domain that is checked is {Value.Domain(outcome.Domain)}, from {(query.MailFrom.Length > 0 ? "the envelope sender" : "HELO, for the envelope sender is empty")}", Verdict.Yes, "RFC 7208 sections 2.3, 2.4",
                new Seen(query.MailFrom.Length > 0 ? Value.Mailbox(query.MailFrom) : Value.Host(query.Helo), query.MailFrom.Length > 0 ? "MAIL FROM" : "HELO")),
        };
        reasons.AddRange(outcome.Steps.Select(Step));
        if (outcome.Problem is { } problem)
        {
            reasons.Add(new(problem, outcome.Result == SpfResult.TempError ? Verdict.Unknown : Verdict.No, outcome.Result switch { SpfResult.TempError => "RFC 7208 section 2.6.6", SpfResult.PermError => "RFC 7208 section 2.6.7", _ => "RFC 7208 section 2.6.1" }));
        }

        Unknown[] unknowns = outcome.Result == SpfResult.TempError
            ? [new($"what SPF says for {query.Ip}", outcome.Problem ?? "DNS did not answer", "ask again, or another resolver: --server ADDRESS")] : [];
        return new($"SPF of {Value.Domain(outcome.Domain)} for {Value.Ip(query.Ip)}: {outcome.Word}, {outcome.Lookups} of {SpfEvaluation.LookupLimit} lookups", [.. reasons], [], unknowns)
        {
            Answer = MailJson.Part(new SpfAnswer(outcome.Word, outcome.Explanation ?? "", outcome.Domain, outcome.Problem, outcome.Lookups, outcome.Voids, outcome.Steps)),
        };
    }

    private static Reason Step(SpfStep step)
    {
        Text place = step.Depth == 0 ? (Text)$"{Value.Domain(step.Domain)}" : $"{new string('>', step.Depth)} {Value.Domain(step.Domain)}";
        return new(
            step.Term.Length == 0 ? (Text)$"{place}: {step.Detail}" : $"{place} {step.Term}: {step.Outcome}, {step.Detail} (lookups {step.Lookups}, without answer {step.Voids})",
            step.Outcome switch { "match" => Verdict.Yes, "temperror" => Verdict.Unknown, _ => Verdict.No }, Rule);
    }
}
