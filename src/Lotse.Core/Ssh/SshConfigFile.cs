namespace Lotse.Ssh;

/// <summary>A line of ssh_config that is an option.</summary>
/// <param name="Line">Its number, from 1.</param>
/// <param name="Keyword">In lower case.</param>
/// <param name="Value">The rest, quotation marks taken off where they hold all of it.</param>
/// <param name="Block">The <c>Host</c> or <c>Match</c> line it stands under; null before the first.</param>
public sealed record SshConfigLine(int Line, string Keyword, string Value, SshConfigLine? Block)
{
    /// <summary>Whether it begins a block.</summary>
    public bool IsBlock => Keyword is "host" or "match";
}

/// <summary>One file of ssh_config(5), without those that it includes. Knows only what is needed to find a place in it: <c>ssh -G</c> is who decides.</summary>
/// <param name="Lines">Every option, in order.</param>
public sealed record SshConfigFile(SshConfigLine[] Lines)
{
    /// <summary>Options whose values add up instead of the first one staying.</summary>
    private static readonly string[] Cumulative = ["identityfile", "certificatefile", "localforward", "remoteforward", "dynamicforward", "sendenv", "setenv", "include", "host", "match"];

    /// <summary>Reads a file: keyword, spaces or one equals sign, the rest (readconf.c process_config_line).</summary>
    public static SshConfigFile Parse(IEnumerable<string> lines)
    {
        var all = new List<SshConfigLine>();
        SshConfigLine? block = null;
        var number = 0;
        foreach (var raw in lines)
        {
            number++;
            var line = raw.TrimStart('\ufeff').Trim([' ', '\t', '\r', '\f']);
            if (line.Length == 0 || line[0] == '#')
            {
                continue;
            }

            var end = line.IndexOfAny([' ', '\t', '=', '"']);
            var keyword = (end < 0 ? line : line[..end]).ToLowerInvariant();
            var value = end < 0 ? "" : line[end..].TrimStart(' ', '\t');
            value = value.StartsWith('=') ? value[1..].TrimStart(' ', '\t') : value;
            value = value is ['"', .. var inside, '"'] && !inside.Contains('"', StringComparison.Ordinal) ? inside : value;
            var option = new SshConfigLine(number, keyword, value, block);
            all.Add(option);
            block = option.IsBlock ? option : block;
        }

        return new([.. all]);
    }

    /// <summary>Whether the patterns of a <c>Host</c> line fit a name: one has to, and none with an exclamation mark may (ssh_config(5) PATTERNS).</summary>
    public static bool HostFits(string patterns, string host)
    {
        var fits = false;
        foreach (var pattern in patterns.Split((char[])[' ', '\t', ','], StringSplitOptions.RemoveEmptyEntries).Select(p => p.Trim('"')))
        {
            if (pattern is ['!', .. var not] && AlgorithmList.Matches(host, not))
            {
                return false;
            }

            fits |= AlgorithmList.Matches(host, pattern);
        }

        return fits;
    }

    /// <summary>Options that a block for this host sets, and that an earlier line has set already: what stands later does nothing.</summary>
    public IEnumerable<(SshConfigLine Wins, SshConfigLine Lost)> Ignored(string host)
    {
        var first = new Dictionary<string, SshConfigLine>();
        foreach (var line in Lines)
        {
            if (line.IsBlock || Cumulative.Contains(line.Keyword) || (line.Block is { } block && (block.Keyword == "match" ? block.Value != "all" : !HostFits(block.Value, host))))
            {
                continue;
            }

            if (!first.TryAdd(line.Keyword, line) && line.Value != first[line.Keyword].Value && line.Block is { Keyword: "host" } named && named.Value.Trim() != "*")
            {
                yield return (first[line.Keyword], line);
            }
        }
    }
}
