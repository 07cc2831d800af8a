using System.Text.RegularExpressions;

namespace Lotse.Postgres.Containers;

/// <summary>A compose file's service that is to use another image and another volume.</summary>
/// <param name="Change">The edit; null: there is nothing to edit, or it is not clear what.</param>
/// <param name="Unclear">Why it is not; null: it is.</param>
internal sealed record ComposeEdit(EditFile? Change, string? Unclear);

/// <summary>
/// Edits a compose file in place: the lines of image and volume of one service, and the volume's own entry. Only what is
/// written in the plain block style is touched; anchors, flow style, variables and files that extend others are left to
/// who wrote them.
/// </summary>
internal static partial class ComposeFile
{
    /// <summary>The edit for an upgrade.</summary>
    public static ComposeEdit Edit(PlanFacts facts)
    {
        if (facts.Container is not { Container: { Compose: { } compose } container, NewImage: { } image } plan || ContainerLayout.Of(container, image, facts.To) is not { } layout)
        {
            return new(null, null);
        }

        if (compose.File is null || plan.ComposeText is null)
        {
            return new(null, compose.File is null ? "the project has several compose files" : $"{ByteText.Escape(compose.File)} cannot be read");
        }

        var edited = Edit(plan.ComposeText, compose, container.DataMount!, plan.NewName, layout, out var unclear);
        return edited is null || edited == plan.ComposeText ? new(null, unclear) : new(EditFile.Between(compose.File, ByteText.Encode(plan.ComposeText), ByteText.Encode(edited)), null);
    }

    /// <summary>Labels by which Compose knows a volume as its own.</summary>
    public static string[] VolumeLabels(ContainerPlan plan, ContainerLayout layout) =>
        plan.Container.Compose is { } compose && layout.IsNewSource && plan.Container.DataMount!.Type == "volume"
            ? [$"com.docker.compose.project={compose.Project}", $"com.docker.compose.volume={Short(layout.Source, compose.Project)}"] : [];

    /// <summary>The file's text with the service's image and volume changed; null: it is not clear what to change.</summary>
    internal static string? Edit(string text, ComposeUse compose, ContainerMount mount, string image, ContainerLayout layout, out string? unclear)
    {
        var lines = text.Split('\n').ToList();
        unclear = null;
        if (Block(lines, 0, lines.Count, "services") is not { } services || Block(lines, services.From, services.To, compose.Service) is not { } service)
        {
            unclear = $"the service {compose.Service} is not found";
            return null;
        }

        var images = Enumerable.Range(service.From, service.To - service.From).Where(i => ImageLine().IsMatch(lines[i])).ToArray();
        if (images is not [var at] || lines[at].Contains('$', StringComparison.Ordinal))
        {
            unclear = "the image is not named in a plain line of the service";
            return null;
        }

        lines[at] = ImageLine().Replace(lines[at], m => $"{m.Groups[1].Value}{m.Groups[2].Value}{image}{m.Groups[2].Value}{m.Groups[4].Value}");
        if (!layout.IsNewSource)
        {
            return string.Join('\n', lines);
        }

        var volume = mount.Type == "volume";
        if (Enumerable.Range(service.From, service.To - service.From).Any(i => MountLine().Match(lines[i]) is { Success: true } m && m.Groups[4].Value.TrimEnd('/') == layout.Target && m.Groups[3].Value == (volume ? Short(layout.Source, compose.Project) : layout.Source)))
        {
            return string.Join('\n', lines);
        }

        var (was, now) = volume ? (Short(mount.Name, compose.Project), Short(layout.Source, compose.Project)) : (mount.Source, layout.Source);
        var places = Enumerable.Range(service.From, service.To - service.From).Where(i => MountLine().Match(lines[i]) is { Success: true } m && m.Groups[4].Value.TrimEnd('/') == mount.Destination.TrimEnd('/')).ToArray();
        if (places is not [var line] || MountLine().Match(lines[line]) is not { } parts || lines[line].Contains('$', StringComparison.Ordinal) || (volume && !mount.IsAnonymous && parts.Groups[3].Value != was))
        {
            unclear = $"the mount at {mount.Destination} is not named in a plain line of the service";
            return null;
        }

        // A folder stays relative to the file where it was.
        if (!volume && parts.Groups[3].Value is ['.', ..] relative)
        {
            now = relative.TrimEnd('/')[..^Math.Min(relative.TrimEnd('/').Length, was.Length - was.LastIndexOf('/') - 1)] + layout.Source[(layout.Source.LastIndexOf('/') + 1)..];
        }

        lines[line] = $"{parts.Groups[1].Value}{parts.Groups[2].Value}{now}:{layout.Target}{lines[line][(parts.Groups[4].Index + parts.Groups[4].Length)..]}";
        if (volume)
        {
            if (Block(lines, 0, lines.Count, "volumes") is not { } volumes)
            {
                unclear = "the file names no volumes";
                return null;
            }

            var entry = Enumerable.Range(volumes.From, volumes.To - volumes.From).FirstOrDefault(i => lines[i].TrimStart().StartsWith(was + ":", StringComparison.Ordinal), -1);
            if (entry < 0 || lines[entry].Trim() != was + ":" || Block(lines, volumes.From, volumes.To, was) is { } inside && Enumerable.Range(inside.From, inside.To - inside.From).Any(i => lines[i].Trim().Length > 0 && lines[i].Trim()[0] != '#'))
            {
                unclear = $"the volume {was} has settings of its own";
                return null;
            }

            lines.Insert(entry + 1, $"{lines[entry][..(lines[entry].Length - lines[entry].TrimStart().Length)]}{now}:{(lines[entry].EndsWith('\r') ? "\r" : "")}");
        }

        return string.Join('\n', lines);
    }

    private static string Short(string volume, string project) => volume.StartsWith(project + "_", StringComparison.Ordinal) ? volume[(project.Length + 1)..] : volume;

    /// <summary>The lines below a key of block style, within others.</summary>
    private static (int From, int To)? Block(List<string> lines, int from, int to, string key)
    {
        var depth = Enumerable.Range(from, to - from).Where(i => IsText(lines[i])).Select(i => Indent(lines[i])).DefaultIfEmpty(0).Min();
        for (var i = from; i < to; i++)
        {
            var plain = lines[i].TrimEnd('\r').TrimStart();
            if (IsText(lines[i]) && Indent(lines[i]) == depth && (plain == key + ":" || plain.StartsWith(key + ": #", StringComparison.Ordinal) || plain == $"\"{key}\":" || plain == $"'{key}':"))
            {
                var end = i + 1;
                while (end < to && (!IsText(lines[end]) || Indent(lines[end]) > depth))
                {
                    end++;
                }

                return (i + 1, end);
            }
        }

        return null;
    }

    private static bool IsText(string line) => line.TrimStart() is { Length: > 0 } text && text[0] is not ('#' or '\r');

    private static int Indent(string line) => line.Length - line.TrimStart(' ').Length;

    [GeneratedRegex("""^(\s*image:\s*)(["']?)([^\s"'#]+)\2(\s*(#.*)?\r?)$""")]
    private static partial Regex ImageLine();

    [GeneratedRegex("""^(\s*-\s*)(["']?)([^\s"':#]+):([^\s"':#]+)(?=[\s"':]|$)""")]
    private static partial Regex MountLine();
}
