using System.Globalization;
using Lotse.Formats;

namespace Lotse.Postgres;

/// <summary>
/// What a stopped cluster holds, as lines that two clusters can be compared by: roles with a digest of their verifier,
/// databases, and in each its relations and how large its tables are. pg_upgrade brings tables over byte by byte, so a
/// table of another size is another table.
/// </summary>
internal static class ClusterContent
{
    private const uint FirstNormal = 16384, LargeObjects = 2995;

    /// <summary>The lines, sorted.</summary>
    public static Reading<string[]> Lines(Host host, string directory)
    {
        var read = ClusterReader.Read(host, directory, deep: false, sizes: false);
        if (!read.Ok || read.Value is not { Control: { CrcFits: true } control, Damages.Length: 0 })
        {
            return new(null!, read.Error ?? new(HostErrorKind.Failed, $"{ByteText.Escape(directory)} is not whole"));
        }

        var facts = read.Value;
        var opened = Catalogs.Open(host, directory, control, facts.Version, facts.Databases.First(d => d.ConnectionLimit != -2).Oid);
        if (!opened.Ok)
        {
            return new(null!, opened.Error);
        }

        var catalogs = opened.Value;
        var lines = new List<string>();
        foreach (var row in catalogs.Shared(Catalogs.AuthId))
        {
            if (row.Oid >= FirstNormal || row.Oid == 10)
            {
                var verifier = row.Text("rolpassword");
                lines.Add($"role\t{ByteText.Escape(row.Text("rolname") ?? "?")}\t{row.Bool("rolcanlogin")}\t{row.Bool("rolsuper")}\t{row.Bool("rolcreatedb")}\t{row.Bool("rolcreaterole")}\t{row.Bool("rolreplication")}\t{row.Int("rolconnlimit")}\t{(verifier is null ? "none" : Sha256.Hex(ByteText.Encode(verifier)))}");
            }
        }

        foreach (var database in facts.Databases.Where(d => d.Name != "template0" && d.ConnectionLimit != -2))
        {
            var name = ByteText.Escape(database.Name);
            lines.Add($"database\t{name}\t{database.Encoding}\t{database.Collate}\t{database.Ctype}\t{database.ConnectionLimit}");
            lines.AddRange(database.Extensions.Select(e => $"extension\t{name}\t{ByteText.Escape(e.Name)}"));
            var folder = catalogs.DatabaseFolder(database.Oid, database.Tablespace);
            lines.Add($"large objects\t{name}\t{catalogs.Of(folder, LargeObjects).Count().ToString(CultureInfo.InvariantCulture)}");
            var namespaces = catalogs.Of(folder, Catalogs.Namespace).ToDictionary(r => r.Oid, r => r.Text("nspname") ?? "?");

            // pg_dump leaves out what a failed build has left; of partitioned tables it does not.
            var left = catalogs.Of(folder, Catalogs.Index).Where(CatalogObjects.IsUnfinished).Select(r => r.UInt("indexrelid") ?? 0).ToHashSet();
            foreach (var row in catalogs.Of(folder, Catalogs.Class).Where(r => r.Oid >= FirstNormal && !(r.Char("relkind") == 'i' && left.Contains(r.Oid))))
            {
                var schema = namespaces.GetValueOrDefault(row.UInt("relnamespace") ?? 0, "?");
                if (row.Char("relkind") is not { } kind || kind == 't' || schema == "pg_toast" || schema.StartsWith("pg_temp_", StringComparison.Ordinal) || schema.StartsWith("pg_toast_temp_", StringComparison.Ordinal))
                {
                    continue;
                }

                // Row types and indexes have names of their own; sizes are told of tables only, for indexes may be rebuilt.
                var size = kind is 'r' or 'm' && row.Char("relpersistence") == 'p' ? Size(host, directory, catalogs, database, folder, row) : "";
                lines.Add($"relation\t{name}\t{kind}\t{ByteText.Escape(schema)}.{ByteText.Escape(row.Text("relname") ?? "?")}\t{size}");
            }

            lines.Add($"functions\t{name}\t{catalogs.Of(folder, Catalogs.Procedure).Count(r => r.Oid >= FirstNormal).ToString(CultureInfo.InvariantCulture)}");
        }

        var damaged = catalogs.AllDamages.FirstOrDefault();
        lines.Sort(StringComparer.Ordinal);
        return damaged is null ? new([.. lines], null) : new(null!, new(HostErrorKind.Failed, $"{ByteText.Escape(directory)}/{ByteText.Escape(damaged.File)}: {damaged.What}"));
    }

    private static string Size(Host host, string directory, Catalogs catalogs, Database database, string folder, CatalogRow row)
    {
        var tablespace = row.UInt("reltablespace") ?? 0;
        var place = tablespace == 0 ? folder : catalogs.DatabaseFolder(database.Oid, tablespace);
        long bytes = 0;
        for (var segment = 0; host.Status($"{directory}/{place}/{row.UInt("relfilenode")}{(segment == 0 ? "" : $".{segment}")}") is { Ok: true } status; segment++)
        {
            bytes += status.Value.Size;
        }

        return bytes.ToString(CultureInfo.InvariantCulture);
    }
}
