using System.Text;

namespace Lotse.LabTests;

/// <summary>A host made at random: devices, addresses, routes, kernel labels, a gai.conf, and destinations.</summary>
internal sealed class RandomHost(int seed)
{
    private static readonly string[] Networks6 = ["fd00:11:22:1::", "fd00:11:22:2::", "fdaa:bbcc:dd01:1::", "2001:db8:1:1::", "2a02:8109:1234:5600::", "2002:c000:201:1::", "2001:0:53aa:64c::", "fec0:0:0:1::", "64:ff9b:1:2::", "2001:10:0:1::"];
    private static readonly string[] Networks4 = ["192.168.1.", "192.168.7.", "10.20.30.", "172.16.5.", "100.64.3.", "203.0.113.", "169.254.9."];

    private static readonly string[] Elsewhere =
    [
        "2001:470:1f0b::20", "2606:2800:220:1::1", "2a02:8109:1234:5601::2", "2a02:8109:1234:5600::99", "fd00:11:22:1::77", "fd00:11:22:9::1", "fdaa:bbcc:dd01:1::9", "fdcc::1", "2002:c633:6401::1", "2001:0:53aa:64c:1::1",
        "fec0::5", "64:ff9b::c000:201", "::192.0.2.1", "3ffe::1", "2001:20::1", "8.8.8.8", "192.0.2.55", "198.51.100.7", "192.168.1.77", "192.168.1.1", "10.20.30.200", "10.99.1.1", "172.16.5.9", "100.64.3.8", "169.254.9.9", "127.0.0.1", "::1", "192.168.7.130", "203.0.113.9", "fe80::1",
    ];

    private static readonly string[] Labels = ["label ::1/128 0", "label ::/0 1", "label 2002::/16 2", "label ::/96 3", "label ::ffff:0:0/96 4", "label fec0::/10 5", "label fc00::/7 6", "label 2001:0::/32 7"];
    private static readonly string[] Precedences = ["precedence ::1/128 50", "precedence ::/0 40", "precedence 2002::/16 30", "precedence ::/96 20", "precedence ::ffff:0:0/96 10"];

    private static readonly string[] Odd =
    [
        "label fd00:11:22::/48 1", "label fc00::/7 1", "LABEL fd00::/8 3", "label fd00::/8 0x1", "label fd00::/+8 2", "label fd00::/08 1 2", "label fd00::/8 1# ULA", "label 10.0.0.0/8 1", "label fd:11:22::/48 1",
        "precedence ::ffff:0:0/96 100", "precedence fd00::/8 45", "precedence 2000::/3 -1", "precedence ::ffff:10.0.0.0/104 60", "precedence 2002::/16 2147483648", "scopev4 ::ffff:169.254.0.0/112 2", "scopev4 192.168.0.0/16 5",
        "scopev4 10.0.0.0/8 5", "scopev4 0.0.0.0/0 14", "label fd00::%eth0/8 1", "label fd00:11:22:1::/64 9", "reload yes", "multi on", "label 2001:db8::/32 4", "label ::ffff:192.168.0.0/112 6",
    ];

    private readonly Random random = new(seed);

    /// <summary>The number that makes it, and makes it again.</summary>
    public int Number => seed;

    /// <summary>The destinations, in the order of the hosts file.</summary>
    public List<string> Destinations { get; } = [];

    /// <summary>The one that is wanted first.</summary>
    public string Wanted { get; private set; } = "";

    /// <summary>The text of gai.conf; null: none.</summary>
    public string? GaiConf { get; private set; }

    /// <summary>Lines of <c>devices</c> for the holder.</summary>
    public StringBuilder Devices { get; } = new();

    /// <summary>Commands for <c>ip -batch</c>.</summary>
    public StringBuilder Commands { get; } = new("link set lo up\n");

    /// <summary>Makes it.</summary>
    public static RandomHost Make(int seed)
    {
        var host = new RandomHost(seed);
        var own = host.MakeDevices();
        host.MakeConf();
        foreach (var address in Elsewhere.Concat(own).Distinct().OrderBy(_ => host.random.Next()).Take(host.random.Next(2, 8)))
        {
            host.Destinations.Add(address);
        }

        host.Wanted = host.Destinations[host.random.Next(host.Destinations.Count)];

        return host;
    }

    private bool Chance(int percent) => random.Next(100) < percent;

    private T Any<T>(IReadOnlyList<T> list) => list[random.Next(list.Count)];

    private List<string> MakeDevices()
    {
        var own = new List<string>();
        var devices = random.Next(1, 4);
        for (var i = 0; i < devices; i++)
        {
            var type = i == 0 ? 1 : Any([1, 1, 65534, 776, 768, 769, 512]);
            var name = $"if{i}";
            Devices.Append($"{name} {(type == 1 ? "tap" : "tun")} {type}\n");
            if (!Chance(8) || i == 0)
            {
                Commands.Append($"link set {name} up\n");
            }

            Addresses(name, type, own);
        }

        var way = $"if{random.Next(devices)}";
        if (Chance(85))
        {
            Commands.Append(Chance(70) ? $"route add default via {Any(["192.168.1.1", "10.20.30.1", "172.16.5.1"])} dev {way} onlink\n" : $"route add default dev {way}\n");
        }

        if (Chance(85))
        {
            Commands.Append($"route add default via fe80::1 dev if{random.Next(devices)}{(Chance(10) ? " metric 512" : "")}\n");
        }

        foreach (var reject in new[] { "unreachable 198.51.100.0/24", "prohibit 10.0.0.0/8", "unreachable fc00::/7", "blackhole 2001:470::/32", "unreachable 2002::/16" }.Where(_ => Chance(7)))
        {
            Commands.Append($"route add {reject}\n");
        }

        if (Chance(15))
        {
            Commands.Append($"addrlabel add prefix {Any(["fd00:11:22::/48", "2001:db8::/32", "2a02::/16"])} label {random.Next(0, 20)}\n");
        }

        if (Chance(8))
        {
            Commands.Append($"addrlabel del prefix {Any(["fc00::/7", "2002::/16", "::ffff:0:0/96"])}\n");
        }

        return own;
    }

    private void Addresses(string name, int type, List<string> own)
    {
        foreach (var net in Networks4.OrderBy(_ => random.Next()).Take(Any([0, 1, 1, 1, 2])))
        {
            var address = net + random.Next(2, 250);
            own.Add(address);
            Commands.Append(type is 512 or 65534 && Chance(50)
                ? $"addr add {address} peer {net}{random.Next(2, 250)}/32 dev {name}\n"
                : $"addr add {address}/{Any([24, 24, 22, 25, 16, 32])} dev {name}{(Chance(6) ? " scope link" : "")}\n");
        }

        foreach (var net in Networks6.OrderBy(_ => random.Next()).Take(Any([0, 1, 1, 2, 3])))
        {
            var address = $"{(Chance(50) ? $"{net}{random.Next(2, 99)}" : $"{net[..^1]}{random.Next(1, 0xffff):x}:{random.Next(0xffff):x}:{random.Next(0xffff):x}:{random.Next(1, 0xffff):x}")}";
            own.Add(address);
            Commands.Append($"addr add {address}/{Any([64, 64, 64, 56, 128])} dev {name} nodad{(Chance(5) ? " home" : "")}{(Chance(12) ? " preferred_lft 0 valid_lft forever" : "")}\n");
        }

        Commands.Append($"addr add fe80::{random.Next(1, 0xffff):x}/64 dev {name} nodad\n");
    }

    private void MakeConf()
    {
        var lines = new List<string>();
        switch (random.Next(6))
        {
            case 0:
                return;
            case 1:
                lines.AddRange(Labels);
                lines.Insert(random.Next(lines.Count), "label fd00:11:22::/48 1");
                break;
            case 2:
                lines.AddRange(Precedences.OrderBy(_ => random.Next()).Take(random.Next(6)));
                break;
            case 3:
                lines.AddRange(Labels.Concat(Precedences).OrderBy(_ => random.Next()).Take(random.Next(13)));
                break;
            default:
                break;
        }

        lines.AddRange(Odd.OrderBy(_ => random.Next()).Take(random.Next(5)));
        if (Chance(30))
        {
            lines.Add($"precedence {Any(["fd00:11:22::/47", "2a02:8109::/32", "::ffff:192.168.0.0/112", "2000::/3"])} {random.Next(60)}");
            lines.Add($"label {Any(["fd00:11:22::/47", "2a02:8109::/32", "::ffff:192.168.0.0/112", "2000::/3"])} {random.Next(8)}");
        }

        GaiConf = string.Join('\n', lines) + (Chance(80) ? "\n" : "");
    }
}
