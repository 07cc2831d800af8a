using System.Text.Json;
using Lotse.Addresses;
using Lotse.Formats;
using Lotse.Formats.AddressSelection;

namespace Lotse.Cli.Areas;

/// <summary>The verbs of <c>lotse addr</c>.</summary>
internal static class AddressCommands
{
    private static readonly Option Glibc = new("--glibc", Takes.Text, "VERSION", "the version of glibc to imitate") { Default = GlibcVersion.Default.ToString() };

    public static readonly Command[] All =
    [
        new("addr", "which of IPv6 and IPv4 goes first, and by which tables", Show)
        {
            Description = "The own addresses as address selection sees them, the active tables of labels and precedences with the origin of each row (built in, a line of /etc/gai.conf, implied), and what is wrong with that file.",
            Examples = [new("which family goes first, and what is wrong with gai.conf", "addr")],
        },
        new("addr why", "why the addresses of a name come in this order, rule by rule", Why)
        {
            Description = "The source of each address, the rule of RFC 6724 section 6 that decided between each two neighbours with both values and the line that gave them, the order of the real getaddrinfo, and that of musl and of Go, which read no gai.conf. Addresses instead of a name are put in order as they are given.",
            Arguments = [new("NAME|ADDRESS", "a host name, or several addresses", Required: true, Many: true)],
            Examples = [new("a name", "addr why example.org"), new("two addresses, no name service asked", "addr why 2001:db8::1 192.0.2.1")],
        },
        new("addr plan", "the smallest change of gai.conf that gives a wanted order", AddressPlanning.Run)
        {
            Description = "Works out which line puts one destination before another, what else it changes (the share of all pairs of classes of destinations), and asks the real getaddrinfo with the new file in a private /etc before anything is changed. Built-in lines of the same kind are written with it, for a single line drops them. Where no line can do it, it says which rule decides and what would help.",
            Arguments = [new("NAME", "with --prefer: the name whose address is meant")],
            Options =
            [
                new("--want", Takes.Text, "ORDER", "\"A before B\": each ipv6, ipv4, ula, an address or a prefix"),
                new("--prefer", Takes.Text, "ADDRESS", "this address of NAME first"),
                new("--first", Takes.Text, "ADDRESS", "this destination first, of a case given with --facts"),
                new("--choose", Takes.Number, "N", "plan the Nth way instead of the first") { Default = "1" },
                new("--kernel", Takes.Nothing, "", "change the kernel's choice of source instead, where that gives the order"),
                Planning.Output,
            ],
            Examples =
            [
                new("behind NPTv6 or NAT66 with unique local addresses", "addr plan --want \"ipv6 before ipv4\" --output v6.plan"),
                new("one address of a name", "addr plan --prefer 2001:db8::1 example.org"),
                new("a recorded host", "addr plan --facts case.json --first 2001:db8::1 --json"),
            ],
        },
        new("addr prove", "ask the real getaddrinfo, in a new process", Prove)
        {
            Description = "Compares the order that getaddrinfo gives for a name with the order by the rules. Without a name, IPv6 against IPv4 in a private /etc.",
            Arguments = [new("NAME", "a host name")],
            Examples = [new("a name", "addr prove example.org")],
        },
        new("addr order", "the order of recorded destinations by glibc, musl and Go, one JSON line a case", Order)
        {
            Description = "Reads hosts written down as JSON, one a line (docs/addr.md), and prints for each the sources the kernel would choose, the order of each library as indices into the destinations, and the rule of RFC 6724 section 6 between glibc's neighbours.",
            Options = [new("--facts", Takes.File, "FILE", "the cases, one JSON object a line; - is standard input"), new("--json", Takes.Nothing, "", "print JSON, which is the only form"), Glibc],
            Examples = [new("every case of a file", "addr order --facts cases.jsonl --json"), new("as Debian 13 would", "addr order --facts cases.jsonl --json --glibc 2.41")],
            LooksAtHost = false,
            HasJson = false,
        },
    ];

    private static int Show(Invocation call) => Hosting.With(call, host =>
    {
        var facts = AddressFacts.Read(host).WithInternet(host).WithOlder(host);
        var report = AddressDiagnosis.Host(facts);
        if (call.Has("--json"))
        {
            return General.Print(call, report);
        }

        AddressText.Write(call.Output, report);
        return ExitCode.Of(report, call.FailOn);
    });

    private static int Why(Invocation call) => Hosting.With(call, host =>
    {
        var facts = AddressFacts.Read(host).WithInternet(host).WithOlder(host);
        var addresses = call.Arguments.Select(a => IpAddress.TryParse(a, out var address) ? address : (IpAddress?)null).ToArray();
        if (addresses.All(a => a is not null))
        {
            return General.Print(call, AddressDiagnosis.Why(facts.WithAddresses(host, [.. addresses.OfType<IpAddress>().Distinct()]), call.Arguments));
        }

        if (call.Arguments is not [var name])
        {
            throw new UsageException("name one host, or addresses alone", "lotse addr why NAME, lotse addr why ADDRESS ADDRESS");
        }

        if (call.Has("--offline"))
        {
            throw new UsageException("--offline looks up no names", "lotse addr why ADDRESS ADDRESS");
        }

        return General.Print(call, AddressDiagnosis.Why(Named(facts, host, name), call.Arguments));
    });

    /// <summary>The facts with a name looked up.</summary>
    /// <exception cref="NotKnownException">It has no address.</exception>
    public static AddressFacts Named(AddressFacts facts, Host host, string name)
    {
        var named = facts.WithName(host, name);
        return named.Ok ? named.Value : throw new NotKnownException(named.Error!.Message,
            facts.Conf.Crashes ? $"{AddressFacts.GaiPath} ends every program that looks up such a name: lotse addr" : "lotse addr why ADDRESS ADDRESS asks no name service");
    }

    private static int Prove(Invocation call) => Hosting.With(call, host =>
    {
        var facts = AddressFacts.Read(host).WithInternet(host);
        if (call.Arguments is [var name])
        {
            var why = AddressDiagnosis.Why(Named(facts, host, name), call.Arguments);
            var claims = why.Reasons.Where(r => r.Rule?.StartsWith("getaddrinfo", StringComparison.Ordinal) == true).ToArray();
            return Proved(call, new Report(claims is [{ Verdict: Verdict.Yes }] ? $"proved: {why.Verdict}" : why.Verdict, claims, [], why.Unknowns) { Answer = why.Answer });
        }

        var order = AddressProof.Order(host, [DestinationClass.Internet4, DestinationClass.Internet6], facts.GaiConf);
        if (!order.Ok)
        {
            throw new NotKnownException(order.Error!.Message, "lotse addr prove NAME needs no private /etc");
        }

        return Proved(call, AddressProof.Report(order.Value, order.Value[0], [.. order.Value.Skip(1)], null));
    });

    private static int Proved(Invocation call, Report report)
    {
        var exit = ExitCode.OfProof(report);
        if (call.Has("--json"))
        {
            Envelope.Write(call, report, exit);
        }
        else
        {
            ReportText.Write(call.Output, report);
        }

        return exit;
    }

    private static int Order(Invocation call)
    {
        var version = call["--glibc"] is not { } asked ? GlibcVersion.Default
            : GlibcVersion.TryParse(asked, out var parsed) ? parsed : throw new UsageException($"\"{ByteText.Escape(asked)}\" is not a version of glibc", "for example: --glibc 2.41");
        var file = call["--facts"] ?? throw new UsageException("addr order needs --facts", "lotse addr order --facts FILE.jsonl --json");
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

            AddressCaseAnswer.Of(ReadCase(text, $"{(file == "-" ? "standard input" : Path.GetFullPath(file))}:{line}"), version).Write(json);
            json.Flush();
            call.Output.Write(memory.GetBuffer().AsSpan(0, (int)memory.Length));
            call.Output.Line();
            memory.SetLength(0);
            json.Reset();
        }

        return ExitCode.Fine;
    }

    /// <summary>Reads a case.</summary>
    /// <exception cref="NotKnownException">It is none.</exception>
    public static AddressCase ReadCase(ReadOnlyMemory<byte> text, string name)
    {
        try
        {
            return AddressCase.Parse(text);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or IndexOutOfRangeException)
        {
            throw new NotKnownException($"{ByteText.Escape(name)} is not a case: {ByteText.Escape(e is JsonException { LineNumber: null } ? e.Message : "it is not JSON of the expected form")}");
        }
    }
}
