using Lotse.Formats;
using Lotse.Ssh.Logs;
using Lotse.Ssh.Transport;

namespace Lotse.Ssh;

/// <summary>The smallest change of the client's configuration with which one login works. Pure.</summary>
public static class SshPlan
{
    /// <summary>Key exchange methods that may be added for an old server, strongest first. Nothing weaker is ever added.</summary>
    private static readonly string[] KexLadder = ["curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521", "diffie-hellman-group16-sha512", "diffie-hellman-group14-sha256", "diffie-hellman-group-exchange-sha256", "diffie-hellman-group14-sha1", "diffie-hellman-group-exchange-sha1", "diffie-hellman-group1-sha1"];

    private static readonly string[] CipherLadder = ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes128-ctr", "aes256-ctr", "aes192-ctr", "aes128-cbc", "aes256-cbc", "aes192-cbc", "3des-cbc"];

    private static readonly string[] MacLadder = ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512", "hmac-sha1-etm@openssh.com", "hmac-sha1", "hmac-sha1-96"];

    /// <summary>Plans the login to a server with the best of the user's keys, or one of a type.</summary>
    /// <param name="facts">The client's side.</param>
    /// <param name="server">The server's side.</param>
    /// <param name="wanted">The key to log in with; null: the one that needs least.</param>
    /// <param name="asked">What the server said a moment ago; null: it was not asked.</param>
    public static Decision Decide(SshPlanFacts facts, ServerModel server, UserKeyType? wanted, ProbeFacts? asked = null)
    {
        var goal = $"log in to {facts.Name}";
        var client = facts.Settings.Client(facts.Version);
        var keys = wanted is null ? facts.Keys : facts.Keys.Where(k => k.Value.Name == wanted.Name).ToArray() is { Length: > 0 } own ? own : [new("", wanted)];
        bool? Accepted(string file) => Array.Find(asked?.Keys ?? [], k => k.File == file + ".pub" || k.File == file)?.Accepted;
        if (facts.Name.IndexOfAny(['*', '?', '!', ' ', '\t', '"', '#', ',']) >= 0)
        {
            return Impossible(goal, "a block is written for one host alone, not for a pattern");
        }

        if (keys.Length == 0)
        {
            return Impossible(goal, "no public key of this host is known: name its type (--key rsa2048)");
        }

        var best = keys.Select(k => (Key: k, Options: Needed(client, server, k.Value))).Where(k => k.Options is not null)
            .OrderBy(k => Accepted(k.Key.Key) switch { true => 0, null => 1, _ => 2 }).ThenBy(k => k.Options!.Count).ThenBy(k => k.Key.Value.IsRsa).FirstOrDefault();
        if (best.Options is null)
        {
            var stuck = LoginPrediction.Of(client, server, keys[0].Value);
            return Impossible(goal, $"no option of the client helps: {stuck.Stage} with {keys[0].Value.Word}", [.. Remedies(server, null)]);
        }

        var (key, options) = (best.Key, best.Options);
        if (options.Count == 0)
        {
            return new(new(
                $"nothing has to be changed: OpenSSH {facts.Version.ToString()} logs in to {server.Name} with {key.Value.Word}{(key.Key.Length > 0 ? $" ({key.Key})" : "")}", [], [], []), goal, [], [], []);
        }

        var fixedLogin = LoginPrediction.Of(client.With(options), server, key.Value);
        var reasons = LoginPrediction.Of(client, server, key.Value).Obstacles.Select(o => new Reason($"{o.What} in common now", Verdict.No, "RFC 4253 section 7.1; RFC 8308", new Seen(string.Join(',', o.Client), "ssh -G"), new Seen(string.Join(',', o.Server), $"{server.Name} ({server.Basis})")))
            .Append(new Reason($"with the block the login works, signing with {fixedLogin.SignatureAlgorithm}", Verdict.Yes, "the same rules again"));
        options = Written(facts.Defaults, client.With(options), options);
        var change = Edit(facts, facts.Name, options);

        // A real login can prove it only where the server has said that it would take the key.
        string[] login = Accepted(key.Key) == true ? [SshProof.Login, "yes"] : [];
        var report = new Report($"one block for {Value.Host(facts.Name)}, {options.Count} option{(options.Count == 1 ? "" : "s")}; every other host stays as it is", [.. reasons], [], [])
        {
            Unknowns = asked is not null && login.Length == 0 ? [new($"whether the server takes {(key.Key.Length > 0 ? (Text)$"{Value.Path(key.Key)}" : key.Value.Word)}", Accepted(key.Key) == false ? "it refused the key when it was asked, and never says why" : "it was not asked about it", $"after lotse apply: lotse ssh why {facts.Name}")] : [],
            Findings = [.. Remedies(server, key.Value) is { Length: > 0 } better ? [Better(facts.Name, server, better)] : Array.Empty<Finding>()],
        };
        return new(report, goal, [change], [], [facts.IsOption ? facts.File : "", facts.Name, .. options.SelectMany(o => new[] { o.Key.ToLowerInvariant(), string.Join(',', Result(facts.Defaults.With(options), o.Key)) }), .. login, SshProof.Others, .. facts.Others.SelectMany(o => new[] { o.Key, o.Value })]);
    }

    /// <summary>
    /// The options as the block has to spell them. It comes first, so what it sets replaces what later blocks set of the
    /// same option, and <c>+</c> adds to the defaults, not to theirs: the value has to hold theirs as well.
    /// </summary>
    /// <param name="defaults">The client without any configuration.</param>
    /// <param name="wanted">The client as it should become.</param>
    /// <param name="options">The options that change.</param>
    internal static List<KeyValuePair<string, string>> Written(ClientModel defaults, ClientModel wanted, IEnumerable<KeyValuePair<string, string>> options) =>
        [.. options.Select(o => new KeyValuePair<string, string>(o.Key, AlgorithmList.Change(Result(defaults, o.Key), Result(wanted, o.Key)) ?? o.Value))];

    /// <summary>The change that writes a block for one name: before everything else in the file, because the first value stays.</summary>
    internal static Change Edit(SshPlanFacts facts, string host, IEnumerable<KeyValuePair<string, string>> options)
    {
        var file = FileLines.Split(facts.Content ?? []);
        var name = $"ssh {host}";

        // What stands before the first block of the file holds for all hosts, and must not fall into ours.
        var without = file.WithBlock(name, []) ?? file;
        var first = SshConfigFile.Parse(without.Lines).Lines.FirstOrDefault();
        string[] block = [$"Host {host}", .. options.Select(o => $"    {o.Key} {o.Value}"), .. first is null or { IsBlock: true } ? Array.Empty<string>() : ["Match all"]];
        var end = file.LineEnd;
        var after = new FileLines([$"# begin lotse: {name}{end}", .. block.Select(l => l + end), $"# end lotse: {name}{end}", .. without.Lines], without.Unterminated && without.Lines.Length > 0);
        string[] check = ["ssh", "-F", Change.Candidate, "-G", "--", host];
        return facts.Content is { } before ? EditFile.Between(facts.File, before, after.Join(), check) : new CreateFile(facts.File, after.Lines, 0x180, facts.Owner.Uid, facts.Owner.Gid) { Check = check };
    }

    /// <summary>The options with which the login works, fewest and narrowest; null: none do.</summary>
    internal static List<KeyValuePair<string, string>>? Needed(ClientModel client, ServerModel server, UserKeyType key)
    {
        var options = new List<KeyValuePair<string, string>>();
        while (LoginPrediction.Of(client.With(options), server, key) is { Stage: not LoginStage.Ok } login)
        {
            // Each layer is opened once; what then still fails is beyond the client.
            var next = login.Obstacles.Select(o => Option(client.With(options), server, o, key)).FirstOrDefault(o => o is not null);
            if (next is not { } option || options.Any(o => o.Key == option.Key))
            {
                return null;
            }

            options.Add(option);
        }

        return options;
    }

    private static KeyValuePair<string, string>? Option(ClientModel client, ServerModel server, Obstacle obstacle, UserKeyType key)
    {
        string? Add(string[] ladder, string[] offer) => ladder.FirstOrDefault(offer.Contains) is { } name ? "+" + name : null;
        KeyValuePair<string, string>? Make(string option, string? value) => value is null ? null : new(option, value);
        return obstacle.What switch
        {
            "kex" => Make("KexAlgorithms", Add(KexLadder, server.Kex)),
            "cipher" => Make("Ciphers", Add(CipherLadder, server.Ciphers)),
            "mac" => Make("MACs", Add(MacLadder, server.Macs)),
            "hostkey" => Make("HostKeyAlgorithms", HostKeys(client, server)),

            // This spelling is understood by every version from 7.0 to 10.6, the newer one only from 8.5 on.
            "signature" when key.IsRsa => Make("PubkeyAcceptedKeyTypes", Signature(client, server, key)),
            "key" when obstacle.Stage == LoginStage.KeySkipped && key.Name != "ssh-dss" => Make("PubkeyAcceptedKeyTypes", "+" + (key.IsRsa ? "rsa-sha2-512,rsa-sha2-256" : key.Name)),
            _ => null,
        };
    }

    /// <summary>
    /// The narrowest change after which the client signs an RSA key with what the server takes: the strongest algorithm,
    /// added; before the others only where the server names more than it takes and would be taken at its word.
    /// </summary>
    private static string? Signature(ClientModel client, ServerModel server, UserKeyType key)
    {
        var candidates = key.Signatures.Where(server.Accepts.Contains).SelectMany(a => new[] { "+" + a, "^" + a, a });
        return candidates.FirstOrDefault(value => client.With([new("PubkeyAcceptedKeyTypes", value)]) is { Refused: null } with && !LoginPrediction.Of(with, server, key).Obstacles.Any(o => o.What is "key" or "signature"));
    }

    /// <summary>How ssh-rsa gets into the list so that the server sees it: an old Dropbear reads only so many names.</summary>
    private static string? HostKeys(ClientModel client, ServerModel server)
    {
        string[] candidates = server.HostKeys.FirstOrDefault(h => h is "ssh-ed25519" or "ecdsa-sha2-nistp256" or "rsa-sha2-512" or "rsa-sha2-256") is { } modern ? ["+" + modern, modern] : server.HostKeys.Contains("ssh-rsa") ? ["+ssh-rsa", "^ssh-rsa", "ssh-rsa"] : [];
        return candidates.FirstOrDefault(value => client.With([new("HostKeyAlgorithms", value)]) is { Refused: null } with && AlgorithmList.Agree(server.Sees(with.HostKeys), server.HostKeys) is not null);
    }

    private static string[] Result(ClientModel client, string option) => option switch
    {
        "KexAlgorithms" => client.Kex,
        "Ciphers" => client.Ciphers,
        "MACs" => client.Macs,
        "HostKeyAlgorithms" => client.HostKeys,
        _ => client.UserKeys,
    };

    /// <summary>What is better than an option of the client, best first; empty where nothing weak was added.</summary>
    private static Remedy[] Remedies(ServerModel server, UserKeyType? key) =>
        key?.IsRsa == true && server.ServerSigAlgs is null && server.Accepts.Contains("ecdsa-sha2-nistp256") ? LogReport.Remedies(["upgrade_server", "use_ecdsa_key"]) : LogReport.Remedies(["upgrade_server"]);

    private static Finding Better(string name, ServerModel server, Remedy[] remedies) => new(
        server.ServerSigAlgs is null && !server.HostKeys.Any(h => h.StartsWith("rsa-sha2", StringComparison.Ordinal)) ? "ssh/sig-sha1-only-server" : "ssh/kex-none", Severity.Info, Certainty.Proven, Value.Host(name),
        $"{server.Name} is old: the block is the least that lets this client in, and there are better ways", [], remedies);

    private static Decision Impossible(string goal, Text why, params Remedy[] remedies) =>
        new(new(why, [], [], [new("a change of the client's configuration that helps", why, remedies.Length > 0 ? remedies[0].Text : "lotse ssh probe HOST")]), goal, [], [], []) { Impossible = true };
}
