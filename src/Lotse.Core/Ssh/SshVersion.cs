using System.Globalization;

namespace Lotse.Ssh;

/// <summary>A release as OpenSSH and Dropbear number them: <c>9.2</c> of <c>OpenSSH_9.2p1</c>, <c>2018.76</c> of <c>dropbear_2018.76</c>.</summary>
/// <param name="Major">Before the dot.</param>
/// <param name="Minor">After it.</param>
public readonly record struct SshVersion(int Major, int Minor) : IComparable<SshVersion>
{
    /// <summary>Reads a release at the start of a text; what follows (<c>p1 Debian-2</c>) is left alone.</summary>
    public static SshVersion? Parse(ReadOnlySpan<char> text)
    {
        var dot = text.IndexOf('.');
        if (dot < 1 || dot > 4 || !int.TryParse(text[..dot], NumberStyles.None, CultureInfo.InvariantCulture, out var major))
        {
            return null;
        }

        var rest = text[(dot + 1)..];
        var digits = 0;
        while (digits < rest.Length && digits < 4 && char.IsAsciiDigit(rest[digits]))
        {
            digits++;
        }

        return digits > 0 ? new(major, int.Parse(rest[..digits], CultureInfo.InvariantCulture)) : null;
    }

    /// <inheritdoc/>
    public int CompareTo(SshVersion other) => Major != other.Major ? Major.CompareTo(other.Major) : Minor.CompareTo(other.Minor);

    /// <summary>Earlier.</summary>
    public static bool operator <(SshVersion a, SshVersion b) => a.CompareTo(b) < 0;

    /// <summary>Later.</summary>
    public static bool operator >(SshVersion a, SshVersion b) => a.CompareTo(b) > 0;

    /// <summary>Earlier or the same.</summary>
    public static bool operator <=(SshVersion a, SshVersion b) => a.CompareTo(b) <= 0;

    /// <summary>Later or the same.</summary>
    public static bool operator >=(SshVersion a, SshVersion b) => a.CompareTo(b) >= 0;

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Major}.{Minor}");
}
