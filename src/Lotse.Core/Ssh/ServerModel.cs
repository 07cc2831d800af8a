using System.Globalization;

namespace Lotse.Ssh;

/// <summary>What a server offers and takes, from the table of releases or from asking it.</summary>
/// <param name="Name">Program and release, <c>dropbear:2018.76</c>; the banner for one that is none of these.</param>
/// <param name="Basis">Where the rest is from: <c>measured</c>, <c>as dropbear:2017.75</c>, <c>probe</c>.</param>
public sealed record ServerModel(string Name, string Basis)
{
    /// <summary>The lists of its KEXINIT.</summary>
    public string[] Kex { get; init; } = [];

    /// <summary>The signature algorithms of its host keys.</summary>
    public string[] HostKeys { get; init; } = [];

    /// <summary>Ciphers.</summary>
    public string[] Ciphers { get; init; } = [];

    /// <summary>MACs.</summary>
    public string[] Macs { get; init; } = [];

    /// <summary>server-sig-algs of its EXT_INFO (RFC 8308); null: it sends none, so that an RSA key can only be used with ssh-rsa.</summary>
    public string[]? ServerSigAlgs { get; init; }

    /// <summary>The signature algorithms of user keys that it really takes.</summary>
    public string[] Accepts { get; init; } = [];

    /// <summary>The most names of one list that it copes with.</summary>
    public int MostNames { get; init; } = int.MaxValue;

    /// <summary>Whether a longer list counts as empty (true) or is cut (false).</summary>
    public bool RefusesLonger { get; init; }

    /// <summary>Whether the banner is of a release that takes rsa-sha2 though it does not say so (OpenSSH compat.c SSH_BUG_SIGTYPE74).</summary>
    public bool HidesSha2 { get; init; }

    /// <summary>A release by name (<c>dropbear:2018.76</c>, <c>openssh:9.2</c>) or by its identification string.</summary>
    /// <returns>Null for another program, or a release before every one in the table.</returns>
    public static ServerModel? Of(string name)
    {
        var (program, version) = Identify(name);
        if (program is null || version is not { } wanted)
        {
            return null;
        }

        SshVersion? best = null;
        Dictionary<string, string> values = [];
        foreach (var row in SshTable.Rows("servers"))
        {
            if (!row[0].StartsWith(program, StringComparison.Ordinal) || SshVersion.Parse(row[0].AsSpan(program.Length + 1)) is not { } listed || listed > wanted)
            {
                continue;
            }

            if (best != listed)
            {
                (best, values) = (listed, []);
            }

            values[row[1]] = row[2];
        }

        if (best is null)
        {
            return null;
        }

        var names = values.GetValueOrDefault("names", "").Split(' ');
        return new ServerModel($"{program}:{wanted}", best == wanted ? "measured" : $"as {program}:{best}")
        {
            Kex = SshTable.Names(values["kex"]),
            HostKeys = SshTable.Names(values["hostkeys"]),
            Ciphers = SshTable.Names(values["ciphers"]),
            Macs = SshTable.Names(values["macs"]),
            ServerSigAlgs = values.TryGetValue("server-sig-algs", out var algorithms) ? SshTable.Names(algorithms) : null,
            Accepts = SshTable.Names(values["accepts"]),
            MostNames = names is [_, var most] ? int.Parse(most, CultureInfo.InvariantCulture) : int.MaxValue,
            RefusesLonger = names[0] == "refuses",
            HidesSha2 = program == "openssh" && wanted == new SshVersion(7, 4),
        };
    }

    /// <summary>A server that was asked: its own lists, and what is known of its release for what it does not tell.</summary>
    internal static ServerModel Probed(Transport.ProbeFacts facts)
    {
        var known = Of(facts.Banner);
        var accepts = (known?.Accepts ?? facts.ServerSigAlgs ?? ["ssh-rsa", "ssh-dss", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"])
            .Except(facts.Keys.SelectMany(k => k.Refused.Where(r => r != k.Type))).Union(facts.Keys.Select(k => k.Algorithm).OfType<string>());
        return (known ?? new(facts.Banner, "probe")) with
        {
            Basis = "probe",
            Kex = facts.Kex,
            HostKeys = facts.HostKeys,
            Ciphers = facts.Ciphers,
            Macs = facts.Macs,
            ServerSigAlgs = facts.ServerSigAlgs,
            Accepts = [.. accepts],
        };
    }

    /// <summary>Program and release of a name or an identification string; nulls for what is neither OpenSSH nor Dropbear.</summary>
    public static (string? Program, SshVersion? Version) Identify(string name)
    {
        foreach (var (start, program) in new[] { ("dropbear:", "dropbear"), ("openssh:", "openssh"), ("dropbear_", "dropbear"), ("OpenSSH_", "openssh") })
        {
            var at = name.IndexOf(start, StringComparison.Ordinal);
            if (at == 0 || (at > 0 && name.StartsWith("SSH-", StringComparison.Ordinal)))
            {
                return (program, SshVersion.Parse(name.AsSpan(at + start.Length)));
            }
        }

        return (null, null);
    }

    /// <summary>
    /// Whether server-sig-algs of such a server is what it takes: Dropbear's always is, OpenSSH's from 9.6 on, which leaves out what
    /// its configuration excludes; before, it is all that the program knows (OpenSSH 9.6 release notes).
    /// </summary>
    /// <param name="name">A name or an identification string.</param>
    public static bool ListsWhatItTakes(string name) => Identify(name) is var (program, version) && (program == "dropbear" || (program == "openssh" && version >= new SshVersion(9, 6)));

    /// <summary>The part of a client's list that this server looks at.</summary>
    public IEnumerable<string> Sees(string[] list) => list.Length <= MostNames ? list : RefusesLonger ? [] : list.Take(MostNames);
}
