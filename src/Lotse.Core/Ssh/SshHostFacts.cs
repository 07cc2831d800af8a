using Lotse.Ssh.Transport;

namespace Lotse.Ssh;

/// <summary>What decides whether one login will work, read without trying it.</summary>
/// <param name="Target">The name and what it stands for.</param>
/// <param name="Version">The client's version.</param>
/// <param name="Probe">What the server said.</param>
/// <param name="Known">The lines of known_hosts for the host.</param>
/// <param name="LookedUp">The name under which ssh looks there.</param>
public sealed record SshHostFacts(SshTarget Target, SshVersion Version, ProbeFacts Probe, KnownHost[] Known, string LookedUp)
{
    /// <summary>Where nothing is known under a name with its port, the lines for the host alone: ssh looks there then (sshconnect.c check_host_key).</summary>
    public KnownHost[] WithoutPort { get; init; } = [];

    private static readonly string[] Files = ["userknownhostsfile", "globalknownhostsfile"];

    /// <summary>Reads the lines of known_hosts for a host: the files that <c>ssh -G</c> names, hashed names as well.</summary>
    /// <param name="host">The client's machine.</param>
    /// <param name="target">The host.</param>
    /// <param name="home">The user's home.</param>
    /// <param name="version">The client's version.</param>
    /// <param name="probe">What the server said.</param>
    public static SshHostFacts Read(Host host, SshTarget target, string home, SshVersion version, ProbeFacts probe)
    {
        var alias = target.Settings?["hostkeyalias"] is { Length: > 0 } named && named != "none" ? named : null;
        var name = alias ?? KnownHost.LookedUp(target.Address, target.Port);
        var files = Files.SelectMany(k => (target.Settings?[k] ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries)).Select(f => f.StartsWith("~/", StringComparison.Ordinal) ? home + f[1..] : f);
        KnownHost[] all = [.. files.Where(f => f.StartsWith('/')).SelectMany(f => host.ReadFile(f) is { Ok: true, Value: var bytes } ? KnownHost.Read(ByteText.Decode(bytes)) : [])];
        return new(target, version, probe, Array.FindAll(all, k => k.IsFor(name)), name)
        {
            WithoutPort = alias is null && name != target.Address ? Array.FindAll(all, k => k.Marker.Length == 0 && k.IsFor(target.Address)) : [],
        };
    }
}
