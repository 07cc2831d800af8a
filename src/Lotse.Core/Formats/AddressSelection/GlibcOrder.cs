namespace Lotse.Formats.AddressSelection;

/// <summary>A destination with what glibc has found out about its source.</summary>
/// <param name="Destination">The destination address.</param>
/// <param name="Source">The source of a connected UDP socket; null: connect() failed.</param>
/// <param name="Known">Whether glibc found the source in its table of addresses; without, flags, prefix length and interface are lost.</param>
/// <param name="Deprecated">The source is deprecated or optimistic.</param>
/// <param name="Home">The source is a home address.</param>
/// <param name="Length">Prefix length of the source; 0 where it is not known.</param>
/// <param name="Index">Interface of the source; -1 where it is not known.</param>
/// <param name="Native">Whether that interface is native transport; an unknown one counts as not.</param>
public sealed record Candidate(IpAddress Destination, IpAddress? Source, bool Known = false, bool Deprecated = false, bool Home = false, int Length = 0, int Index = -1, bool Native = false);

/// <summary>The outcome of comparing two destinations.</summary>
/// <param name="Sign">Below 0: the first goes first; never 0.</param>
/// <param name="Rule">The rule of RFC 6724 section 6 that decided, 1 to 10.</param>
public readonly record struct RuleResult(int Sign, int Rule);

/// <summary>glibc's order of destinations (nss/getaddrinfo.c rfc3484_sort, sysdeps/unix/sysv/linux/check_pf.c).</summary>
public sealed class GlibcOrder
{
    private readonly GaiConf conf;
    private readonly InterfaceAddress[] addresses;
    private readonly NetworkInterface[] interfaces;

    /// <summary>For a host and its gai.conf.</summary>
    public GlibcOrder(HostNetwork network, GaiConf conf)
    {
        this.conf = conf;

        // Where no IPv6 address but ::1 is seen the whole table is dropped. The kernel tells IPv4 before IPv6.
        var all = network.Addresses.Where(x => x.Address.Address.IsV4).Concat(network.Addresses.Where(x => x.Address.Address.IsV6)).ToArray();
        var kept = all.Any(x => x.Address.GlibcKey is { IsV6: true, IsLoopback: false })
            ? all.OrderBy(x => x.Address.GlibcKey.Bits).ToArray() : [];
        addresses = [.. kept.Select(x => x.Address)];
        interfaces = [.. kept.Select(x => x.Interface)];
    }

    private GlibcOrder(GlibcOrder other, GaiConf conf) => (this.conf, addresses, interfaces) = (conf, other.addresses, other.interfaces);

    /// <summary>The same host with another gai.conf.</summary>
    public GlibcOrder With(GaiConf other) => new(this, other);

    /// <summary>What glibc knows of each destination's source.</summary>
    /// <param name="destinations">In the order of the name service: the family of the first decides how a source is looked up.</param>
    /// <param name="sources">Parallel; null: unreachable.</param>
    public Candidate[] Candidates(IReadOnlyList<IpAddress> destinations, IReadOnlyList<IpAddress?> sources)
    {
        var all = new Candidate[destinations.Count];
        var only4SoFar = true;
        for (var i = 0; i < all.Length; i++)
        {
            only4SoFar &= destinations[i].IsV4;
            all[i] = new(destinations[i], sources[i]);
            if (sources[i] is not { } source)
            {
                continue;
            }

            // Asked through an IPv4 socket, every address of the loopback network is looked up as 127.0.0.1.
            var key = only4SoFar && source.IsV4 && source.IsLoopback ? IpAddress.V4(0x7f000001) : source;
            if (Find(key.Bits) is var at and >= 0)
            {
                var a = addresses[at];
                all[i] = new(destinations[i], source, true, a.Deprecated || a.Optimistic, a.Home, a.Length, interfaces[at].Index, interfaces[at].IsNative);
            }
        }

        return all;
    }

    /// <summary>The order: indices of the candidates, best first.</summary>
    /// <param name="candidates">In the order of the name service.</param>
    /// <param name="times">How often each comes: once with a socket type asked for, three times without, as <c>getent ahosts</c> does.</param>
    public int[] Sort(Candidate[] candidates, int times = 1)
    {
        // Not a library sort: the comparison is not transitive, so the result depends on the algorithm.
        var order = Enumerable.Range(0, candidates.Length * times).ToArray();
        Merge(order, new int[order.Length], (a, b) => times > 1 && a / times == b / times ? a.CompareTo(b) : Compare(candidates[a / times], candidates[b / times], a < b).Sign);
        return times == 1 ? order : [.. order.Select(i => i / times).Distinct()];
    }

    /// <summary>Compares two destinations by the rules in order.</summary>
    /// <param name="a">One.</param>
    /// <param name="b">The other.</param>
    /// <param name="firstFirst">Whether the name service had the first before the other.</param>
    public RuleResult Compare(Candidate a, Candidate b, bool firstFirst)
    {
        RuleResult Prefer(bool first, int rule) => new(first ? -1 : 1, rule);
        if (a.Source is null != b.Source is null)
        {
            return Prefer(a.Source is not null, 1);
        }

        if (a.Source is { } sourceA && b.Source is { } sourceB)
        {
            bool scopeA = Scope(a.Destination) == Scope(sourceA), scopeB = Scope(b.Destination) == Scope(sourceB);
            if (scopeA != scopeB)
            {
                return Prefer(scopeA, 2);
            }

            if (a.Deprecated != b.Deprecated)
            {
                return Prefer(b.Deprecated, 3);
            }

            if (a.Home != b.Home)
            {
                return Prefer(a.Home, 4);
            }

            bool labelA = Label(a.Destination) == Label(sourceA), labelB = Label(b.Destination) == Label(sourceB);
            if (labelA != labelB)
            {
                return Prefer(labelA, 5);
            }
        }

        int precedenceA = Precedence(a.Destination), precedenceB = Precedence(b.Destination);
        if (precedenceA != precedenceB)
        {
            return Prefer(precedenceA > precedenceB, 6);
        }

        if (a.Source is not null && a.Index != b.Index && a.Native != b.Native)
        {
            return Prefer(a.Native, 7);
        }

        int sizeA = Scope(a.Destination), sizeB = Scope(b.Destination);
        if (sizeA != sizeB)
        {
            return Prefer(sizeA < sizeB, 8);
        }

        if (a.Source is not null && a.Destination.IsV4 == b.Destination.IsV4)
        {
            int commonA = Common(a), commonB = Common(b);
            if (commonA != commonB)
            {
                return Prefer(commonA > commonB, 9);
            }
        }

        return Prefer(firstFirst, 10);
    }

    /// <summary>The tables.</summary>
    public GaiConf Conf => conf;

    /// <summary>Label of an address.</summary>
    public int Label(IpAddress address) => conf.Labels[address];

    /// <summary>Precedence of an address.</summary>
    public int Precedence(IpAddress address) => conf.Precedences[address];

    /// <summary>Scope of an address: IPv4 by scopev4, IPv6 by its form.</summary>
    public int Scope(IpAddress address) => address.IsV4 ? conf.ScopesV4[address, 14] : Scope6(address);

    /// <summary>Rule 9: bits that source and destination share; for IPv4 0 outside the source's own subnet.</summary>
    public static int Common(Candidate c)
    {
        var common = IpAddress.CommonBits(c.Destination, c.Source!.Value);
        if (c.Destination.IsV6)
        {
            return common;
        }

        // A length of 0 shifts by 32, which the processors take as by 0: only the same address is in such a subnet.
        return common - 96 >= (c.Length == 0 ? 32 : c.Length) ? common - 96 : 0;
    }

    /// <summary>The scope of an IPv6 address as the C libraries see it: multicast by its nibble, ::1 as link-local, ULA as global.</summary>
    internal static int Scope6(IpAddress a) => a.IsMulticast ? (int)(a.Bits >> 112) & 15 : a.IsLinkLocal || a.IsLoopback ? 2 : a.IsSiteLocal ? 5 : 14;

    /// <summary>bsearch(3) over the sorted table: which of two equal addresses is found depends on where the middle falls.</summary>
    private int Find(UInt128 bits)
    {
        int low = 0, high = addresses.Length;
        while (low < high)
        {
            var middle = (low + high) / 2;
            var found = addresses[middle].GlibcKey.Bits;
            if (found == bits)
            {
                return middle;
            }

            (low, high) = bits < found ? (low, middle) : (middle + 1, high);
        }

        return -1;
    }

    /// <summary>glibc's merge sort (stdlib/msort.c): halves of n/2 and n-n/2, the left one wins ties.</summary>
    private static void Merge(Span<int> items, Span<int> temporary, Comparison<int> compare)
    {
        if (items.Length <= 1)
        {
            return;
        }

        int n1 = items.Length / 2, i = 0, j = n1, k = 0;
        Merge(items[..n1], temporary, compare);
        Merge(items[n1..], temporary, compare);
        while (i < n1 && j < items.Length)
        {
            temporary[k++] = compare(items[i], items[j]) <= 0 ? items[i++] : items[j++];
        }

        items[i..n1].CopyTo(temporary[k..]);
        temporary[..(k + n1 - i)].CopyTo(items);
    }
}
