using System.Globalization;
using System.Text;

namespace Lotse.Swap;

/// <summary>What the path of a control group says: which systemd unit, which container.</summary>
public static class ControlGroups
{
    private static readonly string[] UnitEndings = [".service", ".scope", ".socket", ".mount", ".swap"];

    /// <summary>Unit and container of a process; both null when it is in neither or its groups cannot be read.</summary>
    public static (string? Unit, string? Container) OfProcess(Host host, int pid) =>
        host.ReadFile($"/proc/{pid}/cgroup") is { Ok: true } read && PathOf(ByteText.Decode(read.Value)) is { } path ? (UnitOf(path), ContainerOf(path)) : (null, null);

    /// <summary>
    /// The path that says most in a file /proc/PID/cgroup (cgroups(7)): systemd's own hierarchy where version 1 is
    /// mounted, else version 2's; where that is the root, any controller's (a container engine without systemd).
    /// </summary>
    public static string? PathOf(string cgroup)
    {
        string? named = null, unified = null, other = null;
        foreach (var line in cgroup.Split('\n'))
        {
            // hierarchy-ID:controller-list:path; the path may hold colons.
            if (line.Split(':', 3) is not [_, var controllers, var path])
            {
                continue;
            }

            if (controllers == "name=systemd")
            {
                named = path;
            }
            else if (controllers.Length == 0)
            {
                unified = path;
            }
            else if (path != "/" && (other is null || controllers.Split(',').Contains("memory")))
            {
                other = path;
            }
        }

        return new[] { named, unified, other }.FirstOrDefault(p => p is not (null or "/")) ?? named ?? unified ?? other;
    }

    /// <summary>
    /// The unit of a path: the first part below the slices that is a unit. A user's own manager (user@1000.service)
    /// has units of its own, so the unit inside it is meant where there is one. Names are as systemctl prints them.
    /// </summary>
    public static string? UnitOf(string path)
    {
        string? manager = null;
        foreach (var part in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            if (!UnitEndings.Any(e => part.EndsWith(e, StringComparison.Ordinal)))
            {
                continue;
            }

            if (!part.StartsWith("user@", StringComparison.Ordinal))
            {
                return part;
            }

            manager = part;
        }

        return manager;
    }

    /// <summary>
    /// The container of a path: its 64-digit id cut to 12 as the engines print it (Docker, Podman, containerd, CRI-O,
    /// Kubernetes, with either cgroup driver), or its name (LXC, systemd-nspawn); null when it is none.
    /// </summary>
    public static string? ContainerOf(string path)
    {
        string? found = null;
        var parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        for (var i = 0; i < parts.Length; i++)
        {
            var part = parts[i].EndsWith(".scope", StringComparison.Ordinal) ? parts[i][..^6] : parts[i];
            var id = part[(part.LastIndexOf('-') + 1)..];
            if (id.Length == 64 && id.All(char.IsAsciiHexDigitLower))
            {
                found = id[..12];
            }
            else if (part.StartsWith("lxc.payload.", StringComparison.Ordinal))
            {
                found = part[12..];
            }
            else if (i > 0 && parts[i - 1] == "lxc")
            {
                found = part;
            }
            else if (i > 0 && parts[i - 1] == "machine.slice" && part.StartsWith("machine-", StringComparison.Ordinal))
            {
                found = Unescape(part[8..]);
            }
            else if (i > 0 && parts[i - 1] == "machine.slice" && part.StartsWith("systemd-nspawn@", StringComparison.Ordinal) && part.EndsWith(".service", StringComparison.Ordinal))
            {
                found = Unescape(part[15..^8]);
            }
        }

        return found;
    }

    /// <summary>systemd.unit(5), string escaping: <c>\x2d</c> is the byte 2d, a bare <c>-</c> a slash (kept here as it is in names of machines).</summary>
    public static string Unescape(string name)
    {
        if (!name.Contains(@"\x", StringComparison.Ordinal))
        {
            return name;
        }

        var bytes = new List<byte>();
        var raw = ByteText.Encode(name);
        for (var i = 0; i < raw.Length; i++)
        {
            if (i + 3 < raw.Length && raw[i] == '\\' && raw[i + 1] == 'x' && byte.TryParse(Encoding.ASCII.GetString(raw, i + 2, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
            {
                bytes.Add(value);
                i += 3;
            }
            else
            {
                bytes.Add(raw[i]);
            }
        }

        return ByteText.Decode([.. bytes]);
    }
}
