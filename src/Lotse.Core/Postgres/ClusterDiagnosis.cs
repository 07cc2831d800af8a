using System.Globalization;
using Lotse.Formats;

namespace Lotse.Postgres;

/// <summary>What the files of one cluster say by themselves. Pure: facts in, report out.</summary>
internal static class ClusterDiagnosis
{
    /// <summary>The report of <c>pg facts</c>.</summary>
    public static Report Facts(ClusterFacts facts) => new(Headline(facts), [], ClusterFindings.Of(facts), Unknowns(facts));

    /// <summary>The answer in a line.</summary>
    public static Text Headline(ClusterFacts facts) => facts.Control is { } control
        ? $"{Value.Path(facts.Directory)}: PostgreSQL {facts.Version}, {(facts.IsRunning ? "running" : control.State)}{(facts.Sizes is { } sizes ? $", {Amount.OfKib(sizes.TotalBytes / 1024)}" : "")}"
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
        if (facts.IsRunning)
        {
            all.Add(new("what the server has changed since its last checkpoint", "it runs: its memory is ahead of its files", "ask the server itself, or stop it and ask again"));
        }

        return [.. all];
    }
}
