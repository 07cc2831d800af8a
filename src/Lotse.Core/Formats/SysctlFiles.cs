namespace Lotse.Formats;

/// <summary>A line that sets a kernel value at boot.</summary>
/// <param name="File">The file, as it is found in its folder.</param>
/// <param name="Line">Counted from 1.</param>
/// <param name="Value">What it sets.</param>
public sealed record SysctlLine(string File, int Line, string Value);

/// <summary>
/// What sets a kernel value at boot (sysctl.d(5)): files of one name count once, the folder with the higher priority
/// wins; then by name, and the last line that sets the value wins. <c>/etc/sysctl.conf</c> is read last by
/// sysctl(8) <c>--system</c>, and by systemd only where a link of sysctl.d leads to it.
/// </summary>
public static class SysctlFiles
{
    private static readonly string[] Folders = ["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"];

    /// <summary>The files in the order in which they are read.</summary>
    public static string[] Order(Host host)
    {
        var byName = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var folder in Folders)
        {
            foreach (var name in host.List(folder) is { Ok: true } names ? names.Value.Where(n => n.EndsWith(".conf", StringComparison.Ordinal)) : [])
            {
                byName.TryAdd(name, $"{folder}/{name}");
            }
        }

        var linked = byName.Values.Any(f => host.ReadLink(f) is { Ok: true, Value: var target } && target.EndsWith("/sysctl.conf", StringComparison.Ordinal));
        return linked ? [.. byName.Values] : [.. byName.Values, "/etc/sysctl.conf"];
    }

    /// <summary>The lines that set a key, in the order in which they take effect: the last wins.</summary>
    /// <param name="host">Where.</param>
    /// <param name="key">Dotted: <c>vm.swappiness</c>.</param>
    public static SysctlLine[] Setting(Host host, string key)
    {
        var found = new List<SysctlLine>();
        foreach (var file in Order(host))
        {
            if (host.ReadFile(file) is not { Ok: true } read)
            {
                continue;
            }

            var lines = FileLines.Split(read.Value).Lines;
            for (var i = 0; i < lines.Length; i++)
            {
                if (ValueOf(lines[i], key) is { } value)
                {
                    found.Add(new(file, i + 1, value));
                }
            }
        }

        return [.. found];
    }

    /// <summary>What a line sets a key to, or null: <c>key = value</c>, a dash before it ignores errors, slashes may stand for dots.</summary>
    public static string? ValueOf(string line, string key)
    {
        var text = line.Trim();
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        return text.Length > 0 && text[0] is not ('#' or ';') && equals > 0 && text[..equals].TrimStart('-').Trim().Replace('/', '.') == key
            ? text[(equals + 1)..].Trim() : null;
    }
}
