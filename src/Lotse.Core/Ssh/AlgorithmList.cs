namespace Lotse.Ssh;

/// <summary>How ssh_config(5) turns a default list and an option's value into the list that is used.</summary>
public static class AlgorithmList
{
    /// <summary>
    /// The list that results: <c>+a,b</c> appends what is missing, <c>-a,b</c> removes, <c>^a,b</c> puts in front, anything else replaces
    /// (OpenSSH match.c match_filter_allowlist, kex.c kex_assemble_names). Names after the sign may hold <c>*</c> and <c>?</c>.
    /// </summary>
    public static string[] Apply(IReadOnlyList<string> defaults, string? value)
    {
        if (string.IsNullOrEmpty(value))
        {
            return [.. defaults];
        }

        var names = (value[0] is '+' or '-' or '^' ? value[1..] : value).Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return value[0] switch
        {
            '+' => [.. defaults, .. names.Except(defaults, StringComparer.Ordinal)],
            '-' => [.. defaults.Where(d => !names.Any(n => Matches(d, n)))],
            '^' => [.. names, .. defaults.Except(names, StringComparer.Ordinal)],
            _ => names,
        };
    }

    /// <summary>Whether a name fits a pattern of ssh_config(5): <c>*</c> is any run of characters, <c>?</c> one.</summary>
    public static bool Matches(ReadOnlySpan<char> name, ReadOnlySpan<char> pattern)
    {
        int n = 0, p = 0, star = -1, resume = 0;
        while (n < name.Length)
        {
            if (p < pattern.Length && (pattern[p] == '?' || pattern[p] == name[n]) && pattern[p] != '*')
            {
                n++;
                p++;
            }
            else if (p < pattern.Length && pattern[p] == '*')
            {
                (star, resume) = (p++, n);
            }
            else if (star >= 0)
            {
                (p, n) = (star + 1, ++resume);
            }
            else
            {
                return false;
            }
        }

        return pattern[p..].TrimStart('*').IsEmpty;
    }

    /// <summary>The algorithm that both sides come to: the client's first that the server has too (RFC 4253 section 7.1).</summary>
    public static string? Agree(IEnumerable<string> client, IReadOnlyCollection<string> server) => client.FirstOrDefault(server.Contains);
}
