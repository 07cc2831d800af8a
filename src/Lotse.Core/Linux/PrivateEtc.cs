namespace Lotse.Linux;

/// <summary>A temporary folder that one process sees as /etc.</summary>
internal sealed unsafe class PrivateEtc : IDisposable
{
    private const nuint Bind = 4096;
    private readonly List<string> files = [];

    /// <summary>Makes the folder (mode 0755, so that a user without rights over it can read).</summary>
    public PrivateEtc()
    {
        Path = $"/tmp/lotse-etc-{Environment.ProcessId}-{Environment.TickCount64:x}";
        fixed (byte* p = Files.Zero(Path))
        {
            Error = Libc.MakeDirectoryAt(Libc.AtFdCwd, p, 0x1ed) == 0 ? null : Files.Refused<bool>("make", Path, Errno.Last).Error;
        }
    }

    /// <summary>Where it is.</summary>
    public string Path { get; }

    /// <summary>Why there is no such folder.</summary>
    public HostError? Error { get; }

    /// <summary>Writes a file.</summary>
    public HostError? Write(string name, ReadOnlySpan<byte> bytes)
    {
        files.Add($"{Path}/{name}");
        return NewFile.Write(files[^1], bytes);
    }

    /// <summary>In the new process, inside its own mount namespace: lays a folder over /etc and becomes a program. Returns only when that fails.</summary>
    /// <returns>The words of the error.</returns>
    public static string Within(string folder, IReadOnlyList<string> program)
    {
        fixed (byte* source = Files.Zero(folder), target = "/etc\0"u8)
        {
            if (Libc.Mount(source, target, null, Bind, null) != 0)
            {
                return $"cannot lay {ByteText.Escape(folder)} over /etc: {Errno.Words(Errno.Last)}";
            }
        }

        var found = (Environment.GetEnvironmentVariable("PATH") ?? "/usr/sbin:/usr/bin:/sbin:/bin").Split(':').Select(f => $"{f}/{program[0]}").Where(f => new Files().Status(f).Ok).DefaultIfEmpty(program[0]).First();
        var words = program.Select(Files.Zero).ToArray();
        var pins = words.Select(w => System.Runtime.InteropServices.GCHandle.Alloc(w, System.Runtime.InteropServices.GCHandleType.Pinned)).ToArray();
        var pointers = stackalloc byte*[words.Length + 1];
        for (var i = 0; i < words.Length; i++)
        {
            pointers[i] = (byte*)pins[i].AddrOfPinnedObject();
        }

        pointers[words.Length] = null;
        fixed (byte* path = Files.Zero(found))
        {
            _ = Libc.Execute(path, pointers);
        }

        return $"cannot run {ByteText.Escape(found)}: {Errno.Words(Errno.Last)}";
    }

    /// <summary>Takes the folder away.</summary>
    public void Dispose()
    {
        foreach (var file in files)
        {
            fixed (byte* p = Files.Zero(file))
            {
                _ = Libc.UnlinkAt(Libc.AtFdCwd, p, 0);
            }
        }

        fixed (byte* p = Files.Zero(Path))
        {
            _ = Libc.UnlinkAt(Libc.AtFdCwd, p, 0x200);
        }
    }
}

/// <summary>What this process may.</summary>
internal static class Rights
{
    /// <summary>Whether the effective user is root.</summary>
    public static bool IsRoot => Libc.GetEffectiveUserId() == 0;
}
