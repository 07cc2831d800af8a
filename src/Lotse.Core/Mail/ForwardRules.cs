using System.Net;
using System.Text.RegularExpressions;
using Lotse.Formats;

namespace Lotse.Mail;

/// <summary>What an entry of a forwarder's records is.</summary>
public enum ForwardKind
{
    /// <summary><c>target</c>: for every alias that no other entry matches.</summary>
    CatchAll,

    /// <summary><c>alias:target</c></summary>
    Alias,

    /// <summary><c>/expression/flags:target</c></summary>
    Expression,

    /// <summary><c>!alias</c> (250, dropped), <c>!!alias</c> (421), <c>!!!alias</c> (550)</summary>
    Refuse,

    /// <summary>What the forwarder cannot use: it then refuses every alias of the domain.</summary>
    Invalid,

    /// <summary>What the forwarder passes over without a word.</summary>
    Ignored,
}

/// <summary>One entry of Forward Email's records.</summary>
/// <param name="Text">As written.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Alias">The alias in lower case, or the expression with its slashes and flags.</param>
/// <param name="Target">Where to: an address, a host name (the same alias there), an IP address or a URL.</param>
/// <param name="Marks">How many exclamation marks.</param>
public sealed record ForwardEntry(string Text, ForwardKind Kind, string Alias, string Target, int Marks = 0)
{
    /// <summary>The domain of a target that is an address or a host name, canonical; null for URLs and IP addresses.</summary>
    public string? TargetDomain => ForwardRules.DomainOf(Target);
}

/// <summary>
/// The TXT records by which Forward Email's free plan forwards, read as its own service reads them
/// (getForwardingAddresses of forwardemail.net): all records are joined by commas, in no particular order, and split at
/// every comma.
/// </summary>
/// <param name="Records">The values of <c>forward-email=</c>.</param>
/// <param name="Verifications">The values of <c>forward-email-site-verification=</c>.</param>
/// <param name="Ports">The values of <c>forward-email-port=</c>.</param>
/// <param name="Entries">All entries.</param>
public sealed record ForwardRules(string[] Records, string[] Verifications, string[] Ports, ForwardEntry[] Entries)
{
    /// <summary>How an entry's record begins.</summary>
    public const string Prefix = "forward-email=";

    /// <summary>How the paid plan's record begins.</summary>
    public const string Verification = "forward-email-site-verification=";

    private const string Port = "forward-email-port=";

    private static readonly string[] ExpressionEnds = ["/gi:", "/ig:", "/g:", "/i:", "/:"];

    private static readonly System.Buffers.SearchValues<char> NotInLocalPart = System.Buffers.SearchValues.Create(" \t\"(),:;<>[]\\@/");

    /// <summary>Recipients of one message unless the plan says otherwise.</summary>
    public const int MostTargets = 10;

    /// <summary>Whether the domain has any record of the forwarder.</summary>
    public bool Any => Records.Length + Verifications.Length > 0;

    /// <summary>Reads a domain's TXT records.</summary>
    public static ForwardRules Of(IEnumerable<string> texts)
    {
        string[] all = [.. texts.Select(t => t.Trim())];
        string[] Values(string prefix) => [.. all.Where(t => t.StartsWith(prefix, StringComparison.Ordinal)).Select(t => t[prefix.Length..])];
        var records = Values(Prefix);
        return new(records, Values(Verification), Values(Port), [.. string.Join(',', records).Split(',').Select(e => e.Trim()).Where(e => e.Length > 0).Distinct().Select(Entry)]);
    }

    /// <summary>The domain of an address or a host name; null when the text is neither.</summary>
    public static string? DomainOf(string target)
    {
        var at = target.LastIndexOf('@');
        return target.Contains("://", StringComparison.Ordinal) || (at < 0 && target.Contains('/', StringComparison.Ordinal)) || IPAddress.TryParse(target, out _) ? null : DnsName.Parse(at < 0 ? target : target[(at + 1)..]);
    }

    /// <summary>Whether a text may be a recipient: an address, a host name with a top-level domain, an IP address or a URL.</summary>
    public static bool IsTarget(string text) => IsMailbox(text) || IsHost(text) || IPAddress.TryParse(text, out _) || IsUrl(text);

    /// <summary>Whether a text is an address of a mailbox whose domain has a top-level domain.</summary>
    public static bool IsMailbox(string text)
    {
        var at = text.LastIndexOf('@');
        return at is > 0 and <= 64 && !text.Any(char.IsControl) && text.AsSpan(0, at).IndexOfAny(NotInLocalPart) < 0 && !text.StartsWith('.') && text[at - 1] != '.' && !text[..at].Contains("..", StringComparison.Ordinal) && IsHost(text[(at + 1)..]);
    }

    /// <summary>Whether a text is a host name of two labels or more whose last is a word.</summary>
    public static bool IsHost(string text)
    {
        if (text.EndsWith('.') || DnsName.Parse(text) is not { } name)
        {
            return false;
        }

        var labels = DnsName.Labels(name);
        return labels.Length > 1 && labels.All(l => l.All(c => char.IsAsciiLetterOrDigit(c) || c == '-') && l[0] != '-' && l[^1] != '-') && labels[^1].Length > 1 && (labels[^1].All(char.IsAsciiLetter) || labels[^1].StartsWith("xn--", StringComparison.Ordinal));
    }

    /// <summary>An expression as .NET reads it; null when it is none. What it may cost is bounded: it is foreign.</summary>
    public static Regex? Expression(string slashed)
    {
        var end = slashed.LastIndexOf('/');
        try
        {
            return end < 1 ? null : new(slashed[1..end], RegexOptions.IgnoreCase | RegexOptions.CultureInvariant, TimeSpan.FromMilliseconds(100));
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    private static bool IsUrl(string text) =>
        Uri.TryCreate(text.Contains("://", StringComparison.Ordinal) ? text : "https://" + text, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" && (text.Contains("://", StringComparison.Ordinal) || text.Contains('/', StringComparison.Ordinal)) && (IsHost(url.Host) || IPAddress.TryParse(url.Host, out _));

    private static ForwardEntry Entry(string text)
    {
        var marks = text.TakeWhile(c => c == '!').Take(3).Count();
        var rest = text[marks..];
        if (rest.StartsWith('/') && rest.LastIndexOf('/') > 0)
        {
            // The last of these endings divides; without one the whole is the expression.
            var at = ExpressionEnds.Select(e => (At: rest.LastIndexOf(e, StringComparison.Ordinal), e.Length)).FirstOrDefault(e => e.At > 0);
            var (expression, target) = at.At > 0 ? (rest[..(at.At + at.Length - 1)], rest[(at.At + at.Length)..]) : (rest, "");
            return marks > 0 ? new(text, ForwardKind.Refuse, expression, "", marks) : new(text, ForwardKind.Expression, expression, target);
        }

        if (marks > 0)
        {
            return new(text, ForwardKind.Refuse, rest.Split(':')[0].ToLowerInvariant(), "", marks);
        }

        if (text.Contains(':', StringComparison.Ordinal) && !IsUrl(text) && !IPAddress.TryParse(text, out _))
        {
            var colon = text.IndexOf(':', StringComparison.Ordinal);
            var target = text[(colon + 1)..];
            return new(text, IsTarget(target) ? ForwardKind.Alias : ForwardKind.Invalid, text[..colon].ToLowerInvariant(), IsUrl(target) ? target : target.ToLowerInvariant());
        }

        return new(text, IsTarget(text) ? ForwardKind.CatchAll : ForwardKind.Ignored, "", IsUrl(text) && !IsMailbox(text) ? text : text.ToLowerInvariant());
    }
}
