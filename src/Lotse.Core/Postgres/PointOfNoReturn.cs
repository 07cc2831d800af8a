using System.Globalization;
using System.Text;

namespace Lotse.Postgres;

/// <summary>
/// In modes link and swap both clusters share their files: the first start of the new server changes pages that are the
/// old one's too. Until then everything goes back; from then on the only way is on, and whoever comes next goes it to the end.
/// </summary>
internal static class PointOfNoReturn
{
    /// <summary>Whether it has passed.</summary>
    public static bool IsPast(ClusterPrograms programs, UpgradeJob job) => job.SharesFiles && programs.IsMarked(UpgradeSteps.Opened);

    /// <summary>The step that passes it: the new cluster is whole and has its name; now it is opened, for us alone.</summary>
    public static void Pass(ClusterPrograms programs, UpgradeJob job)
    {
        if (programs.ServerOf(job.Old) is not null)
        {
            throw new StepFailedException($"a server works in {ByteText.Escape(job.Old)} again: somebody started it meanwhile");
        }

        programs.Mark(UpgradeSteps.Opened);
        if (!programs.IsMarked(UpgradeSteps.Ready))
        {
            programs.Stop(job.New);
            Finish(programs, job, job.New, true);
            programs.Mark(UpgradeSteps.Ready);
        }
    }

    /// <summary>Does what is left of the upgrade, and tells who wanted to go back.</summary>
    /// <exception cref="NoWayBackException">Always, when it was done.</exception>
    /// <exception cref="StepFailedException">It could not be done; it may be tried again.</exception>
    public static void GoOn(ClusterPrograms programs, UpgradeJob job)
    {
        if (!programs.IsMarked(UpgradeSteps.Ready))
        {
            // Programs of images work in a mount namespace of their own: that step is run as the plan does it.
            if (job.Container is null)
            {
                Pass(programs, job);
            }
            else if (programs.Host.Run([.. UpgradePlan.Apart, Environment.ProcessPath ?? "lotse", "pg", "step", "open", job.File], TimeSpan.FromDays(1)) is not { Ok: true, Value.ExitCode: 0 } ran || !programs.IsMarked(UpgradeSteps.Ready))
            {
                throw new StepFailedException($"there is no way back, and the new cluster could not be opened; all that was said is in {ByteText.Escape(job.Work)}/log");
            }
        }

        if (job.Container is null)
        {
            UpgradeSteps.StartNew(programs, job);
            UpgradeSteps.Statistics(programs, job);
        }
        else
        {
            Containers.ContainerSteps.Start(programs, job);
            Containers.ContainerSteps.Statistics(programs, job);
        }

        throw new NoWayBackException($"there is no way back: {ByteText.Escape(job.Old)} shares its files with {ByteText.Escape(job.New)}, which is whole and has been opened; lotse pg prove compares it with what was noted");
    }

    /// <summary>With the new server alone with us: what changes what was compared, or need not wait for users.</summary>
    public static void Finish(ClusterPrograms programs, UpgradeJob job, string directory, bool rebuild)
    {
        var extensions = programs.Host.Status($"{job.Sockets}/update_extensions.sql").Ok;
        if (!extensions && programs.IsMarked(UpgradeSteps.WasRunning) && !(rebuild && job.Moved.Length > 0))
        {
            return;
        }

        programs.StartPrivately(directory, job.NewPrograms, null);
        foreach (var moved in rebuild ? job.Moved : [])
        {
            Rebuild(programs, job, moved);
        }

        if (extensions)
        {
            programs.Run("update extensions", $"{job.NewPrograms}/psql", "-X", "-q", "-h", job.Sockets, "-p", "50432", "-U", job.Superuser, "-d", "template1", "-f", $"{job.Sockets}/update_extensions.sql");
        }

        if (!programs.IsMarked(UpgradeSteps.WasRunning))
        {
            UpgradeSteps.Analyze(programs, job, job.Sockets, 50432);
        }

        programs.Stop(directory);
    }

    /// <summary>
    /// Rebuilds indexes whose order moved, and only then says that the new versions of their libraries are right: for the
    /// database, and for each collation of users that orders nothing else.
    /// </summary>
    public static void Rebuild(ClusterPrograms programs, UpgradeJob job, MovedIndexes moved)
    {
        // The server splits schema and name, either of which may hold a dot.
        var sql = new StringBuilder("SET standard_conforming_strings = on;\nCREATE TEMP TABLE rebuilt AS SELECT c.oid, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('i', 'I') AND n.nspname || '.' || c.relname IN (")
            .AppendJoin(", ", moved.Indexes.Select(i => $"'{i.Replace("'", "''", StringComparison.Ordinal)}'").DefaultIfEmpty("NULL"))
            .Append(");\nSELECT format('REINDEX INDEX %I.%I', nspname, relname) FROM rebuilt \\gexec\n").Append(OtherCollations);
        if (moved.IsOfAnotherVersion)
        {
            sql.Append("SELECT format('ALTER DATABASE %I REFRESH COLLATION VERSION', datname) FROM pg_database WHERE datname = current_database() AND datcollversion <> pg_database_collation_actual_version(oid) \\gexec\n");

            // A library without versions (musl): the server would warn at every login, refuse databases made from this one, and REFRESH refuses too.
            sql.Append("UPDATE pg_database SET datcollversion = NULL WHERE datname = current_database() AND datcollversion IS NOT NULL AND pg_database_collation_actual_version(oid) IS NULL;\n");
        }

        _ = programs.Query(moved.Database, sql.ToString(), job.Sockets, 50432);
    }

    /// <summary>Collations that also order an index that was not rebuilt (one that follows bytes does not count), a range type, a composite type or partitions keep their version, and the server goes on to warn of them.</summary>
    private const string OtherCollations = """
        SELECT format('ALTER COLLATION %I.%I REFRESH VERSION', n.nspname, c.collname) FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
         WHERE c.oid >= 16384 AND c.collversion <> pg_collation_actual_version(c.oid) AND NOT EXISTS (
               SELECT FROM pg_depend d LEFT JOIN pg_class r ON d.classid = 'pg_class'::regclass AND r.oid = d.objid LEFT JOIN pg_type t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid
                WHERE d.refclassid = 'pg_collation'::regclass AND d.refobjid = c.oid
                  AND (t.typtype = 'r' OR r.relkind = 'c' OR (r.relkind = 'p' AND d.objsubid = 0) OR (r.relkind IN ('i', 'I') AND r.relam NOT IN (SELECT oid FROM pg_am WHERE amname IN ('hash', 'spgist')) AND r.oid NOT IN (SELECT oid FROM rebuilt)))) \gexec

        """;
}
