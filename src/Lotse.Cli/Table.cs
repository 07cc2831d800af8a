using Lotse.Cli.Areas;

namespace Lotse.Cli;

/// <summary>Every command. Parser, help, man page and completion are made from this, and nothing else knows a command.</summary>
internal static class Table
{
    /// <summary>The first is what bare <c>lotse</c> is: it has no name and takes only options.</summary>
    public static IReadOnlyList<Command> Commands => field ??=
    [
        General.Root,
        .. SwapCommands.All,
        .. AddressCommands.All,
        .. ExitsCommands.All,
        .. PgCommands.All,
        .. SshCommands.All,
        .. MailCommands.All,
        .. ChangeCommands.All,
        EditCommand.Edit,
        General.Why,
        General.Doctor,
        .. HookCommands.All,
        General.Explain,
        General.Completion,
        General.ManPage,
        General.Help,
    ];
}
