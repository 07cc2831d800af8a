namespace Lotse.Ssh.Logs;

/// <summary>Where sshd looked for the key, as its log tells at LogLevel DEBUG (OpenSSH auth2-pubkey.c, auth2-pubkeyfile.c): the only place in which it says that a key is not installed.</summary>
internal static class KeySearch
{
    private const string Rule = "OpenSSH auth2-pubkeyfile.c auth_openkeyfile; sshd_config(5) AuthorizedKeysFile";
    private const string Trying = "trying public key file ", Missing = "Could not open ", Begin = "temporarily_use_uid: ", Asked = "userauth_pubkey: ";

    /// <summary>What the search shows; null: the log is of no such level, or the key was found.</summary>
    /// <param name="lines">sshd's log of one login.</param>
    public static Conclusion? Of(IEnumerable<LogLine> lines)
    {
        LogLine? asked = null, searched = null, last = null;
        List<string> tried = [], missing = [];
        foreach (var line in lines)
        {
            var text = line.Text;
            if (!text.Contains("debug", StringComparison.Ordinal))
            {
                continue;
            }

            if (text.Contains("matching key found", StringComparison.Ordinal))
            {
                return null;
            }

            asked = text.Contains(Asked, StringComparison.Ordinal) ? line : asked;
            searched = asked is not null && text.Contains(Begin, StringComparison.Ordinal) ? line : searched;
            if (LogLines.Between(text, Trying, "") is { } file)
            {
                tried.Add(file);
                last = line;
            }
            else if (text.Contains(Missing, StringComparison.Ordinal) && text.Contains("authorized keys '", StringComparison.Ordinal) && LogLines.Between(text, "authorized keys '", "'") is { } absent)
            {
                missing.Add(absent);
                last = line;
            }
        }

        if (searched is null && last is null)
        {
            return null;
        }

        if (tried.Except(missing).ToArray() is { Length: > 0 } read)
        {
            return Array.Exists(read, IsUsual)
                ? Conclusion.Likely("key-not-authorized", $"sshd read {Value.Path(read[0])} and found none of the keys in it", Rule, last) with { ByServer = true, Others = ["key-not-authorized", "authorized-keys-broken-line"] }
                : Conclusion.Likely("authorized-keys-elsewhere", $"sshd read {Value.Path(read[0])}, not the home directory's authorized_keys", Rule, last) with { ByServer = true, Others = ["authorized-keys-elsewhere", "key-not-authorized"] };
        }

        // Before 9.8 sshd names the files that are not there; later ones only go to the user's rights and back.
        return tried.Count == 0 ? Conclusion.Likely("authorized-keys-missing", "sshd looked for the user's keys and found no file", Rule, asked, searched) with { ByServer = true, Others = ["authorized-keys-missing", "authorized-keys-elsewhere"] }
            : tried.Exists(IsUsual) ? Conclusion.Proven("authorized-keys-missing", $"{Value.Path(tried[0])} is not there", Rule, last) with { ByServer = true }
            : Conclusion.Likely("authorized-keys-elsewhere", $"sshd looked for {Value.Path(tried[0])}, which is not there", Rule, last) with { ByServer = true, Others = ["authorized-keys-elsewhere", "authorized-keys-missing"] };
    }

    /// <summary>Where keys are by default, wherever the home is.</summary>
    private static bool IsUsual(string file) => file.EndsWith("/.ssh/authorized_keys", StringComparison.Ordinal);
}
