namespace Lotse.Ssh;

/// <summary>How far a login gets. The words are those of <c>ssh predict</c>.</summary>
public static class LoginStage
{
    /// <summary>It works.</summary>
    public const string Ok = "ok";

    /// <summary>The client refuses its own configuration.</summary>
    public const string Config = "config";

    /// <summary>No common key exchange, host key, cipher or MAC.</summary>
    public const string Negotiation = "kex";

    /// <summary>The client thinks there is a match, the server hangs up: it did not read the whole list.</summary>
    public const string Transport = "transport";

    /// <summary>The client cannot read the private key.</summary>
    public const string KeyLoad = "auth:key-load";

    /// <summary>The client's own configuration keeps the key back.</summary>
    public const string KeySkipped = "auth:key-skipped";

    /// <summary>No signature algorithm that both sides take.</summary>
    public const string NoMutualSignature = "auth:no-mutual-sig";

    /// <summary>The server says no.</summary>
    public const string Rejected = "auth:rejected";
}

/// <summary>One obstacle on the way to a login, at its layer.</summary>
/// <param name="Stage">One of <see cref="LoginStage"/>.</param>
/// <param name="What">config, kex, hostkey, cipher, mac, key, signature.</param>
/// <param name="Client">What the client brought.</param>
/// <param name="Server">What the server brought.</param>
public sealed record Obstacle(string Stage, string What, string[] Client, string[] Server);

/// <summary>What happens when a client with some configuration logs in to a server with a key that is installed there.</summary>
/// <param name="Stage">Where it ends: the first obstacle's, or ok.</param>
/// <param name="SignatureAlgorithm">What the key signs with; null where it does not come to that.</param>
/// <param name="Kex">The key exchange agreed on.</param>
/// <param name="HostKey">The host key algorithm agreed on.</param>
/// <param name="Obstacles">All of them, layer by layer: the first hides the others from who only tries.</param>
public sealed record LoginPrediction(string Stage, string? SignatureAlgorithm, string? Kex, string? HostKey, Obstacle[] Obstacles)
{
    /// <summary>ok or fail.</summary>
    public string Result => Stage == LoginStage.Ok ? "ok" : "fail";

    /// <summary>Works out every layer (RFC 4253 section 7.1; RFC 8308, RFC 8332; OpenSSH sshconnect2.c key_sig_algorithm).</summary>
    public static LoginPrediction Of(ClientModel client, ServerModel server, UserKeyType key)
    {
        var obstacles = new List<Obstacle>();
        if (client.Refused is { } refused)
        {
            obstacles.Add(new(LoginStage.Config, "config", [refused], []));
        }

        var kex = Agree(obstacles, "kex", client.Kex, server.Kex, server);
        var hostKey = Agree(obstacles, "hostkey", client.HostKeys, server.HostKeys, server);
        var cipher = Agree(obstacles, "cipher", client.Ciphers, server.Ciphers, server);
        if (cipher is null || !HasOwnMac(cipher))
        {
            Agree(obstacles, "mac", client.Macs, server.Macs, server);
        }

        var signature = Signature(obstacles, client, server, key);
        return new(
            obstacles.Count == 0 ? LoginStage.Ok : First(obstacles).Stage, obstacles.Count == 0 ? signature : null, kex, hostKey, [.. obstacles]);
    }

    /// <summary>A failed negotiation ends the connection before the server can be seen to have read a list differently.</summary>
    private static Obstacle First(List<Obstacle> all) =>
        all.Find(o => o.Stage == LoginStage.Config) ?? all.Find(o => o.Stage == LoginStage.Negotiation) ?? all.Find(o => o.Stage == LoginStage.Transport) ?? all[0];

    private static string? Agree(List<Obstacle> obstacles, string what, string[] client, string[] offered, ServerModel server)
    {
        var agreed = AlgorithmList.Agree(client, offered);
        if (agreed is null)
        {
            obstacles.Add(new(LoginStage.Negotiation, what, client, offered));
        }
        else if (AlgorithmList.Agree(server.Sees(client), offered) is null)
        {
            obstacles.Add(new(LoginStage.Transport, what, client, offered));
        }

        return agreed;
    }

    /// <summary>Ciphers that authenticate by themselves need no MAC (PROTOCOL.chacha20poly1305, RFC 5647).</summary>
    private static bool HasOwnMac(string cipher) => cipher.Contains("gcm", StringComparison.Ordinal) || cipher.Contains("poly1305", StringComparison.Ordinal);

    private static string? Signature(List<Obstacle> obstacles, ClientModel client, ServerModel server, UserKeyType key)
    {
        if (!client.Reads(key) || (key.IsRsa && key.Bits > 0 && key.Bits < client.LeastRsaBits))
        {
            obstacles.Add(new(LoginStage.KeyLoad, "key", [key.Name], []));
            return null;
        }

        // Whether a key is tried at all: any of its algorithms will do (sshconnect2.c key_type_allowed_by_config).
        if (client.NamesKeyTypes ? !client.UserKeys.Contains(key.Name) : !key.Signatures.Any(client.UserKeys.Contains))
        {
            obstacles.Add(new(LoginStage.KeySkipped, "key", client.UserKeys, [key.Name]));
            return null;
        }

        var signature = ChooseSignature(client, server, key);
        if (signature is null)
        {
            obstacles.Add(new(LoginStage.NoMutualSignature, "signature", [.. client.UserKeys.Where(key.Signatures.Contains)], server.ServerSigAlgs ?? ["ssh-rsa"]));
        }
        else if (!server.Accepts.Contains(signature))
        {
            obstacles.Add(new(LoginStage.Rejected, "signature", [signature], server.Accepts));
        }

        return signature;
    }

    /// <summary>The algorithm that a client signs with: for RSA the first of its list that server-sig-algs names, ssh-rsa where the server sends no list.</summary>
    /// <returns>Null: no mutual signature algorithm.</returns>
    public static string? ChooseSignature(ClientModel client, ServerModel server, UserKeyType key)
    {
        if (!key.IsRsa)
        {
            return key.Name;
        }

        if (client.NamesKeyTypes)
        {
            // Its list has the type alone; the names of the signatures are its own (sshconnect2.c key_sign_encode of 7.7).
            return UserKeyType.RsaSignatures.FirstOrDefault(s => server.ServerSigAlgs?.Contains(s) == true) ?? "ssh-rsa";
        }

        return server is { ServerSigAlgs: null, HidesSha2: false } ? client.UserKeys.FirstOrDefault(a => a == "ssh-rsa")
            : client.UserKeys.FirstOrDefault(a => key.Signatures.Contains(a) && (server.HidesSha2 || server.ServerSigAlgs!.Contains(a)));
    }
}
