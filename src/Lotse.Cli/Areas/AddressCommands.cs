using System.Text.Json;
using Lotse.Addresses;
using Lotse.Formats.AddressSelection;

namespace Lotse.Cli.Areas;

/// <summary>The verbs of <c>lotse addr</c>.</summary>
internal static class AddressCommands
{
    private static readonly Option Glibc = new("--glibc", Takes.Text, "VERSION", "the version of glibc to imitate") { Default = GlibcVersion.Default.ToString() };

    public static readonly Command[] All =
    [
        new("addr order", "the order of recorded destinations by glibc, musl and Go, one JSON line a case", Order)
        {
            Description = "Reads hosts written down as JSON, one a line (docs/addr.md), and prints for each the sources the kernel would choose, the order of each library as indices into the destinations, and the rule of RFC 6724 section 6 between glibc's neighbours.",
            Options = [new("--facts", Takes.File, "FILE", "the cases, one JSON object a line; - is standard input"), new("--json", Takes.Nothing, "", "print JSON, which is the only form"), Glibc],
            Examples = [new("every case of a file", "addr order --facts cases.jsonl --json"), new("as Debian 13 would", "addr order --facts cases.jsonl --json --glibc 2.41")],
            LooksAtHost = false,
            HasJson = false,
        },
    ];

    private static int Order(Invocation call)
    {
        var version = Version(call);
        var file = call["--facts"] ?? throw new UsageException("addr order needs --facts", "lotse addr order --facts FILE.jsonl --json");
        var name = file == "-" ? "standard input" : Path.GetFullPath(file);
        ReadOnlyMemory<byte> rest = Hosting.ReadInput(file, 1 << 30);
        using var memory = new MemoryStream();
        using var json = new Utf8JsonWriter(memory);
        for (var line = 1; !rest.IsEmpty; line++)
        {
            var end = rest.Span.IndexOf((byte)'\n');
            var text = end < 0 ? rest : rest[..end];
            rest = end < 0 ? default : rest[(end + 1)..];
            if (text.Span.Trim(" \t\r"u8).IsEmpty)
            {
                continue;
            }

            try
            {
                AddressCaseAnswer.Of(AddressCase.Parse(text), version).Write(json);
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or IndexOutOfRangeException)
            {
                throw new NotKnownException($"{ByteText.Escape(name)}:{line} is not a case: {ByteText.Escape(e is JsonException { LineNumber: null } ? e.Message : "it is not JSON of the expected form")}");
            }

            json.Flush();
            call.Output.Write(memory.GetBuffer().AsSpan(0, (int)memory.Length));
            call.Output.Line();
            memory.SetLength(0);
            json.Reset();
        }

        return ExitCode.Fine;
    }

    private static GlibcVersion Version(Invocation call) =>
        call["--glibc"] is not { } text ? GlibcVersion.Default
        : GlibcVersion.TryParse(text, out var version) ? version : throw new UsageException($"\"{ByteText.Escape(text)}\" is not a version of glibc", "for example: --glibc 2.41");
}
