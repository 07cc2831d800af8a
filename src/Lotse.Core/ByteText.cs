using System.Text;

namespace Lotse;

/// <summary>
/// Foreign bytes as text and back, without loss. Process names, paths and log lines are bytes on Linux; a byte that
/// is not part of valid UTF-8 becomes the lone surrogate U+DC00 + byte (the scheme of Python's PEP 383), so that
/// <see cref="Encode"/> gives back exactly what <see cref="Decode"/> was handed.
/// </summary>
public static class ByteText
{
    /// <summary>Decodes UTF-8; each byte that is not valid there becomes one lone surrogate U+DC80…U+DCFF.</summary>
    public static string Decode(ReadOnlySpan<byte> bytes)
    {
        if (System.Text.Unicode.Utf8.IsValid(bytes))
        {
            return Encoding.UTF8.GetString(bytes);
        }

        var text = new StringBuilder(bytes.Length);
        while (!bytes.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(bytes, out var rune, out var used) == System.Buffers.OperationStatus.Done)
            {
                text.Append(rune.ToString());
            }
            else
            {
                // Byte by byte: DecodeFromUtf8 may swallow up to three bytes of a broken sequence at once.
                used = 1;
                text.Append((char)(0xDC00 + bytes[0]));
            }

            bytes = bytes[used..];
        }

        return text.ToString();
    }

    /// <summary>The bytes that <see cref="Decode"/> was given. A high surrogate without its low half becomes U+FFFD.</summary>
    public static byte[] Encode(string text)
    {
        var bytes = new List<byte>(text.Length + 8);
        Span<byte> utf8 = stackalloc byte[4];
        for (var i = 0; i < text.Length; i++)
        {
            if (IsForeignByte(text[i]))
            {
                bytes.Add((byte)(text[i] - 0xDC00));
                continue;
            }

            if (!Rune.TryGetRuneAt(text, i, out var rune))
            {
                rune = Rune.ReplacementChar;
            }

            i += rune.Utf16SequenceLength - 1;
            bytes.AddRange(utf8[..rune.EncodeToUtf8(utf8)]);
        }

        return [.. bytes];
    }

    /// <summary>
    /// The text as it may be shown on a terminal: C0, DEL, C1, bidirectional controls, line separators and bytes that
    /// are not UTF-8 become visible escapes (<c>\n</c>, <c>\t</c>, <c>\x1b</c>, <c>\u202e</c>), a backslash becomes
    /// <c>\\</c>; everything else stays. Unambiguous, hence reversible.
    /// </summary>
    public static string Escape(string text)
    {
        var from = IndexOfUnsafe(text);
        if (from < 0)
        {
            return text;
        }

        var safe = new StringBuilder(text, 0, from, text.Length + 16);
        for (var i = from; i < text.Length; i++)
        {
            var c = text[i];
            if (!IsUnsafe(text, i))
            {
                safe.Append(c);
                continue;
            }

            _ = c switch
            {
                '\\' => safe.Append(@"\\"),
                '\n' => safe.Append(@"\n"),
                '\t' => safe.Append(@"\t"),
                '\r' => safe.Append(@"\r"),
                < ' ' or '\x7f' => safe.Append(@"\x").Append(((int)c).ToString("x2")),
                _ when IsForeignByte(c) => safe.Append(@"\x").Append((c - 0xDC00).ToString("x2")),
                _ => safe.Append(@"\u").Append(((int)c).ToString("x4")),
            };
        }

        return safe.ToString();
    }

    /// <summary>The text that <see cref="Escape"/> was given; an escape it never writes stays as it is.</summary>
    public static string Unescape(string text)
    {
        if (!text.Contains('\\', StringComparison.Ordinal))
        {
            return text;
        }

        var plain = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            var digits = i + 1 < text.Length && text[i] == '\\' ? text[i + 1] switch { 'x' => 2, 'u' => 4, _ => 0 } : 0;
            if (digits > 0 && i + 2 + digits <= text.Length
                && ushort.TryParse(text.AsSpan(i + 2, digits), System.Globalization.NumberStyles.AllowHexSpecifier, null, out var code))
            {
                plain.Append((char)(digits == 2 && code > 0x7f ? 0xDC00 + code : code));
                i += 1 + digits;
            }
            else if (text[i] == '\\' && i + 1 < text.Length && @"\ntr".Contains(text[i + 1], StringComparison.Ordinal))
            {
                plain.Append(text[++i] switch { 'n' => '\n', 't' => '\t', 'r' => '\r', var same => same });
            }
            else
            {
                plain.Append(text[i]);
            }
        }

        return plain.ToString();
    }

    /// <summary>The text with every lone surrogate replaced by U+FFFD, as JSON (RFC 8259 section 8.2) needs it.</summary>
    public static string Lossy(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (char.IsSurrogate(text[i]))
            {
                return Encoding.Unicode.GetString(Encoding.Unicode.GetBytes(text));
            }
        }

        return text;
    }

    /// <summary>Whether a text holds anything that a terminal would obey: it cannot be our own words.</summary>
    internal static bool HasControls(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\' && IsUnsafe(text, i))
            {
                return true;
            }
        }

        return false;
    }

    private static bool IsForeignByte(char c) => c is >= '\uDC80' and <= '\uDCFF';

    private static int IndexOfUnsafe(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (IsUnsafe(text, i))
            {
                return i;
            }
        }

        return -1;
    }

    private static bool IsUnsafe(string text, int i)
    {
        var c = text[i];
        return c switch
        {
            < ' ' or '\\' or '\x7f' => true,
            < '\x7f' => false,
            <= '\x9f' or '\u00ad' or '\u061c' or '\ufeff' => true,                  // C1, soft hyphen, marks
            >= '\u200b' and <= '\u200f' or >= '\u2028' and <= '\u202e' => true,     // zero width, separators, embeddings
            >= '\u2060' and <= '\u206f' => true,                                    // isolates, invisible operators
            _ when char.IsHighSurrogate(c) => i + 1 >= text.Length || !char.IsLowSurrogate(text[i + 1]),
            _ when char.IsLowSurrogate(c) => i == 0 || !char.IsHighSurrogate(text[i - 1]),
            _ => false,
        };
    }
}
