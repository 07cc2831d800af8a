using System.Globalization;
using Lotse.Formats;

namespace Lotse.Mail;

/// <summary>Records changed in a zone file: only their lines move, and the serial number of the zone grows.</summary>
internal static class ZoneEdit
{
    /// <summary>The edit of a file.</summary>
    /// <param name="zone">The file as it was read.</param>
    /// <param name="bytes">Its bytes.</param>
    /// <param name="diff">The records.</param>
    /// <param name="now">For a serial number that is a date.</param>
    /// <param name="origin">With which the file was read.</param>
    /// <param name="include">With which included files were read.</param>
    /// <returns>The edit, or why the file cannot be changed.</returns>
    public static (EditFile? Edit, string? Problem) Of(ZoneFile zone, byte[] bytes, RecordDiff diff, DateTimeOffset now, string origin = ".", Func<string, Reading<byte[]>>? include = null)
    {
        var file = FileLines.Split(bytes);
        var lines = file.Lines.ToList<string?>();
        var added = new Dictionary<int, List<string>>();
        var end = file.Lines.Count(l => l.EndsWith('\r')) * 2 > file.Lines.Length ? "\r" : "";
        var own = zone.Entries.Where(e => e.File is null).ToArray();
        foreach (var record in diff.Remove)
        {
            var entry = Array.Find(zone.Entries, e => e.Record.SameData(record) && (e.File is not null || lines[e.Line - 1] is not null));
            if (entry?.File is { } other)
            {
                return (null, $"{record.Line} stands in {other}:{entry.LastLine}, which {zone.Name} includes: change it there");
            }

            if (entry is null)
            {
                return (null, $"{record.Line} is not in {zone.Name}");
            }

            for (var line = entry.Line; line <= entry.LastLine; line++)
            {
                lines[line - 1] = null;
            }
        }

        foreach (var record in diff.Add)
        {
            // Beside what it replaces, else at the end.
            var beside = own.LastOrDefault(e => e.Record.Name == record.Name && e.Record.Type == record.Type) ?? own.LastOrDefault(e => e.Record.Name == record.Name);
            var at = beside?.LastLine ?? lines.Count;
            if (!added.TryGetValue(at, out var here))
            {
                added[at] = here = [];
            }

            here.Add(record.Line + end);
        }

        if (zone.ZoneOf(diff.Remove.Concat(diff.Add).First().Name) is not { } apex || Array.Find(own, e => e.Record.Type == DnsType.SOA && e.Record.Name == apex) is not { } soa || !Grow(lines, soa, now))
        {
            return (null, $"{zone.Name} has no SOA record whose serial number could grow");
        }

        // A removed line may have named the owner of those below it: they get theirs written out.
        foreach (var entry in own.Where(e => lines[e.Line - 1] is [' ' or '\t', ..]))
        {
            lines[entry.Line - 1] = DnsName.Absolute(entry.Record.Name) + lines[entry.Line - 1];
        }

        var after = new List<string>();
        for (var i = 0; i < lines.Count; i++)
        {
            if (lines[i] is { } line)
            {
                after.Add(line);
            }

            after.AddRange(added.GetValueOrDefault(i + 1) ?? []);
        }

        var written = new FileLines([.. after], file.Unterminated && added.GetValueOrDefault(lines.Count) is null).Join();
        var read = ZoneFile.Parse(zone.Name, written, origin, include);
        var missing = read.Ok ? diff.Add.FirstOrDefault(a => !read.Value.Entries.Any(e => e.Record.SameData(a))) : null;
        return !read.Ok ? (null, read.Error!.Message) : missing is not null ? (null, $"{missing.Line} would not be read back") : (EditFile.Between(zone.Name, bytes, written), null);
    }

    /// <summary>Makes the serial number larger: the day and a count where it is one (RFC 1912 section 2.2), else by one.</summary>
    private static bool Grow(List<string?> lines, ZoneEntry soa, DateTimeOffset now)
    {
        var fields = soa.Record.Text.Split(' ');
        var old = fields[2];
        var serial = uint.Parse(old, NumberStyles.None, CultureInfo.InvariantCulture);
        var today = uint.Parse(now.UtcDateTime.ToString("yyyyMMdd", CultureInfo.InvariantCulture) + "00", CultureInfo.InvariantCulture);
        var next = serial > 1970000000 && today > serial ? today : unchecked(serial + 1);
        for (var line = soa.Line; line <= soa.LastLine; line++)
        {
            var text = lines[line - 1]!;
            for (var at = text.IndexOf(old, StringComparison.Ordinal); at >= 0; at = text.IndexOf(old, at + 1, StringComparison.Ordinal))
            {
                var before = at == 0 || text[at - 1] is ' ' or '\t' or '(';
                var after = at + old.Length == text.Length || text[at + old.Length] is ' ' or '\t' or ';' or ')' or '\r';

                // The first number of the entry that is no TTL: it stands after the two names.
                if (before && after && (line > soa.Line || text.IndexOf("SOA", StringComparison.OrdinalIgnoreCase) is >= 0 and var type && at > type))
                {
                    lines[line - 1] = text[..at] + next.ToString(CultureInfo.InvariantCulture) + text[(at + old.Length)..];
                    return true;
                }
            }
        }

        return false;
    }
}
