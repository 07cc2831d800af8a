namespace Lotse.Postgres;

/// <summary>Looks into the text of a function, as far as one can without its language.</summary>
internal static class FunctionBody
{
    /// <summary>
    /// Whether a text names one of the users' own things without a schema before it. Text in quotes and comments counts too:
    /// a function may make its statements at run time.
    /// </summary>
    /// <param name="body">The text; null: it is stored elsewhere or not readable, and may name anything.</param>
    /// <param name="names">The names.</param>
    public static bool NamesOneOf(string? body, IReadOnlySet<string> names)
    {
        if (body is null)
        {
            return true;
        }

        for (var at = 0; at < body.Length; at++)
        {
            if (!IsPart(body[at]))
            {
                continue;
            }

            var start = at;
            while (at < body.Length && IsPart(body[at]))
            {
                at++;
            }

            var before = body.AsSpan(0, start).TrimEnd().TrimEnd('"').TrimEnd();
            if (names.Contains(body[start..at]) && (before.IsEmpty || before[^1] != '.'))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The names before the signs of equality in an array of options: <c>{n_distinct=5}</c>, as it lies in its row.</summary>
    public static IEnumerable<string> Assigned(string options)
    {
        for (var at = options.IndexOf('=', StringComparison.Ordinal); at > 0; at = options.IndexOf('=', at + 1))
        {
            var start = at;
            while (start > 0 && (char.IsAsciiLetterLower(options[start - 1]) || char.IsAsciiDigit(options[start - 1]) || options[start - 1] == '_'))
            {
                start--;
            }

            if (start < at)
            {
                yield return options[start..at];
            }
        }
    }

    private static bool IsPart(char c) => char.IsLetterOrDigit(c) || c is '_' or '$';
}
