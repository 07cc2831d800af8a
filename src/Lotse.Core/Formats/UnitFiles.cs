namespace Lotse.Formats;

/// <summary>A line of a unit file or drop-in.</summary>
/// <param name="File">The file.</param>
/// <param name="Line">Counted from 1.</param>
/// <param name="Value">What it sets.</param>
public sealed record UnitSetting(string File, int Line, string Value);

/// <summary>The drop-ins of a systemd unit (systemd.unit(5)).</summary>
public static class UnitFiles
{
    private static readonly string[] Folders =
    [
        "/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient", "/etc/systemd/system", "/run/systemd/system",
        "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system",
    ];

    /// <summary>The section that resource control of a kind of unit stands in; null: that kind has none.</summary>
    public static string? SectionOf(string unit) => unit[(unit.LastIndexOf('.') + 1)..] switch
    {
        "service" => "Service",
        "slice" => "Slice",
        "scope" => "Scope",
        "socket" => "Socket",
        "mount" => "Mount",
        "swap" => "Swap",
        _ => null,
    };

    /// <summary>
    /// The drop-ins of a unit in the order in which they are read: by file name, over all folders; of one name the folder
    /// that is nearer to the unit, then the one with the higher priority.
    /// </summary>
    public static string[] DropIns(Host host, string unit)
    {
        var byName = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in Names(unit))
        {
            foreach (var folder in Folders)
            {
                foreach (var file in host.List($"{folder}/{name}.d") is { Ok: true } names ? names.Value.Where(n => n.EndsWith(".conf", StringComparison.Ordinal)) : [])
                {
                    byName.TryAdd(file, $"{folder}/{name}.d/{file}");
                }
            }
        }

        return [.. byName.Values];
    }

    /// <summary>The lines of the drop-ins that set a key, in the order in which they take effect: the last wins.</summary>
    public static UnitSetting[] Setting(Host host, string unit, string key)
    {
        var found = new List<UnitSetting>();
        foreach (var file in DropIns(host, unit))
        {
            if (host.ReadFile(file) is { Ok: true } read)
            {
                var lines = FileLines.Split(read.Value).Lines;
                found.AddRange(Enumerable.Range(0, lines.Length).Where(i => ValueOf(lines[i], key) is not null).Select(i => new UnitSetting(file, i + 1, ValueOf(lines[i], key)!)));
            }
        }

        return [.. found];
    }

    /// <summary>What a line sets a key to, or null.</summary>
    public static string? ValueOf(string line, string key)
    {
        var equals = line.IndexOf('=', StringComparison.Ordinal);
        return equals > 0 && line[..equals].Trim() == key ? line[(equals + 1)..].Trim() : null;
    }

    /// <summary>The names whose drop-in folders count, the nearest first: the unit, its template, its prefixes at each dash, its type.</summary>
    private static IEnumerable<string> Names(string unit)
    {
        yield return unit;
        var dot = unit.LastIndexOf('.');
        var (stem, type) = (unit[..dot], unit[dot..]);
        if (stem.IndexOf('@', StringComparison.Ordinal) is var at and >= 0 && at < stem.Length - 1)
        {
            yield return stem[..(at + 1)] + type;
        }

        for (var dash = stem.LastIndexOf('-'); dash > 0; dash = stem.LastIndexOf('-', dash - 1))
        {
            yield return stem[..(dash + 1)] + type;
        }

        yield return type[1..];
    }
}
