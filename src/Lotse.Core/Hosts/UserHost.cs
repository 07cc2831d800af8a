using System.Text.Json.Serialization.Metadata;

namespace Lotse.Hosts;

/// <summary>A host on which programs are run as another user (runuser(1)): a user's configuration may name programs, and root must not run them.</summary>
/// <param name="inner">The host; this process is root there.</param>
/// <param name="user">The user's name.</param>
public sealed class UserHost(Host inner, string user) : Host
{
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
    public override Reading<byte[]> ReadFile(string path, int limit = DefaultLimit) => inner.ReadFile(path, limit);

    /// <inheritdoc/>
    public override Reading<byte[]>[] ReadFiles(IReadOnlyList<string> paths, int limit = DefaultLimit) => inner.ReadFiles(paths, limit);

    /// <inheritdoc/>
    public override Reading<string[]> List(string path) => inner.List(path);

    /// <inheritdoc/>
    public override Reading<string> ReadLink(string path) => inner.ReadLink(path);

    /// <inheritdoc/>
    public override Reading<FileStatus> Status(string path) => inner.Status(path);

    /// <inheritdoc/>
    public override Reading<Ran> Run(IReadOnlyList<string> arguments, TimeSpan timeout, ReadOnlyMemory<byte> input = default) => inner.Run(["runuser", "-u", user, "--", .. arguments], timeout, input);

    /// <inheritdoc/>
    public override Reading<T> Ask<T>(string question, Func<JsonTypeInfo<T>> shape, Func<Reading<T>> ask) => inner.Ask(question, shape, ask);
}
