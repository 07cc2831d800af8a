using Xunit;

namespace Lotse.LabTests;

/// <summary>
/// A machine of its own, whose first process is this machine's systemd: limits of units hold in the kernel and go again, units
/// are restarted and told again, and after a crash the next start puts back what nobody had confirmed, before anything reads it.
/// </summary>
public class SystemdTests
{
    private const string Scenario = """
        #!/bin/sh
        exec >/dev/console 2>&1
        export PATH=/usr/bin:/usr/sbin HOME=/root
        group=/sys/fs/cgroup/system.slice/busy.service
        says() { systemctl show -p MemoryHigh --value busy.service; cat $group/memory.high; }
        if [ -f /root/second ]; then
            echo; echo === settled; cat /run/early
            echo === unit; systemctl show -p Result -p ExecMainStatus lotse-settle.service
            echo === log; lotse log
            echo === hook; ls /etc/systemd/system/lotse-plain.service /etc/systemd/system/sysinit.target.wants/lotse-plain.service 2>&1 | grep -c 'No such'
            echo === again; lotse undo; echo code $?
            echo === halt
            exec systemctl poweroff -ff
        fi
        echo; echo === release; systemctl --version | head -n 1
        systemctl start busy.service
        echo === before; says
        echo === plan; lotse swap plan --unit busy --high 64M --output /root/limit.plan; echo code $?
        echo === apply; lotse apply /root/limit.plan; echo code $?
        echo === after; says
        echo === prove; lotse swap prove; echo code $?
        echo === undo; lotse undo; echo code $?
        echo === undone; says; ls /etc/systemd/system/busy.service.d 2>&1
        first=$(systemctl show -p MainPID --value busy.service)
        lotse edit /etc/busy.conf --replace old --with new --output /root/restart.plan >/dev/null
        sed '/^  "changes": \[/,/^  \],/ s/^    }$/    },{"do":"unit","unit":"busy.service","action":"Restart"}/' /root/restart.plan >/root/restarts.plan
        echo === restart; lotse apply /root/restarts.plan; echo code $?
        second=$(systemctl show -p MainPID --value busy.service)
        [ "$first" = "$second" ] || echo another process; cat /run/busy
        echo === restarted; lotse undo; echo code $?
        [ "$second" = "$(systemctl show -p MainPID --value busy.service)" ] || echo another process; cat /run/busy
        ifconfig lo up; mkdir -p /run/sshd
        /usr/sbin/sshd -f /etc/ssh/sshd_config
        lotse edit /etc/issue --host lab --replace first --with second --output /root/plain.plan >/dev/null
        echo === plain; lotse apply /root/plain.plan --host lab --plain --confirm-within 1h; echo code $?
        cat /etc/issue; ls /etc/systemd/system/sysinit.target.wants
        lotse edit /etc/motd --replace first --with second --output /root/motd.plan >/dev/null
        echo === pending; lotse apply /root/motd.plan --confirm-within 1h; echo code $?
        cat /etc/motd
        touch /root/second; sync -f /root/second
        echo === crash; sleep 1
        echo b >/proc/sysrq-trigger
        sleep 60
        """;

    private static readonly (string Path, string Text)[] Texts =
    [
        ("/etc/systemd/system/default.target", "[Unit]\nRequires=basic.target scenario.service\nAfter=basic.target\n"),
        ("/etc/systemd/system/scenario.service", "[Unit]\nAfter=basic.target\n[Service]\nType=oneshot\nTimeoutStartSec=infinity\nExecStart=/usr/bin/sh /root/scenario\n"),
        ("/etc/systemd/system/busy.service", "[Service]\nExecStart=/usr/bin/sh -c 'cat /etc/busy.conf >/run/busy; exec sleep 1000'\n"),
        // What reads its configuration at the start of the machine, once the network's time has come.
        ("/etc/systemd/system/early.service", "[Unit]\nDefaultDependencies=no\nAfter=network-pre.target\nWants=network-pre.target\nBefore=basic.target\n[Service]\nType=oneshot\nExecStart=/usr/bin/sh -c 'cat /etc/motd /etc/issue >/run/early'\n"),
        ("/etc/motd", "the first\n"), ("/etc/issue", "the first\n"), ("/etc/busy.conf", "old\n"), ("/etc/passwd", "root:x:0:0:root:/root:/usr/bin/sh\nsshd:x:100:100::/run:/usr/bin/false\n"), ("/etc/group", "root:x:0:\n"),
        ("/etc/machine-id", "0123456789abcdef0123456789abcdef\n"), ("/etc/fstab", ""), ("/etc/os-release", "ID=lab\n"), ("/etc/shells", "/usr/bin/sh\n"),
        ("/etc/ssh/sshd_config", "HostKey /etc/ssh/host\nPermitRootLogin yes\nUsePAM no\nStrictModes no\nAuthorizedKeysFile /etc/ssh/user.pub\nListenAddress 127.0.0.1\n"),
        ("/root/.ssh/config", "Host lab\n HostName 127.0.0.1\n User root\n IdentityFile /etc/ssh/user\n StrictHostKeyChecking no\n UserKnownHostsFile /root/known\n LogLevel ERROR\n"),
    ];

    [Fact]
    public void Units_and_the_start_of_the_machine()
    {
        Lab.NeedsRoot();
        Lab.Needs("qemu-system-x86_64", "busybox", "cpio", "mke2fs", "sshd", "ssh-keygen", "systemctl");
        if (!File.Exists("/lib/systemd/systemd"))
        {
            Assert.Skip("needs systemd");
        }

        var kernel = VirtualMachine.Kernel("6.1");
        var folder = Directory.CreateTempSubdirectory("lotse-systemd-").FullName;
        try
        {
            var (initrd, disk, swap) = (Path.Combine(folder, "initrd"), Path.Combine(folder, "disk"), Path.Combine(folder, "swap"));
            VirtualMachine.MakeFirstRoot(kernel, Path.Combine(folder, "first"), initrd, "sh mount insmod sleep switch_root", "#!/bin/sh\nexport PATH=/bin\nmount -t devtmpfs dev /dev\n" + VirtualMachine.LoadModules + "mount -t ext4 /dev/vda /new && mount --move /dev /new/dev && exec switch_root /new /usr/lib/systemd/systemd\n");
            MakeRoot(Path.Combine(folder, "root"));
            VirtualMachine.Must("mke2fs", "-q", "-t", "ext4", "-d", Path.Combine(folder, "root"), disk, "400M");
            VirtualMachine.Must("truncate", "-s", "64M", swap);

            var console = VirtualMachine.Boot(kernel, initrd, "systemd.show_status=0 systemd.log_level=err", disk, swap);
            var said = VirtualMachine.Sections(console);
            void Says(string section, params string[] parts) => Assert.All(parts, part => Assert.True(said.TryGetValue(section, out var text) && text.Contains(part, StringComparison.Ordinal), $"{section} does not say {part}\n{console}"));
            Says("release", "systemd ");
            Says("before", "infinity\nmax\n");
            Says("plan", "MemoryHigh=64M", "code 0");
            Says("apply", "systemd has MemoryHigh of busy.service as 64M", "the kernel has memory.high of /system.slice/busy.service as 64M", "code 0");
            Says("after", "67108864\n67108864\n");
            Says("prove", "code 0");
            Says("undo", "code 0");
            Says("undone", "infinity\nmax\n", "No such file");
            Says("restart", "code 0\nanother process\nnew\n");
            Says("restarted", "code 0\nanother process\nold\n");
            Says("plain", "code 0\nthe second\n", "lotse-plain.service");
            Says("pending", "code 0\nthe second\n");
            Assert.Contains("crash", said.Keys);

            console = VirtualMachine.Boot(kernel, initrd, "systemd.show_status=0 systemd.log_level=err", disk, swap);
            said = VirtualMachine.Sections(console);
            Says("settled", "the first\nthe first\n");
            Says("unit", "Result=success");
            Says("log", "put back");
            Says("hook", "2\n");
            Says("again", "there is nothing to undo");
            Assert.Contains("halt", said.Keys);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>systemd, ssh and lotse, with all that they load, over busybox.</summary>
    private static void MakeRoot(string root)
    {
        VirtualMachine.MakeSystem(root, ["var/lib/lotse", "etc/systemd/system/sysinit.target.wants"], "/usr/lib/systemd/systemd", "/usr/lib/systemd/systemd-shutdown", "/usr/bin/systemctl", "/usr/bin/systemd-run", "/usr/bin/ssh", "/usr/sbin/sshd");
        File.Copy(Lab.Lotse, Path.Combine(root, "usr/bin/lotse"));
        VirtualMachine.Must("sh", "-c", "mkdir -p \"$0/usr/lib/systemd/system\" && cp /lib/systemd/system/*.target /lib/systemd/system/systemd-poweroff.service /lib/systemd/system/systemd-reboot.service \"$0/usr/lib/systemd/system\"", root);
        foreach (var (path, text) in Texts)
        {
            VirtualMachine.Write(root, path, text);
        }

        VirtualMachine.Write(root, "/root/scenario", Scenario);
        File.Copy(Path.Combine(Lab.Checkout(), "packaging", "systemd", "lotse-settle.service"), Path.Combine(root, "etc/systemd/system/lotse-settle.service"));
        File.CreateSymbolicLink(Path.Combine(root, "etc/systemd/system/sysinit.target.wants/lotse-settle.service"), "../lotse-settle.service");
        File.CreateSymbolicLink(Path.Combine(root, "etc/systemd/system/sysinit.target.wants/early.service"), "../early.service");
        Array.ForEach(["host", "user"], key => VirtualMachine.Must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", Path.Combine(root, "etc/ssh", key)));
    }
}
