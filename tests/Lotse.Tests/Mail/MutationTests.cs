using System.Net;
using System.Text;
using Lotse.Formats;
using Lotse.Mail;
using Xunit;

namespace Lotse.Tests.Mail;

/// <summary>Readers of foreign bytes against inputs that are nearly right: each run mutates others; none may throw or take long.</summary>
public class MutationTests
{
    private const int Rounds = 1500;
    private readonly Random random = new();

    [Fact]
    public void DNS_messages()
    {
        byte[] seed = [.. DnsMessage.Query(1, new("a.b.example", DnsType.TXT), true, false, true)];
        var full = new List<byte>(seed);
        DnsMessage.Record(full, "a.b.example", DnsType.TXT, 1, 300, DnsRecord.Txt("x", 1, "v=spf1 -all").Data);
        DnsMessage.Record(full, "a.b.example", DnsType.MX, 1, 300, [0, 1, 1, (byte)'m', 0xc0, 12]);
        full[7] = 2;
        Each([.. full], bytes =>
        {
            if (DnsMessage.Parse(bytes) is { } message)
            {
                _ = DnsAnswer.Chain(new("a.b.example", DnsType.TXT), message.Answers).Records.Select(r => r.Line + r.Joined + r.Target).ToArray();
            }

            _ = DnsMessage.LastRecord(bytes);
        });
    }

    [Fact]
    public void Zone_files() => Each(File.ReadAllBytes(LotseProgram.Data("mail", "demo.zone")), bytes => _ = ZoneFile.Parse("/z", bytes, ".", _ => new("$INCLUDE x\n@ 3 A 192.0.2.1"u8.ToArray(), null)) is { Ok: true, Value: var zone } ? zone.Answer(new("good.example", DnsType.TXT)) : null);

    [Fact]
    public void SPF_records() => Each(Encoding.ASCII.GetBytes("v=spf1 a:%{ir}.%{v}._spf.%{d2}/24//64 mx ~include:%{l1r-+}.x.example exists:%{s} ip4:192.0.2.0/24 ip6:2001:db8::/32 exp=e.%{h} redirect=r.example"), bytes =>
    {
        var read = ByteText.Decode(bytes);
        var text = "v=spf1" + read[Math.Min(6, read.Length)..];
        _ = new DnsLookups().Complete(
            dns => SpfEvaluation.Check(new(IPAddress.Parse("192.0.2.1"), "h.example", "a+b@x.example", DateTimeOffset.UnixEpoch), dns),
            questions => [.. questions.Select(q => q.Type == DnsType.TXT ? new DnsAnswer(DnsOutcome.Records, [DnsRecord.Txt(q.Name, 1, text)], "z") : new(DnsOutcome.NoData, [], "z"))]);
    });

    [Fact]
    public void DMARC_records_and_keys() => Each(Encoding.ASCII.GetBytes("v=DMARC1; p=reject; sp=none; rua=mailto:a@b.example!10m,mailto:c; t=y; psd=n; k=rsa; h=sha1; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAMCO1YJTJOSqc6QsIKEzGnxAnRxQ3WjIdzOTmCsSteXqQN3v"), bytes =>
    {
        var text = ByteText.Decode(bytes);
        _ = (DmarcRecord.Parse(text)?.Reports, DmarcRecord.LooksLikeOne(text), DkimKey.Parse(text), ForwardRules.Of([text, "forward-email=" + text]).Entries.Select(e => e.TargetDomain).ToArray(), StsPolicy.Parse(text), TransactionKey.Parse(text), new MailShare().Mask(text));
    });

    [Theory]
    [InlineData("bounce.eml")]
    [InlineData("rfc8463.eml")]
    public void Messages(string name) => Each(File.ReadAllBytes(LotseProgram.Data("mail", "messages", name)), bytes =>
    {
        if (MessageHeaders.Read(bytes) is { } message)
        {
            _ = new DnsLookups().Complete(dns => MessageDiagnosis.Of(message, DateTimeOffset.UnixEpoch, dns), questions => [.. questions.Select(q => new DnsAnswer(DnsOutcome.NoName, [], "z"))]);
        }
    }, Rounds / 10);

    private void Each(byte[] seed, Action<byte[]> read, int rounds = Rounds)
    {
        for (var i = 0; i < rounds; i++)
        {
            var bytes = Mutated(seed);
            try
            {
                read(bytes);
            }
            catch (Exception e)
            {
                Assert.Fail($"{e.GetType().Name}: {e.Message}\n{Convert.ToBase64String(bytes)}\n{e.StackTrace}");
            }
        }
    }

    private byte[] Mutated(byte[] seed)
    {
        var bytes = seed.ToList();
        for (var n = random.Next(1, 6); n > 0; n--)
        {
            var at = random.Next(bytes.Count + 1);
            switch (random.Next(6))
            {
                case 0 when at < bytes.Count:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1 when at < bytes.Count:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    bytes.RemoveRange(at, random.Next(bytes.Count - at + 1) is var length ? Math.Min(length, 12) : 0);
                    break;
                case 3:
                    var from = random.Next(bytes.Count + 1);
                    bytes.InsertRange(at, bytes.Skip(from).Take(random.Next(40)).ToArray());
                    break;
                case 4:
                    bytes.InsertRange(at, Enumerable.Repeat((byte)"(\";%@\\/\0\u00ff0"[random.Next(10)], random.Next(1, 30)));
                    break;
                default:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
            }
        }

        return [.. bytes];
    }
}
