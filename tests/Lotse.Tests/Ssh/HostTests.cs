using System.Buffers.Binary;
using System.Text;
using Lotse.Hosts;
using Lotse.Ssh;
using Lotse.Ssh.Logs;
using Lotse.Ssh.Transport;
using Xunit;

namespace Lotse.Tests.Ssh;

/// <summary>What would become of a login, from what a server says; and what is kept of it.</summary>
public class HostTests
{
    private static readonly PublicKey Ed25519 = PublicKey.Parse("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHVJ2J8vB0hVQ8w0cU5kq1b8yHAgfBdlU6bqvYqzT7dW me")!;
    private static readonly PublicKey Other = PublicKey.Parse("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILVJ2J8vB0hVQ8w0cU5kq1b8yHAgfBdlU6bqvYqzT7dW you")!;

    [Theory]
    [InlineData("a,b,c", "a,b,c", null)]
    [InlineData("a,b,c", "a,b,c,d", "+d")]
    [InlineData("a,b,c", "a,c", "-b")]
    [InlineData("a,b,c", "d,c,a,b", "^d,c")]
    [InlineData("a,b,c", "c,b", "c,b")]
    [InlineData("a,b,c", "", "-a,b,c")]
    public void A_list_tells_how_it_was_made(string defaults, string list, string? change)
    {
        string[] before = defaults.Split(','), after = list.Split(',', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(change, AlgorithmList.Change(before, after));
        Assert.Equal(after, change is null ? before : AlgorithmList.Apply(before, change));
    }

    /// <summary>What the configuration added stays; what the release took away goes.</summary>
    [Fact]
    public void An_upgraded_client_keeps_what_was_configured()
    {
        var now = ClientModel.Defaults(new(8, 4)).With([new("KexAlgorithms", "+diffie-hellman-group14-sha1")]);
        var then = now.Upgraded(new(10, 0), ClientModel.Defaults(new(8, 4)));
        Assert.Contains("diffie-hellman-group14-sha1", then.Kex);
        Assert.Contains("ssh-rsa", now.UserKeys);
        Assert.DoesNotContain("ssh-rsa", then.UserKeys);
        Assert.Null(then.Refused);
    }

    /// <summary>Who has prepared for the upgrade is not warned: of names that this version has by default, ssh -G does not show that they were added.</summary>
    [Theory]
    [InlineData("+ssh-rsa", "+ssh-rsa", "works")]
    [InlineData("+ssh-rsa", null, "fails")]
    [InlineData(null, null, "fails")]
    public void What_the_configuration_adds_counts_after_an_upgrade(string? hostKeys, string? userKeys, string then)
    {
        using var rsa = System.Security.Cryptography.RSA.Create(2048);
        var parts = rsa.ExportParameters(false);
        var key = PublicKey.Parse("ssh-rsa " + Convert.ToBase64String(new SshWriter().String("ssh-rsa").Mpint(parts.Exponent!).Mpint(parts.Modulus!).ToArray()))!;
        var block = new SshConfigLine(1, "host", "old", null);
        ConfiguredOption[] options = [.. new (string Keyword, string? Value)[] { ("hostkeyalgorithms", hostKeys), ("pubkeyacceptedkeytypes", userKeys) }.Where(o => o.Value is not null).Select(o => new ConfiguredOption("/c", 2, o.Keyword, o.Value!) { Block = block })];
        var server = new ProbeFacts
        {
            Address = "192.0.2.1:22",
            User = "me",
            Banner = "SSH-2.0-dropbear_2018.76",
            Kex = ["curve25519-sha256"],
            HostKeys = ["ssh-rsa"],
            Ciphers = ["aes128-ctr"],
            Macs = ["hmac-sha2-256"],
            Keys = [new("/k.pub", "ssh-rsa", true, "ssh-rsa", [])],
        };
        var target = new SshTarget("old", null, "192.0.2.1", 22, "me", [new("/k", "/k.pub", key, 0x180)]);
        var facts = new SshAuditFacts(new(8, 4), new(9, 2), [new(target, new CachedProbe("old", DateTimeOffset.UnixEpoch, server))], options, 0, ClientModel.Defaults(new(8, 4)), DateTimeOffset.UnixEpoch);
        var answer = Assert.Single(((AuditAnswers)SshAudit.Of(facts).Answer!.Value).Hosts);
        Assert.Equal(("works", then), (answer.Now, answer.Then));

        // What was said long ago is no certainty: the age is told, and that one may ask again.
        var late = SshAudit.Of(facts with { Today = DateTimeOffset.UnixEpoch.AddDays(400) });
        Assert.Contains(", 400 days ago", late.Reasons[0].Seen[0].ToString(), StringComparison.Ordinal);
        Assert.Equal(then == "works", late.Unknowns.Any(u => u.ToString().Contains("400 days ago", StringComparison.Ordinal)));
        Assert.DoesNotContain(SshAudit.Of(facts).Unknowns, u => u.ToString().Contains("days ago", StringComparison.Ordinal));
    }

    /// <summary>A server that takes the certificate and not the key lets its owner in.</summary>
    [Theory]
    [InlineData(true, false, LoginStage.Ok, null)]
    [InlineData(false, false, LoginStage.Rejected, "server-refused-cert")]
    [InlineData(true, true, LoginStage.KeySkipped, "client-policy-key-type")]
    public void A_certificate_is_judged_by_what_the_server_says(bool accepted, bool keptBack, string stage, string? cause)
    {
        const string Type = "ssh-ed25519-cert-v01@openssh.com";
        var blob = Field(Type).Concat(Field("a nonce")).Concat(Field(new string('k', 32))).Concat(new byte[8]).ToArray();
        var certificate = new PublicKey(Type, blob, "");
        var key = new PublicKey("ssh-ed25519", [.. Field("ssh-ed25519"), .. Field(new string('k', 32))], "");
        Assert.True(certificate.Certifies(key));
        Assert.False(certificate.Certifies(new("ssh-ed25519", [.. Field("ssh-ed25519"), .. Field(new string('x', 32))], "")));

        var client = ClientModel.Defaults(new(9, 2));
        client = keptBack ? client with { UserKeys = ["ssh-ed25519"] } : client;
        SshIdentity[] identities = [new("/k", "/k-cert.pub", certificate, 0x180), new("/k", "/k.pub", key, 0x180)];
        var probe = Probe([new("/k-cert.pub", Type, accepted, accepted ? Type : null, []), new("/k.pub", "ssh-ed25519", false, null, ["ssh-ed25519"])]);
        var answers = HostDiagnosis.Judge(client, probe, identities).Keys;
        Assert.Equal((stage, cause, "/k-cert.pub"), (answers[0].Stage, answers[0].Cause, answers[0].File));
        Assert.Equal(LoginStage.Rejected, answers[1].Stage);
    }

    /// <summary>Who runs <c>ssh -G</c> runs these.</summary>
    [Theory]
    [InlineData("Match exec \"test -e /x\"", true)]
    [InlineData("Match host box !exec false", true)]
    [InlineData("match Exec=true", true)]
    [InlineData("Match host exec.example", false)]
    [InlineData("Host exec", false)]
    public void Commands_of_a_configuration_are_known_before_they_are_run(string line, bool runs)
    {
        var root = Directory.CreateTempSubdirectory("lotse-config-").FullName;
        try
        {
            Directory.CreateDirectory(root + "/home/me/.ssh/config.d");
            File.WriteAllText(root + "/home/me/.ssh/config", "Include config.d/*\n");
            File.WriteAllText(root + "/home/me/.ssh/config.d/a", $"# first\n{line}\n  User x\n");
            using var host = FolderHost.Open(root).Value;
            var commands = SshConfigFiles.Commands(host, "/home/me", null);
            Assert.Equal(runs, commands is [{ File: "/home/me/.ssh/config.d/a", Line: 2 }]);
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private static byte[] Field(string text)
    {
        var length = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(length, text.Length);
        return [.. length, .. Encoding.ASCII.GetBytes(text)];
    }

    /// <summary>A block that comes first replaces what later ones set of the same option: its value has to hold theirs.</summary>
    [Fact]
    public void What_other_blocks_add_is_not_lost()
    {
        var defaults = ClientModel.Defaults(new(9, 2));
        var configured = defaults.With([new("PubkeyAcceptedKeyTypes", "+ssh-dss")]);
        KeyValuePair<string, string>[] needed = [new("PubkeyAcceptedKeyTypes", "+ssh-rsa")];
        Assert.Equal("+ssh-dss,ssh-rsa", Assert.Single(SshPlan.Written(defaults, configured.With(needed), needed)).Value);
        Assert.Equal("+ssh-rsa", Assert.Single(SshPlan.Written(defaults, defaults.With(needed), needed)).Value);
    }

    [Theory]
    [InlineData("box.example ", "box.example", true)]
    [InlineData("box.example,192.0.2.7 ", "192.0.2.7", true)]
    [InlineData("*.example,!box.example ", "box.example", false)]
    [InlineData("[box.example]:2222 ", "[box.example]:2222", true)]
    [InlineData("[box.example]:2222 ", "box.example", false)]
    [InlineData("[*.example]:2222 ", "[box.example]:2222", true)]
    [InlineData("@cert-authority *.example ", "box.example", true)]
    [InlineData("@revoked * ", "[box.example]:2222", true)]
    [InlineData("Box.Example ", "box.example", true)]
    [InlineData("|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y= ", "192.168.1.61", false)]
    [InlineData("|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= ", "192.168.1.61", true)]
    [InlineData("|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= ", "192.168.1.62", false)]
    public void A_line_of_known_hosts_is_for_a_name(string names, string name, bool fits) =>
        Assert.Equal(fits, Assert.Single(KnownHost.Read("# a comment\n\n" + names + $"{Ed25519.Type} {Convert.ToBase64String(Ed25519.Blob)} me\n")).IsFor(name));

    [Theory]
    [InlineData("SSH-2.0-OpenSSH_10.0p2", "192.0.2.7:22", 1, 2, 3)]
    [InlineData("SSH-2.0-OpenSSH_10.0p2", "192.0.2.7:22", 1, 6, 0)]
    [InlineData("SSH-2.0-OpenSSH_10.0p2", "192.0.2.7:22", 0, 2, 0)]
    [InlineData("SSH-2.0-OpenSSH_9.2p1", "192.0.2.7:22", 1, 2, 0)]
    [InlineData("SSH-2.0-dropbear_2022.83", "192.0.2.7:22", 1, 2, 0)]
    [InlineData("SSH-2.0-OpenSSH_10.0p2", "127.0.0.1:22", 1, 2, 0)]
    public void A_server_that_counts_is_not_asked_too_often(string banner, string address, int queries, int seconds, int wait)
    {
        var asked = new DateTimeOffset(2026, 11, 25, 12, 0, 0, TimeSpan.Zero);
        Assert.Equal(TimeSpan.FromSeconds(wait), new CachedProbe("box", asked, Probe([]) with { Banner = banner, Address = address, Queries = queries }).Wait(asked + TimeSpan.FromSeconds(seconds)));
    }

    [Fact]
    public void What_is_kept_of_other_keys_stays_with_the_same_server()
    {
        var older = new CachedProbe("box", default, Probe([new("a.pub", "ssh-ed25519", true, "ssh-ed25519", []), new("b.pub", "ssh-ed25519", true, "ssh-ed25519", [])]));
        var newer = new CachedProbe("box", default, Probe([new("b.pub", "ssh-ed25519", false, null, ["ssh-ed25519"])]));
        Assert.Equal([("b.pub", false), ("a.pub", true)], newer.Over(older).Facts.Keys.Select(k => (k.File, k.Accepted!.Value)));
        Assert.Single((newer with { Facts = newer.Facts with { Banner = "SSH-2.0-OpenSSH_9.9" } }).Over(older).Facts.Keys);
    }

    [Theory]
    [InlineData(true, 384, "known", "ok")]
    [InlineData(true, 384, "none", "ok")]
    [InlineData(true, 420, "known", "private-key-modes")]
    [InlineData(true, null, "known", "identity-missing")]
    [InlineData(true, 384, "changed", "hostkey-changed")]
    [InlineData(true, 384, "revoked", "hostkey-revoked")]
    [InlineData(false, 384, "known", "server-refused-key")]
    [InlineData(null, 384, "known", null)]
    public void The_cause_is_found(bool? accepted, int? mode, string known, string? cause)
    {
        KnownHost[] lines = known switch { "none" => [], "changed" => [new(1, "", "box", Other)], "revoked" => [new(1, "@revoked", "*", Ed25519)], _ => [new(1, "", "box", Ed25519)] };
        var probe = Probe([new("id.pub", "ssh-ed25519", accepted, accepted == true ? "ssh-ed25519" : null, accepted == false ? ["ssh-ed25519"] : [])]);
        var report = HostDiagnosis.Of(new(new("box", null, "box", 22, "me", [new("id", "id.pub", Ed25519, mode)]), new(9, 2), probe, lines, "box"));
        Assert.Equal(cause, ((HostAnswer)report.Answer!.Value).Cause);
        Assert.Equal(cause is null or Conclusion.Worked, report.Findings.Length == 0);
        Assert.Equal(cause is null or "server-refused-key", report.Unknowns.Length > 0);
    }

    /// <summary>What known_hosts says counts as ssh makes it count: StrictHostKeyChecking, a port, an authority, a mark.</summary>
    [Theory]
    [InlineData("", "ask", "ok")]
    [InlineData("", "true", "hostkey-unknown")]
    [InlineData("[box]:2222 ssh-ed25519 other", "ask", "hostkey-changed")]
    [InlineData("[box]:2222 ssh-ed25519 other", "false", "ok")]
    [InlineData("box ssh-ed25519 same", "true", "ok")]
    [InlineData("box ssh-ed25519 other", "true", "hostkey-unknown")]
    [InlineData("@cert-authority *box*:2222 ssh-ed25519 other\n[box]:2222 ssh-ed25519 other", "true", "ok")]
    [InlineData("@revoked *box* ssh-ed25519 same\n[box]:2222 ssh-ed25519 same", "false", "hostkey-revoked")]
    public void Known_hosts_counts_as_ssh_counts_it(string known, string strict, string cause)
    {
        string Line(PublicKey key) => Convert.ToBase64String(key.Blob);
        var root = Directory.CreateTempSubdirectory("lotse-known-").FullName;
        try
        {
            File.WriteAllText(root + "/known_hosts", known.Replace("same", Line(Ed25519), StringComparison.Ordinal).Replace("other", Line(Other), StringComparison.Ordinal));
            using var host = FolderHost.Open(root).Value;
            var settings = new SshSettings(new()
            {
                ["stricthostkeychecking"] = [strict],
                ["userknownhostsfile"] = ["/known_hosts"],
                ["kexalgorithms"] = ["curve25519-sha256"],
                ["hostkeyalgorithms"] = ["ssh-ed25519"],
                ["ciphers"] = ["aes128-ctr"],
                ["macs"] = ["hmac-sha2-256"],
                ["pubkeyacceptedalgorithms"] = ["ssh-ed25519"],
            }, "");
            var probe = Probe([new("id.pub", "ssh-ed25519", true, "ssh-ed25519", [])]) with { HostKeys = ["ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com"] };
            var facts = SshHostFacts.Read(host, new("box", settings, "box", 2222, "me", [new("id", "id.pub", Ed25519, 0x180)]), "/root", new(9, 2), probe);
            Assert.Equal(cause, ((HostAnswer)HostDiagnosis.Of(facts).Answer!.Value).Cause);
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    /// <summary>Hosts behind a pattern are not known by name: that is an unknown, and no "nothing will fail".</summary>
    [Fact]
    public void Hosts_of_patterns_alone_are_not_known()
    {
        var report = SshAudit.Of(new(new(9, 2), new(10, 0), [], [], 0, ClientModel.Defaults(new(9, 2)), DateTimeOffset.UnixEpoch) { Patterns = ["*.lab.example"] });
        Assert.Contains("*.lab.example", Assert.Single(report.Unknowns).ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHVJ2J8vB0hVQ8w0cU5kq1b8yHAgfBdlU6bqvYqzT7dW root@box\nFingerprint: SHA256:abc\n")]
    [InlineData("box ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHVJ2J8vB0hVQ8w0cU5kq1b8yHAgfBdlU6bqvYqzT7dW\n")]
    public void The_keys_of_an_initrd_are_read_as_they_are_printed(string text) => Assert.Equal(Ed25519.Fingerprint, Assert.Single(InitrdServer.OfText("Public key portion is:\n" + text)).Fingerprint);

    private static ProbeFacts Probe(ProbedKey[] keys) => new()
    {
        Address = "box:22",
        User = "me",
        Banner = "SSH-2.0-OpenSSH_9.2p1",
        Kex = ["curve25519-sha256"],
        HostKeys = ["ssh-ed25519"],
        Ciphers = ["aes128-ctr"],
        Macs = ["hmac-sha2-256"],
        ServerSigAlgs = ["ssh-ed25519", "rsa-sha2-512"],
        HostKeyType = "ssh-ed25519",
        HostKeyFingerprint = Ed25519.Fingerprint,
        Keys = keys,
        Connections = 1,
        Queries = keys.Length,
    };
}
