using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>
/// Asks a router that has been changed: real packets from its address in each inner network take the way that hosts'
/// packets take, and its conntrack tells what they left as. Its reasons are the claims.
/// </summary>
internal static class LiveProof
{
    /// <summary>OpenWrt's kernels have it (CONFIG_NF_CONNTRACK_PROCFS).</summary>
    private const string Connections = "/proc/net/nf_conntrack";

    /// <summary>Host bits that no host takes by itself: it is no hash and no hardware address, and too long to be typed.</summary>
    private static readonly UInt128 SomeHost = 0x6c6f_7473_6500_0001;

    /// <summary>Claims about the addresses that a plan names.</summary>
    /// <param name="host">The router.</param>
    /// <param name="model">Its files and routes; null: its networks are not asked.</param>
    /// <param name="probes">Addresses that the router asks.</param>
    /// <param name="here">Addresses that this computer asks: that the way by which it reached the router and the Internet still holds.</param>
    public static IEnumerable<Reason> Of(Host host, RouterModel? model, IReadOnlyList<IpAddress> probes, IReadOnlyList<IpAddress> here)
    {
        foreach (var target in probes)
        {
            var answered = Answers(host, target, null);
            yield return Claim($"{target} answers the router", answered, target);
            foreach (var lan in target.IsV6 && answered is true && model?.Network is not null ? TwinPlan.Wanted(model) : [])
            {
                foreach (var claim in From(host, model!, lan, target))
                {
                    yield return claim;
                }
            }
        }

        using var local = new Hosts.LocalHost();
        foreach (var target in here)
        {
            yield return Claim($"{target} answers this computer", Answers(local, target, null), target);
        }
    }

    private static IEnumerable<Reason> From(Host host, RouterModel model, NetworkInterface lan, IpAddress target)
    {
        if (lan.V6.Select(a => a.Prefix.Address).OrderBy(a => RouterModel.IPv4First(a) ? 1 : 0).Cast<IpAddress?>().FirstOrDefault() is not { } source || model.RouteFor(source) is not { } route)
        {
            yield break;
        }

        var packet = new Packet(null, route.Interface.Device, source, target, "ipv6-icmp");
        var seen = model.Firewall is null ? source : RouterModel.Seen(model.Translates(packet), packet, route.Interface);
        if (seen is not { } outer || outer == source || (outer.Bits & ulong.MaxValue) != 1)
        {
            foreach (var claim in Asked(host, $"the router's address in {lan.Name}", source, seen, target))
            {
                yield return claim;
            }

            yield break;
        }

        // Host bits ::1 become those of the far end, as a rule: its answer would be to itself. A host's place is taken for a moment.
        var guest = new IpPrefix(source, 64).Network.At(SomeHost);
        var asGuest = packet with { Source = guest };
        using var address = Borrowed.Take(host, guest, lan.Device);
        if (address is null)
        {
            yield return new($"{target} answers a host of {lan.Name}", Verdict.Unknown, "ip address add", new Seen("no address could be added", lan.Device));
            yield break;
        }

        foreach (var claim in Asked(host, $"a host's address in {lan.Name}", guest, RouterModel.Seen(model.Translates(asGuest), asGuest, route.Interface), target))
        {
            yield return claim;
        }
    }

    private static IEnumerable<Reason> Asked(Host host, string whose, IpAddress source, IpAddress? seen, IpAddress target)
    {
        yield return Claim($"{target} answers {whose}, {source}", Answers(host, target, source), target);
        if (host.ReadFile(Connections, 4 << 20) is { Ok: true } read && LeftAs(ByteText.Decode(read.Value), source, target) is { } left && seen is { } foretold)
        {
            yield return new($"packets from {source} leave as {foretold}", left == foretold ? Verdict.Yes : Verdict.No, "the answer that conntrack waits for is to the outer address", new Seen($"{left}", Connections));
        }
    }

    /// <summary>The address that answers are expected at: the second pair of a connection's line (nf_conntrack_standalone.c).</summary>
    internal static IpAddress? LeftAs(string connections, IpAddress source, IpAddress target)
    {
        foreach (var line in connections.Split('\n'))
        {
            IpAddress?[] addresses = [.. line.Split(' ').Where(w => w.StartsWith("src=", StringComparison.Ordinal) || w.StartsWith("dst=", StringComparison.Ordinal)).Select(w => IpAddress.TryParse(w.AsSpan(4), out var ip) ? ip : (IpAddress?)null)];
            if (addresses is [{ } from, { } to, _, { } back] && from == source && to == target)
            {
                return back;
            }
        }

        return null;
    }

    private static Reason Claim(Text text, bool? holds, IpAddress target) =>
        new(text, holds switch { true => Verdict.Yes, false => Verdict.No, _ => Verdict.Unknown }, "ping", new Seen(holds is true ? "answered" : holds is false ? "no answer" : "ping could not be run", $"ping {target}"));

    /// <summary>Some seconds are patience: a tunnel that was restarted shakes hands first.</summary>
    private static bool? Answers(Host host, IpAddress target, IpAddress? source)
    {
        string[] from = source is { } own ? ["-I", own.ToString()] : [];
        string[] command = ["ping", target.IsV6 ? "-6" : "-4", "-c", "3", "-W", "2", "-q", .. from, target.ToString()];
        for (var tries = 0; ; tries++)
        {
            var ran = host.Run(command, TimeSpan.FromSeconds(20));
            if (!ran.Ok)
            {
                return null;
            }

            // 1: nobody answered. Anything else is ping's own trouble, which may pass with the interfaces' return.
            if (ran.Value.ExitCode == 0 || tries == 1)
            {
                return ran.Value.ExitCode == 0;
            }
        }
    }

    /// <summary>An address that the router has for as long as it asks.</summary>
    private sealed class Borrowed(Host host, string[] words) : IDisposable
    {
        /// <summary>Gives a device an address; null where that fails.</summary>
        /// <remarks>It ends by itself should the connection be lost, and is never chosen as a source. Busybox has no words for that.</remarks>
        public static Borrowed? Take(Host host, IpAddress address, string device)
        {
            string[] words = [$"{address}/128", "dev", device];
            if (Ran(host, ["ip", "-6", "addr", "add", .. words, "nodad", "valid_lft", "120", "preferred_lft", "0"]))
            {
                return new(host, words);
            }

            // Without nodad the kernel asks first whether somebody has it, for a second (RFC 4862 section 5.4).
            return Ran(host, ["ip", "-6", "addr", "add", .. words]) && Ran(host, ["sleep", "2"]) ? new(host, words) : null;
        }

        public void Dispose() => Ran(host, ["ip", "-6", "addr", "del", .. words]);

        private static bool Ran(Host host, string[] command) => host.Run(command, TimeSpan.FromSeconds(10)) is { Ok: true, Value.ExitCode: 0 };
    }
}
