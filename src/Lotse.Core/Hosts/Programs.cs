using System.Diagnostics;
using Lotse.Linux;

namespace Lotse.Hosts;

/// <summary>Running a program of this machine by its argument vector.</summary>
internal static class Programs
{
    /// <summary>The most that is kept of a program's output: 64 MiB. A program that prints more is ended.</summary>
    private const int OutputLimit = 64 << 20;

    /// <summary>
    /// The file that a name stands for: the first executable one in a folder of PATH. Folders that are not absolute are
    /// passed over, and the working folder is never looked into, as the platform's own search does: a program of root's must
    /// not be somebody's file of the same name.
    /// </summary>
    /// <returns>Null where there is none. A name with a slash is taken as it is.</returns>
    public static string? Find(string name)
    {
        if (name.Contains('/', StringComparison.Ordinal))
        {
            return name;
        }

        var search = Environment.GetEnvironmentVariable("PATH") is { Length: > 0 } path ? path : "/usr/local/bin:/usr/bin:/bin";
        foreach (var folder in search.Split(':'))
        {
            if (folder.StartsWith('/') && name.Length > 0 && Files.MayRun($"{folder}/{name}"))
            {
                return $"{folder}/{name}";
            }
        }

        return null;
    }

    /// <summary>Runs it to its end.</summary>
    public static Reading<Ran> Run(IReadOnlyList<string> arguments, TimeSpan timeout, ReadOnlyMemory<byte> input) =>
        Find(arguments[0]) is { } path
            ? ChildProcess.Run(path, arguments, timeout, input.Span, OutputLimit)
            : new(default!, new(HostErrorKind.NotFound, $"cannot run {ByteText.Escape(arguments[0])}: {Errno.Words(Errno.NoEntry)}"));

    /// <summary>How a program is started that is talked with, or that goes on by itself.</summary>
    /// <exception cref="System.ComponentModel.Win32Exception">There is none of that name.</exception>
    public static ProcessStartInfo Start(IReadOnlyList<string> arguments, bool errors = true) =>
        new(Find(arguments[0]) ?? throw new System.ComponentModel.Win32Exception(Errno.NoEntry), arguments.Skip(1))
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = errors,
            Environment = { ["LC_ALL"] = "C" },
        };
}
