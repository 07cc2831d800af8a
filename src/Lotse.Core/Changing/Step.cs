using Lotse.Linux;

namespace Lotse.Changing;

/// <summary>How the world stands to a step.</summary>
internal enum Standing
{
    /// <summary>As before the step.</summary>
    Before,

    /// <summary>As the step leaves it.</summary>
    After,

    /// <summary>Otherwise: somebody else was there.</summary>
    Other,
}

/// <summary>Carries out one change and takes it back. Putting back may be repeated: it looks at what is there.</summary>
/// <param name="number">Its place in the plan, from 0.</param>
internal abstract class Step(int number)
{
    public int Number => number;

    /// <summary>Looks at what is there, and refuses what could not be done or taken back. Changes nothing.</summary>
    /// <returns>What the journal keeps, and the bytes that stood there.</returns>
    /// <exception cref="ChangeFailedException">Says what stands in the way.</exception>
    public abstract (StepBefore Before, byte[]? Bytes) Look();

    /// <summary>Does it, from what <see cref="Look"/> saw in this process.</summary>
    /// <exception cref="ChangeFailedException">It failed; what it had begun is for <see cref="PutBack"/>.</exception>
    public abstract void Do(JournalEntry entry);

    /// <summary>How the world stands to it now.</summary>
    public virtual Standing Stands(JournalEntry entry) => Standing.After;

    /// <summary>Takes it back, whether it was done, begun, or not.</summary>
    /// <param name="entry">Where what stood there is kept.</param>
    /// <param name="force">Also where somebody changed it since.</param>
    /// <exception cref="ChangeFailedException">It cannot be.</exception>
    public abstract void PutBack(JournalEntry entry, bool force);

    /// <summary>The steps of a plan.</summary>
    public static Step[] Of(Plan plan, Host host, Files files) => [.. plan.Changes.Select((change, i) => (Step)(change switch
    {
        SetKernelValue kernel => new KernelStep(i, kernel, files),
        RunProgram run => new ProgramStep(i, run, host),
        TellUnit unit => new UnitStep(i, unit, host),
        UpdateZone zone => new ZoneStep(i, zone, host),
        BringPagesIn pages => new PagesStep(i, pages, host),
        CycleSwap cycle => new SwapStep(i, cycle, host),
        ByHand => new NoStep(i),
        _ => new FileStep(i, change, host, files),
    }))];
}

/// <summary>A change by hand: there is nothing to do here.</summary>
internal sealed class NoStep(int number) : Step(number)
{
    public override (StepBefore Before, byte[]? Bytes) Look() => (new(), null);

    public override void Do(JournalEntry entry)
    {
    }

    public override void PutBack(JournalEntry entry, bool force)
    {
    }
}
