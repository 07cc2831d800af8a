using System.Text.Json.Serialization;
using Lotse.Formats;

namespace Lotse.Ssh;

/// <summary>The client on this machine: its version, the user's public keys, the hosts that the configuration names.</summary>
/// <param name="Version">OpenSSH's; null: there is no ssh.</param>
/// <param name="Keys">File and type of each public key in ~/.ssh.</param>
/// <param name="Hosts">Names in Host lines of ~/.ssh/config, patterns left out.</param>
public sealed record SshHere(string? Version, KeyValuePair<string, string>[] Keys, string[] Hosts)
{
    /// <summary>Reads it.</summary>
    public static SshHere Read(Host host, string home)
    {
        var files = host.List($"{home}/.ssh") is { Ok: true, Value: var names } ? names.Where(n => n.EndsWith(".pub", StringComparison.Ordinal)) : [];
        var keys = files.Select(n => (Path: $"{home}/.ssh/{n}", Key: SshIdentity.ReadPublic(host, $"{home}/.ssh/{n}")));
        var config = host.ReadFile($"{home}/.ssh/config", 1 << 20) is { Ok: true, Value: var content } ? SshConfigFile.Parse(FileLines.Split(content).Lines).Lines : [];
        return new(
            SshSettings.ClientVersion(host)?.ToString(), [.. keys.Where(k => k.Key is not null).Select(k => new KeyValuePair<string, string>(k.Path, k.Key!.Type))],
            [.. config.Where(l => l.Keyword == "host").SelectMany(l => l.Value.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries)).Select(h => h.Trim('"')).Where(h => h.IndexOfAny(['*', '?', '!']) < 0).Distinct()]);
    }

    /// <summary>As a report: a line a key, with what this version does with it.</summary>
    public Report Report()
    {
        var client = SshVersion.Parse(Version ?? "") is { } version ? ClientModel.Defaults(version) : null;
        return new(
            Version is null ? "there is no ssh client here" : (Text)$"OpenSSH {Version}; {Keys.Length} public keys, {Hosts.Length} hosts in the configuration",
            [.. Keys.Select(k => new Reason($"{Value.Path(k.Key)} ({k.Value}) is offered by default", client is null ? Verdict.Unknown : new UserKeyType(k.Value, 0) is var type && client.Reads(type) && type.Signatures.Any(client.UserKeys.Contains) ? Verdict.Yes : Verdict.No, "ssh_config(5) PubkeyAcceptedAlgorithms"))], [], [])
        { Answer = new(this, () => HereJson.Default.SshHere) };
    }
}

/// <summary>The JSON form.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(SshHere))]
internal sealed partial class HereJson : JsonSerializerContext;
