namespace Lotse.Formats;

/// <summary>Fields of /proc/PID/stat by the numbers of proc_pid_stat(5).</summary>
public static class ProcessStat
{
    /// <summary>The process that started it.</summary>
    public const int Parent = 4;

    /// <summary>The process group.</summary>
    public const int Group = 5;

    /// <summary>Major faults, those of ended threads not included.</summary>
    public const int MajorFaults = 12;

    /// <summary>Start of the process, clock ticks after boot: with the pid, its identity.</summary>
    public const int StartTime = 22;

    /// <summary>
    /// A field from the third on; null where the text has none. The name, the second field, may hold anything, blanks
    /// and parentheses too, so fields are counted from the last ')'.
    /// </summary>
    public static long? Field(ReadOnlySpan<byte> text, int number)
    {
        var fields = ByteText.Decode(text[(text.LastIndexOf((byte)')') + 1)..]).Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return fields.Length > number - 3 && long.TryParse(fields[number - 3], out var value) ? value : null;
    }

    /// <summary>A field of a host's process; null where it has gone.</summary>
    public static long? Read(Host host, int pid, int number) => host.ReadFile($"/proc/{pid}/stat") is { Ok: true } read ? Field(read.Value, number) : null;
}
