using System.Text.Json.Serialization;

namespace Lotse.Mail;

/// <summary>The answer of <c>mail spf</c>.</summary>
/// <param name="Result">none, neutral, pass, fail, softfail, temperror or permerror.</param>
/// <param name="Explanation">Of a fail: the domain's own words; empty where it has none.</param>
/// <param name="Domain">Whose record was asked for.</param>
/// <param name="Problem">Why it is an error or none.</param>
/// <param name="Lookups">Terms that asked DNS, of ten.</param>
/// <param name="Voids">Lookups without an answer, of two.</param>
/// <param name="Steps">The evaluation, term by term.</param>
public sealed record SpfAnswer(string Result, string Explanation, string Domain, string? Problem, int Lookups, int Voids, SpfStep[] Steps);

/// <summary>The JSON forms of this area.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, UseStringEnumConverter = true)]
[JsonSerializable(typeof(SpfAnswer))]
[JsonSerializable(typeof(DomainAnswer))]
[JsonSerializable(typeof(SimulationAnswer))]
[JsonSerializable(typeof(JourneysAnswer))]
[JsonSerializable(typeof(RouteAnswer))]
[JsonSerializable(typeof(MessageAnswer))]
[JsonSerializable(typeof(WatchAnswer))]
[JsonSerializable(typeof(System.Text.Json.JsonElement))]
[JsonSerializable(typeof(MailFacts))]
internal sealed partial class MailJson : JsonSerializerContext
{
    public static JsonPart Part(SimulationAnswer answer) => new(answer, static () => Default.SimulationAnswer);

    public static JsonPart Part(JourneysAnswer answer) => new(answer, static () => Default.JourneysAnswer);

    public static JsonPart Part(MessageAnswer answer) => new(answer, static () => Default.MessageAnswer);

    public static JsonPart Part(System.Text.Json.JsonElement element) => new(element, static () => Default.JsonElement);

    public static JsonPart Part(WatchAnswer answer) => new(answer, static () => Default.WatchAnswer);

    public static JsonPart Part(RouteAnswer answer) => new(answer, static () => Default.RouteAnswer);

    public static JsonPart Part(DomainAnswer answer) => new(answer, static () => Default.DomainAnswer);

    public static JsonPart Part(MailFacts facts) => new(facts, static () => Default.MailFacts);

    public static JsonPart Part(SpfAnswer answer) => new(answer, static () => Default.SpfAnswer);
}
