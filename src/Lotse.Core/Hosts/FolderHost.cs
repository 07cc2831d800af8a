using System.Diagnostics;
using System.Text.Json.Serialization.Metadata;
using Lotse.Linux;

namespace Lotse.Hosts;

/// <summary>
/// A folder that holds a machine's files: an unpacked image, a mounted disk, a fixture. No path and no link leads out
/// of it; no program runs; no system call speaks of it.
/// </summary>
public sealed class FolderHost : Host
{
    private readonly Files files;
    private readonly string folder;
    private readonly int descriptor;

    private FolderHost(string folder, int descriptor) => (this.folder, this.descriptor, files) = (folder, descriptor, new(descriptor, folder.TrimEnd('/')));

    /// <inheritdoc/>
    public override string Name => $"the folder {ByteText.Escape(folder)}";

    /// <inheritdoc/>
    public override DateTimeOffset Now => DateTimeOffset.UtcNow;

    /// <inheritdoc/>
    public override TimeSpan Uptime => Stopwatch.GetElapsedTime(0);

    /// <summary>Its files, confined to the folder, for who changes them.</summary>
    internal Files Files => files;

    /// <summary>Opens the folder once; what it is replaced with later does not matter.</summary>
    public static Reading<Host> Open(string folder)
    {
        var descriptor = new Files().Open(folder, Libc.ReadOnly | Libc.Directory);
        return descriptor < 0 ? Files.Refused<Host>("open the folder", folder, -descriptor) : new(new FolderHost(folder, descriptor), null);
    }

    /// <summary>A folder does not change while one waits.</summary>
    public override void Wait(TimeSpan time)
    {
    }

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
        Refused<Ran>(HostErrorKind.Unsupported, $"cannot run {ByteText.Escape(arguments[0])} in {Name}");

    /// <inheritdoc/>
    public override Reading<T> Ask<T>(string question, Func<JsonTypeInfo<T>> shape, Func<Reading<T>> ask) =>
        Refused<T>(HostErrorKind.Unsupported, $"cannot ask the kernel about {question} in {Name}");

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _ = Libc.Close(descriptor);
        base.Dispose(disposing);
    }
}
