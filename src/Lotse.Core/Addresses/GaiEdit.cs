using Lotse.Formats;
using Lotse.Formats.AddressSelection;

namespace Lotse.Addresses;

/// <summary>A row to be written into gai.conf.</summary>
/// <param name="Kind">label or precedence.</param>
/// <param name="Prefix">The prefix, IPv4 as IPv4-mapped.</param>
/// <param name="Value">The number.</param>
public readonly record struct GaiRow(GaiKind Kind, IpPrefix Prefix, int Value)
{
    /// <summary>The line.</summary>
    public override string ToString() => $"{(Kind == GaiKind.Label ? "label" : "precedence")} {Write(Prefix)} {Value}";

    /// <summary>The prefix as gai.conf(5) writes it: always with /LENGTH, ::ffff:0:0/96 in groups.</summary>
    internal static string Write(IpPrefix prefix) =>
        prefix.Network.Address is { IsMappedV6: true, Bits4: 0 } && prefix.Length == 96 ? "::ffff:0:0/96" : prefix.Network.ToString();
}

/// <summary>Changing gai.conf: rows go into one marked block, with the built-in rows of their kind where the file had none; every other line stays.</summary>
public static class GaiEdit
{
    /// <summary>Names the block.</summary>
    private const string Block = "addr", Retired = "# by lotse, was: ";

    /// <summary>The file with rows added.</summary>
    /// <param name="text">The file; null: there is none.</param>
    /// <param name="rows">New rows. A row of the same kind and prefix makes way.</param>
    /// <param name="version">Which glibc reads it.</param>
    /// <returns>Null where the marks of an earlier block are damaged.</returns>
    public static string? With(string? text, IReadOnlyList<GaiRow> rows, GlibcVersion version)
    {
        var file = FileLines.Split(ByteText.Encode(text ?? ""));
        var conf = GaiConf.Parse(text, version);
        var (from, to) = (Array.IndexOf(file.Lines, $"# begin lotse: {Block}{file.LineEnd}"), Array.IndexOf(file.Lines, $"# end lotse: {Block}{file.LineEnd}"));
        bool InBlock(int number) => from >= 0 && number > from && number <= to;
        bool IsReplaced(GaiLine line) => rows.Any(r => r.Kind == line.Kind && Mapped(line.Prefix) == Mapped(r.Prefix));

        // Foreign lines that would win over the new ones, or that this glibc trips over, become comments.
        var lines = file.Lines.ToArray();
        foreach (var line in conf.Lines.Where(l => !InBlock(l.Number)))
        {
            if ((line.Counts && IsReplaced(line)) || (line.Fault == GaiFault.NoLength && !version.ReadsMissingLength))
            {
                lines[line.Number - 1] = Retired + lines[line.Number - 1];
            }
        }

        var kept = conf.Lines.Where(l => InBlock(l.Number) && l.Counts && !IsReplaced(l)).Select(l => l.Written).ToList();
        foreach (var kind in rows.Select(r => r.Kind).Distinct())
        {
            if (!conf.Lines.Any(l => l.Kind == kind && l.Counts))
            {
                var builtIn = kind == GaiKind.Label ? Policy.Glibc.Labels : Policy.Glibc.Precedences;
                kept.AddRange(builtIn.InOrder.Select(r => new GaiRow(kind, r.Prefix, r.Value)).Where(d => !rows.Any(r => r.Kind == kind && Mapped(r.Prefix) == Mapped(d.Prefix))).Select(d => d.ToString()));
            }
        }

        return (file with { Lines = lines }).WithBlock(Block, [.. kept, .. rows.Select(r => r.ToString())]) is { } changed ? ByteText.Decode(changed.Join()) : null;
    }

    private static (UInt128 Bits, int Length) Mapped(IpPrefix prefix) => (prefix.Network.Address.Bits, prefix.MappedLength);
}
