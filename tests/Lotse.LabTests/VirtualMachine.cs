using System.Text.RegularExpressions;
using Xunit;

namespace Lotse.LabTests;

/// <summary>
/// A machine with another of Debian's kernels, in qemu without hardware help: a busybox as its whole system, a disk for
/// swap, version 2 control groups. Kernels come from Debian's packages, are unpacked and never installed, and are kept
/// in a cache folder outside the checkout.
/// </summary>
internal static partial class VirtualMachine
{
    private static readonly string Cache = Path.Combine(Environment.GetEnvironmentVariable("XDG_CACHE_HOME") ?? "/var/cache", "lotse-lab");
    private static readonly string[] Modules = ["virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk"];

    /// <summary>
    /// Boots and runs a script of busybox's shell as root. What it prints between <c>=== NAME</c> lines is returned by name.
    /// </summary>
    /// <param name="series">6.1 or 6.12.</param>
    /// <param name="script">Run when proc, sys, dev, a tmpfs (/tm), control groups (/sys/fs/cgroup) and swap are there.</param>
    /// <param name="files">Programs to put into /bin: name and path; static ones.</param>
    public static Dictionary<string, string> Run(string series, string script, params (string Name, string Path)[] files)
    {
        Lab.NeedsRoot();
        Lab.Needs("qemu-system-x86_64", "busybox", "cpio", "xz", "dpkg-deb", "apt-get");
        var kernel = Kernel(series);
        var folder = Directory.CreateTempSubdirectory("lotse-vm-").FullName;
        try
        {
            var root = Path.Combine(folder, "root");
            foreach (var name in new[] { "bin", "proc", "sys", "dev", "tm", "tmp", "modules" })
            {
                Directory.CreateDirectory(Path.Combine(root, name));
            }

            File.Copy("/bin/busybox", Path.Combine(root, "bin", "busybox"));
            foreach (var applet in "sh mount cat grep echo ls mkdir sleep insmod mkswap swapon poweroff kill cut uname wc".Split(' '))
            {
                File.CreateSymbolicLink(Path.Combine(root, "bin", applet), "busybox");
            }

            foreach (var (name, path) in files)
            {
                File.Copy(path, Path.Combine(root, "bin", name));
            }

            UnpackModules(kernel, root);

            var init = Path.Combine(root, "init");
            File.WriteAllText(init, Init + script + "\necho === end\npoweroff -f\n");
            File.SetUnixFileMode(init, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            PackInitrd(root, Path.Combine(folder, "initrd"));
            using (var disk = File.Create(Path.Combine(folder, "disk")))
            {
                disk.SetLength(256 << 20);
            }

            var console = Boot(kernel, Path.Combine(folder, "initrd"), "", Path.Combine(folder, "disk"));
            Assert.True(console.Contains("=== end\n", StringComparison.Ordinal), console);
            return Sections(console);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Boots a kernel until it is switched off or starts anew.</summary>
    /// <param name="kernel">A folder that <see cref="Kernel"/> gave.</param>
    /// <param name="initrd">The first root.</param>
    /// <param name="append">More words for the kernel's command line.</param>
    /// <param name="disks">Raw images, as /dev/vda, /dev/vdb…</param>
    /// <returns>What it wrote to its console.</returns>
    public static string Boot(string kernel, string initrd, string append, params string[] disks) =>
        Lab.Run(TimeSpan.FromMinutes(4), [
            "qemu-system-x86_64", "-M", "pc", "-accel", "tcg,thread=multi", "-cpu", "max", "-m", "768", "-smp", "2", "-nographic", "-no-reboot",
            "-kernel", Directory.GetFiles(Path.Combine(kernel, "boot"), "vmlinuz-*").Single(), "-initrd", initrd, "-append", $"console=ttyS0 quiet panic=-1 {append}",
            .. disks.SelectMany(disk => new[] { "-drive", $"file={disk},format=raw,if=virtio,cache=unsafe" })]).Text.Replace("\r", "", StringComparison.Ordinal);

    /// <summary>What a console shows between lines <c>=== NAME</c>, by name.</summary>
    public static Dictionary<string, string> Sections(string console) => Section().Matches(console).ToDictionary(m => m.Groups["name"].Value, m => m.Groups["text"].Value);

    /// <summary>Packs a folder as the first root of a kernel.</summary>
    public static void PackInitrd(string root, string initrd) => Must("sh", "-c", "cd \"$0\" && find . | cpio -o -H newc --quiet | gzip -1 >\"$1\"", root, initrd);

    /// <summary>Puts the modules for disks into /modules of a first root, in the order in which <see cref="LoadModules"/> loads them.</summary>
    public static void UnpackModules(string kernel, string root)
    {
        foreach (var module in Modules)
        {
            Unpack(kernel, module, Path.Combine(root, "modules", module + ".ko"));
        }
    }

    /// <summary>Shell lines that load the modules for disks.</summary>
    public const string LoadModules = """
        for m in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk; do [ -f /modules/$m.ko ] && insmod /modules/$m.ko; done
        for i in 1 2 3 4 5 6 7 8; do [ -b /dev/vda ] && break; sleep 1; done

        """;

    private const string Init = """
        #!/bin/sh
        export PATH=/bin
        mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs tm /tm; mount -t cgroup2 cg /sys/fs/cgroup

        """ + LoadModules + """
        mkswap /dev/vda >/dev/null; swapon /dev/vda
        echo +memory >/sys/fs/cgroup/cgroup.subtree_control
        echo 1 >/proc/sys/kernel/printk

        """;

    /// <summary>The folder of an unpacked kernel of a series; skips the test where there is none to be had.</summary>
    public static string Kernel(string series)
    {
        var folder = Path.Combine(Cache, series);
        if (Directory.Exists(Path.Combine(folder, "boot")))
        {
            return folder;
        }

        var names = Lab.Run(TimeSpan.FromMinutes(2), "apt-cache", "search", "--names-only", $@"^linux-image-{Regex.Escape(series)}\.[0-9].*-cloud-amd64$").Text;
        var name = names.Split('\n').Select(l => l.Split(' ')[0]).Where(n => n.Length > 0)
            .OrderBy(n => Regex.Replace(n, "[0-9]+", m => m.Value.PadLeft(6, '0')), StringComparer.Ordinal).LastOrDefault();
        if (name is null)
        {
            Assert.Skip($"no Debian kernel {series} to be had");
        }

        Directory.CreateDirectory(Cache);
        var download = Directory.CreateTempSubdirectory("lotse-kernel-").FullName;
        try
        {
            Must("sh", "-c", "cd \"$0\" && apt-get -q download \"$1\" && dpkg-deb -x ./*.deb \"$2\"", download, name!, folder + ".new");
            Directory.Move(folder + ".new", folder);
        }
        finally
        {
            Directory.Delete(download, recursive: true);
        }

        return folder;
    }

    private static void Unpack(string kernel, string module, string target)
    {
        // Built into some kernels, compressed in others.
        var modules = Directory.GetDirectories(kernel, "modules", SearchOption.AllDirectories).First(d => d.EndsWith("lib/modules", StringComparison.Ordinal));
        var found = Directory.GetFiles(modules, module + ".ko*", SearchOption.AllDirectories).FirstOrDefault();
        if (found is not null)
        {
            Must("sh", "-c", "case $0 in *.xz) xz -dc \"$0\" ;; *) cat \"$0\" ;; esac >\"$1\"", found, target);
        }
    }

    /// <summary>Runs a program that must succeed.</summary>
    public static void Must(params string[] arguments)
    {
        var ran = Lab.Run(TimeSpan.FromMinutes(5), arguments);
        Assert.True(ran.ExitCode == 0, string.Join(' ', arguments) + ": " + ran.ErrorText);
    }

    [GeneratedRegex(@"^=== (?<name>\S+)\n(?<text>(?:(?!=== ).*\n)*)", RegexOptions.Multiline)]
    private static partial Regex Section();
}
