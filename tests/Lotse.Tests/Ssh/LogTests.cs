using System.Text;
using CsCheck;
using Lotse.Ssh;
using Lotse.Ssh.Logs;
using Xunit;

namespace Lotse.Tests.Ssh;

/// <summary>
/// Real logs of OpenSSH 7.5 to 10.6 against real servers, each with the cause that was arranged
/// (tests/data/ssh/logs/manifest.tsv: log, server's log, client, verbosity, cause).
/// </summary>
public class LogTests
{
    private static readonly string Folder = Environment.GetEnvironmentVariable("LOTSE_SSH_LOGS") ?? LotseProgram.Data("ssh", "logs");

    [Fact]
    public void The_cause_is_found_or_the_client_cannot_know()
    {
        var wrong = new StringBuilder();
        foreach (var row in Rows())
        {
            var found = LogDiagnosis.Of(Read(row[0]));
            var cause = row[4];
            var proves = cause == Conclusion.Worked ? [] : CauseCatalogue.Find(cause).Proves;
            var right = cause == Conclusion.Worked ? found.Cause is Conclusion.Worked || (found.Cause is null && row[3] == "(none)")
                : found.Alternatives.Contains(cause) && (proves.Contains(found.Cause) || found.Alternatives.Length > 1);
            if (!right)
            {
                wrong.AppendLine($"{row[0]}: {cause}, not {found.Cause} ({found.Certainty}; {string.Join(' ', found.Alternatives)})");
            }
        }

        Assert.True(wrong.Length == 0, wrong.ToString());
    }

    [Fact]
    public void Nothing_ambiguous_is_called_proven()
    {
        foreach (var row in Rows().Where(r => r[4] != Conclusion.Worked))
        {
            var found = LogDiagnosis.Of(Read(row[0]));
            Assert.False(found is { Certainty: Certainty.Proven, Alternatives.Length: 1 } && found.Alternatives[0] != row[4], $"{row[0]}: {row[4]} is called {found.Cause}");
        }
    }

    [Fact]
    public void The_server_s_log_decides_where_it_speaks()
    {
        var wrong = new StringBuilder();
        foreach (var row in Rows().Where(r => r[1].Length > 0 && r[4] != Conclusion.Worked))
        {
            var server = File.ReadAllText(Path.Combine(Folder, row[1]));
            var found = LogDiagnosis.Of(Read(row[0]), server);
            if (found.Cause != row[4] && !(found.Alternatives.Length > 1 && found.Alternatives.Contains(row[4]) && ServerLog.Read(server, Read(row[0])) is null or { Certainty: Certainty.Inferred }))
            {
                wrong.AppendLine($"{row[0]}: {row[4]}, not {found.Cause} ({string.Join(' ', found.Alternatives)})");
            }
        }

        Assert.True(wrong.Length == 0, wrong.ToString());
    }

    /// <summary>A client before the first of the table is taken as that one, whole.</summary>
    [Fact]
    public void A_client_older_than_all_that_are_known_has_defaults_too() =>
        Assert.NotEmpty(ClientModel.Defaults(new(3, 6)).Macs);

    /// <summary>A server's log holds what became of everybody: other processes say nothing of this login.</summary>
    [Theory]
    [InlineData("sshd[11]: Invalid user bob from 192.0.2.9 port 40")]
    [InlineData("sshd[11]: Accepted publickey for carol from 192.0.2.9 port 40 ssh2: ED25519 SHA256:abc")]
    [InlineData("sshd-session[12]: User dave from 192.0.2.9 not allowed because not listed in AllowUsers\nNov 26 05:00:03 box sshd-session[12]: Connection closed by invalid user dave 192.0.2.9 port 41 [preauth]")]
    [InlineData("sshd[11]: ROOT LOGIN REFUSED FROM 192.0.2.9 port 41\nNov 26 05:00:03 box sshd[11]: Connection closed by authenticating user root 192.0.2.9 port 41 [preauth]")]
    public void Other_users_of_the_server_s_log_do_not_count(string others)
    {
        var log = $"Nov 26 05:00:01 box sshd[10]: Authentication refused: bad ownership or modes for directory /home/alice\nNov 26 05:00:02 box sshd[10]: Connection closed by authenticating user alice 192.0.2.7 port 39 [preauth]\nNov 26 05:00:03 box {others}\n";
        var client = ClientLog.Read("alice@box.example: Permission denied (publickey).");
        Assert.Equal("server-file-modes", LogDiagnosis.Of(client, log).Cause);
        Assert.Equal("server-file-modes", LogDiagnosis.Of(client, string.Join('\n', log.Trim().Split('\n').Reverse())).Cause);
    }

    /// <summary>At LogLevel DEBUG sshd tells which files it read: then the key is not installed, and not merely refused.</summary>
    [Theory]
    [InlineData("trying public key file /home/a/.ssh/authorized_keys", "key-not-authorized authorized-keys-broken-line")]
    [InlineData("trying public key file /etc/keys/a", "authorized-keys-elsewhere key-not-authorized")]
    [InlineData("trying public key file /home/a/.ssh/authorized_keys\ndebug1: Could not open user 'a' authorized keys '/home/a/.ssh/authorized_keys': No such file or directory", "authorized-keys-missing")]
    [InlineData("trying public key file /etc/keys/a\ndebug1: Could not open user 'a' authorized keys '/etc/keys/a': No such file or directory", "authorized-keys-elsewhere authorized-keys-missing")]
    [InlineData("restore_uid: 0/0", "authorized-keys-missing authorized-keys-elsewhere")]
    [InlineData("trying public key file /home/a/.ssh/authorized_keys\ndebug1: /home/a/.ssh/authorized_keys:1: matching key found: ED25519 SHA256:abc", null)]
    public void A_server_s_debug_lines_tell_where_it_looked(string lines, string? causes)
    {
        var log = $"debug1: userauth_pubkey: publickey test pkalg ssh-ed25519 [preauth]\ndebug1: temporarily_use_uid: 1001/1001 (e=0/0)\ndebug1: {lines}\nFailed publickey for a from 192.0.2.7 port 39 ssh2: ED25519 SHA256:abc\n";
        var told = ServerLog.Read(log, ClientLog.Read("a@box.example: Permission denied (publickey)."));
        Assert.Equal(causes, told is null ? null : string.Join(' ', told.Alternatives));
    }

    /// <summary>sshd says at LogLevel INFO which option refuses a key, all but the date; at ERROR it says of none.</summary>
    [Theory]
    [InlineData("sshd[9]: Refused by key options\nsshd[9]: Connection closed by authenticating user a 192.0.2.7 port 39 [preauth]\n", "key-expired")]
    [InlineData("sshd[9]: Refused by key options\n", "from-restriction key-expired")]
    public void What_an_option_refuses_is_named_at_info_only(string log, string causes) =>
        Assert.Equal(causes, string.Join(' ', ServerLog.Read(log, ClientLog.Read("a@box.example: Permission denied (publickey)."))!.Alternatives));

    /// <summary>What a service's ssh says stands in the journal behind a time, a host and a program; what a program at the other end says of itself is not ssh's.</summary>
    [Theory]
    [InlineData("Nov 26 05:00:00 laptop backup[12]: alice@box.example: Permission denied (publickey).", "permission-denied-no-detail")]
    [InlineData("Nov 26 05:00:00 laptop backup[12]: Permission denied (publickey,password).", "permission-denied-no-detail")]
    [InlineData("Nov 26 05:00:00 laptop ssh[12]: ssh: Could not resolve hostname box.example: Name or service not known", "name-unknown")]
    [InlineData("fatal: Could not resolve hostname git.example", null)]
    [InlineData("* Permission denied (publickey) is what strangers see", null)]
    public void A_line_of_the_journal_is_read(string line, string? cause) => Assert.Equal(cause, LogDiagnosis.Of(ClientLog.Read(line)).Cause);

    /// <summary>
    /// Without -v ssh's words and the server's stand in one stream: what stands where ssh would not have said it may be the
    /// greeting's, and then it is not known whether the login failed. What stands where ssh says it is believed.
    /// </summary>
    [Theory]
    [InlineData("Welcome to box\nHost key verification failed.\n", null)]
    [InlineData("Host key verification failed.\nWelcome to box\n", null)]
    [InlineData("Welcome to box\nPermission denied (publickey).\n", null)]
    [InlineData("Permission denied (publickey).\nready\n", null)]
    [InlineData("alice@box.example: Permission denied (publickey).\nready\n", null)]
    [InlineData("Welcome to box\nReceived disconnect from 192.0.2.1 port 22:2: Too many authentication failures\nalice@box.example: Permission denied (publickey).\n", null)]
    [InlineData("Load key \"/k\": bad permissions\nalice@box.example: Permission denied (publickey).\nPTY allocation request failed on channel 0\n", null)]
    [InlineData("@       WARNING: REVOKED HOST KEY DETECTED!               @\n", null)]
    [InlineData("Welcome to box\nHost key verification failed.\nBye\nConnection to box.example closed.\n", "ok")]
    [InlineData("Welcome to box\nHost key verification failed.\r\n", "hostkey-unknown")]
    [InlineData("Host key verification failed.\nPermanently moved\nalice@box.example: Permission denied (publickey).\n", "permission-denied-no-detail")]
    [InlineData("Welcome to box\nLoad key \"/k\": bad permissions\nBye\nalice@box.example: Permission denied (publickey).\n", "permission-denied-no-detail")]
    [InlineData("Welcome to box\nLoad key \"/k\": bad permissions\nalice@box.example: Permission denied (publickey).\n", "private-key-modes")]
    [InlineData("Welcome to box\nReceived disconnect from 192.0.2.1 port 22:2: Too many authentication failures\nDisconnected from 192.0.2.1 port 22\n", "too-many-keys")]
    [InlineData("Welcome to box\nPTY allocation request failed on channel 0\n", null)]
    [InlineData("PTY allocation request failed on channel 0\nready\n", "pty-refused")]
    [InlineData("Cloning into 'box'...\nHost key verification failed.\nfatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the repository exists.\n", "hostkey-unknown")]
    [InlineData("me@laptop:~$ ssh box\nHost key verification failed.\nme@laptop:~$\n", "hostkey-unknown")]
    [InlineData("nc: can't connect to remote host (192.0.2.1): Connection refused\nkex_exchange_identification: Connection closed by remote host\nConnection closed by UNKNOWN port 65535\n", "proxy-failed")]
    [InlineData("/etc/ssh/ssh_config line 53: Unsupported option \"gssapiauthentication\"\r\n/bin/sh: exec: line 0: nosuch: not found\nssh_exchange_identification: Connection closed by remote host\r\n", "proxy-failed")]
    [InlineData("KnownHostsCommand-ORDER /bin/false failed, status 1\nKnownHostsCommand failed\n", "hostkey-unknown")]
    [InlineData("# Authorised use only #\nssh: connect to host box port 22: Connection refused\n", null)]
    [InlineData("alice@box.example: Permission denied (publickey).\r\nWelcome to box\nHost key verification failed.\n", "permission-denied-no-detail")]
    [InlineData("alice@box.example: Permission denied (publickey).\r\nWelcome to box\r\n", null)]
    [InlineData("alice@box.example: Permission denied (publickey).\nWelcome to box\r\n", null)]
    [InlineData("/etc/ssh/ssh_config line 53: Unsupported option \"gssapiauthentication\"\r\nLoad key \"/k\": bad permissions\nBye\nalice@box.example: Permission denied (publickey).\r\n", "permission-denied-no-detail")]
    [InlineData("Your account has expired; please contact your system administrator.\n(a joke)\nalice@box.example: Permission denied (publickey).\n", "permission-denied-no-detail")]
    [InlineData("Welcome to box\nYour account has expired; please contact your system administrator.\nalice@box.example: Permission denied (publickey).\n", "account-expired")]
    [InlineData("Welcome to jump\nbob@jump.example: Permission denied (publickey).\nkex_exchange_identification: Connection closed by remote host\nConnection closed by UNKNOWN port 65535\n", "proxy-failed")]
    [InlineData("Welcome to jump\nkex_exchange_identification: Connection closed by remote host\nConnection closed by UNKNOWN port 65535\n", null)]
    [InlineData("Load key \"/k\": bad permissions\nPTY allocation request failed on channel 0\nBye\n", null)]
    [InlineData("Load key \"/k\": bad permissions\r\nPTY allocation request failed on channel 0\r\nBye\r\n", null)]
    [InlineData("Load key \"/k\": bad permissions\r\nBye\r\nalice@box.example: Permission denied (publickey).\r\n", "permission-denied-no-detail")]
    [InlineData("Welcome to jump\nbob@jump.example: Permission denied (publickey).\nConnection closed by UNKNOWN port 65535\n", "proxy-failed")]
    [InlineData("Received disconnect from 192.0.2.1 port 22:2: Too many authentication failures\nsays the old one\nalice@box.example: Permission denied (publickey).\n", "permission-denied-no-detail")]
    [InlineData("PTY allocation request failed on channel 0\nBye\nalice@box.example: Permission denied (publickey).\n", "permission-denied-no-detail")]
    [InlineData("alice@box.example: Permission denied (publickey).\r\n/etc/ssh/ssh_config line 53: Unsupported option \"gssapiauthentication\"\r\nKilled by signal 1.\r\n", "permission-denied-no-detail")]
    [InlineData("Authenticated to box ([192.0.2.1]:22).\nTransferred: sent 2148, received 2948 bytes, in 0.1 seconds\nBytes per second: sent 37179.3, received 51026.4\nWelcome\nPTY allocation request failed on channel 0\n", "ok")]
    [InlineData("Authenticated to box ([192.0.2.1]:22).\nBytes per second: sent 37179.3, received 51026.4\nAuthenticated to box ([192.0.2.1]:22).\nPTY allocation request failed on channel 0\n", "pty-refused")]
    public void Without_v_ssh_is_told_from_the_greeting_by_where_it_speaks(string log, string? cause)
    {
        var found = LogDiagnosis.Of(ClientLog.Read(log));
        Assert.Equal(cause, found.Cause);
        Assert.True(cause is not null || LogReport.Of(ClientLog.Read(log), "log") is { Findings: [], Unknowns: [_] });
    }

    /// <summary>With -v the greeting stands before the login, and what a program prints has no carriage return where ssh's lines have one.</summary>
    [Theory]
    [InlineData("debug1: Authentications that can continue: publickey\nPTY allocation request failed on channel 0\nAuthenticated to box ([192.0.2.1]:22) using \"publickey\".\ndebug1: Exit status 0\n", "ok")]
    [InlineData("Authenticated to box ([192.0.2.1]:22) using \"publickey\".\r\nPTY allocation request failed on channel 0\ndebug1: Exit status 0\r\n", "ok")]
    [InlineData("Authenticated to box ([192.0.2.1]:22) using \"publickey\".\r\nPTY allocation request failed on channel 0\r\ndebug1: Exit status 0\r\n", "pty-refused")]
    [InlineData("debug1: Authentications that can continue: publickey\nToo many authentication failures lock you out\ndebug1: Next authentication method: publickey\ndebug1: Offering public key: /k RSA SHA256:abc\ndebug1: Authentications that can continue: publickey\na@box: Permission denied (publickey).\n", "server-refused-key")]
    [InlineData("debug1: Authentications that can continue: publickey\r\ndebug1: Authentication succeeded (publickey).\nLoad key \"/k\": bad permissions\ndebug1: Next authentication method: publickey\r\ndebug1: Offering public key: /k RSA SHA256:abc\r\ndebug1: Authentications that can continue: publickey\r\na@box: Permission denied (publickey).\r\n", "server-refused-key")]
    [InlineData("Your account has expired; please contact your system administrator.\ndebug1: Authentications that can continue: publickey\ndebug1: Next authentication method: publickey\ndebug1: Offering public key: /k RSA SHA256:abc\ndebug1: Authentications that can continue: publickey\na@box: Permission denied (publickey).\n", "server-refused-key")]
    [InlineData("debug1: Next authentication method: publickey\ndebug1: Offering public key: /k RSA SHA256:abc\ndebug1: Server accepts key: /k RSA SHA256:abc\nYour account has expired; please contact your system administrator.\ndebug1: Authentications that can continue: publickey\na@box: Permission denied (publickey).\n", "account-expired")]
    [InlineData("debug1: Next authentication method: publickey\ndebug1: Offering public key: /k RSA SHA256:abc\ndebug1: Authentications that can continue: publickey\ndebug1: No more authentication methods to try.\na@box: Permission denied (publickey).\nReceived disconnect from 192.0.2.1 port 22:2: Too many authentication failures\nLoad key \"/k\": bad permissions\n", "server-refused-key")]
    [InlineData("debug1: Next authentication method: publickey\ndebug1: Offering public key: /k RSA SHA256:abc\ndebug1: Authentications that can continue: publickey\ndebug1: No more authentication methods to try.\na@box: Permission denied (publickey).\nYour account has expired; please contact your system administrator.\n", "server-refused-key")]
    [InlineData("debug1: Executing proxy command: exec ssh -W '[box]:22' jump\nHost key verification failed.\ndebug1: Remote protocol version 2.0, remote software version OpenSSH_9.2\ndebug1: Authenticating to box:22 as 'bob'\ndebug1: SSH2_MSG_SERVICE_ACCEPT received\ndebug1: Authentications that can continue: publickey\ndebug1: Next authentication method: publickey\ndebug1: Offering public key: /k RSA SHA256:abc\ndebug1: Authentications that can continue: publickey\ndebug1: No more authentication methods to try.\nbob@box: Permission denied (publickey).\n", "server-refused-key")]
    [InlineData("Load key \"/k\": error in libcrypto\ndebug1: Authentications that can continue: publickey\ndebug1: Next authentication method: publickey\ndebug1: Skipping ssh-ed25519 key /k - corresponding algorithm not in PubkeyAcceptedAlgorithms\ndebug1: No more authentication methods to try.\na@box: Permission denied (publickey).\n", "client-policy-key-type")]
    public void With_v_the_greeting_is_told_apart(string log, string cause) => Assert.Equal(cause, LogDiagnosis.Of(ClientLog.Read(log)).Cause);

    /// <summary>sshd refuses a signature with SHA-1: the client was told to make it, or found no other RSA in server-sig-algs.</summary>
    [Theory]
    [InlineData("", "sig-sha1-forced-by-client server-policy-key-type")]
    [InlineData("debug1: Local version string SSH-2.0-OpenSSH_7.9\n", "sig-sha1-forced-by-client server-policy-key-type")]
    [InlineData("debug1: Local version string SSH-2.0-OpenSSH_9.2\n", "sig-sha1-forced-by-client")]
    [InlineData("debug1: Local version string SSH-2.0-OpenSSH_7.9\ndebug1: kex_input_ext_info: server-sig-algs=<ssh-ed25519,rsa-sha2-512>\n", "sig-sha1-forced-by-client")]
    [InlineData("debug1: Local version string SSH-2.0-OpenSSH_7.9\ndebug1: kex_input_ext_info: server-sig-algs=<ssh-ed25519>\n", "server-policy-key-type")]
    public void A_servers_refusal_of_sha1_leaves_what_the_client_does_not_tell(string log, string causes)
    {
        var found = LogDiagnosis.Of(ClientLog.Read(log), "sshd[7]: userauth_pubkey: signature algorithm ssh-rsa not in PubkeyAcceptedAlgorithms [preauth]\nsshd[7]: Connection closed by authenticating user a 192.0.2.9 port 40000 [preauth]\n");
        Assert.Equal(causes, string.Join(' ', found.Alternatives));
        Assert.Equal(causes.Contains(' ', StringComparison.Ordinal) ? Certainty.Inferred : Certainty.Proven, found.Certainty);
    }

    /// <summary>What <c>ssh -W</c> prints of its own forwarding does not make its login one to a host in between; what the ssh of a ProxyJump prints does.</summary>
    [Theory]
    [InlineData("", "", true)]
    [InlineData("debug1: Executing proxy command: exec ssh -v -W '[box]:22' jump\ndebug1: Local version string SSH-2.0-OpenSSH_9.2\n", "", false)]
    [InlineData("debug1: Executing proxy command: exec ssh -v -W '[box]:22' jump\ndebug1: Local version string SSH-2.0-OpenSSH_9.2\n", "debug1: Remote protocol version 2.0, remote software version OpenSSH_9.2\nAuthenticated to box (via proxy) using \"publickey\".\ndebug1: channel_connect_stdio_fwd: nowhere:1\n", true)]
    public void A_forwarding_of_its_own_is_no_jump(string before, string after, bool works)
    {
        var log = $"{before}debug1: Local version string SSH-2.0-OpenSSH_9.2\ndebug1: Remote protocol version 2.0, remote software version OpenSSH_9.2\nAuthenticated to jump ([192.0.2.1]:22) using \"publickey\".\ndebug1: channel_connect_stdio_fwd: box:22\ndebug1: Entering interactive session.\n{after}";
        Assert.Equal(works, LogDiagnosis.Of(ClientLog.Read(log)).Cause == Conclusion.Worked);
    }

    /// <summary>
    /// <c>ssh -J jump -E file</c> writes its own lines to the file, and the ssh in between to standard error: put together, in either
    /// order, it is the login behind the jump host that counts. A login to the jump host itself is another one.
    /// </summary>
    [Theory]
    [InlineData("behind jump", "ok")]
    [InlineData("jump behind", "ok")]
    [InlineData("refused jump", "server-refused-key")]
    [InlineData("jump refused", "server-refused-key")]
    [InlineData("closed unreachable", "proxy-failed")]
    [InlineData("closed unknown", "proxy-failed")]
    [InlineData("closed login", "ok")]
    public void What_E_has_written_is_put_together_with_the_rest(string order, string cause)
    {
        const string Begin = "OpenSSH_9.2p1, OpenSSL 3.0.20\n", Through = Begin + "debug1: Executing proxy command: exec ssh -l alice -v -W '[box]:22' jump\ndebug1: Local version string SSH-2.0-OpenSSH_9.2\n";
        const string Met = "debug1: Local version string SSH-2.0-OpenSSH_9.2\ndebug1: Remote protocol version 2.0, remote software version OpenSSH_9.2\nAuthenticated to jump ([192.0.2.1]:22) using \"publickey\".\n";
        var parts = new Dictionary<string, string>
        {
            ["behind"] = Through + "debug1: Remote protocol version 2.0, remote software version OpenSSH_9.2\nAuthenticated to box (via proxy) using \"publickey\".\ndebug1: channel 0: new [client-session]\nBytes per second: sent 1.0, received 1.0\ndebug1: Exit status 0\n",
            ["refused"] = Through + "debug1: Remote protocol version 2.0, remote software version OpenSSH_9.2\ndebug1: Authentications that can continue: publickey\ndebug1: Next authentication method: publickey\ndebug1: Offering public key: /k RSA SHA256:abc\ndebug1: Authentications that can continue: publickey\na@box: Permission denied (publickey).\n",
            ["closed"] = Through + "kex_exchange_identification: Connection closed by remote host\nConnection closed by UNKNOWN port 65535\n",
            ["jump"] = Begin + "debug1: Connecting to jump [192.0.2.1] port 22.\n" + Met + "debug1: channel_connect_stdio_fwd: box:22\ndebug1: channel 0: new [stdio-forward]\ndebug1: Entering interactive session.\nHost key verification failed.\nKilled by signal 1.\n",
            ["unreachable"] = Begin + "debug1: Connecting to jump [192.0.2.1] port 22.\nssh: connect to host jump port 22: Connection refused\n",
            ["unknown"] = Begin + "ssh: Could not resolve hostname jump: Name or service not known\n",
            ["login"] = Begin + "debug1: Connecting to jump [192.0.2.1] port 22.\n" + Met + "debug1: channel 0: new [client-session]\ndebug1: Exit status 0\n",
        };
        Assert.Equal(cause, LogDiagnosis.Of(ClientLog.Read(string.Concat(order.Split(' ').Select(p => parts[p])))).Cause);
    }

    [Fact]
    public void Any_text_is_read() => Gen.String.Sample(text =>
    {
        _ = LogReport.Of(ClientLog.Read(text), "log", text, "server");
    });

    /// <summary>Real logs with lines dropped, doubled, cut and swapped: the reader must stay calm.</summary>
    [Fact]
    public void Any_damage_is_survived()
    {
        var logs = Rows().Take(40).Select(r => File.ReadAllLines(Path.Combine(Folder, r[0]))).ToArray();
        Gen.Select(Gen.Int[0, logs.Length - 1], Gen.Int[0, 400].Array[1, 60], Gen.Int[0, 200]).Sample((which, order, cut) =>
        {
            var lines = order.Where(_ => logs[which].Length > 0).Select(i => logs[which][i % logs[which].Length]).Select(l => l[..Math.Min(l.Length, cut)]);
            var text = string.Join('\n', lines);
            var report = LogReport.Of(ClientLog.Read(text), "log", text, "server");
            Assert.True(report.Findings.Length <= 1);
        });
    }

    [Theory]
    [InlineData("Offering public key: /home/me/my keys/id RSA SHA256:abc explicit agent", "/home/me/my keys/id", "RSA", true)]
    [InlineData("Offering public key: RSA SHA256:abc /home/me/.ssh/id_rsa", "/home/me/.ssh/id_rsa", "RSA", false)]
    [InlineData("Offering ED25519 public key: /home/me/.ssh/id_ed25519", "/home/me/.ssh/id_ed25519", "ED25519", false)]
    [InlineData("Offering public key: /k ED25519-CERT SHA256:abc", "/k", "ED25519-CERT", false)]
    public void An_offer_is_read_in_every_wording(string text, string name, string word, bool agent)
    {
        var key = KeyAttempt.Parse(new(1, text))!;
        Assert.Equal((name, word, agent), (key.Name, key.Word, key.InAgent));
    }

    [Theory]
    [InlineData("> ")]
    [InlineData("    ")]
    [InlineData("Nov 25 19:00:00 laptop ssh: ")]
    [InlineData("Nov 25 19:00:00 ")]
    [InlineData("19:00:00 ")]
    [InlineData("[19:00:00.125] ")]
    [InlineData("[2026-11-25T19:00:00.125Z] ")]
    public void A_log_may_be_quoted(string prefix)
    {
        var row = Rows().First(r => r[4] == "sig-sha1-only-server" && r[3] == "-v");
        var quoted = string.Join("\r\n", File.ReadAllLines(Path.Combine(Folder, row[0])).Select(l => l.StartsWith("debug", StringComparison.Ordinal) || !prefix.EndsWith("ssh: ", StringComparison.Ordinal) ? prefix + l : l));
        Assert.Equal("sig-sha1-only-server", LogDiagnosis.Of(ClientLog.Read(quoted)).Cause);
    }

    private static ClientLog Read(string name) => ClientLog.Read(ByteText.Decode(File.ReadAllBytes(Path.Combine(Folder, name))));

    private static IEnumerable<string[]> Rows() => File.ReadLines(Path.Combine(Folder, "manifest.tsv")).Where(l => l.Length > 0 && l[0] != '#').Select(l => l.Split('\t'));
}
