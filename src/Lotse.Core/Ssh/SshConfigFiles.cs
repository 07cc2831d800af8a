using Lotse.Formats;

namespace Lotse.Ssh;

/// <summary>An option in a file of the user's configuration.</summary>
/// <param name="File">The file.</param>
/// <param name="Line">Its line.</param>
/// <param name="Keyword">In lower case.</param>
/// <param name="Value">Its value.</param>
public sealed record ConfiguredOption(string File, int Line, string Keyword, string Value)
{
    /// <summary>The block of the file that it stands in; null before the first.</summary>
    public SshConfigLine? Block { get; init; }
}

/// <summary>The files that make up a user's ssh_config(5), each with those that it includes. Read, never run.</summary>
internal static class SshConfigFiles
{
    /// <summary>The deepest nesting of Include (readconf.c READCONF_MAX_DEPTH).</summary>
    private const int Deepest = 16;

    private const int Most = 100_000;

    /// <summary>The options of a file and of those that it includes, in order.</summary>
    /// <param name="host">The client's machine.</param>
    /// <param name="home">The user's home.</param>
    /// <param name="file">The file.</param>
    public static List<ConfiguredOption> Read(Host host, string home, string file)
    {
        var options = new List<ConfiguredOption>();
        Collect(host, home, file, 0, options);
        return options;
    }

    /// <summary>
    /// The lines whose command every ssh runs to know whether a block counts, <c>ssh -G</c> among them (ssh_config(5) Match
    /// exec; readconf.c match_cfg_line).
    /// </summary>
    /// <param name="host">The client's machine.</param>
    /// <param name="home">The user's home.</param>
    /// <param name="config">Another file than the user's and the system's (<c>ssh -F</c>); null: those.</param>
    public static ConfiguredOption[] Commands(Host host, string home, string? config) =>
        [.. (config is null ? Read(host, home, $"{home}/.ssh/config").Concat(Read(host, "/etc/ssh", "/etc/ssh/ssh_config")) : Read(host, home, config))
            .Where(o => o.Keyword == "match" && o.Value.Split((char[])[' ', '\t', '=', '"'], StringSplitOptions.RemoveEmptyEntries).Any(w => w.TrimStart('!').Equals("exec", StringComparison.OrdinalIgnoreCase)))];

    /// <summary>The lines of a file and of those that it includes: paths from ~/.ssh on, or /etc/ssh, patterns in the last part (ssh_config(5) Include).</summary>
    private static void Collect(Host host, string home, string file, int depth, List<ConfiguredOption> options)
    {
        if (depth > Deepest || options.Count > Most || host.ReadFile(file, 1 << 20) is not { Ok: true, Value: var bytes })
        {
            return;
        }

        foreach (var line in SshConfigFile.Parse(FileLines.Split(bytes).Lines).Lines)
        {
            if (line.Keyword != "include")
            {
                options.Add(new(file, line.Line, line.Keyword, line.Value) { Block = line.Block });
                continue;
            }

            foreach (var word in line.Value.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries).Select(w => w.Trim('"')))
            {
                var path = word.StartsWith("~/", StringComparison.Ordinal) ? home + word[1..] : word.StartsWith('/') ? word : file.StartsWith("/etc/ssh/", StringComparison.Ordinal) ? $"/etc/ssh/{word}" : $"{home}/.ssh/{word}";
                var slash = path.LastIndexOf('/');
                var (folder, pattern) = (path[..slash], path[(slash + 1)..]);
                foreach (var name in pattern.IndexOfAny(['*', '?']) < 0 ? [pattern] : host.List(folder) is { Ok: true, Value: var names } ? names.Where(n => n[0] != '.' && AlgorithmList.Matches(n, pattern)) : [])
                {
                    Collect(host, home, $"{folder}/{name}", depth + 1, options);
                }
            }
        }
    }
}
