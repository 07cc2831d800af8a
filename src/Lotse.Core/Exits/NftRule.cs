using System.Text;
using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>A packet as a rule sees it.</summary>
/// <param name="In">Device it came in by; null: the router's own.</param>
/// <param name="Out">Device it leaves by; null: it is for the router.</param>
/// <param name="Source">Source address at this hook.</param>
/// <param name="Destination">Destination address at this hook.</param>
/// <param name="Protocol">tcp, udp, ipv6-icmp, icmp …</param>
internal sealed record Packet(string? In, string? Out, IpAddress Source, IpAddress Destination, string Protocol)
{
    public int SourcePort { get; init; } = 50000;

    public int DestinationPort { get; init; } = 443;

    /// <summary>ICMP type, where it is ICMP.</summary>
    public int Icmp { get; init; } = 128;

    /// <summary>Whether conntrack knows the connection.</summary>
    public bool Established { get; init; }

    /// <summary>Whether its destination was rewritten (ct status dnat).</summary>
    public bool Redirected { get; init; }
}

/// <summary>What a rule does.</summary>
internal enum Verb
{
    Accept,
    Drop,
    Jump,
    Return,
    Masquerade,
    SnatAddress,
    SnatPrefix,
    DnatAddress,
    DnatPrefix,
    NoTrack,

    /// <summary>Something that changes neither path nor address of a packet.</summary>
    Other,

    /// <summary>Text that is not understood: what it does is unknown.</summary>
    Opaque,
}

/// <summary>Where a rule comes from.</summary>
/// <param name="Where">file:line; empty for what fw4 always writes.</param>
/// <param name="What">The section or text in few words.</param>
internal sealed record RuleOrigin(string Where, string What)
{
    public static readonly RuleOrigin BuiltIn = new("", "fw4");
}

/// <summary>A rule of the ruleset: what it matches and what it does. Empty lists match everything.</summary>
internal sealed record NftRule
{
    public string[] In { get; init; } = [];

    public string[] InNot { get; init; } = [];

    public string[] Out { get; init; } = [];

    public string[] OutNot { get; init; } = [];

    /// <summary>4, 6, or 0 for both.</summary>
    public int Family { get; init; }

    public AddressSet[] Source { get; init; } = [];

    public AddressSet[] SourceNot { get; init; } = [];

    public AddressSet[] Destination { get; init; } = [];

    public AddressSet[] DestinationNot { get; init; } = [];

    /// <summary>nft's name; null: any. <c>icmp</c> without a family is both.</summary>
    public string? Protocol { get; init; }

    public (int Low, int High)[] SourcePorts { get; init; } = [];

    public (int Low, int High)[] DestinationPorts { get; init; } = [];

    public IcmpType[] Icmp { get; init; } = [];

    /// <summary>Only packets of known connections.</summary>
    public bool Established { get; init; }

    /// <summary>Only packets whose destination was rewritten.</summary>
    public bool Redirected { get; init; }

    /// <summary>Further matches that a prediction does not weigh (limits, marks, hardware addresses), as nft writes them.</summary>
    public string Also { get; init; } = "";

    /// <summary>Whether <see cref="Also"/> may keep an ordinary packet from matching.</summary>
    public bool Conditional { get; init; }

    public Verb Verb { get; init; }

    /// <summary>The chain that is jumped to, or the text of <see cref="Verb.Other"/>.</summary>
    public string Target { get; init; } = "";

    /// <summary>The addresses of a translation.</summary>
    public AddressSet? To { get; init; }

    /// <summary>The port of a translation; 0: none.</summary>
    public int ToPort { get; init; }

    /// <summary>The flag <c>persistent</c>.</summary>
    public bool Persistent { get; init; }

    public RuleOrigin Origin { get; init; } = RuleOrigin.BuiltIn;

    /// <summary>The rule as somebody wrote it; null: it is made from its parts.</summary>
    public string? Written { get; init; }

    /// <summary>Whether it matches; null: that cannot be told.</summary>
    public bool? Matches(Packet p)
    {
        var family = p.Source.IsV6 ? 6 : 4;
        var hit = (Family == 0 || Family == family)
            && Device(In, InNot, p.In) && Device(Out, OutNot, p.Out)
            && Address(Source, SourceNot, p.Source) && Address(Destination, DestinationNot, p.Destination)
            && (Protocol is null || Protocol == p.Protocol || (Protocol == "icmp" && p.Protocol == "ipv6-icmp" && Family != 4))
            && Port(SourcePorts, p.SourcePort) && Port(DestinationPorts, p.DestinationPort)
            && (Icmp.Length == 0 || Icmp.Any(i => i.Family == family && i.Type == p.Icmp && i.Code is null or 0))
            && (!Established || p.Established) && (!Redirected || p.Redirected);

        // Of a rule that is not understood what was read before the unknown word still has to hold.
        return hit && (Conditional || Verb == Verb.Opaque) ? null : hit;
    }

    /// <summary>The rule as nft reads it.</summary>
    public string Text()
    {
        if (Written is not null)
        {
            return Written;
        }

        var text = new StringBuilder();
        var addresses = Source.Length + SourceNot.Length + Destination.Length + DestinationNot.Length > 0;
        var ip = Family == 4 ? "ip" : "ip6";
        if (Family != 0 && !addresses && Icmp.Length == 0)
        {
            text.Append("meta nfproto ").Append(Family == 4 ? "ipv4 " : "ipv6 ");
        }

        Devices(text, "iifname", In, InNot);
        Devices(text, "oifname", Out, OutNot);
        if (Established)
        {
            text.Append("ct state established,related ");
        }

        if (Redirected)
        {
            text.Append("ct status dnat ");
        }

        if (Protocol is not null && SourcePorts.Length + DestinationPorts.Length + Icmp.Length == 0)
        {
            text.Append("meta l4proto ").Append(Protocol != "icmp" || Family == 4 ? Protocol : Family == 6 ? "ipv6-icmp" : "{ icmp, ipv6-icmp }").Append(' ');
        }

        Addresses(text, ip + " saddr", Source, SourceNot);
        Addresses(text, ip + " daddr", Destination, DestinationNot);
        Ports(text, Protocol + " sport", SourcePorts);
        Ports(text, Protocol + " dport", DestinationPorts);
        if (Icmp.Length > 0)
        {
            var name = Icmp[0].Family == 4 ? "icmp" : "icmpv6";
            text.Append(Icmp[0].Code is null ? $"{name} type {{ {string.Join(", ", Icmp.Select(i => i.Type))} }} " : $"{name} type . {name} code {{ {string.Join(", ", Icmp.Select(i => $"{i.Type} . {i.Code}"))} }} ");
        }

        return text.Append(Also.Length > 0 ? Also + " " : "").Append(Action()).ToString();
    }

    private string Action()
    {
        var port = ToPort > 0 ? $":{ToPort}" : "";
        var to = To is null ? port : ToPort > 0 && To.V6 ? $"[{To}]{port}" : $"{To}{port}";
        var kind = Family == 4 ? "ip" : "ip6";
        return Verb switch
        {
            Verb.Accept => "accept",
            Verb.Drop => "drop",
            Verb.Return => "return",
            Verb.Jump => $"jump {Target}",
            Verb.Masquerade => "masquerade",
            Verb.SnatAddress => $"snat {(Family == 0 ? "" : kind + " ")}to {to}{(Persistent ? " persistent" : "")}",
            Verb.DnatAddress => $"dnat {(Family == 0 ? "" : kind + " ")}to {to}",
            Verb.SnatPrefix => $"snat {kind} prefix to {to}",
            Verb.DnatPrefix => $"dnat {kind} prefix to {to}",
            Verb.NoTrack => "notrack",
            _ => Target,
        };
    }

    private static bool Device(string[] any, string[] none, string? device) =>
        (any.Length == 0 || (device is not null && any.Any(d => Named(d, device)))) && !none.Any(d => device is not null && Named(d, device));

    private static bool Named(string pattern, string device) =>
        pattern.EndsWith('*') ? device.StartsWith(pattern[..^1], StringComparison.Ordinal) : pattern == device;

    private static bool Address(AddressSet[] any, AddressSet[] none, IpAddress ip) => (any.Length == 0 || any.Any(a => a.Contains(ip))) && !none.Any(a => a.Contains(ip));

    private static bool Port((int Low, int High)[] any, int port) => any.Length == 0 || any.Any(r => port >= r.Low && port <= r.High);

    private static void Devices(StringBuilder text, string key, string[] any, string[] none)
    {
        if (any.Length > 0)
        {
            text.Append(key).Append(' ').Append(Set(any.Select(Quoted))).Append(' ');
        }

        foreach (var not in none)
        {
            text.Append(key).Append(" != ").Append(Quoted(not)).Append(' ');
        }
    }

    private static void Addresses(StringBuilder text, string key, AddressSet[] any, AddressSet[] none)
    {
        if (any.Length > 0)
        {
            text.Append(key).Append(' ').Append(Set(any.Select(a => a.ToString()))).Append(' ');
        }

        if (none.Length > 0)
        {
            text.Append(key).Append(" != ").Append(Set(none.Select(a => a.ToString()))).Append(' ');
        }
    }

    private static void Ports(StringBuilder text, string key, (int Low, int High)[] any)
    {
        if (any.Length > 0)
        {
            text.Append(key).Append(' ').Append(Set(any.Select(r => r.Low == r.High ? $"{r.Low}" : $"{r.Low}-{r.High}"))).Append(' ');
        }
    }

    private static string Set(IEnumerable<string> all) => all.Distinct().ToArray() is var some && some.Length == 1 ? some[0] : $"{{ {string.Join(", ", some)} }}";

    /// <summary>A device's name in quotes; what could end the quotes cannot be a device's name.</summary>
    private static string Quoted(string device) => $"\"{string.Concat(device.Where(c => c is > ' ' and < '\x7f' and not '"' and not '\\'))}\"";
}

/// <summary>A chain.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Hook">Type, hook, priority and policy of a base chain; null: it is only jumped to.</param>
/// <param name="Policy">accept or drop, of a base chain.</param>
internal sealed record NftChain(string Name, string? Hook = null, string Policy = "accept")
{
    public List<NftRule> Rules { get; } = [];
}
