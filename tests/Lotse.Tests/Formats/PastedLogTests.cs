using System.Text.Json;
using Lotse.Formats;
using Lotse.Postgres;
using Xunit;

namespace Lotse.Tests.Formats;

/// <summary>What carries a line to whoever pastes it is taken off again.</summary>
public class PastedLogTests
{
    private const string Own = "2026-01-12 08:00:01.123 UTC [211] FATAL:  role \"web\" does not exist";

    [Theory]
    [InlineData("bare", Own)]
    [InlineData("a mail", "> " + Own)]
    [InlineData("a mail twice", "> > " + Own)]
    [InlineData("docker compose", "db-1        | " + Own)]
    [InlineData("docker-compose 1", "shop_db_1  | " + Own)]
    [InlineData("docker compose in a mail", "> database_1  | " + Own)]
    [InlineData("docker logs -t", "2026-01-12T08:00:01.451069000Z " + Own)]
    [InlineData("a web console", "2026-01-12 09:00:01 " + Own)]
    [InlineData("a web console without a blank", "2026-01-12 09:00:01.459581+00:00" + Own)]
    [InlineData("a container runtime", "2026-01-12T09:00:01.879460919+02:00 stderr F " + Own)]
    [InlineData("journalctl", "Jan 12 08:00:01 server docker[31]: " + Own)]
    [InlineData("journalctl -o short-iso", "2026-01-12T08:00:01+0100 server postgres[31]: " + Own)]
    [InlineData("a unit with a name like a path", "Jan  2 08:00:01 server.example postgresql@13-main[31]: " + Own)]
    [InlineData("journalctl of a container's compose", "Jan 12 08:00:01 server docker-compose[31]: db_1  | " + Own)]
    [InlineData("docker's file", """{"log":"2026-01-12 08:00:01.123 UTC [211] FATAL:  role \"web\" does not exist\n","stream":"stderr","time":"2026-01-12T08:00:01.123Z"}""")]
    [InlineData("journalctl -o json", """{"_PID":"31","MESSAGE":"2026-01-12 08:00:01.123 UTC [211] FATAL:  role \"web\" does not exist","PRIORITY":"6"}""")]
    [InlineData("a logger of JSON", """{"level":"info","logger":"pg_upgrade","msg":"2026-01-12 08:00:01.123 UTC [211] FATAL:  role \"web\" does not exist"}""")]
    [InlineData("a list of Ansible's", "            \"2026-01-12 08:00:01.123 UTC [211] FATAL:  role \\\"web\\\" does not exist\",")]
    [InlineData("Ansible", """fatal: [db1]: UNREACHABLE! => {"changed": false, "msg": "2026-01-12 08:00:01.123 UTC [211] FATAL:  role \"web\" does not exist\r\n", "unreachable": true}""")]
    [InlineData("ansible", """db1 | FAILED! => {"changed": true, "rc": 1, "stderr": "2026-01-12 08:00:01.123 UTC [211] FATAL:  role \"web\" does not exist", "stdout": ""}""")]
    [InlineData("colours", "\u001b[36mdb-1  | \u001b[0m" + Own)]
    [InlineData("Windows", Own + "\r")]
    public void A_line_comes_out_as_it_was(string carrier, string line)
    {
        Assert.NotEmpty(carrier);
        Assert.Equal(Own, Assert.Single(PastedLog.Lines("first\n" + line + "\n").Skip(1)).Text);
    }

    [Fact]
    public void Who_wrote_a_line_stays_where_it_is_asked_for() =>
        Assert.Equal(["sshd[11]: a", "sshd-session[12]: b", "c"], PastedLog.Lines("Jan 12 08:00:01 box sshd[11]: a\n2026-01-12T08:00:01+01:00 box sshd-session[12]: b\nc", withSender: true).Select(l => l.Text));

    [Fact]
    public void Records_of_the_server_itself_come_out_part_by_part()
    {
        string[] expected = ["FATAL:  password authentication failed for user \"web\"", "DETAIL:  User \"web\" does not have a valid SCRAM secret.", "Connection matched file \"/srv/pg/pg_hba.conf\" line 9: \"host all all all scram-sha-256\""];
        var json = """{"timestamp":"2026-01-12 08:00:01.123 UTC","user":"web","pid":211,"error_severity":"FATAL","state_code":"28P01","message":"password authentication failed for user \"web\"","detail":"User \"web\" does not have a valid SCRAM secret.\nConnection matched file \"/srv/pg/pg_hba.conf\" line 9: \"host all all all scram-sha-256\"","backend_type":"client backend"}""";
        Assert.Equal(expected, PastedLog.Lines(json).Select(l => l.Text));
        Assert.Equal(expected, PastedLog.Lines($$"""{"level":"info","logger":"postgres","msg":"record","record":{{json}}}""").Select(l => l.Text).Where(l => l != "record"));
        var csv = "2026-01-12 08:00:01.123 UTC,\"web\",\"shop\",211,\"172.18.0.4:51234\",6964a1b1.d3,2,\"authentication\",2026-01-12 08:00:01 UTC,3/7,0,FATAL,28P01,\"password authentication failed for user \"\"web\"\"\",\"User \"\"web\"\" does not have a valid SCRAM secret.\nConnection matched file \"\"/srv/pg/pg_hba.conf\"\" line 9: \"\"host all all all scram-sha-256\"\"\",,,,,,,,\"\",\"client backend\",,0\n";
        Assert.Equal(expected, PastedLog.Lines(csv).Select(l => l.Text).Where(l => l is not ("" or "client backend")));
    }

    [Fact]
    public void A_line_that_only_looks_carried_stays()
    {
        foreach (var line in new[] { "{\"log\": broken", "{}", "\"open", "2026-01-12 08:00:01.123 +08 [1] FATAL:  x", "  mydb", "", "Aug 18 is a day", "a > b | c", ">>> prompt" })
        {
            Assert.Equal(line, PastedLog.Lines(line + "\nlast").First().Text);
        }
    }

    [Fact]
    public void Lines_keep_their_numbers_and_are_bounded()
    {
        var lines = PastedLog.Lines("a\n{\"log\":\"b\\nc\"}\n\n" + new string('x', 100_000) + "\n").ToList();
        Assert.Equal([(1, "a"), (2, "b"), (2, "c"), (3, "")], lines.Take(4).Select(l => (l.Number, l.Text)));
        Assert.Equal((4, PastedLog.Longest), (lines[4].Number, lines[4].Text.Length));
    }

    [Theory]
    [InlineData("shop-db-1  | ", "", false)]
    [InlineData("2026-01-12T09:00:01.879460919+02:00 stderr F ", "", false)]
    [InlineData("2025-12-26 02:51:21.459581+00:00", "", false)]
    [InlineData("Jan 12 08:00:01 server upgrade[31]: ", "", false)]
    [InlineData("{\"log\":", "}", true)]
    [InlineData("    ", ",", true)]
    public void Every_message_of_PostgreSQL_is_known_in_every_carrier(string before, string after, bool quoted)
    {
        foreach (var fields in File.ReadLines(LotseProgram.Data("pg", "messages", "lines.tsv")).Select(l => l.Split('\t')))
        {
            var log = new[] { "Performing Upgrade", "------------------", "Restoring database schemas in the new cluster", fields[1] };
            var bare = LogDiagnosis.Explain([new("log", string.Join('\n', log))]);
            var carried = LogDiagnosis.Explain([new("log", string.Join('\n', log.Select(l => before + (quoted ? JsonSerializer.Serialize(l) : l) + after)))]);
            Assert.Equal(bare.Verdict.ToString(), carried.Verdict.ToString());
            Assert.Equal(bare.Findings.Select(f => f.Title.ToString()), carried.Findings.Select(f => f.Title.ToString()));
        }
    }
}
