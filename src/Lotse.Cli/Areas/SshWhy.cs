using Lotse.Ssh;
using Lotse.Ssh.Logs;

namespace Lotse.Cli.Areas;

/// <summary><c>lotse ssh why</c>: what the log of a login means, or what would become of one.</summary>
internal static class SshWhy
{
    public static readonly Command Command = new("ssh why", "why a login fails, from its log or by asking the host", Run)
    {
        Description = "The log of ssh -v, -vv, -vvv, or what it prints without, of OpenSSH 7.5 to 10.6. Names the root cause, or says that the client cannot know and how to find out. With the server's log it decides where that log speaks. Or a HOST as one types it behind ssh: reads ssh -G, asks the server in one connection without a private key, and explains what would become of every key. What names a file is a log.",
        Arguments = [new("LOG|HOST", "the log; - or nothing: standard input; or a host", Takes: Takes.File)],
        Options =
        [
            new("--server-log", Takes.File, "FILE", "what sshd or dropbear logged of the same login"),
            new("--authorized-keys", Takes.File, "FILE", "the user's authorized_keys on the server, compared with the keys in the log"),
            new("--server-config", Takes.File, "FILE", "what sshd -T prints on the server, or its sshd_config"),
            new("--client-config", Takes.File, "FILE", "the client's ssh_config: does an earlier block win"),
            new("--port", Takes.Number, "N", "the port of HOST") { Default = "as ssh -G says" },
            new("--user", Takes.Text, "USER", "the user on HOST") { Default = "as ssh -G says" },
            new("--config", Takes.File, "FILE", "the ssh_config for HOST") { Default = "~/.ssh/config" },
            new("--budget", Takes.Number, "N", "the most refused questions to HOST") { Default = "4" },
            new("--timeout", Takes.Seconds, "S", "for all of it") { Default = "10" },
        ],
        Examples =
        [
            new("a log in a file", "ssh why login.log"),
            new("straight from ssh", "ssh why - <login.log"),
            new("with the server's side", "ssh why login.log --server-log auth.log"),
            new("what would become of a login", "ssh why box.example"),
            new("is the key that was offered installed", "ssh why login.log --authorized-keys ~/.ssh/authorized_keys"),
        ],
    };

    private static int Run(Invocation call) => Hosting.With(call, host =>
    {
        var name = call.Arguments is [var file] ? file : "-";
        if (IsHost(host, name))
        {
            return OfHost(call, host);
        }

        if (name == "-" && Linux.Descriptor.IsTerminal(0))
        {
            call.Errors.Line("paste the log, then press Enter and Ctrl-D");
            call.Errors.Flush();
        }

        string? Text(string option) => call[option] is { } given ? ByteText.Decode(Hosting.ReadInput(host, given)) : null;
        var log = ClientLog.Read(ByteText.Decode(Hosting.ReadInput(host, name)));
        var server = Text("--server-log");
        var found = LogDiagnosis.Of(log, server);
        var seenIn = call["--server-log"];

        // The server's own files decide only what the client cannot know.
        if (found.Cause is CauseCatalogue.ServerRefusedKey)
        {
            foreach (var (option, rule) in new (string, Func<string, Conclusion?>)[]
            {
                ("--server-config", KeyFileRules.Elsewhere), ("--authorized-keys", text => KeyFileRules.Of(log, text, host.Now)), ("--client-config", text => KeyFileRules.FirstWins(log, text)),
            })
            {
                if (Text(option) is { } text && rule(text) is { } decided)
                {
                    (found, seenIn) = (decided, call[option]);
                    break;
                }
            }
        }

        return General.Print(call, LogReport.Of(log, found, name == "-" ? "standard input" : name, server, seenIn ?? ""));
    });

    /// <summary>What is no file and could be a name is a host.</summary>
    private static bool IsHost(Host host, string name) =>
        name.Length is > 0 and < 256 && name[0] != '-' && !name.Contains('/', StringComparison.Ordinal) && !name.EndsWith(".log", StringComparison.Ordinal) && !host.Status(host.IsThisMachine ? Path.GetFullPath(name) : name).Ok;

    private static int OfHost(Invocation call, Host host)
    {
        SshProbe.SayCommands(call, host);
        var settings = SshSettings.Read(host, call.Arguments[0], SshProbe.Config(call));
        if (!settings.Ok)
        {
            // ssh refuses its own configuration: that is why the login fails.
            var said = ClientLog.Read(settings.Error!.Message[(settings.Error.Message.IndexOf("says: ", StringComparison.Ordinal) is var at && at < 0 ? 0 : at + 6)..]);
            return LogDiagnosis.Of(said) is { Cause: not null } found ? General.Print(call, LogReport.Of(said, found, "ssh -G", null, "")) : throw new NotKnownException(settings.Error.Message);
        }

        if (SshSettings.ClientVersion(host) is not { } version)
        {
            throw new NotKnownException("ssh -V does not tell its version");
        }

        if (call.Has("--offline"))
        {
            throw new UsageException("ssh why HOST opens a connection: --offline excludes it", "lotse ssh predict works from tables");
        }

        var (target, probe) = SshProbe.Ask(call, host, SshTarget.Of(host, call.Arguments[0], SshProbe.Home, settings.Value, SshProbe.Port(call), call["--user"], []));
        return General.Print(call, HostDiagnosis.Of(SshHostFacts.Read(host, target, SshProbe.Home, version, probe)));
    }
}
