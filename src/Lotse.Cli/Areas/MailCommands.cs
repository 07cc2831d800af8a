using System.Net;
using Lotse.Formats;
using Lotse.Mail;

namespace Lotse.Cli.Areas;

/// <summary>The verbs of <c>lotse mail</c>.</summary>
internal static class MailCommands
{
    private static readonly Option Ip = new("--ip", Takes.Text, "ADDRESS", "address of the machine that hands the message over");
    private static readonly Option Helo = new("--helo", Takes.TextOrEmpty, "NAME", "what it calls itself");
    private static readonly Option From = new("--from", Takes.TextOrEmpty, "ADDRESS", "envelope sender (MAIL FROM); empty in a bounce");

    private static readonly Option Send = new("--send", Takes.Choice, "ID", "who sends for the domain; without it, SPF record, forwarding target and MX say it") { ChoicesOf = static () => [.. Provider.All.Select(p => p.Id)] };

    public static readonly Command[] All =
    [
        new("mail why", "why mail of a domain arrives or does not", Why)
        {
            Description = "Who receives, who sends, which legs of DMARC can align, and everything that is wrong with the records, each with what it does to your mail. Several domains are asked together.",
            Arguments = [new("DOMAIN|MESSAGE", "the domain; several are answered one after the other; or a file with a message or a bounce, - is standard input", Required: true, Many: true, Takes: Takes.File)],
            Options =
            [
                Send,
                new("--authorities", Takes.Nothing, "", "with --server: ask and compare every server of the zone as well"),
                new("--selector", Takes.Text, "NAMES", "DKIM selectors to look at, between commas"),
                new("--expires", Takes.Text, "YYYY-MM-DD", "the day on which the registration ends, as the registrar shows it"),
                .. MailAsking.Options,
            ],
            Examples = [new("a domain", "mail why example.com"), new("before it is published", "mail why example.com --zone example.com.zone"), new("through another resolver", "mail why example.com --server 9.9.9.9"), new("a bounce or a received message", "mail why message.eml")],
        },
        new("mail simulate", "what receivers do with a message, before it is sent", Simulate)
        {
            Description = "With a domain: the standard journeys (you send, the recipient forwards, webmail with its own envelope, a mailing list, a forger). With --ip and --header-from: one message. SPF, DMARC by RFC 9989 and, where it differs, by RFC 7489, and what the domain asks receivers to do.",
            Arguments = [new("DOMAIN", "the domain whose journeys are simulated; without it, one message as the options say")],
            Options =
            [
                Ip, Helo, From,
                new("--header-from", Takes.Text, "ADDRESS", "author's address or domain (header From)"),
                new("--dkim", Takes.TextOrEmpty, "D=RESULT", "signatures: domain (d=) and result of each, between commas"),
                Send, .. MailAsking.Options,
            ],
            Examples =
            [
                new("all the usual ways", "mail simulate example.com"),
                new("one message", "mail simulate --ip 192.0.2.25 --helo mail.example.com --from me@example.com --header-from example.com --dkim example.com=pass"),
            ],
        },
        new("mail route", "where mail for an address goes, by the forwarder's own rules", Route)
        {
            Description = "Follows the MX and Forward Email's records: catch-all, several recipients, ! rules, regular expressions, plus tags, one invalid entry that stops all.",
            Arguments = [new("ADDRESS", "an address of the domain", Required: true)],
            Options = MailAsking.Options,
            Examples = [new("does shop@ arrive", "mail route shop@example.com")],
        },
        MailPlanning.Plan,
        MailWatching.Watch,
        new("mail prove", "ask every server of the zone, and make the journeys again", Prove)
        {
            Description = "After a change: each authoritative server is asked, the rules are asked again, the standard journeys are simulated. --wait waits until resolvers have forgotten the old records.",
            Arguments = [new("DOMAIN|PLAN|ID", "a domain, a plan, or a change of lotse log; without it, the newest change of mail", Takes: Takes.File)],
            Options =
            [
                Send, new("--wait", Takes.Nothing, "", "wait out the TTL of the domain's records first"),
                new("--smtp", Takes.Text, "HOST[:PORT]", "send a real message through this server (465: TLS; other ports: STARTTLS)"),
                new("--imap", Takes.Text, "HOST[:PORT]", "with --smtp: look for it there (993: TLS), and read what the receiver wrote into it"),
                new("--credentials", Takes.File, "FILE", "with --smtp: user and password, as netrc(5) has them: machine HOST login USER password WORD"),
                new("--from", Takes.Text, "ADDRESS", "with --smtp: your address in the domain"),
                new("--to", Takes.Text, "ADDRESS", "with --smtp: who gets it; without it, you"),
                new("--patience", Takes.Seconds, "S", "with --imap: how long its arrival is waited for") { Default = "120" },
                .. MailAsking.Options,
            ],
            Examples = [new("did it work", "mail prove example.com"), new("when nobody has the old records any more", "mail prove example.com --wait"), new("with a real message", "mail prove example.com --smtp posteo.de --imap posteo.de --credentials ~/.netrc --from me@example.com")],
        },
        new("mail spf", "evaluate SPF for one sender, term by term", Spf)
        {
            Description = "Every term with the running count of lookups and of lookups without an answer, and what each compared.",
            Options = [Ip, Helo, From, .. MailAsking.Options],
            Examples = [new("may this machine send for my domain", "mail spf --ip 192.0.2.25 --helo mail.example.com --from me@example.com")],
        },
    ];

    private static int Why(Invocation call) => Hosting.With(call, host =>
    {
        if (call.Arguments is [var named] && IsMessage(host, named))
        {
            return Message(call, host, named);
        }

        var domains = call.Arguments.Select(Domain).ToArray();
        var options = new MailOptions
        {
            Send = call["--send"],
            Authorities = !call.Has("--server") || call.Has("--authorities"),
            Selectors = [.. (call["--selector"] ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)],
            Expires = call["--expires"] is not { } day ? null : DateOnly.TryParseExact(day, "yyyy-MM-dd", out var expires) ? expires : throw new UsageException($"--expires \"{ByteText.Escape(day)}\" is no day", "for example: --expires 2027-03-31"),
        };
        var reports = MailFacts.Read(host, MailAsking.Source(call, host), domains, options).Select(MailDiagnosis.Diagnose).ToArray();
        if (reports is [var only])
        {
            return General.Print(call, MailAsking.Shared(call, only));
        }

        var worst = ExitCode.Fine;
        foreach (var report in reports.Select(r => MailAsking.Shared(call, r)))
        {
            var exit = ExitCode.Of(report, call.FailOn);
            worst = worst == ExitCode.Finding || exit == ExitCode.Fine ? worst : exit;
            if (call.Has("--json"))
            {
                Envelope.Write(call, report, exit, indented: false);
            }
            else
            {
                ReportText.Write(call.Output, report);
                call.Output.Line();
            }
        }

        return worst;
    });

    private static int Prove(Invocation call) => call.Arguments is [var asked] && asked.Contains('.', StringComparison.Ordinal) && !Path.Exists(asked) ? ProveDomain(call) : Planning.Prove(call, "mail");

    private static int ProveDomain(Invocation call) => Hosting.With(call, host =>
    {
        var domain = Domain(call.Arguments[0]);
        if (call.Has("--wait"))
        {
            var ttl = MailAsking.Source(call, host).Ask([new(domain, DnsType.MX), new(domain, DnsType.TXT), new($"_dmarc.{domain}", DnsType.TXT)]).SelectMany(a => a.Records).Select(r => r.Ttl).DefaultIfEmpty(0u).Max();
            call.Errors.Line($"waiting {Amount.Duration(TimeSpan.FromSeconds(ttl))}, the longest time that a resolver may keep what it has");
            call.Errors.Flush();
            host.Wait(TimeSpan.FromSeconds(ttl));
        }

        var facts = MailFacts.Read(host, MailAsking.Source(call, host), [domain], new() { Send = call["--send"], Authorities = !call.Has("--server") }, journeys: true);
        return General.Print(call, MailAsking.Shared(call, Probed(call, host, domain, MailProof.Domain(facts[0]))));
    });

    /// <summary>The proof of a domain, with that of a real message where one is wanted.</summary>
    private static Report Probed(Invocation call, Host host, string domain, Report proof)
    {
        if (call["--smtp"] is not { } smtp)
        {
            return call["--imap"] is null ? proof : throw new UsageException("--imap needs --smtp");
        }

        var from = call["--from"] ?? throw new UsageException("--smtp needs --from ADDRESS", $"for example: --from me@{domain}");
        var to = call["--to"] ?? from;
        var file = Path.GetFullPath(call["--credentials"] ?? throw new UsageException("--smtp needs --credentials FILE", "a file as netrc(5) has it: machine HOST login USER password WORD"));
        foreach (var address in new[] { from, to })
        {
            if (!ForwardRules.IsMailbox(address))
            {
                throw new UsageException($"\"{ByteText.Escape(address)}\" is no address");
            }
        }

        if (host.Status(file) is { Ok: true, Value.Mode: var mode } && (mode & 0x3f) != 0)
        {
            throw new NotKnownException($"{ByteText.Escape(file)} holds a password and can be read by others", $"chmod 600 {ByteText.Escape(file)}");
        }

        var patience = TimeSpan.FromSeconds(double.Parse(call["--patience"] ?? "120", System.Globalization.CultureInfo.InvariantCulture));
        var probe = MailProbe.Run(host, new(smtp, call["--imap"], file, from, to), patience, message => new DnsLookups().Complete(dns => MessageDiagnosis.Of(message, host.Now, dns), MailAsking.Source(call, host).Ask));
        return proof with { Verdict = $"{proof.Verdict}; a real message: {probe.Verdict}", Reasons = [.. proof.Reasons, .. probe.Reasons], Findings = [.. proof.Findings, .. probe.Findings], Unknowns = [.. proof.Unknowns, .. probe.Unknowns] };
    }

    private static int Simulate(Invocation call) => Hosting.With(call, host =>
    {
        var source = MailAsking.Source(call, host);
        if (call.Arguments is [var domain])
        {
            call.OnlyOneOf("--send", "--ip");
            var facts = new MailFacts(Domain(domain), new() { Send = call["--send"] }, host.Now, source.Name, source.Trusted, []);
            return General.Print(call, MailAsking.Shared(call, new DnsLookups().Complete(dns => MailSimulation.Journeys(facts, dns), source.Ask)));
        }

        var author = call["--header-from"] ?? throw new UsageException("lotse mail simulate needs a domain, or --ip and --header-from", "lotse mail simulate example.com");
        var legs = (call["--dkim"] ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(Leg).ToArray();
        var journey = new MailJourney("one message", Query(call, host), Domain(author[(author.LastIndexOf('@') + 1)..].TrimEnd('>')), legs);
        return General.Print(call, MailAsking.Shared(call, new DnsLookups().Complete(dns => MailSimulation.Single(journey, dns), source.Ask)));
    });

    private static DkimLeg Leg(string text) =>
        text.Split('=') is [var domain, var result] && DnsName.Parse(domain) is { } name && result.Length > 0 ? new(name, result.ToLowerInvariant())
        : throw new UsageException($"--dkim \"{ByteText.Escape(text)}\" is no domain with a result", "for example: --dkim example.com=pass");

    private static int Route(Invocation call) => Hosting.With(call, host =>
    {
        var address = call.Arguments[0].Trim('<', '>');
        var at = address.LastIndexOf('@');
        if (at < 1)
        {
            throw new UsageException($"\"{ByteText.Escape(address)}\" is no address", "for example: lotse mail route shop@example.com");
        }

        var domain = Domain(address[(at + 1)..]);
        return General.Print(call, MailAsking.Shared(call, new DnsLookups().Complete(dns => ForwardRoute.Report(address[..at], domain, dns), MailAsking.Source(call, host).Ask)));
    });

    /// <summary>Whether an argument is a file and not a domain: it has a slash, or it is there.</summary>
    private static bool IsMessage(Host host, string named) => named == "-" || named.Contains('/', StringComparison.Ordinal) || (host.IsThisMachine ? Path.Exists(named) : host.Status(Path.GetFullPath(named)).Ok);

    private static int Message(Invocation call, Host host, string named)
    {
        var bytes = Hosting.ReadInput(host, named == "-" || host.IsThisMachine ? named : Path.GetFullPath(named));
        var message = MessageHeaders.Read(bytes) ?? throw new NotKnownException($"{ByteText.Escape(named)} is no message: it has none of the headers From, Received, Return-Path", "save the whole source of the message: \"show original\", \"view source\"");
        var now = host.Now;
        return General.Print(call, MailAsking.Shared(call, new DnsLookups().Complete(dns => MessageDiagnosis.Of(message, now, dns), MailAsking.Source(call, host).Ask)));
    }

    /// <summary>A domain of the command line.</summary>
    internal static string Domain(string text) => DnsName.Parse(text.TrimEnd('.')) is { } name && DnsName.Count(name) > 1 ? name
        : throw new UsageException($"\"{ByteText.Escape(text)}\" is no domain", "for example: lotse mail why example.com");

    private static int Spf(Invocation call) => Hosting.With(call, host =>
    {
        var query = Query(call, host);
        var source = MailAsking.Source(call, host);
        var outcome = new DnsLookups().Complete(dns => SpfEvaluation.Check(query, dns), source.Ask);
        return General.Print(call, MailAsking.Shared(call, SpfReport.Of(query, outcome)));
    });

    private static SpfQuery Query(Invocation call, Host host) => new(
        IPAddress.TryParse(call["--ip"] ?? throw new UsageException($"lotse {call.Command.Name} needs --ip"), out var ip) ? ip : throw new UsageException($"--ip \"{ByteText.Escape(call["--ip"]!)}\" is no address"),
        call["--helo"] ?? "", call["--from"] is { } from ? from.Trim('<', '>') : "", host.Now);
}
