using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>An interface that wants a part of every delegated prefix.</summary>
/// <param name="Name">The interface.</param>
/// <param name="Length">ip6assign.</param>
/// <param name="Hint">ip6hint; -1: none.</param>
/// <param name="Weight">ip6weight.</param>
/// <param name="Classes">ip6class: from which interfaces' prefixes; empty: from all.</param>
internal sealed record PrefixWish(string Name, int Length, long Hint, int Weight, string[] Classes);

/// <summary>How netifd divides a prefix among interfaces (interface-ip.c, interface_update_prefix_assignments).</summary>
internal static class PrefixAssignment
{
    /// <summary>Divides a prefix.</summary>
    /// <param name="prefix">The prefix.</param>
    /// <param name="class">The interface it came from; <c>local</c> for the ULA prefix.</param>
    /// <param name="wishes">All interfaces with ip6assign.</param>
    /// <returns>What each got, and who got nothing.</returns>
    public static (Dictionary<string, IpPrefix> Given, string[] Without) Divide(IpPrefix prefix, string @class, IEnumerable<PrefixWish> wishes)
    {
        var taken = new List<(long At, int Length, string? Name)> { (Space(prefix.Length), 64, null) };
        var later = new List<PrefixWish>();
        foreach (var wish in wishes.Where(w => w.Length is >= 48 and <= 64 && (w.Classes.Length == 0 || w.Classes.Contains(@class))).OrderBy(w => w.Name, StringComparer.Ordinal))
        {
            if (wish.Hint < 0 || Place(taken, wish.Name, wish.Length, wish.Hint & ~((1L << (64 - wish.Length)) - 1)) is null)
            {
                later.Add(wish);
            }
        }

        var without = new List<string>();
        foreach (var wish in later.OrderBy(w => w.Length).ThenByDescending(w => w.Weight).ThenBy(w => w.Name, StringComparer.Ordinal))
        {
            // Where so much is not left, less will do.
            if (!Enumerable.Range(wish.Length, 65 - wish.Length).Any(length => Place(taken, wish.Name, length, -1) is not null))
            {
                without.Add(wish.Name);
            }
        }

        return (taken.Where(t => t.Name is not null).ToDictionary(t => t.Name!, t => new IpPrefix(prefix.At((UInt128)(ulong)t.At << 64), t.Length)), [.. without]);
    }

    private static long? Place(List<(long At, int Length, string? Name)> taken, string name, int length, long wanted)
    {
        var size = (1L << (64 - length)) - 1;
        long current = 0;
        for (var i = 0; i < taken.Count; i++)
        {
            if (wanted < 0)
            {
                current = (current + size) & ~size;
            }

            var at = wanted < 0 ? current : wanted;
            if (at >= current && at + size < taken[i].At)
            {
                taken.Insert(i, (at, length, name));
                return at;
            }

            current = taken[i].At + Space(taken[i].Length);
        }

        return null;
    }

    /// <summary>Number of /64 in a prefix, as far as netifd counts.</summary>
    private static long Space(int length) => length < 34 ? int.MaxValue : length > 64 ? 0 : 1L << (64 - length);
}
