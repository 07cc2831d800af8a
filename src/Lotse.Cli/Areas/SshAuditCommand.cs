using System.Globalization;
using Lotse.Ssh;

namespace Lotse.Cli.Areas;

/// <summary><c>lotse ssh audit</c>: which logins an upgrade of the client would break.</summary>
internal static class SshAuditCommand
{
    public static readonly Command Command = new("ssh audit", "which of my logins will fail with another version of the client", Run)
    {
        Description = "Every host of ~/.ssh/config, of known_hosts and of earlier probes. Works offline from what their servers said when lotse last asked them (ssh probe, ssh why HOST, ssh plan); --probe asks those that were never asked, one connection each. Looks at the configuration too: an option that the other version does not take ends every login.",
        Options =
        [
            new("--client-version", Takes.Text, "VERSION", "the client's version to be") { Default = "10.6" },
            new("--config", Takes.File, "FILE", "the ssh_config to look at") { Default = "~/.ssh/config" },
            new("--probe", Takes.Nothing, "", "ask the servers that were never asked, or not about these keys"),
            new("--max-age", Takes.Number, "DAYS", "with --probe: ask again what was asked longer ago") { Default = "never" },
            new("--timeout", Takes.Seconds, "S", "with --probe: for each") { Default = "10" },
        ],
        Examples = [new("before an upgrade of openssh-client", "ssh audit --client-version 10.0"), new("ask all of them first", "ssh audit --probe")],
    };

    private static int Run(Invocation call) => Hosting.With(call, host =>
    {
        var then = SshVersion.Parse(call["--client-version"] ?? "10.6") ?? throw new UsageException($"--client-version \"{ByteText.Escape(call["--client-version"]!)}\" is not a version of OpenSSH", "for example: --client-version 10.0");
        SshProbe.NeedsTable(then);
        SshProbe.SayCommands(call, host);
        var facts = Read(call, host, then);
        if (call.Has("--probe"))
        {
            if (call.Has("--offline"))
            {
                throw new UsageException("--probe and --offline exclude each other");
            }

            var oldest = call.Number("--max-age") is { } days ? host.Now - TimeSpan.FromDays(days) : DateTimeOffset.MinValue;
            var troubles = new Dictionary<string, string?>();
            foreach (var (known, number) in facts.Hosts.Select((h, i) => (h, i + 1)))
            {
                // What another name of the same server has just brought counts too.
                var asked = known with { Cached = CachedProbe.Read(host, CachedProbe.File(SshProbe.Cache, $"{known.Target.Address}:{known.Target.Port}", known.Target.User)) ?? known.Cached };
                if (asked.IsAnswered && asked.Cached!.Asked >= oldest)
                {
                    continue;
                }

                call.Errors.Line($"asking {ByteText.Escape(asked.Target.Name)} ({number.ToString(CultureInfo.InvariantCulture)} of {facts.Hosts.Length.ToString(CultureInfo.InvariantCulture)})");
                call.Errors.Flush();
                try
                {
                    var said = SshProbe.Ask(call, host, asked.Target).Facts;
                    troubles[asked.Target.Name] = said.Kex.Length == 0 ? said.Trouble ?? "it did not say what it offers" : null;
                }
                catch (NotKnownException e)
                {
                    // One host that cannot be asked does not keep the others from it.
                    troubles[asked.Target.Name] = e.Message;
                }
            }

            facts = Read(call, host, then);
            facts = facts with { Hosts = [.. facts.Hosts.Select(h => h with { Trouble = troubles.GetValueOrDefault(h.Target.Name) })] };
        }

        return General.Print(call, SshAudit.Of(facts));
    });

    private static SshAuditFacts Read(Invocation call, Host host, SshVersion then)
    {
        var read = SshAuditFacts.Read(host, SshProbe.Home, SshProbe.Cache, then, SshProbe.Config(call), runsCommands: true);
        return read.Ok ? read.Value : throw new NotKnownException(read.Error!.Message);
    }
}
