using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Xunit;

namespace Lotse.LabTests;

/// <summary>The probe and the planned block against real servers: sshd, Dropbear, and an old server that knows RSA with SHA-1 only.</summary>
public sealed class SshProbeTests : IDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);
    private readonly string folder = Directory.CreateTempSubdirectory("lotse-ssh-probe-").FullName;
    private readonly List<Process> servers = [];

    public void Dispose()
    {
        foreach (var server in servers)
        {
            server.Kill(entireProcessTree: true);
            server.Dispose();
        }

        Directory.Delete(folder, recursive: true);
    }

    [Theory]
    [InlineData("KexAlgorithms curve25519-sha256")]
    [InlineData("KexAlgorithms ecdh-sha2-nistp256")]
    [InlineData("KexAlgorithms ecdh-sha2-nistp384")]
    [InlineData("KexAlgorithms ecdh-sha2-nistp521")]
    [InlineData("KexAlgorithms diffie-hellman-group14-sha256")]
    [InlineData("KexAlgorithms diffie-hellman-group14-sha1")]
    [InlineData("KexAlgorithms diffie-hellman-group16-sha512")]
    [InlineData("KexAlgorithms diffie-hellman-group1-sha1")]
    [InlineData("Ciphers aes192-ctr", "MACs hmac-sha2-256-etm@openssh.com")]
    [InlineData("Ciphers aes256-ctr", "MACs hmac-sha2-512")]
    [InlineData("Ciphers aes128-ctr", "MACs hmac-sha1")]
    [InlineData("Ciphers aes128-gcm@openssh.com")]
    [InlineData("Ciphers chacha20-poly1305@openssh.com")]
    [InlineData("HostKeyAlgorithms rsa-sha2-512")]
    [InlineData("HostKeyAlgorithms ecdsa-sha2-nistp256")]
    public void Speaks_what_a_server_may_be_reduced_to(params string[] settings)
    {
        var port = Sshd(settings);
        var answer = Probe(port, "ed25519", "rsa", "ecdsa");
        Assert.Equal(["ssh-ed25519", "rsa-sha2-512", null], answer.GetProperty("keys").EnumerateArray().Select(k => k.GetProperty("algorithm").GetString()));
        Assert.Equal(1, answer.GetProperty("connections").GetInt32());
    }

    [Fact]
    public void Opens_no_private_key()
    {
        Lab.Needs("strace");
        var port = Sshd();
        var trace = Path.Combine(folder, "trace");
        var ran = Lab.Run(Soon, "strace", "-f", "-e", "trace=%file", "-o", trace, Lab.Lotse, "ssh", "probe", "127.0.0.1", "--port", $"{port}", "--user", "root", "--key", Path.Combine(folder, "ed25519.pub"));
        Assert.True(ran.ExitCode == 0, ran.Text + ran.ErrorText);
        var opened = File.ReadAllText(trace);
        Assert.Contains("ed25519.pub\"", opened, StringComparison.Ordinal);
        Assert.DoesNotContain("ed25519\"", opened, StringComparison.Ordinal);
    }

    [Fact]
    public void Does_not_use_up_the_patience_of_a_server()
    {
        var port = Sshd("MaxAuthTries 6");
        foreach (var i in Enumerable.Range(0, 8))
        {
            Key($"stranger{i}", "ed25519");
        }

        var answer = Probe(port, [.. Enumerable.Range(0, 8).Select(i => $"stranger{i}")]);
        Assert.Equal(4, answer.GetProperty("queries").GetInt32());
        Assert.Equal([false, false, false, false, null, null, null, null], answer.GetProperty("keys").EnumerateArray().Select(k => k.GetProperty("accepted").ValueKind == JsonValueKind.Null ? (bool?)null : k.GetProperty("accepted").GetBoolean()));
    }

    [Fact]
    public void Dropbear_is_asked_as_well()
    {
        Lab.NeedsRoot();
        Lab.Needs("dropbear", "dropbearkey");
        Keys();
        Assert.Equal(0, Lab.Run(Soon, "dropbearkey", "-t", "ed25519", "-f", Path.Combine(folder, "dropbear_host")).ExitCode);
        var port = FreePort();
        Start("/usr/sbin/dropbear", port, "-F", "-E", "-p", $"127.0.0.1:{port}", "-r", Path.Combine(folder, "dropbear_host"));
        var answer = Probe(port, "ed25519");
        Assert.StartsWith("SSH-2.0-dropbear_", answer.GetProperty("banner").GetString(), StringComparison.Ordinal);
        Assert.Contains("rsa-sha2-256", answer.GetProperty("server_sig_algs").EnumerateArray().Select(a => a.GetString()));
        Assert.NotEqual(JsonValueKind.Null, answer.GetProperty("keys")[0].GetProperty("accepted").ValueKind);
    }

    /// <summary>The block makes the real login work, and without it the login fails: it is not stronger than needed by an option.</summary>
    [Theory]
    [InlineData("ed25519", "KexAlgorithms +diffie-hellman-group14-sha1", "KexAlgorithms diffie-hellman-group14-sha1")]
    [InlineData("ed25519", "MACs", "Ciphers 3des-cbc", "MACs hmac-sha1-96")]
    public void The_planned_block_is_what_the_login_needs(string key, string option, params string[] settings)
    {
        var port = Sshd(settings);
        var config = Path.Combine(folder, "config");
        File.WriteAllText(config, $"Host other.example\n    Port 1\nHost old\n    HostName 127.0.0.1\n    Port {port}\n    User root\n    IdentityFile {folder}/{key}\n    IdentitiesOnly yes\n    UserKnownHostsFile {folder}/known\n    StrictHostKeyChecking no\n    BatchMode yes\n");
        var before = File.ReadAllBytes(config);
        Assert.NotEqual(0, Login(config).ExitCode);
        var plan = Path.Combine(Directory.CreateDirectory(Path.Combine(folder, "plans")).FullName, "plan.json");
        var planned = Lab.RunLotse("ssh", "plan", "old", "--config", config, "-o", plan);
        Assert.True(planned.ExitCode == 0, planned.Text + planned.ErrorText);
        Assert.Contains(option, planned.Text, StringComparison.Ordinal);
        var applied = Lab.RunLotse("apply", plan);
        Assert.True(applied.ExitCode == 0, applied.Text + applied.ErrorText);
        var login = Login(config);
        Assert.True(login.ExitCode == 0, login.ErrorText + File.ReadAllText(config));

        // Each option is needed.
        var lines = File.ReadAllLines(config);
        foreach (var line in lines.TakeWhile(l => !l.StartsWith("# end", StringComparison.Ordinal)).Where(l => l.StartsWith("    ", StringComparison.Ordinal)))
        {
            var without = Path.Combine(folder, "without");
            File.WriteAllLines(without, lines.Where(l => l != line));
            Assert.NotEqual(0, Login(without).ExitCode);
        }

        Assert.Equal(0, Lab.RunLotse("undo").ExitCode);
        Assert.Equal(before, File.ReadAllBytes(config));
    }

    private static Lab.Ran Login(string config) => Lab.Run(Soon, "ssh", "-F", config, "old", "true");

    private JsonElement Probe(int port, params string[] keys)
    {
        var ran = Lab.RunLotse(["ssh", "probe", "127.0.0.1", "--port", $"{port}", "--user", "root", "--json", .. keys.SelectMany(k => new[] { "--key", Path.Combine(folder, k + ".pub") })]);
        Assert.True(ran.Output.Length > 0, ran.ErrorText);
        return JsonDocument.Parse(ran.Output).RootElement.GetProperty("answer").Clone();
    }

    private void Key(string name, string type)
    {
        if (!File.Exists(Path.Combine(folder, name)))
        {
            Assert.Equal(0, Lab.Run(Soon, "ssh-keygen", "-q", "-t", type, "-N", "", "-f", Path.Combine(folder, name)).ExitCode);
        }
    }

    private void Keys()
    {
        foreach (var type in new[] { "ed25519", "rsa", "ecdsa" })
        {
            Key(type, type);
        }
    }

    /// <summary>An sshd on loopback that takes the ed25519 and the RSA key.</summary>
    private int Sshd(params string[] settings)
    {
        Lab.NeedsRoot();
        Lab.Needs("ssh", "sshd", "ssh-keygen");
        Keys();
        foreach (var type in new[] { "ed25519", "rsa", "ecdsa" })
        {
            Key("host_" + type, type);
        }

        File.WriteAllText(Path.Combine(folder, "authorized"), File.ReadAllText(Path.Combine(folder, "ed25519.pub")) + File.ReadAllText(Path.Combine(folder, "rsa.pub")));
        Directory.CreateDirectory("/run/sshd");
        var port = FreePort();
        File.WriteAllLines(Path.Combine(folder, "sshd_config"), [.. settings, $"Port {port}", "ListenAddress 127.0.0.1", $"AuthorizedKeysFile {folder}/authorized", "StrictModes no", "UsePAM no", "PidFile none", "PermitRootLogin yes", $"HostKey {folder}/host_ed25519", $"HostKey {folder}/host_rsa", $"HostKey {folder}/host_ecdsa"]);
        Start("/usr/sbin/sshd", port, "-D", "-e", "-f", Path.Combine(folder, "sshd_config"));
        return port;
    }

    private void Start(string program, int port, params string[] arguments)
    {
        var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        process.ErrorDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        servers.Add(process);
        for (var i = 0; i < 100; i++)
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

    private static int FreePort()
    {
        using var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        return ((IPEndPoint)free.LocalEndpoint).Port;
    }
}
