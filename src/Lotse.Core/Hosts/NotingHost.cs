using System.Text.Json.Serialization.Metadata;

namespace Lotse.Hosts;

/// <summary>Passes every question on and notes which lasting files were read: what a plan is made of must not move before it is applied.</summary>
/// <param name="inner">The host that answers; it stays the caller's.</param>
public sealed class NotingHost(Host inner) : Host
{
    /// <summary>What the kernel and programs write all the time: no plan could hold for a second.</summary>
    private static readonly string[] Volatile = ["/proc/", "/sys/", "/dev/", "/run/", "/var/run/"];

    private readonly SortedSet<string> paths = new(StringComparer.Ordinal);

    /// <summary>The files, folders and links that were asked for so far.</summary>
    public IReadOnlyCollection<string> Paths => paths;

    /// <inheritdoc/>
    public override string Name => inner.Name;

    /// <inheritdoc/>
    public override bool IsThisMachine => inner.IsThisMachine;

    /// <inheritdoc/>
    public override DateTimeOffset Now => inner.Now;

    /// <inheritdoc/>
    public override TimeSpan Uptime => inner.Uptime;

    /// <inheritdoc/>
    public override void Wait(TimeSpan time) => inner.Wait(time);

    /// <inheritdoc/>
    public override Reading<byte[]> ReadFile(string path, int limit = DefaultLimit) => inner.ReadFile(Note(path), limit);

    /// <inheritdoc/>
    public override Reading<byte[]>[] ReadFiles(IReadOnlyList<string> paths, int limit = DefaultLimit) => inner.ReadFiles([.. paths.Select(Note)], limit);

    /// <inheritdoc/>
    public override Reading<string[]> List(string path) => inner.List(Note(path));

    /// <inheritdoc/>
    public override Reading<string> ReadLink(string path) => inner.ReadLink(Note(path));

    /// <inheritdoc/>
    public override Reading<FileStatus> Status(string path) => inner.Status(Note(path));

    /// <inheritdoc/>
    public override Reading<Ran> Run(IReadOnlyList<string> arguments, TimeSpan timeout, ReadOnlyMemory<byte> input = default) => inner.Run(arguments, timeout, input);

    /// <inheritdoc/>
    public override Reading<T> Ask<T>(string question, Func<JsonTypeInfo<T>> shape, Func<Reading<T>> ask) => inner.Ask(question, shape, ask);

    private string Note(string path)
    {
        if (!Volatile.Any(v => $"{path}/".StartsWith(v, StringComparison.Ordinal)))
        {
            paths.Add(path);
        }

        return path;
    }
}
