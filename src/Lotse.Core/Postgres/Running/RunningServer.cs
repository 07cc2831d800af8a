namespace Lotse.Postgres;

/// <summary>A setting that the server goes by and that is not its default (pg_settings).</summary>
/// <param name="Name">name.</param>
/// <param name="Value">setting, in the setting's unit.</param>
/// <param name="Source">configuration file, command line, environment variable, database, default …</param>
/// <param name="File">sourcefile; null: from no file.</param>
/// <param name="Line">sourceline; 0: from no file.</param>
/// <param name="WaitsForRestart">pending_restart: the file says something else, which a restart would bring.</param>
public sealed record SettingInForce(string Name, string Value, string Source, string? File, int Line, bool WaitsForRestart);

/// <summary>Connections of one kind (pg_stat_activity): they end when the server is stopped.</summary>
/// <param name="Database">datname.</param>
/// <param name="User">usename.</param>
/// <param name="Application">application_name; empty: it gives none.</param>
/// <param name="From">client_addr; local: through a socket of the machine.</param>
/// <param name="Count">How many.</param>
/// <param name="InTransaction">How many of these have a transaction open.</param>
public sealed record Connections(string Database, string User, string Application, string From, int Count, int InTransaction);

/// <summary>A slot as the server sees it (pg_replication_slots).</summary>
/// <param name="Name">slot_name.</param>
/// <param name="IsActive">Whether somebody streams from it now.</param>
/// <param name="BehindBytes">Log between what its consumer has confirmed, or what it keeps, and the end; null: not known.</param>
public sealed record SlotInUse(string Name, bool IsActive, long? BehindBytes);

/// <summary>A library orders text otherwise than the one under which something was made.</summary>
/// <param name="Database">datname.</param>
/// <param name="Collation">schema.name; null: the database's own.</param>
/// <param name="Recorded">The version that was recorded.</param>
/// <param name="Actual">The version that the server has now.</param>
public sealed record CollationDrift(string Database, string? Collation, string Recorded, string Actual);

/// <summary>What only a running server knows.</summary>
public sealed record RunningServer
{
    /// <summary>server_version.</summary>
    public string Version { get; init; } = "";

    /// <summary>The role that asked.</summary>
    public string User { get; init; } = "";

    /// <summary>Settings in force that are not the default, and some that always matter, by name.</summary>
    public SettingInForce[] Settings { get; init; } = [];

    /// <summary>Connections other than the one that asked.</summary>
    public Connections[] Connections { get; init; } = [];

    /// <summary>Slots by name.</summary>
    public SlotInUse[] Slots { get; init; } = [];

    /// <summary>Databases and collations in use whose library has changed since they were made.</summary>
    public CollationDrift[] Drifts { get; init; } = [];

    /// <summary>Databases that could not be asked, each with the reason: they were read from their files.</summary>
    public string[] NotAsked { get; init; } = [];

    /// <summary>A setting by name.</summary>
    public SettingInForce? Setting(string name) => Array.Find(Settings, s => s.Name == name);
}
