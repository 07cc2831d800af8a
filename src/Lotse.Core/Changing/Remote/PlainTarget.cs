using System.Globalization;
using System.Text;
using Lotse.Formats;
using Lotse.Hosts;
using Lotse.Linux;

namespace Lotse.Changing.Remote;

/// <summary>
/// Changes on a machine where the program itself does not run, by one script of POSIX commands (Plain/*.sh) that is
/// handed an order. The script holds the lock, keeps the journal, starts the guard and puts back, all without us: a
/// connection that is lost in the middle ends in everything put back, not in something half done.
/// </summary>
internal sealed class PlainTarget(RemoteTarget target)
{
    /// <summary>How long the script may be silent where nothing takes long.</summary>
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(90);

    /// <summary>Beyond the time of its programs, how long a change may take with its proof before it is put back by itself.</summary>
    private const int LimitSeconds = 600;

    private static readonly Lazy<byte[]> Script = new(() =>
    {
        var all = new MemoryStream();
        foreach (var part in new[] { "journal", "steps", "verbs" })
        {
            using var stream = typeof(PlainTarget).Assembly.GetManifestResourceStream($"plain/{part}.sh")!;
            stream.CopyTo(all);
        }

        return all.ToArray();
    });

    private readonly SshHost host = target.Host;
    private readonly string script = $"{target.Plain}/lotse-{Sha256.Hex(Script.Value)[..16]}.sh";
    private bool isThere;

    /// <summary>The whole script, for whoever wants to read or check it.</summary>
    internal static ReadOnlyMemory<byte> WholeScript => Script.Value;

    /// <summary>The entry there that is not settled.</summary>
    public string? PendingId => host.ReadLink(target.Plain + "/pending") is { Ok: true, Value: { Length: > 0 } id } && !id.Contains('/', StringComparison.Ordinal) ? id : null;

    /// <summary>Whether there is an entry of this name.</summary>
    public bool Has(string id) => !id.Contains('/', StringComparison.Ordinal) && id is not ("" or "." or "..") && target.Has($"{target.Plain}/journal/{id}");

    /// <summary>What stands against a plan; writes nothing there.</summary>
    public Receipt DryRun(Plan plan)
    {
        try
        {
            if (Moved(plan) is { } stale)
            {
                return stale;
            }

            _ = PlainOrder.Of(plan, host, target.User);
            return new(null, Outcome.Done, "the plan still holds; nothing was changed", []);
        }
        catch (ChangeFailedException e)
        {
            return new(null, Outcome.Refused, "nothing was changed", [e.Message]);
        }
    }

    /// <summary>Applies a plan.</summary>
    /// <param name="plan">For this machine.</param>
    /// <param name="within">After this time it is undone unless somebody confirms; null: it stays.</param>
    /// <param name="by">Who applies it, for the journal.</param>
    /// <param name="prove">Asks the area whether it worked.</param>
    public Receipt Apply(Plan plan, TimeSpan? within, string by, Func<Host, Plan, Report>? prove)
    {
        var limit = LimitSeconds + plan.Changes.Sum(c => c switch { RunProgram run => run.Seconds, TellUnit => 120, _ => 0 });
        try
        {
            using var session = Start("apply", within is { } time ? Seconds(time) : "-", Seconds(within ?? TimeSpan.FromSeconds(limit)));
            var first = session.ReadLine(AnswerTime);
            if (first != "ready")
            {
                return Told(session, plan, first, null);
            }

            // From here on nobody else changes this machine by Lotse; what the script is not told ends with the session.
            if (Moved(plan) is { } stale)
            {
                return stale;
            }

            var order = PlainOrder.Of(plan, host, target.User);
            var steps = Encoding.ASCII.GetBytes(order.Steps);
            Send("plan.json", plan.ToBytes());
            Send("by", ByteText.Encode(by));
            Send("checks", Encoding.ASCII.GetBytes(order.Checks));
            Send("folders", Encoding.ASCII.GetBytes(order.Folders));
            Send("order", steps);
            foreach (var (number, bytes) in order.After)
            {
                Send($"after-{number}", bytes);
            }

            session.Write(Encoding.ASCII.GetBytes($"go {Sha256.Hex(steps)}\n"));
            var answer = session.ReadLine(TimeSpan.FromSeconds(limit + 60));
            if (answer != "done")
            {
                return Told(session, plan, answer, null);
            }

            var proof = prove?.Invoke(host, plan);
            var failed = proof is not null && ExitCode.OfProof(proof) is not ExitCode.Fine;
            var verdict = proof is null ? "" : " " + ByteText.Escape(proof.Verdict.ToString());
            session.Write(ByteText.Encode($"{(failed ? "back" : "keep")}{verdict}\n"));
            var receipt = Told(session, plan, session.ReadLine(AnswerTime), proof);
            return receipt is { Outcome: Outcome.Done } && within is { } wait
                ? receipt with { Outcome = Outcome.Unconfirmed, Verdict = $"applied; undone in {wait.TotalSeconds} seconds unless you run: lotse confirm --host {host.Name}" }
                : receipt;
        }
        catch (ChangeFailedException e)
        {
            return new(null, Outcome.Refused, "nothing was changed", [e.Message]);
        }
    }

    /// <summary>Keeps the change that waits for it.</summary>
    public Receipt Confirm(string? id) => Ask("not confirmed", "confirm", id ?? "-");

    /// <summary>Takes a change back: the newest that stands, or the one named.</summary>
    public Receipt Undo(string? id, bool force) => Ask("nothing was undone", "undo", id ?? "-", force ? "force" : "-");

    /// <summary>Puts right what was interrupted there; null: nothing was.</summary>
    public Receipt? PutRight()
    {
        if (PendingId is null)
        {
            return null;
        }

        var receipt = Ask("an interrupted change could not be put right", "right");
        return receipt.Outcome == Outcome.Done && receipt.Id is null ? null : receipt;
    }

    /// <summary>What somebody changed since an entry, as lines of a diff.</summary>
    public (string Path, Hunk[] Hunks)[] Since(string id)
    {
        var all = new List<(string, Hunk[])>();
        var plan = PlainLog.PlanOf(target, id);
        for (var i = 0; i < (plan?.Changes.Length ?? 0); i++)
        {
            var before = host.ReadFile($"{target.Plain}/journal/{id}/before-{i}");
            var left = plan!.Changes[i] switch { CreateFile create => create.Content(), EditFile edit when before.Ok => edit.Apply(before.Value), DeleteFile => [], _ => null };
            if (left is not null)
            {
                var now = host.ReadFile(plan.Changes[i].File!);
                all.Add((plan.Changes[i].File!, LineDiff.Between(FileLines.Split(left).Lines, FileLines.Split(now.Ok ? now.Value : []).Lines)));
            }
        }

        return [.. all.Where(d => d.Item2.Length > 0)];
    }

    private static string Seconds(TimeSpan time) => Math.Ceiling(time.TotalSeconds).ToString("0", CultureInfo.InvariantCulture);

    private Receipt? Moved(Plan plan)
    {
        var identity = Preconditions.Identify(host, null);
        if (plan.Host.Root is not null || identity.Machine != plan.Host.Machine)
        {
            return new(null, Outcome.Stale, $"the plan is for {Value.Host(plan.Host.Root ?? plan.Host.Name)}, not for {Value.Host(identity.Name)}; nothing was changed", []);
        }

        var moved = Preconditions.Moved(host, plan.Read);
        return moved.Length > 0 ? new(null, Outcome.Stale, "the plan is stale; nothing was changed", [.. moved, "make the plan again"]) : null;
    }

    private void Send(string name, byte[] bytes) => target.Send($"{target.Plain}/new/{name}", bytes, "600");

    private SshSession Start(params string[] arguments)
    {
        if (!isThere)
        {
            target.MakeState(target.Plain);
            target.SendOnce(script, Script.Value, "600", alone: PendingId is null);
            isThere = true;
        }

        return host.Talk(["sh", script, target.State, .. arguments]);
    }

    private Receipt Ask(string otherwise, params string[] arguments)
    {
        try
        {
            using var session = Start(arguments);
            session.EndInput();
            return Told(session, null, session.ReadLine(TimeSpan.FromSeconds(LimitSeconds)), null) is var told && told.Outcome == Outcome.Refused && told.Verdict.ToString().Length == 0
                ? told with { Verdict = otherwise } : told;
        }
        catch (ChangeFailedException e)
        {
            return new(null, Outcome.Refused, otherwise, [e.Message]);
        }
    }

    /// <summary>What the script says, up to its end, in the words that the commands use for this machine too.</summary>
    private Receipt Told(SshSession session, Plan? plan, string? line, Report? proof)
    {
        var because = new List<Text>();
        Receipt? receipt = null;
        for (; line is not null; line = session.ReadLine(AnswerTime))
        {
            var words = line.Split(' ', 4);
            var id = words.Length > 1 && words[1] != "-" ? ByteText.Escape(words[1]) : null;
            plan ??= id is not null && words[0] is "put-back" or "stuck" or "changed" or "confirmed" or "undone" ? PlainLog.PlanOf(target, words[1]) : null;
            receipt = words[0] switch
            {
                "because" => receipt,
                "busy" => new(null, Outcome.Stale, $"another lotse is changing {host.Name}; nothing was changed", ["wait for it, then try again"]),
                "pending" => new(null, Outcome.Stale, $"the change {id} is not settled; nothing was changed", [$"lotse confirm --host {host.Name} keeps it, lotse undo --host {host.Name} takes it back"]),
                "refused" => new(null, Outcome.Refused, "nothing was changed", [Why(plan, line, 1)]),
                "kept" => new(id, Outcome.Done, proof is null ? "applied" : $"applied and proved: {proof.Verdict}", [], proof),
                "put-back" => new(id, Outcome.PutBack, "failed, and everything was put back", [Why(plan, line, 2)], proof),
                "stuck" => new(id, Outcome.NotPutBack, $"the change {id} could not be put back",
                    [.. because, $"the bytes before are in {Value.Path($"{target.Plain}/journal/{id}")} on {host.Name}", $"lotse undo {id} --host {host.Name} tries again, with --force over what somebody changed since; lotse confirm {id} --host {host.Name} keeps everything as it is"], proof),
                "confirmed" => new(id, Outcome.Done, $"confirmed: {plan?.Goal}", []),
                "undone" => new(id, Outcome.Done, $"undone: {plan?.Goal}", []),
                "nothing" => new(null, Outcome.Refused, words.ElementAtOrDefault(1) == "undo" ? "there is nothing to undo" : "nothing waits to be confirmed", [$"lotse log --host {host.Name} lists the changes"]),
                "unknown" => new(id, Outcome.Refused, $"there is no change {id} in the journal", [$"lotse log --host {host.Name} lists them"]),
                "already" => new(id, Outcome.Refused, $"the change {id} was taken back already", []),
                "interrupted" => new(id, Outcome.Refused, $"the change {id} was interrupted; it is put back, not kept", []),
                "changed" => new(id, Outcome.Stale, "somebody changed it since; nothing was undone", [.. because, $"lotse undo {id} --force --host {host.Name} undoes it all the same"]),
                "righted" => Righted(id, words.ElementAtOrDefault(2), receipt),
                _ => new(null, Outcome.Lost, $"{host.Name} answered something else: {ByteText.Escape(line)}", []),
            };
            if (words[0] == "because")
            {
                because.Add(Why(plan, line, 1));
            }
        }

        return receipt ?? (session.ExitCode(TimeSpan.FromSeconds(5)) == 0 && plan is null
            ? new(null, Outcome.Done, "", [])
            : new(null, Outcome.Lost, $"the connection to {host.Name} was lost", ["what was begun there is put back there by itself", $"lotse log --host {host.Name} tells"]));
    }

    private static Receipt Righted(string? id, string? how, Receipt? done) => (how, done) switch
    {
        (_, { Outcome: Outcome.NotPutBack }) => done,
        ("begun", _) => new(id, Outcome.PutBack, $"the change {id} had been interrupted before it began: nothing was changed", []),
        ("undoing", _) => new(id, Outcome.PutBack, $"the undoing of {id} had been interrupted: finished", []),
        ("late", _) => new(id, Outcome.PutBack, $"the change {id} was not confirmed in time: put back", []),
        ("unguarded", _) => new(id, Outcome.Refused, $"the change {id} waits for lotse confirm, and nobody guards it", []),
        _ => new(id, Outcome.PutBack, $"the change {id} had been interrupted: put back", []),
    };

    /// <summary>The step that words speak of, and the words.</summary>
    private static Text Why(Plan? plan, string line, int at)
    {
        var words = line.Split(' ', at + 2);
        var why = ByteText.Escape(words.ElementAtOrDefault(at + 1) ?? "");
        return plan is not null && words.Length > at && int.TryParse(words[at], NumberStyles.None, CultureInfo.InvariantCulture, out var step) && step < plan.Changes.Length
            ? $"{plan.Changes[step].Sentence}: {why}" : why;
    }
}
