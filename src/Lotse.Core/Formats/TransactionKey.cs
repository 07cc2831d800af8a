using System.Buffers.Binary;
using System.Text.RegularExpressions;

namespace Lotse.Formats;

/// <summary>
/// A key that signs DNS messages (TSIG, RFC 8945), HMAC-SHA256 alone. Its secret lives in a file, never in a plan or a report.
/// </summary>
/// <param name="Name">Canonical name of the key.</param>
/// <param name="Secret">The shared secret.</param>
public sealed partial record TransactionKey(string Name, byte[] Secret)
{
    private const string Algorithm = "hmac-sha256";
    private const int Fudge = 300;
    private const int ClassAny = 255;

    /// <summary>
    /// Reads a key file: <c>key "name" { algorithm hmac-sha256; secret "…"; };</c> as tsig-keygen(8) writes it, or
    /// <c>hmac-sha256:name:secret</c> as the first line of keymgr(8) has it.
    /// </summary>
    /// <returns>Null when it is none, or of another algorithm.</returns>
    public static TransactionKey? Parse(string text)
    {
        var match = Statement().Match(text) is { Success: true } statement ? statement : Short().Match(text);
        if (!match.Success || DnsName.Parse(match.Groups["name"].Value) is not { } name)
        {
            return null;
        }

        var secret = new byte[match.Groups["secret"].Length];
        return Convert.TryFromBase64String(match.Groups["secret"].Value, secret, out var length) ? new(name, secret[..length]) : null;
    }

    /// <summary>The message with its signature as the last record.</summary>
    /// <param name="message">A whole message.</param>
    /// <param name="time">When it is signed.</param>
    /// <param name="before">MAC of the request, when this is its answer.</param>
    /// <returns>The signed message and its MAC.</returns>
    public (byte[] Message, byte[] Mac) Sign(byte[] message, DateTimeOffset time, byte[]? before = null)
    {
        var seconds = time.ToUnixTimeSeconds();
        var mac = Mac(message, seconds, Fudge, before);
        var data = new List<byte>(DnsName.ToWire(Algorithm));
        Time(data, seconds);
        DnsMessage.Short(data, Fudge);
        DnsMessage.Short(data, mac.Length);
        data.AddRange(mac);
        data.AddRange(message.AsSpan(0, 2));
        DnsMessage.Short(data, 0);
        DnsMessage.Short(data, 0);
        var signed = new List<byte>(message);
        DnsMessage.Record(signed, Name, DnsType.TSIG, ClassAny, 0, [.. data]);
        var bytes = signed.ToArray();
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(10), (ushort)(BinaryPrimitives.ReadUInt16BigEndian(message.AsSpan(10)) + 1));
        return (bytes, mac);
    }

    /// <summary>Whether an answer to a signed request carries a good signature of this key.</summary>
    public bool Verifies(byte[] answer, byte[] request)
    {
        if (DnsMessage.LastRecord(answer) is not { } at)
        {
            return false;
        }

        var name = DnsName.ToWire(Name);
        var algorithm = DnsName.ToWire(Algorithm);
        var start = at + name.Length + 10;
        var rest = answer.AsSpan(Math.Min(start, answer.Length));
        if (!answer.AsSpan(at).StartsWith(name) || rest.Length < algorithm.Length + 10 + 32 || !rest.StartsWith(algorithm))
        {
            return false;
        }

        rest = rest[algorithm.Length..];
        var seconds = ((long)BinaryPrimitives.ReadUInt16BigEndian(rest) << 32) | BinaryPrimitives.ReadUInt32BigEndian(rest[2..]);
        var (fudge, length) = (BinaryPrimitives.ReadUInt16BigEndian(rest[6..]), BinaryPrimitives.ReadUInt16BigEndian(rest[8..]));
        if (length != 32)
        {
            return false;
        }

        // As it was before it was signed: without the record, one additional record less.
        var plain = answer[..at];
        BinaryPrimitives.WriteUInt16BigEndian(plain.AsSpan(10), (ushort)(BinaryPrimitives.ReadUInt16BigEndian(answer.AsSpan(10)) - 1));
        return Mac(plain, seconds, fudge, request).AsSpan().SequenceEqual(rest.Slice(10, 32));
    }

    private byte[] Mac(byte[] message, long seconds, int fudge, byte[]? before)
    {
        var signed = new List<byte>();
        if (before is not null)
        {
            DnsMessage.Short(signed, before.Length);
            signed.AddRange(before);
        }

        signed.AddRange(message);
        signed.AddRange(DnsName.ToWire(Name));
        DnsMessage.Short(signed, ClassAny);
        DnsMessage.Short(signed, 0);
        DnsMessage.Short(signed, 0);
        signed.AddRange(DnsName.ToWire(Algorithm));
        Time(signed, seconds);
        DnsMessage.Short(signed, fudge);
        DnsMessage.Short(signed, 0);
        DnsMessage.Short(signed, 0);
        return Hmac([.. signed]);
    }

    /// <summary>RFC 2104 over SHA-256.</summary>
    private byte[] Hmac(byte[] message)
    {
        var key = new byte[64];
        (Secret.Length > 64 ? Digest(Secret) : Secret).CopyTo(key, 0);
        return Digest([.. key.Select(b => (byte)(b ^ 0x5c)), .. Digest([.. key.Select(b => (byte)(b ^ 0x36)), .. message])]);
    }

    private static byte[] Digest(byte[] bytes) => Convert.FromHexString(Sha256.Hex(bytes));

    private static void Time(List<byte> message, long seconds)
    {
        DnsMessage.Short(message, (int)(seconds >> 32));
        DnsMessage.Short(message, (int)((seconds >> 16) & 0xffff));
        DnsMessage.Short(message, (int)(seconds & 0xffff));
    }

    [GeneratedRegex("""key\s+"?(?<name>[^"\s{]+)"?\s*\{[^}]*algorithm\s+"?hmac-sha256"?\s*;[^}]*secret\s+"?(?<secret>[A-Za-z0-9+/=]+)"?\s*;""", RegexOptions.IgnoreCase)]
    private static partial Regex Statement();

    [GeneratedRegex(@"^\s*#?\s*hmac-sha256:(?<name>[^:\s]+):(?<secret>[A-Za-z0-9+/=]+)\s*$", RegexOptions.IgnoreCase | RegexOptions.Multiline)]
    private static partial Regex Short();
}
