using System.Globalization;
using System.Text;
using Lotse.Linux;
using Lotse.Ssh;

namespace Lotse.Cli.Areas;

/// <summary><c>lotse ssh unlock</c>.</summary>
internal static class SshUnlockCommand
{
    public static readonly Command Command = new("ssh unlock", "unlock the disk of a machine that waits in its initrd, and prove that the real system answers", Run)
    {
        Description = "Asks for the passphrase on the terminal (or reads standard input, if that is no terminal), hands it to cryptroot-unlock through the system's ssh, and waits until another host key answers than that of the initrd. The passphrase is in no argument, no file and no message.",
        Arguments = [new("HOST", "a name as one types it behind ssh", Required: true)],
        Options =
        [
            new("--timeout", Takes.Seconds, "S", "how long to wait for the real system") { Default = "90" },
            new("--config", Takes.File, "FILE", "the ssh_config for HOST") { Default = "~/.ssh/config" },
        ],
        Examples = [new("after a reboot", "ssh unlock root@box-initrd.example"), new("with a configuration of its own, and more time", "ssh unlock box-initrd --config ~/.ssh/config.initrd --timeout 180")],
        LooksAtHost = false,
    };

    private static int Run(Invocation call)
    {
        var name = SshProbe.Name(call);
        var passphrase = Descriptor.IsTerminal(0) ? Ask(call, name) : ReadLine();
        if (passphrase.Length == 0)
        {
            throw new NotKnownException("no passphrase was given", "run it on a terminal, which asks for it, or give it as the first line of standard input");
        }

        using var host = new Hosts.LocalHost();
        SshProbe.SayCommands(call, host);
        var report = SshUnlock.Run(host, name, passphrase, TimeSpan.FromSeconds(double.Parse(call["--timeout"] ?? "90", CultureInfo.InvariantCulture)), line =>
        {
            call.Errors.Line(line.ToString());
            call.Errors.Flush();
        }, SshProbe.Config(call));
        Array.Clear(passphrase);
        return General.Print(call, report);
    }

    /// <summary>Standard input up to its first newline, bytes as they are.</summary>
    private static byte[] ReadLine()
    {
        var all = Descriptor.ReadAll(0, 4096);
        var end = Array.IndexOf(all, (byte)'\n');
        return end < 0 ? all : all[..end];
    }

    /// <summary>Reads a line from the terminal without showing it.</summary>
    private static byte[] Ask(Invocation call, string name)
    {
        call.Errors.Write($"passphrase of {ByteText.Escape(name)}: ");
        call.Errors.Flush();
        var typed = new StringBuilder();
        using (var terminal = new RawTerminal(_ => { }))
        {
            while (true)
            {
                switch (terminal.Wait(TimeSpan.FromMinutes(5)))
                {
                    case Woken.Time or Woken.End:
                        throw new NotKnownException("no passphrase was given");
                    case Woken.Key:
                        foreach (var key in terminal.Keys)
                        {
                            if (key is '\r' or '\n')
                            {
                                call.Errors.Line();
                                call.Errors.Flush();
                                return Encoding.Latin1.GetBytes(typed.ToString());
                            }

                            typed = key is '\x7f' or '\b' ? typed.Remove(Math.Max(typed.Length - 1, 0), Math.Min(typed.Length, 1)) : key is '\x15' ? typed.Clear() : typed.Append(key);
                        }

                        break;
                }
            }
        }
    }
}
