using System.Text.RegularExpressions;

namespace Lotse.Postgres;

/// <summary>A message that somebody sees, what it means and what helps.</summary>
/// <param name="Id">The finding.</param>
/// <param name="Severity">How bad.</param>
/// <param name="Pattern">Of one line; blanks stand for any run of blanks. Named groups are the values in <paramref name="Title"/>.</param>
/// <param name="Title">One sentence; <c>{name}</c> is a value, <c>{path:name}</c> and <c>{user:name}</c> say of what kind.</param>
/// <param name="Rule">Where PostgreSQL decides it.</param>
/// <param name="Why">What stands behind it.</param>
/// <param name="Remedy">What helps, best first.</param>
internal sealed record Message(string Id, Severity Severity, string Pattern, string Title, string Rule, string Why, params string[] Remedy)
{
    /// <summary>The longest that a pattern may look at a line; a message takes a thousandth of it.</summary>
    private const int MostMilliseconds = 250;

    private Regex? regex;

    /// <summary>How sure the message makes it.</summary>
    public Certainty Certainty { get; init; } = Certainty.Proven;

    /// <summary>Where the message means this only in the log of an upgrade.</summary>
    public bool OnlyInUpgrade { get; init; }

    /// <summary>The match in a line.</summary>
    public Match Of(string line) => First(regex ??= Bounded(Pattern.Replace(" ", @"\s+", StringComparison.Ordinal)), line);

    /// <summary>A pattern for <see cref="First"/>.</summary>
    internal static Regex Bounded(string pattern) => new(pattern, RegexOptions.CultureInvariant, TimeSpan.FromMilliseconds(MostMilliseconds));

    /// <summary>The first match. A line that takes a pattern too long was made for that, and says nothing.</summary>
    internal static Match First(Regex pattern, string line)
    {
        try
        {
            return pattern.Match(line);
        }
        catch (RegexMatchTimeoutException)
        {
            return Match.Empty;
        }
    }

    /// <summary>The finding for a line.</summary>
    public Finding Finding(Match match, string line, string where)
    {
        Text title = Fill(Title, match);
        var subject = match.Groups["subject"] is { Success: true } named ? named.Value : match.Groups.Values.Skip(1).FirstOrDefault(g => g.Success)?.Value ?? Id[3..];
        return new(Id, Severity, Certainty, new(subject, ValueKind.Plain), title,
            [new(Why, Verdict.Yes, Rule, new Seen($"{new Value(line.Trim(), ValueKind.Plain)}", where))],
            [.. Remedy.Select(r => new Remedy(Fill(r, match)))]);
    }

    private static Text Fill(string template, Match match)
    {
        var text = new Text(template.Length, 4);
        var at = 0;
        foreach (Match place in Place().Matches(template))
        {
            text.AppendLiteral(template[at..place.Index]);
            var value = match.Groups[place.Groups[2].Value] is { Success: true } group ? group.Value : "?";
            text.AppendFormatted(new Value(value, place.Groups[1].Value switch { "path:" => ValueKind.Path, "user:" => ValueKind.User, _ => ValueKind.Plain }));
            at = place.Index + place.Length;
        }

        text.AppendLiteral(template[at..]);
        return text;
    }

    private static Regex Place() => place ??= new(@"\{(path:|user:)?([a-z]+)\}", RegexOptions.CultureInvariant);

    private static Regex? place;
}
