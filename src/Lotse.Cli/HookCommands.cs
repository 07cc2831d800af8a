using System.Globalization;
using Lotse.Formats;
using Lotse.Linux;

namespace Lotse.Cli;

/// <summary><c>lotse hook</c>: what apt and initramfs-tools call. They say what will break, or nothing, and never stand in the way.</summary>
internal static class HookCommands
{
    private const string Manners = " Prints nothing when there is nothing to say, ends after a fixed time, and always ends with 0, so that no upgrade is held up by it; with --fail-on the caller asks to be stopped.";

    private static Option Within(string seconds) => new("--within", Takes.Seconds, "S", "the most time it may take") { Default = seconds };

    public static readonly Command Apt = new("hook apt", "called by apt before packages are unpacked: says what the upgrade will break", call => Run(call, "10", host =>
        AptHookInput.Read(ByteText.Decode(Hosting.ReadInput(host, call.Arguments is [var file] ? file : "-"))) is { } packages ? new(packages, null)
            : throw new NotKnownException("that is not what apt writes to a hook of version 2 or 3", "set DPkg::Tools::Options::/usr/bin/lotse::Version \"3\" in apt.conf")))
    {
        Description = "Reads what apt writes to a program of DPkg::Pre-Install-Pkgs, and asks every area what these versions change: logins from and to this machine that work now and will not, an sshd that will not start, an initrd that lets nobody in." + Manners,
        Arguments = [new("FILE", "what apt wrote; without it, standard input", Takes: Takes.File)],
        Options = [Within("10")],
        Examples = [new("in /etc/apt/apt.conf.d, as packaging/apt has it", "hook apt"), new("stop the upgrade when something will break", "hook apt --fail-on error")],
    };

    public static readonly Command Initramfs = new("hook initramfs", "called when an initrd was made: says whether it will let you in", call => Run(call, "60", _ => new([], call.Arguments[1])))
    {
        Description = "For /etc/initramfs/post-update.d, which hands over the kernel's version and the image. Where dropbear-initramfs is installed, the image is unpacked and its own dropbear is asked, as lotse ssh preflight does." + Manners,
        Arguments = [new("VERSION", "the kernel's", Required: true), new("IMAGE", "the image that was made", Required: true, Takes: Takes.File)],
        Options = [Within("60")],
        Examples = [new("in /etc/initramfs/post-update.d, as packaging/initramfs has it", "hook initramfs 6.1.0-41-amd64 /boot/initrd.img-6.1.0-41-amd64")],
    };

    public static readonly Command[] All = [Apt, Initramfs];

    private static int Run(Invocation call, string seconds, Func<Host, Upcoming> read)
    {
        var patience = TimeSpan.FromSeconds(double.Parse(call["--within"] ?? seconds, CultureInfo.InvariantCulture));
        if (call.Arguments.Length == 0 && Descriptor.IsTerminal(0))
        {
            throw new UsageException("a hook is called by its program, which writes to standard input");
        }

        // Whoever calls must not wait for a network file system or a program that hangs: the work is left behind when its time is over.
        var work = Task.Run(() =>
        {
            Report? report = null;
            Hosting.With(call, host =>
            {
                var upcoming = read(host);
                var reports = Area.All.Select(a => a.Foresee?.Invoke(host, upcoming)).OfType<Report>().ToArray();
                Finding[] findings = [.. reports.SelectMany(r => r.Findings).OrderByDescending(f => f.Severity)];
                report = new(findings.Length == 0 ? "nothing found" : findings.Length == 1 ? "1 thing will break" : $"{findings.Length} things will break", [], findings, [.. reports.SelectMany(r => r.Unknowns)]);
                return ExitCode.Fine;
            });
            return report!;
        });
        try
        {
            if (!work.Wait(patience))
            {
                return Silent(call, $"lotse: {call.Command.Name} was not done within {patience.TotalSeconds.ToString(CultureInfo.InvariantCulture)} s, and says nothing");
            }
        }
        catch (AggregateException e) when (e.InnerException is NotKnownException fault)
        {
            return Silent(call, $"lotse: {fault.Message}");
        }

        var exit = call.Has("--fail-on") ? ExitCode.Of(work.Result, call.FailOn) : ExitCode.Fine;
        return work.Result.Findings.Length > 0 || call.Has("--json") ? General.Print(call, work.Result, exit) : exit;
    }

    /// <summary>What could not be looked at is one line, and stops nobody who did not ask for it.</summary>
    private static int Silent(Invocation call, string words)
    {
        call.Errors.Line(words);
        return call.Has("--fail-on") ? ExitCode.NotKnown : ExitCode.Fine;
    }
}
