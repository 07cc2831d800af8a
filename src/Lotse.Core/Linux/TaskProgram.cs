namespace Lotse.Linux;

/// <summary>The BPF program of the task iterator.</summary>
internal static class TaskProgram
{
    /// <summary>What it writes for a process: tgid and effective user id (4 bytes each), pages (8), comm (16).</summary>
    public const int RecordBytes = 32;

    /// <summary>PF_KTHREAD of include/linux/sched.h.</summary>
    private const int KernelThread = 0x00200000;

    /// <summary>
    /// The program, run once for each task. r6: the task, r7: its counter's per-CPU part, r8: the sum, r9: the context.
    /// </summary>
    public static BpfProgram Write(TaskLayout layout, int cpus, int offsets, int perCpu, bool zeros)
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
        p.MoveConstant(3, RecordBytes);
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
    private static void WriteCpuOffsets(BpfProgram p, TaskLayout layout, int cpus, int offsets, int perCpu, int scratch, int address, int @base)
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
}
