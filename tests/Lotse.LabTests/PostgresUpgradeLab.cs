using System.Globalization;
using System.Text;
using System.Text.Json;
using Xunit;

namespace Lotse.LabTests;

/// <summary>
/// A stopped cluster, a new one beside it and the pg_upgrade of PostgreSQL between them: what <c>pg plan</c> says before any server starts,
/// what pg_upgrade says then, and what <c>pg why</c> makes of its logs alone.
/// </summary>
internal sealed class PostgresUpgradeLab : IDisposable
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1), Long = TimeSpan.FromMinutes(5);
    private static readonly Dictionary<string, string> Masters = [];
    private static readonly JsonSerializerOptions Plain = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private readonly PostgresLab lab;

    public PostgresUpgradeLab(int old, int to, string[]? with = null, string? folder = null)
    {
        (Old, New) = (old, to);
        lab = new(folder);
        Data = lab.Folder + "/old";
        NewData = lab.Folder + "/new";
        Work = lab.Folder + "/work";
        Port = Lab.FreePort();
        Clone(old, Data, with ?? ["-U", "postgres", "--locale=C", "-E", "UTF8"]);
        File.AppendAllText(Data + "/postgresql.conf", $"unix_socket_directories = '{lab.Folder}'\n");
        foreach (var name in new[] { Work, lab.Folder + "/sockets" })
        {
            lab.AsOwner(Minute, "mkdir", "-m", "700", name);
        }

        SocketFolder = lab.Folder + "/sockets";
    }

    public int Old { get; }

    public int New { get; }

    public string Folder => lab.Folder;

    /// <summary>The old cluster.</summary>
    public string Data { get; }

    /// <summary>The new one, once it is made.</summary>
    public string NewData { get; set; }

    /// <summary>Where pg_upgrade is run.</summary>
    public string Work { get; set; }

    public string SocketFolder { get; set; }

    public string User { get; set; } = "postgres";

    /// <summary>Who runs pg_upgrade.</summary>
    public string As { get; set; } = "postgres";

    public int Port { get; }

    public List<string> PlanArguments { get; } = [];

    public List<string> UpgradeArguments { get; } = [];

    public string? OldPrograms { get; set; }

    /// <summary>A process that lives as long as this.</summary>
    public System.Diagnostics.Process? Sleeper { get; set; }

    public Dictionary<string, string?> Environment => lab.Environment;

    /// <summary>The programs of a version; LOTSE_POSTGRES_14 names those of one that no suite of Debian has.</summary>
    public static string Programs(int version) => System.Environment.GetEnvironmentVariable($"LOTSE_POSTGRES_{version}") is { Length: > 0 } place ? place : PostgresLab.Programs(version);

    public void Start() => AsOwner("the server does not start", Programs(Old) + "/pg_ctl", "-D", Data, "-w", "-t", "120", "-l", Data + ".log", "-o", $"-p {Port}", "start");

    public void Stop(string mode = "fast") => AsOwner("the server does not stop", Programs(Old) + "/pg_ctl", "-D", Data, "-w", "-m", mode, "stop");

    public string Ask(string sql, string database = "postgres")
    {
        var (code, text) = Try(sql, database);
        return code == 0 ? text : throw new InvalidOperationException($"{sql}\n{text}");
    }

    /// <summary>Asks the old server; statements one after the other, as psql reads them.</summary>
    public (int Code, string Text) Try(string sql, string database = "postgres")
    {
        var script = lab.Folder + "/script.sql";
        File.WriteAllText(script, sql);
        var ran = Run(Minute, Programs(15) + "/psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", lab.Folder, "-p", $"{Port}", "-U", User, "-d", database, "-f", script);
        return (ran.ExitCode, (ran.Text + ran.ErrorText).Trim());
    }

    /// <summary>What <c>pg plan</c> finds: id and severity of each, and what it is about.</summary>
    public (string Id, string Severity, string Subject)[] Plan() => [.. PlanFull().Select(f => (f.Id, f.Severity, f.Subject))];

    /// <summary>The same, each with all that is said of it.</summary>
    public (string Id, string Severity, string Subject, string Json)[] PlanFull()
    {
        var ran = Lotse("pg", ["plan", Data, "--to", $"{New}", "--old-bin", OldPrograms ?? Programs(Old), "--new-bin", Programs(New), "--json", .. PlanArguments]);
        Assert.True(ran.ExitCode is 0 or 1 or 3, ran.Text + ran.ErrorText);
        return Findings(ran);
    }

    public string[] Why(string log)
    {
        var file = lab.Folder + "/upgrade.log";
        File.WriteAllText(file, log);
        return [.. Findings(Lotse("pg", ["why", file, "--json"])).Select(f => f.Id).Distinct().Order(StringComparer.Ordinal)];
    }

    /// <summary>Makes the new cluster.</summary>
    public void MakeNew(params string[] with)
    {
        Lab.Run(Minute, "rm", "-rf", NewData, Work);
        lab.AsOwner(Minute, "mkdir", "-m", "700", Work);
        Clone(New, NewData, with);
    }

    /// <summary>Arguments of initdb that fit the old cluster.</summary>
    public string[] Alike(string user = "postgres", bool checksums = false) =>
        ["-U", user, "--locale=C", "-E", "UTF8", .. checksums ? ["-k"] : New >= 18 ? new[] { "--no-data-checksums" } : []];

    /// <summary>Runs pg_upgrade; all that it and its servers wrote, on its terminal and in its files.</summary>
    public (int Code, string Log) Upgrade()
    {
        List<string> command = ["env", "-C", Work, "-u", "LC_ALL", "LC_ALL=C", Programs(New) + "/pg_upgrade", "-b", OldPrograms ?? Programs(Old), "-B", Programs(New), "-d", Data, "-D", NewData, "-U", User, "-s", SocketFolder, "-p", $"{Port}", "-P", $"{Lab.FreePort()}", .. UpgradeArguments];
        if (New >= 15)
        {
            command.Add("--no-sync");
        }

        if (As == "postgres")
        {
            command.InsertRange(0, ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]);
        }

        var ran = Lab.RunWith(Long, lab.Environment, [.. command]);
        var log = new StringBuilder(ran.Text).AppendLine(ran.ErrorText);
        foreach (var file in new[] { NewData + "/pg_upgrade_output.d", Work }.Where(Directory.Exists).SelectMany(d => Directory.GetFiles(d, "*", SearchOption.AllDirectories)).Where(f => f.EndsWith(".log", StringComparison.Ordinal) || f.EndsWith(".txt", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            log.AppendLine(CultureInfo.InvariantCulture, $"## {Path.GetFileName(file)}").AppendLine(File.ReadAllText(file));
        }

        return (ran.ExitCode, log.ToString());
    }

    public Lab.Ran Run(TimeSpan time, params string[] arguments) => Lab.RunWith(time, lab.Environment, ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "env", "-C", lab.Folder, .. arguments]);

    public void Dispose()
    {
        foreach (var (version, data) in new[] { (Old, Data), (New, NewData) })
        {
            if (File.Exists(data + "/postmaster.pid"))
            {
                Run(Minute, Programs(version) + "/pg_ctl", "-D", data, "-w", "-m", "immediate", "stop");
            }
        }

        Sleeper?.Kill();
        if (Directory.Exists(Folder + "/small"))
        {
            Lab.Run(Minute, "umount", Folder + "/small");
        }

        Lab.Run(Minute, "rm", "-rf", NewData, Folder);
    }

    private Lab.Ran Lotse(string area, string[] arguments) =>
        Lab.RunWith(TimeSpan.FromMinutes(3), lab.Environment, ["env", "-C", Work, Lab.Lotse, area, .. arguments]);

    private static (string Id, string Severity, string Subject, string Json)[] Findings(Lab.Ran ran)
    {
        try
        {
            return [.. JsonDocument.Parse(ran.Output).RootElement.GetProperty("findings").EnumerateArray().Select(f => (f.GetProperty("id").GetString()![3..], f.GetProperty("severity").GetString()!, f.GetProperty("subject").ToString(), JsonSerializer.Serialize(f, Plain)))];
        }
        catch (JsonException)
        {
            throw new InvalidOperationException(ran.Text + ran.ErrorText);
        }
    }

    private void AsOwner(string what, params string[] arguments)
    {
        var ran = Run(Long, arguments);
        Assert.True(ran.ExitCode == 0, $"{what}: {ran.Text}{ran.ErrorText}{(File.Exists(Data + ".log") ? File.ReadAllText(Data + ".log") : "")}");
    }

    /// <summary>One initdb for all clusters of a kind.</summary>
    private void Clone(int version, string place, string[] with)
    {
        var key = $"{version} {string.Join(' ', with)}";
        if (!Masters.TryGetValue(key, out var master))
        {
            if (Masters.Count == 0)
            {
                AppDomain.CurrentDomain.ProcessExit += (_, _) => Lab.Run(Minute, ["rm", "-rf", .. Masters.Values.Select(Path.GetDirectoryName).OfType<string>()]);
            }

            var folder = Directory.CreateTempSubdirectory("lotse-pg-master-").FullName;
            Lab.Run(Minute, "chown", "postgres", folder);
            master = folder + "/data";
            var ran = Run(Long, ["env", "-C", "/", Programs(version) + "/initdb", "-D", master, "--no-sync", "-A", "trust", .. with]);
            Assert.True(ran.ExitCode == 0, ran.Text + ran.ErrorText);
            File.AppendAllText(master + "/postgresql.conf", "\nlisten_addresses = ''\nfsync = off\nshared_buffers = 16MB\nmax_prepared_transactions = 5\nautovacuum = off\n");
            Masters[key] = master;
        }

        Assert.Equal(0, Lab.Run(Minute, "cp", "-a", master, place).ExitCode);
    }
}
