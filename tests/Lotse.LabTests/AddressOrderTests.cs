using System.Net;
using System.Text.Json;
using Lotse.Addresses;
using Lotse.Formats;
using Lotse.Formats.AddressSelection;
using Lotse.Hosts;
using Xunit;

namespace Lotse.LabTests;

/// <summary>The order of addresses against the real C libraries and the real kernel, on hosts made afresh for each run.</summary>
public sealed class AddressOrderTests : IDisposable
{
    private const int Hosts = 200;
    private readonly string folder = Directory.CreateTempSubdirectory("lotse-addr-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    /// <summary>
    /// Each host lives in namespaces of its own. The oracle is native/address.c, linked with glibc and with musl; the facts
    /// come from the program under test, by netlink.
    /// </summary>
    [Fact]
    public void Random_hosts_are_ordered_as_by_the_C_libraries_and_the_kernel()
    {
        Lab.NeedsRoot();
        Lab.Needs("gcc", "ip", "unshare");
        if (!File.Exists("/dev/net/tun"))
        {
            Assert.Skip("needs /dev/net/tun");
        }

        var glibc = Lab.Compile(folder, "address");
        var musl = Lab.Run(TimeSpan.FromMinutes(1), "sh", "-c", "command -v musl-gcc").ExitCode == 0 ? Path.Combine(folder, "address-musl") : null;
        if (musl is not null)
        {
            var built = Lab.Run(TimeSpan.FromMinutes(1), "musl-gcc", "-static", "-O2", "-o", musl, Path.Combine(Lab.Checkout(), "tests", "Lotse.LabTests", "native", "address.c"));
            Assert.True(built.ExitCode == 0, built.ErrorText);
        }

        var start = Environment.GetEnvironmentVariable("LOTSE_SEED") is { Length: > 0 } given ? int.Parse(given) : Random.Shared.Next(1_000_000) * 1000;
        var faults = new List<string>();
        int compared = 0, crossed = 0, planned = 0;
        for (var seed = start; seed < start + Hosts; seed++)
        {
            var world = RandomHost.Make(seed);
            var place = Path.Combine(folder, seed.ToString());
            Build(place, world, glibc, musl);
            var ran = Lab.Run(TimeSpan.FromSeconds(30), "unshare", "-n", "-m", "--", glibc, "hold", place);
            Assert.True(ran.ExitCode == 0, $"seed {seed}: {ran.ErrorText}");
            faults.AddRange(Compare(place, world, musl is not null, ref crossed, ref planned).Select(f => $"seed {seed}: {f}"));
            compared++;
            Directory.Delete(place, recursive: true);
        }

        Assert.Equal(Hosts, compared);

        // A generator whose hosts all say the same would prove nothing.
        Assert.True(crossed > Hosts / 5, $"only {crossed} hosts differ between glibc and musl");
        Assert.True(planned > Hosts / 20, $"only {planned} plans were applied");
        Assert.True(faults.Count == 0, string.Join('\n', faults));
    }

    private static void Build(string place, RandomHost world, string glibc, string? musl)
    {
        Directory.CreateDirectory(Path.Combine(place, "etc"));
        void Write(string name, string text) => File.WriteAllText(Path.Combine(place, name), text);
        Write("etc/nsswitch.conf", "hosts: files\n");
        Write("etc/host.conf", "multi on\n");
        Write("etc/hosts", string.Concat(world.Destinations.Select(d => $"{d} order.test\n")));
        if (world.GaiConf is { } conf)
        {
            Write("etc/gai.conf", conf);
        }

        Write("devices", world.Devices.ToString());
        Write("batch", world.Commands.ToString());
        var all = string.Join(' ', world.Destinations);
        Write("run", $"""
            cd {place}
            ip -force -batch batch >problems 2>&1
            {Lab.Lotse} addr why {all} --record facts.host --json >why.json
            [ -s why.json ] || exit 1
            {glibc} sources {all} >sources
            {glibc} order order.test >glibc || echo crash >glibc
            {(musl is null ? "" : $"{musl} order order.test >musl")}
            export LOTSE_STATE={place}/state
            [ {world.Number % 3} != 0 ] || {Lab.Lotse} addr plan --prefer {world.Wanted} order.test --output p.plan --json >plan.json 2>plan.errors
            [ ! -f p.plan ] || {Lab.Lotse} apply p.plan --json >apply.json
            [ ! -f p.plan ] || {glibc} order order.test >planned
            exit 0

            """);
    }

    private static List<string> Compare(string place, RandomHost world, bool withMusl, ref int crossed, ref int planned)
    {
        var faults = new List<string>();
        string[] Lines(string name) => [.. File.ReadAllLines(Path.Combine(place, name)).Select(l => IpAddress.TryParse(l, out var a) ? a.ToString() : l)];
        using var host = RecordedHost.Open("facts", File.ReadAllBytes(Path.Combine(place, "facts.host"))).Value;
        var facts = AddressFacts.Read(host).WithAddresses(host, [.. world.Destinations.Select(d => IpAddress.Parse(d))]);
        var network = facts.Network!;
        var destinations = Array.ConvertAll(facts.Destinations, d => d.Address);
        var sources = Array.ConvertAll(facts.Destinations, d => d.Source);

        // What the program saw of connect(), what the model says of it, and what another program saw.
        var real = Lines("sources");
        var selection = new SourceSelection(network);
        for (var i = 0; i < real.Length; i++)
        {
            var model = selection.Select(destinations[i]);
            if ((sources[i]?.ToString() ?? "-") != real[i] || (model.Source?.ToString() ?? "-") != real[i])
            {
                faults.Add($"source of {destinations[i]}: kernel {real[i]}, read {sources[i]}, model {model.Source} {model.Error}");
            }
        }

        var order = new GlibcOrder(network, facts.Conf);
        var mine = order.Sort(order.Candidates(destinations, sources)).Select(i => destinations[i].ToString()).ToArray();
        if (!mine.SequenceEqual(Lines("glibc")))
        {
            faults.Add($"glibc {string.Join(' ', Lines("glibc"))}, model {string.Join(' ', mine)}; gai.conf {facts.GaiConf?.ReplaceLineEndings("|")}");
        }

        // The wanted address first, planned, applied, and seen by another program; else a rule that looks at no table.
        if (File.Exists(Path.Combine(place, "planned")))
        {
            planned++;

            // getent leaves out families of which the host has no address (AI_ADDRCONFIG); the goal is about the others.
            var known = JsonDocument.Parse(File.ReadAllText(Path.Combine(place, "plan.json"))).RootElement.GetProperty("plan").GetProperty("proof").EnumerateArray().Select(p => p.GetString()).ToArray();
            if (!IPAddress.Parse(Lines("planned").First(known.Contains)).Equals(IPAddress.Parse(world.Wanted)))
            {
                faults.Add($"{world.Wanted} first was planned, it came out {string.Join(' ', Lines("planned"))}; {File.ReadAllText(Path.Combine(place, "apply.json"))}");
            }
        }
        else if (world.Number % 3 == 0 && File.ReadAllText(Path.Combine(place, "plan.json")) is { Length: > 0 } plan && JsonDocument.Parse(plan).RootElement.GetProperty("answer") is var answer
            && !answer.GetProperty("holds").GetBoolean() && answer.GetProperty("impossible").GetProperty("rule").GetInt32() > 4)
        {
            faults.Add($"{world.Wanted} first was refused: {answer}");
        }

        if (withMusl)
        {
            var musl = MuslOrder.Sort(destinations, sources).Select(i => destinations[i].ToString()).ToArray();
            if (!musl.SequenceEqual(Lines("musl")))
            {
                faults.Add($"musl {string.Join(' ', Lines("musl"))}, model {string.Join(' ', musl)}");
            }

            crossed += mine.SequenceEqual(musl) ? 0 : 1;
        }
        else
        {
            crossed++;
        }

        return faults;
    }
}
