namespace Lotse.Formats.AddressSelection;

/// <summary>musl's order of destinations (src/network/lookup_name.c): one sort key each, rules 3, 4 and 7 left out, no configuration.</summary>
public static class MuslOrder
{
    private const int MostAddresses = 48;

    /// <summary>The order: indices, best first.</summary>
    public static int[] Sort(IReadOnlyList<IpAddress> destinations, IReadOnlyList<IpAddress?> sources)
    {
        var order = Enumerable.Range(0, destinations.Count);

        // Nothing is sorted when all are IPv4. The keys differ by the order of arrival, so any sort will do.
        return destinations.Any(d => d.IsV6) ? [.. order.OrderByDescending(i => Key(destinations[i], sources[i], i))] : [.. order];
    }

    /// <summary>The rule that decides between two of the list, 1 to 10.</summary>
    public static int Rule(IReadOnlyList<IpAddress> destinations, IReadOnlyList<IpAddress?> sources, int a, int b) =>
        destinations.All(d => d.IsV4) ? 10
        : 31 - int.LeadingZeroCount(Key(destinations[a], sources[a], a) ^ Key(destinations[b], sources[b], b)) is var bit && bit >= 30 ? 1
        : bit >= 29 ? 2 : bit >= 28 ? 5 : bit >= 20 ? 6 : bit >= 16 ? 8 : bit >= 8 ? 9 : 10;

    private static int Key(IpAddress destination, IpAddress? source, int index)
    {
        var scope = Scope(destination);
        var key = (Policy.Musl.Precedences[destination] << 20) | ((15 - scope) << 16) | (MostAddresses - index);
        if (source is { } s)
        {
            key |= 0x40000000 | (scope == Scope(s) ? 0x20000000 : 0) | (Policy.Musl.Labels[destination] == Policy.Musl.Labels[s] ? 0x10000000 : 0)
                | (IpAddress.CommonBits(s, destination) << 8);
        }

        return key;
    }

    /// <summary>IPv4 is global whatever it is.</summary>
    private static int Scope(IpAddress a) => a.IsV4 ? 14 : GlibcOrder.Scope6(a);
}

/// <summary>The order of Go's own resolver (net/addrselect.go): rules 1, 2, 5, 6, 8, 9 and 10 over RFC 6724's table, a stable sort, no configuration.</summary>
public static class GoOrder
{
    /// <summary>Below this many, Go's stable sort is an insertion sort.</summary>
    private const int BlockSize = 20;

    /// <summary>The order: indices, best first.</summary>
    /// <param name="destinations">In the order of the name service.</param>
    /// <param name="sources">Of sockets with SO_BROADCAST.</param>
    public static int[] Sort(IReadOnlyList<IpAddress> destinations, IReadOnlyList<IpAddress?> sources)
    {
        var order = Enumerable.Range(0, destinations.Count).ToArray();
        bool Less(int a, int b) => Compare(destinations[a], sources[a], destinations[b], sources[b]).Sign < 0;
        for (var start = 0; start < order.Length; start += BlockSize)
        {
            for (var i = start + 1; i < Math.Min(start + BlockSize, order.Length); i++)
            {
                for (var j = i; j > start && Less(order[j], order[j - 1]); j--)
                {
                    (order[j], order[j - 1]) = (order[j - 1], order[j]);
                }
            }
        }

        for (var size = BlockSize; size < order.Length; size *= 2)
        {
            for (var start = 0; start + size < order.Length; start += 2 * size)
            {
                MergeInPlace(order.AsSpan(start, Math.Min(2 * size, order.Length - start)), size, Less);
            }
        }

        return order;
    }

    /// <summary>Compares two destinations; a sign of 0 leaves their order.</summary>
    public static RuleResult Compare(IpAddress a, IpAddress? sourceA, IpAddress b, IpAddress? sourceB)
    {
        var policy = Policy.Rfc6724;
        static RuleResult Prefer(bool first, int rule) => new(first ? -1 : 1, rule);
        if (sourceA is not { } sA || sourceB is not { } sB)
        {
            return sourceA is null && sourceB is null ? new(0, 10) : Prefer(sourceA is not null, 1);
        }

        bool scopeA = Scope(a) == Scope(sA), scopeB = Scope(b) == Scope(sB);
        if (scopeA != scopeB)
        {
            return Prefer(scopeA, 2);
        }

        bool labelA = policy.Labels[a] == policy.Labels[sA], labelB = policy.Labels[b] == policy.Labels[sB];
        if (labelA != labelB)
        {
            return Prefer(labelA, 5);
        }

        int precedenceA = policy.Precedences[a], precedenceB = policy.Precedences[b];
        if (precedenceA != precedenceB)
        {
            return Prefer(precedenceA > precedenceB, 6);
        }

        int sizeA = Scope(a), sizeB = Scope(b);
        if (sizeA != sizeB)
        {
            return Prefer(sizeA < sizeB, 8);
        }

        // IPv6 only, and only the first 64 bits of it.
        if (a is { IsV6: true, IsMappedV6: false } && b is { IsV6: true, IsMappedV6: false })
        {
            int commonA = Common(a, sA), commonB = Common(b, sB);
            if (commonA != commonB)
            {
                return Prefer(commonA > commonB, 9);
            }
        }

        return new(0, 10);
    }

    private static int Common(IpAddress a, IpAddress source) => Math.Min(64, IpAddress.CommonBits(a, source));

    private static int Scope(IpAddress a) => a.IsV4 || a.IsMappedV6 ? (a.IsV4 ? a : IpAddress.V4(a.Bits4)) is { IsLinkLocal: true } or { IsLoopback: true } ? 2 : 14 : GlibcOrder.Scope6(a);

    /// <summary>Merges two sorted runs. With a comparison that is no order, what comes out may differ from Go's beyond 20 addresses.</summary>
    private static void MergeInPlace(Span<int> items, int middle, Func<int, int, bool> less)
    {
        var left = items[..middle].ToArray();
        var right = items[middle..].ToArray();
        for (int i = 0, j = 0, k = 0; k < items.Length; k++)
        {
            items[k] = j < right.Length && (i == left.Length || less(right[j], left[i])) ? right[j++] : left[i++];
        }
    }
}
