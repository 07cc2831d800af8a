using System.Net;
using System.Text;
using Lotse.Formats;
using Lotse.Mail;

namespace Lotse.Fuzz;

/// <summary>The readers of the area of mail: DNS messages, zone files, records, messages.</summary>
internal static class MailReaders
{
    /// <summary>A DNS message, each of its records in every form.</summary>
    public static string Message(byte[] bytes)
    {
        if (DnsMessage.Parse(bytes) is not { } message)
        {
            return $"none {DnsMessage.LastRecord(bytes) is null}";
        }

        var (records, end) = message.Question is { } question ? DnsAnswer.Chain(new(question.Name, question.Type), message.Answers) : ([], "");
        var lines = message.Answers.Select(r => r.Line + r.Joined + r.Target + r.Exchange.Host + r.Address).Sum(l => l.Length);
        return $"{message.ResponseCode} {message.Truncated} {message.Answers.Length} {records.Length} {end.Length > 0} {lines / 64}";
    }

    /// <summary>A zone file, asked for what it holds.</summary>
    public static string Zone(byte[] bytes)
    {
        var read = ZoneFile.Parse("/z", bytes, "x.example", _ => new("$INCLUDE y\nz 3 A 192.0.2.1\n"u8.ToArray(), null));
        if (!read.Ok)
        {
            return read.Error!.Message.Split(':')[^1];
        }

        var answers = read.Value.Entries.Take(20).Select(e => read.Value.Answer(new(e.Record.Name, e.Record.Type))?.Outcome).Distinct();
        return $"{read.Value.Entries.Length / 2} {read.Value.Zones.Length} {string.Join(',', answers)} {string.Join(',', read.Value.Entries.Select(e => e.Record.Type).Distinct().Take(8))}";
    }

    /// <summary>Text records: SPF evaluated with itself at every name, DMARC, keys, the forwarder's entries.</summary>
    public static string Records(byte[] bytes)
    {
        var text = ByteText.Decode(bytes);
        DnsAnswer Answer(DnsQuestion q) => q.Type == DnsType.TXT ? new(DnsOutcome.Records, [DnsRecord.Txt(q.Name, 1, text)], "z") : new(DnsOutcome.NoData, [], "z");
        DnsAnswer[] Ask(DnsQuestion[] questions) => [.. questions.Select(Answer)];
        var spf = new DnsLookups().Complete(dns => SpfEvaluation.Check(new(IPAddress.Parse("192.0.2.1"), "h.example", "a+b@x.example", DateTimeOffset.UnixEpoch), dns), Ask);
        var route = new DnsLookups().Complete(dns => ForwardRoute.Of("shop+tag", "x.example", dns), Ask);
        var facts = new MailFacts("x.example", new(), DateTimeOffset.UnixEpoch, "z", false, []);
        var report = new DnsLookups().Complete(dns => MailDiagnosis.Of(facts, dns), Ask);
        return $"{spf.Word} {spf.Lookups} {spf.Voids} {DmarcRecord.Parse(text)?.Tags.Count} {DkimKey.Parse(text).Fault?.Length} {route.To.Length} {report.Findings.Length} {MailShare.Mask(report).Findings.Length}";
    }

    /// <summary>A message or a bounce.</summary>
    public static string Mail(byte[] bytes)
    {
        if (MessageHeaders.Read(bytes) is not { } message)
        {
            return "none";
        }

        var report = new DnsLookups().Complete(dns => MessageDiagnosis.Of(message, DateTimeOffset.UnixEpoch, dns), questions => [.. questions.Select(_ => new DnsAnswer(DnsOutcome.NoName, [], "z"))]);
        return $"{message.Hops.Length} {message.Failures.Length} {message.SignedBy.Length} {message.HasArc} {message.Returned is not null} {report.Reasons.Length} {report.Unknowns.Length} {report.Findings.Length}";
    }

    /// <summary>Answers of each kind.</summary>
    public static IEnumerable<byte[]> Messages()
    {
        foreach (var (type, text) in new (DnsType, string)[] { (DnsType.TXT, "\"v=spf1 -all\" \"more\""), (DnsType.MX, "10 mx.x.example."), (DnsType.SOA, "ns.x.example. h.x.example. 1 2 3 4 5"), (DnsType.CAA, "0 issue \"ca.example\""), (DnsType.TLSA, "3 1 1 00ff"), (DnsType.CNAME, "y.example.") })
        {
            var message = new List<byte>(DnsMessage.Query(7, new("x.example", type), true, false, false));
            DnsMessage.Record(message, "x.example", type, 1, 300, DnsRecord.Parse("x.example", type, 300, text)!.Data);
            message[2] |= 0x80;
            message[7] = 1;
            yield return [.. message];
        }
    }

    /// <summary>A record of each kind.</summary>
    public static IEnumerable<byte[]> Texts() => Good.Select(Encoding.UTF8.GetBytes);

    private static readonly string[] Good =
    [
        "v=spf1 a:%{ir}.%{v}._spf.%{d2}/24//64 mx ~include:%{l1r-+}.x.example exists:%{s} ip4:192.0.2.0/24 ip6:2001:db8::/32 exp=e.%{h} redirect=r.example",
        "v=DMARC1; p=reject; sp=none; np=quarantine; rua=mailto:a@b.example!10m,mailto:c; t=y; psd=n; aspf=s",
        "v=DKIM1; k=rsa; t=y; h=sha1; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAMCO1YJTJOSqc6QsIKEzGnxAnRxQ3WjIdzOTmCsSteXqQN3v",
        "forward-email=shop:me@y.example,/^(a|b)$/gi:me+$1@y.example,!spam,y.example,hook:https://y.example/h",
    ];
}
