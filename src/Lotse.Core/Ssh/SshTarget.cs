using System.Globalization;
using Lotse.Ssh.Transport;

namespace Lotse.Ssh;

/// <summary>What a name behind ssh stands for, and the keys that it would be tried with.</summary>
/// <param name="Name">As typed.</param>
/// <param name="Settings">What <c>ssh -G</c> says; null: ssh was not asked, or is not there.</param>
/// <param name="Address">Where ssh connects to.</param>
/// <param name="Port">Port.</param>
/// <param name="User">The user; empty: not known.</param>
/// <param name="Identities">The keys.</param>
public sealed record SshTarget(string Name, SshSettings? Settings, string Address, int Port, string User, SshIdentity[] Identities)
{
    /// <summary>Works out the name with <c>ssh -G</c>.</summary>
    /// <param name="host">The client's machine.</param>
    /// <param name="name">The name.</param>
    /// <param name="home">The user's home.</param>
    /// <param name="settings">What <c>ssh -G</c> said; null: it could not be asked.</param>
    /// <param name="port">Instead of the configured one.</param>
    /// <param name="user">Instead of the configured one.</param>
    /// <param name="given">Keys to ask about instead of the configured ones; empty: those.</param>
    public static SshTarget Of(Host host, string name, string home, SshSettings? settings, int? port, string? user, SshIdentity[] given) => new(
        name, settings, settings?["hostname"] ?? name, port ?? (int.TryParse(settings?["port"], NumberStyles.None, CultureInfo.InvariantCulture, out var configured) ? configured : 22), user ?? settings?["user"] ?? "",
        given.Length > 0 || settings is null ? given : SshIdentity.Read(host, settings, home));

    /// <summary>Asks the server in one connection, by lotse's own transport where that is enough.</summary>
    /// <param name="host">The client's machine.</param>
    /// <param name="budget">The most refused questions.</param>
    /// <param name="patience">For all of it.</param>
    public Reading<ProbeFacts> Ask(Host host, int budget, TimeSpan patience)
    {
        var keys = Identities.Where(i => i.Key is not null).Select(i => (i.PublicFile ?? i.File, i.Key!)).ToArray();
        return host.Ask($"ssh/probe {Address} {Port} {User} {string.Join(' ', keys.Select(k => k.Item2.Fingerprint))}", () => ProbeJson.Default.ProbeFacts, () =>
        {
            var own = SystemProbe.IsNeeded(Settings) ? null : ServerProbe.Ask(Address, Port, User, keys, budget, patience);
            return new(own is null || own.Cause == SshProtocolException.BeyondLotse ? Fuller(own, SystemProbe.Ask(host, Settings, Opened(own), Address, Port, User, keys, budget, patience)) : own, null);
        });
    }

    /// <summary>What the client has to add so that it gets as far as the keys; whether it should is not asked here.</summary>
    private List<KeyValuePair<string, string>> Opened(ProbeFacts? own) =>
        own?.Kex.Length > 0 && Settings is not null ? SshPlan.Needed(Settings.Client(new(9, 0)), ServerModel.Probed(own), new("ssh-ed25519", 256)) ?? [] : [];

    /// <summary>What ssh could not find out either is told in the words of lotse's own try.</summary>
    private static ProbeFacts Fuller(ProbeFacts? own, ProbeFacts system) => own is not null && system.Kex.Length == 0 ? own : system;
}
