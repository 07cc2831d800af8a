using System.Text.Json;
using Xunit;

namespace Lotse.LabTests;

/// <summary>The probe against real servers: what it says is what a login then finds.</summary>
public sealed class SshProbeTests : IDisposable
{
    private readonly SshLab lab = new();

    public void Dispose() => lab.Dispose();

    [Theory]
    [InlineData("KexAlgorithms curve25519-sha256")]
    [InlineData("KexAlgorithms ecdh-sha2-nistp256")]
    [InlineData("KexAlgorithms ecdh-sha2-nistp384")]
    [InlineData("KexAlgorithms ecdh-sha2-nistp521")]
    [InlineData("KexAlgorithms diffie-hellman-group14-sha256")]
    [InlineData("KexAlgorithms diffie-hellman-group14-sha1")]
    [InlineData("KexAlgorithms diffie-hellman-group16-sha512")]
    [InlineData("KexAlgorithms diffie-hellman-group1-sha1")]
    [InlineData("Ciphers aes192-ctr", "MACs hmac-sha2-256-etm@openssh.com")]
    [InlineData("Ciphers aes256-ctr", "MACs hmac-sha2-512")]
    [InlineData("Ciphers aes128-ctr", "MACs hmac-sha1")]
    [InlineData("Ciphers aes128-gcm@openssh.com")]
    [InlineData("Ciphers chacha20-poly1305@openssh.com")]
    [InlineData("HostKeyAlgorithms rsa-sha2-512")]
    [InlineData("HostKeyAlgorithms ecdsa-sha2-nistp256")]
    public void Speaks_what_a_server_may_be_reduced_to(params string[] settings)
    {
        var port = lab.Sshd(settings);
        var answer = lab.Probe(port, "ed25519", "rsa", "ecdsa");
        Assert.Equal(["ssh-ed25519", "rsa-sha2-512", null], answer.GetProperty("keys").EnumerateArray().Select(k => k.GetProperty("algorithm").GetString()));
        Assert.Equal(1, answer.GetProperty("connections").GetInt32());
    }

    /// <summary>What lotse does not speak itself is asked through the system's ssh, and the answer is the same.</summary>
    [Theory]
    [InlineData("KexAlgorithms diffie-hellman-group-exchange-sha256")]
    [InlineData("KexAlgorithms sntrup761x25519-sha512@openssh.com")]
    [InlineData("Ciphers aes128-ctr", "MACs umac-128@openssh.com")]
    public void Asks_ssh_where_it_cannot_itself(params string[] settings)
    {
        var port = lab.Sshd(settings);
        File.Copy(lab.At("ed25519.pub"), lab.At("my 100% key.pub"));
        var answer = lab.Probe(port, "my 100% key", "rsa", "ecdsa");
        Assert.Equal([true, true, false], answer.GetProperty("keys").EnumerateArray().Select(k => k.GetProperty("accepted").GetBoolean()));
        Assert.Equal("rsa-sha2-512", answer.GetProperty("keys")[1].GetProperty("algorithm").GetString());
        Assert.Equal(1, answer.GetProperty("connections").GetInt32());
    }

    /// <summary>ssh ends with the same status when the initrd goes away and when it does not get in: then nobody waits for a system that does not come.</summary>
    [Theory]
    [InlineData("ecdsa", "accept-new", "does not say what was tried")]
    [InlineData("ed25519", "yes", "host key is not known")]
    public void A_login_that_fails_unlocks_nothing(string key, string strict, string words)
    {
        var port = lab.Sshd();
        File.WriteAllText(lab.Config, lab.Block("box", port, key).Replace("accept-new", strict, StringComparison.Ordinal));
        var ran = Lab.Run(SshLab.Soon, "sh", "-c", "echo secret | exec \"$0\" ssh unlock box --timeout 600 --config \"$1\"", Lab.Lotse, lab.Config);
        Assert.Equal(3, ran.ExitCode);
        Assert.StartsWith("not unlocked: ssh did not get in", ran.Text, StringComparison.Ordinal);
        Assert.Contains(words, ran.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("65536")]
    public void What_is_no_port_is_told(string port)
    {
        var ran = Lab.RunLotse("ssh", "probe", "127.0.0.1", "--port", port);
        Assert.Equal(2, ran.ExitCode);
        Assert.Contains("is no port", ran.ErrorText, StringComparison.Ordinal);
    }

    /// <summary>With lotse's own transport, and where the system's ssh is asked.</summary>
    [Theory]
    [InlineData("KexAlgorithms curve25519-sha256")]
    [InlineData("KexAlgorithms diffie-hellman-group-exchange-sha256")]
    public void Opens_no_private_key(string setting)
    {
        Lab.Needs("strace");
        var port = lab.Sshd(setting);
        var trace = lab.At("trace");
        var ran = Lab.Run(SshLab.Soon, "strace", "-f", "-e", "trace=%file", "-o", trace, Lab.Lotse, "ssh", "probe", "127.0.0.1", "--port", $"{port}", "--user", "root", "--key", lab.At("ed25519.pub"), "--key", lab.At("rsa.pub"));
        Assert.True(ran.ExitCode == 0, ran.Text + ran.ErrorText);
        var opened = File.ReadAllText(trace);
        Assert.Contains("/ed25519.pub\"", opened, StringComparison.Ordinal);
        Assert.DoesNotContain(lab.At("ed25519") + "\"", opened, StringComparison.Ordinal);
        Assert.DoesNotContain(lab.At("rsa") + "\"", opened, StringComparison.Ordinal);
    }

    /// <summary>Neither OpenSSL's library: in a static binary, on a system with another C library, loading it would end the program.</summary>
    [Fact]
    public void Does_its_cryptography_itself()
    {
        Lab.Needs("strace");
        foreach (var setting in new[] { "HostKeyAlgorithms ssh-rsa", "HostKeyAlgorithms rsa-sha2-512", "HostKeyAlgorithms ecdsa-sha2-nistp256", "KexAlgorithms ecdh-sha2-nistp521", "KexAlgorithms diffie-hellman-group14-sha256", "Ciphers aes256-gcm@openssh.com" })
        {
            var port = lab.Sshd(setting);
            var trace = lab.At("trace");
            var ran = Lab.Run(SshLab.Soon, "strace", "-f", "-e", "trace=openat", "-o", trace, Lab.Lotse, "ssh", "probe", "127.0.0.1", "--port", $"{port}", "--user", "root", "--key", lab.At("ed25519.pub"));
            Assert.True(ran.ExitCode == 0, ran.Text + ran.ErrorText);
            Assert.DoesNotContain("libssl", File.ReadAllText(trace), StringComparison.Ordinal);
            Assert.DoesNotContain("libcrypto", File.ReadAllText(trace), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Does_not_use_up_the_patience_of_a_server()
    {
        var port = lab.Sshd("MaxAuthTries 6");
        foreach (var i in Enumerable.Range(0, 8))
        {
            lab.Key($"stranger{i}", "ed25519");
        }

        var answer = lab.Probe(port, [.. Enumerable.Range(0, 8).Select(i => $"stranger{i}")]);
        Assert.Equal(4, answer.GetProperty("queries").GetInt32());
        Assert.Equal([false, false, false, false, null, null, null, null], answer.GetProperty("keys").EnumerateArray().Select(k => k.GetProperty("accepted").ValueKind == JsonValueKind.Null ? (bool?)null : k.GetProperty("accepted").GetBoolean()));
    }

    [Fact]
    public void Dropbear_is_asked_as_well()
    {
        var answer = lab.Probe(lab.Dropbear(), "ed25519");
        Assert.StartsWith("SSH-2.0-dropbear_", answer.GetProperty("banner").GetString(), StringComparison.Ordinal);
        Assert.Contains("rsa-sha2-256", answer.GetProperty("server_sig_algs").EnumerateArray().Select(a => a.GetString()));
        Assert.NotEqual(JsonValueKind.Null, answer.GetProperty("keys")[0].GetProperty("accepted").ValueKind);
    }

    /// <summary>The server's list names more than its configuration takes: only asking tells.</summary>
    [Fact]
    public void A_server_that_takes_less_than_it_lists_is_found_out()
    {
        var port = lab.Sshd("PubkeyAcceptedAlgorithms ssh-rsa");
        var answer = lab.Probe(port, "rsa");
        Assert.Contains("rsa-sha2-512", answer.GetProperty("server_sig_algs").EnumerateArray().Select(a => a.GetString()));
        Assert.Equal("ssh-rsa", answer.GetProperty("keys")[0].GetProperty("algorithm").GetString());
        File.WriteAllText(lab.Config, lab.Block("old", port, "rsa"));
        Assert.Equal("ssh/sig-sha1-only-server", Why("old"));
        Assert.NotEqual(0, lab.Login("old").ExitCode);
    }

    /// <summary>What is said of a host before anybody tries is what the try then comes to.</summary>
    [Theory]
    [InlineData(null, "ed25519")]
    [InlineData(null, "rsa")]
    [InlineData("ssh/server-refused-key", "ecdsa")]
    [InlineData("ssh/kex-none", "ed25519", "KexAlgorithms diffie-hellman-group14-sha1")]
    [InlineData("ssh/cipher-none", "ed25519", "Ciphers aes128-cbc")]
    [InlineData("ssh/hostkey-sha1-only-server", "ed25519", "HostKeyAlgorithms ssh-rsa")]
    [InlineData("ssh/server-refused-key", "rsa", "PubkeyAcceptedAlgorithms ssh-ed25519")]
    [InlineData("ssh/server-refused-key", "ed25519", "AllowUsers nobody")]
    public void Why_a_host_fails_is_what_the_login_finds(string? id, string key, params string[] settings)
    {
        var port = lab.Sshd(settings);
        File.WriteAllText(lab.Config, lab.Block("box", port, key));
        Assert.Equal(id, Why("box"));
        Assert.Equal(id is null, lab.Login("box").ExitCode == 0);
    }

    [Fact]
    public void Why_a_host_fails_of_the_client_s_own_doing()
    {
        var port = lab.Sshd();
        File.WriteAllText(lab.Config, lab.Block("box", port, "rsa") + "    PubkeyAcceptedKeyTypes ssh-rsa\n" + lab.Block("modes", port, "ed25519") + lab.Block("changed", port, "ed25519").Replace("accept-new", "yes", StringComparison.Ordinal) + "    HostKeyAlias another\n");
        Assert.Equal("ssh/sig-sha1-forced-by-client", Why("box"));
        File.SetUnixFileMode(lab.At("ed25519"), UnixFileMode.UserRead | UnixFileMode.OtherRead);
        Assert.Equal("ssh/private-key-modes", Why("modes"));
        Assert.NotEqual(0, lab.Login("modes").ExitCode);
        File.SetUnixFileMode(lab.At("ed25519"), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        File.WriteAllText(lab.At("known"), "another " + File.ReadAllText(lab.At("ed25519.pub")));
        Assert.Equal("ssh/hostkey-changed", Why("changed"));
        Assert.NotEqual(0, lab.Login("changed").ExitCode);
        SshLab.Must("ssh-keygen", "-q", "-H", "-f", lab.At("known"));
        Assert.Equal("ssh/hostkey-changed", Why("changed"));
        File.WriteAllText(lab.Config, "Host gone\n    HostName 127.0.0.1\n    Port " + Lab.FreePort() + "\nHost bad\n    Ciphers +arcfour\n");
        Assert.Equal("ssh/config-bad-value", Why("gone"));
        File.WriteAllText(lab.Config, "Host gone\n    HostName 127.0.0.1\n    Port " + Lab.FreePort() + "\n");
        Assert.Equal("ssh/connection-refused", Why("gone"));
    }

    /// <summary>Through a command, one jump host and two: their blocks are those of the same configuration. A path that a shell could take for more is not handed to one.</summary>
    [Fact]
    public void Behind_jump_hosts_ssh_is_asked()
    {
        var port = lab.Sshd();
        File.WriteAllText(
            lab.Config, lab.Block("inner", port, "ed25519") + $"    ProxyCommand ssh -F {lab.Config} -W %h:%p jump\n" + lab.Block("one", port, "ed25519") + "    ProxyJump jump\n" + lab.Block("two", port, "rsa") + "    ProxyJump jump,second\n"
            + lab.Block("refused", port, "ecdsa") + "    ProxyJump jump\n" + lab.Block("jump", port, "ed25519") + lab.Block("second", port, "ed25519"));
        Assert.Null(Why("inner"));
        Assert.Null(Why("one"));
        Assert.Null(Why("two"));
        Assert.Equal("ssh/server-refused-key", Why("refused"));
        var odd = lab.At("co;touch${IFS}trap;nfig");
        File.Copy(lab.Config, odd);
        var refused = Lab.RunLotse("ssh", "why", "one", "--config", odd);
        Assert.Contains("cannot be handed to a shell", refused.Text + refused.ErrorText, StringComparison.Ordinal);
        Assert.False(File.Exists("trap"));
    }

    /// <summary>The audit says of each host what a client of that version then finds, from what the probes have kept.</summary>
    [Fact]
    public void The_audit_knows_what_an_upgrade_breaks()
    {
        var port = lab.Old();
        File.WriteAllText(lab.Config, lab.Block("old", port, "rsa") + "    HostKeyAlgorithms +ssh-rsa\n    PubkeyAcceptedKeyTypes +ssh-rsa\n" + lab.Block("fresh", lab.Sshd(), "ed25519") + lab.Block("never", 1, "ed25519"));
        Assert.Null(Why("old"));
        Assert.Null(Why("fresh"));
        File.WriteAllText(lab.Config, File.ReadAllText(lab.Config).Replace("    PubkeyAcceptedKeyTypes +ssh-rsa\n", "", StringComparison.Ordinal));
        var audit = SshLab.Json("ssh", "audit", "--client-version", "10.0", "--config", lab.Config);
        var hosts = audit.GetProperty("answer").GetProperty("hosts").EnumerateArray().ToDictionary(h => h.GetProperty("host").GetString()!, h => (h.GetProperty("now").GetString(), h.GetProperty("then").GetString(), h.GetProperty("cause").GetString()));
        Assert.Equal(("fails", "fails", "sig-sha1-only-server"), hosts["old"]);
        Assert.Equal(("works", "works", null), hosts["fresh"]);
        Assert.Equal(("unknown", "unknown", null), hosts["never"]);
        Assert.Contains(audit.GetProperty("findings").EnumerateArray(), f => f.GetProperty("id").GetString() == "ssh/sig-sha1-only-server" && f.GetProperty("subject").ToString().Contains("old", StringComparison.Ordinal));
        var earlier = SshLab.Json("ssh", "audit", "--client-version", "8.4", "--config", lab.Config).GetProperty("answer").GetProperty("hosts").EnumerateArray().First(h => h.GetProperty("host").GetString() == "old");
        Assert.Equal("works", earlier.GetProperty("then").GetString());
    }

    /// <summary>Hosts of every kind at once: in Match, behind a jump host, down, unknown, with a broken answer in the cache, among patterns; none keeps the others from being judged, and nothing that was not asked is called fine.</summary>
    [Fact]
    public void The_audit_asks_hosts_of_every_kind()
    {
        var port = lab.Sshd();
        var options = lab.Block("x", port, "ed25519")["Host x\n".Length..];
        File.WriteAllText(
            lab.Config, $"Host down\n    HostName 127.0.0.1\n    Port {Lab.FreePort()}\nHost nowhere.invalid *.example !not.example\n    User me\nMatch host matched,same.invalid\n{options}Match originalhost typed exec \"true\"\n{options}"
            + lab.Block("behind", port, "ed25519") + "    ProxyJump jump\n" + lab.Block("jump", port, "ed25519") + lab.Block("cert", port, "rsa") + lab.Block("refused", port, "ecdsa") + "Host *\n    ServerAliveInterval 30\n");
        string[] ask = ["ssh", "audit", "--probe", "--client-version", "10.6", "--config", lab.Config, "--timeout", "5"];
        var hosts = Audited(ask, out var unknowns);
        Assert.Equal(["works", "works", "works"], new[] { "matched", "behind", "cert" }.Select(h => hosts.GetValueOrDefault(h)));

        // The same login under another name is told once.
        Assert.DoesNotContain("typed", hosts.Keys);
        Assert.DoesNotContain("jump", hosts.Keys);
        Assert.NotEqual("works", hosts["refused"]);
        Assert.All(["down", "nowhere.invalid"], h => Assert.Equal("unknown", hosts[h]));
        Assert.Contains("connection refused", unknowns, StringComparison.Ordinal);
        Assert.DoesNotContain(hosts.Keys, h => h.Contains('*', StringComparison.Ordinal) || h.Contains('!', StringComparison.Ordinal));

        // Answers that are cut off, are no JSON or belong to another server count as none.
        var cache = (Environment.GetEnvironmentVariable("XDG_CACHE_HOME") ?? Environment.GetEnvironmentVariable("HOME") + "/.cache") + "/lotse/ssh";
        foreach (var file in Directory.EnumerateFiles(cache, "*.json").Where(f => File.ReadAllText(f).Contains($":{port}\"", StringComparison.Ordinal)).ToArray())
        {
            File.WriteAllText(file, File.ReadAllText(file)[..40]);
        }

        Assert.Equal("unknown", Audited([.. ask.Where(a => a != "--probe")], out _)["matched"]);
    }

    private static Dictionary<string, string> Audited(string[] arguments, out string unknowns)
    {
        var audit = SshLab.Json(arguments);
        unknowns = audit.GetProperty("unknowns").ToString();
        return audit.GetProperty("answer").GetProperty("hosts").EnumerateArray().ToDictionary(h => h.GetProperty("host").GetString()!, h => h.GetProperty("then").GetString()!);
    }

    private string? Why(string host)
    {
        var findings = SshLab.Json("ssh", "why", host, "--config", lab.Config).GetProperty("findings");
        return findings.GetArrayLength() == 0 ? null : findings[0].GetProperty("id").GetString();
    }
}
