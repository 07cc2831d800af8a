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
    private const int Tracing = 26, TraceIterator = 28, PlainArray = 2, PerCpuArray = 6, Record = 32;
    private const int MapCreate = 0, ProgramLoad = 5, LinkCreate = 28, IteratorCreate = 33;
    private const int KernelThread = 0x00200000;

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
        if (Layout.Of(types) is not { } layout)
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
            for (; at + Record <= available; at += Record)
            {
                if (used == rows.Length)
                {
                    Array.Resize(ref rows, used * 4);
                }

                // tgid, effective uid, pages, comm; the order in which the program below puts them.
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

    private static Reading<TaskIterator> Load(Layout layout, int cpus, bool zeros)
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
        var code = Write(layout, cpus, offsets, perCpu, zeros).Finish();
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

    /// <summary>
    /// The program, run once for each task. r6: the task, r7: its counter's per-CPU part, r8: the sum, r9: the context.
    /// </summary>
    private static BpfProgram Write(Layout layout, int cpus, int offsets, int perCpu, bool zeros)
    {
        const int Scratch = -8, Address = -16, Base = -24, Name = -40, Pages = -48, Uid = -52, Tgid = -56;
        var p = new BpfProgram();

        // Pointers are read as numbers: to follow one that the verifier knows, it searches all type names of the
        // kernel, which took four fifths of the time of loading.
        void ReadNumber(int to, int from, int offset)
        {
            ReadBytes(Address, 8, from, offset);
            p.Load(BpfProgram.DoubleWord, to, 10, Address);
        }

        void ReadBytes(int stack, int bytes, int from, int offset)
        {
            p.Move(3, from);
            p.PlusConstant(3, offset);
            p.Move(1, 10);
            p.PlusConstant(1, stack);
            p.MoveConstant(2, bytes);
            p.Call(BpfProgram.ProbeReadKernel);
            p.JumpIf(BpfProgram.NotEqual, 0, 0, "out");
        }

        p.Move(9, 1);
        p.Load(BpfProgram.DoubleWord, 6, 1, 8);
        p.JumpIf(BpfProgram.Equal, 6, 0, "out");
        p.Load(BpfProgram.Word, 1, 6, layout.Flags);
        p.JumpIf(BpfProgram.AnyBit, 1, KernelThread, "out");
        ReadNumber(7, 6, layout.Memory);
        p.JumpIf(BpfProgram.Equal, 7, 0, "out");

        // One record a process: of the leader, or of every thread with the memory when the leader has ended.
        p.Load(BpfProgram.Word, 1, 6, layout.Pid);
        p.Load(BpfProgram.Word, 2, 6, layout.Tgid);
        p.JumpIfSame(1, 2, "take");
        ReadNumber(8, 6, layout.Leader);
        ReadNumber(1, 8, layout.Memory);
        p.JumpIf(BpfProgram.NotEqual, 1, 0, "out");
        p.Label("take");
        ReadNumber(8, 7, layout.Count);
        if (layout.PerCpu is { } parts)
        {
            ReadNumber(7, 7, parts);
            WriteCpuOffsets(p, layout, cpus, offsets, perCpu, Scratch, Address, Base);
            for (var cpu = 0; cpu < cpus; cpu++)
            {
                p.LoadMapValue(1, offsets);
                p.Load(BpfProgram.DoubleWord, 4, 1, 8 + (8 * cpu));
                p.Plus(4, 7);
                ReadBytes(Scratch, 4, 4, 0);
                p.Load(BpfProgram.Word, 1, 10, Scratch);
                p.SignExtend(1);
                p.Plus(8, 1);
            }
        }

        if (!zeros)
        {
            p.JumpIf(BpfProgram.LessOrEqualSigned, 8, 0, "out");
        }

        p.Store(BpfProgram.DoubleWord, 10, Pages, 8);
        p.Load(BpfProgram.Word, 1, 6, layout.Tgid);
        p.Store(BpfProgram.Word, 10, Tgid, 1);
        ReadNumber(7, 6, layout.Leader);
        ReadNumber(8, 7, layout.Credentials);
        ReadBytes(Uid, 4, 8, layout.EffectiveUser);
        ReadBytes(Name, 16, 7, layout.Name);
        p.Load(BpfProgram.DoubleWord, 1, 9, 0);
        p.Load(BpfProgram.DoubleWord, 1, 1, 0);
        p.Move(2, 10);
        p.PlusConstant(2, Tgid);
        p.MoveConstant(3, Record);
        p.Call(BpfProgram.SequenceWrite);
        p.Label("out");
        p.Exit();
        return p;
    }

    /// <summary>
    /// Once: how far each CPU's part of a per-CPU variable lies from the pointer to it. No symbol says it on every
    /// kernel, but a per-CPU map does: its element's address on a CPU less the map's own pointer. Both are stored as
    /// values and read back as numbers.
    /// </summary>
    private static void WriteCpuOffsets(BpfProgram p, Layout layout, int cpus, int offsets, int perCpu, int scratch, int address, int @base)
    {
        p.LoadMapValue(1, offsets);
        p.Load(BpfProgram.DoubleWord, 1, 1, 0);
        p.JumpIf(BpfProgram.NotEqual, 1, 0, "known");
        for (var cpu = 0; cpu < cpus; cpu++)
        {
            p.StoreConstant(BpfProgram.Word, 10, scratch, 0);
            p.LoadMap(1, perCpu);
            p.Move(2, 10);
            p.PlusConstant(2, scratch);
            p.MoveConstant(3, cpu);
            p.Call(BpfProgram.LookupPerCpuElement);
            p.JumpIf(BpfProgram.Equal, 0, 0, "out");
            p.Store(BpfProgram.DoubleWord, 0, 0, 0);
            p.Load(BpfProgram.DoubleWord, 1, 0, 0);
            p.Store(BpfProgram.DoubleWord, 10, address, 1);
            if (cpu == 0)
            {
                p.LoadMap(2, perCpu);
                p.Store(BpfProgram.DoubleWord, 0, 8, 2);
                p.Load(BpfProgram.DoubleWord, 3, 0, 8);
                p.PlusConstant(3, layout.MapElements);
                p.Move(1, 10);
                p.PlusConstant(1, @base);
                p.MoveConstant(2, 8);
                p.Call(BpfProgram.ProbeReadKernel);
                p.JumpIf(BpfProgram.NotEqual, 0, 0, "out");
            }

            p.Load(BpfProgram.DoubleWord, 1, 10, address);
            p.Load(BpfProgram.DoubleWord, 2, 10, @base);
            p.Minus(1, 2);
            p.LoadMapValue(2, offsets);
            p.Store(BpfProgram.DoubleWord, 2, 8 + (8 * cpu), 1);
        }

        p.LoadMapValue(1, offsets);
        p.StoreConstant(BpfProgram.DoubleWord, 1, 0, 1);
        p.Label("known");
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

    /// <summary>Offsets in the running kernel.</summary>
    private sealed record Layout
    {
        /// <summary>Id of the function that the iterator attaches to.</summary>
        public required int Iterator { get; init; }

        // struct task_struct
        public required int Pid { get; init; }

        public required int Tgid { get; init; }

        public required int Flags { get; init; }

        public required int Memory { get; init; }

        public required int Leader { get; init; }

        public required int Name { get; init; }

        public required int Credentials { get; init; }

        /// <summary>euid in struct cred.</summary>
        public required int EffectiveUser { get; init; }

        /// <summary>rss_stat[MM_SWAPENTS].count in struct mm_struct.</summary>
        public required int Count { get; init; }

        /// <summary>rss_stat[MM_SWAPENTS].counters; null on a kernel for one CPU.</summary>
        public required int? PerCpu { get; init; }

        /// <summary>The pointers of a per-CPU array, in struct bpf_array.</summary>
        public required int MapElements { get; init; }

        /// <summary>Null where anything has another form than the one this program was written for.</summary>
        public static Layout? Of(Btf types)
        {
            if (types.Find((Btf.Struct, "task_struct"), (Btf.Struct, "mm_struct"), (Btf.Struct, "cred"), (Btf.Struct, "bpf_array"), (Btf.Function, "bpf_iter_task"))
                is not [> 0 and var task, > 0 and var mm, > 0 and var cred, > 0 and var array, > 0 and var iterator])
            {
                return null;
            }

            // Since 6.2: struct percpu_counter rss_stat[NR_MM_COUNTERS].
            if (types.TypeOf(mm, "rss_stat") is not { } counters || types.Element(counters) is var counter && !types.IsStruct(counter, "percpu_counter") || types.Constant("MM_SWAPENTS") is not { } swap
                || types.Offset(counter, "count") is not { } count)
            {
                return null;
            }

            var at = (types.Offset(mm, "rss_stat") ?? 0) + (swap * types.SizeOf(counter));
            return (types.Offset(task, "pid"), types.Offset(task, "tgid"), types.Offset(task, "flags"), types.Offset(task, "mm"), types.Offset(task, "group_leader"), types.Offset(task, "comm"), types.Offset(task, "real_cred"),
                types.Offset(cred, "euid"), types.Offset(array, "pptrs")) is ({ } pid, { } tgid, { } flags, { } memory, { } leader, { } name, { } credentials, { } euid, { } elements)
                ? new()
                {
                    Iterator = iterator, Pid = pid, Tgid = tgid, Flags = flags, Memory = memory, Leader = leader, Name = name, Credentials = credentials, EffectiveUser = euid,
                    Count = at + count, PerCpu = types.Offset(counter, "counters") is { } parts ? at + parts : null, MapElements = elements,
                }
                : null;
        }
    }
}
