using System.Globalization;
using Lotse.Mail;

namespace Lotse.LabTests.Mail;

/// <summary>A world of SPF records, good and bad, that lead to each other.</summary>
internal sealed class SpfWorld
{
    private const int Domains = 14;
    private readonly Random random;
    private readonly Dictionary<string, string> zones = [];

    public SpfWorld(Random random)
    {
        this.random = random;
        var lines = new List<string>();
        for (var i = 0; i < Domains; i++)
        {
            lines.AddRange(Records(i));
        }

        for (var h = 0; h < 6; h++)
        {
            lines.Add($"h{h} A {Four()}");
            if (Often(0.5))
            {
                lines.Add($"h{h} A {Four()}");
            }

            if (Often(0.6))
            {
                lines.Add($"h{h} AAAA {Six()}");
            }
        }

        lines.Add("alias CNAME h0");
        lines.AddRange(Enumerable.Range(1, 3).Select(n => $"sub.h1 A 192.0.2.{n}"));
        lines.Add("many MX 1 h0");
        lines.AddRange(Enumerable.Range(1, 10).Select(i => $"many MX {i + 1} h{i % 6}"));
        zones["example"] = string.Join('\n', lines.Distinct());

        // Reverse names all have addresses: pyspf counts those that have none as lookups without an answer, one by one, where section 4.6.4 counts terms.
        zones["in-addr.arpa"] = string.Join('\n', Enumerable.Range(1, 12).SelectMany(n => Enumerable.Range(0, random.Next(3)).Select(_ => $"{n}.2.0.192 PTR {Pick("h0", "h1", "h2", "sub.h1")}.example.")).Distinct());
        zones["ip6.arpa"] = "x TXT \"x\"";
    }

    /// <summary>The zones, for a server.</summary>
    public Dictionary<string, string> Zones() => zones;

    /// <summary>A message.</summary>
    public (string Ip, string Helo, string From) Case()
    {
        var domain = $"d{random.Next(Domains)}.example";
        return (Often(0.75) ? Four() : Six(), Pick($"h{random.Next(6)}.example", domain, "helo.example"), Often(0.1) ? "" : $"{Pick("me", "strong-bad", "a.b.c", "Me+tag")}@{domain}");
    }

    private IEnumerable<string> Records(int i)
    {
        for (var n = random.Next(4); n > 0; n--)
        {
            yield return $"d{i} MX {random.Next(3)} {Pick("h0", "h1", "h2", "h3", "h4")}";
        }

        if (Often(0.5))
        {
            yield return $"d{i} A {Four()}";
        }

        if (Often(0.93))
        {
            yield return $"d{i} TXT {Quoted(Record(i))}";
        }

        if (Often(0.05))
        {
            yield return $"d{i} TXT \"v=spf1 -all\"";
        }

        if (Often(0.3))
        {
            yield return $"d{i} TXT \"v=spf10 not one\"";
        }

        if (Often(0.6))
        {
            yield return $"*.m{i} A 127.0.0.2";
        }
    }

    /// <summary>A record; it never includes itself, which pyspf refuses as soon as it reads it, and RFC 7208 only by the limit of lookups.</summary>
    private string Record(int i)
    {
        var terms = new List<string>();
        for (var n = random.Next(1, 7); n > 0; n--)
        {
            terms.Add(Term(i));
        }

        if (Often(0.15))
        {
            terms.Add($"redirect=d{random.Next(Domains)}.example");
        }
        else if (Often(0.85))
        {
            terms.Add(Pick("-all", "~all", "?all", "-all", "+all"));
        }

        if (Often(0.08))
        {
            terms.Insert(random.Next(terms.Count), Pick("ip4:1.2.3", "ip4:1.2.3.4/33", "foo", "include:", "a:/24", "ip6:zz", "mx//129", "all:x", "exists", "ip4:192.0.2.1/024", "a:h0.example/0/0", "redirect=", "include:h0.example/24", "a:h0.example.%{z}", "exists:%{i", "ptr:"));
        }

        return "v=spf1 " + string.Join(Pick(" ", " ", "  "), terms);
    }

    private string Term(int i) => Pick("", "", "", "+", "-", "~", "?") + random.Next(14) switch
    {
        0 => "a",
        1 => "mx",
        2 => $"a:{Host()}{Length()}",
        3 => $"mx:{Pick($"d{random.Next(Domains)}.example", "many.example")}{Length()}",
        4 or 5 => $"ip4:{Four()}/{Pick("32", "31", "30", "28", "24")}",
        6 => $"ip6:{Six()}/{Pick("128", "126", "120", "64")}",
        7 or 8 or 9 => $"include:d{(i + random.Next(1, Domains)) % Domains}.example",
        10 => $"exists:%{{{Pick("i", "ir", "l", "l1r-", "d", "h", "o2")}}}.m{i}.example",
        11 => $"ptr:{Pick("example", "h1.example", "d1.example")}",
        12 => $"a:%{{d}}",
        _ => $"exists:{Host()}",
    };

    /// <summary>A name that is there, or one that is not.</summary>
    private string Host() => Often(0.15) ? "void.example" : Pick("h0.example", "h1.example", "h2.example", "h3.example", "alias.example");

    private string Length() => Often(0.6) ? "" : Pick("/32", "/30", "/24", "/24//64", "//120", "/0//0");

    private string Four() => string.Create(CultureInfo.InvariantCulture, $"192.0.2.{random.Next(1, 13)}");

    private string Six() => string.Create(CultureInfo.InvariantCulture, $"2001:db8::{random.Next(1, 13):x}");

    /// <summary>As one string, or divided anywhere.</summary>
    private string Quoted(string text) => Often(0.2) && random.Next(1, text.Length) is var at ? $"\"{text[..at]}\" \"{text[at..]}\"" : $"\"{text}\"";

    private bool Often(double share) => random.NextDouble() < share;

    private T Pick<T>(params T[] all) => all[random.Next(all.Length)];
}

/// <summary>A world of DMARC records at every level of two trees whose public suffixes the list knows.</summary>
internal sealed class DmarcWorld
{
    private static readonly string[] Names =
    [
        "a.com", "m.a.com", "x.m.a.com", "b.com", "m.b.com", "c.co.uk", "m.c.co.uk", "d.co.uk", "deep.e.com", "e.com", "one.two.three.four.five.six.seven.e.com", "nine.one.two.three.four.five.six.seven.e.com", "f.com", "g.f.com",
    ];

    private readonly Random random;
    private readonly Dictionary<string, string> zones = [];
    private readonly HashSet<string> odd = [];

    public DmarcWorld(Random random)
    {
        this.random = random;
        var (com, uk) = (new List<string>(), new List<string>());
        foreach (var name in Names)
        {
            (name.EndsWith(".uk", StringComparison.Ordinal) ? uk : com).Add($"{name}. A 192.0.2.1");
        }

        foreach (var name in Names.Concat(["three.four.five.six.seven.e.com", "four.five.six.seven.e.com", "com", "co.uk", "uk", "seven.e.com"]))
        {
            var records = Often(0.55) ? 1 : Often(0.1) ? 2 : 0;
            for (; records > 0; records--)
            {
                (name.EndsWith("uk", StringComparison.Ordinal) ? uk : com).Add($"_dmarc.{name}. TXT \"{Record(name)}\"");
            }
        }

        // Existing names without an address, and an alias that leads nowhere: both exist.
        com.Add("text.a.com. TXT \"x\"");
        com.Add("alias.a.com. CNAME gone.a.com.");
        zones["com"] = string.Join('\n', com.Distinct());
        zones["uk"] = string.Join('\n', uk.Distinct());
    }

    /// <summary>The zones, for a server.</summary>
    public Dictionary<string, string> Zones() => zones;

    /// <summary>Whether Mail::DMARC reads the records of a domain as RFC 7489 has them: it takes "v=DMARC1" without a semicolon and in any case for a record, the last of two tags of a name, and gives up where p= or sp= is none.</summary>
    public bool Comparable(string from) => !odd.Any(o => from == o || from.EndsWith("." + o, StringComparison.Ordinal)) && Names.Contains(from);

    /// <summary>A message.</summary>
    public (string From, string SpfDomain, string Spf, DkimLeg[] Dkim) Case()
    {
        var from = Often(0.2) ? Pick("gone.a.com", "very.gone.b.com", "gone.c.co.uk", "text.a.com", "alias.a.com", "gone.f.com") : Names[random.Next(Names.Length)];
        return (from, Domain(from), Pick("pass", "fail", "softfail", "none", "pass"), [.. Enumerable.Range(0, random.Next(3)).Select(_ => new DkimLeg(Domain(from), Pick("pass", "fail")))]);
    }

    private string Domain(string from) => Often(0.4) ? from : Often(0.5) ? $"s.{from}" : Names[random.Next(Names.Length)];

    private string Record(string name)
    {
        if (Often(0.08))
        {
            odd.Add(name);
            return Pick("v=DMARC1 p=reject", "v=dmarc1; p=reject", "p=reject; v=DMARC1", "v=DMARC2; p=reject", "v=DMARC1; p=none; p=reject");
        }

        var tags = new List<string>();
        if (Often(0.93))
        {
            tags.Add("p=" + Pick("none", "quarantine", "reject", "reject", "Quarantine", "foo"));
        }

        // Mail::DMARC gives up on such records before it comes to section 6.6.3's rule for them.
        if (tags is [] or ["p=foo"])
        {
            odd.Add(name);
        }

        foreach (var (tag, share, values) in new (string, double, string[])[]
        {
            ("sp", 0.3, ["none", "quarantine", "reject", "bar"]), ("np", 0.25, ["none", "quarantine", "reject"]), ("aspf", 0.3, ["r", "s"]), ("adkim", 0.3, ["r", "s"]),
            ("t", 0.15, ["y", "n"]), ("psd", 0.2, ["y", "n", "u"]), ("rua", 0.5, [$"mailto:me@{name}"]), ("unknown", 0.1, ["x"]), ("fo", 0.1, ["1"]),
        })
        {
            if (Often(share))
            {
                var value = Pick(values);
                tags.Add($"{tag}{Pick("=", "=", " = ")}{value}");
                if (value == "bar")
                {
                    odd.Add(name);
                }
            }
        }

        // np and t are unknown to RFC 7489, sp below an organizational domain means nothing to either.
        return string.Join(Pick("; ", ";", " ; "), tags.Prepend("v=DMARC1")) + Pick("", ";");
    }

    private bool Often(double share) => random.NextDouble() < share;

    private T Pick<T>(params T[] all) => all[random.Next(all.Length)];
}
