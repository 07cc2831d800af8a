using System.Text.Json.Serialization;
using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>The way out of one inner network, for programs.</summary>
/// <param name="Network">The interface's name.</param>
/// <param name="Host">A host of it.</param>
/// <param name="Seen">What a server sees of that host; null: nothing arrives, or it cannot be foretold.</param>
/// <param name="Exit">The interface that it leaves by.</param>
/// <param name="How">masquerade, prefix, range, address, none.</param>
/// <param name="Works">yes, no, unknown.</param>
internal sealed record ExitOf(string Network, IpAddress? Host, IpAddress? Seen, string? Exit, string How, string Works);

/// <summary>What <c>lotse exits</c> answers programs.</summary>
/// <param name="Networks">Each inner network.</param>
/// <param name="Outer">The prefixes outside.</param>
internal sealed record ExitsAnswer(ExitOf[] Networks, IpPrefix[] Outer)
{
    public static JsonPart Part(IEnumerable<PacketPath> paths, IpPrefix[] outer) =>
        new(new ExitsAnswer([.. paths.Select(p => new ExitOf(p.Lan.Name, p.Source, p.Seen, p.Exit?.Name, How(p.Rule), p.Works switch { Verdict.Yes => "yes", Verdict.No => "no", _ => "unknown" }))], outer), () => ExitsJson.Default.ExitsAnswer);

    private static string How(NftRule? rule) => rule?.Verb switch
    {
        null => "none",
        Verb.Masquerade => "masquerade",
        Verb.SnatPrefix => "prefix",
        Verb.SnatAddress => rule.To!.Low == rule.To.High ? "address" : "range",
        _ => "unknown",
    };
}

/// <summary>The JSON forms of this area.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true)]
[JsonSerializable(typeof(ExitsAnswer))]
internal sealed partial class ExitsJson : JsonSerializerContext;
