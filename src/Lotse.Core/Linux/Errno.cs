using System.Runtime.InteropServices;

namespace Lotse.Linux;

/// <summary>The system's error numbers (asm-generic/errno.h, the same on x86-64 and arm64) and their words.</summary>
internal static class Errno
{
    public const int NotPermitted = 1, NoEntry = 2, NoProcess = 3, Interrupted = 4, Io = 5, BadDescriptor = 9, Again = 11, NoMemory = 12, AccessDenied = 13, Fault = 14,
        Busy = 16, Exists = 17, NotDirectory = 20, IsDirectory = 21, Invalid = 22, NotTerminal = 25, NoSpace = 28, ReadOnlyFileSystem = 30, BrokenPipe = 32, NameTooLong = 36,
        NoSystemCall = 38, Loop = 40, NotSupported = 95;

    /// <summary>The error of the last call on this thread.</summary>
    public static int Last => Marshal.GetLastPInvokeError();

    /// <summary>The class that callers decide by.</summary>
    public static HostErrorKind Kind(int errno) => errno switch
    {
        NoEntry or NotDirectory or NoProcess => HostErrorKind.NotFound,
        NotPermitted or AccessDenied => HostErrorKind.Denied,
        NoSystemCall or NotSupported => HostErrorKind.Unsupported,
        _ => HostErrorKind.Failed,
    };

    /// <summary>The words for a message: lower case, as the other messages are.</summary>
    public static string Words(int errno) => errno switch
    {
        NotPermitted => "operation not permitted",
        NoEntry => "no such file or directory",
        NoProcess => "no such process",
        Io => "input/output error",
        AccessDenied => "permission denied",
        NotDirectory => "not a directory",
        IsDirectory => "is a directory",
        NoSpace => "no space left on device",
        ReadOnlyFileSystem => "read-only file system",
        NameTooLong => "file name too long",
        Loop => "too many levels of symbolic links",
        _ => Marshal.GetPInvokeErrorMessage(errno).ToLowerInvariant(),
    };
}
