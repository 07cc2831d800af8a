using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Lotse.Linux;

/// <summary>
/// The running kernel's own description of its types, /sys/kernel/btf/vmlinux (Documentation/bpf/btf.rst). Five
/// megabytes, of which only the names that are asked for are looked at; mapped where the kernel allows it (6.16 and
/// later), else read.
/// </summary>
internal sealed unsafe partial class Btf : IDisposable
{
    /// <summary>Kinds of types (BTF_KIND_*).</summary>
    public const int Struct = 4, Enum = 6, Function = 12;

    private const int Array = 3, Union = 5;

    /// <summary>Every so many types the offset is kept, so that a type is found by its id without a second pass.</summary>
    private const int Step = 64;

    private readonly byte* start;
    private readonly int length;
    private readonly bool isMapped;
    private readonly int types, typesEnd, strings, stringsLength;
    private readonly List<int> index = [];

    private Btf(byte* start, int length, bool isMapped)
    {
        this.start = start;
        this.length = length;
        this.isMapped = isMapped;
        var all = new ReadOnlySpan<byte>(start, length);
        if (length < 24 || BinaryPrimitives.ReadUInt16LittleEndian(all) != 0xeb9f)
        {
            return;
        }

        var header = U32(4);
        (types, strings, stringsLength) = (header + U32(8), header + U32(16), U32(20));
        typesEnd = types + U32(12);
        IsUsable = types >= 24 && typesEnd <= length && strings >= 24 && (long)strings + stringsLength <= length;
    }

    /// <summary>Whether the file has the form that is expected.</summary>
    public bool IsUsable { get; }

    /// <summary>Opens the running kernel's types.</summary>
    public static Reading<Btf> Open()
    {
        const string Path = "/sys/kernel/btf/vmlinux";
        var files = new Files();
        var fd = files.Open(Path, Libc.ReadOnly);
        if (fd < 0)
        {
            return Files.Refused<Btf>("read", Path, -fd);
        }

        try
        {
            var status = files.Status(Path);
            if (!status.Ok || status.Value.Size is <= 0 or > 256 << 20)
            {
                return Files.Refused<Btf>("read", Path, Errno.Invalid);
            }

            var size = (int)status.Value.Size;
            const int Readable = 1, Private = 2;
            var mapped = Map(null, size, Readable, Private, fd, 0);
            if ((nint)mapped != -1)
            {
                return Checked(new(mapped, size, isMapped: true));
            }

            var copy = (byte*)NativeMemory.Alloc((nuint)size);
            var got = 0;
            for (nint more; got < size && (more = Libc.Read(fd, copy + got, size - got)) > 0;)
            {
                got += (int)more;
            }

            return Checked(new(copy, got, isMapped: false));
        }
        finally
        {
            _ = Libc.Close(fd);
        }
    }

    /// <summary>The ids of the first types of these kinds and names, in the order asked; 0 where there is none.</summary>
    public int[] Find(params ReadOnlySpan<(int Kind, string Name)> wanted)
    {
        Span<int> names = stackalloc int[wanted.Length];
        for (var i = 0; i < wanted.Length; i++)
        {
            names[i] = NameOffset(wanted[i].Name);
        }

        var found = new int[wanted.Length];
        var id = 1;
        for (var at = types; at + 12 <= typesEnd; id++)
        {
            if (id % Step == 0)
            {
                index.Add(at);
            }

            var name = U32(at);
            var info = (uint)U32(at + 4);
            var kind = (int)(info >> 24) & 0x1f;
            if (kind is Struct or Function && name != 0)
            {
                for (var i = 0; i < names.Length; i++)
                {
                    if (names[i] == name && wanted[i].Kind == kind && found[i] == 0)
                    {
                        found[i] = id;
                    }
                }
            }

            at += Size(kind, (int)(info & 0xffff));
        }

        return found;
    }

    /// <summary>The value of a constant in any enumeration; null where there is none.</summary>
    public int? Constant(string name)
    {
        var wanted = NameOffset(name);
        for (var at = types; wanted > 0 && at + 12 <= typesEnd;)
        {
            var info = (uint)U32(at + 4);
            var (kind, members) = ((int)(info >> 24) & 0x1f, (int)(info & 0xffff));
            for (var i = 0; kind == Enum && i < members; i++)
            {
                if (U32(at + 12 + (8 * i)) == wanted)
                {
                    return U32(at + 16 + (8 * i));
                }
            }

            at += Size(kind, members);
        }

        return null;
    }

    /// <summary>Byte offset of a member, looked for inside unnamed structs and unions too; null where there is none.</summary>
    public int? Offset(int type, string member) => Member(type, member, 0) is { } found ? found.Bits / 8 : null;

    /// <summary>The id of a member's type, modifiers not skipped.</summary>
    public int? TypeOf(int type, string member) => Member(type, member, 0)?.Type;

    /// <summary>The element type of an array, or the type itself.</summary>
    public int Element(int type) => At(type) is var at and > 0 && Kind(at) == Array ? U32(at + 12) : type;

    /// <summary>The size of a struct in bytes.</summary>
    public int SizeOf(int type) => At(type) is var at and > 0 ? U32(at + 8) : 0;

    /// <summary>Whether a type is a struct of this name.</summary>
    public bool IsStruct(int type, string name) => At(type) is var at and > 0 && Kind(at) == Struct && NameIs(U32(at), name);

    public void Dispose()
    {
        if (isMapped)
        {
            _ = Unmap(start, length);
        }
        else
        {
            NativeMemory.Free(start);
        }
    }

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial byte* Map(void* address, nint length, int protection, int flags, int fd, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    private static partial int Unmap(void* address, nint length);

    private static Reading<Btf> Checked(Btf btf)
    {
        if (btf.IsUsable)
        {
            return new(btf, null);
        }

        btf.Dispose();
        return Files.Refused<Btf>("understand", "/sys/kernel/btf/vmlinux", Errno.Invalid);
    }

    private (int Bits, int Type)? Member(int type, string name, int depth)
    {
        var at = At(type);
        if (at <= 0 || Kind(at) is not (Struct or Union) || depth > 8)
        {
            return null;
        }

        var info = (uint)U32(at + 4);
        for (var i = 0; i < (int)(info & 0xffff); i++)
        {
            // Name, type, offset: with the kind flag the upper eight bits of the offset are a bit field's size.
            var entry = at + 12 + (12 * i);
            var bits = info >> 31 == 1 ? U32(entry + 8) & 0xffffff : U32(entry + 8);
            if (NameIs(U32(entry), name))
            {
                return (bits, U32(entry + 4));
            }

            if (U32(entry) == 0 && Member(U32(entry + 4), name, depth + 1) is var (inner, innerType))
            {
                return (bits + inner, innerType);
            }
        }

        return null;
    }

    private int At(int id)
    {
        if (id <= 0 || id / Step > index.Count)
        {
            return 0;
        }

        var (at, current) = id < Step ? (types, 1) : (index[(id / Step) - 1], id / Step * Step);
        for (; current < id && at + 12 <= typesEnd; current++)
        {
            at += Size(Kind(at), U32(at + 4) & 0xffff);
        }

        return at + 12 <= typesEnd ? at : 0;
    }

    private int Kind(int at) => (int)((uint)U32(at + 4) >> 24) & 0x1f;

    /// <summary>What a type takes: twelve bytes, or sixteen or 24 for some kinds, and so much for each member.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Size(int kind, int members) => FixedSize[kind] + (MemberSize[kind] * members);

    private static ReadOnlySpan<byte> FixedSize => [12, 16, 12, 24, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 16, 12, 12, 16, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12];

    private static ReadOnlySpan<byte> MemberSize => [0, 0, 0, 0, 12, 12, 8, 0, 0, 0, 0, 0, 0, 8, 0, 12, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    private int NameOffset(string name)
    {
        Span<byte> text = stackalloc byte[name.Length + 2];
        text.Clear();
        System.Text.Encoding.ASCII.GetBytes(name, text[1..]);
        var at = new ReadOnlySpan<byte>(start + strings, stringsLength).IndexOf(text);
        return at < 0 ? -1 : at + 1;
    }

    private bool NameIs(int offset, string name)
    {
        if (offset < 0 || (long)offset + name.Length >= stringsLength)
        {
            return false;
        }

        var at = start + strings + offset;
        return System.Text.Ascii.Equals(new ReadOnlySpan<byte>(at, name.Length), name) && at[name.Length] == 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int U32(int at) => Unsafe.ReadUnaligned<int>(start + at);
}
