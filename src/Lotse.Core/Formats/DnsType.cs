using System.Globalization;

namespace Lotse.Formats;

/// <summary>Types of records, by their numbers in the registry of DNS parameters.</summary>
public enum DnsType
{
    /// <summary>IPv4 address.</summary>
    A = 1,

    /// <summary>Name server.</summary>
    NS = 2,

    /// <summary>Alias.</summary>
    CNAME = 5,

    /// <summary>Start of a zone.</summary>
    SOA = 6,

    /// <summary>Name of an address.</summary>
    PTR = 12,

    /// <summary>Mail exchange.</summary>
    MX = 15,

    /// <summary>Text.</summary>
    TXT = 16,

    /// <summary>IPv6 address.</summary>
    AAAA = 28,

    /// <summary>Service.</summary>
    SRV = 33,

    /// <summary>Naming authority pointer.</summary>
    NAPTR = 35,

    /// <summary>Alias of a subtree.</summary>
    DNAME = 39,

    /// <summary>EDNS (RFC 6891); never a record of a zone.</summary>
    OPT = 41,

    /// <summary>Delegation signer.</summary>
    DS = 43,

    /// <summary>Signature.</summary>
    RRSIG = 46,

    /// <summary>Proof that there is nothing between.</summary>
    NSEC = 47,

    /// <summary>Key of a zone.</summary>
    DNSKEY = 48,

    /// <summary>The same, hashed.</summary>
    NSEC3 = 50,

    /// <summary>How it is hashed.</summary>
    NSEC3PARAM = 51,

    /// <summary>Certificate of a server (DANE).</summary>
    TLSA = 52,

    /// <summary>Type 99, which nobody asks for (RFC 7208 section 3.1).</summary>
    SPF = 99,

    /// <summary>Signature of a message (RFC 8945).</summary>
    TSIG = 250,

    /// <summary>Transfer of a zone.</summary>
    AXFR = 252,

    /// <summary>All types.</summary>
    ANY = 255,

    /// <summary>Who may issue certificates.</summary>
    CAA = 257,
}

/// <summary>Names of types, the unknown ones as <c>TYPE123</c> (RFC 3597 section 5).</summary>
public static class DnsTypes
{
    private static readonly Dictionary<DnsType, string> Names = Enum.GetValues<DnsType>().ToDictionary(t => t, t => t.ToString());

    private static readonly Dictionary<string, DnsType> Values = Names.ToDictionary(n => n.Value, n => n.Key, StringComparer.OrdinalIgnoreCase);

    /// <summary>Its name.</summary>
    public static string Name(DnsType type) => Names.TryGetValue(type, out var name) ? name : $"TYPE{(int)type}";

    /// <summary>The type of a name; null when there is none.</summary>
    public static DnsType? Parse(string name) =>
        Values.TryGetValue(name, out var type) ? type
        : name.StartsWith("TYPE", StringComparison.OrdinalIgnoreCase) && ushort.TryParse(name.AsSpan(4), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? (DnsType)number
        : null;
}
