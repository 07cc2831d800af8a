using System.Buffers.Binary;
using System.Text;
using Lotse.Formats;

namespace Lotse.Ssh;

/// <summary>A public key as its file or a line of authorized_keys has it (RFC 4253 section 6.6).</summary>
/// <param name="Type">The key type that stands inside the blob.</param>
/// <param name="Blob">The key.</param>
/// <param name="Comment">What follows it.</param>
public sealed record PublicKey(string Type, byte[] Blob, string Comment)
{
    /// <summary>The longest blob that is looked at: RSA of 16384 bits has 2 KiB, certificates a little more.</summary>
    public const int LongestBlob = 16384;

    /// <summary><c>SHA256:…</c> as ssh prints it.</summary>
    public string Fingerprint => "SHA256:" + Convert.ToBase64String(Convert.FromHexString(Sha256.Hex(Blob))).TrimEnd('=');

    /// <summary>Whether it is a certificate.</summary>
    public bool IsCertificate => Type.Contains("-cert", StringComparison.Ordinal);

    /// <summary>Whether this certificate is one for that key: behind its nonce it holds the key's own fields (PROTOCOL.certkeys).</summary>
    public bool Certifies(PublicKey key)
    {
        ReadOnlySpan<byte> mine = Blob, plain = key.Blob;
        Field(ref mine);
        Field(ref mine);
        Field(ref plain);
        return IsCertificate && !plain.IsEmpty && KeyType.Name == key.Type && mine.StartsWith(plain);
    }

    /// <summary>Type and length, as far as a login depends on them.</summary>
    public UserKeyType KeyType => new(Type.Replace("-cert-v01@openssh.com", "", StringComparison.Ordinal), Type == "ssh-rsa" ? RsaBits() : 0);

    /// <summary>Reads <c>TYPE BASE64 COMMENT</c>.</summary>
    /// <returns>Null when it is none.</returns>
    public static PublicKey? Parse(ReadOnlySpan<char> line)
    {
        var words = line.Trim().ToString().Split((char[])[' ', '\t'], 3, StringSplitOptions.RemoveEmptyEntries);
        if (words.Length < 2 || words[1].Length > LongestBlob * 4 / 3)
        {
            return null;
        }

        var blob = new byte[words[1].Length];
        return Convert.TryFromBase64String(words[1], blob, out var length) && TypeOf(blob.AsSpan(0, length)) == words[0]
            ? new(words[0], blob[..length], words.Length > 2 ? words[2] : "") : null;
    }

    /// <summary>The type that a blob begins with; null when it is no key.</summary>
    public static string? TypeOf(ReadOnlySpan<byte> blob) => Field(ref blob) is { Length: > 0 and <= 64 } type && !type.ContainsAnyExceptInRange((byte)'!', (byte)'~') && !blob.IsEmpty ? Encoding.ASCII.GetString(type) : null;

    /// <summary>The next string of RFC 4251 section 5; default when the rest is too short.</summary>
    private static ReadOnlySpan<byte> Field(ref ReadOnlySpan<byte> rest)
    {
        if (rest.Length < 4 || BinaryPrimitives.ReadUInt32BigEndian(rest) is var length && length > (uint)(rest.Length - 4))
        {
            return default;
        }

        var field = rest.Slice(4, (int)length);
        rest = rest[(4 + (int)length)..];
        return field;
    }

    private int RsaBits()
    {
        ReadOnlySpan<byte> rest = Blob;
        Field(ref rest);
        Field(ref rest);
        var modulus = Field(ref rest).TrimStart((byte)0);
        return modulus.IsEmpty ? 0 : ((modulus.Length - 1) * 8) + 32 - System.Numerics.BitOperations.LeadingZeroCount(modulus[0]);
    }
}
