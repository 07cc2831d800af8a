using Lotse.Changing;
using Lotse.Linux;

namespace Lotse.Cli;

internal static class Program
{
    /// <summary>This program's version.</summary>
    public const string Version = "0.1.0";

    /// <summary>The day of that version, for the man page.</summary>
    public const string Date = "2026-11-24";

    private static int Main(string[] arguments)
    {
        var output = new Output(1);
        var errors = new Output(2);
        try
        {
            var code = Run(arguments, output, errors);
            output.Flush();
            errors.Flush();
            return code;
        }
        catch (OutputLostException lost) when (Descriptor.IsBrokenPipe(lost.ErrorNumber))
        {
            // Whoever read us has seen enough: lotse swap | head.
            return ExitCode.Fine;
        }
        catch (OutputLostException lost)
        {
            _ = Descriptor.WriteAll(2, System.Text.Encoding.UTF8.GetBytes($"lotse: cannot write the output: {Descriptor.Words(lost.ErrorNumber)}\n"));
            return ExitCode.NotKnown;
        }
#pragma warning disable CA1031 // The last line of defence: a trace tells a user nothing, and the runtime would abort.
        catch (Exception fault)
#pragma warning restore CA1031
        {
            _ = Descriptor.WriteAll(2, System.Text.Encoding.UTF8.GetBytes($"lotse: a fault of lotse itself: {ByteText.Escape(fault.Message)}\n\nhint: please report it with the output of the same command and --record FILE\n"));
            return ExitCode.NotKnown;
        }
    }

    /// <summary>The whole program but for the descriptors, so that a test can run it in its own process.</summary>
    public static int Run(string[] arguments, Output output, Output errors)
    {
        if (arguments is ["--version"])
        {
            output.Line($"lotse {Version}");
            return ExitCode.Fine;
        }

        // By these words lotse starts itself; they are no commands.
        switch (arguments)
        {
            case ["guard", var guarded]:
                return ChangeCommands.Guard(guarded);
            case ["within", var etc, .. { Length: > 0 } program]:
                errors.Line($"lotse: {PrivateEtc.Within(etc, program)}");
                return ExitCode.NotKnown;
            case [Exits.Twin.Word]:
                return Areas.ExitsCommands.Twin(output, errors);
            case ["pg", "step", _, _, ..]:
                var fault = Areas.PgCommands.Step(arguments[2..], errors);
                errors.Flush();
                return fault;
        }

        try
        {
            var call = Parser.Parse(Table.Commands, arguments, output, errors);
            output.Colour = output.IsTerminal && !call.Has("--no-color")
                && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR")) && Environment.GetEnvironmentVariable("TERM") is not (null or "" or "dumb");
            if (call.Has("--help"))
            {
                HelpText.Write(output, call.Command);
                return ExitCode.Fine;
            }

            var righted = Settling.PutRight(ChangeCommands.StartGuard);
            if (righted is not null)
            {
                ChangeCommands.Tell(errors, righted);
            }

            // A machine with half a change on it is not fine, whatever else was asked.
            return call.Command.Run(call) is not ExitCode.Fine and var code ? code : righted?.Outcome == Outcome.NotPutBack ? ExitCode.NotPutBack : ExitCode.Fine;
        }
        catch (UsageException e)
        {
            return Complain(errors, e.Message, e.Hint, ExitCode.Usage);
        }
        catch (NotKnownException e)
        {
            return Complain(errors, e.Message, e.Hint, ExitCode.NotKnown);
        }
    }

    private static int Complain(Output errors, string message, string? hint, int code)
    {
        errors.Line($"lotse: {message}");
        if (hint is not null)
        {
            errors.Line();
            errors.Line($"hint: {hint}");
        }

        return code;
    }
}
