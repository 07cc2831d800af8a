using System.Globalization;
using System.Text;
using Lotse.Linux;

namespace Lotse.Postgres;

/// <summary>A step of an upgrade could not be done.</summary>
/// <param name="message">What and why, in one line.</param>
internal sealed class StepFailedException(string message) : Exception(message);

/// <summary>A step back was asked for where none is left: what was begun has been finished instead.</summary>
/// <param name="message">Why, in one line.</param>
internal sealed class NoWayBackException(string message) : Exception(message);

/// <summary>Runs the programs of clusters as the owner of the data, in a clean environment, with their words kept in a log.</summary>
internal sealed class ClusterPrograms(Host host, UpgradeJob job)
{
    private static readonly TimeSpan Day = TimeSpan.FromDays(1);

    /// <summary>What pg_upgrade and libpq would take from the environment of whoever started us.</summary>
    private static readonly string[] Variables = ["PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGSERVICE", "PGOPTIONS", "PGDATA", "PGSSLMODE", "PGCLIENTENCODING", "PGTZ", "PGDATESTYLE"];

    /// <summary>What a server says that finds the remains of one that was killed (sysv_shmem.c, pqcomm.c, miscinit.c).</summary>
    private static readonly string[] OfTheDead = ["pg/already-running", "pg/port-taken"];

    public Host Host => host;

    /// <summary>Runs a program that must end with 0.</summary>
    /// <exception cref="StepFailedException">It did not, or could not be run.</exception>
    public string Run(string what, params string[] arguments) => Run(what, null, arguments);

    /// <summary>Runs a program with an input, and keeps all it says in WORK/log/WHAT.log.</summary>
    public string Run(string what, byte[]? input, params string[] arguments)
    {
        var ran = Try(arguments, input);
        if (!ran.Ok)
        {
            throw new StepFailedException($"{what}: {ran.Error!.Message}");
        }

        var said = ByteText.Decode([.. ran.Value.Output, .. ran.Value.Errors]);
        if (ran.Value.ExitCode != 0)
        {
            var kept = $"{job.Work}/log/{what.Replace(' ', '-')}.log";
            var isKept = TryWrite(kept, [.. ran.Value.Output, .. ran.Value.Errors]);
            var why = LogDiagnosis.Explain(LogFiles.Of(host, kept, said));
            var words = why.Findings is [var first, ..] ? $"{first.Title} [{first.Id}]" : ByteText.Escape(said.Trim().Split('\n')[^1].Trim());
            throw new StepFailedException($"{what} ended with {ran.Value.ExitCode}: {words}{(isKept ? $"; all it said is in {ByteText.Escape(kept)}" : "")}");
        }

        return ByteText.Decode(ran.Value.Output);
    }

    /// <summary>Runs a program as the owner; its exit code is an answer.</summary>
    public Reading<Ran> Try(string[] arguments, byte[]? input = null)
    {
        if (job.Container is not null && arguments[0].StartsWith(job.Stage + "/", StringComparison.Ordinal))
        {
            return host.Run(Containers.Stage.Command(job, arguments, Variables), Day, input);
        }

        return host.Run([.. Become("--init-groups"), "env", "-C", job.Sockets, .. Variables.SelectMany(v => new[] { "-u", v }), .. arguments], Day, input);
    }

    /// <summary>Runs a program of this machine as the owner, in a folder; it must end with 0.</summary>
    public void RunIn(string folder, params string[] arguments)
    {
        // It may not reach the folder by its path: those of engines are root's.
        var ran = host.Run(job.Container is null ? [.. Become("--init-groups"), "env", "-C", folder, .. arguments] : ["nsenter", $"--wd={folder}", "--", .. Become("--clear-groups"), .. arguments], Day);
        if (ran is not { Ok: true, Value.ExitCode: 0 })
        {
            throw new StepFailedException($"{ByteText.Escape(string.Join(' ', arguments.Take(4)))} in {ByteText.Escape(folder)}: {(ran.Ok ? ByteText.Escape(ByteText.Decode(ran.Value.Errors).Trim().Split('\n')[^1]) : ran.Error!.Message)}");
        }
    }

    private string[] Become(string groups)
    {
        var identity = CultureInfo.InvariantCulture;
        return Libc.GetEffectiveUserId() == job.Uid ? [] : ["setpriv", $"--reuid={job.Uid.ToString(identity)}", $"--regid={job.Gid.ToString(identity)}", groups];
    }

    private static (string Folder, string Name) Split(string path) => (path[..Math.Max(1, path.LastIndexOf('/'))], path[(path.LastIndexOf('/') + 1)..]);

    /// <summary>Does something with a file in its folder, as the owner of the data.</summary>
    private void AsOwner(string path, Action<OwnersFolder, string> use)
    {
        var (folder, name) = Split(path);
        try
        {
            using var opened = OwnersFolder.Open(folder, job.Uid, job.Gid);
            use(opened, name);
        }
        catch (ChangeFailedException e)
        {
            throw new StepFailedException(e.Message);
        }
    }

    /// <summary>Writes a file as the owner, mode 0600.</summary>
    /// <param name="path">Absolute.</param>
    /// <param name="content">All of it.</param>
    /// <param name="durable">Whether it is on the disk when this returns: what only running programs need may do without.</param>
    /// <exception cref="StepFailedException">It could not be written.</exception>
    public void Write(string path, byte[] content, bool durable = true) => AsOwner(path, (folder, name) => folder.Write(name, content, durable));

    private bool TryWrite(string path, byte[] content)
    {
        try
        {
            Write(path, content);
            return true;
        }
        catch (StepFailedException)
        {
            // A full disk is the reason, and not the failure that is to be told.
            return false;
        }
    }

    /// <summary>Keeps a copy of the job before anything is done, whole or not at all.</summary>
    public void Keep()
    {
        if (host.Status(job.Kept).Ok)
        {
            return;
        }

        foreach (string[] arguments in new string[][] { ["install", "-m", "0600", job.File, job.Kept + ".part"], ["sync", job.Kept + ".part"], ["mv", "-T", job.Kept + ".part", job.Kept], ["sync", job.Work] })
        {
            if (host.Run(arguments, TimeSpan.FromMinutes(10)) is not { Ok: true, Value.ExitCode: 0 })
            {
                throw new StepFailedException($"cannot keep a copy of {ByteText.Escape(job.File)}");
            }
        }
    }

    /// <summary>Sets a mark: a fact that the next start must know.</summary>
    public void Mark(string name) => Write($"{job.Marks}/{name}", Encoding.ASCII.GetBytes(name + "\n"));

    /// <summary>Whether a mark is set.</summary>
    public bool IsMarked(string name) => host.Status($"{job.Marks}/{name}").Ok;

    /// <summary>Takes a mark away. One that cannot be taken away is taken for set again, and stands against nothing.</summary>
    public void Unmark(string name)
    {
        try
        {
            if (IsMarked(name))
            {
                AsOwner($"{job.Marks}/{name}", static (folder, name) => folder.Remove(name));
            }
        }
        catch (StepFailedException)
        {
        }
    }

    /// <summary>Renames a file in its folder, as the owner.</summary>
    public void Rename(string path, string name) => AsOwner(path, (folder, from) => folder.Rename(from, name));

    /// <summary>Makes the folders of the upgrade: the owner's alone, in one that is ours, so that it cannot change what we run.</summary>
    public void MakeFolders()
    {
        Folder(job.Work, "0711", Libc.GetEffectiveUserId(), null);
        foreach (var folder in new[] { job.Sockets, $"{job.Work}/log", job.Marks })
        {
            Owners(folder);
        }
    }

    /// <summary>Makes a folder that belongs to the owner of the data.</summary>
    public void Owners(string folder, string mode = "0700") => Folder(folder, mode, job.Uid, job.Gid);

    private void Folder(string folder, string mode, uint uid, uint? gid)
    {
        // Every step begins with this, and nearly always all is there.
        if (host.Status(folder) is { Ok: true, Value: { Kind: FileKind.Directory } status } && (status.Mode & 0xfff) == Convert.ToInt32(mode, 8) && status.Uid == uid && (gid is null || status.Gid == gid))
        {
            return;
        }

        var made = host.Run(["install", "-d", "-m", mode, .. gid is null ? Array.Empty<string>() : ["-o", uid.ToString(CultureInfo.InvariantCulture), "-g", gid.Value.ToString(CultureInfo.InvariantCulture)], folder], TimeSpan.FromMinutes(1));
        if (made is not { Ok: true, Value.ExitCode: 0 })
        {
            throw new StepFailedException($"cannot make {ByteText.Escape(folder)}: {(made.Ok ? ByteText.Escape(ByteText.Decode(made.Value.Errors).Trim()) : made.Error!.Message)}");
        }
    }

    /// <summary>The server that works in a directory; null: none.</summary>
    public int? ServerOf(string directory) => ServerProcess.Read(host, directory)?.ServerPid;

    /// <summary>
    /// Stops the server of a directory, if there is one: in order, or at once. By signals, as pg_ctl(1) does: no program of an
    /// image is needed, and no file that a dead server left is taken for one that still stops (pg_ctl of 13).
    /// </summary>
    /// <exception cref="StepFailedException">It does not stop.</exception>
    public void Stop(string directory, bool atOnce = false)
    {
        // SIGINT is a fast stop and SIGQUIT an immediate one (postgres(1)). A fast one writes all that is in memory, and waits for
        // whoever copies the log. On a disk that fails or is full, 18 may never end: its checkpointer is waited for, and waits.
        // A cluster of ours can do with recovery; the old one cannot be upgraded then.
        const int Interrupt = 2, Quit = 3, Kill = 9;
        var isOld = directory == job.Old;
        (int Signal, TimeSpan Patience)[] ways = [(Interrupt, TimeSpan.FromMinutes(isOld ? 10 : 2)), (Quit, TimeSpan.FromMinutes(1)), (Kill, TimeSpan.FromMinutes(1))];
        foreach (var (signal, patience) in ways[(atOnce ? 1 : 0)..(isOld ? 2 : 3)])
        {
            var told = 0;
            for (var end = host.Uptime + patience; host.Uptime < end; host.Wait(TimeSpan.FromMilliseconds(50)))
            {
                if (ServerOf(directory) is not { } pid)
                {
                    return;
                }

                if (pid != told)
                {
                    // Another one than before is a child of a server that has ended.
                    _ = Libc.Kill(pid, told == 0 || signal == Kill ? signal : Quit);
                    told = pid;
                }
            }
        }

        throw new StepFailedException($"the server in {ByteText.Escape(directory)} does not stop{(ServerOf(directory) is { } left ? $", process {left}" : "")}");
    }

    /// <summary>Stops the server of a directory that we, or pg_upgrade for us, started: its sockets are in our folder.</summary>
    public void StopOwn(string directory)
    {
        if (ServerOf(directory) is not null && host.ReadFile($"{directory}/postmaster.opts", 65536) is { Ok: true } opts && ByteText.Decode(opts.Value).Contains(job.Sockets, StringComparison.Ordinal))
        {
            Stop(directory);
        }
    }

    /// <summary>Starts a server that only we can reach: no port, a socket in a folder of ours, its own pg_hba.conf.</summary>
    public void StartPrivately(string directory, string programs, string? outsideConfig)
    {
        WriteOwnHba();
        // A log that is no longer logical stops a server with logical slots.
        var options = StartWords.ForShell(directory == job.Old ? job.OldServerSettings : job.NewServerSettings) + $" -c listen_addresses='' -c unix_socket_directories='{job.Sockets}' -c hba_file='{job.Sockets}/hba.conf' -p 50432 -c max_connections=40 -c autovacuum=off" + (outsideConfig is not null ? $" -c config_file='{outsideConfig}'" : "") + (job.IsRehearsal ? Rehearsing.Quiet : "");
        Start($"{job.Work}/log/server.log", $"{programs}/pg_ctl", "-D", directory, "-w", "-t", "3600", "-l", $"{job.Work}/log/server.log", "-o", options, "start");
    }

    /// <summary>Starts a server for its users, with its own configuration and what it was started with before.</summary>
    public void StartForOthers(string directory, string programs, string? configFile, string[] startedWith, string log)
    {
        var outside = configFile is not null && !configFile.StartsWith(directory + "/", StringComparison.Ordinal);
        Start(log, [$"{programs}/pg_ctl", "-D", directory, "-w", "-t", "3600", "-l", log, "-o", $"-p {job.Port}{StartWords.ForShell(outside ? startedWith.Prepend($"config_file={configFile}") : startedWith)}", "start"]);
    }

    /// <summary>
    /// Starts a server. What is left of one that was killed keeps its memory, its port or its lock file for a moment; that is waited for.
    /// </summary>
    private void Start(string log, params string[] arguments)
    {
        for (var tries = 0; ; tries++)
        {
            // A full disk keeps what an earlier server said.
            var before = host.Status(log) is { Ok: true, Value.Size: var size } ? size : 0;
            var ran = Try(arguments);
            if (ran is { Ok: true, Value.ExitCode: 0 })
            {
                return;
            }

            var text = host.ReadFile(log, 64 << 20) is { Ok: true } read ? ByteText.Decode(read.Value.AsSpan((int)Math.Min(before, read.Value.Length))) : "";
            var last = text.Split('\n', StringSplitOptions.RemoveEmptyEntries).TakeLast(12).ToArray();
            var why = LogDiagnosis.Explain([new(log, string.Join('\n', last))]);
            if (tries < 40 && why.Findings.Any(f => OfTheDead.Contains(f.Id)))
            {
                host.Wait(TimeSpan.FromMilliseconds(500));
                continue;
            }

            var words = why.Findings is [var first, ..] ? $"{first.Title} [{first.Id}]" : ByteText.Escape(last.LastOrDefault(l => l.Contains("FATAL", StringComparison.Ordinal)) ?? (ran.Ok ? ByteText.Decode(ran.Value.Errors).Trim().Split('\n')[^1] : ran.Error!.Message));
            throw new StepFailedException($"the server does not start: {words}; its log is {ByteText.Escape(log)}");
        }
    }

    /// <summary>A pg_hba.conf for the time of the upgrade: whoever can reach the socket is the owner.</summary>
    public void WriteOwnHba() => Write($"{job.Sockets}/hba.conf", "local all all trust\nlocal replication all trust\n"u8.ToArray(), durable: false);

    /// <summary>Asks a server by psql: rows of fields between unit separators.</summary>
    public string[][] Query(string database, string sql, string folder, int port) =>
        [.. Run("psql", Encoding.UTF8.GetBytes(sql), $"{job.NewPrograms}/psql", "-X", "-q", "-A", "-t", "-F", "\u001f", "-v", "ON_ERROR_STOP=1", "-h", folder, "-p", port.ToString(CultureInfo.InvariantCulture), "-U", job.Superuser, "-d", ConnectionString(database), "-f", "-")
            .Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split('\u001f'))];

    /// <summary>A database's name may look like a connection string; in one it is quoted.</summary>
    public static string ConnectionString(string database) => $"dbname='{database.Replace(@"\", @"\\", StringComparison.Ordinal).Replace("'", @"\'", StringComparison.Ordinal)}'";
}
