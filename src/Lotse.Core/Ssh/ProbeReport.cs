using System.Text.Json.Serialization;
using Lotse.Ssh.Transport;

namespace Lotse.Ssh;

/// <summary>One key in the answer of <c>ssh probe</c>.</summary>
/// <param name="File">Its file.</param>
/// <param name="Type">Its type.</param>
/// <param name="Accepted">Whether the server would take it; null: not asked.</param>
/// <param name="Algorithm">Under which name.</param>
public sealed record ProbeKeyAnswer(string File, string Type, bool? Accepted, string? Algorithm);

/// <summary>The answer of <c>ssh probe</c>.</summary>
public sealed record ProbeAnswer(
    string Banner, string[] Kex, string[] Hostkeys, string[] Ciphers, string[] Macs, [property: JsonPropertyName("server_sig_algs")] string[]? ServerSigAlgs,
    [property: JsonPropertyName("host_key")] string? HostKey, string[]? Methods, ProbeKeyAnswer[] Keys, int Connections, int Queries);

/// <summary>What a server said, as a report. Pure.</summary>
public static class ProbeReport
{
    /// <summary>Verdict, a reason a key, and what could not be asked.</summary>
    public static Report Of(ProbeFacts facts)
    {
        var reasons = new List<Reason>();
        if (facts.HostKeyFingerprint is { } print)
        {
            reasons.Add(new($"the server holds its host key: {facts.HostKeyType} {new Value(print, ValueKind.Key)}", Verdict.Yes, "RFC 4253 section 8"));
        }

        if (facts.Kex.Length > 0)
        {
            reasons.Add(new(facts.ServerSigAlgs is null ? "the server says which signatures it takes (server-sig-algs)" : (Text)$"the server says which signatures it takes: {string.Join(',', facts.ServerSigAlgs)}", facts.ServerSigAlgs is null ? Verdict.No : Verdict.Yes, "RFC 8308; a hint: OpenSSH before 9.6 lists all that it knows"));
        }

        foreach (var key in facts.Keys)
        {
            reasons.Add(new(key.Accepted == true ? (Text)$"{Value.Path(key.File)} ({key.Type}) would be taken, signing with {key.Algorithm}" : $"{Value.Path(key.File)} ({key.Type}) would be taken", key.Accepted switch { true => Verdict.Yes, false => Verdict.No, _ => Verdict.Unknown },
                "RFC 4252 section 7: the question without a signature", [.. key.Refused.Select(r => new Seen($"refused under the name {r}", facts.Address))]));
        }

        var taken = facts.Keys.Count(k => k.Accepted == true);
        Text verdict = facts.Banner.Length == 0 || facts.Kex.Length == 0 ? (Text)$"{Value.Host(facts.Address)} could not be asked: {facts.Trouble}"
            : facts.Keys.Length == 0 ? $"{Value.Host(facts.Address)} is {facts.Banner}"
            : $"{Value.Host(facts.Address)} is {facts.Banner}; it would take {taken} of {facts.Keys.Length} keys for {Value.User(facts.User)}";
        var unknowns = new List<Unknown>();
        if (facts.Trouble is { } trouble)
        {
            unknowns.Add(new(facts.Kex.Length == 0 ? "what the server offers" : "all that was asked", trouble, "ssh -v to the same host, and lotse ssh why with its log"));
        }
        else if (facts.Keys.Any(k => k.Accepted is null))
        {
            unknowns.Add(facts.Methods?.Contains("publickey") == false ? new("whether the keys would be taken", (Text)$"the server takes no public keys for this user: {string.Join(", ", facts.Methods)}", "look at PubkeyAuthentication and AuthenticationMethods on the server")
                : new("whether the keys that were not asked would be taken", "refused questions count as failed logins, and the budget was used up", "name those keys alone, or --budget N, after a minute: sshd 9.8 and later shuts an address out (PerSourcePenalties)"));
        }

        return new(verdict, [.. reasons], [], [.. unknowns])
        {
            Answer = new(new ProbeAnswer(facts.Banner, facts.Kex, facts.HostKeys, facts.Ciphers, facts.Macs, facts.ServerSigAlgs, facts.HostKeyFingerprint, facts.Methods, [.. facts.Keys.Select(k => new ProbeKeyAnswer(k.File, k.Type, k.Accepted, k.Algorithm))], facts.Connections, facts.Queries), () => ProbeJson.Default.ProbeAnswer),
            Facts = new(facts, () => ProbeJson.Default.ProbeFacts),
        };
    }
}

/// <summary>The JSON form of probes.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(ProbeAnswer))]
[JsonSerializable(typeof(ProbeFacts))]
internal sealed partial class ProbeJson : JsonSerializerContext;
