using Lotse.Ssh.Logs;
using Lotse.Ssh.Transport;

namespace Lotse.Ssh;

/// <summary>
/// Asks ssh itself whether a plan of this area has worked: <c>ssh -G</c> of the host shows the new values, of every other
/// host what it showed before; where the server would take the key, a real login works.
/// </summary>
public static class SshProof
{
    /// <summary>The claim that a real login works.</summary>
    internal const string Login = "login";

    /// <summary>The start of a claim that known_hosts has keys; the file follows.</summary>
    internal const string Known = "known:";

    /// <summary>What stands before the other hosts.</summary>
    internal const string Others = "others";

    /// <summary>Proves what <see cref="Plan.Proof"/> says: the file (empty: the user's own), the host, pairs of keyword and value, <c>others</c>, pairs of host and digest.</summary>
    public static Report Prove(Host host, Plan plan)
    {
        var split = Array.IndexOf(plan.Proof, Others);
        if (plan.Proof.Length < 4 || split < 2 || split % 2 != 0 || (plan.Proof.Length - split) % 2 != 1)
        {
            return new("nothing to prove", [], [], [new("whether the plan worked", "it does not say what to prove", "make the plan again")]);
        }

        var file = plan.Proof[0].Length > 0 ? plan.Proof[0] : null;
        var name = plan.Proof[1];
        var claims = new List<Reason>();
        var settings = SshSettings.Read(host, name, file);
        for (var i = 2; i < split; i += 2)
        {
            claims.Add(Claim(host, name, file, settings, plan.Proof[i], plan.Proof[i + 1]));
        }

        for (var i = split + 1; i + 1 < plan.Proof.Length; i += 2)
        {
            var other = SshSettings.Read(host, plan.Proof[i], file);
            var before = plan.Proof[i + 1];
            claims.Add(new($"the configuration for {Value.Host(plan.Proof[i])} is as before", before.Length == 0 || !other.Ok ? before.Length == 0 && !other.Ok ? Verdict.Yes : Verdict.Unknown : other.Value.Digest == before ? Verdict.Yes : Verdict.No, "ssh(1) -G, byte for byte"));
        }

        var others = (plan.Proof.Length - split - 1) / 2;
        var report = new Report($"ssh takes the block for {Value.Host(name)}{(plan.Proof.AsSpan(2, split - 2).Contains(Login) ? ", the login works" : "")}, and {others} other host{(others == 1 ? " is" : "s are")} as before", [.. claims], [], []);
        return ExitCode.OfProof(report) == ExitCode.Fine ? report
            : report with { Verdict = claims.Find(c => c.Verdict != Verdict.Yes) is { } failed ? (Text)$"it is not so that {failed.Text}" : "the configuration is not as planned" };
    }

    private static Reason Claim(Host host, string name, string? file, Reading<SshSettings> settings, string keyword, string value)
    {
        if (keyword == Login)
        {
            return LogsIn(host, name, file, settings);
        }

        if (keyword.StartsWith(Known, StringComparison.Ordinal))
        {
            var path = keyword[Known.Length..];
            var found = host.Run(["ssh-keygen", "-l", "-F", name, "-f", path], TimeSpan.FromSeconds(10));
            var said = found.Ok ? ByteText.Decode(found.Value.Output) : found.Error!.Message;
            return new($"known_hosts has the host key {value} under {Value.Host(name)}", !found.Ok ? Verdict.Unknown : said.Contains(value, StringComparison.Ordinal) ? Verdict.Yes : Verdict.No, "ssh-keygen(1) -F", new Seen(said.Trim(), path));
        }

        var now = settings.Ok ? settings.Value[keyword == "pubkeyacceptedkeytypes" && settings.Value["pubkeyacceptedalgorithms"] is not null ? "pubkeyacceptedalgorithms" : keyword] : null;
        return new($"{keyword} for {Value.Host(name)} is {value}", !settings.Ok ? Verdict.Unknown : now == value ? Verdict.Yes : Verdict.No, "ssh(1) -G", new Seen(settings.Ok ? now ?? "not there" : settings.Error!.Message, $"ssh -G {name}"));
    }

    /// <summary>
    /// A real login that starts no command and no shell: it asks for a forwarding to nowhere (<c>ssh -W</c>), and ends
    /// when that is refused. Where a passphrase would be asked for, that the server accepts the key is enough; where the
    /// host key would be, lotse asks about the keys itself.
    /// </summary>
    private static Reason LogsIn(Host host, string name, string? file, Reading<SshSettings> settings)
    {
        string[] config = file is null ? [] : ["-F", file];
        var ran = host.Run(["ssh", .. config, "-v", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ControlPath=none", "-W", "127.0.0.1:9", "--", name], TimeSpan.FromSeconds(30));
        var log = ClientLog.Read(ran.Ok ? ByteText.Decode(ran.Value.Errors) : "");
        var accepted = Array.Find(log.Keys, k => k.Fate == KeyFate.Accepted);
        var line = log.Authenticated ?? accepted?.FateLine;
        Text text = $"the login to {Value.Host(name)} works";
        if (line is not null)
        {
            return new(text, Verdict.Yes, log.Authenticated is not null ? "a real login" : "RFC 4252 section 7: the server would take the key; its passphrase was not asked for", new Seen(line.Text, $"ssh {name}"));
        }

        var ended = LogDiagnosis.Of(log);
        if (ended.Cause == "hostkey-unknown" && settings.Ok)
        {
            var target = SshTarget.Of(host, name, "/", settings.Value, null, null, []);
            var asked = target.Ask(host, ServerProbe.DefaultBudget, TimeSpan.FromSeconds(10));
            var client = SshSettings.ClientVersion(host) is { } version ? settings.Value.Client(version) : null;
            var opens = asked.Ok && client is not null && asked.Value.Kex.Length > 0 && HostDiagnosis.Judge(client, asked.Value, target.Identities) is { Connection.Length: 0, Keys: var keys } && keys.Any(k => k is { Stage: LoginStage.Ok, Accepted: true });
            return new(text, opens ? Verdict.Yes : Verdict.Unknown, "RFC 4252 section 7: the question without a signature, for ssh asks whether to trust the host key first", new Seen(asked.Ok ? asked.Value.Banner : asked.Error!.Message, target.Address));
        }

        return new(text, log.Stage >= LogStage.Authentication ? Verdict.No : Verdict.Unknown, ended.Rule, new Seen(ended.Cause is null ? ran.Ok ? ended.Because : ran.Error!.Message : (Text)$"{ended.Because}", $"ssh {name}"));
    }
}
