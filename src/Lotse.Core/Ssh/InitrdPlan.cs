using Lotse.Formats;
using Lotse.Ssh.Logs;

namespace Lotse.Ssh;

/// <summary>What is known of the ssh server in a host's initrd.</summary>
/// <param name="Keys">Its host keys.</param>
/// <param name="Server">Its release; null: not known.</param>
/// <param name="Source">Where that is from.</param>
public sealed record InitrdServer(PublicKey[] Keys, ServerModel? Server, string Source)
{
    /// <summary>Debian's places, from Debian 12 on and before.</summary>
    private static readonly string[] Places = ["/etc/dropbear/initramfs", "/etc/dropbear-initramfs"];

    private static readonly string[] Types = ["ed25519", "ecdsa", "rsa"];

    /// <summary>Asks the real system, by a login that ssh has checked the host key of: what dropbearkey prints of the files that the initrd is made from.</summary>
    /// <param name="host">The client's machine.</param>
    /// <param name="name">The host as one types it.</param>
    /// <param name="settings">What <c>ssh -G</c> says of it.</param>
    public static InitrdServer OverSsh(Host host, string name, SshSettings settings)
    {
        Reading<Ran> Remote(params string[] words) => host.Run(["ssh", .. settings.File is { } file ? ["-F", file] : Array.Empty<string>(), "-T", "-o", "BatchMode=yes", "--", name, .. words], TimeSpan.FromSeconds(20));
        var keys = new List<PublicKey>();
        foreach (var place in Places.TakeWhile(_ => keys.Count == 0))
        {
            foreach (var type in Types)
            {
                keys.AddRange(Remote("dropbearkey", "-y", "-f", $"{place}/dropbear_{type}_host_key") is { Ok: true, Value: { ExitCode: 0, Output: var output } } ? OfText(ByteText.Decode(output)) : []);
            }
        }

        var version = Remote("dropbear", "-V") is { Ok: true, Value: var ran } ? ByteText.Decode(ran.Output) + ByteText.Decode(ran.Errors) : "";
        return new([.. keys], LogLines.Between(version, "Dropbear v", "\n") is { } release ? ServerModel.Of("dropbear:" + release.Trim()) : null, $"ssh {name} dropbearkey -y");
    }

    /// <summary>Every public key in a text: what <c>dropbearkey -y</c> prints, .pub files, lines of known_hosts.</summary>
    public static PublicKey[] OfText(string text) =>
        [.. text.Split('\n').Select(l => PublicKey.Parse(l) ?? PublicKey.Parse(l.AsSpan(Math.Max(0, l.IndexOf(' ', StringComparison.Ordinal))))).OfType<PublicKey>().DistinctBy(k => k.Fingerprint)];
}

/// <summary>
/// A name of its own for the initrd of a host: both answer at one address, and known_hosts knows only one of them under it.
/// Nothing is checked less: the initrd's keys are pinned under its name. Pure.
/// </summary>
public static class InitrdPlan
{
    /// <summary>The block and the lines of known_hosts.</summary>
    /// <param name="facts">The client's side, for the host itself.</param>
    /// <param name="initrd">The initrd's server.</param>
    /// <param name="knownHosts">The file to add to.</param>
    /// <param name="known">Its bytes; null: it does not exist.</param>
    public static Decision Decide(SshPlanFacts facts, InitrdServer initrd, string knownHosts, byte[]? known)
    {
        var name = facts.Name + "-initrd";
        var goal = $"reach the initrd of {facts.Name} as {name}";
        if (initrd.Keys.Length == 0)
        {
            return Stuck(goal, "the host keys of the initrd are not known: a key that nobody vouches for is not pinned", $"on the host: dropbearkey -y -f /etc/dropbear/initramfs/dropbear_ed25519_host_key, and --initrd-keys FILE with what it prints");
        }

        var client = facts.Settings.Client(facts.Version);
        var options = new List<KeyValuePair<string, string>>();
        if (initrd.Server is { } server && facts.Keys.Length > 0)
        {
            if (facts.Keys.Select(k => SshPlan.Needed(client, server, k.Value)).OfType<List<KeyValuePair<string, string>>>().MinBy(o => o.Count) is not { } needed)
            {
                return Stuck(goal, $"no option of the client helps: {server.Name} takes none of your keys", "lotse ssh predict tells why; an ECDSA key is what most releases take");
            }

            // The name is new: no block of the file is for it but those for many, whose settings those of the host stand for.
            options.AddRange(SshPlan.Written(facts.Defaults, client.With(needed), needed));
        }

        KeyValuePair<string, string>[] block = [new("HostName", facts.Settings["hostname"] ?? facts.Name), new("Port", facts.Settings["port"] ?? "22"), new("User", "root"), new("HostKeyAlias", name), .. options];
        var lines = FileLines.Split(known ?? []);
        var present = KnownHost.Read(string.Join('\n', lines.Lines)).Where(k => k.IsFor(name)).Select(k => k.Key.Fingerprint).ToHashSet();
        string[] added = [.. initrd.Keys.Where(k => !present.Contains(k.Fingerprint)).Select(k => $"{name} {k.Type} {Convert.ToBase64String(k.Blob)}{lines.LineEnd}")];
        var changes = new List<Change> { SshPlan.Edit(facts, name, block) };
        if (added.Length > 0)
        {
            changes.Add(known is null ? new CreateFile(knownHosts, added, 0x180, facts.Owner.Uid, facts.Owner.Gid) : EditFile.Between(knownHosts, known, new FileLines([.. lines.Lines, .. added], false).Join()));
        }

        var reasons = initrd.Keys.Select(k => new Reason($"the initrd's {k.Type} host key is {new Value(k.Fingerprint, ValueKind.Key)}", Verdict.Yes, "ssh_config(5) HostKeyAlias", new Seen(initrd.Source, facts.Name)));
        var told = options.Count == 0 || initrd.Server is null ? "" : $", with {options.Count} option{(options.Count == 1 ? "" : "s")} that {initrd.Server.Name} needs";
        Unknown[] unknowns = initrd.Server is null ? [new("whether your keys open it", "the release of its server is not known", "lotse ssh preflight on the host, or --server dropbear:RELEASE")] : [];
        return new(
            new($"ssh {name} will reach the initrd of {Value.Host(facts.Name)}, checked by its own host keys{told}", [.. reasons], [], unknowns), goal, [.. changes], ["ssh/hostkey-changed"],
            [facts.IsOption ? facts.File : "", name, "hostkeyalias", name, .. initrd.Keys.SelectMany(k => new[] { SshProof.Known + knownHosts, k.Fingerprint }), SshProof.Others, .. facts.Others.SelectMany(o => new[] { o.Key, o.Value }), facts.Name, facts.Settings.Digest]);
    }

    private static Decision Stuck(string goal, Text why, Text how) => new(new(why, [], [], [new("a name of its own for the initrd", why, how)]), goal, [], [], []) { Impossible = true };
}
