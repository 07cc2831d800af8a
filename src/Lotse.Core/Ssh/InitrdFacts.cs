using System.Text.Json.Serialization;
using Lotse.Ssh.Transport;

namespace Lotse.Ssh;

/// <summary>A key that the initrd would let in, as its authorized_keys has it.</summary>
/// <param name="Line">Its line.</param>
/// <param name="Type">Its type; null: the line holds no key.</param>
/// <param name="Fingerprint">Its fingerprint.</param>
/// <param name="Options">The names of its options.</param>
/// <param name="Accepted">What the image's own dropbear said; null: it was not asked.</param>
/// <param name="Algorithm">Under which name.</param>
public sealed record InitrdKey(int Line, string? Type, string? Fingerprint, string[] Options, bool? Accepted, string? Algorithm);

/// <summary>What an initrd image holds that decides whether somebody gets in through its dropbear.</summary>
public sealed record InitrdFacts
{
    /// <summary>The image, or the folder that it was unpacked to.</summary>
    public required string Image { get; init; }

    /// <summary>Why it cannot be unpacked; null: it was.</summary>
    public string? Broken { get; init; }

    /// <summary>What has made it when it was not initramfs-tools: then nothing of its own ways is known, such as who starts its server, the network or the disk. Null: initramfs-tools.</summary>
    public string? MadeBy { get; init; }

    /// <summary>What mkinitcpio has put into it, in the order in which it runs: HOOKS of its /config; empty: another maker.</summary>
    public string Hooks { get; init; } = "";

    /// <summary>Another ssh server in it than dropbear; null: there is none.</summary>
    public string? OtherServer { get; init; }

    /// <summary>The path of dropbear in it; null: there is none.</summary>
    public string? Dropbear { get; init; }

    /// <summary>DROPBEAR_OPTIONS.</summary>
    public string Options { get; init; } = "";

    /// <summary>Names of host key files.</summary>
    public string[] HostKeys { get; init; } = [];

    /// <summary>The path of authorized_keys; null: there is none.</summary>
    public string? AuthorizedKeys { get; init; }

    /// <summary>Its lines.</summary>
    public InitrdKey[] Keys { get; init; } = [];

    /// <summary>Whether cryptroot-unlock is there.</summary>
    public bool Unlock { get; init; }

    /// <summary>Lines of cryptroot/crypttab.</summary>
    public int Crypttab { get; init; }

    /// <summary>Where the network's configuration is from and what it says: <c>ip=</c> of the kernel's command line, IP= of initramfs.conf; null: neither, so DHCP is tried.</summary>
    public string? Network { get; init; }

    /// <summary>What the image's dropbear said of itself when it was run; null: it was not, and <see cref="NotRun"/> says why.</summary>
    public ProbeFacts? Probe { get; init; }

    /// <summary>Why it was not run.</summary>
    public string? NotRun { get; init; }

    /// <summary>Whether that is so because a library that it needs is not in the image.</summary>
    public bool DoesNotStart { get; init; }

    /// <summary>The version of this machine's ssh client, which stands for the one that will log in.</summary>
    public string? Client { get; init; }
}

/// <summary>The JSON form of images.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(InitrdFacts))]
internal sealed partial class InitrdJson : JsonSerializerContext;
