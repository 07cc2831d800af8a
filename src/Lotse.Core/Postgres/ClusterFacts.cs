namespace Lotse.Postgres;

/// <summary>A role, as pg_authid holds it. The verifier itself is never kept.</summary>
/// <param name="Oid">10 is the bootstrap superuser.</param>
/// <param name="Name">rolname.</param>
/// <param name="CanLogin">rolcanlogin.</param>
/// <param name="IsSuperuser">rolsuper.</param>
/// <param name="PasswordKind">none, md5, scram-sha-256 or other.</param>
public sealed record Role(uint Oid, string Name, bool CanLogin, bool IsSuperuser, string PasswordKind);

/// <summary>An extension that is installed in a database.</summary>
/// <param name="Name">extname.</param>
/// <param name="Version">extversion.</param>
public sealed record InstalledExtension(string Name, string Version);

/// <summary>A database, as pg_database holds it.</summary>
public sealed record Database
{
    /// <summary>Object id; names its folder.</summary>
    public uint Oid { get; init; }

    /// <summary>datname.</summary>
    public string Name { get; init; } = "";

    /// <summary>Encoding by name.</summary>
    public string Encoding { get; init; } = "";

    /// <summary>LC_COLLATE.</summary>
    public string? Collate { get; init; }

    /// <summary>LC_CTYPE.</summary>
    public string? Ctype { get; init; }

    /// <summary>c: the C library, i: ICU, b: built in; before 15 always c.</summary>
    public string Provider { get; init; } = "c";

    /// <summary>Locale of ICU or of the built-in provider.</summary>
    public string? Locale { get; init; }

    /// <summary>Version of the collation that was recorded; null before 15.</summary>
    public string? CollationVersion { get; init; }

    /// <summary>datallowconn.</summary>
    public bool AllowConnections { get; init; }

    /// <summary>datistemplate.</summary>
    public bool IsTemplate { get; init; }

    /// <summary>datconnlimit; -1: no limit, -2: the database is invalid, its removal was cut short.</summary>
    public int ConnectionLimit { get; init; } = -1;

    /// <summary>datfrozenxid: all transactions before it are frozen in here; 0: not known.</summary>
    public uint FrozenXid { get; init; }

    /// <summary>datminmxid: no multixact before it is used in here; 0: not known.</summary>
    public uint MinMulti { get; init; }

    /// <summary>Oid of its default tablespace.</summary>
    public uint Tablespace { get; init; }

    /// <summary>Installed extensions, by name.</summary>
    public InstalledExtension[] Extensions { get; init; } = [];

    /// <summary>What in it bears on an upgrade; null where that was not read.</summary>
    public DatabaseObjects? Objects { get; init; }
}

/// <summary>A tablespace that a user made.</summary>
/// <param name="Oid">Names the link in pg_tblspc.</param>
/// <param name="Name">spcname.</param>
/// <param name="Location">Where the link points; null where it is missing.</param>
/// <param name="VersionFolders">The folders in it: PG_15_202209061 …</param>
public sealed record Tablespace(uint Oid, string Name, string? Location, string[] VersionFolders);

/// <summary>What postmaster.pid says, and whether it is true.</summary>
/// <param name="Pid">Line 1.</param>
/// <param name="Directory">Line 2: the data directory as that server named it.</param>
/// <param name="Port">Line 4.</param>
/// <param name="SocketFolder">Line 5; null: none.</param>
/// <param name="PidIsAlive">Whether some process has this number here.</param>
/// <param name="ServerPid">A server process that works in this directory, whatever the file says; null: none is seen.</param>
public sealed record Postmaster(int Pid, string? Directory, int? Port, string? SocketFolder, bool PidIsAlive, int? ServerPid);

/// <summary>A replication slot, from its state file.</summary>
/// <param name="Name">Its folder.</param>
/// <param name="IsLogical">Whether it belongs to a database.</param>
/// <param name="Plugin">Output plugin of a logical slot.</param>
/// <param name="ConfirmedFlush">Up to where its consumer has confirmed.</param>
/// <param name="IsInvalid">Whether the server has invalidated it.</param>
/// <param name="IsBehind">Whether a change lies between that and the orderly end of the server, by its write-ahead log; null: not known.</param>
public sealed record ReplicationSlot(string Name, bool IsLogical, string? Plugin, ulong ConfirmedFlush, bool IsInvalid, bool? IsBehind = null);

/// <summary>A subscription that an upgrade from 17 on cannot carry over as it is.</summary>
/// <param name="Name">subname.</param>
/// <param name="Database">Where it is.</param>
/// <param name="Table">A table that is neither waiting nor ready; null: its place in the publisher's log (replication origin) is missing.</param>
/// <param name="State">srsubstate of that table: d data is being copied, f copied, s caught up.</param>
public sealed record UnsteadySubscription(string Name, string Database, string? Table, char State);

/// <summary>Sizes in bytes; files that belong to several places count once.</summary>
/// <param name="TotalBytes">All of it, tablespaces and write-ahead log included.</param>
/// <param name="WalBytes">pg_wal.</param>
/// <param name="TablespaceBytes">Outside the data directory.</param>
/// <param name="Files">How many.</param>
public sealed record ClusterSizes(long TotalBytes, long WalBytes, long TablespaceBytes, int Files);

/// <summary>A cluster as its files show it. Nothing was started and no byte changed.</summary>
public sealed record ClusterFacts
{
    /// <summary>The data directory.</summary>
    public required string Directory { get; init; }

    /// <summary>PG_VERSION: 13 …; 0 where it cannot be read.</summary>
    public int Version { get; init; }

    /// <summary>global/pg_control; null where it cannot be read.</summary>
    public PgControl? Control { get; init; }

    /// <summary>Owner of the directory.</summary>
    public uint Uid { get; init; }

    /// <summary>Group of the directory.</summary>
    public uint Gid { get; init; }

    /// <summary>Permission bits of the directory.</summary>
    public int Mode { get; init; }

    /// <summary>Owners of PG_VERSION and global/pg_control where they are others.</summary>
    public uint[] OtherOwners { get; init; } = [];

    /// <summary>The filesystem's device.</summary>
    public string Device { get; init; } = "";

    /// <summary>postmaster.pid; null: there is none.</summary>
    public Postmaster? Postmaster { get; init; }

    /// <summary>postmaster.opts: the words the server was last started with.</summary>
    public string? StartedWith { get; init; }

    /// <summary>The configuration file that was read; null: none was found.</summary>
    public string? ConfigFile { get; init; }

    /// <summary>Settings that hold, from files.</summary>
    public Setting[] Settings { get; init; } = [];

    /// <summary>pg_hba.conf; null: none was found.</summary>
    public string? HbaFile { get; init; }

    /// <summary>Its lines in order.</summary>
    public HbaLine[] Hba { get; init; } = [];

    /// <summary>Roles, by oid.</summary>
    public Role[] Roles { get; init; } = [];

    /// <summary>Databases, by oid.</summary>
    public Database[] Databases { get; init; } = [];

    /// <summary>Tablespaces that users made.</summary>
    public Tablespace[] Tablespaces { get; init; } = [];

    /// <summary>Slots in pg_replslot.</summary>
    public ReplicationSlot[] Slots { get; init; } = [];

    /// <summary>What the running server itself says; null: none runs, or it was not or could not be asked.</summary>
    public RunningServer? Server { get; init; }

    /// <summary>Why the running server could not be asked; null: it was, or nobody tried.</summary>
    public string? ServerFault { get; init; }

    /// <summary>Subscriptions by name.</summary>
    public string[] Subscriptions { get; init; } = [];

    /// <summary>Subscriptions that are in the middle of something; since 17 they stop an upgrade.</summary>
    public UnsteadySubscription[] UnsteadySubscriptions { get; init => field = value ?? []; } = [];

    /// <summary>Names in pg_twophase: prepared transactions.</summary>
    public string[] Prepared { get; init; } = [];

    /// <summary>standby.signal, recovery.signal or recovery.conf.</summary>
    public string[] RecoveryFiles { get; init; } = [];

    /// <summary>Files that others leave: what a half-done upgrade looks like.</summary>
    public string[] Remains { get; init; } = [];

    /// <summary>Sizes; null where they were not asked for.</summary>
    public ClusterSizes? Sizes { get; init; }

    /// <summary>What is not whole.</summary>
    public Damage[] Damages { get; init; } = [];

    /// <summary>What could not be read, in words.</summary>
    public string[] Faults { get; init; } = [];

    /// <summary>The role that initdb made (oid 10); null where it is not known.</summary>
    public string? BootstrapSuperuser => Roles.FirstOrDefault(r => r.Oid == 10)?.Name;

    /// <summary>Whether a server works in the directory now.</summary>
    public bool IsRunning => Postmaster?.ServerPid is not null;

    /// <summary>A setting by name, as files give it.</summary>
    public Setting? Setting(string name) => Settings.FirstOrDefault(s => s.Name == name);

    /// <summary>A setting by name, as it holds in a server: its command line goes before every file.</summary>
    public Setting? SettingInServer(string name) => ConfigFiles.OfCommandLine(this).LastOrDefault(s => s.Name == name) ?? Setting(name);

    /// <summary>A database by name.</summary>
    public Database? Database(string name) => Databases.FirstOrDefault(d => d.Name == name);
}
