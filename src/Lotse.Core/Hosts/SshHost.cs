using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json.Serialization.Metadata;

namespace Lotse.Hosts;

/// <summary>
/// Another machine over the system's ssh, with the user's own configuration, agent and known hosts. One connection
/// runs one POSIX shell there, to which fixed commands are written; every path is quoted, every answer ends with a
/// random mark that no foreign byte can forge. Nothing is written on the other side and nothing has to be installed
/// there: <c>head</c>, <c>ls</c>, <c>readlink</c> and <c>date</c> are enough (busybox has them).
/// </summary>
public sealed class SshHost : Host
{
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(60);
    private readonly SshClient client;
    private readonly Process ssh;
    private readonly Stream output;
    private readonly string mark = "lotse-" + Convert.ToHexStringLower(Guid.NewGuid().ToByteArray());
    private readonly byte[] buffer = new byte[65536];
    private int from, to;
    private bool broken;
    private TimeSpan? clockOffset;

    private SshHost(SshClient client, Process ssh) => (this.client, this.ssh, output) = (client, ssh, ssh.StandardOutput.BaseStream);

    /// <inheritdoc/>
    public override string Name => ByteText.Escape(client.Destination);

    /// <summary>The other machine's clock, asked once.</summary>
    public override DateTimeOffset Now
    {
        get
        {
            clockOffset ??= Tell("date -u +%s", 64) is { Ok: true } read && long.TryParse(Encoding.ASCII.GetString(read.Value).Trim(), CultureInfo.InvariantCulture, out var seconds)
                ? DateTimeOffset.FromUnixTimeSeconds(seconds) - DateTimeOffset.UtcNow
                : TimeSpan.Zero;
            return DateTimeOffset.UtcNow + clockOffset.Value;
        }
    }

    /// <inheritdoc/>
    public override TimeSpan Uptime => Stopwatch.GetElapsedTime(0);

    /// <summary>Connects. <paramref name="destination"/> is what ssh(1) takes: <c>[USER@]HOST</c> or a name from its configuration.</summary>
    public static Reading<Host> Open(string destination)
    {
        if (SshClient.Fault(destination) is { } fault)
        {
            return new(default!, fault);
        }

        SshClient? client = null;
        try
        {
            // Errors of ssh go to the terminal, where its questions are asked too.
            client = SshClient.To(destination);
            var host = new SshHost(client, Start(client.First("exec env LC_ALL=C sh"), errors: false));
            var hello = host.Tell(":", 0, TimeSpan.FromMinutes(2));
            if (hello.Ok)
            {
                return new(host, null);
            }

            var why = hello.Error!.Kind == HostErrorKind.TimedOut ? "no answer in 2 minutes" : host.ssh.WaitForExit(2000) ? $"ssh ended with exit code {host.ssh.ExitCode}" : "its shell did not answer";
            host.Dispose();
            return Refused<Host>(HostErrorKind.Failed, $"cannot connect to {ByteText.Escape(destination)}: {why}");
        }
        catch (Win32Exception e)
        {
            client?.Dispose();
            return Refused<Host>(Linux.Errno.Kind(e.NativeErrorCode), $"cannot run ssh: {Linux.Errno.Words(e.NativeErrorCode)}");
        }
    }

    /// <inheritdoc/>
    public override void Wait(TimeSpan time) => Thread.Sleep(time);

    /// <inheritdoc/>
    public override Reading<byte[]> ReadFile(string path, int limit = DefaultLimit) => ReadFiles([path], limit)[0];

    /// <inheritdoc/>
    public override Reading<byte[]>[] ReadFiles(IReadOnlyList<string> paths, int limit = DefaultLimit)
    {
        var all = new Reading<byte[]>[paths.Count];

        // In portions that fit the pipe to ssh (64 KiB): else both sides could wait, each with its pipe full.
        const int Portion = 32;
        for (var first = 0; first < all.Length; first += Portion)
        {
            var count = Math.Min(Portion, all.Length - first);
            for (var i = first; i < first + count; i++)
            {
                // The braces: the shell itself complains of a file that it cannot open.
                Send($"{{ head -c {limit + 1L} <{Quote(paths[i])}; }} 2>/dev/null", paths[i]);
            }

            for (var i = first; i < first + count; i++)
            {
                all[i] = Receive("read", paths[i], limit + 1L, AnswerTime);
                if (all[i].Ok && all[i].Value.Length > limit)
                {
                    all[i] = Refused<byte[]>(HostErrorKind.TooLarge, $"cannot read {Shown(paths[i])}: larger than {limit} bytes");
                }
            }
        }

        return all;
    }

    /// <inheritdoc/>
    public override Reading<string[]> List(string path)
    {
        var folder = Quote(path.TrimEnd('/') + "/");
        Send($"[ -d {folder} ] && [ -r {folder} ] && for f in {folder}* {folder}.[!.]* {folder}..?*; do if [ -e \"$f\" ] || [ -L \"$f\" ]; then printf '%s\\0' \"${{f##*/}}\"; fi; done", path);
        var read = Receive("list", path, 64 << 20, AnswerTime);
        return read.Ok
            ? new([.. ByteText.Decode(read.Value).Split('\0', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal)], null)
            : new(default!, read.Error);
    }

    /// <inheritdoc/>
    public override Reading<string> ReadLink(string path)
    {
        Send($"readlink -- {Quote(path)} 2>/dev/null", path);
        var read = Receive("read the link", path, 8192, AnswerTime);
        return read.Ok ? new(ByteText.Decode(read.Value.AsSpan(0, Math.Max(0, read.Value.Length - 1))), null) : new(default!, read.Error);
    }

    /// <summary>From <c>ls -lnid</c>, the only spelling every system has: the device is not known.</summary>
    public override Reading<FileStatus> Status(string path)
    {
        Send($"ls -lnid -- {Quote(path)} 2>/dev/null", path);
        var read = Receive("look at", path, 65536, AnswerTime);
        if (!read.Ok)
        {
            return new(default!, read.Error);
        }

        var f = ByteText.Decode(read.Value).Split(' ', 8, StringSplitOptions.RemoveEmptyEntries);
        if (f.Length < 6 || f[1].Length < 10 || !ulong.TryParse(f[0], out var inode) || !long.TryParse(f[2], out var links) || !uint.TryParse(f[3], out var uid) || !uint.TryParse(f[4], out var gid))
        {
            return Refused<FileStatus>(HostErrorKind.Failed, $"cannot look at {Shown(path)}: ls on {Name} printed something else");
        }

        var kind = f[1][0] switch { '-' => FileKind.File, 'd' => FileKind.Directory, 'l' => FileKind.Link, _ => FileKind.Other };
        return new(new(kind, ModeOf(f[1]), uid, gid, long.TryParse(f[5], out var size) ? size : 0, inode, "?", links), null);
    }

    /// <inheritdoc/>
    public override Reading<Ran> Run(IReadOnlyList<string> arguments, TimeSpan timeout, ReadOnlyMemory<byte> input = default)
    {
        // env(1) would take it for a setting.
        if (arguments[0].Contains('=', StringComparison.Ordinal) || arguments[0].StartsWith('-'))
        {
            return Refused<Ran>(HostErrorKind.Failed, $"cannot run {Shown(arguments[0])} on {Name}: not the name of a program");
        }

        // A session of its own: output, errors and exit code stay apart.
        var ran = Programs.Run(client.Next(Command(arguments)), timeout, input);
        return ran.Ok && ran.Value.ExitCode == 127 ? Refused<Ran>(HostErrorKind.NotFound, $"cannot run {Shown(arguments[0])} on {Name}: no such file or directory")
            : ran.Ok && ran.Value.ExitCode == 255 ? Refused<Ran>(HostErrorKind.Failed, $"cannot run {Shown(arguments[0])} on {Name}: the connection failed")
            : ran;
    }

    /// <inheritdoc/>
    public override Reading<T> Ask<T>(string question, Func<JsonTypeInfo<T>> shape, Func<Reading<T>> ask) =>
        Refused<T>(HostErrorKind.Unsupported, $"cannot ask the kernel of {Name} about {question}");

    /// <summary>Asks by a fixed command whose answer is text; <paramref name="command"/> holds no foreign word that is not quoted.</summary>
    internal Reading<string> AskShell(string command)
    {
        var told = Tell(command, 1 << 20);
        return told.Ok ? new(ByteText.Decode(told.Value), null) : new(default!, told.Error);
    }

    /// <summary>Starts a program to talk with, in a session of its own. Its errors are read by the caller, or go where ours go.</summary>
    internal SshSession Talk(IReadOnlyList<string> arguments, bool errors = false) => new(Start(client.Next(Command(arguments)), errors));

    /// <summary>An argument vector as the one line that ssh hands to the other side's login shell: every word is quoted.</summary>
    private static string Command(IReadOnlyList<string> arguments) => "exec env LC_ALL=C " + string.Join(' ', arguments.Select(Quote));

    private static Process Start(string[] arguments, bool errors) => Process.Start(Programs.Start(arguments, errors))!;

    /// <summary>A word for a POSIX shell: in single quotes, each single quote as <c>'\''</c>.</summary>
    internal static string Quote(string word) => "'" + word.Replace("'", "'\\''", StringComparison.Ordinal) + "'";

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        try
        {
            ssh.StandardInput.Close();
            if (!ssh.WaitForExit(2000))
            {
                ssh.Kill();
            }
        }
        catch (Exception e) when (e is IOException or InvalidOperationException)
        {
            // The connection has gone already.
        }

        ssh.Dispose();
        client.Dispose();
        base.Dispose(disposing);
    }

    private static string Shown(string path) => ByteText.Escape(path);

    private static int ModeOf(string letters)
    {
        var mode = 0;
        for (var i = 0; i < 9; i++)
        {
            mode |= letters[i + 1] is '-' or 'S' or 'T' ? 0 : 1 << (8 - i);
        }

        return mode
            | (letters[3] is 's' or 'S' ? 0x800 : 0)
            | (letters[6] is 's' or 'S' ? 0x400 : 0)
            | (letters[9] is 't' or 'T' ? 0x200 : 0);
    }

    private Reading<byte[]> Tell(string command, int limit, TimeSpan? time = null)
    {
        Send(command, "/");
        return Receive("ask", "/", limit, time ?? AnswerTime);
    }

    /// <summary>Writes a command; its answer ends with newline, mark, status, newline. A failure is told apart by what the path is.</summary>
    private void Send(string command, string path)
    {
        if (broken || path.Contains('\0', StringComparison.Ordinal))
        {
            return;
        }

        var quoted = Quote(path);
        var line = $"if {command}; then s=0; elif [ ! -e {quoted} ] && [ ! -L {quoted} ]; then s=2; elif [ ! -r {quoted} ]; then s=13; else s=5; fi; printf '\\n{mark} %s\\n' \"$s\"\n";
        try
        {
            ssh.StandardInput.BaseStream.Write(ByteText.Encode(line));
            ssh.StandardInput.BaseStream.Flush();
        }
        catch (IOException)
        {
            broken = true;
        }
    }

    private Reading<byte[]> Receive(string verb, string path, long limit, TimeSpan time)
    {
        if (path.Contains('\0', StringComparison.Ordinal))
        {
            return Linux.Files.Refused<byte[]>(verb, path, Linux.Errno.Invalid);
        }

        var answer = new MemoryStream();
        var end = Encoding.ASCII.GetBytes($"\n{mark} ");
        var deadline = Stopwatch.GetTimestamp() + (long)(time.TotalSeconds * Stopwatch.Frequency);
        while (!broken)
        {
            // The mark may lie across two reads, so it is looked for in all that came.
            var all = answer.GetBuffer().AsSpan(0, (int)answer.Length);
            var at = all.IndexOf(end);
            if (at >= 0 && all[(at + end.Length)..].IndexOf((byte)'\n') is var stop and >= 0)
            {
                var status = int.Parse(Encoding.ASCII.GetString(all.Slice(at + end.Length, stop)), CultureInfo.InvariantCulture);

                // What came after belongs to the next answer.
                var rest = all[(at + end.Length + stop + 1)..];
                rest.CopyTo(buffer);
                (from, to) = (0, rest.Length);
                return status == 0 ? new(all[..at].ToArray(), null) : Linux.Files.Refused<byte[]>(verb, path, status);
            }

            if (answer.Length > limit + 4096 + buffer.Length)
            {
                break;
            }

            if (from == to)
            {
                var left = TimeSpan.FromSeconds((deadline - Stopwatch.GetTimestamp()) / (double)Stopwatch.Frequency);
                using var timeout = new CancellationTokenSource(left > TimeSpan.Zero ? left : TimeSpan.Zero);
                try
                {
                    to = output.ReadAsync(buffer, timeout.Token).AsTask().GetAwaiter().GetResult();
                }
                catch (OperationCanceledException)
                {
                    broken = true;
                    return Refused<byte[]>(HostErrorKind.TimedOut, $"cannot {verb} {Shown(path)} on {Name}: no answer in {time.TotalSeconds:0} seconds");
                }

                from = 0;
                if (to == 0)
                {
                    break;
                }
            }

            answer.Write(buffer, from, to - from);
            from = to;
        }

        broken = true;
        return Refused<byte[]>(HostErrorKind.Failed, $"cannot {verb} {Shown(path)} on {Name}: the connection failed");
    }
}
