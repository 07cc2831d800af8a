using Lotse.Formats;
using Lotse.Hosts;
using Lotse.Linux;

namespace Lotse.Changing.Remote;

/// <summary>How changes reach another machine.</summary>
/// <param name="Plain">By plain commands, without copying the program, even where it would run.</param>
/// <param name="Program">The static program for that machine; null: this one, or one beside it.</param>
/// <param name="Version">This program's version: the one there must be the same.</param>
public sealed record RemoteWay(bool Plain, string? Program, string Version);

/// <summary>
/// Another machine that changes are applied to: by this same program copied there where it runs, else by plain
/// commands. A change that waits to be settled is settled by whichever way began it.
/// </summary>
public sealed class RemoteChanging
{
    private readonly RemoteTarget target;
    private readonly PlainTarget plain;
    private readonly RemoteWay way;

    private RemoteChanging(RemoteTarget target, RemoteWay way) => (this.target, this.way, plain) = (target, way, new(target));

    /// <summary>Asks the machine what it is, and puts right what was interrupted there by plain commands.</summary>
    /// <param name="host">A connection; it stays the caller's.</param>
    /// <param name="way">How.</param>
    /// <param name="righted">What was put right; null: nothing.</param>
    public static Reading<RemoteChanging> Of(SshHost host, RemoteWay way, out Receipt? righted)
    {
        righted = null;
        var target = RemoteTarget.Of(host);
        if (!target.Ok)
        {
            return new(default!, target.Error);
        }

        var changing = new RemoteChanging(target.Value, way);
        righted = changing.plain.PutRight();
        return new(changing, null);
    }

    /// <summary>Whether nothing was ever changed there.</summary>
    public bool IsUntouched => !target.Has(target.State);

    /// <summary>Whether there is a journal of changes by the program itself.</summary>
    public bool HasProgramJournal => target.Has(target.State + "/journal");

    /// <summary>Whether a command about an entry is for the journal of plain commands.</summary>
    /// <param name="id">The entry; null: the one that waits, else the newest.</param>
    public bool IsPlain(string? id) => way.Plain || (id is null ? plain.PendingId is not null || !HasProgramJournal : plain.Has(id));

    /// <summary>Puts the program there.</summary>
    /// <returns>Its path there; or why changes have to go by plain commands.</returns>
    public Reading<string> Install()
    {
        if (way.Plain)
        {
            return new(default!, new(HostErrorKind.Unsupported, "plain commands were asked for"));
        }

        if (plain.PendingId is { } pending)
        {
            return new(default!, new(HostErrorKind.Unsupported, $"the change {ByteText.Escape(pending)} by plain commands is not settled"));
        }

        var program = RemoteProgram.For(target, way.Program);
        try
        {
            return program.Ok ? new(RemoteProgram.Install(target, program.Value, way.Version), null) : new(default!, program.Error);
        }
        catch (ChangeFailedException e)
        {
            return new(default!, new(HostErrorKind.Unsupported, e.Message));
        }
    }

    /// <summary>Runs the program that <see cref="Install"/> put there, and hands on each line that it prints: foreign bytes.</summary>
    /// <returns>Its exit code; null: the connection was lost.</returns>
    public int? Run(string program, string[] arguments, byte[] input, TimeSpan time, Action<string> output, Action<string> errors) =>
        RemoteProgram.Run(target, program, arguments, input, time, output, errors);

    /// <summary>What stands against a plan by plain commands.</summary>
    public Receipt DryRun(Plan plan) => plain.DryRun(plan);

    /// <summary>Applies a plan by plain commands.</summary>
    public Receipt Apply(Plan plan, TimeSpan? within, string by, Func<Host, Plan, Report>? prove)
    {
        if (target.Host.ReadLink(target.State + "/pending") is { Ok: true, Value: var pending })
        {
            return new(null, Outcome.Stale, $"the change {ByteText.Escape(pending)} is not settled; nothing was changed", [$"lotse confirm --host {target.Host.Name} keeps it, lotse undo --host {target.Host.Name} takes it back"]);
        }

        return plain.Apply(plan, within, by, prove);
    }

    /// <summary>Keeps the change by plain commands that waits for it.</summary>
    public Receipt Confirm(string? id) => plain.Confirm(id);

    /// <summary>Takes a change by plain commands back.</summary>
    public Receipt Undo(string? id, bool force) => plain.Undo(id, force);

    /// <summary>What somebody changed since.</summary>
    public (string Path, Hunk[] Hunks)[] Since(string id) => plain.Since(id);

    /// <summary>The changes by plain commands, the newest first.</summary>
    public Reading<LoggedChange[]> Log() => PlainLog.Of(target);
}
