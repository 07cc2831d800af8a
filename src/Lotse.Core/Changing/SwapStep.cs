using Lotse.Formats;
using Lotse.Linux;

namespace Lotse.Changing;

/// <summary>A swap area, taken out of use and back in.</summary>
internal sealed class SwapStep(int number, CycleSwap change, Host host) : Step(number)
{
    public override (StepBefore Before, byte[]? Bytes) Look()
    {
        if (!IsOn())
        {
            throw new ChangeFailedException($"empty {ByteText.Escape(change.Path)}", "it is not in use as swap any more");
        }

        // The machine may have filled up since the plan was made: then swapoff would end in the out-of-memory killer.
        var available = Counters.Read(host, "/proc/meminfo", "MemAvailable")?.Or0("MemAvailable") ?? 0;
        return change.NeedKib <= available * 9 / 10 ? (new(), null)
            : throw new ChangeFailedException($"empty {ByteText.Escape(change.Path)}", $"{Amount.OfKib(change.NeedKib)} would come back, and only {Amount.OfKib(available)} are available now");
    }

    public override void Do(JournalEntry entry)
    {
        if (SwapArea.Off(change.Path) is var errno and not 0)
        {
            throw ChangeFailedException.Of("take out of use as swap", change.Path, errno);
        }

        PutBack(entry, false);
    }

    public override void PutBack(JournalEntry entry, bool force)
    {
        if (!IsOn() && SwapArea.On(change.Path, change.Priority) is var errno and not 0)
        {
            throw ChangeFailedException.Of("put into use as swap", change.Path, errno);
        }
    }

    private bool IsOn()
    {
        var swaps = host.ReadFile("/proc/swaps");
        return swaps.Ok ? SwapTable.Parse(swaps.Value).Any(d => d.Path == change.Path) : throw new ChangeFailedException("read /proc/swaps", swaps.Error!.Message);
    }
}
