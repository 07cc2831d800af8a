namespace Lotse.Ssh.Logs;

/// <summary>How far the connection got that a log tells of.</summary>
public enum LogStage
{
    /// <summary>Nothing was tried: configuration, or the log says nothing.</summary>
    Start,

    /// <summary>The TCP connection, or the proxy in its place.</summary>
    Connecting,

    /// <summary>Waiting for the other side's identification.</summary>
    Banner,

    /// <summary>Key exchange.</summary>
    KeyExchange,

    /// <summary>The reply to the key exchange was waited for.</summary>
    KeyExchangeReply,

    /// <summary>Authentication.</summary>
    Authentication,

    /// <summary>Logged in.</summary>
    Session,
}

/// <summary>What the log of an OpenSSH client says, from 7.5 to 10.6, with -v, -vv, -vvv or without. Facts only; what they mean is <see cref="LogDiagnosis"/>'s.</summary>
public sealed record ClientLog
{
    /// <summary>The client's version; null without -v.</summary>
    public SshVersion? Client { get; init; }

    /// <summary>0 without -v, else the highest debug level seen.</summary>
    public int Verbosity { get; init; }

    /// <summary>How far it got.</summary>
    public LogStage Stage { get; init; }

    /// <summary>The server's software version as its banner says.</summary>
    public string? Server { get; init; }

    /// <summary>server-sig-algs of EXT_INFO; null: none was sent, or the log has no -v.</summary>
    public string[]? ServerSigAlgs { get; init; }

    /// <summary>What the client proposed, with -vv.</summary>
    public KexInit? Ours { get; init; }

    /// <summary>What the server proposed, with -vv.</summary>
    public KexInit? Theirs { get; init; }

    /// <summary>Every key, in order.</summary>
    public KeyAttempt[] Keys { get; init; } = [];

    /// <summary>Lines that tell which private keys were tried that had no public half to offer.</summary>
    public LogLine[] Tried { get; init; } = [];

    /// <summary>Files that could not be used.</summary>
    public FileTrouble[] Troubles { get; init; } = [];

    /// <summary>Methods that the server last named.</summary>
    public string[]? Methods { get; init; }

    /// <summary>Whether the server ever named publickey among its methods; null: it named none.</summary>
    public bool? OffersPublicKey { get; init; }

    /// <summary>Whether the client came to try public keys.</summary>
    public bool TriedPublicKeys { get; init; }

    /// <summary>The login succeeded.</summary>
    public LogLine? Authenticated { get; init; }

    /// <summary>One factor was enough for the server only in part.</summary>
    public LogLine? Partial { get; init; }

    /// <summary>ssh's last word, where it is known to be that: of a session with LogLevel VERBOSE or more, of keys with -v. What follows is somebody else's.</summary>
    public LogLine? Over { get; init; }

    /// <summary>Where the server first named methods, with -v: its greeting came before, and keys are tried after.</summary>
    public LogLine? Asked { get; init; }

    /// <summary>The host as the client calls it.</summary>
    public string? Host { get; init; }

    /// <summary>The user that was asked for.</summary>
    public string? User { get; init; }

    /// <summary>Whether a ProxyCommand or ProxyJump stands between.</summary>
    public bool Proxied { get; init; }

    /// <summary>The command that was sent.</summary>
    public string? Command { get; init; }

    /// <summary>The exit status of the session.</summary>
    public LogLine? ExitStatus { get; init; }

    /// <summary>Lines that may decide, in the order of the log: errors, and what servers say before they hang up.</summary>
    public LogLine[] Notable { get; init; } = [];

    /// <summary>Whether any line ends with a carriage return: then one that does not is none of ssh's own.</summary>
    public bool HasReturns { get; init; }

    /// <summary>The last line that is not empty.</summary>
    public LogLine? Last { get; init; }

    /// <summary>Lines in which configuration files were read, and blocks of them applied; more than the system's own.</summary>
    public LogLine[] Configuration { get; init; } = [];

    /// <summary>
    /// A block of the user's configuration for all hosts that was applied before one for this host: what both set, the
    /// first has decided (ssh_config(5)). Null: there is none.
    /// </summary>
    public (LogLine Broad, LogLine Narrow)? BroadBlockFirst
    {
        get
        {
            const string Mark = ": Applying options for ";
            var applied = Configuration.Where(c => c.Text.Contains(Mark, StringComparison.Ordinal) && !c.Text.StartsWith("/etc/", StringComparison.Ordinal)).ToArray();
            var broad = Array.FindIndex(applied, a => a.Text.EndsWith(Mark + "*", StringComparison.Ordinal));
            var narrow = broad < 0 ? -1 : Array.FindIndex(applied, broad, a => !a.Text.EndsWith(Mark + "*", StringComparison.Ordinal));
            return narrow < 0 ? null : (applied[broad], applied[narrow]);
        }
    }

    /// <summary>Whether a configuration of the user's own was read of which no Host block was applied: what it set, it set at its top or in Match blocks.</summary>
    public bool HasUnseenBlocks => Array.Exists(Configuration, c => c.Text.StartsWith("Reading configuration data ", StringComparison.Ordinal) && !c.Text.Contains("/etc/ssh/", StringComparison.Ordinal))
        && !Array.Exists(Configuration, c => c.Text.Contains(": Applying options for ", StringComparison.Ordinal) && !c.Text.StartsWith("/etc/", StringComparison.Ordinal));

    /// <summary>The client's last word when no method worked: <c>[USER@HOST: ]Permission denied (LIST).</c> The server's greeting may hold such words too.</summary>
    public LogLine? Denied => Array.FindLast(Notable, n =>
    {
        const string Mark = "Permission denied (";
        var at = n.Text.IndexOf(Mark, StringComparison.Ordinal);
        return n.Text.EndsWith(").", StringComparison.Ordinal) && (at == 0 || (at > 2 && n.Text.AsSpan(0, at).EndsWith(": "))) && !n.Text.AsSpan(at + Mark.Length).Contains(' ');
    });

    /// <summary>The server's farewell to who has tried too often (<c>Received disconnect from ADDRESS port N:2: Too many …</c>).</summary>
    public LogLine? TooManyFailures => Array.FindLast(Notable, n => n.Text.StartsWith("Received disconnect from ", StringComparison.Ordinal) && n.Text.Contains(": Too many authentication failures", StringComparison.Ordinal));

    /// <summary>The first notable line that holds the words.</summary>
    public LogLine? Find(params ReadOnlySpan<string> words)
    {
        foreach (var line in Notable)
        {
            foreach (var word in words)
            {
                if (line.Text.Contains(word, StringComparison.OrdinalIgnoreCase))
                {
                    return line;
                }
            }
        }

        return null;
    }

    /// <summary>Reads a log. Never fails: what it does not know it keeps as notable.</summary>
    public static ClientLog Read(string log)
    {
        var reader = new ClientLogReader();
        foreach (var line in LogLines.Of(log))
        {
            reader.Take(line);
        }

        return reader.Result;
    }
}
