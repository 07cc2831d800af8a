using Lotse.Ssh.Logs;
using Lotse.Ssh.Transport;

namespace Lotse.Ssh;

/// <summary>Hands a passphrase to the cryptroot-unlock of an initrd, and waits until the real system answers.</summary>
public static class SshUnlock
{
    /// <summary>Between two looks at the server: an sshd that is asked too often shuts the address out.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(2);

    /// <summary>Unlocks and proves. The proof is another host key, or another program behind the same one: a login alone proves nothing, for the initrd's server answers for another moment.</summary>
    /// <param name="host">The machine of the client.</param>
    /// <param name="name">The host as one types it.</param>
    /// <param name="passphrase">Its bytes, without a newline. Handed to ssh on its standard input, and to nobody else.</param>
    /// <param name="patience">For the real system to answer.</param>
    /// <param name="tell">Is told how far it got, one line each.</param>
    /// <param name="config">Another ssh_config than the user's own; null: that.</param>
    public static Report Run(Host host, string name, byte[] passphrase, TimeSpan patience, Action<Text> tell, string? config = null)
    {
        var settings = SshSettings.Read(host, name, config);
        if (!settings.Ok)
        {
            return NotKnown("whether it was unlocked", settings.Error!.Message, "correct the configuration of ssh");
        }

        string target = settings.Value["hostname"] ?? name, port = settings.Value["port"] ?? "22";
        ProbeFacts Look() => ServerProbe.Ask(target, int.TryParse(port, System.Globalization.NumberStyles.None, null, out var number) ? number : 22, "", [], 0, TimeSpan.FromSeconds(5));
        var before = Look();
        if (before.HostKeyFingerprint is null)
        {
            return NotKnown("whether it waits for a passphrase", $"{before.Address}: {before.Trouble}", "wait until the initrd has its network, or look at lotse ssh probe");
        }

        tell($"{before.Banner} answers with host key {before.HostKeyFingerprint}");
        var ran = host.Run(["ssh", .. config is null ? Array.Empty<string>() : ["-F", config], "-T", "-o", "BatchMode=yes", "--", name, "cryptroot-unlock"], TimeSpan.FromSeconds(60), passphrase);
        if (!ran.Ok || ran.Value.ExitCode is not (0 or 255))
        {
            var said = ran.Ok ? ByteText.Decode(ran.Value.Errors).Trim() + ByteText.Decode(ran.Value.Output).Trim() : ran.Error!.Message;
            return new("it was not unlocked", [new("cryptroot-unlock took the passphrase", Verdict.No, "cryptsetup-initramfs", new Seen(said.Length > 300 ? said[..300] : said, $"ssh {name} cryptroot-unlock"))], [], [new("whether it can be unlocked", "cryptroot-unlock did not take the passphrase, or ssh did not get in", "ssh -v to the same host, and lotse ssh why with its log")]);
        }

        // 255 is what ssh ends with when the initrd goes away, as it should, and when it did not get in.
        if (ran.Value.ExitCode != 0 && LogDiagnosis.Of(ClientLog.Read(ByteText.Decode(ran.Value.Errors))) is { Cause: not (null or Conclusion.Worked) } found && !found.Cause.StartsWith("closed-", StringComparison.Ordinal))
        {
            var title = CauseCatalogue.Find(found.Cause).Title;
            return new($"not unlocked: ssh did not get in: {title}", [new("ssh gets in", Verdict.No, found.Rule, [.. found.Lines.OfType<LogLine>().Select(l => new Seen($"{new Value(l.Text, ValueKind.Plain)}", $"ssh {name}"))])], [], [new("whether it can be unlocked", $"{title}", $"lotse ssh why {name}; the passphrase was not handed over")]);
        }

        tell("the passphrase was handed over; waiting for the real system");
        var start = host.Uptime;
        ProbeFacts? last = null;
        while (host.Uptime - start < patience)
        {
            host.Wait(Pause);
            last = Look();
            if (last.HostKeyFingerprint is { } now && (now != before.HostKeyFingerprint || last.Banner != before.Banner))
            {
                return new($"unlocked: the real system answers after {(host.Uptime - start).TotalSeconds:0} seconds",
                    [
                        new(now != before.HostKeyFingerprint ? "another host key answers than that of the initrd" : "another program answers than that of the initrd", Verdict.Yes, "RFC 4253 section 8: the server has proved to hold the key", new Seen($"{before.Banner} {new Value(before.HostKeyFingerprint, ValueKind.Key)}", "before"), new Seen($"{last.Banner} {new Value(now, ValueKind.Key)}", "now")),
                    ], [], []);
            }
        }

        return new("not proved: the real system does not answer", [new("another host key answers than that of the initrd", last?.HostKeyFingerprint is null ? Verdict.Unknown : Verdict.No, "RFC 4253 section 8", new Seen(last?.HostKeyFingerprint ?? last?.Trouble ?? "", target))], [],
            [new("whether the real system has started", $"within {patience.TotalSeconds:0} seconds {(last?.HostKeyFingerprint is null ? "nothing answered" : "only the initrd's server answered")}", "look at the machine's console; lotse ssh probe again in a minute")]);
    }

    private static Report NotKnown(Text what, Text why, Text how) => new($"not unlocked: {why}", [], [], [new(what, why, how)]);
}
