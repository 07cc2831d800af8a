using System.Globalization;

namespace Lotse.Postgres;

/// <summary>On what an upgrade is rehearsed.</summary>
public enum RehearsalKind
{
    /// <summary>On a copy that shares its blocks (btrfs, xfs): everything, at once.</summary>
    Reflink,

    /// <summary>On a plain copy: everything, and it takes as long as copying does.</summary>
    Copy,

    /// <summary>On the catalogs alone, the tables of users empty: what the schema meets, not how long the files take.</summary>
    Schema,
}

/// <summary>How long a phase took.</summary>
/// <param name="Phase">Its name in the plan.</param>
/// <param name="Seconds">Wall clock.</param>
public sealed record RehearsedPhase(string Phase, double Seconds);

/// <summary>A text that a rehearsal left behind.</summary>
/// <param name="Name">The file.</param>
/// <param name="Text">Its content.</param>
public sealed record RehearsalLog(string Name, string Text);

/// <summary>An upgrade that was tried on a copy while the cluster went on serving.</summary>
/// <param name="Kind">On what.</param>
/// <param name="Phases">What was done, in order.</param>
public sealed record Rehearsal(RehearsalKind Kind, RehearsedPhase[] Phases)
{
    /// <summary>The phase that failed; null: none did.</summary>
    public string? Failed { get; init; }

    /// <summary>What was said when it failed, or where the statistics of the new cluster could not be made.</summary>
    public RehearsalLog[] Logs { get; init; } = [];

    /// <summary>Why there was none; null: there was one.</summary>
    public string? NotDone { get; init; }

    /// <summary>How long a phase of the plan will take; null: not known.</summary>
    public double? Of(string phase) => Kind == RehearsalKind.Schema && phase is "upgrade" or "stop" ? null : Phases.FirstOrDefault(p => p.Phase == phase)?.Seconds;

    /// <summary>From the stop to the first query, seconds.</summary>
    public double Downtime => Phases.Where(p => p.Phase is not ("analyze" or "copy" or "recover" or "init")).Sum(p => p.Seconds);

    /// <summary>What it says of the upgrade.</summary>
    internal static IEnumerable<Reason> Reasons(PlanFacts facts)
    {
        if (facts.Rehearsal is not { NotDone: null } rehearsal)
        {
            yield break;
        }

        var on = rehearsal.Kind switch { RehearsalKind.Reflink => "a copy that shares its blocks", RehearsalKind.Copy => "a copy", _ => "the catalogs, with empty tables" };
        yield return rehearsal.Failed is { } failed
            ? new($"the upgrade was rehearsed on {on}, and failed in the phase {new Value(failed, ValueKind.Plain)}", Verdict.No, "the programs of both versions, run on the copy", Seen())
            : new($"the upgrade was rehearsed on {on}: {Words(rehearsal.Downtime)} from the stop to the first query{(rehearsal.Kind == RehearsalKind.Schema && !facts.SharesFiles ? ", and the time to bring the files over besides" : "")}", Verdict.Yes, "the programs of both versions, run on the copy", Seen());

        Seen[] Seen() => [.. rehearsal.Phases.Select(p => new Seen(Words(p.Seconds), p.Phase))];
    }

    /// <summary>What went wrong, by the catalogue of messages; a line that nobody knows is told as it is.</summary>
    internal static IEnumerable<Finding> Findings(PlanFacts facts)
    {
        if (facts.Rehearsal is not { Logs.Length: > 0 } rehearsal)
        {
            yield break;
        }

        var known = LogDiagnosis.Explain([.. rehearsal.Logs.Select(l => new LogText(l.Name, l.Text))]).Findings;
        foreach (var finding in known)
        {
            yield return finding with { Severity = rehearsal.Failed is null && finding.Severity == Severity.Error ? Severity.Warning : finding.Severity };
        }

        if (known.All(f => f.Severity < (rehearsal.Failed is null ? Severity.Warning : Severity.Error)))
        {
            var (name, line) = rehearsal.Logs.Select(l => (l.Name, Line: l.Text.Split('\n').LastOrDefault(t => t.Contains("rror", StringComparison.Ordinal) || t.Contains("FATAL", StringComparison.Ordinal)) ?? l.Text.Trim().Split('\n')[^1])).First();
            yield return new("pg/rehearsal-failed", rehearsal.Failed is null ? Severity.Warning : Severity.Error, Certainty.Proven, Value.Path(facts.Old.Directory), $"the rehearsal failed in the phase {new Value(rehearsal.Failed ?? "analyze", ValueKind.Plain)}: {new Value(line.Trim(), ValueKind.Plain)}",
                [new("the programs of the new version were run on a copy of this cluster, and said so", Verdict.Yes, "the rehearsal", new Seen($"{new Value(line.Trim(), ValueKind.Plain)}", name))], [new("mend what it names in the running cluster, and rehearse again")]);
        }
    }

    /// <summary>Why there was none, for who asked for one.</summary>
    internal static IEnumerable<Unknown> Unknowns(PlanFacts facts)
    {
        if (facts.Rehearsal?.NotDone is { } why)
        {
            yield return new("how the upgrade goes in earnest", why, "lotse pg plan … --rehearse, when that is mended");
        }
    }

    private static string Words(double seconds) => string.Create(CultureInfo.InvariantCulture, $"{seconds:0.0} s");
}
