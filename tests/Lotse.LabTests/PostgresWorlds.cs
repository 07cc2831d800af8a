using System.Diagnostics;
using System.Globalization;
using Xunit;

namespace Lotse.LabTests;

/// <summary>A cluster of 13 that is upgraded to 18 while something happens to it.</summary>
internal interface IUpgradeWorld : IDisposable
{
    /// <summary>A folder of its own.</summary>
    public string Folder { get; }

    /// <summary>For lotse.</summary>
    public Dictionary<string, string?> Environment { get; }

    /// <summary>The arguments of pg plan.</summary>
    public string[] Wish { get; }

    /// <summary>Where pg_upgrade writes its logs.</summary>
    public string Output { get; }

    /// <summary>Runs lotse.</summary>
    public Lab.Ran Lotse(string verb, params string[] arguments);

    /// <summary>Runs lotse.</summary>
    public Lab.Ran Lotse(string area, string verb, string[] arguments) => Lotse(area, [verb, .. arguments]);

    /// <summary>Counts and digests of all that users have, asked of what serves them now.</summary>
    public string Content();

    /// <summary>The major version that serves.</summary>
    public int Version();

    /// <summary>What the server said, for a failure.</summary>
    public string Said() => "";

    /// <summary>Does it.</summary>
    public void Hit(string victim, int lotse);

    /// <summary>Gives room back, and a disk that takes writes. What was not brought to the old one in time is lost.</summary>
    public void Heal();

    /// <summary>Starts the servers that the power cut took, where lotse had nothing left to do.</summary>
    public void Settled(bool applied);

    /// <summary>One server a directory, and the cluster takes writes.</summary>
    public void MustBeSound(int version);
}

/// <summary>What worlds have in common.</summary>
internal static class UpgradeWorlds
{
    private const string Fill = """
        CREATE ROLE web LOGIN PASSWORD 'webpw' SUPERUSER; CREATE TABLE t AS SELECT g AS id, md5(g::text) AS v FROM generate_series(1, 20000) g; CREATE INDEX ON t (v); CREATE SEQUENCE s START 10; SELECT nextval('s'); SELECT lo_from_bytea(0, '\x010203');
        DO $$ BEGIN FOR i IN 1..60 LOOP EXECUTE format('CREATE TABLE t%s AS SELECT g AS id, repeat(md5(g::text), 30) AS v FROM generate_series(1, 100) g', i); EXECUTE format('CREATE INDEX ON t%s (id)', i); END LOOP; END $$;
        VACUUM FULL pg_class; GRANT SELECT ON t TO web
        """;

    public static string[] Statements => [.. Fill.Split(";\n").SelectMany(s => s.Contains("DO $$", StringComparison.Ordinal) ? [s] : s.Split("; "))];

    public const string Asked = "SELECT count(*), sum(id), md5(string_agg(v, ',' ORDER BY id)), (SELECT last_value FROM s), (SELECT md5(string_agg(data, '' ORDER BY loid)) FROM pg_largeobject), (SELECT md5(string_agg(x::text, ',')) FROM (SELECT query_to_xml('SELECT count(*), sum(id), md5(string_agg(v, '''')) FROM ' || relname, false, true, '') AS x FROM pg_class WHERE relname ~ '^t\\d+$' ORDER BY relname) q) FROM t";

    public const string Work = "CREATE TABLE written AS SELECT g FROM generate_series(1, 1000) g; VACUUM; CHECKPOINT; DROP TABLE written";

    /// <summary>Processes whose command names a folder, by what they are.</summary>
    public static IEnumerable<(int Pid, string Name, string Line, int Parent)> Of(string folder)
    {
        foreach (var place in Directory.GetDirectories("/proc").Where(d => int.TryParse(Path.GetFileName(d), out _)))
        {
            var pid = int.Parse(Path.GetFileName(place), CultureInfo.InvariantCulture);
            string line, name, cwd;
            try
            {
                (line, name) = (File.ReadAllText(place + "/cmdline").Replace('\0', ' '), File.ReadAllText(place + "/comm").Trim());
                cwd = name is "postgres" or "postmaster" ? Directory.ResolveLinkTarget(place + "/cwd", false)?.FullName ?? "" : "";
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                continue;
            }

            if (pid != System.Environment.ProcessId && (line.Contains(folder, StringComparison.Ordinal) || cwd.StartsWith(folder, StringComparison.Ordinal)))
            {
                yield return (pid, name, cwd.Length > 0 ? cwd : line, Parent(pid));
            }
        }
    }

    /// <summary>Kills what is meant, by process id.</summary>
    public static void Kill(string victim, string folder, int lotse)
    {
        var all = Of(folder).ToArray();
        bool IsServer((int Pid, string Name, string Line, int Parent) p) => p.Name is "postgres" or "postmaster";
        var doomed = victim switch
        {
            "lotse" => [lotse],
            "server" => [.. all.Where(IsServer).Where(p => !all.Any(o => IsServer(o) && o.Pid == p.Parent)).Select(p => p.Pid)],
            "pg_upgrade" => all.Where(p => p.Name.StartsWith("pg_upgrade", StringComparison.Ordinal)).Select(p => p.Pid).DefaultIfEmpty(all.Where(p => p.Line.Contains(" pg step ", StringComparison.Ordinal)).Select(p => p.Pid).LastOrDefault()).ToArray(),
            _ => [lotse, .. all.Where(p => p.Name is not ("dockerd" or "containerd" or "conmon") && !p.Name.StartsWith("containerd-shim", StringComparison.Ordinal)).Select(p => p.Pid)],
        };
        foreach (var pid in doomed.Where(p => p > 1))
        {
            _ = Stop(pid, 9);
        }
    }

    /// <summary>Servers in a directory: those whose parent is none.</summary>
    public static void OneServerEach(string folder)
    {
        var servers = Of(folder).Where(p => p.Name is "postgres" or "postmaster").ToArray();
        foreach (var group in servers.Where(p => !servers.Any(o => o.Pid == p.Parent)).GroupBy(p => p.Line))
        {
            // One that ends just now is none.
            var there = group.Where(p => p.Parent > 0 && Parent(p.Pid) == p.Parent).ToArray();
            Assert.True(there.Length <= 1, $"servers in {group.Key}: {string.Join(", ", there)}");
        }
    }

    public static int Parent(int pid)
    {
        try
        {
            var text = File.ReadAllText($"/proc/{pid}/stat");
            return int.Parse(text[(text.LastIndexOf(')') + 2)..].Split(' ')[1], CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is IOException or FormatException)
        {
            return 0;
        }
    }

    [System.Runtime.InteropServices.DllImport("libc", EntryPoint = "kill")]
    private static extern int Stop(int pid, int signal);
}

/// <summary>Servers of this machine, on a filesystem of its own that can be filled.</summary>
internal sealed class BareWorld : IUpgradeWorld
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);
    private static string? master;
    private readonly SmallDisk disk;
    private readonly PostgresLab lab;
    private readonly string data;
    private readonly int port;

    public BareWorld(bool clones)
    {
        Lab.NeedsRoot();
        disk = new(clones ? "xfs" : "ext4");
        lab = new(disk.Folder);
        master ??= Master();
        data = Folder + "/data";
        Lab.Must(Minute, "cp", "-a", master, data);
        port = Lab.FreePort();

        // Disks fail here: what the server says is written must be.
        File.AppendAllText(data + "/postgresql.conf", $"port = {port}\nunix_socket_directories = '{Folder}'\nfsync = on\n");
        Lab.Must(Minute, "sync", "-f", data);
        lab.Start(13, data, port);
    }

    public string Folder => lab.Folder;

    public Dictionary<string, string?> Environment => lab.Environment;

    public string[] Wish => [data, "--to", "18", "--old-bin", PostgresLab.Programs(13), "--new-bin", PostgresLab.Programs(18)];

    public string Output => data + "-18.lotse/new/pg_upgrade_output.d";

    public Lab.Ran Lotse(string verb, params string[] arguments) => lab.Lotse([verb, .. arguments]);

    public string Content() => PostgresLab.LogIn(port, "web", "webpw", "shop", UpgradeWorlds.Asked);

    public int Version() => int.TryParse(lab.Ask(port, "boss", "shop", "SELECT current_setting('server_version_num')::int / 10000"), out var version) ? version : 0;

    public void Hit(string victim, int lotse)
    {
        if (!disk.Hit(victim))
        {
            UpgradeWorlds.Kill(victim, Folder, lotse);
        }
    }

    public void Heal() => disk.Heal(() => UpgradeWorlds.Kill("all", Folder, 0));

    public void Settled(bool applied)
    {
        UpgradeWorlds.OneServerEach(Folder);
        if (Lab.Run(Minute, $"{PostgresLab.Programs(15)}/pg_isready", "-q", "-h", "127.0.0.1", "-p", $"{port}").ExitCode == 2)
        {
            // What was applied for good, and then lost its server, is its owner's to start. A process that the killed server had
            // just started ends once it sees that, and a dead one keeps its number until somebody asks for it (a server takes it
            // for alive); until then none starts beside it.
            Assert.True(applied, "no server runs, and lotse has nothing left to do");
            var file = data + "-18/postmaster.pid";
            bool HasEnded() => !UpgradeWorlds.Of(Folder).Any(p => p.Name is "postgres" or "postmaster") && (!File.Exists(file) || !Directory.Exists($"/proc/{File.ReadLines(file).First()}"));
            Assert.True(RemoteMachine.Until(TimeSpan.FromSeconds(30), HasEnded), "a process of the killed server does not end");
            try
            {
                lab.Start(18, data + "-18", port);
            }
            catch (Xunit.Sdk.XunitException e)
            {
                Assert.Fail($"{e.Message}: {Said()}");
            }
        }
    }

    public string Said() => Lab.Run(Minute, "tail", "-n", "30", data + "-18.log") is var ran ? ran.Text + ran.ErrorText : "";

    public void MustBeSound(int version)
    {
        Assert.Equal(version == 18, Directory.Exists(data + "-18"));
        foreach (var statement in UpgradeWorlds.Work.Split("; "))
        {
            lab.Ask(port, "boss", "shop", statement);
        }

        UpgradeWorlds.OneServerEach(Folder);
    }

    public void Dispose()
    {
        lab.Dispose();
        disk.Dispose();
    }

    private static string Master()
    {
        var folder = Directory.CreateTempSubdirectory("lotse-pg-master-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Lab.Run(Minute, "rm", "-rf", folder);
        using var lab = new PostgresLab(folder, keep: true);
        var data = lab.Initialise(13, "data", "-U", "boss", "-E", "UTF8", "--locale=C");
        var port = Lab.FreePort();
        File.WriteAllText(data + "/pg_hba.conf", "local all all trust\nhost all all 127.0.0.1/32 md5\n");
        lab.Start(13, data, port);
        lab.Ask(port, "boss", "postgres", "CREATE DATABASE shop");
        foreach (var statement in UpgradeWorlds.Statements)
        {
            lab.Ask(port, "boss", "shop", statement);
        }

        PostgresLab.Stop(data);
        return data;
    }
}
