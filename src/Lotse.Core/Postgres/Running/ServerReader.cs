using System.Globalization;

namespace Lotse.Postgres;

/// <summary>Asks a running server for what no file of it says, or not yet.</summary>
internal static class ServerReader
{
    /// <summary>Defaults that matter as much as what was set.</summary>
    private const string Always = "'wal_level', 'max_replication_slots', 'max_active_replication_origins', 'max_prepared_transactions', 'shared_preload_libraries', 'password_encryption', 'config_file', 'hba_file', 'data_directory', 'port', 'unix_socket_directories'";

    /// <summary>The facts, with what the server says of itself in place of what its files do.</summary>
    /// <param name="server">Whom.</param>
    /// <param name="facts">With roles and databases as they were asked for.</param>
    public static ClusterFacts Read(ServerConnection server, ClusterFacts facts)
    {
        var major = facts.Version;
        var end = "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END";
        var isInvalid = major switch { >= 17 => "invalidation_reason IS NOT NULL", >= 13 => "coalesce(wal_status = 'lost', false)", _ => "false" };
        var asked = CatalogQueries.Rows(server, "template1",
        [
            "SELECT current_setting('server_version'), current_user",
            $"SELECT name, setting, source, sourcefile, sourceline, pending_restart FROM pg_settings WHERE pending_restart OR name IN ({Always}) OR source NOT IN ('default', 'override', 'client', 'session') ORDER BY name",
            "SELECT coalesce(datname, ''), coalesce(usename, ''), coalesce(application_name, ''), coalesce(host(client_addr), 'local'), count(*), count(xact_start) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
            $"SELECT slot_name, slot_type, plugin, active, pg_wal_lsn_diff({end}, coalesce(confirmed_flush_lsn, restart_lsn)), confirmed_flush_lsn, {isInvalid} FROM pg_replication_slots WHERE NOT temporary ORDER BY slot_name",
            "SELECT gid FROM pg_prepared_xacts ORDER BY gid",
            major >= 15 ? "SELECT datname, datcollversion, pg_database_collation_actual_version(oid) FROM pg_database WHERE datallowconn AND datcollversion <> pg_database_collation_actual_version(oid) ORDER BY datname" : "SELECT 1 WHERE false",
        ]);
        if (!asked.Ok)
        {
            return facts with { ServerFault = asked.Error!.Message };
        }

        var (settings, connections, slots, prepared, databases) = (asked.Value[1], asked.Value[2], asked.Value[3], asked.Value[4], asked.Value[5]);
        var drifts = databases.Where(d => d.Length == 3).Select(d => new CollationDrift(d[0] ?? "", null, d[1] ?? "", d[2] ?? "")).ToList();
        foreach (var database in facts.Databases.Where(d => d is { AllowConnections: true, ConnectionLimit: not -2 }))
        {
            // Only collations that columns of users follow: of those that initdb lists nobody may have the locale any more.
            var own = CatalogQueries.Rows(server, database.Name, ["SELECT n.nspname || '.' || c.collname, c.collversion, pg_collation_actual_version(c.oid) FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace WHERE c.collversion IS NOT NULL AND c.oid IN (SELECT attcollation FROM pg_attribute WHERE attrelid >= 16384) AND c.collversion <> pg_collation_actual_version(c.oid) ORDER BY 1"]);
            drifts.AddRange((own.Ok ? own.Value[0] : []).Where(d => d.Length == 3).Select(d => new CollationDrift(database.Name, d[0], d[1] ?? "", d[2] ?? "")));
        }

        return facts with
        {
            Prepared = [.. prepared.Select(p => p[0] ?? "")],
            Slots = [.. slots.Where(s => s.Length == 7).Select(s => new ReplicationSlot(s[0] ?? "", s[1] == "logical", s[2], Lsn(s[5]), s[6] == "t"))],
            Server = new()
            {
                Version = asked.Value[0] is [[{ } version, ..], ..] ? version : "",
                User = server.User,
                Settings = [.. settings.Where(s => s.Length == 6).Select(s => new SettingInForce(s[0] ?? "", ConfigFiles.Keepable(s[0] ?? "", s[1] ?? ""), s[2] ?? "", s[3], Number(s[4]), s[5] == "t"))],
                Connections = [.. connections.Where(c => c.Length == 6).Select(c => new Connections(c[0] ?? "", c[1] ?? "", c[2] ?? "", c[3] ?? "", Number(c[4]), Number(c[5])))],
                Slots = [.. slots.Where(s => s.Length == 7).Select(s => new SlotInUse(s[0] ?? "", s[3] == "t", long.TryParse(s[4], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var behind) ? behind : null))],
                Drifts = [.. drifts],
            },
        };
    }

    private static int Number(string? text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;

    private static ulong Lsn(string? text) =>
        text?.Split('/') is [var high, var low] && uint.TryParse(high, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var h) && uint.TryParse(low, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var l) ? ((ulong)h << 32) | l : 0;
}
