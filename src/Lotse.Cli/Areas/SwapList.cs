using System.Globalization;
using System.Text.Json;
using Lotse.Formats;
using Lotse.Swap;

namespace Lotse.Cli.Areas;

/// <summary>The listing of <c>lotse swap</c>: rows under one verdict line.</summary>
internal static class SwapList
{
    /// <summary>Without pressure information only an interval tells whether swapping hurts; this is the shortest that does.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(SwapPressure.LeastSeconds);

    /// <summary>Reads and prints; the exit code.</summary>
    public static int Print(Invocation call, Host host)
    {
        var isTable = !call.Has("--tsv");
        var start = isTable ? host.Uptime : default;
        var before = isTable ? Counters.Read(host, "/proc/vmstat", "pswpin", "pswpout") : null;
        var facts = Basics(host);
        if (facts.UsedKib == 0 && !call.Has("--since"))
        {
            return Nothing(call, facts);
        }

        if (call.Has("--full"))
        {
            return SwapFull.Print(call, host);
        }

        if (isTable && call["--by"] is "unit" or "container" && MemoryGroup.Hierarchy(host) is not null)
        {
            facts = facts with { Groups = MemoryGroup.ReadAll(host) };
            return PrintSums(call, Measured(host, facts, before, start), UnitSums.Of(facts, byContainer: call["--by"] == "container"));
        }

        var scan = facts.UsedKib == 0 ? new([], 0, "proc") : SwapScan.Once(host, call["--backend"] ?? "auto", call.Has("--all"));
        if (scan.Fallback is { } why)
        {
            call.Errors.Line($"lotse: {why}; read /proc instead");
        }

        var rows = Rows(call, host, scan);
        if (!isTable)
        {
            PrintTsv(call.Output, rows);
            return Unreadable(call, scan);
        }

        facts = Measured(host, facts, before, start) with { Scan = scan };
        if (call.Has("--by") && call["--by"] != "process")
        {
            return PrintSums(call, facts, Sums(host, rows, call["--by"]!));
        }

        return call.Has("--since") ? SwapSnapshot.PrintSince(call, host, facts, rows)
            : call.Has("--save") ? SwapSnapshot.Save(call, host, facts, rows)
            : PrintTable(call, host, facts, rows);
    }

    /// <summary>The basics, or the end of the command.</summary>
    public static SwapFacts Basics(Host host)
    {
        var basics = SwapFacts.ReadBasics(host);
        return basics.Ok ? basics.Value : throw new NotKnownException(basics.Error!.Message, host.IsThisMachine ? "mount -t proc proc /proc" : null);
    }

    /// <summary>The listing's rows as JSON has them.</summary>
    public static ProcessRow[] JsonRows(Host host, IEnumerable<ProcessSwap> rows)
    {
        var users = new UserNames(host);
        return [.. rows.Select(p =>
        {
            var (unit, container) = ControlGroups.OfProcess(host, p.Pid);
            return new ProcessRow(p.Pid, ByteText.Lossy(p.Name), Convert.ToBase64String(ByteText.Encode(p.Name)), p.SwapKib, unit, container, users[p.Uid], ProcessStat.Read(host, p.Pid, ProcessStat.StartTime));
        })];
    }

    /// <summary>The answer of the listing, for JSON.</summary>
    public static ListAnswer Answer(SwapFacts facts) => new()
    {
        TotalKib = facts.TotalKib,
        UsedKib = facts.UsedKib,
        Hurts = facts.UsedKib == 0 ? "no" : SwapPressure.Hurts(facts.Pressure, facts.Activity) switch { Verdict.Yes => "yes", Verdict.No => "no", _ => "unknown" },
        WaitedPercent = facts.Pressure?.Some10,
        PagesIn = facts.Activity is { } a ? a.After.Or0("pswpin") - a.Before.Or0("pswpin") : null,
        IntervalSeconds = facts.Activity?.Seconds,
        Backend = facts.Scan?.Backend,
        Unreadable = facts.Scan?.Unreadable ?? 0,
        NotInProcessesKib = facts.Scan is { Unreadable: 0 } scan && facts.UsedKib >= scan.Processes.Sum(p => p.SwapKib) ? facts.UsedKib - scan.Processes.Sum(p => p.SwapKib) : null,
    };

    /// <summary>No swap, or none used: an answer that needs no scan.</summary>
    private static int Nothing(Invocation call, SwapFacts facts)
    {
        if (call.Has("--json"))
        {
            var report = new Report(SwapDiagnosis.Headline(facts), [], [], []) { Answer = SwapJson.Part(Answer(facts) with { Processes = [] }) };
            Envelope.Write(call, report, ExitCode.Fine);
        }
        else if (!call.Has("--tsv"))
        {
            call.Output.Line(SwapDiagnosis.Headline(facts).ToString());
        }

        return ExitCode.Fine;
    }

    private static SwapFacts Measured(Host host, SwapFacts facts, Counters? before, TimeSpan start)
    {
        if (before is null)
        {
            return facts;
        }

        if (facts.Pressure is null && Interval - (host.Uptime - start) is var left && left > TimeSpan.Zero)
        {
            host.Wait(left);
        }

        return Counters.Read(host, "/proc/vmstat", "pswpin", "pswpout") is { } after
            ? facts with { Activity = new(before, after, (host.Uptime - start).TotalSeconds, 0) }
            : facts;
    }

    private static ProcessSwap[] Rows(Invocation call, Host host, ProcessScan scan)
    {
        var rows = scan.Processes;
        if (call["--sort"] is { } sort and not "swap")
        {
            var users = new UserNames(host);
            rows = sort switch
            {
                "pid" => [.. rows.OrderBy(p => p.Pid)],
                "name" => [.. rows.OrderBy(p => p.Name, StringComparer.Ordinal).ThenBy(p => p.Pid)],
                _ => [.. rows.OrderBy(p => users[p.Uid], StringComparer.Ordinal).ThenByDescending(p => p.SwapKib).ThenBy(p => p.Pid)],
            };
        }

        return call.Number("--top") is { } top && top < rows.Length && call["--by"] is null or "process" ? rows[..top] : rows;
    }

    private static void PrintTsv(Output output, ProcessSwap[] rows)
    {
        Span<byte> digits = stackalloc byte[24];
        foreach (var process in rows)
        {
            process.SwapKib.TryFormat(digits, out var used, provider: CultureInfo.InvariantCulture);
            output.Write(digits[..used]);
            output.Write("\t"u8);
            process.Pid.TryFormat(digits, out used, provider: CultureInfo.InvariantCulture);
            output.Write(digits[..used]);
            output.Write("\t"u8);
            output.Line(ByteText.Escape(process.Name));
        }
    }

    private static int PrintTable(Invocation call, Host host, SwapFacts facts, ProcessSwap[] rows)
    {
        var report = Report(facts);
        var exit = ExitCode.Of(report, call.FailOn);
        if (call.Has("--json"))
        {
            Envelope.Write(call, report with { Answer = SwapJson.Part(Answer(facts) with { Processes = JsonRows(host, rows) }) }, exit);
            return exit;
        }

        var output = call.Output;
        output.Bold(report.Verdict.ToString());
        output.Line();
        if (rows.Length > 0)
        {
            output.Line();
            output.Line($"{"SWAP",10} {"PID",8}  {"USER",-12}  NAME");
            var users = new UserNames(host);
            foreach (var row in rows)
            {
                output.Line($"{Amount.OfKib(row.SwapKib),10} {row.Pid,8}  {ByteText.Escape(users[row.Uid]),-12}  {ByteText.Escape(row.Name)}");
            }
        }

        var answer = Answer(facts);
        if (answer.NotInProcessesKib is { } elsewhere && elsewhere * 100 >= facts.UsedKib && elsewhere >= 1024)
        {
            output.Line();
            output.Line($"{Amount.OfKib(elsewhere)} are in no process's own memory (shared memory, tmpfs, swap cache): lotse swap --full names them");
        }

        ReportText.Findings(output, report);
        return exit;
    }

    private static int PrintSums(Invocation call, SwapFacts facts, SumRow[] sums)
    {
        sums = call["--sort"] == "name" ? [.. sums.OrderBy(s => s.Name, StringComparer.Ordinal)] : [.. sums.OrderByDescending(s => s.SwapKib).ThenBy(s => s.Name, StringComparer.Ordinal)];
        sums = call.Number("--top") is { } top && top < sums.Length ? sums[..top] : sums;
        var report = Report(facts);
        var exit = ExitCode.Of(report, call.FailOn);
        if (call.Has("--json"))
        {
            Envelope.Write(call, report with { Answer = SwapJson.Part(Answer(facts) with { Sums = sums }) }, exit);
            return exit;
        }

        var output = call.Output;
        output.Bold(report.Verdict.ToString());
        output.Line();
        output.Line();
        var counted = sums.Any(s => s.Processes is not null);
        output.Line($"{"SWAP",10}{(counted ? "  PROCESSES" : "")}  {call["--by"]!.ToUpperInvariant()}");
        foreach (var sum in sums)
        {
            output.Line($"{Amount.OfKib(sum.SwapKib),10}{(counted ? $"{sum.Processes,11}" : "")}  {ByteText.Escape(sum.Name)}");
        }

        output.Line();
        output.Line(counted
            ? "sums over processes: memory shared after a fork counts in each of them"
            : "the kernel's account by control group: each page once, tmpfs and shared memory included");
        ReportText.Findings(output, report);
        return exit;
    }

    private static Report Report(SwapFacts facts) => SwapDiagnosis.Listing(facts);

    private static SumRow[] Sums(Host host, ProcessSwap[] rows, string by)
    {
        var users = new UserNames(host);
        string Key(ProcessSwap p) => by switch
        {
            "user" => users[p.Uid],
            "name" => p.Name,
            "unit" => ControlGroups.OfProcess(host, p.Pid).Unit ?? "(no unit)",
            _ => ControlGroups.OfProcess(host, p.Pid).Container ?? "(no container)",
        };
        return [.. rows.GroupBy(Key).Select(g => new SumRow(g.Key, g.Sum(p => p.SwapKib), g.Count(p => p.SwapKib > 0)))];
    }

    /// <summary>What could not be read is said beside the rows, never in them.</summary>
    private static int Unreadable(Invocation call, ProcessScan scan)
    {
        if (scan.Unreadable == 0 && scan.Hidden is null)
        {
            return ExitCode.Fine;
        }

        call.Errors.Line(scan.Hidden is { } hidden ? $"lotse: other users' processes are not listed: {hidden}" : $"lotse: {scan.Unreadable} processes could not be read: permission denied");
        call.Errors.Line();
        call.Errors.Line("hint: run as root");
        return ExitCode.NotKnown;
    }
}
