using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>Plans the server at the other end of the tunnel: forwarding, router announcements, allowed IPs, proxy neighbour discovery. Pure.</summary>
public static class FarPlan
{
    private const string Settings = "/etc/sysctl.d/90-lotse-exits.conf";
    private const string Daemon = "/etc/ndppd.conf";

    /// <summary>Makes the plan.</summary>
    /// <param name="far">The server.</param>
    /// <param name="files">The text of a file of it; null: it is not there.</param>
    /// <param name="prefix">The outer prefix; null: that of its allowed IPs.</param>
    public static ExitsDecision Make(FarFacts far, Func<string, string?> files, IpPrefix? prefix)
    {
        var changes = new List<Change>();
        var reasons = new List<Reason>();
        var tunnels = far.Peers.Select(p => p.Interface).ToHashSet();
        var allowed = far.Peers.SelectMany(p => p.Allowed).Select(a => IpPrefix.TryParse(a, out var p) && p.Address.IsV6 ? p.Network : (IpPrefix?)null).OfType<IpPrefix>().ToArray();
        var outer = prefix?.Network ?? allowed.Where(a => a.Length is > 0 and <= 64).Select(a => (IpPrefix?)a).FirstOrDefault();
        var uplinks = far.Addresses.Where(a => !tunnels.Contains(a.Device) && a.Device.Length > 0 && IpPrefix.TryParse(a.Prefix, out var p) && !p.Address.IsLinkLocal && !p.Address.IsLoopback).Select(a => a.Device).Distinct().ToArray();
        if (far.Forwarding is not true || far.AcceptRa.Any(a => uplinks.Contains(a.Key) && a.Value == 1))
        {
            // accept_ra first: with forwarding on and 1 the default route is gone at once.
            string[] lines = ["# by lotse exits plan: packets go on, and router announcements still count", .. uplinks.Select(u => $"net.ipv6.conf.{u}.accept_ra = 2"), "net.ipv6.conf.all.forwarding = 1"];
            var text = string.Join('\n', lines) + "\n";
            changes.Add(files(Settings) is { } old ? EditFile.Between(Settings, ByteText.Encode(old), ByteText.Encode(text)) : new CreateFile(Settings, lines, 0x1a4, 0, 0));
            foreach (var uplink in uplinks.Where(u => far.AcceptRa.GetValueOrDefault(u) == 1))
            {
                changes.Add(new SetKernelValue($"/proc/sys/net/ipv6/conf/{uplink}/accept_ra", "1", "2"));
            }

            if (far.Forwarding is false && far.ForwardingWhere.StartsWith("/proc/", StringComparison.Ordinal))
            {
                changes.Add(new SetKernelValue(far.ForwardingWhere, "0", "1"));
            }

            reasons.Add(new("forwarding is on, and accept_ra of the uplink is 2", Verdict.Yes, "Documentation/networking/ip-sysctl.rst: a machine that forwards ignores announcements unless it is 2", new Seen($"forwarding {(far.Forwarding is { } f ? f ? "1" : "0" : "not set")}", far.ForwardingWhere)));
        }

        if (outer is { } wanted && !allowed.Any(a => a.Contains(wanted)) && far.Peers.FirstOrDefault() is { } peer)
        {
            var path = peer.Where[..peer.Where.LastIndexOf(':')];
            var number = int.Parse(peer.Where[(peer.Where.LastIndexOf(':') + 1)..], System.Globalization.CultureInfo.InvariantCulture);
            var lines = files(path)!.Split('\n');
            lines[number - 1] = $"{lines[number - 1].TrimEnd()}, {wanted}";
            changes.Add(EditFile.Between(path, ByteText.Encode(files(path)!), ByteText.Encode(string.Join('\n', lines))));
            changes.Add(new TellUnit($"wg-quick@{peer.Interface}.service", UnitAction.Restart));
            reasons.Add(new($"the peer may send from {wanted}", Verdict.Yes, "wireguard receive.c: other sources are dropped, silently", new Seen($"AllowedIPs {string.Join(", ", peer.Allowed)}", peer.Where)));
        }

        foreach (var address in far.Addresses.Where(a => !tunnels.Contains(a.Device)))
        {
            if (outer is { } lent && IpPrefix.TryParse(address.Prefix, out var onLink) && onLink.Address.IsV6 && !onLink.Address.IsLinkLocal && onLink.Length < 128 && onLink.Overlaps(lent) && files(Daemon)?.Contains($"rule {lent} ", StringComparison.Ordinal) is not true)
            {
                changes.AddRange(Answering(far, files, address.Device, lent));
                reasons.Add(new($"ndppd answers for {lent} on {address.Device}", Verdict.Yes, "RFC 4861 section 7.2: the prefix is on the link, so the provider's router asks for each address", new Seen($"{onLink}", address.Where)));
                break;
            }
        }

        var vanish = changes.Count == 0 ? [] : FindingsOfLiveState.FarEnd(far, RouterModel.Of(Nothing(far))).Select(f => f.Id).Distinct().ToArray();
        return new(new(changes.Count == 0 ? "nothing to do at the far end" : (Text)$"the far end passes {outer?.ToString() ?? "IPv6"} on", [.. reasons], [], []), "the far end of the tunnel passes IPv6 on", [.. changes], vanish, null);
    }

    /// <summary>ndppd.conf(5) and the daemon. Behind a tunnel nobody answers to solicitations, so it must not ask there: static.</summary>
    private static IEnumerable<Change> Answering(FarFacts far, Func<string, string?> files, string device, IpPrefix lent)
    {
        string[] lines = ["# by lotse exits plan: answers for addresses behind the tunnel", $"proxy {device} {{", $"  rule {lent} {{", "    static", "  }", "}"];
        var old = files(Daemon);
        yield return old is null ? new CreateFile(Daemon, lines, 0x1a4, 0, 0) : EditFile.Between(Daemon, ByteText.Encode(old), ByteText.Encode($"{old.TrimEnd('\n')}\n\n{string.Join('\n', lines)}\n"));
        if (far.Routes is null)
        {
            yield break;
        }

        if (files("/lib/systemd/system/ndppd.service") is not null)
        {
            yield return old is null ? new RunProgram(["systemctl", "enable", "--now", "ndppd.service"], ["systemctl", "disable", "--now", "ndppd.service"], 60) : new TellUnit("ndppd.service", UnitAction.Restart);
        }
        else if (files("/etc/debian_version") is not null)
        {
            // Debian starts it when it is installed; its configuration is there by then.
            yield return new RunProgram(["apt-get", "install", "-y", "--no-install-recommends", "ndppd"], ["apt-get", "remove", "-y", "ndppd"], 300);
        }
        else
        {
            yield return new ByHand("install ndppd and start it");
        }
    }

    private static ExitsFacts Nothing(FarFacts far)
    {
        static ReadText Missing(string path) => new(path, null, new(HostErrorKind.NotFound, $"cannot read {path}: no such file or directory"));
        return new() { Network = Missing("/etc/config/network"), Firewall = Missing("/etc/config/firewall"), Dhcp = Missing("/etc/config/dhcp"), Release = Missing("/etc/openwrt_release"), Far = far };
    }
}
