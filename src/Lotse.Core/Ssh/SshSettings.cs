using System.Globalization;
using System.Text;
using Lotse.Formats;

namespace Lotse.Ssh;

/// <summary>What <c>ssh -G</c> says of a host: the configuration as ssh itself understands it.</summary>
/// <param name="Values">Keyword in lower case, values in order.</param>
/// <param name="Digest">SHA-256 of the whole output: two configurations that agree in it are the same for this host.</param>
public sealed record SshSettings(Dictionary<string, string[]> Values, string Digest)
{
    /// <summary>The file that was given in place of the user's own (<c>ssh -F</c>); null: none was.</summary>
    public string? File { get; init; }

    /// <summary>Asks ssh.</summary>
    /// <param name="host">Where it runs.</param>
    /// <param name="name">The name as one would type it.</param>
    /// <param name="file">Another file than the user's own (<c>ssh -F</c>); null: the user's and the system's.</param>
    public static Reading<SshSettings> Read(Host host, string name, string? file = null)
    {
        string[] arguments = file is null ? ["ssh", "-G", "--", name] : ["ssh", "-F", file, "-G", "--", name];
        var ran = host.Run(arguments, TimeSpan.FromSeconds(10));
        if (!ran.Ok)
        {
            return new(default!, ran.Error);
        }

        if (ran.Value.ExitCode != 0)
        {
            return new(default!, new(HostErrorKind.Failed, $"ssh -G {ByteText.Escape(name)} says: {ByteText.Escape(Encoding.UTF8.GetString(ran.Value.Errors).Trim())}"));
        }

        var values = new Dictionary<string, List<string>>();
        foreach (var line in ByteText.Decode(ran.Value.Output).Split('\n'))
        {
            var space = line.IndexOf(' ', StringComparison.Ordinal);
            if (space > 0)
            {
                (values.TryGetValue(line[..space], out var all) ? all : values[line[..space]] = []).Add(line[(space + 1)..]);
            }
        }

        return new(new(values.ToDictionary(v => v.Key, v => v.Value.ToArray()), Sha256.Hex(ran.Value.Output)) { File = file }, null);
    }

    /// <summary>What this build of ssh does without any configuration; null: it does not say.</summary>
    public static ClientModel? Defaults(Host host, SshVersion version) => Read(host, "lotse-other.invalid", "none") is { Ok: true, Value: var settings } ? settings.Client(version) : null;

    /// <summary>The version of the client, from what <c>ssh -V</c> prints.</summary>
    public static SshVersion? ClientVersion(Host host) =>
        host.Run(["ssh", "-V"], TimeSpan.FromSeconds(10)) is { Ok: true, Value: var ran } && Encoding.UTF8.GetString(ran.Errors) is var text && text.IndexOf("OpenSSH_", StringComparison.Ordinal) is >= 0 and var at ? SshVersion.Parse(text.AsSpan(at + 8)) : null;

    /// <summary>The first value of a keyword, or null.</summary>
    public string? this[string keyword] => Values.TryGetValue(keyword, out var all) ? all[0] : null;

    /// <summary>Files of private keys that this host would be tried with.</summary>
    public string[] Identities => Values.GetValueOrDefault("identityfile") ?? [];

    /// <summary>The client as it is configured for this host.</summary>
    public ClientModel Client(SshVersion version) => new(version, "ssh -G")
    {
        Kex = SshTable.Names(this["kexalgorithms"] ?? ""),
        HostKeys = SshTable.Names(this["hostkeyalgorithms"] ?? ""),
        Ciphers = SshTable.Names(this["ciphers"] ?? ""),
        Macs = SshTable.Names(this["macs"] ?? ""),
        UserKeys = SshTable.Names(this["pubkeyacceptedalgorithms"] ?? this["pubkeyacceptedkeytypes"] ?? ""),
        LeastRsaBits = int.TryParse(this["requiredrsasize"], NumberStyles.None, CultureInfo.InvariantCulture, out var bits) ? Math.Max(bits, 1024) : 1024,
    };
}
