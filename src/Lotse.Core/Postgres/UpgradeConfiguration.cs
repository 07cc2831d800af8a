using System.Text.RegularExpressions;

namespace Lotse.Postgres;

/// <summary>Findings about settings, logins and replication.</summary>
internal static partial class UpgradeFindings
{
    /// <summary>The slot that servers keep for themselves since 19 (src/include/replication/slot.h, CONFLICT_DETECTION_SLOT).</summary>
    private const string ConflictSlot = "pg_conflict_detection";

    private static IEnumerable<Finding?> Configuration(PlanFacts facts)
    {
        var old = facts.Old;
        Setting[] started = [.. ConfigFiles.OfCommandLine(old)];
        foreach (var setting in old.Settings.Concat(started))
        {
            if (VersionTables.Settings.FirstOrDefault(s => s.Name == setting.Name && s.GoneIn > old.Version && s.GoneIn <= facts.To) is not { } removed)
            {
                continue;
            }

            // A file is carried over without the line; the command of a container, a unit or a script is somebody's own.
            yield return started.Contains(setting)
                ? Note("pg/setting-removed", facts.Container is null ? Severity.Warning : Severity.Error, new($"-c {setting.Name}", ValueKind.Plain), $"the server is started with {setting.Name}, which is gone since {removed.GoneIn}: the new one would not start with the same command line", "an unknown name on the command line is an error", "src/backend/utils/misc/guc.c", $"{setting.Name} = {setting.Value}", $"{setting.File}:{setting.Line}", $"take it out of what starts the server (a unit, a script, command: of a compose file); instead: {removed.Instead}")
                : Note("pg/setting-removed", Severity.Warning, new(setting.Name, ValueKind.Plain), $"{setting.Name} is gone since {removed.GoneIn}: the new server would not start with {Value.Path(setting.File)}", "an unknown name in a configuration file is an error", "src/backend/utils/misc/guc-file.l", $"{setting.Name} = {setting.Value}", $"{setting.File}:{setting.Line}", $"it is left out when the configuration is carried over; instead: {removed.Instead}");
        }

        foreach (var complaint in facts.NewInstallation?.ConfigComplaints ?? [])
        {
            if (UnknownSetting().Match(complaint) is { Success: true } unknown)
            {
                yield return Note("pg/setting-removed", Severity.Warning, new(unknown.Groups[1].Value, ValueKind.Plain), $"the new version does not know {new Value(unknown.Groups[1].Value, ValueKind.Plain)}", "the new server itself was asked: postgres -C", "src/backend/utils/misc/guc-file.l", complaint.Trim(), facts.NewInstallation!.Programs, "it is left out when the configuration is carried over");
            }
            else if (LocaleSetting().Match(complaint) is { Success: true } locale)
            {
                yield return Note("pg/locale-missing", Severity.Error, new(locale.Groups[2].Value, ValueKind.Plain), $"the new server has not the locale {new Value(locale.Groups[2].Value, ValueKind.Plain)} of {locale.Groups[1].Value}", "the new server itself was asked: postgres -C", "setlocale(3)", complaint.Trim(), facts.NewInstallation!.Programs, "generate it (locale-gen, localedef), or change the setting");
            }
            else
            {
                yield return Note("pg/setting-invalid", Severity.Warning, new(complaint.Split('"') is [_, var name, ..] ? name : complaint, ValueKind.Plain), "the new version refuses a line of the configuration", "the new server itself was asked: postgres -C", "src/backend/utils/misc/guc.c", complaint.Trim(), facts.NewInstallation!.Programs, "change or remove the line");
            }
        }

        foreach (var locale in facts.NewInstallation?.MissingLocales ?? [])
        {
            var used = old.Databases.Where(d => d.Collate == locale || d.Ctype == locale || d.Objects?.Collations.Any(c => c is { IsOwn: true, Provider: "c" } && c.Locale == locale) == true).Select(d => d.Name).ToArray();
            yield return Note("pg/locale-missing", Severity.Error, new(locale, ValueKind.Plain), $"the new server has not the locale {new Value(locale, ValueKind.Plain)}, which {(used.Length == 1 ? "a database" : "databases")} of the old cluster {(used.Length == 1 ? "uses" : "use")}: {new Value(string.Join(", ", used.Take(MostNames)), ValueKind.Plain)}", "the new server itself was asked: postgres -C lc_messages", "setlocale(3); src/backend/utils/init/postinit.c CheckMyDatabase", locale, "pg_database and pg_collation of the old cluster", "generate it (locale-gen, localedef), or take an image that has it");
        }

        if (facts.NewInstallation is { LibraryFolder: not null } installed)
        {
            // A new container gets the command line of the old one, which hides what files say.
            var hidden = facts.Container is null ? [] : started.Select(s => s.Name).ToHashSet();
            foreach (var setting in old.Settings.Where(s => !hidden.Contains(s.Name)).Concat(started).Where(s => s.Name is "shared_preload_libraries" or "session_preload_libraries" or "local_preload_libraries"))
            {
                foreach (var library in setting.Value.Split(',').Select(l => l.Trim().Trim('"')).Where(l => l.Length > 0))
                {
                    if (Base(library.Replace("$libdir/plugins/", "$libdir/", StringComparison.Ordinal)) is { } file && !installed.Libraries.Contains(file))
                    {
                        yield return Note("pg/preload-missing", Severity.Error, new(library, ValueKind.Plain), $"{setting.Name} loads {new Value(library, ValueKind.Plain)}, which the new version has not: it would not start", "a library that is missing stops the server", "src/backend/utils/init/miscinit.c load_libraries", setting.Value, $"{setting.File}:{setting.Line}", "install its package for the new version", "or take it out of the setting before the upgrade");
                    }
                }
            }
        }

        if (old.BootstrapSuperuser is { } superuser && old.Hba.FirstOrDefault(l => l.Type == "local" && l.IsAbout(superuser) && l.Databases.Any(d => d is "all" or "template1")) is { } line)
        {
            if (line.AsksPassword && !facts.Around.HasPassword)
            {
                yield return Note("pg/local-md5", Severity.Info, Value.User(superuser), $"{Value.Path(line.File)}:{line.Line} asks {Value.User(superuser)} for a password on the local socket: the upgrade uses a pg_hba.conf of its own", "pg_upgrade has no password to give", "src/interfaces/libpq/fe-auth.c: fe_sendauth: no password supplied", line.Words, $"{line.File}:{line.Line}", "nothing has to be done; by hand: PGPASSFILE, or peer for the time of the upgrade");
            }
            else if (line.Method == "peer" && !line.Options.Any(o => o.StartsWith("map=", StringComparison.Ordinal)) && facts.Around.Owner is { Length: > 0 } owner && owner != superuser)
            {
                yield return Note("pg/peer-user", Severity.Info, Value.User(superuser), $"{Value.Path(line.File)}:{line.Line} says peer, and the user of the system is {Value.User(owner)}, not {Value.User(superuser)}: the upgrade uses a pg_hba.conf of its own", "peer compares the two names", "src/backend/libpq/auth.c auth_peer", line.Words, $"{line.File}:{line.Line}", "nothing has to be done; by hand: a map in pg_ident.conf");
            }
        }

        var md5 = old.Roles.Where(r => r is { CanLogin: true, PasswordKind: "md5" }).ToArray();
        if (md5.Length > 0 && facts.To >= 14 && facts.To > old.Version)
        {
            // Where nobody is asked for a password from elsewhere, nothing changes as long as the file is carried over.
            var asked = md5.Any(r => old.Hba.Any(l => l.Type != "local" && l.IsAbout(r.Name) && l.AsksPassword));
            yield return new("pg/md5-logins", asked ? Severity.Warning : Severity.Info, Certainty.Proven, Value.Path(old.HbaFile ?? old.Directory),
                $"{ClusterFindings.Plural(md5.Length, "login has", "logins have")} an md5 hash and would be refused by a line scram-sha-256, which new installations and images write: {new Value(Names([.. md5.Select(r => r.Name)]), ValueKind.User)}",
                [.. md5.Take(50).Select(r => LoginReason(old, r))],
                [new("carry the old pg_hba.conf over, as this plan does: lines md5 accept both kinds, and no password changes"), new("let each one set the same password again while password_encryption is scram-sha-256, and write scram-sha-256 afterwards: lotse pg hash shows who is left"), new("or set new passwords")]);
        }
    }

    private static Reason LoginReason(ClusterFacts old, Role role) =>
        old.Hba.FirstOrDefault(l => l.Type != "local" && l.IsAbout(role.Name)) is { } line
            ? new($"{Value.User(role.Name)} has an md5 hash; the first line about it says {line.Method}", Verdict.Yes, "src/backend/libpq/crypt.c get_password_type", new Seen(line.Words, $"{line.File}:{line.Line}"))
            : new($"{Value.User(role.Name)} has an md5 hash; no line of pg_hba.conf lets it in from elsewhere", Verdict.Yes, "src/backend/libpq/crypt.c get_password_type", new Seen("md5", "pg_authid.rolpassword"));

    private static IEnumerable<Finding?> Replication(PlanFacts facts)
    {
        var old = facts.Old;
        if (facts.To <= old.Version)
        {
            yield break;
        }

        var slots = old.Slots.Where(s => s.IsLogical).ToArray();
        if (slots is [var first, ..] && old.Version < 17)
        {
            yield return Note("pg/logical-slot-old", Severity.Warning, new(first.Name, ValueKind.Plain), $"{ClusterFindings.Plural(slots.Length, "logical slot is", "logical slots are")} dropped without a word: {new Value(Names([.. slots.Select(s => s.Name)]), ValueKind.Plain)}", "slots are carried over from 17 on only", "src/bin/pg_upgrade/info.c get_old_cluster_logical_slot_infos", first.Name, $"{old.Directory}/pg_replslot", "stop the consumers first; make the slots anew afterwards, and synchronise what they missed");
        }
        else if (slots.Length > 0)
        {
            var level = old.SettingInServer("wal_level");
            if (level?.Value != "logical")
            {
                yield return Note("pg/logical-slot-new-wal-level", Severity.Error, new(slots[0].Name, ValueKind.Plain), "there are logical slots, and neither a configuration file nor the command line says wal_level = logical: the new cluster would be refused", "the new server must be able to hold them", Check + " check_new_cluster_logical_replication_slots", level is not null ? $"wal_level = {level.Value}" : "wal_level is not set", level?.File ?? old.ConfigFile ?? old.Directory, "wal_level = logical in postgresql.conf, before the upgrade");
            }
            else if (facts.Existing is { } existing && existing.Setting("wal_level")?.Value != "logical")
            {
                yield return Note("pg/logical-slot-new-wal-level", Severity.Error, new(slots[0].Name, ValueKind.Plain), $"there are logical slots, and {Value.Path(existing.Directory)} has not wal_level = logical", "the new server must be able to hold them", Check + " check_new_cluster_logical_replication_slots", "wal_level is not logical", existing.ConfigFile ?? existing.Directory, "wal_level = logical in its postgresql.conf");
            }
            else
            {
                yield return Note("pg/logical-slot-new-wal-level", Severity.Info, new(slots[0].Name, ValueKind.Plain), "there are logical slots: the new cluster is given wal_level = logical before pg_upgrade", "a cluster made by initdb has replica", Check + " check_new_cluster_logical_replication_slots", "wal_level = logical", level.File, "nothing has to be done");
            }

            if (facts.To >= 19 && slots.Any(s => s.Name == ConflictSlot))
            {
                yield return Note("pg/slot-name-reserved", Severity.Error, new(ConflictSlot, ValueKind.Plain), $"a logical slot is named {new Value(ConflictSlot, ValueKind.Plain)}, which is reserved since 19", "the server keeps a slot of its own by this name, for subscriptions that notice conflicts", Check + " check_old_cluster_for_valid_slots", ConflictSlot, $"{old.Directory}/pg_replslot/{ConflictSlot}/state", "give its consumer a slot of another name, then SELECT pg_drop_replication_slot('pg_conflict_detection')");
            }

            foreach (var slot in slots.Where(s => s.IsInvalid || s.IsBehind != false))
            {
                if (Unconsumed(old, slot) is { } finding)
                {
                    yield return finding;
                }
            }

            foreach (var plugin in UntrustedPlugins(facts))
            {
                yield return Note("pg/output-plugin", Severity.Error, new(plugin, ValueKind.Plain), $"logical slots use the output plugin {new Value(plugin, ValueKind.Plain)}, which the new version trusts only where output_plugin_libraries names it", "the newest minor releases load no other plugin, and pg_upgrade refuses such slots", Check + " check_new_cluster_logical_replication_slots; the new server was asked: postgres -C", string.Join(", ", facts.NewInstallation!.OutputPlugins!), "output_plugin_libraries of the new server", $"output_plugin_libraries = 'pgoutput, test_decoding, {plugin}' in postgresql.conf of the old cluster, where its minor release knows it: the plan carries it over", "or drop the slots");
            }

            foreach (var slot in slots.Where(s => s.Plugin is { } plugin && facts.NewInstallation is { LibraryFolder: not null } installed && installed.Version == facts.To && !installed.Libraries.Contains(plugin)))
            {
                yield return Note("pg/ext-missing", Severity.Error, new(slot.Plugin!, ValueKind.Plain), $"the logical slot {new Value(slot.Name, ValueKind.Plain)} needs the output plugin {new Value(slot.Plugin!, ValueKind.Plain)}, which the new version has not", $"looked for in {ByteText.Escape(facts.NewInstallation!.LibraryFolder!)}", "src/bin/pg_upgrade/function.c get_loadable_libraries", slot.Plugin!, $"{old.Directory}/pg_replslot/{slot.Name}/state", "install its package for the new version", "or drop the slot");
            }
        }

        foreach (var group in old.UnsteadySubscriptions.GroupBy(s => s.Name))
        {
            var (name, one) = (new Value(group.Key, ValueKind.Plain), group.First());
            yield return new("pg/subscription-state", Severity.Error, Certainty.Proven, name,
                one.Table is null ? (Text)$"the subscription {name} has no replication origin: where it stands in the publisher's log is not known" : $"the subscription {name} is in the middle of a table's first copy: {new Value(Names([.. group.Select(s => s.Table ?? "?")]), ValueKind.Plain)}",
                [new("pg_upgrade carries a subscription over when its tables wait or are ready, and its origin is there", Verdict.No, Check + " check_old_cluster_subscription_state", [.. group.Take(50).Select(s => new Seen(s.Table is null ? "no origin" : (Text)$"{new Value(s.Table, ValueKind.Plain)}: {s.State}", $"pg_subscription_rel of {ByteText.Escape(s.Database)}"))])],
                [one.Table is null ? new("make the subscription anew: DROP SUBSCRIPTION, CREATE SUBSCRIPTION … WITH (copy_data = false) once the tables are known to be equal") : new("wait in the running server until SELECT srrelid::regclass, srsubstate FROM pg_subscription_rel says r for all of them, then stop it")]);
        }

        if (old.Subscriptions is [var subscription, ..])
        {
            yield return Note("pg/subscription", Severity.Warning, new(subscription, ValueKind.Plain), $"{ClusterFindings.Plural(old.Subscriptions.Length, "subscription", "subscriptions")}: {new Value(Names(old.Subscriptions), ValueKind.Plain)}; {(old.Version < 17 ? "which rows have arrived is not carried over, and they come up disabled" : "the publisher must keep its slots meanwhile")}", old.Version < 17 ? "before 17 only the definition is dumped" : "since 17 the state is carried over", "src/bin/pg_dump/pg_dump.c dumpSubscription", subscription, "pg_subscription", "afterwards: ALTER SUBSCRIPTION … ENABLE, and REFRESH PUBLICATION WITH (copy_data = false) once the tables are known to be equal");
        }
    }

    /// <summary>Plugins of logical slots that neither the new server's default nor a setting that is carried over names.</summary>
    internal static string[] UntrustedPlugins(PlanFacts facts) => facts.NewInstallation is not { OutputPlugins: { } trusted } ? []
        : [.. facts.Old.Slots.Where(s => s.IsLogical).Select(s => s.Plugin).OfType<string>().Except(CarriedPlugins(facts) is { } carried ? Installations.Names(carried) : trusted).Order(StringComparer.Ordinal)];

    /// <summary>output_plugin_libraries of the old cluster, where the new one knows it; null: the default holds.</summary>
    internal static string? CarriedPlugins(PlanFacts facts) => facts.NewInstallation is { OutputPlugins: not null } ? facts.Old.SettingInServer("output_plugin_libraries")?.Value : null;

    /// <summary>A slot that pg_upgrade would refuse: an invalid one, or one with a change that nobody has confirmed.</summary>
    private static Finding? Unconsumed(ClusterFacts old, ReplicationSlot slot)
    {
        var name = new Value(slot.Name, ValueKind.Plain);
        if (!slot.IsInvalid && slot.IsBehind is null && old.Control is not { IsShutDown: true })
        {
            // What the server will have sent when it is stopped, nobody can know now; the plan is asked again then.
            return null;
        }

        return Note("pg/logical-slot-unconsumed", slot.IsInvalid || slot.IsBehind == true ? Severity.Error : Severity.Warning, name,
            slot.IsInvalid ? (Text)$"the logical slot {name} is invalid"
                : slot.IsBehind == true ? $"the consumer of the logical slot {name} has not confirmed all changes: pg_upgrade refuses it"
                : $"whether the consumer of the logical slot {name} has confirmed all changes is not known: the write-ahead log from its place on cannot be read",
            "a transaction of the slot's database that ended, or a logical message, lies between what is confirmed and the orderly end", "src/backend/replication/logical/logical.c LogicalReplicationSlotHasPendingWal", $"confirmed {PgControl.Lsn(slot.ConfirmedFlush)}, end {PgControl.Lsn(old.Control?.Checkpoint ?? 0)}", $"{old.Directory}/pg_replslot/{slot.Name}/state", "start the old server and let the consumer catch up before it is stopped; or drop the slot") with
        { Certainty = slot.IsInvalid || slot.IsBehind == true ? Certainty.Proven : Certainty.Inferred };
    }

    [GeneratedRegex(@"unrecognized configuration parameter ""([^""]+)""")]
    private static partial Regex UnknownSetting();

    [GeneratedRegex(@"invalid value for parameter ""(lc_\w+)"": ""([^""]*)""")]
    private static partial Regex LocaleSetting();
}
