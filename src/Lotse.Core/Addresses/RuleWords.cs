using Lotse.Formats;
using Lotse.Formats.AddressSelection;

namespace Lotse.Addresses;

/// <summary>The rules of RFC 6724 section 6 in words, and the values that each compares.</summary>
internal static class RuleWords
{
    /// <summary>What the rule prefers.</summary>
    public static string Of(int rule) => rule switch
    {
        1 => "avoid unusable destinations",
        2 => "prefer matching scope",
        3 => "avoid deprecated addresses",
        4 => "prefer home addresses",
        5 => "prefer matching label",
        6 => "prefer higher precedence",
        7 => "prefer native transport",
        8 => "prefer smaller scope",
        9 => "use longest matching prefix",
        _ => "leave the order unchanged",
    };

    /// <summary>The values of the one that goes first, then of the other, each with its origin.</summary>
    public static IEnumerable<Seen> Seen(int rule, Candidate first, Candidate second, GlibcOrder order) => Values(rule, first, order).Concat(Values(rule, second, order));

    /// <summary>Where a row of a table stands.</summary>
    public static string Origin(PolicyRow row) => row.Line switch
    {
        PolicyRow.BuiltIn => "built in",
        PolicyRow.Implied => "implied, for the file has no ::/0",
        var line => $"{AddressFacts.GaiPath}:{line}",
    };

    private static IEnumerable<Seen> Values(int rule, Candidate c, GlibcOrder order)
    {
        Text destination = $"{Value.Address(c.Destination)}";
        Text source = c.Source is { } s ? $"{Value.Address(s)}" : (Text)"none";
        switch (rule)
        {
            case 1:
                yield return new(c.Source is null ? (Text)$"{destination}: no source" : $"{destination}: source {source}", "connect(2) of a UDP socket");
                break;
            case 2 when c.Source is { } own:
                yield return new($"{destination}: scope {order.Scope(c.Destination)}, source {source}: scope {order.Scope(own)}", "scope of the address, scopev4 for IPv4");
                break;
            case 3:
                yield return new($"{destination}: source {source}{(c.Deprecated ? " is deprecated" : " is not deprecated")}", "RTM_GETADDR");
                break;
            case 4:
                yield return new($"{destination}: source {source}{(c.Home ? " is a home address" : " is no home address")}", "RTM_GETADDR");
                break;
            case 5 when c.Source is { } own:
                yield return Row("label", c.Destination, order.Conf.Labels.Find(c.Destination));
                yield return Row("label", own, order.Conf.Labels.Find(own), " (its source)");
                break;
            case 6:
                yield return Row("precedence", c.Destination, order.Conf.Precedences.Find(c.Destination));
                break;
            case 7:
                yield return new($"{destination}: source {source}, {(c.Known ? c.Native ? "native transport" : "a tunnel (sit, ipip or ip6tnl)" : "an address that glibc does not find in its table (a peer's), which counts as a tunnel")}", "RTM_GETLINK, RTM_GETADDR");
                break;
            case 8:
                yield return new($"{destination}: scope {order.Scope(c.Destination)}", "scope of the address, scopev4 for IPv4");
                break;
            case 9 when c.Source is not null:
                yield return new($"{destination} and its source {source}: {GlibcOrder.Common(c)} bits in common", c.Destination.IsV4 ? "counted inside the source's subnet only" : "of 128");
                break;
            default:
                yield return new($"{destination}", "order of the name service");
                break;
        }
    }

    private static Seen Row(string kind, IpAddress address, PolicyRow? row, string note = "") =>
        new($"{kind} {row?.Value ?? 0} of {Value.Address(address)}{note}, by {(row is { } r ? GaiRow.Write(r.Prefix) : "no row")}", row is { } found ? Origin(found) : "no row");
}
