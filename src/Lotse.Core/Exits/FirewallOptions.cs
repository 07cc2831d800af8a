using System.Globalization;
using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>What an option of /etc/config/firewall may hold (firewall4 fw4.uc, the parse_ functions).</summary>
internal enum OptionKind
{
    Text,
    Bool,
    Number,
    Policy,
    Family,
    Zone,
    Device,
    Network,
    Protocol,
    Port,
    Icmp,
    Target,
    Limit,
    Identifier,
    Date,
}

/// <summary>An option that fw4 knows.</summary>
/// <param name="Kind">What it holds.</param>
/// <param name="Many">Whether it may be a list, or several words.</param>
/// <param name="Required">Whether the section counts only with it.</param>
/// <param name="Ignored">Whether fw4 says "not supported" and goes on.</param>
internal sealed record KnownOption(OptionKind Kind, bool Many = false, bool Required = false, bool Ignored = false);

/// <summary>The options of each section type, and reading their values as fw4 does.</summary>
internal static class FirewallOptions
{
    /// <summary>By section type, then option (fw4.uc, parse_defaults … parse_include). A data table.</summary>
    public static Dictionary<string, Dictionary<string, KnownOption>> Known => field ??= ReadTable();

    private static Dictionary<string, Dictionary<string, KnownOption>> ReadTable()
    {
        using var reader = new StreamReader(typeof(FirewallOptions).Assembly.GetManifestResourceStream("Exits/firewall-options.tsv")!);
        var all = new Dictionary<string, Dictionary<string, KnownOption>>();
        while (reader.ReadLine() is { } line)
        {
            if (line.Length > 0 && line[0] != '#' && line.Split('\t') is [var type, var option, var kind, var flags])
            {
                (all.TryGetValue(type, out var options) ? options : all[type] = [])[option] =
                    new(Enum.Parse<OptionKind>(kind, ignoreCase: true), flags.Contains("many", StringComparison.Ordinal), flags.Contains("required", StringComparison.Ordinal), flags.Contains("ignored", StringComparison.Ordinal));
            }
        }

        return all;
    }

    /// <summary>What makes fw4 leave the whole section out; null: nothing.</summary>
    /// <param name="section">The section.</param>
    /// <param name="zones">The zones that hold, by name; null while zones themselves are read.</param>
    public static SectionFault? Fault(UciSection section, IReadOnlyCollection<string>? zones)
    {
        foreach (var (name, known) in Known[section.Type])
        {
            if (section[name] is not { } option)
            {
                if (known.Required)
                {
                    return new(name, null, "is mandatory but not set");
                }

                continue;
            }

            if (option.IsList && !known.Many)
            {
                return new(name, option.Values[0], "must not be a list");
            }

            foreach (var value in known.Many ? section.Words(name) : option.Values)
            {
                if (!Holds(known.Kind, value.Text, zones))
                {
                    return new(name, value, known.Kind == OptionKind.Zone ? "names a zone that does not exist" : "has a value that fw4 does not know");
                }
            }
        }

        return null;
    }

    /// <summary>Options that fw4 does not know: it warns and goes on without them.</summary>
    public static IEnumerable<UciOption> Unknown(UciSection section) => section.Options.Where(o => o.Name != "type" || section.Type == "include").Where(o => !Known[section.Type].ContainsKey(o.Name));

    public static bool? Bool(string? text) => text switch { "1" or "on" or "true" or "yes" => true, "0" or "off" or "false" or "no" => false, _ => null };

    /// <summary>accept, reject or drop; a beginning is enough, in any case.</summary>
    public static string? Policy(string? text) => Enumeration(text, "accept", "reject", "drop");

    public static string? Target(string? text) => Enumeration(text, "accept", "reject", "drop", "notrack", "helper", "mark", "dscp", "dnat", "snat", "masquerade");

    /// <summary>0 for any, 4, 6; null where it is neither.</summary>
    public static int? Family(string? text) => text switch
    {
        null => null,
        "any" or "all" or "*" => 0,
        "inet" => 4,
        _ when text.Contains('4', StringComparison.Ordinal) => 4,
        _ when text.Contains('6', StringComparison.Ordinal) => 6,
        _ => null,
    };

    /// <summary>A value that may be turned round by a leading exclamation mark.</summary>
    public static (bool Not, string Text) Inverted(string text)
    {
        var trimmed = text.Trim();
        return trimmed.StartsWith('!') ? (true, trimmed[1..].Trim()) : (false, trimmed);
    }

    /// <summary>Protocol names as nft spells them; <c>all</c> for any.</summary>
    public static string[] Protocols(string text) => text.ToLowerInvariant() switch
    {
        "all" or "any" or "*" => ["all"],
        "icmp" or "1" => ["icmp"],
        "icmpv6" or "ipv6-icmp" or "58" => ["ipv6-icmp"],
        "tcpudp" => ["tcp", "udp"],
        "6" => ["tcp"],
        "17" => ["udp"],
        var other => [other],
    };

    /// <summary>An address, a prefix, or a range of addresses.</summary>
    public static AddressSet? Network(string text)
    {
        if (IpPrefix.TryParse(text, out var prefix))
        {
            return new(prefix.First, prefix.Last, prefix.Length);
        }

        var dash = text.IndexOf('-', StringComparison.Ordinal);
        if (dash > 0 && IpAddress.TryParse(text.AsSpan(0, dash), out var low) && IpAddress.TryParse(text.AsSpan(dash + 1), out var high) && low.IsV6 == high.IsV6)
        {
            return new(low, high, -1);
        }

        var slash = text.IndexOf('/', StringComparison.Ordinal);
        return slash > 0 && IpAddress.TryParse(text.AsSpan(0, slash), out var address) && !address.IsV6 && IpAddress.TryParse(text.AsSpan(slash + 1), out var mask) && !mask.IsV6
            && IpPrefix.TryParse($"{address}/{System.Numerics.BitOperations.PopCount(mask.Bits4)}", out var masked) && (uint)masked.Ones == mask.Bits4 ? new(masked.First, masked.Last, masked.Length) : null;
    }

    public static (int Low, int High)? Port(string text)
    {
        var parts = text.Split('-', ':');
        return parts.Length <= 2 && parts.All(p => p.Length is > 0 and < 6 && ushort.TryParse(p, NumberStyles.None, CultureInfo.InvariantCulture, out _))
            && (Low: int.Parse(parts[0], CultureInfo.InvariantCulture), High: int.Parse(parts[^1], CultureInfo.InvariantCulture)) is var range && range.Low <= range.High ? range : null;
    }

    private static string? Enumeration(string? text, params ReadOnlySpan<string> words)
    {
        foreach (var word in words)
        {
            if (text is not null && word.StartsWith(text, StringComparison.OrdinalIgnoreCase))
            {
                return word;
            }
        }

        return null;
    }

    private static bool Holds(OptionKind kind, string text, IReadOnlyCollection<string>? zones) => kind switch
    {
        OptionKind.Bool => Bool(text) is not null,
        OptionKind.Number => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out _) || text.StartsWith("0x", StringComparison.OrdinalIgnoreCase),
        OptionKind.Policy => Policy(text) is not null,
        OptionKind.Family => Family(text) is not null,
        OptionKind.Zone => text == "*" || zones is null || zones.Contains(text),
        OptionKind.Device or OptionKind.Protocol => Inverted(text).Text.Length > 0,
        OptionKind.Network => Inverted(text).Text is var network && (Network(network) is not null || IsName(network)),
        OptionKind.Port => Port(Inverted(text).Text) is not null,
        OptionKind.Icmp => IcmpTypes.Find(text).Length > 0,
        OptionKind.Target => Target(text) is not null,
        OptionKind.Identifier => text.Length > 0 && (char.IsAsciiLetter(text[0]) || text[0] is '_' or '.') && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '/' or '_' or '.' or '-'),
        _ => true,
    };

    /// <summary>The name of a network may stand where addresses do, or a mask that is no prefix.</summary>
    private static bool IsName(string text) => text.Length > 0 && (text.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-') || text.Contains('/', StringComparison.Ordinal));
}

/// <summary>Why a section does not count.</summary>
/// <param name="Option">The option that is at fault.</param>
/// <param name="Value">Its value; null where it is missing.</param>
/// <param name="Why">What is wrong with it.</param>
internal sealed record SectionFault(string Option, UciValue? Value, string Why);

/// <summary>Addresses from one to another.</summary>
/// <param name="Low">First.</param>
/// <param name="High">Last.</param>
/// <param name="Length">Prefix length; -1: a range that was written as one.</param>
internal sealed record AddressSet(IpAddress Low, IpAddress High, int Length)
{
    public bool V6 => Low.IsV6;

    public bool Contains(IpAddress ip) => ip.IsV6 == V6 && ip.Bits >= Low.Bits && ip.Bits <= High.Bits;

    /// <summary>As nft writes it.</summary>
    public override string ToString() => Length < 0 ? $"{Low}-{High}" : Length == Low.Size ? $"{Low}" : $"{Low}/{Length}";
}
