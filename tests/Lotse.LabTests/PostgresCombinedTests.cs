using System.Globalization;
using System.Text.RegularExpressions;
using Xunit;

namespace Lotse.LabTests;

/// <summary>
/// Clusters that hold many things at once, at random: all that <c>pg plan</c> says before any server starts is what pg_upgrade says, round
/// after round, while each thing it names is taken away; and nothing else. LOTSE_WORLDS is how many, LOTSE_SEED where they begin,
/// LOTSE_PAIRS which versions.
/// </summary>
public partial class PostgresCombinedTests(ITestOutputHelper output)
{
    private static readonly (string Id, string File)[] Lists = [("reg-columns", "tables_using_reg.txt"), ("composite", "tables_using_composite.txt"), ("aclitem", "tables_using_aclitem.txt"), ("postfix-op", "postfix_ops.txt"), ("poly-agg", "incompatible_polymorphics.txt"), ("user-conversion", "encoding_conversions.txt"), ("not-null-inherit", "not_null_inconsistent_columns.txt")];

    /// <summary>What pg_upgrade says of a cluster as a whole.</summary>
    private static readonly (string Id, string Words)[] Whole =
    [
        ("ext-missing", "loadable libraries that are missing"), ("db-noconn", "All non-template0 databases must allow"), ("invalid-db", "cannot connect to invalid database"), ("template0-conn", "template0 must not allow"), ("prepared", "contains prepared transactions"),
        ("tablespace-exists", "tablespace directory already exists"), ("preload-missing", "could not access file \"pg_cron\""), ("locale-missing", "invalid value for parameter \"lc_messages\""),
    ];

    private static readonly Dictionary<int, string[]> Catalogs = [];

    [Fact(Explicit = true)]
    public void What_is_planned_for_is_what_pg_upgrade_says()
    {
        Lab.NeedsRoot();
        var first = int.Parse(Environment.GetEnvironmentVariable("LOTSE_SEED") ?? "1", CultureInfo.InvariantCulture);
        var worlds = int.Parse(Environment.GetEnvironmentVariable("LOTSE_WORLDS") ?? "6", CultureInfo.InvariantCulture);
        var pairs = (Environment.GetEnvironmentVariable("LOTSE_PAIRS") ?? "13-15 13-17 13-18 15-17 15-18 17-18").Split(' ');
        var bad = new List<string>();
        for (var seed = first; seed < first + worlds; seed++)
        {
            var pair = pairs[seed % pairs.Length].Split('-');
            var (old, to) = (int.Parse(pair[0], CultureInfo.InvariantCulture), int.Parse(pair[1], CultureInfo.InvariantCulture));
            var notes = new List<string>();
            string told;
            try
            {
                told = One(seed, old, to, notes);
            }
            catch (Exception e) when (e is InvalidOperationException or Xunit.Sdk.XunitException)
            {
                told = "";
                notes.Add(e.Message);
            }

            var line = $"seed {seed} {old}->{to}: {told}{(notes.Count == 0 ? "as it is" : "DIFFERS\n   " + string.Join("\n   ", notes))}";
            output.WriteLine(line);
            File.AppendAllText(Path.Combine(Path.GetTempPath(), "lotse-worlds.log"), line + "\n");
            bad.AddRange(notes);
        }

        Assert.Empty(bad);
    }

    private static string One(int seed, int old, int to, List<string> notes)
    {
        var random = new Random(seed);
        using var lab = new PostgresUpgradeLab(old, to);
        lab.Start();
        var (gone, kept) = Differences(lab);
        var make = new PostgresRandomObjects(random, old, to, gone, kept);
        var planted = new Dictionary<string, (string Id, string Sql)>();
        var fine = new Dictionary<string, string>();
        lab.Ask("CREATE DATABASE v");
        lab.Ask("CREATE DATABASE h");
        for (var i = 0; i < 7; i++)
        {
            make.Schema = $"s{i}";
            var (id, sql) = make.Blocker();
            if (Made(lab, make, sql, "v"))
            {
                planted[make.Schema] = (id, sql);
            }

            make.Schema = $"h{i}";
            var harmless = make.Harmless();
            if (Made(lab, make, harmless, "h"))
            {
                fine[make.Schema] = harmless;
            }
        }

        var whole = Around(lab, random);
        lab.Stop();
        whole.Late.ForEach(l => Pitfall.Conf(lab, l));
        var planned = lab.PlanFull();
        bool Foreseen(string id, string schema) => planned.Any(f => f.Id == id && f.Json.Contains(schema + ".", StringComparison.Ordinal));
        foreach (var (schema, (id, sql)) in planted.Where(p => p.Value.Id != "ext-missing" && !Foreseen(p.Value.Id, p.Key)))
        {
            notes.Add($"not foreseen: {id}: {sql}");
        }

        notes.AddRange(whole.Fixes.Keys.Where(id => !planned.Any(f => f.Id == id)).Select(id => $"not foreseen: {id}"));
        notes.AddRange(planned.Where(f => f.Subject == "h" && f.Severity != "info" && f.Id != "attribute-option").Select(f => $"false alarm {f.Id} {f.Severity}: {f.Json[..Math.Min(600, f.Json.Length)]}\n      {string.Join("\n      ", fine.Where(p => f.Json.Contains(p.Key + ".", StringComparison.Ordinal)).Select(p => p.Value))}"));
        var told = $"{planted.Count} things, {fine.Count} harmless, {string.Join(' ', whole.Fixes.Keys)}; foreseen {string.Join(' ', planned.Where(f => f.Severity == "error").Select(f => f.Id).Distinct().Order(StringComparer.Ordinal))}; ";
        var errors = planned.Where(f => f.Severity == "error").Select(f => f.Id).ToHashSet();
        var rounds = 0;
        for (var over = false; !over && rounds < 30; rounds++)
        {
            lab.MakeNew(lab.Alike());
            var (code, log) = lab.Upgrade();
            if (code == 0)
            {
                break;
            }

            var said = Said(log, planted, notes, planned);
            if (said.Count == 0 && log.Contains("unrecognized parameter \"pg_attver\"", StringComparison.Ordinal))
            {
                // The two minor releases do not go together, and that is foreseen; what lies behind it nobody can see.
                if (!errors.Remove("attribute-option"))
                {
                    notes.Add("not foreseen: attribute-option");
                }

                return told + $"{rounds + 1} rounds, stopped at an option of columns; ";
            }

            var named = lab.Why(log);
            foreach (var (id, _) in said.Where(s => !named.Contains(s.Id)))
            {
                notes.Add($"why does not name {id}, but {string.Join(' ', named)}: {log[..Math.Min(log.Length, 1500)]}");
            }

            notes.AddRange(named.Where(n => !said.Any(s => s.Id == n) && !(n == "invalid-db" && said.Any(s => s.Id == "db-noconn"))).Select(n => $"why names {n}, said was {string.Join(' ', said.Select(s => s.Id).Distinct())}"));
            over = !Mended(lab, said, planted, whole.Fixes);
            if (over)
            {
                notes.Add($"pg_upgrade said what nobody planted: {string.Join(' ', said)} {Tail(log)}");
                return told;
            }
        }

        notes.AddRange(planted.Where(p => p.Value.Id != "ext-missing").Select(p => $"does not block: {p.Value.Id}: {p.Value.Sql}"));
        notes.AddRange(whole.Fixes.Keys.Select(id => $"does not block: {id}"));
        return told + $"{rounds + 1} rounds; ";
    }

    private static bool Made(PostgresUpgradeLab lab, PostgresRandomObjects make, string sql, string database)
    {
        var before = string.Join("; ", make.Preludes);
        make.Preludes.Clear();
        var (code, _) = lab.Try($"{before};\nCREATE SCHEMA {make.Schema}; SET search_path = {make.Schema}, public;\n{sql}", database);
        if (code != 0)
        {
            lab.Try($"DROP SCHEMA IF EXISTS {make.Schema} CASCADE", database);
        }

        return code == 0;
    }

    /// <summary>What blocks the cluster as a whole: how each is taken away again.</summary>
    private static (Dictionary<string, Action<PostgresUpgradeLab>> Fixes, List<string> Late) Around(PostgresUpgradeLab lab, Random random)
    {
        var (fixes, late) = (new Dictionary<string, Action<PostgresUpgradeLab>>(), new List<string>());
        void Live(string id, string sql, string mend)
        {
            lab.Ask(sql);
            fixes[id] = l =>
            {
                l.Start();
                l.Ask(mend);
                l.Stop();
            };
        }

        foreach (var pick in Enumerable.Range(0, 7).OrderBy(_ => random.Next()).Take(random.Next(4)))
        {
            switch (pick)
            {
                case 0:
                    Live("db-noconn", "CREATE DATABASE closed ALLOW_CONNECTIONS false", "ALTER DATABASE closed ALLOW_CONNECTIONS true");
                    break;
                case 1:
                    Live("invalid-db", "CREATE DATABASE inv; UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'inv'", "DROP DATABASE inv");
                    break;
                case 2:
                    Live("template0-conn", "ALTER DATABASE template0 ALLOW_CONNECTIONS true", "ALTER DATABASE template0 ALLOW_CONNECTIONS false");
                    break;
                case 3:
                    Live("prepared", "BEGIN; CREATE TABLE zz (a int); PREPARE TRANSACTION 'x'", "ROLLBACK PREPARED 'x'");
                    break;
                case 4:
                    var place = lab.Folder + "/ts";
                    var version = Lab.Run(TimeSpan.FromMinutes(1), "strings", PostgresUpgradeLab.Programs(lab.New) + "/postgres").Text.Split('\n').First(s => s.StartsWith($"PG_{lab.New}_2", StringComparison.Ordinal));
                    Lab.Run(TimeSpan.FromMinutes(1), "install", "-d", "-o", "postgres", place, $"{place}/{version}");
                    lab.Ask($"CREATE TABLESPACE ts LOCATION '{place}'");
                    fixes["tablespace-exists"] = _ => Lab.Run(TimeSpan.FromMinutes(1), "rmdir", $"{place}/{version}");
                    break;
                default:
                    var (id, line) = pick == 5 ? ("preload-missing", "shared_preload_libraries = 'pg_cron'") : ("locale-missing", "lc_messages = 'xx_XX.UTF-8'");
                    late.Add(line);
                    fixes[id] = l => File.WriteAllText(l.Data + "/postgresql.conf", File.ReadAllText(l.Data + "/postgresql.conf").Replace(line + "\n", "", StringComparison.Ordinal));
                    break;
            }
        }

        return (fixes, late);
    }

    /// <summary>What a run of pg_upgrade named, with the schemas of what it listed; a list that the plan had otherwise is noted.</summary>
    private static List<(string Id, string? Schema)> Said(string log, Dictionary<string, (string Id, string Sql)> planted, List<string> notes, (string Id, string Severity, string Subject, string Json)[] planned)
    {
        var said = new List<(string, string?)>();
        said.AddRange(Whole.Where(w => log.Contains(w.Words, StringComparison.Ordinal)).Select(w => (w.Id, (string?)null)));
        foreach (var (id, file) in Lists)
        {
            var at = log.IndexOf("## " + file, StringComparison.Ordinal);
            if (at < 0)
            {
                continue;
            }

            var end = log.IndexOf("\n## ", at + 1, StringComparison.Ordinal);
            var listed = Schemas().Matches(log[at..(end < 0 ? log.Length : end)]).Select(m => m.Value.Trim('.', '"')).Distinct().Order(StringComparer.Ordinal).ToArray();
            var foreseen = planned.Where(f => f.Id == id).SelectMany(f => Schemas().Matches(f.Json)).Select(m => m.Value.Trim('.', '"')).Where(s => planted.ContainsKey(s) || s[0] == 'h').Distinct().Order(StringComparer.Ordinal).ToArray();
            if (!listed.SequenceEqual(foreseen))
            {
                notes.Add($"{id}: foreseen {string.Join(' ', foreseen)}, listed {string.Join(' ', listed)}");
            }

            said.AddRange(listed.Select(s => (id, (string?)s)));
        }

        if (said.Count == 0 && Restore().Match(log) is { Success: true } command && Schemas().Match(command.Value) is { Success: true } schema && planted.TryGetValue(schema.Value.Trim('.', '"'), out var one))
        {
            said.Add((one.Id, schema.Value.Trim('.', '"')));
        }

        return said;
    }

    /// <summary>Takes away what was said. False: nothing of it was there.</summary>
    private static bool Mended(PostgresUpgradeLab lab, List<(string Id, string? Schema)> said, Dictionary<string, (string Id, string Sql)> planted, Dictionary<string, Action<PostgresUpgradeLab>> fixes)
    {
        var progress = false;
        foreach (var id in said.Where(s => s.Schema is null).Select(s => s.Id == "db-noconn" && !fixes.ContainsKey("db-noconn") ? "invalid-db" : s.Id))
        {
            if (fixes.Remove(id, out var mend))
            {
                mend(lab);
                progress = true;
            }
            else if (id == "tablespace-exists")
            {
                // A round that got as far as the restore has made it.
                Lab.Run(TimeSpan.FromMinutes(1), "sh", "-c", "rm -rf \"$1\"/PG_\"$2\"_*", "sh", lab.Folder + "/ts", $"{lab.New}");
                progress = true;
            }
            else if (id == "ext-missing")
            {
                lab.Start();
                lab.Ask("DROP EXTENSION IF EXISTS adminpack", "v");
                lab.Stop();
                progress = true;
            }
        }

        var schemas = said.Select(s => s.Schema).OfType<string>().Distinct().Where(planted.ContainsKey).ToArray();
        if (schemas.Length > 0)
        {
            lab.Start();
            foreach (var schema in schemas)
            {
                lab.Ask($"DROP SCHEMA {schema} CASCADE", "v");
                planted.Remove(schema);
                progress = true;
            }

            lab.Stop();
        }

        return progress;
    }

    /// <summary>Columns and functions without arguments of the system that the new version has no more, and columns that it still has.</summary>
    private static ((string, string)[] Gone, (string, string)[] Kept) Differences(PostgresUpgradeLab lab)
    {
        const string Ask = """
            SELECT c.relname || '|' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind IN ('r', 'v') AND a.attnum > 0 AND NOT a.attisdropped
            UNION SELECT '|' || proname || '()' FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND pronargs = 0 AND prokind = 'f' AND NOT proretset AND prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype, 'internal'::regtype, 'void'::regtype) AND prorettype NOT IN (SELECT oid FROM pg_type WHERE typtype = 'p')
            """;
        if (!Catalogs.TryGetValue(lab.Old, out var old))
        {
            Catalogs[lab.Old] = old = lab.Ask(Ask).Split('\n');
        }

        if (!Catalogs.TryGetValue(lab.New, out var now))
        {
            using var other = new PostgresUpgradeLab(lab.New, lab.New);
            other.Start();
            Catalogs[lab.New] = now = other.Ask(Ask).Split('\n');
        }

        static (string, string)[] Two(IEnumerable<string> all) => [.. all.Order(StringComparer.Ordinal).Select(l => l.Split('|')).Select(f => (f[0], f[1]))];
        return (Two(old.Except(now)), Two(old.Intersect(now).Where(l => l[0] != '|')));
    }

    private static string Tail(string log) => log[Math.Max(0, log.Length - 1500)..];

    [GeneratedRegex(@"(?<!\w)""?[sh]\d+""?\.")]
    private static partial Regex Schemas();

    [GeneratedRegex(@"(?<=pg_restore: error: .*Command was:).*", RegexOptions.Singleline)]
    private static partial Regex Restore();
}
