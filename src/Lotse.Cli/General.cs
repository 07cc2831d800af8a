namespace Lotse.Cli;

/// <summary>The commands across areas.</summary>
internal static class General
{
    /// <summary>Bare <c>lotse</c>.</summary>
    public static readonly Command Root = new("", "says why a server, router or mail domain behaves as it does", call =>
    {
        if (call.Has("--version"))
        {
            call.Output.Line($"lotse {Program.Version}");
        }
        else
        {
            HelpText.Write(call.Output, Table.Commands[0]);
        }

        return ExitCode.Fine;
    })
    {
        Options = [new("--version", Takes.Nothing, "", "print the version")],
        LooksAtHost = false,
        HasJson = false,
    };

    /// <summary><c>lotse help [COMMAND]</c>.</summary>
    public static readonly Command Help = new("help", "print help with examples", call =>
    {
        var name = string.Join(' ', call.Arguments);
        HelpText.Write(call.Output, Table.Commands.FirstOrDefault(c => c.Name == name)
            ?? throw new UsageException($"there is no command \"{ByteText.Escape(name)}\"", "lotse --help lists the commands"));
        return ExitCode.Fine;
    })
    {
        Arguments = [new("COMMAND", "the command, for example: swap why", Many: true)],
        Examples = [new("help on one verb", "help swap why")],
        LooksAtHost = false,
        HasJson = false,
    };

    /// <summary><c>lotse why [FILE|-]</c>.</summary>
    public static readonly Command Why = new("why", "explain a pasted error: recognises the area", call => Hosting.With(call, host =>
    {
        var source = call.Arguments is [var file] ? file : "-";
        if (source == "-" && Lotse.Linux.Descriptor.IsTerminal(0))
        {
            call.Errors.Line("paste the message, then press Enter and Ctrl-D");
            call.Errors.Flush();
        }

        var text = ByteText.Decode(Hosting.ReadInput(host, source));
        var recognised = Area.All.Select(a => a.Recognise(text)).OfType<Report>().FirstOrDefault();
        return Print(call, recognised ?? new Report("none of these lines is known", [], [],
            [new("what the text means", "no area recognised a line of it", $"ask an area about the machine itself: {string.Join(", ", Area.All.Select(a => $"lotse {a.Name} why"))}")]));
    }))
    {
        Arguments = [new("FILE", "a log or a message; - or nothing: standard input", Takes: Takes.File)],
        Examples = [new("what does the kernel's log say", "why /var/log/kern.log"), new("a pasted line", "why - <error.txt")],
    };

    /// <summary><c>lotse doctor</c>.</summary>
    public static readonly Command Doctor = new("doctor", "every area's checks of this machine, offline, worst first; silent when fine", call => Hosting.With(call, host =>
    {
        var reports = Area.All.Select(a => a.Check(host)).ToArray();
        var least = call.FailOn < Severity.Warning ? call.FailOn : Severity.Warning;
        var findings = reports.SelectMany(r => r.Findings).Where(f => f.Severity >= least).OrderByDescending(f => f.Severity).ToArray();
        var report = new Report(
            findings.Length == 0 ? "nothing found" : findings.Length == 1 ? "1 finding" : $"{findings.Length} findings",
            [], findings, [.. reports.SelectMany(r => r.Unknowns)]);
        if (!call.Has("--json") && findings.Length == 0 && report.Unknowns.Length == 0)
        {
            return ExitCode.Fine;
        }

        return Print(call, report);
    }))
    {
        Description = "Warnings and errors only; with --fail-on info, notes too.",
        Examples = [new("is anything wrong here", "doctor"), new("exit with 1 only for what is broken now, for a timer", "doctor --fail-on error --json")],
    };

    /// <summary><c>lotse explain ID</c>.</summary>
    public static readonly Command Explain = new("explain", "what a finding means, with an example and the remedy", call =>
    {
        var id = call.Arguments is [var given] ? given : null;
        if (id is null)
        {
            foreach (var page in FindingPage.All)
            {
                call.Output.Line($"{page.Id,-32} {page.Title}");
            }

            return ExitCode.Fine;
        }

        var found = FindingPage.Find(id) ?? throw new UsageException(
            $"there is no finding \"{ByteText.Escape(id)}\"",
            Parser.Nearest(id, [.. FindingPage.All.Select(p => p.Id)]) is { } near ? $"did you mean: lotse explain {near}" : "lotse explain lists them all");
        call.Output.Bold($"{found.Title} [{found.Id}]");
        call.Output.Line($" ({Envelope.Name(found.Severity)})");
        call.Output.Line();
        call.Output.Write(found.Body);
        call.Output.Line();
        call.Output.Line("Sources:");
        foreach (var source in found.Sources)
        {
            call.Output.Line($"  {source}");
        }

        return ExitCode.Fine;
    })
    {
        Arguments = [new("ID", "the id in brackets behind a finding; without one, all are listed")],
        Examples = [new("all of them", "explain"), new("one", "explain swap/thrashing")],
        LooksAtHost = false,
        HasJson = false,
    };

    /// <summary><c>lotse completion SHELL</c>.</summary>
    public static readonly Command Completion = new("completion", "print the completion script of a shell", call =>
    {
        call.Output.Write(call.Arguments[0] switch
        {
            "bash" => CompletionScript.Bash(Table.Commands),
            "zsh" => CompletionScript.Zsh(Table.Commands),
            "fish" => CompletionScript.Fish(Table.Commands),
            var other => throw new UsageException($"no completion for \"{ByteText.Escape(other)}\"", "one of: bash, zsh, fish"),
        });
        return ExitCode.Fine;
    })
    {
        Arguments = [new("SHELL", "bash, zsh or fish", Required: true)],
        Examples = [new("for this session of bash", "completion bash >~/.local/share/bash-completion/completions/lotse")],
        LooksAtHost = false,
        HasJson = false,
    };

    /// <summary><c>lotse man</c>.</summary>
    public static readonly Command ManPage = new("man", "print the man page (roff)", call =>
    {
        call.Output.Write(ManPageText.Roff(Table.Commands));
        return ExitCode.Fine;
    })
    {
        Examples = [new("read it without installing it", "man >/tmp/lotse.1; man /tmp/lotse.1")],
        LooksAtHost = false,
        HasJson = false,
    };

    /// <summary>Prints a report as text or JSON.</summary>
    /// <returns>Its exit code.</returns>
    public static int Print(Invocation call, Report report) => Print(call, report, ExitCode.Of(report, call.FailOn));

    /// <summary>Prints a report and ends with a code that the command decides.</summary>
    public static int Print(Invocation call, Report report, int exit)
    {
        if (call.Has("--json"))
        {
            Envelope.Write(call, report, exit);
        }
        else
        {
            ReportText.Write(call.Output, report);
        }

        return exit;
    }
}
