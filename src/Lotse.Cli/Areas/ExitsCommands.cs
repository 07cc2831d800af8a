using Lotse.Exits;
using Lotse.Formats;

namespace Lotse.Cli.Areas;

/// <summary>The verbs of <c>lotse exits</c>.</summary>
internal static class ExitsCommands
{
    private static readonly Option Far = new("--far", Takes.Text, "[USER@]HOST", "ask the far end of the tunnel as well, through the system's ssh");
    private static readonly Option FarRoot = new("--far-root", Takes.File, "DIR", "the far end's files are in DIR");

    public static readonly Command[] All =
    [
        new("exits", "how IPv6 leaves each inner network, in one line each", Show)
        {
            Options = [Far, FarRoot],
            Examples = [new("a router", "exits --host root@192.168.1.1"), new("a copy of its /etc", "exits --root ./router")],
        },
        new("exits why", "the way of a packet out and back, hop by hop, and what is wrong", Why)
        {
            Description = "Reads /etc/config of an OpenWrt router, its live routes where programs can be run, and the far end of the tunnel. On the far end itself it checks that one.",
            Arguments = [new("SOURCE", "a host inside; without it, one host of each network"), new("DESTINATION", "a server")],
            Options = [Far, FarRoot],
            Examples =
            [
                new("the router, from your computer", "exits why --host root@192.168.1.1"),
                new("with the server at the other end", "exits why --host root@192.168.1.1 --far root@vps.example.org"),
                new("one packet", "exits why fd00:11:22:1::a1 2001:db8:ffff::10 --root ./router"),
            ],
        },
        new("exits plan", "plan a router's exit: the method that fits, and the changes of its files", MakePlan)
        {
            Description = "Chooses by prefix length, number of networks, wanted reachability and privacy, says what each method would break, and edits /etc/config in place. Sections of the old npt6 script are taken over. Nothing is changed before lotse apply; lotse exits prove tries the result in a twin first. A router that is no OpenWrt gets drop-ins of systemd-networkd and a table of nftables. On the far end itself (--host root@SERVER) it plans that one: forwarding, announcements, allowed IPs, ndppd.",
            Options =
            [
                new("--method", Takes.Choice, "METHOD", "the method") { Choices = ["auto", "pd", "nat6", "npt6", "range", "hybrid", "stateless"], Default = "auto" },
                new("--inbound", Takes.Text, "NETWORK", "the network that has to be reachable from outside") { Default = "none" },
                new("--privacy", Takes.Choice, "WHAT", "addresses outside") { Choices = ["stable", "unlinkable"], Default = "stable" },
                new("--prefix", Takes.Text, "PREFIX", "the outer prefix, where the files do not say it"),
                new("--inner", Takes.Choice, "WHICH", "the inner prefix: dd00::/8 that hosts prefer, or as it is") { Choices = ["dd00", "keep"], Default = "dd00" },
                new("--on-link", Takes.Nothing, "", "the far end's prefix is on its link and no daemon is wanted there"),
                new("--probe", Takes.Text, "ADDRESSES", "with commas between them: asked by the router once the plan is applied, from each network's address too: without an answer everything is put back"),
                new("--probe-here", Takes.Text, "ADDRESSES", "the same, asked by this computer: one of IPv4, one of IPv6"),
                new("--prove", Takes.Nothing, "", "send packets through a twin of the router as it will be; no plan where that fails"),
                Planning.Output,
            ],
            Examples =
            [
                new("what fits", "exits plan --host root@192.168.1.1"),
                new("prefix translation, tried first", "exits plan --root ./router --method npt6 --prove"),
            ],
        },
        new("exits guard", "plan a watcher on the router: hosts fall back to IPv4 when the far end is dead", Guard)
        {
            Description = "A POSIX script with a service of procd: it asks the far end every second by a route of its own, and takes the default route away after three silences.",
            Options = [new("--probe", Takes.Text, "ADDRESS", "the far end's address in the tunnel"), Far, FarRoot, Planning.Output],
            Examples = [new("the far end's address in the tunnel is known", "exits guard --host root@192.168.1.1 --probe 2001:db8:1:2::1 -o guard.json")],
        },
        new("exits prove", "send real packets through a twin of the router, without root", Prove)
        {
            Description = "Builds the router that the configuration makes, the far end, a server and a machine in each network, as namespaces of your own user, and compares what the server sees with what lotse exits why foretells. With a plan it asks the router whether the plan has worked.",
            Arguments = [new("PLAN|ID", "a plan, or a change of lotse log: ask the router itself", Takes: Takes.File)],
            Options = [Far, FarRoot],
            Examples = [new("a copy of the router's /etc", "exits prove --root ./router"), new("what the router has now", "exits prove --host root@192.168.1.1")],
        },
        new("exits draw", "draw the network and the way of a packet, as SVG", Draw)
        {
            Examples = [new("for a browser", "exits draw --root ./router >exits.svg")],
            HasJson = false,
        },
        new("exits rules", "the firewall that fw4 makes of the configuration, as nft reads it", Rules)
        {
            Description = "Lotse's own rendering of what concerns exits: zones, forwardings, rules, translations, includes. Nothing is loaded.",
            Examples = [new("read it before the router does", "exits rules --root ./router")],
            HasJson = false,
        },
        new("exits uci", "print a file of /etc/config as uci show does, or why it is refused", Uci)
        {
            Description = "Reads the file as libuci does. A file that is refused is refused whole: the programs of the router then see none of it.",
            Arguments = [new("FILE", "the file; - is standard input", Required: true, Takes: Takes.File)],
            Options =
            [
                new("--package", Takes.Text, "NAME", "what the package is called") { Default = "case" },
                new("--export", Takes.Nothing, "", "in the form of uci export"),
            ],
            Examples = [new("does the firewall's file parse", "exits uci /etc/config/firewall --package firewall")],
            HasJson = false,
        },
        new("exits map", "translate an address between two prefixes", Map)
        {
            Description = "Checksum-neutral as RFC 6296 and the kernel's SNPT and DNPT do it, or plain as nft's snat prefix and NETMAP. An address of OUTER is translated back.",
            Arguments = [new("INNER", "the prefix inside", Required: true), new("OUTER", "the prefix outside", Required: true), new("ADDRESS", "an address of either", Required: true)],
            Options = [new("--plain", Takes.Nothing, "", "replace the prefix only: nft snat prefix, iptables NETMAP")],
            Examples =
            [
                new("what a server sees", "exits map fd00:11:22::/48 2001:db8:1::/48 fd00:11:22:1::a1"),
                new("the same with nft's snat prefix", "exits map --plain fd00:11:22::/48 2001:db8:1:2::/64 fd00:11:22:1::a1"),
            ],
            LooksAtHost = false,
            HasJson = false,
        },
        new("exits range", "the outer address that a range of source NAT gives", Range)
        {
            Description = "The kernel picks by a hash of source and destination without a secret; this is the same hash.",
            Arguments = [new("LOW", "first address of the range", Required: true), new("HIGH", "last address", Required: true), new("SOURCE", "the host inside", Required: true), new("DESTINATION", "the server", Required: true)],
            Options =
            [
                new("--persistent", Takes.Nothing, "", "with nft's flag: one address a host"),
                new("--big-endian", Takes.Nothing, "", "on a big-endian router (many MIPS ones)"),
            ],
            Examples = [new("whom a server sees", "exits range 2001:db8:1:2:1:: 2001:db8:1:2:fffe:ffff:ffff:ffff fd00:11:22:1::a1 2001:db8:ffff::10")],
            LooksAtHost = false,
            HasJson = false,
        },
    ];

    private static int Show(Invocation call) => Hosting.With(call, host =>
    {
        var report = ExitsDiagnosis.Whole(Read(call, host));
        if (call.Has("--json"))
        {
            return General.Print(call, report);
        }

        call.Output.Bold(report.Verdict.ToString());
        call.Output.Line();
        foreach (var exit in ExitsDiagnosis.Lines(report))
        {
            call.Output.Line(exit);
        }

        ReportText.Findings(call.Output, report with { Findings = [.. report.Findings.Where(f => f.Severity > Severity.Info)] });
        return ExitCode.Of(report, call.FailOn);
    });

    private static int Why(Invocation call) => Hosting.With(call, host =>
    {
        var facts = Read(call, host);
        return General.Print(call, call.Arguments.Length switch
        {
            0 => ExitsDiagnosis.Whole(facts),
            1 => ExitsDiagnosis.One(facts, Address(call, 0), IpAddress.Parse("2001:db8:ffff::10")),
            _ => ExitsDiagnosis.One(facts, Address(call, 0), Address(call, 1)),
        });
    });

    private static int MakePlan(Invocation call)
    {
        IpPrefix? prefix = call["--prefix"] is not { } text ? null : IpPrefix.TryParse(text, out var parsed) && parsed.Address.IsV6 ? parsed : throw new UsageException($"\"{ByteText.Escape(text)}\" is no IPv6 prefix", "for example 2001:db8:1:2::/64");
        var goal = new ExitsGoal(Enum.Parse<ExitsMethod>(call["--method"] ?? "auto", ignoreCase: true), call["--inbound"] is { } inbound and not "none" ? inbound : null, call["--privacy"] == "unlinkable", prefix, call.Has("--on-link"), call["--inner"] == "keep");
        string[] probe = [.. Probes(call, "--probe", "probe"), .. Probes(call, "--probe-here", "here")];
        return Planning.Make(call, "exits", host =>
        {
            var facts = ExitsFacts.Read(host);
            var decision = facts is { IsRouter: false, Linux: { } linux } ? LinuxPlan.Make(linux, goal)
                : facts is { IsRouter: false, Far: { } far }
                ? FarPlan.Make(far, path => host.ReadFile(path) is { Ok: true } read ? ByteText.Decode(read.Value) : null, prefix)
                : ExitsPlan.Make(facts, goal);
            if (call.Has("--prove") && (decision.After is not null || decision.Design is not null))
            {
                using var here = new Hosts.LocalHost();
                var proof = decision.Design?.Prove(here) ?? ExitsProof.Twin(here, decision.After!);
                if (ExitCode.OfProof(proof) != ExitCode.Fine)
                {
                    return new(proof, decision.Goal, [], [], []) { Impossible = true };
                }

                decision = decision with { Report = decision.Report with { Proof = proof, Reasons = [.. decision.Report.Reasons, .. proof.Reasons] } };
            }

            return new(decision.Report, decision.Goal, decision.Changes, decision.Vanish, probe) { Impossible = decision.Impossible };
        });
    }

    /// <summary>Addresses as a plan's proof names them.</summary>
    private static IEnumerable<string> Probes(Invocation call, string option, string word) =>
        (call[option] ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .SelectMany(a => IpAddress.TryParse(a, out var address) ? new[] { word, $"{address}" } : throw new UsageException($"\"{ByteText.Escape(a)}\" is no address"));

    private static int Guard(Invocation call)
    {
        IpAddress? probe = call["--probe"] is not { } text ? null : IpAddress.TryParse6(text, out var parsed) ? parsed : throw new UsageException($"\"{ByteText.Escape(text)}\" is no IPv6 address");
        return Planning.Make(call, "exits", host =>
        {
            var decision = ExitsGuard.Make(Read(call, host), probe);
            return new(decision.Report, decision.Goal, decision.Changes, decision.Vanish, probe is null ? [] : ["probe", $"{probe}"]) { Impossible = decision.Impossible };
        });
    }

    private static int Prove(Invocation call) => call.Arguments.Length > 0 ? Planning.Prove(call, "exits") : Hosting.With(call, host =>
    {
        using var here = new Hosts.LocalHost();
        var proof = ExitsProof.Twin(here, Read(call, host));
        return General.Print(call, proof with { Proof = proof }, ExitCode.OfProof(proof));
    });

    /// <summary>The other side of <c>lotse exits prove</c>, inside its namespaces.</summary>
    public static int Twin(Output output, Output errors)
    {
        try
        {
            output.Write(Exits.Twin.Answer(Linux.Descriptor.ReadAll(0, 16 << 20)));
            return ExitCode.Fine;
        }
        catch (Linux.ChangeFailedException e)
        {
            errors.Line(ByteText.Escape(e.Message));
            return ExitCode.NotKnown;
        }
    }

    private static int Draw(Invocation call) => Hosting.With(call, host =>
    {
        call.Output.Write(ExitsDrawing.Of(ExitsFacts.Read(host)) ?? throw new NotKnownException($"there is no /etc/config/network that parses on {host.Name}", "lotse exits why says which file is refused"));
        return ExitCode.Fine;
    });

    private static int Rules(Invocation call) => Hosting.With(call, host =>
    {
        Raw(call, ExitsDiagnosis.Ruleset(ExitsFacts.Read(host)) ?? throw new NotKnownException($"there is no configuration that parses on {host.Name}", "lotse exits why says which file is refused"));
        return ExitCode.Fine;
    });

    private static ExitsFacts Read(Invocation call, Host host)
    {
        var facts = ExitsFacts.Read(host);
        if (call.OnlyOneOf("--far", "--far-root") is not { } far)
        {
            return facts;
        }

        if (far == "--far" && call.Has("--offline"))
        {
            throw new UsageException("--far and --offline exclude each other");
        }

        var opened = far == "--far" ? Hosts.SshHost.Open(call[far]!) : Hosts.FolderHost.Open(Path.GetFullPath(call[far]!));
        using var other = opened.Ok ? opened.Value : throw new NotKnownException(opened.Error!.Message);
        return facts with { Far = FarFacts.Read(other) ?? throw new NotKnownException($"there is no tunnel of WireGuard in the files of {other.Name}", "it reads /etc/wireguard and /etc/systemd/network") };
    }

    private static int Uci(Invocation call) => Hosting.With(call, host =>
    {
        var path = call.Arguments[0];
        var file = UciFile.Parse(path, Hosting.ReadInput(host, path));
        if (file.Error is { } error)
        {
            throw new NotKnownException($"{ByteText.Escape(path)}:{error.Line}:{error.Column}: {error.Reason}", $"uci says: {error.AsUciSays}");
        }

        var name = call["--package"] ?? "case";
        Raw(call, call.Has("--export") ? file.Package!.Export(name) : file.Package!.Show(name));
        return ExitCode.Fine;
    });

    /// <summary>Text for another program as it is; what could harm a terminal is escaped for a terminal.</summary>
    private static void Raw(Invocation call, string text) =>
        call.Output.Write(ByteText.Encode(call.Output.IsTerminal ? string.Join('\n', text.Split('\n').Select(l => ByteText.Escape(l.Replace('\t', ' ')))) : text));

    private static int Map(Invocation call)
    {
        var map = new PrefixTranslation(Prefix(call, 0), Prefix(call, 1));
        try
        {
            var address = Address(call, 2);
            call.Output.Line((call.Has("--plain") ? map.Plain(address) : map.Neutral(address))?.ToString() ?? "dropped");
            return ExitCode.Fine;
        }
        catch (ArgumentException e)
        {
            throw new UsageException(e.Message);
        }
    }

    private static int Range(Invocation call)
    {
        IpAddress[] all = [Address(call, 0), Address(call, 1), Address(call, 2), Address(call, 3)];
        if (all.Any(a => a.IsV4 != all[0].IsV4) || all[0].Bits > all[1].Bits)
        {
            throw new UsageException("LOW must not be above HIGH, and all four are of one family");
        }

        call.Output.Line(new SnatRange(all[0], all[1], call.Has("--persistent"), call.Has("--big-endian")).Pick(all[2], all[3]).ToString());
        return ExitCode.Fine;
    }

    private static IpPrefix Prefix(Invocation call, int index) => IpPrefix.TryParse(call.Arguments[index], out var prefix) && prefix.Address.IsV6
        ? prefix : throw new UsageException($"\"{ByteText.Escape(call.Arguments[index])}\" is no IPv6 prefix", "for example fd00:11:22::/48");

    private static IpAddress Address(Invocation call, int index) => IpAddress.TryParse(call.Arguments[index], out var ip)
        ? ip : throw new UsageException($"\"{ByteText.Escape(call.Arguments[index])}\" is no address");
}
