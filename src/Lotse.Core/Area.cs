namespace Lotse;

/// <summary>
/// A room of the house, as the commands across areas (<c>doctor</c>, <c>why FILE</c>, <c>explain</c>) see it.
/// The verbs of one area are its own; they stand in the command line's table.
/// </summary>
/// <param name="Name">The word on the command line.</param>
/// <param name="Symptom">What somebody sees who needs it, in their words.</param>
/// <param name="Check">All checks of this machine that need no network; pure but for the host it is handed.</param>
/// <param name="Recognise">Explains a pasted message, or returns null when it is none of this area's.</param>
public sealed record Area(string Name, string Symptom, Func<Host, Report> Check, Func<string, Report?> Recognise)
{
    /// <summary>Asks the real program whether a plan of this area has worked; null: the area makes no plans.</summary>
    public Func<Host, Plan, Report>? Prove { get; init; }

    /// <summary>Says which of the things that work now an upgrade or the next boot will break: errors and warnings only, offline, quick. Null: the area foresees nothing.</summary>
    public Func<Host, Upcoming, Report>? Foresee { get; init; }

    /// <summary>Every area that is built, in the order of the help.</summary>
    public static IReadOnlyList<Area> All { get; } =
    [
        Swap.SwapArea.Area,
        Addresses.AddressArea.Area,
        Exits.ExitsArea.Area,
        Ssh.SshArea.Area,
        Postgres.PgArea.Area,
        Mail.MailArea.Area,
    ];
}
