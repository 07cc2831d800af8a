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

/// <summary>What an audit is made from.</summary>
/// <param name="Now">The client's present version.</param>
/// <param name="Then">The version asked about.</param>
/// <param name="Hosts">Every host of the configuration, of known_hosts and of earlier probes.</param>
/// <param name="Options">The options of the user's files.</param>
/// <param name="Hashed">Lines of known_hosts whose name is hashed and is none of these.</param>
/// <param name="Defaults">The present client without any configuration.</param>
/// <param name="Today">When this was read, by which the age of what servers have said counts.</param>
public sealed record SshAuditFacts(SshVersion Now, SshVersion Then, AuditedHost[] Hosts, ConfiguredOption[] Options, int Hashed, ClientModel Defaults, DateTimeOffset Today)
{
    /// <summary>Patterns of the configuration's blocks that no host fits whose name is known: there are hosts behind them, and nobody has said which.</summary>
    public string[] Patterns { get; init; } = [];

    /// <summary>The most hosts that are looked at.</summary>
    private const int Most = 500;

    private static readonly string[] Deciding = ["hostkeyalias", "proxyjump", "proxycommand", "kexalgorithms", "hostkeyalgorithms", "ciphers", "macs", "pubkeyacceptedalgorithms", "pubkeyacceptedkeytypes", "requiredrsasize", "identitiesonly"];

    /// <summary>Reads configuration, known_hosts and the cache; asks nobody.</summary>
    /// <param name="host">The client's machine.</param>
    /// <param name="home">The user's home.</param>
    /// <param name="cache">The user's cache folder.</param>
    /// <param name="then">The version asked about.</param>
    /// <param name="config">Another ssh_config than the user's own; null: that.</param>
    /// <param name="runsCommands">Whether ssh may be asked about hosts where that runs commands of <c>Match exec</c>; else nothing is known of any.</param>
    public static Reading<SshAuditFacts> Read(Host host, string home, string cache, SshVersion then, string? config, bool runsCommands)
    {
        if (SshSettings.ClientVersion(host) is not { } now)
        {
            return new(default!, new(HostErrorKind.Failed, "ssh -V does not tell its version"));
        }

        var options = SshConfigFiles.Read(host, home, config ?? $"{home}/.ssh/config");
        var mayAsk = runsCommands || SshConfigFiles.Commands(host, home, config).Length == 0;
        var known = host.ReadFile($"{home}/.ssh/known_hosts") is { Ok: true, Value: var bytes } ? KnownHost.Read(ByteText.Decode(bytes)).Where(k => k.Marker != "@revoked").ToArray() : [];
        var cached = CachedProbe.ReadAll(host, cache);
        var configured = options.SelectMany(Named).Where(IsName);
        string[] plain = [.. known.Where(k => !k.IsHashed).SelectMany(k => k.Names.Split(','))];

        // A name in brackets is one with a port: what was typed for it stands in the configuration or the cache, or is the host itself.
        var names = configured.Concat(cached.Select(c => c.Name)).Concat(plain.Where(n => !n.StartsWith('['))).Where(IsName).Distinct().Take(Most).ToArray();
        SshTarget Target(string name, int? port) => SshTarget.Of(host, name, home, mayAsk && SshSettings.Read(host, name, config) is { Ok: true, Value: var settings } ? settings : null, port, null, []);
        var targets = names.Select(n => Target(n, null)).ToList();
        foreach (var (address, port) in plain.Select(Bracketed).OfType<(string, int)>().Where(b => !targets.Any(t => t.Address == b.Item1 && t.Port == b.Item2)).Take(Most - targets.Count))
        {
            targets.Add(Target(address, port));
        }

        // Several names of one login, the machine's address among them, are one host: the first that somebody typed stands for it.
        var seen = new HashSet<(string, int, string, string)>();
        var hosts = targets.Select(t => new AuditedHost(t, cached.Where(c => c.Facts.Address == $"{t.Address}:{t.Port}" && (c.Facts.User == t.User || c.Facts.User.Length == 0)).MaxBy(c => (c.Facts.User.Length, c.Asked))))
            .Where(h => h.Target.Settings is null || seen.Add((h.Target.Address, h.Target.Port, h.Target.User, Way(h.Target.Settings)))).ToArray();
        var hashed = known.Count(k => k.IsHashed && k.Marker.Length == 0 && !targets.Any(t => k.IsFor(KnownHost.LookedUp(t.Address, t.Port))));
        return new(new(now, then, hosts, [.. options], hashed, (mayAsk ? SshSettings.Defaults(host, now) : null) ?? ClientModel.Defaults(now), host.Now)
        {
            Patterns = [.. options.SelectMany(Named).Where(n => n.Any(char.IsLetterOrDigit) && n[0] is not ('!' or '-') && n.IndexOfAny(['*', '?']) >= 0 && !targets.Any(t => AlgorithmList.Matches(t.Name, n))).Distinct()],
        }, null);
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
}
