using System.Net;
using System.Text.Json;

namespace Lotse.Postgres.Containers;

/// <summary>A network that a container has joined, with what was asked for when it did.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Aliases">Names of the container in it, but for those that engines give.</param>
/// <param name="Addresses">Options and values of addresses that were asked for; those that an engine chose are not.</param>
internal sealed record JoinedNetwork(string Name, string[] Aliases, (string Option, string Value)[] Addresses)
{
    /// <summary>
    /// The networks, first the one that a container is created in: Docker names it, or its id, as the container's network mode, and sorts the list by name;
    /// Podman remembers an address only where it was created with it.
    /// Networks that engines have by themselves are not among them.
    /// </summary>
    public static JoinedNetwork[] Of(JsonElement container)
    {
        var (mode, id, name) = (Json.Text(Json.At(container, "HostConfig"), "NetworkMode"), Json.Text(container, "Id"), Json.Text(container, "Name").TrimStart('/'));
        var found = Json.At(Json.At(container, "NetworkSettings"), "Networks") is { ValueKind: JsonValueKind.Object } all ? all.EnumerateObject().ToArray() : [];
        var typed = Typed(container);
        bool IsFirst(JsonProperty network) => network.Name == (mode == "default" ? "bridge" : mode) || (mode.Length > 0 && Json.Text(network.Value, "NetworkID") == mode) || typed.Any(t => t.Network == network.Name);
        var named = found.Where(n => n.Name is not ("host" or "none")).OrderByDescending(IsFirst).ToArray();
        return named is [] or [{ Name: "bridge" or "podman" }] ? [] :
            [.. named.Select(n => new JoinedNetwork(n.Name, [.. Json.Texts(n.Value, "Aliases").Where(a => !id.StartsWith(a, StringComparison.Ordinal) && a != name)], [.. AddressesOf(n.Value), .. typed.Where(t => t.Network == n.Name).Select(t => (t.Option, t.Value))]))];
    }

    /// <summary>Options that ask for the same again.</summary>
    /// <param name="alias">How the command at hand calls another name.</param>
    public IEnumerable<string> Options(string alias) => [.. Aliases.SelectMany(a => new[] { alias, a }), .. Addresses.SelectMany(a => new[] { a.Option, a.Value })];

    private static IEnumerable<(string, string)> AddressesOf(JsonElement network)
    {
        var asked = Json.At(network, "IPAMConfig");
        foreach (var (option, value) in new[] { ("--ip", Json.Text(asked, "IPv4Address")), ("--ip6", Json.Text(asked, "IPv6Address")) }.Where(a => a.Item2.Length > 0))
        {
            yield return (option, value);
        }

        foreach (var link in Json.Texts(asked, "LinkLocalIPs"))
        {
            yield return ("--link-local-ip", link);
        }
    }

    /// <summary>
    /// Podman keeps what was asked for only as the command that made the container (podman-inspect(1), CreateCommand):
    /// <c>--network NAME --ip ADDRESS</c>, or <c>--network NAME:ip=ADDRESS,mac=ADDRESS</c>.
    /// </summary>
    private static (string Network, string Option, string Value)[] Typed(JsonElement container)
    {
        var words = Json.Texts(Json.At(container, "Config"), "CreateCommand");
        var (found, first) = (new List<(string Network, string Option, string Value)>(), "podman");
        for (var i = 0; i < words.Length; i++)
        {
            var (option, value) = words[i].Split('=', 2) is [var name, var rest] ? (name, rest) : (words[i], i + 1 < words.Length ? words[i + 1] : "");
            if (option is "--ip" or "--ip6" ? IPAddress.TryParse(value, out _) : option == "--mac-address" && value.Split(':').Length == 6)
            {
                found.Add(("", option, value));
            }
            else if (option is "--network" or "--net")
            {
                var parts = value.Split(':', 2);
                first = first == "podman" ? parts[0] : first;
                foreach (var pair in parts.Length < 2 ? [] : parts[1].Split(',').Select(o => o.Split('=', 2)).Where(p => p is ["ip" or "mac", _]))
                {
                    found.Add((parts[0], pair[0] == "mac" ? "--mac-address" : pair[1].Contains(':', StringComparison.Ordinal) ? "--ip6" : "--ip", pair[1]));
                }
            }
        }

        // Options without a network are allowed only where one is named.
        return [.. found.Select(f => f.Network.Length == 0 ? f with { Network = first } : f)];
    }
}
