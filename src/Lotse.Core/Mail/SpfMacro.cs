using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Lotse.Formats;

namespace Lotse.Mail;

/// <summary>Macros of SPF (RFC 7208 section 7): their syntax, and what they become.</summary>
internal static class SpfMacro
{
    private const string Delimiters = ".-+,/_=";

    /// <summary>The letters that stand anywhere.</summary>
    private const string Letters = "slodiphv";

    /// <summary>The letters that stand only in explanations.</summary>
    private const string ExplanationLetters = Letters + "crt";

    /// <summary>What is wrong with a macro-string; null: nothing.</summary>
    public static string? Fault(string text, bool explanation)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '%')
            {
                if (Piece(text, ref i, explanation) is null)
                {
                    return $"a macro in \"{ByteText.Escape(text)}\" is broken";
                }
            }
            else if (text[i] is < '!' or > '~' && !(explanation && text[i] == ' '))
            {
                return "a character that is not printable ASCII";
            }
        }

        return null;
    }

    /// <summary>What is wrong with a domain-spec: besides macros, it has to end in a macro or in a top label that is not all digits.</summary>
    public static string? DomainFault(string text)
    {
        if (text.Length == 0)
        {
            return "a domain is missing";
        }

        if (Fault(text, explanation: false) is { } fault)
        {
            return fault;
        }

        // The last piece decides; "%%" and the like are pieces too (macro-expand).
        var lastIsMacro = false;
        for (var i = 0; i < text.Length; i++)
        {
            lastIsMacro = text[i] == '%' && Piece(text, ref i, false) is not null;
        }

        if (lastIsMacro)
        {
            return null;
        }

        var name = text.EndsWith('.') ? text[..^1] : text;
        var dot = name.LastIndexOf('.');
        var top = name[(dot + 1)..];
        return dot >= 0 && top.Length > 0 && top.All(c => char.IsAsciiLetterOrDigit(c) || c == '-') && top[0] != '-' && top[^1] != '-' && !top.All(char.IsAsciiDigit)
            ? null : $"\"{ByteText.Escape(text)}\" does not end in a domain";
    }

    /// <summary>What the message gives for the letters.</summary>
    /// <param name="Query">The message.</param>
    /// <param name="Domain">The domain whose record is evaluated.</param>
    /// <param name="ValidatedName">Of <c>%{p}</c>; null while its answers are not there yet.</param>
    public sealed record Values(SpfQuery Query, string Domain, Func<string?> ValidatedName);

    /// <summary>Expands a macro-string whose syntax is right; null while an answer that it needs is not there yet.</summary>
    public static string? Expand(string text, Values values, bool explanation)
    {
        var expanded = new StringBuilder();
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '%')
            {
                expanded.Append(text[i]);
                continue;
            }

            var piece = Piece(text, ref i, explanation)!.Value;
            if (piece.Letter is '%' or '_' or '-')
            {
                expanded.Append(piece.Letter switch { '%' => "%", '_' => " ", _ => "%20" });
                continue;
            }

            if (Letter(char.ToLowerInvariant(piece.Letter), values) is not { } value)
            {
                return null;
            }

            value = Transform(value, piece);
            expanded.Append(char.IsAsciiLetterUpper(piece.Letter) ? Escape(value) : value);
        }

        return expanded.ToString();
    }

    /// <summary>The name that a domain-spec became, cut from the left to what fits (RFC 7208 section 7.3); null when it is no name.</summary>
    public static string? ToName(string expanded)
    {
        while (ByteText.Encode(expanded.TrimEnd('.')).Length > 253 && expanded.IndexOf('.', StringComparison.Ordinal) is >= 0 and var dot)
        {
            expanded = expanded[(dot + 1)..];
        }

        return DnsName.FromRaw(expanded);
    }

    private static string? Letter(char letter, Values values)
    {
        var query = values.Query;
        return letter switch
        {
            's' => query.Sender,
            'l' => query.LocalPart,
            'o' => query.SenderDomain,
            'd' => values.Domain,
            'i' => query.Ip.AddressFamily == AddressFamily.InterNetwork ? query.Ip.ToString() : string.Join('.', Convert.ToHexString(query.Ip.GetAddressBytes()).Select(c => c.ToString())),
            'p' => values.ValidatedName(),
            'v' => query.Ip.AddressFamily == AddressFamily.InterNetwork ? "in-addr" : "ip6",
            'h' => query.Helo,
            'c' => query.Ip.ToString(),
            'r' => query.Receiver,
            _ => query.Now.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture),
        };
    }

    private static string Transform(string value, (char Letter, int Keep, bool Reverse, string Delimiters) piece)
    {
        if (piece is { Keep: 0, Reverse: false, Delimiters: "" })
        {
            return value;
        }

        var parts = value.Split((piece.Delimiters.Length > 0 ? piece.Delimiters : ".").ToCharArray());
        if (piece.Reverse)
        {
            Array.Reverse(parts);
        }

        return string.Join('.', piece.Keep > 0 && piece.Keep < parts.Length ? parts[^piece.Keep..] : parts);
    }

    /// <summary>Octets outside RFC 3986's unreserved set as %XX.</summary>
    private static string Escape(string value)
    {
        var escaped = new StringBuilder();
        foreach (var b in ByteText.Encode(value))
        {
            _ = char.IsAsciiLetterOrDigit((char)b) || b is (byte)'-' or (byte)'.' or (byte)'_' or (byte)'~' ? escaped.Append((char)b) : escaped.Append('%').Append(b.ToString("X2", CultureInfo.InvariantCulture));
        }

        return escaped.ToString();
    }

    /// <summary>One macro-expand at <paramref name="i"/>, which is left on its last character; null when it is broken.</summary>
    private static (char Letter, int Keep, bool Reverse, string Delimiters)? Piece(string text, ref int i, bool explanation)
    {
        if (i + 1 >= text.Length)
        {
            return null;
        }

        if (text[i + 1] is '%' or '_' or '-')
        {
            return (text[++i], 0, false, "");
        }

        var end = text.IndexOf('}', i);
        if (text[i + 1] != '{' || end < i + 3)
        {
            return null;
        }

        var letter = text[i + 2];
        if (!(explanation ? ExplanationLetters : Letters).Contains(char.ToLowerInvariant(letter), StringComparison.Ordinal))
        {
            return null;
        }

        var at = i + 3;
        var digits = at;
        while (at < end && char.IsAsciiDigit(text[at]))
        {
            at++;
        }

        var keep = 0;
        if (at > digits && (!int.TryParse(text.AsSpan(digits, Math.Min(at - digits, 4)), NumberStyles.None, CultureInfo.InvariantCulture, out keep) || keep == 0))
        {
            return null;
        }

        var reverse = at < end && text[at] is 'r' or 'R';
        var delimiters = text[(reverse ? at + 1 : at)..end];
        i = end;
        return delimiters.All(c => Delimiters.Contains(c, StringComparison.Ordinal)) ? (letter, keep, reverse, delimiters) : null;
    }
}
