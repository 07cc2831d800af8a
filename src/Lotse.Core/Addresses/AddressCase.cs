using System.Text.Json;
using Lotse.Formats;
using Lotse.Formats.AddressSelection;

namespace Lotse.Addresses;

/// <summary>
/// A host written down in one line of JSON, with destinations to be put in order: interfaces, routes of the main table,
/// kernel labels, gai.conf. The form that <c>lotse addr order</c> reads, docs/addr.md has it.
/// </summary>
/// <param name="Id">Names it.</param>
/// <param name="Network">The host.</param>
/// <param name="GaiConf">Text of its gai.conf; null: it has none.</param>
/// <param name="Destinations">In the order of the name service.</param>
public sealed record AddressCase(string Id, HostNetwork Network, string? GaiConf, IpAddress[] Destinations)
{
    /// <summary>Reads one case.</summary>
    /// <exception cref="JsonException">It is none; the message says why.</exception>
    public static AddressCase Parse(ReadOnlyMemory<byte> json)
    {
        using var document = JsonDocument.Parse(json);
        var root = document.RootElement;
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw new JsonException("an object is expected");
        }

        var labels = Policy.KernelLabels.Rows.Where(r => !Items(root, "addrlabels_del").Any(p => Same(Prefix(p), r.Prefix))).ToList();
        foreach (var added in Items(root, "addrlabels"))
        {
            // The kernel refuses a prefix that it has.
            var prefix = Prefix(added[0]);
            if (!labels.Exists(r => Same(prefix, r.Prefix)))
            {
                labels.Add(new(prefix.Network, (int)added[1].GetUInt32()));
            }
        }

        return new(
            Text(root, "id") ?? "",
            new([.. Items(root, "ifaces").Select(Interface).OrderBy(i => i.Index)], [.. Items(root, "routes").Select(Route)], [.. labels]),
            Text(root, "gai_conf"),
            [.. Items(root, "dests").Select(Address)]);
    }

    private static bool Same(IpPrefix a, IpPrefix b) => a.Network == b.Network;

    private static NetworkInterface Interface(JsonElement json) => new(
        Required(json, "name"), Number(json, "index"), Number(json, "arphrd"), json.TryGetProperty("up", out var up) && up.GetBoolean(), [.. Items(json, "addrs").Select(InterfaceAddress)])
    {
        UseTemporary = Number(json, "use_tempaddr"),
        OnlyOwnAddresses = Number(json, "use_oif_addrs_only") != 0,
    };

    private static InterfaceAddress InterfaceAddress(JsonElement json)
    {
        var flags = Items(json, "flags").Select(f => f.GetString()).ToArray();
        var address = Parsed(Required(json, "a"));
        return new(address, Number(json, "plen"), Text(json, "peer") is { } peer ? Parsed(peer) : null)
        {
            Scope = RouteWords.Scope(Text(json, "scope")) ?? 0,
            Deprecated = flags.Contains("deprecated"),
            Optimistic = flags.Contains("optimistic"),
            Tentative = flags.Contains("tentative"),
            Temporary = flags.Contains("temporary"),
            Secondary = address.IsV4 && flags.Contains("secondary"),
            Home = flags.Contains("home"),
        };
    }

    private static NetworkRoute Route(JsonElement json) => new(
        Prefix(json.GetProperty("dst")), Text(json, "dev"), Text(json, "via") is { } via ? Parsed(via) : null, Text(json, "src") is { } src ? Parsed(src) : null, Number(json, "metric"),
        RouteWords.Kind(Text(json, "type")) ?? throw new JsonException($"no route is of type \"{Text(json, "type")}\""));

    private static IpAddress Address(JsonElement json) => Parsed(json.GetString());

    private static IpAddress Parsed(string? text) => IpAddress.TryParse(text, out var address) ? address : throw new JsonException($"\"{text}\" is not an address");

    private static IpPrefix Prefix(JsonElement json) => IpPrefix.TryParse(json.GetString(), out var prefix) ? prefix : throw new JsonException($"\"{json}\" is not a prefix");

    private static JsonElement[] Items(JsonElement json, string name) =>
        !json.TryGetProperty(name, out var list) || list.ValueKind == JsonValueKind.Null ? []
        : list.ValueKind == JsonValueKind.Array ? [.. list.EnumerateArray()] : throw new JsonException($"{name} is not a list");

    private static string? Text(JsonElement json, string name) => json.TryGetProperty(name, out var text) && text.ValueKind != JsonValueKind.Null ? text.GetString() : null;

    private static string Required(JsonElement json, string name) => Text(json, name) ?? throw new JsonException($"there is no {name}");

    private static int Number(JsonElement json, string name) => !json.TryGetProperty(name, out var number) ? 0
        : number.ValueKind switch { JsonValueKind.Number => (int)Math.Min(number.GetInt64(), int.MaxValue), JsonValueKind.True => 1, _ => 0 };
}

/// <summary>What every engine does with a case.</summary>
/// <param name="Case">The case.</param>
/// <param name="Choices">The kernel's source for each destination.</param>
/// <param name="Glibc">glibc's order; null: this glibc crashes with this gai.conf.</param>
/// <param name="Why">The rule between each neighbouring pair of glibc's order.</param>
/// <param name="Musl">musl's order.</param>
/// <param name="Go">The order of Go's own resolver.</param>
public sealed record AddressCaseAnswer(AddressCase Case, SourceChoice[] Choices, int[]? Glibc, int[] Why, int[] Musl, int[] Go)
{
    /// <summary>Works it out.</summary>
    public static AddressCaseAnswer Of(AddressCase @case, GlibcVersion version)
    {
        var selection = new SourceSelection(@case.Network);
        var choices = Array.ConvertAll(@case.Destinations, d => selection.Select(d));
        var sources = Array.ConvertAll(choices, c => c.Source);
        var goSources = Array.ConvertAll(@case.Destinations, d => selection.Select(d, mayBroadcast: true).Source);
        var conf = Formats.AddressSelection.GaiConf.Parse(@case.GaiConf, version);
        var glibc = new GlibcOrder(@case.Network, conf);
        var candidates = glibc.Candidates(@case.Destinations, sources);
        var order = glibc.Sort(candidates);
        return new(
            @case, choices, conf.Crashes && @case.Destinations.Length > 1 ? null : order,
            [.. order.Zip(order.Skip(1), (a, b) => glibc.Compare(candidates[a], candidates[b], a < b).Rule)],
            MuslOrder.Sort(@case.Destinations, sources), GoOrder.Sort(@case.Destinations, goSources));
    }

    /// <summary>The answer as a line of JSON.</summary>
    public void Write(Utf8JsonWriter json)
    {
        void Numbers(ReadOnlySpan<byte> name, int[] numbers)
        {
            json.WriteStartArray(name);
            foreach (var number in numbers)
            {
                json.WriteNumberValue(number);
            }

            json.WriteEndArray();
        }

        json.WriteStartObject();
        json.WriteString("id"u8, Case.Id);
        if (Glibc is null)
        {
            json.WriteString("glibc"u8, "crash"u8);
        }
        else
        {
            Numbers("glibc"u8, Glibc);
        }

        Numbers("musl"u8, Musl);
        Numbers("go"u8, Go);
        json.WriteStartArray("sources"u8);
        foreach (var choice in Choices)
        {
            json.WriteStringValue(choice.Source?.ToString());
        }

        json.WriteEndArray();
        Numbers("why"u8, Why);
        json.WriteEndObject();
    }
}
