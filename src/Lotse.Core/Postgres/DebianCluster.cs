using System.Globalization;

namespace Lotse.Postgres;

/// <summary>
/// A cluster as postgresql-common has it: configuration in /etc/postgresql/VERSION/NAME, started by pg_ctlcluster(1) and at
/// boot by the unit postgresql@VERSION-NAME where start.conf says auto. The new one gets the same, and the old one is set to
/// manual, as pg_upgradecluster(1) does: else the next boot would start the old data.
/// </summary>
/// <param name="Name">Its name, mostly main.</param>
/// <param name="Start">start.conf of the old one as it is.</param>
public sealed record DebianCluster(string Name, string Start)
{
    private static readonly string[] OfPackages = ["start.conf", "pg_ctl.conf", "environment"], OfServers = ["postgresql.conf", "pg_hba.conf", "pg_ident.conf"];

    private const string Root = "/etc/postgresql", Tool = "/usr/bin/pg_ctlcluster", Systemd = "/run/systemd/system";
    private static readonly TimeSpan Long = TimeSpan.FromHours(1);

    /// <summary>Reads what is Debian's about a cluster; null: nothing is, or its tools do not know the new version.</summary>
    internal static DebianCluster? Read(Host host, ClusterFacts old, string? newPrograms, int to)
    {
        var folder = $"{Root}/{Number(old.Version)}/";
        if (old.ConfigFile is not { } file || !file.StartsWith(folder, StringComparison.Ordinal) || file[folder.Length..].Split('/') is not [{ Length: > 0 } name, "postgresql.conf"]
            || newPrograms != $"/usr/lib/postgresql/{Number(to)}/bin" || !host.Status(Tool).Ok || host.ReadFile($"{folder}{name}/start.conf") is not { Ok: true } start)
        {
            return null;
        }

        return new(name, ByteText.Decode(start.Value));
    }

    /// <summary>The edit that keeps the old cluster from starting at boot; null: it does not anyway.</summary>
    internal EditFile? KeepFromStarting(int version)
    {
        var lines = Start.Split('\n');
        var at = Array.FindIndex(lines, l => l.Trim() == "auto");
        return at < 0 ? null : EditFile.Between($"{Folder(version)}/start.conf", ByteText.Encode(Start), ByteText.Encode(string.Join('\n', [.. lines[..at], "manual", .. lines[(at + 1)..]])));
    }

    /// <summary>Where the configuration of a version lies.</summary>
    internal string Folder(int version) => $"{Root}/{Number(version)}/{Name}";

    /// <summary>Gives the new cluster its place in /etc; may be repeated.</summary>
    internal void Make(ClusterPrograms programs, UpgradeJob job)
    {
        var (old, now) = (Folder(job.From), Folder(job.To));
        if (!programs.Host.Status($"{job.New}/postgresql.conf").Ok)
        {
            return;
        }

        programs.Owners($"{Root}/{Number(job.To)}", "0755");
        programs.Owners(now, "0755");
        programs.Owners($"{now}/conf.d", "0755");
        foreach (var name in OfPackages.Where(n => programs.Host.Status($"{old}/{n}").Ok))
        {
            programs.RunIn("/", "cp", "-p", $"{old}/{name}", $"{now}/{name}");
        }

        // The old one is kept from starting by then; the new one starts as the old one did.
        programs.Write($"{now}/start.conf", ByteText.Encode(Start));
        var conf = programs.Host.ReadFile($"{job.New}/postgresql.conf") is { Ok: true } read ? read.Value : throw new StepFailedException($"cannot read {ByteText.Escape(job.New)}/postgresql.conf");
        var unit = $"{Number(job.To)}-{Name}";
        string Quote(string value) => value.Replace("'", "''", StringComparison.Ordinal);
        programs.Write($"{now}/postgresql.conf", [.. conf, .. ByteText.Encode($"\ndata_directory = '{Quote(job.New)}'\nhba_file = '{Quote(now)}/pg_hba.conf'\nident_file = '{Quote(now)}/pg_ident.conf'\nexternal_pid_file = '/var/run/postgresql/{Quote(unit)}.pid'\ncluster_name = '{Number(job.To)}/{Quote(Name)}'\n")]);
        foreach (var name in OfServers.Skip(1))
        {
            programs.RunIn("/", "cp", "-p", $"{job.New}/{name}", $"{now}/{name}");
        }

        if (job.HbaFile is { } hba)
        {
            CarriedFiles.CarryNamed(programs, hba, now);
        }

        // Whoever administers them reads these; the server's parent folder stays readable as packages have it.
        programs.RunIn(now, "chmod", "0644", "postgresql.conf", "start.conf");
        programs.RunIn(now, "chmod", "0640", "pg_hba.conf", "pg_ident.conf");
        programs.RunIn(job.New, "rm", "-f", "postgresql.conf", "pg_hba.conf", "pg_ident.conf");
        Tell(programs.Host);
    }

    /// <summary>Takes it away again: the data directory has its configuration with it, and /etc knows nothing of it.</summary>
    internal void Unmake(ClusterPrograms programs, UpgradeJob job)
    {
        var now = Folder(job.To);
        if (!programs.Host.Status(now).Ok)
        {
            return;
        }

        var directory = programs.Host.Status(job.New).Ok ? job.New : job.Unfinished;
        foreach (var name in OfServers.Where(n => programs.Host.Status($"{now}/{n}").Ok && programs.Host.Status(directory).Ok && !programs.Host.Status($"{directory}/{n}").Ok))
        {
            programs.RunIn("/", "cp", "-p", $"{now}/{name}", $"{directory}/{name}");
        }

        if (programs.Host.Run(["rm", "-rf", "--one-file-system", now], Long) is not { Ok: true, Value.ExitCode: 0 })
        {
            throw new StepFailedException($"cannot remove {ByteText.Escape(now)}");
        }

        _ = programs.Host.Run(["rmdir", $"{Root}/{Number(job.To)}"], Long);
        Tell(programs.Host);
    }

    /// <summary>Starts the cluster of a version as its package does: through systemd where that runs.</summary>
    internal void StartCluster(ClusterPrograms programs, int version)
    {
        var ran = programs.Host.Run([Tool, Number(version), Name, "start"], Long);
        if (ran is not { Ok: true, Value.ExitCode: 0 or 2 })
        {
            throw new StepFailedException($"pg_ctlcluster {Number(version)} {ByteText.Escape(Name)} start: {(ran.Ok ? ByteText.Escape(ByteText.Decode(ran.Value.Errors).Trim().Split('\n')[^1]) : ran.Error!.Message)}");
        }
    }

    /// <summary>Stops the cluster of a version where systemd runs it: one that is stopped behind its back is a failed unit for it.</summary>
    internal void StopCluster(Host host, int version)
    {
        var unit = $"postgresql@{Number(version)}-{Name}.service";
        if (host.Status(Systemd).Ok && host.Run(["systemctl", "is-active", "--quiet", "--", unit], Long) is { Ok: true, Value.ExitCode: 0 })
        {
            _ = host.Run(["systemctl", "stop", "--", unit], TimeSpan.FromDays(1));
        }
    }

    /// <summary>Which clusters there are, and which start at boot, is read by a generator of units.</summary>
    internal static void Tell(Host host)
    {
        if (host.Status(Systemd).Ok)
        {
            _ = host.Run(["systemctl", "daemon-reload"], Long);
        }
    }

    private static string Number(int version) => version.ToString(CultureInfo.InvariantCulture);
}
