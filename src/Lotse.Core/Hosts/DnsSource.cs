using System.Net;
using Lotse.Formats;

namespace Lotse.Hosts;

/// <summary>Where answers come from, and until when.</summary>
/// <param name="Servers">Resolvers, in order; empty: those of resolv.conf(5).</param>
/// <param name="Zones">Zone files that are asked first.</param>
/// <param name="Offline">Whether nothing but the zone files may be asked.</param>
/// <param name="Deadline">For all questions together.</param>
public sealed record DnsSettings(IPEndPoint[] Servers, ZoneFile[] Zones, bool Offline, TimeSpan Deadline);

/// <summary>
/// Asks DNS through a host: every question and its answer stand in recordings as <c>ask dns NAME TYPE</c>. Questions of
/// one call are asked at the same time, all calls share one deadline.
/// </summary>
public sealed class DnsSource
{
    /// <summary>How many are asked at once.</summary>
    private const int Parallel = 64;

    /// <summary>How long one question is waited for: what takes longer is lost at receivers too.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    private readonly Host host;
    private readonly DnsSettings settings;
    private readonly TimeSpan start;
    private IPEndPoint[]? servers;

    /// <summary>A source that begins now.</summary>
    public DnsSource(Host host, DnsSettings settings) => (this.host, this.settings, start) = (host, settings, System.Diagnostics.Stopwatch.GetElapsedTime(0));

    /// <summary>Where answers come from, in words.</summary>
    public string Name => settings.Zones.Length > 0 ? string.Join(", ", settings.Zones.Select(z => z.Name)) : settings.Offline ? "nobody (offline)" : string.Join(", ", Servers().Select(DnsTransport.Shown));

    /// <summary>Whether nothing is asked over the network.</summary>
    public bool IsOffline => settings.Offline;

    /// <summary>Whether the resolver's word about DNSSEC can be trusted: only over loopback, where nobody else can answer (RFC 6840 section 5.8).</summary>
    public bool Trusted => Servers() is { Length: > 0 } all && all.All(s => IPAddress.IsLoopback(s.Address));

    /// <summary>Answers many questions at once, in their order.</summary>
    public DnsAnswer[] Ask(DnsQuestion[] questions)
    {
        Task<DnsAnswer>[]? running = null;
        var answers = new DnsAnswer[questions.Length];
        for (var i = 0; i < questions.Length; i++)
        {
            var at = i;
            answers[i] = FromZones(questions[i]) ?? FromHost(questions[i], () => (running ??= Start(questions))[at]);
        }

        return answers;
    }

    /// <summary>Reads an address with or without port: <c>192.0.2.1</c>, <c>192.0.2.1:5300</c>, <c>192.0.2.1#5300</c>, <c>[2001:db8::1]:53</c>. Null when it is none.</summary>
    public static IPEndPoint? ParseServer(string text)
    {
        text = text.Replace('#', ':');
        return IPAddress.TryParse(text, out var plain) && (text.Contains("::", StringComparison.Ordinal) || text.Count(c => c == ':') is 0 or 7) && !text.StartsWith('[') ? new(plain, 53)
            : text.LastIndexOf(':') is > 0 and var colon && ushort.TryParse(text.AsSpan(colon + 1), out var port) && port > 0 && IPAddress.TryParse(text[..colon].Trim('[', ']'), out var address) ? new(address, port)
            : null;
    }

    private DnsAnswer? FromZones(DnsQuestion question)
    {
        if (settings.Zones.Length == 0)
        {
            return null;
        }

        if (question.Server is not null)
        {
            return DnsAnswer.NotAsked("a zone file was read instead of the name servers");
        }

        foreach (var zone in settings.Zones)
        {
            if (zone.Answer(question) is { } answer)
            {
                return answer;
            }
        }

        return settings.Offline ? DnsAnswer.NotAsked("it is not in the zone file, and nobody else was asked") : null;
    }

    private DnsAnswer FromHost(DnsQuestion question, Func<Task<DnsAnswer>> ask)
    {
        if (settings.Offline)
        {
            return DnsAnswer.NotAsked("offline");
        }

        var asked = host.Ask($"dns {question}", static () => DnsJson.Default.DnsAnswer, () => new Reading<DnsAnswer>(ask().GetAwaiter().GetResult(), null));
        return asked.Ok ? asked.Value : DnsAnswer.NotAsked(asked.Error!.Message);
    }

    private Task<DnsAnswer>[] Start(DnsQuestion[] questions)
    {
        var left = settings.Deadline - (System.Diagnostics.Stopwatch.GetElapsedTime(0) - start);
        if (left <= TimeSpan.Zero)
        {
            return [.. questions.Select(_ => Task.FromResult(DnsAnswer.NotAsked("the time was over")))];
        }

        var end = new CancellationTokenSource(left < Patience ? left : Patience);
        var gate = new SemaphoreSlim(Parallel);
        return [.. questions.Select(q => One(q, gate, end.Token))];
    }

    private async Task<DnsAnswer> One(DnsQuestion question, SemaphoreSlim gate, CancellationToken end)
    {
        IPEndPoint[] whom = question.Server is { } named ? ParseServer(named) is { } server ? [server] : [] : Servers();
        if (whom.Length == 0)
        {
            return DnsAnswer.NotAsked("there is no name server to ask");
        }

        try
        {
            await gate.WaitAsync(end).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return new(DnsOutcome.Timeout, [], DnsTransport.Shown(whom[0]));
        }

        try
        {
            return await DnsTransport.Ask(whom, question, question.Server is null, end).ConfigureAwait(false);
        }
        finally
        {
            gate.Release();
        }
    }

    private IPEndPoint[] Servers() => servers ??= settings.Servers.Length > 0 ? settings.Servers : FromResolvConf();

    /// <summary>resolv.conf(5): up to three servers; none means the one on this machine.</summary>
    private IPEndPoint[] FromResolvConf()
    {
        var file = host.ReadFile("/etc/resolv.conf", 1 << 20);
        var listed = (file.Ok ? ByteText.Decode(file.Value) : "").Split('\n')
            .Select(l => l.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries))
            .Where(w => w is ["nameserver", _, ..])
            .Select(w => IPAddress.TryParse(w[1], out var address) ? new IPEndPoint(address, 53) : null)
            .OfType<IPEndPoint>().Take(3).ToArray();
        return listed.Length > 0 ? listed : [new(IPAddress.Loopback, 53)];
    }
}
