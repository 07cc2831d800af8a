using System.Text.Json;
using Lotse.Formats;
using Lotse.Linux;
using Lotse.Swap;

namespace Lotse.Cli.Areas;

/// <summary>Snapshots: <c>--save FILE</c> and <c>--since FILE</c>. A snapshot is the JSON envelope of the listing.</summary>
internal static class SwapSnapshot
{
    /// <summary>Writes the envelope to a new file.</summary>
    public static int Save(Invocation call, Host host, SwapFacts facts, ProcessSwap[] rows)
    {
        using var memory = new MemoryStream();
        var file = new Output(memory);
        var answer = SwapList.Answer(facts) with { Processes = SwapList.JsonRows(host, rows), TakenAt = host.Now };
        Envelope.Write(new Invocation(call.Command, [], [], file, call.Errors), new Report(SwapDiagnosis.Headline(facts), [], [], []) { Answer = SwapJson.Part(answer) }, ExitCode.Fine);
        file.Flush();
        var path = Path.GetFullPath(call["--save"]!);
        if (NewFile.Write(path, memory.ToArray()) is { } error)
        {
            throw new NotKnownException(error.Message, error.Message.EndsWith("file exists", StringComparison.Ordinal) ? "a snapshot is never written over another file: name a new one" : null);
        }

        call.Errors.Line($"saved {rows.Length} processes to {ByteText.Escape(path)}");
        return ExitCode.Fine;
    }

    /// <summary>Compares with a snapshot. A process is the same when pid and start time are.</summary>
    public static int PrintSince(Invocation call, Host host, SwapFacts facts, ProcessSwap[] rows)
    {
        var before = Load(call["--since"]!);
        var now = SwapList.JsonRows(host, rows);
        var old = before.Processes!.ToDictionary(p => (p.Pid, p.StartTicks));
        var changes = now
            .Select(p => new ChangeRow(p.Pid, p.Name, p.NameBytesBase64, p.User, old.Remove((p.Pid, p.StartTicks), out var was) ? was.SwapKib : null, p.SwapKib))
            .Concat(old.Values.Select(p => new ChangeRow(p.Pid, p.Name, p.NameBytesBase64, p.User, p.SwapKib, null)).ToArray())
            .Where(c => (c.BeforeKib ?? 0) != (c.NowKib ?? 0))
            .OrderByDescending(c => Math.Abs((c.NowKib ?? 0) - (c.BeforeKib ?? 0))).ThenBy(c => c.Pid)
            .ToArray();
        var change = facts.UsedKib - before.UsedKib;
        var age = before.TakenAt is { } taken ? host.Now - taken : (TimeSpan?)null;
        Text verdict = $"used swap {(change == 0 ? "did not change" : change > 0 ? $"grew by {Amount.OfKib(change)}" : $"shrank by {Amount.OfKib(-change)}")}{(age is { } a && a > TimeSpan.Zero ? $" in {Amount.Duration(a)}" : "")}: {Amount.OfKib(before.UsedKib)}, now {Amount.OfKib(facts.UsedKib)}";
        if (call.Has("--json"))
        {
            Envelope.Write(call, new(verdict, [], [], []) { Answer = SwapJson.Part(new SinceAnswer(before.UsedKib, facts.UsedKib, age?.TotalSeconds, changes)) }, ExitCode.Fine);
            return ExitCode.Fine;
        }

        call.Output.Bold(verdict.ToString());
        call.Output.Line();
        if (changes.Length > 0)
        {
            call.Output.Line();
            call.Output.Line($"{"CHANGE",11} {"NOW",10} {"PID",8}  {"USER",-12}  NAME");
            foreach (var c in changes.Take(call.Number("--top") ?? int.MaxValue))
            {
                var moved = (c.NowKib ?? 0) - (c.BeforeKib ?? 0);
                var name = ByteText.Escape(ByteText.Decode(Convert.FromBase64String(c.NameBytesBase64)));
                call.Output.Line($"{(moved > 0 ? "+" : "-") + Amount.OfKib(Math.Abs(moved)),11} {(c.NowKib is { } kib ? Amount.OfKib(kib) : "ended"),10} {c.Pid,8}  {ByteText.Escape(c.User),-12}  {name}");
            }
        }

        return ExitCode.Fine;
    }

    private static ListAnswer Load(string path)
    {
        var bytes = Hosting.ReadInput(path);
        try
        {
            using var envelope = JsonDocument.Parse(bytes);
            if (envelope.RootElement is { ValueKind: JsonValueKind.Object } root && root.TryGetProperty("schema"u8, out var schema) && schema.ValueEquals("lotse/1"u8)
                && root.TryGetProperty("answer"u8, out var answer) && answer.Deserialize(SwapJson.Default.ListAnswer) is { Processes: not null } list
                && list.Processes.All(p => System.Buffers.Text.Base64.IsValid(p.NameBytesBase64))
                && list.Processes.Select(p => (p.Pid, p.StartTicks)).Distinct().Count() == list.Processes.Length)
            {
                return list;
            }
        }
        catch (Exception e) when (e is JsonException or FormatException)
        {
            // Said below, like every other file that is no snapshot.
        }

        throw new NotKnownException($"{ByteText.Escape(Path.GetFullPath(path))} is not a snapshot of lotse swap", "lotse swap --save FILE makes one");
    }
}
