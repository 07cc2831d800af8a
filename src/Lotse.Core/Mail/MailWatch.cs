using System.Globalization;
using System.Text;
using System.Text.Json.Serialization;
using Lotse.Formats;

namespace Lotse.Mail;

/// <summary>A finding as a watch remembers it.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Subject">What it is about.</param>
/// <param name="Severity">info, warning, error.</param>
public sealed record WatchedFinding(string Id, string Subject, Severity Severity);

/// <summary>A record set as a watch remembers it: data without TTL, sorted.</summary>
/// <param name="Name">Owner.</param>
/// <param name="Type">Name of the type.</param>
/// <param name="Data">As zone files write it.</param>
public sealed record WatchedSet(string Name, string Type, string[] Data);

/// <summary>A domain as it was when it was last looked at.</summary>
/// <param name="Domain">Canonical name.</param>
/// <param name="Checked">When.</param>
/// <param name="Findings">What was wrong.</param>
/// <param name="Sets">The records that decide about mail.</param>
/// <param name="Unknown">What could not be known.</param>
public sealed record WatchedDomain(string Domain, DateTimeOffset Checked, WatchedFinding[] Findings, WatchedSet[] Sets, string[] Unknown);

/// <summary>The state file of <c>mail watch</c>.</summary>
/// <param name="Schema">lotse-mail-watch/1.</param>
/// <param name="Domains">One a domain.</param>
public sealed record WatchState(string Schema, WatchedDomain[] Domains)
{
    /// <summary>The one schema so far.</summary>
    public const string Current = "lotse-mail-watch/1";
}

/// <summary>A record set that has changed.</summary>
/// <param name="Name">Owner.</param>
/// <param name="Type">Name of the type.</param>
/// <param name="Gone">Data that was there.</param>
/// <param name="Come">Data that is new.</param>
public sealed record WatchedChange(string Name, string Type, string[] Gone, string[] Come);

/// <summary>The answer of <c>mail watch</c> for one domain.</summary>
/// <param name="Domain">The domain.</param>
/// <param name="First">Whether it was never looked at before.</param>
/// <param name="Appeared">Findings that are new.</param>
/// <param name="Vanished">Findings that are gone.</param>
/// <param name="Changed">Record sets that are others.</param>
public sealed record WatchAnswer(string Domain, bool First, WatchedFinding[] Appeared, WatchedFinding[] Vanished, WatchedChange[] Changed);

/// <summary>What has changed about a domain's mail since the last look. Pure: the old state and the new facts in, a report and the new state out.</summary>
public static class MailWatch
{
    /// <summary>Compares.</summary>
    /// <param name="before">The last look; null: there was none.</param>
    /// <param name="facts">What was read now.</param>
    /// <param name="least">From which severity on findings are worth a word.</param>
    /// <returns>The report, the new state, and whether there is anything to say.</returns>
    public static (Report Report, WatchedDomain After, bool News) Compare(WatchedDomain? before, MailFacts facts, Severity least)
    {
        var now = MailDiagnosis.Diagnose(facts);
        var dns = facts.Lookups();
        WatchedFinding Remember(Finding f) => new(f.Id, f.Subject.Content, f.Severity);

        // What could not be asked is as it was: neither gone nor changed.
        var whole = now.Unknowns.Length == 0;
        var sets = Asked(facts.Domain).Select(q => (Question: q, Answer: dns[q])).Select(s => s.Answer.Known
            ? new WatchedSet(s.Question.Name, DnsTypes.Name(s.Question.Type), [.. s.Answer.Of(s.Question.Type).Select(r => r.Text).Order(StringComparer.Ordinal)])
            : before?.Sets.FirstOrDefault(b => b.Name == s.Question.Name && b.Type == DnsTypes.Name(s.Question.Type))).OfType<WatchedSet>().ToArray();
        var appeared = now.Findings.Where(f => before is null || !before.Findings.Any(b => Same(b, Remember(f)))).ToArray();
        var vanished = before is null || !whole ? [] : before.Findings.Where(b => !now.Findings.Any(f => Same(b, Remember(f)))).ToArray();
        var changed = before is null ? [] : sets.Select(s => (Now: s, Old: before.Sets.FirstOrDefault(b => b.Name == s.Name && b.Type == s.Type))).Where(s => s.Old is not null)
            .Select(s => new WatchedChange(s.Now.Name, s.Now.Type, [.. s.Old!.Data.Except(s.Now.Data)], [.. s.Now.Data.Except(s.Old.Data)])).Where(c => c.Gone.Length + c.Come.Length > 0).ToArray();
        string[] unknown = [.. now.Unknowns.Select(u => u.Why.ToString()).Distinct().Order(StringComparer.Ordinal)];

        var loud = appeared.Where(f => f.Severity >= least).ToArray();
        var quiet = vanished.Where(f => f.Severity >= least).ToArray();
        Reason[] reasons =
        [
            .. quiet.Select(f => new Reason($"{f.Id} is gone ({Value.Domain(f.Subject)})", Verdict.Yes, "the same rules, asked again")),
            .. changed.Select(c => new Reason($"the {c.Type} records of {Value.Domain(c.Name)} have changed", Verdict.Yes, "the zone, compared with the last look",
                [.. c.Gone.Select(d => new Seen(Shown(c, d), "was")), .. c.Come.Select(d => new Seen(Shown(c, d), "is"))])),
        ];
        var news = before is null || loud.Length + quiet.Length + changed.Length > 0 || !unknown.SequenceEqual(before.Unknown);
        WatchedFinding[] kept = whole || before is null ? [.. now.Findings.Select(Remember)] : [.. now.Findings.Select(Remember).Concat(before.Findings).DistinctBy(f => (f.Id, f.Subject))];
        var domain = Value.Domain(DnsName.Shown(facts.Domain));
        Text verdict = before is null ? (Text)$"{domain}: watched from now on; {Count(loud.Length, "finding")}"
            : !news ? $"{domain}: nothing has changed since {before.Checked.UtcDateTime:yyyy-MM-dd HH:mm} UTC"
            : $"{domain}: since {before.Checked.UtcDateTime:yyyy-MM-dd HH:mm} UTC {Count(loud.Length, "new finding")}, {quiet.Length} gone, {Count(changed.Length, "record set")} changed";
        return (
            new(verdict, reasons, loud, now.Unknowns) { Answer = MailJson.Part(new WatchAnswer(facts.Domain, before is null, [.. appeared.Select(Remember)], vanished, changed)) },
            new(facts.Domain, facts.Now, kept, sets, unknown), news);
    }

    /// <summary>Metrics for the textfile collector of Prometheus' node_exporter.</summary>
    public static string Metrics(IReadOnlyList<WatchedDomain> domains)
    {
        var text = new StringBuilder();
        void Metric(string name, string help, IEnumerable<(string Labels, double Value)> samples)
        {
            text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {help}\n# TYPE {name} gauge\n");
            foreach (var (labels, value) in samples)
            {
                text.Append(CultureInfo.InvariantCulture, $"{name}{{{labels}}} {value}\n");
            }
        }

        // Names are canonical: letters, digits, hyphens, and escapes in which the backslash has to be doubled.
        static string Label(string name) => name.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal);
        Metric("lotse_mail_findings", "Findings about the mail of a domain, by severity.", domains.SelectMany(d => Enum.GetValues<Severity>().Select(s => ($"domain=\"{Label(d.Domain)}\",severity=\"{s.ToString().ToLowerInvariant()}\"", (double)d.Findings.Count(f => f.Severity == s)))));
        Metric("lotse_mail_unknown", "What could not be known about the mail of a domain.", domains.Select(d => ($"domain=\"{Label(d.Domain)}\"", (double)d.Unknown.Length)));
        Metric("lotse_mail_checked_timestamp_seconds", "When the mail of a domain was last looked at.", domains.Select(d => ($"domain=\"{Label(d.Domain)}\"", (double)d.Checked.ToUnixTimeSeconds())));
        return text.ToString();
    }

    /// <summary>Below the domain.</summary>
    private static readonly string[] Labels = ["_dmarc", "_mta-sts", "_smtp._tls", "default._bimi"];

    private static bool Same(WatchedFinding a, WatchedFinding b) => a.Id == b.Id && a.Subject == b.Subject;

    private static string Count(int n, string what) => n == 1 ? $"1 {what}" : $"{n} {what}s";

    /// <summary>The sets that decide about mail; the answers to all of them are facts anyway.</summary>
    private static IEnumerable<DnsQuestion> Asked(string domain) =>
    [
        new(domain, DnsType.MX), new(domain, DnsType.TXT), new(domain, DnsType.CNAME),
        .. Labels.Select(l => DnsName.Under(l, domain)).OfType<string>().Select(n => new DnsQuestion(n, DnsType.TXT)),
    ];

    private static Text Shown(WatchedChange change, string data) => DnsTypes.Parse(change.Type) is { } type && DnsRecord.Parse(change.Name, type, 0, data) is { } record ? DomainView.Shown(record) : $"{data}";
}

/// <summary>The JSON form of the state file.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, UseStringEnumConverter = true, WriteIndented = true)]
[JsonSerializable(typeof(WatchState))]
internal sealed partial class WatchJson : JsonSerializerContext;
