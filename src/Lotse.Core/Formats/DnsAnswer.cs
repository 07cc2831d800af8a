using System.Text.Json.Serialization;

namespace Lotse.Formats;

/// <summary>How a question ended. What could not be asked is never "not there".</summary>
public enum DnsOutcome
{
    /// <summary>Records of the type came.</summary>
    Records,

    /// <summary>The name exists, without records of this type (NODATA, RFC 2308 section 2.2).</summary>
    NoData,

    /// <summary>The name does not exist, nor anything below it (NXDOMAIN, RFC 8020).</summary>
    NoName,

    /// <summary>The server failed (SERVFAIL): temporary.</summary>
    ServerFailure,

    /// <summary>The resolver has the answer, but its DNSSEC signatures are wrong: it hands it out only with CD set (RFC 4035 section 5.5).</summary>
    Bogus,

    /// <summary>Nobody answered in time.</summary>
    Timeout,

    /// <summary>The server does not answer this one (REFUSED).</summary>
    Refused,

    /// <summary>What came is no answer: FORMERR, NOTIMP, broken messages.</summary>
    Malformed,

    /// <summary>It was not asked: offline, or the deadline had passed, or it stands in no recording.</summary>
    NotAsked,
}

/// <summary>A question of class IN.</summary>
/// <param name="Name">Canonical name.</param>
/// <param name="Type">Type.</param>
/// <param name="Server">Which authoritative server is asked, as <c>ADDRESS</c> or <c>ADDRESS#PORT</c>; null: the resolver.</param>
public sealed record DnsQuestion(string Name, DnsType Type, string? Server = null)
{
    /// <summary>The question in messages and recordings: <c>good.test MX</c>, <c>good.test MX @192.0.2.1</c>.</summary>
    public override string ToString() => $"{Name} {DnsTypes.Name(Type)}{(Server is null ? "" : $" @{Server}")}";
}

/// <summary>An answer, or why there is none.</summary>
/// <param name="Outcome">How it ended.</param>
/// <param name="Records">The answer section: the chain of CNAMEs from the name that was asked, then the records.</param>
/// <param name="Server">Who answered.</param>
public sealed record DnsAnswer(DnsOutcome Outcome, DnsRecord[] Records, string Server)
{
    /// <summary>Whether the resolver says that it has checked DNSSEC's signatures.</summary>
    public bool Authentic { get; init; }

    /// <summary>Octets of the answer.</summary>
    public int Size { get; init; }

    /// <summary>Whether it was too long for UDP.</summary>
    public bool OverTcp { get; init; }

    /// <summary>What the server, or the system, said about it; null: nothing.</summary>
    public string? Note { get; init; }

    /// <summary>Whether there is an answer, be it "no".</summary>
    [JsonIgnore]
    public bool Known => Outcome is DnsOutcome.Records or DnsOutcome.NoData or DnsOutcome.NoName;

    /// <summary>Whether the answer is that there are no such records.</summary>
    [JsonIgnore]
    public bool Missing => Outcome is DnsOutcome.NoData or DnsOutcome.NoName;

    /// <summary>The answer to what was never asked.</summary>
    public static DnsAnswer NotAsked(string why) => new(DnsOutcome.NotAsked, [], "") { Note = why };

    /// <summary>Records of a type, at the end of the chain of CNAMEs.</summary>
    public IEnumerable<DnsRecord> Of(DnsType type) => Records.Where(r => r.Type == type);

    /// <summary>The outcome in words, for messages.</summary>
    [JsonIgnore]
    public string Words => Outcome switch
    {
        DnsOutcome.Records => Records.Length == 1 ? "1 record" : $"{Records.Length} records",
        DnsOutcome.NoData => "NODATA: the name has no such record",
        DnsOutcome.NoName => "NXDOMAIN: the name does not exist",
        DnsOutcome.ServerFailure => "SERVFAIL: the name servers fail",
        DnsOutcome.Bogus => "bogus: DNSSEC's signatures are wrong",
        DnsOutcome.Timeout => "no answer in time",
        DnsOutcome.Refused => "REFUSED: the server does not answer this",
        DnsOutcome.Malformed => "no usable answer",
        _ => "not asked",
    } + (Note is null ? "" : $" ({Note})");

    /// <summary>
    /// Reads the answer section for a question: follows CNAMEs from the name that was asked, and keeps nothing that does
    /// not belong to it.
    /// </summary>
    /// <returns>The records that count, and the name at which the chain ended.</returns>
    public static (DnsRecord[] Records, string End) Chain(DnsQuestion question, DnsRecord[] section)
    {
        var kept = new List<DnsRecord>();
        var seen = new HashSet<string>();
        var name = question.Name;
        var byName = section.ToLookup(r => r.Name);
        while (seen.Add(name))
        {
            var here = byName[name].Where(r => r.Type == question.Type).ToArray();
            kept.AddRange(here);
            if (here.Length > 0 || question.Type == DnsType.CNAME || byName[name].FirstOrDefault(r => r.Type == DnsType.CNAME) is not { } alias)
            {
                break;
            }

            kept.Add(alias);
            name = alias.Target;
        }

        return ([.. kept], name);
    }
}

/// <summary>The JSON forms of DNS answers, for recordings.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, UseStringEnumConverter = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault)]
[JsonSerializable(typeof(DnsAnswer))]
internal sealed partial class DnsJson : JsonSerializerContext;
