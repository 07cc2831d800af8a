using System.Text;
using Lotse.Formats;
using Lotse.Linux;

namespace Lotse.Changing;

/// <summary>A value of the running kernel.</summary>
internal sealed class KernelStep(int number, SetKernelValue change, Files files) : Step(number)
{
    public override (StepBefore Before, byte[]? Bytes) Look()
    {
        var now = Read();
        return now == change.Before ? (new(), null) : throw new ChangeFailedException($"set {ByteText.Escape(change.Path)}", $"it is {now}, not {change.Before}");
    }

    public override void Do(JournalEntry entry) => Write(change.After);

    public override Standing Stands(JournalEntry entry) => Read() is var now && now == change.After ? Standing.After : now == change.Before ? Standing.Before : Standing.Other;

    public override void PutBack(JournalEntry entry, bool force)
    {
        // The value of a kernel that was started anew is its own.
        switch (Stands(entry))
        {
            case Standing.Other when !force && entry.MomentOf("begin")?.Boot == Clock.SinceBoot().Boot:
                throw new ChangeFailedException($"put back {ByteText.Escape(change.Path)}", "somebody changed it since");
            case Standing.After:
            case Standing.Other when force:
                Write(change.Before);
                break;
        }
    }

    private string Read()
    {
        var read = files.Read(change.Path, 65536);
        return read.Ok ? ByteText.Decode(read.Value).TrimEnd('\n') : throw new ChangeFailedException($"read {ByteText.Escape(change.Path)}", read.Error!.Message);
    }

    private void Write(string value)
    {
        var file = files.Open(change.Path, Libc.WriteOnly | Libc.NoFollow);
        if (file < 0)
        {
            throw ChangeFailedException.Of("set", change.Path, -file);
        }

        var errno = Descriptor.WriteAll(file, Encoding.UTF8.GetBytes(value + "\n"));
        _ = Libc.Close(file);
        if (errno != 0)
        {
            throw ChangeFailedException.Of("set", change.Path, errno);
        }
    }
}

/// <summary>A step back was not possible any more; what was begun has been finished instead.</summary>
/// <param name="message">The words of the step.</param>
internal sealed class PastReturnException(string message) : Exception(message);

/// <summary>A program with its inverse.</summary>
internal sealed class ProgramStep(int number, RunProgram change, Host host) : Step(number)
{
    public override (StepBefore Before, byte[]? Bytes) Look() => (new(), null);

    public override void Do(JournalEntry entry) => Run(host, change.Arguments, change.Seconds);

    public override void PutBack(JournalEntry entry, bool force)
    {
        var ran = host.Run(change.Inverse, TimeSpan.FromSeconds(change.Seconds));
        if (ran is { Ok: true, Value.ExitCode: RunProgram.PastReturn })
        {
            throw new PastReturnException(ByteText.Decode(ran.Value.Errors).Trim().Split('\n')[^1]);
        }

        MustEndWell(change.Inverse, ran);
    }

    /// <summary>Runs a program that must end with 0.</summary>
    /// <exception cref="ChangeFailedException">It did not, with the last line that it printed.</exception>
    public static void Run(Host host, string[] arguments, int seconds) => MustEndWell(arguments, host.Run(arguments, TimeSpan.FromSeconds(seconds)));

    private static void MustEndWell(string[] arguments, Reading<Ran> ran)
    {
        if (!ran.Ok)
        {
            throw new ChangeFailedException($"run {ByteText.Escape(string.Join(' ', arguments))}", ran.Error!.Message);
        }

        if (ran.Value.ExitCode != 0)
        {
            throw new ChangeFailedException($"run {ByteText.Escape(string.Join(' ', arguments))}", LastWords(ran.Value));
        }
    }

    /// <summary>How a program ended, with the last line that it printed.</summary>
    public static string LastWords(Ran ran)
    {
        var words = ByteText.Decode(ran.Errors.Length > 0 ? ran.Errors : ran.Output).Trim().Split('\n')[^1];
        return $"it ended with {ran.ExitCode}{(words.Length > 0 ? ": " + ByteText.Escape(words) : "")}";
    }
}

/// <summary>A unit of systemd. Taken back after the files are: the unit is told again, and is as active as it was.</summary>
internal sealed class UnitStep(int number, TellUnit change, Host host) : Step(number)
{
    private const int Seconds = 120;

    public override (StepBefore Before, byte[]? Bytes) Look() => (new(Unit: change.Action == UnitAction.DaemonReload ? "" : Active()), null);

    public override void Do(JournalEntry entry)
    {
        switch (change.Action)
        {
            case UnitAction.DaemonReload:
                ProgramStep.Run(host, ["systemctl", "daemon-reload"], Seconds);
                break;
            case UnitAction.Restart:
                ProgramStep.Run(host, ["systemctl", "try-restart", "--", change.Unit], Seconds);
                break;
            default:
                if (entry.Head.Steps[Number].Unit == "active")
                {
                    ProgramStep.Run(host, ["systemctl", "reload", "--", change.Unit], Seconds);
                }

                break;
        }
    }

    public override void PutBack(JournalEntry entry, bool force)
    {
        var was = entry.Head.Steps[Number].Unit;
        if (change.Action == UnitAction.DaemonReload)
        {
            ProgramStep.Run(host, ["systemctl", "daemon-reload"], Seconds);
        }
        else if (was == "active" && entry.MomentOf("begin")?.Boot != Clock.SinceBoot().Boot)
        {
            // The machine was started anew. What has not come up yet will with the files as they are now; the rest is told
            // without waiting, for this may run while systemd still waits for us.
            if (Active() is "active" or "failed")
            {
                ProgramStep.Run(host, ["systemctl", "--no-block", "restart", "--", change.Unit], Seconds);
            }
        }
        else if (was == "active")
        {
            // One that died of the change has to be started, not reloaded.
            var verb = change.Action == UnitAction.Reload && Active() == "active" ? "reload" : "restart";
            ProgramStep.Run(host, ["systemctl", verb, "--", change.Unit], Seconds);
        }
    }

    private string Active()
    {
        // Exit code 3 means "not active", which is an answer.
        var ran = host.Run(["systemctl", "is-active", "--", change.Unit], TimeSpan.FromSeconds(Seconds));
        return ran.Ok ? Encoding.ASCII.GetString(ran.Value.Output).Trim() : throw new ChangeFailedException($"ask systemd about {ByteText.Escape(change.Unit)}", ran.Error!.Message);
    }
}

/// <summary>The pages of a process, brought in by reading them.</summary>
internal sealed class PagesStep(int number, BringPagesIn change, Host host) : Step(number)
{
    public override (StepBefore Before, byte[]? Bytes) Look()
    {
        var stat = host.ReadFile($"/proc/{change.Pid}/stat");
        return stat.Ok && ProcessStat.Field(stat.Value, ProcessStat.StartTime) == change.StartTicks
            ? (new(), null)
            : throw new ChangeFailedException($"bring in process {change.Pid}", "it has ended since the plan was made");
    }

    public override void Do(JournalEntry entry)
    {
        if (PagesOfProcess.BringIn(change.Pid) is { } error)
        {
            throw new ChangeFailedException($"bring in process {change.Pid}", error.Message);
        }
    }

    public override void PutBack(JournalEntry entry, bool force)
    {
    }
}
