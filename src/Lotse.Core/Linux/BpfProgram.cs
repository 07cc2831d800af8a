using System.Runtime.InteropServices;

namespace Lotse.Linux;

/// <summary>
/// A BPF program while it is written: instructions of eight bytes (Documentation/bpf/standardization/instruction-set.rst)
/// and jumps to places that come later. Only what the task iterator needs.
/// </summary>
internal sealed class BpfProgram
{
    /// <summary>Sizes of a load or store.</summary>
    public const byte Word = 0x00, DoubleWord = 0x18;

    /// <summary>Conditions of a jump, compared with a constant.</summary>
    public const byte Equal = 0x10, AnyBit = 0x40, NotEqual = 0x50, LessOrEqualSigned = 0xd0;

    /// <summary>Helpers (include/uapi/linux/bpf.h).</summary>
    public const int ProbeReadKernel = 113, SequenceWrite = 127, LookupPerCpuElement = 195;

    private readonly List<ulong> code = [];
    private readonly Dictionary<string, int> labels = [];
    private readonly List<(int At, string Label)> jumps = [];

    /// <summary>The instructions, jumps filled in.</summary>
    public ReadOnlySpan<ulong> Finish()
    {
        foreach (var (at, label) in jumps)
        {
            code[at] |= (ulong)(ushort)(labels[label] - at - 1) << 16;
        }

        return CollectionsMarshal.AsSpan(code);
    }

    /// <summary>Names the next instruction.</summary>
    public void Label(string name) => labels[name] = code.Count;

    /// <summary>to = *(size*)(from + offset).</summary>
    public void Load(byte size, int to, int from, int offset) => Add((byte)(0x61 | size), to, from, offset, 0);

    /// <summary>*(size*)(to + offset) = from.</summary>
    public void Store(byte size, int to, int offset, int from) => Add((byte)(0x63 | size), to, from, offset, 0);

    /// <summary>*(size*)(to + offset) = constant.</summary>
    public void StoreConstant(byte size, int to, int offset, int constant) => Add((byte)(0x62 | size), to, 0, offset, constant);

    /// <summary>to = from.</summary>
    public void Move(int to, int from) => Add(0xbf, to, from, 0, 0);

    /// <summary>to = constant.</summary>
    public void MoveConstant(int to, int constant) => Add(0xb7, to, 0, 0, constant);

    /// <summary>to += from.</summary>
    public void Plus(int to, int from) => Add(0x0f, to, from, 0, 0);

    /// <summary>to -= from.</summary>
    public void Minus(int to, int from) => Add(0x1f, to, from, 0, 0);

    /// <summary>to += constant.</summary>
    public void PlusConstant(int to, int constant) => Add(0x07, to, 0, 0, constant);

    /// <summary>Extends the sign of the low 32 bits.</summary>
    public void SignExtend(int register)
    {
        Add(0x67, register, 0, 0, 32);
        Add(0xc7, register, 0, 0, 32);
    }

    /// <summary>if (register CONDITION constant) goto label.</summary>
    public void JumpIf(byte condition, int register, int constant, string label)
    {
        jumps.Add((code.Count, label));
        Add((byte)(0x05 | condition), register, 0, 0, constant);
    }

    /// <summary>if (a == b) goto label.</summary>
    public void JumpIfSame(int a, int b, string label)
    {
        jumps.Add((code.Count, label));
        Add(0x1d, a, b, 0, 0);
    }

    /// <summary>Calls a helper.</summary>
    public void Call(int helper) => Add(0x85, 0, 0, 0, helper);

    /// <summary>to = the map behind a descriptor.</summary>
    public void LoadMap(int to, int map) => LoadWide(to, 1, map);

    /// <summary>to = the address of the value of an array of one element.</summary>
    public void LoadMapValue(int to, int map) => LoadWide(to, 2, map);

    /// <summary>Returns 0.</summary>
    public void Exit()
    {
        MoveConstant(0, 0);
        Add(0x95, 0, 0, 0, 0);
    }

    private void LoadWide(int to, int kind, int map)
    {
        Add(0x18, to, kind, 0, map);
        code.Add(0);
    }

    private void Add(byte operation, int to, int from, int offset, int constant) =>
        code.Add(operation | ((ulong)(uint)((from << 4) | to) << 8) | ((ulong)(ushort)offset << 16) | ((ulong)(uint)constant << 32));
}
