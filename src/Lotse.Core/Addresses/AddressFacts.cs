using System.Text;
using Lotse.Formats;
using Lotse.Formats.AddressSelection;
using Lotse.Linux;

namespace Lotse.Addresses;

/// <summary>The C library that most programs of a host use.</summary>
/// <param name="Name">glibc or musl; null: not found out.</param>
/// <param name="Version">Its version; null: not found out.</param>
/// <param name="Origin">File or program that said so.</param>
public sealed record CLibrary(string? Name, string? Version, string Origin)
{
    /// <summary>The version of glibc; Debian 12's where it is not known.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public GlibcVersion Glibc => Name == "glibc" && GlibcVersion.TryParse(Version, out var version) ? version : GlibcVersion.Default;
}

/// <summary>A destination and the source that the kernel gives it.</summary>
/// <param name="Address">Where to.</param>
/// <param name="Source">The source; null: connect() fails.</param>
/// <param name="Error">The name of the error.</param>
public sealed record DestinationSource(IpAddress Address, IpAddress? Source, string? Error);

/// <summary>A process that was started before gai.conf was changed.</summary>
/// <param name="Pid">Process id.</param>
/// <param name="Name">Its name (comm), in the form of <see cref="ByteText"/>.</param>
public sealed record OlderProcess(int Pid, string Name);

/// <summary>What decides the order of addresses on a host.</summary>
public sealed record AddressFacts
{
    /// <summary>gai.conf(5).</summary>
    public const string GaiPath = "/etc/gai.conf";

    /// <summary>Interfaces, routes, kernel labels; null: not to be had.</summary>
    public HostNetwork? Network { get; init; }

    /// <summary>Why there is no <see cref="Network"/>.</summary>
    public string? NetworkError { get; init; }

    /// <summary>The text of gai.conf, in the form of <see cref="ByteText"/>; null: there is no such file.</summary>
    public string? GaiConf { get; init; }

    /// <summary>Why gai.conf could not be read although it is there.</summary>
    public string? GaiError { get; init; }

    /// <summary>The C library.</summary>
    public required CLibrary Library { get; init; }

    /// <summary>The name that was looked up; null: addresses were given.</summary>
    public string? Name { get; init; }

    /// <summary>The order in which the real getaddrinfo gave them; null: it was not asked.</summary>
    public IpAddress[]? Observed { get; init; }

    /// <summary>The destinations in the order of the name service, as far as that is known.</summary>
    public DestinationSource[] Destinations { get; init; } = [];

    /// <summary>Sources for representatives of all classes of destinations.</summary>
    public DestinationSource[] Classes { get; init; } = [];

    /// <summary>Processes older than gai.conf, when it is not the built-in tables.</summary>
    public OlderProcess[] Older { get; init; } = [];

    /// <summary>The file by which systemd-networkd sets up the interface towards the Internet; null: it does not.</summary>
    public string? NetworkFile { get; init; }

    /// <summary>gai.conf as this host's glibc reads it.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public GaiConf Conf => field ??= Formats.AddressSelection.GaiConf.Parse(GaiConf, Library.Glibc);

    /// <summary>Reads what every verb needs.</summary>
    public static AddressFacts Read(Host host)
    {
        var network = host.Ask("addresses/network", static () => AddressJson.Default.HostNetwork, RouteNetlink.Read);
        network = network.Error is { Kind: HostErrorKind.Unsupported } && NetworkByIp.Read(host) is { Ok: true } said ? said : network;
        var conf = host.ReadFile(GaiPath, 1 << 20);
        return new()
        {
            Network = network.Ok ? network.Value : null,
            NetworkError = network.Error?.Message,
            GaiConf = conf.Ok ? ByteText.Decode(conf.Value) : null,
            GaiError = conf.Error is { Kind: not HostErrorKind.NotFound } error ? error.Message : null,
            Library = ReadLibrary(host),
        };
    }

    /// <summary>The same with sources for a goal's addresses and for representatives of every class of destinations.</summary>
    public AddressFacts WithClasses(Host host, OrderGoal goal) => Network is null ? this : this with
    {
        Classes = Sources(host, [.. goal.All.Concat(OrderSolver.ClassesOf(Network, Conf, goal).Select(c => c.Representative)).Distinct()]),
    };

    /// <summary>The same with sources for the Internet, by IPv6 and by IPv4.</summary>
    public AddressFacts WithInternet(Host host) => this with { Classes = Sources(host, [DestinationClass.Internet6, DestinationClass.Internet4]) };

    /// <summary>The same with the file of systemd-networkd for the interface that holds an address.</summary>
    public AddressFacts WithNetworkFile(Host host, IpAddress address)
    {
        // networkd writes down what it used for a link, by index: src/network/networkd-state-file.c.
        var link = Network?.Interfaces.FirstOrDefault(i => i.Addresses.Any(a => a.Address == address));
        return link is not null && host.ReadFile($"/run/systemd/netif/links/{link.Index}") is { Ok: true, Value: var state }
            && ByteText.Decode(state).Split('\n').FirstOrDefault(l => l.StartsWith("NETWORK_FILE=/", StringComparison.Ordinal)) is { } line
            ? this with { NetworkFile = line["NETWORK_FILE=".Length..] } : this;
    }

    /// <summary>The source for an address that was read; null where it is unreachable or was not asked.</summary>
    public IpAddress? SourceOf(IpAddress address) => (Array.Find(Destinations, d => d.Address == address) ?? Array.Find(Classes, d => d.Address == address))?.Source;

    /// <summary>The same with the addresses of a name and their sources.</summary>
    /// <param name="host">Where.</param>
    /// <param name="name">A host name.</param>
    /// <returns>An error where the name has no address, or nobody could be asked.</returns>
    public Reading<AddressFacts> WithName(Host host, string name)
    {
        if (name.StartsWith('-'))
        {
            return new(default!, new(HostErrorKind.NotFound, $"\"{ByteText.Escape(name)}\" is no host name"));
        }

        var ran = host.Run(["getent", "ahosts", name], TimeSpan.FromSeconds(30));
        if (!ran.Ok)
        {
            return new(default!, ran.Error);
        }

        var addresses = Ahosts(ran.Value.Output);
        if (addresses.Length == 0)
        {
            return new(default!, new(HostErrorKind.NotFound, ran.Value.ExitCode > 128
                ? $"getent ahosts {ByteText.Escape(name)} was ended by signal {ran.Value.ExitCode - 128}"
                : $"the name {ByteText.Escape(name)} has no address here (getent ahosts)"));
        }

        return new(this with { Name = name, Observed = addresses, Destinations = Sources(host, InOrderOfService(host, name, addresses)) }, null);
    }

    /// <summary>The same with addresses that were given.</summary>
    public AddressFacts WithAddresses(Host host, IpAddress[] addresses) => this with { Destinations = Sources(host, addresses) };

    /// <summary>The same with the processes that were started before gai.conf was changed, where it says anything.</summary>
    public AddressFacts WithOlder(Host host) => Conf.Lines.Any(l => l is { Counts: true, Kind: not GaiKind.Reload }) && !Conf.Reloads
        && host.Ask($"addresses/older {GaiPath}", static () => AddressJson.Default.OlderProcessArray, static () => ProcessAge.OlderThan(GaiPath, (pid, name) => new OlderProcess(pid, name))) is { Ok: true } older
        ? this with { Older = older.Value } : this;

    /// <summary>The addresses of <c>getent ahosts</c>, each once, in order; zones are left out.</summary>
    internal static IpAddress[] Ahosts(byte[] output)
    {
        var all = new List<IpAddress>();
        foreach (var line in Encoding.ASCII.GetString(output).Split('\n'))
        {
            var end = line.AsSpan().IndexOfAny(' ', '\t', '%');
            if (IpAddress.TryParse(end < 0 ? line : line.AsSpan(0, end), out var address) && !all.Contains(address))
            {
                all.Add(address);
            }
        }

        return [.. all];
    }

    /// <summary>What a source is for each address: by connect() on this machine, recorded, or by the model where only facts are to be had.</summary>
    private DestinationSource[] Sources(Host host, IpAddress[] addresses)
    {
        var asked = host.Ask($"addresses/sources {string.Join(' ', addresses)}", static () => AddressJson.Default.DestinationSourceArray, () => new(
            Array.ConvertAll(addresses, a => UdpSource.Of(a) is var (source, error) ? new DestinationSource(a, source, error) : null!), null));
        if (asked.Ok || Network is null)
        {
            return asked.Ok ? asked.Value : Array.ConvertAll(addresses, a => new DestinationSource(a, null, "not known"));
        }

        var selection = new SourceSelection(Network);
        return Array.ConvertAll(addresses, a => selection.Select(a) is var choice ? new DestinationSource(a, choice.Source, choice.Error) : null!);
    }

    /// <summary>
    /// The order in which the name service had them, which decides ties: that of the hosts file where the name stands in
    /// it with all of them; else the order that came out, in which ties are already as they were.
    /// </summary>
    private static IpAddress[] InOrderOfService(Host host, string name, IpAddress[] addresses)
    {
        if (host.ReadFile("/etc/hosts", 1 << 20) is not { Ok: true } hosts)
        {
            return addresses;
        }

        var listed = new List<IpAddress>();
        foreach (var line in ByteText.Decode(hosts.Value).Split('\n'))
        {
            var words = line.Split('#')[0].Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            if (words.Length > 1 && words.Skip(1).Contains(name, StringComparer.OrdinalIgnoreCase) && IpAddress.TryParse(words[0], out var address) && !listed.Contains(address))
            {
                listed.Add(address);
            }
        }

        return listed.Count == addresses.Length && addresses.All(listed.Contains) ? [.. listed] : addresses;
    }

    private static CLibrary ReadLibrary(Host host)
    {
        var asked = host.Ask("addresses/libc", static () => AddressJson.Default.CLibrary, static () => new(FromFiles(FileSearch.After) ?? new(null, null, "no C library found"), null));
        if (asked.Ok)
        {
            return asked.Value;
        }

        if (host.Run(["getent", "--version"], TimeSpan.FromSeconds(10)) is { Ok: true, Value.ExitCode: 0 } ran
            && Encoding.ASCII.GetString(ran.Value.Output).Split('\n')[0].Trim().Split(' ')[^1] is var version && GlibcVersion.TryParse(version, out _))
        {
            return new("glibc", version, "getent --version");
        }

        return FromFiles((path, pattern, length) => host.ReadFile(path) is not { Ok: true } read ? null
            : read.Value.AsSpan().IndexOf(pattern) is var at and >= 0 ? read.Value.AsSpan(at + pattern.Length, Math.Min(length, read.Value.Length - at - pattern.Length)).ToArray() : []) ?? new(null, null, "no C library found");
    }

    /// <summary>What follows a pattern in a file; null where there is no such file, empty where it is not in it.</summary>
    private delegate byte[]? After(string path, ReadOnlySpan<byte> pattern, int length);

    /// <summary>The version stands in the library's banner.</summary>
    private static CLibrary? FromFiles(After after)
    {
        foreach (var path in (ReadOnlySpan<string>)["/lib/x86_64-linux-gnu/libc.so.6", "/lib/aarch64-linux-gnu/libc.so.6", "/lib64/libc.so.6", "/usr/lib64/libc.so.6", "/usr/lib/libc.so.6", "/lib/libc.so.6"])
        {
            if (after(path, " release version "u8, 16) is { } words)
            {
                return new("glibc", GlibcVersion.TryParse(Encoding.ASCII.GetString(words), out var version) ? version.ToString() : null, path);
            }
        }

        foreach (var path in (ReadOnlySpan<string>)["/lib/ld-musl-x86_64.so.1", "/lib/ld-musl-aarch64.so.1", "/lib/ld-musl-armhf.so.1", "/lib/ld-musl-riscv64.so.1"])
        {
            if (after(path, "\0"u8, 0) is not null)
            {
                return new("musl", null, path);
            }
        }

        return null;
    }
}
