using Lotse.Cli;
using Xunit;

namespace Lotse.Tests;

/// <summary>What the table of commands feeds must hold all of it.</summary>
public class CommandTableTests
{
    public static TheoryData<string> Names() => [.. Table.Commands.Skip(1).Select(c => c.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_command_has_help_with_an_example_that_parses(string name)
    {
        var (code, output, _) = LotseProgram.Run([.. name.Split(' '), "--help"]);
        Assert.Equal(0, code);
        var command = Table.Commands.Single(c => c.Name == name);
        Assert.All(command.AllOptions, o => Assert.Contains(o.Name, output, StringComparison.Ordinal));
        Assert.NotEmpty(command.Examples);
        Assert.All(command.Examples.SelectMany(e => e.Line.Split("; lotse ")), line =>
        {
            var words = Transcript.Words(line).TakeWhile(w => w is not ">" && !w.StartsWith('>') && !w.StartsWith('<') && !w.EndsWith(';')).ToArray();
            Parser.Parse(Table.Commands, words, new Output(new MemoryStream()), new Output(new MemoryStream()));
        });
    }

    [Theory]
    [InlineData("bash")]
    [InlineData("zsh")]
    [InlineData("fish")]
    public void Every_command_and_option_is_completed(string shell)
    {
        var (_, script, _) = LotseProgram.Run("completion", shell);
        Assert.All(Table.Commands, c =>
        {
            Assert.All(c.Name.Split(' '), word => Assert.Contains(word, script, StringComparison.Ordinal));
            Assert.All(c.AllOptions, o => Assert.Contains(shell == "fish" ? $"-l {o.Name[2..]} " : o.Name, script, StringComparison.Ordinal));
            Assert.All(c.AllOptions.SelectMany(o => o.Choices), choice => Assert.Contains(choice, script, StringComparison.Ordinal));
        });
    }

    [Fact]
    public void The_man_page_holds_every_command_option_and_finding()
    {
        var page = LotseProgram.Run("man").Output.Replace("\\-", "-", StringComparison.Ordinal);
        Assert.All(Table.Commands.Skip(1), c => Assert.Contains($".SS lotse {c.Name}\n", page, StringComparison.Ordinal));
        Assert.All(Table.Commands.SelectMany(c => c.AllOptions), o => Assert.Contains($".B {HelpText.Spelling(o)}", page, StringComparison.Ordinal));
        Assert.All(FindingPage.All, f => Assert.Contains($".B {f.Id}\n", page, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("swap", "--top=3", "--all")]
    [InlineData("swap", "--all", "--top", "3")]
    public void Options_may_stand_anywhere(params string[] words)
    {
        var call = Parser.Parse(Table.Commands, words, new Output(new MemoryStream()), new Output(new MemoryStream()));
        Assert.Equal((3, true), (call.Number("--top"), call.Has("--all")));
    }

    [Theory]
    [InlineData("2", "swap", "--watch")]
    [InlineData("5", "swap", "--watch", "5")]
    [InlineData("0.5", "swap", "--watch=0.5", "--all")]
    [InlineData("2", "swap", "--watch", "--all")]
    public void The_value_of_watch_may_be_left_out(string seconds, params string[] words) =>
        Assert.Equal(seconds, Parser.Parse(Table.Commands, words, new Output(new MemoryStream()), new Output(new MemoryStream()))["--watch"]);

    [Fact]
    public void After_two_dashes_nothing_is_an_option() =>
        Assert.Equal(["--all"], Parser.Parse(Table.Commands, ["swap", "why", "--", "--all"], new Output(new MemoryStream()), new Output(new MemoryStream())).Arguments);
}
