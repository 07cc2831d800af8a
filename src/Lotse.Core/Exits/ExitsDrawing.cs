using System.Globalization;
using System.Text;

namespace Lotse.Exits;

/// <summary>Draws the network and the way of a packet from each inner network, as SVG. Pure.</summary>
public static class ExitsDrawing
{
    private const int RowHeight = 92, Left = 16, Box = 178, Gap = 46;

    /// <summary>The drawing; null where the network's configuration is not known.</summary>
    public static string? Of(ExitsFacts facts)
    {
        var model = RouterModel.Of(facts);
        if (model.Network is null)
        {
            return null;
        }

        var paths = ExitsDiagnosis.Paths(model, PacketPath.SomeServer).ToArray();
        var height = 58 + (RowHeight * Math.Max(1, paths.Length));
        var width = (2 * Left) + (4 * Box) + (3 * Gap);
        var svg = new StringBuilder();
        svg.Append(CultureInfo.InvariantCulture, $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n");
        svg.Append("<title>The way of a packet from each inner network to the Internet</title>\n<style>.b{fill:#fff;stroke:#445}.t{fill:#112}.s{fill:#556;font-size:11px}.y{stroke:#2a7d3f;fill:none;stroke-width:2}.n{stroke:#b3261e;fill:none;stroke-width:2;stroke-dasharray:6 4}.u{stroke:#8a6d00;fill:none;stroke-width:2;stroke-dasharray:2 3}</style>\n");
        string[] heads = ["inner network", "router", "tunnel", "Internet"];
        for (var i = 0; i < heads.Length; i++)
        {
            Text(svg, "t", Column(i), 24, heads[i]);
        }

        foreach (var (path, i) in paths.Select((p, i) => (p, i)))
        {
            Row(svg, model, path, 40 + (RowHeight * i));
        }

        return svg.Append("</svg>\n").ToString();
    }

    private static void Row(StringBuilder svg, RouterModel model, PacketPath path, int y)
    {
        var how = path.Rule?.Verb switch
        {
            null => "source unchanged",
            Verb.Masquerade => "masquerade",
            Verb.SnatPrefix => $"prefix becomes {path.Rule.To}",
            Verb.SnatAddress => path.Rule.To!.Low == path.Rule.To.High ? "one address" : "an address of a range",
            _ => "not understood",
        };
        var stop = path.Hops.FirstOrDefault(h => h.Verdict == Verdict.No);
        Boxed(svg, 0, y, path.Lan.Name, path.Lan.Device, path.Source?.ToString() ?? "no address");
        Boxed(svg, 1, y, model.Firewall?.ZoneOfDevice(path.Lan.Device) is { } zone ? $"zone {zone.Name}" : "no zone", path.Exit is null ? "no route" : $"route to {path.Exit.Device}", path.Exit is null ? "" : how);
        Boxed(svg, 2, y, path.Exit?.Name ?? "no exit", path.Exit?.V6.Select(a => a.Prefix.ToString()).FirstOrDefault() ?? "", string.Join(' ', model.OuterPrefixes.Select(p => p.ToString()).Take(1)));
        Boxed(svg, 3, y, path.Destination.ToString(), path.Seen is null ? "sees nothing" : "sees", path.Seen?.ToString() ?? "");
        for (var i = 0; i < 3; i++)
        {
            var x = Column(i) + Box;
            var kind = path.Works switch { Verdict.Yes => "y", Verdict.No => "n", _ => "u" };
            svg.Append(CultureInfo.InvariantCulture, $"<path class=\"{kind}\" d=\"M{x} {y + 33}h{Gap - 8}m-7 -5l7 5l-7 5\"/>\n");
        }

        if (stop is not null)
        {
            Text(svg, "s", Left, y + 80, "not true that " + stop.Text);
        }
    }

    private static int Column(int index) => Left + (index * (Box + Gap));

    private static void Boxed(StringBuilder svg, int column, int y, params string[] lines)
    {
        svg.Append(CultureInfo.InvariantCulture, $"<rect class=\"b\" x=\"{Column(column)}\" y=\"{y}\" width=\"{Box}\" height=\"66\" rx=\"6\"/>\n");
        for (var i = 0; i < lines.Length; i++)
        {
            Text(svg, i == 0 ? "t" : "s", Column(column) + 10, y + 20 + (18 * i), lines[i]);
        }
    }

    /// <summary>Text as XML: foreign bytes are escaped first, then what XML would take for its own.</summary>
    private static void Text(StringBuilder svg, string kind, int x, int y, string text) =>
        svg.Append(CultureInfo.InvariantCulture, $"<text class=\"{kind}\" x=\"{x}\" y=\"{y}\">{ByteText.Escape(text).Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal).Replace(">", "&gt;", StringComparison.Ordinal)}</text>\n");
}
