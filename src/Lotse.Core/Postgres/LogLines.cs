using System.Text.Json;
using System.Text.RegularExpressions;

namespace Lotse.Postgres;

/// <summary>
/// The lines of a log without what stands around them: colours, the names and times that engines and journals put before
/// a line, and the forms of jsonlog and csvlog (runtime-config-logging). Pure.
/// </summary>
internal static partial class LogLines
{
    private const int MostLines = 400_000, LongestLine = 8192, LongestJson = 1 << 16, MostDepth = 3;

    /// <summary>Fields that hold a message, in the logs of engines, journals and servers.</summary>
    private static readonly string[] Messages = ["log", "MESSAGE", "message", "msg"];

    // Fields of a row of csvlog, by their places (src/backend/utils/error/csvlog.c).
    private const int SeverityField = 11, MessageField = 13, DetailField = 14, HintField = 15, ContextField = 18;

    /// <summary>Every line with its number; a row of jsonlog or csvlog is as many lines as stderr would have.</summary>
    public static IEnumerable<(int Number, string Line)> Of(string text)
    {
        var number = 0;
        foreach (var line in text.Split('\n'))
        {
            if (++number > MostLines)
            {
                yield break;
            }

            foreach (var plain in Plain(line.TrimEnd('\r'), 0))
            {
                if (plain.Length is > 0 and <= LongestLine)
                {
                    yield return (number, Squeezed(plain));
                }
            }
        }
    }

    private static IEnumerable<string> Plain(string line, int depth)
    {
        if (line.Length is 0 or > LongestJson)
        {
            return [];
        }

        if (line.Contains('\u001b', StringComparison.Ordinal))
        {
            line = Colour().Replace(line, "");
        }

        for (var i = 0; i < MostDepth && Before().Match(line) is { Success: true, Length: > 0 } before && before.Length < line.Length; i++)
        {
            line = line[before.Length..];
        }

        return depth < MostDepth && line.StartsWith('{') && line.EndsWith('}') && Json(line) is { } parts ? parts.SelectMany(p => Plain(p, depth + 1))
            : line.Contains(",\"", StringComparison.Ordinal) && CsvSeverity().IsMatch(line) && Csv(line) is { } rows ? rows
            : [line];
    }

    /// <summary>What a line of JSON says; null: it is none, or holds no message.</summary>
    private static List<string>? Json(string line)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            string? Field(string name) => document.RootElement.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
            if (Messages.Select(Field).FirstOrDefault(m => m is not null) is not { } message)
            {
                return null;
            }

            var severity = Field("error_severity");
            return Parts(severity, message, Field("detail"), Field("hint"), Field("context"));
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>What a row of csvlog says; null: it is none. One that goes on in the next line is taken as far as it goes.</summary>
    private static List<string>? Csv(string line)
    {
        var fields = new List<string>();
        for (var at = 0; at <= line.Length;)
        {
            if (at < line.Length && line[at] == '"')
            {
                var field = new System.Text.StringBuilder();
                for (at++; at < line.Length && !(line[at] == '"' && (at + 1 >= line.Length || line[at + 1] != '"')); at++)
                {
                    at += line[at] == '"' ? 1 : 0;
                    field.Append(line[at]);
                }

                fields.Add(field.ToString());
                at += 2;
            }
            else
            {
                var end = line.IndexOf(',', at);
                fields.Add(line[at..(end < 0 ? line.Length : end)]);
                at = end < 0 ? line.Length + 1 : end + 1;
            }
        }

        string? Field(int i) => i < fields.Count && fields[i].Length > 0 ? fields[i] : null;
        return Field(MessageField) is { } message ? Parts(Field(SeverityField), message, Field(DetailField), Field(HintField), Field(ContextField)) : null;
    }

    private static List<string> Parts(string? severity, string message, string? detail, string? hint, string? context)
    {
        var all = new List<string>();
        void Add(string? prefix, string? text)
        {
            var first = true;
            foreach (var line in (text ?? "").Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                all.Add(first && prefix is not null ? $"{prefix}:  {line.TrimEnd('\r')}" : line.TrimEnd('\r'));
                first = false;
            }
        }

        Add(severity, message);
        Add("DETAIL", detail);
        Add("HINT", hint);
        Add("CONTEXT", context);
        return all;
    }

    /// <summary>A line without long runs of blanks: patterns try each place of such a run.</summary>
    private static string Squeezed(string line)
    {
        const int LongestRun = 8;
        var (text, run) = (new System.Text.StringBuilder(line.Length), 0);
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

    [GeneratedRegex(@"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\a\x1b]*(\a|\x1b\\)|[@-Z\\-_])", RegexOptions.None, 1000)]
    private static partial Regex Colour();

    /// <summary>docker compose (db-1  | ), kubernetes (TIME stdout F ), podman and docker logs -t, the journal (Nov 26 08:00:01 host unit[1]: ).</summary>
    [GeneratedRegex(@"^(\s*[\w.-]{1,80}\s+\|\s?|\d{4}-\d\d-\d\dT[\d:.,]{8,18}(Z|[+-]\d\d:?\d\d)\s+((stdout|stderr) [FP] )?|[A-Z][a-z]{2} [ \d]\d [\d:.]{8,15} \S{1,80} [^\s\[\]:]{1,80}(\[\d+\])?: )", RegexOptions.None, 1000)]
    private static partial Regex Before();

    [GeneratedRegex(@",(LOG|FATAL|ERROR|PANIC|WARNING|NOTICE|INFO|DEBUG\d?),[0-9A-Z]{5},""", RegexOptions.None, 1000)]
    private static partial Regex CsvSeverity();
}
