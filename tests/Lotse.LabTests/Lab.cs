using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text;
using Xunit;

namespace Lotse.LabTests;

/// <summary>What a lab test needs: rights, the program that is shipped, other programs, a compiler.</summary>
public static class Lab
{
    /// <summary>The program under test: LOTSE_BIN, else what ./lotse has built.</summary>
    public static string Lotse { get; } = Environment.GetEnvironmentVariable("LOTSE_BIN") is { Length: > 0 } path ? path : Path.Combine(Checkout(), "out", "x64", "lotse");

    /// <summary>Skips the test when it is not run by root.</summary>
    public static void NeedsRoot()
    {
        if (!Environment.IsPrivilegedProcess)
        {
            Assert.Skip("needs root");
        }

        Assert.True(File.Exists(Lotse), $"{Lotse} is not built: ./lotse build");
    }

    /// <summary>Skips the test when a program is not installed.</summary>
    public static void Needs(params ReadOnlySpan<string> programs)
    {
        foreach (var program in programs)
        {
            if (!Environment.GetEnvironmentVariable("PATH")!.Split(':').Append("/usr/sbin").Any(folder => File.Exists(Path.Combine(folder, program))))
            {
                Assert.Skip($"needs {program} (eng/install-packages)");
            }
        }
    }

    /// <summary>
    /// A port of 127.0.0.1 at which nobody listens, below those that connections are given (ip_local_port_range): a server that
    /// is started again must find it free.
    /// </summary>
    public static int FreePort()
    {
        while (true)
        {
            var port = Random.Shared.Next(10_000, 32_000);
            using var free = new TcpListener(IPAddress.Loopback, port);
            try
            {
                free.Start();
                return port;
            }
            catch (SocketException)
            {
                // Taken.
            }
        }
    }

    /// <summary>Runs a program that has to succeed.</summary>
    public static void Must(TimeSpan time, params string[] arguments)
    {
        var ran = Run(time, arguments);
        Assert.True(ran.ExitCode == 0, $"{string.Join(' ', arguments)}: {ran.Text}{ran.ErrorText}");
    }

    /// <summary>Runs a program to its end, at most so long; it must not fail to start.</summary>
    public static Ran Run(TimeSpan time, params string[] arguments) => RunWith(time, null, arguments);

    /// <summary>The same with other variables of the environment.</summary>
    public static Ran RunWith(TimeSpan time, Dictionary<string, string?>? environment, params string[] arguments)
    {
        var start = new ProcessStartInfo(arguments[0], arguments[1..]) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        foreach (var (name, value) in environment ?? [])
        {
            start.Environment[name] = value;
        }

        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var output = ReadAll(process.StandardOutput.BaseStream);
        var errors = ReadAll(process.StandardError.BaseStream);
        if (!process.WaitForExit(time))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException(string.Join(' ', arguments));
        }

        return new(process.ExitCode, output.Result, errors.Result);
    }

    /// <summary>Runs the program under test.</summary>
    public static Ran RunLotse(params string[] arguments) => Run(TimeSpan.FromSeconds(60), [Lotse, .. arguments]);

    /// <summary>Compiles a C program of native/ into a folder.</summary>
    public static string Compile(string folder, string name, params string[] options)
    {
        var program = Path.Combine(folder, name);
        var ran = Run(TimeSpan.FromMinutes(2), ["gcc", "-O2", "-pthread", .. options, "-o", program, Path.Combine(Checkout(), "tests", "Lotse.LabTests", "native", name + ".c")]);
        Assert.True(ran.ExitCode == 0, ran.ErrorText);
        return program;
    }

    /// <summary>The root of the checkout.</summary>
    public static string Checkout([CallerFilePath] string here = "")
    {
        for (var folder = File.Exists(here) ? Path.GetDirectoryName(here) : AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, "Lotse.slnx")))
            {
                return folder;
            }
        }

        throw new InvalidOperationException("not inside a checkout");
    }

    private static async Task<byte[]> ReadAll(Stream stream)
    {
        using var all = new MemoryStream();
        await stream.CopyToAsync(all);
        return all.ToArray();
    }

    /// <summary>What a program printed.</summary>
    public sealed record Ran(int ExitCode, byte[] Output, byte[] Errors)
    {
        public string Text => Encoding.UTF8.GetString(Output);

        public string ErrorText => Encoding.UTF8.GetString(Errors);
    }
}
