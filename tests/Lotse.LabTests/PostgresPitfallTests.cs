using System.Text.RegularExpressions;
using Xunit;

namespace Lotse.LabTests;

/// <summary>Every kind of trouble, for real: planned for before any server starts, met by pg_upgrade, and named from its logs alone.</summary>
public partial class PostgresPitfallTests
{
    private static readonly (string Id, int Old, int New, string Also, string Silent)[] Kinds =
        [.. File.ReadLines(Path.Combine(Lab.Checkout(), "tests", "data", "pg", "kinds.tsv")).Where(l => !l.StartsWith('#')).Select(l => l.Split('\t')).Select(f => (f[0], int.Parse(f[1], null), int.Parse(f[2], null), f[3], f[4]))];

    /// <summary>What is said of any cluster of these tests, and stands in nobody's way.</summary>
    private static readonly string[] Always = ["as-root", "end-of-life"];

    /// <summary>All kinds, or those that LOTSE_KINDS names.</summary>
    public static TheoryData<string> All => [.. Kinds.Select(k => k.Id).Where(i => Environment.GetEnvironmentVariable("LOTSE_KINDS") is not { Length: > 0 } few || few.Split(' ').Contains(i))];

    [Fact]
    public void Every_kind_has_a_planting_and_every_planting_is_of_a_kind() =>
        Assert.Equal(Kinds.Select(k => k.Id).Order(StringComparer.Ordinal), Pitfall.All.Select(p => p.Id).Order(StringComparer.Ordinal));

    [Theory(Explicit = true)]
    [MemberData(nameof(All))]
    public void It_is_foreseen_and_named_from_the_log(string id)
    {
        var (_, from, to, also, silent) = Kinds.Single(k => k.Id == id);
        var pitfall = Pitfall.All.Single(p => p.Id == id);
        Lab.NeedsRoot();
        using var lab = new PostgresUpgradeLab(from, to, pitfall.OldWith, pitfall.Place is { } place ? Directory.CreateDirectory($"{place}/lotse-pg-{Environment.ProcessId}").FullName : null);
        void MakeNew() => (pitfall.New ?? (l => l.MakeNew(l.Alike())))(lab);
        if (pitfall.NewFirst)
        {
            MakeNew();
            lab.PlanArguments.AddRange(["--new-data", lab.NewData]);
        }

        pitfall.Plant(lab);
        var before = Sums(lab.Data);
        var planned = lab.Plan();
        Assert.True(id == "old-running-real" || before == Sums(lab.Data), "the plan changed the old cluster");
        if (!pitfall.NewFirst)
        {
            MakeNew();
        }

        pitfall.Then?.Invoke(lab);
        var (code, log) = lab.Upgrade();
        var why = lab.Why(log);
        if (Environment.GetEnvironmentVariable("LOTSE_GOLDEN") == "write" && silent.Length == 0)
        {
            var folder = Directory.CreateDirectory(Path.Combine(Lab.Checkout(), "tests", "data", "pg", "logs"));
            File.WriteAllText(Path.Combine(folder.FullName, id + ".log"), Trimmed(log.Replace(lab.NewData, "/srv/new", StringComparison.Ordinal).Replace(lab.Folder, "/srv/pg", StringComparison.Ordinal)));
        }

        if (silent.StartsWith("harmless", StringComparison.Ordinal))
        {
            Assert.Equal((0, ""), (code, string.Join(' ', planned.Where(f => f.Severity != "info").Select(f => f.Id).Except(Always))));
        }
        else
        {
            Assert.Contains(id, planned.Select(f => f.Id));
        }

        Assert.True(silent.Length > 0 || id == "tablespace-inside" == (code == 0), log);
        Assert.Equal(silent.Length > 0 ? [] : [.. new[] { id, also }.Where(i => i.Length > 0).Order(StringComparer.Ordinal)], why);
    }

    /// <summary>What the programs said, without the commands that went well and the middle of what is still long.</summary>
    private static string Trimmed(string log)
    {
        const int MostLines = 70;
        var text = Temporary().Replace(log, "/srv/");
        foreach (var file in text.Split('\n').Length > 2 * MostLines ? new[] { "pg_upgrade_utility.log", "pg_upgrade_internal.log" } : [])
        {
            var at = text.IndexOf($"## {file}", StringComparison.Ordinal);
            var end = at < 0 ? -1 : text.IndexOf("\n## ", at, StringComparison.Ordinal);
            text = at < 0 ? text : text[..at] + (end < 0 ? "" : text[(end + 1)..]);
        }

        string[] lines = [.. text.Split('\n').Where(l => !l.StartsWith("pg_restore: creating", StringComparison.Ordinal) && !l.Contains("LOG:  checkpoint", StringComparison.Ordinal))];
        return string.Join('\n', lines.Length <= 2 * MostLines ? lines : [.. lines.Take(MostLines), "", .. lines.TakeLast(MostLines)]);
    }

    private static string Sums(string folder) => Lab.Run(TimeSpan.FromMinutes(1), "sh", "-c", "cd \"$1\" && find . -type f -exec sha256sum {} + | sort", "sh", folder).Text;

    [GeneratedRegex("/(tmp|dev/shm)/[^/\"' ]*/")]
    private static partial Regex Temporary();
}
