using System.Text.Json.Serialization;
using Lotse.Ssh.Logs;
using Lotse.Ssh.Transport;

namespace Lotse.Ssh;

/// <summary>What would become of one key.</summary>
/// <param name="File">The private key, or the comment of a key in the agent.</param>
/// <param name="Type">Its type.</param>
/// <param name="Stage">How far the login gets with it; see <see cref="LoginStage"/>.</param>
/// <param name="Algorithm">What it would sign with.</param>
/// <param name="Accepted">What the server said of it; null: it was not asked.</param>
/// <param name="Cause">What stands in the way; null: nothing that can be seen from here.</param>
public sealed record HostKeyAnswer(string File, string? Type, string Stage, string? Algorithm, bool? Accepted, string? Cause);

/// <summary>The answer of <c>ssh why HOST</c>.</summary>
/// <param name="Cause">Why the login fails; <c>ok</c>: it works; null: it cannot be told from here.</param>
/// <param name="Certain">Whether only this cause fits.</param>
/// <param name="Alternatives">Every cause that fits, likeliest first.</param>
/// <param name="Fixes">What helps, best first.</param>
/// <param name="Layers">Every layer that fails: kex, hostkey, cipher, mac, signature.</param>
/// <param name="Client">The client's version.</param>
/// <param name="Server">The server's banner.</param>
/// <param name="Keys">Every key, in order.</param>
/// <param name="Connections">Connections that were made.</param>
/// <param name="Queries">Questions about keys.</param>
public sealed record HostAnswer(string? Cause, bool Certain, string[] Alternatives, string[] Fixes, string[] Layers, string Client, string? Server, HostKeyAnswer[] Keys, int Connections, int Queries);

/// <summary>Why the login to a host would fail, key by key, from what the server says and what the client is configured to do. Pure.</summary>
public static class HostDiagnosis
{
    /// <summary>The verdict, a reason a layer and key, and the cause.</summary>
    public static Report Of(SshHostFacts facts)
    {
        var probe = facts.Probe;
        if (probe.Kex.Length == 0)
        {
            return Unreached(facts);
        }

        var client = facts.Target.Settings?.Client(facts.Version) ?? ClientModel.Defaults(facts.Version);
        var (connection, keys) = Judge(client, probe, facts.Target.Identities);
        var reasons = new List<Reason> { new($"{Value.Host(facts.Target.Name)} is {probe.Banner}", Verdict.Yes, "RFC 4253 section 4.2", new Seen($"{probe.Address}", probe.BySystem ? "ssh -vvv" : "asked")) };
        reasons.AddRange(connection.Select(o => new Reason($"{o.What} in common", Verdict.No, o.Stage == LoginStage.Transport ? $"{probe.Banner} does not read all {o.Client.Length} names of the client's list" : "RFC 4253 section 7.1", new Seen(string.Join(',', o.Client), "ssh -G"), new Seen(string.Join(',', o.Server), probe.Address))));
        var hostKey = Refusing(HostKey(facts, reasons), facts.Target.Settings?["stricthostkeychecking"]);
        reasons.AddRange(keys.Select(k => Because(k, facts)));
        var causes = Causes(connection, hostKey, keys);
        var works = connection.Length == 0 && hostKey is null ? Array.Find(keys, k => k.Stage == LoginStage.Ok && k.Accepted == true && k.Cause is null) : null;
        if (works is not null)
        {
            // What is wrong with other keys does not matter then.
            return new($"the login works: {Value.Path(works.File)} ({works.Type}) is taken, signing with {works.Algorithm}", [.. reasons], [], []) { Answer = Part(facts, Conclusion.Worked, [], [], connection, keys) };
        }

        if (causes.Length == 0)
        {
            var asked = keys.Length == 0 || !keys.All(k => k.Accepted is null) ? "nothing that can be seen from here stands in the way" : "the keys were not asked about";
            return new($"not known whether the login works: {probe.Trouble ?? asked}", [.. reasons], [], [new("whether the login works", probe.Trouble ?? asked, "ssh -v, and lotse ssh why with its log")]) { Answer = Part(facts, null, [], [], connection, keys) };
        }

        var cause = CauseCatalogue.Find(causes[0]);
        var alternatives = CauseCatalogue.IsClass(causes[0]) ? CauseCatalogue.Alternatives(causes[0]) : [causes[0]];
        var fixes = CauseCatalogue.Fixes(causes.SelectMany(c => CauseCatalogue.IsClass(c) ? CauseCatalogue.Alternatives(c) : [c]).Distinct());
        var findings = causes.Select(c => CauseCatalogue.Find(c)).Select((c, i) => new Finding(c.Id, c.Severity, Certainty.Proven, Subject(c.Name, keys, facts), $"{c.Title}", [], LogReport.Remedies(CauseCatalogue.Fixes(CauseCatalogue.IsClass(c.Name) ? CauseCatalogue.Alternatives(c.Name) : [c.Name]))));
        Unknown[] unknowns = alternatives.Length > 1 ? [new($"which of these it is: {string.Join(", ", alternatives)}", "a server never tells a client why it refuses a key", "the server's log (journalctl -u ssh, /var/log/auth.log): ssh -v HOST 2>LOG, lotse ssh why LOG --server-log FILE")] : [];
        return new($"the login to {Value.Host(facts.Target.Name)} fails: {cause.Title}", [.. reasons], [.. findings], unknowns) { Answer = Part(facts, cause.Name, alternatives, fixes, connection, keys) };
    }

    private static JsonPart Part(SshHostFacts facts, string? cause, string[] alternatives, string[] fixes, Obstacle[] connection, HostKeyAnswer[] keys) => new(
        new HostAnswer(cause, cause is not null && alternatives.Length <= 1, alternatives, fixes, [.. connection.Select(o => o.What), .. keys.Any(k => k.Stage == LoginStage.NoMutualSignature) ? ["signature"] : Array.Empty<string>()],
            facts.Version.ToString(), facts.Probe.Banner.Length > 0 ? facts.Probe.Banner : null, keys, facts.Probe.Connections, facts.Probe.Queries),
        () => HostJson.Default.HostAnswer);

    private static Report Unreached(SshHostFacts facts)
    {
        var probe = facts.Probe;
        var trouble = probe.Trouble ?? "it did not say what it offers";
        if (probe.Cause is not { } name || Array.Find([.. CauseCatalogue.All], c => c.Name == name) is not { } cause)
        {
            return new($"not known why the login fails: {trouble}", [], [], [new("what the server offers", trouble, "ssh -v to the same host, and lotse ssh why with its log")]) { Answer = Part(facts, null, [], [], [], []) };
        }

        var reason = new Reason($"{Value.Host(probe.Address)} was asked: {trouble}", Verdict.Yes, "connect(2); RFC 4253 section 4.2", new Seen(trouble, probe.Address));
        return new($"the login to {Value.Host(facts.Target.Name)} fails: {cause.Title}", [], [new(cause.Id, cause.Severity, Certainty.Proven, Value.Host(facts.Target.Name), $"{cause.Title}: {trouble}", [reason], LogReport.Remedies(cause.Fixes))], [])
        {
            Answer = Part(facts, name, [name], cause.Fixes, [], []),
        };
    }

    /// <summary>Whether what known_hosts says ends the login (ssh_config(5) StrictHostKeyChecking): an unknown key does where nobody may be asked, a changed one wherever it is not to be let pass.</summary>
    private static string? Refusing(string? hostKey, string? strict) => hostKey switch
    {
        "hostkey-unknown" => strict is "true" or "yes" ? hostKey : null,
        "hostkey-changed" => strict is "false" or "no" or "off" ? null : hostKey,
        _ => hostKey,
    };

    /// <summary>What known_hosts says of the key that the server has proved to hold.</summary>
    /// <returns>A cause, or null. Another type than the known ones is none: ssh asks for the types that it knows.</returns>
    private static string? HostKey(SshHostFacts facts, List<Reason> reasons)
    {
        const string Rule = "sshd(8) SSH_KNOWN_HOSTS FILE FORMAT";
        if (facts.Probe is not { HostKeyFingerprint: { } print, HostKeyType: var type })
        {
            return null;
        }

        var seen = new Seen($"{type} {new Value(print, ValueKind.Key)}", facts.Probe.Address);
        if (facts.Known.FirstOrDefault(k => k.Marker == "@revoked" && k.Key.Fingerprint == print) is { } revoked)
        {
            reasons.Add(new("known_hosts does not mark its host key as revoked", Verdict.No, Rule, seen, new Seen(revoked.Marker, $"known_hosts:{revoked.Line}")));
            return "hostkey-revoked";
        }

        // Where an authority is named for the host, ssh asks for a certificate first; the probe asks for none.
        if (facts.Known.FirstOrDefault(k => k.Marker == "@cert-authority") is { } authority && Array.Exists(facts.Probe.HostKeys, a => a.Contains("-cert-v01@", StringComparison.Ordinal)))
        {
            reasons.Add(new($"its host certificate is signed by the authority that known_hosts names for {Value.Host(facts.LookedUp)}", Verdict.Unknown, "ssh-keygen(1) CERTIFICATES; the certificate itself is not asked for here", new Seen($"{authority.Marker} {new Value(authority.Key.Fingerprint, ValueKind.Key)}", $"known_hosts:{authority.Line}")));
            return null;
        }

        var known = facts.Known.Where(k => k.Marker.Length == 0).ToArray();
        if (known.Length == 0 && facts.WithoutPort.FirstOrDefault(k => k.Key.Fingerprint == print) is { } portless)
        {
            reasons.Add(new($"known_hosts has its host key under {Value.Host(facts.Target.Address)}, without the port", Verdict.Yes, "OpenSSH sshconnect.c check_host_key: so ssh looks where nothing is known with the port", seen, new Seen($"{portless.Names}", $"known_hosts:{portless.Line}")));
            return null;
        }

        var same = known.Where(k => k.Key.Type == type).ToArray();
        if (same.Any(k => k.Key.Fingerprint == print))
        {
            reasons.Add(new($"known_hosts has its host key under {Value.Host(facts.LookedUp)}", Verdict.Yes, Rule, seen));
            return null;
        }

        if (same.Length > 0)
        {
            reasons.Add(new($"known_hosts has its host key under {Value.Host(facts.LookedUp)}", Verdict.No, Rule, seen, new Seen($"{new Value(same[0].Key.Fingerprint, ValueKind.Key)}", $"known_hosts:{same[0].Line}")));
            return "hostkey-changed";
        }

        reasons.Add(new($"known_hosts has its host key under {Value.Host(facts.LookedUp)}", known.Length > 0 ? Verdict.Unknown : Verdict.No, known.Length > 0 ? "keys of other types are known; ssh asks for those" : "ssh asks whether to trust it, once", seen));
        return known.Length > 0 ? null : "hostkey-unknown";
    }

    /// <summary>What stands in the way of the connection, and of every key.</summary>
    /// <param name="client">The client as it is configured for the host.</param>
    /// <param name="probe">What the server said.</param>
    /// <param name="identities">The keys.</param>
    internal static (Obstacle[] Connection, HostKeyAnswer[] Keys) Judge(ClientModel client, ProbeFacts probe, SshIdentity[] identities)
    {
        var server = ServerModel.Probed(probe);
        return ([.. LoginPrediction.Of(client, server, new("ssh-ed25519", 256)).Obstacles.Where(o => o.Stage is LoginStage.Negotiation or LoginStage.Transport)], [.. identities.Select(i => Judge(client, server, probe, i))]);
    }

    private static HostKeyAnswer Judge(ClientModel client, ServerModel server, ProbeFacts probe, SshIdentity identity)
    {
        if (identity.Key is not { } key)
        {
            return new(identity.File, null, LoginStage.KeyLoad, null, null, null);
        }

        var asked = Array.Find(probe.Keys, k => k.File == (identity.PublicFile ?? identity.File) && k.Type == key.Type);
        if (key.IsCertificate)
        {
            return Certificate(client, asked, identity, key);
        }

        var login = LoginPrediction.Of(client, server, key.KeyType);
        var obstacle = Array.Find(login.Obstacles, o => o.What is "key" or "signature");
        var stage = obstacle?.Stage ?? LoginStage.Ok;
        var signature = LoginPrediction.ChooseSignature(client, server, key.KeyType);
        var cause = stage switch
        {
            LoginStage.KeyLoad => key.KeyType.IsRsa ? "rsa-too-small-client" : "dsa-key-gone",
            LoginStage.KeySkipped => key.KeyType.Name == "ssh-dss" ? "dsa-key-disabled" : "client-policy-key-type",
            LoginStage.NoMutualSignature => NoMutual(server),

            // The key is good, but not with the signature that the client chooses: it was told to, or the server's list says more than it takes.
            LoginStage.Rejected when asked?.Accepted == true => asked.Algorithm == "ssh-rsa" ? "sig-sha1-only-server" : "sig-sha1-forced-by-client",
            _ when asked?.Accepted == false => Refused(probe, server, key),
            _ => null,
        };
        cause ??= asked?.Accepted == true ? PrivateHalf(identity) : null;
        return new(identity.File, key.Type, asked?.Accepted == false && stage == LoginStage.Ok ? LoginStage.Rejected : stage, stage is LoginStage.Ok or LoginStage.Rejected ? signature : null, asked?.Accepted, cause);
    }

    /// <summary>A certificate: no table tells whom a server trusts, so what it has answered counts.</summary>
    private static HostKeyAnswer Certificate(ClientModel client, ProbedKey? asked, SshIdentity identity, PublicKey key)
    {
        var stage = !key.KeyType.Certified.Any(client.UserKeys.Contains) ? LoginStage.KeySkipped : asked?.Accepted == false ? LoginStage.Rejected : LoginStage.Ok;
        var cause = stage switch { LoginStage.KeySkipped => "client-policy-key-type", LoginStage.Rejected => CauseCatalogue.ServerRefusedCertificate, _ => asked?.Accepted == true ? PrivateHalf(identity) : null };
        return new(identity.PublicFile!, key.Type, stage, asked?.Algorithm, asked?.Accepted, cause);
    }

    /// <summary>What is wrong with the private half of a key that the server would take.</summary>
    private static string? PrivateHalf(SshIdentity identity) =>
        identity.InAgent ? null : identity.Mode is not { } mode ? "identity-missing" : (mode & 0x3f) != 0 ? "private-key-modes" : null;

    private static string NoMutual(ServerModel server) =>
        server.ServerSigAlgs is null ? "sig-sha1-only-server"
        : server.ServerSigAlgs.Any(a => a.StartsWith("rsa-sha2-", StringComparison.Ordinal)) ? "sig-sha1-forced-by-client"
        : server.ServerSigAlgs.Contains("ssh-rsa") ? "sig-sha1-only-server" : "server-policy-key-type";

    /// <summary>Where the server cannot know the type, that is why; where its own list excludes it, that is; else nobody can tell from here.</summary>
    private static string Refused(ProbeFacts probe, ServerModel server, PublicKey key)
    {
        var types = key.KeyType.Signatures;
        return server.ServerSigAlgs is { } listed && ServerModel.ListsWhatItTakes(probe.Banner) && !types.Any(listed.Contains) ? ServerModel.Identify(probe.Banner).Program == "dropbear" ? "server-lacks-key-type" : "server-policy-key-type"
            : ServerModel.Of(probe.Banner) is { Basis: "measured" } known && !known.Accepts.Any(types.Contains) ? "server-lacks-key-type"
            : CauseCatalogue.ServerRefusedKey;
    }

    /// <summary>The root cause first: of the connection, of the host key, of keys that the server would take, of those that it refuses, of those that the client keeps back.</summary>
    internal static string[] Causes(Obstacle[] connection, string? hostKey, HostKeyAnswer[] keys)
    {
        var layers = connection.Select(o => o.Stage == LoginStage.Transport ? "old-dropbear-20-names" : o.What switch
        {
            "kex" => "kex-none",
            "cipher" => "cipher-none",
            "mac" => "mac-none",
            _ => o.Server.All(s => s is "ssh-rsa" or "ssh-dss") ? "hostkey-sha1-only-server" : "hostkey-none",
        });

        // One key is enough: where the server would take one, what it says of the others does not matter.
        var ofKeys = keys.Where(k => k.Cause is not null && (k.Accepted == true || !keys.Any(o => o is { Accepted: true, Cause: not null }))).OrderBy(k => k.Accepted switch { true => 0, false => 1, _ => 2 }).Select(k => k.Cause!);
        var none = keys.Length == 0 ? ["no-key-offered"] : Array.Empty<string>();
        return [.. layers.Concat(hostKey is null ? [] : [hostKey]).Concat(ofKeys).Concat(none).Distinct()];
    }

    private static Value Subject(string cause, HostKeyAnswer[] keys, SshHostFacts facts) => Array.Find(keys, k => k.Cause == cause) is { } key ? Value.Path(key.File) : Value.Host(facts.Target.Name);

    private static Reason Because(HostKeyAnswer key, SshHostFacts facts)
    {
        var name = Value.Path(key.File);
        Seen[] seen = key.Accepted is { } said ? [new(said ? "the server would take it" : "the server would not take it", facts.Probe.Address)] : [];
        return key switch
        {
            { Type: null } => new($"{name} can be judged", Verdict.Unknown, $"there is no {ByteText.Escape(key.File)}.pub: ssh-keygen -y makes it", seen),
            { Cause: { } cause } => new($"{name} ({key.Type}) opens the door: {(CauseCatalogue.IsClass(cause) ? "the server refuses it, and never says why" : CauseCatalogue.Find(cause).Title)}", Verdict.No, Rule(key.Stage), seen),
            { Accepted: null } => new($"{name} ({key.Type}) opens the door", Verdict.Unknown, "not asked: the budget of refused questions was used up, or the connection ended", seen),
            _ => new($"{name} ({key.Type}) opens the door, signing with {key.Algorithm}", Verdict.Yes, Rule(key.Stage), seen),
        };
    }

    private static string Rule(string stage) => stage switch
    {
        LoginStage.KeySkipped => "ssh_config(5) PubkeyAcceptedAlgorithms",
        LoginStage.KeyLoad => "OpenSSH sshkey.c; ssh_config(5) RequiredRSASize",
        LoginStage.NoMutualSignature => "RFC 8308 server-sig-algs, RFC 8332; OpenSSH sshconnect2.c key_sig_algorithm",
        _ => "RFC 4252 section 7: the question without a signature",
    };
}

/// <summary>The JSON form of hosts.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(HostAnswer))]
internal sealed partial class HostJson : JsonSerializerContext;
