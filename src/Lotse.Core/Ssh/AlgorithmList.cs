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

    /// <summary>The value of ssh_config that made a list out of the defaults: <c>+</c>, <c>-</c> or <c>^</c> and names, else the list itself; null: it is the default.</summary>
    public static string? Change(string[] defaults, string[] list)
    {
        string[] added = [.. list.Except(defaults)], gone = [.. defaults.Except(list)];
        return list.SequenceEqual(defaults) ? null
            : gone.Length == 0 && list.Take(defaults.Length).SequenceEqual(defaults) ? "+" + string.Join(',', added)
            : added.Length == 0 && list.SequenceEqual(defaults.Except(gone)) ? "-" + string.Join(',', gone)
            : gone.Length == 0 && Head(defaults, list) is { } head ? "^" + string.Join(',', head)
            : string.Join(',', list);
    }

    /// <summary>The names that were put before the rest of the defaults, fewest; null when it was not made that way.</summary>
    private static string[]? Head(string[] defaults, string[] list)
    {
        for (var count = 1; count <= list.Length; count++)
        {
            if (list.SequenceEqual(list.Take(count).Concat(defaults.Except(list.Take(count)))))
            {
                return list[..count];
            }
        }

        return null;
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
