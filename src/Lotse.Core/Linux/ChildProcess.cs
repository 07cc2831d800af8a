using System.Collections;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Lotse.Formats;

namespace Lotse.Linux;

/// <summary>
/// A program that is run to its end with its input given and its outputs kept. By posix_spawn(3) and poll(2) on the calling
/// thread: the platform's own class starts seven threads for it, which costs more than most programs take.
/// </summary>
internal static unsafe partial class ChildProcess
{
    private const int SetDefaultSignals = 4, SetMask = 8, SignalPipe = 13, SignalKill = 9, SignalStop = 19, SignalChild = 17, NoHang = 1;
    private const nuint SetNonBlocking = 0x5421;

    /// <summary>What posix_spawnattr_t, posix_spawn_file_actions_t and sigset_t take at most, in bytes (glibc, both architectures).</summary>
    private const int SpawnAttributes = 512, SpawnActions = 128, SignalSet = 128;

    /// <summary>Runs it.</summary>
    /// <param name="path">Absolute path of the program.</param>
    /// <param name="arguments">All words, the program's name first.</param>
    /// <param name="timeout">After that it is ended, with all that it has started.</param>
    /// <param name="input">Its standard input.</param>
    /// <param name="limit">The most that it may print, bytes.</param>
    public static Reading<Ran> Run(string path, IReadOnlyList<string> arguments, TimeSpan timeout, ReadOnlySpan<byte> input, int limit)
    {
        KeepChildren();
        var name = ByteText.Escape(arguments[0]);
        Span<int> ends = [-1, -1, -1, -1, -1, -1];
        int pid;
        try
        {
            for (var i = 0; i < 6; i += 2)
            {
                fixed (int* pair = ends[i..])
                {
                    if (Pipe(pair, Libc.CloseOnExec) != 0)
                    {
                        return new(default!, new(HostErrorKind.Failed, $"cannot run {name}: {Errno.Words(Errno.Last)}"));
                    }
                }
            }

            if (Spawn(path, arguments, ends[0], ends[3], ends[5], out pid) is not 0 and var errno)
            {
                return new(default!, new(Errno.Kind(errno), $"cannot run {name}: {Errno.Words(errno)}"));
            }

            foreach (var i in (ReadOnlySpan<int>)[0, 3, 5])
            {
                Close(ref ends[i]);
            }

            return Attend(pid, name, timeout, input, limit, ref ends[1], ref ends[2], ref ends[4]);
        }
        finally
        {
            foreach (ref var end in ends)
            {
                Close(ref end);
            }
        }
    }

    private static Reading<Ran> Attend(int pid, string name, TimeSpan timeout, ReadOnlySpan<byte> input, int limit, ref int feed, ref int output, ref int errors)
    {
        var watch = Stopwatch.StartNew();
        int Left(TimeSpan elapsed) => (int)Math.Clamp((timeout - elapsed).TotalMilliseconds, 0, int.MaxValue);
        var on = 1;
        _ = Libc.Ioctl(feed, SetNonBlocking, &on);
        using var printed = new MemoryStream();
        using var said = new MemoryStream();
        fixed (byte* start = input)
        {
            var fed = 0;
            while (output >= 0 || errors >= 0)
            {
                if (fed == input.Length)
                {
                    Close(ref feed);
                }

                // poll(2) passes negative descriptors over.
                Span<PollEntry> entries = [new(feed, PollEntry.Out), new(output, PollEntry.In), new(errors, PollEntry.In)];
                int ready;
                fixed (PollEntry* e = entries)
                {
                    ready = Poll(e, 3, Left(watch.Elapsed));
                }

                if (ready == 0)
                {
                    return Ended(pid, HostErrorKind.TimedOut, $"cannot run {name}: no end after {timeout.TotalSeconds:0.#} seconds");
                }

                if (ready < 0)
                {
                    continue;
                }

                if (entries[0].Happened != 0)
                {
                    var wrote = Libc.Write(feed, start + fed, input.Length - fed);
                    if (wrote >= 0)
                    {
                        fed += (int)wrote;
                    }
                    else if (Errno.Last is not (Errno.Again or Errno.Interrupted))
                    {
                        // It did not want all of it; its exit code tells whether that matters.
                        Close(ref feed);
                        fed = input.Length;
                    }
                }

                if (!Take(entries[1], printed, ref output, limit) || !Take(entries[2], said, ref errors, limit))
                {
                    return Ended(pid, HostErrorKind.TooLarge, $"cannot run {name}: printed more than {limit} bytes");
                }
            }
        }

        Close(ref feed);
        for (var pause = 0; ;)
        {
            int status;
            var waited = Wait(pid, &status, NoHang);
            if (waited == pid)
            {
                // wait(2): the low seven bits are the signal, the next byte the exit code.
                return new(new((status & 0x7f) != 0 ? 128 + (status & 0x7f) : (status >> 8) & 0xff, printed.ToArray(), said.ToArray()), null);
            }

            if (waited < 0 && Errno.Last != Errno.Interrupted)
            {
                return new(default!, new(HostErrorKind.Failed, $"cannot run {name}: how it ended is not known"));
            }

            if (Left(watch.Elapsed) == 0)
            {
                return Ended(pid, HostErrorKind.TimedOut, $"cannot run {name}: no end after {timeout.TotalSeconds:0.#} seconds");
            }

            // It has closed its outputs and is about to end; seldom does it work on.
            _ = Poll(null, 0, pause);
            pause = Math.Min(pause + 1, 20);
        }
    }

    private static bool Take(PollEntry entry, MemoryStream all, ref int descriptor, int limit)
    {
        if (entry.Happened == 0)
        {
            return true;
        }

        var buffer = stackalloc byte[16384];
        var got = Libc.Read(descriptor, buffer, 16384);
        if (got > 0)
        {
            all.Write(new ReadOnlySpan<byte>(buffer, (int)got));
            return all.Length <= limit;
        }

        if (got == 0 || Errno.Last is not (Errno.Again or Errno.Interrupted))
        {
            Close(ref descriptor);
        }

        return true;
    }

    private static int Spawn(string path, IReadOnlyList<string> arguments, int input, int output, int errors, out int pid)
    {
        byte* actions = stackalloc byte[SpawnActions], attributes = stackalloc byte[SpawnAttributes], none = stackalloc byte[SignalSet], defaults = stackalloc byte[SignalSet];
        _ = InitializeActions(actions);
        _ = InitializeAttributes(attributes);
        var strings = new List<nint>();
        try
        {
            _ = AddDuplicate(actions, input, 0);
            _ = AddDuplicate(actions, output, 1);
            _ = AddDuplicate(actions, errors, 2);

            // This process ignores SIGPIPE, and what is ignored stays so over an exec.
            _ = EmptySet(none);
            _ = EmptySet(defaults);
            _ = AddToSet(defaults, SignalPipe);
            _ = SetDefaults(attributes, defaults);
            _ = SetSignalMask(attributes, none);
            _ = SetFlags(attributes, SetDefaultSignals | SetMask);
            byte* Text(string text)
            {
                var bytes = Encoding.UTF8.GetBytes(text);
                var at = (byte*)NativeMemory.AllocZeroed((nuint)bytes.Length + 1);
                bytes.CopyTo(new Span<byte>(at, bytes.Length));
                strings.Add((nint)at);
                return at;
            }

            nint[] words = [.. arguments.Select(a => (nint)Text(a)), 0];
            nint[] environment =
            [
                .. Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().Where(v => v.Key is not "LC_ALL").Select(v => (nint)Text($"{v.Key}={v.Value}")),
                (nint)Text("LC_ALL=C"), 0,
            ];
            int started = 0, errno;
            fixed (nint* w = words, e = environment)
            {
                errno = PosixSpawn(&started, Text(path), actions, attributes, (byte**)w, (byte**)e);
            }

            pid = started;
            return errno;
        }
        finally
        {
            strings.ForEach(s => NativeMemory.Free((void*)s));
            _ = DestroyActions(actions);
            _ = DestroyAttributes(attributes);
        }
    }

    /// <summary>Ends a program and all that it has started.</summary>
    private static Reading<Ran> Ended(int pid, HostErrorKind kind, string words)
    {
        KillTree(pid);
        int status;
        while (Wait(pid, &status, 0) < 0 && Errno.Last == Errno.Interrupted)
        {
        }

        return new(default!, new(kind, words));
    }

    private static void KillTree(int pid)
    {
        // Stopped first, so that it starts no other meanwhile.
        _ = Libc.Kill(pid, SignalStop);
        var files = new Files();
        var children = files.List("/proc") is { Ok: true, Value: var names }
            ? names.Select(n => int.TryParse(n, out var other) ? other : 0).Where(other => other > 0 && files.Read($"/proc/{other}/stat", 4096) is { Ok: true } stat && ProcessStat.Field(stat.Value, ProcessStat.Parent) == pid).ToList() : [];
        _ = Libc.Kill(pid, SignalKill);
        children.ForEach(KillTree);
    }

    /// <summary>A process that was started with SIGCHLD ignored never learns how its children end (wait(2)).</summary>
    private static void KeepChildren()
    {
        var action = stackalloc nint[32];
        if (SignalAction(SignalChild, null, action) == 0 && action[0] == 1)
        {
            action[0] = 0;
            _ = SignalAction(SignalChild, action, null);
        }
    }

    private static void Close(ref int descriptor)
    {
        if (descriptor >= 0)
        {
            _ = Libc.Close(descriptor);
            descriptor = -1;
        }
    }

    /// <summary>struct pollfd of poll(2).</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct PollEntry(int descriptor, short wanted)
    {
        public const short In = 1, Out = 4;
        private readonly int descriptor = descriptor;
        private readonly short wanted = wanted;

        public readonly short Happened;
    }

    [LibraryImport("libc", EntryPoint = "pipe2", SetLastError = true)]
    private static partial int Pipe(int* ends, int flags);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static partial int Poll(PollEntry* entries, nuint count, int milliseconds);

    [LibraryImport("libc", EntryPoint = "waitpid", SetLastError = true)]
    private static partial int Wait(int pid, int* status, int options);

    [LibraryImport("libc", EntryPoint = "sigaction", SetLastError = true)]
    private static partial int SignalAction(int signal, nint* action, nint* old);

    [LibraryImport("libc", EntryPoint = "sigemptyset")]
    private static partial int EmptySet(byte* set);

    [LibraryImport("libc", EntryPoint = "sigaddset")]
    private static partial int AddToSet(byte* set, int signal);

    [LibraryImport("libc", EntryPoint = "posix_spawn")]
    private static partial int PosixSpawn(int* pid, byte* path, byte* actions, byte* attributes, byte** arguments, byte** environment);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_init")]
    private static partial int InitializeActions(byte* actions);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_destroy")]
    private static partial int DestroyActions(byte* actions);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_adddup2")]
    private static partial int AddDuplicate(byte* actions, int from, int to);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_init")]
    private static partial int InitializeAttributes(byte* attributes);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_destroy")]
    private static partial int DestroyAttributes(byte* attributes);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setflags")]
    private static partial int SetFlags(byte* attributes, short flags);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setsigdefault")]
    private static partial int SetDefaults(byte* attributes, byte* set);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setsigmask")]
    private static partial int SetSignalMask(byte* attributes, byte* set);
}
