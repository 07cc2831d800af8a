namespace Lotse.Postgres;

/// <summary>What a later major version would find wrong with a cluster, as far as the cluster itself says it.</summary>
/// <param name="Version">The major version.</param>
/// <param name="Breaks">Ids of findings that stand in the way, or hurt unless something is decided.</param>
public sealed record LaterVersion(int Version, string[] Breaks);

/// <summary>Looks ahead: the questions of a plan that need no installation of the new version. Pure.</summary>
internal static class Outlook
{
    /// <summary>Every released version above the cluster's own, the next one first.</summary>
    public static LaterVersion[] Of(ClusterFacts facts) =>
        [.. VersionTables.Lifetimes.Where(l => l.Major > facts.Version && facts.Version > 0).OrderBy(l => l.Major).Select(l => new LaterVersion(l.Major, Breaks(facts, l.Major)))];

    private static string[] Breaks(ClusterFacts facts, int to) =>
        [.. UpgradeFindings.OfCluster(new() { Old = facts, To = to, NewDirectory = facts.Directory, Around = new() }).Where(f => f.Severity >= Severity.Warning).Select(f => f.Id).Distinct().Order(StringComparer.Ordinal)];
}
