using Lotse.Formats;
using Lotse.Swap;

namespace Lotse.Cli.Areas;

/// <summary><c>lotse swap --full</c>: every used slot, by what holds it.</summary>
internal static class SwapFull
{
    /// <summary>Reads and prints; the exit code.</summary>
    public static int Print(Invocation call, Host host)
    {
        var account = host.Ask("swap account", static () => SwapJson.Default.AccountFacts, () => AccountReader.Read(host));
        var facts = SwapFacts.Read(host, TimeSpan.Zero, null);
        if (!account.Ok || !facts.Ok)
        {
            var error = account.Error ?? facts.Error!;
            throw new NotKnownException(error.Message, error.Kind == HostErrorKind.Denied ? "run as root; lotse swap without --full needs no rights" : "--full asks the running kernel of this machine; --record makes a recording of it");
        }

        var sum = AccountSum.Of(account.Value);
        var users = new UserNames(host);
        var names = account.Value.Processes.ToDictionary(p => p.Pid, p => p.Name);
        var answer = Answer(account.Value, facts.Value, sum, users, pid => names.TryGetValue(pid, out var name) ? name : NameOf(host, pid));
        var report = SwapDiagnosis.Account(facts.Value, account.Value, sum) with { Answer = SwapJson.Part(answer) };
        var exit = ExitCode.Of(report, call.FailOn);
        if (call.Has("--json"))
        {
            Envelope.Write(call, report, exit);
            return exit;
        }

        Text(call, report, answer, account.Value);
        ReportText.Findings(call.Output, report);
        return exit;
    }

    private static void Text(Invocation call, Report report, AccountAnswer answer, AccountFacts account)
    {
        var output = call.Output;
        output.Bold(report.Verdict.ToString());
        output.Line();
        output.Line();
        void Part(long kib, string what)
        {
            if (kib != 0)
            {
                output.Line($"{Amount.OfKib(kib),10}  {what}");
            }
        }

        Part(answer.PrivateKib, "private memory of processes, each slot once");
        Part(answer.SharedMemoryKib, "shared memory: tmpfs, memfd, System V and shared mappings");
        Part(answer.SwapCacheKib, "swap cache: in memory again, slot kept");
        Part(answer.ReservedKib, "handed to CPUs in advance");
        Part(answer.UnexplainedKib, account.SeesAll ? "unexplained" : "not visible from this PID namespace");
        if (answer.MovedKib != 0)
        {
            output.Line($"{"",10}  (used swap moved by {Amount.OfKib(Math.Abs(answer.MovedKib))} while it was looked at)");
        }

        if (answer.Processes.Length > 0)
        {
            output.Line();
            output.Line($"{"SWAP",10} {"ONLY MINE",10} {"PID",8}  {"USER",-12}  NAME");
            foreach (var p in account.Processes.Zip(answer.Processes).Take(call.Number("--top") ?? int.MaxValue))
            {
                output.Line($"{Amount.OfKib(p.First.SwapKib),10} {Amount.OfKib(p.First.OnlyMineKib),10} {p.First.Pid,8}  {ByteText.Escape(p.Second.User),-12}  {ByteText.Escape(p.First.Name)}");
            }
        }

        if (answer.Shared.Length > 0)
        {
            output.Line();
            output.Line($"{"SWAP",10}  {"KIND",-16}  FILE OR SEGMENT, AND WHO HOLDS IT");
            foreach (var s in answer.Shared.Take(call.Number("--top") ?? int.MaxValue))
            {
                output.Line($"{Amount.OfKib(s.SwapKib),10}  {s.Kind,-16}  {ByteText.Escape(s.PathOrId)}  [{string.Join(", ", s.Owners.Select(ByteText.Escape))}]");
            }
        }

        if (answer.ZswapKib is { } stored)
        {
            output.Line();
            output.Line($"zswap keeps {Amount.OfKib(stored)} of it in memory, as {Amount.OfKib(answer.ZswapUsedKib ?? 0)}");
        }

        foreach (var zram in answer.Zram)
        {
            output.Line();
            output.Line($"{zram.Device} keeps {Amount.OfKib(zram.OriginalKib)} in memory, as {Amount.OfKib(zram.UsedKib)}");
        }
    }

    private static AccountAnswer Answer(AccountFacts account, SwapFacts facts, AccountSum sum, UserNames users, Func<int, string> nameOf) => new()
    {
        TotalKib = facts.TotalKib,
        UsedKib = sum.UsedKib,
        PrivateKib = sum.PrivateKib,
        SharedMemoryKib = sum.SharedMemoryKib,
        SwapCacheKib = sum.SwapCacheKib,
        ReservedKib = sum.ReservedKib,
        UnexplainedKib = sum.UnexplainedKib,
        Processes = [.. account.Processes.Select(p => new AccountProcessRow(
            p.Pid, ByteText.Lossy(p.Name), Convert.ToBase64String(ByteText.Encode(p.Name)), p.SwapKib, p.OnlyMineKib, p.Unit, p.Container, users[p.Uid]))],
        Shared = [.. account.Shared.Select(s => new AccountSharedRow(s.Kind, ByteText.Lossy(s.PathOrId), s.SwapKib, Owners(s, users, nameOf)))],
        Unreadable = account.Unreadable,
        MovedKib = account.UsedAfterKib - account.UsedBeforeKib,
        ZswapKib = facts.Memory.Or0("Zswapped") is > 0 and var stored ? stored : null,
        ZswapUsedKib = facts.Memory.Or0("Zswapped") > 0 ? facts.Memory.Or0("Zswap") : null,
        Zram = facts.Zram,
    };

    private static string[] Owners(AccountShared shared, UserNames users, Func<int, string> nameOf) =>
        shared.Holders.Length > 0 ? [.. shared.Holders.Select(pid => $"{ByteText.Lossy(nameOf(pid))} ({pid})")]
        : shared.CreatorPid is { } creator ? [$"user {users[shared.Uid]}", shared.Attached > 0 ? $"attached {shared.Attached} times, by processes not visible here" : $"nobody attached, made by process {creator}"]
        : [$"user {users[shared.Uid]}"];

    private static string NameOf(Host host, int pid) => host.ReadFile($"/proc/{pid}/comm") is { Ok: true } read ? ByteText.Decode(read.Value.AsSpan().TrimEnd((byte)'\n')) : "?";
}
