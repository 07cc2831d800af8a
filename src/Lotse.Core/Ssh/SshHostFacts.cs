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
    private static readonly string[] Files = ["userknownhostsfile", "globalknownhostsfile"];

    /// <summary>Reads the lines of known_hosts for a host: the files that <c>ssh -G</c> names, hashed names as well.</summary>
    public static (KnownHost[] Known, string LookedUp) ReadKnown(Host host, SshTarget target, string home)
    {
        var name = target.Settings?["hostkeyalias"] is { Length: > 0 } alias && alias != "none" ? alias : KnownHost.LookedUp(target.Address, target.Port);
        var files = Files.SelectMany(k => (target.Settings?[k] ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries)).Select(f => f.StartsWith("~/", StringComparison.Ordinal) ? home + f[1..] : f);
        return ([.. files.Where(f => f.StartsWith('/')).SelectMany(f => host.ReadFile(f) is { Ok: true, Value: var bytes } ? KnownHost.Read(ByteText.Decode(bytes)) : []).Where(k => k.Marker != "@cert-authority" && k.IsFor(name))], name);
    }
}
