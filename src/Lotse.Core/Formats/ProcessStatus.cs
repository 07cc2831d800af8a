using System.Buffers.Text;

namespace Lotse.Formats;

/// <summary>
/// What /proc/PID/status says (proc_pid_status(5), kernel fs/proc/array.c). A process chooses its name freely, so a
/// field counts only at the start of a line: the kernel writes a newline in the name as <c>\n</c> and a backslash as
/// <c>\\</c>; every other byte comes as it is.
/// </summary>
public readonly ref struct ProcessStatus
{
    private ProcessStatus(ReadOnlySpan<byte> name, uint uid, char state, int threads, long swapKib)
    {
        EscapedName = name;
        Uid = uid;
        State = state;
        Threads = threads;
        SwapKib = swapKib;
    }

    /// <summary>The name as it stands in the file.</summary>
    public ReadOnlySpan<byte> EscapedName { get; }

    /// <summary>Effective user id.</summary>
    public uint Uid { get; }

    /// <summary>R, S, D, Z …; a leader that has ended while its threads live on is Z.</summary>
    public char State { get; }

    /// <summary>Number of threads, an ended leader included.</summary>
    public int Threads { get; }

    /// <summary>VmSwap in KiB; -1 where there is no such line: a kernel thread, or a thread that has ended.</summary>
    public long SwapKib { get; }

    /// <summary>Whether the task has ended but others of its thread group may live and hold the memory.</summary>
    public bool IsEndedLeader => SwapKib < 0 && State is 'Z' or 'X' && Threads > 1;

    /// <summary>The name's own bytes.</summary>
    public static byte[] Unescape(ReadOnlySpan<byte> escaped)
    {
        var name = new byte[escaped.Length];
        var used = 0;
        for (var i = 0; i < escaped.Length; i++)
        {
            var isEscape = escaped[i] == '\\' && i + 1 < escaped.Length && escaped[i + 1] is (byte)'n' or (byte)'\\';
            name[used++] = !isEscape ? escaped[i] : escaped[++i] == 'n' ? (byte)'\n' : (byte)'\\';
        }

        return name[..used];
    }

    /// <summary>Reads the file's text; what is missing or garbled is as in a task without memory.</summary>
    public static ProcessStatus Parse(ReadOnlySpan<byte> text)
    {
        var nameEnd = text.IndexOf((byte)'\n');
        if (nameEnd < 0 || !text.StartsWith("Name:\t"u8))
        {
            return new([], 0, '?', 0, -1);
        }

        var name = text[6..nameEnd];
        text = text[nameEnd..];
        var state = After(ref text, "\nState:\t"u8) is [var letter, ..] ? (char)letter : '?';

        // Uid: real, effective, saved, file system.
        var ids = After(ref text, "\nUid:\t"u8);
        var tab = ids.IndexOf((byte)'\t');
        var uid = tab >= 0 && Utf8Parser.TryParse(ids[(tab + 1)..], out uint effective, out _) ? effective : 0;
        var swap = After(ref text, "\nVmSwap:"u8) is [_, ..] field && Utf8Parser.TryParse(field.TrimStart("\t "u8), out long kib, out _) && kib >= 0 ? kib : -1;
        var threads = swap < 0 && Utf8Parser.TryParse(After(ref text, "\nThreads:\t"u8), out int count, out _) ? count : 1;
        return new(name, uid, state, threads, swap);
    }

    /// <summary>The rest of the text after a field's name; the text itself moves on there. Not found: nothing, and it stays.</summary>
    private static ReadOnlySpan<byte> After(ref ReadOnlySpan<byte> text, ReadOnlySpan<byte> field)
    {
        var at = text.IndexOf(field);
        if (at < 0)
        {
            return [];
        }

        text = text[(at + field.Length)..];
        return text;
    }
}
