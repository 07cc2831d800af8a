using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Lotse.Linux;

namespace Lotse.Exits;

/// <summary>
/// The twin of a router and the Internet around it, in network namespaces of this process: the router with its devices
/// under their names, a machine in each inner network, the far end of the tunnel, and a server behind a link of 1280.
/// A tunnel is a pair of virtual devices without neighbour discovery (both ends have one hardware address and no ARP),
/// with WireGuard's rule about allowed IPs as a table of nft on either side.
/// </summary>
internal sealed class TwinRun : IDisposable
{
    private const int Port = 7000, InboundPort = 7001;
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(900);

    /// <summary>Before anything is held against the router: the machine under the twin may be busy.</summary>
    private static readonly TimeSpan LongPatience = TimeSpan.FromMilliseconds(2500);
    private readonly TwinSpec spec;
    private readonly NetworkNode router = new("router");
    private readonly NetworkNode far = new("far end");
    private readonly NetworkNode server = new("server");
    private readonly NetworkNode[] machines;
    private readonly List<Socket> sockets = [];
    private readonly bool[] reached;

    private TwinRun(TwinSpec spec)
    {
        this.spec = spec;
        machines = [.. spec.Networks.Select(n => new NetworkNode(n.Device))];
        reached = new bool[machines.Length];
    }

    /// <summary>Builds it, sends the packets, takes it down.</summary>
    public static TwinSight Run(TwinSpec spec)
    {
        var clock = Stopwatch.StartNew();
        using var twin = new TwinRun(spec);
        twin.BuildInside();

        // As at boot: the firewall is loaded before the tunnel is there.
        var error = twin.router.Run(spec.Ruleset, "nft", "-f", "-");
        foreach (var command in spec.Commands)
        {
            error ??= twin.router.Run("", ["ip6tables", .. command.Split(' ')]);
        }

        twin.BuildOutside();
        twin.Serve();
        var seen = new TwinSeen[spec.Networks.Sum(n => n.Sources.Length)];
        Parallel.For(0, spec.Networks.Length, new ParallelOptions { MaxDegreeOfParallelism = 16 }, i =>
        {
            var at = spec.Networks.Take(i).Sum(n => n.Sources.Length);
            for (var j = 0; j < spec.Networks[i].Sources.Length; j++)
            {
                seen[at + j] = twin.Try(i, spec.Networks[i].Sources[j], thorough: j == 0);
            }
        });
        var own = twin.Ask(twin.router, null).Seen;
        for (var again = 0; own is null && again < 2 && twin.reached.Contains(true); again++)
        {
            own = twin.Ask(twin.router, null, patience: LongPatience).Seen;
        }

        return new(error, seen, own, twin.Looped(), clock.ElapsedMilliseconds);
    }

    public void Dispose()
    {
        foreach (var socket in sockets)
        {
            socket.Dispose();
        }

        foreach (var node in machines.Append(router).Append(far).Append(server))
        {
            node.Dispose();
        }
    }

    private void BuildInside()
    {
        foreach (var node in machines.Append(router).Append(far).Append(server))
        {
            node.Set("ipv6/conf/all/accept_dad", "0");
            node.Set("ipv6/conf/default/accept_dad", "0");
            node.Set("ipv6/conf/default/dad_transmits", "0");
            node.Set("ipv6/conf/default/accept_ra", "0");
        }

        router.Set("ipv6/conf/all/forwarding", "1");
        far.Set("ipv6/conf/all/forwarding", "1");

        // No answer may wait for a rate limit: each case is asked within a second.
        far.Set("ipv6/icmp/ratelimit", "0");
        router.Set("ipv6/icmp/ratelimit", "0");
        var links = new StringBuilder("link set lo up\n");
        foreach (var (network, i) in spec.Networks.Select((n, i) => (n, i)))
        {
            links.Append("link add name ").Append(network.Device).Append(" type veth peer name e0 netns ").Append(machines[i].Path).Append('\n');
            links.Append("link set dev ").Append(network.Device).Append(" up\naddr add fe80::1/64 dev ").Append(network.Device).Append(" nodad\n");
            foreach (var address in spec.Devices.First(d => d.Name == network.Device).Addresses)
            {
                links.Append("addr add ").Append(address).Append(" dev ").Append(network.Device).Append(" nodad\n");
            }
        }

        Batch(router, links);
        foreach (var (network, i) in spec.Networks.Select((n, i) => (n, i)))
        {
            var lines = new StringBuilder("link set lo up\nlink set dev e0 up\n");
            foreach (var address in network.Addresses)
            {
                lines.Append("addr add ").Append(address).Append("/64 dev e0 nodad\n");
            }

            Batch(machines[i], network.HasDefault ? lines.Append("route add default via fe80::1 dev e0\n") : lines);
        }
    }

    private void BuildOutside()
    {
        var links = new StringBuilder();
        var ends = new StringBuilder("link set lo up\n");
        var limits = new StringBuilder("table inet lotse_tunnel {\n\tchain in { type filter hook prerouting priority -400;\n");
        var outward = new StringBuilder("\tchain out { type filter hook postrouting priority 400;\n");
        var farRules = new StringBuilder("table inet lotse_far {\n\tcounter looped { }\n\tchain in { type filter hook prerouting priority -400;\n");
        foreach (var (device, i) in spec.Devices.Where(d => d.IsExit).Select((d, i) => (d, i)))
        {
            links.Append($"link add name {device.Name} address 02:00:00:00:00:{i + 1:x2} type veth peer name x{i} address 02:00:00:00:00:{i + 1:x2} netns {far.Path}\n");
            links.Append($"link set dev {device.Name} arp off mtu {device.Mtu} up\n");
            ends.Append($"link set dev x{i} arp off mtu {device.Mtu} up\n");
            foreach (var address in device.Addresses)
            {
                links.Append($"addr add {address} dev {device.Name} nodad\n");
            }

            foreach (var outer in device.Outer)
            {
                ends.Append($"route add {outer} dev x{i}\n");
            }

            if (device.Allowed is { } allowed)
            {
                var list = allowed.Length == 0 ? "::/128" : string.Join(", ", allowed);
                limits.Append($"\t\tiifname \"{device.Name}\" {(device.Dead ? "" : $"ip6 saddr != {{ {list} }} ip6 saddr != fe80::/10 ")}drop\n");
                outward.Append($"\t\toifname \"{device.Name}\" {(device.Dead ? "" : $"ip6 daddr != {{ {list} }} ")}drop\n");
                farRules.Append($"\t\tiifname \"x{i}\" ip6 saddr != {{ {string.Join(", ", spec.FarAllowed.DefaultIfEmpty("::/128"))} }} ip6 saddr != {spec.Server} drop\n");
            }

            farRules.Append($"\t\tiifname \"x{i}\" ip6 saddr {spec.Server} counter name looped drop\n");
            if (device.Room < device.Mtu)
            {
                // Larger ones are lost on the way outside. (Without this, segments that the kernel splits late would count as one.)
                limits.Append($"\t\tiifname \"{device.Name}\" meta length > {device.Room} drop\n");
                farRules.Append($"\t\tiifname \"x{i}\" meta length > {device.Room} drop\n");
            }
        }

        Batch(router, links);
        foreach (var route in spec.Routes)
        {
            // One that the kernel refuses is a route that the router would not have either.
            router.Run("", [.. "ip -6 route add".Split(' '), .. route.Split(' ')]);
        }

        Refuse(router.Run(limits.Append("\t}\n").Append(outward).Append("\t}\n}\n").ToString(), "nft", "-f", "-"));
        ends.Append($"link add name s0 type veth peer name e0 netns {server.Path}\nlink set dev s0 mtu 1280 up\naddr add 2001:db8:ffff::1/64 dev s0 nodad\n");
        Batch(far, ends);
        Refuse(far.Run(farRules.Append("\t}\n}\n").ToString(), "nft", "-f", "-"));
        Batch(server, new StringBuilder($"link set lo up\nlink set dev e0 up\naddr add {spec.Server}/64 dev e0 nodad\nroute add default via 2001:db8:ffff::1\n"));
    }

    private static void Batch(NetworkNode node, StringBuilder lines) => Refuse(node.Run(lines.ToString(), "ip", "-6", "-batch", "-"));

    private static void Refuse(string? error)
    {
        if (error is not null)
        {
            throw new ChangeFailedException("build the twin", error);
        }
    }

    /// <summary>The server tells by TCP and UDP whom it sees, and how much it got.</summary>
    private void Serve()
    {
        var listener = Listen(server, Port);
        new Thread(() =>
        {
            try
            {
                while (true)
                {
                    var peer = listener.Accept();
                    _ = Task.Run(() => Tell(peer));
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The twin is taken down.
            }
        })
        { IsBackground = true }.Start();
        var echo = server.Do(() => Datagrams());
        echo.Bind(new IPEndPoint(IPAddress.IPv6Any, Port));
        sockets.Add(echo);
        new Thread(() =>
        {
            var buffer = new byte[64];
            try
            {
                while (true)
                {
                    EndPoint from = new IPEndPoint(IPAddress.IPv6Any, 0);
                    _ = echo.ReceiveFrom(buffer, ref from);
                    echo.SendTo(Encoding.ASCII.GetBytes(((IPEndPoint)from).Address.ToString()), from);
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The twin is taken down.
            }
        })
        { IsBackground = true }.Start();
    }

    private static void Tell(Socket peer)
    {
        try
        {
            using (peer)
            {
                peer.ReceiveTimeout = 4000;
                var buffer = new byte[65536];
                int got, all = 0;
                while ((got = peer.Receive(buffer)) > 0)
                {
                    all += got;
                }

                peer.Send(Encoding.ASCII.GetBytes($"{((IPEndPoint)peer.RemoteEndPoint!).Address} {all}"));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The client has gone.
        }
    }

    private TwinSeen Try(int network, string source, bool thorough)
    {
        var machine = machines[network];
        var (tcp, _, error) = Ask(machine, source);
        if (tcp is null && (thorough || reached[network]))
        {
            (tcp, _, error) = Ask(machine, source, patience: LongPatience);
        }

        reached[network] |= tcp is not null;

        if (!thorough || tcp is null)
        {
            return new(source, tcp, error, tcp is null ? null : AskUdp(machine, source, Patience) ?? AskUdp(machine, source, LongPatience), 0, null, false, tcp is not null && LetIn(machine, source, tcp));
        }

        var uploaded = Ask(machine, source, Twin.UploadBytes).Got;
        if (uploaded < Twin.UploadBytes)
        {
            uploaded = Ask(machine, source, Twin.UploadBytes).Got;
        }

        var hop = SecondHop(machine, source, Patience) ?? SecondHop(machine, source, LongPatience);
        Forget(network);
        var still = Ask(machine, source).Seen is not null || Ask(machine, source, patience: LongPatience).Seen is not null;
        return new(source, tcp, null, AskUdp(machine, source, Patience) ?? AskUdp(machine, source, LongPatience), uploaded, hop, still, LetIn(machine, source, tcp));
    }

    /// <summary>Both sides forget their neighbours: solicitations have to get through the firewall again.</summary>
    private void Forget(int network)
    {
        router.Run("", "ip", "-6", "neigh", "flush", "dev", spec.Networks[network].Device);
        machines[network].Run("", "ip", "-6", "neigh", "flush", "dev", "e0");
    }

    private (string? Seen, int Got, string? Error) Ask(NetworkNode node, string? source, int bytes = 1, TimeSpan? patience = null) => node.Do<(string?, int, string?)>(() =>
    {
        using var socket = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (source is not null)
            {
                socket.Bind(new IPEndPoint(IPAddress.Parse(source), 0));
            }

            socket.SendTimeout = socket.ReceiveTimeout = bytes > 1 ? 4000 : (int)(patience ?? Patience).TotalMilliseconds;
            if (!socket.ConnectAsync(new IPEndPoint(IPAddress.Parse(spec.Server), Port)).Wait(bytes > 1 ? LongPatience : patience ?? Patience))
            {
                return (null, 0, "no answer");
            }

            var data = new byte[bytes];
            for (var sent = 0; sent < bytes;)
            {
                sent += socket.Send(data, sent, Math.Min(bytes - sent, 16384), SocketFlags.None);
            }

            socket.Shutdown(SocketShutdown.Send);
            var buffer = new byte[128];
            var words = Encoding.ASCII.GetString(buffer, 0, socket.Receive(buffer)).Split(' ');
            return words.Length == 2 ? (words[0], int.Parse(words[1], System.Globalization.CultureInfo.InvariantCulture), null) : (null, 0, "no answer");
        }
        catch (Exception e) when (e is SocketException or AggregateException)
        {
            return (null, 0, ((e as SocketException ?? e.InnerException as SocketException)?.SocketErrorCode ?? SocketError.SocketError).ToString());
        }
    });

    private string? AskUdp(NetworkNode machine, string source, TimeSpan patience) => machine.Do(() =>
    {
        using var socket = Datagrams();
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Parse(source), 0));
            socket.ReceiveTimeout = (int)patience.TotalMilliseconds;
            socket.SendTo("?"u8.ToArray(), new IPEndPoint(IPAddress.Parse(spec.Server), Port));
            var buffer = new byte[64];
            return Encoding.ASCII.GetString(buffer, 0, socket.Receive(buffer));
        }
        catch (SocketException)
        {
            return null;
        }
    });

    /// <summary>Who says "hop limit exceeded" when the limit ends at the far end: traceroute's second line.</summary>
    private string? SecondHop(NetworkNode machine, string source, TimeSpan patience) => machine.Do(() =>
    {
        using var raw = new Socket(AddressFamily.InterNetworkV6, SocketType.Raw, ProtocolType.IcmpV6) { ReceiveTimeout = (int)patience.TotalMilliseconds };
        using var socket = Datagrams();
        try
        {
            raw.Bind(new IPEndPoint(IPAddress.Parse(source), 0));
            socket.Bind(new IPEndPoint(IPAddress.Parse(source), 0));
            socket.SetSocketOption(SocketOptionLevel.IPv6, SocketOptionName.IpTimeToLive, 2);
            socket.SendTo("?"u8.ToArray(), new IPEndPoint(IPAddress.Parse(spec.Server), 33434));
            var buffer = new byte[2048];
            for (var clock = Stopwatch.StartNew(); clock.Elapsed < patience;)
            {
                EndPoint from = new IPEndPoint(IPAddress.IPv6Any, 0);
                if (raw.ReceiveFrom(buffer, ref from) > 0 && buffer[0] == 3)
                {
                    return ((IPEndPoint)from).Address.ToString();
                }
            }
        }
        catch (SocketException)
        {
            // Nobody said anything.
        }

        return null;
    });

    /// <summary>Whether somebody outside gets through to a machine by the address that was seen of it.</summary>
    private bool LetIn(NetworkNode machine, string source, string outer)
    {
        using var listener = machine.Do(() =>
        {
            var socket = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp);
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            socket.Bind(new IPEndPoint(IPAddress.Parse(source), InboundPort));
            socket.Listen(4);
            return socket;
        });
        using var client = server.Do(() => new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp));
        try
        {
            return client.ConnectAsync(new IPEndPoint(IPAddress.Parse(outer), InboundPort)).Wait(TimeSpan.FromMilliseconds(250));
        }
        catch (AggregateException)
        {
            return false;
        }
    }

    private long Looped()
    {
        server.Do(() =>
        {
            using var socket = Datagrams();
            for (var i = 0; i < 3; i++)
            {
                try
                {
                    socket.SendTo("?"u8.ToArray(), new IPEndPoint(IPAddress.Parse(spec.Unused), 9));
                }
                catch (SocketException)
                {
                    // An error that came back for the one before.
                }
            }

            return true;
        });
        NetworkNode.Pause(TimeSpan.FromMilliseconds(40));
        var words = far.Print("nft", "list", "counters").Split([' ', '\n', '\t'], StringSplitOptions.RemoveEmptyEntries);
        return Array.IndexOf(words, "packets") is > 0 and var at && long.TryParse(words[at + 1], out var packets) ? packets : 0;
    }

    private static Socket Datagrams() => new(AddressFamily.InterNetworkV6, SocketType.Dgram, ProtocolType.Udp);

    private Socket Listen(NetworkNode node, int port)
    {
        var socket = node.Do(() =>
        {
            var made = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp);
            made.Bind(new IPEndPoint(IPAddress.IPv6Any, port));
            made.Listen(64);
            return made;
        });
        sockets.Add(socket);
        return socket;
    }
}
