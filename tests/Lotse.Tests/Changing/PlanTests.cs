using System.Security.Cryptography;
using System.Text;
using CsCheck;
using Lotse.Changing;
using Lotse.Formats;
using Xunit;

namespace Lotse.Tests.Changing;

/// <summary>Differences, edits and plans: what is made is what comes back, whatever the bytes are.</summary>
public class PlanTests
{
    private static readonly Gen<byte[]> AnyBytes = Gen.OneOf(Gen.Byte, Gen.OneOf(Gen.Const((byte)'\n'), Gen.Const((byte)'\r'), Gen.Const((byte)'a'), Gen.Const((byte)0xff), Gen.Const((byte)0xc3), Gen.Const((byte)0xa4), Gen.Const((byte)'\\'))).Array[0, 60];
    private static readonly Gen<string[]> FewLines = Gen.OneOf(Gen.Const("a"), Gen.Const("b"), Gen.Const("c"), Gen.Const("")).Array[0, 30];

    [Fact]
    public void A_difference_turns_one_list_into_the_other_and_is_the_shortest() => Gen.Select(FewLines, FewLines).Sample((before, after) =>
    {
        var hunks = LineDiff.Between(before, after);
        Assert.Equal(after, LineDiff.Apply(before, hunks));
        Assert.Equal(before.Length + after.Length - (2 * LongestCommon(before, after)), hunks.Sum(h => h.Remove.Length + h.Add.Length));
    });

    [Fact]
    public void Lines_are_split_and_joined_without_losing_a_byte() => AnyBytes.Sample(bytes => Assert.Equal(bytes, FileLines.Split(bytes).Join()));

    [Fact]
    public void An_edit_gives_exactly_the_bytes_that_were_wanted() => Gen.Select(AnyBytes, AnyBytes).Sample((before, after) =>
    {
        var edit = EditFile.Between("/f", before, after);
        Assert.Equal(after, edit.Apply(before));
        Assert.Null(edit.Apply([.. before, (byte)'!']));
    });

    [Fact]
    public void A_block_of_ours_comes_goes_and_changes_and_all_else_stays() => Gen.Select(AnyBytes, FewLines, FewLines).Sample((bytes, first, second) =>
    {
        var before = FileLines.Split(bytes);
        if (first.Length == 0 || second.Length == 0)
        {
            return;
        }

        var with = before.WithBlock("x", first)!;
        Assert.Equal(with.Join(), FileLines.Split(with.Join()).WithBlock("x", first)!.Join());
        Assert.Equal(before.WithBlock("x", second)!.Join(), with.WithBlock("x", second)!.Join());

        // Only the end of the last line, which the block needed, is not taken back.
        var without = with.WithBlock("x", [])!.Join();
        Assert.Equal(before.Unterminated ? [.. bytes, (byte)'\n'] : bytes, without);
    });

    [Fact]
    public void A_block_whose_marks_are_not_one_pair_is_left_alone()
    {
        foreach (var text in new[] { "# begin lotse: x\n", "# end lotse: x\n", "# end lotse: x\n# begin lotse: x\n", "# begin lotse: x\n# end lotse: x\n# begin lotse: x\n# end lotse: x\n" })
        {
            Assert.Null(FileLines.Split(Encoding.UTF8.GetBytes(text)).WithBlock("x", ["y"]));
        }
    }

    [Fact]
    public void The_digest_is_the_platform_s() => Gen.Byte.Array[0, 300].Sample(bytes => Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(bytes)), Sha256.Hex(bytes)));

    [Fact]
    public void A_plan_comes_back_from_its_file()
    {
        var plan = Example();
        var read = Plan.Parse("p", plan.ToBytes());
        Assert.Null(read.Error);
        Assert.Equal(plan.ToBytes(), read.Value.ToBytes());
        Assert.Equal(plan.Changes.Select(c => c.Sentence.ToString()), read.Value.Changes.Select(c => c.Sentence.ToString()));
        Assert.DoesNotContain(plan.ToBytes(), b => b is < 32 and not (byte)'\n');
    }

    [Fact]
    public void A_damaged_plan_is_refused_or_says_the_same_and_never_throws()
    {
        var bytes = Example().ToBytes();
        Gen.Select(Gen.Int[0, bytes.Length - 1], Gen.Byte, Gen.Int[0, 40]).Sample((at, value, cut) =>
        {
            byte[] damaged = [.. bytes];
            damaged[at] = value;
            damaged = [.. damaged[..at], .. damaged[Math.Min(damaged.Length, at + (cut % 5))..]];
            var read = Plan.Parse("p", damaged);
            Assert.True(read.Error is null || read.Error!.Message.Contains("is not a plan", StringComparison.Ordinal));
        });
    }

    [Theory]
    [InlineData("\"seconds\": 5", "\"seconds\": 0", "may take from 1 to 86400 seconds")]
    [InlineData("\"/proc/sys/vm/swappiness\"", "\"/etc/passwd\"", "is no value of the kernel")]
    [InlineData("\"x.service\"", "\"-x.service\"", "starts with a dash")]
    [InlineData("\"0600\"", "\"0900\"", "is not a plan")]
    [InlineData("\"0600\"", "\"70000\"", "a mode is out of range")]
    [InlineData("\"line\": 1", "\"line\": 0", "out of order")]
    [InlineData("/etc/created", "/etc/../created", "is not an absolute path")]
    [InlineData("\"sshd\"", "\"\"", "a check has no {}")]
    [InlineData("\"lotse-plan/1\"", "\"lotse-plan/2\"", "its schema is lotse-plan/2")]
    [InlineData("\"goal\": \"", "\"x\": 1, \"goal\": \"", "something is wrong")]
    public void What_json_alone_cannot_say_is_wrong_is_said(string from, string to, string words)
    {
        var text = Encoding.UTF8.GetString(Example().ToBytes());
        Assert.Contains(from, text, StringComparison.Ordinal);
        var read = Plan.Parse("p", Encoding.UTF8.GetBytes(text.Replace(from, to, StringComparison.Ordinal)));
        Assert.Contains(words, read.Error!.Message, StringComparison.Ordinal);
    }

    private static Plan Example() => new(
        Plan.CurrentSchema, new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero), "the tests", "edit", "a goal \u001b[31m\udcff", new("host", "00"),
        [new("/etc/a\nb", PathState.File, "00", 1, 0x1a4, 0, 0), new("/etc/../x", PathState.Absent)],
        [
            new EditFile("/etc/a\nb", [new(1, ["old\udcff", "\t\\x"], ["new\u0007"])], "00", "11", true, ["sshd", "-t", "-f", "{}"]),
            new CreateFile("/etc/created", ["x"], 0x180, 0, 0),
            new DeleteFile("/etc/deleted", "22"),
            new SetAttributes("/etc/m", "33", 0x1ff, null, 7),
            new SetKernelValue("/proc/sys/vm/swappiness", "60", "10"),
            new RunProgram(["true", "$(touch x)"], ["true"], 5),
            new TellUnit("", UnitAction.DaemonReload),
            new TellUnit("x.service", UnitAction.Restart),
            new BringPagesIn(1, 2, "na\nme"),
            new CycleSwap("/dev/zram0", -2, 100),
            new ByHand("look"),
        ],
        ["swap/thrashing"], ["a", "b"]);

    private static int LongestCommon(string[] a, string[] b)
    {
        var best = new int[a.Length + 1, b.Length + 1];
        for (var i = 1; i <= a.Length; i++)
        {
            for (var j = 1; j <= b.Length; j++)
            {
                best[i, j] = a[i - 1] == b[j - 1] ? best[i - 1, j - 1] + 1 : Math.Max(best[i - 1, j], best[i, j - 1]);
            }
        }

        return best[a.Length, b.Length];
    }
}
