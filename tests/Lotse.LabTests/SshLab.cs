using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Xunit;

namespace Lotse.LabTests;

/// <summary>Keys and real servers on loopback, in a folder that goes away with them.</summary>
internal sealed class SshLab : IDisposable
{
    public static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);
    private static readonly ConcurrentDictionary<(string Name, string Type, string More), (byte[] Secret, byte[] Public)> Made = [];
    private readonly List<Process> servers = [];

    public SshLab()
    {
        Lab.NeedsRoot();
        Lab.Needs("ssh", "sshd", "ssh-keygen");
    }

    public string Folder { get; } = Directory.CreateTempSubdirectory("lotse-ssh-").FullName;

    /// <summary>The ssh_config of the tests; ssh is told of it, for its own home is not ours.</summary>
    public string Config => Path.Combine(Folder, "config");

    public void Dispose()
    {
        foreach (var server in servers)
        {
            server.Kill(entireProcessTree: true);
            server.WaitForExit();
            server.Dispose();
        }

        Directory.Delete(Folder, recursive: true);
    }

    /// <summary>The path of something in the folder.</summary>
    public string At(string name) => Path.Combine(Folder, name);

    /// <summary>A key, made once for all tests: RSA keys take their time.</summary>
    public string Key(string name, string type, params string[] more)
    {
        var file = At(name);
        if (File.Exists(file))
        {
            return file;
        }

        if (Made.TryGetValue((name, type, string.Join(' ', more)), out var made))
        {
            File.WriteAllBytes(file, made.Secret);
            File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            File.WriteAllBytes(file + ".pub", made.Public);
            return file;
        }

        Must("ssh-keygen", ["-q", "-t", type, "-N", "", "-C", name, "-f", file, .. more]);
        Made[(name, type, string.Join(' ', more))] = (File.ReadAllBytes(file), File.ReadAllBytes(file + ".pub"));
        return file;
    }

    public void Keys()
    {
        foreach (var type in new[] { "ed25519", "rsa", "ecdsa" })
        {
            Key(type, type);
        }
    }

    /// <summary>An sshd on loopback that takes the ed25519 and the RSA key, in place of its defaults with these settings.</summary>
    public int Sshd(params string[] settings)
    {
        var port = Lab.FreePort();
        WriteConfiguration("", At("sshd_config"), port, settings);
        Directory.CreateDirectory("/run/sshd");
        Start(port, "/usr/sbin/sshd", "-D", "-e", "-f", At("sshd_config"));
        return port;
    }

    /// <summary>The sshd of another Debian release.</summary>
    public int Sshd(DebianRoot root, params string[] settings)
    {
        var port = Lab.FreePort();
        WriteConfiguration(root.Folder, "/etc/lotse/sshd_config", port, settings);
        Start(port, "chroot", root.Folder, "/usr/sbin/sshd", "-D", "-e", "-f", "/etc/lotse/sshd_config");
        return port;
    }

    private void WriteConfiguration(string root, string file, int port, string[] settings)
    {
        Keys();
        var home = root.Length > 0 ? Directory.CreateDirectory(root + "/etc/lotse").FullName : Folder;
        string[] hostKeys = ["ed25519", "rsa", "ecdsa"];
        foreach (var type in hostKeys)
        {
            var made = Key("host_" + type, type);
            if (root.Length > 0)
            {
                File.Copy(made, $"{home}/host_{type}", overwrite: true);
            }

            File.SetUnixFileMode($"{home}/host_{type}", UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        var inside = root.Length > 0 ? "/etc/lotse" : Folder;
        File.WriteAllText($"{home}/authorized", File.ReadAllText(At("ed25519.pub")) + File.ReadAllText(At("rsa.pub")));
        File.WriteAllLines(root + file, [.. settings, $"Port {port}", "ListenAddress 127.0.0.1", $"AuthorizedKeysFile {inside}/authorized", "StrictModes no", "UsePAM no", "PidFile none", "PermitRootLogin yes", .. hostKeys.Select(t => $"HostKey {inside}/host_{t}")]);
    }

    /// <summary>A server that knows RSA with SHA-1 only and sends no server-sig-algs: ssh2 of 2019 for Node.js, under the name of an old Dropbear.</summary>
    public int Old()
    {
        Lab.Needs("node", "npm");
        var modules = Path.Combine(Path.GetTempPath(), "lotse-ssh2-0.8.9");
        if (!File.Exists(modules + "/complete"))
        {
            Directory.CreateDirectory(modules);
            var ran = Lab.Run(TimeSpan.FromMinutes(2), "npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save", "--prefix", modules, "ssh2@0.8.9");
            if (ran.ExitCode != 0)
            {
                Assert.Skip($"ssh2@0.8.9 cannot be installed: {ran.ErrorText.Trim()}");
            }

            File.WriteAllText(modules + "/complete", "");
        }

        Keys();
        var port = Lab.FreePort();
        Key("old_host", "rsa", "-m", "PEM");
        Start(port, "env", $"NODE_PATH={modules}/node_modules", "node", Path.Combine(Lab.Checkout(), "tests", "data", "ssh", "old-server.js"), $"{port}", At("old_host"), At("rsa.pub"));
        return port;
    }

    /// <summary>A Dropbear with these arguments; it has an ed25519 host key.</summary>
    public int Dropbear(params string[] arguments)
    {
        Lab.Needs("dropbear", "dropbearkey");
        Keys();
        if (!File.Exists(At("dropbear_host")))
        {
            Must("dropbearkey", "-t", "ed25519", "-f", At("dropbear_host"));
        }

        var port = Lab.FreePort();
        Start(port, "/usr/sbin/dropbear", ["-F", "-E", "-p", $"127.0.0.1:{port}", "-r", At("dropbear_host"), .. arguments]);
        return port;
    }

    /// <summary>Starts a server and waits until it answers.</summary>
    public void Start(int port, string program, params string[] arguments)
    {
        var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        process.ErrorDataReceived += (_, _) => { };
        process.OutputDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
        servers.Add(process);
        for (var i = 0; i < 200; i++)
        {
            try
            {
                using var client = new TcpClient();
                client.Connect(IPAddress.Loopback, port);
                return;
            }
            catch (SocketException)
            {
                Assert.False(process.HasExited, $"{program} has ended");
                Thread.Sleep(50);
            }
        }

        Assert.Fail($"{program} does not answer");
    }

    /// <summary>A block for one host of the tests; its host key is taken as it comes, once.</summary>
    public string Block(string host, int port, string key) =>
        $"Host {host}\n    HostName 127.0.0.1\n    Port {port}\n    User root\n    IdentityFile {At(key)}\n    IdentitiesOnly yes\n    UserKnownHostsFile {At("known")}\n    StrictHostKeyChecking accept-new\n    BatchMode yes\n";

    /// <summary>A real login.</summary>
    public Lab.Ran Login(string host, string? config = null) => Lab.Run(Soon, "ssh", "-F", config ?? Config, host, "true");

    /// <summary>Asks with keys of the folder; the answer.</summary>
    public JsonElement Probe(int port, params string[] keys) =>
        Json(["ssh", "probe", "127.0.0.1", "--port", $"{port}", "--user", "root", .. keys.SelectMany(k => new[] { "--key", At(k + ".pub") })]).GetProperty("answer");

    /// <summary>Runs lotse and reads its envelope.</summary>
    public static JsonElement Json(params string[] arguments)
    {
        var ran = Lab.RunLotse([.. arguments, "--json"]);
        Assert.True(ran.Output.Length > 0, ran.ErrorText);
        return JsonDocument.Parse(ran.Output).RootElement;
    }

    public static void Must(string program, params string[] arguments) => Lab.Must(TimeSpan.FromMinutes(3), [program, .. arguments]);
}

/// <summary>Packages of another Debian release, unpacked for chroot by eng/debian-root; nothing is installed.</summary>
internal sealed class DebianRoot
{
    private DebianRoot(string folder) => Folder = folder;

    public string Folder { get; }

    /// <summary>Unpacks them once; skips the test where the archive does not serve the release.</summary>
    public static DebianRoot Of(string release, string what, params string[] packages)
    {
        Lab.NeedsRoot();
        var place = Path.Combine(Path.GetTempPath(), $"lotse-debian-{release}-{what}");
        var ran = Lab.Run(TimeSpan.FromMinutes(6), [Path.Combine(Lab.Checkout(), "eng", "debian-root"), release, place, .. packages]);
        if (ran.ExitCode != 0)
        {
            Assert.Skip($"{release} cannot be unpacked: {ran.ErrorText.Trim().Split('\n')[^1]}");
        }

        return new(place);
    }

    /// <summary>OpenSSH and Dropbear of a release.</summary>
    public static DebianRoot Ssh(string release) => Of(release, "ssh", "openssh-client", "openssh-server", "dropbear-bin", "busybox-static");

    /// <summary>Runs one of its programs.</summary>
    public Lab.Ran Run(params string[] arguments) => Lab.Run(SshLab.Soon, ["chroot", Folder, .. arguments]);
}
