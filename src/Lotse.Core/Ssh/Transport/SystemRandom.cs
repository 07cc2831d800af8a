using Lotse.Linux;
using Org.BouncyCastle.Crypto.Prng;

namespace Lotse.Ssh.Transport;

/// <summary>Random bytes of the kernel. The platform's own generator needs OpenSSL's library, and the library's default is the platform's.</summary>
internal sealed class SystemRandom : IRandomGenerator
{
    public void AddSeedMaterial(byte[] seed)
    {
    }

    public void AddSeedMaterial(ReadOnlySpan<byte> seed)
    {
    }

    public void AddSeedMaterial(long seed)
    {
    }

    public void NextBytes(byte[] bytes) => KernelRandom.Fill(bytes);

    public void NextBytes(byte[] bytes, int start, int len) => KernelRandom.Fill(bytes.AsSpan(start, len));

    public void NextBytes(Span<byte> bytes) => KernelRandom.Fill(bytes);
}
