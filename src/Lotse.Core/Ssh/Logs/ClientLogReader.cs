using System.Globalization;

namespace Lotse.Ssh.Logs;

/// <summary>Takes a client's log line by line. Wordings are those of OpenSSH 7.5 to 10.6 (ssh.c, sshconnect.c, sshconnect2.c, kex.c, readconf.c, clientloop.c).</summary>
internal sealed class ClientLogReader
{
    private const int MostKept = 2000;

    /// <summary>Before 8.0 the server's words stand behind this in a debug line, with their own end.</summary>
    internal const string HoldsForeign = "ssh_exchange_identification: ";

    private readonly List<KeyAttempt> keys = [];
    private readonly List<FileTrouble> troubles = [];
    private readonly List<LogLine> notable = [];
    private readonly List<LogLine> triedLines = [];
    private readonly List<LogLine> configuration = [];
    private KexProposals proposals = new();
    private ClientLog log = new();
    private int programs;
    private bool pending;
    private KeyAttempt? tried;
    private LogLine? session;
    private LogLine? over;
    private string? jump;
    private ClientLog? behind;
    private bool isJump, isTold, hasGivenUp;

    public ClientLog Result => isJump ? behind! : log with
    {
        // Without -v nothing else tells that there was a session; a jump host's ends too when the login behind it has failed.
        Authenticated = log.Authenticated ?? (notable.Exists(n => n.Text.Contains("Permission denied (", StringComparison.Ordinal) || n.Text.Contains(" failed", StringComparison.Ordinal) || n.Text.Contains("exchange_identification", StringComparison.Ordinal)) ? null : session),
        Keys = [.. keys],
        Troubles = [.. troubles],
        Tried = [.. triedLines],
        Notable = [.. notable],
        Configuration = [.. configuration],
        Over = over,
        Ours = proposals.Ours,
        Theirs = proposals.Theirs,
    };

    public void Take(LogLine line)
    {
        var level = Level(line.Text, out var text);
        if (text.Length == 0)
        {
            return;
        }

        line = line with { Text = text };
        var isHeader = text.StartsWith("OpenSSH_", StringComparison.Ordinal);
        if (isHeader)
        {
            // Each program that begins tells anew whether its lines have kept their ends.
            NewProgram(text);
            log = log with { HasReturns = line.HasReturn };
        }
        else if (level > 0 && !isTold)
        {
            log = log with { HasReturns = line.HasReturn };
        }
        else if (level > 0 && log.HasReturns && !line.HasReturn && !text.StartsWith(HoldsForeign, StringComparison.Ordinal))
        {
            // A greeting that looks like a debug line.
            return;
        }

        isTold |= isHeader || level > 0;
        log = log with { Last = line, Verbosity = Math.Max(log.Verbosity, level), HasReturns = log.HasReturns || (line.HasReturn && !isTold) };
        if (isHeader)
        {
            return;
        }

        if (level > 0)
        {
            Debug(line, level);
        }
        else
        {
            Plain(line);
        }
    }

    /// <summary>Finds <c>debug1: </c> at the start or behind a time stamp or program name; the text behind it.</summary>
    private static int Level(string line, out string text)
    {
        var at = line.AsSpan(0, Math.Min(line.Length, 80)).IndexOf("debug");
        if (at >= 0 && at + 7 < line.Length && line[at + 5] is >= '1' and <= '3' && line[at + 6] == ':' && (at == 0 || line[at - 1] is ' ' or '\t'))
        {
            text = line[(at + 7)..].TrimStart();
            return line[at + 5] - '0';
        }

        text = line;
        return 0;
    }

    private void Debug(LogLine line, int level)
    {
        var text = line.Text;
        if (KeyAttempt.Parse(line) is { } attempt)
        {
            Add(keys, attempt);
            pending = true;
        }
        else if (text.StartsWith("Authentications that can continue:", StringComparison.Ordinal))
        {
            if (tried is not null)
            {
                Add(keys, tried with { Fate = KeyFate.Refused, FateLine = line });
            }

            Fate(KeyFate.Refused, line);
            Reached(LogStage.Authentication);
            var methods = text[(text.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim().Split(',');
            log = log with { Asked = log.Asked ?? line, Methods = methods, OffersPublicKey = log.OffersPublicKey == true || methods.Contains("publickey") };
        }
        else if (text.StartsWith("Trying private key: ", StringComparison.Ordinal))
        {
            // A key without its public half is tried by signing at once: no offer is printed, and a refusal follows only if it was sent.
            pending = false;
            Add(triedLines, line);
            tried = new(text["Trying private key: ".Length..], "", false, line);
            return;
        }
        else if (text.StartsWith("Server accepts key:", StringComparison.Ordinal))
        {
            Fate(KeyFate.Accepted, line);
        }
        else if (text.EndsWith("no mutual signature algorithm", StringComparison.Ordinal) || text.Contains("no mutual signature supported", StringComparison.Ordinal))
        {
            Fate(KeyFate.NoMutualSignature, line);
        }
        else if (text.StartsWith("Skipping ", StringComparison.Ordinal) && text.Contains(" key ", StringComparison.Ordinal))
        {
            Skipped(line);
        }
        else if (text.StartsWith("Remote protocol version ", StringComparison.Ordinal))
        {
            log = log with { Server = LogLines.Between(text, "remote software version ", "") };
            Reached(LogStage.KeyExchange);
            if (!text.StartsWith("Remote protocol version 2", StringComparison.Ordinal) && !text.StartsWith("Remote protocol version 1.99", StringComparison.Ordinal))
            {
                Add(notable, line);
            }
        }
        else if (text.Contains("server-sig-algs=<", StringComparison.Ordinal))
        {
            log = log with { ServerSigAlgs = SshTable.Names(LogLines.Between(text, "server-sig-algs=<", ">") ?? "") };
        }
        else if (!Progress(line) && !(level == 2 && proposals.Take(text)) && IsNotableDebug(text))
        {
            Add(notable, line);
        }

        tried = level == 1 ? null : tried;
    }

    private bool Progress(LogLine line)
    {
        var text = line.Text;
        switch (text)
        {
            case "Connection established.":
                Reached(LogStage.Banner);
                return true;
            case "SSH2_MSG_KEXINIT sent" or "SSH2_MSG_KEXINIT received":
                Reached(LogStage.KeyExchange);
                return true;
            case "SSH2_MSG_SERVICE_ACCEPT received" or "SSH2_MSG_NEWKEYS received":
                Reached(LogStage.Authentication);
                return true;
            case "Entering interactive session.":
                // The program in between prints it too, before the server behind it has said anything.
                if (!log.Proxied || log.Server is not null)
                {
                    log = log with { Authenticated = log.Authenticated ?? line };
                    Reached(LogStage.Session);
                }

                return true;
            case "No more authentication methods to try.":
                // The host in between has other last words, and they are not the log's.
                (pending, hasGivenUp) = (false, !log.Proxied);
                return true;
            case "Next authentication method: publickey":
                log = log with { TriedPublicKeys = true };
                return true;
            case "Authenticated with partial success.":
                pending = false;
                log = log with { Partial = line };
                return true;
        }

        if (text.StartsWith("expecting SSH2_MSG_KEX", StringComparison.Ordinal))
        {
            Reached(LogStage.KeyExchangeReply);
        }
        else if (text.StartsWith("Connecting to ", StringComparison.Ordinal))
        {
            (over, hasGivenUp) = (null, false);
            isJump = behind is not null && text["Connecting to ".Length..].Split(' ')[0] == jump;
            Reached(LogStage.Connecting);
        }
        else if (text.StartsWith("Local version string SSH-2.0-OpenSSH_", StringComparison.Ordinal))
        {
            // With LogLevel DEBUG in place of -v the version is not printed first. Every ssh says this once.
            programs++;
            log = log with { Client = log.Client ?? SshVersion.Parse(text.AsSpan("Local version string SSH-2.0-OpenSSH_".Length)) };
        }
        else if (text.StartsWith("channel_connect_stdio_fwd", StringComparison.Ordinal))
        {
            if (programs < 2)
            {
                // It is what this ssh itself was asked for (ssh -W).
                return true;
            }

            // The ssh in between (ssh -W of ProxyJump) has logged in; from here on the log is of the login behind it.
            programs--;
            Forget();
            log = new() { Client = log.Client, Proxied = true, Verbosity = log.Verbosity, HasReturns = log.HasReturns, Last = line, Stage = LogStage.Banner };
        }
        else if (text.StartsWith("Executing proxy command:", StringComparison.Ordinal) || text.StartsWith("Setting implicit ProxyCommand", StringComparison.Ordinal))
        {
            log = log with { Proxied = true };
            jump = text.Contains(" -W ", StringComparison.Ordinal) ? text[(text.LastIndexOf(' ') + 1)..] is var to ? to[(to.LastIndexOf('@') + 1)..] : null : jump;
            Reached(LogStage.Banner);
        }
        else if (text.StartsWith("Authenticating to ", StringComparison.Ordinal))
        {
            var target = text["Authenticating to ".Length..].Split(" as ")[0];
            log = log with { User = LogLines.Between(text, " as '", "'"), Host = target[..Math.Max(target.LastIndexOf(':'), 0)] };
        }
        else if (text.StartsWith("Authentication succeeded", StringComparison.Ordinal) || text.StartsWith("mux_client_request_session: master session", StringComparison.Ordinal))
        {
            log = log with { Authenticated = log.Authenticated ?? line };
            Reached(LogStage.Session);
        }
        else if (text.EndsWith(": new [client-session]", StringComparison.Ordinal) || text.EndsWith(": new session [client-session]", StringComparison.Ordinal))
        {
            // Who stands in between opens no session: this is another login.
            isJump = false;
        }
        else if (text.StartsWith("Sending command: ", StringComparison.Ordinal))
        {
            log = log with { Command = text["Sending command: ".Length..] };
        }
        else if (text.StartsWith("Exit status ", StringComparison.Ordinal))
        {
            log = log with { ExitStatus = line };
        }
        else if (text.StartsWith("Reading configuration data ", StringComparison.Ordinal) || text.Contains(": Applying options for ", StringComparison.Ordinal))
        {
            Add(configuration, line);
        }
        else
        {
            return false;
        }

        return true;
    }

    /// <summary><c>Skipping ssh-dss key PATH - not in PubkeyAcceptedKeyTypes</c>, with the reasons of later versions.</summary>
    private void Skipped(LogLine line)
    {
        var text = line.Text;
        int key = text.IndexOf(" key ", StringComparison.Ordinal), dash = text.LastIndexOf(" - ", StringComparison.Ordinal);
        if (dash <= key)
        {
            Add(notable, line);
            return;
        }

        var type = UserKeyType.Parse(text["Skipping ".Length..key]);
        pending = false;
        Add(keys, new(text[(key + 5)..dash], type?.Word ?? text["Skipping ".Length..key], false, line)
        {
            Fate = text.Contains("not supported by server", StringComparison.Ordinal) ? KeyFate.NotSupportedByServer : KeyFate.Skipped,
            FateLine = line,
        });
    }

    /// <summary>What the debug lines may hold that decides: the rest is noise of thousands of lines.</summary>
    private static bool IsNotableDebug(string text) =>
        text.Contains("banner line ", StringComparison.Ordinal) || text.StartsWith("Remote: ", StringComparison.Ordinal) || text.Contains("Invalid key length", StringComparison.Ordinal)
        || text.StartsWith("no such identity: ", StringComparison.Ordinal) || text.StartsWith("connect to address ", StringComparison.Ordinal) || text.Contains("read_passphrase", StringComparison.Ordinal)
        || text.StartsWith("key_load_p", StringComparison.Ordinal) || text.Contains("passphrase", StringComparison.Ordinal) || text.Contains("agent refused operation", StringComparison.Ordinal)
        || text.Contains("communication with agent failed", StringComparison.Ordinal) || text.Contains("_exchange_identification: ", StringComparison.Ordinal)
        || text.StartsWith("client_input_channel_open_confirmation", StringComparison.Ordinal) || text.StartsWith("permanently_drop_suid", StringComparison.Ordinal);

    private void Plain(LogLine line)
    {
        var text = line.Text;
        isJump |= behind is not null && jump is not null && text.Contains($" hostname {jump}: ", StringComparison.Ordinal);
        session = IsOfSession(text) ? line : session;
        if (text.StartsWith("Authenticated to ", StringComparison.Ordinal))
        {
            if (over is not null)
            {
                // The next login in the same paste.
                Forget();
                log = log with { Authenticated = null };
            }

            log = log with { Authenticated = log.Authenticated ?? line };
            Reached(LogStage.Session);
            return;
        }

        over = over is null && text.StartsWith("Bytes per second: sent ", StringComparison.Ordinal) && log.Authenticated is not null ? line : over;

        if (text == "Authenticated with partial success." || (text.StartsWith("Authenticated using ", StringComparison.Ordinal) && text.Contains("partial success", StringComparison.Ordinal)))
        {
            pending = false;
            log = log with { Partial = line };
            return;
        }

        if (log.User is null && text.IndexOf(": Permission denied (", StringComparison.Ordinal) is > 0 and var denied && text.LastIndexOf('@', denied) is > 0 and var at)
        {
            log = log with { User = text[(text.LastIndexOf(' ', at) + 1)..at], Host = text[(at + 1)..denied] };
        }

        over ??= hasGivenUp && text.Contains("Permission denied (", StringComparison.Ordinal) ? line : null;
        if (FileTrouble.Parse(line) is { } trouble)
        {
            Add(troubles, trouble);
        }

        Add(notable, line);
    }

    /// <summary>What only an open session prints when it ends or breaks (clientloop.c).</summary>
    private static bool IsOfSession(string text) => text.StartsWith("client_loop: ", StringComparison.Ordinal) || text.StartsWith("Timeout, server ", StringComparison.Ordinal)
        || (text.StartsWith("Connection to ", StringComparison.Ordinal) && (text.EndsWith(" closed by remote host.", StringComparison.Ordinal) || text.EndsWith(" closed.", StringComparison.Ordinal)));

    /// <summary>A new ssh begins: a jump host's own, or the next try in the same paste. What came before is over when it came to an end.</summary>
    private void NewProgram(string text)
    {
        var version = SshVersion.Parse(text.AsSpan("OpenSSH_".Length));
        if (isJump || (log.Proxied && jump is not null && (log.Server is not null || notable.Exists(n => n.Text.Contains("exchange_identification: ", StringComparison.Ordinal) || n.Text.Contains(" UNKNOWN port", StringComparison.Ordinal)))))
        {
            // The jump host comes before the host behind it. One that comes after has written elsewhere: the log is of ssh -E
            // for the one and of standard error for the other, put together.
            behind = Result;
            isJump = false;
        }

        if (log.Client is null || (log.Authenticated is null && notable.Count == 0))
        {
            log = log with { Client = version };
            return;
        }

        programs = log.Proxied ? programs : 0;
        Forget();
        jump = behind is null ? null : jump;
        log = new() { Client = version, Proxied = log.Proxied, Verbosity = log.Verbosity, HasReturns = log.HasReturns, Last = log.Last };
    }

    private void Forget()
    {
        keys.Clear();
        troubles.Clear();
        triedLines.Clear();
        notable.Clear();
        proposals = new();
        pending = false;
        (session, over, hasGivenUp) = (null, null, false);
    }

    private void Fate(KeyFate fate, LogLine line)
    {
        if (!pending || keys.Count == 0)
        {
            return;
        }

        // "Server accepts key" is half of it: the signature is still to come, and may be refused.
        keys[^1] = keys[^1] with { Fate = fate == KeyFate.Refused && keys[^1].Fate == KeyFate.Accepted ? KeyFate.SignatureRefused : fate, FateLine = line };
        pending = fate == KeyFate.Accepted;
    }

    private void Reached(LogStage stage)
    {
        if (stage > log.Stage)
        {
            log = log with { Stage = stage };
        }
    }

    private static void Add<T>(List<T> list, T item)
    {
        // A hostile log of nothing but notable lines must not fill the memory; the end of a log matters most.
        if (list.Count >= MostKept)
        {
            list.RemoveRange(MostKept / 2, MostKept / 4);
        }

        list.Add(item);
    }

    /// <summary>The number behind <c>Exit status </c>; null when it is none.</summary>
    public static int? Status(LogLine? line) =>
        line is not null && int.TryParse(line.Text.AsSpan("Exit status ".Length), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var status) ? status : null;
}
