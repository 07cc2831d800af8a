using Lotse.Formats;

namespace Lotse.Mail;

/// <summary>What a domain asks receivers to do with mail that fails.</summary>
public enum DmarcPolicy
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Treat it with suspicion.</summary>
    Quarantine,

    /// <summary>Refuse it.</summary>
    Reject,
}

/// <summary>A DMARC record (RFC 9989 section 4.7): tags and values, unknown tags ignored.</summary>
/// <param name="Text">As published, its strings joined.</param>
/// <param name="Tags">Names in lower case.</param>
public sealed record DmarcRecord(string Text, Dictionary<string, string> Tags)
{
    private const string Version = "DMARC1";

    /// <summary>p= as it stands.</summary>
    public string? PolicyText => Tags.GetValueOrDefault("p");

    /// <summary>p=; null where it is missing or unknown.</summary>
    public DmarcPolicy? Policy => Word(PolicyText);

    /// <summary>sp=, for subdomains.</summary>
    public DmarcPolicy? Subdomains => Word(Tags.GetValueOrDefault("sp"));

    /// <summary>np=, for subdomains that do not exist.</summary>
    public DmarcPolicy? NonExistent => Word(Tags.GetValueOrDefault("np"));

    /// <summary>psd=: y, n or u.</summary>
    public char PublicSuffix => Is("psd", 'y') ? 'y' : Is("psd", 'n') ? 'n' : 'u';

    /// <summary>t=y: the next weaker policy is applied.</summary>
    public bool Testing => Is("t", 'y');

    /// <summary>aspf=s.</summary>
    public bool StrictSpf => Is("aspf", 's');

    /// <summary>adkim=s.</summary>
    public bool StrictDkim => Is("adkim", 's');

    /// <summary>pct= of RFC 7489; null where it is missing or broken.</summary>
    public int? Percent => Tags.TryGetValue("pct", out var text) && int.TryParse(text, out var pct) && pct is >= 0 and <= 100 ? pct : null;

    /// <summary>Addresses that get aggregate reports, without sizes.</summary>
    public string[] Reports => Uris("rua");

    /// <summary>What is wrong with it as a whole although it counts as one: tags that no receiver can use.</summary>
    public string[] Faults => [.. Tags.Where(t => t.Key is "p" or "sp" or "np" && Word(t.Value) is null).Select(t => $"{t.Key}={t.Value}")];

    /// <summary>
    /// The policy that is applied as p=: an unknown one, or a missing one, counts as none where reports are wanted, and
    /// makes the record void where not (RFC 9989 section 4.10.1, RFC 7489 section 6.6.3).
    /// </summary>
    public DmarcPolicy? Applied => Faults.Length == 0 && Policy is { } policy ? policy : Faults.Length == 0 || Reports.Length > 0 ? DmarcPolicy.None : null;

    /// <summary>Reads a record.</summary>
    /// <returns>Null when the text is none: the version has to be the first tag, in this case, followed by a semicolon or the end.</returns>
    public static DmarcRecord? Parse(string text)
    {
        var parts = text.Split(';');
        if (Tag(parts[0]) is not ("v", Version))
        {
            return null;
        }

        var tags = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var part in parts[1..])
        {
            if (Tag(part) is { } tag)
            {
                // The first of a name counts.
                _ = tags.TryAdd(tag.Name.ToLowerInvariant(), tag.Value);
            }
        }

        return new(text, tags);
    }

    /// <summary>Whether a text was meant to be a record: for messages about broken ones.</summary>
    public static bool LooksLikeOne(string text)
    {
        var squeezed = new string([.. text.Where(c => c is not (' ' or '"' or '\'' or '\t'))]);
        return squeezed.Contains("dmarc1", StringComparison.OrdinalIgnoreCase) && (squeezed.StartsWith('v') || squeezed.StartsWith('V') || squeezed.StartsWith("dmarc", StringComparison.OrdinalIgnoreCase) || squeezed.Contains(";v=", StringComparison.OrdinalIgnoreCase));
    }

    private static (string Name, string Value)? Tag(string part)
    {
        var equals = part.IndexOf('=', StringComparison.Ordinal);
        return equals < 0 ? null : (part[..equals].Trim(' ', '\t'), part[(equals + 1)..].Trim(' ', '\t'));
    }

    private static DmarcPolicy? Word(string? text) => text?.ToLowerInvariant() switch { "none" => DmarcPolicy.None, "quarantine" => DmarcPolicy.Quarantine, "reject" => DmarcPolicy.Reject, _ => null };

    private bool Is(string tag, char value) => Tags.GetValueOrDefault(tag) is { Length: 1 } text && char.ToLowerInvariant(text[0]) == value;

    private string[] Uris(string tag) =>
        [.. (Tags.GetValueOrDefault(tag) ?? "").Split(',').Select(u => u.Trim()).Where(u => u.StartsWith("mailto:", StringComparison.OrdinalIgnoreCase))
            .Select(u => u["mailto:".Length..].Split('!')[0].Split('?')[0]).Where(u => u.IndexOf('@', StringComparison.Ordinal) is > 0 and var at && at < u.Length - 1)];
}
