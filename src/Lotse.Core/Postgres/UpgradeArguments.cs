using System.Globalization;

namespace Lotse.Postgres;

/// <summary>What the new cluster must be made like: the arguments of initdb, computed from the old one.</summary>
internal static class InitArguments
{
    /// <summary>The arguments after the program's name, without the directory.</summary>
    public static string[] Of(ClusterFacts old, int to)
    {
        var all = new List<string> { $"--username={old.BootstrapSuperuser ?? "postgres"}" };
        if (old.Database("template0") is { } template)
        {
            all.Add($"--encoding={template.Encoding}");
            all.Add($"--lc-collate={template.Collate}");
            all.Add($"--lc-ctype={template.Ctype}");
            if (to >= 15 && template.Provider == "i" && template.Locale is not null)
            {
                all.AddRange(["--locale-provider=icu", $"--icu-locale={template.Locale}"]);
            }
            else if (to >= 17 && template.Provider == "b" && template.Locale is not null)
            {
                all.AddRange(["--locale-provider=builtin", $"--builtin-locale={template.Locale}"]);
            }
            else if (to >= 15)
            {
                all.Add("--locale-provider=libc");
            }
        }

        if (old.Control is { } control)
        {
            if (control.ChecksumVersion != 0)
            {
                all.Add("--data-checksums");
            }
            else if (to >= 18)
            {
                all.Add("--no-data-checksums");
            }

            if (control.WalSegmentBytes != 16 << 20)
            {
                all.Add($"--wal-segsize={(control.WalSegmentBytes >> 20).ToString(CultureInfo.InvariantCulture)}");
            }
        }

        if ((old.Mode & 0x28) == 0x28)
        {
            all.Add("--allow-group-access");
        }

        return [.. all];
    }

    /// <summary>The encoding that initdb takes for a locale when none is named.</summary>
    public static string EncodingOf(string locale) =>
        locale is "C" or "POSIX" ? "SQL_ASCII" : locale.Contains("utf", StringComparison.OrdinalIgnoreCase) ? "UTF8" : locale.Contains("8859-15", StringComparison.Ordinal) || locale.Contains("@euro", StringComparison.Ordinal) ? "LATIN9" : "LATIN1";

    /// <summary>Whether pg_upgrade takes two spellings for one locale: without case, and without what follows the last dot, for encodings are compared by themselves (check.c equivalent_locale, up to 15).</summary>
    public static bool Same(string? one, string? other) => string.Equals(Plain(one), Plain(other), StringComparison.OrdinalIgnoreCase);

    private static string Plain(string? locale) => locale is null ? "" : locale.LastIndexOf('.') is >= 0 and var dot ? locale[..dot] : locale;
}

/// <summary>Findings about how the new cluster is made.</summary>
internal static partial class UpgradeFindings
{
    private static IEnumerable<Finding?> Arguments(PlanFacts facts)
    {
        var old = facts.Old;
        if (facts.Existing is not null || old.Control is not { } control || facts.To <= old.Version)
        {
            yield break;
        }

        var template = old.Database("template0");
        if (template is { Collate: { } collate } && facts.To < 16 && collate is not ("C" or "POSIX"))
        {
            yield return Note("pg/lc-collate", Severity.Info, new(collate, ValueKind.Plain), $"initdb is given lc_collate {new Value(collate, ValueKind.Plain)}, as template0 of the old cluster has it", "without it initdb takes the locale of its environment, and pg_upgrade to 15 or lower refuses another", Check + " check_locale_and_encoding", collate, "pg_database of the old cluster", $"initdb --lc-collate={collate}");
        }

        if (template is not null && facts.To < 16 && template.Encoding != InitArguments.EncodingOf(template.Ctype ?? "C"))
        {
            yield return Note("pg/encoding", Severity.Info, new(template.Encoding, ValueKind.Plain), $"initdb is given encoding {template.Encoding}, as template0 of the old cluster has it", $"without it initdb would take {InitArguments.EncodingOf(template.Ctype ?? "C")} for this locale", Check + " check_locale_and_encoding", template.Encoding, "pg_database of the old cluster", $"initdb --encoding={template.Encoding}");
        }

        if (facts.To >= 18 && control.ChecksumVersion == 0)
        {
            yield return Note("pg/checksums-off-on", Severity.Info, Value.Path(old.Directory), "initdb is told to make no data checksums: the old cluster has none", "since 18 initdb turns them on by itself, and both must be alike", Control, "0", $"{old.Directory}/global/pg_control", "initdb --no-data-checksums", "to have them: pg_checksums --enable in the stopped cluster, before or after");
        }
        else if (facts.To < 18 && control.ChecksumVersion != 0)
        {
            yield return Note("pg/checksums-on-off", Severity.Info, Value.Path(old.Directory), "initdb is told to make data checksums: the old cluster has them", "before 18 initdb makes none by itself, and both must be alike", Control, $"{control.ChecksumVersion}", $"{old.Directory}/global/pg_control", "initdb --data-checksums");
        }

        if (control.WalSegmentBytes != 16 << 20)
        {
            yield return Note("pg/walseg", Severity.Info, Value.Path(old.Directory), $"initdb is told to make WAL segments of {control.WalSegmentBytes >> 20} MB, as the old cluster has", "initdb makes 16 MB by itself, and both must be alike", Control, $"{control.WalSegmentBytes}", $"{old.Directory}/global/pg_control", $"initdb --wal-segsize={control.WalSegmentBytes >> 20}");
        }

        if (old.BootstrapSuperuser is { } superuser && superuser != "postgres")
        {
            yield return Note("pg/install-user", Severity.Info, Value.User(superuser), $"the cluster was made for the superuser {Value.User(superuser)}: initdb and pg_upgrade are given that name", "the role with oid 10 must have one name on both sides", Check + " check_is_install_user", superuser, "pg_authid, oid 10", $"initdb --username={superuser}, pg_upgrade --username={superuser}");
        }
    }

    private static IEnumerable<Finding?> ExistingCluster(PlanFacts facts)
    {
        if (facts.Existing is not { } existing)
        {
            if (facts.IsTaken)
            {
                yield return Note("pg/new-not-empty", Severity.Error, Value.Path(facts.NewDirectory), $"{Value.Path(facts.NewDirectory)} is there already, and is no cluster", "the new cluster gets this name when it is complete, not before", "rename(2)", "it is there", facts.NewDirectory, "move it away, or name another directory: --new-data DIR");
            }

            yield break;
        }

        var (old, place) = (facts.Old, Value.Path(existing.Directory));
        if (existing.Version != facts.To && existing.Version != 0)
        {
            yield return Note("pg/bad-bindir", Severity.Error, place, $"{place} is of {existing.Version}, not of {facts.To}", "programs and data belong together", Check + " check_cluster_versions", $"{existing.Version}", $"{existing.Directory}/PG_VERSION", "name another directory: --new-data DIR");
        }

        if (old.Control is { } was && existing.Control is { } now)
        {
            if (was.ChecksumVersion == 0 && now.ChecksumVersion != 0)
            {
                yield return Note("pg/checksums-off-on", Severity.Error, place, "the new cluster has data checksums, the old one has none", "both must be alike", Control, $"old {was.ChecksumVersion}, new {now.ChecksumVersion}", $"{existing.Directory}/global/pg_control", facts.To >= 18 ? "make it anew: initdb --no-data-checksums" : "make it anew without --data-checksums");
            }
            else if (was.ChecksumVersion != 0 && now.ChecksumVersion == 0)
            {
                yield return Note("pg/checksums-on-off", Severity.Error, place, "the old cluster has data checksums, the new one has none", "both must be alike", Control, $"old {was.ChecksumVersion}, new {now.ChecksumVersion}", $"{existing.Directory}/global/pg_control", "make it anew: initdb --data-checksums");
            }

            if (was.WalSegmentBytes != now.WalSegmentBytes)
            {
                yield return Note("pg/walseg", Severity.Error, place, $"WAL segments are of {was.WalSegmentBytes >> 20} MB in the old cluster and of {now.WalSegmentBytes >> 20} MB in the new", "both must be alike", Control, $"old {was.WalSegmentBytes}, new {now.WalSegmentBytes}", $"{existing.Directory}/global/pg_control", $"make it anew: initdb --wal-segsize={was.WalSegmentBytes >> 20}");
            }
        }

        if (old.BootstrapSuperuser is { } superuser && existing.BootstrapSuperuser is { } other && superuser != other)
        {
            yield return existing.Roles.Any(r => r.Name == superuser)
                ? Note("pg/install-user-created", Severity.Error, Value.User(superuser), $"{Value.User(superuser)} is a role of the new cluster, but initdb made it for {Value.User(other)}", "the role with oid 10 must have one name on both sides", Check + " check_is_install_user", $"old {superuser}, new {other}", "pg_authid, oid 10", $"make it anew: initdb --username={superuser}")
                : Note("pg/install-user", Severity.Error, Value.User(superuser), $"the old cluster was made for {Value.User(superuser)}, the new one for {Value.User(other)}", "the role with oid 10 must have one name on both sides", Check + " check_is_install_user", $"old {superuser}, new {other}", "pg_authid, oid 10", $"make it anew: initdb --username={superuser}");
        }

        if (existing.Roles.Where(r => r.Oid >= 16384).ToArray() is [var role, ..])
        {
            yield return Note("pg/new-has-roles", Severity.Error, Value.User(role.Name), $"the new cluster has roles of its own, {Value.User(role.Name)} for one", "they would collide with the old ones", Check + " check_is_install_user", role.Name, "pg_authid", "make it anew and start nothing on it");
        }

        if (existing.Databases.FirstOrDefault(d => d.Objects is { Tables: > 0 }) is { } used)
        {
            yield return Note("pg/new-not-empty", Severity.Error, place, $"the new cluster is in use: database {new Value(used.Name, ValueKind.Plain)} holds {new Value(used.Objects!.OneTable ?? "tables", ValueKind.Plain)}", "pg_upgrade fills an empty cluster only", Check + " check_new_cluster_is_empty", used.Objects.OneTable ?? "?", $"{existing.Directory}/base/{used.Oid}", "look at what it is; name another directory: --new-data DIR");
        }

        if (old.Database("template0") is { } before && existing.Database("template0") is { } after && facts.To < 16)
        {
            if (!InitArguments.Same(before.Collate, after.Collate) || !InitArguments.Same(before.Ctype, after.Ctype))
            {
                yield return Note("pg/lc-collate", Severity.Error, new(before.Collate ?? "?", ValueKind.Plain), $"the new cluster has lc_collate {new Value(after.Collate ?? "?", ValueKind.Plain)}, the old one {new Value(before.Collate ?? "?", ValueKind.Plain)}", "both must be alike", Check + " check_locale_and_encoding", $"old {before.Collate}, new {after.Collate}", "pg_database", $"make it anew: initdb --lc-collate={before.Collate} --lc-ctype={before.Ctype}");
            }

            if (before.Encoding != after.Encoding)
            {
                yield return Note("pg/encoding", Severity.Error, new(before.Encoding, ValueKind.Plain), $"the new cluster has encoding {after.Encoding}, the old one {before.Encoding}", "both must be alike", Check + " check_locale_and_encoding", $"old {before.Encoding}, new {after.Encoding}", "pg_database", $"make it anew: initdb --encoding={before.Encoding}");
            }
        }
    }
}
