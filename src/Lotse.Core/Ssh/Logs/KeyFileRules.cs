using System.Globalization;

namespace Lotse.Ssh.Logs;

/// <summary>What the server's own files say, where its log is silent: the user's authorized_keys, and what <c>sshd -T</c> prints.</summary>
public static class KeyFileRules
{
    private const string Format = "sshd(8) AUTHORIZED_KEYS FILE FORMAT";

    /// <summary>Compares the fingerprints that the client's log shows with the lines of authorized_keys.</summary>
    /// <param name="client">The client's log; with -v it has the fingerprints.</param>
    /// <param name="file">The content of authorized_keys.</param>
    /// <param name="now">The time, for expiry-time.</param>
    /// <returns>Null when a key that was refused is installed without fault: then it is something else.</returns>
    public static Conclusion? Of(ClientLog client, string file, DateTimeOffset now)
    {
        var lines = AuthorizedKeys.Read(file).ToArray();
        if (lines.Length == 0)
        {
            return Conclusion.Proven("authorized-keys-missing", "authorized_keys has no key", Format) with { ByServer = true };
        }

        var offered = client.Keys.Where(k => k.Fate is KeyFate.Refused or KeyFate.Sent).Select(k => LogLines.Between(k.Line.Text + " ", "SHA256:", " ")).OfType<string>().Select(f => "SHA256:" + f).ToHashSet();
        if (offered.Count == 0)
        {
            return null;
        }

        var dropbear = client.Server?.StartsWith("dropbear", StringComparison.Ordinal) == true;
        var known = dropbear ? AuthorizedKeys.DropbearOptions : AuthorizedKeys.OpenSshOptions;
        foreach (var line in lines.Where(l => l.Key is not null && offered.Contains(l.Key.Fingerprint)))
        {
            var where = new LogLine(line.Line, $"{line.Key!.Type} {line.Key.Fingerprint}");
            foreach (var option in line.Options)
            {
                if (!known.Contains(option.Key))
                {
                    return Conclusion.Proven("authorized-keys-bad-options", $"the line of the key has the option \"{option.Key}\", which {(dropbear ? "Dropbear" : "sshd")} does not know", Format, where) with { ByServer = true };
                }

                if (option.Key == "expiry-time" && Expires(option.Value) is { } end && end < now)
                {
                    return Conclusion.Proven("key-expired", $"the line of the key has expiry-time {option.Value}", Format, where) with { ByServer = true };
                }

                if (option.Key == "from")
                {
                    return Conclusion.Likely("from-restriction", $"the line of the key has from=\"{option.Value}\"", Format, where) with { ByServer = true };
                }
            }

            return null;
        }

        return Array.Find(lines, l => l.Key is null) is { } broken
            ? Conclusion.Likely("authorized-keys-broken-line", $"line {broken.Line} of authorized_keys holds no key that can be read, and the offered key stands nowhere else", Format, new LogLine(broken.Line, "not a key")) with { ByServer = true, Others = ["authorized-keys-broken-line", "key-not-authorized"] }
            : Conclusion.Proven("key-not-authorized", $"none of the {lines.Length} keys in authorized_keys is one that was offered", Format, client.Keys[^1].Line) with { ByServer = true };
    }

    /// <summary>Whether sshd looks elsewhere than into the home directory.</summary>
    /// <param name="settings">What <c>sshd -T -C user=USER</c> prints, or sshd_config.</param>
    public static Conclusion? Elsewhere(string settings)
    {
        foreach (var line in LogLines.Of(settings))
        {
            var words = line.Text.Split((char[])[' ', '\t', '='], StringSplitOptions.RemoveEmptyEntries);
            if (words.Length > 1 && words[0].Equals("AuthorizedKeysFile", StringComparison.OrdinalIgnoreCase))
            {
                return words.Skip(1).Any(w => w is ".ssh/authorized_keys" or "%h/.ssh/authorized_keys" or "~/.ssh/authorized_keys") ? null
                    : Conclusion.Likely("authorized-keys-elsewhere", $"sshd looks for keys in {string.Join(", ", words.Skip(1))}, not in the home directory", "sshd_config(5) AuthorizedKeysFile", line) with { ByServer = true, Others = ["authorized-keys-elsewhere", "key-not-authorized"] };
            }
        }

        return null;
    }

    /// <summary>An option for this host that an earlier block of the client's configuration has already set.</summary>
    /// <param name="client">The client's log, for the host's name.</param>
    /// <param name="configuration">The client's ssh_config.</param>
    public static Conclusion? FirstWins(ClientLog client, string configuration)
    {
        if (client.Host is not { } host)
        {
            return null;
        }

        foreach (var (wins, lost) in SshConfigFile.Parse(configuration.Split('\n')).Ignored(host))
        {
            return Conclusion.Likely("config-first-wins", $"{lost.Keyword} {lost.Value} for this host does nothing: line {wins.Line} has set {wins.Keyword} {wins.Value} before it", "ssh_config(5): the first obtained value is used", new LogLine(wins.Line, $"{wins.Keyword} {wins.Value}"), new LogLine(lost.Line, $"{lost.Keyword} {lost.Value}"))
                with
            { Others = ["config-first-wins", .. CauseCatalogue.Alternatives(CauseCatalogue.ServerRefusedKey).Where(c => c != "config-first-wins")], ByServer = true };
        }

        return null;
    }

    /// <summary><c>YYYYMMDD[HHMM[SS]][Z]</c> (sshd(8) expiry-time); local time is taken as UTC.</summary>
    private static DateTimeOffset? Expires(string text) =>
        DateTimeOffset.TryParseExact(text.TrimEnd('Z'), ["yyyyMMdd", "yyyyMMddHHmm", "yyyyMMddHHmmss"], CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var end) ? end : null;
}
