using System.Globalization;
using System.Text;

namespace Lotse.Postgres;

/// <summary>What differs from version to version, from the tables in Data.</summary>
internal static class VersionTables
{
    /// <summary>A setting that a version no longer knows.</summary>
    /// <param name="Name">Lower case.</param>
    /// <param name="GoneIn">First major version without it.</param>
    /// <param name="Instead">What takes its place.</param>
    public sealed record RemovedSetting(string Name, int GoneIn, string Instead);

    /// <summary>A column of a system catalog or view that a version no longer has.</summary>
    /// <param name="View">Without its schema.</param>
    /// <param name="Column">Its column.</param>
    /// <param name="GoneIn">First major version without it.</param>
    public sealed record RemovedColumn(string View, string Column, int GoneIn);

    /// <summary>A function of pg_catalog that a version no longer has.</summary>
    /// <param name="Name">With its arguments.</param>
    /// <param name="GoneIn">First major version without it.</param>
    public sealed record RemovedFunction(string Name, int GoneIn);

    /// <summary>Until when a major version is kept: the policy's five years after its first release.</summary>
    /// <param name="Major">Version.</param>
    /// <param name="Until">The last planned release.</param>
    public sealed record Lifetime(int Major, DateOnly Until);

    public static IReadOnlyList<RemovedSetting> Settings => field ??= [.. Rows("removed-settings.tsv").Select(r => new RemovedSetting(r[0], Number(r[1]), r[2]))];

    public static IReadOnlyList<RemovedColumn> Columns => field ??= [.. Rows("removed-columns.tsv").Select(r => new RemovedColumn(r[0][(r[0].IndexOf('.', StringComparison.Ordinal) + 1)..], r[1], Number(r[2])))];

    /// <summary>By oid, which does not change from version to version.</summary>
    public static IReadOnlyDictionary<uint, RemovedFunction> Functions => field ??= Rows("removed-functions.tsv").ToDictionary(r => uint.Parse(r[0], CultureInfo.InvariantCulture), r => new RemovedFunction(r[1], Number(r[2])));

    public static IReadOnlyList<Lifetime> Lifetimes => field ??= [.. Rows("lifetimes.tsv").Select(r => new Lifetime(Number(r[0]), DateOnly.ParseExact(r[1], "yyyy-MM-dd", CultureInfo.InvariantCulture)))];

    /// <summary>The version of Unicode that is built into a major version, as its unicode_version() says; null: before 17 nothing asks for it.</summary>
    public static string? Unicode(int major) => (unicode ??= Rows("unicode.tsv").ToDictionary(r => Number(r[0]), r => r[1])).GetValueOrDefault(major);

    private static Dictionary<int, string>? unicode;

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    /// <summary>The rows of a table in Data, without its comments.</summary>
    internal static IEnumerable<string[]> Rows(string name)
    {
        using var reader = new StreamReader(typeof(VersionTables).Assembly.GetManifestResourceStream($"Postgres/Data/{name}")!, Encoding.UTF8);
        return [.. reader.ReadToEnd().Split('\n').Where(l => l.Length > 0 && l[0] != '#').Select(l => l.Split('\t'))];
    }
}
