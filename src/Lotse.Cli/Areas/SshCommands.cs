using Lotse.Ssh;

namespace Lotse.Cli.Areas;

/// <summary>The verbs of <c>lotse ssh</c>.</summary>
internal static class SshCommands
{
    public static readonly Command[] All =
    [
        new("ssh", "the ssh client here: version, keys, hosts", call => Hosting.With(call, host => General.Print(call, SshHere.Read(host, Environment.GetEnvironmentVariable("HOME") ?? "/root").Report())))
        {
            Description = "What the other verbs start from. To find out why a login fails: lotse ssh why LOG.",
            Examples = [new("what is here", "ssh")],
        },
        SshWhy.Command,
        SshProbe.Command,
        SshAuditCommand.Command,
        SshPreflight.Command,
        SshUnlockCommand.Command,
        SshPlanCommand.Plan,
        SshPlanCommand.Prove,
        SshPredict.Command,
    ];
}
