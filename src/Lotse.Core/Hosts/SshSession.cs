using System.Diagnostics;

namespace Lotse.Hosts;

/// <summary>One program on the other machine, talked to while it runs.</summary>
internal sealed class SshSession : IDisposable
{
    /// <summary>The longest line that is read; what the other side says is foreign.</summary>
    private const int LongestLine = 1 << 20;

    private readonly Process ssh;
    private readonly Stream output;
    private readonly byte[] buffer = new byte[16384];
    private int from, to;

    public SshSession(Process ssh) => (this.ssh, output) = (ssh, ssh.StandardOutput.BaseStream);

    /// <summary>Hands bytes to the program. What it no longer reads is lost without a word: its answer tells.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        try
        {
            ssh.StandardInput.BaseStream.Write(bytes);
            ssh.StandardInput.BaseStream.Flush();
        }
        catch (IOException)
        {
            // The program or the connection has gone.
        }
    }

    /// <summary>Tells the program that nothing more comes.</summary>
    public void EndInput()
    {
        try
        {
            ssh.StandardInput.Close();
        }
        catch (IOException)
        {
            // The same.
        }
    }

    /// <summary>The next line without its newline.</summary>
    /// <returns>Null: there is none, because the program ended, the connection failed, or the time is over.</returns>
    public string? ReadLine(TimeSpan time)
    {
        var line = new List<byte>();
        using var timeout = new CancellationTokenSource(time);
        while (line.Count < LongestLine)
        {
            if (from == to)
            {
                try
                {
                    (from, to) = (0, output.ReadAsync(buffer, timeout.Token).AsTask().GetAwaiter().GetResult());
                }
                catch (OperationCanceledException)
                {
                    return null;
                }

                if (to == 0)
                {
                    return null;
                }
            }

            var end = buffer.AsSpan(from, to - from).IndexOf((byte)'\n');
            line.AddRange(buffer.AsSpan(from, end < 0 ? to - from : end));
            from = end < 0 ? to : from + end + 1;
            if (end >= 0)
            {
                return ByteText.Decode([.. line]);
            }
        }

        return null;
    }

    /// <summary>Collects what the program complains of, up to its end; at most so much that a foreign program cannot fill the memory.</summary>
    public async Task<byte[]> ReadErrors()
    {
        using var all = new MemoryStream();
        var part = new byte[4096];
        int got;
        while ((got = await ssh.StandardError.BaseStream.ReadAsync(part).ConfigureAwait(false)) > 0)
        {
            all.Write(part, 0, (int)Math.Min(got, LongestLine - all.Length));
        }

        return all.ToArray();
    }

    /// <summary>Waits for the end.</summary>
    /// <returns>The exit code of the program; 255 when the connection failed (ssh(1)); null: it did not end in time.</returns>
    public int? ExitCode(TimeSpan time) => ssh.WaitForExit(time) ? ssh.ExitCode : null;

    public void Dispose()
    {
        EndInput();
        if (!ssh.WaitForExit(2000))
        {
            ssh.Kill();
        }

        ssh.Dispose();
    }
}
