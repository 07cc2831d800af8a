using System.Buffers;
using System.Text;
using System.Text.RegularExpressions;

namespace Lotse.Postgres;

/// <summary>
/// Turns what a PostgreSQL of another language prints back into English, by PostgreSQL's own catalogues of translations:
/// only the messages that lotse knows, with the values that stand in them.
/// </summary>
internal static partial class TranslatedMessages
{
    // A message in a message: psql's "connection … failed: FATAL: role … does not exist" has two.
    // The shortest key is in bytes of UTF-8: three signs of Chinese say as much as six letters.
    private const int MostMessages = 4, ShortestKey = 6, DefaultMatchMilliseconds = 1000;

    // What stands before a message or after a step, and errors of the system within one: no sentence of its own.
    private static readonly string[] Labels = ["ERROR", "FATAL", "PANIC", "WARNING", "LOG", "NOTICE", "DETAIL:", "HINT:", "error:", "fatal:", "warning:"], States = ["ok", "fatal", "warning"], Errors =
        ["No such file or directory", "Permission denied", "No space left on device", "Disk quota exceeded", "Invalid cross-device link", "Address already in use", "Connection refused", "Operation not supported"];

    /// <summary>A sentence in another language.</summary>
    private sealed class Translation(string language, string english, string foreign)
    {
        private readonly string[] pieces = Conversion().Split(foreign);
        private Regex? regex;

        public string Language => language;

        /// <summary>How much of it is words: of two that fit, the one with more of them is meant.</summary>
        public int Weight => pieces.Sum(p => p.Length);

        /// <summary>The longest piece without a value: what a line must hold.</summary>
        public string Key { get; } = Conversion().Split(foreign).MaxBy(p => p.Length)!.Trim();

        public Match Match(string line)
        {
            if (regex is null)
            {
                var (text, values) = (new StringBuilder(), Conversion().Matches(foreign));
                for (var i = 0; i < pieces.Length; i++)
                {
                    text.Append(Regex.Escape(pieces[i]).Replace(@"\ ", @"\s+", StringComparison.Ordinal));
                    text.Append(i == values.Count ? "" : i == values.Count - 1 && pieces[^1].Length == 0 ? "(.*)" : "(.+?)");
                }

                regex = Message.Bounded(text.ToString());
            }

            return Message.First(regex, line);
        }

        /// <summary>The English sentence with the values of a match, which a translation may have put in another order.</summary>
        public string English(Match match, Func<string, string> value)
        {
            var places = Conversion().Matches(foreign).Select((c, i) => (Place: c.Groups["place"] is { Success: true } said ? int.Parse(said.ValueSpan, System.Globalization.CultureInfo.InvariantCulture) - 1 : i, Group: i + 1)).ToList();
            var next = 0;
            return Conversion().Replace(english, _ =>
            {
                var at = next++;
                return places.Find(p => p.Place == at) is { Group: > 0 } found ? value(match.Groups[found.Group].Value) : "";
            });
        }
    }

    private static readonly Lazy<(Translation[] All, SearchValues<string> Keys, Dictionary<(string Language, string Foreign), string> Words)> Table = new(static () =>
    {
        var rows = VersionTables.Rows("translations.tsv").ToList();
        Translation[] all = [.. rows.Where(r => !IsWord(r[1])).Select(r => new Translation(r[0], r[1], r[2])).Where(t => Encoding.UTF8.GetByteCount(t.Key) >= ShortestKey)];
        var words = new Dictionary<(string, string), string>();
        foreach (var row in rows.Where(r => IsWord(r[1])))
        {
            words.TryAdd((row[0], row[2]), row[1]);
        }

        return (all, SearchValues.Create([.. all.Select(t => t.Key).Distinct()], StringComparison.Ordinal), words);
    });

    /// <summary>Whether a message of the table is no sentence of its own.</summary>
    internal static bool IsWord(string english) => Labels.Contains(english) || States.Contains(english) || Errors.Contains(english);

    /// <summary>Whether a text may hold a message in another language.</summary>
    public static bool MayBeIn(string text) => text.AsSpan().ContainsAny(Table.Value.Keys);

    /// <summary>The line in English; the line itself when no message of another language is in it.</summary>
    /// <param name="line">The line.</param>
    /// <param name="language">The language that the log is known to be in; set by the first message that is found.</param>
    public static string English(string line, ref string? language)
    {
        var text = line;
        for (var round = 0; round < MostMessages && MayBeIn(text); round++)
        {
            var known = language;
            var found = Table.Value.All.Where(t => (known is null || t.Language == known) && text.Contains(t.Key, StringComparison.Ordinal))
                .Select(t => (Translation: t, Match: t.Match(text))).Where(f => f.Match.Success).ToArray();
            if (found.Length == 0)
            {
                break;
            }

            var (translation, match) = found.MaxBy(f => f.Translation.Weight);

            language = translation.Language;
            text = text[..match.Index] + translation.English(match, v => Word(translation.Language, v) ?? v) + text[(match.Index + match.Length)..];
        }

        return language is null ? text : WithoutForeignWords(text, language);
    }

    /// <summary>The line with English labels before its messages, and an English word after a step or at the end, where libpq puts what the system said.</summary>
    private static string WithoutForeignWords(string text, string language)
    {
        if (LastWord().Match(text) is { Success: true } state && Word(language, state.Groups["word"].Value) is { } said && States.Contains(said))
        {
            text = text[..state.Groups["word"].Index] + said;
        }

        if (Table.Value.Words.FirstOrDefault(w => w.Key.Language == language && Errors.Contains(w.Value) && text.EndsWith(w.Key.Foreign, StringComparison.Ordinal)) is { Key.Foreign: { } error, Value: var name })
        {
            text = text[..^error.Length] + name;
        }

        foreach (var ((_, foreign), english) in Table.Value.Words.Where(w => w.Key.Language == language && Labels.Contains(w.Value)))
        {
            var (from, to) = (foreign.EndsWith(':') ? foreign : foreign + ":", english.EndsWith(':') ? english : english + ":");
            if (text.IndexOf(from, StringComparison.Ordinal) is >= 0 and var at && (at == 0 || !char.IsLetterOrDigit(text[at - 1])))
            {
                text = text[..at] + to + text[(at + from.Length)..];
            }
        }

        return text;
    }

    private static string? Word(string language, string foreign) => Table.Value.Words.GetValueOrDefault((language, foreign.Trim()));

    [GeneratedRegex(@"%(?:(?<place>\d+)\$)?[-+ #0-9.*]*(?:hh|h|ll|l|z|j)?[a-zA-Z]", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Conversion();

    [GeneratedRegex(@"(^|\s)\s*(?<word>\S+)\s*$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, DefaultMatchMilliseconds)]
    private static partial Regex LastWord();
}
