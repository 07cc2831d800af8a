using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lotse.Exits;

/// <summary>A device of the router's twin.</summary>
/// <param name="Name">Its name, as the configuration has it.</param>
/// <param name="Addresses">Addresses with their lengths.</param>
/// <param name="IsExit">Whether the Internet is behind it; else an inner network.</param>
/// <param name="Mtu">Its MTU.</param>
/// <param name="Allowed">Prefixes that a tunnel's peer may have and send; null: it is no tunnel.</param>
/// <param name="Room">The largest packet that the way outside of the tunnel takes.</param>
/// <param name="Dead">Whether the tunnel cannot come up.</param>
/// <param name="Outer">Prefixes that the other side of an exit sends into it.</param>
internal sealed record TwinDevice(string Name, string[] Addresses, bool IsExit, int Mtu, string[]? Allowed, int Room, bool Dead, string[] Outer);

/// <summary>An inner network of the twin, with one machine that has two addresses of each prefix.</summary>
/// <param name="Device">The router's device.</param>
/// <param name="Addresses">The machine's addresses.</param>
/// <param name="Sources">Those that packets are sent from.</param>
/// <param name="HasDefault">Whether it was told of a default router.</param>
internal sealed record TwinNetwork(string Device, string[] Addresses, string[] Sources, bool HasDefault);

/// <summary>The twin of a router: all that is needed to build it and to send packets through it.</summary>
/// <param name="Devices">The router's devices.</param>
/// <param name="Routes">Its routes, a line of ip(8) each.</param>
/// <param name="Ruleset">Its firewall, for nft.</param>
/// <param name="Networks">The inner networks.</param>
/// <param name="FarAllowed">Prefixes that the far end takes sources from.</param>
/// <param name="Unused">An address of an outer prefix that nobody has.</param>
/// <param name="Server">The server's address.</param>
/// <param name="Commands">What ip6tables is told: words between blanks.</param>
internal sealed record TwinSpec(TwinDevice[] Devices, string[] Routes, string Ruleset, TwinNetwork[] Networks, string[] FarAllowed, string Unused, string Server, string[] Commands);

/// <summary>What was seen of one source.</summary>
/// <param name="Source">The machine's address.</param>
/// <param name="Tcp">The source that the server saw; null: no connection.</param>
/// <param name="TcpError">Why not.</param>
/// <param name="Udp">The same by UDP.</param>
/// <param name="Uploaded">Bytes of an upload that arrived over a link of 1280 behind the far end.</param>
/// <param name="SecondHop">Who answered to a packet whose hop limit ends at the far end.</param>
/// <param name="AfterFlush">Whether it still works after the router forgot its neighbours.</param>
/// <param name="Inbound">Whether a connection from the server to the outer address is let in.</param>
internal sealed record TwinSeen(string Source, string? Tcp, string? TcpError, string? Udp, int Uploaded, string? SecondHop, bool AfterFlush, bool Inbound);

/// <summary>What was seen of the whole.</summary>
/// <param name="LoadError">Why nft refuses the ruleset while the exits are missing, as at boot; null: it does not.</param>
/// <param name="Sources">Each source.</param>
/// <param name="Router">What the server sees of the router's own connections.</param>
/// <param name="Looped">Packets to an unused address that came back to the far end.</param>
/// <param name="Milliseconds">How long it took.</param>
internal sealed record TwinSight(string? LoadError, TwinSeen[] Sources, string? Router, long Looped, long Milliseconds);

/// <summary>Runs the twin in a process of its own, in user and network namespaces: no root, nothing of this machine's network is touched.</summary>
internal static class Twin
{
    /// <summary>The word by which this program is the twin.</summary>
    public const string Word = "twin";

    /// <summary>How large the upload is.</summary>
    public const int UploadBytes = 60000;

    /// <summary>Builds the twin, sends the packets and takes it down.</summary>
    public static Reading<TwinSight> Run(Host host, TwinSpec spec) => host.Ask($"exits/twin {Formats.Sha256.Hex(JsonSerializer.SerializeToUtf8Bytes(spec, TwinJson.Default.TwinSpec))[..16]}", () => TwinJson.Default.TwinSight, () =>
    {
        var input = JsonSerializer.SerializeToUtf8Bytes(spec, TwinJson.Default.TwinSpec);
        var ran = Hosts.DetachedProgram.RunOurselves(["unshare", "--user", "--map-root-user", "--net", "--kill-child"], [Word], TimeSpan.FromSeconds(30), input);
        if (!ran.Ok)
        {
            return new(default!, ran.Error);
        }

        if (ran.Value.ExitCode != 0)
        {
            return new(default!, new(HostErrorKind.Denied, $"the twin could not be built: {ByteText.Escape(ByteText.Decode(ran.Value.Errors).Trim())}"));
        }

        try
        {
            return new(JsonSerializer.Deserialize(ran.Value.Output, TwinJson.Default.TwinSight)!, null);
        }
        catch (JsonException)
        {
            return new(default!, new(HostErrorKind.Failed, "the twin's answer is damaged"));
        }
    });

    /// <summary>The other side: reads the description, answers with what was seen.</summary>
    public static byte[] Answer(ReadOnlySpan<byte> input) =>
        JsonSerializer.SerializeToUtf8Bytes(TwinRun.Run(JsonSerializer.Deserialize(input, TwinJson.Default.TwinSpec)!), TwinJson.Default.TwinSight);
}

/// <summary>The JSON forms of the twin.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(TwinSpec))]
[JsonSerializable(typeof(TwinSight))]
internal sealed partial class TwinJson : JsonSerializerContext;
