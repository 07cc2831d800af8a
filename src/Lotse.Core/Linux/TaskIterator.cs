using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Lotse.Linux;

/// <summary>
/// All processes and their swap from inside the kernel: a BPF task iterator (Documentation/bpf/bpf_iterators.rst),
/// written here instruction by instruction with offsets from the kernel's own types, loaded by bpf(2) alone. It reads
/// what /proc/PID/status prints as VmSwap, without the printing: the counter MM_SWAPENTS of the memory, the parts that
/// each CPU keeps to itself included. Stays loaded, so that a live view reads it again and again.
/// Needs root (CAP_BPF and CAP_PERFMON), BTF, and a kernel from 6.2 on, whose counters have the layout known here.
/// </summary>
internal sealed unsafe class TaskIterator : IDisposable
{
    private const int Tracing = 26, TraceIterator = 28, PlainArray = 2, PerCpuArray = 6;
    private const int MapCreate = 0, ProgramLoad = 5, LinkCreate = 28, IteratorCreate = 33;
    /// <summary>The inode of the first PID namespace (include/linux/proc_ns.h); in another one the numbers differ.</summary>
    private const string FirstPidNamespace = "pid:[4026531836]";

    // bpf(2) has no function in the C library; its number differs between the two architectures.
    private static readonly nint Bpf = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 280 : 321;

    private readonly int[] descriptors;
    private readonly int link;

    private TaskIterator(int link, int[] descriptors) => (this.link, this.descriptors) = (link, descriptors);

    /// <summary>Loads the program.</summary>
    /// <param name="zeros">Also processes that hold no swap.</param>
    public static Reading<TaskIterator> Load(bool zeros)
    {
        if (Libc.GetEffectiveUserId() != 0)
        {
            return Cannot(HostErrorKind.Denied, "only root may load a BPF program");
        }

        var files = new Files();
        if (files.ReadLink("/proc/self/ns/pid") is not { Ok: true, Value: FirstPidNamespace })
        {
            return Cannot(HostErrorKind.Unsupported, "this is not the machine's first PID namespace, the kernel's process numbers are others here");
        }

        var cpus = PossibleCpus(files);
        if (cpus is 0 or > 1024)
        {
            return Cannot(HostErrorKind.Unsupported, $"{cpus} possible CPUs");
        }

        var opened = Btf.Open();
        if (!opened.Ok)
        {
            return new(default!, opened.Error);
        }

        using var types = opened.Value;
        if (TaskLayout.Of(types) is not { } layout)
        {
            return Cannot(HostErrorKind.Unsupported, "this kernel keeps its memory counters in another layout");
        }

        return Load(layout, cpus, zeros);
    }

    /// <summary>Reads all processes once, in no order.</summary>
    public Reading<ScannedProcess[]> Scan()
    {
        var iterator = Call(IteratorCreate, new uint[] { (uint)link, 0 });
        if (iterator < 0)
        {
            return Files.Refused<ScannedProcess[]>("read", "the BPF iterator", -iterator);
        }

        try
        {
            return ReadRecords(iterator);
        }
        finally
        {
            _ = Libc.Close(iterator);
        }
    }

    public void Dispose()
    {
        foreach (var descriptor in descriptors)
        {
            _ = Libc.Close(descriptor);
        }
    }

    private static Reading<ScannedProcess[]> ReadRecords(int iterator)
    {
        const int Size = 32768;
        var rows = new ScannedProcess[256];
        var used = 0;
        var kibPerPage = Environment.SystemPageSize / 1024;
        var buffer = stackalloc byte[Size];
        var kept = 0;
        while (true)
        {
            var got = Libc.Read(iterator, buffer + kept, Size - kept);
            if (got < 0 && Errno.Last is Errno.Interrupted or Errno.Again)
            {
                continue;
            }

            if (got <= 0)
            {
                Array.Resize(ref rows, used);
                return got == 0 ? new(rows, null) : Files.Refused<ScannedProcess[]>("read", "the BPF iterator", Errno.Last);
            }

            var available = kept + (int)got;
            var at = 0;
            for (; at + TaskProgram.RecordBytes <= available; at += TaskProgram.RecordBytes)
            {
                if (used == rows.Length)
                {
                    Array.Resize(ref rows, used * 4);
                }

                // tgid, effective uid, pages, comm; the order in which the program puts them.
                ref var row = ref rows[used];
                row.Pid = *(int*)(buffer + at);
                row.Uid = *(uint*)(buffer + at + 4);
                row.SwapKib = Math.Max(0, *(long*)(buffer + at + 8)) * kibPerPage;
                var name = new ReadOnlySpan<byte>(buffer + at + 16, 16);
                row.NameLength = name.IndexOf((byte)0) is var end and >= 0 ? end : 16;
                name[..row.NameLength].CopyTo(row.Name);
                used++;
            }

            kept = available - at;
            new ReadOnlySpan<byte>(buffer + at, kept).CopyTo(new Span<byte>(buffer, kept));
        }
    }

    private static Reading<TaskIterator> Load(TaskLayout layout, int cpus, bool zeros)
    {
        var opened = new List<int>();
        Reading<TaskIterator> Failed(string what, int errno)
        {
            foreach (var descriptor in opened)
            {
                _ = Libc.Close(descriptor);
            }

            return new(default!, new(Errno.Kind(errno), $"cannot {what}: {Errno.Words(errno)}"));
        }

        var offsets = Call(MapCreate, new uint[] { PlainArray, 4, (uint)(8 + (8 * cpus)), 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 });
        if (offsets < 0)
        {
            return Failed("create a BPF map", -offsets);
        }

        opened.Add(offsets);
        var perCpu = Call(MapCreate, new uint[] { PerCpuArray, 4, 16, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 });
        if (perCpu < 0)
        {
            return Failed("create a BPF map", -perCpu);
        }

        opened.Add(perCpu);
        var code = TaskProgram.Write(layout, cpus, offsets, perCpu, zeros).Finish();
        var attributes = new uint[36];
        fixed (ulong* instructions = code)
        fixed (byte* license = "GPL\0"u8)
        {
            // union bpf_attr: type 0, count 4, instructions 8, license 16, …, name 48, attach type 68, attach id 108.
            (attributes[0], attributes[1], attributes[17], attributes[27]) = (Tracing, (uint)code.Length, TraceIterator, (uint)layout.Iterator);
            var wide = MemoryMarshal.Cast<uint, ulong>(attributes.AsSpan());
            wide[1] = (ulong)instructions;
            wide[2] = (ulong)license;
            "lotse_swap"u8.CopyTo(MemoryMarshal.AsBytes(attributes.AsSpan(12)));
            var program = Call(ProgramLoad, attributes);
            if (program < 0)
            {
                return Failed("load a BPF program", -program);
            }

            opened.Add(program);
            var link = Call(LinkCreate, new uint[] { (uint)program, 0, TraceIterator, 0, 0, 0, 0, 0, 0, 0, 0, 0 });
            if (link < 0)
            {
                return Failed("attach the BPF iterator", -link);
            }

            opened.Add(link);
            return new(new(link, [.. opened]), null);
        }
    }

    /// <summary>bpf(2): a descriptor, or the negative error.</summary>
    private static int Call(int command, uint[] attributes)
    {
        fixed (uint* start = attributes)
        {
            var result = (int)Libc.SystemCall(Bpf, command, (nint)start, attributes.Length * 4);
            return result < 0 ? -Errno.Last : result;
        }
    }

    /// <summary>One more than the highest number in <c>0-3,8</c>.</summary>
    private static int PossibleCpus(Files files) =>
        files.Read("/sys/devices/system/cpu/possible", 4096) is { Ok: true } read
        && int.TryParse(Encoding.ASCII.GetString(read.Value).Trim().Split(',', '-')[^1], NumberStyles.None, CultureInfo.InvariantCulture, out var last) ? last + 1 : 0;

    private static Reading<TaskIterator> Cannot(HostErrorKind kind, string why) => new(default!, new(kind, $"cannot read the processes by BPF: {why}"));
}
