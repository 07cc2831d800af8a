using System.Text;
using CsCheck;
using Lotse.Formats;
using Xunit;

namespace Lotse.Tests.Swap;

public class ProcessStatusTests
{
    [Theory]
    [InlineData("Name:\tcat\nState:\tR (running)\nUid:\t0\t1000\t0\t0\nVmSwap:\t     512 kB\nThreads:\t1\n", "cat", 1000, 512, false)]
    [InlineData("Name:\tVmSwap: 77 kB\nState:\tS (sleeping)\nUid:\t5\t5\t5\t5\nVmSwap:\t       8 kB\nThreads:\t1\n", "VmSwap: 77 kB", 5, 8, false)]
    [InlineData("Name:\tx\\nVmSwap:\t9 kB\nState:\tS (sleeping)\nUid:\t5\t5\t5\t5\nVmSwap:\t       8 kB\nThreads:\t1\n", "x\nVmSwap:\t9 kB", 5, 8, false)]
    [InlineData("Name:\tkthreadd\nState:\tS (sleeping)\nUid:\t0\t0\t0\t0\nThreads:\t1\n", "kthreadd", 0, -1, false)]
    [InlineData("Name:\tzombie\nState:\tZ (zombie)\nUid:\t0\t0\t0\t0\nThreads:\t1\n", "zombie", 0, -1, false)]
    [InlineData("Name:\tended\nState:\tZ (zombie)\nUid:\t0\t0\t0\t0\nThreads:\t3\n", "ended", 0, -1, true)]
    public void Fields_count_only_at_the_start_of_a_line(string file, string name, uint uid, long swap, bool ended)
    {
        var status = ProcessStatus.Parse(Encoding.UTF8.GetBytes(file));
        Assert.Equal(name, ByteText.Decode(ProcessStatus.Unescape(status.EscapedName)));
        Assert.Equal((uid, swap, ended), (status.Uid, status.SwapKib, status.IsEndedLeader));
    }

    [Fact]
    public void Any_name_is_read_back_and_moves_no_field() => Gen.Byte[1, 255].Array[0, 15].Sample(name =>
    {
        // What the kernel writes: fs/proc/array.c proc_task_name, string_escape_str with "\n\\".
        var escaped = name.SelectMany(b => b switch { (byte)'\n' => "\\n"u8.ToArray(), (byte)'\\' => "\\\\"u8.ToArray(), _ => [b] });
        byte[] file = [.. "Name:\t"u8, .. escaped, .. "\nState:\tS (sleeping)\nUid:\t1\t2\t3\t4\nVmSwap:\t 123 kB\nThreads:\t1\n"u8];
        var status = ProcessStatus.Parse(file);
        return ProcessStatus.Unescape(status.EscapedName).SequenceEqual(name) && status.SwapKib == 123 && status.Uid == 2;
    });

    [Fact]
    public void Any_bytes_are_read_as_something() => Gen.Byte.Array.Sample(bytes =>
    {
        _ = ProcessStatus.Parse(bytes).SwapKib;
        _ = ProcessStatus.Parse([.. "Name:\t"u8, .. bytes]).SwapKib;
    });
}
