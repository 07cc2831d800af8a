using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Lotse.Formats;

/// <summary>The data of records between their travelling form and the form of zone files (RFC 1035 section 3.3, RFC 3597).</summary>
public static class DnsData
{
    /// <summary>What the fields of a type are; types that are not listed travel as octets.</summary>
    private enum Field
    {
        Name,
        Byte,
        Short,
        Long,
        Address4,
        Address6,
        String,
        Strings,
        Hex,
        Base64,
        Tag,
        RestAsString,
        Type,
    }

    private static Field[]? Fields(DnsType type) => type switch
    {
        DnsType.A => [Field.Address4],
        DnsType.AAAA => [Field.Address6],
        DnsType.NS or DnsType.CNAME or DnsType.PTR or DnsType.DNAME => [Field.Name],
        DnsType.MX => [Field.Short, Field.Name],
        DnsType.SOA => [Field.Name, Field.Name, Field.Long, Field.Long, Field.Long, Field.Long, Field.Long],
        DnsType.TXT or DnsType.SPF => [Field.Strings],
        DnsType.SRV => [Field.Short, Field.Short, Field.Short, Field.Name],
        DnsType.NAPTR => [Field.Short, Field.Short, Field.String, Field.String, Field.String, Field.Name],
        DnsType.CAA => [Field.Byte, Field.Tag, Field.RestAsString],
        DnsType.TLSA => [Field.Byte, Field.Byte, Field.Byte, Field.Hex],
        DnsType.DS => [Field.Short, Field.Byte, Field.Byte, Field.Hex],
        DnsType.DNSKEY => [Field.Short, Field.Byte, Field.Byte, Field.Base64],
        DnsType.RRSIG => [Field.Type, Field.Byte, Field.Byte, Field.Long, Field.Long, Field.Long, Field.Short, Field.Name, Field.Base64],
        _ => null,
    };

    /// <summary>The name in uncompressed data at an offset, canonical; the root when there is none.</summary>
    public static string NameAt(ReadOnlySpan<byte> data, int at)
    {
        var labels = new List<byte[]>();
        while (at < data.Length && data[at] is > 0 and <= DnsName.LabelLimit && at + 1 + data[at] <= data.Length)
        {
            labels.Add(data.Slice(at + 1, data[at]).ToArray());
            at += data[at] + 1;
        }

        return DnsName.FromLabels(labels) ?? ".";
    }

    /// <summary>As zone files write it; <c>\# LENGTH HEX</c> where the type is not known or the data does not fit it.</summary>
    public static string ToText(DnsType type, byte[] data)
    {
        var text = new StringBuilder();
        var at = 0;
        foreach (var field in Fields(type) ?? [])
        {
            if (text.Length > 0)
            {
                text.Append(' ');
            }

            var (words, length) = Read(field, data.AsSpan(at));
            if (length < 0)
            {
                return Unknown(data);
            }

            text.Append(words);
            at += length;
        }

        return at == data.Length && Fields(type) is not null ? text.ToString() : Unknown(data);
    }

    /// <summary>The travelling form of words; null when they do not fit the type.</summary>
    /// <param name="type">The type.</param>
    /// <param name="tokens">The words after the type.</param>
    /// <param name="origin">What a name without a last dot is below, canonical.</param>
    public static byte[]? FromTokens(DnsType type, ReadOnlySpan<ZoneToken> tokens, string origin)
    {
        if (tokens is [{ Text: "\\#", Quoted: false }, var length, .. var rest])
        {
            return int.TryParse(length.Text, NumberStyles.None, CultureInfo.InvariantCulture, out var count) && Hex(Joined(rest)) is { } octets && octets.Length == count ? octets : null;
        }

        if (Fields(type) is not { } fields)
        {
            return null;
        }

        var data = new List<byte>();
        foreach (var field in fields)
        {
            if (tokens.IsEmpty)
            {
                return null;
            }

            if (field is Field.Strings or Field.Hex or Field.Base64)
            {
                var all = field switch { Field.Strings => Strings(tokens), Field.Hex => Hex(Joined(tokens)), _ => Base64(Joined(tokens)) };
                if (all is null)
                {
                    return null;
                }

                data.AddRange(all);
                tokens = [];
            }
            else if (Write(field, tokens[0], origin) is { } octets)
            {
                data.AddRange(octets);
                tokens = tokens[1..];
            }
            else
            {
                return null;
            }
        }

        return tokens.IsEmpty && data.Count <= ushort.MaxValue ? [.. data] : null;
    }

    /// <summary>A name of a zone file: below <paramref name="origin"/> unless it ends in a dot; <c>@</c> is the origin itself.</summary>
    public static string? NameFrom(string text, string origin) =>
        text == "@" ? origin
        : text.EndsWith('.') && !text.EndsWith("\\.", StringComparison.Ordinal) || origin == "." ? DnsName.Parse(text)
        : DnsName.Parse(text + "." + origin);

    /// <summary>Where in the data of a type a name may stand compressed in a message (RFC 3597 section 4): offset of the first, and how many follow one another.</summary>
    internal static (int Offset, int Names) Names(DnsType type) => type switch
    {
        DnsType.NS or DnsType.CNAME or DnsType.PTR or DnsType.DNAME => (0, 1),
        DnsType.MX => (2, 1),
        DnsType.SOA => (0, 2),
        DnsType.SRV => (6, 1),
        _ => (0, 0),
    };

    private static (string Words, int Length) Read(Field field, ReadOnlySpan<byte> data)
    {
        switch (field)
        {
            case Field.Byte when data.Length >= 1:
                return ($"{data[0]}", 1);
            case Field.Short when data.Length >= 2:
                return ($"{BinaryPrimitives.ReadUInt16BigEndian(data)}", 2);
            case Field.Type when data.Length >= 2:
                return (DnsTypes.Name((DnsType)BinaryPrimitives.ReadUInt16BigEndian(data)), 2);
            case Field.Long when data.Length >= 4:
                return ($"{BinaryPrimitives.ReadUInt32BigEndian(data)}", 4);
            case Field.Address4 when data.Length >= 4:
                return (new IPAddress(data[..4]).ToString(), 4);
            case Field.Address6 when data.Length >= 16:
                return (new IPAddress(data[..16]).ToString(), 16);
            case Field.Name:
                var end = 0;
                while (end < data.Length && data[end] is > 0 and <= DnsName.LabelLimit)
                {
                    end += data[end] + 1;
                }

                return end < data.Length && data[end] == 0 ? (DnsName.Absolute(NameAt(data, 0)), end + 1) : ("", -1);
            case Field.Tag when data.Length >= 1 && data.Length > data[0]:
                return (Encoding.Latin1.GetString(data.Slice(1, data[0])), data[0] + 1);
            case Field.String when data.Length >= 1 && data.Length > data[0]:
                return (ZoneText.Quote(data.Slice(1, data[0])), data[0] + 1);
            case Field.RestAsString:
                return (ZoneText.Quote(data), data.Length);
            case Field.Hex:
                return (Convert.ToHexStringLower(data), data.Length);
            case Field.Base64:
                return (Convert.ToBase64String(data), data.Length);
            case Field.Strings:
                var words = new List<string>();
                var at = 0;
                for (; at < data.Length; at += data[at] + 1)
                {
                    if (at + 1 + data[at] > data.Length)
                    {
                        return ("", -1);
                    }

                    words.Add(ZoneText.Quote(data.Slice(at + 1, data[at])));
                }

                return words.Count > 0 ? (string.Join(' ', words), at) : ("", -1);
            default:
                return ("", -1);
        }
    }

    private static byte[]? Write(Field field, ZoneToken token, string origin)
    {
        var text = token.Text;
        switch (field)
        {
            case Field.Byte:
                return byte.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var b) ? [b] : null;
            case Field.Short:
                return ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var s) ? [(byte)(s >> 8), (byte)s] : null;
            case Field.Type:
                return DnsTypes.Parse(text) is { } type ? [(byte)((int)type >> 8), (byte)type] : null;
            case Field.Long:
                var value = text.Length == 14 && DateTime.TryParseExact(text, "yyyyMMddHHmmss", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time)
                    ? (uint)new DateTimeOffset(time).ToUnixTimeSeconds()
                    : uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var plain) ? plain : ZoneText.Seconds(text);
                return value is { } l ? [(byte)(l >> 24), (byte)(l >> 16), (byte)(l >> 8), (byte)l] : null;
            case Field.Address4:
                return IPAddress.TryParse(text, out var four) && four.AddressFamily == AddressFamily.InterNetwork && text.Count(c => c == '.') == 3 ? four.GetAddressBytes() : null;
            case Field.Address6:
                return IPAddress.TryParse(text, out var six) && six.AddressFamily == AddressFamily.InterNetworkV6 && !text.Contains('%', StringComparison.Ordinal) ? six.GetAddressBytes() : null;
            case Field.Name:
                return NameFrom(text, origin) is { } name ? DnsName.ToWire(name) : null;
            case Field.Tag:
                return text.Length is > 0 and < 256 && text.All(char.IsAsciiLetterOrDigit) ? [(byte)text.Length, .. Encoding.ASCII.GetBytes(text)] : null;
            case Field.String:
                return ZoneText.Octets(text) is { Length: < 256 } octets ? [(byte)octets.Length, .. octets] : null;
            case Field.RestAsString:
                return ZoneText.Octets(text);
            default:
                return null;
        }
    }

    private static byte[]? Strings(ReadOnlySpan<ZoneToken> tokens)
    {
        var data = new List<byte>();
        foreach (var token in tokens)
        {
            if (ZoneText.Octets(token.Text) is not { Length: < 256 } octets)
            {
                return null;
            }

            data.Add((byte)octets.Length);
            data.AddRange(octets);
        }

        return [.. data];
    }

    private static string Joined(ReadOnlySpan<ZoneToken> tokens)
    {
        var text = new StringBuilder();
        foreach (var token in tokens)
        {
            text.Append(token.Text);
        }

        return text.ToString();
    }

    private static byte[]? Hex(string text)
    {
        try
        {
            return Convert.FromHexString(text);
        }
        catch (FormatException)
        {
            return null;
        }
    }

    private static byte[]? Base64(string text)
    {
        var octets = new byte[text.Length];
        return Convert.TryFromBase64String(text, octets, out var length) ? octets[..length] : null;
    }

    private static string Unknown(byte[] data) => $"\\# {data.Length} {Convert.ToHexStringLower(data)}".TrimEnd();
}
