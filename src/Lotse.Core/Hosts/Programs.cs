using System.ComponentModel;
using System.Diagnostics;

namespace Lotse.Hosts;

/// <summary>Running a program of this machine by its argument vector.</summary>
internal static class Programs
{
    /// <summary>The most that is kept of a program's output: 64 MiB. A program that prints more is ended.</summary>
    private const int OutputLimit = 64 << 20;

    public static ProcessStartInfo Start(IReadOnlyList<string> arguments)
    {
        var start = new ProcessStartInfo(arguments[0], arguments.Skip(1))
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["LC_ALL"] = "C";
        return start;
    }

    public static Reading<Ran> Run(IReadOnlyList<string> arguments, TimeSpan timeout, ReadOnlyMemory<byte> input)
    {
        Process process;
        try
        {
            process = Process.Start(Start(arguments))!;
        }
        catch (Win32Exception e)
        {
            return Refused(Linux.Errno.Kind(e.NativeErrorCode), arguments, Linux.Errno.Words(e.NativeErrorCode));
        }

        using (process)
        {
            var output = ReadAll(process.StandardOutput.BaseStream);
            var errors = ReadAll(process.StandardError.BaseStream);
            var feed = Feed(process.StandardInput.BaseStream, input);
            var all = Task.WhenAll(output, errors, feed, process.WaitForExitAsync());
            try
            {
                if (!all.Wait(timeout))
                {
                    process.Kill(entireProcessTree: true);
                    return Refused(HostErrorKind.TimedOut, arguments, $"no end after {timeout.TotalSeconds:0.#} seconds");
                }
            }
            catch (AggregateException e) when (e.InnerException is InvalidDataException)
            {
                process.Kill(entireProcessTree: true);
                return Refused(HostErrorKind.TooLarge, arguments, $"printed more than {OutputLimit} bytes");
            }

            return new(new(process.ExitCode, output.Result, errors.Result), null);
        }
    }

    private static async Task<byte[]> ReadAll(Stream stream)
    {
        using var all = new MemoryStream();
        var buffer = new byte[16384];
        int got;
        while ((got = await stream.ReadAsync(buffer).ConfigureAwait(false)) > 0)
        {
            all.Write(buffer, 0, got);
            if (all.Length > OutputLimit)
            {
                throw new InvalidDataException();
            }
        }

        return all.ToArray();
    }

    private static async Task Feed(Stream stream, ReadOnlyMemory<byte> input)
    {
        try
        {
            await stream.WriteAsync(input).ConfigureAwait(false);
            stream.Close();
        }
        catch (IOException)
        {
            // The program did not want all of it; its exit code tells whether that matters.
        }
    }

    private static Reading<Ran> Refused(HostErrorKind kind, IReadOnlyList<string> arguments, string words) =>
        new(default!, new(kind, $"cannot run {ByteText.Escape(arguments[0])}: {words}"));
}
