using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Xunit;

namespace Lotse.LabTests.Mail;

/// <summary>Debian's Knot with zones of the test's choice, on loopback and a free port, or inside a network namespace.</summary>
public sealed class KnotServer : IDisposable
{
    /// <summary>The secret of the key <c>lotse</c>, which may change and transfer zones.</summary>
    public const string Secret = "bG90c2UgdGVzdHMgc2lnbiB3aXRoIHRoaXMga2V5ISE=";

    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);
    private readonly Process knot;

    /// <summary>Starts it; zones by name, their records as a zone file has them, without SOA.</summary>
    public KnotServer(IReadOnlyDictionary<string, string> zones, string address = "127.0.0.1", int? port = null, string[]? inside = null, int serial = 1)
    {
        Lab.NeedsRoot();
        Lab.Needs("knotd", "dig", "nsupdate");
        Address = address;
        Port = port ?? FreePort();
        File.WriteAllText(KeyFile, Key(Secret));
        foreach (var (zone, records) in zones)
        {
            var name = zone == "." ? "." : zone + ".";
            File.WriteAllText(Path.Combine(Folder, (zone == "." ? "root" : zone) + ".zone"), $"$ORIGIN {name}\n$TTL 3600\n@ SOA ns1.example. hostmaster.example. {serial} 3600 600 604800 300\n{(records.Contains("@ NS", StringComparison.Ordinal) ? "" : "@ NS ns1.example.\n")}{records}\n{(zone == "example" ? "ns1 A 127.0.0.1\n" : "")}");
        }

        File.WriteAllText(Path.Combine(Folder, "knot.conf"), $"""
            server:
              listen: {address}@{Port}
              rundir: {Folder}
            database:
              storage: {Folder}
            key:
              - id: lotse
                algorithm: hmac-sha256
                secret: {Secret}
            acl:
              - id: lotse
                address: [127.0.0.1, 198.18.0.0/15]
                key: lotse
                action: [update, transfer]
            template:
              - id: default
                storage: {Folder}
                file: "%s.zone"
                zonefile-sync: -1
                zonefile-load: difference-no-serial
                journal-content: all
                acl: lotse
            zone:
            {string.Concat(zones.Keys.Select(z => z == "." ? "  - domain: .\n    file: root.zone\n" : $"  - domain: {z}\n"))}
            """);
        string[] command = [.. inside ?? [], "knotd", "-c", Path.Combine(Folder, "knot.conf")];
        knot = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var first = zones.Keys.Last();
        for (var i = 0; i < 100; i++)
        {
            if (Lab.Run(Soon, [.. inside ?? [], "dig", $"@{address}", "-p", $"{Port}", first, "SOA", "+short", "+time=1", "+tries=1"]).Text.Contains("hostmaster", StringComparison.Ordinal))
            {
                return;
            }

            Thread.Sleep(50);
        }

        Assert.Fail("knotd did not start");
    }

    /// <summary>Where its files are, the test's as well.</summary>
    public string Folder { get; } = Directory.CreateTempSubdirectory("lotse-knot-").FullName;

    public string Address { get; }

    public int Port { get; }

    public string Server => $"{Address}:{Port}";

    /// <summary>The key for updates.</summary>
    public string KeyFile => Path.Combine(Folder, "key");

    /// <summary>A key file as tsig-keygen(8) writes it.</summary>
    public static string Key(string secret) => $"key \"lotse\" {{\n\talgorithm hmac-sha256;\n\tsecret \"{secret}\";\n}};\n";

    /// <summary>A port that is free for UDP and TCP.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>The program under test, asking this server.</summary>
    public Lab.Ran Lotse(params string[] words) => Lab.RunLotse([.. words, "--server", Server]);

    /// <summary>A whole zone but for its serial number.</summary>
    public string[] Transfer(string domain)
    {
        var ran = Lab.Run(Soon, "dig", $"@{Address}", "-p", $"{Port}", "-y", $"hmac-sha256:lotse:{Secret}", domain, "AXFR", "+noall", "+answer");
        return [.. ran.Text.Split('\n').Where(l => l.Length > 0 && !l.Contains("SOA", StringComparison.Ordinal) && !l.Contains("TSIG", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
    }

    public void Dispose()
    {
        if (!knot.HasExited)
        {
            knot.Kill();
            knot.WaitForExit();
        }

        knot.Dispose();
        Directory.Delete(Folder, recursive: true);
    }
}
