using System.Text.Json.Serialization;

namespace Lotse.Ssh;

/// <summary>The answer of <c>ssh predict</c>.</summary>
/// <param name="Result">ok or fail.</param>
/// <param name="Stage">Where it ends; see <see cref="LoginStage"/>.</param>
/// <param name="Sigalg">The algorithm that the key signs with; null on a failure.</param>
/// <param name="Hostkeyalg">The host key algorithm agreed on.</param>
/// <param name="Kex">The key exchange agreed on.</param>
/// <param name="Layers">What stands in the way, all layers, first one first: config, kex, hostkey, cipher, mac, key, signature.</param>
/// <param name="Basis">Where the client's and the server's lists are from.</param>
public sealed record PredictionAnswer(string Result, string Stage, string? Sigalg, string? Hostkeyalg, string? Kex, string[] Layers, string Basis);

/// <summary>A prediction as a report. Pure.</summary>
public static class PredictionReport
{
    /// <summary>The layers as reasons, in the order in which a connection comes to them.</summary>
    public static Report Of(ClientModel client, ServerModel server, UserKeyType key)
    {
        var login = LoginPrediction.Of(client, server, key);
        var reasons = new List<Reason>();
        foreach (var (layer, name, rule) in new[]
        {
            ("config", "the configuration", "ssh_config(5)"), ("kex", "key exchange", "RFC 4253 section 7.1"), ("hostkey", "host key algorithm", "RFC 4253 section 7.1"), ("cipher", "cipher", "RFC 4253 section 7.1"),
            ("mac", "MAC", "RFC 4253 section 7.1"), ("key", "the key is used", "OpenSSH sshconnect2.c key_type_allowed_by_config"), ("signature", "signature algorithm of the key", "RFC 8308 server-sig-algs, RFC 8332, sshconnect2.c key_sig_algorithm"),
        })
        {
            var obstacle = Array.Find(login.Obstacles, o => o.What == layer);
            if (obstacle is null)
            {
                var agreed = layer switch { "kex" => login.Kex, "hostkey" => login.HostKey, "signature" => login.SignatureAlgorithm, _ => null };
                reasons.Add(new(agreed is null ? name : $"{name}: {agreed}", login.Obstacles.Any(o => o.What == "key") && layer == "signature" ? Verdict.Unknown : Verdict.Yes, rule));
                continue;
            }

            reasons.Add(new($"{name}: {Words(obstacle)}", Verdict.No, rule,
                [.. new[] { new Seen(List(obstacle.Client), $"OpenSSH {client.Version} ({client.Basis})"), new Seen(List(obstacle.Server), $"{server.Name} ({server.Basis})") }.Where(s => s.What.ToString().Length > 0)]));
        }

        Text verdict = login.Stage == LoginStage.Ok
            ? (Text)$"OpenSSH {client.Version.ToString()} logs in to {server.Name} with {key.Word}, signing with {login.SignatureAlgorithm}"
            : $"OpenSSH {client.Version.ToString()} does not log in to {server.Name} with {key.Word}: {Words(login.Obstacles.First(o => o.Stage == login.Stage))}";
        return new(verdict, [.. reasons], [], []) { Answer = Part(Answer(login, client, server)) };
    }

    /// <summary>For programs.</summary>
    public static PredictionAnswer Answer(LoginPrediction login, ClientModel client, ServerModel server) =>
        new(login.Result, login.Stage, login.SignatureAlgorithm, login.HostKey, login.Kex, [.. login.Obstacles.Select(o => o.What)], $"client {client.Basis}, server {server.Basis}");

    /// <summary>With its JSON form.</summary>
    public static JsonPart Part(PredictionAnswer answer) => new(answer, () => PredictionJson.Default.PredictionAnswer);

    private static string Words(Obstacle obstacle) => obstacle.Stage switch
    {
        LoginStage.Config => "the client refuses its configuration",
        LoginStage.Negotiation => $"no matching {obstacle.What switch { "kex" => "key exchange method", "hostkey" => "host key type", "cipher" => "cipher", _ => "MAC" }} found",
        LoginStage.Transport => $"the server does not read all {obstacle.Client.Length} names of the client's list and hangs up",
        LoginStage.KeyLoad => "this client cannot use such a key",
        LoginStage.KeySkipped => "the client keeps the key back: its type is not in PubkeyAcceptedAlgorithms",
        LoginStage.NoMutualSignature => "no mutual signature algorithm",
        _ => "the server refuses such a key",
    };

    private static string List(string[] names) => string.Join(',', names);
}

/// <summary>The JSON form of predictions.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(PredictionAnswer))]
internal sealed partial class PredictionJson : JsonSerializerContext;
