namespace Lotse.Formats.AddressSelection;

/// <summary>A version of glibc.</summary>
/// <param name="Major">2.</param>
/// <param name="Minor">36 of 2.36.</param>
public readonly record struct GlibcVersion(int Major, int Minor)
{
    /// <summary>Debian 12's, for cases that name none.</summary>
    public static readonly GlibcVersion Default = new(2, 36);

    /// <summary>From 2.41 on (commit 33aeb88c5b, bug 32465) a prefix without /LENGTH is read as one address, and an empty number is none.</summary>
    public bool ReadsMissingLength => this is { Major: > 2 } or { Major: 2, Minor: >= 41 };

    /// <summary>Reads <c>2.36</c>; what follows the second number is passed over.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out GlibcVersion version)
    {
        version = default;
        var dot = text.IndexOf('.');
        if (dot < 1 || !int.TryParse(text[..dot], System.Globalization.NumberStyles.None, null, out var major))
        {
            return false;
        }

        var rest = text[(dot + 1)..];
        var digits = rest.IndexOfAnyExceptInRange('0', '9');
        if (!int.TryParse(digits < 0 ? rest : rest[..digits], System.Globalization.NumberStyles.None, null, out var minor))
        {
            return false;
        }

        version = new(major, minor);
        return true;
    }

    /// <summary>MAJOR.MINOR.</summary>
    public override string ToString() => $"{Major}.{Minor}";
}

/// <summary>What a line of gai.conf(5) is about.</summary>
public enum GaiKind
{
    /// <summary>Blank, or a comment.</summary>
    Nothing,

    /// <summary>label PREFIX NUMBER.</summary>
    Label,

    /// <summary>precedence PREFIX NUMBER.</summary>
    Precedence,

    /// <summary>scopev4 PREFIX NUMBER.</summary>
    ScopeV4,

    /// <summary>reload yes|no.</summary>
    Reload,

    /// <summary>Another word: glibc passes over the line in silence.</summary>
    UnknownWord,
}

/// <summary>Why glibc passes over a line.</summary>
public enum GaiFault
{
    /// <summary>It does not.</summary>
    None,

    /// <summary>The first word is none that glibc knows.</summary>
    UnknownWord,

    /// <summary>The prefix is an IPv4 address; labels and precedences take only IPv6 ones, IPv4 as ::ffff:a.b.c.d/LENGTH.</summary>
    Ipv4Prefix,

    /// <summary>An IPv6 prefix that is not IPv4-mapped, in scopev4.</summary>
    NotMapped,

    /// <summary>The prefix has a zone.</summary>
    Zone,

    /// <summary>The prefix is no address.</summary>
    BadAddress,

    /// <summary>The length is no number.</summary>
    BadLength,

    /// <summary>The length is out of range.</summary>
    LengthOutOfRange,

    /// <summary>No /LENGTH: before 2.41 glibc reads through an uninitialised pointer.</summary>
    NoLength,

    /// <summary>A number is missing: 0 before 2.41, ignored since.</summary>
    EmptyNumber,

    /// <summary>The value is no number.</summary>
    BadNumber,

    /// <summary>The value is above 2147483647.</summary>
    NumberOutOfRange,
}

/// <summary>A line of gai.conf as glibc reads it.</summary>
/// <param name="Number">From 1.</param>
/// <param name="Kind">What it is about.</param>
/// <param name="Words">Its words up to the third; the rest is not looked at.</param>
/// <param name="Fault">What is wrong with it.</param>
/// <param name="Counts">Whether it counts for this version of glibc.</param>
/// <param name="Prefix">The prefix, where there is one.</param>
/// <param name="Value">The number, where there is one.</param>
public sealed record GaiLine(int Number, GaiKind Kind, string[] Words, GaiFault Fault, bool Counts, IpPrefix Prefix, int Value)
{
    /// <summary>The prefix as it is written.</summary>
    public string WrittenPrefix => Words.Length > 1 ? Words[1] : "";

    /// <summary>The words, one space between.</summary>
    public string Written => string.Join(' ', Words);
}

/// <summary>gai.conf(5) as a version of glibc reads it (nss/getaddrinfo.c gaiconf_init), and the tables that come of it.</summary>
public sealed class GaiConf
{
    private GaiConf(GaiConf other, PolicyTable labels, PolicyTable precedences)
    {
        (Lines, Version, ScopesV4) = (other.Lines, other.Version, other.ScopesV4);
        (Labels, Precedences) = (labels, precedences);
    }

    private GaiConf(GaiLine[] lines, GlibcVersion version)
    {
        Lines = lines;
        Version = version;
        Labels = Table(lines, GaiKind.Label, Policy.Glibc.Labels, 1);
        Precedences = Table(lines, GaiKind.Precedence, Policy.Glibc.Precedences, 40);
        ScopesV4 = Table(lines, GaiKind.ScopeV4, Policy.GlibcScopes4, 14);
    }

    /// <summary>Every line.</summary>
    public IReadOnlyList<GaiLine> Lines { get; }

    /// <summary>Which glibc reads it.</summary>
    public GlibcVersion Version { get; }

    /// <summary>The active label table.</summary>
    public PolicyTable Labels { get; }

    /// <summary>The active precedence table.</summary>
    public PolicyTable Precedences { get; }

    /// <summary>The active scopes of IPv4 addresses.</summary>
    public PolicyTable ScopesV4 { get; }

    /// <summary>Labels and precedences.</summary>
    public Policy Policy => new(Labels, Precedences);

    /// <summary>Whether a process that reads it now reads it again after a change: the last reload line decides.</summary>
    public bool Reloads => Lines.LastOrDefault(l => l.Kind == GaiKind.Reload) is { Words: [_, "yes", ..] };

    /// <summary>
    /// Whether this glibc dereferences an uninitialised pointer with it as soon as a name has two addresses: observed to
    /// end the process for scopev4 (Debian 12), and to lose the line for label and precedence.
    /// </summary>
    public bool Crashes => !Version.ReadsMissingLength && Lines.Any(l => l is { Kind: GaiKind.ScopeV4, Fault: GaiFault.NoLength });

    /// <summary>The same lines with other tables: to try what a row would do.</summary>
    internal GaiConf With(PolicyTable labels, PolicyTable precedences) => new(this, labels, precedences);

    /// <summary>Reads the text of a file; null: there is no file.</summary>
    public static GaiConf Parse(string? text, GlibcVersion version)
    {
        var lines = new List<GaiLine>();
        if (text is not null)
        {
            var all = text.Split('\n');
            for (var i = 0; i < all.Length - (all[^1].Length == 0 ? 1 : 0); i++)
            {
                lines.Add(Line(i + 1, all[i], version));
            }
        }

        return new([.. lines], version);
    }

    /// <summary>The table of a kind: the file's rows once there is one, else the built-in ones.</summary>
    private static PolicyTable Table(GaiLine[] lines, GaiKind kind, PolicyTable builtIn, int implied)
    {
        var rows = lines.Where(l => l.Kind == kind && l.Counts).Select(l => new PolicyRow(l.Prefix, l.Value, l.Number)).ToList();
        if (rows.Count == 0)
        {
            return builtIn;
        }

        var zero = kind == GaiKind.ScopeV4 ? 96 : 0;
        if (rows.TrueForAll(r => r.Prefix.MappedLength != zero))
        {
            rows.Add(new(kind == GaiKind.ScopeV4 ? new(IpAddress.V4(0), 0) : new(IpAddress.V6(0), 0), implied, PolicyRow.Implied));
        }

        return new(rows);
    }

    private static GaiLine Line(int number, string text, GlibcVersion version)
    {
        // A C string ends at NUL, a comment starts at the first #, whatever stands around it.
        var end = text.AsSpan().IndexOfAny('#', '\0');
        var words = Words(end < 0 ? text : text[..end]);
        var kind = words switch
        {
            [] => GaiKind.Nothing,
            ["label", ..] => GaiKind.Label,
            ["precedence", ..] => GaiKind.Precedence,
            ["scopev4", ..] => GaiKind.ScopeV4,
            ["reload", ..] => GaiKind.Reload,
            _ => GaiKind.UnknownWord,
        };
        if (kind is GaiKind.Nothing or GaiKind.Reload or GaiKind.UnknownWord)
        {
            return new(number, kind, words, kind == GaiKind.UnknownWord ? GaiFault.UnknownWord : GaiFault.None, kind == GaiKind.Reload, default, 0);
        }

        var (fault, prefix, value) = Row(kind, words.Length > 1 ? words[1] : "", words.Length > 2 ? words[2] : "");
        var counts = fault switch
        {
            GaiFault.None => true,
            GaiFault.NoLength => version.ReadsMissingLength,
            GaiFault.EmptyNumber => !version.ReadsMissingLength,
            _ => false,
        };
        return new(number, kind, words, fault, counts, prefix, value);
    }

    private static (GaiFault Fault, IpPrefix Prefix, int Value) Row(GaiKind kind, string written, string number)
    {
        var slash = written.IndexOf('/', StringComparison.Ordinal);
        var address = slash < 0 ? written : written[..slash];
        var is4 = IpAddress.TryParse4(address, out var parsed);
        if (kind == GaiKind.ScopeV4 ? !is4 && !IpAddress.TryParse6(address, out parsed) : is4 || !IpAddress.TryParse6(address, out parsed))
        {
            return (is4 ? GaiFault.Ipv4Prefix : address.Contains('%', StringComparison.Ordinal) ? GaiFault.Zone : GaiFault.BadAddress, default, 0);
        }

        if (kind == GaiKind.ScopeV4 && !is4 && !parsed.IsMappedV6)
        {
            return (GaiFault.NotMapped, new(parsed, 128), 0);
        }

        var missing = false;
        ulong length = (ulong)parsed.Size;
        if (slash >= 0)
        {
            if (!UnsignedLong(written.AsSpan(slash + 1), out length))
            {
                return (GaiFault.BadLength, default, 0);
            }

            missing = slash == written.Length - 1;
        }

        if (length > (ulong)parsed.Size || (kind == GaiKind.ScopeV4 && !is4 && length < 96))
        {
            return (GaiFault.LengthOutOfRange, default, 0);
        }

        var prefix = new IpPrefix(parsed, (int)length);
        if (!UnsignedLong(number, out var value))
        {
            return (GaiFault.BadNumber, prefix, 0);
        }

        // No length outweighs all else: the pointer is read before the value is.
        return value > int.MaxValue ? (slash < 0 ? GaiFault.NoLength : GaiFault.NumberOutOfRange, prefix, 0)
            : slash < 0 ? (GaiFault.NoLength, prefix, (int)value)
            : missing || number.Length == 0 ? (GaiFault.EmptyNumber, prefix, (int)value)
            : (GaiFault.None, prefix, (int)value);
    }

    /// <summary>strtoul(3), base 10, all of the text: a sign may stand before it and wraps around; nothing at all is 0.</summary>
    private static bool UnsignedLong(ReadOnlySpan<char> text, out ulong value)
    {
        value = 0;
        if (text.IsEmpty)
        {
            return true;
        }

        var negative = text[0] == '-';
        var digits = text[0] is '+' or '-' ? text[1..] : text;
        if (digits.IsEmpty)
        {
            return false;
        }

        var overflow = false;
        foreach (var c in digits)
        {
            if (!char.IsAsciiDigit(c))
            {
                return false;
            }

            var next = (UInt128)value * 10 + (uint)(c - '0');
            overflow |= next > ulong.MaxValue;
            value = (ulong)next;
        }

        value = overflow ? ulong.MaxValue : negative ? 0 - value : value;
        return true;
    }

    /// <summary>The first three words, split by isspace(3) of the C locale.</summary>
    private static string[] Words(string text) => [.. text.Split([' ', '\t', '\r', '\v', '\f'], StringSplitOptions.RemoveEmptyEntries).Take(3)];
}
