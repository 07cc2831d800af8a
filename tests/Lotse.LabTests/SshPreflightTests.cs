using System.Text.Json;
using Xunit;

namespace Lotse.LabTests;

/// <summary>The preflight on a tree as dropbear-initramfs lays it out, with Debian's own dropbear in it: what is missing there is what is said.</summary>
public sealed class SshPreflightTests : IDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);
    private readonly string root = Directory.CreateDirectory($"/var/tmp/lotse-preflight-{Environment.ProcessId}-{Guid.NewGuid():N}").FullName;

    public void Dispose() => Directory.Delete(root, recursive: true);

    [Fact]
    public void A_good_image_lets_its_owner_in()
    {
        Build();
        var (exit, envelope) = Preflight();
        Assert.Equal(0, exit);
        Assert.True(envelope.GetProperty("answer").GetProperty("keys")[0].GetProperty("accepted").GetBoolean());
        Assert.StartsWith("SSH-2.0-dropbear_", envelope.GetProperty("answer").GetProperty("probe").GetProperty("banner").GetString(), StringComparison.Ordinal);
        Assert.False(File.Exists($"{root}/run/lotse-dropbear.pid"));
    }

    /// <summary>What is no image is none that would not start.</summary>
    [Theory]
    [InlineData("/nonexistent/initrd.img", 3, "cannot read /nonexistent/initrd.img")]
    [InlineData("/etc", 3, "holds no unpacked initrd image")]
    [InlineData("/etc/passwd", 1, "begins neither as an archive nor as something compressed")]
    public void What_is_no_image_is_told(string image, int exit, string words)
    {
        Lab.NeedsRoot();
        Lab.Needs("unmkinitramfs");
        var ran = Lab.RunLotse("ssh", "preflight", image);
        Assert.Equal(exit, ran.ExitCode);
        Assert.Contains(words, ran.Text + ran.ErrorText, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("root-abc/.ssh/authorized_keys", "", "ssh/initrd-no-key")]
    [InlineData("etc/dropbear/dropbear_ed25519_host_key", null, "ssh/initrd-no-host-keys")]
    [InlineData("bin/cryptroot-unlock", null, "ssh/initrd-no-unlock")]
    [InlineData("sbin/dropbear", null, "ssh/initrd-no-dropbear")]
    public void What_is_missing_is_told(string file, string? content, string id)
    {
        Build();
        if (content is null)
        {
            File.Delete($"{root}/{file}");
        }
        else
        {
            File.WriteAllText($"{root}/{file}", content);
        }

        Assert.Contains(id, Findings(Preflight().Envelope));
    }

    [Fact]
    public void A_key_that_its_dropbear_does_not_take_is_told()
    {
        Build();
        File.WriteAllText($"{root}/root-abc/.ssh/authorized_keys", "no-such-option " + File.ReadAllText($"{root}/key.pub"));
        Assert.Contains("ssh/initrd-key-refused", Findings(Preflight().Envelope));
    }

    /// <summary>Images of other makers have OpenSSH's server or a third one in them: then nothing is known, and nothing is called missing.</summary>
    [Fact]
    public void Another_ssh_server_is_not_judged()
    {
        Build();
        Directory.CreateDirectory($"{root}/usr/sbin");
        File.Move($"{root}/sbin/dropbear", $"{root}/usr/sbin/sshd");
        var (exit, envelope) = Preflight();
        Assert.Empty(Findings(envelope));
        Assert.Equal(3, exit);
        Assert.Contains("/usr/sbin/sshd", envelope.GetProperty("unknowns").ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Without_an_address_it_is_a_matter_of_DHCP()
    {
        Build();
        var ran = Lab.RunLotse("ssh", "preflight", root, "--cmdline", "quiet", "--json");
        Assert.Contains("ssh/initrd-no-address", Findings(JsonDocument.Parse(ran.Output).RootElement));
        Assert.Equal(1, ran.ExitCode);
    }

    private static string[] Findings(JsonElement envelope) => [.. envelope.GetProperty("findings").EnumerateArray().Select(f => f.GetProperty("id").GetString()!)];

    private (int Exit, JsonElement Envelope) Preflight()
    {
        var ran = Lab.RunLotse("ssh", "preflight", root, "--cmdline", "ip=10.0.0.2::10.0.0.1:255.255.255.0::eth0", "--json");
        Assert.True(ran.Output.Length > 0, ran.ErrorText);
        return (ran.ExitCode, JsonDocument.Parse(ran.Output).RootElement);
    }

    private void Build()
    {
        Lab.NeedsRoot();
        Lab.Needs("dropbear", "dropbearkey", "ssh-keygen", "ldd");
        foreach (var folder in new[] { "sbin", "bin", "etc/dropbear", "root-abc/.ssh", "cryptroot", "conf/conf.d" })
        {
            Directory.CreateDirectory($"{root}/{folder}");
        }

        File.WriteAllText($"{root}/init", "");
        File.Copy("/usr/sbin/dropbear", $"{root}/sbin/dropbear");
        foreach (var library in Lab.Run(Soon, "ldd", "/usr/sbin/dropbear").Text.Split((char[])[' ', '\n', '\t'], StringSplitOptions.RemoveEmptyEntries).Where(w => w.StartsWith('/')))
        {
            Directory.CreateDirectory(root + Path.GetDirectoryName(library));
            File.Copy(library, root + library, overwrite: true);
        }

        Assert.Equal(0, Lab.Run(Soon, "dropbearkey", "-t", "ed25519", "-f", $"{root}/etc/dropbear/dropbear_ed25519_host_key").ExitCode);
        Assert.Equal(0, Lab.Run(Soon, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", $"{root}/key").ExitCode);
        File.WriteAllText($"{root}/etc/passwd", "root:*:0:0::/root-abc:/bin/sh\n");
        File.WriteAllText($"{root}/etc/group", "root:x:0:\n");
        File.WriteAllText($"{root}/etc/nsswitch.conf", "passwd: files\n");
        File.Copy("/bin/true", $"{root}/bin/sh");
        File.WriteAllText($"{root}/bin/cryptroot-unlock", "#!/bin/sh\n");
        File.WriteAllText($"{root}/cryptroot/crypttab", "cryptroot UUID=1 none luks\n");
        File.WriteAllText($"{root}/conf/conf.d/dropbear", "DROPBEAR_OPTIONS=\"-I 180 -s\"\n");
        File.Copy($"{root}/key.pub", $"{root}/root-abc/.ssh/authorized_keys");
        Assert.Equal(0, Lab.Run(Soon, "chmod", "-R", "go-w", root).ExitCode);
        Assert.Equal(0, Lab.Run(Soon, "chmod", "700", $"{root}/root-abc", $"{root}/root-abc/.ssh").ExitCode);
    }
}
