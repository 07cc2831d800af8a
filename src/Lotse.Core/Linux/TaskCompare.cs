using System.Runtime.InteropServices;

namespace Lotse.Linux;

/// <summary>kcmp(2): whether two processes share a resource.</summary>
internal static class TaskCompare
{
    private const nint MemoryOf = 1;

    private static readonly nint Number = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 272 : 312;

    /// <summary>Whether both have one address space (CLONE_VM). False where the kernel does not tell.</summary>
    public static bool IsSameMemory(int a, int b) => Libc.SystemCall(Number, a, b, MemoryOf) == 0;
}
