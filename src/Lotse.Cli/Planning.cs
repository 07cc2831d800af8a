using Lotse.Changing;
using Lotse.Formats;
using Lotse.Hosts;
using Lotse.Linux;

namespace Lotse.Cli;

/// <summary>What every <c>lotse AREA plan</c> shares: notes what is read, prints the plan, writes the file.</summary>
internal static class Planning
{
    /// <summary>The option that every command has that makes a plan.</summary>
    public static readonly Option Output = new("--output", Takes.File, "FILE", "write the plan to FILE, for lotse apply; - is standard output") { Letter = 'o' };

    /// <summary>What every <c>lotse AREA prove</c> takes.</summary>
    public static readonly Argument Proved = new("PLAN|ID", "a plan, or a change of lotse log; without it, the newest of this area", Takes: Takes.File);

    /// <summary>Asks the real program whether a plan of an area has worked.</summary>
    public static int Prove(Invocation call, string area) => Hosting.With(call, host =>
    {
        var plan = call.Arguments is not [var asked] ? Settling.PlanOf(null, area) ?? throw new NotKnownException($"lotse has changed nothing here for {area} yet", $"name a plan: lotse {area} prove FILE")
            : Settling.PlanOf(asked, null) is { } logged ? logged
            : Plan.Parse(asked, Hosting.ReadInput(asked, Plan.Limit)) is { Ok: true, Value: var parsed } ? parsed
            : throw new NotKnownException($"{ByteText.Escape(asked)} is neither a plan nor a change of lotse log");
        if (plan.Area != area)
        {
            throw new UsageException($"that plan is of the area {ByteText.Escape(plan.Area)}", $"lotse {ByteText.Escape(plan.Area)} prove {ByteText.Escape(call.Arguments[0])}");
        }

        var proof = Area.All.First(a => a.Name == area).Prove!(host, plan);
        return General.Print(call, proof, ExitCode.OfProof(proof));
    });

    /// <summary>Makes a plan on the host that the options name, prints it and writes it.</summary>
    public static int Make(Invocation call, string area, Func<Host, Decision> decide) => Hosting.With(call, host =>
    {
        using var noting = new NotingHost(host);
        var decision = decide(noting);
        if (decision.Changes.Length == 0)
        {
            var code = ExitCode.Of(decision.Report, call.FailOn);
            return General.Print(call, decision.Report, decision.Impossible && code == ExitCode.Fine ? ExitCode.Finding : code);
        }

        var root = call["--root"] is { } folder ? Path.GetFullPath(folder) : null;
        var plan = new Plan(
            Plan.CurrentSchema, host.Now, $"lotse {Program.Version}", area, decision.Goal, Preconditions.Identify(host, root),
            Preconditions.Note(host, noting.Paths.Concat(decision.Changes.Select(c => c.File).OfType<string>())), decision.Changes, decision.Vanish, decision.Proof);
        if (call["--output"] is { } file && file != "-")
        {
            Save(Path.GetFullPath(file), plan);
        }

        if (call.Has("--json"))
        {
            Envelope.Write(call, decision.Report with { Plan = plan.Part }, ExitCode.Fine);
        }
        else if (call["--output"] == "-")
        {
            call.Output.Write(plan.ToBytes());
        }
        else
        {
            ReportText.Write(call.Output, decision.Report);
            Write(call.Output, plan);
            call.Output.Line();
            call.Output.Line(call["--output"] is { } name ? $"written to {ByteText.Escape(name)}: lotse apply {ByteText.Escape(name)}" : "nothing was changed; --output FILE writes the plan for lotse apply");
        }

        return ExitCode.Fine;
    });

    /// <summary>Writes a plan to a new file, or over an earlier plan; any other file stays as it is.</summary>
    private static void Save(string path, Plan plan)
    {
        using var here = new LocalHost();
        var again = here.Status(path) is { Ok: true, Value.Kind: FileKind.File } && here.ReadFile(path, Plan.Limit) is { Ok: true, Value: var old } && Plan.Parse(path, old).Ok;
        if ((again ? NewFile.Replace(path, plan.ToBytes(), 0x180) : NewFile.Write(path, plan.ToBytes())) is { } error)
        {
            throw new NotKnownException(error.Message, error.Message.EndsWith("file exists", StringComparison.Ordinal) ? "a plan is written over an earlier plan, never over another file: name a new one" : null);
        }
    }

    /// <summary>A plan for people: a sentence a change, and a diff of each file.</summary>
    public static void Write(Output output, Plan plan)
    {
        foreach (var (change, number) in plan.Changes.Select((c, i) => (c, i + 1)))
        {
            output.Line();
            output.Bold($"{number}. {change.Sentence}");
            output.Line();
            switch (change)
            {
                case EditFile edit:
                    Write(output, edit.Path, edit.Hunks);
                    break;
                case CreateFile create:
                    Write(output, create.Path, [new(1, [], create.Lines)]);
                    break;
                case RunProgram run:
                    output.Line($"   taken back by: {ByteText.Escape(string.Join(' ', run.Inverse))}");
                    if (run.NoReturn is { } why)
                    {
                        output.Line($"   from here on there is no way back: {ByteText.Escape(why)}");
                    }

                    break;
            }

            if (change.Checked is { } check)
            {
                output.Line($"   checked before it takes its place by: {ByteText.Escape(string.Join(' ', check))}");
            }
        }
    }

    /// <summary>Runs of lines as a diff.</summary>
    public static void Write(Output output, string path, IEnumerable<Hunk> hunks)
    {
        foreach (var hunk in hunks)
        {
            output.Line($"   {ByteText.Escape(path)}:{hunk.Line}");
            Write(output, "   - ", "\e[31m"u8, hunk.Remove);
            Write(output, "   + ", "\e[32m"u8, hunk.Add);
        }
    }

    private static void Write(Output output, string mark, ReadOnlySpan<byte> colour, string[] lines)
    {
        foreach (var line in lines)
        {
            output.Write(output.Colour ? colour : default);
            output.Write(mark);
            output.Write(Shown(line));
            output.Line(output.Colour ? "\e[0m" : "");
        }
    }

    /// <summary>A line of a file as a person reads it: only what could harm the terminal is escaped.</summary>
    public static string Shown(string line) => line.Contains('\\', StringComparison.Ordinal) || line.Contains('\t', StringComparison.Ordinal)
        ? string.Concat(line.Select(c => c is '\\' or '\t' ? c.ToString() : ByteText.Escape(c.ToString())))
        : ByteText.Escape(line);
}
