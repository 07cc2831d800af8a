using System.Text;
using System.Text.Json;
using Lotse.Linux;
using Lotse.Mail;

namespace Lotse.Cli.Areas;

/// <summary><c>lotse mail watch</c>: for a timer; says only what has changed.</summary>
internal static class MailWatching
{
    public static readonly Command Watch = new("mail watch", "what has changed about the mail of domains since the last look", Run)
    {
        Description = "For a timer: prints nothing where nothing has changed. New findings, findings that are gone, record sets that are others; what could not be asked is never said to be gone. Exit code 1 for a new finding at or above --fail-on, 3 where a domain could not be read.",
        Arguments = [new("DOMAIN", "a domain; several are asked together", Required: true, Many: true)],
        Options =
        [
            new("--state", Takes.File, "FILE", "where the last look is kept; it holds the records, so it is readable by its owner alone"),
            new("--prom", Takes.File, "FILE", "write metrics for Prometheus' textfile collector"),
            .. MailAsking.Options,
        ],
        Examples =
        [
            new("from a timer, mail only when something changes", "mail watch example.com example.org --state /var/lib/lotse/mail-watch.json"),
            new("with metrics", "mail watch example.com --state /var/lib/lotse/mail-watch.json --prom /var/lib/prometheus/node-exporter/lotse-mail.prom"),
        ],
    };

    private static int Run(Invocation call) => Hosting.With(call, host =>
    {
        var path = Path.GetFullPath(call["--state"] ?? throw new UsageException("lotse mail watch needs --state FILE", "lotse mail watch example.com --state /var/lib/lotse/mail-watch.json"));
        var domains = call.Arguments.Select(MailCommands.Domain).Distinct().ToArray();
        var before = Load(host, path);
        var facts = MailFacts.Read(host, MailAsking.Source(call, host), domains, new() { Authorities = !call.Has("--server") });
        var least = call.FailOn < Severity.Warning ? call.FailOn : Severity.Warning;
        var all = facts.Select(f => MailWatch.Compare(before.FirstOrDefault(b => b.Domain == f.Domain), f, least)).ToArray();

        // First the state, then the words: what was said is said once, and what could not be noted is an error.
        WatchedDomain[] after = [.. before.Where(b => !domains.Contains(b.Domain)), .. all.Select(a => a.After)];
        Put(path, JsonSerializer.SerializeToUtf8Bytes(new WatchState(WatchState.Current, after), WatchJson.Default.WatchState), 0x180);
        if (call["--prom"] is { } metrics)
        {
            Put(Path.GetFullPath(metrics), Encoding.UTF8.GetBytes(MailWatch.Metrics(after)), 0x1a4);
        }

        var worst = ExitCode.Fine;
        foreach (var (told, _, news) in all)
        {
            var report = MailAsking.Shared(call, told);
            var exit = ExitCode.Of(report, call.FailOn);
            worst = worst == ExitCode.Finding || exit == ExitCode.Fine ? worst : exit;
            if (call.Has("--json"))
            {
                Envelope.Write(call, report, exit, indented: false);
            }
            else if (news)
            {
                ReportText.Write(call.Output, report);
                call.Output.Line();
            }
        }

        return worst;
    });

    private static void Put(string path, byte[] bytes, uint mode)
    {
        if (NewFile.Replace(path, bytes, mode) is { } error)
        {
            throw new NotKnownException(error.Message);
        }
    }

    private static WatchedDomain[] Load(Host host, string path)
    {
        var read = host.ReadFile(path);
        if (!read.Ok)
        {
            return read.Error!.Kind == HostErrorKind.NotFound ? [] : throw new NotKnownException(read.Error.Message);
        }

        try
        {
            if (JsonSerializer.Deserialize(read.Value, WatchJson.Default.WatchState) is { Schema: WatchState.Current, Domains: { } domains } && domains.All(d => d is { Domain: not null, Findings: not null, Sets: not null, Unknown: not null }))
            {
                return domains;
            }
        }
        catch (JsonException)
        {
            // Said below, like every other file that is none.
        }

        throw new NotKnownException($"{ByteText.Escape(path)} is no state of lotse mail watch", "name another file, or remove it to begin anew");
    }
}
