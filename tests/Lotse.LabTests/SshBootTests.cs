using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Xunit;

namespace Lotse.LabTests;

/// <summary>
/// A machine whose root is encrypted, from mkinitramfs to its real sshd: what the preflight says of the image is what its
/// Dropbear then does, and unlock opens the disk and proves which system answers. It takes minutes: <c>./test slow</c>.
/// </summary>
public sealed class SshBootTests : IDisposable
{
    private const string Passphrase = "correct horse";
    private const string Address = "10.0.2.15";

    private const string Init = """
        #!/bin/sh
        export PATH=/usr/bin:/usr/sbin
        mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev 2>/dev/null; mount -t tmpfs run /run
        mkdir -p /dev/pts /run/sshd; mount -t devpts devpts /dev/pts
        hostname real
        ip link set lo up; ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.2.2
        echo; echo === real
        exec /usr/sbin/sshd -e -D
        """;

    private readonly SshLab lab = new();

    public void Dispose() => lab.Dispose();

    [Fact(Explicit = true)]
    public void The_preflight_is_right_and_unlock_opens_the_real_system()
    {
        Lab.Needs("qemu-system-x86_64", "busybox", "mke2fs", "unmkinitramfs", "unshare", "dropbearkey");
        lab.Keys();
        var kernel = VirtualMachine.Kernel("6.1");
        var root = InitrdRoot();
        var disk = EncryptedDisk(root);
        var image = Image(root, kernel, disk);

        // What the preflight says of the three keys, without a machine.
        var preflight = SshLab.Json("ssh", "preflight", image, "--cmdline", $"ip={Address}::10.0.2.2:255.255.255.0:box:eth0:off");
        Assert.Equal(0, preflight.GetProperty("exit").GetInt32());
        Assert.StartsWith("you will get in after the reboot", preflight.GetProperty("verdict").GetString(), StringComparison.Ordinal);
        var said = preflight.GetProperty("answer").GetProperty("keys").EnumerateArray().ToDictionary(k => k.GetProperty("type").GetString()!, k => k.GetProperty("accepted").GetBoolean());
        Assert.Equal(2, said.Count);

        var port = Lab.FreePort();
        using var machine = Boot(kernel, image, disk, port);
        var console = new StringBuilder();
        machine.OutputDataReceived += (_, line) => Append(console, line.Data);
        machine.ErrorDataReceived += (_, line) => Append(console, line.Data);
        machine.BeginOutputReadLine();
        machine.BeginErrorReadLine();
        try
        {
            File.WriteAllText(lab.Config, lab.Block("box", port, "ed25519").Replace("accept-new", "no", StringComparison.Ordinal).Replace(lab.At("known"), "/dev/null", StringComparison.Ordinal) + lab.Block("refused", port, "ecdsa").Replace("accept-new", "no", StringComparison.Ordinal).Replace(lab.At("known"), "/dev/null", StringComparison.Ordinal));
            var booting = Stopwatch.StartNew();
            while (!SshLab.Json("ssh", "probe", "127.0.0.1", "--port", $"{port}").GetProperty("answer").GetProperty("banner").GetString()!.Contains("dropbear", StringComparison.Ordinal))
            {
                Assert.False(machine.HasExited || booting.Elapsed > TimeSpan.FromMinutes(4), Said(console));
                Thread.Sleep(1000);
            }

            // What its Dropbear does with them.
            var answered = Stopwatch.StartNew();
            Assert.Equal(said["ssh-ed25519"], lab.Login("box").ExitCode == 0);
            Assert.Equal(said["ecdsa-sha2-nistp256"], lab.Login("refused").ExitCode == 0);
            Assert.NotEqual(said["ssh-ed25519"], said["ecdsa-sha2-nistp256"]);

            var wrong = Unlock("wrong horse", "20");
            Assert.NotEqual(0, wrong.ExitCode);
            Assert.DoesNotContain("horse", wrong.Text + wrong.ErrorText, StringComparison.Ordinal);

            var unlocking = Stopwatch.StartNew();
            var unlocked = Unlock(Passphrase, "240");
            Assert.True(unlocked.ExitCode == 0, unlocked.Text + unlocked.ErrorText + Said(console));
            Assert.Contains("unlocked: the real system answers", unlocked.Text, StringComparison.Ordinal);
            Assert.DoesNotContain("horse", unlocked.Text + unlocked.ErrorText, StringComparison.Ordinal);
            var hostname = Lab.Run(SshLab.Soon, "ssh", "-F", lab.Config, "box", "hostname");
            Assert.Equal("real\n", hostname.Text);
            TestContext.Current.TestOutputHelper?.WriteLine(string.Create(CultureInfo.InvariantCulture, $"the initrd answered after {(booting.Elapsed - answered.Elapsed).TotalSeconds:0.0} s; unlocked and proved in {unlocking.Elapsed.TotalSeconds:0.0} s"));
        }
        finally
        {
            if (!machine.HasExited)
            {
                machine.Kill();
                machine.WaitForExit();
            }
        }
    }

    private static void Append(StringBuilder console, string? line)
    {
        lock (console)
        {
            console.AppendLine(line);
        }
    }

    private static string Said(StringBuilder console)
    {
        lock (console)
        {
            return console.ToString();
        }
    }

    private Lab.Ran Unlock(string passphrase, string patience) =>
        Lab.Run(TimeSpan.FromMinutes(6), "sh", "-c", "printf %s \"$1\" | exec \"$0\" ssh unlock box --config \"$2\" --timeout \"$3\"", Lab.Lotse, passphrase, lab.Config, patience);

    /// <summary>Debian's initramfs-tools with the hooks of dropbear and cryptsetup; cryptsetup itself is run from there.</summary>
    private static string InitrdRoot() => SshInitrdImageTests.Packages("bookworm").Folder;

    /// <summary>The real system on a disk that is encrypted in place: no device mapper is needed here.</summary>
    private string EncryptedDisk(string root)
    {
        var system = lab.At("system");
        VirtualMachine.MakeSystem(system, [], "/usr/sbin/sshd");
        lab.Key("real_host", "ed25519");
        File.Copy(lab.At("real_host"), system + "/etc/ssh/host");
        foreach (var (path, text, mode) in new[]
        {
            ("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nsshd:x:101:65534::/run/sshd:/bin/false\n", "644"), ("/etc/shadow", "root:*:19000::::::\nsshd:*:19000::::::\n", "600"), ("/etc/group", "root:x:0:\nnogroup:x:65534:\n", "644"),
            ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\n", "644"), ("/usr/sbin/init", Init, "755"), ("/root/.ssh/authorized_keys", File.ReadAllText(lab.At("ed25519.pub")), "600"),
            ("/etc/ssh/sshd_config", "HostKey /etc/ssh/host\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\nUseDNS no\nStrictModes no\n", "644"),
        })
        {
            VirtualMachine.Write(system, path, text, mode);
        }

        SshLab.Must("chmod", "600", system + "/etc/ssh/host");
        Directory.CreateDirectory(root + "/root");
        var disk = root + "/root/lotse-disk";
        File.Delete(disk);
        using (var file = File.Create(disk))
        {
            file.SetLength(160 << 20);
        }

        SshLab.Must("mke2fs", "-q", "-t", "ext4", "-d", system, disk, "128M");
        File.WriteAllText(root + "/root/lotse-pass", Passphrase);
        SshLab.Must("chroot", root, "cryptsetup", "reencrypt", "--encrypt", "--type", "luks2", "--reduce-device-size", "32M", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--cipher", "aes-xts-plain64", "--key-size", "512", "--key-file", "/root/lotse-pass", "--batch-mode", "--force-offline-reencrypt", "/root/lotse-disk");
        File.Delete(root + "/root/lotse-pass");
        File.Move(disk, lab.At("disk"));
        return lab.At("disk");
    }

    /// <summary>The image of mkinitramfs for a kernel, with one key that opens it and one whose line Dropbear does not understand.</summary>
    private string Image(string root, string kernel, string disk)
    {
        SshInitrdImageTests.Prepare(lab, root, "/etc/dropbear/initramfs", "dropbear.conf");
        File.WriteAllText(root + "/etc/dropbear/initramfs/authorized_keys", File.ReadAllText(lab.At("ed25519.pub")) + "no-such-option " + File.ReadAllText(lab.At("ecdsa.pub")));
        var id = Lab.Run(SshLab.Soon, "blkid", "-o", "value", "-s", "UUID", disk).Text.Trim();
        File.WriteAllText(root + "/etc/crypttab", $"cryptroot UUID={id} none luks,initramfs\n");
        var modules = Directory.GetDirectories(Directory.GetDirectories(kernel, "modules", SearchOption.AllDirectories).First(d => d.EndsWith("lib/modules", StringComparison.Ordinal))).Single();
        var version = Path.GetFileName(modules);
        File.Copy(Directory.GetFiles(kernel + "/boot", "config-*").Single(), $"{root}/boot/config-{version}", overwrite: true);
        Directory.CreateDirectory($"{root}/lib/modules/{version}");
        try
        {
            SshLab.Must("unshare", "-m", "sh", "-c", "mount -t proc proc \"$0/proc\"; mount --bind /dev \"$0/dev\"; mount --bind \"$1\" \"$0/lib/modules/$2\"; chroot \"$0\" depmod \"$2\"; exec chroot \"$0\" /usr/sbin/mkinitramfs -o /boot/lotse-boot.img \"$2\"", root, modules, version);
        }
        finally
        {
            Directory.Delete($"{root}/lib/modules/{version}");
        }

        File.Move(root + "/boot/lotse-boot.img", lab.At("initrd"));
        return lab.At("initrd");
    }

    private static Process Boot(string kernel, string initrd, string disk, int port)
    {
        string[] command = [.. VirtualMachine.Command(kernel, initrd, $"root=/dev/mapper/cryptroot ro net.ifnames=0 edd=off ip={Address}::10.0.2.2:255.255.255.0:box:eth0:off", disk), "-netdev", $"user,id=n0,hostfwd=tcp:127.0.0.1:{port}-:22", "-device", "virtio-net-pci,netdev=n0"];
        return Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true })!;
    }
}
