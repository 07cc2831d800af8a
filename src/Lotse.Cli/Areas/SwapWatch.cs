using System.Globalization;
using System.Text;
using Lotse.Formats;
using Lotse.Linux;
using Lotse.Swap;

namespace Lotse.Cli.Areas;

/// <summary>The live view: <c>lotse swap --watch</c>. On a terminal a screen with keys, elsewhere a line an interval.</summary>
internal static class SwapWatch
{
    /// <summary>Samples that are kept: an hour at one a second.</summary>
    private const int History = 3600;

    /// <summary>Runs until somebody ends it.</summary>
    public static int Run(Invocation call)
    {
        var seconds = double.Parse(call["--watch"]!, CultureInfo.InvariantCulture);
        using var host = Hosting.Open(call);
        using var state = new State(host, call["--backend"] ?? "auto");
        return call.Output.IsTerminal && !call.Has("--json") ? OnScreen(call, state, TimeSpan.FromSeconds(seconds)) : AsLines(call, host, state, TimeSpan.FromSeconds(seconds));
    }

    private static int OnScreen(Invocation call, State state, TimeSpan interval)
    {
        var order = call["--sort"] switch { "pid" => WatchOrder.Pid, "name" => WatchOrder.Name, "user" => WatchOrder.User, _ => WatchOrder.Swap };
        var (paused, first) = (false, 0);
        var output = call.Output;
        RawTerminal terminal;
        try
        {
            terminal = new(on => Switch(output, on));
        }
        catch (InvalidOperationException e)
        {
            throw new NotKnownException($"cannot watch: {e.Message}", "for a log, send the output to a file: lotse swap --watch >swap.log");
        }

        using (terminal)
        {
            state.Refresh();
            var next = state.Host.Uptime + interval;
            while (true)
            {
                Draw(output, state, order, paused, first);
                var woken = terminal.Wait(paused ? TimeSpan.FromHours(1) : Max(next - state.Host.Uptime, TimeSpan.Zero));
                switch (woken)
                {
                    case Woken.End:
                        return ExitCode.Fine;
                    case Woken.Key:
                        foreach (var key in terminal.Keys.Replace("\e[A", "k", StringComparison.Ordinal).Replace("\e[B", "j", StringComparison.Ordinal))
                        {
                            switch (key)
                            {
                                case 'q' or 'Q' or '\x03' or '\x04':
                                    return ExitCode.Fine;
                                case 's':
                                    order = WatchOrder.Swap;
                                    break;
                                case 'c':
                                    order = WatchOrder.Change;
                                    break;
                                case 'p':
                                    order = WatchOrder.Pid;
                                    break;
                                case 'n':
                                    order = WatchOrder.Name;
                                    break;
                                case 'u':
                                    order = WatchOrder.User;
                                    break;
                                case ' ':
                                    paused = !paused;
                                    break;
                                case 'j':
                                    first = Math.Min(first + 1, Math.Max(0, state.Rows.Count - 1));
                                    break;
                                case 'k':
                                    first = Math.Max(0, first - 1);
                                    break;
                                default:
                                    break;
                            }
                        }

                        break;
                    default:
                        break;
                }

                if (!paused && state.Host.Uptime >= next)
                {
                    state.Refresh();
                    next = Max(next + interval, state.Host.Uptime + interval / 2);
                }
            }
        }
    }

    private static int AsLines(Invocation call, Host host, State state, TimeSpan interval)
    {
        state.Refresh();
        while (true)
        {
            host.Wait(interval);
            state.Refresh();
            var now = state.History[^1];
            if (call.Has("--json"))
            {
                var answer = SwapList.Answer(state.Facts) with { TakenAt = host.Now, Processes = SwapList.JsonRows(host, state.Facts.Scan!.Processes.Take(call.Number("--top") ?? int.MaxValue)) };
                Envelope.Write(call, new(SwapDiagnosis.Headline(state.Facts), [], [], []) { Answer = SwapJson.Part(answer) }, ExitCode.Fine, indented: false);
            }
            else
            {
                var most = state.Rows.MaxBy(r => Math.Abs(r.KibPerSecond));
                call.Output.Line($"{host.Now:yyyy-MM-ddTHH:mm:ssZ} used {Amount.OfKib(now.UsedKib)} of {Amount.OfKib(now.TotalKib)}, in {now.InPerSecond:0} out {now.OutPerSecond:0} pages/s{(now.Waited is { } w ? $", waited {w:0.0} %" : "")}"
                    + (most is { KibPerSecond: not 0 } ? $", most change: {ByteText.Escape(most.Name)} ({most.Pid}) {(most.KibPerSecond > 0 ? "+" : "-")}{Amount.OfKib((long)Math.Abs(most.KibPerSecond))}/s" : ""));
            }

            call.Output.Flush();
        }
    }

    private static TimeSpan Max(TimeSpan a, TimeSpan b) => a > b ? a : b;

    /// <summary>The other screen, no cursor, no wrapping; and back.</summary>
    private static void Switch(Output output, bool on)
    {
        output.Write(on ? "\e[?1049h\e[?25l\e[?7l"u8 : "\e[?7h\e[?25h\e[?1049l"u8);
        output.Flush();
    }

    private static void Draw(Output output, State state, WatchOrder order, bool paused, int first)
    {
        var (rows, columns) = Descriptor.TerminalSize(1) ?? (24, 80);
        var lines = SwapScreen.Draw(rows, columns, SwapDiagnosis.Headline(state.Facts), state.History, state.Rows, order, paused, first);
        output.Write("\e[H"u8);
        for (var i = 0; i < lines.Count; i++)
        {
            output.Write(lines[i]);
            output.Write(i + 1 < lines.Count ? "\e[K\r\n"u8 : "\e[K\e[J"u8);
        }

        output.Flush();
    }

    /// <summary>What the view knows: the newest facts, the rows with their rates, and a bounded history.</summary>
    private sealed class State(Host host, string backend) : IDisposable
    {
        private readonly UserNames users = new(host);
        private readonly SwapScan scanner = new(host, backend);
        private Dictionary<int, long> before = [];
        private Counters? countersBefore;
        private TimeSpan at;

        public Host Host => host;

        public SwapFacts Facts { get; private set; } = null!;

        public List<WatchSample> History { get; } = [];

        public List<WatchRow> Rows { get; private set; } = [];

        public void Refresh()
        {
            var now = host.Uptime;
            var counters = Counters.Read(host, "/proc/vmstat", "pswpin", "pswpout");
            var facts = SwapList.Basics(host);
            var scan = facts.UsedKib == 0 ? new([], 0, "proc") : scanner.Read();
            var seconds = (now - at).TotalSeconds;
            var isFirst = countersBefore is null;
            Facts = facts with
            {
                Scan = scan,
                Activity = counters is not null && countersBefore is not null ? new(countersBefore, counters, seconds, 0) : null,
            };
            Rows = [.. scan.Processes.Select(p => new WatchRow(p.Pid, p.Name, users[p.Uid], p.SwapKib, isFirst || seconds <= 0 ? 0 : (p.SwapKib - before.GetValueOrDefault(p.Pid)) / seconds))];
            before = scan.Processes.ToDictionary(p => p.Pid, p => p.SwapKib);
            (countersBefore, at) = (counters, now);
            if (History.Count == SwapWatch.History)
            {
                History.RemoveAt(0);
            }

            History.Add(new(facts.UsedKib, facts.TotalKib, Facts.Activity?.PerSecond("pswpin") ?? 0, Facts.Activity?.PerSecond("pswpout") ?? 0, facts.Pressure?.Some10));
        }

        public void Dispose() => scanner.Dispose();
    }
}
