using System.Globalization;
using System.Text;
using Lotse.Formats;
using Lotse.Linux;

namespace Lotse.Postgres;

/// <summary>
/// At most one step works on an upgrade. lotse that was killed leaves its step at work, and that its programs: whoever
/// comes next ends them, and a step whose lotse has gone before it began does nothing.
/// </summary>
internal static class StepProcess
{
    private const string Name = "step.pid";
    private const int Kill = 9;

    /// <summary>
    /// One process at a time ends others and says that it works now: a step whose lotse was killed may be so late that whoever
    /// comes next has begun already, and must not end that one.
    /// </summary>
    /// <returns>Dispose it to end the turn. Null: the job is not there, or somebody has the turn longer than <see cref="EndOthers"/> takes; who hangs stands against nothing.</returns>
    public static FileLock? Turn(UpgradeJob job) => FileLock.Of(job.File, TimeSpan.FromSeconds(30));

    /// <summary>Refuses where whoever started this process has gone meanwhile. Asked in turn: who comes next sees the claim then, or comes first.</summary>
    /// <exception cref="StepFailedException">It is not to begin.</exception>
    public static void MustBeWanted(Host host)
    {
        if (Program(host, "self") is { } own && Field(host, Environment.ProcessId, ProcessStat.Parent) is { } parent && Program(host, $"{parent}") != own)
        {
            throw new StepFailedException("lotse, which started this step, has ended");
        }
    }

    /// <summary>Says in turn that this process is at work.</summary>
    /// <exception cref="StepFailedException">That cannot be written.</exception>
    public static void Claim(ClusterPrograms programs, UpgradeJob job, bool back)
    {
        try
        {
            programs.Write($"{job.Marks}/{Name}", Encoding.ASCII.GetBytes($"{Environment.ProcessId}\n"), durable: false);
        }
        catch (StepFailedException) when (back)
        {
            // A full disk must not stand against the way back.
        }
    }

    /// <summary>The step is over.</summary>
    public static void Release(ClusterPrograms programs) => programs.Unmark(Name);

    /// <summary>Ends in turn a step that was left at work, with all that it started but servers: those are stopped in order later.</summary>
    public static void EndOthers(Host host, UpgradeJob job)
    {
        if (host.ReadFile($"{job.Marks}/{Name}", 64) is not { Ok: true } read || !int.TryParse(ByteText.Decode(read.Value).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var leader) || leader <= 1 || leader == Environment.ProcessId)
        {
            return;
        }

        // It leads a process group of its own, which outlives it. Numbers are given anew: somebody of the group must know our folder.
        for (var tries = 0; tries < 200 && Group(host, leader) is var group && group.Any(p => CommandLine(host, p) is var words && (words.Contains(job.Work, StringComparison.Ordinal) || words.Contains(job.Sockets, StringComparison.Ordinal))); tries++)
        {
            foreach (var pid in group)
            {
                _ = Libc.Kill(pid, Kill);
            }

            host.Wait(TimeSpan.FromMilliseconds(25));
        }

        // pg_ctl starts a server outside of the group (setsid), and for a moment that works in no directory yet: who asked now
        // which servers there are would miss it.
        for (var tries = 0; tries < 400 && Processes(host).Any(p => IsStarting(host, job, p)); tries++)
        {
            host.Wait(TimeSpan.FromMilliseconds(25));
        }
    }

    /// <summary>Whether a process is a server of one of our directories, or about to become one, that has not written its postmaster.pid there.</summary>
    private static bool IsStarting(Host host, UpgradeJob job, int pid)
    {
        if (host.ReadFile($"/proc/{pid}/comm", 64) is not { Ok: true } comm || ByteText.Decode(comm.Value).TrimEnd('\n') is not ("postgres" or "postmaster" or "pg_ctl" or "sh"))
        {
            return false;
        }

        // The shell that becomes the server has its words in quotes.
        var words = CommandLine(host, pid).Split('\0');
        string[] directories = [job.Old, job.Unfinished, job.New];
        return directories.Any(d => words.Contains(d) || words.Any(w => w.Contains($"\"{d}\"", StringComparison.Ordinal)))
            && !directories.Any(d => ServerProcess.Read(host, d) is { Pid: > 0 } server && (server.Pid == pid || server.ServerPid == pid) && host.Status($"{d}/postmaster.pid").Ok);
    }

    private static string CommandLine(Host host, int pid) => host.ReadFile($"/proc/{pid}/cmdline", 1 << 20) is { Ok: true } line ? ByteText.Decode(line.Value) : "";

    private static IEnumerable<int> Processes(Host host) =>
        (host.List("/proc") is { Ok: true } list ? list.Value : []).Select(n => int.TryParse(n, NumberStyles.None, CultureInfo.InvariantCulture, out var pid) ? pid : 0).Where(p => p > 1);

    private static int[] Group(Host host, int leader) => [.. Processes(host).Where(p => Field(host, p, ProcessStat.Group) == leader)];

    private static long? Field(Host host, int pid, int field) => host.ReadFile($"/proc/{pid}/stat", 4096) is { Ok: true } stat ? ProcessStat.Field(stat.Value, field) : null;

    /// <summary>Its program. One that a package has replaced meanwhile is the same still (proc_pid_exe(5)).</summary>
    private static string? Program(Host host, string process)
    {
        const string Replaced = " (deleted)";
        return host.ReadLink($"/proc/{process}/exe") is { Ok: true, Value: var path } ? path.EndsWith(Replaced, StringComparison.Ordinal) ? path[..^Replaced.Length] : path : null;
    }
}
