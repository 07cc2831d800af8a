namespace Lotse.Postgres;

/// <summary>PostgreSQL clusters: what they are, why an upgrade or a login failed, and the way to the next major version.</summary>
public static class PgArea
{
    /// <summary>This area's line in the table of areas.</summary>
    public static Area Area { get; } = new("pg", "a PostgreSQL upgrade or login fails, or a major upgrade is due", Check, LogDiagnosis.Recognise) { Prove = UpgradeProof.Prove, Foresee = PgForesight.Of };

    private static Report Check(Host host)
    {
        var places = ClusterList.Places(host);
        if (places.Length == 0)
        {
            return new("no PostgreSQL cluster is found", [], [], []);
        }

        return ClusterDiagnosis.Machine([.. places.Select(p => ClusterReader.Read(host, p, deep: false, sizes: false)).Where(r => r.Ok).Select(r => r.Value)], DateOnly.FromDateTime(host.Now.UtcDateTime)) with { Unknowns = [] };
    }
}
