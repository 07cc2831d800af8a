namespace Lotse.Postgres;

/// <summary>A word of SQL.</summary>
/// <param name="Text">As the server compares it: folded to lower case unless it was quoted.</param>
/// <param name="Kind">n: a name or keyword, q: a quoted name, o: an operator, p: one mark of punctuation, c: a constant.</param>
internal readonly record struct SqlWord(string Text, char Kind);

/// <summary>SQL taken apart into words, as far as names in it have to be told from text and comments (src/backend/parser/scan.l).</summary>
internal static class SqlWords
{
    private const string OperatorMarks = "+-*/<>=~!@#%^&|`?";

    /// <summary>The words; ends where a quote is not closed.</summary>
    public static List<SqlWord> Of(string sql)
    {
        var words = new List<SqlWord>();
        for (var at = 0; at < sql.Length;)
        {
            var c = sql[at];
            if (char.IsWhiteSpace(c))
            {
                at++;
            }
            else if (c == '-' && Next(sql, at) == '-')
            {
                at = End(sql, "\n", at);
            }
            else if (c == '/' && Next(sql, at) == '*')
            {
                at = Comment(sql, at);
            }
            else if (c == '\'' || (c is 'e' or 'E' or 'b' or 'B' or 'x' or 'X' or 'n' or 'N' && Next(sql, at) == '\''))
            {
                var escapes = c is 'e' or 'E';
                at = Quoted(sql, c == '\'' ? at + 1 : at + 2, '\'', escapes);
                words.Add(new("", 'c'));
            }
            else if (c == '"')
            {
                var end = Quoted(sql, at + 1, '"', false);
                words.Add(new(sql[(at + 1)..Math.Max(at + 1, end - 1)].Replace("\"\"", "\"", StringComparison.Ordinal), 'q'));
                at = end;
            }
            else if (c == '$' && DollarTag(sql, at) is { } tag)
            {
                at = End(sql, tag, at + tag.Length);
                words.Add(new("", 'c'));
            }
            else if (c == '$' || char.IsAsciiDigit(c))
            {
                while (++at < sql.Length && (char.IsAsciiLetterOrDigit(sql[at]) || sql[at] == '.'))
                {
                }

                words.Add(new("", 'c'));
            }
            else if (char.IsLetter(c) || c == '_' || c > '\x7f')
            {
                var start = at;
                while (at < sql.Length && (char.IsLetterOrDigit(sql[at]) || sql[at] is '_' or '$' or > '\x7f'))
                {
                    at++;
                }

                words.Add(new(Folded(sql[start..at]), 'n'));
            }
            else if (OperatorMarks.Contains(c, StringComparison.Ordinal))
            {
                var start = at;
                while (at < sql.Length && OperatorMarks.Contains(sql[at], StringComparison.Ordinal) && !(at > start && ((sql[at] == '-' && Next(sql, at) == '-') || (sql[at] == '/' && Next(sql, at) == '*'))))
                {
                    at++;
                }

                words.Add(new(sql[start..at], 'o'));
            }
            else
            {
                words.Add(new(c == ':' && Next(sql, at) == ':' ? "::" : c.ToString(), 'p'));
                at += words[^1].Text.Length;
            }
        }

        return words;
    }

    private static string Folded(string name) => string.Create(name.Length, name, static (to, from) =>
    {
        for (var i = 0; i < from.Length; i++)
        {
            to[i] = char.IsAsciiLetterUpper(from[i]) ? (char)(from[i] | 0x20) : from[i];
        }
    });

    private static char Next(string sql, int at) => at + 1 < sql.Length ? sql[at + 1] : '\0';

    private static int End(string sql, string mark, int from) => sql.IndexOf(mark, from, StringComparison.Ordinal) is >= 0 and var end ? end + mark.Length : sql.Length;

    private static int Comment(string sql, int at)
    {
        // Comments nest.
        var depth = 0;
        do
        {
            depth += sql[at] == '/' && Next(sql, at) == '*' ? 1 : sql[at] == '*' && Next(sql, at) == '/' ? -1 : 0;
            at += (sql[at] == '/' && Next(sql, at) == '*') || (sql[at] == '*' && Next(sql, at) == '/') ? 2 : 1;
        }
        while (depth > 0 && at < sql.Length);

        return at;
    }

    private static int Quoted(string sql, int at, char quote, bool escapes)
    {
        for (; at < sql.Length; at++)
        {
            if (escapes && sql[at] == '\\')
            {
                at++;
            }
            else if (sql[at] == quote && Next(sql, at) == quote)
            {
                at++;
            }
            else if (sql[at] == quote)
            {
                return at + 1;
            }
        }

        return sql.Length;
    }

    private static string? DollarTag(string sql, int at)
    {
        var end = at + 1;
        while (end < sql.Length && (char.IsLetterOrDigit(sql[end]) || sql[end] == '_'))
        {
            end++;
        }

        return end < sql.Length && sql[end] == '$' && (end == at + 1 || !char.IsAsciiDigit(sql[at + 1])) ? sql[at..(end + 1)] : null;
    }
}
