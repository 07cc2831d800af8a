using System.Runtime.InteropServices;

namespace Lotse.Linux;

/// <summary>Random bytes by getrandom(2): the platform's own generator needs OpenSSL's library, which a static binary has not.</summary>
internal static unsafe partial class KernelRandom
{
    /// <summary>Fills with bytes fit for keys. Waits only in the first seconds after a machine's start.</summary>
    public static void Fill(Span<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            fixed (byte* at = bytes)
            {
                // At most 256 bytes are given without interruption by signals.
                var got = GetRandom(at, Math.Min(bytes.Length, 256), 0);
                bytes = got > 0 ? bytes[(int)got..] : bytes;
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "getrandom", SetLastError = true)]
    private static partial nint GetRandom(byte* buffer, nint count, uint flags);
}
