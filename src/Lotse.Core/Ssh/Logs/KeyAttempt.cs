namespace Lotse.Ssh.Logs;

/// <summary>What became of a key that the client had.</summary>
public enum KeyFate
{
    /// <summary>Sent; the log does not say what came back.</summary>
    Sent,

    /// <summary>The server went on to other methods: refused.</summary>
    Refused,

    /// <summary>The server would take it.</summary>
    Accepted,

    /// <summary>The server would take it, and then refused the signature, or the user.</summary>
    SignatureRefused,

    /// <summary>Not sent: no mutual signature algorithm.</summary>
    NoMutualSignature,

    /// <summary>Not sent: the client's own configuration keeps it back.</summary>
    Skipped,

    /// <summary>Not sent: the server's list lacks its algorithms (OpenSSH 10.x says so itself).</summary>
    NotSupportedByServer,
}

/// <summary>One key as the log tells of it.</summary>
/// <param name="Name">Its file, or the comment of a key in the agent.</param>
/// <param name="Word">RSA, ECDSA, ED25519, DSA, with -CERT or -SK; empty where the log does not say.</param>
/// <param name="InAgent">Whether the agent holds it.</param>
/// <param name="Line">Where it was offered or skipped.</param>
public sealed record KeyAttempt(string Name, string Word, bool InAgent, LogLine Line)
{
    /// <summary>What became of it.</summary>
    public KeyFate Fate { get; init; }

    /// <summary>The line that tells its fate.</summary>
    public LogLine? FateLine { get; init; }

    /// <summary>Whether a certificate is offered, not the bare key.</summary>
    public bool IsCertificate => Word.EndsWith("-CERT", StringComparison.Ordinal);

    /// <summary>The key type, where the word is one of those that OpenSSH prints.</summary>
    public UserKeyType? Type => Word.Replace("-CERT", "", StringComparison.Ordinal) switch
    {
        "RSA" => new("ssh-rsa", 0),
        "DSA" => new("ssh-dss", 0),
        "ED25519" => new("ssh-ed25519", 256),
        "ECDSA" => new("ecdsa-sha2-nistp256", 0),
        "ED25519-SK" => new("sk-ssh-ed25519@openssh.com", 256),
        "ECDSA-SK" => new("sk-ecdsa-sha2-nistp256@openssh.com", 256),
        _ => null,
    };

    /// <summary>
    /// Reads what follows <c>Offering public key: </c>: <c>PATH WORD SHA256:… explicit agent</c> since 7.8,
    /// <c>WORD SHA256:… PATH</c> in 7.6 and 7.7, <c>Offering WORD public key: PATH</c> before. Paths may hold spaces.
    /// </summary>
    public static KeyAttempt? Parse(LogLine line)
    {
        const string Mark = "public key: ";
        var at = line.Text.IndexOf(Mark, StringComparison.Ordinal);
        if (!line.Text.StartsWith("Offering ", StringComparison.Ordinal) || at < 0)
        {
            return null;
        }

        var rest = line.Text[(at + Mark.Length)..];
        var print = rest.IndexOf(" SHA256:", StringComparison.Ordinal);
        print = print < 0 ? rest.IndexOf(" MD5:", StringComparison.Ordinal) : print;
        if (print < 0)
        {
            var old = line.Text["Offering ".Length..at].Trim();
            return new(rest.Trim(), old, false, line);
        }

        var before = rest[..print];
        var after = rest[(print + 1)..].Split(' ');
        var space = before.LastIndexOf(' ');
        return space < 0
            ? new(string.Join(' ', after.Skip(1)), before, false, line)
            : new(before[..space].TrimEnd(), before[(space + 1)..], after.Contains("agent"), line);
    }
}
