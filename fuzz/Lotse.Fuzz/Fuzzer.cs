using System.Diagnostics;

namespace Lotse.Fuzz;

/// <summary>What a run came to.</summary>
/// <param name="Inputs">Inputs that were read.</param>
/// <param name="Kinds">Different things that the reader said.</param>
/// <param name="Slowest">The most processor time that one input took.</param>
/// <param name="Largest">The most bytes that were allocated for one input.</param>
/// <param name="Fault">What is wrong, and with it the input; null: nothing.</param>
/// <param name="Input">That input.</param>
internal sealed record Run(long Inputs, int Kinds, TimeSpan Slowest, long Largest, string? Fault, byte[]? Input);

/// <summary>Reads changed inputs until the time is up or the reader throws, takes too long or too much.</summary>
internal static class Fuzzer
{
    /// <summary>Processor time for one input of at most 1 MiB: how busy the machine is does not count.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>The most bytes that may be allocated for one input, what is thrown away included: a fixed amount, and a multiple of its length.</summary>
    public static long Bound(int length) => (64L << 20) + (400L * length);

    /// <summary>The most inputs that are kept because they made the reader say something new.</summary>
    private const int MostKept = 4000;

    /// <summary>Runs one target.</summary>
    public static Run Go(Target target, TimeSpan time, int seed)
    {
        var random = new Random(seed);
        var mutation = new Mutation(random);
        var corpus = target.Seeds().ToList();
        var seen = new HashSet<string>();
        var start = Stopwatch.GetTimestamp();
        long inputs = 0, largest = 0;
        var slowest = TimeSpan.Zero;

        // However little time there is on a busy machine: every seed, and some changed inputs.
        const int Fewest = 20;
        var fewest = corpus.Count + Fewest;
        for (var next = 0; next < fewest || Stopwatch.GetElapsedTime(start) < time; next++)
        {
            // The seeds themselves first.
            var input = next < corpus.Count && inputs == next ? corpus[next] : mutation.Of(corpus[random.Next(corpus.Count)], corpus[random.Next(corpus.Count)]);
            inputs++;
            var (said, took, allocated) = Try(target, input);
            slowest = took > slowest ? took : slowest;
            largest = Math.Max(largest, allocated);
            if (said.Fault is { } fault || (took > Patience && (fault = $"took {took.TotalSeconds:0.0} seconds") is not null) || (allocated > Bound(input.Length) && (fault = $"allocated {allocated >> 20} MiB for {input.Length} bytes") is not null))
            {
                return new(inputs, seen.Count, slowest, largest, fault, input);
            }

            if (seen.Count < MostKept && seen.Add(said.Words) && inputs > corpus.Count)
            {
                corpus.Add(input);
            }
        }

        return new(inputs, seen.Count, slowest, largest, null, null);
    }

    /// <summary>Reads one input.</summary>
    public static ((string Words, string? Fault) Said, TimeSpan Took, long Allocated) Try(Target target, byte[] input)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var start = Environment.CpuUsage.TotalTime;
        (string, string?) said;
        try
        {
            said = (target.Read(input), null);
        }
#pragma warning disable CA1031 // Whatever it is: that is what is looked for.
        catch (Exception e)
#pragma warning restore CA1031
        {
            said = ("", e.ToString());
        }

        return (said, Environment.CpuUsage.TotalTime - start, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
