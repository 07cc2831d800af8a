namespace Lotse.Ssh.Logs;

/// <summary>What a log of ssh means. Pure.</summary>
public static class LogDiagnosis
{
    /// <summary>The root cause, or the class of causes that a client cannot tell apart.</summary>
    /// <param name="log">The client's log.</param>
    /// <param name="server">The server's log of the same login, if there is one.</param>
    public static Conclusion Of(ClientLog log, string? server = null)
    {
        var client = OfClient(log);
        if (server is null || client.Cause == Conclusion.Worked)
        {
            return client;
        }

        var told = ServerLog.Read(server, log);
        if (client.Alternatives.Contains("old-dropbear-20-names") && told is { Cause: "hostkey-none" or "kex-none" } && told.Lines[0]!.Text.Contains("No matching algo", StringComparison.Ordinal))
        {
            // So Dropbear calls what became of the list that it has cut. Where nothing matches indeed, the client says so too.
            return (client.Cause == "old-dropbear-20-names" ? client : told with { Cause = "old-dropbear-20-names" }) with { Certainty = Certainty.Proven, Others = [] };
        }

        if (told is not null && Outweighs(told, client))
        {
            // The user whom the server does not know may be the one of a block that was not meant to decide.
            return told.Cause is "wrong-user" or "user-not-allowed" && log.BroadBlockFirst is var (broad, narrow)
                ? Conclusion.Likely("config-first-wins", $"{told.Because}; the user may be that of the block for all hosts, which comes before the one for this host", "ssh_config(5): the first obtained value is used", broad, narrow) with { Others = ["config-first-wins", told.Cause] }
                // Without -v the log does not show which blocks were read, and of Match blocks it shows none before -vv.
                : told.Cause == "wrong-user" && (log.Verbosity == 0 || log.HasUnseenBlocks) ? told with { Others = ["wrong-user", "config-first-wins"] }
                : told;
        }

        // Its silence excludes what it would have said.
        return client.Cause == CauseCatalogue.ServerRefusedKey && ServerLog.SpeaksAtInfo(server)
            ? client with { Others = [.. client.Alternatives.Intersect(ServerLog.SilentAtInfo)] }
            : client;
    }

    private static Conclusion OfClient(ClientLog log)
    {
        if (log.Verbosity == 0 && log.Stage != LogStage.Session)
        {
            return QuietLog.Of(log);
        }

        log = QuietLog.Own(log);
        return log.Authenticated is { } authenticated && !(log.Partial is not null && log.Denied is not null) ? SessionRules.Of(log) ?? Works(authenticated) : ByRules(log);
    }

    /// <summary>The first rule that fits a login of which nothing says that it worked, in the order of a login.</summary>
    internal static Conclusion ByRules(ClientLog log) =>
        ConnectionRules.Of(log) is { } ended && !(log.Stage >= LogStage.Authentication && ended.Cause == "closed-during-handshake") ? ended
            : AuthenticationRules.Of(log) ?? SessionRules.Of(log) ?? Nothing(log);

    /// <summary>A line proves that the login worked.</summary>
    internal static Conclusion Works(LogLine line) => new(Conclusion.Worked, Certainty.Proven, $"the login worked: {line.Text}", null, line);

    /// <summary>What the server says is the truth where the client can only guess, or sees the other end of the same thing.</summary>
    private static bool Outweighs(Conclusion told, Conclusion client) =>
        client.Cause is null || CauseCatalogue.IsClass(client.Cause) || client.Certainty == Certainty.Inferred || client.Alternatives.Length > 1 || (client.Cause == "closed-before-banner" && told.Cause == "source-penalty")
        || (client.Cause == "closed-before-banner" && client.Others.Length > 0 && told.Cause == "closed-before-banner");

    /// <summary>The log tells of nothing that failed.</summary>
    internal static Conclusion Nothing(ClientLog log) => log.Last is null
        ? new(null, Certainty.Inferred, "the log is empty: ssh prints nothing when a login works, and nothing before it times out", null)
        : log.Verbosity == 0 ? new(null, Certainty.Inferred, "no line of the log tells of a failed login", null, log.Last)
        : new(null, Certainty.Inferred, $"the log ends without a result after \"{log.Last.Text}\"", null, log.Last);
}
