using Xunit;

namespace Lotse.LabTests;

/// <summary>The planned block against real servers: with it the login works, without any one of its options it does not, and what was there before comes back.</summary>
public sealed class SshPlanTests : IDisposable
{
    private readonly SshLab lab = new();

    public void Dispose() => lab.Dispose();

    [Theory]
    [InlineData("ed25519", "KexAlgorithms +diffie-hellman-group14-sha1", "KexAlgorithms diffie-hellman-group14-sha1,diffie-hellman-group1-sha1")]
    [InlineData("ed25519", "MACs +hmac-sha1-96", "Ciphers 3des-cbc,aes128-cbc", "MACs hmac-sha1-96")]
    [InlineData("ed25519", "HostKeyAlgorithms +ssh-rsa", "HostKeyAlgorithms ssh-rsa")]
    [InlineData("rsa", "PubkeyAcceptedKeyTypes ^ssh-rsa", "PubkeyAcceptedAlgorithms ssh-rsa")]
    public void Is_what_the_login_needs(string key, string option, params string[] settings) => Cures(lab.Sshd(settings), key, option);

    [Fact]
    public void Lets_this_client_into_an_old_server() => Cures(lab.Old(), "rsa", "PubkeyAcceptedKeyTypes +ssh-rsa");

    private void Cures(int port, string key, string option)
    {
        File.WriteAllText(lab.Config, "Host other.example\n    Port 1\n" + lab.Block("old", port, key));
        var before = File.ReadAllBytes(lab.Config);
        Assert.NotEqual(0, lab.Login("old").ExitCode);
        var plan = Path.Combine(Directory.CreateDirectory(lab.At("plans")).FullName, "plan.json");
        var planned = Lab.RunLotse("ssh", "plan", "old", "--config", lab.Config, "-o", plan);
        Assert.True(planned.ExitCode == 0, planned.Text + planned.ErrorText);
        Assert.Contains(option, planned.Text, StringComparison.Ordinal);
        var applied = Lab.RunLotse("apply", plan);
        Assert.True(applied.ExitCode == 0, applied.Text + applied.ErrorText);
        Assert.Contains("the login works", applied.Text, StringComparison.Ordinal);
        var login = lab.Login("old");
        Assert.True(login.ExitCode == 0, login.ErrorText + File.ReadAllText(lab.Config));

        // Each option is needed, and each name in it.
        var lines = File.ReadAllLines(lab.Config);
        foreach (var line in lines.TakeWhile(l => !l.StartsWith("# end", StringComparison.Ordinal)).Where(l => l.StartsWith("    ", StringComparison.Ordinal)))
        {
            Assert.DoesNotContain(',', line);
            File.WriteAllLines(lab.At("without"), lines.Where(l => l != line));
            Assert.NotEqual(0, lab.Login("old", lab.At("without")).ExitCode);
        }

        Assert.Equal(0, Lab.RunLotse("undo").ExitCode);
        Assert.Equal(before, File.ReadAllBytes(lab.Config));
    }

    /// <summary>A block with which the server still says no is put back: the proof is a login, not a promise.</summary>
    [Fact]
    public void Is_put_back_when_the_login_still_fails()
    {
        var port = lab.Sshd("KexAlgorithms diffie-hellman-group14-sha1");
        File.WriteAllText(lab.Config, lab.Block("old", port, "ed25519"));
        var before = File.ReadAllBytes(lab.Config);
        Assert.Equal(0, Lab.RunLotse("ssh", "plan", "old", "--config", lab.Config, "-o", lab.At("plan.json")).ExitCode);
        File.WriteAllText(lab.At("authorized"), "");
        var applied = Lab.RunLotse("apply", lab.At("plan.json"));
        Assert.Equal(5, applied.ExitCode);
        Assert.Equal(before, File.ReadAllBytes(lab.Config));
    }

    /// <summary>An initrd's Dropbear and the system's sshd at one address: each under its own name, each checked by its own key.</summary>
    [Fact]
    public void The_initrd_gets_a_name_of_its_own()
    {
        var sshd = lab.Sshd();
        File.WriteAllText(lab.Config, lab.Block("box", sshd, "ed25519").Replace("accept-new", "yes", StringComparison.Ordinal));
        var dropbear = lab.Dropbear();
        File.WriteAllText(lab.At("known"), $"[127.0.0.1]:{sshd},[127.0.0.1]:{dropbear} {File.ReadAllText(lab.Key("host_ed25519", "ed25519") + ".pub")}");
        Assert.Equal(0, lab.Login("box").ExitCode);
        var printed = Lab.Run(SshLab.Soon, "dropbearkey", "-y", "-f", lab.At("dropbear_host"));
        File.WriteAllBytes(lab.At("initrd.keys"), printed.Output);
        var (before, known) = (File.ReadAllText(lab.Config), File.ReadAllText(lab.At("known")));
        var planned = Lab.RunLotse("ssh", "plan", "box", "--initrd", "--initrd-keys", lab.At("initrd.keys"), "--server", "dropbear:2022.83", "--config", lab.Config, "-o", lab.At("plan.json"));
        Assert.True(planned.ExitCode == 0, planned.Text + planned.ErrorText);
        var applied = Lab.RunLotse("apply", lab.At("plan.json"));
        Assert.True(applied.ExitCode == 0, applied.Text + applied.ErrorText);
        Assert.Equal(0, lab.Login("box").ExitCode);

        // At the same address now answers the initrd.
        var booting = lab.At("config-booting");
        File.WriteAllText(booting, File.ReadAllText(lab.Config).Replace($"Port {sshd}", $"Port {dropbear}", StringComparison.Ordinal) + $"Host *\n    IdentityFile {lab.At("ed25519")}\n    UserKnownHostsFile {lab.At("known")}\n    StrictHostKeyChecking yes\n    BatchMode yes\n");
        var initrd = Lab.Run(SshLab.Soon, "ssh", "-v", "-F", booting, "box-initrd", "true");
        Assert.Contains("Host 'box-initrd' is known and matches", initrd.ErrorText, StringComparison.Ordinal);
        Assert.Contains("REMOTE HOST IDENTIFICATION HAS CHANGED", lab.Login("box", booting).ErrorText, StringComparison.Ordinal);
        Assert.Equal(0, Lab.RunLotse("undo").ExitCode);
        Assert.Equal((before, known), (File.ReadAllText(lab.Config), File.ReadAllText(lab.At("known"))));
    }
}
