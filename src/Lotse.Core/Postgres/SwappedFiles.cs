using System.Globalization;

namespace Lotse.Postgres;

/// <summary>
/// The way back of mode swap. pg_upgrade renames the folder of each database into the new cluster, its catalogs into
/// moved_for_upgrade in the old one, and the new catalogs among its tables (src/bin/pg_upgrade/relfilenumber.c do_swap).
/// No file of the old cluster is removed or written, so each is known by its inode, wherever a kill has left it.
/// </summary>
internal static class SwappedFiles
{
    private const string List = "files.tsv", Aside = "moved_for_upgrade";

    /// <summary>What one call of a program takes: far below what exec(2) does.</summary>
    private const int Batch = 500;

    /// <summary>Whether files of the old cluster may be elsewhere.</summary>
    public static bool AreAway(ClusterPrograms programs) => programs.IsMarked(List);

    /// <summary>Notes every file of every database, before anything is moved.</summary>
    public static void Note(ClusterPrograms programs, UpgradeJob job)
    {
        var lines = new List<string>();
        foreach (var (old, _) in Places(programs.Host, job))
        {
            foreach (var database in Databases(programs.Host, old))
            {
                lines.Add($"{Inode(programs.Host, $"{old}/{database}")}\t{old}/{database}");
                lines.AddRange((programs.Host.List($"{old}/{database}") is { Ok: true } files ? files.Value : []).Where(IsKept).Select(f => $"{Inode(programs.Host, $"{old}/{database}/{f}")}\t{old}/{database}/{f}"));
            }
        }

        programs.Write($"{job.Marks}/{List}", ByteText.Encode(string.Concat(lines.Select(l => l + "\n"))));
    }

    /// <summary>Brings every file back to its place. May be cut short and repeated.</summary>
    /// <exception cref="StepFailedException">One is nowhere, or cannot be moved: then nothing else may be removed.</exception>
    public static void GiveBack(ClusterPrograms programs, UpgradeJob job)
    {
        var host = programs.Host;
        if (!AreAway(programs))
        {
            return;
        }

        if (host.ReadFile($"{job.Marks}/{List}", 1 << 30) is not { Ok: true } read)
        {
            throw new StepFailedException($"cannot read {ByteText.Escape(job.Marks)}/{List}");
        }

        var noted = ByteText.Decode(read.Value).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split('\t', 2)).ToDictionary(w => w[1], w => ulong.Parse(w[0], CultureInfo.InvariantCulture), StringComparer.Ordinal);
        foreach (var (old, now) in Places(host, job))
        {
            foreach (var folder in noted.Keys.Where(p => p[..p.LastIndexOf('/')] == old).ToArray())
            {
                Return(programs, noted, folder, now + folder[old.Length..], $"{old}/{Aside}/{folder[(old.Length + 1)..]}_old_catalogs");
            }

            if (host.Status($"{old}/{Aside}").Ok)
            {
                programs.RunIn(old, "rm", "-rf", "--one-file-system", "./" + Aside);
            }

            programs.RunIn(old, "sync", ".");
        }

        programs.Unmark(List);
    }

    private static void Return(ClusterPrograms programs, Dictionary<string, ulong> noted, string folder, string elsewhere, string catalogs)
    {
        var host = programs.Host;
        if (Inode(host, folder) != noted[folder])
        {
            if (Inode(host, elsewhere) != noted[folder] || host.Status(folder).Ok)
            {
                throw new StepFailedException($"{ByteText.Escape(folder)} is neither there nor in {ByteText.Escape(elsewhere)}");
            }

            var place = folder[..folder.LastIndexOf('/')];
            programs.RunIn(place, "mv", "-T", "-n", Relative(place, elsewhere), "./" + folder[(folder.LastIndexOf('/') + 1)..]);
        }

        if (host.Status(catalogs).Ok)
        {
            // Whatever was not here before is the new cluster's: its catalogs.
            var strangers = (host.List(folder) is { Ok: true } names ? names.Value : []).Where(n => IsKept(n) && noted.GetValueOrDefault($"{folder}/{n}") != Inode(host, $"{folder}/{n}")).ToArray();
            InBatches(strangers, part => programs.RunIn(folder, ["rm", "-f", "--", .. part]));
            var away = noted.Where(n => n.Key.StartsWith(folder + "/", StringComparison.Ordinal) && !host.Status(n.Key).Ok).ToArray();
            InBatches([.. away.Select(n => $"{catalogs}{n.Key[folder.Length..]}").Where(p => host.Status(p).Ok).Select(p => Relative(folder, p))], part => programs.RunIn(folder, ["mv", "-n", "-t", ".", "--", .. part]));
        }

        if (noted.FirstOrDefault(n => n.Key.StartsWith(folder + "/", StringComparison.Ordinal) && Inode(host, n.Key) != n.Value) is { Key: { } missing })
        {
            throw new StepFailedException($"{ByteText.Escape(missing)} is not the file that it was");
        }
    }

    /// <summary>A path as it is named in a folder: folders above both may be closed to the owner of the data.</summary>
    private static string Relative(string folder, string path)
    {
        string[] from = folder.Split('/'), to = path.Split('/');
        var same = from.Zip(to).TakeWhile(p => p.First == p.Second).Count();
        return string.Join('/', Enumerable.Repeat("..", from.Length - same).Concat(to.Skip(same)).DefaultIfEmpty("."));
    }

    private static void InBatches(string[] names, Action<string[]> run)
    {
        foreach (var part in names.Chunk(Batch))
        {
            run(part);
        }
    }

    /// <summary>Folders of databases, in the data directory and in tablespaces: the old one's and the new one's.</summary>
    private static IEnumerable<(string Old, string New)> Places(Host host, UpgradeJob job)
    {
        yield return ($"{job.Old}/base", $"{job.Unfinished}/base");
        foreach (var oid in host.List($"{job.Old}/pg_tblspc") is { Ok: true } links ? links.Value : [])
        {
            if (host.ReadLink($"{job.Old}/pg_tblspc/{oid}") is { Ok: true, Value: ['/', ..] location } && host.List(location) is { Ok: true } folders)
            {
                string? Of(int version) => folders.Value.FirstOrDefault(f => f.StartsWith($"PG_{version.ToString(CultureInfo.InvariantCulture)}_", StringComparison.Ordinal));
                if (Of(job.From) is { } old)
                {
                    yield return ($"{location}/{old}", $"{location}/{Of(job.To) ?? "none"}");
                }
            }
        }
    }

    private static string[] Databases(Host host, string place) => [.. (host.List(place) is { Ok: true } names ? names.Value : []).Where(n => n.All(char.IsAsciiDigit))];

    /// <summary>Every start of a server makes the cache of catalogs anew and removes temporary tables that a crash has left.</summary>
    private static bool IsKept(string name) => !name.StartsWith("pg_internal.init", StringComparison.Ordinal) && !name.StartsWith('t');

    private static ulong Inode(Host host, string path) => host.Status(path) is { Ok: true } status ? status.Value.Inode : 0;
}
