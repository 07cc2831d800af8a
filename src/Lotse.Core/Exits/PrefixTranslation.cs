using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>Network prefix translation: the same host behind another prefix.</summary>
/// <param name="Inner">The prefix inside.</param>
/// <param name="Outer">The prefix outside.</param>
public sealed record PrefixTranslation(IpPrefix Inner, IpPrefix Outer)
{
    /// <summary>
    /// Stateless and checksum-neutral (RFC 6296 section 3), as the kernel's SNPT and DNPT do it
    /// (net/ipv6/netfilter/ip6t_NPT.c): the change of the prefix is made good in the 16 bits behind a prefix of 48 bits or
    /// less, else in the first word of the interface identifier that is not 0xffff.
    /// </summary>
    /// <param name="address">An address inside, or one outside for the way back.</param>
    /// <returns>Null where the kernel drops the packet: no word can take the change.</returns>
    /// <exception cref="ArgumentException">A prefix is longer than 64 bits, or the address is in neither.</exception>
    public IpAddress? Neutral(IpAddress address)
    {
        if (Inner.Length > 64 || Outer.Length > 64)
        {
            throw new ArgumentException("RFC 6296 translates prefixes of 64 bits at most");
        }

        var (from, to) = Direction(address);
        var length = Math.Max(from.Length, to.Length);
        var mask = IpPrefix.Mask(length);
        var moved = IpAddress.V6((address.Bits & ~mask) | (to.First.Bits & mask));
        var at = length <= 48 ? 3 : 4;
        while (length > 48 && at < 8 && moved.Word(at) == 0xffff)
        {
            at++;
        }

        if (at == 8)
        {
            return null;
        }

        // One's complement: taking the new prefix's sum away is adding its complement.
        var sum = Fold((uint)moved.Word(at) + Sum(from.First) + (ushort)~Sum(to.First));
        return moved.WithWord(at, sum == 0xffff ? (ushort)0 : sum);
    }

    /// <summary>
    /// Prefix replaced, host bits kept: nft <c>snat prefix to</c>, iptables <c>NETMAP</c>
    /// (net/netfilter/nf_nat_core.c NF_NAT_RANGE_NETMAP: the length that counts is the new prefix's).
    /// </summary>
    /// <param name="address">An address inside, or one outside for the way back.</param>
    /// <exception cref="ArgumentException">The address is in neither prefix.</exception>
    public IpAddress Plain(IpAddress address)
    {
        var (_, to) = Direction(address);
        return IpAddress.V6((address.Bits & ~to.Ones) | to.First.Bits);
    }

    private (IpPrefix From, IpPrefix To) Direction(IpAddress address) =>
        Inner.Contains(address) ? (Inner, Outer)
        : Outer.Contains(address) ? (Outer, Inner)
        : throw new ArgumentException($"{address} is neither in {Inner.Network} nor in {Outer.Network}");

    private static ushort Sum(IpAddress ip)
    {
        uint sum = 0;
        for (var i = 0; i < 8; i++)
        {
            sum += ip.Word(i);
        }

        return Fold(sum);
    }

    private static ushort Fold(uint sum)
    {
        while (sum > 0xffff)
        {
            sum = (sum & 0xffff) + (sum >> 16);
        }

        return (ushort)sum;
    }
}
