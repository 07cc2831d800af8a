using Lotse.Formats;
using Lotse.Formats.AddressSelection;

namespace Lotse.Addresses;

/// <summary>A wanted order: one destination before others.</summary>
/// <param name="Text">In one line.</param>
/// <param name="First">The destination that is to go first.</param>
/// <param name="Others">Those that are to come after it.</param>
public sealed record OrderGoal(string Text, IpAddress First, IpAddress[] Others)
{
    /// <summary>
    /// Where whole classes are meant: the prefix that each address stands for. A row for the own prefix then says it better
    /// than one for a destination.
    /// </summary>
    public IReadOnlyDictionary<IpAddress, IpPrefix> Classes { get; private init; } = new Dictionary<IpAddress, IpPrefix>();

    /// <summary>Whether whole classes are meant.</summary>
    public bool SiteWide => Classes.Count > 0;

    /// <summary>All addresses of it.</summary>
    public IpAddress[] All => [First, .. Others];

    /// <summary>Reads "A before B", or A-before-B: ipv6, ipv4, ula, an address or a prefix.</summary>
    /// <param name="text">The words.</param>
    /// <param name="network">Gives the own ULA prefix.</param>
    /// <returns>Null where it is not understood.</returns>
    public static OrderGoal? Parse(string text, HostNetwork? network)
    {
        var words = text.ToLowerInvariant().Replace("-before-", " before ", StringComparison.Ordinal).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        return words is [var a, "before", var b] && Class(a, network) is { } first && Class(b, network) is { } second && first.Representative != second.Representative
            ? new($"{a} before {b}", first.Representative, [second.Representative]) { Classes = new Dictionary<IpAddress, IpPrefix> { [first.Representative] = first.Prefix, [second.Representative] = second.Prefix } } : null;
    }

    private static (IpAddress Representative, IpPrefix Prefix)? Class(string word, HostNetwork? network)
    {
        switch (word)
        {
            case "ipv6":
                return (DestinationClass.Internet6, IpPrefix.Parse("2000::/3"));
            case "ipv4":
                return (DestinationClass.Internet4, new(IpAddress.V4(0), 0));
            case "ula":
                var own = network?.Addresses.Select(x => x.Address.Address).Where(x => x.IsUniqueLocal).Select(x => (IpPrefix?)new IpPrefix(x, 48).Network).FirstOrDefault() ?? IpPrefix.Parse("fd00::/8");
                return (IpAddress.V6(own.Address.Bits | new UInt128(0xffff, 0x53)), own);
            default:
                return !IpPrefix.TryParse(word, out var prefix) ? null
                    : prefix.Length == prefix.Address.Size ? (prefix.Address, prefix)
                    : prefix.Contains(DestinationClass.Internet6) ? (DestinationClass.Internet6, prefix.Network)
                    : prefix.Contains(DestinationClass.Internet4) ? (DestinationClass.Internet4, prefix.Network)
                    : (prefix.Address.IsV4 ? IpAddress.V4(prefix.Network.Address.Bits4 | 1) : IpAddress.V6(prefix.Network.Address.Bits | 1), prefix.Network);
        }
    }
}
