using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>How the inner networks leave.</summary>
public enum ExitsMethod
{
    /// <summary>Choose by the decision table.</summary>
    Auto,

    /// <summary>Prefix delegation: each network a /64 of the outer prefix.</summary>
    Pd,

    /// <summary>Masquerade: all hosts as the tunnel's address.</summary>
    Nat6,

    /// <summary>Prefix translation, one way: each host keeps its host bits.</summary>
    Npt6,

    /// <summary>Source NAT to a range: another address for each host and destination.</summary>
    Range,

    /// <summary>One network delegated, the others translated into the same /64.</summary>
    Hybrid,

    /// <summary>Stateless translation, checksum-neutral, without conntrack (RFC 6296): the kernel's SNPT and DNPT.</summary>
    Stateless,
}

/// <summary>What is wanted of the exits.</summary>
/// <param name="Method">The method, or Auto.</param>
/// <param name="Inbound">The network that has to be reachable from outside; null: none.</param>
/// <param name="Unlinkable">Whether destinations must not be able to tell that two connections are one host's.</param>
/// <param name="Prefix">The outer prefix, where the files do not say it.</param>
/// <param name="OnLink">Whether the far end's prefix is on its link, and no daemon is wanted there.</param>
/// <param name="KeepInner">Keep the inner prefix even where hosts then prefer IPv4.</param>
public sealed record ExitsGoal(ExitsMethod Method, string? Inbound, bool Unlinkable, IpPrefix? Prefix, bool OnLink, bool KeepInner);

/// <summary>The decision table, as reasons: which method fits, and what each of the others would break.</summary>
internal static class MethodChoice
{
    /// <summary>Chooses.</summary>
    /// <param name="goal">What is wanted.</param>
    /// <param name="outer">The outer prefix.</param>
    /// <param name="networks">How many inner networks there are.</param>
    /// <param name="fw4">Whether the firewall is firewall4, or nftables at all.</param>
    /// <param name="plain">Whether it is a plain Linux router.</param>
    public static (ExitsMethod Method, Reason[] Reasons) Choose(ExitsGoal goal, IpPrefix outer, int networks, bool fw4, bool plain)
    {
        var room = outer.Length > 64 ? 0 : outer.Length <= 48 ? int.MaxValue : 1 << (64 - outer.Length);
        var best = outer.Length > 64 || goal.OnLink ? ExitsMethod.Nat6
            : room >= networks && !goal.Unlinkable ? ExitsMethod.Pd
            : goal.Inbound is not null ? ExitsMethod.Hybrid
            : goal.Unlinkable && fw4 ? ExitsMethod.Range
            : ExitsMethod.Npt6;
        var fits = new Dictionary<ExitsMethod, (bool Fits, Text Why)>
        {
            [ExitsMethod.Pd] = (room >= networks, room >= networks ? $"{outer} has {(room == int.MaxValue ? "enough" : room)} /64 for {networks} network{(networks == 1 ? "" : "s")}; nothing breaks, and hosts are reachable as far as the firewall lets in" : $"{outer} has {room} /64 for {networks} networks: SLAAC needs one each"),
            [ExitsMethod.Nat6] = (true, "all hosts leave with one address: nothing is reachable from outside, hosts cannot be told apart there"),
            [ExitsMethod.Npt6] = (outer.Length <= 64, outer.Length <= 64 ? "hosts keep their host bits outside: they can be told apart and followed; nothing is reachable from outside; two networks share the host numbers" : $"{outer} leaves no 64 bits for hosts"),
            [ExitsMethod.Range] = (outer.Length <= 64 && fw4, !fw4 ? "needs firewall4 (22.03 and later)" : outer.Length <= 64 ? "a host has another address for each destination, foretold by a hash without a secret; nothing is reachable from outside" : $"{outer} leaves no room for a range"),
            [ExitsMethod.Hybrid] = (outer.Length <= 64 && networks > 1, outer.Length > 64 ? $"{outer} leaves no 64 bits for a network" : networks > 1 ? $"one network has the /64 and may be reached from outside, the others are translated into it: they cannot" : "there is only one network"),
            [ExitsMethod.Stateless] = (plain && outer.Length <= 64 && networks == 1, !plain ? "the kernel's SNPT and DNPT are in no image of OpenWrt, and nft has nothing like them" : outer.Length > 64 ? $"{outer} leaves no 64 bits for hosts" : networks > 1 ? "one outer /64 stands for one inner one" : "nothing is tracked, and hosts are reachable from outside: what is let in, each host decides"),
        };
        var method = goal.Method == ExitsMethod.Auto ? best : goal.Method;
        return (method, [.. fits.OrderBy(f => f.Key == method ? 0 : 1).Select(f => new Reason($"{Name(f.Key)}{(f.Key == method ? " (chosen)" : "")}: {f.Value.Why}", f.Value.Fits ? Verdict.Yes : Verdict.No, f.Key == method && goal.Method == ExitsMethod.Auto ? $"prefix length {outer.Length}, {networks} networks, inbound {goal.Inbound ?? "none"}, {(goal.Unlinkable ? "unlinkable" : "stable addresses")}" : null))]);
    }

    public static string Name(ExitsMethod method) => method.ToString().ToLowerInvariant();
}
