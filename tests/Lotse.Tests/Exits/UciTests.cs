using System.Text;
using Lotse.Exits;
using Xunit;

namespace Lotse.Tests.Exits;

/// <summary>
/// UCI files against what the real uci (revision 66127cd) printed of them: tests/data/exits/uci/NAME.in with .show and
/// .export, or .error where it refuses the file.
/// </summary>
public class UciTests
{
    public static TheoryData<string> Cases() => [.. Directory.GetFiles(LotseProgram.Data("exits", "uci"), "*.in").Select(f => Path.GetFileNameWithoutExtension(f)!).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Says_what_uci_says(string name)
    {
        var (file, stem) = Read(name);
        if (File.Exists(stem + ".error"))
        {
            Assert.Equal(File.ReadAllText(stem + ".error").Trim(), file.Error?.AsUciSays);
            var (code, _, errors) = LotseProgram.Run("exits", "uci", stem + ".in");
            Assert.Equal(3, code);
            Assert.Contains($"{stem}.in:{file.Error!.Line}:{file.Error.Column}: ", errors, StringComparison.Ordinal);
            return;
        }

        Assert.Null(file.Error);
        Assert.Equal(File.ReadAllBytes(stem + ".show"), ByteText.Encode(file.Package!.Show("case")));
        Assert.Equal(File.ReadAllBytes(stem + ".export"), ByteText.Encode(file.Package.Export("case")));
    }

    /// <summary>What is exported says the same when it is read again. Not with a quote in a type: libuci escapes it as if it stood in quotes.</summary>
    [Theory]
    [MemberData(nameof(Cases))]
    public void Reads_its_own_export(string name)
    {
        if (Read(name).File.Package is { } package && !package.Sections.Any(s => s.Type.Contains('\'', StringComparison.Ordinal)))
        {
            Assert.Equal(package.Show("case"), UciFile.Parse("case", ByteText.Encode(package.Export("case"))).Package!.Show("case"));
        }
    }

    [Fact]
    public void An_edit_touches_one_value_only()
    {
        const string before = "# top\r\nconfig zone   wan # the uplinks\r\n  option  masq   \"1\"   # yes\r\n\tlist network 'wan'\r\n\r\n# between\r\nconfig rule\r\n\toption a b";
        var edit = new UciEdit("firewall", Encoding.UTF8.GetBytes(before));
        edit.Set("wan", "masq", "it's");
        edit.AddToList("wan", "network", "wg0");
        edit.Set("wan", "masq6", "1");
        edit.AddSection("nat", "range", ("src", "wan"), ("src_ip", "dd00::/48"));
        Assert.Equal(
            "# top\r\nconfig zone   wan # the uplinks\r\n  option  masq   'it'\\''s'   # yes\r\n\tlist network 'wan'\r\n\tlist network 'wg0'\r\n\toption masq6 '1'\r\n\r\n# between\r\nconfig rule\r\n\toption a b\r\n\r\nconfig nat 'range'\r\n\toption src 'wan'\r\n\toption src_ip 'dd00::/48'\r\n",
            Encoding.UTF8.GetString(edit.Bytes));
    }

    [Fact]
    public void What_is_taken_away_leaves_the_rest_as_it_was()
    {
        const string before = "config zone 'wan'\n\toption name 'wan'\n\t# a comment\n\toption masq6 '1'\n\tlist network 'wan'\n\tlist network 'wg0'\n\nconfig zone 'lan'\n\toption name 'lan'\n";
        var edit = new UciEdit("firewall", Encoding.UTF8.GetBytes(before));
        edit.Remove("wan", "masq6");
        edit.RemoveFromList("wan", "network", "wan");
        Assert.Equal("config zone 'wan'\n\toption name 'wan'\n\t# a comment\n\tlist network 'wg0'\n\nconfig zone 'lan'\n\toption name 'lan'\n", Encoding.UTF8.GetString(edit.Bytes));
        edit.RemoveSection("lan");
        Assert.Equal("config zone 'wan'\n\toption name 'wan'\n\t# a comment\n\tlist network 'wg0'\n\n", Encoding.UTF8.GetString(edit.Bytes));
    }

    [Fact]
    public void Several_commands_on_a_line_are_not_edited()
    {
        var edit = new UciEdit("x", "config x 'n';option a 'b'\n"u8.ToArray());
        Assert.Throws<UciEditException>(() => edit.Set("n", "a", "c"));
        Assert.Equal("config x 'n';option a 'b'\n", Encoding.UTF8.GetString(edit.Bytes));
    }

    /// <summary>Any change to a file that parses changes the value that was meant and no other, and keeps every other line.</summary>
    [Fact]
    public void Random_edits_change_what_they_say()
    {
        var random = new Random(7);
        for (var round = 0; round < 400; round++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(1, 6)).Select(i => $"config t{random.Next(2)} 's{i}'{(random.Next(3) == 0 ? " # c" : "")}\n{string.Concat(Enumerable.Range(0, random.Next(4)).Select(j => Statement(random, j)))}{(random.Next(3) == 0 ? "\n# between\n" : "")}"));
            var bytes = Encoding.UTF8.GetBytes(random.Next(4) == 0 ? text.TrimEnd('\n') : text);
            var edit = new UciEdit("x", bytes);
            var section = edit.Package.Sections[random.Next(edit.Package.Sections.Length)].Name;
            var value = new[] { "v", "it's", "two words", "a#b", "ü\\" }[random.Next(5)];
            var option = $"o{random.Next(4)}";
            edit.Set(section, option, value);
            Assert.Equal(value, edit.Package.Named(section)!.Text(option));
            var comments = Encoding.UTF8.GetString(bytes).Split('\n').Where(l => l.StartsWith('#'));
            Assert.Equal(comments, Encoding.UTF8.GetString(edit.Bytes).Split('\n').Where(l => l.StartsWith('#')));
        }
    }

    /// <summary>Hostile bytes end in a package or an error, never in anything else.</summary>
    [Fact]
    public void Random_bytes_are_read_or_refused()
    {
        var random = new Random(11);
        string[] pieces = ["config ", "option ", "list ", "'", "\"", "\\", ";", "#", "\n", "\t", "a", "x", "\r\n", "ÿ", "c", "package "];
        for (var round = 0; round < 20000; round++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(12)).Select(_ => pieces[random.Next(pieces.Length)]));
            var file = UciFile.Parse("x", Encoding.Latin1.GetBytes(text));
            Assert.True(file.Package is null != file.Error is null);
        }
    }

    private static string Statement(Random random, int index) => random.Next(3) switch
    {
        0 => $"\toption o{index} '{random.Next(9)}'{(random.Next(3) == 0 ? "  # why" : "")}\n",
        1 => $"  list o{index} \"{random.Next(9)}\"\n\tlist o{index} b\n",
        _ => $"\toption o{index} bare\n",
    };

    private static (UciFile File, string Stem) Read(string name)
    {
        var stem = LotseProgram.Data("exits", "uci", name);
        return (UciFile.Parse("case", File.ReadAllBytes(stem + ".in")), stem);
    }
}
