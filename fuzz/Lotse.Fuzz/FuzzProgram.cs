using System.Globalization;

namespace Lotse.Fuzz;

/// <summary>
/// <c>fuzz [TARGET…] [--seconds N] [--seed N]</c>: every target for N seconds (60); an input that breaks one is written to a file.
/// <c>fuzz TARGET --replay FILE</c> reads that file once.
/// </summary>
internal static class FuzzProgram
{
    private static int Main(string[] args)
    {
        var names = new List<string>();
        int seconds = 60, seed = Environment.TickCount & 0xffff;
        string? replay = null;
        for (var i = 0; i < args.Length; i++)
        {
            switch (args[i])
            {
                case "--seconds" when i + 1 < args.Length:
                    seconds = int.Parse(args[++i], CultureInfo.InvariantCulture);
                    break;
                case "--seed" when i + 1 < args.Length:
                    seed = int.Parse(args[++i], CultureInfo.InvariantCulture);
                    break;
                case "--replay" when i + 1 < args.Length:
                    replay = args[++i];
                    break;
                default:
                    names.Add(args[i]);
                    break;
            }
        }

        if (names.Find(n => !Target.All.Any(t => t.Name == n)) is { } unknown)
        {
            Console.Error.WriteLine($"fuzz: no target \"{unknown}\"; there are {string.Join(", ", Target.All.Select(t => t.Name))}");
            return 2;
        }

        var failed = false;
        foreach (var target in Target.All.Where(t => names.Count == 0 || names.Contains(t.Name)))
        {
            if (replay is not null)
            {
                var (said, took, allocated) = Fuzzer.Try(target, File.ReadAllBytes(replay));
                Console.WriteLine($"{target.Name}: {said.Fault ?? said.Words}; {took.TotalMilliseconds:0} ms, {allocated >> 10} KiB");
                failed |= said.Fault is not null;
                continue;
            }

            var run = Fuzzer.Go(target, TimeSpan.FromSeconds(seconds), seed);
            Console.WriteLine($"{target.Name}: {run.Inputs} inputs, {run.Kinds} kinds of answer, slowest {run.Slowest.TotalMilliseconds:0} ms, most {run.Largest >> 10} KiB for one, peak {Environment.WorkingSet >> 20} MiB, {seconds} s, seed {seed}: {run.Fault ?? "no fault"}");
            if (run.Fault is not null)
            {
                failed = true;
                var file = $"{target.Name}-{seed}-{run.Inputs}.input";
                File.WriteAllBytes(file, run.Input!);
                Console.WriteLine($"  the input is in {file}");
            }
        }

        return failed ? 1 : 0;
    }
}
