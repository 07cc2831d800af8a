namespace Lotse.Postgres;

/// <summary>What a running server's own answers mean. Pure.</summary>
internal static class RunningReasons
{
    private const int Most = 12;

    /// <summary>For a plan: whether the files are all there is to know, whom the stop cuts off, and what a restart changes.</summary>
    public static IEnumerable<Reason> Of(ClusterFacts facts)
    {
        if (!facts.IsRunning)
        {
            yield break;
        }

        if (facts.Server is not { } server)
        {
            if (facts.Control is { } last)
            {
                yield return new("the files hold all that the running server knows; it writes the rest with its next checkpoint (CHECKPOINT), and lotse apply looks again once it is stopped", Verdict.Unknown, "src/backend/access/transam/xlog.c CreateCheckPoint",
                    [new Seen($"last written {DateTimeOffset.FromUnixTimeSeconds(Math.Clamp(last.WrittenAt, 0, 1L << 36)):yyyy-MM-dd HH:mm:ss} UTC", $"{facts.Directory}/global/pg_control"), .. facts.ServerFault is { } fault ? new[] { new Seen($"the server was not asked: {fault}", "psql") } : []]);
            }

            yield break;
        }

        yield return new("the running server was asked what its files do not hold yet", server.NotAsked.Length == 0 ? Verdict.Yes : Verdict.Unknown, "system catalogs, by its own psql as the owner of the data",
            [new Seen($"PostgreSQL {server.Version}, as {server.User}", facts.Directory), .. server.NotAsked.Select(n => new Seen(n, "read from its files"))]);
        if (server.Connections.Length > 0)
        {
            yield return new($"{ClusterFindings.Plural(server.Connections.Sum(c => c.Count), "connection ends", "connections end")} when the server is stopped", Verdict.Yes, "pg_stat_activity", [.. server.Connections.Take(Most).Select(Seen)]);
        }

        foreach (var reason in Settings(server))
        {
            yield return reason;
        }

        foreach (var slot in server.Slots.Where(s => s.IsActive))
        {
            yield return new($"somebody streams from the slot {new Value(slot.Name, ValueKind.Plain)}", Verdict.Yes, "pg_replication_slots", new Seen(slot.BehindBytes is { } behind ? $"{behind} bytes behind" : "its place is not known", "pg_replication_slots"));
        }
    }

    /// <summary>Settings that will be others after a restart: those that wait for one, and those that no file gives.</summary>
    private static IEnumerable<Reason> Settings(RunningServer server)
    {
        var waiting = Waiting(server);
        if (waiting.Length > 0)
        {
            yield return new("settings changed in their file and wait for a restart: the new server starts with what the file says", Verdict.Yes, "pg_settings.pending_restart", [.. waiting.Take(Most).Select(s => new Seen($"{s.Name} = {s.Value} is in force", s.File is { } file ? $"{file}:{s.Line}" : s.Source))]);
        }

        var outside = Outside(server);
        if (outside.Length > 0)
        {
            yield return new("settings come from no file but from the server's start: whoever starts the new one has to give them again", Verdict.Yes, "pg_settings.source", [.. outside.Take(Most).Select(s => new Seen($"{s.Name} = {s.Value}", s.Source))]);
        }
    }

    private static SettingInForce[] Waiting(RunningServer server) => [.. server.Settings.Where(s => s.WaitsForRestart)];

    /// <summary>Settings of the server's start, without those that say where it is.</summary>
    private static SettingInForce[] Outside(RunningServer server) =>
        [.. server.Settings.Where(s => s.Source is "command line" or "environment variable" && s.Name is not ("config_file" or "hba_file" or "ident_file" or "data_directory" or "port" or "unix_socket_directories" or "listen_addresses"))];

    private static Seen Seen(Connections c) => new(Words(c), "pg_stat_activity");

    private static Text Words(Connections c) =>
        $"{c.Count} of {new Value(c.User, ValueKind.User)} to {new Value(c.Database, ValueKind.Plain)}{(c.Application.Length > 0 ? (Text)$", {new Value(c.Application, ValueKind.Plain)}" : "")}{(c.From == "local" ? "" : (Text)$", from {new Value(c.From, ValueKind.Address)}")}{(c.InTransaction > 0 ? (Text)$", {c.InTransaction} in a transaction" : "")}";

    /// <summary>What a person wants to see of a running server: name and value.</summary>
    public static IEnumerable<(string Name, string Value)> Lines(ClusterFacts facts)
    {
        if (facts.Server is not { } server)
        {
            return [];
        }

        string Setting(SettingInForce s) => $"{ByteText.Escape(s.Name)} = {ByteText.Escape(s.Value)}";
        return
        [
            ("asked", $"PostgreSQL {ByteText.Escape(server.Version)}, as {ByteText.Escape(server.User)}"),
            .. server.Connections.Take(Most).Select(c => ("connections", Words(c).ToString())),
            .. server.Slots.Select(s => ("slot", $"{ByteText.Escape(s.Name)}, {(s.IsActive ? "somebody streams from it" : "nobody streams from it")}")),
            .. Waiting(server).Take(Most).Select(s => ("waits for a restart", Setting(s))),
            .. Outside(server).Take(Most).Select(s => ("set at its start", Setting(s))),
        ];
    }

    /// <summary>Text is ordered by another library than the one that an order was recorded under.</summary>
    public static IEnumerable<Finding> Drifts(ClusterFacts facts)
    {
        foreach (var drift in facts.Server?.Drifts ?? [])
        {
            var name = new Value(drift.Collation is { } own ? $"{drift.Database}: {own}" : drift.Database, ValueKind.Plain);
            yield return new("pg/collation-version", Severity.Warning, Certainty.Proven, name, drift.Collation is null ? (Text)$"database {name} was made under version {drift.Recorded} of its collation, and the server has {drift.Actual}: indexes on text may not find their rows" : $"the collation {name} was made under version {drift.Recorded}, and the server has {drift.Actual}: indexes that follow it may not find their rows",
                [new("the running server was asked for both versions", Verdict.No, "pg_database_collation_actual_version(), pg_collation_actual_version()", new Seen(drift.Recorded, "recorded"), new Seen(drift.Actual, "of the server"))],
                [new("REINDEX the indexes on text, then ALTER DATABASE or ALTER COLLATION … REFRESH VERSION, in this order")]);
        }
    }
}
