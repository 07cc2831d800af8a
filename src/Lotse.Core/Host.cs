using System.Text.Json.Serialization.Metadata;

namespace Lotse;

/// <summary>Why something could not be had from a host.</summary>
public enum HostErrorKind
{
    /// <summary>It is not there (ENOENT, ENOTDIR), or has gone while it was read (ESRCH).</summary>
    NotFound,

    /// <summary>It is there, but this user may not (EACCES, EPERM).</summary>
    Denied,

    /// <summary>This host cannot do that at all: a folder runs no programs.</summary>
    Unsupported,

    /// <summary>It is larger than the caller is ready to read.</summary>
    TooLarge,

    /// <summary>It did not answer in time.</summary>
    TimedOut,

    /// <summary>Anything else; <see cref="HostError.Message"/> has the system's words.</summary>
    Failed,
}

/// <summary>Why something could not be had.</summary>
/// <param name="Kind">The class that callers decide by.</param>
/// <param name="Message">What was asked and what the system said: <c>cannot read /etc/shadow: permission denied</c>.</param>
public sealed record HostError(HostErrorKind Kind, string Message);

/// <summary>A value, or why there is none.</summary>
/// <param name="Value">Meaningful only when <see cref="Error"/> is null.</param>
/// <param name="Error">Why there is no value.</param>
public readonly record struct Reading<T>(T Value, HostError? Error)
{
    /// <summary>Whether there is a value.</summary>
    public bool Ok => Error is null;
}

/// <summary>What kind of thing a path is.</summary>
public enum FileKind
{
    /// <summary>A regular file.</summary>
    File,

    /// <summary>A directory.</summary>
    Directory,

    /// <summary>A symbolic link.</summary>
    Link,

    /// <summary>A device, socket or FIFO.</summary>
    Other,
}

/// <summary>What stat(2) says of a path; a symbolic link is not followed.</summary>
/// <param name="Kind">File, directory, link or other.</param>
/// <param name="Mode">Permission bits, set-id and sticky bits included (07777).</param>
/// <param name="Uid">Owner.</param>
/// <param name="Gid">Group.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Inode">Inode number, unique within <paramref name="Device"/>.</param>
/// <param name="Device">Device as major:minor.</param>
/// <param name="Links">Number of hard links.</param>
public sealed record FileStatus(FileKind Kind, int Mode, uint Uid, uint Gid, long Size, ulong Inode, string Device, long Links);

/// <summary>What a program printed.</summary>
/// <param name="ExitCode">Its exit code; 128 + N when signal N ended it.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Errors">Standard error.</param>
public sealed record Ran(int ExitCode, byte[] Output, byte[] Errors);

/// <summary>
/// Everything outside: files, programs, the clock. Implementations: this machine, another one over the system's ssh,
/// a folder, and a recording of any of them. Paths are absolute, in the form of <see cref="ByteText"/>.
/// No member throws for what the host answers; every refusal is a <see cref="HostError"/>.
/// </summary>
public abstract class Host : IDisposable
{
    /// <summary>The most that is read of one file unless the caller says otherwise: 16 MiB.</summary>
    public const int DefaultLimit = 16 << 20;

    /// <summary>What this host is, for messages: <c>this machine</c>, <c>user@host</c>, <c>the folder /mnt</c>.</summary>
    public abstract string Name { get; }

    /// <summary>Whether system calls of this process speak of this host.</summary>
    public virtual bool IsThisMachine => false;

    /// <summary>The wall clock, UTC.</summary>
    public abstract DateTimeOffset Now { get; }

    /// <summary>A clock that only goes forward, for intervals. Its zero means nothing.</summary>
    public abstract TimeSpan Uptime { get; }

    /// <summary>Lets time pass between two samples.</summary>
    public abstract void Wait(TimeSpan time);

    /// <summary>Reads a whole file, links followed.</summary>
    public abstract Reading<byte[]> ReadFile(string path, int limit = DefaultLimit);

    /// <summary>Reads many files; over a network in one round trip where it can.</summary>
    public virtual Reading<byte[]>[] ReadFiles(IReadOnlyList<string> paths, int limit = DefaultLimit)
    {
        var all = new Reading<byte[]>[paths.Count];
        for (var i = 0; i < all.Length; i++)
        {
            all[i] = ReadFile(paths[i], limit);
        }

        return all;
    }

    /// <summary>The names in a directory, without <c>.</c> and <c>..</c>, in ordinal order.</summary>
    public abstract Reading<string[]> List(string path);

    /// <summary>Where a symbolic link points, as written in it.</summary>
    public abstract Reading<string> ReadLink(string path);

    /// <summary>What stat(2) says; links are not followed.</summary>
    public abstract Reading<FileStatus> Status(string path);

    /// <summary>
    /// Runs a program found on PATH by its argument vector, without a shell, with LC_ALL=C.
    /// The host ends it after <paramref name="timeout"/>.
    /// </summary>
    public abstract Reading<Ran> Run(IReadOnlyList<string> arguments, TimeSpan timeout, ReadOnlyMemory<byte> input = default);

    /// <summary>
    /// Asks this machine something that is neither a file nor a program: a system call, or a scan that only makes
    /// sense at full speed. Hosts other than this machine refuse unless they recorded the answer.
    /// </summary>
    /// <param name="question">Names the question in recordings, for example <c>swap/scan</c>; arguments included.</param>
    /// <param name="shape">How a recording stores the answer; only recordings ask for it.</param>
    /// <param name="ask">Asks the running kernel.</param>
    public abstract Reading<T> Ask<T>(string question, Func<JsonTypeInfo<T>> shape, Func<Reading<T>> ask);

    /// <summary>Ends what the host holds open.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Ends what the host holds open.</summary>
    protected virtual void Dispose(bool disposing)
    {
    }

    /// <summary>A refusal with the words that messages use.</summary>
    protected static Reading<T> Refused<T>(HostErrorKind kind, string message) => new(default!, new(kind, message));
}
