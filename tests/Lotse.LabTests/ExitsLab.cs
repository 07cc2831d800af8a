using System.Diagnostics;
using System.Globalization;

namespace Lotse.LabTests;

/// <summary>
/// A home with an OpenWrt router's stand-in, two machines on its LAN and one in a guest network, a WireGuard tunnel over
/// IPv4 to a server, and a machine in the Internet, as named network namespaces. The router is set up by hand here from
/// what Lotse answers about its files (addresses, ruleset); only the kernel and WireGuard decide about packets.
/// </summary>
internal sealed class ExitsLab : IDisposable
{
    private static readonly string[] Nodes = ["inet", "vps", "router", "lan1", "lan2", "guest1"];
    private readonly string id = Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
    private readonly List<Process> processes = [];

    public ExitsLab()
    {
        Folder = Directory.CreateTempSubdirectory("lotse-exits-").FullName;
        (Router, Far) = ($"wr{id}", $"wv{id}");
        foreach (var node in Nodes)
        {
            Ok("ip", "netns", "add", Name(node));
            In(node, "sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.default.dad_transmits=0");
            In(node, "ip", "link", "set", "lo", "up");
        }

        foreach (var node in new[] { "vps", "router" })
        {
            In(node, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1");
        }

        Pair("inet", "e0", "vps", "i0");
        Pair("vps", "w0", "router", "eth0");
        Batch("inet", "addr add 198.51.100.10/24 dev e0", "addr add 2001:db8:ffff::10/64 dev e0 nodad", "route add default via 198.51.100.1", "-6 route add default via 2001:db8:ffff::1");
        Batch("vps", "addr add 198.51.100.1/24 dev i0", "addr add 2001:db8:ffff::1/64 dev i0 nodad", "addr add 203.0.113.1/24 dev w0");
        Batch("router", "addr add 203.0.113.7/24 dev eth0", "route add default via 203.0.113.1", "link add br-lan type bridge", "link add br-guest type bridge", "link set br-lan up", "link set br-guest up", "addr add 192.168.1.1/24 dev br-lan", "addr add 192.168.2.1/24 dev br-guest", "addr add fe80::1/64 dev br-lan nodad", "addr add fe80::1/64 dev br-guest nodad");
        foreach (var (node, bridge, v4) in new[] { ("lan1", "br-lan", "192.168.1.11"), ("lan2", "br-lan", "192.168.1.12"), ("guest1", "br-guest", "192.168.2.11") })
        {
            Pair(node, "eth0", "router", $"v-{node}");
            Batch("router", $"link set v-{node} master {bridge}");
            Batch(node, $"addr add {v4}/24 dev eth0", $"route add default via {v4[..v4.LastIndexOf('.')]}.1");
        }

        Tunnel();
    }

    public string Folder { get; }

    /// <summary>The router's tunnel device; wireguard-go's control sockets are of the machine, not of a namespace.</summary>
    public string Router { get; }

    public string Far { get; }

    public string Name(string node) => $"lx{id}-{node}";

    public string In(string node, params string[] command)
    {
        var ran = Lab.Run(TimeSpan.FromSeconds(30), ["ip", "netns", "exec", Name(node), .. command]);
        return ran.ExitCode == 0 ? ran.Text : throw new InvalidOperationException($"{node}: {string.Join(' ', command)}: {ran.ErrorText}");
    }

    public Lab.Ran Try(string node, params string[] command) => Lab.Run(TimeSpan.FromSeconds(200), ["ip", "netns", "exec", Name(node), .. command]);

    public void Batch(string node, params string[] lines)
    {
        foreach (var line in lines)
        {
            In(node, ["ip", .. line.Split(' ')]);
        }
    }

    public Process Start(string node, params string[] command)
    {
        var process = Process.Start(new ProcessStartInfo("ip", ["netns", "exec", Name(node), .. command]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        processes.Add(process);
        return process;
    }

    public void Dispose()
    {
        foreach (var process in processes)
        {
            process.Kill(entireProcessTree: true);
            process.WaitForExit(5000);
            process.Dispose();
        }

        foreach (var node in Nodes)
        {
            Lab.Run(TimeSpan.FromSeconds(10), "ip", "netns", "del", Name(node));
        }

        File.Delete($"/var/run/wireguard/{Router}.sock");
        File.Delete($"/var/run/wireguard/{Far}.sock");
        Directory.Delete(Folder, recursive: true);
    }

    private void Tunnel()
    {
        var keys = new Dictionary<string, string>();
        foreach (var (node, device) in new[] { ("vps", Far), ("router", Router) })
        {
            var key = Lab.Run(TimeSpan.FromSeconds(5), "wg", "genkey").Text;
            File.WriteAllText(Path.Combine(Folder, device), key);
            keys[device] = Ok("sh", "-c", $"wg pubkey <{Folder}/{device}").Trim();
            Start(node, "wireguard-go", "-f", device);
        }

        var clock = Stopwatch.StartNew();
        while (!(File.Exists($"/var/run/wireguard/{Router}.sock") && File.Exists($"/var/run/wireguard/{Far}.sock")) && clock.Elapsed < TimeSpan.FromSeconds(10))
        {
            Thread.Sleep(50);
        }

        In("vps", "wg", "set", Far, "listen-port", "51820", "private-key", $"{Folder}/{Far}", "peer", keys[Router], "allowed-ips", "2000:30:40:50::/60");
        In("router", "wg", "set", Router, "private-key", $"{Folder}/{Router}", "peer", keys[Far], "endpoint", "203.0.113.1:51820", "allowed-ips", "::/0", "persistent-keepalive", "25");
        Batch("vps", $"link set {Far} mtu 1420 up", $"addr add 2000:30:40:50::1/128 dev {Far} nodad", $"-6 route add 2000:30:40:50::/60 dev {Far}");
        Batch("router", $"link set {Router} mtu 1420 up", $"addr add 2000:30:40:50::2/128 dev {Router} nodad", $"-6 route add default dev {Router} metric 1024", $"-6 route add 2000:30:40:50::1/128 dev {Router}");
    }

    private void Pair(string node, string device, string other, string otherDevice)
    {
        Ok("ip", "link", "add", device, "netns", Name(node), "type", "veth", "peer", "name", otherDevice, "netns", Name(other));
        Batch(node, $"link set {device} up");
        Batch(other, $"link set {otherDevice} up");
    }

    private static string Ok(params string[] command)
    {
        var ran = Lab.Run(TimeSpan.FromSeconds(20), command);
        return ran.ExitCode == 0 ? ran.Text : throw new InvalidOperationException($"{string.Join(' ', command)}: {ran.ErrorText}");
    }
}
