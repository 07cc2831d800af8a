using System.Diagnostics;
using System.Text;

namespace Lotse.Tests;

/// <summary>
/// A terminal in text: lines <c>$ lotse …</c>, each followed by what it prints (standard output, then standard error,
/// then <c>[N]</c> for an exit code other than 0); lines <c># …</c> are remarks. LOTSE_BIN=PATH runs that program instead of calling it in this process.
/// </summary>
internal static class Transcript
{
    /// <summary>The program to run; null: in this process.</summary>
    public static string? Binary => Environment.GetEnvironmentVariable("LOTSE_BIN") is { Length: > 0 } path ? path : null;

    /// <summary>Whether the expected texts are to be written instead of compared.</summary>
    public static bool Rewrites => Environment.GetEnvironmentVariable("LOTSE_GOLDEN") == "write";

    /// <summary>The same text with what its commands print now; the folder they run in is printed as FOLDER.</summary>
    public static string Play(string text, string folder, params string[] more)
    {
        var played = new StringBuilder();
        var lines = text.Split('\n');
        for (var i = 0; i < lines.Length; i++)
        {
            played.Append(lines[i]).Append(i + 1 < lines.Length ? "\n" : "");
            if (!lines[i].StartsWith("$ lotse", StringComparison.Ordinal) && !lines[i].StartsWith("$ ./lotse", StringComparison.Ordinal))
            {
                continue;
            }

            var words = Words(lines[i][2..])[1..];
            var printed = Print(folder, [.. words, .. more]);
            played.Append(printed.Replace(folder, "FOLDER", StringComparison.Ordinal));

            // What was expected reaches to the next command or remark, or to the end.
            var next = Array.FindIndex(lines, i + 1, l => l.StartsWith("$ ", StringComparison.Ordinal) || l.StartsWith("# ", StringComparison.Ordinal));
            var stop = next < 0 ? lines.Length - 1 : next;
            if (next > i + 1 && lines[next - 1].Length == 0)
            {
                played.Append('\n');
            }

            i = stop - 1;
        }

        return played.ToString();
    }

    /// <summary>Runs one command line in a folder.</summary>
    public static string Print(string folder, string[] arguments)
    {
        string output, errors;
        int code;
        if (Binary is { } binary)
        {
            var start = new ProcessStartInfo(binary, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
            using var process = Process.Start(start)!;
            process.StandardInput.Close();
            var reading = process.StandardError.ReadToEndAsync();
            output = process.StandardOutput.ReadToEnd();
            errors = reading.Result;
            process.WaitForExit();
            code = process.ExitCode;
        }
        else
        {
            var before = Directory.GetCurrentDirectory();
            Directory.SetCurrentDirectory(folder);
            try
            {
                (code, output, errors) = LotseProgram.Run(arguments);
            }
            finally
            {
                Directory.SetCurrentDirectory(before);
            }
        }

        return output + errors + (code == 0 ? "" : $"[{code}]\n");
    }

    /// <summary>Splits a line as a shell does: blanks, single and double quotes.</summary>
    public static string[] Words(string line)
    {
        var words = new List<string>();
        var word = new StringBuilder();
        var (quote, open) = ('\0', false);
        foreach (var c in line)
        {
            if (quote != '\0' ? c == quote : c is '\'' or '"')
            {
                quote = quote == '\0' ? c : '\0';
                open = true;
            }
            else if (quote == '\0' && c == ' ')
            {
                if (open || word.Length > 0)
                {
                    words.Add(word.ToString());
                }

                word.Clear();
                open = false;
            }
            else
            {
                word.Append(c);
            }
        }

        if (open || word.Length > 0)
        {
            words.Add(word.ToString());
        }

        return [.. words];
    }
}
