using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Xunit;

namespace Lotse.LabTests;

/// <summary>How the other machine is reached.</summary>
public enum Reached
{
    /// <summary>OpenSSH's server.</summary>
    Sshd,

    /// <summary>Dropbear, as routers have it.</summary>
    Dropbear,

    /// <summary>No network: what would be ssh runs the command at once. For tests of hundreds of runs.</summary>
    AtOnce,
}

/// <summary>
/// Another machine: a server of its own with keys of its own, and behind it either this machine's files with a journal
/// of its own, or a root that holds busybox and nothing else. Ended by process id; gone after the test.
/// </summary>
internal sealed class RemoteMachine : IDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);

    private const string Compared = """
        cd "$1" || exit 1
        find . -xdev \( -path ./proc -o -path ./dev -o -path ./first -o -path ./var/lib \) -prune -o \( -printf '%p|%y|%m|%U|%G|%n|%l|%T@|' \( -type f -printf '%s\n' -o -printf '\n' \) \) | sort
        find . -xdev \( -path ./proc -o -path ./dev -o -path ./bin -o -path ./first -o -path ./var/lib \) -prune -o -type f -print0 | sort -z | xargs -0 sha256sum
        """;

    private readonly string folder = Directory.CreateTempSubdirectory("lotse-remote-").FullName;
    private readonly string? space;
    private Process? server;

    /// <summary>Starts it.</summary>
    /// <param name="reached">By which server.</param>
    /// <param name="bare">Whether it has only busybox.</param>
    /// <param name="separate">Whether it is in a network of its own, so that the link can be cut.</param>
    /// <param name="dash">Whether its shell is dash with busybox's commands each a program, not busybox's own.</param>
    public RemoteMachine(Reached reached, bool bare, bool separate = false, bool dash = false)
    {
        Lab.NeedsRoot();
        Lab.Needs("ssh", "ssh-keygen", reached == Reached.Dropbear ? "dropbear" : "sshd", "chroot");
        if (bare)
        {
            MakeBareRoot(dash);
        }

        var into = bare ? $"exec /usr/sbin/chroot {Root} /bin/env LOTSE_STATE={State} PATH=/first:/bin /bin/sh -c" : $"exec env LOTSE_STATE={State} sh -c";
        if (reached == Reached.AtOnce)
        {
            Write("ssh", $"#!/bin/sh\nfor last; do :; done\n[ \"$1\" = -G ] || {into} \"$last\"\n");
            return;
        }

        Assert.Equal(0, Lab.Run(Soon, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", Path.Combine(folder, "user")).ExitCode);
        var (address, port) = ("127.0.0.1", Lab.FreePort());
        string[] enter = [];
        if (separate)
        {
            Lab.Needs("ip");
            space = $"lotse-{Environment.ProcessId}-{port}";
            (address, enter) = ("10.213.77.2", ["ip", "netns", "exec", space]);
            var (near, far) = ($"ln{port}", $"lf{port}");
            foreach (var line in new[] { $"netns add {space}", $"link add {near} type veth peer name {far} netns {space}", $"addr add 10.213.77.1/30 dev {near}", $"link set {near} up", $"-n {space} addr add {address}/30 dev {far}", $"-n {space} link set {far} up", $"-n {space} link set lo up" })
            {
                var ran = Lab.Run(Soon, ["ip", .. line.Split(' ')]);
                Assert.True(ran.ExitCode == 0, $"{line}: {ran.ErrorText}");
            }
        }

        var forced = $"{into} \"$SSH_ORIGINAL_COMMAND\"";
        Directory.CreateDirectory("/run/sshd");
        string[] command;
        if (reached == Reached.Sshd)
        {
            Assert.Equal(0, Lab.Run(Soon, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", Path.Combine(folder, "host")).ExitCode);
            File.Copy(Path.Combine(folder, "user.pub"), Path.Combine(folder, "authorized"));
            command = ["/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-h", Path.Combine(folder, "host"), "-o", $"ListenAddress={address}:{port}", "-o", $"AuthorizedKeysFile={folder}/authorized", "-o", "StrictModes=no", "-o", "PidFile=none", "-o", "UsePAM=no", "-o", "PermitRootLogin=yes", "-o", $"ForceCommand={forced}"];
        }
        else
        {
            // dropbear(8): -r host key, -F in the foreground, -E to standard error; it reads ~/.ssh/authorized_keys only, so HOME's is a folder of ours.
            Assert.Equal(0, Lab.Run(Soon, "dropbearkey", "-t", "ed25519", "-f", Path.Combine(folder, "host")).ExitCode);
            Directory.CreateDirectory(Path.Combine(folder, "home", ".ssh"));
            File.Copy(Path.Combine(folder, "user.pub"), Path.Combine(folder, "home", ".ssh", "authorized_keys"));
            File.WriteAllText(Path.Combine(folder, "passwd"), $"root:x:0:0:root:{folder}/home:/bin/sh\n");
            Write("forced", $"#!/bin/sh\n{forced}\n");
            command = ["unshare", "--mount", "sh", "-c", "mount --bind \"$1/passwd\" /etc/passwd && chmod go-w \"$1\" && exec dropbear -r \"$1/host\" -F -E -p \"$2\" -c \"$1/forced\"", "sh", folder, $"{address}:{port}"];
        }

        server = Process.Start(new ProcessStartInfo((enter.Length > 0 ? enter : command)[0], [.. enter.Concat(command).Skip(1)]) { RedirectStandardError = true })!;
        server.ErrorDataReceived += (_, _) => { };
        server.BeginErrorReadLine();
        File.WriteAllText(Path.Combine(folder, "config"), $"Host lab\n HostName {address}\n Port {port}\n User root\n IdentityFile {folder}/user\n IdentitiesOnly yes\n UserKnownHostsFile {folder}/known\n StrictHostKeyChecking no\n LogLevel ERROR\n ConnectTimeout 10\n");
        Write("ssh", $"#!/bin/sh\nexec /usr/bin/ssh -F {folder}/config \"$@\"\n");
        for (var i = 0; i < 100 && Lab.Run(Soon, Path.Combine(folder, "ssh"), "lab", "true").ExitCode != 0; i++)
        {
            Thread.Sleep(100);
        }
    }

    /// <summary>Where the other machine's root is here.</summary>
    public string Root => Path.Combine(folder, "root");

    /// <summary>Where its journal is, as it sees it.</summary>
    public string State => Directory.Exists(Root) ? "/var/lib/lotse" : folder + "/state";

    /// <summary>The same, as this machine sees it.</summary>
    public string StateHere => Directory.Exists(Root) ? Root + State : State;

    /// <summary>A folder for the test's own files.</summary>
    public string Folder => folder;

    /// <summary>The network namespace of a machine that is separate.</summary>
    public string Space => space!;

    /// <summary>Runs the program under test here, with this machine as its host <c>lab</c>.</summary>
    public Lab.Ran Lotse(params string[] arguments) => Lab.RunWith(TimeSpan.FromMinutes(2), Variables(), [Lab.Lotse, .. arguments]);

    /// <summary>Starts it and does not wait.</summary>
    public Process Start(params string[] arguments)
    {
        var start = new ProcessStartInfo(Lab.Lotse, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        foreach (var (name, value) in Variables())
        {
            start.Environment[name] = value;
        }

        return Process.Start(start)!;
    }

    /// <summary>Makes a plan by <c>lotse edit</c> on this machine.</summary>
    public string Plan(params string[] arguments)
    {
        var plan = Path.Combine(folder, $"plan-{Guid.NewGuid():N}.json");
        var ran = Lotse(["edit", "--host", "lab", "--output", plan, .. arguments]);
        Assert.True(ran.ExitCode == 0 && File.Exists(plan), ran.Text + ran.ErrorText);
        return plan;
    }

    /// <summary>Everything below the root but the journal: names, kinds, modes, owners, sizes, times, links, and the hashes of all bytes; by find and sha256sum.</summary>
    public static string Tree(string below)
    {
        var ran = Lab.Run(Soon, "sh", "-c", Compared, "sh", below);
        Assert.True(ran.ExitCode == 0, ran.ErrorText);
        return ran.Text;
    }

    /// <summary>Cuts the link without a word to either side, as a pulled cable does.</summary>
    public void Cut() => Assert.Equal(0, Lab.Run(Soon, "ip", "-n", space!, "link", "set", $"lf{space!.Split('-')[^1]}", "down").ExitCode);

    /// <summary>Joins it again.</summary>
    public void Join() => Assert.Equal(0, Lab.Run(Soon, "ip", "-n", space!, "link", "set", $"lf{space!.Split('-')[^1]}", "up").ExitCode);

    /// <summary>Ends every process of the bare machine at once, as a power cut does.</summary>
    public void KillAll()
    {
        // All are stopped before the first one ends: else a shell would see its command end, and go on.
        foreach (var signal in new[] { "-STOP", "-KILL" })
        {
            // Once more as long as there are new ones: a process may just have started another.
            var known = new HashSet<string>();
            while (Processes().Where(known.Add).ToArray() is { Length: > 0 } found)
            {
                Array.ForEach(found, pid => Lab.Run(Soon, "kill", signal, pid));
            }
        }

        Assert.True(Until(Soon, () => Processes().Length == 0));
    }

    /// <summary>The ids of the processes of the bare machine.</summary>
    private string[] Processes() => [.. Directory.GetDirectories("/proc").Where(p => char.IsAsciiDigit(p[6]) && IsThere(p)).Select(p => p[6..])];

    private bool IsThere(string process)
    {
        try
        {
            return new FileInfo(process + "/root").LinkTarget == Root;
        }
        catch (IOException)
        {
            // It ended by itself.
            return false;
        }
    }

    /// <summary>Waits until something holds.</summary>
    public static bool Until(TimeSpan most, Func<bool> holds)
    {
        for (var watch = Stopwatch.StartNew(); watch.Elapsed < most; Thread.Sleep(100))
        {
            if (holds())
            {
                return true;
            }
        }

        return holds();
    }

    public void Dispose()
    {
        server?.Kill(entireProcessTree: true);
        server?.WaitForExit();
        server?.Dispose();
        if (Directory.Exists(Root))
        {
            KillAll();
            foreach (var mount in new[] { "proc", "dev/null", "small" })
            {
                Lab.Run(Soon, "umount", "-l", Path.Combine(Root, mount));
            }
        }

        if (space is not null)
        {
            Lab.Run(Soon, "ip", "netns", "del", space);
        }

        Directory.Delete(folder, recursive: true);
    }

    private Dictionary<string, string?> Variables() => new() { ["PATH"] = folder + ":" + Environment.GetEnvironmentVariable("PATH"), ["LOTSE_STATE"] = Path.Combine(folder, "here") };

    private void MakeBareRoot(bool dash)
    {
        Lab.Needs("busybox");
        foreach (var below in new[] { "bin", "etc", "proc", "dev", "tmp", "var/lib", "root", "first" })
        {
            Directory.CreateDirectory(Path.Combine(Root, below));
        }

        var program = Lab.Run(Soon, "readlink", "-f", "/bin/busybox").Text.TrimEnd('\n');
        var busybox = Path.Combine(Root, "bin", "busybox");
        File.Copy(program, busybox);
        var applets = Lab.Run(Soon, "chroot", Root, "/bin/busybox", "--list");
        Assert.SkipWhen(applets.ExitCode != 0, "needs busybox-static (eng/install-packages)");
        foreach (var applet in applets.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(a => a is not "busybox"))
        {
            File.CreateSymbolicLink(Path.Combine(Root, "bin", applet), "busybox");
        }

        if (dash)
        {
            // dash with its loader and C library, as ldd(1) lists them.
            File.Delete(Path.Combine(Root, "bin", "sh"));
            File.Copy("/bin/dash", Path.Combine(Root, "bin", "sh"));
            foreach (var library in Lab.Run(Soon, "ldd", "/bin/dash").Text.Split((char[])[' ', '\t', '\n'], StringSplitOptions.RemoveEmptyEntries).Where(w => w.StartsWith('/')))
            {
                Directory.CreateDirectory(Root + Path.GetDirectoryName(library));
                File.Copy(library, Root + library);
            }
        }

        File.WriteAllText(Path.Combine(Root, "etc", "passwd"), "root:x:0:0:root:/root:/bin/sh\n");
        File.WriteAllText(Path.Combine(Root, "etc", "machine-id"), Guid.NewGuid().ToString("N") + "\n");
        File.WriteAllText(Path.Combine(Root, "dev", "null"), "");
        Assert.Equal(0, Lab.Run(Soon, "mount", "--bind", "/dev/null", Path.Combine(Root, "dev", "null")).ExitCode);
        Assert.Equal(0, Lab.Run(Soon, "mount", "-t", "proc", "proc", Path.Combine(Root, "proc")).ExitCode);
    }

    private void Write(string name, string text)
    {
        File.WriteAllText(Path.Combine(folder, name), text);
        File.SetUnixFileMode(Path.Combine(folder, name), (UnixFileMode)0b111_101_101);
    }
}
