using Org.BouncyCastle.Crypto;
using Org.BouncyCastle.Crypto.Digests;
using Org.BouncyCastle.Crypto.Generators;
using Org.BouncyCastle.Crypto.Kems;
using Org.BouncyCastle.Crypto.Parameters;
using Org.BouncyCastle.Math;
using Org.BouncyCastle.Math.EC;
using Org.BouncyCastle.Math.EC.Rfc7748;
using Org.BouncyCastle.Security;

namespace Lotse.Ssh.Transport;

/// <summary>
/// The client's half of a key exchange: RFC 4253 section 8 (groups of RFC 2409, RFC 3526), RFC 5656, RFC 8731,
/// draft-ietf-sshm-mlkem-hybrid-kex. One object for one exchange.
/// </summary>
internal abstract class KeyExchange
{
    /// <summary>Every method that is spoken, quick ones first: what a server has decides.</summary>
    public static readonly string[] Names =
    [
        "curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521", "diffie-hellman-group14-sha256", "diffie-hellman-group14-sha1",
        "mlkem768x25519-sha256", "diffie-hellman-group16-sha512", "diffie-hellman-group18-sha512", "diffie-hellman-group1-sha1",
    ];

    /// <summary>What is sent.</summary>
    public abstract byte[] Public { get; }

    /// <summary>Whether the two values are integers (Diffie-Hellman) or strings.</summary>
    public virtual bool IsInteger => false;

    /// <summary>The exchange's hash.</summary>
    public abstract IDigest Digest { get; }

    /// <summary>The shared secret as it goes into the exchange hash: an mpint, or a string for hybrids.</summary>
    /// <exception cref="SshProtocolException">The other side's value is not one that the method allows.</exception>
    public byte[] AgreeOn(ReadOnlySpan<byte> theirs)
    {
        try
        {
            return Agree(theirs);
        }
        catch (Exception e) when (IsRefusal(e))
        {
            throw new SshProtocolException("the server's value is none that the key exchange allows");
        }
    }

    /// <summary>Whether the library has refused a key, a point or a signature of nonsense: it does so in many ways.</summary>
    public static bool IsRefusal(Exception e) => e is ArgumentException or ArithmeticException or FormatException or InvalidOperationException or CryptoException or IndexOutOfRangeException;

    private protected abstract byte[] Agree(ReadOnlySpan<byte> theirs);

    /// <summary>Begins an exchange.</summary>
    public static KeyExchange Begin(string name, SecureRandom random) => name switch
    {
        "curve25519-sha256" or "curve25519-sha256@libssh.org" => new Curve25519(random),
        "ecdh-sha2-nistp256" => new Curve("P-256", new Sha256Digest(), random),
        "ecdh-sha2-nistp384" => new Curve("P-384", new Sha384Digest(), random),
        "ecdh-sha2-nistp521" => new Curve("P-521", new Sha512Digest(), random),
        "mlkem768x25519-sha256" => new Hybrid(random),
        "diffie-hellman-group14-sha256" => new Group(14, 2048, new Sha256Digest(), random),
        "diffie-hellman-group14-sha1" => new Group(14, 2048, new Sha1Digest(), random),
        "diffie-hellman-group16-sha512" => new Group(16, 4096, new Sha512Digest(), random),
        "diffie-hellman-group18-sha512" => new Group(18, 8192, new Sha512Digest(), random),
        _ => new Group(1, 1024, new Sha1Digest(), random),
    };

    /// <summary>A digest of bytes.</summary>
    public static byte[] Hash(IDigest digest, params ReadOnlySpan<byte[]> parts)
    {
        digest.Reset();
        foreach (var part in parts)
        {
            digest.BlockUpdate(part, 0, part.Length);
        }

        var hash = new byte[digest.GetDigestSize()];
        digest.DoFinal(hash, 0);
        return hash;
    }

    private static byte[] SharedX25519(byte[] secret, ReadOnlySpan<byte> theirs)
    {
        var shared = new byte[X25519.PointSize];
        return theirs.Length == X25519.PointSize && X25519.CalculateAgreement(secret, 0, theirs.ToArray(), 0, shared, 0)
            ? shared : throw new SshProtocolException("the server's value is no point of curve25519");
    }

    private sealed class Curve25519 : KeyExchange
    {
        private readonly byte[] secret = new byte[X25519.ScalarSize];

        public Curve25519(SecureRandom random)
        {
            X25519.GeneratePrivateKey(random, secret);
            X25519.GeneratePublicKey(secret, 0, Public, 0);
        }

        public override byte[] Public { get; } = new byte[X25519.PointSize];

        public override IDigest Digest { get; } = new Sha256Digest();

        private protected override byte[] Agree(ReadOnlySpan<byte> theirs) => new SshWriter().Mpint(SharedX25519(secret, theirs)).ToArray();
    }

    private sealed class Curve : KeyExchange
    {
        private readonly ECPoint generator;
        private readonly BigInteger order;
        private readonly BigInteger secret;

        public Curve(string name, IDigest digest, SecureRandom random)
        {
            var parameters = Org.BouncyCastle.Crypto.EC.CustomNamedCurves.GetByName(name);
            (generator, order, Digest) = (parameters.G, parameters.N, digest);
            secret = new BigInteger(order.BitLength + 64, random).Mod(order.Subtract(BigInteger.One)).Add(BigInteger.One);
            var (x, y) = Affine(generator.Multiply(secret));
            Public = [4, .. x, .. y];
        }

        public override byte[] Public { get; }

        public override IDigest Digest { get; }

        private protected override byte[] Agree(ReadOnlySpan<byte> theirs)
        {
            // DecodePoint checks that the point is on the curve (RFC 5656 section 4).
            var point = generator.Curve.DecodePoint(theirs.ToArray());
            return point.IsInfinity || !point.IsValid() ? throw new ArgumentException("not a point") : new SshWriter().Mpint(Affine(point.Multiply(secret)).X).ToArray();
        }

        /// <summary>
        /// The affine coordinates of a point in Jacobian ones: X/Z², Y/Z³. Not ECPoint.Normalize, which blinds with the
        /// platform's random numbers: those load OpenSSL into a static binary and break its memory. The secret is used once.
        /// </summary>
        private static (byte[] X, byte[] Y) Affine(ECPoint point)
        {
            if (point.IsInfinity || point.Curve.CoordinateSystem != ECCurve.COORD_JACOBIAN)
            {
                throw new ArgumentException("not a point in Jacobian coordinates");
            }

            var inverse = point.GetZCoord(0).Invert();
            var square = inverse.Square();
            return (point.XCoord.Multiply(square).GetEncoded(), point.YCoord.Multiply(square).Multiply(inverse).GetEncoded());
        }
    }

    private sealed class Group : KeyExchange
    {
        private readonly BigInteger prime;
        private readonly BigInteger secret;

        public Group(int number, int bits, IDigest digest, SecureRandom random)
        {
            prime = number switch
            {
                1 => Org.BouncyCastle.Crypto.Agreement.DHStandardGroups.rfc2409_1024.P,
                14 => Org.BouncyCastle.Crypto.Agreement.DHStandardGroups.rfc3526_2048.P,
                16 => Org.BouncyCastle.Crypto.Agreement.DHStandardGroups.rfc3526_4096.P,
                _ => Org.BouncyCastle.Crypto.Agreement.DHStandardGroups.rfc3526_8192.P,
            };

            // Twice the strength of the keys that come out of it is enough (RFC 4419 section 6.2).
            Digest = digest;
            secret = new BigInteger(Math.Min(bits - 1, 512), random).SetBit(256);
            Public = BigInteger.Two.ModPow(secret, prime).ToByteArrayUnsigned();
        }

        public override byte[] Public { get; }

        public override bool IsInteger => true;

        public override IDigest Digest { get; }

        private protected override byte[] Agree(ReadOnlySpan<byte> theirs)
        {
            var f = theirs.Length <= 1025 ? new BigInteger(1, theirs.ToArray()) : BigInteger.Zero;
            return f.CompareTo(BigInteger.One) > 0 && f.CompareTo(prime.Subtract(BigInteger.One)) < 0
                ? new SshWriter().Mpint(f.ModPow(secret, prime).ToByteArrayUnsigned()).ToArray()
                : throw new SshProtocolException("the server's value is outside of the group");
        }
    }

    /// <summary>ML-KEM-768 and X25519 together; the secret is the hash of both.</summary>
    private sealed class Hybrid : KeyExchange
    {
        private const int CiphertextSize = 1088;
        private readonly byte[] secret = new byte[X25519.ScalarSize];
        private readonly MLKemPrivateKeyParameters decapsulation;

        public Hybrid(SecureRandom random)
        {
            var generator = new MLKemKeyPairGenerator();
            generator.Init(new MLKemKeyGenerationParameters(random, MLKemParameters.ml_kem_768));
            var pair = generator.GenerateKeyPair();
            decapsulation = (MLKemPrivateKeyParameters)pair.Private;
            X25519.GeneratePrivateKey(random, secret);
            var point = new byte[X25519.PointSize];
            X25519.GeneratePublicKey(secret, 0, point, 0);
            Public = [.. ((MLKemPublicKeyParameters)pair.Public).GetEncoded(), .. point];
        }

        public override byte[] Public { get; }

        public override IDigest Digest { get; } = new Sha256Digest();

        private protected override byte[] Agree(ReadOnlySpan<byte> theirs)
        {
            if (theirs.Length != CiphertextSize + X25519.PointSize)
            {
                throw new SshProtocolException("the server's value has not the length that ML-KEM-768 with X25519 has");
            }

            var kem = new MLKemDecapsulator(MLKemParameters.ml_kem_768);
            kem.Init(decapsulation);
            var shared = new byte[kem.SecretLength];
            kem.Decapsulate(theirs[..CiphertextSize].ToArray(), 0, CiphertextSize, shared, 0, shared.Length);
            return new SshWriter().String(Hash(new Sha256Digest(), shared, SharedX25519(secret, theirs[CiphertextSize..]))).ToArray();
        }
    }
}
