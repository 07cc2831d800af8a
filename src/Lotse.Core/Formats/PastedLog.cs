using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Lotse.Formats;

/// <summary>A line of a log as the program wrote it, and where it stands in what was pasted.</summary>
/// <param name="Number">From 1, in the pasted text; lines that came in one record share it.</param>
/// <param name="Text">Without what carried it.</param>
public sealed record PastedLine(int Number, string Text);

/// <summary>
/// Takes off a pasted log what its way here has put around each line: quotation marks of mails, colours of terminals,
/// the columns of docker compose, journald, syslog and container runtimes, records of JSON, and PostgreSQL's CSV.
/// Hostile until proven otherwise: lines and their number are bounded, and a line that is not what it looks like stays as it is.
/// </summary>
public static partial class PastedLog
{
    /// <summary>The most characters that are kept of a line.</summary>
    public const int Longest = 8192;

    // A log of JSON that a collector of JSON has put into JSON: three layers were seen, nobody needs five.
    private const int MostLayers = 4, MostLines = 400_000, LongestRecord = 1 << 16, LongestName = 120, DefaultMatchMilliseconds = 1000;
    private const RegexOptions Options = RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture;

    /// <summary>The lines as they were written.</summary>
    /// <param name="log">The pasted text.</param>
    /// <param name="withSender">Whether the journal's <c>unit[pid]: </c> stays: where a log has lines of many processes, it tells them apart.</param>
    public static IEnumerable<PastedLine> Lines(string log, bool withSender = false)
    {
        ArgumentNullException.ThrowIfNull(log);
        var (number, inField) = (0, false);
        for (int at = 0, end; at < log.Length && number < MostLines; at = end + 1)
        {
            end = log.IndexOf('\n', at);
            end = end < 0 ? log.Length : end;
            number++;
            var line = WithoutColours(log.AsSpan(at, Math.Min(end - at, LongestRecord)).TrimEnd(['\r', '\0']).ToString());
            foreach (var text in Unwrapped(line, withSender, ref inField))
            {
                yield return new(number, text.Length > Longest ? text[..Longest] : text);
            }
        }
    }

    private static IEnumerable<string> Unwrapped(string line, bool withSender, ref bool inField) =>
        inField || (line.Length > 0 && char.IsAsciiDigit(line[0]) && CsvRecord().IsMatch(line)) ? CsvLines(line, ref inField) : Unwrapped(line, withSender, 0);

    private static IEnumerable<string> Unwrapped(string line, bool withSender, int layer)
    {
        for (; layer < MostLayers; layer++)
        {
            if (Inner(line) is { Count: > 0 } inner)
            {
                return inner.SelectMany(l => Unwrapped(l, withSender, layer + 1));
            }

            if (Rest(line, withSender) is not { } rest)
            {
                break;
            }

            line = rest;
        }

        return [line];
    }

    /// <summary>The lines in a record of JSON, or in an element of a list, as Ansible prints the output of a command; null: it is neither.</summary>
    private static IReadOnlyList<string>? Inner(string line)
    {
        var text = line.AsSpan().Trim();
        if (text is [.., '}'])
        {
            return text[0] == '{' ? Record(text.ToString()) : Result().Match(line) is { Success: true } result ? Record(line[result.Length..].TrimEnd()) : null;
        }

        return text is ['"', _, ..] && text.TrimEnd(',') is [.., '"'] element ? Unquoted(element.ToString())?.Split('\n') : null;
    }

    /// <summary>A line without what stands before it; null: nothing does. Most lines are seen to be bare by a letter or two.</summary>
    private static string? Rest(string line, bool withSender)
    {
        if (line.Length == 0 || (char.IsAsciiLetter(line[0]) && line is not [_, _, _, ' ', ..] && line.AsSpan(0, Math.Min(line.Length, LongestName)).IndexOf('|') < 0))
        {
            return null;
        }

        return Journal().Match(line) is { Success: true } stamp ? line[(withSender ? stamp.Groups["sender"].Index : stamp.Length)..]
            : Carried().Match(line) is { Success: true, Length: > 0 } carrier ? line[carrier.Length..] : null;
    }

    // A string of JSON may hold half a surrogate pair, which nobody can decode: InvalidOperationException.
    private static string? Unquoted(string json)
    {
        try
        {
            using var document = JsonDocument.Parse(ByteText.Encode(json));
            return document.RootElement.ValueKind == JsonValueKind.String ? document.RootElement.GetString() : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>What a record of JSON says: one of a container engine, the journal, a logger, or PostgreSQL's own (jsonlog).</summary>
    private static List<string> Record(string json)
    {
        try
        {
            using var document = JsonDocument.Parse(ByteText.Encode(json));
            var said = new List<string>();
            Say(document.RootElement, said, 0);
            return said;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return [];
        }
    }

    private static void Say(JsonElement record, List<string> said, int depth)
    {
        if (record.ValueKind != JsonValueKind.Object || depth > 2)
        {
            return;
        }

        string? severity = null, message = null;
        foreach (var field in record.EnumerateObject())
        {
            switch (field.Name)
            {
                case "error_severity":
                    severity = field.Value.ToString();
                    break;
                case "log" or "MESSAGE" or "msg" or "message" or "stdout" or "stderr" when field.Value.ValueKind == JsonValueKind.String && field.Value.GetString() is { Length: > 0 } words:
                    message = message is null ? words : $"{message}\n{words}";
                    break;
                case "record":
                    Say(field.Value, said, depth + 1);
                    break;
                default:
                    break;
            }
        }

        if (message is { Length: > 0 })
        {
            said.AddRange($"{(severity is null ? "" : $"{severity}:  ")}{message.TrimEnd('\n')}".Split('\n', StringSplitOptions.None).Select(l => l.TrimEnd('\r')));
        }

        foreach (var (name, label) in Parts)
        {
            if (record.TryGetProperty(name, out var part) && part.ValueKind == JsonValueKind.String && part.GetString() is { Length: > 0 } words && severity is not null)
            {
                said.AddRange($"{label}:  {words}".Split('\n'));
            }
        }
    }

    // src/backend/utils/error/jsonlog.c and csvlog.c: the parts of a report after its message.
    private static readonly (string Name, string Label)[] Parts = [("detail", "DETAIL"), ("hint", "HINT"), ("context", "CONTEXT"), ("statement", "STATEMENT")];

    /// <summary>The quoted fields of a record of PostgreSQL's csvlog from its message on; a field may go over several lines.</summary>
    private static List<string> CsvLines(string line, ref bool inField)
    {
        var lines = new List<string>();
        var record = inField ? null : CsvRecord().Match(line);
        var (field, column, label) = (new StringBuilder(), 0, record is null ? "" : $"{record.Groups["severity"].Value}:  ");
        for (var i = record?.Length ?? 0; i < line.Length; i++)
        {
            if (inField && line[i] == '"' && i + 1 < line.Length && line[i + 1] == '"')
            {
                field.Append('"');
                i++;
            }
            else if (line[i] == '"')
            {
                if (inField)
                {
                    lines.Add(label + field);
                    field.Clear();
                }

                label = inField || column == 0 ? label : column <= 2 ? $"{Parts[column - 1].Label}:  " : "";
                inField = !inField;
            }
            else if (inField)
            {
                field.Append(line[i]);
            }
            else if (line[i] == ',')
            {
                column++;
            }
        }

        if (inField)
        {
            lines.Add(label + field);
        }

        return lines;
    }

    /// <summary>A line without long runs of blanks: patterns with several blanks in a row try each way to share such a run out.</summary>
    public static string Squeezed(ReadOnlySpan<char> line)
    {
        const int LongestRun = 8;
        var (text, run) = (new StringBuilder(line.Length), 0);
        foreach (var c in line)
        {
            run = char.IsWhiteSpace(c) ? run + 1 : 0;
            if (run <= LongestRun)
            {
                text.Append(c);
            }
        }

        return text.ToString();
    }

    /// <summary>A text without control sequences of terminals: CSI, OSC and the two-byte ones (ECMA-48 section 5).</summary>
    public static string WithoutColours(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.Contains('\x1b', StringComparison.Ordinal) ? Control().Replace(text, "") : text;
    }

    [GeneratedRegex(@"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\a\x1b]*(\a|\x1b\\)|[@-Z\\-_])", Options, DefaultMatchMilliseconds)]
    private static partial Regex Control();

    // journalctl and syslog: time, host, sender; but "banner exchange: " is what ssh says behind a stamp alone.
    [GeneratedRegex(@"^([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(\.\d+)?|\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:?\d\d)) (?!banner exchange: )[\w.-]+ (?<sender>[\w.@/-]+(\[\d+\])?: )", Options, DefaultMatchMilliseconds)]
    private static partial Regex Journal();

    // In this order: a mail's mark; docker compose's column; the stamp of container runtimes (CRI: time, stream, whether the
    // line is whole); a stamp alone (docker logs -t, web consoles, in brackets Jenkins and dmesg -T; ts of moreutils), but not
    // PostgreSQL's own "%m [%p] ".
    [GeneratedRegex(@"^(\s*>(?!>)\s?|[A-Za-z0-9][\w.-]*\s*\|\s|(?>\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)) (stdout|stderr) [FP] |(?>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d([.,]\d+)?(Z|[+-]\d\d:?\d\d)?)(?> ?)(?!([A-Z]{2,5}|[+-]\d\d(\d\d)?) \[)|\[\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d([.,]\d+)?Z?\] |[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(\.\d+)? |\[?\d\d:\d\d:\d\d(\.\d+)?\]? )", Options, DefaultMatchMilliseconds)]
    private static partial Regex Carried();

    // src/backend/utils/error/csvlog.c write_csvlog: time, user, database, process, host, session, line, command tag, start,
    // two transaction ids, severity, SQLSTATE, message.
    // What Ansible says of a host: fatal: [web1]: UNREACHABLE! => {…}
    [GeneratedRegex(@"^\s*[\w.-]+(: \[[^\]]*\])?(: | \| )[\w!]+ =>\s+(?=\{)", Options, DefaultMatchMilliseconds)]
    private static partial Regex Result();

    [GeneratedRegex(@"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[^,]*,.*?,(?<severity>DEBUG\d?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC),[0-9A-Z]{5},(?="")", Options, DefaultMatchMilliseconds)]
    private static partial Regex CsvRecord();
}
