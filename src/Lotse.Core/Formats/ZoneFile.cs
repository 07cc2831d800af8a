using System.Text;

namespace Lotse.Formats;

/// <summary>A record of a zone file with the line on which its entry begins.</summary>
/// <param name="Record">The record.</param>
/// <param name="Line">From 1.</param>
/// <param name="LastLine">The line on which the entry ends: more than one with parentheses.</param>
public sealed record ZoneEntry(DnsRecord Record, int Line, int LastLine);

/// <summary>
/// A zone file (RFC 1035 section 5, RFC 2308 section 4): $ORIGIN, $TTL, parentheses, quotes, relative names, left-out
/// owners, TTLs and classes. A file may hold several zones: each SOA record begins one.
/// </summary>
/// <param name="Name">The file, for messages.</param>
/// <param name="Entries">Its records in order.</param>
/// <param name="Zones">Apexes; without any SOA record, the origin of the first record.</param>
public sealed record ZoneFile(string Name, ZoneEntry[] Entries, string[] Zones)
{
    private const int CnameLimit = 16;

    private ILookup<string, DnsRecord>? byName;
    private HashSet<string>? names;

    /// <summary>Reads a zone file.</summary>
    /// <param name="name">The file, for messages.</param>
    /// <param name="bytes">Its content.</param>
    /// <param name="origin">What relative names are below until a $ORIGIN says otherwise.</param>
    /// <returns>The zone; or an error that names file and line.</returns>
    public static Reading<ZoneFile> Parse(string name, ReadOnlySpan<byte> bytes, string origin = ".")
    {
        var entries = new List<ZoneEntry>();
        var (owner, ttl, last) = ((string?)null, (uint?)null, (uint?)null);
        var number = 0;
        var lines = ByteText.Decode(bytes).Split('\n');
        while (number < lines.Length)
        {
            var first = ++number;
            var text = Entry(lines, ref number);
            if (text is null)
            {
                return Fault(first, "a parenthesis or a quote is not closed");
            }

            if (ZoneText.Tokens(text) is not { } tokens)
            {
                return Fault(first, "a quote is not closed");
            }

            if (tokens.Length == 0)
            {
                continue;
            }

            if (tokens[0] is { Quoted: false } directive && directive.Text.StartsWith('$'))
            {
                switch (directive.Text.ToUpperInvariant())
                {
                    case "$ORIGIN" when tokens.Length == 2 && DnsData.NameFrom(tokens[1].Text, origin) is { } changed:
                        origin = changed;
                        continue;
                    case "$TTL" when tokens.Length == 2 && ZoneText.Seconds(tokens[1].Text) is { } seconds:
                        ttl = seconds;
                        continue;
                    case "$INCLUDE":
                        return Fault(first, "$INCLUDE is not followed: hand the whole zone");
                    default:
                        return Fault(first, $"{ByteText.Escape(directive.Text)} is not understood");
                }
            }

            var words = tokens.AsSpan();
            if (text[0] is not (' ' or '\t'))
            {
                owner = DnsData.NameFrom(words[0].Text, origin);
                words = words[1..];
            }

            if (owner is null)
            {
                return Fault(first, "the owner is no name");
            }

            // TTL and class may stand in either order (RFC 1035 section 5.1).
            uint? own = null;
            while (words.Length > 1 && !words[0].Quoted)
            {
                if (words[0].Text.Equals("IN", StringComparison.OrdinalIgnoreCase))
                {
                    words = words[1..];
                }
                else if (char.IsAsciiDigit(words[0].Text[0]) && ZoneText.Seconds(words[0].Text) is { } seconds)
                {
                    own = seconds;
                    words = words[1..];
                }
                else
                {
                    break;
                }
            }

            if (words.IsEmpty || DnsTypes.Parse(words[0].Text) is not { } type)
            {
                return Fault(first, words.IsEmpty ? "there is no type" : $"there is no type {ByteText.Escape(words[0].Text)}");
            }

            if (DnsData.FromTokens(type, words[1..], origin) is not { } data)
            {
                return Fault(first, $"the data does not fit the type {DnsTypes.Name(type)}");
            }

            last = own ?? ttl ?? last ?? 3600;
            entries.Add(new(new(owner, type, last.Value, data), first, number));
        }

        var zones = entries.Where(e => e.Record.Type == DnsType.SOA).Select(e => e.Record.Name).Distinct().OrderByDescending(DnsName.Count).ToArray();
        return new(new(name, [.. entries], zones.Length > 0 ? zones : entries.Count > 0 ? [origin == "." ? Shortest(entries) : origin] : []), null);

        Reading<ZoneFile> Fault(int line, string why) => new(default!, new(HostErrorKind.Failed, $"{ByteText.Escape(name)}:{line}: {why}"));
    }

    /// <summary>The zone of this file that a name is in; null: none.</summary>
    public string? ZoneOf(string name) => Array.Find(Zones, z => DnsName.IsAtOrBelow(name, z));

    /// <summary>What a server of this zone would answer (RFC 1034 section 4.3.2): wildcards, CNAMEs, empty names between.</summary>
    /// <returns>Null when the name is in no zone of the file, or in one that is delegated away.</returns>
    public DnsAnswer? Answer(DnsQuestion question)
    {
        byName ??= Entries.Select(e => e.Record).ToLookup(r => r.Name);
        names ??= [.. Entries.SelectMany(e => Ancestors(e.Record.Name))];
        var found = new List<DnsRecord>();
        var name = question.Name;
        for (var hops = 0; hops < CnameLimit; hops++)
        {
            if (ZoneOf(name) is not { } zone)
            {
                // A CNAME leads out of what this file knows.
                return hops == 0 ? null : new(DnsOutcome.NotAsked, [.. found], Name) { Note = $"{name} is not in the zone file" };
            }

            if (Delegated(name, zone, question.Type))
            {
                return null;
            }

            var here = Matching(name, zone);
            var answers = here.Where(r => r.Type == question.Type || question.Type == DnsType.ANY).ToArray();
            if (answers.Length > 0)
            {
                found.AddRange(answers);
                var size = 12 + DnsName.ToWire(question.Name).Length + 4 + found.Sum(r => r.WireSize);
                return new(DnsOutcome.Records, [.. found], Name) { Size = size, OverTcp = size > DnsMessage.UdpPayload };
            }

            if (here.FirstOrDefault(r => r.Type == DnsType.CNAME) is not { } alias)
            {
                return new(here.Length > 0 || names.Contains(name) ? DnsOutcome.NoData : DnsOutcome.NoName, [.. found], Name);
            }

            found.Add(alias);
            name = alias.Target;
        }

        return new(DnsOutcome.ServerFailure, [], Name) { Note = "the CNAMEs lead in a circle" };
    }

    /// <summary>Where a record stands, as <c>file:line</c>.</summary>
    public string Place(DnsRecord record) => Array.Find(Entries, e => e.Record.SameData(record)) is { } entry ? $"{Name}:{entry.Line}" : Name;

    private DnsRecord[] Matching(string name, string zone)
    {
        if (names!.Contains(name))
        {
            return [.. byName![name]];
        }

        // RFC 4592 section 3.3.1: the wildcard of the closest name that exists, and of no other.
        for (var above = DnsName.Parent(name); above is not null && DnsName.IsAtOrBelow(above, zone); above = DnsName.Parent(above))
        {
            if (names.Contains(above))
            {
                return [.. byName![DnsName.Under("*", above) ?? ""].Select(r => r with { Name = name })];
            }
        }

        return [];
    }

    private bool Delegated(string name, string zone, DnsType type)
    {
        for (var at = name; at is not null && at != zone && DnsName.IsAtOrBelow(at, zone); at = DnsName.Parent(at))
        {
            if (byName![at].Any(r => r.Type == DnsType.NS) && !(at == name && type is DnsType.DS or DnsType.NS))
            {
                return true;
            }
        }

        return false;
    }

    private static IEnumerable<string> Ancestors(string name)
    {
        for (var at = name; at is not null and not "."; at = DnsName.Parent(at))
        {
            yield return at;
        }
    }

    private static string Shortest(List<ZoneEntry> entries) => entries.Select(e => e.Record.Name).MinBy(DnsName.Count)!;

    /// <summary>One entry: lines are joined inside parentheses, comments and the parentheses dropped.</summary>
    private static string? Entry(string[] lines, ref int number)
    {
        var text = new StringBuilder();
        var (depth, quoted) = (0, false);
        for (var line = lines[number - 1]; ; line = lines[number++])
        {
            for (var i = 0; i < line.Length; i++)
            {
                var c = line[i];
                if (c == '\\' && i + 1 < line.Length)
                {
                    text.Append(c).Append(line[++i]);
                }
                else if (c == ';' && !quoted)
                {
                    break;
                }
                else if (c is '(' or ')' && !quoted)
                {
                    depth += c == '(' ? 1 : -1;
                    text.Append(' ');
                }
                else
                {
                    quoted ^= c == '"';
                    text.Append(c == '\r' ? ' ' : c);
                }
            }

            if (depth < 0 || quoted)
            {
                return null;
            }

            if (depth == 0)
            {
                return text.ToString();
            }

            if (number >= lines.Length)
            {
                return null;
            }

            text.Append(' ');
        }
    }
}
