namespace Lotse.Ssh.Logs;

/// <summary>A problem with a file that the client wanted to use: a private key, a public key.</summary>
/// <param name="Path">The file.</param>
/// <param name="Words">What OpenSSH said.</param>
/// <param name="Line">Where.</param>
public sealed record FileTrouble(string Path, string Words, LogLine Line)
{
    /// <summary>Reads a complaint; null: the line is none.</summary>
    public static FileTrouble? Parse(LogLine line)
    {
        var text = line.Text;
        foreach (var (start, end) in new[] { ("Load key \"", "\": "), ("load pubkey \"", "\": "), ("no such identity: ", ": "), ("Warning: Identity file ", " not accessible: ") })
        {
            if (text.StartsWith(start, StringComparison.Ordinal) && LogLines.Between(text, start, end) is { } path)
            {
                return new(path, text[(start.Length + path.Length + end.Length)..].TrimEnd('.'), line);
            }
        }

        return LogLines.Between(text, "private key ", " contents do not match public") is { } mismatch ? new(mismatch, "contents do not match public", line)
            : LogLines.Between(text, "Permissions ", " are too open") is { } modes && LogLines.Between(modes, "for '", "'") is { } open ? new(open, "too open", line)
            : null;
    }
}
