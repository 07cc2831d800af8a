using System.Globalization;
using System.Text.Json;
using Xunit;

namespace Lotse.LabTests;

/// <summary>Clients and servers of other Debian releases, against the tables and the probe.</summary>
public sealed class SshReleasesTests : IDisposable
{
    private static readonly string[] KeyTypes = ["ed25519", "rsa", "ecdsa"];
    private readonly SshLab lab = new();

    public void Dispose() => lab.Dispose();

    /// <summary>Which of three keys the sshd and the Dropbear of a release take: asked without a signature, and by real logins.</summary>
    [Theory]
    [InlineData("bullseye", "OpenSSH_8.4", "dropbear_2020.81")]
    [InlineData("trixie", "OpenSSH_10.0", "dropbear_2025.89")]
    public void The_probe_says_what_a_login_finds(string release, string sshd, string dropbear)
    {
        var root = DebianRoot.Ssh(release);
        var port = lab.Sshd(root, release == "bullseye" ? [] : ["PerSourcePenalties no"]);
        Asked(port, sshd, [true, true, false]);

        // Dropbear reads the keys of the user's home.
        var home = Directory.CreateDirectory(root.Folder + "/root/.ssh").FullName;
        File.WriteAllText(home + "/authorized_keys", File.ReadAllText(lab.At("ecdsa.pub")) + File.ReadAllText(lab.At("rsa.pub")));
        SshLab.Must("chmod", "-R", "go-rwx", root.Folder + "/root");
        SshLab.Must("chown", "-R", "0:0", root.Folder + "/root");
        File.WriteAllText(root.Folder + "/etc/shells", "/bin/sh\n");
        File.Delete(root.Folder + "/etc/lotse/dropbear_host");
        SshLab.Must("chroot", root.Folder, "dropbearkey", "-t", "ed25519", "-f", "/etc/lotse/dropbear_host");
        var other = Lab.FreePort();
        lab.Start(other, "chroot", root.Folder, "/usr/sbin/dropbear", "-F", "-E", "-p", $"127.0.0.1:{other}", "-r", "/etc/lotse/dropbear_host");
        Asked(other, dropbear, [false, true, true]);
    }

    /// <summary>The client of a release at three servers, against what is predicted for its version.</summary>
    [Theory]
    [InlineData("bullseye", "8.4")]
    [InlineData("trixie", "10.0")]
    public void A_client_does_what_is_predicted(string release, string version)
    {
        var root = DebianRoot.Ssh(release);
        var folder = Directory.CreateDirectory(root.Folder + "/etc/lotse-client").FullName;
        lab.Keys();
        foreach (var type in KeyTypes)
        {
            File.Copy(lab.At(type), $"{folder}/{type}", overwrite: true);
            File.Copy(lab.At(type) + ".pub", $"{folder}/{type}.pub", overwrite: true);
            SshLab.Must("chmod", "600", $"{folder}/{type}");
        }

        foreach (var (port, server, works) in new[] { (lab.Old(), "dropbear:2018.76", "rsa"), (lab.Sshd(), "openssh:9.2", "ed25519 rsa") })
        {
            foreach (var type in works.Split(' '))
            {
                foreach (var options in new[] { "", "HostKeyAlgorithms=+ssh-rsa", "HostKeyAlgorithms=+ssh-rsa PubkeyAcceptedKeyTypes=+ssh-rsa" })
                {
                    // The old server has an RSA host key alone, other than the Dropbear of that name.
                    var host = server == "dropbear:2018.76" && options.Length == 0 ? null : server;
                    string[] given = [.. options.Split(' ', StringSplitOptions.RemoveEmptyEntries)];
                    var login = root.Run(["ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-i", $"/etc/lotse-client/{type}", "-p", port.ToString(CultureInfo.InvariantCulture), .. given.SelectMany(g => new[] { "-o", g }), "root@127.0.0.1", "true"]);
                    if (host is not null)
                    {
                        var predicted = Lab.RunLotse(["ssh", "predict", host, "--client", version, "--key", type == "rsa" ? "rsa3072" : type, .. given.SelectMany(g => new[] { "--option", g })]);
                        Assert.True(predicted.ExitCode == 0 == (login.ExitCode == 0), $"{version} {server} {type} {options}: {predicted.Text}{login.ErrorText}");
                    }
                }
            }
        }
    }

    /// <summary>The initrd's host keys come from the system itself, over a login whose host key ssh has checked, and are what dropbearkey prints there.</summary>
    [Fact]
    public void The_host_keys_of_an_initrd_are_read_over_ssh()
    {
        var root = DebianRoot.Ssh("bullseye");
        var place = Directory.CreateDirectory(root.Folder + "/etc/dropbear-initramfs").FullName;
        var expected = new List<string>();
        foreach (var type in new[] { "ed25519", "rsa" })
        {
            File.Delete($"{place}/dropbear_{type}_host_key");
            SshLab.Must("chroot", root.Folder, "dropbearkey", "-t", type, "-f", $"/etc/dropbear-initramfs/dropbear_{type}_host_key");
            expected.Add(string.Join(' ', root.Run("dropbearkey", "-y", "-f", $"/etc/dropbear-initramfs/dropbear_{type}_host_key").Text.Split('\n')[1].Split(' ')[..2]));
        }

        var port = lab.Sshd(root);
        File.WriteAllText(lab.Config, lab.Block("box", port, "ed25519"));
        Assert.Equal(0, lab.Login("box").ExitCode);
        var before = File.ReadAllText(lab.At("known"));
        var planned = Lab.RunLotse("ssh", "plan", "box", "--initrd", "--config", lab.Config, "-o", lab.At("plan.json"));
        Assert.True(planned.ExitCode == 0, planned.Text + planned.ErrorText);
        var applied = Lab.RunLotse("apply", lab.At("plan.json"));
        Assert.True(applied.ExitCode == 0, applied.Text + applied.ErrorText);
        Assert.Equal(expected.Select(k => "box-initrd " + k), File.ReadAllLines(lab.At("known")).Where(l => l.StartsWith("box-initrd", StringComparison.Ordinal)));
        Assert.Equal(0, Lab.RunLotse("undo").ExitCode);
        Assert.Equal(before, File.ReadAllText(lab.At("known")));
    }

    /// <summary>
    /// An old client that gets into an old server, and is about to be upgraded: the hook tells from the kept answer
    /// that it will not any more. This machine's newer client then is refused indeed, and gets in elsewhere, of which nothing was said.
    /// </summary>
    [Fact]
    public void Apt_is_told_of_a_login_that_the_upgrade_ends()
    {
        var root = DebianRoot.Ssh("bullseye");
        var home = Directory.CreateDirectory(root.Folder + "/root/.ssh").FullName;
        lab.Keys();
        var (old, modern) = (lab.Old(), lab.Sshd());
        string Block(string name, int port, string key) => $"Host {name}\n    HostName 127.0.0.1\n    Port {port}\n    IdentityFile /root/.ssh/{key}\n    IdentitiesOnly yes\n    StrictHostKeyChecking no\n    BatchMode yes\n";
        try
        {
            foreach (var name in new[] { "rsa", "rsa.pub", "ed25519", "ed25519.pub" })
            {
                File.Copy(lab.At(name), $"{home}/{name}", overwrite: true);
                SshLab.Must("chmod", "600", $"{home}/{name}");
            }

            File.WriteAllText($"{home}/config", Block("old", old, "rsa") + Block("modern", modern, "ed25519"));
            File.Copy(Lab.Lotse, root.Folder + "/usr/bin/lotse", overwrite: true);
            File.WriteAllText(root.Folder + "/tmp/packages", "VERSION 3\n\nopenssh-client 1:8.4p1-5 all none < 1:9.2p1-2 all none /var/cache/apt/archives/x.deb\n");
            Lab.Ran In(params string[] words) => root.Run(["env", "-i", "HOME=/root", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", .. words]);
            Assert.Equal(0, In("ssh", "old", "true").ExitCode);
            Assert.DoesNotContain("[ssh/hostkey-sha1-only-server]", In("lotse", "hook", "apt", "/tmp/packages").Text, StringComparison.Ordinal);
            foreach (var host in new[] { "old", "modern" })
            {
                Assert.Equal(0, In("lotse", "ssh", "probe", host).ExitCode);
            }

            var told = In("lotse", "hook", "apt", "/tmp/packages");
            Assert.Contains("[ssh/hostkey-sha1-only-server]", told.Text, StringComparison.Ordinal);
            Assert.DoesNotContain("modern", told.Text, StringComparison.Ordinal);
            Assert.Equal(0, told.ExitCode);
            foreach (var (name, port, key, works) in new[] { ("old", old, "rsa", false), ("modern", modern, "ed25519", true) })
            {
                File.WriteAllText(lab.Config, lab.Block(name, port, key));
                Assert.Equal(works, lab.Login(name).ExitCode == 0);
            }
        }
        finally
        {
            // Others use this root too.
            Directory.Delete(home, recursive: true);
            SshLab.Must("rm", "-rf", root.Folder + "/root/.cache");
            File.Delete(root.Folder + "/usr/bin/lotse");
        }
    }

    private void Asked(int port, string banner, bool[] expected)
    {
        var answer = lab.Probe(port, KeyTypes);
        Assert.Contains(banner, answer.GetProperty("banner").GetString(), StringComparison.Ordinal);
        Assert.Equal(expected, answer.GetProperty("keys").EnumerateArray().Select(k => k.GetProperty("accepted").ValueKind == JsonValueKind.True));
        foreach (var (type, works) in KeyTypes.Zip(expected))
        {
            File.WriteAllText(lab.Config, lab.Block("box", port, type).Replace("accept-new", "no", StringComparison.Ordinal));
            Assert.Equal(works, lab.Login("box").ExitCode == 0);
        }
    }
}
