using System.Globalization;
using System.Text.RegularExpressions;

namespace Lotse.Postgres.Containers;

/// <summary>Where the data of the new container lies, and how it is mounted. Pure.</summary>
/// <param name="Data">PGDATA in the new container.</param>
/// <param name="Target">Where the mount with the data is in the new container.</param>
/// <param name="Source">What is mounted there: a volume's name or a folder.</param>
/// <param name="Folder">The same as a folder of this machine.</param>
/// <param name="Directory">The data directory on this machine.</param>
/// <param name="Work">Where the upgrade works: on the same filesystem.</param>
/// <param name="IsNewSource">Whether the mount is a new one; else the old one serves both.</param>
internal sealed partial record ContainerLayout(string Data, string Target, string Source, string Folder, string Directory, string Work, bool IsNewSource)
{
    /// <summary>The layout; null: the data is on no mount, or on a volume whose place is its driver's.</summary>
    public static ContainerLayout? Of(ContainerFacts container, ImageFacts image, int to)
    {
        if (container.DataMount is not { } mount || (mount.Type == "volume" && (mount.Driver is not ("local" or "") || !mount.Source.EndsWith($"/{mount.Name}/_data", StringComparison.Ordinal))))
        {
            return null;
        }

        var data = container.ChoseData || image.Data.Length == 0 ? container.Data : image.Data;
        var target = ContainerFacts.IsBelow(data, mount.Destination) ? mount.Destination
            : image.Volumes.Where(v => ContainerFacts.IsBelow(data, v)).MaxBy(v => v.Length) ?? data[..Math.Max(1, data.LastIndexOf('/'))];
        var below = data[target.TrimEnd('/').Length..];
        if (target == mount.Destination && data != container.Data)
        {
            // As images since 18 do it: one mount, and a folder for each version.
            var directory = mount.Source.TrimEnd('/') + below;
            return new(data, target, mount.Type == "volume" ? mount.Name : mount.Source, mount.Source, directory, directory + ".lotse", false);
        }

        var number = to.ToString(CultureInfo.InvariantCulture);
        if (mount.Type == "volume")
        {
            var name = $"{(mount.IsAnonymous ? container.Name : OldNumber().Replace(mount.Name, ""))}-{number}";
            var volumes = mount.Source[..^$"/{mount.Name}/_data".Length];
            var folder = $"{volumes}/{name}/_data";
            return new(data, target, name, folder, folder + below, $"{volumes[..Math.Max(1, volumes.LastIndexOf('/'))]}/lotse/{name}", true);
        }

        var place = $"{OldNumber().Replace(mount.Source.TrimEnd('/'), "")}-{number}";
        return new(data, target, place, place, place + below, place + ".lotse", true);
    }

    /// <summary>The name of another version of an image: postgres:13.4-bookworm becomes postgres:18-bookworm.</summary>
    public static string Retag(string image, int to)
    {
        var plain = image.Contains('@', StringComparison.Ordinal) ? image[..image.IndexOf('@', StringComparison.Ordinal)] : image;
        var colon = plain.LastIndexOf(':');
        var (name, tag) = colon > plain.LastIndexOf('/') ? (plain[..colon], plain[(colon + 1)..]) : (plain, "");
        var number = to.ToString(CultureInfo.InvariantCulture);
        return TagNumber().Match(tag) is { Success: true } match ? $"{name}:{tag[..match.Index]}{number}{tag[(match.Index + match.Length)..]}" : $"{name}:{number}";
    }

    [GeneratedRegex(@"(?<=.)[-_]1\d$")]
    private static partial Regex OldNumber();

    [GeneratedRegex(@"(?<![\d.])1\d(\.\d+)?(?![\d.])")]
    private static partial Regex TagNumber();
}
