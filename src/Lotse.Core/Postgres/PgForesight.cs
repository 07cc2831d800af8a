using System.Globalization;
using System.Text.RegularExpressions;
using Lotse.Formats;

namespace Lotse.Postgres;

/// <summary>
/// What packages that are about to change break of the clusters of this machine: the programs of a version whose data is
/// here, libraries that its server loads, the order of text. What hooks of apt ask; no server is asked or started.
/// </summary>
internal static partial class PgForesight
{
    /// <summary>What will break; nothing else.</summary>
    public static Report Of(Host host, Upcoming upcoming)
    {
        var concerned = upcoming.Packages.Where(p => p.Name is "libc6" || Icu().IsMatch(p.Name) || Server().IsMatch(p.Name)).ToArray();
        if (concerned.Length == 0)
        {
            return new("nothing found", [], [], []);
        }

        var findings = new List<Finding>();
        foreach (var place in ClusterList.OfPackages(host))
        {
            if (ClusterReader.Read(host, place, deep: true, sizes: false) is { Ok: true, Value: { Version: > 0 } cluster })
            {
                findings.AddRange(Programs(cluster, upcoming));
                findings.AddRange(Libraries(host, cluster, upcoming));
                findings.AddRange(Order(host, cluster, upcoming));
            }
        }

        return new(findings.Count == 0 ? "nothing found" : findings[0].Title, [], [.. findings], []);
    }

    /// <summary>The programs of a version go, and its data stays: no server starts on it, and no upgrade can read it.</summary>
    private static IEnumerable<Finding> Programs(ClusterFacts cluster, Upcoming upcoming)
    {
        var name = $"postgresql-{cluster.Version.ToString(CultureInfo.InvariantCulture)}";
        if (Array.Exists(upcoming.Packages, p => p.Name == name && p is { Old: not null, New: null }))
        {
            yield return new("pg/old-programs-missing", Severity.Error, Certainty.Proven, Value.Path(cluster.Directory), $"{name} is removed, and {Value.Path(cluster.Directory)} is data of PostgreSQL {cluster.Version}: {(cluster.IsRunning ? "its server ends, " : "")}no server will start on it, and no upgrade can read it",
                [new($"the programs of {cluster.Version} stay as long as its data is needed", Verdict.No, "pg_upgrade(1): both versions are needed", new Seen($"{name} is removed", "apt"), new Seen($"{cluster.Version}", $"{cluster.Directory}/PG_VERSION"))],
                [new("upgrade the cluster first; what it would meet", "lotse", "pg", "plan", cluster.Directory, "--to", VersionTables.Lifetimes.Max(l => l.Major).ToString(CultureInfo.InvariantCulture)), new("or keep the package", "apt-mark", "manual", name), new("or drop the cluster when nobody needs its data")]);
        }
    }

    /// <summary>A library goes that the server is told to load, or that functions of a database are in.</summary>
    private static IEnumerable<Finding> Libraries(Host host, ClusterFacts cluster, Upcoming upcoming)
    {
        var prefix = $"postgresql-{cluster.Version.ToString(CultureInfo.InvariantCulture)}-";
        var folder = $"/usr/lib/postgresql/{cluster.Version.ToString(CultureInfo.InvariantCulture)}/lib/";
        foreach (var package in upcoming.Packages.Where(p => p is { Old: not null, New: null } && p.Name.StartsWith(prefix, StringComparison.Ordinal)))
        {
            var files = host.ReadFile($"/var/lib/dpkg/info/{package.Name}.list", 4 << 20) is { Ok: true, Value: var list } ? ByteText.Decode(list).Split('\n') : [];
            foreach (var library in files.Where(f => f.StartsWith(folder, StringComparison.Ordinal) && f.EndsWith(".so", StringComparison.Ordinal)).Select(f => f[folder.Length..^3]).Where(l => !l.Contains('/', StringComparison.Ordinal)))
            {
                if (Array.Find(cluster.Settings, s => s.Name is "shared_preload_libraries" or "session_preload_libraries" && Installations.Names(s.Value).Any(n => UpgradeFindings.Base(n) == library)) is { } setting)
                {
                    yield return new("pg/preload-missing", Severity.Error, Certainty.Proven, new(library, ValueKind.Plain), $"{package.Name} is removed, and {setting.Name} of {Value.Path(cluster.Directory)} loads its {library}: {(setting.Name[1] == 'h' ? "the server will not start again" : "no session will begin")}",
                        [new("a library that is missing stops the server", Verdict.No, "src/backend/utils/init/miscinit.c load_libraries", new Seen($"{setting.Name} = {setting.Value}", $"{setting.File}:{setting.Line}"), new Seen($"{folder}{library}.so", $"/var/lib/dpkg/info/{package.Name}.list"))],
                        [new("take it out of the setting first"), new("or keep the package", "apt-mark", "manual", package.Name)]);
                }
                else if (cluster.Databases.FirstOrDefault(d => (d.Objects?.Libraries ?? []).Any(l => UpgradeFindings.Base(l.Name) == library)) is { } database)
                {
                    yield return new("pg/ext-missing", Severity.Error, Certainty.Proven, new(library, ValueKind.Plain), $"{package.Name} is removed, and functions of database {new Value(database.Name, ValueKind.Plain)} in {Value.Path(cluster.Directory)} are in its {library}",
                        [new("the library of a function is there when it is called", Verdict.No, "src/backend/utils/fmgr/dfmgr.c", new Seen($"{folder}{library}.so", $"/var/lib/dpkg/info/{package.Name}.list"))],
                        [new("DROP EXTENSION first where nobody needs it"), new("or keep the package", "apt-mark", "manual", package.Name)]);
                }
            }
        }
    }

    /// <summary>The library that orders text changes: indexes on text no longer find their rows.</summary>
    private static IEnumerable<Finding> Order(Host host, ClusterFacts cluster, Upcoming upcoming)
    {
        var number = cluster.Version.ToString(CultureInfo.InvariantCulture);
        var program = $"/usr/lib/postgresql/{number}/bin/postgres";
        var linked = ServerLibraries.Of(host, program);
        var (was, now) = (new Installation { Programs = program, LibC = linked.LibC, Icu = linked.Icu }, new Installation { Programs = program, LibC = linked.LibC, Icu = linked.Icu });
        if (linked.LibC?.StartsWith("glibc", StringComparison.Ordinal) == true && upcoming.Upgrade("libc6") is { Old: { } old, New: { } next } && AptHookInput.Upstream(old) is var before && AptHookInput.Upstream(next) is var after)
        {
            (was, now) = (was with { LibC = $"glibc {before}" }, now with { LibC = $"glibc {after}" });
        }

        // A server is linked with one ICU by its number: it changes with the server's own package.
        if (linked.Icu is { } icu && upcoming.Upgrade($"postgresql-{number}") is not null && upcoming.Packages.Select(p => (p.Old, p.New, Icu().Match(p.Name))).FirstOrDefault(p => p is { Old: null, New: not null, Item3.Success: true }) is { New: not null } other && other.Item3.Groups[1].Value != icu)
        {
            now = now with { Icu = other.Item3.Groups[1].Value };
        }

        if (was.LibC == now.LibC && was.Icu == now.Icu)
        {
            yield break;
        }

        var plan = new PlanFacts { Old = cluster, To = cluster.Version, NewDirectory = cluster.Directory, Around = new(), OldInstallation = was, NewInstallation = now };
        foreach (var database in cluster.Databases)
        {
            if (UpgradeFindings.MovedIndexes(plan, database) is { Indexes: [_, ..] indexes } moved)
            {
                yield return new("pg/collation-order", Severity.Warning, Certainty.Inferred, new(database.Name, ValueKind.Plain),
                    $"in database {new Value(database.Name, ValueKind.Plain)} of {Value.Path(cluster.Directory)} the order of text may change with {moved.Now}: {ClusterFindings.Plural(indexes.Length, "index may no longer find its rows", "indexes may no longer find their rows")}, {new Value(UpgradeFindings.Names(indexes), ValueKind.Plain)}",
                    [new("the server orders text by the library that its indexes were built with", Verdict.No, "strcoll(3); PostgreSQL manual, collation versions", new Seen(moved.Was, "installed or recorded"), new Seen(moved.Now, "apt"))],
                    [new("right after the upgrade, before anybody writes: REINDEX of these indexes, then ALTER DATABASE … REFRESH COLLATION VERSION (since 15), in this order"), new("look for doubles in unique keys before: REINDEX refuses them")]);
            }
        }
    }

    [GeneratedRegex(@"^libicu(\d+)$")]
    private static partial Regex Icu();

    [GeneratedRegex(@"^postgresql-\d+(-|$)")]
    private static partial Regex Server();
}
