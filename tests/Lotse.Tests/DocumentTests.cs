using System.Text.RegularExpressions;
using Xunit;

namespace Lotse.Tests;

/// <summary>
/// Every command block of the documents: <c>```console</c> blocks are run and their output is compared. A comment
/// before a block, <c>&lt;!-- facts: FILE --&gt;</c>, names the recording that the commands look at, so that their
/// output is the same on every machine.
/// </summary>
[Collection("folder")]
public partial class DocumentTests
{
    public static TheoryData<string> Documents() =>
        [.. new[] { "README.md", "CONTRIBUTING.md" }.Concat(Directory.GetFiles(Path.Combine(LotseProgram.Checkout, "docs"), "*.md").Select(f => "docs/" + Path.GetFileName(f))).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Documents))]
    public void Shows_what_the_commands_print(string document)
    {
        var path = Path.Combine(LotseProgram.Checkout, document);
        var text = File.ReadAllText(path);
        var played = Block().Replace(text, block =>
        {
            var facts = block.Groups["facts"].Value;
            return block.Groups["before"].Value
                + Transcript.Play(block.Groups["text"].Value, LotseProgram.Checkout, facts.Length > 0 ? ["--facts", Path.Combine(LotseProgram.Checkout, facts)] : [])
                + "```";
        });
        if (Transcript.Rewrites)
        {
            File.WriteAllText(path, played);
        }

        Assert.Equal(text, played);
    }

    /// <summary>Commands that are not lotse's stand in <c>```sh</c> blocks; these are the ones the tests themselves are started by, or the packagers'.</summary>
    [Theory]
    [MemberData(nameof(Documents))]
    public void Names_only_commands_that_exist(string document)
    {
        var text = File.ReadAllText(Path.Combine(LotseProgram.Checkout, document));
        foreach (Match block in ShellBlock().Matches(text))
        {
            foreach (var line in block.Groups["text"].Value.Split('\n').Where(l => l.StartsWith("./", StringComparison.Ordinal)))
            {
                Assert.True(File.Exists(Path.Combine(LotseProgram.Checkout, line.Split(' ')[0])), $"{document}: {line}");
            }

            foreach (Match command in Regex.Matches(block.Groups["text"].Value, @"^(\./)?lotse (?<rest>.*)$", RegexOptions.Multiline))
            {
                var words = Transcript.Words(command.Groups["rest"].Value.Split(" #")[0].Trim());
                Assert.True(words is ["build", ..] || LotseProgram.Run([.. words.TakeWhile(w => w is not ("|" or ">" or ";") && !w.StartsWith('>')), "--help"]).Code == 0, $"{document}: {command.Value}");
            }
        }
    }

    [GeneratedRegex(@"(?<before>(<!-- facts: (?<facts>\S+) -->\n+)?```console\n)(?<text>.*?)```", RegexOptions.Singleline)]
    private static partial Regex Block();

    [GeneratedRegex(@"```sh\n(?<text>.*?)```", RegexOptions.Singleline)]
    private static partial Regex ShellBlock();
}
