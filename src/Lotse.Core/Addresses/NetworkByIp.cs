using System.Globalization;
using System.Text.Json;
using Lotse.Formats;
using Lotse.Formats.AddressSelection;

namespace Lotse.Addresses;

/// <summary>
/// The network of a host that only runs programs for us, by iproute2's <c>ip -json</c> (ip-address(8), ip-route(8),
/// ip-addrlabel(8)). On this machine netlink says the same without a program. A host whose ip knows no JSON, busybox's for
/// example, is not known.
/// </summary>
internal static class NetworkByIp
{
    private static readonly TimeSpan Time = TimeSpan.FromSeconds(20);

    /// <summary>Reads it.</summary>
    public static Reading<HostNetwork> Read(Host host)
    {
        try
        {
            var interfaces = Ask(host, "address", "show").Select(i => Interface(host, i)).OrderBy(i => i.Index).ToArray();
            NetworkRoute[] routes = [.. Ask(host, "-4", "route", "show", "table", "main").SelectMany(r => Route(r, false)), .. Ask(host, "-6", "route", "show", "table", "main").SelectMany(r => Route(r, true))];

            // A row for one interface alone is not for every address.
            PolicyRow[] labels = [.. Ask(host, "addrlabel", "list").Where(l => Text(l, "ifname") is null).Select(l => new PolicyRow(new(Address(l, "address")!.Value, (int)Number(l, "prefixlen")), (int)Number(l, "label")))];
            return new(new(interfaces, routes, labels), null);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            return new(default!, new(HostErrorKind.Unsupported, $"cannot read what ip -json says on {host.Name}: {ByteText.Escape(e is NotSaidException ? e.Message : "it is of another form")}"));
        }
    }

    private static JsonElement[] Ask(Host host, params string[] what)
    {
        var ran = host.Run(["ip", "-json", "-details", .. what], Time);
        if (!ran.Ok || ran.Value.ExitCode != 0)
        {
            throw new NotSaidException(ran.Ok ? $"ip {string.Join(' ', what)} ended with {ran.Value.ExitCode}" : ran.Error!.Message);
        }

        // An empty table is printed as nothing at all.
        if (ran.Value.Output.AsSpan().Trim(" \t\r\n"u8).IsEmpty)
        {
            return [];
        }

        using var document = JsonDocument.Parse(ran.Value.Output);
        return [.. document.RootElement.EnumerateArray().Where(e => e.EnumerateObject().Any()).Select(e => e.Clone())];
    }

    private static NetworkInterface Interface(Host host, JsonElement json)
    {
        var name = Text(json, "ifname") ?? throw new FormatException();
        var addresses = json.TryGetProperty("addr_info", out var all) ? all.EnumerateArray().Where(a => a.TryGetProperty("local", out _)).Select(InterfaceAddress).ToArray() : [];
        return new(name, (int)Number(json, "ifindex"), (int)(Setting(host, $"/sys/class/net/{name}/type") ?? 1), json.GetProperty("flags").EnumerateArray().Any(f => f.GetString() == "UP"), addresses)
        {
            UseTemporary = (int)(Setting(host, $"/proc/sys/net/ipv6/conf/{name}/use_tempaddr") ?? 0),
            OnlyOwnAddresses = Setting(host, $"/proc/sys/net/ipv6/conf/{name}/use_oif_addrs_only") is > 0,
        };
    }

    private static InterfaceAddress InterfaceAddress(JsonElement json)
    {
        bool Has(string flag) => json.TryGetProperty(flag, out var value) && value.ValueKind == JsonValueKind.True;
        uint? Seconds(string name) => json.TryGetProperty(name, out var value) && value.GetUInt32() is var seconds and not uint.MaxValue ? seconds : null;
        var own = Address(json, "local")!.Value;
        return new(own, (int)Number(json, "prefixlen"), Address(json, "address") is { } peer && peer != own ? peer : null)
        {
            Scope = RouteWords.Scope(Text(json, "scope")) ?? int.Parse(Text(json, "scope")!, CultureInfo.InvariantCulture),
            Secondary = own.IsV4 && Has("secondary"),
            Temporary = !own.IsV4 && Has("temporary"),
            Optimistic = Has("optimistic"),
            Home = Has("home"),
            Deprecated = Has("deprecated"),
            Tentative = Has("tentative"),
            PreferredSeconds = Seconds("preferred_life_time"),
            ValidSeconds = Seconds("valid_life_time"),
        };
    }

    private static IEnumerable<NetworkRoute> Route(JsonElement json, bool isV6)
    {
        var words = Text(json, "dst");
        var destination = words is null or "default" ? new IpPrefix(isV6 ? IpAddress.V6(0) : IpAddress.V4(0), 0) : IpPrefix.Parse(words);
        if (RouteWords.Kind(Text(json, "type")) is not { } what)
        {
            yield break;
        }

        // Of several next hops the first has to do.
        var hop = json.TryGetProperty("nexthops", out var hops) && hops.GetArrayLength() > 0 ? hops[0] : json;
        var gateway = Address(hop, "gateway") ?? (hop.TryGetProperty("via", out var via) ? Address(via, "host") : null);
        yield return new(destination, what == RouteKind.Unicast ? Text(hop, "dev") : null, gateway, Address(json, "prefsrc"), Number(json, "metric"), what);
    }

    private static long? Setting(Host host, string path) =>
        host.ReadFile(path, 64) is { Ok: true, Value: var text } && long.TryParse(ByteText.Decode(text).Trim(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) ? value : null;

    private static string? Text(JsonElement json, string name) => json.TryGetProperty(name, out var text) && text.ValueKind == JsonValueKind.String ? text.GetString() : null;

    private static IpAddress? Address(JsonElement json, string name) => Text(json, name) is not { } text ? null : IpAddress.TryParse(text, out var address) ? address : throw new FormatException();

    private static long Number(JsonElement json, string name) => json.TryGetProperty(name, out var number) ? number.GetInt64() : 0;

    private sealed class NotSaidException(string message) : InvalidOperationException(message);
}
