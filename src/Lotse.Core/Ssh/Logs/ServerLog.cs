namespace Lotse.Ssh.Logs;

/// <summary>What a server's log says about a refused login: sshd at LogLevel INFO and more, and Dropbear with -E or syslog.</summary>
public static class ServerLog
{
    private const string Sshd = "OpenSSH auth.c, auth2-pubkey.c, auth2-pubkeyfile.c";
    private const string Dropbear = "Dropbear svr-auth.c, svr-authpubkey.c";

    /// <summary>Words that decide, what they prove and which fix they single out. The first that fits a line counts; of several lines the last.</summary>
    private static readonly (string Words, string Cause, string? Fix, string Rule)[] Table =
    [
        ("bad ownership or modes for directory", "server-file-modes", null, "sshd_config(5) StrictModes"),
        ("bad ownership or modes for file", "server-file-modes", "chmod_authorized_keys", "sshd_config(5) StrictModes"),
        ("must be owned by user or root, and not writable by", "server-file-modes", null, Dropbear),
        ("not allowed because account is locked", "account-locked", null, Sshd),
        ("not allowed because shell", "shell-missing", null, Sshd),
        ("has invalid shell", "shell-missing", "etc_shells", Dropbear),
        ("not allowed because", "user-not-allowed", null, Sshd),
        ("not listed in AllowUsers", "user-not-allowed", null, Sshd),
        ("ROOT LOGIN REFUSED", "root-login-off", "permit_root_prohibit-password", Sshd),
        ("root login rejected", "root-login-off", "dropbear_without_-w", Dropbear),
        ("root login has been disabled", "root-login-off", "dropbear_without_-w", Dropbear),
        ("Login attempt for nonexistent user", "wrong-user", null, Dropbear),
        ("Invalid user ", "wrong-user", null, Sshd),
        ("User account has expired", "account-expired", null, Sshd),
        ("has expired (account expired)", "account-expired", null, "pam_unix(8)"),
        ("Account ", "account-expired", null, Sshd),
        ("correct key but not from a permitted host", "from-restriction", null, Sshd),
        ("not permitted to use this key for login", "from-restriction", null, Sshd),
        ("refusing RSA key", "rsa-too-small-server", null, "sshd_config(5) RequiredRSASize"),
        ("Invalid key length", "rsa-too-small-server", null, "sshd_config(5) RequiredRSASize"),
        ("Certificate invalid: expired", "cert-expired", null, Sshd),
        ("Certificate invalid: not yet valid", "cert-expired", null, Sshd),
        ("Certificate invalid: name is not a listed principal", "cert-wrong-principal", null, Sshd),
        ("Certificate lacks principal", "cert-wrong-principal", null, Sshd),
        ("Certificate does not contain an authorized principal", "cert-wrong-principal", null, Sshd),
        ("not from a permitted source address", "from-restriction", null, "ssh-keygen(1) source-address"),
        ("user presence (authenticator touch) requirement not met", "token-presence-required", null, "sshd_config(5) PubkeyAuthOptions touch-required"),
        ("user verification requirement not met", "token-presence-required", null, "sshd_config(5) PubkeyAuthOptions verify-required"),
        (" revoked by file ", "key-revoked", null, "sshd_config(5) RevokedKeys"),
        ("certificate signature algorithm", "cert-signed-sha1", null, "sshd_config(5) CASignatureAlgorithms"),
        ("CASignatureAlgorithms", "cert-signed-sha1", null, "sshd_config(5) CASignatureAlgorithms"),
        ("maximum authentication attempts exceeded", "too-many-keys", null, "sshd_config(5) MaxAuthTries"),
        ("Too many authentication failures", "too-many-keys", null, "sshd_config(5) MaxAuthTries"),
        ("Max auth tries reached", "too-many-keys", null, Dropbear),
        ("attempt with unknown algo", "server-lacks-key-type", null, Dropbear),
        ("past MaxStartups", "closed-before-banner", "maxstartups", "sshd_config(5) MaxStartups"),
        ("] Maxstartups", "closed-before-banner", "maxstartups", "sshd_config(5) MaxStartups"),
        ("MaxStartups throttling", "closed-before-banner", "maxstartups", "sshd_config(5) MaxStartups"),
        ("penalty: ", "source-penalty", null, "sshd_config(5) PerSourcePenalties"),
        ("PerSourcePenalties", "source-penalty", null, "sshd_config(5) PerSourcePenalties"),
        ("refused connect from", "closed-before-banner", "hosts_deny", "hosts_access(5)"),
        ("Partial publickey for", "second-factor-needed", null, Sshd),
        ("Bad public key options", "authorized-keys-bad-options", null, "Dropbear svr-authpubkeyoptions.c"),
        ("Bad public key option", "authorized-keys-bad-options", null, "Dropbear svr-authpubkeyoptions.c"),
        ("bad key options", "authorized-keys-bad-options", null, Sshd),
        ("bad options string", "authorized-keys-bad-options", null, Sshd),
        ("Could not open authorized keys", "server-file-modes", "chown_authorized_keys", Sshd),
        ("Could not open user", "server-file-modes", "chown_authorized_keys", Sshd),
        ("entry expired at", "key-expired", null, Sshd),
        ("expired key", "key-expired", null, Sshd),
        ("no matching key exchange method found", "kex-none", null, "RFC 4253 section 7.1"),
        ("No matching algo kex", "kex-none", null, Dropbear),
        ("no matching host key type found", "hostkey-none", null, "RFC 4253 section 7.1"),
        ("No matching algo hostkey", "hostkey-none", null, Dropbear),
        ("no matching cipher found", "cipher-none", null, "RFC 4253 section 7.1"),
        ("No matching algo enc", "cipher-none", null, Dropbear),
        ("no matching MAC found", "mac-none", null, "RFC 4253 section 7.1"),
        ("No matching algo mac", "mac-none", null, Dropbear),
        ("No supported authentication methods available", "pubkey-off-on-server", null, Sshd),
    ];

    /// <summary>What the log proves; null when it is silent: at LogLevel INFO it never tells that a key is not installed.</summary>
    /// <param name="log">The text.</param>
    /// <param name="client">What the client says, for lines that mean two things.</param>
    public static Conclusion? Read(string log, ClientLog client)
    {
        Conclusion? last = null;
        List<LogLine> login = [];
        foreach (var line in LoginLines.Of(log, client.User))
        {
            if (line.Text.Contains("Accepted ", StringComparison.Ordinal) && LogLines.Between(line.Text, " for ", " from ") is { } accepted)
            {
                // A later success of the same user ends what went before it.
                if (client.User is null || client.User == accepted)
                {
                    last = null;
                    login.Clear();
                }

                continue;
            }

            login.Add(line);
            if (Policy(line, client) is { } policy)
            {
                last = policy;
            }
            else if (Array.Find(Table, t => line.Text.Contains(t.Words, StringComparison.OrdinalIgnoreCase) && Fits(t.Words, line.Text)) is { Cause: { } cause } row)
            {
                // sshd asks for the account's date first, and a locked one is told of an expired one as well.
                last = cause == "account-locked" && last?.Cause == "account-expired" ? last
                    : Conclusion.Proven(cause, $"the server's log says: {line.Text}", row.Rule, line) with { ByServer = true, Fixes = Single(row.Cause, row.Fix, line.Text) };
            }
            else if (last is null && line.Text.Contains("by PAM account configuration", StringComparison.Ordinal))
            {
                // The modules say why in a line of their own, if they log at all.
                last = Conclusion.Likely("user-not-allowed", $"the server's log says: {line.Text}", "pam_access(8), pam_nologin(8), pam_unix(8)", line) with { ByServer = true, Others = ["user-not-allowed", "account-expired", "logins-suspended", "account-locked"] };
            }
            else if (last is null && line.Text.EndsWith("Refused by key options", StringComparison.Ordinal))
            {
                // Of the options that refuse a key, sshd names all but the date (auth.c auth_authorise_keyopts), which before 9.8 only its debug lines tell.
                last = SpeaksAtInfo(log) ? Conclusion.Likely("key-expired", "the key is installed with an option that refuses it, and of such options sshd names all but expiry-time", Sshd, line) with { ByServer = true }
                    : Conclusion.Likely("from-restriction", "the key is installed with an option that refuses it, and at this LogLevel sshd does not say which", Sshd, line) with { ByServer = true, Others = ["from-restriction", "key-expired"] };
            }
        }

        return last ?? KeySearch.Of(login);
    }

    private static bool Fits(string words, string line) => words switch
    {
        "Account " => line.Contains("has expired", StringComparison.Ordinal),

        // Whatever else keeps a file from being opened is its owner or modes; that it is not there is KeySearch's.
        "Could not open user" or "Could not open authorized keys" => line.Contains("Permission denied", StringComparison.Ordinal),

        // "Connection closed by invalid user" is also said of users who exist and are not allowed.
        "Invalid user " => !line.Contains("by invalid user", StringComparison.Ordinal) && !line.Contains("from invalid user", StringComparison.Ordinal) && !line.Contains("for invalid user", StringComparison.Ordinal) && !line.Contains("authenticating invalid user", StringComparison.Ordinal),
        _ => true,
    };

    /// <summary><c>key type X not in PubkeyAcceptedAlgorithms</c>: a policy of the server, unless the client was forced to the old name.</summary>
    private static Conclusion? Policy(LogLine line, ClientLog client)
    {
        var text = line.Text;
        if (!text.Contains("not in PubkeyAccepted", StringComparison.Ordinal) && !text.Contains("not in PubkeyAcceptedKeyTypes", StringComparison.Ordinal))
        {
            return null;
        }

        // A client since 7.2 signs RSA with SHA-2 wherever server-sig-algs names it; one that still comes with ssh-rsa was told to.
        var sha1 = text.Contains(" ssh-rsa not in", StringComparison.Ordinal) || text.Contains(" ssh-rsa-cert-v01@openssh.com not in", StringComparison.Ordinal);
        var forced = sha1 && (client.ServerSigAlgs is null ? client.Client is not { } version || version >= new SshVersion(7, 2) : client.ServerSigAlgs.Any(a => a.StartsWith("rsa-sha2-", StringComparison.Ordinal)));
        var found = Conclusion.Proven(forced ? "sig-sha1-forced-by-client" : "server-policy-key-type", $"the server's log says: {text}", "sshd_config(5) PubkeyAcceptedAlgorithms", line) with { ByServer = true };

        // Before 8.5 the line names the key's type, which is ssh-rsa whatever the signature was to be; a block of the user's own for the host may have forced it.
        var isOfKey = text.Contains("key type ", StringComparison.Ordinal);
        var mayBeForced = !isOfKey || client.Configuration.Any(c => c.Text.Contains(": Applying options for ", StringComparison.Ordinal) && !c.Text.StartsWith("/etc/", StringComparison.Ordinal));
        string[] either = mayBeForced ? ["sig-sha1-forced-by-client", "server-policy-key-type"] : ["server-policy-key-type", "sig-sha1-forced-by-client"];

        // Where server-sig-algs has no RSA at all, clients before 8.8 fall back on ssh-rsa (sshconnect2.c key_sig_algorithm); a log that does not tell leaves both.
        var isTold = client.ServerSigAlgs is not null || (client.Client is { } known && known >= new SshVersion(8, 8));
        return forced && (isOfKey || !isTold) ? found with { Cause = either[0], Certainty = Certainty.Inferred, Others = either } : found;
    }

    private static string[] Single(string cause, string? fix, string line) => fix is not null ? [fix]
        : cause != "server-file-modes" ? []
        : line.Contains("/.ssh", StringComparison.Ordinal) && !line.Contains("authorized_keys", StringComparison.Ordinal) ? ["chmod_ssh_dir"]
        : line.Contains("authorized_keys", StringComparison.Ordinal) ? ["chmod_authorized_keys", "chown_authorized_keys"] : ["chmod_home", "chmod_ssh_dir"];

    /// <summary>Whether sshd logged at INFO at least: then causes that it would have named there did not happen.</summary>
    public static bool SpeaksAtInfo(string log) =>
        log.Contains("Connection closed by authenticating user", StringComparison.Ordinal) || log.Contains("Connection reset by authenticating user", StringComparison.Ordinal) || log.Contains("Disconnected from authenticating user", StringComparison.Ordinal);

    /// <summary>Causes of which sshd is silent at INFO (auth2-pubkeyfile.c logs them as debug, or not at all).</summary>
    public static readonly string[] SilentAtInfo =
    [
        "key-not-authorized", "authorized-keys-missing", "authorized-keys-elsewhere", "authorized-keys-broken-line", "authorized-keys-bad-options", "key-expired", "config-first-wins", "sig-sha1-forced-by-client", "server-policy-key-type", "pub-private-mismatch",
    ];
}
