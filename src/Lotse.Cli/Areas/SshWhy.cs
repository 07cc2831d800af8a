using Lotse.Ssh.Logs;

namespace Lotse.Cli.Areas;

/// <summary><c>lotse ssh why</c>: what the log of a login means.</summary>
internal static class SshWhy
{
    public static readonly Command Command = new("ssh why", "why a login fails, from its log", Run)
    {
        Description = "The log of ssh -v, -vv, -vvv, or what it prints without, of OpenSSH 7.5 to 10.6. Names the root cause, or says that the client cannot know and how to find out. With the server's log it decides where that log speaks.",
        Arguments = [new("LOG", "the log; - or nothing: standard input", Takes: Takes.File)],
        Options =
        [
            new("--server-log", Takes.File, "FILE", "what sshd or dropbear logged of the same login"),
            new("--authorized-keys", Takes.File, "FILE", "the user's authorized_keys on the server, compared with the keys in the log"),
            new("--server-config", Takes.File, "FILE", "what sshd -T prints on the server, or its sshd_config"),
            new("--client-config", Takes.File, "FILE", "the client's ssh_config: does an earlier block win"),
        ],
        Examples =
        [
            new("a log in a file", "ssh why login.log"),
            new("straight from ssh", "ssh why - <login.log"),
            new("with the server's side", "ssh why login.log --server-log auth.log"),
            new("is the key that was offered installed", "ssh why login.log --authorized-keys ~/.ssh/authorized_keys"),
        ],
    };

    private static int Run(Invocation call) => Hosting.With(call, host =>
    {
        var name = call.Arguments is [var file] ? file : "-";
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
}
