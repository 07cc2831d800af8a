using System.Globalization;

namespace Lotse.Postgres;

/// <summary>Proof that the new cluster holds what the old one held: noted before, noted afterwards, compared.</summary>
internal static class UpgradeProof
{
    /// <summary>Counts and digests of every table, sequences and grants; the same SQL on both versions.</summary>
    private const string Contents = """
        SET extra_float_digits = 3; SET timezone = 'UTC'; SET datestyle = 'ISO'; SET intervalstyle = 'postgres'; SET bytea_output = 'hex'; SET row_security = off;
        SELECT format('SELECT %L, count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM ONLY %I.%I t', 'content'||chr(31)||n.nspname||'.'||c.relname, n.nspname, c.relname)
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind = 'r' AND c.oid >= 16384 AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1 \gexec
        SELECT 'sequence', schemaname||'.'||sequencename, last_value FROM pg_sequences ORDER BY 2;
        SELECT 'large objects', count(*), coalesce(sum(hashtextextended(loid::text||':'||pageno||':'||encode(data, 'hex'), 0)::numeric), 0) FROM pg_largeobject;
        SELECT 'grant', c.oid::regclass::text, coalesce(g.rolname, 'public'), a.privilege_type, a.is_grantable
          FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
         WHERE c.oid >= 16384 AND a.privilege_type <> 'MAINTAIN' ORDER BY 2, 3, 4;
        """;

    /// <summary>Notes what the stopped old cluster holds; its contents through a server of its own that only we reach.</summary>
    public static void NoteBefore(ClusterPrograms programs, UpgradeJob job)
    {
        var lines = Held(programs, job.Old);
        if (job.CompareContents)
        {
            programs.StartPrivately(job.Old, job.OldPrograms, job.OutsideConfig);
            lines = [.. lines, .. Asked(programs, job)];
            programs.Stop(job.Old);
        }

        programs.Write($"{job.Marks}/before.tsv", ByteText.Encode(string.Concat(lines.Select(l => l + "\n"))));
    }

    /// <summary>Notes what the unfinished new cluster holds, through the server that runs; it is stopped for the files.</summary>
    public static void NoteAfter(ClusterPrograms programs, UpgradeJob job)
    {
        var asked = job.CompareContents ? Asked(programs, job) : [];
        programs.Write($"{job.Marks}/asked.tsv", ByteText.Encode(string.Concat(asked.Select(l => l + "\n"))), durable: false);
    }

    /// <summary>Compares both; the first differences are the error.</summary>
    public static void MustHold(ClusterPrograms programs, UpgradeJob job)
    {
        var asked = Lines(programs.Host, $"{job.Marks}/asked.tsv") ?? throw new StepFailedException("what the new cluster holds was not noted");
        string[] after = [.. Held(programs, job.Unfinished), .. asked];
        programs.Write($"{job.Marks}/after.tsv", ByteText.Encode(string.Concat(after.Select(l => l + "\n"))));
        var (lost, gained) = Differences(programs.Host, job) ?? throw new StepFailedException("what the old cluster held was not noted");
        if (lost.Length + gained.Length > 0)
        {
            throw new StepFailedException($"the new cluster is not what the old one was: {string.Join("; ", lost.Take(3).Select(l => "lost " + l).Concat(gained.Take(3).Select(g => "found " + g))).Replace('\t', ' ')}");
        }
    }

    /// <summary>The report after the last step: what was compared, and what the new cluster is now.</summary>
    public static Report Prove(Host host, Plan plan)
    {
        if (plan.Proof is not [var file, ..] || UpgradeJob.Read(host, file) is not { Ok: true, Value: var job } || ClusterReader.Read(host, job.New, deep: false, sizes: false) is not { Ok: true, Value: var now })
        {
            return new("the new cluster cannot be read", [], [], [new("whether the upgrade worked", "the job or the new cluster is not there", $"lotse pg facts {Value.Path(plan.Proof.FirstOrDefault() ?? "NEW")}")]);
        }

        var before = Lines(host, $"{job.Marks}/before.tsv") ?? [];
        var differences = Differences(host, job);
        var same = differences is { Lost.Length: 0, Gained.Length: 0 } && before.Length > 0;
        var wasRunning = host.Status($"{job.Marks}/{UpgradeSteps.WasRunning}").Ok;
        var tables = before.Count(l => l.StartsWith("relation\t", StringComparison.Ordinal) && l.Split('\t') is [_, _, "r" or "m", ..]);
        var hba = job.HbaFile is null || (host.ReadFile(job.HbaFile) is { Ok: true } old && host.ReadFile(job.NewHba) is { Ok: true } carried && old.Value.AsSpan().SequenceEqual(carried.Value));
        var isUp = now.Version == job.To && (wasRunning ? now.IsRunning : now.Control is { IsShutDown: true });
        var reasons = new List<Reason>
        {
            new($"{Value.Path(job.New)} is of PostgreSQL {job.To} and {(wasRunning ? "its server runs" : "was stopped in order")}", isUp ? Verdict.Yes : Verdict.No, null, new Seen($"{now.Version}, {(now.IsRunning ? "running" : now.Control?.State ?? "?")}", job.New)),
            new($"roles with their passwords, databases, extensions and {ClusterFindings.Plural(tables, "table", "tables")} are the same", same ? Verdict.Yes : Verdict.No, "system catalogs of both clusters, sizes of tables", new Seen($"{before.Length} lines", $"{job.Marks}/before.tsv"), new Seen("compared with", $"{job.Marks}/after.tsv")),
            new("everybody may log in as before: pg_hba.conf is the old one", hba ? Verdict.Yes : Verdict.No, "src/backend/libpq/hba.c", new Seen(job.HbaFile ?? "none", job.NewHba)),
        };
        if (job.CompareContents)
        {
            reasons.Add(new("rows, sequences, large objects and grants are the same", same ? Verdict.Yes : Verdict.No, "count and digest of every table, asked of both servers", new Seen($"{before.Count(l => l.StartsWith("content\t", StringComparison.Ordinal))} tables read", $"{job.Marks}/before.tsv")));
        }

        if (job.Moved.Sum(m => m.Indexes.Length) is > 0 and var rebuilt)
        {
            reasons.Add(new($"{ClusterFindings.Plural(rebuilt, "index whose order moved was", "indexes whose order moved were")} rebuilt before anybody used them", Verdict.Yes, "REINDEX"));
        }

        var left = host.Status($"{job.Marks}/statistics-missing").Ok ? "; statistics are still to be made, by who may log in: vacuumdb --all --analyze-in-stages" : "";
        var proved = same && hba && isUp;
        return new(proved ? (Text)$"PostgreSQL {job.To} in {Value.Path(job.New)} holds what {job.From} in {Value.Path(job.Old)} held; {(job.SharesFiles ? "the old one shares its files and is not to be used again" : "the old cluster is still there")}{left}"
            : "the new cluster is not what the old one was", [.. reasons], [], proved ? [] : [new("whether the new cluster can be used", "a comparison failed", $"{Value.Path(job.Work)} has both lists and all logs")]);
    }

    private static string[] Held(ClusterPrograms programs, string directory)
    {
        var lines = ClusterContent.Lines(programs.Host, directory);
        return lines.Ok ? lines.Value : throw new StepFailedException($"cannot note what {ByteText.Escape(directory)} holds: {lines.Error!.Message}");
    }

    private static string[] Asked(ClusterPrograms programs, UpgradeJob job)
    {
        var databases = programs.Query("template1", "SELECT datname FROM pg_database WHERE datallowconn AND datconnlimit <> -2 ORDER BY 1;", job.Sockets, 50432);
        return [.. databases.SelectMany(d => programs.Query(d[0], Contents, job.Sockets, 50432).Select(r => $"{r[0]}\t{d[0]}\t{string.Join('\t', r.Skip(1))}"))];
    }

    private static (string[] Lost, string[] Gained)? Differences(Host host, UpgradeJob job) =>
        Lines(host, $"{job.Marks}/before.tsv") is { } before && Lines(host, $"{job.Marks}/after.tsv") is { } after
            ? ([.. before.Except(after)], [.. after.Except(before)]) : null;

    private static string[]? Lines(Host host, string file) =>
        host.ReadFile(file, 1 << 30) is { Ok: true } read ? ByteText.Decode(read.Value).Split('\n', StringSplitOptions.RemoveEmptyEntries) : null;
}
