using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Xunit;

namespace Lotse.LabTests;

/// <summary>Another machine over the system's ssh: a real sshd on loopback, with keys of its own.</summary>
public sealed class RemoteTests : IDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);
    private readonly string folder = Directory.CreateTempSubdirectory("lotse-ssh-").FullName;
    private Process? server;

    public void Dispose()
    {
        server?.Kill(entireProcessTree: true);
        server?.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void The_other_machine_answers_as_this_one_does()
    {
        Start();

        // The same kernel on both sides: what does not move must agree.
        var here = Lab.RunLotse("swap", "why", "--interval", "0.1", "--json");
        var there = RunThere("swap", "why", "--interval", "0.1", "--json", "--host", "lab");
        Assert.Equal("", there.ErrorText);
        Assert.Equal(here.ExitCode, there.ExitCode);
        string Total(Lab.Ran ran) => System.Text.Json.JsonDocument.Parse(ran.Output).RootElement.GetProperty("facts").GetProperty("memory").GetProperty("values").GetProperty("SwapTotal").GetRawText();
        Assert.Equal(Total(here), Total(there));
    }

    [Theory]
    [InlineData("plain.log")]
    [InlineData("it's $(touch x) \"`touch x`\" ; touch x")]
    [InlineData("-n new\nline\\")]
    public void Any_path_is_only_a_path(string name)
    {
        Start();
        var path = Path.Combine(folder, name);
        File.WriteAllText(path, "swapoff: /dev/vda2: swapoff failed: Cannot allocate memory\n");
        var ran = RunThere("why", path, "--host", "lab", "--json");
        Assert.Contains("swap/off-does-not-fit", ran.Text, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(folder, "x")) || File.Exists("/root/x"));
        var missing = RunThere("why", path + ".missing", "--host", "lab");
        Assert.Equal(3, missing.ExitCode);
        Assert.StartsWith("lotse: cannot read ", missing.ErrorText, StringComparison.Ordinal);
        Assert.EndsWith(": no such file or directory\n", missing.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void A_machine_that_does_not_answer_is_not_known()
    {
        Start();
        server!.Kill(entireProcessTree: true);
        server.WaitForExit();
        var ran = RunThere("swap", "--host", "lab");
        Assert.Equal(3, ran.ExitCode);
        Assert.Contains("cannot connect to lab", ran.ErrorText, StringComparison.Ordinal);
    }

    private Lab.Ran RunThere(params string[] arguments) =>
        Lab.RunWith(Soon, new() { ["PATH"] = folder + ":" + Environment.GetEnvironmentVariable("PATH") }, [Lab.Lotse, .. arguments]);

    private void Start()
    {
        Lab.NeedsRoot();
        Lab.Needs("ssh", "sshd", "ssh-keygen");
        Assert.Equal(0, Lab.Run(Soon, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", Path.Combine(folder, "host")).ExitCode);
        Assert.Equal(0, Lab.Run(Soon, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", Path.Combine(folder, "user")).ExitCode);
        File.Copy(Path.Combine(folder, "user.pub"), Path.Combine(folder, "authorized"));
        Directory.CreateDirectory("/run/sshd");
        using var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        var port = ((IPEndPoint)free.LocalEndpoint).Port;
        free.Stop();
        server = Process.Start(new ProcessStartInfo("/usr/sbin/sshd", ["-D", "-e", "-f", "/dev/null", "-h", Path.Combine(folder, "host"), "-o", $"ListenAddress=127.0.0.1:{port}", "-o", $"AuthorizedKeysFile={folder}/authorized", "-o", "StrictModes=no", "-o", "PidFile=none", "-o", "UsePAM=no", "-o", "PermitRootLogin=yes"]) { RedirectStandardError = true })!;

        // The system's ssh with a configuration of the test's own: what lotse runs is still called ssh.
        var config = Path.Combine(folder, "config");
        File.WriteAllText(config, $"Host lab\n HostName 127.0.0.1\n Port {port}\n User root\n IdentityFile {folder}/user\n IdentitiesOnly yes\n UserKnownHostsFile {folder}/known\n StrictHostKeyChecking no\n LogLevel ERROR\n ConnectTimeout 10\n");
        var wrapper = Path.Combine(folder, "ssh");
        File.WriteAllText(wrapper, $"#!/bin/sh\nexec /usr/bin/ssh -F {config} \"$@\"\n");
        File.SetUnixFileMode(wrapper, (UnixFileMode)0b111_101_101);
        for (var i = 0; i < 50 && Lab.Run(Soon, wrapper, "lab", "true").ExitCode != 0; i++)
        {
            Thread.Sleep(100);
        }
    }
}
