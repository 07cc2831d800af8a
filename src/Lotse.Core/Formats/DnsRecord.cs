using System.Buffers.Binary;
using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lotse.Formats;

/// <summary>An exchange of an MX record.</summary>
/// <param name="Preference">Lowest first.</param>
/// <param name="Host">Canonical name; <c>.</c> in a null MX.</param>
public sealed record MailExchange(int Preference, string Host);

/// <summary>A resource record of class IN.</summary>
/// <param name="Name">Owner, in the form of <see cref="DnsName"/>.</param>
/// <param name="Type">Its type.</param>
/// <param name="Ttl">Seconds that it may be kept.</param>
/// <param name="Data">Its data as it travels, names not compressed and in the case in which they came.</param>
[JsonConverter(typeof(DnsRecordLine))]
public sealed record DnsRecord(string Name, DnsType Type, uint Ttl, byte[] Data)
{
    /// <summary>The strings of a TXT record joined with nothing between them, as SPF, DKIM and DMARC read them (RFC 7208 section 3.3).</summary>
    public string Joined => ByteText.Decode(Strings.SelectMany(s => s).ToArray());

    /// <summary>The strings of a TXT record.</summary>
    public byte[][] Strings
    {
        get
        {
            var all = new List<byte[]>();
            for (var at = 0; at < Data.Length; at += Data[at] + 1)
            {
                all.Add(Data[(at + 1)..Math.Min(Data.Length, at + 1 + Data[at])]);
            }

            return [.. all];
        }
    }

    /// <summary>The address of an A or AAAA record; null when its data has another length.</summary>
    public IPAddress? Address => Data.Length == (Type == DnsType.A ? 4 : 16) ? new(Data) : null;

    /// <summary>The name that a CNAME, NS, PTR, MX or DNAME record names.</summary>
    public string Target => DnsData.NameAt(Data, Type == DnsType.MX ? 2 : 0);

    /// <summary>Of an MX record.</summary>
    public MailExchange Exchange => new(Data.Length < 2 ? 0 : BinaryPrimitives.ReadUInt16BigEndian(Data), Target);

    /// <summary>The data as zone files write it.</summary>
    public string Text => DnsData.ToText(Type, Data);

    /// <summary>The record as a line of a zone file.</summary>
    public string Line => $"{DnsName.Absolute(Name)} {Ttl} IN {DnsTypes.Name(Type)} {Text}";

    /// <summary>Octets of the record in a message whose question is its owner: a pointer, type, class, TTL, length, data.</summary>
    public int WireSize => 12 + Data.Length;

    /// <summary>Whether both say the same, whatever their TTL. Names inside the data are compared without regard to case.</summary>
    public bool SameData(DnsRecord other) => Type == other.Type && Name == other.Name && (Data.AsSpan().SequenceEqual(other.Data) || (Type is not (DnsType.TXT or DnsType.SPF) && string.Equals(Text, other.Text, StringComparison.OrdinalIgnoreCase)));

    /// <inheritdoc/>
    public bool Equals(DnsRecord? other) => other is not null && Ttl == other.Ttl && SameData(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Type);

    /// <summary>A record from the text of its data.</summary>
    /// <returns>Null when the text does not fit the type.</returns>
    public static DnsRecord? Parse(string name, DnsType type, uint ttl, string text) =>
        ZoneText.Tokens(text) is { } tokens && DnsData.FromTokens(type, tokens, ".") is { } data ? new(name, type, ttl, data) : null;

    /// <summary>A TXT record, its text cut into strings of 255 octets.</summary>
    public static DnsRecord Txt(string name, uint ttl, string text)
    {
        var bytes = ByteText.Encode(text);
        var data = new List<byte>();
        for (var at = 0; at == 0 || at < bytes.Length; at += 255)
        {
            var part = bytes.AsSpan(at, Math.Min(255, bytes.Length - at));
            data.Add((byte)part.Length);
            data.AddRange(part);
        }

        return new(name, DnsType.TXT, ttl, [.. data]);
    }
}

/// <summary>A record in JSON: the line of a zone file, so that people can read and write recordings.</summary>
internal sealed class DnsRecordLine : JsonConverter<DnsRecord>
{
    public override DnsRecord Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String && ZoneText.Tokens(reader.GetString()!) is [var name, var ttl, { Text: "IN" }, var type, .. var data]
            && DnsName.Parse(name.Text) is { } owner && uint.TryParse(ttl.Text, out var seconds) && DnsTypes.Parse(type.Text) is { } known && DnsData.FromTokens(known, data, ".") is { } bytes
            ? new(owner, known, seconds, bytes) : throw new JsonException("a record is expected");

    public override void Write(Utf8JsonWriter writer, DnsRecord value, JsonSerializerOptions options) => writer.WriteStringValue(value.Line);
}
