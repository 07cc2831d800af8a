using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json;
using Lotse.Formats;
using Lotse.Hosts;
using Lotse.Mail;
using Xunit;

namespace Lotse.LabTests.Mail;

/// <summary>
/// SPF and DMARC beside other implementations on worlds made anew in each run, all of them served by a real name server:
/// pyspf, Mail::DMARC (RFC 7489), and a reading of RFC 9989 in another language. The seed of a world that shows a
/// difference stands in the message.
/// </summary>
public class MailOracleTests
{
    private const int SpfWorlds = 6;
    private const int SpfCases = 120;
    private const int DmarcWorlds = 4;
    private const int DmarcCases = 150;

    [Fact]
    public void SPF_agrees_with_pyspf()
    {
        Lab.Needs("python3");
        var results = new HashSet<string>();
        for (var i = 0; i < SpfWorlds; i++)
        {
            var seed = Random.Shared.Next();
            var world = new SpfWorld(new Random(seed));
            using var knot = new KnotServer(world.Zones());
            var cases = Enumerable.Range(0, SpfCases).Select(_ => world.Case()).ToArray();
            var theirs = Ask("pyspf.py", knot.Port, cases.Select(c => JsonSerializer.Serialize(new Dictionary<string, string> { ["ip"] = c.Ip, ["helo"] = c.Helo, ["from"] = c.From })));
            var source = Source(knot);
            for (var n = 0; n < cases.Length; n++)
            {
                var (ip, helo, from) = cases[n];
                var ours = new DnsLookups().Complete(dns => SpfEvaluation.Check(new(IPAddress.Parse(ip), helo, from, DateTimeOffset.UnixEpoch), dns), source.Ask);
                var result = theirs[n].GetProperty("result").GetString()!;
                results.Add(result);
                if (ours.Word != result && UnusedRedirect(world, ours, theirs[n].GetProperty("words").GetString()!))
                {
                    continue;
                }

                Assert.True(ours.Word == result, $"seed {seed}: {ip} {helo} {from}: {ours.Word} ({ours.Problem}), pyspf {result} ({theirs[n].GetProperty("words")})\n{string.Join('\n', ours.Steps.Select(s => s.ToString()))}\n{string.Join("\n\n", world.Zones().Select(z => z.Key + "\n" + z.Value))}");
            }
        }

        Assert.Superset(new HashSet<string> { "pass", "fail", "softfail", "neutral", "none", "permerror" }, results);
    }

    /// <summary>
    /// The one difference that is left: pyspf counts redirect= as soon as it reads it, RFC 7208 section 4.6.4 the terms that
    /// cause queries "during SPF evaluation", hence not a redirect= that something before it made needless.
    /// </summary>
    private static bool UnusedRedirect(SpfWorld world, SpfOutcome ours, string words)
    {
        if (!words.Contains("Too many DNS lookups", StringComparison.Ordinal) || ours.Lookups > SpfEvaluation.LookupLimit)
        {
            return false;
        }

        // A record is read once for each include or redirect that leads to it.
        var read = ours.Steps.Select(s => s.Domain.Split('.')[0]).Distinct().Count(d => world.Zones()["example"].Split('\n').Any(l => l.StartsWith(d + " TXT \"v=spf1 ", StringComparison.Ordinal) && l.Replace("\" \"", "", StringComparison.Ordinal).Contains("redirect=", StringComparison.Ordinal)));
        return read > 0 && ours.Lookups + (read * 3) > SpfEvaluation.LookupLimit;
    }

    [Fact]
    public void DMARC_agrees_with_RFC_9989_and_with_RFC_7489()
    {
        Lab.Needs("python3", "perl");
        var results = new HashSet<string>();
        for (var i = 0; i < DmarcWorlds; i++)
        {
            var seed = Random.Shared.Next();
            var world = new DmarcWorld(new Random(seed));
            using var knot = new KnotServer(world.Zones());
            var cases = Enumerable.Range(0, DmarcCases).Select(_ => world.Case()).ToArray();
            var lines = cases.Select(c => $$"""{"from":"{{c.From}}","spf_domain":"{{c.SpfDomain}}","spf":"{{c.Spf}}","dkim":[{{string.Join(',', c.Dkim.Select(d => $$"""{"domain":"{{d.Domain}}","result":"{{d.Result}}"}"""))}}]}""").ToArray();
            var walked = Ask("dmarc-rfc9989.py", knot.Port, lines);
            var listed = Ask("dmarc-rfc7489.pl", knot.Port, lines);
            var source = Source(knot);
            for (var n = 0; n < cases.Length; n++)
            {
                var test = cases[n];
                var spf = Enum.Parse<SpfResult>(test.Spf, ignoreCase: true);
                var (now, old) = new DnsLookups().Complete(dns => (DmarcEvaluation.Check(test.From, test.SpfDomain, spf, test.Dkim, dns), DmarcEvaluation.CheckOld(test.From, test.SpfDomain, spf, test.Dkim, dns)), source.Ask);
                Compare(now, walked[n], "RFC 9989");
                if (world.Comparable(test.From))
                {
                    Compare(old, listed[n], "Mail::DMARC");
                }

                void Compare(DmarcOutcome ours, JsonElement theirs, string who)
                {
                    results.Add($"{who} {ours.Result} {ours.Disposition}");
                    var (result, disposition) = (theirs.GetProperty("result").GetString(), theirs.GetProperty("disposition").GetString());
                    Assert.True((ours.Result, ours.Disposition) == (result, disposition), $"seed {seed}: {lines[n]}: {ours.Result} {ours.Disposition}, {who}: {result} {disposition}\n{string.Join("\n\n", world.Zones().Select(z => z.Key + "\n" + z.Value))}");
                }
            }
        }

        // That both were asked, and about more than one kind; what is rare need not be in every run.
        foreach (var who in new[] { "RFC 9989", "Mail::DMARC" })
        {
            Assert.Superset(new HashSet<string> { $"{who} pass none", $"{who} fail reject" }, results);
        }
    }

    private static DnsSource Source(KnotServer knot) => new(new LocalHost(), new([new(IPAddress.Loopback, knot.Port)], [], false, TimeSpan.FromMinutes(5)));

    /// <summary>Hands lines to a program of tests/data/mail/oracles, and reads one for each.</summary>
    private static JsonElement[] Ask(string program, int port, IEnumerable<string> lines)
    {
        var path = Path.Combine(Lab.Checkout(), "tests", "data", "mail", "oracles", program);
        var input = string.Join('\n', lines) + "\n";
        string[] command = [program.EndsWith(".pl", StringComparison.Ordinal) ? "perl" : "/usr/bin/python3", path, $"{port}"];
        using var process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        process.StandardInput.BaseStream.Write(Encoding.UTF8.GetBytes(input));
        process.StandardInput.Close();
        if (!process.WaitForExit(TimeSpan.FromMinutes(2)))
        {
            process.Kill();
            Assert.Fail($"{program} does not end");
        }

        Assert.True(process.ExitCode == 0, errors.Result);
        return [.. output.Result.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonDocument.Parse(l).RootElement)];
    }
}
