using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lotse.Formats;

/// <summary>
/// An IPv4 or IPv6 address without zone. Both are kept as 128 bits, an IPv4 address in its IPv4-mapped form
/// (RFC 4291 section 2.5.5.2), so that policy tables see them the way the C libraries do; the family is kept apart, for
/// <c>::ffff:192.0.2.1</c> written as IPv6 is another address than <c>192.0.2.1</c>.
/// </summary>
[JsonConverter(typeof(IpAddressJson))]
public readonly record struct IpAddress : IComparable<IpAddress>, IFormattable
{
    private static readonly UInt128 MappedBits = new(0, 0xffff_0000_0000);

    private IpAddress(UInt128 bits, bool isV4)
    {
        Bits = bits;
        IsV4 = isV4;
    }

    /// <summary>The address as 128 bits, most significant first; IPv4 as IPv4-mapped.</summary>
    public UInt128 Bits { get; }

    /// <summary>Whether it is an IPv4 address.</summary>
    public bool IsV4 { get; }

    /// <summary>Whether it is an IPv6 address.</summary>
    public bool IsV6 => !IsV4;

    /// <summary>::1.</summary>
    public static IpAddress Loopback6 => V6(1);

    /// <summary>An IPv6 address.</summary>
    public static IpAddress V6(UInt128 bits) => new(bits, false);

    /// <summary>An IPv4 address, its first octet the most significant.</summary>
    public static IpAddress V4(uint bits) => new(MappedBits | bits, true);

    /// <summary>The address in the order of the network: 4 or 16 bytes.</summary>
    /// <exception cref="ArgumentException">Another number of bytes.</exception>
    public static IpAddress Of(ReadOnlySpan<byte> bytes) => bytes.Length switch
    {
        4 => V4(System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(bytes)),
        16 => V6(System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(bytes)),
        _ => throw new ArgumentException("an address has 4 or 16 bytes", nameof(bytes)),
    };

    /// <summary>The 32 bits of an IPv4 address; of an IPv6 address the last 32.</summary>
    public uint Bits4 => (uint)Bits;

    /// <summary>4 or 16 bytes in the order of the network.</summary>
    public byte[] ToBytes()
    {
        var bytes = new byte[16];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt128BigEndian(bytes, Bits);
        return IsV4 ? bytes[12..] : bytes;
    }

    /// <summary>The number of bits of an address of this family: 32 or 128.</summary>
    public int Size => IsV4 ? 32 : 128;

    /// <summary>fe80::/10, or 169.254.0.0/16.</summary>
    public bool IsLinkLocal => IsV4 ? Bits4 >> 16 == 0xa9fe : (ushort)(Bits >> 112) is >= 0xfe80 and <= 0xfebf;

    /// <summary>::1, or 127.0.0.0/8.</summary>
    public bool IsLoopback => IsV4 ? Bits4 >> 24 == 127 : Bits == 1;

    /// <summary>fec0::/10 (RFC 3879 deprecates them; address selection still knows them).</summary>
    public bool IsSiteLocal => IsV6 && (ushort)(Bits >> 112) is >= 0xfec0 and <= 0xfeff;

    /// <summary>ff00::/8, or 224.0.0.0/4.</summary>
    public bool IsMulticast => IsV4 ? Bits4 >> 28 == 0xe : (byte)(Bits >> 120) == 0xff;

    /// <summary>fc00::/7: unique local addresses (RFC 4193).</summary>
    public bool IsUniqueLocal => IsV6 && (byte)(Bits >> 121) == 0x7e;

    /// <summary>IPv4 addresses for private networks (RFC 1918).</summary>
    public bool IsPrivate4 => IsV4 && (Bits4 >> 24 == 10 || Bits4 >> 20 == 0xac1 || Bits4 >> 16 == 0xc0a8);

    /// <summary>Whether it is an IPv6 address that holds an IPv4 one: ::ffff:0:0/96.</summary>
    public bool IsMappedV6 => IsV6 && Bits >> 32 == 0xffff;

    /// <summary>The number of leading bits, counted in 128, that two addresses share.</summary>
    public static int CommonBits(IpAddress a, IpAddress b) => (int)UInt128.LeadingZeroCount(a.Bits ^ b.Bits);

    /// <summary>Reads an address as inet_pton(3) does: dotted decimal without leading zeros, or RFC 4291 section 2.2; no zone.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out IpAddress address) => TryParse4(text, out address) || TryParse6(text, out address);

    /// <summary>Reads an IPv4 address as inet_pton(AF_INET) does.</summary>
    public static bool TryParse4(ReadOnlySpan<char> text, out IpAddress address)
    {
        address = default;
        var ok = Dotted(text, out var bits);
        if (ok)
        {
            address = V4(bits);
        }

        return ok;
    }

    /// <summary>Reads an IPv6 address as inet_pton(AF_INET6) does.</summary>
    public static bool TryParse6(ReadOnlySpan<char> text, out IpAddress address)
    {
        address = default;
        Span<ushort> groups = stackalloc ushort[8];
        var used = 0;
        var gap = -1;
        if (text.StartsWith("::"))
        {
            gap = 0;
            text = text[2..];
        }
        else if (text.IsEmpty || text[0] == ':')
        {
            return false;
        }

        while (!text.IsEmpty)
        {
            var end = text.IndexOf(':');
            var group = end < 0 ? text : text[..end];
            if (end < 0 && group.Contains('.'))
            {
                if (used > 6 || !Dotted(group, out var dotted))
                {
                    return false;
                }

                groups[used++] = (ushort)(dotted >> 16);
                groups[used++] = (ushort)dotted;
                break;
            }

            if (used == 8 || group.Length is 0 or > 4 || !IsHex(group))
            {
                return false;
            }

            groups[used++] = ushort.Parse(group, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
            if (end < 0)
            {
                break;
            }

            text = text[(end + 1)..];
            if (text.IsEmpty)
            {
                return false;
            }

            if (text[0] == ':')
            {
                if (gap >= 0)
                {
                    return false;
                }

                gap = used;
                text = text[1..];
            }
        }

        // "::" stands for one group of zeros at least.
        if (gap < 0 ? used != 8 : used == 8)
        {
            return false;
        }

        UInt128 bits = 0;
        var zeros = 8 - used;
        for (var i = 0; i < 8; i++)
        {
            var value = gap < 0 ? groups[i] : i < gap ? groups[i] : i < gap + zeros ? (ushort)0 : groups[i - zeros];
            bits = (bits << 16) | value;
        }

        address = V6(bits);
        return true;
    }

    /// <summary>Reads an address that is known to be one.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static IpAddress Parse(ReadOnlySpan<char> text) => TryParse(text, out var address) ? address : throw new FormatException($"\"{text}\" is not an address");

    /// <summary>The canonical text of glibc's inet_ntop(3): RFC 5952, and dotted for IPv4-mapped and IPv4-compatible addresses.</summary>
    public override string ToString()
    {
        if (IsV4)
        {
            return Dots(Bits4);
        }

        // The longest run of two zero groups or more, the first among equals.
        int best = -1, bestLength = 1;
        for (var i = 0; i < 8; i++)
        {
            var length = 0;
            while (i + length < 8 && Group(i + length) == 0)
            {
                length++;
            }

            if (length > bestLength)
            {
                (best, bestLength) = (i, length);
            }

            i += length;
        }

        var text = new StringBuilder(39);
        for (var i = 0; i < 8; i++)
        {
            if (best >= 0 && i >= best && i < best + bestLength)
            {
                text.Append(i == best ? ":" : "");
                continue;
            }

            text.Append(i > 0 ? ":" : "");
            if (i == 6 && best == 0 && (bestLength == 6 || (bestLength == 5 && Group(5) == 0xffff)))
            {
                return text.Append(Dots(Bits4)).ToString();
            }

            text.Append(Group(i).ToString("x", CultureInfo.InvariantCulture));
        }

        return best >= 0 && best + bestLength == 8 ? text.Append(':').ToString() : text.ToString();
    }

    /// <inheritdoc/>
    public string ToString(string? format, IFormatProvider? formatProvider) => ToString();

    /// <summary>By bits, IPv4 before the IPv6 address of the same bits.</summary>
    public int CompareTo(IpAddress other) => Bits != other.Bits ? Bits.CompareTo(other.Bits) : IsV4 == other.IsV4 ? 0 : IsV4 ? -1 : 1;

    /// <summary>By bits.</summary>
    public static bool operator <(IpAddress left, IpAddress right) => left.CompareTo(right) < 0;

    /// <summary>By bits.</summary>
    public static bool operator >(IpAddress left, IpAddress right) => left.CompareTo(right) > 0;

    /// <summary>By bits.</summary>
    public static bool operator <=(IpAddress left, IpAddress right) => left.CompareTo(right) <= 0;

    /// <summary>By bits.</summary>
    public static bool operator >=(IpAddress left, IpAddress right) => left.CompareTo(right) >= 0;

    private ushort Group(int i) => (ushort)(Bits >> (112 - (16 * i)));

    private static string Dots(uint bits) => string.Create(CultureInfo.InvariantCulture, $"{bits >> 24}.{(bits >> 16) & 255}.{(bits >> 8) & 255}.{bits & 255}");

    private static bool IsHex(ReadOnlySpan<char> text)
    {
        foreach (var c in text)
        {
            if (!char.IsAsciiHexDigit(c))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Four decimal numbers up to 255, no leading zero: inet_aton's other forms are none here.</summary>
    private static bool Dotted(ReadOnlySpan<char> text, out uint bits)
    {
        bits = 0;
        for (var octet = 0; octet < 4; octet++)
        {
            var end = octet < 3 ? text.IndexOf('.') : text.Length;
            if (end is < 1 or > 3 || (text[0] == '0' && end > 1))
            {
                return false;
            }

            uint value = 0;
            foreach (var c in text[..end])
            {
                if (!char.IsAsciiDigit(c))
                {
                    return false;
                }

                value = (value * 10) + (uint)(c - '0');
            }

            if (value > 255)
            {
                return false;
            }

            bits = (bits << 8) | value;
            text = octet < 3 ? text[(end + 1)..] : default;
        }

        return true;
    }
}

/// <summary>An address in JSON is its text.</summary>
internal sealed class IpAddressJson : JsonConverter<IpAddress>
{
    public override IpAddress Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String && IpAddress.TryParse(reader.GetString(), out var address) ? address : throw new JsonException("an address is expected");

    public override void Write(Utf8JsonWriter writer, IpAddress value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
}
