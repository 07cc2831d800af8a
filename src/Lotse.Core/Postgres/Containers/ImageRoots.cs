using System.Globalization;
using Lotse.Changing;

namespace Lotse.Postgres.Containers;

/// <summary>
/// The files of images, unpacked once on this machine, so that programs of two images can work together on one data
/// directory: an engine runs one image a container, and pg_upgrade needs the programs of both versions.
/// </summary>
internal static class ImageRoots
{
    private const string Used = ".used";
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(30), Kept = TimeSpan.FromDays(1);

    /// <summary>Where they are kept, each by the id of its image.</summary>
    public static string Place => $"{Journal.Place}/images";

    /// <summary>Where the files of an image are, or will be.</summary>
    public static string Of(string imageId) => $"{Place}/{Plain(imageId)}";

    /// <summary>The folder with the files of an image; unpacked when it is not there yet.</summary>
    public static Reading<string> Unpack(Host host, string engine, string imageId)
    {
        var id = Plain(imageId);
        if (id.Length < 12 || !id.All(char.IsAsciiHexDigitLower))
        {
            return new("", new(HostErrorKind.Failed, $"{ByteText.Escape(imageId)} is no id of an image"));
        }

        var root = $"{Place}/{id}";
        if (host.Status(root).Ok)
        {
            Stamp(host, root);
            return new(root, null);
        }

        // Whole or not there: it gets its name when it is complete.
        var (part, name) = ($"{Place}/{id}.part", $"lotse-image-{id[..12]}");
        var tar = $"{part}/files.tar";
        _ = host.Run(["rm", "-rf", "--one-file-system", part], Long);
        _ = host.Run([engine, "rm", "-f", "-v", name], Long);
        HostError? Do(params string[] arguments) => host.Run(arguments, Long) switch
        {
            { Ok: false } ran => ran.Error,
            { Value.ExitCode: not 0 } ran => new(HostErrorKind.Failed, $"{string.Join(' ', arguments.Take(3).Select(ByteText.Escape))}: {ByteText.Escape(ByteText.Decode(ran.Value.Errors).Trim().Split('\n')[^1])}"),
            _ => null,
        };
        var error = Do("install", "-d", "-m", "0711", Place, $"{part}/root")
            ?? Do(engine, "create", "--name", name, "--network", "none", "--entrypoint", "/lotse", imageId, "-")
            ?? Do(engine, "export", "-o", tar, name)
            ?? Do("tar", "-x", "--numeric-owner", "--same-permissions", "--exclude=dev/*", "--exclude=proc/*", "--exclude=sys/*", "-C", $"{part}/root", "-f", tar)
            ?? Do("install", "-d", "-m", "0755", $"{part}/root", $"{part}/root/dev", $"{part}/root/proc", $"{part}/root/tmp", $"{part}/root/run")
            ?? Do("chmod", "1777", $"{part}/root/tmp")
            ?? Do("mv", "-T", $"{part}/root", root);
        _ = host.Run([engine, "rm", "-f", "-v", name], Long);
        _ = host.Run(["rm", "-rf", "--one-file-system", part], Long);
        if (error is null)
        {
            Stamp(host, root);
        }

        return new(root, error);
    }

    /// <summary>
    /// Takes away what plans that were never applied have left: roots that nobody has used for a day. Not while a change is
    /// under way, which may use them for longer.
    /// </summary>
    public static void Prune(Host host)
    {
        if (Journal.PendingId is not null)
        {
            return;
        }

        foreach (var name in host.List(Place) is { Ok: true } list ? list.Value.Where(n => n.Length >= 12 && n.All(char.IsAsciiHexDigitLower)) : [])
        {
            var used = host.ReadFile($"{Place}/{name}{Used}", 64) is { Ok: true } read && DateTimeOffset.TryParse(ByteText.Decode(read.Value).Trim(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at : DateTimeOffset.MinValue;
            if (host.Now - used > Kept)
            {
                Remove(host, $"{Place}/{name}");
            }
        }
    }

    private static void Stamp(Host host, string root) => _ = host.Run(["dd", $"of={root}{Used}", "status=none"], Long, System.Text.Encoding.ASCII.GetBytes($"{host.Now.UtcDateTime:yyyy-MM-ddTHH:mm:ssZ}\n"));

    /// <summary>Takes unpacked images away.</summary>
    public static void Remove(Host host, params ReadOnlySpan<string> roots)
    {
        foreach (var root in roots)
        {
            if (root.StartsWith(Place + "/", StringComparison.Ordinal) && !root.Contains("/../", StringComparison.Ordinal))
            {
                _ = host.Run(["rm", "-rf", "--one-file-system", root, root + Used], Long);
            }
        }
    }

    /// <summary>The folder of a server's programs in an unpacked image, as it is named in there; null: it has none.</summary>
    public static string? Programs(Host host, string root, ImageFacts image)
    {
        var number = image.Major.ToString(CultureInfo.InvariantCulture);
        return image.Path.Concat([$"/usr/lib/postgresql/{number}/bin", $"/usr/pgsql-{number}/bin", "/usr/local/bin", "/opt/bitnami/postgresql/bin"])
            .FirstOrDefault(p => p.StartsWith('/') && host.Status($"{root}{p}/postgres").Ok && host.Status($"{root}{p}/pg_ctl").Ok)?.TrimEnd('/');
    }

    /// <summary>docker writes sha256: before the digits, podman does not.</summary>
    internal static string Plain(string id) => id.StartsWith("sha256:", StringComparison.Ordinal) ? id[7..] : id;
}

/// <summary>An unpacked image in which programs are asked something: as a user, not as root, and with nothing else to see.</summary>
/// <param name="Folder">Its files.</param>
/// <param name="Uid">Who asks.</param>
/// <param name="Gid">And the group.</param>
internal sealed record ImageRoot(string Folder, uint Uid, uint Gid)
{
    /// <summary>The command that runs a program of it, in it.</summary>
    public string[] Command(params string[] arguments) =>
        ["nsenter", $"--root={Folder}", $"--wd={Folder}", $"--setuid={(Uid == 0 ? 65534 : Uid).ToString(CultureInfo.InvariantCulture)}", $"--setgid={(Gid == 0 ? 65534 : Gid).ToString(CultureInfo.InvariantCulture)}", "--", .. arguments];
}
