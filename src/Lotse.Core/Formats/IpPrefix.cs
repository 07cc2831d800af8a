using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lotse.Formats;

/// <summary>A prefix: an address and how many of its leading bits count.</summary>
/// <param name="Address">Any address in it; bits beyond the length may be set and do not count.</param>
/// <param name="Length">0 to 32 for IPv4, 0 to 128 for IPv6.</param>
[JsonConverter(typeof(IpPrefixJson))]
public readonly record struct IpPrefix(IpAddress Address, int Length) : IFormattable
{
    /// <summary>The length counted in 128 bits, IPv4 as IPv4-mapped.</summary>
    public int MappedLength => Address.IsV4 ? Length + 96 : Length;

    /// <summary>The prefix with the bits beyond its length cleared.</summary>
    public IpPrefix Network => this with { Address = Masked(Address, Length) };

    /// <summary>The last address in it.</summary>
    public IpAddress Last => Address.IsV4 ? IpAddress.V4(Address.Bits4 | ~(uint)Mask(96 + Length)) : IpAddress.V6(Address.Bits | ~Mask(Length));

    /// <summary>Whether an address of the same family lies in it.</summary>
    public bool Contains(IpAddress address) => address.IsV4 == Address.IsV4 && ((address.Bits ^ Address.Bits) & Mask(MappedLength)) == 0;

    /// <summary>Whether every address of another prefix lies in it.</summary>
    public bool Contains(IpPrefix other) => other.Length >= Length && Contains(other.Address);

    /// <summary>The first bits of 128.</summary>
    public static UInt128 Mask(int length) => length == 0 ? 0 : UInt128.MaxValue << (128 - length);

    /// <summary>An address with the bits beyond a length cleared.</summary>
    public static IpAddress Masked(IpAddress address, int length) =>
        address.IsV4 ? IpAddress.V4(address.Bits4 & (uint)Mask(96 + length)) : IpAddress.V6(address.Bits & Mask(length));

    /// <summary>Reads ADDRESS/LENGTH; a plain address is the prefix of itself alone.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out IpPrefix prefix)
    {
        prefix = default;
        var slash = text.IndexOf('/');
        if (!IpAddress.TryParse(slash < 0 ? text : text[..slash], out var address))
        {
            return false;
        }

        var length = address.Size;
        if (slash >= 0 && (!int.TryParse(text[(slash + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out length) || length > address.Size))
        {
            return false;
        }

        prefix = new(address, length);
        return true;
    }

    /// <summary>Reads a prefix that is known to be one.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static IpPrefix Parse(ReadOnlySpan<char> text) => TryParse(text, out var prefix) ? prefix : throw new FormatException($"\"{text}\" is not a prefix");

    /// <summary>ADDRESS/LENGTH.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Address}/{Length}");

    /// <inheritdoc/>
    public string ToString(string? format, IFormatProvider? formatProvider) => ToString();
}

/// <summary>A prefix in JSON is its text.</summary>
internal sealed class IpPrefixJson : JsonConverter<IpPrefix>
{
    public override IpPrefix Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String && IpPrefix.TryParse(reader.GetString(), out var prefix) ? prefix : throw new JsonException("a prefix is expected");

    public override void Write(Utf8JsonWriter writer, IpPrefix value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
}
