using Lotse.Formats;

namespace Lotse.Postgres;

/// <summary>What an upgrade would meet and how it would go. Pure: facts in, report out.</summary>
internal static class UpgradeDiagnosis
{
    /// <summary>The report of <c>pg plan</c>.</summary>
    public static Report Report(PlanFacts facts)
    {
        var findings = UpgradeFindings.Of(facts);
        return new(Headline(facts, findings), [.. Reasons(facts)], findings, Unknowns(facts)) { Facts = PgJson.Part(facts) };
    }

    private static Text Headline(PlanFacts facts, Finding[] findings)
    {
        var errors = findings.Count(f => f.Severity == Severity.Error);
        var warnings = findings.Count(f => f.Severity == Severity.Warning);
        var what = $"PostgreSQL {facts.Old.Version} to {facts.To}";
        return errors > 0 ? $"{what}: {ClusterFindings.Plural(errors, "thing stands", "things stand")} in the way{(warnings > 0 ? $", {ClusterFindings.Plural(warnings, "more needs", "more need")} a decision" : "")}"
            : warnings > 0 ? $"{what}: nothing stands in the way, {ClusterFindings.Plural(warnings, "thing needs", "things need")} a decision"
            : $"{what}: nothing stands in the way";
    }

    private static IEnumerable<Reason> Reasons(PlanFacts facts)
    {
        var old = facts.Old;
        if (old.Control is { } control)
        {
            yield return new($"{Value.Path(old.Directory)} is a whole cluster of PostgreSQL {old.Version}", control.CrcFits && old.Damages.Length == 0 ? Lotse.Verdict.Yes : Lotse.Verdict.No, "src/include/catalog/pg_control.h",
                new Seen(control.State, $"{old.Directory}/global/pg_control"), new Seen($"{ClusterFindings.Plural(old.Databases.Length, "database", "databases")}, {ClusterFindings.Plural(old.Databases.Sum(d => d.Objects?.Tables ?? 0), "table", "tables")}", "system catalogs"));
        }

        foreach (var reason in RunningReasons.Of(old))
        {
            yield return reason;
        }

        if (facts.To > old.Version)
        {
            yield return new("the new cluster is made like the old one", Lotse.Verdict.Yes, "initdb(1); template0, pg_control and the role with oid 10 of the old cluster", new Seen(string.Join(' ', InitArguments.Of(old, facts.To)), "arguments of initdb"));
            var mode = UpgradeFindings.ModeOf(facts);
            yield return new($"files are brought over by {mode.ToString().ToLowerInvariant()}: {Words(mode)}", Lotse.Verdict.Yes, "pg_upgrade(1)", new Seen($"{facts.Around.Old?.Type ?? "?"} to {facts.Around.New?.Type ?? "?"}, {(facts.Around.New?.FreeBytes is { } free ? Amount.OfKib(free / 1024) : "?")} free", "/proc/self/mountinfo, df"));
        }

        foreach (var reason in Rehearsal.Reasons(facts))
        {
            yield return reason;
        }
    }

    private static string Words(TransferMode mode) => mode switch
    {
        TransferMode.Copy => "the old cluster stays as it is, the data needs room twice",
        TransferMode.Clone => "the old cluster stays as it is, and blocks are shared until they change",
        TransferMode.Link => "quick, and the old cluster is lost once the new server has been started",
        _ => "quickest with many tables, and the old cluster is lost once the new server has been started; lotse notes where every file was",
    };

    private static Unknown[] Unknowns(PlanFacts facts)
    {
        var all = new List<Unknown>();
        all.AddRange(facts.Old.Faults.Select(f => new Unknown($"a part of {Value.Path(facts.Old.Directory)}", f, "as root or the owner: the same command")));
        if (facts.NewInstallation is { LibraryFolder: null, Version: > 0 } installation)
        {
            all.Add(new("which extensions the new version has", $"its libraries are not found near {Value.Path(installation.Programs)}", "name the folder of its programs with --new-bin, as it is installed"));
        }

        all.AddRange(Rehearsal.Unknowns(facts));
        return [.. all];
    }
}
