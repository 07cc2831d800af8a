using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>Arithmetic on addresses and prefixes that translation and delegation need.</summary>
internal static class PrefixArithmetic
{
    extension(IpAddress ip)
    {
        /// <summary>The 16 bits at a place, from 0 on the left.</summary>
        public ushort Word(int index) => (ushort)(ip.Bits >> (112 - (16 * index)));

        /// <summary>The IPv6 address with 16 bits replaced.</summary>
        public IpAddress WithWord(int index, ushort word) =>
            IpAddress.V6((ip.Bits & ~((UInt128)0xffff << (112 - (16 * index)))) | ((UInt128)word << (112 - (16 * index))));
    }

    extension(IpPrefix prefix)
    {
        /// <summary>Its first address.</summary>
        public IpAddress First => prefix.Network.Address;

        /// <summary>The shared bits as ones, of 128.</summary>
        public UInt128 Ones => IpPrefix.Mask(prefix.MappedLength);

        /// <summary>Whether they share an address.</summary>
        public bool Overlaps(IpPrefix other) => prefix.Contains(other) || other.Contains(prefix);

        /// <summary>An IPv6 address in it, by the number that its host bits are.</summary>
        public IpAddress At(UInt128 host) => IpAddress.V6(prefix.First.Bits | (host & ~prefix.Ones));

        /// <summary>One of the longer IPv6 prefixes in it, by number.</summary>
        public IpPrefix Sub(int length, UInt128 index) => new(IpAddress.V6(prefix.First.Bits | (index << (128 - length))), length);
    }
}
