using System.Globalization;
using System.Text;

namespace Lotse.Postgres;

/// <summary>
/// A way to ask the server that works in a directory: its own psql, as the owner of the data, through its private socket, in
/// the namespaces of its container where it has one. So peer and trust hold as they were meant, and no password is needed;
/// where one is, PGPASSWORD and PGPASSFILE are heard.
/// </summary>
internal sealed class ServerConnection
{
    private const int Answer = 256 << 20;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>What would lead psql elsewhere, or change what it prints.</summary>
    private static readonly string[] Variables =
    [
        "PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE", "PGSERVICEFILE", "PGOPTIONS", "PGDATA", "PGSSLMODE", "PGREQUIRESSL", "PGREQUIREAUTH", "PGCHANNELBINDING",
        "PGTARGETSESSIONATTRS", "PGCLIENTENCODING", "PGTZ", "PGDATESTYLE", "PGAPPNAME", "PSQLRC", "PAGER", "PSQL_PAGER",
    ];

    private readonly Host host;
    private readonly string[] command;

    private ServerConnection(Host host, string[] command, string user) => (this.host, this.command, User) = (host, command, user);

    /// <summary>The role that asks.</summary>
    public string User { get; }

    /// <summary>Opens a way to the server of a directory. The error says what stands in it.</summary>
    /// <param name="host">This machine.</param>
    /// <param name="facts">What its files say; a server works there.</param>
    public static Reading<ServerConnection> Open(Host host, ClusterFacts facts)
    {
        var pid = facts.Postmaster!.ServerPid!.Value.ToString(CultureInfo.InvariantCulture);
        if (facts.Postmaster.Port is not { } port)
        {
            return Fault("postmaster.pid does not say at which port");
        }

        var elsewhere = host.ReadLink($"/proc/{pid}/ns/mnt") is { Ok: true } there && host.ReadLink("/proc/self/ns/mnt") is { Ok: true } here && there.Value != here.Value;
        if (Program(host, pid, elsewhere) is not { } program)
        {
            return Fault("no psql lies beside the server's program, nor where packages put one");
        }

        var command = new List<string> { "env" };
        command.AddRange(Variables.SelectMany(v => new[] { "-u", v }));
        command.AddRange(
        [
            "PGCONNECT_TIMEOUT=10", "PGAPPNAME=lotse", "PGCLIENTENCODING=SQL_ASCII", "LC_ALL=C",
            "PGOPTIONS=-c default_transaction_read_only=on -c statement_timeout=30s -c lock_timeout=5s -c search_path=pg_catalog -c client_min_messages=error -c datestyle=ISO -c bytea_output=hex",
        ]);
        var (uid, gid) = (facts.Uid.ToString(CultureInfo.InvariantCulture), facts.Gid.ToString(CultureInfo.InvariantCulture));
        if (elsewhere)
        {
            command.AddRange(["nsenter", "-t", pid, "-m", "-n", "-S", uid, "-G", gid, "--"]);
        }
        else if (Linux.Libc.GetEffectiveUserId() is 0 && facts.Uid != 0)
        {
            command.AddRange(["setpriv", $"--reuid={uid}", $"--regid={gid}", "--init-groups"]);
        }

        var address = facts.Postmaster.SocketFolder ?? "127.0.0.1";
        command.AddRange([program, "-X", "-q", "-w", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", address, "-p", port.ToString(CultureInfo.InvariantCulture)]);
        var owner = new Formats.UserNames(host)[facts.Uid];
        string? why = null;
        foreach (var user in new[] { facts.BootstrapSuperuser, owner, "postgres" }.OfType<string>().Distinct())
        {
            var connection = new ServerConnection(host, [.. command, "-U", user], user);
            var asked = connection.Ask("template1", "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user");
            if (asked.Ok && ByteText.Decode(asked.Value).Trim() == "t")
            {
                return new(connection, null);
            }

            why ??= asked.Ok ? $"{ByteText.Escape(user)} is no superuser" : asked.Error!.Message;
        }

        return Fault(why ?? "no role of the server is known");
    }

    /// <summary>Runs a script of psql in a database; what it prints.</summary>
    public Reading<byte[]> Ask(string database, string script)
    {
        var ran = host.Run([.. command, "-d", ClusterPrograms.ConnectionString(database), "-f", "-"], Patience, Encoding.UTF8.GetBytes(script + "\n"));
        return !ran.Ok ? new(null!, ran.Error)
            : ran.Value.ExitCode == 0 && ran.Value.Output.Length < Answer ? new(ran.Value.Output, null)
            : new(null!, new(HostErrorKind.Failed, Last(ran.Value)));
    }

    private static string Last(Ran ran)
    {
        var lines = ByteText.Decode(ran.Errors).Split('\n').Select(l => l.Trim()).Where(l => l.Length > 0).ToArray();
        var said = Array.Find(lines, l => l.Contains("FATAL:", StringComparison.Ordinal) || l.Contains("ERROR:", StringComparison.Ordinal)) ?? lines.LastOrDefault();
        return ByteText.Escape(said ?? $"psql ended with {ran.ExitCode}");
    }

    /// <summary>psql beside the server's program, else where packages put one.</summary>
    private static string? Program(Host host, string pid, bool elsewhere)
    {
        var root = elsewhere ? $"/proc/{pid}/root" : "";
        var places = new List<string>();
        if (host.ReadLink($"/proc/{pid}/exe") is { Ok: true, Value: var server })
        {
            server = server.EndsWith(" (deleted)", StringComparison.Ordinal) ? server[..^" (deleted)".Length] : server;
            places.Add(server[..(server.LastIndexOf('/') + 1)] + "psql");
        }

        places.AddRange(["/usr/local/bin/psql", "/usr/bin/psql", "/bin/psql"]);
        return places.Find(p => host.Status(root + p).Ok);
    }

    private static Reading<ServerConnection> Fault(string why) => new(null!, new(HostErrorKind.Failed, why));
}
