using Lotse.Fuzz;
using Xunit;

namespace Lotse.Tests;

/// <summary>A moment of what fuzz/ does for hours: every reader of foreign bytes, from its seeds on.</summary>
public class FuzzTests
{
    public static TheoryData<string> Targets() => [.. Target.All.Select(t => t.Name)];

    [Theory]
    [MemberData(nameof(Targets))]
    public void Survives_changed_inputs(string name)
    {
        var target = Target.All.Single(t => t.Name == name);
        var run = Fuzzer.Go(target, TimeSpan.FromSeconds(5.0 / Target.All.Length), seed: 1);
        Assert.True(run.Fault is null, $"{run.Fault}: {(run.Input is null ? "" : Convert.ToBase64String(run.Input[..Math.Min(run.Input.Length, 2000)]))}");
        Assert.True(run.Kinds > 1, "every input has the same answer: the seeds are not read");
    }

    [Fact]
    public void The_same_seed_makes_the_same_inputs()
    {
        byte[] input = [.. Enumerable.Range(0, 200).Select(i => (byte)i)];
        Assert.Equal(Inputs(new(new Random(7))), Inputs(new(new Random(7))));
        IEnumerable<byte[]> Inputs(Mutation mutation) => [.. Enumerable.Range(0, 50).Select(_ => mutation.Of(input, input))];
    }

    [Fact]
    public void A_reader_that_throws_is_caught_with_its_input()
    {
        var run = Fuzzer.Go(new("bad", () => ["abc"u8.ToArray()], bytes => bytes.Length > 5 ? throw new InvalidOperationException("long") : "short"), TimeSpan.FromSeconds(5), 1);
        Assert.Contains("long", run.Fault, StringComparison.Ordinal);
        Assert.True(run.Input!.Length > 5);
    }

    [Fact]
    public void A_reader_that_takes_too_much_is_caught() => Assert.Contains("allocated", Fuzzer.Go(new("greedy", () => ["abc"u8.ToArray()], _ => new byte[80 << 20].Length.ToString(System.Globalization.CultureInfo.InvariantCulture)), TimeSpan.FromSeconds(5), 1).Fault, StringComparison.Ordinal);
}
