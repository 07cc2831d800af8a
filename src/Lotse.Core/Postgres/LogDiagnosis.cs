using System.Text.RegularExpressions;

namespace Lotse.Postgres;

/// <summary>A text that may hold messages of PostgreSQL, and where it came from.</summary>
/// <param name="Name">File, or what else it is.</param>
/// <param name="Text">Its content.</param>
internal sealed record LogText(string Name, string Text);

/// <summary>Explains what pg_upgrade, servers and clients of PostgreSQL print. Pure: text in, report out.</summary>
internal static partial class LogDiagnosis
{
    private const int MostFindings = 60;
    private static readonly string[] Words = ["postgres", "pg_", "psql:", "initdb", "PGSQL", "FATAL:  ", "FATAL: ", "fe_sendauth", "libpq", "cluster", "SQLSTATE", "password authentication failed", "error_severity"];
    private static readonly string[] UpgradeWords = ["pg_upgrade", "pg_restore", "Performing Consistency Checks", "Performing Upgrade", "source postmaster", "Failure, exiting"];

    /// <summary>The report on a pasted text; null when nothing in it is PostgreSQL's.</summary>
    public static Report? Recognise(string text) =>
        Words.Any(w => text.Contains(w, StringComparison.Ordinal)) && Explain([new("standard input", text)]) is { Findings.Length: > 0 } report ? report : null;

    /// <summary>The report on logs that belong together. Findings are empty when no line is known.</summary>
    public static Report Explain(IReadOnlyList<LogText> logs)
    {
        var upgrade = logs.Any(l => UpgradeWords.Any(w => l.Text.Contains(w, StringComparison.Ordinal)));
        var found = new List<Finding>();
        string? phase = null, consult = null, failed = null;
        var (complete, passedPoint, linking, gaveUp) = (false, false, false, false);
        foreach (var log in logs)
        {
            foreach (var (number, line) in LogLines.Of(log.Text))
            {
                if (Phase().Match(line) is { Success: true } step)
                {
                    var state = step.Groups["state"].Value.Trim();
                    phase = state is "ok" ? null : step.Groups["name"].Value.Trim();
                    failed = phase ?? failed;
                    gaveUp |= state is "fatal" || state.StartsWith("failed", StringComparison.Ordinal);
                    linking |= step.Groups["name"].Value.Contains("Linking user relation", StringComparison.Ordinal) || step.Groups["name"].Value.Contains("Swapping data dir", StringComparison.Ordinal);
                }

                complete |= line.StartsWith("Upgrade Complete", StringComparison.Ordinal) || line.Contains("Clusters are compatible", StringComparison.Ordinal);
                gaveUp |= line.Contains("Failure, exiting", StringComparison.Ordinal) || line.Contains("*failure*", StringComparison.Ordinal);
                passedPoint |= line.Contains("fails after this point", StringComparison.Ordinal);
                consult = Consult().Match(line) is { Success: true } place ? place.Groups[1].Value : consult;
                if (MayBeOne(line))
                {
                    Add(found, line, $"{log.Name}:{number}", upgrade);
                }
            }
        }

        var findings = Clean(found);
        var reasons = new List<Reason>();
        gaveUp |= consult is not null || findings.Length > 0;
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
        if (findings.Length == 0 && !complete && (upgrade || consult is not null))
        {
            unknowns.Add(new(gaveUp ? "why pg_upgrade failed" : "whether pg_upgrade went through", !gaveUp ? "neither its end nor a failure is in the text" : consult is null ? "no line of it is known" : "the reason stands in another file",
                consult is null ? (Text)"the files in pg_upgrade_output.d of the new cluster: lotse pg why NEWDIR" : $"lotse pg why {Value.Path(consult)}"));
        }

        Text verdict = findings.Length > 0 ? findings[0].Title
            : complete ? "the upgrade went through"
            : upgrade && !gaveUp ? "the output of pg_upgrade ends before it did: whether it went through is not known"
            : upgrade ? "pg_upgrade failed, and its output does not say why"
            : "no line of it is known";
        return new(verdict, [.. reasons], findings, [.. unknowns]);
    }

    /// <summary>Few lines of a log hold a message; a cheap look spares the patterns.</summary>
    private static bool MayBeOne(string line) => line.Contains('"', StringComparison.Ordinal) || Hints().IsMatch(line);

    private static void Add(List<Finding> found, string line, string where, bool upgrade)
    {
        foreach (var message in UpgradeMessages.All.Concat(ServerMessages.All))
        {
            if ((message.OnlyInUpgrade && !upgrade) || found.Count >= MostFindings || message.Of(line) is not { Success: true } match)
            {
                continue;
            }

            var finding = message.Finding(match, line, where);
            if (!found.Any(f => f.Id == finding.Id && f.Subject == finding.Subject))
            {
                found.Add(finding);
            }
        }
    }

    /// <summary>Takes out what another line says better.</summary>
    private static Finding[] Clean(List<Finding> found)
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

        // The general sentence says nothing beside the names.
        found.RemoveAll(f => f.Subject.Content == f.Id[3..] && found.Exists(o => o.Id == f.Id && o.Subject.Content != f.Subject.Content));

        return [.. found.OrderByDescending(f => f.Severity).ThenBy(f => f.Certainty)];
    }

    [GeneratedRegex(@"^(?<name>(Checking|Creating|Analyzing|Freezing|Deleting|Copying|Setting|Resetting|Restoring|Linking|Cloning|Swapping|Adding|Sync|Finding|Performing|Removing|Flushing|Optimizing|Replicating|Transferring)\b.*?)(?<state>\s{2,}(ok|fatal|failed.*|warning|skipped)?\s*|\s+(ok|fatal)|\s*)$", RegexOptions.None, 1000)]
    private static partial Regex Phase();

    [GeneratedRegex(@"Consult the last few lines of ""([^""]+)""", RegexOptions.None, 1000)]
    private static partial Regex Consult();

    [GeneratedRegex(@"cluster|contains|must |libpq|user-supplied|socket|not |Permission|No space|quota|failed|ERROR|FATAL|mismatch|MD5|page|image|initialized", RegexOptions.None, 1000)]
    private static partial Regex Hints();
}
