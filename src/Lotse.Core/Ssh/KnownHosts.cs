using System.Text;
using Org.BouncyCastle.Crypto.Digests;
using Org.BouncyCastle.Crypto.Macs;
using Org.BouncyCastle.Crypto.Parameters;

namespace Lotse.Ssh;

/// <summary>A line of known_hosts (sshd(8) SSH_KNOWN_HOSTS FILE FORMAT).</summary>
/// <param name="Line">Its number, from 1.</param>
/// <param name="Marker"><c>@revoked</c>, <c>@cert-authority</c>, or empty.</param>
/// <param name="Names">Patterns between commas, or one hashed name.</param>
/// <param name="Key">The key.</param>
public sealed record KnownHost(int Line, string Marker, string Names, PublicKey Key)
{
    /// <summary>Whether the name cannot be read, only compared.</summary>
    public bool IsHashed => Names.StartsWith("|1|", StringComparison.Ordinal);

    /// <summary>Every line with a key that can be read.</summary>
    public static IEnumerable<KnownHost> Read(string file)
    {
        var number = 0;
        foreach (var raw in file.Split('\n'))
        {
            number++;
            var words = raw.Split((char[])[' ', '\t', '\r'], 4, StringSplitOptions.RemoveEmptyEntries);
            var marker = words is [['@', ..], ..] ? words[0] : "";
            var rest = raw.TrimStart([' ', '\t'])[marker.Length..].Trim([' ', '\t', '\r']);
            var space = rest.IndexOfAny([' ', '\t']);
            if (space > 0 && rest[0] != '#' && PublicKey.Parse(rest.AsSpan(space)) is { } key)
            {
                yield return new(number, marker, rest[..space], key);
            }
        }
    }

    /// <summary>The name under which a host is looked up: with its port unless that is 22 (misc.c put_host_port).</summary>
    public static string LookedUp(string host, int port) => port == 22 ? host : $"[{host}]:{port}";

    /// <summary>Whether the line is for this name, in upper case or lower (ssh.c main, match.c match_hostname).</summary>
    public bool IsFor(string name) => IsHashed ? Hashed(name.ToLowerInvariant()) : SshConfigFile.HostFits(Names.ToLowerInvariant(), name.ToLowerInvariant());

    /// <summary><c>|1|SALT|HASH</c>: HMAC-SHA1 of the name (hostfile.c host_hash).</summary>
    private bool Hashed(string name)
    {
        var parts = Names.Split('|');
        var salt = new byte[64];
        var hash = new byte[64];
        if (parts.Length != 4 || !Convert.TryFromBase64String(parts[2], salt, out var saltLength) || !Convert.TryFromBase64String(parts[3], hash, out var hashLength))
        {
            return false;
        }

        var mac = new HMac(new Sha1Digest());
        mac.Init(new KeyParameter(salt, 0, saltLength));
        var bytes = Encoding.UTF8.GetBytes(name);
        mac.BlockUpdate(bytes, 0, bytes.Length);
        var result = new byte[mac.GetMacSize()];
        mac.DoFinal(result, 0);
        return result.AsSpan().SequenceEqual(hash.AsSpan(0, hashLength));
    }
}
