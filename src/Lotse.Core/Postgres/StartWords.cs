using System.Text.RegularExpressions;
using Lotse.Hosts;

namespace Lotse.Postgres;

/// <summary>
/// The words that a server was started with, as settings. They win over every file, so a server that is started again
/// without them is another one: it may listen elsewhere, or not find its files (postmaster.c PostmasterMain, postmaster.opts).
/// </summary>
internal static class StartWords
{
    /// <summary>Letters with a value behind them; those without a setting are passed over with it.</summary>
    private const string WithValue = "BCcDdfhkNprStW-";

    private static readonly Dictionary<char, string> Names = new()
    {
        ['B'] = "shared_buffers",
        ['h'] = "listen_addresses",
        ['k'] = "unix_socket_directories",
        ['N'] = "max_connections",
        ['p'] = "port",
        ['S'] = "work_mem",
        ['W'] = "post_auth_delay",
    };

    private static readonly Dictionary<char, (string Name, string Value)> Switches = new()
    {
        ['F'] = ("fsync", "off"),
        ['i'] = ("listen_addresses", "*"),
        ['l'] = ("ssl", "on"),
        ['O'] = ("allow_system_table_mods", "on"),
        ['P'] = ("ignore_system_indexes", "on"),
        ['s'] = ("log_statement_stats", "on"),
    };

    /// <summary>Reads postmaster.opts: the program, and every word between quotation marks.</summary>
    /// <returns>Name and value, in the order in which they hold: the last of a name wins.</returns>
    public static (string Name, string Value)[] Settings(string? options)
    {
        var words = (options ?? "").Split('"').Where((_, i) => i % 2 == 1).ToArray();
        var found = new List<(string, string)>();
        for (var i = 0; i < words.Length; i++)
        {
            var word = words[i];
            if (word.Length < 2 || word[0] != '-')
            {
                continue;
            }

            // Letters without a value may stand together; one with a value takes the rest of the word, or the next.
            for (var at = 1; at < word.Length; at++)
            {
                if (Switches.TryGetValue(word[at], out var set))
                {
                    found.Add(set);
                }

                if (!WithValue.Contains(word[at], StringComparison.Ordinal))
                {
                    continue;
                }

                var value = at + 1 < word.Length ? word[(at + 1)..] : i + 1 < words.Length ? words[++i] : "";
                if (word[at] is 'c' or '-' && value.IndexOf('=', StringComparison.Ordinal) is > 0 and var equals)
                {
                    found.Add((value[..equals].Replace('-', '_').ToLowerInvariant(), value[(equals + 1)..]));
                }
                else if (Names.GetValueOrDefault(word[at]) is { Length: > 0 } name)
                {
                    found.Add((name, value));
                }

                break;
            }
        }

        return [.. found];
    }

    /// <summary>The value that holds for one setting; null when no word gives it.</summary>
    public static string? Setting(string? options, string name) => Settings(options).LastOrDefault(s => s.Name == name).Value;

    /// <summary>Settings as words for pg_ctl's option -o, which a shell reads.</summary>
    public static string ForShell(params IEnumerable<string> settings) => string.Concat(settings.Select(s => $" -c {SshHost.Quote(s)}"));

    /// <summary>The same for pg_upgrade, which writes them between double quotes into the command of a shell before pg_ctl's own (src/bin/pg_upgrade/server.c start_postmaster).</summary>
    public static string ForPgUpgrade(params IEnumerable<string> settings) => Regex.Replace(ForShell(settings), """[\\"$`]""", @"\$0");
}
