using System.Globalization;
using Lotse.Formats;
using Lotse.Hosts;

namespace Lotse.Ssh;

/// <summary>Which logins an upgrade or the next boot will break: what the hooks of apt and initramfs-tools ask. Opens no connection but to the image's own dropbear on loopback.</summary>
internal static class SshForesight
{
    /// <summary>The most users whose configuration is looked at.</summary>
    private const int MostUsers = 20;

    /// <summary>Where Debian's dropbear-initramfs keeps its configuration: from Debian 12 on, and before.</summary>
    public static readonly string[] InitrdFolders = ["/etc/dropbear/initramfs", "/etc/dropbear-initramfs"];

    /// <summary>Options of sshd whose values are read by the same functions as the client's (misc.c, kex.c): what one of them refuses the other refuses.</summary>
    private static readonly Dictionary<string, string> Lists = new()
    {
        ["pubkeyacceptedalgorithms"] = "pubkeyacceptedkeytypes",
        ["pubkeyacceptedkeytypes"] = "pubkeyacceptedkeytypes",
        ["hostbasedacceptedalgorithms"] = "pubkeyacceptedkeytypes",
        ["hostbasedacceptedkeytypes"] = "pubkeyacceptedkeytypes",
        ["hostkeyalgorithms"] = "hostkeyalgorithms",
        ["ciphers"] = "ciphers",
    };

    /// <summary>What will break; nothing else.</summary>
    public static Report Of(Host host, Upcoming upcoming)
    {
        var findings = new List<Finding>();
        if (upcoming.Upgrade("openssh-client", "openssh-client-ssh1") is { Name: "openssh-client", New: { } client } && SshVersion.Parse(AptHookInput.Upstream(client)) is { } then)
        {
            findings.AddRange(Users(host).SelectMany(u => Client(u.Host, u.Home, then)));
        }

        if (upcoming.Upgrade("openssh-server") is { New: { } server } && SshVersion.Parse(AptHookInput.Upstream(server)) is { } next)
        {
            findings.AddRange(Server(host, next));
        }

        findings.AddRange(Initrd(host, upcoming));
        if (upcoming.Image is { } image && Configured(host) is not null && host.Ask($"ssh/initrd {image}", () => InitrdJson.Default.InitrdFacts, () => InitrdReader.Read(host, image, null, run: true)) is { Ok: true, Value: var facts })
        {
            findings.AddRange(InitrdDiagnosis.Of(facts).Findings.Where(f => f.Severity == Severity.Error));
        }

        return new(findings.Count == 0 ? "nothing found" : findings[0].Title, [], [.. findings], []);
    }

    /// <summary>The folder of dropbear-initramfs; null: it is not installed.</summary>
    public static string? Configured(Host host) => Array.Find(InitrdFolders, f => host.List(f) is { Ok: true, Value: var names } && (names.Contains("dropbear.conf") || names.Contains("config")));

    /// <summary>Root, and everybody who has ever asked a server with lotse or has a configuration of ssh. Their programs are run as themselves.</summary>
    private static IEnumerable<(Host Host, string Home)> Users(Host host)
    {
        var lines = host.ReadFile("/etc/passwd", 1 << 20) is { Ok: true, Value: var bytes } ? ByteText.Decode(bytes).Split('\n') : [];
        return lines.Select(l => l.Split(':')).Where(f => f is [{ Length: > 0 } name, _, _, _, _, ['/', _, ..], _] && name[0] != '-' && int.TryParse(f[2], NumberStyles.None, CultureInfo.InvariantCulture, out var uid) && (uid == 0 || uid >= 1000))
            .Where(f => host.Status(CachedProbe.Folder($"{f[5]}/.cache")).Ok || host.Status($"{f[5]}/.ssh/config").Ok).Take(MostUsers)
            .Select(f => (f[2] == "0" ? host : new UserHost(host, f[0]), f[5]));
    }

    /// <summary>Logins from here that work now and will fail, and options that the new client refuses. Nobody's commands are run for it.</summary>
    private static IEnumerable<Finding> Client(Host host, string home, SshVersion then) =>
        SshAuditFacts.Read(host, home, $"{home}/.cache", then, null, runsCommands: false) is { Ok: true, Value: var facts } && facts.Now < facts.Then
            ? SshAudit.Of(facts).Findings.Where(f => f.Severity == Severity.Error) : [];

    /// <summary>Values that end the new sshd at its start: then nobody gets in any more.</summary>
    private static IEnumerable<Finding> Server(Host host, SshVersion next)
    {
        const string Folder = "/etc/ssh/sshd_config.d";
        string[] files = ["/etc/ssh/sshd_config", .. host.List(Folder) is { Ok: true, Value: var names } ? names.Where(n => n.EndsWith(".conf", StringComparison.Ordinal)).Select(n => $"{Folder}/{n}") : []];
        foreach (var file in files)
        {
            foreach (var line in host.ReadFile(file, 1 << 20) is { Ok: true, Value: var bytes } ? SshConfigFile.Parse(FileLines.Split(bytes).Lines).Lines : [])
            {
                if (Lists.TryGetValue(line.Keyword, out var list) && ClientModel.Defaults(next).With([new(list, line.Value)]).Refused is { } why)
                {
                    yield return new("ssh/sshd-config-bad-value", Severity.Error, Certainty.Proven, Value.Path(file), $"sshd of OpenSSH {next.ToString()} will not start, and nobody will get in: {why} in {Value.Path(file)}",
                        [new($"OpenSSH {next.ToString()} takes {line.Keyword} {line.Value}", Verdict.No, "sshd_config(5); OpenSSH 10.0 release notes", new Seen($"{line.Keyword} {line.Value}", $"{file}:{line.Line}"))],
                        [new($"take the old name out of line {line.Line} before the upgrade, and check", "sshd", "-t")]);
                }
            }
        }
    }

    /// <summary>The next initrd without its ssh server, or with one that takes none of the installed keys.</summary>
    private static IEnumerable<Finding> Initrd(Host host, Upcoming upcoming)
    {
        if (Configured(host) is not { } folder || host.ReadFile($"{folder}/authorized_keys", 1 << 20) is not { Ok: true, Value: var bytes })
        {
            yield break;
        }

        var keys = AuthorizedKeys.Read(ByteText.Decode(bytes)).Where(k => k.Key is not null).ToArray();
        if (keys.Length > 0 && Array.Exists(upcoming.Packages, p => p is { Name: "dropbear-initramfs", Old: not null, New: null }))
        {
            yield return new("ssh/initrd-no-dropbear", Severity.Error, Certainty.Proven, Value.Path(folder), "dropbear-initramfs is removed: nobody will be able to unlock the disk over ssh", [new("the next initrd has an ssh server", Verdict.No, "dropbear-initramfs", new Seen("removed", "apt"))], [new("keep dropbear-initramfs, or unlock the disk in another way", "apt-get", "install", "dropbear-initramfs")]);
        }

        if (keys.Length > 0 && upcoming.Upgrade("dropbear-bin", "dropbear-initramfs", "dropbear") is { New: { } version } && ServerModel.Of($"dropbear:{AptHookInput.Upstream(version)}") is { } server && !keys.Any(k => new UserKeyType(k.Key!.Type, 0).Signatures.Any(server.Accepts.Contains)))
        {
            yield return new("ssh/initrd-key-refused", Severity.Error, Certainty.Inferred, Value.Path($"{folder}/authorized_keys"), $"{server.Name} takes none of the keys in {Value.Path($"{folder}/authorized_keys")}: nobody will be able to unlock the disk over ssh",
                [new($"{server.Name} takes {string.Join(", ", keys.Select(k => k.Key!.Type).Distinct())}", Verdict.No, "Dropbear CHANGES", new Seen(string.Join(',', server.Accepts), server.Basis))], [new("install an ed25519 or ECDSA key before the initrd is made anew", "ssh-keygen", "-t", "ed25519")]);
        }
    }
}
