using System.Buffers.Binary;
using System.Text;

namespace Lotse.Ssh.Transport;

/// <summary>The other side broke the protocol, sent too much, or took too long.</summary>
/// <param name="message">What, in one line.</param>
/// <param name="cause">The cause of the catalogue that it is, <see cref="BeyondLotse"/>, <see cref="HungUp"/>, or null: it is none of the catalogue.</param>
public sealed class SshProtocolException(string message, string? cause = null) : Exception(message)
{
    /// <summary>The server speaks nothing that this transport speaks; ssh itself may.</summary>
    public const string BeyondLotse = "beyond-lotse";

    /// <summary>The server ended the connection: what that means depends on how far it came.</summary>
    public const string HungUp = "hung-up";

    /// <summary>The cause.</summary>
    public string? Cause => cause;
}

/// <summary>Builds the data types of RFC 4251 section 5.</summary>
internal sealed class SshWriter
{
    private readonly List<byte> all = [];

    public SshWriter Byte(int value)
    {
        all.Add((byte)value);
        return this;
    }

    public SshWriter Raw(ReadOnlySpan<byte> bytes)
    {
        all.AddRange(bytes);
        return this;
    }

    public SshWriter UInt32(uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return Raw(bytes);
    }

    public SshWriter String(ReadOnlySpan<byte> bytes) => UInt32((uint)bytes.Length).Raw(bytes);

    public SshWriter String(string text) => String(Encoding.UTF8.GetBytes(text));

    public SshWriter Names(IEnumerable<string> names) => String(string.Join(',', names));

    /// <summary>A positive multiple precision integer of big-endian bytes: no leading zeros but the one that keeps it positive.</summary>
    public SshWriter Mpint(ReadOnlySpan<byte> unsigned)
    {
        var bytes = unsigned.TrimStart((byte)0);
        return bytes.IsEmpty ? UInt32(0) : bytes[0] >= 0x80 ? UInt32((uint)bytes.Length + 1).Byte(0).Raw(bytes) : String(bytes);
    }

    public byte[] ToArray() => [.. all];
}

/// <summary>Reads the data types of RFC 4251 section 5 from bytes that may be anything.</summary>
internal ref struct SshReader(ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> rest = bytes;

    public readonly bool AtEnd => rest.IsEmpty;

    public byte Byte() => Take(1)[0];

    public uint UInt32() => BinaryPrimitives.ReadUInt32BigEndian(Take(4));

    public ReadOnlySpan<byte> String() => UInt32() is var length && length <= (uint)rest.Length ? Take((int)length) : throw new SshProtocolException("a string is longer than its packet");

    public ReadOnlySpan<byte> Take(int count)
    {
        if (count > rest.Length)
        {
            throw new SshProtocolException("a packet ends too early");
        }

        var taken = rest[..count];
        rest = rest[count..];
        return taken;
    }

    /// <summary>A name-list; names of more than 64 characters are against RFC 4251 section 6 and are kept as they are, in escaped form.</summary>
    public string[] Names()
    {
        var text = ByteText.Decode(String());
        return text.Length == 0 ? [] : text.Split(',');
    }
}
