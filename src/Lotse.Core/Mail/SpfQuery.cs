using System.Net;

namespace Lotse.Mail;

/// <summary>The results of SPF (RFC 7208 section 2.6).</summary>
public enum SpfResult
{
    /// <summary>No record, or no domain.</summary>
    None,

    /// <summary>The domain says nothing about this sender.</summary>
    Neutral,

    /// <summary>The sender is authorised.</summary>
    Pass,

    /// <summary>The sender is not.</summary>
    Fail,

    /// <summary>The sender probably is not.</summary>
    SoftFail,

    /// <summary>DNS failed: another time it may be different.</summary>
    TempError,

    /// <summary>The records are wrong: somebody has to repair them.</summary>
    PermError,
}

/// <summary>What check_host() is handed (RFC 7208 section 4.1).</summary>
/// <param name="Ip">Address of the client; an IPv4-mapped one is taken as IPv4.</param>
/// <param name="Helo">What it calls itself.</param>
/// <param name="MailFrom">Envelope sender; empty in bounces: then HELO's domain counts (section 2.4).</param>
/// <param name="Now">For <c>%{t}</c>.</param>
public sealed record SpfQuery(IPAddress Ip, string Helo, string MailFrom, DateTimeOffset Now)
{
    /// <summary>Address of the client.</summary>
    public IPAddress Ip { get; } = Ip.IsIPv4MappedToIPv6 ? Ip.MapToIPv4() : Ip;

    /// <summary>For <c>%{r}</c>.</summary>
    public string Receiver { get; init; } = "unknown";

    /// <summary>The local part; postmaster where there is none (RFC 7208 section 4.3).</summary>
    public string LocalPart => At > 0 ? MailFrom[..At] : "postmaster";

    /// <summary>The domain that is checked.</summary>
    public string SenderDomain => At >= 0 ? MailFrom[(At + 1)..] : MailFrom.Length > 0 ? MailFrom : Helo;

    /// <summary>Local part and domain.</summary>
    public string Sender => $"{LocalPart}@{SenderDomain}";

    private int At => MailFrom.LastIndexOf('@');
}

/// <summary>One step of an evaluation.</summary>
/// <param name="Depth">How many includes and redirects deep; 0: the domain's own record.</param>
/// <param name="Domain">Whose record.</param>
/// <param name="Term">The term; empty: the record as a whole.</param>
/// <param name="Lookups">Terms that asked DNS so far, this one included.</param>
/// <param name="Voids">Lookups without an answer so far.</param>
/// <param name="Outcome">match, no match, or what ended it.</param>
/// <param name="Detail">What was compared.</param>
public sealed record SpfStep(int Depth, string Domain, string Term, int Lookups, int Voids, string Outcome, string Detail);

/// <summary>What check_host() says.</summary>
/// <param name="Result">The result.</param>
/// <param name="Domain">Whose record was asked for.</param>
/// <param name="Problem">Why it is an error, or none; null otherwise.</param>
/// <param name="Explanation">Of a fail: the domain's own words, US-ASCII; null where it has none.</param>
/// <param name="Lookups">Terms that asked DNS, of ten.</param>
/// <param name="Voids">Lookups without an answer, of two.</param>
/// <param name="Steps">In order.</param>
public sealed record SpfOutcome(SpfResult Result, string Domain, string? Problem, string? Explanation, int Lookups, int Voids, SpfStep[] Steps)
{
    /// <summary>The result as Received-SPF and Authentication-Results name it.</summary>
    public string Word => Result.ToString().ToLowerInvariant();
}
