using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Lotse.Cli;

namespace Lotse.Tests;

/// <summary>The program, called in this process.</summary>
internal static class LotseProgram
{
    /// <summary>The root of the checkout.</summary>
    public static string Checkout { get; } = Path.GetFullPath(Path.Combine(Here(), "..", ".."));

    /// <summary>A path below tests/data.</summary>
    public static string Data(params string[] parts) => Path.Combine([Checkout, "tests", "data", .. parts]);

    /// <summary>Runs a command line.</summary>
    public static (int Code, string Output, string Errors) Run(params string[] arguments)
    {
        var (output, errors) = (new MemoryStream(), new MemoryStream());
        var (o, e) = (new Output(output), new Output(errors));
        var code = Program.Run(arguments, o, e);
        o.Flush();
        e.Flush();
        return (code, Encoding.UTF8.GetString(output.ToArray()), Encoding.UTF8.GetString(errors.ToArray()));
    }

    /// <summary>Runs a command line with --json and reads the envelope.</summary>
    public static JsonElement Json(params string[] arguments)
    {
        var (_, output, errors) = Run([.. arguments, "--json"]);
        return output.Length > 0 ? JsonDocument.Parse(output).RootElement : throw new InvalidOperationException(errors);
    }

    /// <summary>The command line that a recording is for: its line <c>command: …</c>, else <c>doctor</c>.</summary>
    public static string[] CommandOf(string recording) =>
        (File.ReadLines(recording).TakeWhile(l => !l.StartsWith("-- ", StringComparison.Ordinal))
            .FirstOrDefault(l => l.StartsWith("command: ", StringComparison.Ordinal))?["command: ".Length..] ?? "doctor").Split(' ');

    private static string Here([CallerFilePath] string file = "")
    {
        // The sources are compiled under /lotse/ (PathMap), so the caller's path is only good when it exists.
        if (File.Exists(file))
        {
            return Path.GetDirectoryName(file)!;
        }

        for (var folder = AppContext.BaseDirectory; ; folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("not inside a checkout"))
        {
            if (File.Exists(Path.Combine(folder, "Lotse.slnx")))
            {
                return Path.Combine(folder, "tests", "Lotse.Tests");
            }
        }
    }
}
