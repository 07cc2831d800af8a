using Lotse.Linux;

namespace Lotse.Swap;

/// <summary>Which slots were seen once and which more often: two bits a slot, 512 KiB for 8 GiB of swap.</summary>
internal sealed class SlotSet
{
    private const int TypeBits = 5;

    private readonly Bits[] once = new Bits[1 << TypeBits], several = new Bits[1 << TypeBits];

    /// <summary>Slots that were seen.</summary>
    public long Unique { get; private set; }

    /// <summary>Slots that were seen in more than one memory.</summary>
    public long Several { get; private set; }

    /// <summary>Adds the slots of one memory.</summary>
    public void Add(List<SlotRun> runs)
    {
        foreach (var run in runs)
        {
            var (type, offset) = ((int)(run.First & 31), (long)(run.First >> TypeBits));
            for (var i = offset; i < offset + run.Count; i++)
            {
                if (once[type].Set(i))
                {
                    Unique++;
                }
                else if (several[type].Set(i))
                {
                    Several++;
                }
            }
        }
    }

    /// <summary>How many of these slots no other memory holds.</summary>
    public long OnlyOnce(List<SlotRun> runs)
    {
        var count = 0L;
        foreach (var run in runs)
        {
            var (type, offset) = ((int)(run.First & 31), (long)(run.First >> TypeBits));
            for (var i = offset; i < offset + run.Count; i++)
            {
                count += several[type].Has(i) ? 0 : 1;
            }
        }

        return count;
    }

    private struct Bits
    {
        private ulong[]? words;

        public readonly bool Has(long bit) => words is not null && bit >> 6 < words.Length && (words[bit >> 6] & (1ul << (int)(bit & 63))) != 0;

        /// <summary>Whether it was not set before.</summary>
        public bool Set(long bit)
        {
            var word = bit >> 6;
            if (words is null || word >= words.Length)
            {
                Array.Resize(ref words, (int)Math.Max(word + 1, (words?.Length ?? 512) * 2L));
            }

            var mask = 1ul << (int)(bit & 63);
            var isNew = (words[word] & mask) == 0;
            words[word] |= mask;
            return isNew;
        }
    }
}
