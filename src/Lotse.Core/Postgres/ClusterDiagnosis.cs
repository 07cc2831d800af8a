using System.Globalization;
using Lotse.Formats;

namespace Lotse.Postgres;

/// <summary>What the files of one cluster say by themselves. Pure: facts in, report out.</summary>
internal static class ClusterDiagnosis
{
    /// <summary>The report of <c>pg facts</c>.</summary>
    public static Report Facts(ClusterFacts facts) => new(Headline(facts), [.. facts.Server is null ? [] : RunningReasons.Of(facts)], ClusterFindings.Of(facts), Unknowns(facts));

    /// <summary>The report of <c>pg why DATADIR</c>: the logs in it, and the state that it was left in.</summary>
    public static Report Why(ClusterFacts facts, IReadOnlyList<LogText> logs)
    {
        var said = LogDiagnosis.Explain(logs);
        var own = ClusterFindings.Of(facts);
        var findings = said.Findings.Concat(own.Where(o => said.Findings.All(f => f.Id != o.Id))).OrderByDescending(f => f.Severity).ToArray();
        return new(findings.Length > 0 ? findings[0].Title : Headline(facts), said.Reasons, findings, [.. said.Unknowns, .. Unknowns(facts)]) { Facts = PgJson.Part(facts) };
    }

    /// <summary>The report of <c>pg hash</c>: who has an md5 hash, and what each line of pg_hba.conf does with it.</summary>
    public static Report Hashes(ClusterFacts facts)
    {
        var people = facts.Roles.Where(r => r.CanLogin).ToArray();
        var md5 = people.Where(r => r.PasswordKind == "md5").ToArray();
        var reasons = new List<Reason>();
        foreach (var role in people)
        {
            var line = facts.Hba.FirstOrDefault(l => l.Type != "local" && l.IsAbout(role.Name));
            reasons.Add(new($"{Value.User(role.Name)}: {(role.PasswordKind == "none" ? "no password" : role.PasswordKind)}{(line is null ? ", and no line of pg_hba.conf about it but local ones" : $", first line about it from elsewhere: {line.Method}")}",
                role.PasswordKind == "md5" ? Lotse.Verdict.No : Lotse.Verdict.Yes, null, line is null ? [] : [new Seen(line.Words, $"{line.File}:{line.Line}")]));
        }

        if (md5.Length > 0)
        {
            var encryption = facts.Setting("password_encryption");
            reasons.Add(new("new passwords are stored as SCRAM", (encryption?.Value ?? (facts.Version >= 14 ? "scram-sha-256" : "md5")) == "scram-sha-256" ? Lotse.Verdict.Yes : Lotse.Verdict.No, "password_encryption; scram-sha-256 by default since 14",
                new Seen(encryption?.Value ?? "not set", encryption is null ? $"default of {facts.Version}" : $"{encryption.File}:{encryption.Line}")));
            reasons.Add(new("lines md5 of pg_hba.conf accept both kinds: leave them until nobody has an md5 hash, then write scram-sha-256", Lotse.Verdict.Yes, "src/backend/libpq/auth.c CheckMD5Auth"));
            reasons.Add(new(@"each one sets the same password again, for example by \password in psql; nobody else has to know it", Lotse.Verdict.Yes, "ALTER ROLE … PASSWORD"));
        }

        Text verdict = md5.Length == 0 ? (Text)"no role has an md5 hash" : $"{md5.Length} of {people.Length} roles that may log in have an md5 hash: {Value.User(string.Join(", ", md5.Take(8).Select(r => r.Name)))}";
        return new(verdict, [.. reasons], [.. ClusterFindings.ScramLines(facts)], Unknowns(facts)) { Answer = PgJson.Part(FactsAnswer.Of(facts)), Facts = PgJson.Part(facts) };
    }

    /// <summary>All clusters of a machine.</summary>
    /// <param name="clusters">Those that were found.</param>
    /// <param name="today">For the end of their lives.</param>
    public static Report Machine(IReadOnlyList<ClusterFacts> clusters, DateOnly today) => new(
        clusters.Count == 0 ? "no PostgreSQL cluster is found" : $"{ClusterFindings.Plural(clusters.Count, "PostgreSQL cluster", "PostgreSQL clusters")}", [],
        [.. clusters.SelectMany(c => ClusterFindings.Of(c).Concat(ClusterFindings.EndOfLife(c, today) is { } end ? [end] : [])).OrderByDescending(f => f.Severity)],
        [.. clusters.SelectMany(c => c.IsRunning ? [] : Unknowns(c))])
    { Answer = PgJson.Part(new ListAnswer([.. clusters.Select(FactsAnswer.Of)])) };

    /// <summary>The answer in a line.</summary>
    public static Text Headline(ClusterFacts facts) => facts.Control is { } control
        ? (Text)$"{Value.Path(facts.Directory)}: PostgreSQL {facts.Version}, {(facts.IsRunning ? "running" : control.State)}{(facts.Sizes is { } sizes ? $", {Amount.OfKib(sizes.TotalBytes / 1024)}" : "")}"
        : $"{Value.Path(facts.Directory)}: PostgreSQL {(facts.Version == 0 ? "of a version that cannot be read" : $"{facts.Version}")}, its control file cannot be read";

    /// <summary>What a person wants to see of a cluster: name and value.</summary>
    public static IEnumerable<(string Name, string Value)> Lines(ClusterFacts facts)
    {
        if (facts.Control is { } control)
        {
            yield return ("state", control.State);
            yield return ("last written", DateTimeOffset.FromUnixTimeSeconds(Math.Clamp(control.WrittenAt, 0, 1L << 36)).ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture));
            yield return ("system identifier", control.SystemIdentifier.ToString(CultureInfo.InvariantCulture));
            yield return ("catalog version", control.CatalogVersion.ToString(CultureInfo.InvariantCulture));
            yield return ("data checksums", control.ChecksumVersion == 0 ? "off" : "on");
            yield return ("WAL segments", Amount.OfKib(control.WalSegmentBytes / 1024));
            yield return ("last checkpoint", PgControl.Lsn(control.Checkpoint));
        }

        yield return ("made by initdb for", facts.BootstrapSuperuser is { } name ? ByteText.Escape(name) : "not known");
        yield return ("owner, mode", $"{facts.Uid}:{facts.Gid} {Convert.ToString(facts.Mode, 8).PadLeft(4, '0')}");
        if (facts.Sizes is { } sizes)
        {
            yield return ("size", $"{Amount.OfKib(sizes.TotalBytes / 1024)} in {sizes.Files} files, {Amount.OfKib(sizes.WalBytes / 1024)} of it write-ahead log");
        }

        yield return ("configuration", facts.ConfigFile is { } file ? ByteText.Escape(file) : "none found");
        foreach (var line in RunningReasons.Lines(facts))
        {
            yield return line;
        }

        foreach (var tablespace in facts.Tablespaces)
        {
            yield return ("tablespace", $"{ByteText.Escape(tablespace.Name)} in {(tablespace.Location is { } location ? ByteText.Escape(location) : "a place that is not there")}");
        }
    }

    /// <summary>What could not be read.</summary>
    public static Unknown[] Unknowns(ClusterFacts facts)
    {
        var all = new List<Unknown>();
        all.AddRange(facts.Faults.Select(f => new Unknown($"a part of {Value.Path(facts.Directory)}", f, "as the owner of the directory, or as root: the same command")));
        if (facts.IsRunning && facts.Server is null)
        {
            all.Add(new("what the server has changed since its last checkpoint", facts.ServerFault is { } fault ? $"it runs, its memory is ahead of its files, and it does not answer: {fault}" : "it runs: its memory is ahead of its files", "as root or its owner, with PGPASSWORD or PGPASSFILE where its pg_hba.conf asks for a password; or stop it and ask again"));
        }

        all.AddRange((facts.Server?.NotAsked ?? []).Select(n => new Unknown("what a database has changed since the last checkpoint", n, "CHECKPOINT in the server, then the same command")));

        return [.. all];
    }
}
