using System.Security.Cryptography;
using System.Text;
using Lotse.Ssh.Transport;
using Xunit;

namespace Lotse.Tests.Ssh;

/// <summary>RSA signatures of host keys, made by the platform and checked without it.</summary>
public class HostKeySignatureTests
{
    private static readonly byte[] Hash = SHA256.HashData("the exchange"u8);

    [Theory]
    [InlineData("ssh-rsa", "SHA1", 1024)]
    [InlineData("ssh-rsa", "SHA1", 2040)]
    [InlineData("rsa-sha2-256", "SHA256", 2048)]
    [InlineData("rsa-sha2-512", "SHA512", 3072)]
    public void An_RSA_signature_is_checked(string algorithm, string digest, int bits)
    {
        using var rsa = RSA.Create(bits);
        var (key, signature) = (Key(rsa), rsa.SignData(Hash, new HashAlgorithmName(digest), RSASignaturePadding.Pkcs1));
        Assert.True(Verify(algorithm, key, signature));
        Assert.False(HostKeySignature.Verify(algorithm, key, new SshWriter().String(algorithm).String(signature).ToArray(), [.. Hash[..^1], (byte)(Hash[^1] ^ 1)]));
        Assert.False(Verify(algorithm == "ssh-rsa" ? "rsa-sha2-256" : "ssh-rsa", key, signature));
        foreach (var at in new[] { 0, signature.Length / 2, signature.Length - 1 })
        {
            var other = signature.ToArray();
            other[at] ^= 1;
            Assert.False(Verify(algorithm, key, other));
        }

        // One that only ends rightly, and one behind more bytes than the modulus has.
        Assert.False(Verify(algorithm, key, rsa.SignData(Hash, new HashAlgorithmName(digest), RSASignaturePadding.Pss)));
        Assert.False(Verify(algorithm, key, [0, .. signature]));
        Assert.False(Verify(algorithm, key, []));
        using var stranger = RSA.Create(bits);
        Assert.False(Verify(algorithm, Key(stranger), signature));
    }

    /// <summary>Old servers send a signature as the number that it is, without zeros in front.</summary>
    [Fact]
    public void Zeros_in_front_may_be_missing()
    {
        using var rsa = RSA.Create(1024);
        for (var tries = 0; tries < 5000; tries++)
        {
            var hash = SHA256.HashData(Encoding.ASCII.GetBytes($"exchange {tries}"));
            if (rsa.SignData(hash, HashAlgorithmName.SHA1, RSASignaturePadding.Pkcs1) is [0, .. var rest])
            {
                Assert.True(HostKeySignature.Verify("ssh-rsa", Key(rsa), new SshWriter().String("ssh-rsa").String(rest).ToArray(), hash));
                return;
            }
        }

        Assert.Fail("no signature begins with zeros");
    }

    private static bool Verify(string algorithm, byte[] key, byte[] signature) => HostKeySignature.Verify(algorithm, key, new SshWriter().String(algorithm).String(signature).ToArray(), Hash);

    private static byte[] Key(RSA rsa)
    {
        var parts = rsa.ExportParameters(false);
        return new SshWriter().String("ssh-rsa").Mpint(parts.Exponent!).Mpint(parts.Modulus!).ToArray();
    }
}
