using System.Text;
using CsCheck;
using Lotse.Ssh.Logs;
using Xunit;

namespace Lotse.Tests.Ssh;

/// <summary>
/// Real logs of OpenSSH 7.5 to 10.6 against real servers, each with the cause that was arranged
/// (tests/data/ssh/logs/manifest.tsv: log, server's log, client, verbosity, cause).
/// </summary>
public class LogTests
{
    private static readonly string Folder = Environment.GetEnvironmentVariable("LOTSE_SSH_LOGS") ?? LotseProgram.Data("ssh", "logs");

    [Fact]
    public void The_cause_is_found_or_the_client_cannot_know()
    {
        var wrong = new StringBuilder();
        foreach (var row in Rows())
        {
            var found = LogDiagnosis.Of(Read(row[0]));
            var cause = row[4];
            var proves = cause == Conclusion.Worked ? [] : CauseCatalogue.Find(cause).Proves;
            var right = cause == Conclusion.Worked ? found.Cause is Conclusion.Worked || (found.Cause is null && row[3] == "(none)")
                : found.Alternatives.Contains(cause) && (proves.Contains(found.Cause) || found.Alternatives.Length > 1);
            if (!right)
            {
                wrong.AppendLine($"{row[0]}: {cause}, not {found.Cause} ({found.Certainty}; {string.Join(' ', found.Alternatives)})");
            }
        }

        Assert.True(wrong.Length == 0, wrong.ToString());
    }

    [Fact]
    public void Nothing_ambiguous_is_called_proven()
    {
        foreach (var row in Rows().Where(r => r[4] != Conclusion.Worked))
        {
            var found = LogDiagnosis.Of(Read(row[0]));
            Assert.False(found is { Certainty: Certainty.Proven, Alternatives.Length: 1 } && found.Alternatives[0] != row[4], $"{row[0]}: {row[4]} is called {found.Cause}");
        }
    }

    [Fact]
    public void The_server_s_log_decides_where_it_speaks()
    {
        var wrong = new StringBuilder();
        foreach (var row in Rows().Where(r => r[1].Length > 0 && r[4] != Conclusion.Worked))
        {
            var server = File.ReadAllText(Path.Combine(Folder, row[1]));
            var found = LogDiagnosis.Of(Read(row[0]), server);
            if (found.Cause != row[4] && !(found.Alternatives.Length > 1 && found.Alternatives.Contains(row[4]) && ServerLog.Read(server, Read(row[0])) is null))
            {
                wrong.AppendLine($"{row[0]}: {row[4]}, not {found.Cause} ({string.Join(' ', found.Alternatives)})");
            }
        }

        Assert.True(wrong.Length == 0, wrong.ToString());
    }

    [Fact]
    public void Any_text_is_read() => Gen.String.Sample(text =>
    {
        _ = LogReport.Of(ClientLog.Read(text), "log", text, "server");
    });

    /// <summary>Real logs with lines dropped, doubled, cut and swapped: the reader must stay calm.</summary>
    [Fact]
    public void Any_damage_is_survived()
    {
        var logs = Rows().Take(40).Select(r => File.ReadAllLines(Path.Combine(Folder, r[0]))).ToArray();
        Gen.Select(Gen.Int[0, logs.Length - 1], Gen.Int[0, 400].Array[1, 60], Gen.Int[0, 200]).Sample((which, order, cut) =>
        {
            var lines = order.Where(_ => logs[which].Length > 0).Select(i => logs[which][i % logs[which].Length]).Select(l => l[..Math.Min(l.Length, cut)]);
            var text = string.Join('\n', lines);
            var report = LogReport.Of(ClientLog.Read(text), "log", text, "server");
            Assert.True(report.Findings.Length <= 1);
        });
    }

    [Theory]
    [InlineData("Offering public key: /home/me/my keys/id RSA SHA256:abc explicit agent", "/home/me/my keys/id", "RSA", true)]
    [InlineData("Offering public key: RSA SHA256:abc /home/me/.ssh/id_rsa", "/home/me/.ssh/id_rsa", "RSA", false)]
    [InlineData("Offering ED25519 public key: /home/me/.ssh/id_ed25519", "/home/me/.ssh/id_ed25519", "ED25519", false)]
    [InlineData("Offering public key: /k ED25519-CERT SHA256:abc", "/k", "ED25519-CERT", false)]
    public void An_offer_is_read_in_every_wording(string text, string name, string word, bool agent)
    {
        var key = KeyAttempt.Parse(new(1, text))!;
        Assert.Equal((name, word, agent), (key.Name, key.Word, key.InAgent));
    }

    [Theory]
    [InlineData("> ")]
    [InlineData("    ")]
    [InlineData("Nov 25 19:00:00 laptop ssh: ")]
    public void A_log_may_be_quoted(string prefix)
    {
        var row = Rows().First(r => r[4] == "sig-sha1-only-server" && r[3] == "-v");
        var quoted = string.Join("\r\n", File.ReadAllLines(Path.Combine(Folder, row[0])).Select(l => l.StartsWith("debug", StringComparison.Ordinal) || prefix[0] != 'N' ? prefix + l : l));
        Assert.Equal("sig-sha1-only-server", LogDiagnosis.Of(ClientLog.Read(quoted)).Cause);
    }

    private static ClientLog Read(string name) => ClientLog.Read(ByteText.Decode(File.ReadAllBytes(Path.Combine(Folder, name))));

    private static IEnumerable<string[]> Rows() => File.ReadLines(Path.Combine(Folder, "manifest.tsv")).Where(l => l.Length > 0 && l[0] != '#').Select(l => l.Split('\t'));
}
