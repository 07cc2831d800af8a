namespace Lotse.Cli.Areas;

/// <summary>The verbs of <c>lotse ssh</c>.</summary>
internal static class SshCommands
{
    public static readonly Command[] All =
    [
        SshWhy.Command,
        SshProbe.Command,
        SshPlanCommand.Plan,
        SshPlanCommand.Prove,
        SshPredict.Command,
    ];
}
