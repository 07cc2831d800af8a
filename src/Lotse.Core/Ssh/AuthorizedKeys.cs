namespace Lotse.Ssh;

/// <summary>A line of authorized_keys.</summary>
/// <param name="Line">Its number, from 1.</param>
/// <param name="Options">Names and values before the key.</param>
/// <param name="Key">The key; null when the line holds none that can be read.</param>
/// <param name="Length">Its bytes: Dropbear passes over lines of 3000 and more.</param>
public sealed record AuthorizedKey(int Line, KeyValuePair<string, string>[] Options, PublicKey? Key, int Length);

/// <summary>A user's authorized_keys (sshd(8) AUTHORIZED_KEYS FILE FORMAT).</summary>
public static class AuthorizedKeys
{
    /// <summary>Options that OpenSSH knows up to 10.6.</summary>
    public static readonly string[] OpenSshOptions =
    [
        "agent-forwarding", "cert-authority", "command", "environment", "expiry-time", "from", "no-agent-forwarding", "no-port-forwarding", "no-pty", "no-user-rc", "no-x11-forwarding", "permitlisten", "permitopen",
        "port-forwarding", "principals", "pty", "no-touch-required", "verify-required", "restrict", "tunnel", "user-rc", "x11-forwarding",
    ];

    /// <summary>Options that Dropbear knows (svr-authpubkeyoptions.c); a line with another one does not count there.</summary>
    public static readonly string[] DropbearOptions =
        ["no-port-forwarding", "no-agent-forwarding", "no-x11-forwarding", "no-pty", "restrict", "command", "permitopen", "permitlisten", "no-touch-required", "verify-required"];

    /// <summary>Every line that is no comment and not empty.</summary>
    public static IEnumerable<AuthorizedKey> Read(string file)
    {
        var number = 0;
        foreach (var raw in file.Split('\n'))
        {
            number++;
            var line = raw.Trim([' ', '\t', '\r']);
            if (line.Length > 0 && line[0] != '#')
            {
                var key = PublicKey.Parse(line);
                var rest = key is null ? AfterOptions(line, out var options) : (line, options = []).line;
                yield return new(number, [.. options], key ?? PublicKey.Parse(rest), raw.Length);
            }
        }
    }

    /// <summary>Options end at the first space outside quotation marks; within those a backslash hides a mark (auth-options.c).</summary>
    private static string AfterOptions(string line, out List<KeyValuePair<string, string>> options)
    {
        options = [];
        int start = 0, at = 0;
        var quoted = false;
        for (; at <= line.Length; at++)
        {
            var c = at < line.Length ? line[at] : ' ';
            if (c == '\\' && at + 1 < line.Length && line[at + 1] == '"')
            {
                at++;
            }
            else if (c == '"')
            {
                quoted = !quoted;
            }
            else if (!quoted && c is ',' or ' ' or '\t' && !quoted)
            {
                var option = line[start..at];
                var equals = option.IndexOf('=', StringComparison.Ordinal);
                options.Add(equals < 0 ? new(option.ToLowerInvariant(), "") : new(option[..equals].ToLowerInvariant(), option[(equals + 1)..].Trim('"')));
                start = at + 1;
                if (c != ',')
                {
                    break;
                }
            }
        }

        return at < line.Length ? line[at..].TrimStart() : "";
    }
}
