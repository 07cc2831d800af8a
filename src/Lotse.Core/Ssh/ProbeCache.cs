using System.Text.Json;
using System.Text.Json.Serialization;
using Lotse.Formats;
using Lotse.Ssh.Transport;

namespace Lotse.Ssh;

/// <summary>What a server said when it was last asked.</summary>
/// <param name="Name">The name that was typed.</param>
/// <param name="Asked">When.</param>
/// <param name="Facts">What it said.</param>
public sealed record CachedProbe(string Name, DateTimeOffset Asked, ProbeFacts Facts)
{
    /// <summary>The least time between questions about keys to a server that counts them (sshd_config(5) PerSourcePenalties: 5 seconds each, shut out from 15 on).</summary>
    private static readonly TimeSpan Penalty = TimeSpan.FromSeconds(5);

    /// <summary>The most files that are read.</summary>
    private const int Most = 2000;

    /// <summary>The folder below the user's cache (<c>XDG_CACHE_HOME</c>).</summary>
    public static string Folder(string cache) => $"{cache}/lotse/ssh";

    /// <summary>The file of one server and user.</summary>
    public static string File(string cache, string address, string user) => $"{Folder(cache)}/{Sha256.Hex(ByteText.Encode($"{user}@{address}"))[..24]}.json";

    /// <summary>Its bytes in the file.</summary>
    public byte[] ToBytes() => [.. JsonSerializer.SerializeToUtf8Bytes(this, CacheJson.Default.CachedProbe), (byte)'\n'];

    /// <summary>Everything that was ever asked.</summary>
    public static CachedProbe[] ReadAll(Host host, string cache) => host.List(Folder(cache)) is { Ok: true, Value: var names }
        ? [.. names.Where(n => n.EndsWith(".json", StringComparison.Ordinal)).Take(Most).Select(n => Read(host, $"{Folder(cache)}/{n}")).OfType<CachedProbe>()] : [];

    /// <summary>One file; null: it is not there, or is none of these.</summary>
    public static CachedProbe? Read(Host host, string file)
    {
        try
        {
            return host.ReadFile(file, 1 << 20) is { Ok: true, Value: var bytes } ? JsonSerializer.Deserialize(bytes, CacheJson.Default.CachedProbe) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>With what is known of keys that were not asked about this time, as long as it is the same server.</summary>
    public CachedProbe Over(CachedProbe? older) => older is null || older.Facts.Banner != Facts.Banner ? this : this with
    {
        Facts = Facts with { Keys = [.. Facts.Keys.Select(k => k.Accepted is null ? Array.Find(older.Facts.Keys, o => o.File == k.File && o.Type == k.Type) ?? k : k), .. older.Facts.Keys.Where(o => !Facts.Keys.Any(k => k.File == o.File))] },
    };

    /// <summary>
    /// How long to wait before the server is asked about keys again, so that it does not shut this address out. Its own
    /// loopback is nobody's way in.
    /// </summary>
    public TimeSpan Wait(DateTimeOffset now)
    {
        var (program, version) = ServerModel.Identify(Facts.Banner);
        var counts = program == "openssh" && version >= new SshVersion(9, 8) && Facts.Queries > 0 && !Facts.Address.StartsWith("127.", StringComparison.Ordinal) && !Facts.Address.StartsWith("::1:", StringComparison.Ordinal) && !Facts.Address.StartsWith("localhost:", StringComparison.Ordinal);
        var left = Asked + Penalty - now;
        return counts && left > TimeSpan.Zero && left <= Penalty ? left : TimeSpan.Zero;
    }
}

/// <summary>The JSON form of what is kept.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(CachedProbe))]
internal sealed partial class CacheJson : JsonSerializerContext;
