namespace Lotse.Ssh.Logs;

/// <summary>A cause of a failed login, or a class of causes that look alike to the client.</summary>
/// <param name="Id">The finding's id.</param>
/// <param name="Severity">How bad it is when it is found.</param>
/// <param name="Title">One sentence without values.</param>
/// <param name="ClassText">What the client's log alone can prove of it, between |; empty: the cause itself.</param>
/// <param name="FixText">What helps, between |, ids of Data/fixes.tsv.</param>
public sealed record Cause(string Id, Severity Severity, string Title, string ClassText, string FixText)
{
    /// <summary>The slug without the area.</summary>
    public string Name => Id["ssh/".Length..];

    /// <summary>What the client's log alone can prove of it, one of these.</summary>
    public string[] Proves => ClassText.Length == 0 ? [Name] : ClassText.Split('|');

    /// <summary>What helps, one of these.</summary>
    public string[] Fixes => FixText.Length == 0 ? [] : FixText.Split('|');
}

/// <summary>The catalogue of causes.</summary>
public static class CauseCatalogue
{
    /// <summary>The keys were sent and the server said no: it does not tell why.</summary>
    public const string ServerRefusedKey = "server-refused-key";

    /// <summary>The same for a certificate.</summary>
    public const string ServerRefusedCertificate = "server-refused-cert";

    /// <summary>"Permission denied" and nothing else.</summary>
    public const string NoDetail = "permission-denied-no-detail";

    /// <summary>Causes that end in a plain "Permission denied" when nothing more is printed, likeliest first.</summary>
    private static readonly string[] Quiet =
    [
        "key-not-authorized", "sig-sha1-only-server", "no-key-offered", "server-lacks-key-type", "passphrase-needed", "client-policy-key-type", "dsa-key-disabled", "pubkey-off-in-client",
        "rsa-too-small-client", "sig-sha1-forced-by-client", "second-factor-needed", "pub-private-mismatch", "identity-missing", "token-not-signing",
    ];

    /// <summary>All causes, by id.</summary>
    public static IReadOnlyList<Cause> All => field ??=
    [
        new("ssh/account-expired", Severity.Error, "the account on the server has expired", "account-expired|server-refused-key", "renew_account"),
        new("ssh/account-locked", Severity.Error, "the account on the server is locked", "server-refused-key", "unlock_account"),
        new("ssh/agent-refused", Severity.Error, "the agent refused to sign with the key that the server would take", "", "askpass|confirm_in_agent"),
        new("ssh/authorized-keys-bad-options", Severity.Error, "the options before the key in authorized_keys are not understood, so the line does not count", "server-refused-key", "fix_options"),
        new("ssh/authorized-keys-broken-line", Severity.Error, "the key in authorized_keys is broken over two lines", "server-refused-key", "fix_line"),
        new("ssh/authorized-keys-elsewhere", Severity.Error, "the server looks for authorized keys in another file", "server-refused-key", "install_key_there"),
        new("ssh/authorized-keys-missing", Severity.Error, "the user has no authorized_keys on the server", "server-refused-key", "home_not_mounted|install_key"),
        new("ssh/banner-timeout", Severity.Error, "the server took the connection and never said what it is", "", "server_hung|wrong_service"),
        new("ssh/cert-expired", Severity.Error, "the certificate has expired", "server-refused-cert", "renew_cert"),
        new("ssh/cert-signed-sha1", Severity.Error, "the certificate is signed with SHA-1, which the server does not take", "server-refused-cert", "resign_cert_rsa-sha2"),
        new("ssh/cert-wrong-principal", Severity.Error, "the certificate is not for this user", "server-refused-cert", "reissue_principal"),
        new("ssh/cipher-none", Severity.Error, "client and server have no cipher in common", "", "host_block_cipher|server_ciphers"),
        new("ssh/client-policy-key-type", Severity.Error, "the client's own configuration keeps the key back", "", "edit_client_config"),
        new("ssh/closed-before-banner", Severity.Error, "the server closed the connection before it said what it is", "", "fail2ban|hosts_deny|maxstartups"),
        new("ssh/closed-during-handshake", Severity.Error, "the server closed the connection during the key exchange", "", "fix_mtu|host_block_hostkey_^ssh-rsa|upgrade_server"),
        new("ssh/config-bad-value", Severity.Error, "the client's configuration holds a value that this version does not take", "", "drop_cipher|drop_ssh-dss|fix_kex_name"),
        new("ssh/config-first-wins", Severity.Error, "an earlier block of the client's configuration wins over the one that was meant", "server-refused-key", "reorder_blocks"),
        new("ssh/config-modes", Severity.Error, "others may write to the client's configuration, so ssh refuses it", "", "chmod_600"),
        new("ssh/config-parse-error", Severity.Error, "the client's configuration has a line that ssh cannot read", "", "fix_line"),
        new("ssh/config-unknown-option", Severity.Error, "the client's configuration holds an option that this version does not know", "", "IgnoreUnknown|PubkeyAcceptedKeyTypes"),
        new("ssh/connection-refused", Severity.Error, "nothing listens on that port", "", "fix_port|start_server"),
        new("ssh/connection-timeout", Severity.Error, "the address does not answer", "", "address|firewall"),
        new("ssh/dsa-key-disabled", Severity.Error, "the key is a DSA key, which the client does not use by default", "", "make_ed25519_key"),
        new("ssh/dsa-key-gone", Severity.Error, "the key is a DSA key, which this version cannot read any more", "", "make_ed25519_key"),
        new("ssh/forced-command", Severity.Info, "the server runs the command of authorized_keys instead of the one asked for", "", "edit_command|expected"),
        new("ssh/forwarding-forbidden", Severity.Warning, "the server forbids the forwarding", "", "permit-forwarding_in_authorized_keys"),
        new("ssh/from-restriction", Severity.Error, "the key is only good from other addresses", "server-refused-key", "edit_from"),
        new("ssh/hostkey-changed", Severity.Error, "the server shows another host key than the one known for this name", "", "hostkeyalias_for_initrd|verify_then_remove"),
        new("ssh/hostkey-none", Severity.Error, "client and server have no host key algorithm in common", "", "server_hostkey|remove_old_option"),
        new("ssh/hostkey-revoked", Severity.Error, "the server's host key is marked as revoked", "", "stop_and_verify"),
        new("ssh/hostkey-sha1-only-server", Severity.Error, "the server can only prove itself with SHA-1, which the client does not take", "", "upgrade_server|host_block_hostkey_^ssh-rsa"),
        new("ssh/hostkey-unknown", Severity.Error, "the server's host key is not known, and nobody was asked", "", "verify_then_add"),
        new("ssh/identity-missing", Severity.Error, "the key file that was named does not exist", "", "fix_identityfile"),
        new("ssh/kex-none", Severity.Error, "client and server have no key exchange method in common", "", "host_block_kex_group1|host_block_kex_group14-sha1+hostkey+sig|server_kex|upgrade_client|upgrade_server"),
        new("ssh/key-expired", Severity.Error, "the key has expired in authorized_keys", "server-refused-key", "renew_expiry"),
        new("ssh/key-not-authorized", Severity.Error, "the key is not in the user's authorized_keys", "server-refused-key", "install_key"),
        new("ssh/key-revoked", Severity.Error, "the server's configuration revokes the key or its certificate", "server-refused-key", "use_other_key"),
        new("ssh/login-shell-refuses", Severity.Error, "the login works, but the user's shell ends at once", "", "fix_shell"),
        new("ssh/logins-suspended", Severity.Error, "the server lets nobody but root in while /etc/nologin is there", "logins-suspended|server-refused-key", "remove_nologin"),
        new("ssh/mac-none", Severity.Error, "client and server have no MAC in common", "", "host_block_mac|server_macs"),
        new("ssh/mtu-blackhole", Severity.Error, "large packets get lost on the way: the connection stops in the key exchange", "", "clamp_mss|fix_mtu|smaller_kex"),
        new("ssh/name-unknown", Severity.Error, "the host's name is not known", "", "fix_name"),
        new("ssh/network-unreachable", Severity.Error, "there is no route to the host's network", "", "fix_route"),
        new("ssh/no-key-offered", Severity.Error, "the client had no key to offer", "", "identityfile_in_host_block|make_key|name_key|ssh_add|start_agent"),
        new("ssh/no-route-to-host", Severity.Error, "the host does not answer on its network", "", "address|host_down"),
        new("ssh/not-ssh-server", Severity.Error, "what listens there does not speak ssh", "", "fix_port"),
        new("ssh/old-dropbear-20-names", Severity.Error, "the old Dropbear reads only 20 names of the client's list, and the one that it needs comes later", "", "host_block_hostkey_^ssh-rsa"),
        new("ssh/passphrase-needed", Severity.Error, "the private key needs its passphrase, and nobody was asked", "", "ask_passphrase|use_agent"),
        new("ssh/password-expired", Severity.Error, "the user's password has expired, and the server wants a new one first", "", "change_password"),
        new("ssh/permission-denied-no-detail", Severity.Error, "permission was denied, and the log does not say what was tried", "", ""),
        new("ssh/private-key-broken", Severity.Error, "the private key file is damaged", "", "append_newline|restore_key|strip_cr"),
        new("ssh/private-key-modes", Severity.Error, "others may read the private key, so ssh does not use it", "", "chmod_600"),
        new("ssh/private-key-putty-format", Severity.Error, "the private key is in PuTTY's format", "", "convert_puttygen"),
        new("ssh/protocol-1-server", Severity.Error, "the server speaks only protocol 1", "", "openssh-client-ssh1|upgrade_server"),
        new("ssh/proxy-failed", Severity.Error, "the program or host in between failed", "", "fix_proxycommand"),
        new("ssh/pty-refused", Severity.Warning, "the login works, but the server gives no terminal", "", "pty_in_authorized_keys"),
        new("ssh/pub-private-mismatch", Severity.Error, "the .pub file beside the private key belongs to another key", "", "regenerate_pub"),
        new("ssh/pubkey-off-in-client", Severity.Error, "the client's own configuration has public keys turned off", "", "enable_pubkey_in_config"),
        new("ssh/pubkey-off-on-server", Severity.Error, "the server takes no public keys", "", "enable_pubkey_on_server"),
        new("ssh/public-key-as-private", Severity.Error, "the public key was named where the private one is needed", "", "name_private_key"),
        new("ssh/root-login-off", Severity.Error, "the server does not let root log in", "server-refused-key", "dropbear_without_-w|other_user|permit_root_prohibit-password"),
        new("ssh/rsa-too-small-client", Severity.Error, "the RSA key is too short for the client", "", "make_ed25519_key"),
        new("ssh/rsa-too-small-server", Severity.Error, "the RSA key is too short for the server", "server-refused-key", "use_ed25519_key"),
        new("ssh/second-factor-needed", Severity.Error, "the key was accepted, and the server wants a second factor", "", "enter_second_factor"),
        new("ssh/server-file-modes", Severity.Error, "others may write to the user's home, .ssh or authorized_keys, so the server ignores it", "server-refused-key", "chmod_authorized_keys|chmod_home|chmod_ssh_dir|chown_authorized_keys"),
        new("ssh/server-lacks-key-type", Severity.Error, "the server does not know this type of key", "", "upgrade_server|use_ecdsa_key"),
        new("ssh/server-policy-key-type", Severity.Error, "the server's configuration excludes this type of key", "server-policy-key-type|server-refused-key", "server_accept|use_ed25519_key"),
        new("ssh/server-refused-cert", Severity.Error, "the server refused the certificate and does not say why", "", ""),
        new("ssh/server-refused-key", Severity.Error, "the server refused every key and does not say why", "", ""),
        new("ssh/shell-missing", Severity.Error, "the user's shell does not exist, or is not in /etc/shells", "server-refused-key", "etc_shells|fix_shell"),
        new("ssh/sig-sha1-forced-by-client", Severity.Error, "the client's configuration allows SHA-1 signatures only, and the server does not take them", "server-refused-key|sig-sha1-forced-by-client", "remove_old_option"),
        new("ssh/sig-sha1-only-server", Severity.Error, "the server knows RSA signatures with SHA-1 only, and the client does not make them", "permission-denied-no-detail|sig-sha1-only-server", "upgrade_server|use_ecdsa_key|host_block_+ssh-rsa"),
        new("ssh/source-penalty", Severity.Error, "the server has shut this address out for a while", "", "persourcepenaltyexempt|wait"),
        new("ssh/token-not-signing", Severity.Error, "the security token that holds the key did not sign", "", "plug_token|name_provider"),
        new("ssh/token-presence-required", Severity.Error, "the server wants the security token touched, or its PIN, and the signature shows neither", "server-refused-key", "verify_key|allow_no_touch"),
        new("ssh/too-many-keys", Severity.Error, "the client offered too many keys before the right one", "", "identitiesonly"),
        new("ssh/user-not-allowed", Severity.Error, "the server's configuration does not allow this user", "server-refused-key", "allow_user"),
        new("ssh/wrong-user", Severity.Error, "there is no such user on the server", "server-refused-key", "fix_user"),
    ];

    /// <summary>One cause by its name.</summary>
    public static Cause Find(string name) => All.First(c => c.Name == name);

    /// <summary>The causes that look like this in a client's log, likeliest first.</summary>
    public static string[] Alternatives(string proven) => proven == NoDetail
        ? [.. Quiet.Concat(All.Where(c => c.Proves.Contains(NoDetail) || IsRefusal(c)).Select(c => c.Name)).Where(n => !IsClass(n)).Distinct()]
        : [.. Quiet.Take(1).Concat(All.Select(c => c.Name)).Where(n => !IsClass(n) && Find(n).Proves.Contains(proven)).Distinct()];

    /// <summary>What helps against any of them, in their order.</summary>
    public static string[] Fixes(IEnumerable<string> causes) => [.. causes.SelectMany(c => Find(c).Fixes).Distinct()];

    /// <summary>Whether a name stands for several causes.</summary>
    public static bool IsClass(string name) => name is ServerRefusedKey or ServerRefusedCertificate or NoDetail;

    private static bool IsRefusal(Cause cause) => cause.Proves.Contains(ServerRefusedKey) || cause.Proves.Contains(ServerRefusedCertificate);
}
