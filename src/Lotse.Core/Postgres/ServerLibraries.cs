using System.Buffers.Binary;
using System.Text.RegularExpressions;

namespace Lotse.Postgres;

/// <summary>The libraries that order text.</summary>
/// <param name="LibC"><c>glibc 2.36</c>, <c>musl</c>; null: not known.</param>
/// <param name="Icu">Major version; null: none or not known.</param>
public sealed record LinkedLibraries(string? LibC, string? Icu);

/// <summary>
/// Which C library and which ICU a server uses: from its ELF file (elf(5)): the interpreter, the needed libraries and the
/// folders that it looks in. The order of text is theirs.
/// </summary>
internal static partial class ServerLibraries
{
    private const int MostBytes = 64 << 20;
    private static readonly string[] Usual = ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"];

    /// <summary>Looks at a program.</summary>
    /// <param name="host">Where.</param>
    /// <param name="program">The server.</param>
    /// <param name="root">The folder that is its root; empty: this machine's.</param>
    public static LinkedLibraries Of(Host host, string program, string root = "")
    {
        // As one question: a recording holds the answer and not two programs.
        var asked = host.Ask($"pg libraries {root}{program}", static () => PgJson.Default.LinkedLibraries, () =>
        {
            using var here = new Hosts.LocalHost();
            return new(Look(here, program, root), null);
        });
        return asked.Ok ? asked.Value : host is Hosts.RecordedHost ? new(null, null) : Look(host, program, root);
    }

    private static LinkedLibraries Look(Host host, string program, string root)
    {
        if (host.ReadFile(root + program, MostBytes) is not { Ok: true, Value: var file } || Parse(file) is not { } elf)
        {
            return new(null, null);
        }

        var icu = elf.Needed.Select(n => IcuName().Match(n)).FirstOrDefault(m => m.Success)?.Groups[1].Value;
        if (elf.Interpreter.Contains("ld-musl", StringComparison.Ordinal))
        {
            return new("musl", icu);
        }

        var folder = program[..Math.Max(0, program.LastIndexOf('/'))];
        var beside = elf.Interpreter[..Math.Max(0, elf.Interpreter.LastIndexOf('/'))];
        foreach (var place in elf.Folders.Select(f => f.Replace("$ORIGIN", folder, StringComparison.Ordinal)).Append(beside).Concat(Usual).Where(p => p.Length > 0).Distinct())
        {
            if (host.ReadFile($"{root}{place}/libc.so.6", MostBytes) is { Ok: true } library && LibCVersion(library.Value) is { } version)
            {
                return new($"glibc {version}", icu);
            }
        }

        return new(null, icu);
    }

    private static string? LibCVersion(byte[] library)
    {
        var at = library.AsSpan().IndexOf("GNU C Library ("u8);
        return at >= 0 && Release().Match(System.Text.Encoding.Latin1.GetString(library, at, Math.Min(200, library.Length - at))) is { Success: true } match ? match.Groups[1].Value : null;
    }

    private static (string Interpreter, string[] Needed, string[] Folders)? Parse(ReadOnlySpan<byte> file)
    {
        // 64 bits, little-endian: header, then program headers of 56 bytes.
        if (file.Length < 64 || !file.StartsWith("\u007fELF"u8) || file[4] != 2 || file[5] != 1)
        {
            return null;
        }

        var headers = BinaryPrimitives.ReadUInt64LittleEndian(file[32..]);
        int size = BinaryPrimitives.ReadUInt16LittleEndian(file[54..]), count = BinaryPrimitives.ReadUInt16LittleEndian(file[56..]);
        string interpreter = "";
        (ulong At, ulong Size) dynamic = default;
        var loads = new List<(ulong Offset, ulong Address, ulong Size)>();
        for (var i = 0; i < count; i++)
        {
            var at = headers + (ulong)(i * size);
            if (at + 56 > (ulong)file.Length)
            {
                return null;
            }

            var header = file[(int)at..];
            var (type, offset, address, bytes) = (BinaryPrimitives.ReadUInt32LittleEndian(header), BinaryPrimitives.ReadUInt64LittleEndian(header[8..]), BinaryPrimitives.ReadUInt64LittleEndian(header[16..]), BinaryPrimitives.ReadUInt64LittleEndian(header[32..]));
            if (offset > (ulong)file.Length || bytes > (ulong)file.Length - offset)
            {
                continue;
            }

            switch (type)
            {
                case 1:
                    loads.Add((offset, address, bytes));
                    break;
                case 2:
                    dynamic = (offset, bytes);
                    break;
                case 3:
                    interpreter = ByteText.Decode(file.Slice((int)offset, (int)bytes)).TrimEnd('\0');
                    break;
            }
        }

        ulong strings = 0;
        var needed = new List<ulong>();
        var folders = new List<ulong>();
        for (ulong at = dynamic.At; at + 16 <= dynamic.At + dynamic.Size; at += 16)
        {
            var (tag, value) = (BinaryPrimitives.ReadUInt64LittleEndian(file[(int)at..]), BinaryPrimitives.ReadUInt64LittleEndian(file[(int)(at + 8)..]));
            switch (tag)
            {
                case 1:
                    needed.Add(value);
                    break;
                case 5:
                    strings = value;
                    break;
                case 15 or 29:
                    folders.Add(value);
                    break;
            }
        }

        var table = loads.Find(l => strings >= l.Address && strings < l.Address + l.Size);
        var start = strings - table.Address + table.Offset;
        var names = new List<string>();
        foreach (var place in needed.Concat(folders))
        {
            if (table.Size == 0 || start + place >= (ulong)file.Length)
            {
                return (interpreter, [], []);
            }

            var rest = file[(int)(start + place)..];
            names.Add(ByteText.Decode(rest[..Math.Max(0, rest.IndexOf((byte)0))]));
        }

        return (interpreter, [.. names.Take(needed.Count)], [.. names.Skip(needed.Count).SelectMany(f => f.Split(':'))]);
    }

    [GeneratedRegex(@"^libicui18n\.so\.(\d+)")]
    private static partial Regex IcuName();

    [GeneratedRegex(@"version (\d+\.\d+)")]
    private static partial Regex Release();
}
