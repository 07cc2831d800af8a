using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using Xunit;

namespace Lotse.LabTests;

/// <summary>The router's twin as an ordinary user, and the rendered firewall against what the real fw4 made of the same files.</summary>
public sealed partial class ExitsTwinTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("lotse-exits-").FullName;

    public ExitsTwinTests()
    {
        Lab.NeedsRoot();
        Lab.Needs("nft", "ip", "unshare", "setpriv");
        File.SetUnixFileMode(folder, (UnixFileMode)0x1ed);
    }

    public static TheoryData<string> Routers() => [.. Directory.GetDirectories(Path.Combine(Lab.Checkout(), "tests", "data", "exits", "routers")).Select(d => Path.GetFileName(d)!).Order(StringComparer.Ordinal)];

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("00a-clean-pd", null)]
    [InlineData("00b-clean-nat6", null)]
    [InlineData("00c-clean-npt6", null)]
    [InlineData("00d-clean-range", null)]
    [InlineData("34-crlf-and-comment", null)]
    [InlineData("40-clean-stock", null)]
    [InlineData("41-clean-pppoe-vlans", null)]
    [InlineData("42-clean-6in4", null)]
    [InlineData("45-clean-hybrid", null)]
    [InlineData("01-masq6-privacy", "two hosts of lan are two addresses outside")]
    [InlineData("03-tunnel-address-64", "the server is reached from")]
    [InlineData("06-ula-only-prefers-ipv4", "hosts of lan prefer IPv6")]
    [InlineData("08-tunnel-in-no-zone", "the server is reached from")]
    [InlineData("13-range-without-source", "the router's own connections")]
    [InlineData("16-include-oif", "the firewall loads")]
    [InlineData("23-uci-parse-error", "/etc/config/firewall is read")]
    [InlineData("26-wan-forward-accept", "a packet to an address that nobody has")]
    public void A_twin_without_root_tells_good_from_bad(string router, string? fails)
    {
        var clock = Stopwatch.StartNew();
        var ran = AsNobody("exits", "prove", "--root", Copy(router), "--json");
        var seconds = clock.Elapsed.TotalSeconds;
        var reasons = JsonDocument.Parse(ran.Output).RootElement.GetProperty("reasons").EnumerateArray().ToArray();
        var failed = reasons.Where(r => r.GetProperty("verdict").GetString() != "yes").Select(r => r.GetProperty("text").GetString()!).ToArray();
        if (fails is null)
        {
            Assert.Empty(failed);
            Assert.Equal(0, ran.ExitCode);
            Assert.True(reasons.Length > 8);
            TestContext.Current.SendDiagnosticMessage($"{router}: {seconds:0.0} s");
        }
        else
        {
            Assert.Contains(failed, f => f.StartsWith(fails, StringComparison.Ordinal));
            Assert.Equal(1, ran.ExitCode);
        }
    }

    /// <summary>One of each fault that packets tell: no proof of it succeeds. Those of the theory above are not asked again.</summary>
    [Fact]
    public void No_planted_fault_that_changes_packets_is_proven()
    {
        string[] asked = ["masq6-privacy", "tunnel-address-64", "ra-default-never-withdrawn ula-only-prefers-ipv4", "tunnel-in-no-zone", "range-without-source", "include-oif", "uci-parse-error", "wan-forward-accept"];
        var data = Path.Combine(Lab.Checkout(), "tests", "data", "exits");
        var rows = Tests.Exits.Planted.Read(data).Where(r => r[2] == "fails" && !asked.Contains(r[0])).DistinctBy(r => r[0]).ToArray();
        Assert.True(rows.Length >= 15, $"{rows.Length}");
        var proven = new System.Collections.Concurrent.ConcurrentBag<string>();
        Parallel.ForEach(rows, new ParallelOptions { MaxDegreeOfParallelism = 4 }, row =>
        {
            var root = Path.Combine(folder, row[0]);
            Tests.Exits.Planted.Plant(data, row, root);
            if (AsNobody("exits", "prove", "--root", root).ExitCode != 1)
            {
                proven.Add(row[0]);
            }
        });
        Assert.Empty(proven);
    }

    /// <summary>Every row of the decision table, planned from a masquerading router and proven before it is written.</summary>
    [Theory]
    [InlineData("--prefix", "2000:30:40:50::/60")]
    [InlineData("--method", "npt6")]
    [InlineData("--privacy", "unlinkable")]
    [InlineData("--inbound", "lan")]
    [InlineData("--on-link")]
    [InlineData("--prefix", "2000:30:40:50::2/128")]
    public void A_planned_row_of_the_table_is_proven(params string[] options) => Proven(Copy("06-ula-only-prefers-ipv4"), "ula-only-prefers-ipv4", options);

    /// <summary>One network and a /64 of its own: it is delegated, and the router's address there is not the far end's.</summary>
    [Fact]
    public void A_single_network_gets_the_64_itself()
    {
        var root = Copy("06-ula-only-prefers-ipv4");
        foreach (var name in new[] { "network", "firewall", "dhcp" })
        {
            var file = Path.Combine(root, "etc/config", name);
            var sections = File.ReadAllText(file).Split("\n\n").Where(s => !s.Contains("'guest'", StringComparison.Ordinal));
            File.WriteAllText(file, string.Join("\n\n", sections));
        }

        var changes = Proven(root, "ula-only-prefers-ipv4", "--prefix", "2000:30:40:50::/64").GetProperty("changes").ToString();
        Assert.Matches("ip6prefix .{1,8}2000:30:40:50::/64", changes);
        Assert.Matches("ip6ifaceid .{1,8}::fe", changes);
    }

    /// <summary>Plans with --prove as nobody, within three seconds once the machine is warm.</summary>
    private static JsonElement Proven(string root, string vanishes, params string[] options)
    {
        var ran = AsNobody(["exits", "plan", "--root", root, "--prove", "--json", .. options]);
        Assert.True(ran.ExitCode == 0, ran.Text + ran.ErrorText);
        var answer = JsonDocument.Parse(ran.Output).RootElement;
        var plan = answer.GetProperty("plan");
        Assert.Contains($"exits/{vanishes}", plan.GetProperty("vanish").EnumerateArray().Select(v => v.GetString()));
        TestContext.Current.SendDiagnosticMessage($"{string.Join(' ', options)}: {answer.GetProperty("proof").GetProperty("verdict")}");
        return plan;
    }

    /// <summary>A plan for a folder, applied, leaves what was proven; undone, it leaves every byte as it was.</summary>
    [Fact]
    public void What_is_applied_is_what_was_proven_and_undo_gives_every_byte_back()
    {
        var root = Copy("06-ula-only-prefers-ipv4");
        var before = Directory.GetFiles(root, "*", SearchOption.AllDirectories).ToDictionary(f => f, File.ReadAllBytes);
        var plan = Path.Combine(folder, "plan.json");
        var state = new Dictionary<string, string?> { ["LOTSE_STATE"] = Path.Combine(folder, "state") };
        Assert.Equal(0, Lab.RunWith(TimeSpan.FromSeconds(60), state, Lab.Lotse, "exits", "plan", "--root", root, "--method", "range", "-o", plan).ExitCode);
        var applied = Lab.RunWith(TimeSpan.FromSeconds(60), state, Lab.Lotse, "apply", plan);
        Assert.True(applied.ExitCode == 0, applied.Text + applied.ErrorText);
        Assert.Contains("config nat 'lotse_range'", File.ReadAllText(Path.Combine(root, "etc/config/firewall")), StringComparison.Ordinal);
        var undone = Lab.RunWith(TimeSpan.FromSeconds(60), state, Lab.Lotse, "undo");
        Assert.True(undone.ExitCode == 0, undone.Text + undone.ErrorText);
        foreach (var (file, bytes) in before)
        {
            Assert.Equal(bytes, File.ReadAllBytes(file));
        }
    }

    /// <summary>The kernel's listing of Lotse's ruleset is that of the real fw4's (revision b6e5157), recorded in fw4-rules.</summary>
    [Theory]
    [MemberData(nameof(Routers))]
    public void Renders_what_fw4_renders(string router)
    {
        var root = Copy(router);
        var rules = Lab.RunLotse("exits", "rules", "--root", root);
        var file = Path.Combine(folder, "rules.nft");
        File.WriteAllBytes(file, rules.Output);
        var listed = Lab.Run(TimeSpan.FromSeconds(20), "unshare", "-n", "sh", "-c", "ip link add wg0 type veth peer name br-lan && nft -f \"$1\" && nft list ruleset", "sh", file);
        Assert.True(listed.ExitCode == 0, listed.ErrorText);
        Assert.Equal(File.ReadAllText(Path.Combine(root, "fw4-rules")), Normal(listed.Text));
    }

    /// <summary>Chains by name; without comments and counters, and without helpers, which Lotse leaves out.</summary>
    private static string Normal(string listing)
    {
        var chains = new SortedDictionary<string, List<string>>(StringComparer.Ordinal);
        List<string>? current = null;
        foreach (var raw in listing.Split('\n'))
        {
            var line = Noise().Replace(raw, "").Trim();
            if (Chain().Match(line) is { Success: true } chain)
            {
                chains[chain.Groups[1].Value] = current = [];
            }
            else if (line is not ("}" or "") && !line.StartsWith("table", StringComparison.Ordinal))
            {
                current?.Add(line.Replace("reject with icmpx port-unreachable", "reject", StringComparison.Ordinal));
            }
        }

        return string.Concat(chains.Where(c => c.Key != "prerouting").Select(c => $"chain {c.Key}\n{string.Concat(c.Value.Select(r => $"   {r}\n"))}"));
    }

    private static Lab.Ran AsNobody(params string[] arguments) =>
        Lab.Run(TimeSpan.FromSeconds(60), ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", Lab.Lotse, .. arguments]);

    private string Copy(string router)
    {
        var from = Path.Combine(Lab.Checkout(), "tests", "data", "exits", "routers", router);
        var to = Path.Combine(folder, router);
        foreach (var file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }

        return to;
    }

    [GeneratedRegex(""" comment ".*"|counter packets \d+ bytes \d+ ?""")]
    private static partial Regex Noise();

    [GeneratedRegex(@"^chain (\S+) \{")]
    private static partial Regex Chain();
}
