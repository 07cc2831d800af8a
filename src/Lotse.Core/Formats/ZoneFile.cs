namespace Lotse.Formats;

/// <summary>A record of a zone file with the line on which its entry begins.</summary>
/// <param name="Record">The record.</param>
/// <param name="Line">From 1.</param>
/// <param name="LastLine">The line on which the entry ends: more than one with parentheses.</param>
/// <param name="File">The file that was included (RFC 1035 section 5.1, $INCLUDE) and in which it stands; null: the file itself.</param>
public sealed record ZoneEntry(DnsRecord Record, int Line, int LastLine, string? File = null);

/// <summary>
/// A zone file (RFC 1035 section 5, RFC 2308 section 4): $ORIGIN, $TTL, $INCLUDE, parentheses, quotes, relative names, left-out
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
    /// <param name="include">Reads a file that a $INCLUDE names, by its absolute path; null: none is followed.</param>
    public static Reading<ZoneFile> Parse(string name, ReadOnlySpan<byte> bytes, string origin = ".", Func<string, Reading<byte[]>>? include = null)
    {
        var reader = new ZoneReader(include);
        if (reader.Read(name, null, bytes, origin) is { } error)
        {
            return new(default!, error);
        }

        var entries = reader.Entries;
        var zones = entries.Where(e => e.Record.Type == DnsType.SOA).Select(e => e.Record.Name).Distinct().OrderByDescending(DnsName.Count).ToArray();
        return new(new(name, [.. entries], zones.Length > 0 ? zones : entries.Count > 0 ? [reader.Origin == "." ? Shortest(entries) : reader.Origin] : []), null);
    }

    /// <summary>What relative names of a file without $ORIGIN are below, by its name: example.com.zone, db.example.com, example.com; the root where it says nothing.</summary>
    public static string OriginOf(string path)
    {
        var name = Path.GetFileName(path);
        name = name.StartsWith("db.", StringComparison.Ordinal) ? name[3..] : name;
        name = name.EndsWith(".zone", StringComparison.Ordinal) ? name[..^5] : name;
        return name.Contains('.', StringComparison.Ordinal) && DnsName.Parse(name) is { } origin ? origin : ".";
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
    public string Place(DnsRecord record) => Array.Find(Entries, e => e.Record.SameData(record)) is { } entry ? $"{entry.File ?? Name}:{entry.Line}" : Name;

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
}
