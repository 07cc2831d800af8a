namespace Lotse.Linux;

/// <summary>
/// An exclusive lock on a whole file (flock(2)): it ends with its holder, however that ends, and programs that the holder
/// starts do not inherit it.
/// </summary>
internal sealed class FileLock : IDisposable
{
    private const int Exclusive = 2, NoWait = 4;

    private readonly int file;

    private FileLock(int file) => this.file = file;

    /// <summary>Locks an open file.</summary>
    /// <param name="file">Its descriptor; closing it ends the lock.</param>
    /// <param name="wait">How long it may take.</param>
    /// <returns>False: another one has it, or its filesystem knows no locks (ENOLCK of NFS), for which nobody need wait.</returns>
    public static bool Take(int file, TimeSpan wait)
    {
        var start = System.Diagnostics.Stopwatch.GetTimestamp();
        while (Libc.Lock(file, Exclusive | NoWait) != 0)
        {
            if (Errno.Last is not (Errno.Again or Errno.Interrupted) || System.Diagnostics.Stopwatch.GetElapsedTime(start) >= wait)
            {
                return false;
            }

            Clock.Wait(TimeSpan.FromMilliseconds(50));
        }

        return true;
    }

    /// <summary>Locks a file that is there.</summary>
    /// <param name="path">The file. Nothing is written to it, but NFS locks for itself alone only what is open for writing.</param>
    /// <param name="wait">How long it may take.</param>
    /// <returns>Null: it is not there, cannot be locked, or another one has it.</returns>
    public static FileLock? Of(string path, TimeSpan wait)
    {
        var files = new Files();
        var file = files.Open(path, Libc.ReadWrite);
        file = file >= 0 ? file : files.Open(path, Libc.ReadOnly);
        if (file < 0)
        {
            return null;
        }

        if (Take(file, wait))
        {
            return new(file);
        }

        _ = Libc.Close(file);
        return null;
    }

    /// <inheritdoc/>
    public void Dispose() => _ = Libc.Close(file);
}
