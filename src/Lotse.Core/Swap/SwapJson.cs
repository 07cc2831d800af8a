using System.Text.Json.Serialization;

namespace Lotse.Swap;

/// <summary>The answer of <c>swap why TARGET</c>.</summary>
/// <param name="Asked">The words on the command line.</param>
/// <param name="Kind">pid, name or unit.</param>
/// <param name="SwapKib">Held.</param>
/// <param name="MajorFaults">In the interval.</param>
/// <param name="IntervalSeconds">The interval.</param>
/// <param name="EndingFreesKib">At most; null where it could not be read.</param>
/// <param name="Group">Control group.</param>
/// <param name="SwapoffFits">Whether all swap would fit into memory.</param>
public sealed record TargetAnswer(string Asked, string Kind, long SwapKib, long MajorFaults, double IntervalSeconds, long? EndingFreesKib, string? Group, bool SwapoffFits);

/// <summary>A row of the listing.</summary>
/// <param name="Pid">Process id.</param>
/// <param name="Name">comm as valid Unicode; bytes that are not become U+FFFD.</param>
/// <param name="NameBytesBase64">comm exactly.</param>
/// <param name="SwapKib">VmSwap.</param>
/// <param name="Unit">systemd unit, or null.</param>
/// <param name="Container">Container id, or null.</param>
/// <param name="User">User name, or the number where there is no name.</param>
/// <param name="StartTicks">Clock ticks after boot at which it started: with the pid, its identity; null where it has gone.</param>
public sealed record ProcessRow(int Pid, string Name, string NameBytesBase64, long SwapKib, string? Unit, string? Container, string User, long? StartTicks);

/// <summary>A row of <c>--by</c>.</summary>
/// <param name="Name">Unit, container, user or process name.</param>
/// <param name="SwapKib">Its swap.</param>
/// <param name="Processes">Number of processes that hold some; null where the kernel's own account was read.</param>
public sealed record SumRow(string Name, long SwapKib, int? Processes);

/// <summary>The answer of the listing.</summary>
public sealed record ListAnswer
{
    /// <summary>When, in a snapshot.</summary>
    public DateTimeOffset? TakenAt { get; init; }

    /// <summary>SwapTotal.</summary>
    public required long TotalKib { get; init; }

    /// <summary>SwapTotal - SwapFree.</summary>
    public required long UsedKib { get; init; }

    /// <summary>yes, no or unknown.</summary>
    public required string Hurts { get; init; }

    /// <summary>Share of the last 10 seconds that tasks waited for memory, percent; null: the kernel does not say.</summary>
    public double? WaitedPercent { get; init; }

    /// <summary>Pages read from swap in the interval.</summary>
    public long? PagesIn { get; init; }

    /// <summary>The interval.</summary>
    public double? IntervalSeconds { get; init; }

    /// <summary>proc or bpf; null: nothing was scanned.</summary>
    public string? Backend { get; init; }

    /// <summary>Rows by process.</summary>
    public ProcessRow[]? Processes { get; init; }

    /// <summary>Rows by something else.</summary>
    public SumRow[]? Sums { get; init; }

    /// <summary>Processes that may not be looked at.</summary>
    public int Unreadable { get; init; }

    /// <summary>Used swap that no process's page tables show: shared memory, tmpfs, swap cache. Null where slots are counted more than once.</summary>
    public long? NotInProcessesKib { get; init; }
}

/// <summary>A process whose swap changed since a snapshot.</summary>
/// <param name="Pid">Process id.</param>
/// <param name="Name">comm as valid Unicode.</param>
/// <param name="NameBytesBase64">comm exactly.</param>
/// <param name="User">User name.</param>
/// <param name="BeforeKib">Then; null: it did not run or held none.</param>
/// <param name="NowKib">Now; null: it has ended or holds none.</param>
public sealed record ChangeRow(int Pid, string Name, string NameBytesBase64, string User, long? BeforeKib, long? NowKib);

/// <summary>The answer of <c>--since</c>.</summary>
/// <param name="BeforeUsedKib">Used swap then.</param>
/// <param name="UsedKib">Used swap now.</param>
/// <param name="Seconds">Between the two; null where the snapshot does not say when it was taken.</param>
/// <param name="Changes">Largest first.</param>
public sealed record SinceAnswer(long BeforeUsedKib, long UsedKib, double? Seconds, ChangeRow[] Changes);

/// <summary>The JSON forms of this area.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, GenerationMode = JsonSourceGenerationMode.Default, UseStringEnumConverter = true)]
[JsonSerializable(typeof(SwapFacts))]
[JsonSerializable(typeof(ListAnswer))]
[JsonSerializable(typeof(TargetAnswer))]
[JsonSerializable(typeof(SinceAnswer))]
[JsonSerializable(typeof(AccountFacts))]
[JsonSerializable(typeof(AccountAnswer))]
[JsonSerializable(typeof(ProcessScan))]
internal sealed partial class SwapJson : JsonSerializerContext
{
    public static JsonPart Part(SwapFacts facts) => new(facts, static () => Default.SwapFacts);

    public static JsonPart Part(ListAnswer answer) => new(answer, static () => Default.ListAnswer);

    public static JsonPart Part(TargetAnswer answer) => new(answer, static () => Default.TargetAnswer);

    public static JsonPart Part(SinceAnswer answer) => new(answer, static () => Default.SinceAnswer);

    public static JsonPart Part(AccountAnswer answer) => new(answer, static () => Default.AccountAnswer);
}
