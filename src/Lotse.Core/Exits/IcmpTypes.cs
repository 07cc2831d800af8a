using System.Globalization;

namespace Lotse.Exits;

/// <summary>An ICMP type, and a code where the name means one code only.</summary>
/// <param name="Family">4 or 6.</param>
/// <param name="Type">The type.</param>
/// <param name="Code">The code; null: any.</param>
internal readonly record struct IcmpType(int Family, int Type, int? Code);

/// <summary>Names of ICMP types as /etc/config/firewall knows them (firewall4 fw4.uc; IANA icmpv6-parameters).</summary>
internal static class IcmpTypes
{
    private static Dictionary<string, IcmpType[]> Names => field ??= ReadTable();

    /// <summary>The types that a word means in both families; none where it is unknown.</summary>
    public static IcmpType[] Find(string word)
    {
        if (Names.TryGetValue(word, out var found))
        {
            return found;
        }

        var parts = word.Split('/');
        return parts.Length <= 2 && parts.All(p => byte.TryParse(p, NumberStyles.None, CultureInfo.InvariantCulture, out _)) && byte.Parse(parts[0], CultureInfo.InvariantCulture) is var type
            ? [new(4, type, Code(parts)), new(6, type, Code(parts))] : [];
    }

    private static int? Code(string[] parts) => parts.Length == 2 ? byte.Parse(parts[1], CultureInfo.InvariantCulture) : null;

    private static Dictionary<string, IcmpType[]> ReadTable()
    {
        using var reader = new StreamReader(typeof(IcmpTypes).Assembly.GetManifestResourceStream("Exits/icmp-types.tsv")!);
        var all = new Dictionary<string, IcmpType[]>();
        while (reader.ReadLine() is { } line)
        {
            if (line.Length > 0 && line[0] != '#' && line.Split('\t') is [var family, var name, var type, var code])
            {
                var one = new IcmpType(family[0] - '0', int.Parse(type, CultureInfo.InvariantCulture), code == "*" ? null : int.Parse(code, CultureInfo.InvariantCulture));
                all[name] = [.. all.GetValueOrDefault(name, []), one];
            }
        }

        return all;
    }
}
