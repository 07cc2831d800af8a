namespace Lotse.Ssh.Logs;

/// <summary>What ends a connection before it comes to keys: configuration, network, banner, negotiation, host key. Wordings of OpenSSH 7.5 to 10.6.</summary>
internal static class ConnectionRules
{
    private const string Configuration = "OpenSSH readconf.c; ssh_config(5)";
    private const string Connect = "OpenSSH sshconnect.c; connect(2)";
    private const string Exchange = "OpenSSH kex.c kex_exchange_identification; RFC 4253 section 4.2";
    private const string Negotiation = "RFC 4253 section 7.1";

    /// <summary>The first rule that fits, in the order of a connection; null when none does.</summary>
    public static Conclusion? Of(ClientLog log) =>
        // Where keys are asked for, all of this is over: what looks like it is the server's greeting (RFC 4252 section 5.4). A proxy's own words may come late, but not where the host behind it has the last one.
        log is { Verbosity: > 0, Stage: LogStage.Authentication } && (!log.Proxied || log.Denied?.Text.StartsWith($"{log.User}@{log.Host}: ", StringComparison.Ordinal) == true) ? null :
        Config(log) ?? Name(log) ?? HostKey(log) ?? Negotiate(log) ?? Proxy(log) ?? Banner(log) ?? Network(log) ?? Closed(log) ?? Stopped(log);

    private static Conclusion? Config(ClientLog log)
    {
        if (log.Find("Bad owner or permissions on ") is { } modes)
        {
            return Conclusion.Proven("config-modes", $"ssh refuses {Value.Path(modes.Text["Bad owner or permissions on ".Length..])}: {modes.Text}", "OpenSSH readconf.c read_config_file: not the user's or root's, or writable by group or others", modes) with { Subject = Value.Path(modes.Text["Bad owner or permissions on ".Length..]) };
        }

        if (log.Find("Bad configuration option: ") is { } unknown)
        {
            return Conclusion.Proven("config-unknown-option", $"{unknown.Text}", Configuration, unknown, log.Find(": terminating, ")) with { Fixes = unknown.Text.Contains("pubkeyaccepted", StringComparison.OrdinalIgnoreCase) ? ["PubkeyAcceptedKeyTypes", "IgnoreUnknown"] : ["IgnoreUnknown", "PubkeyAcceptedKeyTypes"], Subject = File(unknown) };
        }

        foreach (var line in log.Notable)
        {
            // "FILE line 2: Bad …" and "FILE: line 2: Bad …"; a warning such as "Unsupported option" or "Deprecated option" ends nothing.
            var at = line.Text.IndexOf(" line ", StringComparison.Ordinal);
            var colon = at < 0 ? -1 : line.Text.IndexOf(": ", at, StringComparison.Ordinal);
            if (colon < 0 || colon - at > 14 || !line.Text.AsSpan(at + 6, colon - at - 6).TrimEnd(':').ContainsOnlyDigits())
            {
                continue;
            }

            var said = line.Text.AsSpan(colon + 2);
            if (BadValue(said) is { } fixes)
            {
                return Conclusion.Proven("config-bad-value", $"{line.Text}", Configuration, line) with { Fixes = fixes, Subject = File(line) };
            }

            if (IsParseError(said))
            {
                return Conclusion.Proven("config-parse-error", $"{line.Text}", Configuration, line) with { Subject = File(line) };
            }
        }

        return log.Find("Bad key types '", "Bad SSH2 cipher spec '", "Bad SSH2 KexAlgorithms '", "Bad SSH2 MAC spec '", "Bad SSH2 Mac spec '") is { } value
            ? Conclusion.Proven("config-bad-value", $"{value.Text}", Configuration, value) with { Fixes = BadValue(value.Text) ?? [] } : null;
    }

    private static Value File(LogLine line)
    {
        var at = line.Text.IndexOf(" line ", StringComparison.Ordinal);
        return Value.Path(at < 0 ? line.Text : line.Text[..at].TrimEnd(':'));
    }

    /// <summary>What helps against a value that is not taken; null when the words are no such complaint.</summary>
    private static string[]? BadValue(ReadOnlySpan<char> said)
    {
        var words = said.ToString();
        return (words.StartsWith("Bad ", StringComparison.OrdinalIgnoreCase) && !words.StartsWith("Bad Match", StringComparison.OrdinalIgnoreCase)) || words.StartsWith("unsupported ", StringComparison.Ordinal)
            || (words.StartsWith("Invalid ", StringComparison.OrdinalIgnoreCase) && !words.Contains("quote", StringComparison.OrdinalIgnoreCase))
            ? words.Contains("ssh-dss", StringComparison.Ordinal) ? ["drop_ssh-dss"]
            : words.Contains("cipher", StringComparison.OrdinalIgnoreCase) ? ["drop_cipher"]
            : words.Contains("Kex", StringComparison.OrdinalIgnoreCase) ? ["fix_kex_name"]
            : ["fix_line", "fix_kex_name"]
            : null;
    }

    private static bool IsParseError(ReadOnlySpan<char> said)
    {
        foreach (var words in new[] { "missing ", "no argument", "garbage at end", "keyword ", "unbalanced quote", "invalid quote", "extra arguments", "Bad Match", "too many ", "command-line line" })
        {
            if (said.StartsWith(words, StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        return false;
    }

    private static Conclusion? Name(ClientLog log) => Array.Find(log.Notable, n => n.Text.IndexOf(": Could not resolve hostname ", StringComparison.Ordinal) is > 0 and var at && n.Text[(n.Text.LastIndexOf(' ', at) + 1)..at].StartsWith("ssh", StringComparison.Ordinal)) is { } line
        ? Conclusion.Proven(log.Proxied && log.Find("UNKNOWN port") is not null ? "proxy-failed" : "name-unknown", $"{line.Text}", "OpenSSH ssh.c resolve_host; getaddrinfo(3)", line) : null;

    private static Conclusion? HostKey(ClientLog log)
    {
        const string Rule = "OpenSSH sshconnect.c check_host_key; sshd(8) SSH_KNOWN_HOSTS FILE FORMAT";
        var failed = log.Find("Host key verification failed.");
        if (log.Find("REVOKED HOST KEY DETECTED", "is marked as revoked", "was revoked") is { } revoked && (failed ?? log.Find("was revoked and you have requested strict checking")) is not null)
        {
            return Conclusion.Proven("hostkey-revoked", "known_hosts marks the server's host key as revoked", Rule, revoked, log.Find("has been marked as revoked", "is marked as revoked"), failed);
        }

        if (failed is not null && log.Find(" revoked by file ", " in revoked keys file ") is { } listed)
        {
            // A file that cannot be read refuses every host (ssh_config(5) RevokedHostKeys).
            return listed.Text.StartsWith("Host key ", StringComparison.Ordinal) ? Conclusion.Proven("hostkey-revoked", $"{listed.Text}", "ssh_config(5) RevokedHostKeys", listed, failed)
                : Conclusion.Likely("config-bad-value", $"{listed.Text}: then no host key is taken", "ssh_config(5) RevokedHostKeys", listed, failed) with { Fixes = ["fix_line"] };
        }

        if (log.Find("REMOTE HOST IDENTIFICATION HAS CHANGED") is { } changed && (failed is not null || log.Find("has changed and you have requested strict checking") is not null))
        {
            // An initrd and the system behind it share an address: root logs in there, and one of the two is a Dropbear.
            var initrd = log.User == "root" || log.Server?.Contains("dropbear", StringComparison.OrdinalIgnoreCase) == true;
            return Conclusion.Proven("hostkey-changed", "known_hosts has another key under this name", Rule, changed, log.Find("Offending "), log.Find("sent by the remote host"), failed) with { Fixes = initrd ? ["hostkeyalias_for_initrd", "verify_then_remove"] : ["verify_then_remove", "hostkeyalias_for_initrd"] };
        }

        return log.Find("KnownHostsCommand failed") is { } command ? Conclusion.Proven("hostkey-unknown", $"{command.Text}: it was to say which host keys are known", "ssh_config(5) KnownHostsCommand", command)
            : log.Find("host key is known for") is { } unknown ? Conclusion.Proven("hostkey-unknown", $"{unknown.Text}", Rule, unknown, failed)
            : failed is null ? null
            : Conclusion.Proven("hostkey-unknown", "known_hosts has no key under this name, and nobody could be asked", Rule, failed);
    }

    private static Conclusion? Negotiate(ClientLog log)
    {
        if (log.Find("no matching ") is not { } line || LogLines.Between(line.Text, "no matching ", " found") is not { } what)
        {
            return null;
        }

        var offer = SshTable.Names((LogLines.Between(line.Text, "Their offer: ", "") ?? "").Trim());
        return what switch
        {
            "host key type" when offer.Length > 0 && offer.All(o => o is "ssh-rsa" or "ssh-dss") => Conclusion.Proven("hostkey-sha1-only-server", $"the server offers only {string.Join(',', offer)}, and the client takes none of it", "RFC 8332; OpenSSH 8.8 release notes", line),
            "host key type" => Conclusion.Proven("hostkey-none", $"{line.Text}", Negotiation, line),
            "key exchange method" => Conclusion.Proven("kex-none", $"{line.Text}", Negotiation, line) with { Fixes = KexFixes(offer, log) },
            "cipher" => Conclusion.Proven("cipher-none", $"{line.Text}", Negotiation, line),
            "MAC" => Conclusion.Proven("mac-none", $"{line.Text}", Negotiation, line),
            _ => null,
        };
    }

    /// <summary>The narrowest that the server's offer needs; who is the old one of the two decides.</summary>
    private static string[] KexFixes(string[] offer, ClientLog log)
    {
        // Names before the first key exchange that both took by default: whoever has none of these is old.
        string[] modern = ["curve25519", "mlkem", "sntrup", "ecdh-sha2", "group16", "group18", "group14-sha256", "group-exchange-sha256"];
        return offer.Any(o => modern.Any(m => o.Contains(m, StringComparison.Ordinal))) ? log.Client is { } version && version < new SshVersion(8, 0) ? ["upgrade_client", "server_kex"] : ["server_kex", "upgrade_client"]
            : [IsReduced(log) ? "server_kex" : "upgrade_server", offer.Contains("diffie-hellman-group14-sha1") ? "host_block_kex_group14-sha1+hostkey+sig" : "host_block_kex_group1"];
    }

    /// <summary>Whether the server's release knows curve25519 (OpenSSH 6.5, Dropbear 2013.62): then it is its configuration that leaves it out.</summary>
    private static bool IsReduced(ClientLog log) => log.Server is { } name && ServerModel.Identify(name) is ({ } program, { } release) && release >= (program == "dropbear" ? new SshVersion(2013, 62) : new(6, 5));

    private static Conclusion? Banner(ClientLog log)
    {
        if (log.Find("Protocol major versions differ", "Remote protocol version 1.") is { } one && log.Authenticated is null)
        {
            return Conclusion.Proven("protocol-1-server", $"{one.Text}", "OpenSSH 7.6 release notes: protocol 1 is gone from the client", one);
        }

        if (log.Find("timed out during banner exchange") is { } late)
        {
            return Conclusion.Proven("banner-timeout", $"{late.Text}", Exchange, late);
        }

        if (log.Find("Not allowed at this time") is { } penalty)
        {
            // From 9.8 on MaxStartups has the same words.
            return Conclusion.Likely("source-penalty", "the server answered \"Not allowed at this time\"", "sshd_config(5) PerSourcePenalties, MaxStartups", penalty) with { Others = ["source-penalty", "closed-before-banner"], Fixes = ["persourcepenaltyexempt", "wait", "maxstartups"] };
        }

        if (log.Find("Exceeded MaxStartups") is { } startups)
        {
            return Conclusion.Proven("closed-before-banner", "the server answered \"Exceeded MaxStartups\"", "sshd_config(5) MaxStartups", startups, log.Find("Connection closed", "Connection reset")) with { Fixes = ["maxstartups"] };
        }

        // Lines before the identification are allowed (RFC 4253 section 4.2), but then one has to come.
        var said = log.Server is null ? log.Find("banner line 0: ", "banner line ", "Bad remote protocol version identification") ?? Array.Find(log.Notable, IsOldBannerLine) : null;
        var notRead = log.Find("could not read protocol version", "Bad remote protocol version identification", "No banner received", "invalid characters", "banner exchange: Connection to");
        if (said is not null || (notRead is not null && log.Server is null))
        {
            return Conclusion.Proven("not-ssh-server", said is null ? $"{notRead!.Text}" : (Text)$"the other side says \"{said.Text[(said.Text.IndexOf(": ", said.Text.IndexOf("line", StringComparison.Ordinal) is var l && l > 0 ? l : 0, StringComparison.Ordinal) + 2)..]}\"", Exchange, said, notRead);
        }

        return null;
    }

    /// <summary>Before 8.0 the lines of what is no ssh server stand behind the same words as what ssh says itself of the exchange.</summary>
    private static bool IsOldBannerLine(LogLine line)
    {
        const string Mark = "ssh_exchange_identification: ";
        return line.Text.StartsWith(Mark, StringComparison.Ordinal) && line.Text[Mark.Length..] is { Length: > 0 } rest
            && !Array.Exists(["Connection closed", "Connection reset", "read: ", "write: ", "No banner", "Could not", "Not allowed", "Exceeded "], w => rest.StartsWith(w, StringComparison.Ordinal));
    }

    private static Conclusion? Network(ClientLog log)
    {
        foreach (var (words, cause) in new[]
        {
            ("Connection refused", "connection-refused"), ("No route to host", "no-route-to-host"), ("Host is down", "no-route-to-host"), ("Network is unreachable", "network-unreachable"),
            ("Connection timed out", "connection-timeout"), ("Operation timed out", "connection-timeout"),
        })
        {
            // The last address decides: the ones before were only tried.
            var line = Array.FindLast(log.Notable, n => n.Text.Contains("connect to host ", StringComparison.Ordinal));
            if (line?.Text.EndsWith(words, StringComparison.Ordinal) == true)
            {
                // One ssh that could not connect says nothing more: what follows is another one's, whose proxy this was.
                return (log.Find("UNKNOWN port") ?? Array.Find(log.Notable, n => n.Number > line.Number && n.Text.Contains("exchange_identification: ", StringComparison.Ordinal))) is { } unknown ? Conclusion.Proven("proxy-failed", $"the host in between: {line.Text}", Connect, line, unknown)
                    : Conclusion.Proven(cause, $"{line.Text}", Connect, line);
            }
        }

        return null;
    }

    private static Conclusion? Proxy(ClientLog log)
    {
        var unknown = log.Find("by UNKNOWN port", "to UNKNOWN port", "stdio forwarding failed");
        var ended = log.Server is null ? log.Find("exchange_identification: ", "banner exchange: ") ?? (log.Proxied ? log.Find("Broken pipe") : null) : null;
        if (log.Denied is { } denied && ended?.Number > denied.Number)
        {
            return Conclusion.Proven("proxy-failed", $"the host in between let nobody in: {denied.Text}", "ssh_config(5) ProxyJump", denied, ended);
        }

        var helper = ended is null ? null : log.Find(": not found", "command not found", "nc: ", "ncat: ", "socat", "open failed", "proxy");
        if (helper is null && !log.Proxied && unknown is not null && (ended is null || log.Verbosity > 0))
        {
            // A pipe to a program has no address; a connection that was reset has none any more either (getpeername(2)).
            return log.Verbosity > 0 ? null
                : Conclusion.Likely(unknown.Text.Contains("reset", StringComparison.Ordinal) ? "closed-before-banner" : "proxy-failed", $"{unknown.Text}; without -v it is not seen whether a program or a host stands in between", Exchange, unknown)
                    with
                { Others = unknown.Text.Contains("reset", StringComparison.Ordinal) ? ["closed-before-banner", "proxy-failed"] : ["proxy-failed", "closed-before-banner"] };
        }

        return unknown is not null || helper is not null || (log.Proxied && ended is not null)
            ? Conclusion.Proven("proxy-failed", "the connection through ProxyCommand or ProxyJump ended before the server said anything", "ssh_config(5) ProxyCommand, ProxyJump", helper ?? log.Find("not found", "open failed", "No such file", "Connection refused", "timed out"), unknown ?? ended) : null;
    }

    private static Conclusion? Closed(ClientLog log)
    {
        var before = log.Server is not null ? null : log.Find("exchange_identification: ") ?? (log.Verbosity > 0 && log.Stage <= LogStage.Banner ? log.Find("Connection closed by ", "Connection reset by ") : null);
        if (before is not null)
        {
            // Before 8.0 ssh prints nothing of a line that it cannot read, and no address, which a program in between would not have.
            string[] others = log.Verbosity == 0 ? ["closed-before-banner", "source-penalty", "not-ssh-server", .. log.Find(" port ") is null ? (string[])["proxy-failed"] : []] : log.Client < new SshVersion(8, 0) ? ["closed-before-banner", "not-ssh-server"] : [];
            return Conclusion.Proven("closed-before-banner", $"{before.Text}", Exchange, before, log.Find("Connection closed by ", "Connection reset by ")) with { Others = others };
        }

        var closed = log.Find("Connection closed by ", "Connection reset by ", "Connection closed.", "ssh_dispatch_run_fatal", "Broken pipe", "Bad packet length");
        if (closed is null || log.Stage >= LogStage.Authentication || (log.Denied ?? log.TooManyFailures) is not null)
        {
            return null;
        }

        var (program, version) = log.Server is null ? default : ServerModel.Identify(log.Server);
        var names = log.Ours?.HostKeys.Length ?? (log.Client is { } client ? ClientModel.Defaults(client).HostKeys.Length + 1 : 0);
        if (program == "dropbear" && version < new SshVersion(2020, 81) && names > 20)
        {
            Text because = log.Ours is null ? (Text)$"{log.Server} copes with 20 names a list; OpenSSH {log.Client?.ToString()} proposes {names} host key algorithms where one was added" : $"{log.Server} copes with 20 names a list, and the client proposed {names} host key algorithms";
            return (log.Ours is null ? Conclusion.Likely("old-dropbear-20-names", because, "Dropbear algo.h MAX_PROPOSED_ALGO", closed) : Conclusion.Proven("old-dropbear-20-names", because, "Dropbear algo.h MAX_PROPOSED_ALGO", closed)) with { Others = log.Ours is null ? ["old-dropbear-20-names", "mtu-blackhole"] : [] };
        }

        if (closed.Text.Contains("timed out", StringComparison.OrdinalIgnoreCase))
        {
            return Blackhole(closed);
        }

        // From 10.0 on, ssh without -v prints this line alone, at whatever stage the server hung up.
        return log.Verbosity == 0
            ? Conclusion.Likely("closed-before-banner", $"{closed.Text}; without -v it is not seen at which stage", Exchange, closed) with { Others = ["closed-before-banner", "source-penalty", "not-ssh-server", "closed-during-handshake", "old-dropbear-20-names", "mtu-blackhole", "too-many-keys", "account-expired", "user-not-allowed", "logins-suspended"] }
            : Conclusion.Likely("closed-during-handshake", $"{closed.Text}", Negotiation, closed) with { Others = ["closed-during-handshake", "mtu-blackhole", "old-dropbear-20-names"] };
    }

    private static Conclusion? Stopped(ClientLog log) =>
        log.Verbosity > 0 && log.Authenticated is null && log.Stage is LogStage.KeyExchange or LogStage.KeyExchangeReply && log.Last is { } last && !log.Notable.Contains(last) ? Blackhole(last) : null;

    private static Conclusion Blackhole(LogLine last) =>
        Conclusion.Likely("mtu-blackhole", $"nothing came back after \"{last.Text}\": the first large packets get lost", "RFC 4459 section 3.1, RFC 2923 section 2.1: path MTU discovery without ICMP", last);
}

/// <summary>A word of digits.</summary>
internal static class Digits
{
    /// <summary>Whether there is one character at least, and no other than 0 to 9.</summary>
    public static bool ContainsOnlyDigits(this ReadOnlySpan<char> text) => !text.IsEmpty && !text.ContainsAnyExceptInRange('0', '9');
}
