using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Lotse.Formats;

namespace Lotse.Mail;

/// <summary>What a directive says of the sender that it matches (RFC 7208 section 4.6.2).</summary>
public enum SpfQualifier
{
    /// <summary><c>+</c>, or nothing.</summary>
    Pass,

    /// <summary><c>-</c></summary>
    Fail,

    /// <summary><c>~</c></summary>
    SoftFail,

    /// <summary><c>?</c></summary>
    Neutral,
}

/// <summary>Mechanisms and modifiers (RFC 7208 sections 5 and 6).</summary>
public enum SpfKind
{
    /// <summary>Everybody.</summary>
    All,

    /// <summary>Whom another record passes.</summary>
    Include,

    /// <summary>The addresses of a name.</summary>
    A,

    /// <summary>The addresses of a name's mail exchanges.</summary>
    Mx,

    /// <summary>Whose reverse name is below a name.</summary>
    Ptr,

    /// <summary>An IPv4 network.</summary>
    Ip4,

    /// <summary>An IPv6 network.</summary>
    Ip6,

    /// <summary>Where a name, made from the message, has an address.</summary>
    Exists,

    /// <summary>The record of another domain counts instead.</summary>
    Redirect,

    /// <summary>Where the explanation of a fail stands.</summary>
    Explanation,

    /// <summary>A modifier that means nothing today.</summary>
    Unknown,
}

/// <summary>One term of a record.</summary>
/// <param name="Text">As written.</param>
/// <param name="Kind">Which mechanism or modifier.</param>
/// <param name="Qualifier">What its match means; modifiers have none.</param>
public sealed record SpfTerm(string Text, SpfKind Kind, SpfQualifier Qualifier)
{
    /// <summary>The domain-spec as written, macros included; null where there is none.</summary>
    public string? Domain { get; init; }

    /// <summary>The network of ip4 and ip6.</summary>
    public IPAddress? Network { get; init; }

    /// <summary>Bits that count of an IPv4 address.</summary>
    public int Bits4 { get; init; } = 32;

    /// <summary>Bits that count of an IPv6 address.</summary>
    public int Bits6 { get; init; } = 128;

    /// <summary>Whether it counts against the limit of ten (RFC 7208 section 4.6.4).</summary>
    public bool AsksDns => Kind is SpfKind.Include or SpfKind.A or SpfKind.Mx or SpfKind.Ptr or SpfKind.Exists or SpfKind.Redirect;

    /// <summary>Whether it is a mechanism; the others are modifiers, whose place does not matter.</summary>
    public bool IsMechanism => Kind < SpfKind.Redirect;

    /// <summary>Whether its name depends on the message.</summary>
    public bool HasMacro => Domain?.Contains('%', StringComparison.Ordinal) == true;
}

/// <summary>An SPF record, read by the grammar of RFC 7208 section 12: all of it, before anything is evaluated.</summary>
/// <param name="Text">As published, its strings joined.</param>
/// <param name="Terms">In order; up to the first broken one where there is one.</param>
/// <param name="Broken">The first term that is no term; null: the record is well formed.</param>
/// <param name="Fault">What is wrong with it.</param>
public sealed record SpfRecord(string Text, SpfTerm[] Terms, string? Broken = null, string? Fault = null)
{
    private const string Version = "v=spf1";

    /// <summary>The term after which nothing is looked at.</summary>
    public SpfTerm? All => Array.Find(Terms, t => t.Kind == SpfKind.All);

    /// <summary>redirect=.</summary>
    public SpfTerm? Redirect => Array.Find(Terms, t => t.Kind == SpfKind.Redirect);

    /// <summary>exp=.</summary>
    public SpfTerm? Explanation => Array.Find(Terms, t => t.Kind == SpfKind.Explanation);

    /// <summary>Whether a TXT record is an SPF record: the version, then a space or the end (RFC 7208 section 4.5).</summary>
    public static bool IsOne(string text) =>
        text.StartsWith(Version, StringComparison.OrdinalIgnoreCase) && (text.Length == Version.Length || text[Version.Length] == ' ');

    /// <summary>Reads a record for which <see cref="IsOne"/> holds.</summary>
    public static SpfRecord Parse(string text)
    {
        var terms = new List<SpfTerm>();
        if (text.AsSpan().IndexOfAnyExceptInRange('\x20', '\x7e') is >= 0 and var odd)
        {
            return new(text, [], text[..(odd + 1)].Split(' ')[^1], "a character that is not printable ASCII");
        }

        foreach (var word in text[Version.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            var (term, fault) = Term(word);
            if (term is null)
            {
                return new(text, [.. terms], word, fault);
            }

            if (term.Kind is SpfKind.Redirect or SpfKind.Explanation && terms.Any(t => t.Kind == term.Kind))
            {
                return new(text, [.. terms], word, "it stands twice");
            }

            terms.Add(term);
        }

        return new(text, [.. terms]);
    }

    private static (SpfTerm? Term, string Fault) Term(string word)
    {
        var equals = word.IndexOf('=', StringComparison.Ordinal);
        if (equals > 0 && char.IsAsciiLetter(word[0]) && word.AsSpan(0, equals).IndexOfAnyExcept(NameCharacters) < 0)
        {
            return Modifier(word, word[..equals].ToLowerInvariant(), word[(equals + 1)..]);
        }

        var rest = word;
        var qualifier = SpfQualifier.Pass;
        if (rest[0] is '+' or '-' or '~' or '?')
        {
            qualifier = rest[0] switch { '+' => SpfQualifier.Pass, '-' => SpfQualifier.Fail, '~' => SpfQualifier.SoftFail, _ => SpfQualifier.Neutral };
            rest = rest[1..];
        }

        var end = rest.AsSpan().IndexOfAny(':', '/');
        var (name, value) = end < 0 ? (rest, "") : (rest[..end], rest[end..]);
        return name.ToLowerInvariant() switch
        {
            "all" => value.Length == 0 ? (new(word, SpfKind.All, qualifier), "") : (null, "all takes nothing"),
            "include" => WithDomain(word, SpfKind.Include, qualifier, value),
            "exists" => WithDomain(word, SpfKind.Exists, qualifier, value),
            "ptr" => value.Length == 0 ? (new(word, SpfKind.Ptr, qualifier), "") : WithDomain(word, SpfKind.Ptr, qualifier, value),
            "a" => WithLengths(word, SpfKind.A, qualifier, value),
            "mx" => WithLengths(word, SpfKind.Mx, qualifier, value),
            "ip4" => Network(word, SpfKind.Ip4, qualifier, value),
            "ip6" => Network(word, SpfKind.Ip6, qualifier, value),
            _ => (null, $"there is no mechanism \"{ByteText.Escape(name)}\""),
        };
    }

    private static readonly System.Buffers.SearchValues<char> NameCharacters = System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

    private static (SpfTerm?, string) Modifier(string word, string name, string value) => name switch
    {
        "redirect" or "exp" => SpfMacro.DomainFault(value) is { } fault
            ? (null, fault)
            : (new(word, name == "exp" ? SpfKind.Explanation : SpfKind.Redirect, default) { Domain = value }, ""),
        _ => SpfMacro.Fault(value, explanation: false) is { } fault ? (null, fault) : (new(word, SpfKind.Unknown, default), ""),
    };

    private static (SpfTerm?, string) WithDomain(string word, SpfKind kind, SpfQualifier qualifier, string value) =>
        !value.StartsWith(':') ? (null, "a domain is missing")
        : SpfMacro.DomainFault(value[1..]) is { } fault ? (null, fault)
        : (new(word, kind, qualifier) { Domain = value[1..] }, "");

    private static (SpfTerm?, string) WithLengths(string word, SpfKind kind, SpfQualifier qualifier, string value)
    {
        // dual-cidr-length stands at the end: /24, //64, /24//64. A slash before it belongs to the domain.
        var (four, six) = (32, 128);
        var rest = value;
        var slash = rest.LastIndexOf("//", StringComparison.Ordinal);
        if (slash >= 0 && rest.AsSpan(slash + 2).IndexOfAnyExceptInRange('0', '9') < 0)
        {
            if (Length(rest[(slash + 2)..], 128) is not { } bits)
            {
                return (null, "the length of an IPv6 prefix is from 0 to 128");
            }

            (six, rest) = (bits, rest[..slash]);
        }

        slash = rest.LastIndexOf('/');
        if (slash >= 0 && rest.AsSpan(slash + 1).IndexOfAnyExceptInRange('0', '9') < 0)
        {
            if (Length(rest[(slash + 1)..], 32) is not { } bits)
            {
                return (null, "the length of an IPv4 prefix is from 0 to 32");
            }

            (four, rest) = (bits, rest[..slash]);
        }

        if (rest.Length > 0 && (!rest.StartsWith(':') || SpfMacro.DomainFault(rest[1..]) is not null))
        {
            return (null, rest.StartsWith(':') ? SpfMacro.DomainFault(rest[1..])! : "a prefix length is broken");
        }

        return (new(word, kind, qualifier) { Domain = rest.Length > 0 ? rest[1..] : null, Bits4 = four, Bits6 = six }, "");
    }

    private static (SpfTerm?, string) Network(string word, SpfKind kind, SpfQualifier qualifier, string value)
    {
        var (family, most, name) = kind == SpfKind.Ip4 ? (AddressFamily.InterNetwork, 32, "IPv4") : (AddressFamily.InterNetworkV6, 128, "IPv6");
        if (!value.StartsWith(':'))
        {
            return (null, $"an {name} address is missing");
        }

        var slash = value.IndexOf('/', StringComparison.Ordinal);
        var text = slash < 0 ? value[1..] : value[1..slash];
        if (!IPAddress.TryParse(text, out var address) || address.AddressFamily != family || text.AsSpan().ContainsAny('[', ']', '%')
            || (kind == SpfKind.Ip4 && !text.Split('.').All(o => o.Length is > 0 and < 4 && o.All(char.IsAsciiDigit) && (o.Length == 1 || o[0] != '0'))) || (kind == SpfKind.Ip4 && text.Split('.').Length != 4))
        {
            return (null, $"\"{ByteText.Escape(text)}\" is no {name} address");
        }

        var bits = slash < 0 ? most : Length(value[(slash + 1)..], most);
        return bits is not { } length ? (null, $"the length of an {name} prefix is from 0 to {most}")
            : (new(word, kind, qualifier) { Network = address, Bits4 = kind == SpfKind.Ip4 ? length : 32, Bits6 = kind == SpfKind.Ip6 ? length : 128 }, "");
    }

    /// <summary>A prefix length without leading zeros.</summary>
    private static int? Length(string text, int most) =>
        text.Length is > 0 and <= 3 && (text.Length == 1 || text[0] != '0') && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var bits) && bits <= most ? bits : null;
}
