using System.Diagnostics;
using System.Text.Json.Serialization.Metadata;
using Lotse.Linux;

namespace Lotse.Hosts;

/// <summary>This machine.</summary>
public sealed class LocalHost : Host
{
    private readonly Files files = new();

    /// <inheritdoc/>
    public override string Name => "this machine";

    /// <inheritdoc/>
    public override bool IsThisMachine => true;

    /// <inheritdoc/>
    public override DateTimeOffset Now => DateTimeOffset.UtcNow;

    /// <inheritdoc/>
    public override TimeSpan Uptime => Stopwatch.GetElapsedTime(0);

    /// <inheritdoc/>
    public override void Wait(TimeSpan time) => Thread.Sleep(time);

    /// <inheritdoc/>
    public override Reading<byte[]> ReadFile(string path, int limit = DefaultLimit) => files.Read(path, limit);

    /// <inheritdoc/>
    public override Reading<string[]> List(string path) => files.List(path);

    /// <inheritdoc/>
    public override Reading<string> ReadLink(string path) => files.ReadLink(path);

    /// <inheritdoc/>
    public override Reading<FileStatus> Status(string path) => files.Status(path);

    /// <inheritdoc/>
    public override Reading<Ran> Run(IReadOnlyList<string> arguments, TimeSpan timeout, ReadOnlyMemory<byte> input = default) =>
        Programs.Run(arguments, timeout, input);

    /// <inheritdoc/>
    public override Reading<T> Ask<T>(string question, Func<JsonTypeInfo<T>> shape, Func<Reading<T>> ask) => ask();
}
