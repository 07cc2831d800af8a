using System.Text.RegularExpressions;
using Lotse.Formats;

namespace Lotse.Postgres;

/// <summary>A text that may hold messages of PostgreSQL, and where it came from.</summary>
/// <param name="Name">File, or what else it is.</param>
/// <param name="Text">Its content.</param>
internal sealed record LogText(string Name, string Text);

/// <summary>Explains what pg_upgrade, servers and clients of PostgreSQL print. Pure: text in, report out.</summary>
internal static partial class LogDiagnosis
{
    /// <summary>All that is known, the telling ones first.</summary>
    internal static IReadOnlyList<Message> Messages => field ??= [.. UpgradeMessages.All, .. ServerMessages.All, .. StartMessages.All, .. ClientMessages.All];

    private const int MostFindings = 60, LongestMessage = 2048;
    private static readonly string[] Words = ["postgres", "pg_", "psql:", "initdb", "PGSQL", "FATAL:  ", "FATAL: ", "fe_sendauth", "libpq", "cluster", "SQLSTATE", "password authentication failed", "error_severity"];
    private static readonly string[] UpgradeWords = ["pg_upgrade", "pg_restore", "Performing Consistency Checks", "Performing Upgrade", "source postmaster", "Failure, exiting"];

    /// <summary>The report on a pasted text; null when nothing in it is PostgreSQL's.</summary>
    public static Report? Recognise(string text) =>
        (Words.Any(w => text.Contains(w, StringComparison.Ordinal)) || TranslatedMessages.MayBeIn(text)) && Explain([new("standard input", text)]) is { Findings.Length: > 0 } report ? report : null;

    /// <summary>The report on logs that belong together. Findings are empty when no line is known.</summary>
    public static Report Explain(IReadOnlyList<LogText> logs)
    {
        var lines = logs.SelectMany(Lines).ToList();
        var upgrade = lines.Exists(l => UpgradeWords.Any(w => l.English.Contains(w, StringComparison.Ordinal)));
        var found = new List<Finding>();
        string? phase = null, consult = null, refused = null;
        var (complete, passedPoint, linking, gaveUp) = (false, false, false, false);
        foreach (var line in lines)
        {
            if (Phase().Match(line.English) is { Success: true } step)
            {
                var (name, state) = (step.Groups["name"].Value.Trim(), step.Groups["state"].Value.Trim());
                (phase, refused) = state is "" ? (name, refused) : (null, state is "ok" or "warning" or "notice" or "skipped" ? refused : refused ?? name);
                linking |= name.Contains("Linking user relation", StringComparison.Ordinal) || name.Contains("Swapping data dir", StringComparison.Ordinal);
            }
            else if (line.English.AsSpan().Trim() is "ok" or "warning" or "notice")
            {
                // Steps that name the databases as they go have their word on a line of its own.
                phase = null;
            }

            complete |= line.English.StartsWith("Upgrade Complete", StringComparison.Ordinal) || line.English.Contains("Clusters are compatible", StringComparison.Ordinal);
            gaveUp |= line.English.Contains("Failure, exiting", StringComparison.Ordinal) || line.English.Contains("*failure*", StringComparison.Ordinal);
            passedPoint |= line.English.Contains("fails after this point", StringComparison.Ordinal);
            consult = Consult().Match(line.English) is { Success: true } place ? place.Groups[1].Value : consult;
            if (MayBeOne(line.English))
            {
                Add(found, line, upgrade);
            }
        }

        var failed = refused ?? phase;
        var findings = Clean(found, upgrade);
        gaveUp |= refused is not null || consult is not null || findings.Any(f => f.Severity == Severity.Error);
        var reasons = new List<Reason>();
        if (upgrade && !complete && gaveUp && failed is not null)
        {
            reasons.Add(new($"pg_upgrade stopped at: {new Value(failed, ValueKind.Plain)}", Verdict.Yes, "src/bin/pg_upgrade/pg_upgrade.c", new Seen($"{new Value(failed, ValueKind.Plain)}", "the last step without ok")));
        }

        if (upgrade && !complete && gaveUp && passedPoint)
        {
            reasons.Add(linking
                ? new("the old cluster may still be used", Verdict.No, "src/bin/pg_upgrade/controldata.c disable_old_cluster", new Seen("Linking or Swapping had begun: global/pg_control.old", "the output"))
                : new("the old cluster is as it was; the new one is unfinished, even where it starts", Verdict.Yes, "src/bin/pg_upgrade/pg_upgrade.c: files of the old cluster are only read in modes copy and clone", new Seen("If pg_upgrade fails after this point, you must re-initdb the new cluster", "the output")));
        }

        var unknowns = new List<Unknown>();
        if (!complete && !findings.Any(f => f.Severity == Severity.Error) && (upgrade ? findings.Length == 0 || failed is not null : consult is not null))
        {
            unknowns.Add(new(gaveUp ? "why pg_upgrade failed" : "whether pg_upgrade went through", !gaveUp ? "neither its end nor a failure is in the text" : consult is null ? "no line of it is known" : "the reason stands in another file",
                consult is null ? (Text)"the files in pg_upgrade_output.d of the new cluster: lotse pg why NEWDIR" : $"lotse pg why {Value.Path(consult)}"));
        }

        // A warning on the way is not why it stopped.
        var blocked = upgrade && !complete && gaveUp && failed is not null && findings is [{ Severity: < Severity.Error }, ..];
        Text verdict = blocked ? $"pg_upgrade stopped at: {new Value(failed!, ValueKind.Plain)}"
            : findings.Length > 0 ? findings[0].Title
            : complete ? "the upgrade went through"
            : upgrade && !gaveUp ? "the output of pg_upgrade ends before it did: whether it went through is not known"
            : upgrade ? "pg_upgrade failed, and its output does not say why"
            : "no line of it is known";
        return new(verdict, [.. reasons], findings, [.. unknowns]);
    }

    /// <summary>A line of a log.</summary>
    /// <param name="Said">As it was written.</param>
    /// <param name="English">Without long runs of blanks, and in the language of the patterns.</param>
    /// <param name="Where">Log and number.</param>
    private sealed record Line(string Said, string English, string Where);

    private static IEnumerable<Line> Lines(LogText log)
    {
        // A server speaks one language; the first message that has one tells.
        string? language = null;
        foreach (var (number, text) in PastedLog.Lines(log.Text))
        {
            // A message stands at the beginning of its line; what follows is somebody's statement.
            var squeezed = PastedLog.Squeezed(text.AsSpan(0, Math.Min(text.Length, LongestMessage)));
            yield return new(text, TranslatedMessages.English(squeezed, ref language), $"{log.Name}:{number}");
        }
    }

    /// <summary>Few lines of a log hold a message; a cheap look spares the patterns.</summary>
    internal static bool MayBeOne(string line) => Hints().IsMatch(line);

    private static void Add(List<Finding> found, Line line, bool upgrade)
    {
        foreach (var message in Messages)
        {
            if ((message.OnlyInUpgrade && !upgrade) || found.Count >= MostFindings || message.Of(line.English) is not { Success: true } match)
            {
                continue;
            }

            var finding = message.Finding(match, line.Said, line.Where);
            if (!found.Any(f => f.Id == finding.Id && f.Subject == finding.Subject))
            {
                found.Add(finding);
            }
        }
    }

    /// <summary>Takes out what another line says better.</summary>
    private static Finding[] Clean(List<Finding> found, bool upgrade)
    {
        bool Has(params ReadOnlySpan<string> ids)
        {
            foreach (var id in ids)
            {
                if (found.Exists(f => f.Id == id))
                {
                    return true;
                }
            }

            return false;
        }

        if (Has("pg/install-user"))
        {
            found.RemoveAll(f => f.Id == "pg/role-missing");
        }

        if (Has("pg/poly-agg"))
        {
            found.RemoveAll(f => f.Id == "pg/function-search-path");
        }

        // One line that names a removed function is known as that, and not as a question of search_path.
        found.RemoveAll(f => f.Id == "pg/function-search-path" && found.Exists(o => o.Id == "pg/view-removed-col" && o.Reasons[0].Seen[0].Where == f.Reasons[0].Seen[0].Where));

        // What a line says in particular goes before what it says of all restores, libraries and clients.
        found.RemoveAll(f => f.Id is "pg/restore-failed" or "pg/ext-missing" && found.Exists(o => o != f && o.Id is not ("pg/restore-failed" or "pg/ext-missing") && o.Reasons[0].Seen[0].Where == f.Reasons[0].Seen[0].Where));

        // A client is told less than the log says of the same user.
        found.RemoveAll(f => f.Id == "pg/password-failed" && found.Exists(o => o.Id is "pg/md5-scram-line" or "pg/no-password" or "pg/password-expired" && o.Subject == f.Subject));
        if (found.Exists(f => f is { Id: "pg/invalid-db", Certainty: Certainty.Proven }))
        {
            found.RemoveAll(f => f is { Id: "pg/invalid-db", Certainty: Certainty.Inferred });
        }

        else if (found.FindIndex(f => f.Id == "pg/db-noconn") is >= 0 and var closed && Has("pg/invalid-db"))
        {
            // Newer versions say one sentence of both: closed databases, and half dropped ones.
            found[closed] = found[closed] with { Certainty = Certainty.Inferred };
        }

        // pg_upgrade starts the servers itself: that nobody answered it, or that a lock file is there, follows from what is said of the cluster.
        if (upgrade && Has("pg/old-running", "pg/stale-pid"))
        {
            found.RemoveAll(f => f.Id == "pg/already-running");
        }

        if (upgrade && found.Exists(f => f.Id != "pg/no-server" && (f.Severity == Severity.Error || f.Id == "pg/stale-pid")))
        {
            found.RemoveAll(f => f.Id == "pg/no-server");
        }

        // The general sentence says nothing beside the names.
        found.RemoveAll(f => f.Subject.Content == f.Id[3..] && found.Exists(o => o.Id == f.Id && o.Subject.Content != f.Subject.Content));

        return [.. found.OrderByDescending(f => f.Severity).ThenBy(f => f.Certainty)];
    }

    [GeneratedRegex(@"^(?<name>(Checking|Creating|Analyzing|Freezing|Deleting|Copying|Setting|Resetting|Restoring|Linking|Cloning|Swapping|Adding|Sync|Finding|Performing|Removing|Flushing|Optimizing|Replicating|Transferring)\b.*?)(?<state>\s{2,}(ok|fatal|failed.*|warning|notice|skipped)?\s*|\s+(ok|fatal)|\s*)$", RegexOptions.None, 1000)]
    private static partial Regex Phase();

    [GeneratedRegex(@"Consult the last few lines of ""([^""]+)""", RegexOptions.None, 1000)]
    private static partial Regex Consult();

    [GeneratedRegex(@"config_file=|password|parameter|origin is missing|plugin|cluster|contains|must |libpq|user-supplied|socket|not |Permission|permission denied|No space|quota|failed|[Ee]rror|ERROR|FATAL|mismatch|MD5|page|image|initialized|loadable|checkpoint record|authentication|address already|ECONNREFUSED|newer than the dat|no actual |is reserved", RegexOptions.None, 1000)]
    private static partial Regex Hints();
}
