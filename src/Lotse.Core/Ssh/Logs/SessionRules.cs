namespace Lotse.Ssh.Logs;

/// <summary>What can go wrong once the login has worked (OpenSSH clientloop.c, mux.c; sshd's debug messages to the client).</summary>
internal static class SessionRules
{
    /// <summary>The exit status of a session that sshd refuses because of /etc/nologin.</summary>
    private const int NoLogin = 254;

    /// <summary>The first rule that fits; null: nothing is wrong after the login, or there was none.</summary>
    public static Conclusion? Of(ClientLog log)
    {
        // What stands before the login is the server's greeting, and ssh itself says nothing after its last word.
        log = log.Authenticated is { } login ? log with { Notable = [.. log.Notable.Where(n => n.Number > login.Number || n.Text.StartsWith("Remote: ", StringComparison.Ordinal))] } : log;
        var own = log with { Notable = Array.FindAll(log.Notable, n => (n.HasReturn || !log.HasReturns) && !(n.Number > log.Over?.Number)) };
        return Pty(own) ?? Forwarding(own) ?? Shell(log) ?? Forced(log);
    }

    private static Conclusion? Pty(ClientLog log) => log.Find("PTY allocation request failed") is { } line
        ? Conclusion.Proven("pty-refused", $"{line.Text}", "sshd(8) AUTHORIZED_KEYS no-pty, restrict; sshd_config(5) PermitTTY", Options(log), line) : null;

    private static Conclusion? Forwarding(ClientLog log) =>
        log.Find("remote port forwarding failed", "administratively prohibited", "forwarding request denied", "Server denied any port") is { } line
            ? Conclusion.Proven("forwarding-forbidden", $"{line.Text}", "sshd(8) AUTHORIZED_KEYS no-port-forwarding, restrict, permitlisten; sshd_config(5) AllowTcpForwarding", Options(log), line) : null;

    private static Conclusion? Shell(ClientLog log)
    {
        if (log.Find("Password change required but no TTY available") is { } password)
        {
            return Conclusion.Proven("password-expired", $"the server says: {password.Text}", "OpenSSH session.c do_child; shadow(5)", log.Find("password has expired", "change your password"), password);
        }

        if (log.Find("This account is currently not available", "Your account has been disabled") is { } told)
        {
            return Conclusion.Proven("login-shell-refuses", $"the shell says: {told.Text}", "nologin(8)", told, log.ExitStatus);
        }

        var status = ClientLogReader.Status(log.ExitStatus);
        if (log.Authenticated is null || status is not (> 0 and < 255))
        {
            return null;
        }

        // The commands true and : cannot fail: it was the shell that ended, or another command that ran.
        return status == NoLogin ? Conclusion.Likely("logins-suspended", $"the session ended with \"{log.ExitStatus!.Text}\": so sshd ends one while /etc/nologin is there", "OpenSSH session.c do_nologin; nologin(5)", log.Authenticated, log.ExitStatus)
            : log.Command?.Trim() is not ("true" or ":" or "exit 0" or "/bin/true") ? null
            : Conclusion.Likely("login-shell-refuses", $"the command {log.Command} cannot fail, and the session ended with \"{log.ExitStatus!.Text}\"", "passwd(5): a shell such as /bin/false runs no command", log.Authenticated, log.ExitStatus) with { Others = ["login-shell-refuses", "forced-command"] };
    }

    private static Conclusion? Forced(ClientLog log) => Options(log) is { } options && (options.Text.Split(' ').Contains("command") || options.Text.Contains("Forced command", StringComparison.Ordinal))
        ? Conclusion.Proven("forced-command", "the login worked; the server runs the command that stands before the key", "sshd(8) AUTHORIZED_KEYS command=", options, log.ExitStatus) : null;

    /// <summary>What sshd tells a client with -v of the options before its key.</summary>
    private static LogLine? Options(ClientLog log) => log.Find("key options:", "Remote: Forced command", "Remote: Port forwarding disabled", "Remote: Pty allocation disabled");
}
