using System.Text.Json;
using System.Text.RegularExpressions;
using Lotse.Postgres;
using Xunit;

namespace Lotse.Tests.Postgres;

/// <summary>One log in many coats: what engines, journals and servers put around its lines changes nothing of what it says.</summary>
public partial class LogFormTests
{
    private static readonly Dictionary<string, Func<string, string>> Coats = new()
    {
        ["compose"] = l => $"db-1  | {l}",
        ["compose in colours"] = l => $"\u001b[36mdb-1  | \u001b[0m{l}",
        ["podman logs -t"] = l => $"2026-01-12T08:00:01.123456789+01:00 {l}",
        ["docker logs -t"] = l => $"2026-01-12T08:00:01.123456789Z {l}",
        ["compose logs -t"] = l => $"db-1  | 2026-01-12T08:00:01.123456789Z {l}",
        ["kubernetes"] = l => $"2026-01-12T08:00:01.123456789Z stderr F {l}",
        ["journal"] = l => $"Jan 12 08:00:01 host postgres[211]: {l}",
        ["journal, precise"] = l => $"Jan 12 08:00:01.123456 host.example podman[211]: {l}",
        ["docker's files"] = l => JsonSerializer.Serialize(new Dictionary<string, string> { ["log"] = l + "\n", ["stream"] = "stderr", ["time"] = "2026-01-12T08:00:01Z" }),
        ["journalctl -o json"] = l => JsonSerializer.Serialize(new Dictionary<string, string> { ["__CURSOR"] = "s=1", ["MESSAGE"] = l, ["PRIORITY"] = "6" }),
        ["in bold"] = l => $"\u001b[1m{l}\u001b[0m",
        ["of Windows"] = l => l + "\r",
        ["log_line_prefix of RDS"] = l => $"2026-01-12 08:00:01 UTC:192.0.2.1(1):web@shop:[211]:{l}",
        ["log_line_prefix of Debian"] = l => $"2026-01-12 08:00:01.123 UTC [211] web@shop {l}",
        ["syslog of a server"] = l => $"Jan 12 08:00:01 host postgres[211]: [4-1] 2026-01-12 08:00:01.123 UTC [211] {l}",
        ["jsonlog"] = l => Row(l, (severity, field, text) => JsonSerializer.Serialize(new Dictionary<string, string> { ["timestamp"] = "2026-01-12 08:00:01.123 UTC", ["error_severity"] = severity, ["state_code"] = "28P01", ["message"] = field == 13 ? text : "-", [field == 14 ? "detail" : field == 15 ? "hint" : "application_name"] = text })),
        ["csvlog"] = l => Row(l, (severity, field, text) => string.Join(',', Enumerable.Range(0, 26).Select(i => i switch { 0 => "2026-01-12 08:00:01.123 UTC", 1 => "\"web\"", 2 => "\"shop\"", 11 => severity, 12 => "28P01", 13 when field != 13 => "\"-\"", _ when i == field => $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"", 22 => "\"psql\"", _ => "" }))),
    };

    public static TheoryData<string> Forms() => [.. Coats.Keys];

    [Theory]
    [MemberData(nameof(Forms))]
    public void Every_message_is_known_in_every_form(string form)
    {
        Assert.True(Logs.Value.Length > 60, $"{Logs.Value.Length} recordings");
        foreach (var (id, plain, found) in Logs.Value)
        {
            var coated = string.Join('\n', plain.Split('\n').Select(l => l.Length == 0 ? l : Coats[form](l)));
            Assert.True(found.SequenceEqual(Found(coated)), $"{form}: {id}\n{coated}");
        }
    }

    /// <summary>The logs that raise each finding, with what they raise.</summary>
    private static readonly Lazy<(string Id, string Text, string[] Found)[]> Logs = new(() =>
    [
        .. FindingPage.All.Where(p => p.Id.StartsWith("pg/", StringComparison.Ordinal)).Select(p => (p.Id, Text: File.ReadAllText(LotseProgram.Data(["findings", .. p.Id.Split('/'), "triggers.host"]))))
            .Where(r => r.Text.Contains("command: pg why /log", StringComparison.Ordinal)).Select(r => (r.Id, Text: r.Text[(r.Text.IndexOf("-- read /log\n", StringComparison.Ordinal) + "-- read /log\n".Length)..]))
            .Select(r => (r.Id, r.Text, Found(r.Text))),
    ]);

    private static string[] Found(string text) => [.. LogDiagnosis.Explain([new("log", text)]).Findings.Select(f => $"{f.Id} {f.Subject}").Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Forms))]
    public void An_upgrade_that_went_through_went_through_in_every_form(string form)
    {
        const string Good = "Performing Consistency Checks\n-----------------------------\nChecking cluster versions                                     ok\n\nPerforming Upgrade\n------------------\nCopying user relation files                                   ok\n\nUpgrade Complete\n----------------\nSome statistics are not transferred by pg_upgrade.\n";
        var report = LogDiagnosis.Explain([new("log", string.Join('\n', Good.Split('\n').Select(l => l.Length == 0 ? l : Coats[form](l))))]);
        Assert.Empty(report.Findings);
        if (form is not ("log_line_prefix of RDS" or "log_line_prefix of Debian" or "syslog of a server"))
        {
            // What a program prints stands in no log of a server.
            Assert.Empty(report.Unknowns);
            Assert.Equal("the upgrade went through", report.Verdict.ToString());
        }
    }

    [Fact]
    public void A_text_that_ends_too_early_is_no_failure()
    {
        var report = LogDiagnosis.Explain([new("log", "Performing Consistency Checks\nChecking cluster versions                                     ok\nPerforming Upgrade\nCopying user relation files                                   ok\n")]);
        Assert.Contains("is not known", report.Verdict.ToString(), StringComparison.Ordinal);
        Assert.Single(report.Unknowns);
        Assert.Empty(report.Reasons);
    }

    [Fact]
    public void A_server_s_ordinary_day_raises_nothing()
    {
        string[] day =
        [
            "starting PostgreSQL 18.6 on x86_64-pc-linux-gnu", "listening on IPv4 address \"0.0.0.0\", port 5432", "database system was shut down at 2026-01-11 23:00:00 UTC", "database system is ready to accept connections",
            "checkpoint starting: time", "checkpoint complete: wrote 44 buffers (0.3%); 0 WAL file(s) added", "connection authorized: user=web database=shop application_name=psql",
            "duplicate key value violates unique constraint \"t_pkey\"", "could not receive data from client: Connection reset by peer", "statement: SELECT 'password authentication' AS note", "canceling statement due to user request",
            "automatic vacuum of table \"shop.public.t\": index scans: 0", "received fast shutdown request", "database system is shut down",
        ];
        foreach (var coat in Coats.Values)
        {
            Assert.Empty(LogDiagnosis.Explain([new("log", string.Join('\n', day.Select((l, i) => coat($"{(i == 7 ? "ERROR" : "LOG")}:  {l}"))))]).Findings);
        }
    }

    /// <summary>A line of stderr as a row: those that are no message of a server stay as they are.</summary>
    private static string Row(string line, Func<string, int, string, string> write) =>
        Message().Match(line) is { Success: true } m
            ? write(m.Groups[1].Value is "DETAIL" or "HINT" ? "FATAL" : m.Groups[1].Value, m.Groups[1].Value switch { "DETAIL" => 14, "HINT" => 15, _ => 13 }, m.Groups[2].Value) : line;

    [GeneratedRegex(@"(?:^|\] |UTC |- )(FATAL|ERROR|WARNING|LOG|PANIC|DETAIL|HINT):\s+(.*)$")]
    private static partial Regex Message();
}
