using System.Globalization;

namespace Lotse.Formats;

/// <summary>A word of a zone file.</summary>
/// <param name="Text">As written, escapes included, quotes not.</param>
/// <param name="Quoted">Whether it stood in quotes.</param>
public readonly record struct ZoneToken(string Text, bool Quoted);

/// <summary>The words of zone files (RFC 1035 section 5.1): quotes, escapes, comments.</summary>
public static class ZoneText
{
    /// <summary>The words of one entry whose parentheses and newlines are already gone; null when a quote is not closed.</summary>
    public static ZoneToken[]? Tokens(string line)
    {
        var tokens = new List<ZoneToken>();
        for (var i = 0; i < line.Length;)
        {
            if (line[i] is ' ' or '\t' or '\r')
            {
                i++;
                continue;
            }

            if (line[i] == ';')
            {
                break;
            }

            var quoted = line[i] == '"';
            var from = quoted ? i + 1 : i;
            var to = from;
            while (to < line.Length && (quoted ? line[to] != '"' : line[to] is not (' ' or '\t' or '\r' or ';' or '"')))
            {
                to += line[to] == '\\' ? 2 : 1;
            }

            if (to > line.Length || (quoted && to == line.Length))
            {
                return null;
            }

            tokens.Add(new(line[from..to], quoted));
            i = quoted ? to + 1 : to;
        }

        return [.. tokens];
    }

    /// <summary>The octets of a character string: <c>\DDD</c> and <c>\X</c> resolved. Null when an escape is broken.</summary>
    public static byte[]? Octets(string text)
    {
        if (!text.Contains('\\', StringComparison.Ordinal))
        {
            return ByteText.Encode(text);
        }

        var octets = new List<byte>();
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\')
            {
                var pair = char.IsHighSurrogate(text[i]) && i + 1 < text.Length ? 2 : 1;
                octets.AddRange(ByteText.Encode(text.Substring(i, pair)));
                i += pair - 1;
            }
            else if (i + 3 < text.Length && text.AsSpan(i + 1, 3).IndexOfAnyExceptInRange('0', '9') < 0)
            {
                var value = int.Parse(text.AsSpan(i + 1, 3), NumberStyles.None, CultureInfo.InvariantCulture);
                if (value > 255)
                {
                    return null;
                }

                octets.Add((byte)value);
                i += 3;
            }
            else if (i + 1 < text.Length)
            {
                octets.AddRange(ByteText.Encode(text[++i].ToString()));
            }
            else
            {
                return null;
            }
        }

        return [.. octets];
    }

    /// <summary>A character string in quotes; what is not printable ASCII as <c>\DDD</c>.</summary>
    public static string Quote(ReadOnlySpan<byte> octets)
    {
        var text = new System.Text.StringBuilder("\"");
        foreach (var b in octets)
        {
            _ = b switch
            {
                (byte)'"' or (byte)'\\' => text.Append('\\').Append((char)b),
                >= 0x20 and < 0x7f => text.Append((char)b),
                _ => text.Append('\\').Append(b.ToString("000", CultureInfo.InvariantCulture)),
            };
        }

        return text.Append('"').ToString();
    }

    /// <summary>A number of seconds: <c>3600</c>, <c>1h30m</c>, <c>2d</c>, <c>1w</c>.</summary>
    public static uint? Seconds(string text)
    {
        ulong sum = 0, number = 0;
        var digits = false;
        foreach (var c in text)
        {
            if (char.IsAsciiDigit(c))
            {
                number = number * 10 + (uint)(c - '0');
                digits = true;
            }
            else if (digits && char.ToLowerInvariant(c) switch { 's' => 1u, 'm' => 60u, 'h' => 3600u, 'd' => 86400u, 'w' => 604800u, _ => 0u } is > 0 and var unit)
            {
                sum += number * unit;
                (number, digits) = (0, false);
            }
            else
            {
                return null;
            }

            if (sum + number > int.MaxValue)
            {
                return null;
            }
        }

        return text.Length == 0 ? null : (uint)(sum + number);
    }
}
