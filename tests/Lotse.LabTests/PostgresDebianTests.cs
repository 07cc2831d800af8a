using System.Globalization;
using Xunit;

namespace Lotse.LabTests;

/// <summary>
/// A cluster of Debian's packages, with their tools, their units and their generator: this machine's systemd is the first
/// process of namespaces over this machine's files, whose changes go nowhere.
/// </summary>
public class PostgresDebianTests
{
    /// <summary>Makes the namespaces. Only what the scenario needs is started: no unit of the machine, for some change the kernel.</summary>
    private const string Box = """
        set -e
        for group in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
            [ ! -f $group/cgroup.procs ] || { mkdir "$group/$1"; echo $$ >"$group/$1/cgroup.procs"; }
        done
        exec timeout -k 5 170 unshare --mount --pid --fork --kill-child --net --ipc --uts --cgroup sh -c '
            set -e
            mount --make-rprivate /
            mount -t tmpfs tmpfs "$0/box"; cd "$0/box"; mkdir changes work root; root=$0/box/root
            mount -t overlay overlay -o "lowerdir=/,upperdir=$0/box/changes,workdir=$0/box/work" root
            mount -t proc proc root/proc; mount -t sysfs sysfs root/sys; mount --rbind /dev root/dev; mount -t tmpfs tmpfs root/run
            if [ -d /sys/fs/cgroup/systemd ]; then
                mount -t tmpfs tmpfs root/sys/fs/cgroup; mkdir root/sys/fs/cgroup/systemd root/sys/fs/cgroup/unified
                mount -t cgroup -o none,name=systemd cgroup root/sys/fs/cgroup/systemd
                mount -t cgroup2 cgroup2 root/sys/fs/cgroup/unified
            else
                mount -t cgroup2 cgroup2 root/sys/fs/cgroup
            fi
            mount -o remount,ro,bind root/sys; mount --bind root/proc/sys root/proc/sys; mount -o remount,ro,bind root/proc/sys
            mkdir root/run/units; cp /lib/systemd/system/postgresql*.service root/run/units
            for target in sysinit basic network shutdown multi-user; do printf "[Unit]\nDefaultDependencies=no\n" >root/run/units/$target.target; done
            printf "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nTimeoutStartSec=infinity\nExecStart=/bin/sh /run/scenario\nStandardOutput=append:/run/said\nStandardError=append:/run/said\n" >root/run/units/scenario.service
            : >root/run/scenario; mount --bind "$0/scenario" root/run/scenario
            : >root/run/said; mount --bind "$0/said" root/run/said
            exec env -i container=lotse SYSTEMD_UNIT_PATH=/run/units:/run/systemd/generator PATH=/usr/bin:/usr/sbin chroot root /lib/systemd/systemd --unit=scenario.service --log-level=err --log-target=null
        ' "$0"
        """;

    private const string Scenario = """
        export PATH=/usr/bin:/usr/sbin HOME=/root LOTSE_STATE=/var/lib/lotse-of-the-box LC_ALL=C
        ip link set lo up; mkdir -m 700 $LOTSE_STATE; rm -rf /etc/postgresql/*
        clusters() {
            pg_lsclusters -h | tr -s ' ' | cut -d' ' -f1-4; grep -hE '^(auto|manual)' /etc/postgresql/*/main/start.conf
            for version in 13 18; do
                systemctl show -p ActiveState --value postgresql@$version-main
                main=$(systemctl show -p MainPID --value postgresql@$version-main); [ $main -lt 2 ] || grep -o 'postgresql@.*' /proc/$main/cgroup | sort -u
            done
            ls /run/systemd/generator/postgresql.service.wants
        }
        echo === made; pg_createcluster 13 main -p 5499 --locale C -o fsync=off >/dev/null; systemctl daemon-reload; systemctl start postgresql@13-main; clusters
        echo === apply; LOTSE pg plan /var/lib/postgresql/13/main --to 18 --mode copy -o /root/plan >/dev/null; echo code $?; LOTSE apply /root/plan; echo code $?
        echo === applied; clusters; ls /var/lib/postgresql/18/main/postgresql.conf 2>&1
        echo === undo; LOTSE undo; echo code $?
        echo === undone; clusters
        systemctl --force exit
        """;

    [Fact]
    public void A_cluster_of_Debian_becomes_one_of_Debian_and_back_with_its_units()
    {
        Lab.NeedsRoot();
        Lab.Needs("pg_ctlcluster", "pg_createcluster", "unshare", "systemctl", "timeout");
        if (!File.Exists("/lib/systemd/systemd"))
        {
            Assert.Skip("needs systemd");
        }

        var folder = Directory.CreateTempSubdirectory("lotse-pg-").FullName;
        var name = Path.GetFileName(folder);
        try
        {
            Directory.CreateDirectory(folder + "/box");
            File.WriteAllText(folder + "/said", "");
            File.WriteAllText(folder + "/scenario", string.Concat(new[] { 13, 18 }.Select(v => $"ln -s {PostgresLab.Programs(v)[..^4]} /usr/lib/postgresql/{v.ToString(CultureInfo.InvariantCulture)}\n")) + Scenario.Replace("LOTSE ", Lab.Lotse + " ", StringComparison.Ordinal) + "\n");
            var ran = Lab.Run(TimeSpan.FromMinutes(4), "sh", "-c", Box, folder, name);
            var text = File.ReadAllText(folder + "/said");
            if (text.Length == 0)
            {
                Assert.Skip($"systemd does not come up in namespaces here: {ran.ErrorText.Trim().Split('\n')[^1]}");
            }

            var said = VirtualMachine.Sections(text);
            Assert.Equal("13 main 5499 online\nauto\nactive\npostgresql@13-main.service\ninactive\npostgresql@13-main.service\n", said.GetValueOrDefault("made"));
            Assert.True(said.TryGetValue("applied", out var applied) && said["apply"].EndsWith("code 0\n", StringComparison.Ordinal), text);
            Assert.Equal("13 main 5499 down\n18 main 5499 online\nmanual\nauto\ninactive\nactive\npostgresql@18-main.service\npostgresql@18-main.service\nls: cannot access '/var/lib/postgresql/18/main/postgresql.conf': No such file or directory\n", applied);
            Assert.True(said.TryGetValue("undone", out var undone) && said["undo"].EndsWith("code 0\n", StringComparison.Ordinal), text);
            Assert.Equal(said["made"], undone);
        }
        finally
        {
            // The group goes when the last of its processes has.
            Lab.Run(TimeSpan.FromMinutes(1), "sh", "-c", "for try in 1 2 3 4 5 6 7 8 9 10; do find /sys/fs/cgroup/systemd/$0 /sys/fs/cgroup/unified/$0 /sys/fs/cgroup/$0 -depth -type d -exec rmdir {} + 2>/dev/null; ls -d /sys/fs/cgroup/*/$0 /sys/fs/cgroup/$0 >/dev/null 2>&1 || break; sleep 0.3; done", name);
            Directory.Delete(folder, recursive: true);
        }
    }
}
