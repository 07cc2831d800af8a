using System.Runtime.InteropServices;

namespace Lotse.Linux;

/// <summary>What ended a wait for the keyboard.</summary>
public enum Woken
{
    /// <summary>The time was over.</summary>
    Time,

    /// <summary>A key; <see cref="RawTerminal.Keys"/> has it.</summary>
    Key,

    /// <summary>The window has another size.</summary>
    Resize,

    /// <summary>Back from the background.</summary>
    Continued,

    /// <summary>Somebody wants this process to end, or the terminal has gone.</summary>
    End,
}

/// <summary>
/// A terminal that hands over single keys and is put back as it was, also when the process is told to end or is
/// stopped (termios(3), poll(2)). The screen itself is drawn by the caller.
/// </summary>
public sealed unsafe partial class RawTerminal : IDisposable
{
    private const nuint Get = 0x5401, SetDrained = 0x5403;
    private const int LocalFlags = 12, ControlCharacters = 17;
    private const uint Canonical = 2, Echo = 8;
    private const short Readable = 1;

    private readonly byte[] original = new byte[64];
    private readonly List<PosixSignalRegistration> signals = [];
    private readonly Action<bool> screen;
    private readonly int wakeRead, wakeWrite;

    /// <summary>Takes over the terminal on descriptor 0.</summary>
    /// <param name="screen">Prepares the screen (true) and puts it back (false); called again around a stop.</param>
    /// <exception cref="InvalidOperationException">Descriptor 0 is not a terminal.</exception>
    public RawTerminal(Action<bool> screen)
    {
        this.screen = screen;
        fixed (byte* settings = original)
        {
            if (Libc.Ioctl(0, Get, settings) != 0)
            {
                throw new InvalidOperationException("standard input is not a terminal");
            }
        }

        var pipe = stackalloc int[2];
        _ = Pipe2(pipe, Libc.CloseOnExec | Libc.NonBlock);
        (wakeRead, wakeWrite) = (pipe[0], pipe[1]);
        foreach (var (signal, word) in new[]
        {
            (PosixSignal.SIGINT, 'e'), (PosixSignal.SIGTERM, 'e'), (PosixSignal.SIGHUP, 'e'), (PosixSignal.SIGQUIT, 'e'),
            (PosixSignal.SIGWINCH, 'w'), (PosixSignal.SIGCONT, 'c'), (PosixSignal.SIGTSTP, 'z'),
        })
        {
            signals.Add(PosixSignalRegistration.Create(signal, context =>
            {
                context.Cancel = true;
                var letter = (byte)word;
                _ = Libc.Write(wakeWrite, &letter, 1);
            }));
        }

        Enter();
    }

    /// <summary>The bytes of the keys that were pressed last.</summary>
    public string Keys { get; private set; } = "";

    /// <summary>Waits for a key, a signal or the end of the time.</summary>
    public Woken Wait(TimeSpan time)
    {
        var polled = stackalloc long[2];
        *(int*)polled = 0;
        ((short*)polled)[2] = Readable;
        *(int*)(polled + 1) = wakeRead;
        ((short*)(polled + 1))[2] = Readable;
        var got = Poll(polled, 2, (int)Math.Clamp(Math.Ceiling(time.TotalMilliseconds), 0, int.MaxValue));
        var buffer = stackalloc byte[64];
        if (got > 0 && ((short*)(polled + 1))[3] != 0)
        {
            var count = Libc.Read(wakeRead, buffer, 64);
            var letters = new ReadOnlySpan<byte>(buffer, (int)Math.Max(0, count));
            if (letters.Contains((byte)'e'))
            {
                return Woken.End;
            }

            if (letters.Contains((byte)'z'))
            {
                // As a program without a handler would: stopped, with the terminal as it was.
                Leave();
                _ = Kill(Environment.ProcessId, 19);
                Enter();
                return Woken.Continued;
            }

            return letters.Contains((byte)'c') ? Woken.Continued : Woken.Resize;
        }

        if (got > 0 && ((short*)polled)[3] != 0)
        {
            var count = Libc.Read(0, buffer, 64);
            if (count <= 0)
            {
                return Woken.End;
            }

            Keys = System.Text.Encoding.Latin1.GetString(buffer, (int)count);
            return Woken.Key;
        }

        return got < 0 && Errno.Last != Errno.Interrupted ? Woken.End : Woken.Time;
    }

    /// <summary>Puts the terminal back.</summary>
    public void Dispose()
    {
        Leave();
        foreach (var signal in signals)
        {
            signal.Dispose();
        }

        _ = Libc.Close(wakeRead);
        _ = Libc.Close(wakeWrite);
    }

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static partial int Poll(long* descriptors, nuint count, int milliseconds);

    [LibraryImport("libc", EntryPoint = "pipe2", SetLastError = true)]
    private static partial int Pipe2(int* descriptors, int flags);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int process, int signal);

    private void Enter()
    {
        fixed (byte* settings = original)
        {
            // struct termios of the kernel: four flag words, the line, then the control characters (VTIME 5, VMIN 6).
            var raw = stackalloc byte[64];
            new ReadOnlySpan<byte>(settings, 64).CopyTo(new Span<byte>(raw, 64));
            *(uint*)(raw + LocalFlags) &= ~(Canonical | Echo);
            raw[ControlCharacters + 5] = 0;
            raw[ControlCharacters + 6] = 1;
            _ = Libc.Ioctl(0, SetDrained, raw);
        }

        screen(true);
    }

    private void Leave()
    {
        screen(false);
        fixed (byte* settings = original)
        {
            _ = Libc.Ioctl(0, SetDrained, settings);
        }
    }
}
