using System.Globalization;
using System.Text;

namespace Lotse.Formats;

/// <summary>
/// Domain names in one canonical text form: presentation format (RFC 1035 section 5.1) in lower case, without the last
/// dot; the root is <c>.</c>. A label may hold any octet (RFC 2181 section 11): what is not printable ASCII stands as
/// <c>\DDD</c>, a dot or backslash inside a label as <c>\.</c> and <c>\\</c>. Equal text means equal name.
/// </summary>
public static class DnsName
{
    /// <summary>The most octets of a label (RFC 1035 section 2.3.4).</summary>
    public const int LabelLimit = 63;

    /// <summary>The most octets of a name as it travels, lengths and root included.</summary>
    public const int WireLimit = 255;

    /// <summary>
    /// Reads a name as people and zone files write it: <c>\DDD</c> and <c>\.</c> are escapes, letters beyond ASCII become
    /// A-labels (RFC 5891), the last dot does not matter.
    /// </summary>
    /// <returns>The canonical form, or null when it is no name: an empty or too long label, or too long as a whole.</returns>
    public static string? Parse(string text)
    {
        if (text is "." or "")
        {
            return text.Length == 0 ? null : ".";
        }

        if (!Ascii(text))
        {
            if (ToAscii(text) is not { } ascii)
            {
                return null;
            }

            text = ascii;
        }

        var labels = new List<byte[]>();
        var label = new List<byte>();
        for (var i = 0; i < text.Length; i++)
        {
            switch (text[i])
            {
                case '\\' when i + 3 < text.Length && text.AsSpan(i + 1, 3).IndexOfAnyExceptInRange('0', '9') < 0:
                    var value = int.Parse(text.AsSpan(i + 1, 3), NumberStyles.None, CultureInfo.InvariantCulture);
                    if (value > 255)
                    {
                        return null;
                    }

                    label.Add((byte)value);
                    i += 3;
                    break;
                case '\\' when i + 1 < text.Length:
                    label.Add((byte)text[++i]);
                    break;
                case '\\':
                    return null;
                case '.':
                    labels.Add([.. label]);
                    label.Clear();
                    break;
                default:
                    label.Add((byte)text[i]);
                    break;
            }
        }

        // A last dot ends the name; anything else ends its last label.
        if (label.Count > 0 || text[^1] != '.' || text.EndsWith("\\.", StringComparison.Ordinal))
        {
            labels.Add([.. label]);
        }

        return FromLabels(labels);
    }

    /// <summary>Reads a name whose only special character is the dot: what a macro or a mail address gives. Foreign bytes as in <see cref="ByteText"/>.</summary>
    public static string? FromRaw(string text)
    {
        if (text.EndsWith('.'))
        {
            text = text[..^1];
        }

        return text.Length == 0 ? null : FromLabels([.. text.Split('.').Select(ByteText.Encode)]);
    }

    /// <summary>The canonical text of labels, leftmost first; null when one is empty or something is too long.</summary>
    public static string? FromLabels(IReadOnlyList<byte[]> labels)
    {
        if (labels.Count == 0)
        {
            return ".";
        }

        if (labels.Any(l => l.Length is 0 or > LabelLimit) || labels.Sum(l => l.Length + 1) + 1 > WireLimit)
        {
            return null;
        }

        var text = new StringBuilder();
        foreach (var label in labels)
        {
            if (text.Length > 0)
            {
                text.Append('.');
            }

            foreach (var b in label)
            {
                _ = b switch
                {
                    (byte)'.' or (byte)'\\' => text.Append('\\').Append((char)b),
                    >= (byte)'A' and <= (byte)'Z' => text.Append((char)(b + 32)),
                    > 0x20 and < 0x7f => text.Append((char)b),
                    _ => text.Append('\\').Append(b.ToString("000", CultureInfo.InvariantCulture)),
                };
            }
        }

        return text.ToString();
    }

    /// <summary>The labels of a canonical name, leftmost first, in canonical text.</summary>
    public static string[] Labels(string name)
    {
        if (name == ".")
        {
            return [];
        }

        if (!name.Contains('\\', StringComparison.Ordinal))
        {
            return name.Split('.');
        }

        var labels = new List<string>();
        var from = 0;
        for (var i = 0; i < name.Length; i++)
        {
            if (name[i] == '\\')
            {
                i++;
            }
            else if (name[i] == '.')
            {
                labels.Add(name[from..i]);
                from = i + 1;
            }
        }

        labels.Add(name[from..]);
        return [.. labels];
    }

    /// <summary>Number of labels; the root has none.</summary>
    public static int Count(string name) => Labels(name).Length;

    /// <summary>The name without its first label; null for the root.</summary>
    public static string? Parent(string name)
    {
        var labels = Labels(name);
        return labels.Length == 0 ? null : labels.Length == 1 ? "." : string.Join('.', labels[1..]);
    }

    /// <summary>The last <paramref name="count"/> labels.</summary>
    public static string Last(string name, int count)
    {
        var labels = Labels(name);
        return count <= 0 ? "." : count >= labels.Length ? name : string.Join('.', labels[^count..]);
    }

    /// <summary>Whether <paramref name="name"/> is <paramref name="zone"/> or below it.</summary>
    public static bool IsAtOrBelow(string name, string zone) =>
        zone == "." || name == zone || (name.Length > zone.Length + 1 && name.EndsWith(zone, StringComparison.Ordinal) && name[^(zone.Length + 1)] == '.' && Labels(name).Length == Labels(name[..^(zone.Length + 1)]).Length + Labels(zone).Length);

    /// <summary>A label in front of a name; null when that is too long.</summary>
    public static string? Under(string labels, string name) => name == "." ? Parse(labels) : Parse(labels + "." + name);

    /// <summary>The name as it travels (RFC 1035 section 3.1), not compressed, in lower case.</summary>
    public static byte[] ToWire(string name)
    {
        var wire = new List<byte>();
        foreach (var label in Labels(name))
        {
            var at = wire.Count;
            wire.Add(0);
            for (var i = 0; i < label.Length; i++)
            {
                if (label[i] != '\\')
                {
                    wire.Add((byte)label[i]);
                }
                else if (char.IsAsciiDigit(label[i + 1]))
                {
                    wire.Add((byte)int.Parse(label.AsSpan(i + 1, 3), NumberStyles.None, CultureInfo.InvariantCulture));
                    i += 3;
                }
                else
                {
                    wire.Add((byte)label[++i]);
                }
            }

            wire[at] = (byte)(wire.Count - at - 1);
        }

        wire.Add(0);
        return [.. wire];
    }

    /// <summary>With the last dot, as zone files print it.</summary>
    public static string Absolute(string name) => name == "." ? name : name + ".";

    /// <summary>The name as people read it: U-labels where they are letters, A-labels elsewhere (RFC 5891 section 5).</summary>
    public static string Shown(string name)
    {
        if (!name.Contains("xn--", StringComparison.Ordinal))
        {
            return name;
        }

        try
        {
            var shown = new IdnMapping { UseStd3AsciiRules = true }.GetUnicode(name);
            return shown.All(c => c is '.' or '-' || char.IsLetterOrDigit(c) || char.IsSurrogate(c)) ? shown : name;
        }
        catch (ArgumentException)
        {
            return name;
        }
    }

    private static bool Ascii(string text) => text.AsSpan().IndexOfAnyExceptInRange('\0', '\x7f') < 0;

    private static string? ToAscii(string text)
    {
        try
        {
            // Lower case first: Punycode encodes what it is given, and only the lower-case form is an A-label.
            return new IdnMapping { AllowUnassigned = true }.GetAscii(text.ToLowerInvariant().Replace('\u3002', '.'));
        }
        catch (ArgumentException)
        {
            return null;
        }
    }
}
