using System.Globalization;
using Xunit;

namespace Lotse.LabTests;

/// <summary>Real clusters of real versions: 15 as Debian 12 has it, 13 and 18 unpacked beside it by eng/postgres-beside.</summary>
internal sealed class PostgresLab : IDisposable
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private readonly bool keep;

    /// <summary>In a folder of its own, or in one that is there.</summary>
    public PostgresLab(string? folder = null, bool keep = false)
    {
        Lab.NeedsRoot();
        Lab.Needs("setpriv", "patchelf");
        this.keep = keep;
        Folder = folder ?? Directory.CreateTempSubdirectory("lotse-pg-").FullName;
        Lab.Must(Minute, "chown", "postgres", Folder);
        Environment = new() { ["LOTSE_STATE"] = Path.Combine(Folder, "state"), ["LC_ALL"] = "C" };
        Directory.CreateDirectory(Environment["LOTSE_STATE"]!);
    }

    public string Folder { get; }

    public Dictionary<string, string?> Environment { get; }

    /// <summary>The programs of a version; skips where they cannot be had.</summary>
    public static string Programs(int version)
    {
        var own = $"/usr/lib/postgresql/{version}/bin";
        return version != 15 ? Tree(version) + own : Directory.Exists(own) ? own : Skipped($"needs PostgreSQL {version} (eng/install-packages)");
    }

    /// <summary>A version with all that it loads, unpacked in a folder of its own.</summary>
    public static string Tree(int version)
    {
        var suite = version switch { 13 => "bullseye", 15 => "bookworm", 17 => "trixie", _ => "forky" };
        var place = Path.Combine(Path.GetTempPath(), $"lotse-postgres-{version}");
        var ran = Lab.Run(TimeSpan.FromMinutes(5), Path.Combine(Lab.Checkout(), "eng", "postgres-beside"), suite, version.ToString(CultureInfo.InvariantCulture), place);
        return ran.ExitCode == 0 ? place : Skipped($"PostgreSQL {version} cannot be unpacked: {ran.ErrorText.Trim().Split('\n')[^1]}");
    }

    /// <summary>A new cluster, stopped.</summary>
    public string Initialise(int version, string name, params string[] arguments)
    {
        var directory = Path.Combine(Folder, name);
        AsOwner(Minute, [$"{Programs(version)}/initdb", "-D", directory, "--no-sync", "-A", "trust", .. arguments]);
        File.AppendAllText(directory + "/postgresql.conf", $"\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{Folder}'\nfsync = off\n");
        return directory;
    }

    public void Start(int version, string directory, int port, string words = "") => AsOwner(Minute, $"{Programs(version)}/pg_ctl", "-D", directory, "-w", "-l", directory + ".log", "-o", $"-p {port} {words}", "start");

    public static void Stop(string directory)
    {
        if (File.Exists(directory + "/PG_VERSION") && File.Exists(directory + "/postmaster.pid"))
        {
            var version = int.Parse(File.ReadAllText(directory + "/PG_VERSION"), CultureInfo.InvariantCulture);
            Lab.Run(Minute, "setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", $"{Programs(version)}/pg_ctl", "-D", directory, "-w", "-m", "fast", "stop");
        }
    }

    /// <summary>Asks a server as its superuser, on its socket.</summary>
    public string Ask(int port, string user, string database, string sql) =>
        AsOwner(Minute, $"{Programs(15)}/psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", Folder, "-p", port.ToString(CultureInfo.InvariantCulture), "-U", user, "-d", database, "-c", sql).Trim();

    /// <summary>Logs in by TCP with a password.</summary>
    public static string LogIn(int port, string user, string password, string database, string sql)
    {
        var ran = Lab.RunWith(Minute, new() { ["PGPASSWORD"] = password }, $"{Programs(15)}/psql", "-X", "-q", "-A", "-t", "-h", "127.0.0.1", "-p", port.ToString(CultureInfo.InvariantCulture), "-U", user, "-d", database, "-c", sql);
        return ran.ExitCode == 0 ? ran.Text.Trim() : ran.ErrorText;
    }

    public Lab.Ran Lotse(params string[] arguments) => Lab.RunWith(TimeSpan.FromMinutes(3), Environment, [Lab.Lotse, .. arguments]);

    public string AsOwner(TimeSpan time, params string[] arguments)
    {
        var ran = Lab.Run(time, ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "env", "-C", Folder, .. arguments]);
        Assert.True(ran.ExitCode == 0, string.Join(' ', arguments) + "\n" + ran.Text + ran.ErrorText);
        return ran.Text;
    }

    public void Dispose()
    {
        if (keep)
        {
            return;
        }

        foreach (var directory in Directory.GetDirectories(Folder, "*", SearchOption.TopDirectoryOnly).SelectMany(d => Directory.GetDirectories(d).Append(d)))
        {
            Stop(directory);
        }

        Lab.Run(Minute, "rm", "-rf", Folder);
    }

    private static string Skipped(string why)
    {
        Assert.Skip(why);
        return "";
    }
}
