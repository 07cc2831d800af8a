using Org.BouncyCastle.Crypto;
using Org.BouncyCastle.Crypto.Digests;
using Org.BouncyCastle.Crypto.Parameters;
using Org.BouncyCastle.Crypto.Signers;
using Org.BouncyCastle.Math;

namespace Lotse.Ssh.Transport;

/// <summary>Whether a server really has the host key that it shows: RFC 4253 section 6.6, RFC 5656, RFC 8332, RFC 8709.</summary>
internal static class HostKeySignature
{
    /// <summary>Every algorithm that can be checked, best first.</summary>
    public static readonly string[] Names = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-512", "rsa-sha2-256", "ssh-rsa", "ssh-dss"];

    /// <summary>Checks a signature over the exchange hash.</summary>
    /// <param name="algorithm">The one agreed on.</param>
    /// <param name="key">The host key.</param>
    /// <param name="signature">Algorithm name and bytes.</param>
    /// <param name="hash">What was signed.</param>
    public static bool Verify(string algorithm, ReadOnlySpan<byte> key, ReadOnlySpan<byte> signature, byte[] hash)
    {
        var reader = new SshReader(signature);
        if (System.Text.Encoding.ASCII.GetString(reader.String()) != algorithm)
        {
            return false;
        }

        var bytes = reader.String().ToArray();
        var parts = new SshReader(key);
        var type = System.Text.Encoding.ASCII.GetString(parts.String());
        try
        {
            return algorithm switch
            {
                "ssh-ed25519" when type == algorithm => Ed25519(parts.String(), bytes, hash),
                "rsa-sha2-512" or "rsa-sha2-256" or "ssh-rsa" when type == "ssh-rsa" => Rsa(algorithm, ref parts, bytes, hash),
                "ssh-dss" when type == algorithm => Dsa(ref parts, bytes, hash),
                _ when type == algorithm && algorithm.StartsWith("ecdsa-sha2-", StringComparison.Ordinal) => Ecdsa(algorithm, ref parts, bytes, hash),
                _ => false,
            };
        }
        catch (Exception e) when (KeyExchange.IsRefusal(e))
        {
            return false;
        }
    }

    private static bool Ed25519(ReadOnlySpan<byte> key, byte[] signature, byte[] hash)
    {
        if (key.Length != 32 || signature.Length != 64)
        {
            return false;
        }

        var signer = new Ed25519Signer();
        signer.Init(forSigning: false, new Ed25519PublicKeyParameters(key.ToArray(), 0));
        signer.BlockUpdate(hash, 0, hash.Length);
        return signer.VerifySignature(signature);
    }

    /// <summary>
    /// RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2.2): the one encoding that is right is made and compared. Not by the library's signer:
    /// its key tests the modulus for primes with the platform's random numbers, which loads OpenSSL into a static binary and ends it
    /// where that library is of another system.
    /// </summary>
    private static bool Rsa(string algorithm, ref SshReader key, byte[] signature, byte[] hash)
    {
        BigInteger e = new(1, key.String().ToArray()), n = new(1, key.String().ToArray());
        if (n.BitLength is < 512 or > 16384 || e.BitLength is < 2 or > 64 || !n.TestBit(0) || !e.TestBit(0))
        {
            return false;
        }

        // DigestInfo up to the digest itself (RFC 8017 section 9.2, note 1).
        var (digest, info) = algorithm switch
        {
            "rsa-sha2-512" => ((IDigest)new Sha512Digest(), "3051300d060960864801650304020305000440"),
            "rsa-sha2-256" => (new Sha256Digest(), "3031300d060960864801650304020105000420"),
            _ => (new Sha1Digest(), "3021300906052b0e03021a05000414"),
        };
        byte[] end = [.. Convert.FromHexString(info), .. KeyExchange.Hash(digest, hash)];

        // Leading zeros may be cut off on the wire (RFC 4253 section 6.6 allows it, old servers do it).
        var size = (n.BitLength + 7) / 8;
        var number = new BigInteger(1, signature);
        if (signature.Length > size || number.CompareTo(n) >= 0 || size < end.Length + 11)
        {
            return false;
        }

        byte[] right = [0, 1, .. Enumerable.Repeat((byte)0xFF, size - end.Length - 3), 0, .. end];
        return number.ModPow(e, n).Equals(new BigInteger(1, right));
    }

    private static bool Dsa(ref SshReader key, byte[] signature, byte[] hash)
    {
        BigInteger p = new(1, key.String().ToArray()), q = new(1, key.String().ToArray()), g = new(1, key.String().ToArray()), y = new(1, key.String().ToArray());
        if (signature.Length != 40 || p.BitLength is < 512 or > 4096 || q.BitLength != 160)
        {
            return false;
        }

        var signer = new DsaSigner();
        signer.Init(forSigning: false, new DsaPublicKeyParameters(y, new DsaParameters(p, q, g)));
        return signer.VerifySignature(KeyExchange.Hash(new Sha1Digest(), hash), new BigInteger(1, signature[..20]), new BigInteger(1, signature[20..]));
    }

    private static bool Ecdsa(string algorithm, ref SshReader key, byte[] signature, byte[] hash)
    {
        if (System.Text.Encoding.ASCII.GetString(key.String()) != algorithm["ecdsa-sha2-".Length..])
        {
            return false;
        }

        var (name, digest) = algorithm[^3..] switch { "256" => ("P-256", (IDigest)new Sha256Digest()), "384" => ("P-384", new Sha384Digest()), _ => ("P-521", new Sha512Digest()) };
        var curve = Org.BouncyCastle.Crypto.EC.CustomNamedCurves.GetByName(name);
        var domain = new ECDomainParameters(curve);
        var signer = new ECDsaSigner();
        signer.Init(forSigning: false, new ECPublicKeyParameters(curve.Curve.DecodePoint(key.String().ToArray()), domain));
        var parts = new SshReader(signature);
        return signer.VerifySignature(KeyExchange.Hash(digest, hash), new BigInteger(1, parts.String().ToArray()), new BigInteger(1, parts.String().ToArray()));
    }
}
