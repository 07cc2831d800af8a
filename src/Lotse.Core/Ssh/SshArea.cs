using Lotse.Ssh.Logs;

namespace Lotse.Ssh;

/// <summary>Why a login over ssh fails, and what is the smallest safe fix.</summary>
public static class SshArea
{
    /// <summary>Words that only ssh, sshd or Dropbear print: others refuse connections and deny permissions too.</summary>
    private static readonly string[] Signs =
    [
        "debug1: ", "OpenSSH_", "Permission denied (", "ssh: connect to host", "ssh: Could not resolve hostname", "exchange_identification", "Host key verification failed", "Unable to negotiate with", "Bad configuration option: ",
        "Load key \"", "REMOTE HOST IDENTIFICATION", "no mutual signature algorithm", "Too many authentication failures", "agent refused operation", "Bad owner or permissions on ", "by UNKNOWN port", "during banner exchange",
        "PTY allocation request failed", "remote port forwarding failed",
    ];

    /// <summary>Words of the servers.</summary>
    private static readonly string[] ServerSigns = ["Authentication refused: ", "userauth_pubkey", "Exit before auth", "Pubkey auth ", "not allowed because", "maximum authentication attempts", "ROOT LOGIN REFUSED", "Certificate invalid", "Invalid user ", "[preauth]"];

    /// <summary>This area's line in the table of areas.</summary>
    public static Area Area { get; } = new("ssh", "a login over ssh fails, or will after the next upgrade or reboot", Check, Recognise) { Prove = SshProof.Prove, Foresee = SshForesight.Of };

    /// <summary>Without unpacking anything: is somebody's key meant for the initrd at all? Whether it lets that key in is what <c>ssh preflight</c> asks.</summary>
    private static Report Check(Host host)
    {
        if (SshForesight.Configured(host) is { } folder && host.List(folder) is { Ok: true, Value: var names })
        {
            // The hook takes id_*.pub only where there is no authorized_keys.
            string[] files = names.Contains("authorized_keys") ? ["authorized_keys"] : [.. names.Where(n => n.StartsWith("id_", StringComparison.Ordinal) && n.EndsWith(".pub", StringComparison.Ordinal))];
            var read = files.Select(f => host.ReadFile($"{folder}/{f}", 1 << 20)).ToArray();
            if (Array.Find(read, r => r.Error is { Kind: HostErrorKind.Denied }) is { Error: { } denied })
            {
                return new("not known", [], [], [new("whether somebody's key opens the initrd", denied.Message, "lotse ssh preflight, as root")]);
            }

            if (!read.Any(r => r.Ok && AuthorizedKeys.Read(ByteText.Decode(r.Value)).Any(k => k.Key is not null)))
            {
                return new("1 finding", [], [InitrdDiagnosis.NoKey(folder)], []);
            }

            return new("nothing found", [], [], []);
        }

        return new("nothing found", [], [], []);
    }

    private static Report? Recognise(string text)
    {
        if (Signs.Any(s => text.Contains(s, StringComparison.Ordinal)))
        {
            var log = ClientLog.Read(text);
            var found = LogDiagnosis.Of(log);
            if (found.Cause is not null)
            {
                return LogReport.Of(log, found, "line", null, "");
            }
        }

        return ServerSigns.Any(s => text.Contains(s, StringComparison.Ordinal)) && ServerLog.Read(text, new()) is { } told ? LogReport.Of(new(), told, "", text, "line") : null;
    }
}
