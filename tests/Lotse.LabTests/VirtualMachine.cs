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
            MakeFirstRoot(kernel, Path.Combine(folder, "root"), Path.Combine(folder, "initrd"), "sh mount cat grep echo ls mkdir sleep insmod mkswap swapon poweroff kill cut uname wc", Init + script + "\necho === end\npoweroff -f\n", files);
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
        Lab.Run(TimeSpan.FromMinutes(4), Command(kernel, initrd, append, disks)).Text.Replace("\r", "", StringComparison.Ordinal);

    /// <summary>
    /// The command that boots a kernel, with its console on standard output. Both processors are emulated by one thread: with
    /// two, a kernel that patches its own code as it starts now and then trips over it (Oops: int3).
    /// </summary>
    public static string[] Command(string kernel, string initrd, string append, params string[] disks) =>
        [
            "qemu-system-x86_64", "-M", "pc", "-accel", "tcg,thread=single", "-cpu", "max", "-m", "768", "-smp", "2", "-nographic", "-no-reboot",
            "-kernel", Directory.GetFiles(Path.Combine(kernel, "boot"), "vmlinuz-*").Single(), "-initrd", initrd, "-append", $"console=ttyS0 quiet panic=-1 {append}",
            .. disks.SelectMany(disk => new[] { "-drive", $"file={disk},format=raw,if=virtio,cache=unsafe" }),
        ];

    /// <summary>What a console shows between lines <c>=== NAME</c>, by name.</summary>
    public static Dictionary<string, string> Sections(string console) => Section().Matches(console).ToDictionary(m => m.Groups["name"].Value, m => m.Groups["text"].Value);

    /// <summary>Lays out the first root of a kernel in a folder and packs it: busybox, the modules for disks in the order in which <see cref="LoadModules"/> loads them, and what is run first.</summary>
    /// <param name="kernel">A folder that <see cref="Kernel"/> gave.</param>
    /// <param name="root">The folder that is made.</param>
    /// <param name="initrd">The image that is made of it.</param>
    /// <param name="applets">Names under which busybox is called, between spaces.</param>
    /// <param name="init">The script that is run first.</param>
    /// <param name="files">Programs to put into /bin: name and path; static ones.</param>
    public static void MakeFirstRoot(string kernel, string root, string initrd, string applets, string init, params (string Name, string Path)[] files)
    {
        Array.ForEach(["bin", "proc", "sys", "dev", "tm", "tmp", "new", "modules"], name => Directory.CreateDirectory(Path.Combine(root, name)));
        File.Copy("/bin/busybox", Path.Combine(root, "bin", "busybox"));
        Array.ForEach(applets.Split(' '), applet => File.CreateSymbolicLink(Path.Combine(root, "bin", applet), "busybox"));
        Array.ForEach(files, file => File.Copy(file.Path, Path.Combine(root, "bin", file.Name)));
        Array.ForEach(Modules, module => Unpack(kernel, module, Path.Combine(root, "modules", module + ".ko")));
        File.WriteAllText(Path.Combine(root, "init"), init);
        File.SetUnixFileMode(Path.Combine(root, "init"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Must("sh", "-c", "cd \"$0\" && find . | cpio -o -H newc --quiet | gzip -1 >\"$1\"", root, initrd);
    }

    /// <summary>Lays out a system in a folder as Debian does, with everything below usr: busybox under all its names, and programs of this machine with the libraries that they load.</summary>
    public static void MakeSystem(string root, string[] folders, params string[] programs)
    {
        Array.ForEach(["usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "proc", "sys", "dev", "run", "tmp", "root/.ssh", "etc/ssh", "var", .. folders], name => Directory.CreateDirectory(Path.Combine(root, name)));
        Array.ForEach(["bin", "sbin", "lib", "lib64"], name => File.CreateSymbolicLink(Path.Combine(root, name), "usr/" + name));
        File.CreateSymbolicLink(Path.Combine(root, "var/run"), "../run");
        File.Copy("/bin/busybox", Path.Combine(root, "usr/bin/busybox"));
        Must("chroot", root, "/usr/bin/busybox", "--install", "-s", "/usr/bin");
        var libraries = programs.SelectMany(p => Lab.Run(TimeSpan.FromSeconds(20), "ldd", p).Text.Split('\n')).Select(l => l.Split(' ').FirstOrDefault(w => w.Trim().StartsWith('/'))?.Trim()).OfType<string>();
        foreach (var file in programs.Concat(libraries).Distinct())
        {
            // lib is a link to usr/lib on the new root, as it is here.
            var target = Path.Combine(root, file.TrimStart('/'));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Delete(target);
            File.Copy(file, target);
        }
    }

    /// <summary>Writes a file below a root.</summary>
    /// <param name="root">The root.</param>
    /// <param name="path">From there, with a slash in front.</param>
    /// <param name="text">Its content.</param>
    /// <param name="mode">Its mode, in octal digits.</param>
    public static void Write(string root, string path, string text, string mode = "644")
    {
        var file = Path.Combine(root, path.TrimStart('/'));
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
        File.SetUnixFileMode(file, (UnixFileMode)Convert.ToInt32(mode, 8));
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
    public static void Must(params string[] arguments) => Lab.Must(TimeSpan.FromMinutes(5), arguments);

    [GeneratedRegex(@"^=== (?<name>\S+)\n(?<text>(?:(?!=== ).*\n)*)", RegexOptions.Multiline)]
    private static partial Regex Section();
}
