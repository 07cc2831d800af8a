using Lotse.Ssh.Logs;

namespace Lotse.Ssh.Transport;

/// <summary>
/// Asks through the system's ssh where lotse's own transport cannot: behind a ProxyCommand or ProxyJump, or where the server
/// speaks nothing that it speaks. <c>ssh -vvv -i KEY.pub</c> offers the public half and stops where it would have to sign:
/// no private key of the host is opened, and nobody is logged in.
/// </summary>
internal static class SystemProbe
{
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(2);

    /// <summary>Whether the host is reached through a program or another host.</summary>
    public static bool IsNeeded(SshSettings? settings) => Set(settings, "proxycommand") || Set(settings, "proxyjump");

    /// <summary>Asks in one connection.</summary>
    /// <param name="host">The client's machine.</param>
    /// <param name="settings">What <c>ssh -G</c> says of the host; null: nothing but the defaults.</param>
    /// <param name="added">Options that the connection needs before those of the configuration.</param>
    /// <param name="target">Where to connect to.</param>
    /// <param name="port">Port.</param>
    /// <param name="user">The user; empty: nobody is asked for, and the key exchange is all.</param>
    /// <param name="keys">Files of public keys, and the keys in them.</param>
    /// <param name="budget">The most keys that are asked about: each refusal counts on the server.</param>
    /// <param name="patience">For all of it.</param>
    public static ProbeFacts Ask(Host host, SshSettings? settings, IEnumerable<KeyValuePair<string, string>> added, string target, int port, string user, IReadOnlyList<(string File, PublicKey Key)> keys, int budget, TimeSpan patience)
    {
        var asked = user.Length == 0 ? [] : keys.Where(k => k.File.EndsWith(".pub", StringComparison.Ordinal)).Take(budget).ToArray();
        var facts = new ProbeFacts { Address = $"{target}:{port}", User = user, BySystem = true, Keys = [.. keys.Select(k => new ProbedKey(k.File, k.Key.Type, null, null, []))] };
        if (Proxy(settings) is (_, { } refused))
        {
            return facts with { Trouble = refused };
        }

        var ran = host.Run(Arguments(settings, added, target, port, user, [.. asked.Select(k => k.File)], patience), patience + Margin);
        if (!ran.Ok)
        {
            return facts with { Trouble = ran.Error!.Message };
        }

        var text = ByteText.Decode(ran.Value.Errors);
        var log = ClientLog.Read(text);
        facts = Described(facts, log, text) with { Keys = [.. facts.Keys.Select(k => Answer(k, log, text))], Queries = log.Keys.Count(k => k.Fate is not (KeyFate.Skipped or KeyFate.NoMutualSignature or KeyFate.NotSupportedByServer)) };
        var ended = LogDiagnosis.Of(log);
        return facts.Kex.Length > 0 && log.Stage >= LogStage.Authentication ? facts : facts with { Trouble = ended.Because.ToString(), Cause = ended.Cause };
    }

    private static ProbeFacts Described(ProbeFacts facts, ClientLog log, string text)
    {
        var hostKey = LogLines.Between(text, "Server host key: ", "\n")?.Trim().Split(' ');
        return facts with
        {
            Connections = log.Stage > LogStage.Connecting ? 1 : 0,
            Banner = log.Server is { } server ? "SSH-2.0-" + server : "",
            Kex = log.Theirs?.Kex ?? [],
            HostKeys = log.Theirs?.HostKeys ?? [],
            Ciphers = log.Theirs?.Ciphers ?? [],
            Macs = log.Theirs?.Macs ?? [],
            ServerSigAlgs = log.ServerSigAlgs,
            HostKeyType = hostKey is [var type, ..] ? type : null,
            HostKeyFingerprint = hostKey is [_, var print, ..] ? print : null,
            Methods = log.Methods,
        };
    }

    private static ProbedKey Answer(ProbedKey key, ClientLog log, string text)
    {
        var seen = Array.FindLast(log.Keys, k => k.Name == key.File);
        return seen?.Fate switch
        {
            KeyFate.Accepted or KeyFate.SignatureRefused => key with { Accepted = true, Algorithm = key.Type != "ssh-rsa" ? key.Type : Signing(text, seen) },
            KeyFate.Refused => key with { Accepted = false, Refused = [key.Type] },
            _ => key,
        };
    }

    /// <summary>What it would have signed with, from the line after the server's yes (sshconnect2.c sign_and_send_pubkey).</summary>
    private static string? Signing(string text, KeyAttempt key) =>
        LogLines.Between(key.Line.Text + " ", "SHA256:", " ") is { } print && LogLines.Of(text).Select(l => l.Text).FirstOrDefault(l => l.Contains("signing using ", StringComparison.Ordinal) && l.Contains(print, StringComparison.Ordinal)) is { } line
            ? LogLines.Between(line, "signing using ", " ") : null;

    /// <summary>Nothing of the user's files but what reaches the host: with <c>-F none</c> no other key can be tried.</summary>
    private static string[] Arguments(SshSettings? settings, IEnumerable<KeyValuePair<string, string>> added, string target, int port, string user, string[] files, TimeSpan patience)
    {
        string[] kept = ["kexalgorithms", "hostkeyalgorithms", "ciphers", "macs", "pubkeyacceptedalgorithms", "pubkeyacceptedkeytypes", "bindaddress", "bindinterface", "addressfamily"];
        var more = added.ToDictionary(a => a.Key.ToLowerInvariant(), a => a.Value);
        var options = kept.Where(k => Set(settings, k)).SelectMany(k => new[] { "-o", more.TryGetValue(k, out var value) && value[0] == '+' ? $"{k}={settings![k]},{value[1..]}" : $"{k}={(value is null ? settings![k] : value.TrimStart('^'))}" });
        string[] proxy = Proxy(settings).Command is { } command ? ["-o", $"ProxyCommand={command}"] : [];
        return
        [
            "ssh", "-vvv", "-F", "none", "-T", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "PreferredAuthentications=publickey", "-o", "ControlPath=none", "-o", "PermitLocalCommand=no",
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "GlobalKnownHostsFile=/dev/null", "-o", "UpdateHostKeys=no", "-o", $"ConnectTimeout={Math.Max(1, (int)patience.TotalSeconds)}", "-o", $"Port={port}",
            .. options, .. proxy, .. files.Length == 0 ? ["-o", "IdentityFile=none"] : files.SelectMany(Named),
            .. user.Length == 0 ? Array.Empty<string>() : ["-l", user], "--", target, "true",
        ];
    }

    /// <summary>A key file for ssh's command line. In quotation marks for blanks, its percent signs doubled (ssh_config(5) TOKENS); -i takes any other character, but would look for a doubled one.</summary>
    private static string[] Named(string file) => file.AsSpan().ContainsAny('"', '\\') ? ["-i", file] : ["-o", $"IdentityFile=\"{file.Replace("%", "%%", StringComparison.Ordinal)}\""];

    /// <summary>The program through which the host is reached; nulls: none. ProxyJump becomes the command that ssh makes of it, with the same configuration for the hosts in between.</summary>
    /// <returns>Why there is none, where a name holds what the shell that ssh hands it to could take for something else.</returns>
    private static (string? Command, string? Refused) Proxy(SshSettings? settings)
    {
        if (Set(settings, "proxycommand") || !Set(settings, "proxyjump"))
        {
            return (Set(settings, "proxycommand") ? settings!["proxycommand"] : null, null);
        }

        var (jump, file) = (settings!["proxyjump"]!, settings.File is { } path ? $"-F {path} " : "");
        if (jump.ContainsAnyExcept(Plain) || jump.StartsWith('-') || settings.File?.ContainsAnyExcept(Plain) == true)
        {
            return (null, $"the jump host {ByteText.Escape(jump)} cannot be handed to a shell as it is");
        }

        var comma = jump.LastIndexOf(',');
        return ($"ssh {file}-o BatchMode=yes {(comma < 0 ? "" : $"-J {jump[..comma]} ")}-W [%h]:%p -- {jump[(comma + 1)..]}", null);
    }

    /// <summary>Characters that mean nothing to a shell.</summary>
    private static readonly System.Buffers.SearchValues<char> Plain = System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:@[],/");

    private static bool Set(SshSettings? settings, string keyword) => settings?[keyword] is { Length: > 0 } value && value != "none";
}
