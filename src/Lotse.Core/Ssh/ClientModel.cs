using System.Globalization;

namespace Lotse.Ssh;

/// <summary>What an OpenSSH client of some version proposes and accepts under some configuration.</summary>
/// <param name="Version">The version asked for.</param>
/// <param name="Basis">Where the defaults are from: <c>measured</c>, <c>notes</c>, or <c>as 9.2</c> for a version that is not in the table.</param>
public sealed record ClientModel(SshVersion Version, string Basis)
{
    private static readonly (string Name, SshVersion First)[] Since =
    [
        ("pubkeyacceptedalgorithms", new(8, 5)), ("hostbasedacceptedalgorithms", new(8, 5)), ("requiredrsasize", new(9, 1)), ("knownhostscommand", new(8, 5)),
        ("casignaturealgorithms", new(7, 8)), ("setenv", new(7, 8)), ("tag", new(9, 4)), ("obscurekeystroketiming", new(9, 5)), ("warnweakcrypto", new(10, 1)),
        ("channeltimeout", new(9, 7)), ("enableescapecommandline", new(9, 2)), ("permitremoteopen", new(8, 5)), ("securitykeyprovider", new(8, 2)), ("proxyjump", new(7, 3)),
        ("include", new(7, 3)), ("certificatefile", new(7, 2)), ("addkeystoagent", new(7, 2)), ("forkafterauthentication", new(8, 7)), ("sessiontype", new(8, 7)), ("stdinnull", new(8, 7)),
        ("versionaddendum", new(9, 9)), ("refuseconnection", new(9, 9)), ("loglevel", new(2, 0)), ("logverbose", new(8, 5)), ("bindinterface", new(7, 7)),
    ];

    /// <summary>The first version of the table; of earlier ones nothing is known.</summary>
    public static SshVersion Oldest => SshVersion.Parse(SshTable.Rows("clients").First()[0])!.Value;

    /// <summary>KexAlgorithms.</summary>
    public string[] Kex { get; init; } = [];

    /// <summary>HostKeyAlgorithms, in the configured order; known host keys move types forward, which does not change whether there is a match.</summary>
    public string[] HostKeys { get; init; } = [];

    /// <summary>Ciphers.</summary>
    public string[] Ciphers { get; init; } = [];

    /// <summary>MACs.</summary>
    public string[] Macs { get; init; } = [];

    /// <summary>PubkeyAcceptedAlgorithms, called PubkeyAcceptedKeyTypes before 8.5.</summary>
    public string[] UserKeys { get; init; } = [];

    /// <summary>Whether <see cref="UserKeys"/> holds types of keys instead of signature algorithms (7.8 release notes): an RSA key then signs with what the server likes best.</summary>
    public bool NamesKeyTypes => Version < new SshVersion(7, 8);

    /// <summary>The shortest RSA key that is used; RequiredRSASize from 9.1.</summary>
    public int LeastRsaBits { get; init; } = 1024;

    /// <summary>What this version says of an option that it cannot take; the whole file is refused then.</summary>
    public string? Refused { get; init; }

    /// <summary>Whether this version can read a key of that type at all. Debian's builds have no DSA from 10.0.</summary>
    public bool Reads(UserKeyType key) => key.Name != "ssh-dss" || Version < new SshVersion(10, 0);

    /// <summary>A client's defaults.</summary>
    /// <param name="version">7.5 and later; earlier ones are taken for 7.5.</param>
    public static ClientModel Defaults(SshVersion version)
    {
        SshVersion? best = null;
        var basis = "";
        Dictionary<string, string> values = [];
        foreach (var row in SshTable.Rows("clients"))
        {
            var listed = SshVersion.Parse(row[0])!.Value;
            if (best is not null && best != listed && listed > version)
            {
                break;
            }

            if (best != listed)
            {
                (best, basis, values) = (listed, row[1], []);
            }

            values[row[2]] = row[3];
        }

        return new ClientModel(version, best == version ? basis : $"as {best}")
        {
            Kex = SshTable.Names(values["kexalgorithms"]),
            HostKeys = SshTable.Names(values["hostkeyalgorithms"]),
            Ciphers = SshTable.Names(values["ciphers"]),
            Macs = SshTable.Names(values["macs"]),
            UserKeys = SshTable.Names(values["pubkeyacceptedalgorithms"]),
            LeastRsaBits = values.TryGetValue("requiredrsasize", out var bits) ? int.Parse(bits, CultureInfo.InvariantCulture) : 1024,
        };
    }

    /// <summary>The same client with options of ssh_config(5), in the spelling of the file.</summary>
    public ClientModel With(IEnumerable<KeyValuePair<string, string>> options)
    {
        var client = this;
        foreach (var (name, value) in options)
        {
            client = client.Fault(name.ToLowerInvariant(), value) is { } fault ? client with { Refused = client.Refused ?? fault } : client.Set(name.ToLowerInvariant(), value);
        }

        return client;
    }

    /// <summary>
    /// The same user's client after an upgrade: what the configuration changed of this version's defaults is
    /// changed of the other version's.
    /// </summary>
    /// <param name="version">The version after the upgrade.</param>
    /// <param name="defaults">This client without any configuration.</param>
    public ClientModel Upgraded(SshVersion version, ClientModel defaults)
    {
        var changes = new (string Option, string? Value)[]
        {
            ("kexalgorithms", AlgorithmList.Change(defaults.Kex, Kex)), ("hostkeyalgorithms", AlgorithmList.Change(defaults.HostKeys, HostKeys)), ("ciphers", AlgorithmList.Change(defaults.Ciphers, Ciphers)),
            ("macs", AlgorithmList.Change(defaults.Macs, Macs)), ("pubkeyacceptedkeytypes", AlgorithmList.Change(defaults.UserKeys, UserKeys)),
        };
        // A name that no release knows is this build's own: what the next build makes of it is not known, so it counts as nothing.
        return Defaults(version).With(changes.Where(c => c.Value is not null).Select(c => new KeyValuePair<string, string>(c.Option, AlgorithmNames.OfReleases(c.Option, c.Value!)))) with { LeastRsaBits = Math.Max(LeastRsaBits, Defaults(version).LeastRsaBits) };
    }

    /// <summary>Whether this version knows an option by that name.</summary>
    public static bool Knows(SshVersion version, string option) =>
        !Since.Any(s => string.Equals(s.Name, option, StringComparison.OrdinalIgnoreCase) && version < s.First);

    private ClientModel Set(string name, string value) => name switch
    {
        "kexalgorithms" => this with { Kex = AlgorithmList.Apply(Kex, value) },
        "hostkeyalgorithms" => this with { HostKeys = AlgorithmList.Apply(HostKeys, value) },
        "ciphers" => this with { Ciphers = AlgorithmList.Apply(Ciphers, value) },
        "macs" => this with { Macs = AlgorithmList.Apply(Macs, value) },
        "pubkeyacceptedalgorithms" or "pubkeyacceptedkeytypes" => this with { UserKeys = AlgorithmList.Apply(UserKeys, value) },
        "requiredrsasize" => this with { LeastRsaBits = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var bits) ? Math.Max(bits, 1024) : LeastRsaBits },
        _ => this,
    };

    /// <summary>Values that end the program: each was tried with each version.</summary>
    private string? Fault(string name, string value)
    {
        var lists = name is "kexalgorithms" or "hostkeyalgorithms" or "ciphers" or "macs" or "pubkeyacceptedalgorithms" or "pubkeyacceptedkeytypes";
        return !Knows(Version, name) ? $"Bad configuration option: {name}"
            : lists && value.StartsWith('^') && Version < new SshVersion(8, 0) ? $"{name} takes no ^ before 8.0"
            : !lists || value.StartsWith('-') || AlgorithmNames.Unknown(name, value, Version) is null ? null
            : name switch { "kexalgorithms" => $"Bad SSH2 KexAlgorithms '{value}'", "ciphers" => $"Bad SSH2 cipher spec '{value}'", "macs" => $"Bad SSH2 MAC spec '{value}'", _ => $"Bad key types '{value}'" };
    }
}
