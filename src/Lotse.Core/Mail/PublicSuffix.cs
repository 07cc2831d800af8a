using System.Reflection;
using System.Text;
using Lotse.Formats;

namespace Lotse.Mail;

/// <summary>
/// The public suffix list (publicsuffix.org, MPL-2.0), both of its parts. RFC 7489 finds the organizational domain with
/// it; RFC 9989 does without, so it only shows where older receivers differ.
/// </summary>
internal static class PublicSuffix
{
    private static HashSet<string> Rules => field ??= Load();

    /// <summary>The public suffix and one label more; a domain that is a suffix itself stays.</summary>
    public static string Organization(string domain)
    {
        var labels = DnsName.Labels(domain);

        // The longest rule wins, an exception beats all; without any, the last label is a suffix.
        for (var i = 0; i < labels.Length; i++)
        {
            var name = string.Join('.', labels[i..]);
            if (Rules.Contains("!" + name))
            {
                return DnsName.Last(domain, labels.Length - i);
            }

            if (Rules.Contains(name) || (i + 1 < labels.Length && Rules.Contains("*." + string.Join('.', labels[(i + 1)..]))))
            {
                return DnsName.Last(domain, labels.Length - i + 1);
            }
        }

        return DnsName.Last(domain, 2);
    }

    private static HashSet<string> Load()
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("Mail/PublicSuffixes.txt")!;
        using var reader = new StreamReader(stream, Encoding.UTF8);
        var rules = new HashSet<string>(10000, StringComparer.Ordinal);
        while (reader.ReadLine() is { } line)
        {
            if (line.Length > 0 && !line.StartsWith("//", StringComparison.Ordinal))
            {
                rules.Add(line);
            }
        }

        return rules;
    }
}
