using Lotse.Formats;

namespace Lotse.Ssh;

/// <summary>A key that ssh would try for a host. The private half is never opened: only stat(2) looks at it.</summary>
/// <param name="File">The private key as ssh names it, or the comment of a key in the agent.</param>
/// <param name="PublicFile">Where the public half was read; null: from the agent.</param>
/// <param name="Key">The public half; null: there is none beside the private one.</param>
/// <param name="Mode">Permission bits of the private half; null: it is not there.</param>
public sealed record SshIdentity(string File, string? PublicFile, PublicKey? Key, int? Mode)
{
    /// <summary>Whether the agent holds it.</summary>
    public bool InAgent => PublicFile is null && Key is not null;

    /// <summary>The keys that <c>ssh -G</c> names and that exist, in ssh's order, and those of the agent.</summary>
    /// <param name="host">The client's machine.</param>
    /// <param name="settings">The configuration for the host.</param>
    /// <param name="home">The user's home.</param>
    public static SshIdentity[] Read(Host host, SshSettings settings, string home)
    {
        var all = new List<SshIdentity>();
        foreach (var named in settings.Identities.Where(i => i != "none"))
        {
            var file = named.StartsWith("~/", StringComparison.Ordinal) ? home + named[1..] : named;
            var isPublic = file.EndsWith(".pub", StringComparison.Ordinal);
            var pub = isPublic ? file : file + ".pub";
            var key = ReadPublic(host, pub);
            var status = isPublic ? default : host.Status(file);
            if (key is not null || (!isPublic && status.Ok))
            {
                all.Add(new(file, key is null ? null : pub, key, !isPublic && status.Ok ? status.Value.Kind == FileKind.Link ? 0x180 : status.Value.Mode : null));
            }
        }

        if (settings["identityagent"] is null or "SSH_AUTH_SOCK" && settings["identitiesonly"] != "yes")
        {
            all.AddRange(OfAgent(host).Where(a => !all.Any(i => i.Key?.Fingerprint == a.Key!.Fingerprint)));
        }

        return [.. Certificates(host, settings, home, all), .. all];
    }

    /// <summary>The certificates that ssh would try before the keys themselves: those of CertificateFile, and <c>FILE-cert.pub</c> beside each identity.</summary>
    private static IEnumerable<SshIdentity> Certificates(Host host, SshSettings settings, string home, List<SshIdentity> keys)
    {
        foreach (var file in (settings.Values.GetValueOrDefault("certificatefile") ?? []).Select(f => f.StartsWith("~/", StringComparison.Ordinal) ? home + f[1..] : f).Concat(keys.Select(k => $"{k.File}-cert.pub")).Distinct())
        {
            if (ReadPublic(host, file) is { IsCertificate: true } certificate && keys.Find(k => k.Key is { } key ? certificate.Certifies(key) : file == $"{k.File}-cert.pub") is { } own)
            {
                // What the agent holds has no file that others could read.
                yield return new(own.File, file, certificate, own.InAgent ? 0x180 : own.Mode);
            }
        }
    }

    /// <summary>The public key in a file; null: there is none.</summary>
    public static PublicKey? ReadPublic(Host host, string file) =>
        host.ReadFile(file, 1 << 16) is { Ok: true, Value: var bytes } ? PublicKey.Parse(ByteText.Decode(bytes).Split('\n')[0]) : null;

    private static IEnumerable<SshIdentity> OfAgent(Host host) =>
        host.Run(["ssh-add", "-L"], TimeSpan.FromSeconds(5)) is { Ok: true, Value: { ExitCode: 0, Output: var output } }
            ? ByteText.Decode(output).Split('\n').Select(l => PublicKey.Parse(l)).OfType<PublicKey>().Select(k => new SshIdentity(k.Comment, null, k, null)) : [];
}
