using System.Text.Json.Serialization;
using Lotse.Ssh.Logs;

namespace Lotse.Ssh;

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
    /// <summary>After so long a server may well have been upgraded or set up anew.</summary>
    private static readonly TimeSpan Old = TimeSpan.FromDays(90);

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

            var seen = new Seen($"{answer.Server}", $"asked {host.Cached.Asked:yyyy-MM-dd HH:mm}{Age(facts.Today - host.Cached.Asked)}");
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
        var old = facts.Hosts.Zip(answers).Where(p => p.Second.Then == Works && facts.Today - p.First.Cached!.Asked >= Old).ToArray();
        if (old.Length > 0)
        {
            unknowns.Add(new($"whether {string.Join(", ", old.Take(20).Select(o => o.Second.Host))}{(old.Length > 20 ? $" and {old.Length - 20} others" : "")} still {(old.Length == 1 ? "is" : "are")} as {(old.Length == 1 ? "it was" : "they were")}", $"what is known was said {Days(old.Max(o => facts.Today - o.First.Cached!.Asked))} ago", $"lotse ssh audit --probe --max-age {(int)Old.TotalDays} asks again"));
        }

        if (facts.Hashed > 0)
        {
            unknowns.Add(new($"what becomes of {facts.Hashed} more host{(facts.Hashed == 1 ? "" : "s")} of known_hosts", "their names are hashed", "lotse ssh probe NAME once for each that matters"));
        }

        if (facts.Patterns.Length > 0)
        {
            unknowns.Add(new($"what becomes of hosts of {string.Join(", ", facts.Patterns.Take(20).Select(p => $"{Value.Host(p)}"))}", "no name that fits is in the configuration, in known_hosts, or was ever asked", "lotse ssh probe NAME once for each that matters"));
        }

        var (broken, fine) = (answers.Count(a => a is { Now: not Fails, Then: Fails }), answers.Count(a => a.Then == Works));
        Text verdict = findings.Any(f => f.Subject.Kind == ValueKind.Path) ? (Text)$"with OpenSSH {facts.Then.ToString()} no login will work: it refuses the configuration"
            : broken > 0 ? $"with OpenSSH {facts.Then.ToString()} the login to {broken} of {answers.Length} hosts will fail"
            : answers.Length == 0 ? facts.Hashed > 0 || facts.Patterns.Length > 0 ? "no host is known by its name" : "no host is in the configuration, in known_hosts or was ever asked"
            : $"with OpenSSH {facts.Then.ToString()} nothing that works now will fail; {fine} of {answers.Length} hosts are known to work";
        return new(verdict, [.. reasons], [.. findings.OrderByDescending(f => f.Severity)], [.. unknowns]) { Answer = new(new AuditAnswers(facts.Now.ToString(), facts.Then.ToString(), answers, facts.Hashed), () => AuditJson.Default.AuditAnswers) };
    }

    private static string Age(TimeSpan age) => age.TotalDays >= 1 ? $", {Days(age)} ago" : "";

    private static string Days(TimeSpan age) => (int)age.TotalDays is 1 ? "1 day" : $"{(int)age.TotalDays} days";

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
        var (then, cause) = Login(client.Upgraded(facts.Then, facts.Defaults).With(Added(facts, host.Target.Name)), host, cached);
        return new(host.Target.Name, cached.Facts.Banner, now, then, cause, cached.Asked);
    }

    /// <summary>What the configuration adds to lists for a host. Of a name that this version has by default <c>ssh -G</c> does not show that it was added, and the other version may need it.</summary>
    private static IEnumerable<KeyValuePair<string, string>> Added(SshAuditFacts facts, string name) => facts.Options
        .Where(o => o.Block is null || (o.Block.Keyword == "host" ? SshConfigFile.HostFits(o.Block.Value, name) : o.Block.Value == "all"))
        .DistinctBy(o => o.Keyword.Replace("keytypes", "algorithms", StringComparison.Ordinal))
        .Where(o => o.Value.StartsWith('+'))
        .Select(o => new KeyValuePair<string, string>(o.Keyword, o.Value));

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
