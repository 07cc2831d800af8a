namespace Lotse.Formats;

/// <summary>What apt writes to a program of <c>DPkg::Pre-Install-Pkgs</c> (apt.conf(5)): its configuration, an empty line, and a line a package.</summary>
public static class AptHookInput
{
    /// <summary>The most packages that are looked at: more than any archive has.</summary>
    private const int Most = 100_000;

    /// <summary>Reads protocol 2 (five words a line) or 3 (nine: architecture and multi-arch stand behind each version).</summary>
    /// <returns>Null: it is no such text; apt writes mere file names to a program that did not ask for a version.</returns>
    public static PackageChange[]? Read(string text)
    {
        var lines = text.Split('\n');
        var version = lines[0] switch { "VERSION 2" => 2, "VERSION 3" => 3, _ => 0 };
        var start = Array.IndexOf(lines, "");
        if (version == 0 || start < 0)
        {
            return null;
        }

        // A package is told of twice: when it is unpacked (its file's path), and when it is configured.
        var changes = new Dictionary<string, PackageChange>();
        foreach (var line in lines.Skip(start + 1).Take(Most))
        {
            var words = line.Split(' ', version == 2 ? 5 : 9);
            if (words.Length != (version == 2 ? 5 : 9))
            {
                continue;
            }

            var (old, now) = version == 2 ? (words[1], words[3]) : (words[1], words[5]);
            changes.TryAdd(words[0], new(words[0], old == "-" ? null : old, now == "-" || words[^1] == "**REMOVE**" ? null : now));
        }

        return [.. changes.Values];
    }

    /// <summary>The upstream part of a Debian version: without the epoch and the revision (deb-version(7)).</summary>
    public static string Upstream(string version)
    {
        var start = version.IndexOf(':', StringComparison.Ordinal) + 1;
        var end = version.LastIndexOf('-');
        return end > start ? version[start..end] : version[start..];
    }
}
