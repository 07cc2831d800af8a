namespace Lotse.Postgres;

/// <summary>What applications and their drivers show after an upgrade. They are told less than the server's log says.</summary>
internal static class ClientMessages
{
    private const Severity Error = Severity.Error;

    /// <summary>The messages, the telling ones first.</summary>
    public static IReadOnlyList<Message> All => field ??=
    [
        new("pg/client-without-scram", Error, @"(?<subject>authentication (type|method|response:?) 10)( is)? not supported|unknown (?<subject>authentication response: 10)|Unsupported (?<subject>authentication type 10)|(?<subject>10) Authentication is not supported|(?<subject>SCRAM authentication) (requires libpq version 10|is not supported by this driver)|Unknown (?<subject>authenticationOk message) ?type|The pq driver does not support (?<subject>this)\.",
            "the client's driver is too old for scram-sha-256", "protocol-message-formats AuthenticationSASL: authentication request 10",
            "the password was set again under password_encryption = scram-sha-256, the default since 14, and the driver knows md5 only", "take a newer driver: libpq 10, pgjdbc 42.2, node-postgres 7.8, lib/pq 1.1, Npgsql 3.2.7",
            "until then, and for this role alone: SET password_encryption = 'md5', set its password again, and a line md5 for it in pg_hba.conf (md5 goes with a later major version)"),
        new("pg/database-missing", Error, @"FATAL: database ""(?<subject>[^""]+)"" does not exist", "there is no database {subject} in this cluster", "src/backend/utils/init/postinit.c InitPostgres",
            "the server is another one than expected: a new, empty cluster, or another port", "lotse pg lists the clusters here with their ports; lotse pg facts DATADIR their databases"),
        new("pg/public-schema", Error, @"permission denied for schema (?<subject>public)\b", "the role may not make anything in the schema public", "release notes of 15: CREATE on public is no longer granted to all; src/backend/catalog/aclchk.c",
            "a database made by 15 or later, as a restored dump is, grants it to its owner alone; pg_upgrade leaves grants as they were", "make the role the database's owner: ALTER DATABASE … OWNER TO …", "or: GRANT CREATE ON SCHEMA public TO …"),
        new("pg/no-server", Error, @"(?<subject>""[^""]*/\.s\.PGSQL\.(?<port>\d+)"") failed: (No such file or directory|Connection refused)|port (?<port>\d+) failed: (?<subject>Connection refused)|could not connect to server: (?<subject>No such file or directory|Connection refused)|ECONNREFUSED \S+:(?<port>5432)", "no server listens where the client looks", "connect(2) ENOENT, ECONNREFUSED",
            "it is not running, listens on another port (a second cluster of Debian's gets 5433), or makes its socket in another folder", "lotse pg lists the clusters here, with port and state", "where it should run, its log says why not: lotse pg why DATADIR") { Certainty = Certainty.Inferred },
        new("pg/restore-failed", Error, @"pg_restore: (error: |\[archiver \(db\)\] )could not execute query: ERROR: (?<subject>.+)$", "the new version refuses what was dumped from the old one: {subject}", "pg_restore(1); --check does not see it",
            "the schema holds something that the new version no longer takes as it is", "the lines before and after it name the object (from TOC entry, Command was): change or drop it in the old cluster, begin again", "lotse pg plan OLD --to NEW --rehearse tries it on a copy, without downtime") { OnlyInUpgrade = true },
    ];
}
