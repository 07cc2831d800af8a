using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using Lotse.Linux;

namespace Lotse.Hosts;

/// <summary>Starting this program again so that it outlives the session, the terminal and the connection it came from.</summary>
public static class DetachedProgram
{
    /// <summary>
    /// Where systemd runs the machine, a transient service does it: a process of the session would end with the session
    /// (logind.conf(5) KillUserProcesses=). Elsewhere a process in a session of its own, which <see cref="Detach"/> makes.
    /// </summary>
    public static HostError? Start(string name, params string[] arguments)
    {
        var program = Environment.ProcessPath ?? "/proc/self/exe";
        var state = Environment.GetEnvironmentVariable("LOTSE_STATE");
        if (Libc.GetEffectiveUserId() == 0 && new Files().Status("/run/systemd/system").Ok)
        {
            string[] service = ["systemd-run", "--quiet", "--collect", $"--unit={name}", .. state is null ? Array.Empty<string>() : [$"--setenv=LOTSE_STATE={state}"], "--", program, .. arguments];
            if (Programs.Run(service, TimeSpan.FromSeconds(10), default) is { Ok: true, Value.ExitCode: 0 })
            {
                return null;
            }
        }

        try
        {
            using var process = Process.Start(Programs.Start([program, .. arguments]));
            process!.StandardInput.Close();
            return null;
        }
        catch (Win32Exception e)
        {
            return new(HostErrorKind.Failed, $"cannot run {ByteText.Escape(program)}: {Errno.Words(e.NativeErrorCode)}");
        }
    }

    /// <summary>Runs this program under another one, for example in namespaces that unshare(1) makes, and waits for its end.</summary>
    /// <param name="under">The other program and its options.</param>
    /// <param name="arguments">Those of this program.</param>
    /// <param name="time">How long it may take.</param>
    /// <param name="input">Its standard input.</param>
    public static Reading<Ran> RunOurselves(string[] under, string[] arguments, TimeSpan time, byte[] input)
    {
        var program = Environment.GetEnvironmentVariable("LOTSE_BIN") is { Length: > 0 } given && !(Environment.ProcessPath ?? "").EndsWith("/lotse", StringComparison.Ordinal) ? given : Environment.ProcessPath ?? "/proc/self/exe";
        string[] own = Path.GetFileName(program) == "dotnet" ? [program, Environment.GetCommandLineArgs()[0]] : [program];
        return Programs.Run([.. under, "--", .. own, .. arguments], time, input);
    }

    /// <summary>In the new process: leaves the session, and lets go of the input and outputs of whoever started it.</summary>
    public static unsafe void Detach()
    {
        _ = Libc.NewSession();
        fixed (byte* name = "/dev/null\0"u8)
        {
            var nothing = Libc.OpenAt(Libc.AtFdCwd, name, 2, 0);
            for (var i = 0; i < 3; i++)
            {
                _ = Libc.Duplicate(nothing, i);
            }
        }
    }

    /// <summary>Who runs this program, for the journal: the user who logged in, and the user it runs as where that is another.</summary>
    public static string Who(Host here)
    {
        var names = new Formats.UserNames(here);
        var user = names[Libc.GetEffectiveUserId()];
        var login = here.ReadFile("/proc/self/loginuid", 64) is { Ok: true } read && uint.TryParse(ByteText.Decode(read.Value), NumberStyles.None, CultureInfo.InvariantCulture, out var uid) && uid != uint.MaxValue ? names[uid]
            : Environment.GetEnvironmentVariable("SUDO_USER") is { Length: > 0 } sudo ? sudo : user;
        return login == user ? user : $"{login} as {user}";
    }
}
