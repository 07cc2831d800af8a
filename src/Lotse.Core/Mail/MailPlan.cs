using Lotse.Formats;

namespace Lotse.Mail;

/// <summary>What the user wants.</summary>
/// <param name="Receive">Who is to receive; null: it stays.</param>
/// <param name="Send">Who is to send; null: as found.</param>
/// <param name="To">The mailbox to which a forwarder forwards; null: as published.</param>
/// <param name="Reports">Where DMARC's reports go; null: as published, or nowhere.</param>
/// <param name="SenderSince">The day on which the domain's address was entered at the sender; null: not known.</param>
public sealed record MailGoal(Provider? Receive, Provider? Send, string? To, string? Reports, DateOnly? SenderSince);

/// <summary>A record set that changes, and why.</summary>
/// <param name="Remove">Records that go.</param>
/// <param name="Add">Records that come.</param>
/// <param name="Why">Reasons.</param>
public sealed record RecordDiff(DnsRecord[] Remove, DnsRecord[] Add, Reason[] Why)
{
    /// <summary>Whether there is nothing to change.</summary>
    public bool Empty => Remove.Length + Add.Length == 0;

    /// <summary>The same with the TTLs that the zone's own server has: a resolver's count down.</summary>
    /// <param name="ask">Asks the server.</param>
    /// <returns>Null when its records are others.</returns>
    public RecordDiff? At(Func<DnsQuestion, DnsAnswer> ask)
    {
        var sets = Remove.Concat(Add).Select(r => (r.Name, r.Type)).Distinct().ToDictionary(s => s, s => ask(new(s.Name, s.Type)));
        if (sets.Values.Any(a => !a.Known) || Remove.Any(r => !sets[(r.Name, r.Type)].Records.Any(o => o.SameData(r))) || Add.Any(a => sets[(a.Name, a.Type)].Records.Any(o => o.SameData(a) && !Remove.Any(r => r.SameData(a)))))
        {
            return null;
        }

        uint Ttl(DnsRecord added) => !Remove.Any(r => r.SameData(added)) && sets[(added.Name, added.Type)].Of(added.Type).ToArray() is { Length: > 0 } old && old[0].Ttl is > 300 and <= 86400 ? old[0].Ttl : added.Ttl;
        return new([.. Remove.Select(r => sets[(r.Name, r.Type)].Records.First(o => o.SameData(r)))], [.. Add.Select(a => a with { Ttl = Ttl(a) })], Why);
    }
}

/// <summary>A step that is taken later.</summary>
/// <param name="Day">Not before this day.</param>
/// <param name="Text">What to do.</param>
public sealed record LaterStep(DateOnly Day, string Text);

/// <summary>The smallest change that makes a domain's mail work: what to change now, and what later. Pure.</summary>
/// <param name="Now">What is changed now.</param>
/// <param name="Later">What is changed later, in order.</param>
/// <param name="Vanish">Ids of findings that go away.</param>
/// <param name="Open">What only a person can decide.</param>
public sealed record MailPlan(RecordDiff Now, LaterStep[] Later, string[] Vanish, string[] Open)
{
    private const uint UsualTtl = 3600;
    private const uint LowTtl = 300;

    /// <summary>Makes the plan.</summary>
    public static MailPlan Of(DomainView view, MailGoal goal)
    {
        var (remove, add, why) = (new List<DnsRecord>(), new List<DnsRecord>(), new List<Reason>());
        var (later, open) = (new List<LaterStep>(), new List<string>());
        Spf(view, goal, remove, add, why);
        Forwarder(view, goal, remove, add, why, open);
        Dmarc(view, goal, remove, add, why);
        Exchanges(view, goal, remove, add, why, later);
        Rest(view, remove, why, open);

        // A record that goes and comes again with another TTL is one change; one that only goes and comes is none.
        var same = add.Where(a => remove.Any(r => r.Equals(a))).ToArray();
        remove.RemoveAll(same.Contains);
        add.RemoveAll(same.Contains);
        var diff = new RecordDiff([.. remove.Distinct()], [.. add.Distinct()], [.. why]);
        return new(diff, [.. later], Vanishing(view, diff, goal), [.. open]);
    }

    private static uint TtlOf(IEnumerable<DnsRecord> set) => set.Select(r => r.Ttl).DefaultIfEmpty(UsualTtl).Min() is var ttl && ttl > 86400 ? UsualTtl : ttl;

    private static void Spf(DomainView view, MailGoal goal, List<DnsRecord> remove, List<DnsRecord> add, List<Reason> why)
    {
        var old = view.Text.Of(DnsType.TXT).Where(r => r.Name == view.Domain && SpfFindings.Resembles(r.Joined)).ToArray();
        var notes = new List<Reason>();
        var sender = goal.Send ?? view.Senders.FirstOrDefault()?.Provider;
        if (view.SendsNothing && goal.Send is null)
        {
            return;
        }

        if (SpfMerge.Of(view, sender, notes) is not { } text || (old is [var only] && only.Joined == text && only.Ttl <= 86400))
        {
            return;
        }

        remove.AddRange(old);
        add.Add(DnsRecord.Txt(view.Domain, TtlOf(old), text));
        why.Add(new(old.Length > 1 ? "one SPF record, with the terms of both in order" : old.Length == 1 ? "the SPF record" : "an SPF record", Verdict.Yes, "RFC 7208 sections 3.2, 4.5", [.. old.Select(r => new Seen(r.Joined, "goes")), new Seen(text, "comes")]));
        why.AddRange(notes);
    }

    private static void Forwarder(DomainView view, MailGoal goal, List<DnsRecord> remove, List<DnsRecord> add, List<Reason> why, List<string> open)
    {
        if ((goal.Receive ?? view.Receiver)?.Id != "forwardemail")
        {
            return;
        }

        var old = view.Text.Of(DnsType.TXT).Where(r => r.Name == view.Domain && r.Joined.Trim() is var t && t.StartsWith(ForwardRules.Prefix, StringComparison.Ordinal)).ToArray();
        if (!view.Rules.Any)
        {
            if (goal.To is null)
            {
                open.Add("the forwarder needs to know your mailbox: plan again with --to ADDRESS, or enter the verification record of the paid plan");
                return;
            }

            add.Add(DnsRecord.Txt(view.Domain, UsualTtl, ForwardRules.Prefix + goal.To));
            why.Add(new($"the forwarder sends everything to {Value.Mailbox(goal.To)}", Verdict.Yes, "forwardemail.net FAQ"));
            return;
        }

        foreach (var record in old)
        {
            // Only what stops every alias is touched; regular expressions are left to who wrote them.
            var entries = ForwardRules.Of([record.Joined]).Entries;
            if (!entries.Any(e => e.Kind is ForwardKind.Invalid or ForwardKind.Ignored) || record.Joined.Contains('/', StringComparison.Ordinal))
            {
                continue;
            }

            var kept = new List<string>();
            foreach (var entry in entries)
            {
                if (entry.Kind is not (ForwardKind.Invalid or ForwardKind.Ignored))
                {
                    kept.Add(entry.Text);
                }
                else if (Guess(view, entry) is { } meant)
                {
                    kept.Add(entry.Alias.Length > 0 ? $"{entry.Alias}:{meant}" : meant);
                    why.Add(new($"\"{Value.Mailbox(entry.Text)}\" was meant for {Value.Mailbox(meant)}", Verdict.Yes, "the other entries, the catalogue of providers"));
                }
                else
                {
                    why.Add(new($"\"{Value.Mailbox(entry.Text)}\" goes, so that the other aliases work again", Verdict.Yes, "forwardemail.net getForwardingAddresses"));
                    open.Add($"{entry.Alias} has no recipient any more: enter a right one");
                }
            }

            remove.Add(record);
            if (kept.Count > 0)
            {
                add.Add(DnsRecord.Txt(view.Domain, record.Ttl, ForwardRules.Prefix + string.Join(',', kept)));
            }
        }

        foreach (var finding in ForwardFindings.Of(view).Where(f => f.Severity == Severity.Error && f.Id is not ("mail/fe-invalid" or "mail/fe-missing")))
        {
            open.Add($"{finding.Title}");
        }
    }

    /// <summary>The recipient that was meant: one of another entry that it is the beginning of, else a provider's domain that it is.</summary>
    private static string? Guess(DomainView view, ForwardEntry entry)
    {
        var written = (entry.Target.Length > 0 ? entry.Target : entry.Text).Trim('"', '\'', ' ', '.');
        var others = view.Rules.Entries.Where(e => e.Kind is ForwardKind.Alias or ForwardKind.CatchAll && e.Target != written && (e.Target.StartsWith(written, StringComparison.Ordinal) || WordDistance.Between(e.Target, written) <= 2)).Select(e => e.Target).Distinct().ToArray();
        if (others is [var other])
        {
            return other;
        }

        var at = written.LastIndexOf('@');
        var domains = at < 1 ? [] : Provider.All.SelectMany(p => p.MailDomains).Where(d => d.StartsWith(written[(at + 1)..] + ".", StringComparison.Ordinal)).Distinct().ToArray();
        return domains is [var domain] ? $"{written[..at]}@{domain}" : ForwardRules.IsMailbox(written) ? written : null;
    }

    private static void Dmarc(DomainView view, MailGoal goal, List<DnsRecord> remove, List<DnsRecord> add, List<Reason> why)
    {
        const string Rule = "RFC 9989 section 4.7";
        var name = $"_dmarc.{view.Domain}";
        var answer = view.Dmarc.Levels[0].Answer;
        if (!answer.Known || answer.Records.Any(r => r.Type == DnsType.CNAME))
        {
            return;
        }

        var old = answer.Of(DnsType.TXT).Where(r => r.Name == name && DmarcRecord.LooksLikeOne(r.Joined)).ToArray();
        var astray = view.Text.Of(DnsType.TXT).Where(r => r.Name == view.Domain && DmarcRecord.LooksLikeOne(r.Joined)).ToArray();
        var source = old.Select(r => DmarcRecord.Parse(r.Joined)).OfType<DmarcRecord>().OrderBy(r => r.Applied ?? DmarcPolicy.None).FirstOrDefault() ?? old.Concat(astray).Select(r => DmarcRecord.Parse(Repaired(r.Joined))).OfType<DmarcRecord>().FirstOrDefault();
        var tags = new Dictionary<string, string>(source?.Tags ?? []);
        var notes = new List<Reason>();
        if (source is null)
        {
            if (view.Dmarc.Covering is not null && old.Length == 0)
            {
                return;
            }

            tags["p"] = "none";
            notes.Add(new("a DMARC record that only watches", Verdict.Yes, Rule));
        }

        // The policy that is safe for the legs that can align.
        if (source is not null && (source.Applied is null || (source.PolicyText is not null && source.Policy is null)))
        {
            tags["p"] = "none";
            notes.Add(new($"p={source.PolicyText} is no policy", Verdict.Yes, Rule));
        }

        var signs = goal.Send is { } send ? send.SignsCustom == true && view.HasKey : !view.NeverSigned;
        if (!signs && !view.SendsNothing && source?.Applied is DmarcPolicy.Quarantine or DmarcPolicy.Reject)
        {
            tags["p"] = "none";
            _ = tags.Remove("sp");
            notes.Add(new("p=none: while only SPF can align, a stricter policy loses what recipients forward", Verdict.Yes, "RFC 7960 section 3"));
        }
        else if (source is { Policy: { } p, Subdomains: { } sp } && sp < p)
        {
            _ = tags.Remove("sp");
            notes.Add(new("sp= goes: subdomains get p=", Verdict.Yes, Rule));
        }

        if (goal.Reports is not null && !tags.ContainsKey("rua"))
        {
            tags["rua"] = "mailto:" + goal.Reports;
            notes.Add(new($"reports go to {Value.Mailbox(goal.Reports)}", Verdict.Yes, Rule));
        }
        else if (tags.TryGetValue("rua", out var rua) && DmarcFindings.Of(view).Where(f => f.Id is "mail/dmarc-rua-dead" or "mail/dmarc-rua-unauthorised").Select(f => f.Subject.Content).ToArray() is { Length: > 0 } dead)
        {
            var kept = rua.Split(',').Where(u => !dead.Any(d => u.Contains("@" + d, StringComparison.OrdinalIgnoreCase))).ToArray();
            _ = tags.Remove("rua");
            if (kept.Length > 0)
            {
                tags["rua"] = string.Join(',', kept);
            }

            notes.Add(new($"reports to {Value.Domain(string.Join(", ", dead))} never arrive", Verdict.Yes, "RFC 9990 sections 3.5, 4"));
        }

        string[] first = ["p"];
        var text = string.Join("; ", ["v=DMARC1", .. first.Where(tags.ContainsKey).Select(t => $"{t}={tags[t]}"), .. tags.Where(t => !first.Contains(t.Key)).Select(t => $"{t.Key}={t.Value}")]);
        var unchanged = old is [var only] && source is not null && notes.Count == 0 && DmarcRecord.Parse(only.Joined) is not null;
        if (!unchanged)
        {
            remove.AddRange(old);
            add.Add(DnsRecord.Txt(name, TtlOf(old), text));
            why.AddRange(notes.Count > 0 ? notes : [new("one DMARC record, well formed", Verdict.Yes, Rule)]);
        }

        if (astray.Length > 0)
        {
            remove.AddRange(astray);
            why.Add(new($"a DMARC record at {Value.Domain(view.Domain)} itself is read by nobody", Verdict.Yes, Rule));
        }
    }

    /// <summary>A broken record with its version as it should be.</summary>
    private static string Repaired(string text)
    {
        var tags = text.Trim('"', '\'', ' ').Split(';').Where(t => t.Contains('=', StringComparison.Ordinal) && !t.Contains("dmarc1", StringComparison.OrdinalIgnoreCase));
        var squeezed = text.Trim('"', '\'', ' ');
        var space = squeezed.Split(';')[0].IndexOf(" p=", StringComparison.OrdinalIgnoreCase);
        return string.Join("; ", ["v=DMARC1", .. space > 0 ? new[] { squeezed.Split(';')[0][(space + 1)..].Trim() } : [], .. tags.Select(t => t.Trim())]);
    }

    private static void Exchanges(DomainView view, MailGoal goal, List<DnsRecord> remove, List<DnsRecord> add, List<Reason> why, List<LaterStep> later)
    {
        if ((goal.Receive ?? view.Receiver) is not { CustomDomain: true } receiver)
        {
            return;
        }

        var old = view.Exchanges.Answer.Of(DnsType.MX).Where(r => r.Name == view.Domain).ToArray();
        var wanted = receiver.ExchangesFor(view.Domain);
        var own = old.Where(r => receiver.HasExchange(r.Exchange.Host)).ToArray();
        var foreign = old.Except(own).ToArray();
        var missing = own.Length > 0 && !receiver.MxAll ? [] : wanted.Where(w => own.All(o => o.Exchange.Host != w.Host)).ToArray();
        var long_ = old.Where(r => r.Ttl > 86400).ToArray();
        if (foreign.Length == 0 && missing.Length == 0 && long_.Length == 0)
        {
            return;
        }

        // Mail that arrives somewhere else today is moved in steps; leftovers beside the right hosts just go.
        var today = DateOnly.FromDateTime(view.Facts.Now.UtcDateTime);
        var moves = own.Length == 0 && foreign.Length > 0 && view.Exchanges.First.Length > 0 && !view.Exchanges.Null;
        var ttl = old.Select(r => r.Ttl).DefaultIfEmpty(0u).Max();
        var cool = goal.Send is { CoolDownDays: > 0 } sender ? goal.SenderSince is { } since ? since.AddDays(sender.CoolDownDays) : today.AddDays(sender.CoolDownDays) : today;
        var lowered = ttl <= LowTtl;
        if (moves && (cool > today || !lowered))
        {
            if (!lowered)
            {
                remove.AddRange(old);
                add.AddRange(old.Select(r => r with { Ttl = LowTtl }));
                why.Add(new($"the old MX stay for now, with a TTL of {LowTtl} seconds, so that the move is quick and can be taken back", Verdict.Yes, "RFC 1035 section 3.2.1", [.. old.Select(r => new Seen($"{r.Text}, TTL {r.Ttl}", $"{view.Domain} MX"))]));
            }

            // Both have to be over: the time for which resolvers keep the old MX, and the sender's own.
            var forgotten = lowered ? today : today.AddDays((int)Math.Ceiling(ttl / 86400.0));
            var day = cool > forgotten ? cool : forgotten;
            later.Add(new(day, $"move the MX to {receiver.Name}: lotse mail plan {view.Domain} --receive {receiver.Id}{(goal.Send is null ? "" : $" --send {goal.Send.Id} --sender-since {(goal.SenderSince ?? today):yyyy-MM-dd}")}{(cool > today ? $"; {goal.Send!.Name} lets a new sender address be used only after {goal.Send.CoolDownDays} days, and the old MX has to receive its confirmation until then" : "")}{(lowered ? "" : $"; the old TTL of {ttl} seconds is over then")}"));
            later.Add(new(day.AddDays(1), $"when mail arrives at {receiver.Name}: raise the TTL of the MX to {UsualTtl}, and end the account at the old provider"));
            return;
        }

        remove.AddRange(foreign);
        var preference = own.Select(r => (int?)r.Exchange.Preference).FirstOrDefault();
        var time = moves ? LowTtl : TtlOf(old.Where(r => r.Ttl <= 86400));
        add.AddRange(missing.Select(m => DnsRecord.Parse(view.Domain, DnsType.MX, time, $"{preference ?? m.Preference} {m.Host}.")!));
        foreach (var record in long_.Except(foreign))
        {
            remove.Add(record);
            add.Add(record with { Ttl = UsualTtl });
        }

        if (foreign.Length > 0)
        {
            why.Add(new($"{Value.Host(string.Join(", ", foreign.Select(r => r.Exchange.Host)))} does not belong to {receiver.Name}", Verdict.Yes, "RFC 5321 section 5.1", [.. foreign.Select(r => new Seen(r.Text, $"{view.Domain} MX"))]));
        }

        if (missing.Length > 0)
        {
            why.Add(new($"{receiver.Name} asks for {Value.Host(string.Join(", ", missing.Select(m => m.Host)))}", Verdict.Yes, receiver.Sources[0]));
        }
    }

    /// <summary>What is harmful and safely removed, and what only a person can decide.</summary>
    private static void Rest(DomainView view, List<DnsRecord> remove, List<Reason> why, List<string> open)
    {
        var parked = view.Text.Of(DnsType.TXT).Where(r => r.Name == view.Domain && (r.Joined.Equals("parked", StringComparison.OrdinalIgnoreCase) || r.Joined.StartsWith("parked ", StringComparison.OrdinalIgnoreCase))).ToArray();
        if (parked.Length > 0)
        {
            remove.AddRange(parked);
            why.Add(new("the registrar's parking text goes", Verdict.Yes, "the text itself"));
        }

        string[] byHand = ["mail/dns-", "mail/dkim-", "mail/mtasts-", "mail/tlsrpt-", "mail/dane-", "mail/spf-wide-range", "mail/spf-mx-limit"];
        open.AddRange(MailFindings.Of(view).Where(f => f.Severity >= Severity.Warning && f.Id is not ("mail/dns-parking" or "mail/dns-ttl-long") && byHand.Any(h => f.Id.StartsWith(h, StringComparison.Ordinal))).Select(f => f.Title.ToString()));
    }

    /// <summary>The findings that are gone when the records are as planned: the same rules are asked again.</summary>
    private static string[] Vanishing(DomainView view, RecordDiff diff, MailGoal goal)
    {
        if (diff.Empty)
        {
            return [];
        }

        var after = MailFindings.Of(new(view.Facts with { Options = view.Facts.Options with { Send = goal.Send?.Id ?? view.Facts.Options.Send } }, After(view.Dns, diff)));
        return [.. MailFindings.Of(view).Where(f => f.Severity >= Severity.Warning && after.All(a => a.Id != f.Id)).Select(f => f.Id).Distinct()];
    }

    /// <summary>The answers as they are after the change.</summary>
    internal static DnsLookups After(DnsLookups dns, RecordDiff diff)
    {
        var after = new DnsLookups();
        foreach (var (question, answer) in dns.All)
        {
            var gone = diff.Remove.Where(r => r.Name == question.Name && r.Type == question.Type).ToArray();
            var come = diff.Add.Where(r => r.Name == question.Name && r.Type == question.Type).ToArray();
            if (gone.Length + come.Length == 0)
            {
                after.Add(question, answer);
                continue;
            }

            DnsRecord[] records = [.. answer.Records.Where(r => !gone.Any(g => g.SameData(r))), .. come];
            after.Add(question, answer with { Records = records, Outcome = records.Length > 0 ? DnsOutcome.Records : DnsOutcome.NoData });
        }

        return after;
    }
}
