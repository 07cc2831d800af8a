using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Xunit;

namespace Lotse.LabTests;

/// <summary>The preflight on images made by mkinitramfs with the hooks of dropbear-initramfs and cryptsetup-initramfs, of two releases with different layouts.</summary>
public sealed class SshInitrdImageTests : IDisposable
{
    private const string Kernel = "6.1.0-lotse";
    private const string Image = "/boot/lotse.img";
    private const string Address = "ip=10.0.0.2::10.0.0.1:255.255.255.0::eth0";
    private readonly SshLab lab = new();

    public void Dispose() => lab.Dispose();

    [Fact]
    public void A_good_image_lets_its_owner_in_and_every_fault_is_told()
    {
        var root = Root("bookworm", "/etc/dropbear/initramfs", "dropbear.conf");
        var good = Preflight(root, Address);
        Assert.Empty(Ids(good));
        Assert.Equal(0, good.GetProperty("exit").GetInt32());
        Assert.StartsWith("SSH-2.0-dropbear_2022.83", good.GetProperty("answer").GetProperty("probe").GetProperty("banner").GetString(), StringComparison.Ordinal);
        Assert.True(good.GetProperty("answer").GetProperty("keys")[0].GetProperty("accepted").GetBoolean());

        // The same image, on a command line without an address.
        Assert.Equal(["ssh/initrd-no-address"], Ids(Preflight(root, "root=/dev/mapper/cryptroot ro quiet")));

        EveryForm(root);
        OfAnotherMaker(root);
        WithoutALibrary(root);

        File.WriteAllText(root + "/etc/dropbear/initramfs/authorized_keys", "");
        Assert.Contains("ssh/initrd-no-key", Ids(Made(root)));

        Prepare(lab, root, "/etc/dropbear/initramfs", "dropbear.conf");
        File.Delete(root + "/etc/dropbear/initramfs/dropbear_ed25519_host_key");
        Assert.Contains("ssh/initrd-no-host-keys", Ids(Made(root)));

        Prepare(lab, root, "/etc/dropbear/initramfs", "dropbear.conf");
        var hook = root + "/usr/share/initramfs-tools/hooks/cryptroot-unlock";
        var content = File.ReadAllText(hook);
        File.WriteAllText(hook, "#!/bin/sh\nexit 0\n");
        try
        {
            Assert.Contains("ssh/initrd-no-unlock", Ids(Made(root)));
        }
        finally
        {
            File.WriteAllText(hook, content);
        }
    }

    /// <summary>The layout before Debian 12, and a type of key that its Dropbear, older than 2022.82, does not know.</summary>
    [Fact]
    public void A_key_of_a_type_that_its_dropbear_does_not_know_is_told()
    {
        var root = Root("bullseye", "/etc/dropbear-initramfs", "config");
        Assert.Empty(Ids(Preflight(root, Address)));
        File.WriteAllText(root + "/etc/dropbear-initramfs/authorized_keys", Token());
        var told = Made(root);
        Assert.Contains("ssh/initrd-key-refused", Ids(told));
        Assert.Equal("sk-ssh-ed25519@openssh.com", told.GetProperty("answer").GetProperty("keys")[0].GetProperty("type").GetString());
    }

    /// <summary>However the image is compressed, with microcode or modules in front or not: the verdict is the same. One that is cut off is told, and never called good.</summary>
    private void EveryForm(string root)
    {
        var image = lab.At("image");
        string Shell(string lines)
        {
            SshLab.Must("sh", "-ec", lines, root + Image, lab.At("raw"), image, lab.At("front"));
            return image;
        }

        // Something in front of it, uncompressed, as the kernel takes it: microcode, and since Debian 13 the modules.
        Shell("gzip -dc \"$0\" >\"$1\"; mkdir -p \"$3/kernel/x86\"; echo fake >\"$3/kernel/x86/microcode\"; cd \"$3\" && find . | cpio -o -H newc --quiet >\"$3.cpio\"");
        foreach (var form in new[] { "lz4 -l -c \"$1\"", "cat \"$3.cpio\"; xz -0 --check=crc32 <\"$1\"", "xz -0 --format=lzma <\"$1\"", "cat \"$3.cpio\"; bzip2 -1 <\"$1\"", "cat \"$3.cpio\" \"$1\"", "cat \"$3.cpio\" \"$3.cpio\"; zstd -q -1 -c \"$1\"" })
        {
            var envelope = SshLab.Json("ssh", "preflight", Shell($"{{ {form}; }} >\"$2\""), "--cmdline", Address);
            Assert.True(Ids(envelope).Length == 0 && envelope.GetProperty("exit").GetInt32() == 0, $"{form}: {envelope}");
        }

        foreach (var form in new[] { "zstd -q -1 -c \"$1\" | head -c 900000", "head -c 900000 \"$1\"", "cat \"$3.cpio\"; head -c 900000 \"$0\"" })
        {
            var cut = SshLab.Json("ssh", "preflight", Shell($"{{ {form}; }} >\"$2\""), "--cmdline", Address);
            Assert.True(Ids(cut) is ["ssh/initrd-broken"], $"{form}: {cut}");
        }
    }

    /// <summary>A library that the hook forgot: the server of the image cannot start, and that is no unknown.</summary>
    private void WithoutALibrary(string root)
    {
        var folder = lab.At("unpacked");
        SshLab.Must("unmkinitramfs", root + Image, folder);
        foreach (var library in Directory.EnumerateFiles(folder, "libtom*", SearchOption.AllDirectories).Concat(Directory.EnumerateFiles(folder, "libcrypt.so*", SearchOption.AllDirectories)).ToArray())
        {
            File.Delete(library);
        }

        var told = SshLab.Json("ssh", "preflight", folder, "--cmdline", Address);
        Assert.Contains("ssh/initrd-no-dropbear", Ids(told));
        Assert.Contains("does not start", told.ToString(), StringComparison.Ordinal);

        // The same program for another architecture (elf(5) e_machine 183, AArch64): nothing is known of it, and that is said.
        var program = Directory.EnumerateFiles(folder, "dropbear", SearchOption.AllDirectories).First(f => new FileInfo(f).Length > 1000);
        using (var file = File.OpenWrite(program))
        {
            file.Position = 18;
            file.Write([183, 0]);
        }

        var foreign = SshLab.Json("ssh", "preflight", folder, "--cmdline", Address);
        Assert.Equal((3, 0), (foreign.GetProperty("exit").GetInt32(), Ids(foreign).Length));
        Assert.Contains("is a program for arm64", foreign.ToString(), StringComparison.Ordinal);
    }

    /// <summary>An image that another program has made: its server is asked, and who starts it and what unlocks the disk is not known.</summary>
    private void OfAnotherMaker(string root)
    {
        var folder = lab.At("dracut");
        SshLab.Must("unmkinitramfs", root + Image, folder);
        var main = Directory.Exists(folder + "/main") ? folder + "/main" : folder;
        Directory.CreateDirectory(main + "/usr/lib/dracut");
        File.Delete(main + "/bin/cryptroot-unlock");
        var told = SshLab.Json("ssh", "preflight", main, "--cmdline", "rd.neednet=1 ip=dhcp");
        Assert.Equal((3, 0), (told.GetProperty("exit").GetInt32(), Ids(told).Length));
        Assert.True(told.GetProperty("answer").GetProperty("keys")[0].GetProperty("accepted").GetBoolean());

        // As mkinitcpio makes them, with its hooks in /config.
        Directory.Delete(main + "/usr/lib/dracut");
        File.WriteAllText(main + "/init_functions", "");
        File.WriteAllText(main + "/config", "EARLYHOOKS=\"udev\"\nHOOKS=\"netconf dropbear encryptssh\"\n");
        told = SshLab.Json("ssh", "preflight", main, "--cmdline", "ip=:::::eth0:dhcp");
        Assert.Equal((3, 0), (told.GetProperty("exit").GetInt32(), Ids(told).Length));
        Assert.True(told.GetProperty("answer").GetProperty("keys")[0].GetProperty("accepted").GetBoolean());
        Assert.Equal("netconf dropbear encryptssh", told.GetProperty("answer").GetProperty("hooks").GetString());
        Assert.Contains("lsinitcpio -a", told.ToString(), StringComparison.Ordinal);

        File.Delete(Directory.EnumerateFiles(main, "dropbear", SearchOption.AllDirectories).First(f => new FileInfo(f).Length > 1000));
        Assert.Equal(["ssh/initrd-no-dropbear"], Ids(SshLab.Json("ssh", "preflight", main, "--cmdline", Address)));
    }

    /// <summary>The public half of a key on a token (PROTOCOL.u2f): its type, 32 bytes, the application.</summary>
    private static string Token()
    {
        byte[] Field(byte[] content)
        {
            var length = new byte[4];
            BinaryPrimitives.WriteInt32BigEndian(length, content.Length);
            return [.. length, .. content];
        }

        const string Type = "sk-ssh-ed25519@openssh.com";
        return $"{Type} {Convert.ToBase64String([.. Field(Encoding.ASCII.GetBytes(Type)), .. Field([.. Enumerable.Range(1, 32).Select(i => (byte)i)]), .. Field("ssh:"u8.ToArray())])} me@token\n";
    }

    /// <summary>What makes images with an ssh server in a release of Debian, and its apt.</summary>
    internal static DebianRoot Packages(string release)
    {
        Lab.Needs("unmkinitramfs", "unshare", "dropbearkey", "zstd", "lz4", "xz", "bzip2", "cpio");
        return DebianRoot.Of(
            release, "initramfs", "initramfs-tools", "dropbear-initramfs", "cryptsetup-initramfs", "busybox", "dash", "coreutils", "sed", "grep", "findutils", "mawk", "tar", "gzip", "util-linux", "bash", "debianutils", "kmod", "udev",
            "libc-bin", "linux-base", "login", "passwd", "mount", "apt", "dpkg", "diffutils", "openssh-client");
    }

    private string Root(string release, string place, string configuration)
    {
        var root = Packages(release).Folder;
        lab.Keys();
        Prepare(lab, root, place, configuration);
        Make(root);
        return root;
    }

    /// <summary>What the packages' installation and an administrator would have done. There is no kernel in the image: none is started.</summary>
    internal static void Prepare(SshLab lab, string root, string place, string configuration)
    {
        SshLab.Must("chroot", root, "ldconfig");
        if (!File.Exists(root + "/usr/bin/awk"))
        {
            File.CreateSymbolicLink(root + "/usr/bin/awk", "mawk");
        }

        Directory.CreateDirectory(root + "/boot");
        var modules = Directory.CreateDirectory($"{root}/lib/modules/{Kernel}").FullName;
        foreach (var name in new[] { "modules.order", "modules.builtin", "modules.dep" })
        {
            File.WriteAllText($"{modules}/{name}", "");
        }

        File.WriteAllText($"{root}/boot/config-{Kernel}", "CONFIG_RD_GZIP=y\nCONFIG_RD_ZSTD=y\n");
        File.WriteAllText(root + "/etc/crypttab", "cryptroot UUID=11111111-2222-3333-4444-555555555555 none luks,initramfs\n");
        File.WriteAllText(root + "/etc/fstab", "/dev/mapper/cryptroot / ext4 defaults 0 1\n");
        Directory.CreateDirectory(root + place);
        File.WriteAllText($"{root}{place}/{configuration}", "DROPBEAR_OPTIONS=\"-I 180 -j -k -s\"\n");
        File.WriteAllText($"{root}{place}/authorized_keys", File.ReadAllText(lab.At("ed25519.pub")));
        File.Delete($"{root}{place}/dropbear_ed25519_host_key");
        SshLab.Must("dropbearkey", "-t", "ed25519", "-f", $"{root}{place}/dropbear_ed25519_host_key");
    }

    private static void Make(string root) => SshLab.Must("unshare", "-m", "sh", "-c", "mount -t proc proc \"$0/proc\"; mount --bind /dev \"$0/dev\"; exec chroot \"$0\" /usr/sbin/mkinitramfs -o " + Image + " " + Kernel, root);

    private static JsonElement Made(string root)
    {
        Make(root);
        return Preflight(root, Address);
    }

    private static JsonElement Preflight(string root, string commandLine) => SshLab.Json("ssh", "preflight", root + Image, "--cmdline", commandLine);

    private static string[] Ids(JsonElement envelope) => [.. envelope.GetProperty("findings").EnumerateArray().Select(f => f.GetProperty("id").GetString()!)];
}
