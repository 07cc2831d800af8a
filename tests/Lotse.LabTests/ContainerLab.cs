using System.Diagnostics;
using System.Globalization;
using Xunit;

namespace Lotse.LabTests;

/// <summary>A container engine of its own, with its store in a folder of the test, and images made by eng/postgres-image.</summary>
internal sealed class ContainerLab : IDisposable
{
    private static readonly TimeSpan Minutes = TimeSpan.FromMinutes(3);
    private readonly List<Process> daemons = [];
    private readonly string engine;

    public ContainerLab(string engine)
    {
        Lab.NeedsRoot();
        Lab.Needs(engine == "podman" ? ["podman", "runc", "busybox", "patchelf"] : ["docker", "dockerd", "containerd", "busybox", "patchelf", "unshare"]);
        this.engine = engine;

        // Sockets have short paths.
        Folder = Directory.CreateTempSubdirectory("lotse-c-").FullName;
        Environment = new() { ["LOTSE_STATE"] = Path.Combine(Folder, "state"), ["LC_ALL"] = "C" };
        Directory.CreateDirectory(Environment["LOTSE_STATE"]!);
        if (engine == "podman")
        {
            File.WriteAllText($"{Folder}/containers.conf", $"""
                [containers]
                default_ulimits = ["nofile=20000:20000", "nproc=30000:30000"]
                [network]
                network_backend = "netavark"
                network_config_dir = "{Folder}/networks"
                [engine]
                runtime = "runc"
                cgroup_manager = "cgroupfs"
                events_logger = "file"
                """);
            File.WriteAllText($"{Folder}/storage.conf", $"[storage]\ndriver = \"overlay\"\ngraphroot = \"{Folder}/storage\"\nrunroot = \"{Folder}/run\"\n");
            Environment["CONTAINERS_CONF"] = $"{Folder}/containers.conf";
            Environment["CONTAINERS_STORAGE_CONF"] = $"{Folder}/storage.conf";
        }
        else
        {
            Environment["DOCKER_HOST"] = $"unix://{Folder}/docker.sock";

            // A network namespace of its own: bridges and rules of a firewall stay in it.
            Begin("unshare", "--net", "--", "containerd", "--address", $"{Folder}/containerd.sock", "--root", $"{Folder}/croot", "--state", $"{Folder}/cstate");
            Holds(() => File.Exists($"{Folder}/containerd.sock"));
            Begin("unshare", "--net", "--", "sh", "-c", "ip link set lo up; exec dockerd \"$@\"", "sh", "--containerd", $"{Folder}/containerd.sock", "--data-root", $"{Folder}/root", "--exec-root", $"{Folder}/exec", "-H", $"unix://{Folder}/docker.sock", "--pidfile", $"{Folder}/docker.pid");
            if (!Holds(() => Lab.RunWith(Minutes, Environment, "docker", "version").ExitCode == 0))
            {
                Dispose();
                Assert.Skip("no Docker Engine comes up here");
            }
        }
    }

    public string Folder { get; }

    public Dictionary<string, string?> Environment { get; }

    /// <summary>An image of a major version.</summary>
    public string Image(int version)
    {
        var name = $"localhost/postgres:{version.ToString(CultureInfo.InvariantCulture)}";
        Must(Path.Combine(Lab.Checkout(), "eng", "postgres-image"), engine, version.ToString(CultureInfo.InvariantCulture), PostgresLab.Tree(version), name);
        return name;
    }

    public string Engine(params string[] arguments) => Must([engine, .. arguments]).Trim();

    /// <summary>Asks by the local socket in the container; each statement is a transaction of its own.</summary>
    public string Ask(string name, string user, string database, params string[] statements) =>
        Engine(["exec", name, "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", user, "-d", database, .. statements.SelectMany(s => new[] { "-c", s })]);

    /// <summary>Logs in with a password, from outside where the engine's network is ours, else from inside by the container's address.</summary>
    public string LogIn(string name, string user, string password, string database, string sql) =>
        Lab.RunWith(Minutes, Environment, engine, "exec", "-e", $"PGPASSWORD={password}", name, "sh", "-c", "psql -X -q -A -t -h \"$(hostname -i | cut -d' ' -f1)\" -U \"$1\" -d \"$2\" -c \"$3\"", "sh", user, database, sql) is { ExitCode: 0 } ran ? ran.Text.Trim() : "refused";

    public void Await(string name) => Assert.True(Holds(() => Lab.RunWith(Minutes, Environment, engine, "exec", name, "pg_isready", "-q", "-h", "127.0.0.1").ExitCode == 0), "it did not come up");

    public Lab.Ran Lotse(params string[] arguments) => Lab.RunWith(Minutes, Environment, [Lab.Lotse, .. arguments]);

    public string Must(params string[] arguments)
    {
        var ran = Lab.RunWith(Minutes, Environment, arguments);
        Assert.True(ran.ExitCode == 0, string.Join(' ', arguments) + "\n" + ran.Text + ran.ErrorText);
        return ran.Text;
    }

    public void Dispose()
    {
        foreach (var id in Lab.RunWith(Minutes, Environment, engine, "ps", "-aq").Text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            Lab.RunWith(Minutes, Environment, engine, "rm", "-f", "-v", id.Trim());
        }

        foreach (var daemon in Enumerable.Reverse(daemons))
        {
            Lab.Run(Minutes, "kill", daemon.Id.ToString(CultureInfo.InvariantCulture));
            if (!daemon.WaitForExit(20_000))
            {
                daemon.Kill(true);
            }

            daemon.Dispose();
        }

        // What an engine has left mounted goes first.
        foreach (var mount in File.ReadAllLines("/proc/self/mountinfo").Select(l => l.Split(' ')[4]).Where(m => m.StartsWith(Folder + "/", StringComparison.Ordinal)).Reverse())
        {
            Lab.Run(Minutes, "umount", "-l", mount);
        }

        Lab.Run(Minutes, "rm", "-rf", "--one-file-system", Folder);
    }

    private void Begin(params string[] arguments)
    {
        var start = new ProcessStartInfo(arguments[0], arguments.Skip(1)) { RedirectStandardError = true, RedirectStandardOutput = true };
        var process = Process.Start(start)!;
        process.ErrorDataReceived += static (_, _) => { };
        process.OutputDataReceived += static (_, _) => { };
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
        daemons.Add(process);
    }

    private static bool Holds(Func<bool> holds)
    {
        for (var clock = Stopwatch.StartNew(); !holds(); Thread.Sleep(100))
        {
            if (clock.Elapsed > TimeSpan.FromSeconds(60))
            {
                return false;
            }
        }

        return true;
    }
}
