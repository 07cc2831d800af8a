using Lotse.Formats;

namespace Lotse.Ssh;

/// <summary>What a plan for one host is made from.</summary>
/// <param name="Name">The host as one types it.</param>
/// <param name="Version">The client's version.</param>
/// <param name="Settings">The configuration for that host.</param>
/// <param name="File">The user's ssh_config.</param>
/// <param name="Content">Its bytes; null: it does not exist.</param>
/// <param name="Owner">Who would own it.</param>
/// <param name="Others">The other hosts that the file names, with the digest of their configuration.</param>
/// <param name="Keys">The user's keys for that host: file and type.</param>
/// <param name="Defaults">The client without any configuration: what <c>+</c> adds to.</param>
/// <param name="IsOption">Whether the file was named by an option, so that ssh has to be told of it.</param>
public sealed record SshPlanFacts(
    string Name, SshVersion Version, SshSettings Settings, string File, byte[]? Content, (uint Uid, uint Gid) Owner, KeyValuePair<string, string>[] Others, KeyValuePair<string, UserKeyType>[] Keys, ClientModel Defaults, bool IsOption)
{
    /// <summary>The most other hosts that are compared before and after.</summary>
    private const int MostOthers = 60;

    /// <summary>Reads all of it.</summary>
    /// <param name="host">The machine of the client.</param>
    /// <param name="name">The host to log in to.</param>
    /// <param name="home">The user's home directory.</param>
    /// <param name="file">The ssh_config to change; null: ~/.ssh/config.</param>
    public static Reading<SshPlanFacts> Read(Host host, string name, string home, string? file)
    {
        var path = file ?? $"{home}/.ssh/config";
        var settings = SshSettings.Read(host, name, file);
        if (!settings.Ok)
        {
            return new(default!, settings.Error);
        }

        if (SshSettings.ClientVersion(host) is not { } version)
        {
            return new(default!, new(HostErrorKind.Failed, "ssh -V does not tell its version"));
        }

        var content = host.ReadFile(path);
        if (!content.Ok && content.Error!.Kind != HostErrorKind.NotFound)
        {
            return new(default!, content.Error);
        }

        var others = content.Ok
            ? SshConfigFile.Parse(FileLines.Split(content.Value).Lines).Lines.Where(l => l.Keyword == "host").SelectMany(l => l.Value.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries)).Select(h => h.Trim('"'))
                .Where(h => h != name && h.Length > 0 && h[0] != '-' && h.IndexOfAny(['*', '?', '!']) < 0).Distinct().Take(MostOthers).ToArray()
            : [];

        // One name that no block is for: what holds for everybody must stay as well.
        var digests = others.Append("lotse-other.invalid").Select(o => new KeyValuePair<string, string>(o, SshSettings.Read(host, o, file) is { Ok: true, Value: var s } ? s.Digest : "")).ToArray();
        var keys = SshIdentity.Read(host, settings.Value, home).Where(i => i.Key is not null).Select(i => new KeyValuePair<string, UserKeyType>(i.File, i.Key!.KeyType));
        // A file that is there keeps its owner; then its folder does not matter, and may change until the plan is applied.
        var folder = content.Ok ? default : host.Status(path[..Math.Max(1, path.LastIndexOf('/'))]);
        return new(new(name, version, settings.Value, path, content.Ok ? content.Value : null, folder.Value is { } owner ? (owner.Uid, owner.Gid) : (0, 0), digests, [.. keys], SshSettings.Defaults(host, version) ?? ClientModel.Defaults(version), file is not null), null);
    }
}
