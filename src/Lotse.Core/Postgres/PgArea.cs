namespace Lotse.Postgres;

/// <summary>PostgreSQL clusters: what they are, why an upgrade or a login failed, and the way to the next major version.</summary>
public static class PgArea
{
    /// <summary>This area's line in the table of areas.</summary>
    public static Area Area { get; } = new("pg", "a PostgreSQL upgrade or login fails, or a major upgrade is due", Check, LogDiagnosis.Recognise) { Prove = UpgradeProof.Prove, Foresee = PgForesight.Of };

    private static Report Check(Host host)
    {
        // Volumes of container engines are closed to everybody but root, and most hold no cluster: of them nothing is said.
        var closed = new List<string>();
        var places = ClusterList.Places(host, closed);
        closed.RemoveAll(ClusterList.IsOfEngines);
        var read = places.Select(p => (Place: p, Read: ClusterReader.Read(host, p, deep: false, sizes: false))).ToArray();
        closed.AddRange(read.Where(r => r.Read.Error?.Kind == HostErrorKind.Denied).Select(r => r.Place));
        var report = places.Length == 0 ? new("no PostgreSQL cluster is found", [], [], [])
            : ClusterDiagnosis.Machine([.. read.Where(r => r.Read.Ok).Select(r => r.Read.Value)], DateOnly.FromDateTime(host.Now.UtcDateTime));
        return report with { Unknowns = [.. closed.Select(ClusterList.Closed)] };
    }
}
