using System.Globalization;

namespace Lotse.Ssh;

/// <summary>What kind of key a user has, as far as a login depends on it.</summary>
/// <param name="Name">The key type in the key's own encoding (RFC 4253 section 6.6): <c>ssh-rsa</c>, <c>ecdsa-sha2-nistp256</c>.</param>
/// <param name="Bits">Length of the modulus for RSA and DSA; 0 where it does not matter or is not known.</param>
public sealed record UserKeyType(string Name, int Bits)
{
    /// <summary>The signature algorithms of RSA keys (RFC 8332), in the order in which a client that knows no better tries them.</summary>
    public static readonly string[] RsaSignatures = ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"];

    /// <summary>Whether it is an RSA key, which alone has a choice of signature algorithms.</summary>
    public bool IsRsa => Name == "ssh-rsa";

    /// <summary>The signature algorithms that a key of this type can be used with.</summary>
    public string[] Signatures => IsRsa ? RsaSignatures : [Name];

    /// <summary>The names of <see cref="Signatures"/> for a certificate of such a key (PROTOCOL.certkeys; OpenSSH 7.8 release notes for RSA with SHA-2).</summary>
    public string[] Certified => [.. Signatures.Select(s => s.EndsWith("@openssh.com", StringComparison.Ordinal) ? s.Replace("@openssh.com", "-cert-v01@openssh.com", StringComparison.Ordinal) : s + "-cert-v01@openssh.com")];

    /// <summary>The word that people use: RSA, ECDSA, ED25519, DSA.</summary>
    public string Word => Name switch
    {
        "ssh-rsa" => "RSA",
        "ssh-dss" => "DSA",
        "ssh-ed25519" => "ED25519",
        _ when Name.StartsWith("ecdsa-", StringComparison.Ordinal) => "ECDSA",
        _ when Name.StartsWith("sk-ecdsa-", StringComparison.Ordinal) => "ECDSA-SK",
        _ when Name.StartsWith("sk-ssh-ed25519", StringComparison.Ordinal) => "ED25519-SK",
        _ => Name,
    };

    /// <summary>Reads a short name, as ssh-keygen(1) takes them with the bits behind: <c>rsa2048</c>, <c>ecdsa256</c>, <c>ed25519</c>; or a key type's full name.</summary>
    /// <returns>Null when it is none.</returns>
    public static UserKeyType? Parse(string text)
    {
        var letters = text.TrimEnd(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
        var bits = int.TryParse(text.AsSpan(letters.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;
        return text switch
        {
            "ed25519" => new("ssh-ed25519", 256),
            "ed25519-sk" => new("sk-ssh-ed25519@openssh.com", 256),
            "ecdsa-sk" => new("sk-ecdsa-sha2-nistp256@openssh.com", 256),
            "ecdsa" => new("ecdsa-sha2-nistp256", 256),
            _ when letters == "rsa" => new("ssh-rsa", bits),
            _ when letters == "dsa" => new("ssh-dss", bits == 0 ? 1024 : bits),
            _ when letters == "ecdsa" && bits is 256 or 384 or 521 => new($"ecdsa-sha2-nistp{bits}", bits),
            "ssh-rsa" or "ssh-dss" or "ssh-ed25519" or "ecdsa-sha2-nistp256" or "ecdsa-sha2-nistp384" or "ecdsa-sha2-nistp521"
                or "sk-ssh-ed25519@openssh.com" or "sk-ecdsa-sha2-nistp256@openssh.com" or "ssh-mldsa44-ed25519" => new(text, 0),
            _ => null,
        };
    }
}
