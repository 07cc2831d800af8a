namespace Lotse.Ssh.Logs;

/// <summary>Why none of the keys was good enough: what the client's log can tell of it (OpenSSH sshconnect2.c).</summary>
internal static class AuthenticationRules
{
    private const string Rule = "OpenSSH sshconnect2.c userauth_pubkey";

    /// <summary>The first rule that fits; null when the log tells of no failed login.</summary>
    public static Conclusion? Of(ClientLog log)
    {
        var denied = log.Denied;

        // Of the two last words there is one: what comes before the other is the greeting's.
        var tooMany = log.TooManyFailures is { } failures && !(denied?.Number > failures.Number) ? failures : null;
        var closed = log.Stage == LogStage.Authentication ? log.Find("Connection closed by ", "Connection reset by ", "Disconnected from ", "Authentication failed.") : null;
        if (denied is null && tooMany is null && closed is null)
        {
            return null;
        }

        var methods = denied is not null && LogLines.Between(denied.Text, "Permission denied (", ")") is { } list ? list.Split(',') : log.Methods;
        if (Array.FindLast(log.Notable, n => n.Text.StartsWith("Your account has expired;", StringComparison.Ordinal)) is { } expired)
        {
            // PAM says so once a key was good (RFC 4252 section 5.4: as a greeting), after the server's own greeting, which may hold anything.
            var end = denied ?? tooMany ?? closed;
            Text because = $"the server says: {expired.Text}";
            if (log.Keys.Any(k => k.Line.Number < expired.Number && (k.Fate is KeyFate.Accepted or KeyFate.SignatureRefused || log.Tried.Contains(k.Line))))
            {
                return Conclusion.Proven("account-expired", because, "pam_unix(8); shadow(5)", expired, end);
            }

            if (log.Verbosity == 0 && Array.Find(log.Notable, n => n.Number > expired.Number) == end)
            {
                return Conclusion.Likely("account-expired", because, "pam_unix(8); shadow(5)", expired, end) with { Others = ["account-expired", "key-not-authorized"] };
            }
        }

        return SecondFactor(log, denied ?? closed) ?? NotSigned(log) ?? SignatureRefused(log, denied ?? closed) ?? TooMany(log, tooMany, closed) ?? OffOnServer(log, denied, methods) ?? OffInClient(log, methods)
            ?? NotUsed(log) ?? NoMutual(log) ?? Refused(log, denied ?? closed!) ?? KeptBack(log) ?? NoKey(log, denied ?? closed!);
    }

    /// <summary>The server would have taken a key, and the client did not come to sign: something is wrong with the private half.</summary>
    private static Conclusion? NotSigned(ClientLog log)
    {
        if (Array.Find(log.Notable, n => n.Text.Contains("agent refused operation", StringComparison.Ordinal) && n.Text.Contains("sign", StringComparison.Ordinal)) is { } agent)
        {
            return Conclusion.Proven("agent-refused", $"{agent.Text}", "OpenSSH sshconnect2.c identity_sign", agent);
        }

        var accepted = Array.FindLast(log.Keys, k => k.Fate == KeyFate.Accepted);
        if (accepted is null)
        {
            return null;
        }

        if (Array.Find(log.Troubles, t => t.Path == accepted.Name || t.Path + ".pub" == accepted.Name || t.Path == accepted.Name + ".pub") is { } trouble && Trouble(log, trouble, accepted.FateLine) is { } found)
        {
            return found;
        }

        if (Array.Find(log.Troubles, t => t.Line.Number > accepted.Line.Number) is { } later && Trouble(log, later, accepted.FateLine) is { } fault)
        {
            return fault;
        }

        return log.Find("signing failed for ED25519-SK", "signing failed for ECDSA-SK") is { } token
            ? Conclusion.Proven("token-not-signing", $"the server would take {Value.Path(accepted.Name)}, and its security token did not sign: {token.Text[(token.Text.LastIndexOf(": ", StringComparison.Ordinal) + 2)..]}", "OpenSSH ssh-sk.c sshsk_sign; ssh-keygen(1) FIDO AUTHENTICATOR", accepted.FateLine, token) with { Subject = Value.Path(accepted.Name) }
            : log.Find("signing failed") is { } signing ? Conclusion.Likely("private-key-broken", $"{signing.Text}", Rule, accepted.FateLine, signing)
            : log.Denied is { } denied ? Conclusion.Likely("passphrase-needed", $"the server would take {Value.Path(accepted.Name)}, and the client did not sign with it", "OpenSSH sshconnect2.c load_identity_file: BatchMode asks for no passphrase", accepted.FateLine, denied) with { Subject = Value.Path(accepted.Name) }
            : Conclusion.Likely(CauseCatalogue.ServerRefusedKey, "the server would take the key and closed the connection instead of letting the user in", Rule, accepted.FateLine) with { Others = ["account-expired", "user-not-allowed", "logins-suspended", "account-locked", "root-login-off"] };
    }

    /// <summary>The key was good and the signature was not, or the server decided against the user only then.</summary>
    private static Conclusion? SignatureRefused(ClientLog log, LogLine? end) => Array.Find(log.Keys, k => k.Fate == KeyFate.SignatureRefused) is not { } key ? null
        : Conclusion.Likely("pub-private-mismatch", $"the server would take {Value.Path(key.Name)} and then refused its signature", "RFC 4252 section 7", key.Line, key.FateLine, end) with
        {
            // OpenSSH compares the two halves itself from 7.7 on; sshd asks whether root may log in only after a good signature.
            Others = key.Word.Contains("-SK", StringComparison.Ordinal) ? ["token-presence-required", "account-expired", "user-not-allowed", .. log.User == "root" ? ["root-login-off"] : Array.Empty<string>()]
                : log.User == "root" ? ["root-login-off", "account-expired", "user-not-allowed", "pub-private-mismatch"]
                : log.Client < new SshVersion(7, 7) ? ["pub-private-mismatch", "account-expired", "user-not-allowed"] : ["account-expired", "user-not-allowed", "pub-private-mismatch", "server-policy-key-type"],
            Cause = log.Client < new SshVersion(7, 7) && log.User != "root" ? "pub-private-mismatch" : CauseCatalogue.ServerRefusedKey,
        };

    private static Conclusion? SecondFactor(ClientLog log, LogLine? end) => log.Partial is { } partial
        ? Conclusion.Proven("second-factor-needed", $"the key was accepted with partial success; the server goes on to {string.Join(", ", log.Methods ?? [])}", "RFC 4252 section 5.1 partial success; sshd_config(5) AuthenticationMethods", partial, end) : null;

    private static Conclusion? TooMany(ClientLog log, LogLine? tooMany, LogLine? closed)
    {
        var sent = log.Keys.Count(k => k.Fate is KeyFate.Sent or KeyFate.Refused);
        if (tooMany is not null)
        {
            return Conclusion.Proven("too-many-keys", sent > 0 ? $"the server hung up after {sent} keys" : "the server hung up: too many authentication failures", "sshd_config(5) MaxAuthTries", [.. log.Keys.Where(k => k.Fate == KeyFate.Sent).Select(k => k.Line), tooMany]);
        }

        // Dropbear says nothing and hangs up at its limit (MAX_AUTH_TRIES, 10 by default).
        return closed is not null && sent >= 5 && log.Keys[^1].Fate == KeyFate.Sent
            ? Conclusion.Likely("too-many-keys", $"the server hung up while the {sent}th key was offered", "sshd_config(5) MaxAuthTries; Dropbear default_options.h MAX_AUTH_TRIES", log.Keys[^1].Line, closed) with { Others = ["too-many-keys", .. CauseCatalogue.Alternatives(CauseCatalogue.ServerRefusedKey)] } : null;
    }

    private static Conclusion? OffOnServer(ClientLog log, LogLine? denied, string[]? methods) =>
        denied is null || methods is not { Length: > 0 } || methods.Contains("publickey") ? null
        : log.OffersPublicKey == true ? Conclusion.Likely("second-factor-needed", $"the server took public keys at first, and asks for {string.Join(", ", methods)} now", "RFC 4252 section 5.1; sshd_config(5) AuthenticationMethods", denied)
        : log.Verbosity == 0 ? Conclusion.Likely("pubkey-off-on-server", $"the server asks for {string.Join(", ", methods)}; without -v it is not seen whether a key was taken before", "RFC 4252 section 5.1; sshd_config(5) PubkeyAuthentication, AuthenticationMethods", denied) with { Others = ["pubkey-off-on-server", "second-factor-needed"] }
            : Conclusion.Proven("pubkey-off-on-server", $"the server takes {string.Join(", ", methods)}, and no public keys", "RFC 4252 section 5.1; sshd_config(5) PubkeyAuthentication, AuthenticationMethods", denied);

    private static Conclusion? OffInClient(ClientLog log, string[]? methods) =>
        log.Verbosity > 0 && !log.TriedPublicKeys && log.Methods is not null && methods?.Contains("publickey") == true
            ? Conclusion.Proven("pubkey-off-in-client", "the server takes public keys, and the client did not try them", "ssh_config(5) PubkeyAuthentication, PreferredAuthentications", log.Denied) : null;

    /// <summary>A key file that could not be used, where nothing else was tried or nothing more is known.</summary>
    private static Conclusion? NotUsed(ClientLog log)
    {
        if (log.Troubles.Length == 0 || log.Keys.Any(k => k.Fate is KeyFate.Refused or KeyFate.Sent))
        {
            return null;
        }

        // What was named and is not there weighs less than what is there and cannot be read, and "invalid format" less than words that say what is wrong.
        return log.Troubles.OrderBy(t => t.Words.Contains("No such file", StringComparison.Ordinal)).ThenBy(t => t.Words.Contains("invalid format", StringComparison.Ordinal)).Select(t => Trouble(log, t, null)).FirstOrDefault(c => c is not null);
    }

    /// <summary>What a complaint about a key file means.</summary>
    private static Conclusion? Trouble(ClientLog log, FileTrouble trouble, LogLine? accepted)
    {
        var path = trouble.Path;
        bool isPublic = path.EndsWith(".pub", StringComparison.Ordinal), isPutty = path.EndsWith(".ppk", StringComparison.OrdinalIgnoreCase);
        var cause = trouble.Words switch
        {
            "contents do not match public" => "pub-private-mismatch",
            "too open" or "bad permissions" => isPublic ? "public-key-as-private" : "private-key-modes",
            "Permission denied" => "private-key-modes",
            "Invalid key length" => "rsa-too-small-client",
            "unknown or unsupported key type" => log.Client is null || log.Client >= new SshVersion(10, 0) ? "dsa-key-gone" : "private-key-broken",
            _ when trouble.Words.StartsWith("incorrect passphrase", StringComparison.Ordinal) => "passphrase-needed",
            _ when trouble.Words.Contains("No such file", StringComparison.Ordinal) => "identity-missing",
            _ => isPublic ? "public-key-as-private" : isPutty ? "private-key-putty-format" : "private-key-broken",
        };
        var vague = cause == "private-key-broken" || (cause == "dsa-key-gone" && !path.Contains("dsa", StringComparison.OrdinalIgnoreCase));
        return new(cause, vague ? Certainty.Inferred : Certainty.Proven, $"{Value.Path(path)}: {trouble.Words}", "OpenSSH authfile.c, sshkey.c", accepted, trouble.Line)
        {
            Subject = Value.Path(path),
            Others = cause == "private-key-broken" ? [cause, "private-key-putty-format", "public-key-as-private"] : [],
        };
    }

    private static Conclusion? NoMutual(ClientLog log)
    {
        if (Array.Find(log.Keys, k => k.Fate is KeyFate.NoMutualSignature or KeyFate.NotSupportedByServer) is not { } key)
        {
            return null;
        }

        const string Signatures = "RFC 8308 server-sig-algs, RFC 8332; OpenSSH sshconnect2.c key_sig_algorithm";
        var type = key.Type ?? new UserKeyType("ssh-rsa", 0);
        var listed = log.ServerSigAlgs;
        if (!type.IsRsa)
        {
            return Conclusion.Likely("server-policy-key-type", $"server-sig-algs has no algorithm for {key.Word}", Signatures, key.Line, key.FateLine);
        }

        var rsa = listed?.Where(type.Signatures.Contains).ToArray();
        return listed is null ? Conclusion.Proven("sig-sha1-only-server", "the server sends no server-sig-algs, so an RSA key can only sign with ssh-rsa (SHA-1), which this client does not do by default", Signatures, key.Line, key.FateLine)
            : rsa!.Length == 0 ? Conclusion.Proven("server-policy-key-type", $"server-sig-algs has no algorithm for RSA: {string.Join(',', listed)}", Signatures, key.Line, key.FateLine)
            : rsa.Any(a => a != "ssh-rsa") ? Conclusion.Proven("sig-sha1-forced-by-client", $"the server takes {string.Join(", ", rsa)}, so it is the client's PubkeyAcceptedAlgorithms that lacks them", Signatures, key.Line, key.FateLine, log.Configuration.FirstOrDefault(c => !c.Text.Contains("/etc/", StringComparison.Ordinal)))
            : Conclusion.Proven("sig-sha1-only-server", "server-sig-algs has ssh-rsa (SHA-1) alone for RSA keys, which this client does not do by default", Signatures, key.Line, key.FateLine);
    }

    private static Conclusion? Refused(ClientLog log, LogLine end)
    {
        var refused = log.Keys.Where(k => k.Fate is KeyFate.Refused or KeyFate.Sent).ToArray();
        if (refused.Length == 0)
        {
            return null;
        }

        LogLine?[] lines = [refused[^1].Line, refused[^1].FateLine, end];
        if (refused.Any(k => k.IsCertificate))
        {
            return Conclusion.Proven(CauseCatalogue.ServerRefusedCertificate, "the server refused the certificate; it never tells a client why", "RFC 4252 section 7; sshd(8), ssh-keygen(1) CERTIFICATES", lines) with { Others = [.. CauseCatalogue.Alternatives(CauseCatalogue.ServerRefusedCertificate), .. Likely(log, refused)] };
        }

        if (refused.All(k => Lacks(log, k)))
        {
            return Conclusion.Proven("server-lacks-key-type", $"{log.Server} does not know {refused[^1].Word} keys", "Dropbear CHANGES: ecdsa since 2013.61, ed25519 since 2020.79", lines);
        }

        if (log is { Server: { } server, ServerSigAlgs: { } listed } && ServerModel.ListsWhatItTakes(server) && refused.All(k => k.Type is { } t && t.Name != "ecdsa-sha2-nistp256" && !t.Signatures.Any(listed.Contains)))
        {
            return Conclusion.Proven(ServerModel.Identify(server).Program == "dropbear" ? "server-lacks-key-type" : "server-policy-key-type", $"server-sig-algs has no algorithm for {refused[^1].Word}", "RFC 8308; OpenSSH 9.6 release notes: server-sig-algs is what the configuration permits", lines);
        }

        if (log.Denied is null && !refused.Any(k => k.Fate == KeyFate.Refused))
        {
            // It hung up in place of an answer: whether that was one is not seen.
            return Conclusion.Likely(CauseCatalogue.ServerRefusedKey, $"the server hung up when {Value.Path(refused[^1].Name)} was offered: \"{end.Text}\"", Rule, lines) with { Others = Likely(log, refused) };
        }

        return Conclusion.Proven(CauseCatalogue.ServerRefusedKey, refused.Length == 1 ? (Text)$"the server refused {Value.Path(refused[0].Name)}; it never tells a client why" : $"the server refused {refused.Length} keys; it never tells a client why", "RFC 4252 section 7: a refusal has no reason", lines)
            with
        { Others = Likely(log, refused) };
    }

    /// <summary>Whether a server of that banner cannot know the key's type.</summary>
    private static bool Lacks(ClientLog log, KeyAttempt key)
    {
        var (program, version) = log.Server is null ? default : ServerModel.Identify(log.Server);
        if (key.Type is not { } type || version is not { } release || program is null)
        {
            return false;
        }

        return type.Name switch
        {
            "ssh-ed25519" => program == "dropbear" ? release < new SshVersion(2020, 79) : release < new SshVersion(6, 5),
            "sk-ssh-ed25519@openssh.com" or "sk-ecdsa-sha2-nistp256@openssh.com" => program == "dropbear" ? release < new SshVersion(2022, 83) : release < new SshVersion(8, 2),
            _ when key.Word == "ECDSA" => program == "dropbear" ? release < new SshVersion(2013, 61) || (log.Theirs is { } theirs && !theirs.Kex.Any(k => k.StartsWith("ecdh-", StringComparison.Ordinal))) : release < new SshVersion(5, 7),
            _ => false,
        };
    }

    /// <summary>The causes of a refusal, likeliest first for this user and key.</summary>
    private static string[] Likely(ClientLog log, KeyAttempt[] refused)
    {
        var all = CauseCatalogue.Alternatives(CauseCatalogue.ServerRefusedKey).ToList();
        if (!refused.Any(k => k.Type?.IsRsa == true))
        {
            // Both are about RSA alone.
            all.Remove("rsa-too-small-server");
            all.Remove("sig-sha1-forced-by-client");
        }

        // It is seen only after a signature.
        all.Remove("token-presence-required");

        if (log.User is { } user && user != "root")
        {
            all.Remove("root-login-off");
        }
        else if (log.User == "root" && all.Remove("root-login-off"))
        {
            all.Insert(1, "root-login-off");
        }

        return log.BroadBlockFirst is not null && all.Remove("config-first-wins") ? ["config-first-wins", .. all] : [.. all];
    }

    private static Conclusion? KeptBack(ClientLog log)
    {
        var skipped = log.Keys.Where(k => k.Fate == KeyFate.Skipped).ToArray();
        return skipped.Length == 0 ? null
            : Array.Find(skipped, k => k.Type?.Name != "ssh-dss") is { } key ? Conclusion.Proven("client-policy-key-type", $"{Value.Path(key.Name)}: {key.Line.Text[(key.Line.Text.LastIndexOf(" - ", StringComparison.Ordinal) + 3)..]}", "ssh_config(5) PubkeyAcceptedAlgorithms", key.Line) with { Subject = Value.Path(key.Name) }
            : log.Client >= new SshVersion(10, 0) ? Conclusion.Proven("dsa-key-gone", $"{Value.Path(skipped[0].Name)} is a DSA key", "OpenSSH 10.0 release notes", skipped[0].Line)
            : Conclusion.Proven("dsa-key-disabled", $"{Value.Path(skipped[0].Name)} is a DSA key", "OpenSSH 7.0 release notes: ssh-dss is off by default", skipped[0].Line) with { Subject = Value.Path(skipped[0].Name) };
    }

    private static Conclusion NoKey(ClientLog log, LogLine end)
    {
        if (log.Find("Invalid key length") is { } shortKey)
        {
            return Conclusion.Proven("rsa-too-small-client", $"{shortKey.Text}", "ssh_config(5) RequiredRSASize; sshkey.h SSH_RSA_MINIMUM_MODULUS_SIZE", shortKey, end);
        }

        if (log.Find("agent refused operation") is { } locked)
        {
            return Conclusion.Proven("no-key-offered", "the agent does not even list its keys: it is locked", "ssh-add(1) -x; ssh-agent(1)", locked, end) with { Fixes = ["unlock_agent", "name_key"] };
        }

        // A private key without its public half, and encrypted, leaves no other trace than this: it is not said to be missing.
        var missing = log.Notable.Where(n => n.Text.StartsWith("no such identity: ", StringComparison.Ordinal)).Select(n => LogLines.Between(n.Text, "no such identity: ", ": ")).ToHashSet();
        var silent = Array.Find(log.Tried, t => !missing.Contains(t.Text["Trying private key: ".Length..]));
        if (log.Verbosity == 3 && silent is not null)
        {
            return Conclusion.Likely("passphrase-needed", $"{silent.Text}: the file is there, and nothing came of it", "OpenSSH sshconnect2.c load_identity_file: BatchMode asks for no passphrase", silent, end);
        }

        return log.Verbosity > 0 && log.TriedPublicKeys
            ? Conclusion.Proven("no-key-offered", "the client came to public keys and had none", Rule, end) with { Others = log.Verbosity >= 3 || silent is null ? [] : IsNamed(silent) ? ["no-key-offered", "identity-missing", "passphrase-needed"] : ["no-key-offered", "passphrase-needed"] }
            : Conclusion.Proven(CauseCatalogue.NoDetail, "without -v ssh does not print what it tried", "ssh(1) -v", end);
    }

    /// <summary>Whether a key was named, and is none of those that ssh looks for by itself (pathnames.h): that it is not there, ssh says on standard error, wherever -E sends the log.</summary>
    private static bool IsNamed(LogLine tried) => tried.Text[(tried.Text.LastIndexOf('/') + 1)..] is var name && !(name.StartsWith("id_", StringComparison.Ordinal) || name == "identity");
}
