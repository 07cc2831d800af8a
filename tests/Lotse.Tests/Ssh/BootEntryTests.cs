using Lotse.Hosts;
using Lotse.Ssh;
using Xunit;

namespace Lotse.Tests.Ssh;

/// <summary>Which image the next boot takes: what the boot loader's own file says, then Debian's links, then the newest.</summary>
public sealed class BootEntryTests : IDisposable
{
    private const string Menu = """
        set default="0"
        if [ x"${feature_menuentry_id}" = xy ]; then
          menuentry_id_option="--id"
        fi
        menuentry 'Debian GNU/Linux' --class debian {
                load_video
                if [ x$grub_platform = xxen ]; then insmod xzio; fi
                linux   /boot/vmlinuz-6.1.0-41-amd64 root=/dev/mapper/r ro quiet ip=192.0.2.1::192.0.2.254:255.255.255.0::eth0
                initrd  /boot/initrd.img-6.1.0-41-amd64
        }
        submenu 'Advanced options for Debian GNU/Linux' {
                menuentry 'Debian GNU/Linux, with Linux 6.1.0-9-amd64' {
                        linux   /boot/vmlinuz-6.1.0-9-amd64 root=/dev/mapper/r ro
                        initrd  /boot/early.img /boot/initrd.img-6.1.0-9-amd64
                }
        }
        """;

    private readonly string root = Directory.CreateTempSubdirectory("lotse-boot-").FullName;

    public void Dispose() => Directory.Delete(root, recursive: true);

    [Theory]
    [InlineData("0", "/boot/initrd.img-6.1.0-41-amd64", "root=/dev/mapper/r ro quiet ip=192.0.2.1::192.0.2.254:255.255.255.0::eth0")]
    [InlineData("1", "/boot/initrd.img-6.1.0-9-amd64", "root=/dev/mapper/r ro")]
    public void GRUBs_default_entry_is_what_boots(string wanted, string image, string commandLine)
    {
        Write("/boot/grub/grub.cfg", Menu.Replace("default=\"0\"", $"default=\"{wanted}\"", StringComparison.Ordinal));
        Write("/boot/initrd.img-6.1.0-41-amd64", "");
        Write("/boot/initrd.img-6.1.0-9-amd64", "");
        Write("/initrd.img", "");
        Assert.Equal((image, commandLine), Read() is { } entry ? (entry.Image, entry.CommandLine) : default);
    }

    /// <summary>GRUB_DEFAULT=saved, and what grub-reboot has chosen for once: by number, id or title, in a submenu behind &gt;.</summary>
    [Theory]
    [InlineData("saved_entry=adv-id>old-id\n", "/boot/initrd.img-6.1.0-9-amd64")]
    [InlineData("saved_entry=Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux 6.1.0-9-amd64\n", "/boot/initrd.img-6.1.0-9-amd64")]
    [InlineData("saved_entry=1>0\n", "/boot/initrd.img-6.1.0-9-amd64")]
    [InlineData("saved_entry=1\nnext_entry=0\n", "/boot/initrd.img-6.1.0-41-amd64")]
    [InlineData("saved_entry=removed-kernel\n", "/boot/initrd.img-6.1.0-41-amd64")]
    [InlineData("saved_entry=\n######", "/boot/initrd.img-6.1.0-41-amd64")]
    [InlineData(null, "/boot/initrd.img-6.1.0-41-amd64")]
    public void What_grubenv_has_saved_is_what_boots(string? block, string image)
    {
        const string Choice = """
            if [ -s $prefix/grubenv ]; then
              load_env
            fi
            if [ "${next_entry}" ] ; then
               set default="${next_entry}"
               set next_entry=
            else
               set default="${saved_entry}"
            fi
            """;
        Write("/boot/grub/grub.cfg", Menu.Replace("set default=\"0\"", Choice, StringComparison.Ordinal).Replace("GNU/Linux' {", "GNU/Linux' $menuentry_id_option 'adv-id' {", StringComparison.Ordinal).Replace("-9-amd64' {", "-9-amd64' --class x $menuentry_id_option 'old-id' {", StringComparison.Ordinal));
        Write("/boot/initrd.img-6.1.0-41-amd64", "");
        Write("/boot/initrd.img-6.1.0-9-amd64", "");
        if (block is not null)
        {
            Write("/boot/grub/grubenv", "# GRUB Environment Block\n" + block);
        }

        Assert.Equal(image, Read()?.Image);
    }

    /// <summary>Where /boot is a file system of its own, GRUB's paths begin behind it.</summary>
    [Fact]
    public void Paths_may_lack_the_boot_folder()
    {
        Write("/boot/grub/grub.cfg", Menu.Replace("/boot/", "/", StringComparison.Ordinal));
        Write("/boot/initrd.img-6.1.0-41-amd64", "");
        Assert.Equal("/boot/initrd.img-6.1.0-41-amd64", Read()?.Image);
    }

    [Theory]
    [InlineData("initrd.img-6.1.0-9-amd64 initrd.img-6.1.0-41-amd64 initrd.img-5.10.0-100-amd64", "/boot/initrd.img-6.1.0-41-amd64")]
    [InlineData("initrd.img-6.12.1 initrd.img-6.9.9 vmlinuz-7", "/boot/initrd.img-6.12.1")]
    [InlineData("vmlinuz-7", null)]
    public void Without_a_loader_the_newest_is_taken(string names, string? image)
    {
        foreach (var name in names.Split(' '))
        {
            Write($"/boot/{name}", "");
        }

        Assert.Equal(image, Read()?.Image);
    }

    private BootEntry? Read()
    {
        using var host = FolderHost.Open(root).Value;
        return BootEntry.Read(host);
    }

    private void Write(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(root + path)!);
        File.WriteAllText(root + path, text);
    }
}
