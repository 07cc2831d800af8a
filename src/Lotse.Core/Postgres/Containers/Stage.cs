using System.Globalization;
using System.Text;

namespace Lotse.Postgres.Containers;

/// <summary>
/// Two unpacked images side by side in a mount namespace of our own, with the data at the paths that it has everywhere:
/// the new image as the root, the old one in a folder of it. Programs of the old version are reached by files whose first
/// line names chroot(8), so that pg_upgrade, which knows one root only, starts them in their own one. What runs there
/// is the owner of the data, with the one right that this needs (CAP_SYS_CHROOT).
/// </summary>
internal static class Stage
{
    /// <summary>Where pg_upgrade finds the programs of the old version.</summary>
    public const string OldPrograms = "/.lotse-bin";

    private const string OldInNew = "/.lotse-old";
    private static readonly TimeSpan Moment = TimeSpan.FromMinutes(1);
    private static readonly string[] Places = ["/usr/sbin/chroot", "/usr/bin/chroot", "/sbin/chroot", "/bin/chroot"];
    private static readonly string[] Needed = ["postgres", "pg_ctl", "pg_controldata", "pg_resetwal"];

    /// <summary>Sets it up, in the mount namespace that this process has for itself (unshare(1)).</summary>
    public static void Set(Host host, UpgradeJob job)
    {
        var container = job.Container!;
        var (old, now) = ($"{job.Stage}/old", $"{job.Stage}/new");
        Do(host, "install", "-d", "-m", "0711", job.Stage, old, now);

        // Whatever is mounted here is seen by nobody else, and goes with us.
        Do(host, "mount", "--make-rprivate", "/");
        foreach (var (root, image) in new[] { (old, container.OldRoot), (now, container.NewRoot) })
        {
            Do(host, "mount", "--bind", image, root);
            Do(host, "mount", "--rbind", "/dev", root + "/dev");
            Do(host, "mount", "--bind", "/proc", root + "/proc");
            Bind(host, "/etc/hosts", root + "/etc/hosts");
            Know(host, root, job.Uid, job.Gid);
        }

        foreach (var (source, place) in container.Shared)
        {
            Bind(host, source, old + place);
            if (place != container.OldTarget)
            {
                Bind(host, source, now + place);
            }
        }

        foreach (var folder in Folders(job))
        {
            Bind(host, folder, old + folder);
            Bind(host, folder, now + folder);
        }

        var programs = job.OldPrograms[old.Length..];
        Do(host, "rm", "-rf", "--one-file-system", old + OldPrograms, now + OldPrograms);
        Do(host, "ln", "-sfn", programs, old + OldPrograms);
        Do(host, "install", "-d", "-m", "0755", now + OldInNew, now + OldPrograms);
        var chroot = Places.FirstOrDefault(p => host.Status(now + p).Ok)
            ?? throw new StepFailedException($"the image {ByteText.Escape(container.Image)} has no chroot(8)");
        foreach (var name in Needed)
        {
            Write(host, $"{now}{OldPrograms}/{name}", $"#!{chroot} {OldInNew}\n", "0755");
        }

        Do(host, "mount", "--rbind", old, now + OldInNew);

        // Before 15 pg_upgrade names the log of a server without a folder, and this one's is the root.
        Do(host, "chown", $"{job.Uid.ToString(CultureInfo.InvariantCulture)}:{job.Gid.ToString(CultureInfo.InvariantCulture)}", old);
    }

    /// <summary>The command that runs a program, named by its path on this machine, as the owner in its own root.</summary>
    public static string[] Command(UpgradeJob job, string[] arguments, string[] forgotten)
    {
        var root = arguments[0].StartsWith($"{job.Stage}/old/", StringComparison.Ordinal) ? $"{job.Stage}/old" : $"{job.Stage}/new";
        var identity = CultureInfo.InvariantCulture;
        const string Right = "-all,+sys_chroot";
        return ["setpriv", $"--reuid={job.Uid.ToString(identity)}", $"--regid={job.Gid.ToString(identity)}", "--clear-groups", "--no-new-privs", $"--inh-caps={Right}", $"--ambient-caps={Right}", $"--bounding-set={Right}",
            "env", .. forgotten.SelectMany(v => new[] { "-u", v }), "-u", "LD_LIBRARY_PATH", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "TMPDIR=/tmp",
            "nsenter", $"--root={root}", $"--wd={root}{job.Sockets}", "--", .. arguments.Select(a => a.StartsWith(root + "/", StringComparison.Ordinal) ? a[root.Length..] : a)];
    }

    /// <summary>The folders that both sides see. Of one mount they are one, so that hard links work where they can.</summary>
    private static IEnumerable<string> Folders(UpgradeJob job)
    {
        var common = job.Container!.SharedFolder;
        string[] all = common is not null ? [common] : [job.Old, job.Work];
        return all.Concat(job.Sockets.StartsWith(job.Work + "/", StringComparison.Ordinal) ? [] : [job.Sockets]);
    }

    private static void Bind(Host host, string source, string place)
    {
        if (host.Status(source) is { Ok: true, Value.Kind: FileKind.Directory })
        {
            Do(host, "install", "-d", "-m", "0755", place);
        }
        else if (!host.Status(place).Ok)
        {
            Do(host, "install", "-D", "-m", "0644", "/dev/null", place);
        }

        Do(host, "mount", "--bind", source, place);
    }

    /// <summary>Programs want a name for whom they run as (getpwuid(3)); images know their own user only.</summary>
    private static void Know(Host host, string root, uint uid, uint gid)
    {
        var id = uid.ToString(CultureInfo.InvariantCulture);
        var users = host.ReadFile($"{root}/etc/passwd") is { Ok: true } read ? ByteText.Decode(read.Value) : "";
        if (!users.Split('\n').Any(l => l.Split(':') is [_, _, var known, ..] && known == id))
        {
            Write(host, $"{root}/etc/passwd", $"{users.TrimEnd('\n')}\nlotse:x:{id}:{gid.ToString(CultureInfo.InvariantCulture)}::/:/bin/sh\n".TrimStart('\n'), "0644");
        }
    }

    private static void Write(Host host, string path, string content, string mode)
    {
        // The file of an image may be a link to anywhere: it is replaced, not followed.
        Do(host, "rm", "-f", path);
        var written = host.Run(["dd", $"of={path}", "status=none", "conv=excl"], Moment, Encoding.UTF8.GetBytes(content));
        if (written is not { Ok: true, Value.ExitCode: 0 })
        {
            throw new StepFailedException($"cannot write {ByteText.Escape(path)}");
        }

        Do(host, "chmod", mode, path);
    }

    private static void Do(Host host, params string[] arguments)
    {
        var ran = host.Run(arguments, Moment);
        if (ran is not { Ok: true, Value.ExitCode: 0 })
        {
            throw new StepFailedException($"cannot set up the images: {ByteText.Escape(string.Join(' ', arguments))}: {(ran.Ok ? ByteText.Escape(ByteText.Decode(ran.Value.Errors).Trim()) : ran.Error!.Message)}");
        }
    }
}
