using Lotse.Formats;
using Lotse.Hosts;
using Lotse.Mail;

namespace Lotse.Cli.Areas;

/// <summary><c>lotse mail plan</c>: the smallest change of records, in the form in which the user can apply it.</summary>
internal static class MailPlanning
{
    public static readonly Command Plan = new("mail plan", "the smallest change of records that makes mail work", Make)
    {
        Description = "One diff: MX, SPF merged in order, a DMARC policy that is safe for the legs that can align. A move is staged: the TTL is lowered and waited out, the old MX stay until the new sender address may be used. Applied by a signed update (--update), in a zone file (--edit), or printed as lines for a registrar's form.",
        Arguments = [new("DOMAIN", "the domain", Required: true)],
        Options =
        [
            new("--receive", Takes.Choice, "ID", "who is to receive; without it, who does") { ChoicesOf = static () => [.. Provider.All.Where(p => p.CustomDomain).Select(p => p.Id)] },
            new("--send", Takes.Choice, "ID", "who is to send; without it, who does") { ChoicesOf = static () => [.. Provider.All.Select(p => p.Id)] },
            new("--to", Takes.Text, "ADDRESS", "the mailbox to which a forwarder forwards, where no record says it"),
            new("--reports", Takes.Text, "ADDRESS", "where DMARC's reports go, where no record says it"),
            new("--sender-since", Takes.Text, "YYYY-MM-DD", "the day on which the domain's address was entered at the sender"),
            new("--update", Takes.Text, "ADDRESS[:PORT]", "the zone's primary server, which takes signed updates (RFC 2136)"),
            new("--key", Takes.File, "FILE", "the key for --update (TSIG, hmac-sha256), as tsig-keygen writes it"),
            new("--edit", Takes.File, "FILE", "the zone file that is to be changed"),
            new("--unit", Takes.Text, "UNIT", "with --edit: the name server's unit, which is to read the zone again"),
            Planning.Output, .. MailAsking.Options,
        ],
        Examples =
        [
            new("received by Forward Email, sent by Posteo", "mail plan example.com --receive forwardemail --send posteo"),
            new("at your own name server", "mail plan example.com --update 192.0.2.53 --key /etc/lotse/dns.key --output plan.json"),
            new("in a zone file", "mail plan example.com --edit /var/lib/nsd/example.com.zone --unit nsd.service --output plan.json"),
        ],
    };

    private static int Make(Invocation call)
    {
        call.OnlyOneOf("--update", "--edit");
        var domain = MailCommands.Domain(call.Arguments[0]);
        DateOnly? since = call["--sender-since"] is not { } day ? null : DateOnly.TryParseExact(day, "yyyy-MM-dd", out var parsed) ? parsed : throw new UsageException($"--sender-since \"{ByteText.Escape(day)}\" is no day");
        foreach (var option in new[] { "--to", "--reports" })
        {
            if (call[option] is { } address && !ForwardRules.IsMailbox(address))
            {
                throw new UsageException($"{option} \"{ByteText.Escape(address)}\" is no address");
            }
        }

        var goal = new MailGoal(call["--receive"] is { } receive ? Provider.Find(receive) : null, call["--send"] is { } send ? Provider.Find(send) : null, call["--to"], call["--reports"], since);
        return Planning.Make(call, "mail", host => Decide(call, host, domain, goal));
    }

    private static Decision Decide(Invocation call, Host host, string domain, MailGoal goal)
    {
        var edit = call["--edit"] is { } file ? MailAsking.Zone(host, file) : null;
        var source = MailAsking.Source(call, host, edit);
        var facts = new MailFacts(domain, new() { Send = goal.Send?.Id, Receive = null }, host.Now, source.Name, source.Trusted, []);
        var lookups = new DnsLookups();
        var plan = lookups.Complete(
            dns =>
            {
                // The providers' own records are wanted as well: what the plan puts in is checked before it is proposed.
                _ = goal.Send is null ? null : SpfTree.Of(goal.Send.Spf, dns);
                return MailPlan.Of(new(facts, dns), goal);
            },
            source.Ask);
        var before = MailDiagnosis.Of(facts, lookups);
        var view = new DomainView(facts, lookups);
        if (!view.Readable)
        {
            throw new NotKnownException($"the records of {domain} could not be read: {view.Text.Words}; {view.Exchanges.Answer.Words}", "ask another resolver: --server ADDRESS");
        }

        var update = call["--update"];
        var diff = update is null ? plan.Now : plan.Now.At(q => source.Ask([q with { Server = update }])[0]) ?? throw new NotKnownException($"the records at {ByteText.Escape(update)} are not those that resolvers have", "wait until they have read the zone again, or hand --server the zone's own server");
        var changes = new List<Change>();
        if (!diff.Empty)
        {
            if (update is not null)
            {
                var zone = ZoneOf(source, domain, update) ?? throw new NotKnownException($"{ByteText.Escape(update)} is not responsible for {domain}");
                var key = call["--key"] is { } path ? Path.GetFullPath(path) : null;
                changes.Add(new UpdateZone(DnsSource.ParseServer(update) is { } server ? $"{server.Address}#{server.Port}" : throw new UsageException($"--update \"{ByteText.Escape(update)}\" is no address"), zone, key, diff.Remove, diff.Add));
            }
            else if (edit is not null)
            {
                var read = host.ReadFile(edit.Name);
                var (changed, problem) = read.Ok ? ZoneEdit.Of(edit, read.Value, diff, host.Now, ZoneFile.OriginOf(edit.Name), other => host.ReadFile(other)) : (null, read.Error!.Message);
                changes.Add(changed ?? throw new NotKnownException(problem!));
                changes.Add(call["--unit"] is { } unit ? new TellUnit(unit, UnitAction.Reload) : new ByHand("have the name server read the zone again"));
            }
            else
            {
                changes.Add(new ByHand(Paste(domain, diff)));
            }
        }

        changes.AddRange(plan.Later.Select(l => new ByHand($"not before {l.Day:yyyy-MM-dd}: {l.Text}")));
        var who = (goal.Receive ?? view.Receiver) is { } r && (goal.Send ?? view.Senders.FirstOrDefault()?.Provider) is { } s ? $"{r.Name} receives, {s.Name} sends" : "mail works";
        var nothing = changes.Count == 0;
        var report = new Report(
            nothing ? plan.Open.Length == 0 ? $"{domain}: nothing to change: {who}" : $"{domain}: nothing that lotse would change" : (Text)$"{domain}: {diff.Remove.Length} record{(diff.Remove.Length == 1 ? "" : "s")} out, {diff.Add.Length} in, so that {who}",
            [.. diff.Why], nothing ? before.Findings.Where(f => f.Severity >= Severity.Warning).ToArray() : [],
            [.. plan.Open.Select(o => new Unknown(o, "only you can decide it", "see lotse mail why " + domain))]);
        return new(report, $"{domain}: {who}", [.. changes], plan.Vanish, [domain, .. goal.Send is null ? Array.Empty<string>() : [$"send={goal.Send.Id}"], .. call["--server"] is { } resolver ? new[] { $"server={resolver}" } : []]);
    }

    /// <summary>The zone that a name is in, as the server has it.</summary>
    private static string? ZoneOf(DnsSource source, string domain, string server)
    {
        for (var name = domain; name is not null and not "."; name = DnsName.Parent(name))
        {
            if (source.Ask([new DnsQuestion(name, DnsType.SOA, server)])[0].Outcome == DnsOutcome.Records)
            {
                return name;
            }
        }

        return null;
    }

    private static string Paste(string domain, RecordDiff diff)
    {
        string Line(DnsRecord record)
        {
            var name = record.Name == domain ? "@" : record.Name.EndsWith("." + domain, StringComparison.Ordinal) ? record.Name[..^(domain.Length + 1)] : DnsName.Absolute(record.Name);
            var value = record.Type == DnsType.TXT ? record.Joined : record.Text.TrimEnd('.');

            // A TTL that a resolver counts down says nothing; one that is meant to change does.
            var ttl = diff.Add.Contains(record) && diff.Remove.Any(r => r.SameData(record)) ? $" (TTL {record.Ttl})" : "";
            return $"{name} {DnsTypes.Name(record.Type)} {value}{ttl}";
        }

        return string.Join("; ", [$"at the provider of the DNS of {domain}", .. diff.Remove.Select(r => $"remove {Line(r)}"), .. diff.Add.Select(r => $"add {Line(r)}"),
            "enter names without the domain where the form appends it, values without quotes; an MX host that comes out with your domain behind it needs a dot at its end; a form that cuts at 255 characters needs the value in two strings"]);
    }
}
