using System.Text.Json.Serialization;
using Lotse.Formats;
using Lotse.Ssh.Logs;

namespace Lotse.Ssh;

/// <summary>A host that the audit looks at.</summary>
/// <param name="Target">The name and what it stands for.</param>
/// <param name="Cached">What its server last said; null: it was never asked.</param>
public sealed record AuditedHost(SshTarget Target, CachedProbe? Cached)
{
    /// <summary>Whether its server has said what there is to know: of one key that it takes it, or something of every key.</summary>
    public bool IsAnswered
    {
        get
        {
            var keys = Target.Identities.Where(i => i.Key is not null).Select(i => Cached?.Facts.Keys.FirstOrDefault(k => k.File == (i.PublicFile ?? i.File) && k.Type == i.Key!.Type)?.Accepted).ToArray();
            return Cached is not null && (keys.Contains(true) || Array.TrueForAll(keys, k => k is not null));
        }
    }

    /// <summary>Why its server could not be asked just now; null: it was not tried, or it answered.</summary>
    public string? Trouble { get; init; }
}

/// <summary>An option in a file of the user's configuration.</summary>
/// <param name="File">The file.</param>
/// <param name="Line">Its line.</param>
/// <param name="Keyword">In lower case.</param>
/// <param name="Value">Its value.</param>
public sealed record ConfiguredOption(string File, int Line, string Keyword, string Value);

/// <summary>What an audit is made from.</summary>
/// <param name="Now">The client's present version.</param>
/// <param name="Then">The version asked about.</param>
/// <param name="Hosts">Every host of the configuration, of known_hosts and of earlier probes.</param>
/// <param name="Options">The options of the user's files.</param>
/// <param name="Hashed">Lines of known_hosts whose name is hashed and is none of these.</param>
/// <param name="Defaults">The present client without any configuration.</param>
public sealed record SshAuditFacts(SshVersion Now, SshVersion Then, AuditedHost[] Hosts, ConfiguredOption[] Options, int Hashed, ClientModel Defaults)
{
    /// <summary>The most hosts that are looked at.</summary>
    private const int Most = 500;

    /// <summary>The deepest nesting of Include (readconf.c READCONF_MAX_DEPTH).</summary>
    private const int Deepest = 16;

    private static readonly string[] Deciding = ["hostkeyalias", "proxyjump", "proxycommand", "kexalgorithms", "hostkeyalgorithms", "ciphers", "macs", "pubkeyacceptedalgorithms", "pubkeyacceptedkeytypes", "requiredrsasize", "identitiesonly"];

    /// <summary>Reads configuration, known_hosts and the cache; asks nobody.</summary>
    /// <param name="host">The client's machine.</param>
    /// <param name="home">The user's home.</param>
    /// <param name="cache">The user's cache folder.</param>
    /// <param name="then">The version asked about.</param>
    /// <param name="config">Another ssh_config than the user's own; null: that.</param>
    public static Reading<SshAuditFacts> Read(Host host, string home, string cache, SshVersion then, string? config)
    {
        if (SshSettings.ClientVersion(host) is not { } now)
        {
            return new(default!, new(HostErrorKind.Failed, "ssh -V does not tell its version"));
        }

        var options = new List<ConfiguredOption>();
        Collect(host, home, config ?? $"{home}/.ssh/config", 0, options);
        var known = host.ReadFile($"{home}/.ssh/known_hosts") is { Ok: true, Value: var bytes } ? KnownHost.Read(ByteText.Decode(bytes)).Where(k => k.Marker.Length == 0).ToArray() : [];
        var cached = CachedProbe.ReadAll(host, cache);
        var configured = options.SelectMany(Named).Where(IsName);
        string[] plain = [.. known.Where(k => !k.IsHashed).SelectMany(k => k.Names.Split(','))];

        // A name in brackets is one with a port: what was typed for it stands in the configuration or the cache, or is the host itself.
        var names = configured.Concat(cached.Select(c => c.Name)).Concat(plain.Where(n => !n.StartsWith('['))).Where(IsName).Distinct().Take(Most).ToArray();
        SshTarget Target(string name, int? port) => SshTarget.Of(host, name, home, SshSettings.Read(host, name, config) is { Ok: true, Value: var settings } ? settings : null, port, null, []);
        var targets = names.Select(n => Target(n, null)).ToList();
        foreach (var (address, port) in plain.Select(Bracketed).OfType<(string, int)>().Where(b => !targets.Any(t => t.Address == b.Item1 && t.Port == b.Item2)).Take(Most - targets.Count))
        {
            targets.Add(Target(address, port));
        }

        // Several names of one login, the machine's address among them, are one host: the first that somebody typed stands for it.
        var seen = new HashSet<(string, int, string, string)>();
        var hosts = targets.Select(t => new AuditedHost(t, cached.Where(c => c.Facts.Address == $"{t.Address}:{t.Port}" && (c.Facts.User == t.User || c.Facts.User.Length == 0)).MaxBy(c => (c.Facts.User.Length, c.Asked))))
            .Where(h => h.Target.Settings is null || seen.Add((h.Target.Address, h.Target.Port, h.Target.User, Way(h.Target.Settings)))).ToArray();
        var hashed = known.Count(k => k.IsHashed && !targets.Any(t => k.IsFor(KnownHost.LookedUp(t.Address, t.Port))));
        return new(new(now, then, hosts, [.. options], hashed, SshSettings.Defaults(host, now) ?? ClientModel.Defaults(now)), null);
    }

    /// <summary>What decides of a login besides where it goes.</summary>
    private static string Way(SshSettings settings) => string.Join('\n', Deciding.Select(k => settings[k]).Concat(settings.Identities));

    /// <summary>The hosts that a line names: those of Host, and of <c>host</c> and <c>originalhost</c> in Match (ssh_config(5)).</summary>
    private static IEnumerable<string> Named(ConfiguredOption option)
    {
        var words = option.Value.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries).Select(w => w.Trim('"')).ToArray();
        return option.Keyword switch
        {
            "host" => words,
            "match" => words.Zip(words.Skip(1)).Where(w => w.First.ToLowerInvariant() is "host" or "originalhost").SelectMany(w => w.Second.Split(',')),
            _ => [],
        };
    }

    private static bool IsName(string name) => name.Length is > 0 and < 256 && name[0] is not ('-' or '|' or '[') && name.IndexOfAny(['*', '?', '!', '%', '/']) < 0;

    private static (string, int)? Bracketed(string name) =>
        name.StartsWith('[') && name.IndexOf("]:", StringComparison.Ordinal) is > 1 and var end && int.TryParse(name.AsSpan(end + 2), System.Globalization.NumberStyles.None, null, out var port) && IsName(name[1..end]) ? (name[1..end], port) : null;

    /// <summary>The lines of a file and of those that it includes: paths from ~/.ssh on, patterns in the last part (ssh_config(5) Include).</summary>
    private static void Collect(Host host, string home, string file, int depth, List<ConfiguredOption> options)
    {
        if (depth > Deepest || options.Count > 100_000 || host.ReadFile(file, 1 << 20) is not { Ok: true, Value: var bytes })
        {
            return;
        }

        foreach (var line in SshConfigFile.Parse(FileLines.Split(bytes).Lines).Lines)
        {
            if (line.Keyword != "include")
            {
                options.Add(new(file, line.Line, line.Keyword, line.Value));
                continue;
            }

            foreach (var word in line.Value.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries).Select(w => w.Trim('"')))
            {
                var path = word.StartsWith("~/", StringComparison.Ordinal) ? home + word[1..] : word.StartsWith('/') ? word : $"{home}/.ssh/{word}";
                var slash = path.LastIndexOf('/');
                var (folder, pattern) = (path[..slash], path[(slash + 1)..]);
                foreach (var name in pattern.IndexOfAny(['*', '?']) < 0 ? [pattern] : host.List(folder) is { Ok: true, Value: var names } ? names.Where(n => n[0] != '.' && AlgorithmList.Matches(n, pattern)) : [])
                {
                    Collect(host, home, $"{folder}/{name}", depth + 1, options);
                }
            }
        }
    }
}

/// <summary>What becomes of one host.</summary>
/// <param name="Host">As typed.</param>
/// <param name="Server">Its banner; null: it was never asked.</param>
/// <param name="Now">With the present client: works, fails, unknown.</param>
/// <param name="Then">With the other version.</param>
/// <param name="Cause">Why it fails then.</param>
/// <param name="Asked">When the server was asked.</param>
public sealed record AuditAnswer(string Host, string? Server, string Now, string Then, string? Cause, DateTimeOffset? Asked);

/// <summary>The answer of <c>ssh audit</c>.</summary>
public sealed record AuditAnswers(string Client, string Version, AuditAnswer[] Hosts, int Hashed);

/// <summary>Which logins will fail with another version of the client. Pure.</summary>
public static class SshAudit
{
    private const string Works = "works", Fails = "fails", NotKnown = "unknown";

    /// <summary>A reason a host, a finding a host that fails, and who was never asked.</summary>
    public static Report Of(SshAuditFacts facts)
    {
        var findings = new List<Finding>();
        var reasons = new List<Reason>();
        findings.AddRange(Refused(facts).Select(o => new Finding(o.Id, Severity.Error, Certainty.Proven, Value.Path(o.Option.File), $"OpenSSH {facts.Then.ToString()} refuses the whole file: {o.Why}", [new($"OpenSSH {facts.Then.ToString()} takes {o.Option.Keyword} {o.Option.Value}", Verdict.No, "ssh_config(5)", new Seen($"{o.Option.Keyword} {o.Option.Value}", $"{o.Option.File}:{o.Option.Line}"))], LogReport.Remedies(o.Fixes))));
        var answers = facts.Hosts.Select(h => Judge(facts, h)).ToArray();
        foreach (var (host, answer) in facts.Hosts.Zip(answers))
        {
            if (host.Cached is null)
            {
                continue;
            }

            var seen = new Seen($"{answer.Server}", $"asked {host.Cached.Asked:yyyy-MM-dd HH:mm}");
            reasons.Add(new($"the login to {Value.Host(answer.Host)} works with OpenSSH {facts.Then.ToString()}{(answer.Now == answer.Then ? "" : (Text)$"; with {facts.Now.ToString()} it {answer.Now}")}", answer.Then switch { Works => Verdict.Yes, Fails => Verdict.No, _ => Verdict.Unknown }, "RFC 4253 section 7.1; RFC 8308", seen));
            if (answer is { Then: Fails, Cause: { } name })
            {
                var cause = CauseCatalogue.Find(name);
                findings.Add(new(cause.Id, answer.Now == Fails ? Severity.Warning : Severity.Error, Certainty.Proven, Value.Host(answer.Host),
                    answer.Now == Fails ? (Text)$"the login to {Value.Host(answer.Host)} fails, now and with OpenSSH {facts.Then.ToString()}: {cause.Title}" : $"with OpenSSH {facts.Then.ToString()} the login to {Value.Host(answer.Host)} will fail: {cause.Title}",
                    [new($"{answer.Server} lets OpenSSH {facts.Then.ToString()} in", Verdict.No, "RFC 4253 section 7.1; RFC 8308", seen)], [.. LogReport.Remedies(cause.Fixes), new($"the smallest change of the client's configuration, before the upgrade", "lotse", "ssh", "plan", answer.Host)]));
            }
        }

        string[] never = [.. facts.Hosts.Zip(answers).Where(p => p is { Second.Server: null, First.Trouble: null }).Select(p => p.Second.Host)];
        var unknowns = facts.Hosts.Where(h => h.Trouble is not null).Select(h => new Unknown($"what becomes of {Value.Host(h.Target.Name)}", $"its server could not be asked: {ByteText.Escape(h.Trouble!)}", $"lotse ssh why {h.Target.Name}")).ToList();
        if (never.Length > 0)
        {
            unknowns.Add(new($"what becomes of {string.Join(", ", never.Take(20))}{(never.Length > 20 ? $" and {never.Length - 20} others" : "")}", "their servers were never asked", "lotse ssh audit --probe asks each of them once"));
        }

        unknowns.AddRange(answers.Where(a => a.Server is not null && a.Then == NotKnown).Select(a => new Unknown($"whether the login to {Value.Host(a.Host)} will work", "its server was not asked about a key of yours", $"lotse ssh probe {a.Host}")));
        if (facts.Hashed > 0)
        {
            unknowns.Add(new($"what becomes of {facts.Hashed} more host{(facts.Hashed == 1 ? "" : "s")} of known_hosts", "their names are hashed", "lotse ssh probe NAME once for each that matters"));
        }

        var (broken, fine) = (answers.Count(a => a is { Now: not Fails, Then: Fails }), answers.Count(a => a.Then == Works));
        Text verdict = findings.Any(f => f.Subject.Kind == ValueKind.Path) ? (Text)$"with OpenSSH {facts.Then.ToString()} no login will work: it refuses the configuration"
            : broken > 0 ? $"with OpenSSH {facts.Then.ToString()} the login to {broken} of {answers.Length} hosts will fail"
            : answers.Length == 0 ? "no host is in the configuration, in known_hosts or was ever asked"
            : $"with OpenSSH {facts.Then.ToString()} nothing that works now will fail; {fine} of {answers.Length} hosts are known to work";
        return new(verdict, [.. reasons], [.. findings.OrderByDescending(f => f.Severity)], [.. unknowns]) { Answer = new(new AuditAnswers(facts.Now.ToString(), facts.Then.ToString(), answers, facts.Hashed), () => AuditJson.Default.AuditAnswers) };
    }

    /// <summary>Options that the other version does not take: it refuses the file, and with it every login.</summary>
    private static IEnumerable<(ConfiguredOption Option, string Id, string Why, string[] Fixes)> Refused(SshAuditFacts facts)
    {
        var ignored = facts.Options.Where(o => o.Keyword == "ignoreunknown").SelectMany(o => o.Value.Split((char[])[',', ' '], StringSplitOptions.RemoveEmptyEntries)).ToArray();
        foreach (var option in facts.Options)
        {
            var pair = new KeyValuePair<string, string>(option.Keyword, option.Value);
            if (ClientModel.Defaults(facts.Now).With([pair]).Refused is null && ClientModel.Defaults(facts.Then).With([pair]).Refused is { } why && !ignored.Any(i => AlgorithmList.Matches(option.Keyword, i.ToLowerInvariant())))
            {
                yield return ClientModel.Knows(facts.Then, option.Keyword) ? (option, "ssh/config-bad-value", why, ["drop_ssh-dss"]) : (option, "ssh/config-unknown-option", why, ["PubkeyAcceptedKeyTypes", "IgnoreUnknown"]);
            }
        }
    }

    private static AuditAnswer Judge(SshAuditFacts facts, AuditedHost host)
    {
        if (host.Cached is not { Facts.Kex.Length: > 0 } cached)
        {
            return new(host.Target.Name, null, NotKnown, NotKnown, null, null);
        }

        var client = host.Target.Settings?.Client(facts.Now) ?? ClientModel.Defaults(facts.Now);
        var (now, _) = Login(client, host, cached);
        var (then, cause) = Login(client.Upgraded(facts.Then, facts.Defaults), host, cached);
        return new(host.Target.Name, cached.Facts.Banner, now, then, cause, cached.Asked);
    }

    /// <summary>The same judgement as that of one host, without what only the moment tells: known_hosts, modes.</summary>
    private static (string State, string? Cause) Login(ClientModel client, AuditedHost host, CachedProbe cached)
    {
        var (connection, keys) = HostDiagnosis.Judge(client, cached.Facts, host.Target.Identities);
        return connection.Length == 0 && keys.Any(k => k is { Stage: LoginStage.Ok, Accepted: true }) ? (Works, null)
            : HostDiagnosis.Causes(connection, null, keys).FirstOrDefault(c => c is not ("no-key-offered" or "identity-missing" or "private-key-modes")) is { } cause && (connection.Length > 0 || keys.All(k => k.Cause is not null)) ? (Fails, cause)
            : (NotKnown, null);
    }
}

/// <summary>The JSON form of audits.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(AuditAnswers))]
internal sealed partial class AuditJson : JsonSerializerContext;
