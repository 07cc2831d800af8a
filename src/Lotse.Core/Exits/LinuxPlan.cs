using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>
/// Plans a plain Linux router: addresses and announcements by drop-ins of systemd-networkd, translation and what is let in
/// by an nftables table of its own, so that no file of somebody else's is rewritten. Pure.
/// </summary>
internal static class LinuxPlan
{
    public const string Rules = "/etc/lotse/exits.nft", Settings = "/etc/sysctl.d/90-lotse-exits.conf", Unit = "/etc/systemd/system/lotse-exits-npt.service";
    private const string Nftables = "/etc/nftables.conf";

    /// <summary>Makes the plan.</summary>
    public static ExitsDecision Make(LinuxRouter router, ExitsGoal goal)
    {
        static ExitsDecision Impossible(Text why) => new(new(why, [], [], []), "", [], [], null, true);
        var lans = router.Lans.ToArray();
        if (lans.Length == 0 || (goal.Inbound is { } wanted && lans.All(l => l.Device != wanted)))
        {
            return Impossible(lans.Length == 0 ? $"not planned: {LinuxRouter.Folder} has no inner network with a fixed address" : (Text)$"not planned: there is no inner network {goal.Inbound}; there are {string.Join(", ", lans.Select(l => l.Device))}");
        }

        if (!Peer.Covers([.. router.Tunnel.Allowed.Select(a => IpPrefix.TryParse(a, out var p) ? p : (IpPrefix?)null).OfType<IpPrefix>()], IpPrefix.Parse("2000::/3")))
        {
            return Impossible($"not planned: the peer of {router.Tunnel.Device} may not have packets for the Internet: add ::/0 to AllowedIPs at {router.Tunnel.AllowedWhere}");
        }

        if (Outer(router, goal) is not { } outer)
        {
            return Impossible("not planned: the outer prefix is not known; name it: --prefix 2001:db8:1:2::/64");
        }

        var (method, reasons) = MethodChoice.Choose(goal, outer, lans.Length, fw4: true, plain: true);
        if (reasons[0].Verdict == Verdict.No)
        {
            return new(new($"{MethodChoice.Name(method)} does not fit", reasons, [], []), "", [], [], null, true);
        }

        var twin = new LinuxDesign(router, lans, outer, method, goal.Inbound);
        var changes = Changes(router, twin).ToArray();
        var verdict = changes.Length == 0 ? $"nothing to do: the networks leave by {MethodChoice.Name(method)} already" : (Text)$"{MethodChoice.Name(method)} into {outer} for {string.Join(", ", lans.Select(l => l.Device))}";
        return new(new(verdict, reasons, [], []), $"IPv6 of {string.Join(", ", lans.Select(l => l.Device))} leaves by {router.Tunnel.Device}: {MethodChoice.Name(method)} into {outer}", changes, [], null) { Design = twin };
    }

    private static IpPrefix? Outer(LinuxRouter router, ExitsGoal goal) =>
        goal.Prefix?.Network ?? router.Tunnel.Addresses.Select(a => IpPrefix.TryParse(a, out var p) && p.Address.IsV6 && !p.Address.IsUniqueLocal ? new IpPrefix(p.Address, Math.Min(p.Length, 64)).Network : (IpPrefix?)null).FirstOrDefault(p => p is not null);

    private static IEnumerable<Change> Changes(LinuxRouter router, LinuxDesign design)
    {
        // In a folder there is nobody to tell.
        var live = router.Forwarding is not null;
        var changed = new HashSet<string>();
        foreach (var (path, text) in design.Files)
        {
            var old = router.Written.FirstOrDefault(w => w.Path == path)?.Text;
            if (old != text)
            {
                changed.Add(path);
                yield return old is null ? new CreateFile(path, [.. text.TrimEnd('\n').Split('\n')], 0x1a4, 0, 0) : EditFile.Between(path, ByteText.Encode(old), ByteText.Encode(text));
            }
        }

        // Of an earlier method.
        foreach (var old in router.Written.Where(w => w.Text is not null && w.Path != Settings && !design.Files.ContainsKey(w.Path)))
        {
            changed.Add(old.Path);
            if (old.Path == Unit && live)
            {
                yield return new RunProgram(["systemctl", "disable", "--now", "lotse-exits-npt.service"], ["systemctl", "enable", "--now", "lotse-exits-npt.service"], 30);
            }

            yield return new DeleteFile(old.Path, Sha256.Hex(ByteText.Encode(old.Text!)));
        }

        var include = $"include \"{Rules}\"";
        if (router.Nftables is null)
        {
            yield return new CreateFile(Nftables, ["#!/usr/sbin/nft -f", "flush ruleset", include], 0x1ed, 0, 0);
        }
        else if (!router.Nftables.Split('\n').Any(l => l.Trim() == include))
        {
            changed.Add(Rules);
            yield return EditFile.Between(Nftables, ByteText.Encode(router.Nftables), ByteText.Encode($"{router.Nftables.TrimEnd('\n')}\n\n{include}\n"));
        }

        if (!live)
        {
            yield break;
        }

        if (router.Forwarding is false)
        {
            yield return new SetKernelValue("/proc/sys/net/ipv6/conf/all/forwarding", "0", "1");
        }

        if (changed.Contains(Rules))
        {
            yield return new RunProgram(["nft", "-f", Rules], ["nft", "add table ip6 lotse_exits; delete table ip6 lotse_exits"], 20);
        }

        if (changed.Any(c => c.StartsWith(LinuxRouter.Folder, StringComparison.Ordinal)))
        {
            yield return new TellUnit("systemd-networkd.service", UnitAction.Restart);
        }

        if (changed.Contains(Unit) && design.Files.ContainsKey(Unit))
        {
            yield return new RunProgram(["systemctl", "enable", "--now", "lotse-exits-npt.service"], ["systemctl", "disable", "--now", "lotse-exits-npt.service"], 30);
        }
    }
}
