namespace Lotse;

/// <summary>How an attempt to change something ended.</summary>
public enum Outcome
{
    /// <summary>All steps were done, and proved where there is a proof.</summary>
    Done,

    /// <summary>Done, and undone by itself unless somebody confirms.</summary>
    Unconfirmed,

    /// <summary>Nothing was changed: the world is not the one that the plan was made for, or another process changes it.</summary>
    Stale,

    /// <summary>Nothing was changed: something stood in the way.</summary>
    Refused,

    /// <summary>A step or the proof failed; everything is as before.</summary>
    PutBack,

    /// <summary>A step or the proof failed, and something could not be put back.</summary>
    NotPutBack,

    /// <summary>The connection to the other machine was lost: how it ended is not known here.</summary>
    Lost,
}

/// <summary>What was done.</summary>
/// <param name="Id">The journal's entry; null when it did not come to one.</param>
/// <param name="Outcome">How it ended.</param>
/// <param name="Verdict">The same in one line.</param>
/// <param name="Details">What moved, what stood in the way, what could not be put back and what to do.</param>
/// <param name="Proof">What the area said afterwards.</param>
public sealed record Receipt(string? Id, Outcome Outcome, Text Verdict, Text[] Details, Report? Proof = null)
{
    /// <summary>The exit code.</summary>
    public int Exit => Outcome switch
    {
        Outcome.Done or Outcome.Unconfirmed => ExitCode.Fine,
        Outcome.Stale => ExitCode.Stale,
        Outcome.Refused or Outcome.Lost => ExitCode.NotKnown,
        Outcome.PutBack => ExitCode.PutBack,
        _ => ExitCode.NotPutBack,
    };
}
