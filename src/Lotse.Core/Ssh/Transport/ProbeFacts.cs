using System.Text.Json.Serialization;

namespace Lotse.Ssh.Transport;

/// <summary>A public key and what the server says to it.</summary>
/// <param name="File">Where it was read.</param>
/// <param name="Type">The key type.</param>
/// <param name="Accepted">true, false, or null: it was not asked, the budget was used up or the connection ended.</param>
/// <param name="Algorithm">The signature algorithm under which it is taken.</param>
/// <param name="Refused">The algorithms under which it was refused.</param>
public sealed record ProbedKey(string File, string Type, bool? Accepted, string? Algorithm, string[] Refused);

/// <summary>What a server says of itself to somebody who has no private key.</summary>
public sealed record ProbeFacts
{
    /// <summary>Where it was asked: address and port.</summary>
    public required string Address { get; init; }

    /// <summary>The user that was asked for; empty: none.</summary>
    public string User { get; init; } = "";

    /// <summary>Its identification line.</summary>
    public string Banner { get; init; } = "";

    /// <summary>Its key exchange methods.</summary>
    public string[] Kex { get; init; } = [];

    /// <summary>Its host key algorithms.</summary>
    public string[] HostKeys { get; init; } = [];

    /// <summary>Its ciphers.</summary>
    public string[] Ciphers { get; init; } = [];

    /// <summary>Its MACs.</summary>
    [JsonPropertyName("macs")]
    public string[] Macs { get; init; } = [];

    /// <summary>server-sig-algs of EXT_INFO; null: none was sent.</summary>
    public string[]? ServerSigAlgs { get; init; }

    /// <summary>Type of the host key that it has proved to hold.</summary>
    public string? HostKeyType { get; init; }

    /// <summary>That key's fingerprint.</summary>
    public string? HostKeyFingerprint { get; init; }

    /// <summary>The ways to log in that it names for this user; where it has taken every key, that it takes keys.</summary>
    public string[]? Methods { get; init; }

    /// <summary>Every key, in the order in which it was asked.</summary>
    public ProbedKey[] Keys { get; init; } = [];

    /// <summary>Connections that were made.</summary>
    public int Connections { get; init; }

    /// <summary>Questions about keys that were sent.</summary>
    public int Queries { get; init; }

    /// <summary>What ended the conversation early; null: nothing did.</summary>
    public string? Trouble { get; init; }

    /// <summary>The cause of the catalogue that <see cref="Trouble"/> is; null: none.</summary>
    public string? Cause { get; init; }

    /// <summary>Whether the system's ssh was asked in place of lotse's own transport.</summary>
    public bool BySystem { get; init; }
}
