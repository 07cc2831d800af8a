using System.Text;
using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>A plain Linux router as it will be: its files, and what a server will see of each network. Pure.</summary>
public sealed class LinuxDesign
{
    private readonly LinuxRouter router;
    private readonly LinuxNetwork[] lans;
    private readonly IpPrefix outer;
    private readonly ExitsMethod method;
    private readonly string? inbound;
    private readonly IpPrefix inner;

    internal LinuxDesign(LinuxRouter router, LinuxNetwork[] lans, IpPrefix outer, ExitsMethod method, string? inbound)
    {
        (this.router, this.lans, this.outer, this.method, this.inbound) = (router, lans, outer, method, inbound);

        // The bits of a prefix that is nobody's are drawn from the tunnel's own file.
        var seed = Convert.FromHexString(Sha256.Hex(ByteText.Encode(router.Tunnel.Path + string.Join(' ', router.Tunnel.Addresses))));
        inner = new IpPrefix(IpAddress.V6(((UInt128)0xdd << 120) | ((UInt128)(BitConverter.ToUInt64(seed) & 0xff_ffff_ffff) << 80)), 48);
        Files = new Dictionary<string, string>(Written().Select(f => KeyValuePair.Create(f.Path, f.Text)));
    }

    /// <summary>The files that it needs, by path.</summary>
    internal IReadOnlyDictionary<string, string> Files { get; }

    private string Tunnel => router.Tunnel.Device;

    private bool Delegated(int index) => method == ExitsMethod.Pd || (method == ExitsMethod.Hybrid && lans[index].Device == (inbound ?? lans[0].Device));

    /// <summary>The /64 of a network: its own outer one, one that is translated as a whole, or one of the inner prefix.</summary>
    private IpPrefix Prefix(int index) => Delegated(index) ? (method == ExitsMethod.Hybrid || outer.Length == 64 ? new IpPrefix(outer.First, 64) : outer.Sub(64, (UInt128)index)) : inner.Sub(64, (UInt128)(index + 1));

    /// <summary>The far end has ::1 of a /64 that is all there is.</summary>
    private IpAddress Gateway(int index) => Prefix(index).At(Delegated(index) && outer.Length == 64 ? 0xfeu : 1u);

    private IpPrefix Translated => outer.Length > 64 ? outer : new IpPrefix(outer.First, 64);

    /// <summary>One inner prefix for one outer: RFC 6296 has no other.</summary>
    private IpPrefix Neutral => Prefix(0);

    private IEnumerable<(string Path, string Text)> Written()
    {
        const string By = "# by lotse exits plan\n";
        for (var i = 0; i < lans.Length; i++)
        {
            var unreachable = i == 0 && method is not ExitsMethod.Nat6 ? $"\n[Route]\nDestination={outer}\nType=unreachable\nMetric=2147483647\n" : "";
            yield return (LinuxRouter.DropIn(lans[i].Path), $"{By}[Network]\nAddress={Gateway(i)}/64\nIPv6SendRA=yes\nIPv6AcceptRA=no\n\n[IPv6Prefix]\nPrefix={Prefix(i)}\n{unreachable}");
        }

        if (!router.Tunnel.IsQuick && router.Networks.FirstOrDefault(n => n.Device == Tunnel) is { } outside)
        {
            yield return (LinuxRouter.DropIn(outside.Path), $"{By}[Route]\nDestination=::/0\nMetric=1024\n");
        }

        if (router.Forwarding is not true || router.Written.Any(w => w.Path == LinuxPlan.Settings && w.Text is not null))
        {
            yield return (LinuxPlan.Settings, By + string.Concat(router.Networks.Where(n => n.IsUplink && n.Device.Length > 0 && !n.Device.Contains('*')).Select(n => $"net.ipv6.conf.{n.Device}.accept_ra = 2\n")) + "net.ipv6.conf.all.forwarding = 1\n");
        }

        yield return (LinuxPlan.Rules, By + Ruleset());
        if (method == ExitsMethod.Stateless)
        {
            yield return (LinuxPlan.Unit, $"{By}[Unit]\nDescription=Stateless translation of an IPv6 prefix (RFC 6296)\nBefore=network.target\n\n[Service]\nType=oneshot\nRemainAfterExit=yes\n{string.Concat(Commands("-A").Select(c => $"ExecStart=ip6tables {c}\n"))}{string.Concat(Commands("-D").Select(c => $"ExecStop=ip6tables {c}\n"))}\n[Install]\nWantedBy=multi-user.target\n");
        }
    }

    /// <summary>The kernel's SNPT and DNPT are in ip6tables alone. What is for the router itself is not translated.</summary>
    private string[] Commands(string verb) => method != ExitsMethod.Stateless ? [] :
    [
        $"-t mangle {verb} POSTROUTING -o {Tunnel} -s {Neutral} -j SNPT --src-pfx {Neutral} --dst-pfx {Translated}",
        .. Own is { } own && Translated.Contains(own) ? [$"-t mangle {verb} PREROUTING -i {Tunnel} -d {own} -j RETURN"] : Array.Empty<string>(),
        $"-t mangle {verb} PREROUTING -i {Tunnel} -d {Translated} -j DNPT --src-pfx {Translated} --dst-pfx {Neutral}",
    ];

    private string Ruleset()
    {
        var rule = method switch
        {
            ExitsMethod.Nat6 => $"ip6 saddr {inner} masquerade",
            ExitsMethod.Npt6 or ExitsMethod.Hybrid => $"ip6 saddr {inner} snat ip6 prefix to {Translated}",
            ExitsMethod.Range => $"ip6 saddr {inner} snat ip6 to {FindingsOfTranslations.RangeOf(Translated)}",
            _ => null,
        };
        var text = new StringBuilder("table ip6 lotse_exits\ndelete table ip6 lotse_exits\ntable ip6 lotse_exits {\n");
        if (rule is not null)
        {
            text.Append($"\tchain postrouting {{\n\t\ttype nat hook postrouting priority srcnat; policy accept;\n\t\toifname \"{Tunnel}\" {rule}\n\t}}\n");
        }

        if (method == ExitsMethod.Stateless)
        {
            // Answers belong to no connection that conntrack knows: it must not look at them.
            text.Append($"\tchain prerouting {{\n\t\ttype filter hook prerouting priority raw; policy accept;\n{(Own is { } own ? $"\t\tip6 daddr {own} accept\n" : "")}\t\tiifname \"{Tunnel}\" ip6 daddr {Translated} notrack\n\t\tiifname != \"{Tunnel}\" ip6 saddr {Neutral} notrack\n\t}}\n");
        }
        else
        {
            text.Append($"\tchain forward {{\n\t\ttype filter hook forward priority filter; policy accept;\n\t\tiifname \"{Tunnel}\" ct state established,related accept\n\t\tiifname \"{Tunnel}\" icmpv6 type {{ destination-unreachable, packet-too-big, time-exceeded, parameter-problem, echo-request }} accept\n{(inbound is null ? "" : $"\t\tiifname \"{Tunnel}\" oifname \"{inbound}\" accept\n")}\t\tiifname \"{Tunnel}\" drop\n\t}}\n");
        }

        return text.Append("}\n").ToString();
    }

    /// <summary>What a server sees of a host.</summary>
    internal IpAddress? Seen(IpAddress host) => method switch
    {
        _ when !inner.Contains(host) => host,
        ExitsMethod.Nat6 => Own,
        ExitsMethod.Range => new SnatRange(IpAddress.Parse(FindingsOfTranslations.RangeOf(Translated).Split('-')[0]), IpAddress.Parse(FindingsOfTranslations.RangeOf(Translated).Split('-')[1])).Pick(host, PacketPath.SomeServer),
        ExitsMethod.Stateless => Neutral.Contains(host) ? new PrefixTranslation(Neutral, Translated).Neutral(host) : null,
        _ => new PrefixTranslation(inner, Translated).Plain(host),
    };

    private IpAddress? Own => router.Tunnel.Addresses.Select(a => IpPrefix.TryParse(a, out var p) && p.Address.IsV6 ? p.Address : (IpAddress?)null).FirstOrDefault(a => a is not null);

    /// <summary>The router's twin.</summary>
    internal TwinSpec Spec()
    {
        UInt128[] hosts = [0xa1, 0xa2];
        var own = router.Tunnel.Addresses.Where(a => IpPrefix.TryParse(a, out var p) && p.Address.IsV6).Select(a => IpPrefix.Parse(a).Address + "/128").ToArray();
        return new(
            [.. lans.Select((l, i) => new TwinDevice(l.Device, [$"{Gateway(i)}/64"], false, 1500, null, 1500, false, [])), new TwinDevice(Tunnel, own, true, 1420, [.. router.Tunnel.Allowed.Where(a => IpPrefix.TryParse(a, out var p) && p.Address.IsV6)], 65535, false, [outer.ToString()])],
            [$"default dev {Tunnel} metric 1024", .. method is ExitsMethod.Nat6 ? Array.Empty<string>() : [$"unreachable {outer} dev lo metric 2147483647"]],
            (router.Nftables is null ? "" : Included(router.Nftables)) + Files[LinuxPlan.Rules],
            [.. lans.Select((l, i) => new TwinNetwork(l.Device, [.. hosts.Select(h => Prefix(i).At(h).ToString())], [.. hosts.Select(h => Prefix(i).At(h).ToString())], true))],
            [outer.ToString()], Unused().ToString(), PacketPath.SomeServer.ToString(), Commands("-A"));
    }

    private IpAddress Unused() => outer.Length > 64 ? outer.First : new IpPrefix(outer.Last, 64).At(((UInt128)0xbeef << 48) | 0xdead);

    /// <summary>Their rules without those that read files: only what stands in nftables.conf is known here.</summary>
    private static string Included(string text) => string.Join('\n', text.Split('\n').Where(l => !l.TrimStart().StartsWith("include ", StringComparison.Ordinal) && !l.StartsWith("#!", StringComparison.Ordinal))) + "\n";

    /// <summary>Sends packets through the twin and compares what a server sees with what was foretold.</summary>
    internal Report Prove(Host here)
    {
        var spec = Spec();
        var seen = Twin.Run(here, spec);
        if (!seen.Ok)
        {
            return ExitsProof.NoTwin(seen.Error!, []);
        }

        var claims = new List<Reason> { new("the rules load while the tunnel is not there", seen.Value.LoadError is null ? Verdict.Yes : Verdict.No, "nft -f", new Seen(seen.Value.LoadError is null ? "loaded" : (Text)$"{seen.Value.LoadError.Split('\n')[0]}", "nft -f")) };
        foreach (var network in spec.Networks)
        {
            var mine = seen.Value.Sources.Where(s => network.Sources.Contains(s.Source)).ToArray();
            foreach (var one in mine)
            {
                var wanted = Seen(IpAddress.Parse(one.Source))?.ToString();
                claims.Add(new($"the server sees {one.Source} of {network.Device} as {wanted ?? "nothing"}, by TCP and UDP", one.Tcp == wanted && one.Udp == wanted ? Verdict.Yes : Verdict.No, "nf_nat_core.c", new Seen($"TCP: {one.Tcp ?? one.TcpError ?? "no answer"}", "the server"), new Seen($"UDP: {one.Udp ?? "no answer"}", "the server")));
            }

            if (mine is [{ Tcp: not null } first, ..])
            {
                claims.AddRange(ExitsProof.Ways(network.Device, first));
                if (first.Tcp != first.Source && lans.Select((_, i) => i).Any(i => Delegated(i) && Prefix(i).Contains(IpAddress.Parse(first.Tcp))))
                {
                    // The address outside is that of a host of another network: what comes unasked is for that one.
                    continue;
                }

                var open = method == ExitsMethod.Stateless || (network.Device == inbound && first.Tcp == first.Source);
                claims.Add(new($"what comes unasked for {first.Tcp} is {(open ? "let in" : "kept out")}", first.Inbound == open ? Verdict.Yes : Verdict.No, "the forward chain", new Seen(first.Inbound ? "a connection from outside was accepted" : "a connection from outside was not accepted", $"port 7001 of {first.Source}")));
            }
        }

        if (Own is { } address)
        {
            claims.Add(new("the router's own connections leave with its own address", seen.Value.Router == address.ToString() ? Verdict.Yes : Verdict.No, "what is for the router is not translated", new Seen(seen.Value.Router ?? "no connection", "the server")));
        }

        claims.Add(ExitsProof.NoLoop(spec, seen.Value));
        return ExitsProof.Judged(claims, [], seen.Value.Milliseconds);
    }
}
