using Xunit;

namespace Lotse.LabTests;

/// <summary>The hooks as Debian's own apt and update-initramfs call them, in a root of their own: they say what will break, are silent otherwise, and hold nothing up.</summary>
public sealed class SshHookTests : IDisposable
{
    private const string Kernel = "6.1.0-lotse";
    private readonly SshLab lab = new();
    private string root = "";

    public void Dispose()
    {
        if (root.Length > 0)
        {
            // Others use this root: it must not keep hooks, nor files that its packages do not have.
            foreach (var file in new[] { "/etc/apt/apt.conf.d/60lotse", "/etc/initramfs/post-update.d/lotse", "/usr/bin/lotse", "/usr/bin/slow", "/etc/ssh/sshd_config", "/root/.ssh/config", "/var/lib/dpkg/status" }.Where(f => File.Exists(root + f)))
            {
                File.Delete(root + file);
            }
        }

        lab.Dispose();
    }

    [Fact]
    public void Apt_is_told_what_its_upgrade_breaks()
    {
        Lab.Needs("dpkg-deb");
        Enter();
        Directory.CreateDirectory(root + "/etc/apt/apt.conf.d");
        File.Copy(Path.Combine(Lab.Checkout(), "packaging", "apt", "60lotse"), root + "/etc/apt/apt.conf.d/60lotse", overwrite: true);
        File.WriteAllText(root + "/etc/ssh/sshd_config", "UsePAM yes\nPubkeyAcceptedAlgorithms +ssh-rsa,ssh-dss\n");
        File.WriteAllText(root + "/root/.ssh/config", "Host old\n    PubkeyAcceptedKeyTypes +ssh-dss\n");

        // Nothing of it concerns a login, though the file of sshd is already what the next version refuses.
        Assert.DoesNotContain("[ssh/", Upgrade("lotse-other", "1.0-1", "2.0-1"), StringComparison.Ordinal);
        Assert.DoesNotContain("[ssh/", Upgrade("openssh-server", "1:9.2p1-2", "1:9.2p1-3"), StringComparison.Ordinal);

        var server = Upgrade("openssh-server", "1:9.2p1-2", "1:10.0p1-7");
        Assert.Contains("sshd of OpenSSH 10.0 will not start", server, StringComparison.Ordinal);
        Assert.Contains("/etc/ssh/sshd_config:2", server, StringComparison.Ordinal);
        Assert.Contains("[ssh/config-bad-value]", Upgrade("openssh-client", "1:9.2p1-2", "1:10.0p1-7"), StringComparison.Ordinal);

        File.WriteAllText(root + "/etc/ssh/sshd_config", "UsePAM yes\n");
        Assert.DoesNotContain("[ssh/", Upgrade("openssh-server", "1:9.2p1-2", "1:10.0p1-7"), StringComparison.Ordinal);
        Assert.Contains("[ssh/initrd-no-dropbear]", Removal("dropbear-initramfs", "2022.83-1"), StringComparison.Ordinal);

        // A program that hangs is left behind when the time is over, and the upgrade goes on.
        File.WriteAllText(root + "/usr/bin/slow", "#!/bin/sh\nsleep 60\n");
        SshLab.Must("chmod", "755", root + "/usr/bin/slow");
        var late = In("printf 'VERSION 3\\n\\nopenssh-client 1:9.2p1-2 all none < 1:10.0p1-7 all none x.deb\\n' >/tmp/apt; mkdir -p /tmp/slow; ln -sf /usr/bin/slow /tmp/slow/ssh; PATH=/tmp/slow:$PATH lotse hook apt /tmp/apt --within 1; echo \"code $?\"");
        Assert.Contains("was not done within 1 s", late, StringComparison.Ordinal);
        Assert.Contains("code 0", late, StringComparison.Ordinal);
    }

    [Fact]
    public void Update_initramfs_is_told_of_an_image_that_lets_nobody_in()
    {
        Enter();
        Directory.CreateDirectory(root + "/etc/initramfs/post-update.d");
        File.Copy(Path.Combine(Lab.Checkout(), "packaging", "initramfs", "lotse"), root + "/etc/initramfs/post-update.d/lotse", overwrite: true);
        Assert.DoesNotContain("[ssh/", Rebuilt(), StringComparison.Ordinal);
        File.WriteAllText(root + "/etc/dropbear/initramfs/authorized_keys", "no-such-option " + File.ReadAllText(lab.At("ed25519.pub")));
        Assert.Contains("[ssh/initrd-key-refused]", Rebuilt(), StringComparison.Ordinal);
    }

    private string Rebuilt() => In($"rm -f /boot/initrd.img-{Kernel}*; update-initramfs -c -k {Kernel}; code=$?; rm -f /boot/initrd.img-{Kernel}*; exit $code");

    private void Enter()
    {
        root = SshInitrdImageTests.Packages("bookworm").Folder;
        lab.Keys();
        SshInitrdImageTests.Prepare(lab, root, "/etc/dropbear/initramfs", "dropbear.conf");
        foreach (var folder in new[] { "/var/lib/dpkg/info", "/var/lib/dpkg/updates", "/var/lib/apt/lists/partial", "/var/cache/apt/archives/partial", "/var/log/apt", "/root/.ssh", "/var/lib/lotse", "/var/tmp", "/etc/ssh" })
        {
            Directory.CreateDirectory(root + folder);
        }

        File.Copy(Lab.Lotse, root + "/usr/bin/lotse", overwrite: true);
    }

    /// <summary>What apt prints when a package of that name goes from one version to another; it must succeed.</summary>
    private string Upgrade(string name, string from, string to)
    {
        Installed(name, from);
        var folder = Directory.CreateDirectory(lab.At("package")).FullName;
        Directory.CreateDirectory(folder + "/DEBIAN");
        File.WriteAllText(folder + "/DEBIAN/control", $"Package: {name}\nVersion: {to}\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: empty\n");
        SshLab.Must("dpkg-deb", "-b", folder, root + "/tmp/new.deb");
        var said = In("apt-get -o APT::Sandbox::User=root -o Dpkg::Use-Pty=0 -y install /tmp/new.deb");
        Assert.Contains($"Version: {to}\n", File.ReadAllText(root + "/var/lib/dpkg/status"), StringComparison.Ordinal);
        return said;
    }

    private string Removal(string name, string version)
    {
        Installed(name, version);
        return In($"apt-get -o Dpkg::Use-Pty=0 -y remove {name}");
    }

    private void Installed(string name, string version)
    {
        File.WriteAllText(root + "/var/lib/dpkg/status", $"Package: {name}\nStatus: install ok installed\nMaintainer: nobody <nobody@example.org>\nArchitecture: all\nVersion: {version}\nDescription: empty\n");
        File.WriteAllText($"{root}/var/lib/dpkg/info/{name}.list", "/.\n");
    }

    /// <summary>Runs shell lines in the root, with its own /proc and this machine's /dev; they must succeed.</summary>
    private string In(string lines)
    {
        var ran = Lab.Run(TimeSpan.FromMinutes(3), "unshare", "-m", "sh", "-c", "mount -t proc proc \"$0/proc\"; mount --bind /dev \"$0/dev\"; exec chroot \"$0\" env HOME=/root DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c \"$1\"", root, lines);
        Assert.True(ran.ExitCode == 0, ran.Text + ran.ErrorText);
        return ran.Text + ran.ErrorText;
    }
}
