using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Xunit;

namespace Lotse.LabTests;

/// <summary>The far end's /64 is on its link: the provider's router finds hosts behind the tunnel only with the ndppd that is planned.</summary>
public sealed class ExitsFarTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("lotse-far-").FullName;
    private readonly string id = Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
    private Process? daemon;

    public void Dispose()
    {
        daemon?.Kill(entireProcessTree: true);
        daemon?.Dispose();
        foreach (var node in new[] { "provider", "far", "home" })
        {
            Lab.Run(TimeSpan.FromSeconds(10), "ip", "netns", "del", $"lf{id}-{node}");
        }

        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void The_planned_ndppd_answers_for_hosts_behind_the_tunnel()
    {
        Lab.NeedsRoot();
        Lab.Needs("ip", "ping", "ndppd");
        var configuration = Configuration();
        foreach (var node in new[] { "provider", "far", "home" })
        {
            Ok("netns", "add", $"lf{id}-{node}");
            Assert.Equal(0, Lab.Run(TimeSpan.FromSeconds(10), "ip", "netns", "exec", $"lf{id}-{node}", "sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.forwarding=1").ExitCode);
        }

        Ok("link", "add", "p0", "netns", $"lf{id}-provider", "type", "veth", "peer", "name", "eth0", "netns", $"lf{id}-far");
        Ok("link", "add", "wg0", "address", "02:00:00:00:00:01", "netns", $"lf{id}-far", "type", "veth", "peer", "name", "wg0", "address", "02:00:00:00:00:01", "netns", $"lf{id}-home");
        foreach (var (node, line) in new[]
        {
            ("provider", "link set p0 up"), ("provider", "addr add 2001:db8:40:50::fffe/64 dev p0 nodad"),
            ("far", "link set eth0 up"), ("far", "addr add 2001:db8:40:50::1/64 dev eth0 nodad"), ("far", "link set wg0 arp off up"), ("far", "-6 route add 2001:db8:40:50::a1/128 dev wg0"),
            ("home", "link set wg0 arp off up"), ("home", "addr add 2001:db8:40:50::a1/128 dev wg0 nodad"), ("home", "-6 route add default dev wg0"),
        })
        {
            Ok(["-n", $"lf{id}-{node}", .. line.Split(' ')]);
        }

        Assert.NotEqual(0, Ping(2).ExitCode);
        daemon = Process.Start(new ProcessStartInfo("ip", ["netns", "exec", $"lf{id}-far", "ndppd", "-c", configuration]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        var clock = Stopwatch.StartNew();
        while (Ping(1).ExitCode != 0)
        {
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(15), $"nobody answered; ndppd ended: {daemon.HasExited}");
        }
    }

    /// <summary>What is planned for the far end of the recordings.</summary>
    private string Configuration()
    {
        var recording = Path.Combine(Lab.Checkout(), "tests", "data", "findings", "exits", "on-link-prefix-needs-proxy", "triggers.host");
        var ran = Lab.RunLotse("exits", "plan", "--facts", recording, "--json");
        Assert.True(ran.ExitCode == 0, ran.Text + ran.ErrorText);
        var lines = JsonDocument.Parse(ran.Output).RootElement.GetProperty("plan").GetProperty("changes").EnumerateArray().Single(c => c.TryGetProperty("path", out var path) && path.GetString() == "/etc/ndppd.conf").GetProperty("lines").EnumerateArray().Select(l => l.GetString());
        var file = Path.Combine(folder, "ndppd.conf");
        File.WriteAllText(file, string.Join('\n', lines) + "\n");
        return file;
    }

    private Lab.Ran Ping(int seconds) => Lab.Run(TimeSpan.FromSeconds(10), "ip", "netns", "exec", $"lf{id}-provider", "ping", "-6", "-c", "1", "-W", seconds.ToString(CultureInfo.InvariantCulture), "-q", "2001:db8:40:50::a1");

    private static void Ok(params string[] line)
    {
        var ran = Lab.Run(TimeSpan.FromSeconds(10), ["ip", .. line]);
        Assert.True(ran.ExitCode == 0, $"{string.Join(' ', line)}: {ran.ErrorText}");
    }
}
