using Lotse.Formats;

namespace Lotse.Postgres;

/// <summary>
/// Everything that an upgrade of a cluster would run into, from files alone. Pure. What the plan takes care of by itself is a
/// note; what somebody has to decide or mend is a warning or an error.
/// </summary>
internal static partial class UpgradeFindings
{
    private const string Check = "src/bin/pg_upgrade/check.c", Control = "src/bin/pg_upgrade/controldata.c check_control_data";

    /// <summary>Every finding, worst first.</summary>
    public static Finding[] Of(PlanFacts facts) =>
        [.. State(facts).Concat(InContainers(facts)).Concat(Surroundings(facts)).Concat(Arguments(facts)).Concat(ExistingCluster(facts)).Concat(Objects(facts)).Concat(Configuration(facts)).Concat(Replication(facts)).Concat(Order(facts)).Concat(Collations(facts)).Concat(UnicodeVersions(facts)).Concat(Rehearsal.Findings(facts))
            .OfType<Finding>().DistinctBy(f => (f.Id, f.Subject)).OrderByDescending(f => f.Severity)];

    /// <summary>What the old cluster's content and settings run into, whatever is installed and wherever the new one will lie.</summary>
    internal static IEnumerable<Finding> OfCluster(PlanFacts facts) => Objects(facts).Concat(Configuration(facts)).Concat(Replication(facts)).OfType<Finding>();

    /// <summary>The mode that is meant: what was asked for, else clone where files can share their blocks, else copy.</summary>
    public static TransferMode ModeOf(PlanFacts facts) => facts.Mode ?? (CanClone(facts.Around) == true ? TransferMode.Clone : TransferMode.Copy);

    /// <summary>Whether clones of files are possible, in tablespaces too, whose files stay there; null: only a try would tell.</summary>
    private static bool? CanClone(Circumstances around)
    {
        if (around is not { Old: { } old, New: { } now })
        {
            return null;
        }

        // Subvolumes of one btrfs are devices of their own, and clones cross them.
        var apart = old.Type is "btrfs" or "bcachefs" ? old.Type != now.Type : old.Device != now.Device;
        bool?[] all = [apart ? false : old.Clones, .. around.Tablespaces.Select(t => t.Clones)];
        return all.Contains(false) ? false : all.Contains(null) ? null : true;
    }

    private static IEnumerable<Finding?> State(PlanFacts facts)
    {
        var old = facts.Old;
        foreach (var own in ClusterFindings.Of(old))
        {
            // An upgrade of a standby is impossible, of a standby left alone it is nothing; here it is the first.
            yield return own.Id switch { "pg/standby" => own with { Severity = Severity.Error }, "pg/md5-scram-line" => null, _ => own };
        }

        if (old.Postmaster is { ServerPid: { } server })
        {
            yield return Note("pg/old-running-real", Severity.Info, Value.Path(old.Directory), $"a server works in {Value.Path(old.Directory)}, process {server}: it is stopped first",
                "pg_upgrade takes stopped clusters only", "src/bin/pg_upgrade/server.c start_postmaster", $"process {server}", $"{old.Directory}/postmaster.pid", "the downtime begins when it is stopped; tell its users");
        }
        else if (old.Postmaster is { PidIsAlive: true } taken)
        {
            yield return Note("pg/old-running", Severity.Warning, Value.Path(old.Directory), $"{Value.Path(old.Directory + "/postmaster.pid")} names process {taken.Pid}, which is alive and no server of this directory: pg_upgrade will say that one is running",
                "the number was given to another process since", "src/bin/pg_upgrade/exec.c pid_lock_file_exists", $"{taken.Pid}", $"{old.Directory}/postmaster.pid:1", "remove postmaster.pid when no server works there, on no machine and in no container");
        }

        if (old.Postmaster is { ServerPid: null } && (old.ConfigFile is null || !old.ConfigFile.StartsWith(old.Directory + "/", StringComparison.Ordinal) || StartWords.Setting(old.StartedWith, "config_file") is not null))
        {
            yield return Note("pg/stale-pid-mounted-conf", Severity.Warning, Value.Path(old.Directory), $"postmaster.pid is left over, and the configuration lies outside {Value.Path(old.Directory)}: port and sockets of the old server are elsewhere",
                "a server started on the bare directory would use other settings", "src/bin/pg_upgrade/option.c adjust_data_dir", old.ConfigFile ?? "none found", old.StartedWith is null ? old.Directory : $"{old.Directory}/postmaster.opts", "name the folder of the configuration: --config-dir DIR");
        }

        if (old.Prepared is [var first, ..])
        {
            yield return Note("pg/prepared", Severity.Error, Value.Path(old.Directory), $"{ClusterFindings.Plural(old.Prepared.Length, "prepared transaction is", "prepared transactions are")} open",
                "pg_upgrade refuses them", Check + " check_for_prepared_transactions", first, $"{old.Directory}/pg_twophase", "finish each in the old server: SELECT gid FROM pg_prepared_xacts; COMMIT PREPARED or ROLLBACK PREPARED");
        }

        if (facts.To < old.Version)
        {
            yield return Note("pg/downgrade", Severity.Error, Value.Path(old.Directory), $"the data is of {old.Version}, and {facts.To} is older", "pg_upgrade goes up only", Check + " check_cluster_versions", $"{old.Version}", $"{old.Directory}/PG_VERSION", "dump with pg_dump of the newer version and restore what the older one understands");
        }
        else if (facts.To == old.Version && old.Version != 0)
        {
            yield return Note("pg/same-version", Severity.Info, Value.Path(old.Directory), $"the data is of {old.Version} already: new minor versions need no upgrade of the data", "minor versions share their files", "versioning policy of PostgreSQL", $"{old.Version}", $"{old.Directory}/PG_VERSION", "install the newest package or image of the same major version and restart");
        }

        foreach (var (installation, version, which) in new[] { (facts.OldInstallation, old.Version, "old"), (facts.NewInstallation, facts.To, "new") })
        {
            if (installation is { Version: > 0 } && installation.Version != version)
            {
                yield return Note("pg/bad-bindir", Severity.Error, Value.Path(installation.Programs), $"the programs in {Value.Path(installation.Programs)} are of {installation.Version}, the {which} data of {version}",
                    "programs and data belong together", Check + " check_cluster_versions", installation.Words, installation.Programs, $"name the programs of {version}: --{which}-bin DIR");
            }
            else if (facts.Container is not { NewImage: null } && installation is null or { Missing.Length: > 0 } && (which == "new" || facts.To != old.Version))
            {
                yield return Note("pg/old-programs-missing", which == "new" || installation is null ? Severity.Error : Severity.Warning, Value.Path(installation?.Programs ?? $"PostgreSQL {version}"),
                    installation is null ? facts.Container is { } container ? (Text)$"the image {new Value(which == "new" ? container.NewName : container.Container.Image, ValueKind.Plain)} has no server of PostgreSQL, or cannot be unpacked" : $"the programs of PostgreSQL {version} are not where they usually are" : $"{Value.Path(installation.Programs)} lacks {string.Join(", ", installation.Missing)}",
                    "pg_upgrade needs the programs of both versions", "src/bin/pg_upgrade/exec.c check_bin_dir", installation is null ? "not found" : string.Join(", ", installation.Missing), installation?.Programs ?? $"/usr/lib/postgresql/{version}/bin", $"install postgresql-{version}, or name the folder: --{which}-bin DIR");
            }
        }
    }

    private static IEnumerable<Finding?> Surroundings(PlanFacts facts)
    {
        var (old, around) = (facts.Old, facts.Around);
        if (around.Uid == 0 && old.Uid != 0)
        {
            yield return Note("pg/as-root", Severity.Info, Value.User("root"), $"pg_upgrade refuses to run as root: it is run as {Value.User(around.Owner)}, who owns the data", "servers of PostgreSQL never run as root", "src/bin/pg_upgrade/option.c", "uid 0", "this program", "nothing has to be done");
        }

        if (around.Uid != 0 && around.Uid != old.Uid)
        {
            yield return Note("pg/wrong-owner", Severity.Error, Value.Path(old.Directory), $"{Value.Path(old.Directory)} belongs to uid {old.Uid}, and this program runs as {around.Uid}", "only the owner may start a server in it", "src/backend/utils/init/miscinit.c checkDataDir", $"uid {old.Uid}", old.Directory, "run lotse as root or as the owner");
        }
        else if (around.Uid == 0 && old.Uid != 0 && around.PostgresUid is { } postgres && postgres != old.Uid && (old.Uid < 1000 || old.Uid == 65534))
        {
            yield return Note("pg/wrong-owner", Severity.Warning, Value.Path(old.Directory), $"{Value.Path(old.Directory)} belongs to {Value.User(around.Owner)} (uid {old.Uid}), not to postgres (uid {postgres})", "images differ in the number of their user: Debian 999, Alpine 70, Bitnami 1001", "src/backend/utils/init/miscinit.c checkDataDir", $"uid {old.Uid}", old.Directory,
                "the upgrade runs as the owner; give the directory to postgres (chown -R) when the servers of this machine are to run it");
        }

        if (around.WorkingFolderStatus is { } cwd && !MayWrite(cwd, old.Uid, old.Gid))
        {
            yield return Note("pg/cwd-readonly", Severity.Info, Value.Path(around.WorkingFolder), $"{Value.User(around.Owner)} may not write {Value.Path(around.WorkingFolder)}: pg_upgrade is run in a folder of its own", "pg_upgrade puts its socket, before 15 its logs too, into the working directory", "src/bin/pg_upgrade/exec.c verify_directories",
                $"{cwd.Uid}:{cwd.Gid} {ClusterFindings.Octal(cwd.Mode)}", around.WorkingFolder, "nothing has to be done; by hand: change into a directory that it may write");
        }

        foreach (var variable in around.LibpqVariables)
        {
            yield return Note("pg/pghost-env", Severity.Info, new(variable.Split('=')[0], ValueKind.Plain), $"{new Value(variable, ValueKind.Plain)} is set: pg_upgrade is run without it", "pg_upgrade talks to its own servers only", "src/bin/pg_upgrade/server.c check_pghost_envvar", variable, "the environment", "nothing has to be done; by hand: env -u PGHOST -u PGHOSTADDR");
        }

        foreach (var folder in around.MissingSocketFolders)
        {
            var named = folder == facts.SocketFolder ? null : old.Setting("unix_socket_directories");
            yield return Note("pg/socketdir-missing", named is null ? Severity.Error : Severity.Warning, Value.Path(folder), $"the folder for sockets, {Value.Path(folder)}, is not there: the server cannot start", "the packaged folder is made by the service or image, not by the server", "src/backend/libpq/pqcomm.c; unix_socket_directories", named?.Value ?? folder, named is null ? "--socket-dir" : $"{named.File}:{named.Line}",
                named is null ? "make it, or leave it out" : "the upgrade uses a folder of its own; make this one before the server is started for others");
        }

        var port = int.TryParse(old.Setting("port")?.Value, out var said) ? said : 5432;
        foreach (var folder in (old.Setting("unix_socket_directories")?.Value ?? "").Split(',').Select(f => f.Trim()).Where(f => f.StartsWith('/') && !ClusterFindings.FitsSocket(f, port)).Concat(facts.SocketFolder is { } own && !ClusterFindings.FitsSocket(own, 50432) ? [own] : []))
        {
            yield return Note("pg/socket-too-long", Severity.Error, Value.Path(folder), $"a socket in {Value.Path(folder)} has a path of over 107 bytes", "the kernel takes 107", "unix(7) sun_path", folder, "unix_socket_directories or --socket-dir", "name a shorter folder, /tmp for one");
        }

        if (facts.SocketFolder is null && !ClusterFindings.FitsSocket(around.WorkingFolder, 50432))
        {
            yield return Note("pg/socket-too-long", Severity.Info, Value.Path(around.WorkingFolder), $"a socket in {Value.Path(around.WorkingFolder)} would have a path of over 107 bytes: the upgrade uses a short folder of its own", "the kernel takes 107", "unix(7) sun_path", around.WorkingFolder, "the working directory", "nothing has to be done");
        }

        var mode = ModeOf(facts);
        if (mode is TransferMode.Link or TransferMode.Swap && around is { Old: { } from, New: { } to } && (from.Device != to.Device || from.Mount != to.Mount))
        {
            yield return Note("pg/link-xdev", Severity.Error, Value.Path(facts.NewDirectory), $"{(mode == TransferMode.Link ? "hard links" : "moves of folders")} from {Value.Path(old.Directory)} to {Value.Path(facts.NewDirectory)} are not possible: {(from.Device != to.Device ? "two filesystems or subvolumes" : "two mounts of one filesystem")}",
                "a hard link never crosses a mount", "link(2) EXDEV", $"{from.Device} mounted at {from.Point}; {to.Device} mounted at {to.Point}", "/proc/self/mountinfo", "put the new directory beside the old one, below the same mount", "or another mode: --mode clone or copy");
        }

        if (mode == TransferMode.Clone && CanClone(around) == false)
        {
            yield return Note("pg/clone-unsupported", Severity.Error, Value.Path(facts.NewDirectory), $"{around.Tablespaces.Prepend(around.New).FirstOrDefault(f => f?.Clones == false)?.Type ?? "the filesystem"} makes no clones of files", "reflinks exist on btrfs, xfs and bcachefs, within one filesystem", "ioctl_ficlonerange(2)", $"{around.Old?.Type} to {around.New?.Type}", "/proc/self/mountinfo", "take mode copy (the way back stays) or link");
        }

        foreach (var full in Room(facts, mode))
        {
            yield return full;
        }

        foreach (var tablespace in old.Tablespaces)
        {
            if (tablespace.VersionFolders.FirstOrDefault(f => f.StartsWith($"PG_{facts.To}_", StringComparison.Ordinal)) is { } there && facts.To != old.Version)
            {
                yield return Note("pg/tablespace-exists", Severity.Error, Value.Path($"{tablespace.Location}/{there}"), $"{Value.Path($"{tablespace.Location}/{there}")} is there already: left over from an earlier attempt, or in use", "the new version makes this folder itself", Check + " check_for_new_tablespace_dir", there, tablespace.Location ?? "?", "look whether a cluster of that version uses it; if none does, move it away");
            }

            if (tablespace.Location is { } location && (location + "/").StartsWith(old.Directory + "/", StringComparison.Ordinal))
            {
                yield return Note("pg/tablespace-inside", Severity.Info, Value.Path(location), $"the tablespace {new Value(tablespace.Name, ValueKind.Plain)} lies inside the data directory", "the upgrade works; the old directory cannot be removed afterwards as long as the tablespace is in it", Check + " create_script_for_old_cluster_deletion", location, $"{old.Directory}/pg_tblspc/{tablespace.Oid}", "move the tablespace some day");
            }
        }
    }

    /// <summary>The files of a tablespace are written beside the old ones, all else into the new directory; pg_wal is not carried over.</summary>
    private static IEnumerable<Finding> Room(PlanFacts facts, TransferMode mode)
    {
        const long Empty = 64L << 20, Catalogs = 512L << 20;
        var (old, around) = (facts.Old, facts.Around);
        if (old.Sizes is not { } sizes || around.New is not { } place)
        {
            yield break;
        }

        var (own, outside) = (sizes.TotalBytes - sizes.WalBytes - sizes.TablespaceBytes, sizes.TablespaceBytes);
        var together = around.Tablespaces.Length == 0 || around.Tablespaces.Any(t => t.Device == place.Device);
        var needs = new List<(Filesystem Where, long Bytes)> { (place, mode == TransferMode.Copy ? own + (together ? outside : 0) + Empty : Catalogs) };
        if (!together && mode == TransferMode.Copy && around.Tablespaces.Length == 1)
        {
            needs.Add((around.Tablespaces[0], outside));
        }

        foreach (var (where, need) in needs)
        {
            if (where.FreeBytes is { } free && free < need)
            {
                yield return Note("pg/disk-full", Severity.Error, Value.Path(where == place ? facts.NewDirectory : where.Point), $"mode {mode.ToString().ToLowerInvariant()} needs {Amount.OfKib(need / 1024)} in {Value.Path(where.Point)}, and {Amount.OfKib(free / 1024)} are free", "everything but pg_wal is written once more", "measured: sizes of the files",
                    $"{Amount.OfKib((own + outside) / 1024)} of data", old.Directory, "make room, or name another place: --new-data DIR", "or a mode that needs less: clone, link");
            }
        }
    }

    private static bool MayWrite(FileStatus folder, uint uid, uint gid) =>
        uid == 0 || (folder.Uid == uid ? (folder.Mode & 0x80) != 0 : folder.Gid == gid ? (folder.Mode & 0x10) != 0 : (folder.Mode & 2) != 0);

    private static Finding Note(string id, Severity severity, Value subject, Text title, Text why, string rule, string seen, string where, params ReadOnlySpan<string> remedies)
    {
        var helps = new Remedy[remedies.Length];
        for (var i = 0; i < helps.Length; i++)
        {
            helps[i] = new(remedies[i]);
        }

        return new(id, severity, Certainty.Proven, subject, title, [new(why, Verdict.Yes, rule, new Seen($"{new Value(seen, ValueKind.Plain)}", where))], helps);
    }
}
