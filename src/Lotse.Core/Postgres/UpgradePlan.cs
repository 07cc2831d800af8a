using System.Globalization;

namespace Lotse.Postgres;

/// <summary>The steps of an upgrade. Pure: facts in, changes out.</summary>
internal static class UpgradePlan
{
    private const int Moment = 600, Long = 86400;

    /// <summary>Contents are compared by themselves up to this size; beyond it that would double the time that users wait.</summary>
    private const long ComparedBytes = 1L << 30;

    /// <summary>Belong to a place or to initdb, not to a decision.</summary>
    private static readonly string[] NotCarried = ["data_directory", "config_file", "hba_file", "ident_file", "external_pid_file", "lc_collate", "lc_ctype", "stats_temp_directory", "extension_destdir", "cluster_name_of_old"];

    /// <summary>Of a command line: what a server that works for us alone has otherwise, or cannot find.</summary>
    private static readonly string[] NotForUs = ["listen_addresses", "unix_socket_", "ssl", "log_", "logging_collector", "archive_", "cluster_name", "max_connections", "autovacuum"];

    internal static readonly string[] Apart = ["unshare", "--mount", "--"];

    /// <summary>The step that only clusters have which share their files.</summary>
    private const string Open = "open";

    private static readonly (string Name, bool Apart, int Seconds)[] InContainerSteps =
    [
        ("fetch", false, 3600), ("init", true, Moment), ("stop", false, 7200), ("note", true, Long), ("upgrade", true, Long),
        ("check", true, Long), ("configure", true, Moment), ("place", false, Moment), (Open, true, Long), ("start", false, Long), ("statistics", false, Long),
    ];

    /// <summary>The steps, in order; each is run by lotse itself, and each can be taken back.</summary>
    /// <param name="facts">Both sides.</param>
    /// <param name="lotse">This program.</param>
    /// <param name="compare">Whether contents are compared; null: by size.</param>
    public static (Change[] Changes, UpgradeJob Job) Make(PlanFacts facts, string lotse, bool? compare)
    {
        var job = JobOf(facts, compare);
        var steps = new List<Change> { new CreateFile(job.File, job.Lines(), 0x180, facts.Around.Uid, facts.Around.Uid == 0 ? 0 : facts.Old.Gid, Unterminated: true) };
        if (facts.Container is not null)
        {
            // What works with both images does so in a mount namespace of its own; engines are spoken to outside of it.
            foreach (var (name, apart, seconds) in InContainerSteps.Where(s => s.Name != Open || job.SharesFiles))
            {
                if (name == (job.SharesFiles ? Open : "start") && Containers.ComposeFile.Edit(facts) is { Change: { } edit })
                {
                    steps.Add(edit);
                }

                steps.Add(Step([.. apart ? Apart : [], lotse], name, seconds));
            }

            return ([.. steps], job);
        }

        foreach (var (name, seconds) in new[] { ("init", Moment), ("stop", 3600), ("upgrade", Long), ("check", Long), ("configure", Moment), ("place", Moment), (Open, Long), ("start", Long), ("statistics", Long) })
        {
            if (name == (job.SharesFiles ? Open : "start") && job.Debian?.KeepFromStarting(job.From) is { } edit)
            {
                steps.Add(edit);
            }

            if (name != Open || job.SharesFiles)
            {
                steps.Add(Step([lotse], name, seconds));
            }
        }

        return ([.. steps], job);

        RunProgram Step(string[] program, string name, int seconds) =>
            new([.. program, "pg", "step", name, job.File], [lotse, "pg", "step", name, job.File, "--back"], seconds, name, facts.Rehearsal?.Of(name), name == Open ? $"{job.Old} and {job.New} share their files, and the new server changes them; what fails later is finished, not taken back" : null);
    }

    private static UpgradeJob JobOf(PlanFacts facts, bool? compare)
    {
        var old = facts.Old;
        var removed = VersionTables.Settings.Where(s => s.GoneIn <= facts.To).Select(s => s.Name).ToHashSet();
        var refused = (facts.NewInstallation?.ConfigComplaints ?? []).Select(c => c.Split('"')).Where(w => w.Length > 2).Select(w => w[1]).ToHashSet();
        var wanted = old.Settings.Where(s => !NotCarried.Contains(s.Name) && !removed.Contains(s.Name) && !refused.Contains(s.Name)).ToLookup(s => s.Value == ConfigFiles.NotKept);
        var carried = wanted[false];
        bool IsSystem(Setting s) => s.File.EndsWith("/postgresql.auto.conf", StringComparison.Ordinal);
        var needed = new List<string>();
        if (old.Slots.Any(s => s.IsLogical) && facts.To >= 17 && old.Version >= 17)
        {
            needed.Add("wal_level=logical");
            needed.Add($"max_replication_slots={Math.Max(10, old.Slots.Length)}");
            if (UpgradeFindings.CarriedPlugins(facts) is { } plugins)
            {
                needed.Add($"output_plugin_libraries={plugins}");
            }
        }

        // Since 18 the places of subscriptions have a limit of their own; before it is that of slots (check_new_cluster_subscription_configuration).
        if (old.Version >= 17 && old.Subscriptions.Length > 10)
        {
            needed.Add($"{(facts.To >= 18 ? "max_active_replication_origins" : "max_replication_slots")}={Math.Max(old.Subscriptions.Length, old.Slots.Length)}");
        }

        if (old.SettingInServer("shared_preload_libraries") is { Value.Length: > 0 } preload)
        {
            needed.Add($"shared_preload_libraries={preload.Value}");
        }

        var started = facts.Container is null && facts.Debian is null && old.IsRunning ? StartWords.Settings(old.StartedWith).Where(s => s.Name != "port" && !NotCarried.Contains(s.Name)).ToArray() : [];
        var job = new UpgradeJob()
        {
            Old = old.Directory,
            New = facts.NewDirectory,
            Work = facts.NewDirectory + ".lotse",
            OldPrograms = facts.OldInstallation!.Programs,
            NewPrograms = facts.NewInstallation!.Programs,
            From = old.Version,
            To = facts.To,
            Uid = old.Uid,
            Gid = old.Gid,
            Superuser = old.BootstrapSuperuser!,
            Mode = UpgradeFindings.ModeOf(facts),
            InitArguments = InitArguments.Of(old, facts.To),
            Debian = facts.Container is null ? facts.Debian : null,
            IsServing = old.IsRunning,
            Port = old.Postmaster is { ServerPid: not null, Port: { } port } ? port : int.TryParse(old.Setting("port")?.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var said) ? said : 5432,
            StartedWith = [.. started.Select(s => $"{s.Name}={s.Value}")],
            StartNewWith = [.. started.Where(s => !removed.Contains(s.Name) && !refused.Contains(s.Name)).Select(s => $"{s.Name}={s.Value}")],
            ConfigFile = old.ConfigFile,
            HbaFile = old.HbaFile,
            IdentFile = old.Setting("ident_file")?.Value,
            NamedFiles = CarriedFiles.Of(old),
            Settings = [.. carried.Where(s => !IsSystem(s)).Select(Line)],
            SystemSettings = [.. carried.Where(IsSystem).Select(Line)],
            Unkept = [.. wanted[true].Select(s => s.Name)],
            OldServerSettings = [.. ConfigFiles.OfCommandLine(old).Where(s => s.Value != ConfigFiles.NotKept && !NotCarried.Contains(s.Name) && !Array.Exists(NotForUs, n => s.Name.StartsWith(n, StringComparison.Ordinal))).Select(s => $"{s.Name}={s.Value}")],
            NewServerSettings = [.. needed],
            Moved = [.. old.Databases.Where(d => d is { AllowConnections: true, Objects: not null }).Select(d => new MovedIndexes(d.Name, UpgradeFindings.MovedIndexes(facts, d).Indexes) { IsOfAnotherVersion = UpgradeFindings.IsOfAnotherVersion(facts, d) }).Where(m => m.Indexes.Length > 0 || m.IsOfAnotherVersion)],
            CompareContents = UpgradeFindings.ModeOf(facts) is not (TransferMode.Link or TransferMode.Swap) && compare != false && (compare == true || (old.Sizes is { } sizes && sizes.TotalBytes - sizes.WalBytes < ComparedBytes)),
        };
        return facts.Container is { NewImage: { } image } container ? InContainers(job, container, Containers.ContainerLayout.Of(container.Container, image, facts.To)!) : job;
    }

    private static UpgradeJob InContainers(UpgradeJob job, Containers.ContainerPlan plan, Containers.ContainerLayout layout)
    {
        var (container, mount) = (plan.Container, plan.Container.DataMount!);
        job = job with
        {
            Work = layout.Work,
            Container = new()
            {
                Engine = container.Engine,
                Name = container.Name,
                Id = container.Id,
                Aside = $"{container.Name}-{job.From.ToString(CultureInfo.InvariantCulture)}",
                Image = plan.NewName,
                OldImageId = plan.OldImage.Id,
                NewImageId = plan.NewImage!.Id,
                OldRoot = plan.OldRoot!,
                NewRoot = plan.NewRoot!,
                OldTarget = mount.Destination,
                NewTarget = layout.Target,
                NewSource = layout.Source,
                NewFolder = layout.Folder,
                IsNewSource = layout.IsNewSource,
                IsVolume = mount.Type == "volume",
                VolumeLabels = Containers.ComposeFile.VolumeLabels(plan, layout),
                Shared = [.. container.Mounts.Where(m => m.Type is "volume" or "bind" && m.Source.StartsWith('/')).OrderBy(m => m.Destination.Length).Select(m => new Containers.SharedFolder(m.Source, m.Destination.TrimEnd('/')))],
                SharedFolder = !layout.IsNewSource ? mount.Source : job.SharesFiles ? plan.CommonFolder : null,
                ConfigFile = container.ConfigFile,
                Restart = container.Restart,
            },
        };
        return job with { OldPrograms = $"{job.Stage}/old{job.OldPrograms}", NewPrograms = $"{job.Stage}/new{job.NewPrograms}" };
    }

    /// <summary>A line of postgresql.conf: quoted as guc-file.l reads it.</summary>
    internal static string Line(Setting setting) => $"{setting.Name} = '{setting.Value.Replace(@"\", @"\\", StringComparison.Ordinal).Replace("'", "''", StringComparison.Ordinal)}'";
}
