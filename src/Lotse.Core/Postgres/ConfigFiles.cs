namespace Lotse.Postgres;

/// <summary>Where the configuration of a data directory lies: in it, where the last start named it, or where Debian puts it.</summary>
internal static class ConfigFiles
{
    /// <summary>Stands for a value that is not kept.</summary>
    public const string NotKept = "(not kept)";

    /// <summary>Settings whose value may name a password: it is never kept.</summary>
    private static readonly string[] MayHoldSecrets = ["primary_conninfo", "ssl_passphrase_command", "archive_command", "restore_command"];

    /// <summary>The facts with settings and pg_hba.conf.</summary>
    public static ClusterFacts Read(Host host, ClusterFacts facts, string? folder, List<string> faults)
    {
        var config = folder is not null ? $"{folder.TrimEnd('/')}/postgresql.conf" : Find(host, facts);
        var settings = config is null ? [] : PgConf.Read(host, config, facts.Directory, faults);
        var said = settings.FirstOrDefault(s => s.Name == "hba_file")?.Value;
        var beside = config?[..Math.Max(1, config.LastIndexOf('/'))].TrimEnd('/') + "/pg_hba.conf";
        var hba = said is not null && said.StartsWith('/') && host.Status(said).Ok ? said
            : config is not null && host.Status(beside).Ok ? beside
            : host.Status($"{facts.Directory}/pg_hba.conf").Ok ? $"{facts.Directory}/pg_hba.conf" : null;
        return facts with
        {
            ConfigFile = config,
            Settings = [.. settings.Select(s => s with { Value = Keepable(s.Name, s.Value) })],
            HbaFile = hba,
            Hba = hba is null ? [] : HostBasedAuthentication.Read(host, hba, facts.Version, faults),
        };
    }

    /// <summary>A setting's value, as far as it may be kept.</summary>
    public static string Keepable(string name, string value) => MayHoldSecrets.Contains(name) && value.Length > 0 ? NotKept : value;

    /// <summary>
    /// The settings of the last start's command line (postmaster.opts), which go before those of files, without the port:
    /// as a unit, a script or the <c>command:</c> of a compose file gives them (src/backend/postmaster/postmaster.c PostmasterMain).
    /// </summary>
    public static IEnumerable<Setting> OfCommandLine(ClusterFacts facts) => StartWords.Settings(facts.StartedWith).Where(s => s.Name != "port")
        .Select(s => new Setting(s.Name, Keepable(s.Name, s.Value), $"{facts.Directory}/postmaster.opts", 1));

    private static string? Find(Host host, ClusterFacts facts)
    {
        if (StartWords.Setting(facts.StartedWith, "config_file") is { } named && host.Status(named).Ok)
        {
            return named;
        }

        if (host.Status($"{facts.Directory}/postgresql.conf").Ok)
        {
            return $"{facts.Directory}/postgresql.conf";
        }

        // Debian: /etc/postgresql/VERSION/CLUSTER/postgresql.conf names the data directory.
        foreach (var cluster in host.List($"/etc/postgresql/{facts.Version}") is { Ok: true } clusters ? clusters.Value : [])
        {
            var file = $"/etc/postgresql/{facts.Version}/{cluster}/postgresql.conf";
            if (host.ReadFile(file) is { Ok: true } read && ByteText.Decode(read.Value).Split('\n').Any(l => PgConf.Split(l, out _) is ("data_directory", var value) && value.TrimEnd('/') == facts.Directory))
            {
                return file;
            }
        }

        return null;
    }
}
