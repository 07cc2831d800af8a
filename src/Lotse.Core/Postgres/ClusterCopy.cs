using System.Globalization;

namespace Lotse.Postgres;

/// <summary>
/// A copy of a cluster whose server may run. pg_control is read first and written last, and the log of changes (WAL) is
/// copied after everything else: so the copy begins at a checkpoint before all of its pages, and recovery brings them to
/// one moment, as after a crash (full_page_writes mends what was torn). No connection is needed, and nothing is told to the server.
/// </summary>
internal static class ClusterCopy
{
    private const uint LargeObjects = 2613, LargeObjectIndex = 2683;
    private static readonly TimeSpan Long = TimeSpan.FromHours(12);

    /// <summary>Belongs to the running server, or is made anew.</summary>
    private static readonly string[] NotCopied = ["pg_wal", "postmaster.pid", "postmaster.opts", "pg_tblspc", "pg_stat_tmp"];

    /// <summary>Makes it.</summary>
    /// <param name="host">This machine.</param>
    /// <param name="old">The cluster, as it was read.</param>
    /// <param name="to">Where the copy goes: a folder that is there, and empty.</param>
    /// <param name="kind">How.</param>
    /// <returns>What went wrong, in one line; null: nothing did.</returns>
    public static string? Make(Host host, ClusterFacts old, string to, RehearsalKind kind)
    {
        for (var tries = 0; ; tries++)
        {
            var fault = Try(host, old, to, kind, out var again);
            if (fault is null || !again || tries == 2)
            {
                return fault;
            }

            _ = host.Run(["find", to, "-mindepth", "1", "-delete"], Long);
        }
    }

    private static string? Try(Host host, ClusterFacts old, string to, RehearsalKind kind, out bool again)
    {
        again = false;
        var control = host.ReadFile($"{old.Directory}/global/pg_control");
        var parsed = control.Ok ? PgControl.Parse(old.Directory, control.Value) : default;
        if (!control.Ok || !parsed.Ok || !parsed.Value.CrcFits)
        {
            return control.Error?.Message ?? "pg_control is not whole";
        }

        var names = host.List(old.Directory) is { Ok: true } list ? list.Value : [];
        var fault = kind == RehearsalKind.Schema ? Catalogs(host, old, parsed.Value, names, to) : Copy(host, kind, [.. names.Where(n => !NotCopied.Contains(n)).Select(n => $"{old.Directory}/{n}")], to);
        fault ??= Folders(host, old, to, "pg_wal", "pg_tblspc", "pg_stat_tmp");
        foreach (var tablespace in fault is null ? old.Tablespaces : [])
        {
            var place = $"{to}.tablespaces/{tablespace.Oid.ToString(CultureInfo.InvariantCulture)}";
            fault ??= Run(host, "install", "-d", "-m", "0711", $"{to}.tablespaces") ?? Folder(host, old, place);
            var folder = tablespace.VersionFolders.FirstOrDefault(f => f.StartsWith($"PG_{old.Version.ToString(CultureInfo.InvariantCulture)}_", StringComparison.Ordinal));
            if (folder is not null)
            {
                fault ??= kind == RehearsalKind.Schema ? Catalogs(host, old, parsed.Value, [folder], place, tablespace.Location) : Copy(host, kind, [$"{tablespace.Location}/{folder}"], place);
            }

            fault ??= Run(host, "ln", "-sfn", place, $"{to}/pg_tblspc/{tablespace.Oid.ToString(CultureInfo.InvariantCulture)}");
        }

        // A folder that is a link leads to the live cluster: its copy is a folder.
        foreach (var name in fault is null ? names.Where(n => !NotCopied.Contains(n) && host.Status($"{to}/{n}") is { Ok: true, Value.Kind: FileKind.Link } && host.List($"{old.Directory}/{n}").Ok) : [])
        {
            fault ??= Run(host, "rm", "-f", $"{to}/{name}") ?? Folder(host, old, $"{to}/{name}") ?? Copy(host, kind, [.. (host.List($"{old.Directory}/{name}") is { Ok: true } inner ? inner.Value : []).Select(i => $"{old.Directory}/{name}/{i}")], $"{to}/{name}");
        }

        var segments = host.List($"{old.Directory}/pg_wal") is { Ok: true } wal ? wal.Value : [];
        fault ??= Copy(host, kind == RehearsalKind.Schema ? RehearsalKind.Copy : kind, [.. segments.Select(s => $"{old.Directory}/pg_wal/{s}")], $"{to}/pg_wal");
        if (fault is not null)
        {
            return fault;
        }

        // The server may have passed another checkpoint meanwhile and given the segment away.
        if (!host.Status($"{to}/pg_wal/{Segment(parsed.Value)}").Ok)
        {
            again = true;
            return $"the server wrote more than it keeps (max_wal_size) while it was copied: {Segment(parsed.Value)} is gone";
        }

        var written = host.Run(["dd", $"of={to}/global/pg_control", "status=none", "conv=notrunc"], Long, control.Value);
        return written is { Ok: true, Value.ExitCode: 0 } ? null : $"cannot write {ByteText.Escape(to)}/global/pg_control";
    }

    /// <summary>The segment of the log with which recovery begins (src/include/access/xlog_internal.h XLogFileName).</summary>
    private static string Segment(PgControl control)
    {
        var number = control.Redo / (ulong)control.WalSegmentBytes;
        var each = 0x1_0000_0000UL / (ulong)control.WalSegmentBytes;
        return string.Create(CultureInfo.InvariantCulture, $"{control.Timeline:X8}{number / each:X8}{number % each:X8}");
    }

    /// <summary>Every file by its name alone, and those of the catalogs with their content: what users keep stays out.</summary>
    private static string? Catalogs(Host host, ClusterFacts old, PgControl control, string[] names, string to, string? folder = null)
    {
        var from = folder ?? old.Directory;
        string[] wanted = [.. names.Where(n => !NotCopied.Contains(n))];
        if (Forgiving(host, ["cp", "-a", "--attributes-only", "-t", to, "--", .. wanted.Select(n => $"{from}/{n}")]) is { } fault)
        {
            return fault;
        }

        var except = string.Concat(OfUsers(host, old, control).Where(p => p.StartsWith(folder is null ? "base/" : "PG_", StringComparison.Ordinal)).Select(p => p + "\n"));
        return Forgiving(host, ["tar", "-c", "-f", $"{to}.tar", "-C", from, "--no-wildcards", "--anchored", "-X", "-", "--", .. wanted], ByteText.Encode(except))
            ?? Run(host, "tar", "-x", "--numeric-owner", "--same-permissions", "-f", $"{to}.tar", "-C", to) ?? Run(host, "rm", "-f", $"{to}.tar");
    }

    /// <summary>Files of tables and indexes of users, and of large objects, as the catalogs on the disk name them. Sequences are read by pg_dump, and are small.</summary>
    private static IEnumerable<string> OfUsers(Host host, ClusterFacts old, PgControl control)
    {
        if (Postgres.Catalogs.Open(host, old.Directory, control, old.Version, old.Databases[0].Oid) is not { Ok: true, Value: var catalogs })
        {
            yield break;
        }

        foreach (var database in old.Databases)
        {
            var folder = catalogs.DatabaseFolder(database.Oid, database.Tablespace);
            foreach (var row in catalogs.Of(folder, Postgres.Catalogs.Class).Where(r => (r.Oid >= 16384 && r.Char("relkind") is 'r' or 'i' or 't' or 'm') || r.Oid is LargeObjects or LargeObjectIndex))
            {
                var place = row.UInt("reltablespace") is > 0 and var other ? catalogs.DatabaseFolder(database.Oid, other) : folder;
                if (row.UInt("relfilenode") is > 0 and var node)
                {
                    // In a tablespace's copy the path begins with the version's folder.
                    var inside = place.StartsWith("pg_tblspc/", StringComparison.Ordinal) ? place[(place.IndexOf("/PG_", StringComparison.Ordinal) + 1)..] : place;
                    for (var segment = 0; segment == 0 || host.Status($"{old.Directory}/{place}/{node}.{segment}").Ok; segment++)
                    {
                        yield return $"{inside}/{node}{(segment == 0 ? "" : $".{segment}")}";
                    }
                }
            }
        }
    }

    private static string? Copy(Host host, RehearsalKind kind, string[] paths, string to)
    {
        foreach (var part in paths.Chunk(200))
        {
            if (Forgiving(host, ["cp", "-a", kind == RehearsalKind.Reflink ? "--reflink=always" : "--reflink=auto", "-t", to, "--", .. part]) is { } fault)
            {
                return fault;
            }
        }

        return null;
    }

    private static string? Folders(Host host, ClusterFacts old, string to, params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            if (Folder(host, old, $"{to}/{name}") is { } fault)
            {
                return fault;
            }
        }

        return null;
    }

    private static string? Folder(Host host, ClusterFacts old, string path) => Run(host, "install", "-d", "-m", "0700", "-o", old.Uid.ToString(CultureInfo.InvariantCulture), "-g", old.Gid.ToString(CultureInfo.InvariantCulture), path);

    /// <summary>Runs a copying program. A file that went meanwhile, or grew, is none that recovery misses.</summary>
    private static string? Forgiving(Host host, string[] arguments, byte[]? input = null)
    {
        var ran = host.Run(arguments, Long, input);
        var lines = ran.Ok ? ByteText.Decode(ran.Value.Errors).Split('\n', StringSplitOptions.RemoveEmptyEntries) : [];
        return !ran.Ok ? ran.Error!.Message
            : ran.Value.ExitCode == 0 ? null
            : lines.FirstOrDefault(l => !l.EndsWith("No such file or directory", StringComparison.Ordinal) && !l.Contains("file changed as we read it", StringComparison.Ordinal) && !l.Contains("File removed before we read it", StringComparison.Ordinal) && !l.Contains("Exiting with failure status", StringComparison.Ordinal)) is { } line ? ByteText.Escape(line)
            : lines.Length == 0 ? $"{arguments[0]} ended with {ran.Value.ExitCode}" : null;
    }

    private static string? Run(Host host, params string[] arguments)
    {
        var ran = host.Run(arguments, Long);
        return ran is { Ok: true, Value.ExitCode: 0 } ? null : ran.Ok ? ByteText.Escape(ByteText.Decode(ran.Value.Errors).Trim()) : ran.Error!.Message;
    }
}
