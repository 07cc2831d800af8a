using System.Reflection;
using System.Text;

namespace Lotse;

/// <summary>
/// The page of a finding: <c>Findings/what-is-wrong.md</c> beside its area. One source for <c>lotse explain</c>, the
/// man page and the documentation. Front matter between two lines <c>---</c>: <c>id</c>, <c>severity</c>,
/// <c>title</c>, and the lists <c>symptoms</c> (strings that people see and paste) and <c>sources</c>; then the text.
/// </summary>
/// <param name="Id">Area and slug.</param>
/// <param name="Severity">The severity it usually has.</param>
/// <param name="Title">One sentence.</param>
/// <param name="Symptoms">Strings people see, matched without regard to case.</param>
/// <param name="Sources">Man pages, kernel files, RFCs.</param>
/// <param name="Body">Markdown: why, a minimal example, remedy, more.</param>
public sealed record FindingPage(string Id, Severity Severity, string Title, string[] Symptoms, string[] Sources, string Body)
{
    /// <summary>Every page, by id.</summary>
    public static IReadOnlyList<FindingPage> All => field ??= Load();

    /// <summary>The page of an id, or null.</summary>
    public static FindingPage? Find(string id) => All.FirstOrDefault(p => p.Id == id);

    /// <summary>Reads a page.</summary>
    /// <exception cref="FormatException">The front matter lacks a field; the message names it.</exception>
    public static FindingPage Parse(string text)
    {
        var end = text.IndexOf("\n---\n", StringComparison.Ordinal);
        if (!text.StartsWith("---\n", StringComparison.Ordinal) || end < 0)
        {
            throw new FormatException("no front matter");
        }

        var values = new Dictionary<string, List<string>>();
        var current = new List<string>();
        foreach (var line in text[4..end].Split('\n'))
        {
            if (line.StartsWith("  - ", StringComparison.Ordinal))
            {
                current.Add(line[4..].Trim().Trim('"'));
            }
            else
            {
                var colon = line.IndexOf(':', StringComparison.Ordinal);
                var value = colon < 0 ? throw new FormatException($"not a field: {line}") : line[(colon + 1)..].Trim();
                values[line[..colon]] = current = value.Length > 0 ? [value] : [];
            }
        }

        string[] Get(string name) => values.TryGetValue(name, out var list) ? [.. list] : throw new FormatException($"no field {name}");
        return new(
            Get("id")[0],
            Enum.TryParse<Severity>(Get("severity")[0], ignoreCase: true, out var severity) ? severity : throw new FormatException("severity is info, warning or error"),
            Get("title")[0],
            Get("symptoms"),
            Get("sources"),
            text[(end + 5)..].Trim('\n') + "\n");
    }

    private static FindingPage[] Load()
    {
        var assembly = Assembly.GetExecutingAssembly();
        return [.. assembly.GetManifestResourceNames()
            .Where(n => n.Contains("/Findings/", StringComparison.Ordinal))
            .Select(n =>
            {
                using var reader = new StreamReader(assembly.GetManifestResourceStream(n)!, Encoding.UTF8);
                return Parse(reader.ReadToEnd());
            })
            .OrderBy(p => p.Id, StringComparer.Ordinal)];
    }
}
