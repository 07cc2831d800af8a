using System.Diagnostics;
using Lotse.Formats;
using Xunit;

namespace Lotse.LabTests.Mail;

/// <summary>Name servers that lie, babble and loop: no crash, no raw octet on the terminal, an end in time.</summary>
[Trait("lane", "waiting")]
public class MailHostileTests
{
    public static TheoryData<string> Kinds() => ["noise", "pointer loop", "wrong id", "wrong question", "huge over tcp", "many records", "cname loop", "include chain", "control characters", "never ending tcp", "half a message"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Ends_in_time_and_prints_nothing_raw(string kind)
    {
        Lab.NeedsRoot();
        var random = new Random(20260601);
        using var server = new DnsResponder((query, tcp) => Answers(kind, query, tcp, random));
        foreach (var verb in new[] { "why", "simulate" })
        {
            var clock = Stopwatch.StartNew();
            var ran = Lab.Run(TimeSpan.FromSeconds(30), Lab.Lotse, "mail", verb, "hostile.example", "--server", server.Server, "--deadline", "4");
            Assert.InRange(ran.ExitCode, 0, 3);
            Assert.DoesNotContain("a fault of lotse", ran.ErrorText, StringComparison.Ordinal);
            Assert.DoesNotContain(ran.Output, b => b is < 0x20 and not (byte)'\n' or 0x7f);
            Assert.InRange(clock.Elapsed.TotalSeconds, 0, 15);
        }
    }

    private static IEnumerable<byte[]> Answers(string kind, byte[] query, bool tcp, Random random)
    {
        var question = DnsResponder.Question(query);
        var good = DnsResponder.Answer(query, 0, [DnsRecord.Txt(question.Name, 300, "v=spf1 -all")]);
        switch (kind)
        {
            case "noise":
                var noise = new byte[random.Next(1, 900)];
                random.NextBytes(noise);
                query.AsSpan(0, Math.Min(2, noise.Length)).CopyTo(noise);
                return [noise, good[..random.Next(good.Length)]];
            case "pointer loop":
                // A record whose owner points at itself, and one that points forward.
                byte[] loop = [.. DnsResponder.Answer(query, 0, []), 0xc0, (byte)(query.Length > 200 ? 12 : good.Length), 0, 16, 0, 1, 0, 0, 0, 9, 0, 1, 0];
                loop[7] = 1;
                return [loop];
            case "wrong id":
                good[0] ^= 0x55;
                return [good];
            case "wrong question":
                return [DnsResponder.Answer(DnsMessage.Query((ushort)((query[0] << 8) | query[1]), new("other.example", question.Type), true, false, false), 0, [DnsRecord.Txt("other.example", 300, "v=spf1 +all")])];
            case "huge over tcp":
                return tcp ? [DnsResponder.Answer(query, 0, Enumerable.Range(0, 240).Select(i => DnsRecord.Txt(question.Name, 300, new string('x', 250) + i)))] : [DnsResponder.Answer(query, 0, [], truncated: true)];
            case "many records":
                return DnsResponder.Serve(query, tcp, 0, [.. Enumerable.Range(0, 2000).Select(i => question.Type == DnsType.MX ? DnsRecord.Parse(question.Name, DnsType.MX, 300, $"{i} h{i}.example.")! : question.Type == DnsType.A ? DnsRecord.Parse(question.Name, DnsType.A, 300, $"10.0.{i / 250}.{i % 250}")! : DnsRecord.Txt(question.Name, 300, $"v=spf1 a{i}"))]);
            case "cname loop":
                return [DnsResponder.Answer(query, 0, [DnsRecord.Parse(question.Name, DnsType.CNAME, 300, "a.loop.example.")!, DnsRecord.Parse("a.loop.example", DnsType.CNAME, 300, $"{DnsName.Absolute(question.Name)}")!])];
            case "include chain":
                return [DnsResponder.Answer(query, 0, question.Type == DnsType.TXT ? [DnsRecord.Txt(question.Name, 300, $"v=spf1 include:{random.Next(99999)}.{question.Name[Math.Max(0, question.Name.Length - 60)..].TrimStart('.')} include:{random.Next(99999)}.chain.example -all")] : [])];
            case "control characters":
                return [DnsResponder.Answer(query, 0, question.Type switch
                {
                    DnsType.TXT => [DnsRecord.Txt(question.Name, 300, "v=spf1 \u001b[31m\u001b]0;x\u0007\r\n include:\u009b.example -all"), DnsRecord.Txt(question.Name, 300, "forward-email=\u001b[2J\u202ea:b\u0000@c")],
                    DnsType.MX => [new(question.Name, DnsType.MX, 300, [0, 1, 4, 0x1b, (byte)'[', (byte)'2', (byte)'J', 0])],
                    _ => [],
                })];
            case "never ending tcp":
                return tcp ? [] : [DnsResponder.Answer(query, 0, [], truncated: true)];
            default:
                return [good[..(good.Length - 3)]];
        }
    }
}
