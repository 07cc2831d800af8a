namespace Lotse.Ssh;

/// <summary>Asks ssh itself whether a plan of this area has worked: <c>ssh -G</c> of the host shows the new values, of every other host what it showed before.</summary>
public static class SshProof
{
    /// <summary>Proves what <see cref="Plan.Proof"/> says: the file (empty: the user's own), the host, pairs of keyword and list, <c>others</c>, pairs of host and digest.</summary>
    public static Report Prove(Host host, Plan plan)
    {
        var split = Array.IndexOf(plan.Proof, "others");
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
            var keyword = plan.Proof[i];
            var now = settings.Ok ? settings.Value[keyword == "pubkeyacceptedkeytypes" && settings.Value["pubkeyacceptedalgorithms"] is not null ? "pubkeyacceptedalgorithms" : keyword] : null;
            claims.Add(new($"{keyword} for {Value.Host(name)} is {plan.Proof[i + 1]}", !settings.Ok ? Verdict.Unknown : now == plan.Proof[i + 1] ? Verdict.Yes : Verdict.No, "ssh(1) -G", new Seen(settings.Ok ? now ?? "not there" : settings.Error!.Message, $"ssh -G {name}")));
        }

        for (var i = split + 1; i + 1 < plan.Proof.Length; i += 2)
        {
            var other = SshSettings.Read(host, plan.Proof[i], file);
            var before = plan.Proof[i + 1];
            claims.Add(new($"the configuration for {Value.Host(plan.Proof[i])} is as before", before.Length == 0 || !other.Ok ? before.Length == 0 && !other.Ok ? Verdict.Yes : Verdict.Unknown : other.Value.Digest == before ? Verdict.Yes : Verdict.No, "ssh(1) -G, byte for byte"));
        }

        var report = new Report($"ssh takes the block for {Value.Host(name)}, and {(plan.Proof.Length - split - 1) / 2} other hosts are as before", [.. claims], [], []);
        return ExitCode.OfProof(report) == ExitCode.Fine ? report : report with { Verdict = $"the configuration is not as planned" };
    }
}
