namespace Lotse.Linux;

/// <summary>swapon(2) and swapoff(2).</summary>
internal static unsafe class SwapArea
{
    private const int Prefer = 0x8000, PriorityMask = 0x7fff;

    /// <summary>Takes a swap area out of use; all it holds comes back into memory, which may take minutes.</summary>
    /// <returns>0 or the error number.</returns>
    public static int Off(string path)
    {
        fixed (byte* p = Files.Zero(path))
        {
            return Libc.SwapOff(p) == 0 ? 0 : Errno.Last;
        }
    }

    /// <summary>Puts a swap area into use.</summary>
    /// <param name="path">Device or file.</param>
    /// <param name="priority">Its priority; negative: the kernel chooses.</param>
    /// <returns>0 or the error number.</returns>
    public static int On(string path, int priority)
    {
        fixed (byte* p = Files.Zero(path))
        {
            return Libc.SwapOn(p, priority < 0 ? 0 : Prefer | (priority & PriorityMask)) == 0 ? 0 : Errno.Last;
        }
    }
}
