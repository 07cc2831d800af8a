namespace Lotse.Postgres;

/// <summary>PostgreSQL clusters: what they are, why an upgrade or a login failed, and the way to the next major version.</summary>
public static class PgArea
{
    /// <summary>This area's line in the table of areas.</summary>
    public static Area Area { get; } = new("pg", "a PostgreSQL upgrade or login fails, or a major upgrade is due", static _ => new("nothing found", [], [], []), static _ => null);
}
