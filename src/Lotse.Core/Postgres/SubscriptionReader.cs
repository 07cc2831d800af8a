namespace Lotse.Postgres;

/// <summary>Subscriptions that pg_upgrade refuses since 17 (check.c check_old_cluster_subscription_state).</summary>
internal static class SubscriptionReader
{
    /// <summary>Those without an origin, and those with a table that is neither waiting (i) nor ready (r), by name.</summary>
    public static UnsteadySubscription[] Read(Catalogs catalogs, IReadOnlyList<Database> databases)
    {
        var subscriptions = Catalogs.By(catalogs.Shared(Catalogs.Subscription), r => r.Oid, r => (Name: r.Text("subname") ?? "?", Database: r.UInt("subdbid") ?? 0));
        if (subscriptions.Count == 0)
        {
            return [];
        }

        var origins = catalogs.Shared(Catalogs.Origin).Select(r => r.Text("roname")).ToHashSet();
        var all = new List<UnsteadySubscription>();
        foreach (var database in databases.Where(d => d.ConnectionLimit != -2 && subscriptions.Values.Any(s => s.Database == d.Oid)))
        {
            all.AddRange(subscriptions.Where(s => s.Value.Database == database.Oid && !origins.Contains($"pg_{s.Key}")).Select(s => new UnsteadySubscription(s.Value.Name, database.Name, null, ' ')));
            var folder = catalogs.DatabaseFolder(database.Oid, database.Tablespace);
            var states = catalogs.Of(folder, Catalogs.SubscriptionRelation).Select(r => (Subscription: r.UInt("srsubid") ?? 0, Table: r.UInt("srrelid") ?? 0, State: r.Char("srsubstate") ?? '?')).Where(r => r.State is not ('i' or 'r')).ToArray();
            if (states.Length == 0)
            {
                continue;
            }

            var namespaces = Catalogs.By(catalogs.Of(folder, Catalogs.Namespace), r => r.Oid, r => r.Text("nspname") ?? "?");
            var tables = Catalogs.By(catalogs.Of(folder, Catalogs.Class).Where(r => states.Any(s => s.Table == r.Oid)), r => r.Oid, r => $"{namespaces.GetValueOrDefault(r.UInt("relnamespace") ?? 0, "?")}.{r.Text("relname")}");
            all.AddRange(states.Select(s => new UnsteadySubscription(subscriptions.TryGetValue(s.Subscription, out var named) ? named.Name : "?", database.Name, tables.GetValueOrDefault(s.Table, "?"), s.State)));
        }

        return [.. all.OrderBy(s => s.Name, StringComparer.Ordinal).ThenBy(s => s.Table, StringComparer.Ordinal)];
    }
}
