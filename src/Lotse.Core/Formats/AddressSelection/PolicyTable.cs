using System.Globalization;

namespace Lotse.Formats.AddressSelection;

/// <summary>A row of a policy table (RFC 6724 section 2.1).</summary>
/// <param name="Prefix">An IPv6 prefix; IPv4 addresses match as IPv4-mapped ones.</param>
/// <param name="Value">Label, precedence or scope.</param>
/// <param name="Line">The line of the file that it stands in; <see cref="BuiltIn"/> or <see cref="Implied"/> when it stands in none.</param>
public readonly record struct PolicyRow(IpPrefix Prefix, int Value, int Line = PolicyRow.BuiltIn)
{
    /// <summary>A row of the program's own table.</summary>
    public const int BuiltIn = 0;

    /// <summary>The row for ::/0 that is added to a table that has none.</summary>
    public const int Implied = -1;
}

/// <summary>A table of prefixes of which the longest that matches counts; among equal ones, the first.</summary>
public sealed class PolicyTable
{
    private readonly PolicyRow[] rows;
    private readonly UInt128[] bits;
    private readonly UInt128[] masks;

    /// <summary>A table of rows in the order of their file.</summary>
    public PolicyTable(IEnumerable<PolicyRow> inOrder)
    {
        InOrder = [.. inOrder];

        // OrderBy keeps equal rows in order, as the merge sort behind glibc's qsort does.
        rows = [.. InOrder.OrderByDescending(r => r.Prefix.MappedLength)];
        masks = [.. rows.Select(r => IpPrefix.Mask(r.Prefix.MappedLength))];
        bits = [.. rows.Select((r, i) => r.Prefix.Address.Bits & masks[i])];
    }

    /// <summary>The rows in the order of their file.</summary>
    public IReadOnlyList<PolicyRow> InOrder { get; }

    /// <summary>The rows, longest prefix first.</summary>
    public IReadOnlyList<PolicyRow> Rows => rows;

    /// <summary>The row that an address falls under; null where no prefix matches.</summary>
    public PolicyRow? Find(IpAddress address) => IndexOf(address) is var i and >= 0 ? rows[i] : null;

    /// <summary>The value of an address; <paramref name="otherwise"/> where no prefix matches.</summary>
    public int this[IpAddress address, int otherwise = 0] => IndexOf(address) is var i and >= 0 ? rows[i].Value : otherwise;

    /// <summary>A table written as lines of PREFIX VALUE.</summary>
    internal static PolicyTable Of(params ReadOnlySpan<string> lines)
    {
        var all = new List<PolicyRow>(lines.Length);
        foreach (var line in lines)
        {
            var space = line.IndexOf(' ', StringComparison.Ordinal);
            all.Add(new(IpPrefix.Parse(line.AsSpan(0, space)), int.Parse(line.AsSpan(space + 1), CultureInfo.InvariantCulture)));
        }

        return new(all);
    }

    private int IndexOf(IpAddress address)
    {
        for (var i = 0; i < rows.Length; i++)
        {
            if ((address.Bits & masks[i]) == bits[i])
            {
                return i;
            }
        }

        return -1;
    }
}

/// <summary>Labels and precedences that a program asks of every address.</summary>
/// <param name="Labels">Rule 5 compares the label of source and destination.</param>
/// <param name="Precedences">Rule 6 compares those of two destinations.</param>
public sealed record Policy(PolicyTable Labels, PolicyTable Precedences)
{
    /// <summary>glibc's own tables (nss/getaddrinfo.c default_labels, default_precedence): labels of its own, the precedences of RFC 3484.</summary>
    public static Policy Glibc => field ??= new(
        PolicyTable.Of("::1/128 0", "::/0 1", "2002::/16 2", "::/96 3", "::ffff:0:0/96 4", "fec0::/10 5", "fc00::/7 6", "2001::/32 7"),
        PolicyTable.Of("::1/128 50", "::/0 40", "2002::/16 30", "::/96 20", "::ffff:0:0/96 10"));

    /// <summary>RFC 6724 section 2.1, as Go (net/addrselect.go), Chromium, FreeBSD and Windows have it.</summary>
    public static Policy Rfc6724 => field ??= new(
        PolicyTable.Of("::1/128 0", "::/0 1", "::ffff:0:0/96 4", "2002::/16 2", "2001::/32 5", "fc00::/7 13", "::/96 3", "fec0::/10 11", "3ffe::/16 12"),
        PolicyTable.Of("::1/128 50", "::/0 40", "::ffff:0:0/96 35", "2002::/16 30", "2001::/32 5", "fc00::/7 3", "::/96 1", "fec0::/10 1", "3ffe::/16 1"));

    /// <summary>musl's (src/network/lookup_name.c defpolicy): RFC 6724 without the three deprecated prefixes.</summary>
    public static Policy Musl => field ??= new(
        PolicyTable.Of("::1/128 0", "::/0 1", "::ffff:0:0/96 4", "2002::/16 2", "2001::/32 5", "fc00::/7 13"),
        PolicyTable.Of("::1/128 50", "::/0 40", "::ffff:0:0/96 35", "2002::/16 30", "2001::/32 5", "fc00::/7 3"));

    /// <summary>
    /// draft-ietf-6man-rfc6724-update: IPv4 and 6to4 go down, ULA up, and the host's own ULA prefixes ("known-local",
    /// here the /48 of every own ULA) go above everything.
    /// </summary>
    public static Policy Rfc6724Update(IEnumerable<IpAddress> own)
    {
        var local = own.Where(a => a.IsUniqueLocal).Select(a => new IpPrefix(a, 48).Network).Distinct().ToArray();
        return new(
            new([.. Rfc6724.Labels.Rows, .. local.Select(p => new PolicyRow(p, 14))]),
            new([
                .. Rfc6724.Precedences.Rows.Select(r => r with { Value = r.Prefix.ToString() switch { "::ffff:0.0.0.0/96" => 20, "2002::/16" => 5, "fc00::/7" => 30, _ => r.Value } }),
                .. local.Select(p => new PolicyRow(p, 45))]));
    }

    /// <summary>The kernel's labels for source selection (net/ipv6/addrlabel.c).</summary>
    public static PolicyTable KernelLabels => field ??= PolicyTable.Of(
        "::/0 1", "fc00::/7 5", "fec0::/10 11", "2002::/16 2", "3ffe::/16 12", "2001::/32 6", "2001:10::/28 7", "::ffff:0:0/96 4", "::/96 3", "::1/128 0");

    /// <summary>glibc's scopes of IPv4 addresses (default_scopes), as IPv4-mapped prefixes.</summary>
    public static PolicyTable GlibcScopes4 => field ??= PolicyTable.Of("::ffff:169.254.0.0/112 2", "::ffff:127.0.0.0/104 2", "::ffff:0:0/96 14");
}
