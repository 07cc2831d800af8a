using System.Globalization;

namespace Lotse.Postgres;

/// <summary>postmaster.pid (src/include/utils/pidfile.h), and whether a server really works in the directory.</summary>
internal static class ServerProcess
{
    /// <summary>Reads the file; null where there is none and no server is seen either.</summary>
    public static Postmaster? Read(Host host, string directory)
    {
        var read = host.ReadFile($"{directory}/postmaster.pid", 65536);
        var server = Find(host, directory);
        if (!read.Ok)
        {
            return server is null ? null : new(server.Value, null, null, null, true, server);
        }

        var lines = ByteText.Decode(read.Value).Split('\n');
        string? Line(int i) => i < lines.Length && lines[i].Trim() is { Length: > 0 } line ? line : null;
        var pid = int.TryParse(Line(0), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? Math.Abs(number) : 0;
        return new(pid, Line(1), int.TryParse(Line(3), NumberStyles.None, CultureInfo.InvariantCulture, out var port) ? port : null, Line(4), pid > 0 && IsAlive(host, pid), server);
    }

    /// <summary>Whether a process is there and not only its remains (state Z or X of proc_pid_stat(5)).</summary>
    private static bool IsAlive(Host host, int pid) =>
        host.ReadFile($"/proc/{pid}/stat", 4096) is { Ok: true } stat && ByteText.Decode(stat.Value) is var text && text.LastIndexOf(')') is >= 0 and var end && end + 2 < text.Length && text[end + 2] is not ('Z' or 'X');

    /// <summary>
    /// A server's process whose working directory is this very folder: in a container the number in the file is one of its
    /// own, so the folder is compared and not the number.
    /// </summary>
    private static int? Find(Host host, string directory)
    {
        var own = host.Status($"{directory}/PG_VERSION");
        if (!own.Ok || !host.IsThisMachine)
        {
            return null;
        }

        foreach (var name in host.List("/proc") is { Ok: true } list ? list.Value : [])
        {
            if (!int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
                || host.ReadFile($"/proc/{pid}/comm", 64) is not { Ok: true } comm || ByteText.Decode(comm.Value).TrimEnd('\n') is not ("postgres" or "postmaster"))
            {
                continue;
            }

            // Children work there too; the postmaster is the one whose parent does not.
            if (SameFile(host.Status($"/proc/{pid}/cwd/PG_VERSION"), own.Value) && host.ReadFile($"/proc/{pid}/stat", 4096) is { Ok: true } stat)
            {
                var fields = ByteText.Decode(stat.Value)[(ByteText.Decode(stat.Value).LastIndexOf(')') + 2)..].Split(' ');
                if (!SameFile(host.Status($"/proc/{fields[1]}/cwd/PG_VERSION"), own.Value) || ParentIsNoServer(host, fields[1]))
                {
                    return pid;
                }
            }
        }

        return null;
    }

    private static bool ParentIsNoServer(Host host, string parent) =>
        host.ReadFile($"/proc/{parent}/comm", 64) is not { Ok: true } comm || ByteText.Decode(comm.Value).TrimEnd('\n') is not ("postgres" or "postmaster");

    private static bool SameFile(Reading<FileStatus> one, FileStatus other) => one.Ok && one.Value.Inode == other.Inode && one.Value.Device == other.Device;
}
