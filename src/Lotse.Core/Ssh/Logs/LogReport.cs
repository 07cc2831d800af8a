using System.Text.Json.Serialization;

namespace Lotse.Ssh.Logs;

/// <summary>One key in the answer.</summary>
/// <param name="Name">Its file or comment.</param>
/// <param name="Type">RSA, ECDSA, ED25519, …</param>
/// <param name="Fate">sent, refused, accepted, no-mutual-signature, skipped, not-supported-by-server.</param>
public sealed record KeyAnswer(string Name, string Type, string Fate);

/// <summary>The answer of <c>ssh why LOG</c>.</summary>
/// <param name="Cause">The cause or class; <c>ok</c>: the login worked; null: the log does not say.</param>
/// <param name="Certain">Whether only this cause fits.</param>
/// <param name="Alternatives">Every cause that fits, likeliest first.</param>
/// <param name="Fixes">What helps, best first: ids of the table of fixes.</param>
/// <param name="Layers">Every layer that fails, with those that the first failure hides: kex, hostkey, cipher, mac, signature.</param>
/// <param name="Client">The client's version.</param>
/// <param name="Server">The server's software version.</param>
/// <param name="Verbosity">0 to 3.</param>
/// <param name="Keys">Every key, in order.</param>
public sealed record LogAnswer(string? Cause, bool Certain, string[] Alternatives, string[] Fixes, string[] Layers, string? Client, string? Server, int Verbosity, KeyAnswer[] Keys);

/// <summary>What a log means, as a report. Pure.</summary>
public static class LogReport
{
    /// <summary>Explains a client's log, with the server's where there is one.</summary>
    public static Report Of(ClientLog log, string logName, string? server = null, string serverName = "") => Of(log, LogDiagnosis.Of(log, server), logName, server, serverName);

    /// <summary>The report of a conclusion.</summary>
    /// <param name="log">What the client said.</param>
    /// <param name="found">What it means.</param>
    /// <param name="logName">The log, for people.</param>
    /// <param name="server">The server's log.</param>
    /// <param name="serverName">Where the lines of a conclusion by the server's side stand, for people.</param>
    public static Report Of(ClientLog log, Conclusion found, string logName, string? server, string serverName)
    {
        var layers = HiddenLayers(log, found);
        var alternatives = found.Alternatives;
        var fixes = found.Fixes.Length > 0 ? found.Fixes : CauseCatalogue.Fixes(alternatives);
        var certain = found.Cause is not null && found.Certainty == Certainty.Proven && alternatives.Length <= 1;
        var answer = new LogAnswer(
            found.Cause, certain, alternatives, fixes, [.. layers.Select(l => l.What)], log.Client?.ToString(), log.Server, log.Verbosity,
            [.. log.Keys.Select(k => new KeyAnswer(k.Name, k.Word, Word(k.Fate)))]);
        var reasons = new List<Reason> { Because(found, logName, serverName) };
        reasons.AddRange(layers.Skip(1).Select(l => new Reason($"{Layer(l.What)} would fail next: the client takes {string.Join(',', l.Client.Take(6))}{(l.Client.Length > 6 ? ", …" : "")}, the server {string.Join(',', l.Server)}", Verdict.No, "RFC 4253 section 7.1; RFC 8308")));
        var part = new JsonPart(answer, () => LogJson.Default.LogAnswer);
        if (found.Cause is null or Conclusion.Worked)
        {
            return new(found.Because, found.Cause is null ? [] : [.. reasons], [], found.Cause is null ? [NotSaid(found, log)] : []) { Answer = part };
        }

        var cause = CauseCatalogue.Find(found.Cause);
        Finding[] findings = [new(cause.Id, cause.Severity, certain ? Certainty.Proven : CauseCatalogue.IsClass(found.Cause) ? Certainty.Proven : found.Certainty, found.Subject ?? new("login", ValueKind.Plain), $"{cause.Title}: {found.Because}", [.. reasons], Remedies(fixes))];
        return new($"{cause.Title}", [], findings, alternatives.Length > 1 ? [Ambiguous(found, log, server is not null)] : []) { Answer = part };
    }

    /// <summary>The remedies as people read them, best first; after a handful nobody reads on.</summary>
    public static Remedy[] Remedies(IEnumerable<string> fixes)
    {
        var table = SshTable.Rows("fixes").ToDictionary(r => r[0]);
        return [.. fixes.Take(6).Where(table.ContainsKey).Select(f => table[f] is [_, var text, var command] ? new Remedy(text, command.Split(' ')) : new Remedy(table[f][1]))];
    }

    private static Reason Because(Conclusion found, string logName, string serverName) => new(
        found.Because, found.Cause is null ? Verdict.Unknown : Verdict.Yes, found.Rule,
        [.. found.Lines.OfType<LogLine>().DistinctBy(l => l.Number).Select(l => new Seen($"{new Value(l.Text.Length > 400 ? l.Text[..400] + "…" : l.Text, ValueKind.Plain)}", $"{(found.ByServer ? serverName : logName)}:{l.Number}"))]);

    private static Unknown Ambiguous(Conclusion found, ClientLog log, bool hasServer) => new(
        $"which of these it is: {string.Join(", ", found.Alternatives)}",
        found.Cause == CauseCatalogue.NoDetail ? "ssh prints nothing of what it tried without -v" : hasServer ? "the client cannot know, and the server's log is silent about it" : "the client cannot know: it is told the same in all these cases",
        found.Cause == CauseCatalogue.NoDetail || log.Verbosity == 0 ? "run ssh -v and explain that log; or the server's log: lotse ssh why LOG --server-log FILE"
            : found.Cause == "wrong-user" ? "whether ssh -G HOST shows the user that was meant; or lotse ssh why LOG --client-config ~/.ssh/config"
            : hasServer ? "on the server, look at the user's authorized_keys itself, and at sshd -T -C user=USER" : "the server's log (journalctl -u ssh, /var/log/auth.log): lotse ssh why LOG --server-log FILE");

    private static Unknown NotSaid(Conclusion found, ClientLog log) => new("whether the login failed, and why", found.Because,
        log is { Verbosity: 0, Notable.Length: > 1 } ? "run ssh -v to its end and explain that log; what ssh -E has written, explain by itself" : "run ssh -v to its end and explain that log");

    /// <summary>All layers that fail, where the log has both sides' proposals or the server's release is known: one fix for all, not one a try.</summary>
    private static Obstacle[] HiddenLayers(ClientLog log, Conclusion found)
    {
        if (found.Cause is not ("kex-none" or "hostkey-sha1-only-server" or "hostkey-none" or "cipher-none" or "mac-none") || log.Client is not { } version)
        {
            return [];
        }

        var client = ClientModel.Defaults(version);
        client = log.Ours is { } ours ? client with { Kex = ours.Kex, HostKeys = ours.HostKeys, Ciphers = ours.Ciphers, Macs = ours.Macs } : client;
        var known = log.Server is null ? null : ServerModel.Of("SSH-2.0-" + log.Server);
        var server = log.Theirs is { } theirs ? (known ?? new ServerModel(log.Server ?? "the server", "log")) with { Kex = theirs.Kex, HostKeys = theirs.HostKeys, Ciphers = theirs.Ciphers, Macs = theirs.Macs } : known;
        return server is null ? [] : [.. LoginPrediction.Of(client, server, new("ssh-rsa", 0)).Obstacles.Where(o => o.Stage is LoginStage.Negotiation or LoginStage.NoMutualSignature && (o.What != "signature" || known is not null))];
    }

    private static string Layer(string what) => what switch { "kex" => "the key exchange", "hostkey" => "the host key", "cipher" => "the cipher", "mac" => "the MAC", _ => "the signature of an RSA key" };

    private static string Word(KeyFate fate) => fate switch
    {
        KeyFate.Refused => "refused",
        KeyFate.Accepted => "accepted",
        KeyFate.NoMutualSignature => "no-mutual-signature",
        KeyFate.Skipped => "skipped",
        KeyFate.NotSupportedByServer => "not-supported-by-server",
        _ => "sent",
    };
}

/// <summary>The JSON form of what logs mean.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(LogAnswer))]
internal sealed partial class LogJson : JsonSerializerContext;
