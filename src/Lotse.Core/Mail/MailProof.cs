using System.Net;
using Lotse.Formats;
using Lotse.Hosts;

namespace Lotse.Mail;

/// <summary>Whether a plan has worked: the zone's servers are asked, the rules are asked again, the journeys are made again.</summary>
public static class MailProof
{
    /// <summary>How long secondary servers are waited for.</summary>
    private const int Tries = 5;

    private const string Rule = "RFC 1034 section 4.3.5";

    /// <summary>Asks after a plan was applied. The plan's words for it: domain, then <c>send=ID</c>, <c>server=ADDRESS</c>.</summary>
    public static Report Prove(Host host, Plan plan)
    {
        if (plan.Proof is not [var domain, .. var words] || DnsName.Parse(domain) is not { } name)
        {
            return new("nothing to prove", [], [], []);
        }

        var update = plan.Changes.OfType<UpdateZone>().FirstOrDefault();
        var edit = plan.Changes.OfType<EditFile>().FirstOrDefault();
        if (update is null && edit is null)
        {
            return new($"nothing was changed by lotse: when it is done by hand, lotse mail prove {domain}", [], [], []);
        }

        var reasons = new List<Reason>();
        var findings = new List<Finding>();
        var server = words.FirstOrDefault(w => w.StartsWith("server=", StringComparison.Ordinal))?[7..];
        IPEndPoint[] servers = server is not null && DnsSource.ParseServer(server) is { } one ? [one] : [];
        ZoneFile[] zones = [];
        if (edit is not null)
        {
            var read = host.ReadFile(edit.Path);
            var parsed = read.Ok ? ZoneFile.Parse(edit.Path, read.Value, ZoneFile.OriginOf(edit.Path), other => host.ReadFile(other)) : new(default!, read.Error);
            if (!parsed.Ok)
            {
                return new(parsed.Error!.Message, [], [], [new("the zone file", parsed.Error.Message, "read it")]);
            }

            zones = [parsed.Value];
            if (parsed.Value.Zones is [var apex, ..] && host.Run(["named-checkzone", apex, edit.Path], TimeSpan.FromSeconds(20)) is { Ok: true } check)
            {
                var good = check.Value.ExitCode == 0;
                reasons.Add(new($"named-checkzone accepts {Value.Path(edit.Path)}", good ? Verdict.Yes : Verdict.No, "named-checkzone(8)", new Seen(ByteText.Decode(check.Value.Output).Trim().Split('\n')[^1], "named-checkzone")));
                if (!good)
                {
                    return new($"named-checkzone refuses {Value.Path(edit.Path)}", [.. reasons], [], [new("whether the zone can be loaded", "named-checkzone refuses it", $"named-checkzone {apex} {edit.Path}")]);
                }
            }
        }

        var source = new DnsSource(host, new(servers, zones, zones.Length > 0 && servers.Length == 0, TimeSpan.FromSeconds(20)));
        if (update is not null)
        {
            reasons.AddRange(Authorities(host, source, update));
        }

        // The changed sets as the zone's own server has them; what resolvers still keep is older.
        var touched = update is null ? [] : update.Add.Concat(update.Remove).Select(r => (r.Name, r.Type)).ToHashSet();
        DnsAnswer[] Ask(DnsQuestion[] questions) => source.Ask([.. questions.Select(q => q.Server is null && touched.Contains((q.Name, q.Type)) ? q with { Server = update!.Server } : q)]);
        var facts = new MailFacts(name, new() { Send = words.FirstOrDefault(w => w.StartsWith("send=", StringComparison.Ordinal))?[5..] }, host.Now, source.Name, source.Trusted, []);
        var lookups = new DnsLookups();
        var after = lookups.Complete(dns => MailDiagnosis.Of(facts, dns), Ask);
        var journeys = lookups.Complete(dns => MailSimulation.Journeys(facts, dns), Ask);

        foreach (var id in plan.Vanish)
        {
            var left = after.Findings.Where(f => f.Id == id).ToArray();
            reasons.Add(new($"{id} is gone", left.Length == 0 ? Verdict.Yes : Verdict.No, "the same rules, asked again"));
            findings.AddRange(left);
        }

        reasons.AddRange(Claims(lookups, facts));
        var ttl = update?.Remove.Select(r => r.Ttl).DefaultIfEmpty(0u).Max() ?? 0;
        Text verdict = findings.Count > 0 ? (Text)$"{findings.Count} of {plan.Vanish.Length} findings are still there"
            : $"the records stand, {plan.Vanish.Length} finding{(plan.Vanish.Length == 1 ? " is" : "s are")} gone{(ttl > 0 ? $"; resolvers may keep the old ones until {host.Now.AddSeconds(ttl):yyyy-MM-dd HH:mm} UTC" : "")}; {journeys.Verdict}";
        return new(verdict, [.. reasons], [.. findings], []);
    }

    /// <summary>The report of <c>mail prove DOMAIN</c>: every server of the zone, the rules, the journeys.</summary>
    public static Report Domain(MailFacts facts)
    {
        var dns = facts.Lookups();
        var why = MailDiagnosis.Of(facts, dns);
        var journeys = MailSimulation.Journeys(facts, dns);
        var view = new DomainView(facts, dns);
        Reason[] authorities =
        [
            .. DnsFindings.Authorities(view).Select(s => (Server: s, Answer: dns[new DnsQuestion(view.Domain, DnsType.MX, s.Address)]))
                .Select(a => new Reason($"{Value.Host(a.Server.Name)} answers", a.Answer.Known ? Verdict.Yes : Verdict.Unknown, Rule, new Seen(a.Answer.Words, a.Server.Address))),
        ];
        var loud = why.Findings.Where(f => f.Severity >= Severity.Warning).ToArray();
        return new(loud.Length == 0 ? journeys.Verdict : (Text)$"{loud.Length} finding{(loud.Length == 1 ? "" : "s")}; {journeys.Verdict}", [.. authorities, .. journeys.Reasons], loud, why.Unknowns) { Answer = journeys.Answer, Facts = MailJson.Part(facts) };
    }

    /// <summary>What has to hold of the journeys: what you send passes or is not lost, and a forger does not pass.</summary>
    private static IEnumerable<Reason> Claims(DnsLookups dns, MailFacts facts)
    {
        foreach (var journey in MailSimulation.Standard(new(facts, dns)))
        {
            var answer = MailSimulation.Of(journey, dns).Answer;
            if (answer.Spf == "temperror" || answer.Dmarc == "temperror")
            {
                // Other domains could not be asked: that says nothing about the change.
                continue;
            }

            var forger = journey.Name == MailSimulation.Forger;
            yield return new(
                forger ? "who forges your address does not pass DMARC" : $"{journey.Name}: it is not lost (SPF {answer.Spf}, DMARC {answer.Dmarc}, disposition {answer.Disposition})",
                (forger ? answer.Dmarc != "pass" : answer.Disposition == "none") ? Verdict.Yes : Verdict.No, "RFC 7208 section 4, RFC 9989 section 5.3");
        }
    }

    private static IEnumerable<Reason> Authorities(Host host, DnsSource source, UpdateZone update)
    {
        DnsQuestion At(string name, DnsType type, string server) => new(name, type, server);
        bool Stands((string Name, DnsType Type) set, DnsAnswer answer) => answer.Known
            && update.Add.Where(r => r.Name == set.Name && r.Type == set.Type).All(a => answer.Records.Any(r => r.SameData(a)))
            && !update.Remove.Where(r => r.Name == set.Name && r.Type == set.Type && !update.Add.Any(a => a.SameData(r))).Any(g => answer.Records.Any(r => r.SameData(g)));
        var sets = update.Add.Concat(update.Remove).Select(r => (r.Name, r.Type)).Distinct().ToArray();
        var names = source.Ask([At(update.Zone, DnsType.NS, update.Server)])[0].Of(DnsType.NS).Select(r => r.Target).ToArray();
        var others = source.Ask([.. names.Select(n => new DnsQuestion(n, DnsType.A))]).SelectMany(a => a.Of(DnsType.A)).Select(r => r.Address).OfType<IPAddress>().Where(a => !IPAddress.IsLoopback(a)).Select(a => a.ToString());
        foreach (var server in others.Prepend(update.Server).Distinct())
        {
            DnsAnswer[] answers = [];
            for (var i = 0; i < Tries; i++)
            {
                answers = source.Ask([.. sets.Select(s => At(s.Name, s.Type, server))]);
                if (sets.Select((s, n) => Stands(s, answers[n])).All(ok => ok) || answers.All(a => !a.Known))
                {
                    break;
                }

                host.Wait(TimeSpan.FromSeconds(1));
            }

            var good = sets.Select((s, n) => Stands(s, answers[n])).All(ok => ok);
            if (!good && server != update.Server)
            {
                // A secondary server follows when its refresh time is over: that is no fault of the change.
                continue;
            }

            yield return new($"{Value.Host(server)} has the new records", good ? Verdict.Yes : Verdict.No, Rule, [.. sets.Select((s, n) => new Seen(answers[n].Words, $"{s.Name} {DnsTypes.Name(s.Type)}, {server}"))]);
        }
    }
}
