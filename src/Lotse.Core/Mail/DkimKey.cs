using Lotse.Formats;

namespace Lotse.Mail;

/// <summary>A DKIM key record (RFC 6376 section 3.6.1, RFC 8463).</summary>
/// <param name="Text">As published, its strings joined.</param>
/// <param name="Algorithm">k=: rsa, ed25519 or what else stands there.</param>
/// <param name="Bits">Bits of an RSA modulus; 0 for other keys.</param>
/// <param name="Fault">What is wrong with it; null: nothing.</param>
public sealed record DkimKey(string Text, string Algorithm, int Bits, string? Fault)
{
    /// <summary>p= is empty: the key is revoked.</summary>
    public bool Revoked { get; init; }

    /// <summary>t=y: whoever reads it is to treat signed mail as unsigned.</summary>
    public bool Testing { get; init; }

    /// <summary>h= names sha1 alone.</summary>
    public bool Sha1Only { get; init; }

    /// <summary>Reads a record.</summary>
    public static DkimKey Parse(string text)
    {
        var tags = new Dictionary<string, string>(StringComparer.Ordinal);
        var first = true;
        foreach (var part in text.Split(';'))
        {
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            if (equals < 0)
            {
                if (part.Trim().Length > 0)
                {
                    return new(text, "rsa", 0, $"\"{Short(part)}\" is no tag");
                }

                continue;
            }

            var (name, value) = (part[..equals].Trim(), part[(equals + 1)..].Trim());
            if (name == "v" && (!first || value != "DKIM1"))
            {
                return new(text, "rsa", 0, first ? $"the version is \"{Short(value)}\", not DKIM1" : "v= is not the first tag");
            }

            if (!tags.TryAdd(name, value))
            {
                return new(text, "rsa", 0, $"{Short(name)}= stands twice");
            }

            first = false;
        }

        var algorithm = tags.GetValueOrDefault("k") is { Length: > 0 } k ? k.ToLowerInvariant() : "rsa";
        var key = new DkimKey(text, algorithm, 0, null)
        {
            Testing = (tags.GetValueOrDefault("t") ?? "").Split(':').Any(f => f.Trim() == "y"),
            Sha1Only = tags.GetValueOrDefault("h") is { } h && h.Split(':').Select(f => f.Trim()).ToArray() is ["sha1", ..] hashes && hashes.All(f => f == "sha1"),
        };
        if (!tags.TryGetValue("p", out var p))
        {
            return key with { Fault = "p=, the key itself, is missing" };
        }

        // Folding white space inside base64 is allowed; anything else is not.
        p = string.Concat(p.Where(c => c is not (' ' or '\t' or '\r' or '\n')));
        if (p.Length == 0)
        {
            return key with { Revoked = true };
        }

        var bytes = new byte[p.Length];
        if (!Convert.TryFromBase64String(p, bytes, out var length))
        {
            return key with { Fault = "p= is not base64" };
        }

        if (algorithm == "ed25519")
        {
            return length == 32 ? key : key with { Fault = $"an Ed25519 key has 32 octets, this one {length}" };
        }

        return algorithm != "rsa" ? key with { Fault = $"the algorithm \"{Short(algorithm)}\" is not known" }
            : ModulusBits(bytes.AsSpan(0, length)) is { } bits ? key with { Bits = bits }
            : key with { Fault = "p= is no RSA key" };
    }

    private static string Short(string text) => ByteText.Escape(text.Length > 40 ? text[..40] + "…" : text);

    /// <summary>The modulus of a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7), or of a bare RSAPublicKey (RFC 8017 appendix A.1.1).</summary>
    private static int? ModulusBits(ReadOnlySpan<byte> der)
    {
        if (!Element(der, 0x30, out var outer))
        {
            return null;
        }

        var rsa = outer;
        if (outer is [0x30, ..])
        {
            // Algorithm, then a bit string with no unused bits that holds the key.
            if (!Element(outer, 0x30, out var algorithm) || !Element(outer[Length(outer, algorithm)..], 0x03, out var bits) || bits is not [0, ..] || !Element(bits[1..], 0x30, out rsa))
            {
                return null;
            }
        }

        if (!Element(rsa, 0x02, out var modulus))
        {
            return null;
        }

        modulus = modulus.TrimStart((byte)0);
        return modulus.IsEmpty ? null : (modulus.Length * 8) - System.Numerics.BitOperations.LeadingZeroCount((uint)modulus[0]) + 24;
    }

    /// <summary>Octets that an element took, header included.</summary>
    private static int Length(ReadOnlySpan<byte> der, ReadOnlySpan<byte> content) => content.Length + (der[1] < 0x80 ? 2 : 2 + (der[1] & 0x7f));

    private static bool Element(ReadOnlySpan<byte> der, byte tag, out ReadOnlySpan<byte> content)
    {
        content = default;
        if (der.Length < 2 || der[0] != tag)
        {
            return false;
        }

        var (length, at) = ((int)der[1], 2);
        if (length >= 0x80)
        {
            var octets = length & 0x7f;
            if (octets is 0 or > 3 || der.Length < 2 + octets)
            {
                return false;
            }

            length = 0;
            for (; at < 2 + octets; at++)
            {
                length = (length << 8) | der[at];
            }
        }

        if (at + length > der.Length)
        {
            return false;
        }

        content = der.Slice(at, length);
        return true;
    }
}
