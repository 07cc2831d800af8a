using System.Text;
using Lotse.Formats;
using Lotse.Linux;

namespace Lotse.Addresses;

/// <summary>
/// Asks the real getaddrinfo. A new process is needed, for glibc reads gai.conf once; where a candidate is to be tried, or
/// addresses that have no name, the process gets a private /etc in a mount namespace of its own. The network stays the
/// host's, so the sources are the real ones.
/// </summary>
public static class AddressProof
{
    private const string Name = "order.lotse.invalid";
    private static readonly TimeSpan Time = TimeSpan.FromSeconds(10);

    /// <summary>The order of addresses with a gai.conf.</summary>
    /// <param name="host">This machine.</param>
    /// <param name="addresses">In the order of the name service.</param>
    /// <param name="gaiConf">The file; null: none.</param>
    public static Reading<IpAddress[]> Order(Host host, IReadOnlyList<IpAddress> addresses, string? gaiConf) => host.Ask(
        $"addresses/proof {string.Join(' ', addresses)}", static () => AddressJson.Default.IpAddressArray, () => Run(host, addresses, gaiConf));

    /// <summary>Whether a plan of this area has worked.</summary>
    public static Report Prove(Host host, Plan plan)
    {
        if (plan.Proof is not ["order", var first, .. var others] || !IpAddress.TryParse(first, out var wanted))
        {
            return new("not known", [], [], [new("whether the order is as wanted", "the plan does not say what to ask", "make the plan again with this version")]);
        }

        var named = others is ["name", _, ..];
        IpAddress[] after = [.. others.Skip(named ? 2 : 0).Select(o => IpAddress.Parse(o))];
        var facts = AddressFacts.Read(host);
        var order = named && facts.WithName(host, others[1]) is var read ? (read.Ok ? new(read.Value.Observed!, null) : new Reading<IpAddress[]>(default!, read.Error)) : Order(host, [.. after, wanted], facts.GaiConf);
        return order.Ok ? Report(order.Value, wanted, after, named ? others[1] : null)
            : new("the real getaddrinfo could not be asked", [], [], [new("whether the order is as wanted", order.Error!.Message, "getent ahosts NAME")]);
    }

    /// <summary>What an observed order says about a wanted one.</summary>
    public static Report Report(IpAddress[] order, IpAddress wanted, IpAddress[] after, string? name)
    {
        var position = Array.IndexOf(order, wanted);
        var ahead = order.Take(Math.Max(position, 0)).Where(after.Contains).ToArray();
        var holds = position >= 0 && ahead.Length == 0;
        var seen = new Seen($"{string.Join(", ", order)}", name is null ? "getent ahosts in a private /etc" : $"getent ahosts {name}");
        Text claim = $"{Value.Address(wanted)} goes before {Sentence(after)}";
        return new(
            holds ? (Text)$"proved by the real getaddrinfo: {claim}" : $"the real getaddrinfo does not give it: {string.Join(", ", order)}",
            [new(claim, holds ? Verdict.Yes : Verdict.No, "getaddrinfo(3) in a new process", seen)], [], []);
    }

    private static Text Sentence(IpAddress[] addresses)
    {
        Text all = "";
        for (var i = 0; i < addresses.Length; i++)
        {
            all = i == 0 ? (Text)$"{Value.Address(addresses[i])}" : $"{all}, {Value.Address(addresses[i])}";
        }

        return all;
    }

    private static Reading<IpAddress[]> Run(Host host, IReadOnlyList<IpAddress> addresses, string? gaiConf)
    {
        if (Environment.ProcessPath is not { } self || Path.GetFileName(self) != "lotse")
        {
            return new(default!, new(HostErrorKind.Unsupported, "this process cannot start itself again"));
        }

        using var folder = new PrivateEtc();
        if (folder.Error is { } error)
        {
            return new(default!, error);
        }

        var fault = folder.Write("nsswitch.conf", "hosts: files\n"u8) ?? folder.Write("host.conf", "multi on\n"u8) ?? folder.Write("resolv.conf", [])
            ?? folder.Write("hosts", Encoding.ASCII.GetBytes(string.Concat(addresses.Select(a => $"{a} {Name}\n"))))
            ?? (gaiConf is null ? null : folder.Write("gai.conf", ByteText.Encode(gaiConf)))
            ?? (host.ReadFile("/etc/ld.so.cache") is { Ok: true } cache ? folder.Write("ld.so.cache", cache.Value) : null);
        if (fault is not null)
        {
            return new(default!, fault);
        }

        string[] unshare = Rights.IsRoot ? ["unshare", "-m", "--"] : ["unshare", "-U", "-r", "-m", "--"];
        var ran = host.Run([.. unshare, self, "within", folder.Path, "getent", "ahosts", Name], Time);
        if (!ran.Ok)
        {
            return new(default!, ran.Error);
        }

        var order = AddressFacts.Ahosts(ran.Value.Output);
        var words = ByteText.Decode(ran.Value.Errors).Trim();
        return order.Length > 0 ? new(order, null)
            : ran.Value.ExitCode >= 128 ? new(default!, new(HostErrorKind.Failed, $"getaddrinfo was ended by signal {ran.Value.ExitCode - 128}"))
            : new(default!, new(HostErrorKind.Denied, $"no private /etc could be made: {(words.Length > 0 ? ByteText.Escape(words.Split('\n')[^1]) : $"exit code {ran.Value.ExitCode}")}"));
    }
}
