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

    public static readonly Command[] All =
    [
        new("mail spf", "evaluate SPF for one sender, term by term", Spf)
        {
            Description = "Every term with the running count of lookups and of lookups without an answer, and what each compared.",
            Options = [Ip, Helo, From, .. MailAsking.Options],
            Examples = [new("may this machine send for my domain", "mail spf --ip 192.0.2.25 --helo mail.example.com --from me@example.com")],
        },
    ];

    private static int Spf(Invocation call) => Hosting.With(call, host =>
    {
        var query = Query(call, host);
        var source = MailAsking.Source(call, host);
        var outcome = new DnsLookups().Complete(dns => SpfEvaluation.Check(query, dns), source.Ask);
        return General.Print(call, SpfReport.Of(query, outcome));
    });

    private static SpfQuery Query(Invocation call, Host host) => new(
        IPAddress.TryParse(call["--ip"] ?? throw new UsageException($"lotse {call.Command.Name} needs --ip"), out var ip) ? ip : throw new UsageException($"--ip \"{ByteText.Escape(call["--ip"]!)}\" is no address"),
        call["--helo"] ?? "", call["--from"] is { } from ? from.Trim('<', '>') : "", host.Now);
}
